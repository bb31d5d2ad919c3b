/** The invitation link that is shown. One is made when it is first needed and shown until the page goes or it was used up. */
import { api } from '../lib/api'
import type { Invitation } from '../lib/api-types'

class Invitations {
  made = $state.raw<Invitation | null>(null)
  problem = $state('')

  async make(): Promise<void> {
    if (this.made && this.made.expires > Date.now()) return
    this.problem = ''
    try {
      this.made = await api.invite()
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error)
    }
  }

  /** Somebody came: it may have been with this link, so the next one to be shown is new. */
  forget(): void {
    this.made = null
  }
}

export const invitations = new Invitations()
