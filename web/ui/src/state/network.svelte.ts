/** The network as the node sees it, while somebody looks. Live: a change comes as an event, and is read then; there is no polling. */
import { api, ApiError, call } from '../lib/api'
import type { Contact, Mailboxes, Network, Reach } from '../lib/api-types'
import type { Phase } from './contacts.svelte'
import { addLooker } from './lookers'

class NetworkState {
  phase = $state<Phase>('loading')
  problem = $state('')
  seen = $state.raw<Network | null>(null)
  /** Contacts, who can be pinned and served. */
  people = $state.raw<Contact[]>([])
  #watchers = 0
  #reading = false
  #again = false

  /** Somebody looks, until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1
    void this.read()
    return () => (this.#watchers -= 1)
  }

  /** Something changed. Several changes while one reading is under way make one more. */
  changed(): void {
    if (this.#watchers > 0) void this.read()
  }

  async read(): Promise<void> {
    if (this.#reading) {
      this.#again = true
      return
    }
    this.#reading = true
    try {
      const [seen, { items }] = await Promise.all([call<Network>('GET', '/api/network'), api.contacts()])
      this.seen = seen
      this.people = items.filter(({ standing }) => standing === 'accepted')
      this.phase = 'ready'
    } catch (error) {
      if (error instanceof ApiError && error.signedOut) return
      this.problem = error instanceof Error ? error.message : String(error)
      if (this.seen === null) this.phase = 'failed'
    } finally {
      this.#reading = false
    }
    if (this.#again) {
      this.#again = false
      await this.read()
    }
  }

  /** Throws what the node answers. */
  async setLevel(level: string): Promise<void> {
    const reach = await call<Reach>('PUT', '/api/network/level', { level })
    if (this.seen) this.seen = { ...this.seen, reach }
  }

  /** Has a node keep the owner's mailboxes for a month, or no longer. Throws what the node answers. */
  async pin(did: string, on: boolean): Promise<void> {
    await this.#set('pinned', did, on)
  }

  /** Lets a contact pin this node, or no longer. Throws what the node answers. */
  async serve(did: string, on: boolean): Promise<void> {
    await this.#set('served', did, on)
  }

  async #set(list: 'pinned' | 'served', did: string, on: boolean): Promise<void> {
    const path = `/api/mailboxes/${list}/${encodeURIComponent(did)}`
    const mailboxes = await call<Mailboxes>(on ? 'PUT' : 'DELETE', path)
    if (this.seen) this.seen = { ...this.seen, mailboxes }
  }

  clear(): void {
    this.seen = null
    this.people = []
    this.phase = 'loading'
  }
}

export const network = new NetworkState()
addLooker(network)
