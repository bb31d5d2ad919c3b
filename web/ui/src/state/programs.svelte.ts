/** Programs in WebAssembly, and their runs, as the node sees them. Live: what changes comes as an event; there is no polling. */
import { ApiError } from '../lib/api'
import type { Frame, WasmApp, WasmFolder, WasmRun } from '../lib/api-types'
import { base64, MOST_SENT_BYTES, wasmApi } from '../lib/wasm-api'
import { words } from '../lib/wasm-words'
import type { Phase } from './contacts.svelte'
import { addLooker } from './lookers'
import { toasts } from './toasts.svelte'

/** In the order in which a run has them. */
const STATES: readonly WasmRun['state'][] = ['waiting', 'preparing', 'running', 'ended']

class Programs {
  phase = $state<Phase>('loading')
  problem = $state('')
  apps = $state.raw<WasmApp[]>([])
  /** The newest first. */
  runs = $state.raw<WasmRun[]>([])
  /** Removed here, as long as that can be undone. */
  #leaving = $state.raw<readonly string[]>([])
  readonly shown = $derived(this.apps.filter(({ id }) => !this.#leaving.includes(id)))
  #wanted = false
  #reading = 0
  /** What events and answers say of runs while the list is read: the list may be older than they are. */
  #meanwhile: (() => void)[] | null = null

  /** Reads them for the first one who looks; from then on events say what changes. */
  want(): void {
    if (this.#wanted) return
    this.#wanted = true
    void this.load()
  }

  /** Read again: what was missed, or a first reading that failed. An answer that another reading overtook counts no more. */
  async load(): Promise<void> {
    const mine = ++this.#reading
    // What came before is in the answer: it was known before the node was asked.
    this.#meanwhile = []
    try {
      const [{ apps }, { runs }] = await Promise.all([wasmApi.apps(), wasmApi.runs()])
      if (mine !== this.#reading) return
      this.apps = apps
      this.runs = runs
      for (const one of this.#meanwhile) one()
      this.phase = 'ready'
    } catch (error) {
      if (mine !== this.#reading || (error instanceof ApiError && error.signedOut)) return
      this.problem = error instanceof Error ? error.message : String(error)
      if (this.phase !== 'ready') this.phase = 'failed'
    } finally {
      if (mine === this.#reading) this.#meanwhile = null
    }
  }

  app(id: string): WasmApp | undefined {
    return this.shown.find((app) => app.id === id)
  }

  fresh(): void {
    if (this.#wanted) void this.load()
  }

  event(frame: Frame): void {
    if (!this.#wanted) return
    if (frame.type === 'wasm_run') this.put(frame.data)
    else if (frame.type === 'wasm_run_removed') this.#now(() => this.#drop(frame.data.id))
    else if (frame.type === 'wasm_apps') void this.load()
  }

  clear(): void {
    this.#wanted = false
    this.#reading += 1
    this.#meanwhile = null
    this.#leaving = []
    this.apps = []
    this.runs = []
    this.phase = 'loading'
  }

  /** A run as it is now. An answer can come after the events of what followed: a run never goes back. */
  put(run: WasmRun): void {
    this.#now(() => this.#put(run))
  }

  #put(run: WasmRun): void {
    const known = this.runs.find(({ id }) => id === run.id)
    if (known && STATES.indexOf(run.state) < STATES.indexOf(known.state)) return
    this.runs = known ? this.runs.map((one) => (one.id === run.id ? run : one)) : [run, ...this.runs]
  }

  #drop(id: string): void {
    this.runs = this.runs.filter((run) => run.id !== id)
  }

  /** Changes the runs that are shown, and again those of a list that is under way. */
  #now(change: () => void): void {
    change()
    this.#meanwhile?.push(change)
  }

  /** From files that were chosen or dropped. Throws what is wrong with them, or what the node answers. */
  async install(files: readonly File[]): Promise<WasmApp> {
    const manifest = files.find(({ name }) => name.endsWith('.toml'))
    const module = files.find(({ name }) => name.endsWith('.wasm'))
    if (!manifest || !module || files.length > 2) throw new Error(words.wrongFiles)
    if (module.size > MOST_SENT_BYTES) throw new Error(words.tooLarge(MOST_SENT_BYTES))
    const app = await wasmApi.install(await manifest.text(), await base64(module))
    this.#leaving = this.#leaving.filter((id) => id !== app.id)
    this.#set(app)
    return app
  }

  /** Throws what the node answers. */
  async grant(id: string, folder: WasmFolder | null): Promise<void> {
    this.#set(await wasmApi.grant(id, folder))
  }

  /** It is gone from here at once, and from the node when nobody takes that back. */
  remove({ id, name }: WasmApp): void {
    this.#leaving = [...this.#leaving, id]
    const stay = () => (this.#leaving = this.#leaving.filter((one) => one !== id))
    const leave = async () => {
      // Installed anew meanwhile.
      if (!this.#leaving.includes(id)) return
      try {
        await wasmApi.remove(id)
        this.apps = this.apps.filter((app) => app.id !== id)
      } catch (error) {
        toasts.problem(error)
      }
      stay()
    }
    toasts.pending(words.removed(name), stay, () => void leave())
  }

  #set(app: WasmApp): void {
    const others = this.apps.filter(({ id }) => id !== app.id)
    this.apps = [...others, app].sort((a, b) => (a.id < b.id ? -1 : 1))
  }
}

export const programs = new Programs()
addLooker(programs)
