/**
 * How far the setup of this node is. Kept in the node, so that a reload and another browser go on where it stands.
 */
import { ApiError, call } from '../lib/api'
import type { PhraseWords, Proof, Restoring, Setup as State, SetupStep } from '../lib/api-types'
import { session } from './session.svelte'

const LOOK_EVERY_MS = 400
const PATIENCE_MS = 60_000

class Setup {
  state = $state.raw<State | null>(null)
  problem = $state('')

  async load(): Promise<void> {
    await this.tried(() => call<State>('GET', '/api/setup'))
  }

  /** Goes to a step; `done` ends the setup, and the page opens. */
  async go(step: SetupStep): Promise<void> {
    await this.tried(() => call<State>('PUT', '/api/setup', { step }))
    if (step === 'done' && this.problem === '') await session.start()
  }

  /** Does something that answers how far the setup is; what goes wrong is told. Says whether it went well. */
  async tried(act: () => Promise<State>): Promise<boolean> {
    this.problem = ''
    try {
      this.state = await act()
      return true
    } catch (error) {
      // Somebody else has ended it, in another browser.
      if (error instanceof ApiError && error.code === 'setup_over') void session.start()
      else this.problem = error instanceof Error ? error.message : String(error)
      return false
    }
  }

  restore = (phrase: string) => call<Restoring>('POST', '/api/setup/restore', { phrase })

  /** Until the node is back; `false` when it is still away after a minute. The page is another person's then, and is read anew. */
  async back(did: string): Promise<boolean> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await new Promise((done) => setTimeout(done, LOOK_EVERY_MS))) {
      try {
        const state = await call<State>('GET', '/api/setup')
        if (state.did !== did && !state.stayed) continue
      } catch (error) {
        // Signed out is an answer, too: the page says how to come back in.
        if (!(error instanceof ApiError) || error.unanswered || error.status >= 500) continue
      }
      location.reload()
      return true
    }
    return false
  }
}

export const setup = new Setup()

export const phrase = {
  show: (proof: Proof = {}) => call<PhraseWords>('POST', '/api/identity/phrase', proof),
  confirm: (words: string[]) => call<State>('POST', '/api/identity/phrase/confirm', { words }),
}

export const setPassphrase = (passphrase: string | null, proof: Proof = {}) =>
  call<State>('PUT', '/api/identity/passphrase', { passphrase, proof })
