/**
 * The routes of WebAssembly: functions called, apps, runs and what they print. Beside `api` and `files-api` what asks the node.
 */
import { ApiError, call, unreachable } from './api'
import type { Executed, StartWasmRun, WasmApp, WasmAppList, WasmFolder, WasmFrame, WasmRun, WasmRunList } from './api-types'
import { words } from './wasm-words'

/** Largest module that a page brings to its node: as base64, and with its app.toml, the node takes no more. */
export const MOST_SENT_BYTES = 8 * 1024 * 1024

/** A call is answered when it has ended: it may wait a minute for its turn, be compiled for another, and run for half of one. */
const CALL_TIMEOUT_MS = 150_000

const app = (id: string) => `/api/wasm/apps/${encodeURIComponent(id)}`
const run = (id: string) => `/api/wasm/runs/${encodeURIComponent(id)}`

/** Why nothing was run, in the words of the page. */
const inWords = <T>(asked: Promise<T>): Promise<T> =>
  asked.catch((error) => {
    throw error instanceof ApiError ? new ApiError(error.status, { code: error.code, message: words.why(error.code, error.message) }) : error
  })

export const wasmApi = {
  execute: (wasmBinary: string, functionName: string, args: string[]) =>
    inWords(call<Executed>('POST', '/api/wasm/execute', { wasmBinary, functionName, args }, { signal: AbortSignal.timeout(CALL_TIMEOUT_MS) })),

  apps: () => call<WasmAppList>('GET', '/api/wasm/apps'),
  /** A module takes as long as the line to the node does. */
  install: (manifest: string, module: string) =>
    call<WasmApp>('POST', '/api/wasm/apps', { manifest, module }, { signal: null }),
  /** `keepalive` lets it outlive the page, for removals whose Undo ends because the page closes. */
  remove: (id: string) => call<void>('DELETE', app(id), undefined, { keepalive: true }),
  grant: (id: string, folder: WasmFolder | null) => call<WasmApp>('PUT', `${app(id)}/grants`, { folder }),

  runs: () => call<WasmRunList>('GET', '/api/wasm/runs'),
  start: (wanted: Partial<StartWasmRun>) => inWords(call<WasmRun>('POST', '/api/wasm/runs', wanted)),
  stop: (id: string) => call<WasmRun | undefined>('DELETE', run(id)),
}

/** Bytes as the node takes them in JSON. */
export function base64(bytes: Blob): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader()
    // Behind `data:…;base64,`.
    reader.onload = () => done(String(reader.result).replace(/^[^,]*,/, ''))
    reader.onerror = () => failed(reader.error)
    reader.readAsDataURL(bytes)
  })
}

/** A module that the page brings along, read once. */
export function brought(url: string): () => Promise<string> {
  let read: Promise<string> | undefined
  const now = async () => {
    const response = await fetch(url).catch(() => null)
    if (!response?.ok) throw unreachable()
    return base64(await response.blob())
  }
  return () => (read ??= now().catch((error) => {
    read = undefined
    throw error
  }))
}

export interface Heard {
  /** The line is there: everything that is kept follows, from the oldest on. */
  open?(): void
  /** It wrote something; `skipped` bytes before it are not kept any more. */
  output(stream: 'out' | 'err', text: string, skipped: number): void
  end(run: WasmRun): void
  /** Nothing more comes, and it has not ended as far as is known. */
  lost(): void
}

/** As base64 comes what is no UTF-8: shown as far as it is. */
const lossy = (encoded: string) => new TextDecoder().decode(Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0)))

/**
 * Follows what a run prints, from the oldest that is kept. The returned function ends that.
 *
 * `began`: the run was begun here with `stdin`, and there is no input for it. Who only looks on says nothing: the input is somebody else's, and the first who
 * sends a word of it has it.
 */
export function follow(id: string, heard: Heard, { began = false } = {}): () => void {
  const url = new URL(`${run(id)}/stream`, location.href)
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  const socket = new WebSocket(url)
  let over = false
  socket.onopen = () => {
    if (began) socket.send(JSON.stringify({ end: true }))
    heard.open?.()
  }
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(String(data)) as WasmFrame
    if (frame.type === 'output') {
      const { stream, text, base64: encoded, skipped } = frame.data
      heard.output(stream, text ?? lossy(encoded ?? ''), skipped)
    } else {
      over = true
      heard.end(frame.data)
    }
  }
  socket.onclose = () => {
    if (!over) heard.lost()
  }
  return () => {
    over = true
    socket.onmessage = null
    socket.close()
  }
}

/** Runs to the end, for what is short: everything it printed, and how it ended. */
export async function runThrough(wanted: Partial<StartWasmRun>): Promise<{ out: string; err: string; run: WasmRun }> {
  // One that takes input waits until somebody looks: so nothing that it prints before is lost.
  const { id } = await wasmApi.start({ ...wanted, stdin: true })
  const said = { out: '', err: '' }
  return new Promise((done, failed) =>
    follow(
      id,
      {
        output: (stream, text) => (said[stream] += text),
        end: (run) => done({ ...said, run }),
        lost: () => failed(unreachable()),
      },
      { began: true },
    ),
  )
}

/** What went wrong at the node, not on the way to it. */
export const codeOf = (error: unknown) => (error instanceof ApiError ? error.code : null)
