/**
 * The routes of files: lists and decisions by `call`, the bytes by what browsers have for them. Beside `api` the only file that asks the node.
 */
import { ApiError, call, told, unreachable } from './api'
import type { Transfer, TransferSettings } from './api-types'
import type { Act } from './transfer-rules'

const BUSY_TRIES = 4
/** As much of a text as is shown. */
export const SHOWN_BYTES = 64 * 1024

const transfer = (id: string) => `/api/transfers/${encodeURIComponent(id)}`

export type Command = Exclude<Act, 'save' | 'dismiss'>

export const filesApi = {
  /** `keepalive` lets it outlive the page, for what is done when the time for Undo is over. */
  act: (id: string, command: Command) =>
    call<Transfer>('POST', `${transfer(id)}/${command}`, undefined, { keepalive: true }),

  settings: () => call<TransferSettings>('GET', '/api/transfers/settings'),
  setRates: (down: number | null, up: number | null) =>
    call<TransferSettings>('PUT', '/api/transfers/rates', { down, up }),
  setAuto: (did: string, maxBytes: number | null) =>
    call<TransferSettings>('PUT', `/api/transfers/auto/${encodeURIComponent(did)}`, { max_bytes: maxBytes }),

  /** Where the bytes are, to be saved. */
  content: (id: string) => `${transfer(id)}/content`,
  /** Where they are, to be shown: the node shows nothing that could run. */
  shown: (id: string) => `${transfer(id)}/content?inline=1`,

  /** The beginning of a text, and whether there is more. */
  async text(id: string): Promise<{ text: string; more: boolean }> {
    // One more than is shown, so that it is known whether there is one more.
    const range = `bytes=0-${SHOWN_BYTES}`
    const response = await fetch(filesApi.shown(id), { headers: { range } }).catch(() => null)
    if (response === null) throw unreachable()
    // A range of nothing is none.
    if (response.status === 416) return { text: '', more: false }
    if (!response.ok) throw new ApiError(response.status, told(response.status, await response.text()))
    const bytes = new Uint8Array(await response.arrayBuffer())
    return { text: new TextDecoder().decode(bytes.subarray(0, SHOWN_BYTES)), more: bytes.length > SHOWN_BYTES }
  },
}

/** The person stopped it. */
export class Stopped extends Error {}

export interface Upload {
  done: Promise<Transfer>
  stop(): void
}

/** Brings a file to the node, to be offered to somebody. By XMLHttpRequest, because `fetch` does not say how much was sent. */
export function upload(did: string, name: string, file: Blob, progress: (sent: number) => void): Upload {
  const path = `/api/uploads?to=${encodeURIComponent(did)}&name=${encodeURIComponent(name)}`
  let request: XMLHttpRequest
  let stopped = false

  const once = () =>
    new Promise<XMLHttpRequest>((done, failed) => {
      request = new XMLHttpRequest()
      request.open('POST', path)
      request.setRequestHeader('content-type', 'application/octet-stream')
      request.upload.onprogress = (event) => progress(event.loaded)
      request.onload = () => done(request)
      request.onerror = () => failed(unreachable())
      request.onabort = () => failed(new Stopped())
      request.send(file)
    })

  const all = async (): Promise<Transfer> => {
    for (let tried = 1; ; tried++) {
      const { status, responseText } = await once()
      if (status === 202) return JSON.parse(responseText) as Transfer
      if (status !== 503 || tried === BUSY_TRIES) throw new ApiError(status, told(status, responseText))
      progress(0)
      await new Promise((done) => setTimeout(done, 1000 * tried))
      if (stopped) throw new Stopped()
    }
  }

  return {
    done: all(),
    stop() {
      stopped = true
      request.abort()
    },
  }
}
