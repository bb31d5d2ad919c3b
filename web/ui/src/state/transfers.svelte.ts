/**
 * All transfers that the node remembers, as far as they are. Live: each change comes as an event.
 *
 * Read with the page, because what waits for a decision is counted in the navigation. Not here: what can be done with them (`transfer-acts`).
 */
import { ApiError, call } from '../lib/api'
import type { Transfer, TransferList, TransferState } from '../lib/api-types'
import { base58 } from '../lib/ids'
import { Pace } from '../lib/pace'
import { isOver } from '../lib/transfer-rules'
import type { Phase } from './contacts.svelte'

/** States in which what was transferred stays so. Their events do not say how much it is. */
const STANDING: readonly TransferState[] = ['queued', 'paused', 'waiting_for_peer', 'waiting_for_room', 'waiting_for_them']

class Transfers {
  phase = $state<Phase>('loading')
  problem = $state('')
  #all = $state.raw<ReadonlyMap<string, Transfer>>(new Map())
  /** Ended here, while it can still be undone: they are shown as if it were done. */
  #ending = $state.raw<ReadonlyMap<string, TransferState>>(new Map())
  #loading: Promise<void> | null = null
  /** Events that come while the list is read: the list may be older than they are. */
  #meanwhile: (() => void)[] | null = null
  #paces = new Map<string, Pace>()
  #messages = new Map<string, string>()

  readonly list = $derived(
    [...this.#all.values()].map((one) => {
      const state = this.#ending.get(one.id)
      return state === undefined ? one : { ...one, state, bytes: null }
    }),
  )
  readonly undecided = $derived(this.list.filter(({ state }) => state === 'offered').length)

  get(id: string): Transfer | undefined {
    const one = this.#all.get(id)
    const state = this.#ending.get(id)
    return one && state !== undefined ? { ...one, state, bytes: null } : one
  }

  /** Bytes a second right now; null when it cannot be told. */
  speed(id: string, now: number): number | null {
    return this.#paces.get(id)?.speed(now) ?? null
  }

  /** Whether the message of that name offers something: it has the same 16 bytes for a name. */
  offeredBy(message: string): boolean {
    return this.#all.size > 0 && this.#messages.has(message)
  }

  /** Reads all of them; one reading at a time. */
  load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => (this.#loading = null))
    return this.#loading
  }

  /** An answer: this is new, unless events told of it already. They know better how it is now. */
  added(one: Transfer): void {
    if (!this.#all.has(one.id)) this.changed(one)
  }

  /** An event: it is so now. */
  changed(one: Transfer): void {
    this.#put(one)
    this.#meanwhile?.push(() => this.#put(one))
  }

  /** An event: it is not remembered any more. */
  removed(id: string): void {
    this.#drop(id)
    this.#meanwhile?.push(() => this.#drop(id))
  }

  /** It is shown as ended until it is, or `undefined` takes that back. */
  ending(id: string, state: TransferState | undefined): void {
    if (this.#ending.get(id) === state) return
    const ending = new Map(this.#ending)
    if (state === undefined) ending.delete(id)
    else ending.set(id, state)
    this.#ending = ending
  }

  clear(): void {
    this.#all = new Map()
    this.#ending = new Map()
    this.#paces.clear()
    this.#messages.clear()
    this.phase = 'loading'
  }

  async #read(): Promise<void> {
    if (this.phase === 'failed') this.phase = 'loading'
    this.#meanwhile = []
    try {
      const { transfers } = await call<TransferList>('GET', '/api/transfers')
      const known = transfers.map((one) => this.#noted(one))
      this.#all = new Map(known.map((one) => [one.id, one]))
      for (const event of this.#meanwhile) event()
      for (const one of this.#all.values()) if (isOver(one)) this.ending(one.id, undefined)
      this.phase = 'ready'
    } catch (error) {
      if (error instanceof ApiError && error.signedOut) return
      this.problem = error instanceof Error ? error.message : String(error)
      if (this.phase !== 'ready') this.phase = 'failed'
    } finally {
      this.#meanwhile = null
    }
  }

  #put(one: Transfer): void {
    if (isOver(one)) this.ending(one.id, undefined)
    this.#all = new Map(this.#all).set(one.id, this.#noted(one))
  }

  #drop(id: string): void {
    this.#all = new Map([...this.#all].filter(([known]) => known !== id))
    this.#paces.delete(id)
  }

  /** Notes how far it is, and which message tells of it. */
  #noted(one: Transfer): Transfer {
    if (!this.#all.has(one.id)) this.#messages.set(messageOf(one), one.id)
    const before = this.#all.get(one.id)?.bytes ?? null
    if (one.state === 'transferring' || one.state === 'preparing') {
      const pace = this.#paces.get(one.id) ?? new Pace()
      this.#paces.set(one.id, pace)
      if (one.bytes !== null) pace.add(one.bytes, Date.now())
    } else if (one.state !== 'waiting_for_them') {
      // One's own is between two questions, now and then.
      this.#paces.delete(one.id)
    }
    if (one.state === 'finishing') return { ...one, bytes: one.size }
    return STANDING.includes(one.state) && one.bytes === null ? { ...one, bytes: before } : one
  }
}

function messageOf({ offer }: Transfer): string {
  return base58(Uint8Array.from(offer.match(/../g) ?? [], (pair) => parseInt(pair, 16)))
}

export const transfers = new Transfers()
