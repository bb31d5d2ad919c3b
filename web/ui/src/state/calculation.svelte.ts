/** A calculation as it goes on: keys are pressed, the node is asked for the sums that they make, and what has no result is said. */
import { answered, press, start, type Key, type State, type Sum } from '../lib/calculator'
import { codeOf } from '../lib/wasm-api'
import { words as all } from '../lib/wasm-words'

const words = all.calculator
/** Keys that are kept while the node calculates. */
const MOST_WAITING = 64
/** What takes longer than this is no calculating any more, but waiting. */
const SLOW_MS = 1_000

/** The node, asked for a sum. */
type Ask = (sum: Sum) => Promise<string>

export class Calculation {
  now = $state.raw<State>(start)
  asking = $state(false)
  /** It was asked a while ago. */
  slow = $state(false)
  problem = $state('')
  /** How long the node took for the number in the display, when that answers a sum. */
  took = $state(0)
  #ask: Ask
  /** Keys pressed while the node calculates. */
  #next: Key[] = []
  /** Only the answer to the last question counts. */
  #asked = 0

  constructor(ask: Ask) {
    this.#ask = ask
  }

  async pressed(key: Key): Promise<void> {
    // Does not wait for an answer that nobody wants any more.
    if (key === 'clear') return this.#clear()
    if (this.#next.length < MOST_WAITING) this.#next.push(key)
    if (this.asking) return
    for (let one = this.#next.shift(); one !== undefined; one = this.#next.shift()) {
      const { state, sum } = press(this.now, one)
      this.problem = ''
      this.now = state
      if (sum && !(await this.#answer(sum))) return
    }
  }

  /** Asks for a sum, and shows its result. False: somebody else goes on from here, if anybody. */
  async #answer(sum: Sum): Promise<boolean> {
    const mine = ++this.#asked
    const began = performance.now()
    const patience = setTimeout(() => {
      if (mine === this.#asked) this.slow = true
    }, SLOW_MS)
    this.asking = true
    try {
      const result = await this.#ask(sum)
      if (mine !== this.#asked) return false
      this.took = performance.now() - began
      this.now = answered(sum, result)
      this.asking = this.slow = false
      return true
    } catch (error) {
      // What was typed after a sum that has no result means nothing any more.
      if (mine === this.#asked) this.#clear(why(error))
      return false
    } finally {
      clearTimeout(patience)
    }
  }

  #clear(problem = ''): void {
    this.#asked += 1
    this.#next = []
    this.asking = this.slow = false
    this.problem = problem
    this.now = start
  }
}

/** The module traps where there is no result; the node names the trap. */
function why(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  if (codeOf(error) !== 'wasm_trap') return text
  return /zero/i.test(text) ? words.byZero : /overflow/i.test(text) ? words.tooLarge : text
}
