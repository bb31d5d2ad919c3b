/**
 * Who is signed in, and the line to the node: where events come in and find their place.
 */
import { api, ApiError, call } from '../lib/api'
import type { Frame, Identity, Role } from '../lib/api-types'
import { Live } from '../lib/live'
import { contacts } from './contacts.svelte'
import { invitations } from './invitations.svelte'
import { kept } from './kept'
import { tellEvent, tellLookers } from './lookers'
import { hrefs, place } from './route.svelte'
import { threads } from './thread.svelte'
import { transfers } from './transfers.svelte'

/** `stops`: the node said goodbye, so most likely it starts anew. */
export type Line = { up: true } | { up: false; retryAt: number | null; stops: boolean }

class Session {
  phase = $state<'starting' | 'unreachable' | 'signed-out' | 'guest' | 'setup' | 'signed-in'>('starting')
  me = $state.raw<Identity | null>(null)
  /** What the one who is signed in is to this node: who is not its owner is a guest here. */
  role = $state<Role | null>(null)
  /** With which wallet; none by a link. */
  wallet = $state<string | null>(null)
  /** Why the one-time link did not work. */
  linkProblem = $state<string | null>(null)
  line = $state.raw<Line>({ up: false, retryAt: null, stops: false })
  /** The line has stood before: now its loss is worth a banner. */
  wasUp = $state(false)
  /** The node was there and is not: what was said about others being online is no longer known. */
  readonly away = $derived(!this.line.up && this.wasUp)
  #live = new Live({
    up: (fresh) => this.#up(fresh),
    down: (retryAt, stops) => (this.line = { up: false, retryAt, stops }),
    event: (frame) => this.#event(frame),
    mayRetry: () => this.#mayRetry(),
  })

  constructor() {
    // A link opened in a tab where the page is open already.
    addEventListener('hashchange', () => {
      if (place.route.at === 'sign-in') void this.start()
    })
  }

  /** Signs in with the link in the address, if there is one, and finds out who is signed in. */
  async start(): Promise<void> {
    this.linkProblem = null
    this.phase = 'starting'
    const { route } = place
    try {
      if (route.at === 'sign-in') {
        place.replace(hrefs.desk)
        // The page has asked already as it was read (index.html): that answer is of before, and used up by this.
        await api.session()
        await this.#useLink(route.token)
      }
      const { role, wallet, events } = await api.session()
      this.role = role
      this.wallet = wallet
      if (role !== null && role !== 'owner') {
        this.#leave('guest')
      } else if (role === 'owner') {
        // Who has a desktop in this browser is through with the setup: they need not wait for that answer.
        const known = kept.desk() !== null
        if (known) this.#enter(events)
        this.me = await api.identity()
        if (!this.me.setup_finished) {
          this.#live.stop()
          this.phase = 'setup'
          return
        }
        if (!known) this.#enter(events)
      } else {
        this.#leave()
      }
    } catch {
      this.phase = 'unreachable'
    }
  }

  /** What is read from here on is not older than where the events go on. */
  #enter(events: number | null): void {
    this.#readAgain()
    this.#live.start(events)
    this.phase = 'signed-in'
  }

  /** The node did not answer as the page was opened: tried again until it does. */
  async retry(): Promise<void> {
    try {
      await call('GET', '/whoami')
    } catch {
      return
    }
    if (this.phase === 'unreachable') await this.start()
  }

  reconnect(): void {
    this.#live.now()
  }

  async setName(name: string): Promise<void> {
    this.me = await api.setName(name)
  }

  async signOut(): Promise<void> {
    await api.signOut()
    this.forget()
    this.#leave()
  }

  /** Nothing of somebody who signs out stays in this browser, nor in the address. */
  forget(): void {
    kept.forget()
    place.replace(hrefs.desk)
  }

  /** A link that is no longer good does not matter to somebody who is signed in. */
  async #useLink(token: string): Promise<void> {
    try {
      await api.signIn(token)
    } catch (error) {
      if (!(error instanceof ApiError) || error.unanswered) throw error
      this.linkProblem = error.message
    }
  }

  #leave(phase: 'signed-out' | 'guest' = 'signed-out'): void {
    this.#live.stop()
    contacts.clear()
    threads.clear()
    transfers.clear()
    invitations.forget()
    tellLookers('clear')
    this.me = null
    this.wasUp = false
    this.phase = phase
  }

  #up(fresh: boolean): void {
    this.line = { up: true }
    this.wasUp = true
    if (fresh) this.#readAgain()
    threads.retryAll()
  }

  #readAgain(): void {
    void contacts.load()
    void transfers.load()
    tellLookers('fresh')
    tellLookers('changed')
    threads.reload(place.chat.at === 'person' ? place.chat.did : null)
  }

  #event(frame: Frame): void {
    tellEvent(frame)
    switch (frame.type) {
      case 'contact':
        // Somebody new may have come by the link that is shown: the next one shown is another.
        if (!contacts.get(frame.data.did)) invitations.forget()
        return contacts.changed(frame.data)
      case 'contact_removed':
        return contacts.removed(frame.data.did)
      case 'message':
        return threads.known(frame.data.conversation)?.put(frame.data)
      case 'message_gone':
        return threads.known(frame.data.conversation)?.drop(frame.data.id)
      case 'message_state':
        return threads.known(frame.data.conversation)?.setState(frame.data.id, frame.data.state)
      case 'transfer':
        return transfers.changed(frame.data)
      case 'transfer_removed':
        return transfers.removed(frame.data.id)
      case 'network':
        return tellLookers('changed')
      case 'profile':
        if (this.me) this.me = { ...this.me, name: frame.data.name }
        return
      case 'resync':
        return this.#readAgain()
    }
  }

  async #mayRetry(): Promise<boolean> {
    try {
      // Another role than before: it begins again as what it is now.
      const { role } = await api.session()
      if (role === this.role && role !== null) return true
      if (role !== null) {
        void this.start()
        return false
      }
    } catch {
      return true
    }
    this.#leave()
    return false
  }
}

export const session = new Session()
