/** What contacts are told of what one does here. Read when the first conversation is opened. */
import { call } from '../lib/api'
import type { ChatSettings } from '../lib/api-types'
import { addLooker } from './lookers'

/** As often as the node tells it: `typing.rs`. */
const TYPING_MS = 4_000

class Told {
  now = $state.raw<ChatSettings | null>(null)
  #loading: Promise<void> | null = null
  #saidAt = new Map<string, number>()

  /** Throws what the node answers. */
  load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => (this.#loading = null))
    return this.#loading
  }

  async #read(): Promise<void> {
    this.now = await call<ChatSettings>('GET', '/api/chat/settings')
  }

  /** Throws what the node answers. */
  async set(wanted: ChatSettings): Promise<void> {
    this.now = await call<ChatSettings>('PUT', '/api/chat/settings', wanted)
  }

  /** I am writing. Nobody waits for it, and nothing is said that nobody is to know. */
  typing(did: string): void {
    const now = Date.now()
    if (!this.now?.typing || now - (this.#saidAt.get(did) ?? 0) < TYPING_MS) return
    this.#saidAt.set(did, now)
    void call('POST', `/api/conversations/${encodeURIComponent(did)}/typing`).catch(() => {})
  }

  clear(): void {
    this.now = null
    this.#saidAt.clear()
  }
}

export const told = new Told()
addLooker(told)
