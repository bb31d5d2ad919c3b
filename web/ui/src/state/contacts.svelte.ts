/** Everybody the account knows, and what can be done with them. Live: each change comes as an event. */
import { api, ApiError } from '../lib/api'
import type { AddContact, Contact } from '../lib/api-types'
import { words } from '../lib/strings'
import { toasts } from './toasts.svelte'

export type Phase = 'loading' | 'ready' | 'failed'

class Contacts {
  phase = $state<Phase>('loading')
  problem = $state('')
  // Replaced whole: a few thousand people at most, and it is the only thing that has to be told to look again.
  #all = $state.raw<ReadonlyMap<string, Contact>>(new Map())
  /** Removed here, while it can still be undone. */
  #leaving = $state.raw<ReadonlySet<string>>(new Set())
  #reading = new Set<string>()
  #loading: Promise<void> | null = null
  /** Events that come while the list is read: the list may be older than they are. */
  #meanwhile: (() => void)[] | null = null

  readonly visible = $derived(
    [...this.#all.values()].filter((person) => !this.#leaving.has(person.did)).sort(byLatest),
  )
  readonly chats = $derived(this.visible.filter(({ standing }) => standing === 'accepted' || standing === 'requested'))
  readonly asking = $derived(this.visible.filter(({ standing }) => standing === 'asking'))
  readonly blocked = $derived(this.visible.filter(({ standing }) => standing === 'blocked'))
  readonly unread = $derived(this.chats.reduce((sum, person) => sum + person.unread, 0))

  get(did: string): Contact | undefined {
    return this.#leaving.has(did) ? undefined : this.#all.get(did)
  }

  /** Reads everybody; one reading at a time. */
  load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => (this.#loading = null))
    return this.#loading
  }

  /** An event: a person's entry is now so. */
  changed(person: Contact): void {
    this.#put(person)
    this.#meanwhile?.push(() => this.#put(person))
  }

  /** An event: a person's entry is gone. */
  removed(did: string): void {
    this.#drop(did)
    this.#meanwhile?.push(() => this.#drop(did))
  }

  clear(): void {
    this.#all = new Map()
    this.#leaving = new Set()
    this.phase = 'loading'
  }

  // What commands change comes as events, which know better than the answers: those may have been overtaken.

  /** Throws what the node answers, so that the form can show it where the mistake is. */
  async add(wanted: AddContact): Promise<Contact> {
    const person = await api.addContact(wanted)
    this.#stay(person.did)
    if (!this.#all.has(person.did)) this.#put(person)
    return person
  }

  async accept(person: Contact): Promise<void> {
    await told(async () => {
      await api.accept(person.did)
      toasts.say(words.person.accepted(person.label))
    })
  }

  async block(person: Contact): Promise<void> {
    await told(async () => {
      await api.block(person.did)
      toasts.done(words.person.blocked(person.label), () => {
        void this.#undoBlock(person)
      })
    })
  }

  async unblock(person: Contact): Promise<void> {
    await told(async () => {
      await api.unblock(person.did)
      toasts.say(words.person.unblocked(person.label))
    })
  }

  /** Throws, as `add` does. */
  async rename(person: Contact, alias: string | null): Promise<void> {
    const renamed = await api.rename(person.did, alias)
    toasts.done(words.person.renamed(renamed.label), () => {
      void told(async () => void (await api.rename(person.did, person.alias)))
    })
  }

  /** One telling at a time; its end comes as an event. */
  async markRead(did: string): Promise<void> {
    if (this.#reading.has(did)) return
    this.#reading.add(did)
    try {
      await api.markRead(did)
    } catch {
      // The count stays as it is, and the next look at the conversation tells again.
    } finally {
      this.#reading.delete(did)
    }
  }

  /** There is no way back for the node, so it is told when the time for Undo is over. */
  remove(person: Contact): void {
    this.#leaving = new Set(this.#leaving).add(person.did)
    toasts.pending(
      words.person.removed(person.label),
      () => this.#stay(person.did),
      () => {
        void this.#removeNow(person)
      },
    )
  }

  async #read(): Promise<void> {
    if (this.phase === 'failed') this.phase = 'loading'
    this.#meanwhile = []
    try {
      const { items } = await api.contacts()
      this.#all = new Map(items.map((person) => [person.did, person]))
      for (const event of this.#meanwhile) event()
      this.phase = 'ready'
    } catch (error) {
      if (error instanceof ApiError && error.signedOut) return
      this.problem = error instanceof Error ? error.message : String(error)
      // What is shown already stays: it is true as of a moment ago, and the banner says that the node is away.
      if (this.phase !== 'ready') this.phase = 'failed'
    } finally {
      this.#meanwhile = null
    }
  }

  async #undoBlock(person: Contact): Promise<void> {
    await told(() => api.unblock(person.did))
  }

  async #removeNow(person: Contact): Promise<void> {
    try {
      await api.remove(person.did)
      this.#drop(person.did)
    } catch (error) {
      toasts.problem(error)
      this.#stay(person.did)
    }
  }

  #put(person: Contact): void {
    this.#all = new Map(this.#all).set(person.did, person)
  }

  #drop(did: string): void {
    this.#all = new Map([...this.#all].filter(([known]) => known !== did))
    this.#stay(did)
  }

  #stay(did: string): void {
    this.#leaving = new Set([...this.#leaving].filter((other) => other !== did))
  }
}

/** Latest entry first; those without any by when we came to know them. */
function byLatest(a: Contact, b: Contact): number {
  return (b.last?.at ?? b.since) - (a.last?.at ?? a.since) || (a.did < b.did ? -1 : 1)
}

async function told(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    toasts.problem(error)
  }
}

export const contacts = new Contacts()
