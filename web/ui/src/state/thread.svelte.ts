/**
 * One conversation: a stretch of its messages as far as they were read, and what is on its way to the node.
 *
 * The stretch has no holes. It ends with the newest message, unless somebody went far back: then it goes on at both ends, and what is far
 * from the reader is let go, so that a hundred thousand messages are no more work for the browser than a few hundred.
 *
 * A written message is `outgoing` ("Saving…") until the node has it on disk; it then becomes one of the messages. Its name is chosen here,
 * so handing it over again after a failure never makes two.
 */
import { api, ApiError } from '../lib/api'
import type { Message, MessagePage, MessageState } from '../lib/api-types'
import { newMessageId } from '../lib/ids'
import { mayEdit, merge, refresh, requoted, withState } from '../lib/timeline'
import type { Phase } from './contacts.svelte'
import { kept, type Unsaved } from './kept'

const PAGE = 50
/** Pages that are read again after events were missed, at most: five hundred messages. */
const PAGES_AGAIN = 10
/** Messages that are kept on the page, at most; further ones go at the other end. */
const MOST = 400

export interface Outgoing extends Unsaved {
  /** Why it could not be handed over; null while it is tried. */
  problem: string | null
  /** It failed because nobody answered: tried again by itself when the node is back. */
  again: boolean
}

export class Thread {
  readonly did: string
  phase = $state<Phase>('loading')
  problem = $state('')
  messages = $state.raw<readonly Message[]>([])
  /** Where earlier messages go on; null at the beginning of the conversation. */
  before = $state.raw<string | null>(null)
  /** Where later messages go on; null when the newest is here. */
  after = $state.raw<string | null>(null)
  older = $state<'idle' | 'loading' | 'failed'>('idle')
  newer = $state<'idle' | 'loading' | 'failed'>('idle')
  outgoing = $state<Outgoing[]>([])
  draft = $state('')
  /** What is being answered, or edited; one of the two at most. */
  answering = $state.raw<Message | null>(null)
  editing = $state.raw<Message | null>(null)
  /** The draft, while a message is edited in its place. */
  #aside = ''
  #loading: Promise<void> | null = null
  #reading: Promise<void> | null = null
  /** The reader is at the end: what is far back may go when something new comes. */
  following = true
  /** Counts the stretches: what was asked for an earlier one does not belong into this one. */
  #stretch = 0
  /** Until the node has answered about the text that was sent last. */
  #saving: Promise<void> = Promise.resolve()

  constructor(did: string) {
    this.did = did
    this.draft = kept.draft(did)
    this.outgoing = kept.unsaved(did).map((unsaved) => ({ ...unsaved, problem: null, again: true }))
  }

  /** Reads the newest page; one reading at a time. */
  load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => (this.#loading = null))
    return this.#loading
  }

  /** Reads the page before what is there; one reading at a time. */
  loadOlder(): Promise<void> {
    this.#reading ??= this.#readOlder().finally(() => (this.#reading = null))
    return this.#reading
  }

  /** Reads the page after what is there; one reading at a time. */
  loadNewer(): Promise<void> {
    this.#reading ??= this.#readNewer().finally(() => (this.#reading = null))
    return this.#reading
  }

  /** Goes to a message, wherever it is: false when there is none such. */
  async goTo(id: string): Promise<boolean> {
    if (this.current(id)) return true
    try {
      this.#take(await api.around(this.did, id, PAGE))
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false
      throw error
    }
  }

  /** Goes back to the newest message. */
  async toNewest(): Promise<void> {
    if (this.after !== null) this.#take(await api.messages(this.did, { limit: PAGE }))
  }

  /** Another stretch instead of what is there. */
  #take({ items, before, after }: MessagePage): void {
    this.#stretch++
    this.messages = merge([], items)
    this.before = before
    this.after = after
    this.older = this.newer = 'idle'
    this.phase = 'ready'
  }

  async #readOlder(): Promise<void> {
    const { before } = this
    if (before === null) return
    const stretch = this.#stretch
    this.older = 'loading'
    try {
      const page = await api.messages(this.did, { before, limit: PAGE })
      this.older = 'idle'
      // The newest pages were read again meanwhile, and do not reach as far: the next reading begins there.
      if (this.before !== before || this.#stretch !== stretch) return
      const all = merge(this.messages, page.items)
      this.messages = all.slice(0, MOST)
      this.before = page.before
      if (all.length > MOST) this.after = this.messages[MOST - 1]?.order ?? null
    } catch {
      this.older = 'failed'
    }
  }

  async #readNewer(): Promise<void> {
    const { after } = this
    if (after === null) return
    const stretch = this.#stretch
    this.newer = 'loading'
    try {
      const page = await api.messages(this.did, { after, limit: PAGE })
      this.newer = 'idle'
      if (this.after !== after || this.#stretch !== stretch) return
      const all = merge(this.messages, page.items)
      this.messages = all.slice(-MOST)
      this.after = page.after
      if (all.length > MOST) this.before = this.messages[0]?.order ?? null
    } catch {
      this.newer = 'failed'
    }
  }

  put(message: Message): void {
    // What lies beyond what was read is not shown: alone there it would look as if nothing were between.
    const isBeyond =
      this.phase === 'ready' &&
      ((this.before !== null && message.order < this.before) || (this.after !== null && message.order > this.after))
    if (!isBeyond || this.current(message.id)) this.#add(message)
    this.messages = requoted(this.messages, this.current(message.id) ?? message)
    this.#forget(message.id)
  }

  #add(message: Message): void {
    const all = merge(this.messages, [message])
    if (all.length <= MOST || this.phase !== 'ready' || this.after !== null) {
      this.messages = all
    } else if (this.following) {
      this.messages = all.slice(-MOST)
      this.before = this.messages[0]?.order ?? null
    } else {
      // The reader is not to lose what they read: the newest comes when they get there.
      this.messages = all.slice(0, MOST)
      this.after = this.messages[MOST - 1]?.order ?? null
    }
  }

  /** A message as it is now, if it was read. */
  current(id: string): Message | undefined {
    return this.messages.find((message) => message.id === id)
  }

  /** It has had its time; what was quoted from it goes, too. */
  drop(id: string): void {
    this.messages = this.messages
      .filter((message) => message.id !== id)
      .map((message) => (message.quote?.id === id ? { ...message, quote: null } : message))
    if (this.answering?.id === id) this.answering = null
    if (this.editing?.id === id) this.stopEditing()
  }

  setState(id: string, state: MessageState): void {
    this.messages = withState(this.messages, id, state)
  }

  keepDraft(): void {
    kept.keepDraft(this.did, this.editing ? this.#aside : this.draft)
  }

  answer(message: Message): void {
    this.stopEditing()
    this.answering = message
  }

  edit(message: Message): void {
    this.answering = null
    if (!this.editing) this.#aside = this.draft
    this.editing = message
    this.draft = message.text
  }

  /** Edits my last message. One that is on its way to the node is meant, not the one before it. */
  async editLast(): Promise<void> {
    await this.#saving
    if (this.after !== null) return
    if (this.outgoing.length > 0 || this.draft !== '' || this.editing) return
    const last = this.messages.findLast(mayEdit)
    if (last) this.edit(last)
  }

  stopEditing(): void {
    if (!this.editing) return
    this.editing = null
    this.draft = this.#aside
  }

  async send(text: string): Promise<void> {
    const id = newMessageId()
    this.outgoing.push({ id, text, at: Date.now(), reply_to: this.answering?.id ?? null, problem: null, again: false })
    this.answering = null
    this.draft = ''
    this.keepDraft()
    this.#keep()
    // What I write is shown at the end of the conversation, wherever I was.
    void this.toNewest().catch(() => {})
    this.#saving = this.#handOver(id)
    await this.#saving
  }

  async retry(id: string): Promise<void> {
    const one = this.outgoing.find((candidate) => candidate.id === id)
    if (!one) return
    one.problem = null
    one.again = false
    await this.#handOver(id)
  }

  discard(id: string): void {
    this.#forget(id)
  }

  /** Hands over what failed only because nobody answered, in the order it was written. */
  async retryAll(): Promise<void> {
    for (const id of this.outgoing.filter((one) => one.again).map((one) => one.id)) await this.retry(id)
  }

  async #read(): Promise<void> {
    if (this.phase === 'failed') this.phase = 'loading'
    try {
      const middle = this.messages[this.messages.length >> 1]
      if (this.after !== null && middle) return this.#take(await api.around(this.did, middle.id, 2 * PAGE))
      const stretch = this.#stretch
      const asked = this.messages
      const page = await this.#newest()
      // Somebody went to a message far back meanwhile.
      if (this.#stretch !== stretch) return
      const known = refresh(this.messages, page, asked)
      this.messages = known.messages
      this.before = known.before
      for (const message of page.items) this.#forget(message.id)
      this.phase = 'ready'
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error)
      if (this.phase !== 'ready') this.phase = 'failed'
    }
  }

  /** The newest page; and those before it, as far back as was read already: what they have may be edited or deleted since. */
  async #newest(): Promise<MessagePage> {
    let { items, before } = await api.messages(this.did, { limit: PAGE })
    const oldest = this.phase === 'ready' ? this.messages[0] : undefined
    for (let pages = 1; pages < PAGES_AGAIN && oldest && before !== null && before > oldest.order; pages++) {
      const page = await api.messages(this.did, { before, limit: PAGE })
      items = [...page.items, ...items]
      before = page.before
    }
    return { items, before, after: null }
  }

  async #handOver(id: string): Promise<void> {
    const one = this.outgoing.find((candidate) => candidate.id === id)
    if (!one) return
    try {
      this.put(await api.send(this.did, { client_id: id, text: one.text, reply_to: one.reply_to }))
    } catch (error) {
      one.problem = error instanceof Error ? error.message : String(error)
      one.again = error instanceof ApiError && error.unanswered
    }
  }

  #forget(id: string): void {
    if (!this.outgoing.some((one) => one.id === id)) return
    this.outgoing = this.outgoing.filter((one) => one.id !== id)
    this.#keep()
  }

  #keep(): void {
    kept.keepUnsaved(this.did, this.outgoing.map(({ id, text, at, reply_to }) => ({ id, text, at, reply_to })))
  }
}

/** The conversations opened since the page was, most recent last; a few are kept so that going back is instant. */
class Threads {
  static readonly KEPT = 12
  #open = new Map<string, Thread>()

  of(did: string): Thread {
    const thread = this.#open.get(did) ?? new Thread(did)
    this.#open.delete(did)
    this.#open.set(did, thread)
    for (const [old, candidate] of this.#open) {
      if (this.#open.size <= Threads.KEPT) break
      if (candidate.outgoing.length === 0) this.#open.delete(old)
    }
    return thread
  }

  known(did: string): Thread | undefined {
    return this.#open.get(did)
  }

  /** Something may have been missed: what is shown is read again, the others when they are opened. */
  reload(shown: string | null): void {
    for (const [did, thread] of [...this.#open]) {
      if (did === shown) void thread.load()
      else if (thread.outgoing.length === 0) this.#open.delete(did)
    }
  }

  /** Hands over whatever waits in this browser. */
  retryAll(): void {
    for (const did of kept.withUnsaved()) void this.of(did).retryAll()
  }

  clear(): void {
    this.#open.clear()
  }
}

export const threads = new Threads()
