/** How the node is, for the dock: whether it answers, and how others reach it. Live: a change comes as an event and is read then, now and then at most. */
import { call } from '../lib/api'
import type { Reach } from '../lib/api-types'
import { addLooker } from './lookers'
import { session } from './session.svelte'

/** A node that relays is told of connections all the time; how it is reached changes seldom. */
const SELDOM_MS = 10_000

class Status {
  #reach = $state.raw<Reach | null>(null)
  #read = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  readonly now = $derived.by(() => {
    const { line } = session
    if (session.away && !line.up) return line.stops ? 'stops' : 'away'
    return this.#reach?.reachability ?? 'connecting'
  })

  constructor() {
    addLooker(this)
  }

  changed(): void {
    this.#timer ??= setTimeout(() => void this.#look(), Math.max(0, this.#read + SELDOM_MS - Date.now()))
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#reach = null
    this.#read = 0
  }

  async #look(): Promise<void> {
    this.#timer = undefined
    this.#read = Date.now()
    try {
      this.#reach = await call<Reach>('GET', '/api/network/level')
    } catch {
      // It stays as it was known; that the node is away is seen by its line.
    }
  }
}

export const status = new Status()
