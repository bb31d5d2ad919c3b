/** What is said about programs in WebAssembly, and by the two apps that are such; read with them. */
import type { WasmAccess, WasmApp, WasmEnd, WasmFolder, WasmRun } from './api-types'
import { sentence } from './api'
import { size } from './sizes'

const folderName = (folder: string) => (folder === '' ? 'your whole home' : `“${folder}”`)
const may: Record<WasmAccess, string> = { read: 'read', read_write: 'read and change' }
const count = new Intl.NumberFormat()
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })

const seconds = (ms: number) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`)

export const words = {
  title: 'Programs',
  lead: 'WebAssembly that runs on your PC2, each in a process of its own that is locked in: without network, and without your files but for the folder you allow.',
  install: 'Install…',
  installLabel: 'Choose a module and its app.toml',
  drop: 'Drop to install',
  dropHint: 'A module (.wasm) and its app.toml.',
  empty: 'No programs yet',
  emptyHint: 'Drop a module (.wasm) and its app.toml here, or choose both. Installing one allows nothing yet.',
  failed: 'Your programs did not load',
  loading: 'Loading your programs…',
  /** A new version keeps what it was allowed, as far as it still asks for it: so it is told from what it has. */
  installed({ name, asks, grant }: WasmApp): string {
    const has = grant ? `It may still ${may[grant.access]} ${folderName(grant.folder)}.` : asks ? 'Nothing is allowed yet.' : 'It reaches none of your files.'
    return `${name} is installed. ${has}`
  },
  wrongFiles: 'Two files make a program: its module (.wasm) and its app.toml. Choose or drop both together.',
  tooLarge: (most: number) => `From here a module has at most ${size(most)}. A larger one is installed on the command line: pc2 wasm install app.toml`,
  list: 'Installed programs',
  runs: 'Runs',
  running: 'Running',
  back: 'Back to all programs',
  gone: 'This program is not installed',
  goneHint: 'It may have been removed on another device.',
  version: (app: WasmApp) => `Version ${app.version} · ${size(app.bytes)}`,

  touch: 'What it may touch',
  nothing: 'It only computes: it reaches none of your files, no network and no other program.',
  noFolder: 'It asks for no folder: it reaches none of your files, and no network.',
  asks: (asks: WasmFolder) => `It asks to ${may[asks.access]} ${folderName(asks.folder)}. Until you allow it, it finds no file of yours.`,
  granted: (grant: WasmFolder) => `It may ${may[grant.access]} ${folderName(grant.folder)}, and what is in it. It finds that as /data, and nothing else.`,
  /** In a list, short. */
  standing(app: WasmApp): string {
    if (app.grant) return `May ${may[app.grant.access]} ${folderName(app.grant.folder)}`
    return app.asks ? `Asks to ${may[app.asks.access]} ${folderName(app.asks.folder)}` : 'Reaches no files'
  },
  folder: 'Folder of your home',
  folderHint: 'Empty: your whole home.',
  allow: { read: 'Allow reading', read_write: 'Allow reading and changing' } satisfies Record<WasmAccess, string>,
  takeBack: 'Take back',
  allowed: (name: string) => `${name} may use the folder`,
  takenBack: (name: string) => `${name} may not use the folder any more`,

  run: 'Run',
  runTitle: (name: string) => `Run ${name}`,
  function: 'Function',
  functionHint: 'An exported function of the module, as its description names it.',
  args: 'Arguments',
  argsHint: 'Apart by spaces; what has spaces in it stands in "quotes".',
  argsOpen: 'A quote is not closed.',
  stop: 'Stop',
  lately: 'Runs of late',
  noRuns: 'None of its runs is remembered.',
  log: (name: string) => `Output of ${name}`,
  details: (name: string) => `Details of ${name}`,
  reads: 'Reading what it printed…',
  noOutput: 'It printed nothing.',
  waitsForOutput: 'It has printed nothing yet.',
  skipped: (bytes: number) => `[${size(bytes)} before this are not kept]\n`,
  logLost: 'The line to this run broke: something may be missing here.',
  lookAgain: 'Look again',
  looksAgain: 'Looking again…',

  state(run: WasmRun): string {
    switch (run.state) {
      case 'waiting':
        return 'Waiting for its turn'
      case 'preparing':
        return 'Getting ready…'
      case 'running':
        return 'Running'
      case 'ended':
        return run.end === null ? 'Ended' : words.end(run.end)
    }
  },
  /** How it ended, and which limit it was. */
  end(end: WasmEnd): string {
    const limit = end.limit === null ? undefined : limits[end.limit]
    return limit ?? words.why(end.code, end.text)
  },
  /** What a code of the node means, with what the node says of it; where the page has no words of its own, the node's. */
  why: (code: string | null, text: string): string => (code === null ? undefined : notRun[code])?.(text) ?? sentence(text),

  used: 'Limits used',
  use: {
    fuel: 'Steps computed',
    time: 'Time',
    memory: 'Memory',
    output: 'Printed',
    written: 'Written',
  },
  steps: (n: number) => short.format(n),
  seconds,
  of: (used: string, limit: string) => `${used} of ${limit}`,
  largest: 'What it may take',

  remove: 'Remove',
  removed: (name: string) => `${name} removed. What it wrote stays.`,

  calculator: {
    title: 'Calculator',
    display: 'Display',
    keys: 'Keys',
    clear: 'Clear',
    erase: 'Erase the last digit',
    point: 'Point',
    sign: 'Change the sign',
    equals: 'Equals',
    ops: { add: 'Plus', subtract: 'Minus', multiply: 'Times', divide: 'Divided by' },
    asking: 'Your PC2 calculates…',
    /** It may have to get the module ready first, or to let others go first: which of it is not known here. */
    waiting: 'Waiting for your PC2…',
    answered: (ms: number) => `Calculated by your PC2 in ${Math.max(1, Math.round(ms))} ms`,
    ready: 'Your PC2 calculates, not this browser.',
    byZero: 'Nothing can be divided by zero.',
    tooLarge: 'The result is too large to be written as a number here.',
  },

  counter: {
    title: 'File processor',
    lead: 'Choose a file of your home: a program on your PC2 counts its lines, words and bytes. It may read what is there, and change nothing.',
    home: 'Home',
    place: 'Where you are',
    files: 'Files and folders',
    empty: 'Nothing is here',
    emptyHint: 'Files that you receive are put into Downloads.',
    missing: 'This folder cannot be read',
    loading: 'Looking into the folder…',
    counting: (name: string) => `Counting ${name}…`,
    lines: 'Lines',
    words: 'Words',
    bytes: 'Bytes',
    figure: (n: number) => count.format(n),
    failed: (name: string) => `${name} was not counted`,
    unread: 'The program ended well, but what it printed is not a count.',
    most: (n: number) => `The first ${count.format(n)} are shown.`,
    folderOf: (name: string) => `Folder ${name}`,
  },
}

/** What the node says, without the words that it begins with, so that it fits into a sentence. */
const reason = (text: string, begins: RegExp) => text.replace(begins, '').replace(/\.$/, '')

/** Ends that are no fault of the program: its PC2 could not do it. */
const notRun: Partial<Record<string, (text: string) => string>> = {
  wasm_not_locked_in: (text) => `It was not run: your PC2 could not lock it in (${reason(text, /^Nothing was run, since it could not be locked in: /i)}).`,
  wasm_bad_artifact: (text) => `It was not run: what your PC2 got ready of it cannot be used (${reason(text, /^The compiled module cannot be used: /i)}).`,
  wasm_not_prepared: (text) => `Your PC2 could not get it ready: ${reason(text, /^Nothing was run, since the node could not prepare it: /i)}.`,
  disk_full: () => 'It was not run: the disk of your PC2 is full. Delete something, and try again.',
  wasm_not_a_function: () => 'It is a whole program, not a function: it gives no result.',
  wasm_no_runner: () => 'This PC2 cannot run programs: the part of it that runs them is not there.',
}

const limits: Partial<Record<string, string>> = {
  fuel: 'It was stopped: it computed for longer than it may.',
  time: 'It was stopped: it took longer than it may.',
  memory: 'It was stopped: it needs more memory than it may have.',
  table: 'It was stopped: its tables are larger than they may be.',
  stack: 'It was stopped: its functions call each other too deep.',
  module_size: 'It was not run: its module is larger than it may be.',
  functions: 'It was not run: its module has more functions than it may have.',
  output: 'It was stopped: it printed more than it may.',
  file_size: 'It was stopped: it made a file larger than it may.',
  written: 'It was stopped: it wrote more to files than it may.',
  runs: 'It was not run: as many are running as may at once. Try again when one has ended.',
  compile_time: 'It was not run: getting its module ready took too long.',
  compile_memory: 'It was not run: getting its module ready took too much memory.',
}
