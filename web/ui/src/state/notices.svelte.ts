/**
 * What happened since the page was opened, whether somebody looked or not: requests, messages in conversations that were not open, files, sign-ins, the
 * line to the node, and every toast. For this session of the page only, and no more than a hundred.
 *
 * It hears what the session hears, before the lists change, so it can tell what is new. How it is worded is in the panel that shows it.
 */
import { call } from '../lib/api'
import type { Contact, Frame, SecurityEntry, SecurityLog, Transfer } from '../lib/api-types'
import { isOver } from '../lib/transfer-rules'
import { contacts } from './contacts.svelte'
import { desk } from './desk.svelte'
import { addLooker } from './lookers'
import { hrefs, place } from './route.svelte'
import { toasts, type Toast } from './toasts.svelte'
import { transfers } from './transfers.svelte'

/** Enough for a day of somebody busy; the oldest makes room. */
const MOST = 100

export type What =
  | { kind: 'request'; did: string }
  | { kind: 'messages'; did: string; count: number; text: string }
  | { kind: 'transfer'; transfer: Transfer }
  | { kind: 'doors'; entry: SecurityEntry }
  | { kind: 'line'; up: boolean }
  | { kind: 'insecure' }
  | { kind: 'health'; text: string }
  | { kind: 'toast'; text: string; tone: Toast['tone'] }

export interface Notice {
  /** What is told again takes the place of what was told before. */
  key: string
  at: number
  seen: boolean
  /** Where one can see more of it. */
  href: string | null
  what: What
}

/** The owner's own doing, which they know. */
const isOwn = ({ direction, state }: Transfer): boolean =>
  direction === 'in' ? state === 'declined' || state === 'cancelled' : state === 'withdrawn'

class Notices {
  /** The latest first. */
  list = $state.raw<readonly Notice[]>([])
  readonly unseen = $derived(this.list.filter(({ seen }) => !seen).length)
  /** Hears what is new, and what is no news any more: notifications of the desktop, once they were asked for. */
  told: ((notice: Notice) => void) | null = null
  settled: ((key: string) => void) | null = null
  #count = 0
  /** The latest entry of the security log that was there already; null until it was read once. */
  #door: number | null = null

  constructor() {
    addLooker(this)
    toasts.heard = ({ text, tone }) => this.#add(`toast/${++this.#count}`, null, { kind: 'toast', text, tone }, true)
  }

  /** The page stands: what is in the security log by now is no news. */
  start(): void {
    void this.#doors()
  }

  /** An event, before the lists know it. */
  event(frame: Frame): void {
    switch (frame.type) {
      case 'contact':
        return this.#contact(frame.data)
      case 'message_gone':
        return this.#forget(frame.data.conversation)
      case 'transfer':
        return this.#transfer(frame.data)
      case 'doors':
        return void this.#doors()
      case 'health':
        return this.#add(`health/${++this.#count}`, hrefs.network, { kind: 'health', text: frame.data.what })
    }
  }

  /** The line to the node went down for longer than a moment, or is back. */
  line(up: boolean): void {
    this.#add(`line/${++this.#count}`, null, { kind: 'line', up }, up)
  }

  /** The page came in the clear, and the browser withholds some of what it could do. */
  insecure(): void {
    this.#add('insecure', hrefs.settings('browser'), { kind: 'insecure' })
  }

  seeAll(): void {
    if (this.unseen > 0) this.list = this.list.map((one) => ({ ...one, seen: true }))
  }

  clear(): void {
    this.list = []
    this.#door = null
  }

  /** All of it is thrown away; what comes is new again. */
  empty(): void {
    this.list = []
  }

  #contact({ did, standing, unread, last }: Contact): void {
    const before = contacts.get(did)
    if (standing === 'asking' && before?.standing !== 'asking') this.#add(`request/${did}`, hrefs.person(did), { kind: 'request', did })
    if (standing !== 'asking') this.#see(`request/${did}`)
    // Read, here or on another device: it is no news any more.
    if (unread === 0) this.#see(`messages/${did}`)
    const open = place.chat.at === 'person' && place.chat.did === did && desk.sees('chat') && document.visibilityState === 'visible'
    if (standing !== 'accepted' || open || unread <= (before?.unread ?? 0)) return
    this.#add(`messages/${did}`, hrefs.person(did), { kind: 'messages', did, count: unread, text: last?.preview ?? '' })
  }

  /** A message has had its time: what a notice says of it is not to stay. Which one that is nobody noted, so none is quoted any more. */
  #forget(did: string): void {
    this.list = this.list.map((one) => (one.what.kind === 'messages' && one.what.did === did ? { ...one, what: { ...one.what, text: '' } } : one))
  }

  #transfer(transfer: Transfer): void {
    const { id, state } = transfer
    const before = transfers.get(id)?.state
    if (before === state || isOwn(transfer)) return
    if (state === 'offered' || isOver(transfer)) this.#add(`transfer/${id}`, hrefs.transfers, { kind: 'transfer', transfer })
    else if (before === 'offered') this.#see(`transfer/${id}`)
  }

  /** What happened at the doors since it was looked at last. */
  async #doors(): Promise<void> {
    try {
      const { items } = await call<SecurityLog>('GET', '/api/security-log')
      const newer = this.#door === null ? [] : items.filter(({ number }) => number > (this.#door ?? 0))
      for (const entry of newer.reverse()) this.#add(`doors/${entry.number}`, hrefs.settings('doors'), { kind: 'doors', entry })
      this.#door = items[0]?.number ?? this.#door ?? -1
    } catch {
      // It is read again with the next event, and the settings show all of it.
    }
  }

  #add(key: string, href: string | null, what: What, seen = false): void {
    const others = this.list.filter((one) => one.key !== key)
    const notice = { key, at: Date.now(), seen, href, what }
    this.list = [notice, ...others].slice(0, MOST)
    if (!seen) this.told?.(notice)
  }

  #see(key: string): void {
    this.settled?.(key)
    if (this.list.some((one) => one.key === key && !one.seen)) this.list = this.list.map((one) => (one.key === key ? { ...one, seen: true } : one))
  }
}

export const notices = new Notices()
