/** What went over the network, while somebody looks: read once, and again when the node says that there is more. There is no polling. */
import { ApiError, call } from '../lib/api'
import type { Frame, Traffic } from '../lib/api-types'
import type { Phase } from './contacts.svelte'
import { addLooker } from './lookers'

class TrafficState {
  phase = $state<Phase>('loading')
  problem = $state('')
  seen = $state.raw<Traffic | null>(null)
  /** The clock of the node, less that of this browser. */
  ahead = 0
  #watchers = 0
  #reading = false

  /** Somebody looks, until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1
    const shown = () => this.changed()
    document.addEventListener('visibilitychange', shown)
    void this.read()
    return () => {
      this.#watchers -= 1
      document.removeEventListener('visibilitychange', shown)
    }
  }

  /** The line stands again, or the page is looked at again. Hidden, it asks for nothing. */
  changed(): void {
    if (this.#watchers > 0 && !document.hidden) void this.read()
  }

  event(frame: Frame): void {
    if (frame.type === 'traffic') this.changed()
  }

  async read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    try {
      const seen = await call<Traffic>('GET', '/api/network/traffic')
      const newest = seen.minute.first + (seen.minute.bytes_in.length - 1) * seen.minute.step_ms
      // Exact to a second, which is what a slot is.
      this.ahead = newest - Math.floor(Date.now() / 1000) * 1000
      this.seen = seen
      this.phase = 'ready'
    } catch (error) {
      if (error instanceof ApiError && error.signedOut) return
      this.problem = error instanceof Error ? error.message : String(error)
      if (this.seen === null) this.phase = 'failed'
    } finally {
      this.#reading = false
    }
  }

  clear(): void {
    this.seen = null
    this.phase = 'loading'
  }
}

export const traffic = new TrafficState()
addLooker(traffic)
