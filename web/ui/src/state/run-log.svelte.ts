/** What a run printed, as far as it is shown: followed as it comes, and from its beginning again after the line broke. */
import { follow } from '../lib/wasm-api'
import { words } from '../lib/wasm-words'
import { programs } from './programs.svelte'

/** Characters that are shown; of more, the last. A page stays quick with these. */
const MOST_CHARS = 200_000
/** A line that broke is tried again after this long, and then twice as long each time. */
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000

export interface Piece {
  stream: 'out' | 'err'
  text: string
}

export class RunLog {
  pieces = $state.raw<readonly Piece[]>([])
  lost = $state(false)
  #id: string
  #stop = () => {}
  #timer: ReturnType<typeof setTimeout> | undefined
  #wait = FIRST_WAIT_MS

  constructor(id: string) {
    this.#id = id
    this.#follow()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#stop()
  }

  #follow(): void {
    this.pieces = []
    this.#stop = follow(this.#id, {
      output: (stream, text, skipped) => {
        this.lost = false
        this.#wait = FIRST_WAIT_MS
        this.#add(stream, skipped > 0 ? words.skipped(skipped) + text : text)
      },
      end: (run) => {
        this.lost = false
        programs.put(run)
      },
      lost: () => this.#again(),
    })
  }

  #again(): void {
    // Of a run that is not remembered any more there is nothing to follow.
    if (!programs.runs.some(({ id }) => id === this.#id)) return
    this.lost = true
    this.#timer = setTimeout(() => this.#follow(), this.#wait)
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS)
  }

  #add(stream: 'out' | 'err', text: string): void {
    const last = this.pieces.at(-1)
    const all = last?.stream === stream ? [...this.pieces.slice(0, -1), { stream, text: last.text + text }] : [...this.pieces, { stream, text }]
    let over = all.reduce((sum, piece) => sum + piece.text.length, 0) - MOST_CHARS
    while (over > 0 && all[0]) {
      const first = all[0].text
      if (first.length <= over) all.shift()
      else all[0] = { ...all[0], text: first.slice(over) }
      over -= first.length
    }
    this.pieces = all
  }
}
