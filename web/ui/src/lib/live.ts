/**
 * The stream of events from the node: one WebSocket that comes back by itself.
 *
 * Events are numbered. After a break the page asks to go on after the last number it saw; when the node cannot
 * (too long ago, or the node was restarted) it says `resync` and everything is read again. The first frame of
 * each connection is `hello`, with the number to go on from.
 */
import type { Frame } from './api-types'

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 15_000
/** The node pings every 20 s by a `ping` frame; silence of three means that the line is dead, whatever TCP thinks. */
const SILENCE_MS = 65_000
/** As WebSockets number it. */
const GOING_AWAY = 1001

export interface LiveHandlers {
  /** The line stands. `fresh`: what was read before may be out of date and is to be read again. */
  up(fresh: boolean): void
  /** The line is down; the next try is at `retryAt` (epoch ms), or null while trying. `stops`: the node said before that it would. */
  down(retryAt: number | null, stops: boolean): void
  event(frame: Frame): void
  /** The node refuses us, or cannot be asked. True: try again. */
  mayRetry(): Promise<boolean>
}

/** How long to wait before try number `attempt` (from 0): doubling, with jitter so that many pages do not come at once. */
export function waitMs(attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt)
  return Math.round(ceiling * (0.5 + random / 2))
}

export class Live {
  #handlers: LiveHandlers
  #socket: WebSocket | null = null
  #attempt = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined
  #last: number | null = null
  #stopped = true
  #goodbye = false

  constructor(handlers: LiveHandlers) {
    this.#handlers = handlers
  }

  /** Begins behind event `after`; null when nothing was read yet. */
  start(after: number | null): void {
    if (!this.#stopped) return
    this.#stopped = false
    this.#last = after
    this.#attempt = 0
    addEventListener('online', this.now)
    this.#open()
  }

  stop(): void {
    this.#stopped = true
    removeEventListener('online', this.now)
    clearTimeout(this.#timer)
    clearTimeout(this.#silence)
    this.#socket?.close()
    this.#socket = null
  }

  /** Tries at once instead of waiting. */
  now = (): void => {
    if (this.#stopped || this.#socket) return
    clearTimeout(this.#timer)
    this.#open()
  }

  #open(): void {
    this.#handlers.down(null, this.#goodbye)
    const url = new URL('/ws', location.href)
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
    if (this.#last !== null) url.searchParams.set('after', String(this.#last))
    const socket = new WebSocket(url)
    this.#socket = socket
    this.#listen()
    socket.onmessage = (message) => this.#frame(JSON.parse(String(message.data)) as Frame)
    socket.onclose = ({ code }) => {
      this.#goodbye ||= code === GOING_AWAY
      if (this.#socket === socket) void this.#lost()
    }
  }

  #frame(frame: Frame): void {
    this.#listen()
    this.#last = frame.n
    if (frame.type === 'hello') {
      this.#attempt = 0
      this.#goodbye = false
      this.#handlers.up(!frame.data.resumed)
    } else if (frame.type !== 'ping') {
      this.#handlers.event(frame)
    }
  }

  /** Starts the wait for the next sign of life anew. */
  #listen(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => {
      const socket = this.#socket
      if (!socket) return
      // A dead line may take minutes to report its close.
      socket.onclose = null
      socket.close()
      void this.#lost()
    }, SILENCE_MS)
  }

  async #lost(): Promise<void> {
    clearTimeout(this.#silence)
    this.#socket = null
    if (this.#stopped) return
    const wait = waitMs(this.#attempt++, Math.random())
    this.#handlers.down(Date.now() + wait, this.#goodbye)
    this.#timer = setTimeout(() => void this.#again(), wait)
  }

  async #again(): Promise<void> {
    if ((await this.#handlers.mayRetry()) && !this.#stopped && !this.#socket) this.#open()
  }
}
