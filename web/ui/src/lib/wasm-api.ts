/**
 * The routes of WebAssembly: functions called, apps, runs and what they print. Beside `api` and `files-api` what asks the node.
 */
import { ApiError, call, unreachable } from './api'
import type { Executed, StartWasmRun, WasmApp, WasmAppList, WasmFolder, WasmFrame, WasmRun, WasmRunList } from './api-types'

/** Largest module that a page brings to its node: as base64, and with its app.toml, the node takes no more. */
export const MOST_SENT_BYTES = 8 * 1024 * 1024

const app = (id: string) => `/api/wasm/apps/${encodeURIComponent(id)}`
const run = (id: string) => `/api/wasm/runs/${encodeURIComponent(id)}`

export const wasmApi = {
  execute: (wasmBinary: string, functionName: string, args: string[]) =>
    call<Executed>('POST', '/api/wasm/execute', { wasmBinary, functionName, args }),

  apps: () => call<WasmAppList>('GET', '/api/wasm/apps'),
  /** A module takes as long as the line to the node does. */
  install: (manifest: string, module: string) =>
    call<WasmApp>('POST', '/api/wasm/apps', { manifest, module }, { signal: null }),
  /** `keepalive` lets it outlive the page, for removals whose Undo ends because the page closes. */
  remove: (id: string) => call<void>('DELETE', app(id), undefined, { keepalive: true }),
  grant: (id: string, folder: WasmFolder | null) => call<WasmApp>('PUT', `${app(id)}/grants`, { folder }),

  runs: () => call<WasmRunList>('GET', '/api/wasm/runs'),
  start: (wanted: Partial<StartWasmRun>) => call<WasmRun>('POST', '/api/wasm/runs', wanted),
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
  /** It wrote something; `skipped` bytes before it are not kept any more. */
  output(stream: 'out' | 'err', text: string, skipped: number): void
  end(run: WasmRun): void
  /** Nothing more comes, and it has not ended as far as is known. */
  lost(): void
}

/** As base64 comes what is no UTF-8: shown as far as it is. */
const lossy = (encoded: string) => new TextDecoder().decode(Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0)))

/** Follows what a run prints, from the oldest that is kept, and tells one that waits for input that there is none. The returned function ends that. */
export function follow(id: string, heard: Heard): () => void {
  const url = new URL(`${run(id)}/stream`, location.href)
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  const socket = new WebSocket(url)
  let over = false
  socket.onopen = () => socket.send(JSON.stringify({ end: true }))
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
    follow(id, {
      output: (stream, text) => (said[stream] += text),
      end: (run) => done({ ...said, run }),
      lost: () => failed(unreachable()),
    }),
  )
}

/** What went wrong at the node, not on the way to it. */
export const codeOf = (error: unknown) => (error instanceof ApiError ? error.code : null)
