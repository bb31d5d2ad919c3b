/** What a run printed, as far as it is shown: followed as it comes, and from its beginning again after the line broke. */
import { follow } from '../lib/wasm-api'
import { words } from '../lib/wasm-words'
import { programs } from './programs.svelte'

/** Characters that are shown; of more, the last. A page stays quick with these. */
const MOST_CHARS = 200_000
/** Pieces that are shown; of more, the older half is put together, as far as it is of one stream. */
const MOST_PIECES = 2_000
/** A line that broke is tried again after this long, and then twice as long each time. */
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000

/** One piece as it came. It stays as it is, so that a screen reader reads what is added, and nothing twice. */
export interface Piece {
  n: number
  stream: 'out' | 'err'
  text: string
}

export class RunLog {
  pieces = $state.raw<readonly Piece[]>([])
  /** `over`: everything that is kept has come, and how it ended. */
  line = $state<'opening' | 'open' | 'broken' | 'over'>('opening')
  /** Somebody asked to look again, and it is not known yet what comes of it. */
  looking = $state(false)
  #id: string
  #count = 0
  #stop = () => {}
  #timer: ReturnType<typeof setTimeout> | undefined
  #wait = FIRST_WAIT_MS

  constructor(id: string) {
    this.#id = id
    this.#follow()
  }

  /** Looks again at once, after the line broke. */
  again(): void {
    this.close()
    this.looking = true
    this.#wait = FIRST_WAIT_MS
    this.#follow()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#stop()
  }

  #follow(): void {
    this.#stop = follow(this.#id, {
      open: () => {
        this.line = 'open'
        this.looking = false
        this.#wait = FIRST_WAIT_MS
        // All of it comes again. Until now, what had come before stays to be read.
        this.pieces = []
      },
      output: (stream, text, skipped) => this.#add(stream, skipped > 0 ? words.skipped(skipped) + text : text),
      end: (run) => {
        this.line = 'over'
        programs.put(run)
      },
      lost: () => this.#lost(),
    })
  }

  #lost(): void {
    this.looking = false
    // Of a run that is not remembered any more there is nothing to follow, and it is shown no longer.
    if (!programs.runs.some(({ id }) => id === this.#id)) return
    this.line = 'broken'
    this.#timer = setTimeout(() => this.#follow(), this.#wait)
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS)
  }

  #add(stream: 'out' | 'err', text: string): void {
    const pieces = [...this.pieces, { n: this.#count++, stream, text }]
    let over = pieces.reduce((sum, piece) => sum + piece.text.length, 0) - MOST_CHARS
    while (over > 0 && pieces[0]) {
      const [first] = pieces
      if (first.text.length <= over) pieces.shift()
      else pieces[0] = { ...first, text: first.text.slice(over) }
      over -= first.text.length
    }
    this.pieces = pieces.length > MOST_PIECES ? fewer(pieces) : pieces
  }
}

/** The older half put together; and no more than may be shown. */
function fewer(pieces: readonly Piece[]): Piece[] {
  const older: Piece[] = []
  for (const piece of pieces.slice(0, -MOST_PIECES / 2)) {
    const last = older.at(-1)
    if (last?.stream === piece.stream) older[older.length - 1] = { ...last, text: last.text + piece.text }
    else older.push(piece)
  }
  return [...older, ...pieces.slice(-MOST_PIECES / 2)].slice(-MOST_PIECES)
}
