/** Folders of the home, looked into, and a file of the one that is open, counted: what the program of File processor found, as far as it is known. */
import { countsOf, entriesOf, type Counts, type Entry } from '../lib/counter'
import { words as all } from '../lib/wasm-words'

/** Runs the program, and gives what it printed. Throws how it ended, if not well. */
type Run = (...args: string[]) => Promise<string>

const said = (error: unknown) => (error instanceof Error ? error.message : String(error))

export class Counting {
  at = $state.raw<readonly string[]>([])
  phase = $state<'loading' | 'ready' | 'failed'>('loading')
  entries = $state.raw<Entry[]>([])
  problem = $state('')
  /** A file of this folder. */
  chosen = $state<string | null>(null)
  counts = $state.raw<Counts | null>(null)
  missed = $state('')
  #run: Run
  /** Only the answer to the last question of its kind counts. */
  #looks = 0
  #counts = 0

  constructor(run: Run) {
    this.#run = run
  }

  async look(to: readonly string[]): Promise<void> {
    const mine = ++this.#looks
    this.at = to
    this.phase = 'loading'
    // A file of the same name there is another one.
    this.#choose(null)
    try {
      const found = entriesOf(await this.#run('--list', to.join('/') || '.'))
      if (mine !== this.#looks) return
      this.entries = found.filter(({ name }) => !name.startsWith('.'))
      this.phase = 'ready'
    } catch (error) {
      if (mine !== this.#looks) return
      this.problem = said(error)
      this.phase = 'failed'
    }
  }

  async count(name: string): Promise<void> {
    const mine = this.#choose(name)
    try {
      const counts = countsOf(await this.#run([...this.at, name].join('/')))
      if (mine !== this.#counts) return
      this.counts = counts
      if (counts === null) this.missed = all.counter.unread
    } catch (error) {
      if (mine === this.#counts) this.missed = said(error)
    }
  }

  #choose(name: string | null): number {
    this.chosen = name
    this.counts = null
    this.missed = ''
    return ++this.#counts
  }
}
