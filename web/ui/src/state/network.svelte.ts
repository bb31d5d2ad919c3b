/** The network as the node sees it, while somebody looks. Live: a change comes as an event, and is read then; there is no polling. */
import { api, ApiError } from '../lib/api'
import type { Network } from '../lib/api-types'
import type { Phase } from './contacts.svelte'

class NetworkState {
  phase = $state<Phase>('loading')
  problem = $state('')
  seen = $state.raw<Network | null>(null)
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
      this.seen = await api.network()
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
    const reach = await api.setLevel(level)
    if (this.seen) this.seen = { ...this.seen, reach }
  }

  clear(): void {
    this.seen = null
    this.phase = 'loading'
  }
}

export const network = new NetworkState()
