/** What holds for all transfers: whose files are taken without asking, and how fast. Read when somebody looks. */
import type { TransferSettings } from '../lib/api-types'
import { filesApi } from '../lib/files-api'
import type { Phase } from './contacts.svelte'

export class FileSettings {
  phase = $state<Phase>('loading')
  problem = $state('')
  now = $state.raw<TransferSettings | null>(null)

  async load(): Promise<void> {
    this.phase = 'loading'
    try {
      this.now = await filesApi.settings()
      this.phase = 'ready'
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error)
      this.phase = 'failed'
    }
  }

  /** Throws what the node answers. */
  async setRates(down: number | null, up: number | null): Promise<void> {
    this.now = await filesApi.setRates(down, up)
  }

  /** Throws what the node answers. */
  async setAuto(did: string, maxBytes: number | null): Promise<void> {
    this.now = await filesApi.setAuto(did, maxBytes)
  }
}
