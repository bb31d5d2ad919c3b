/**
 * Files on their way from this browser to its node, one after the other. What has arrived there is a transfer, and goes on without this page.
 *
 * Not kept: a browser does not give the bytes again after a reload, so the page asks before it is closed.
 */
import { plainName } from '../lib/file-names'
import { Stopped, upload, type Upload } from '../lib/files-api'
import { Pace } from '../lib/pace'
import { addLooker } from './lookers'
import { transfers } from './transfers.svelte'

export interface Uploading {
  key: number
  did: string
  name: string
  file: Blob
  /** `next`: another one is being brought. */
  state: 'next' | 'going' | 'failed'
  sent: number
  /** Why it failed. */
  problem: string
}

class Uploads {
  list = $state<Uploading[]>([])
  #count = 0
  #running: { key: number; upload: Upload } | null = null
  #pace = new Pace()

  constructor() {
    addEventListener('beforeunload', (event) => {
      if (this.#running) event.preventDefault()
    })
  }

  to(did: string): Uploading[] {
    return this.list.filter((one) => one.did === did)
  }

  /** Bytes a second of the one that is being brought. */
  speed(now: number): number | null {
    return this.#pace.speed(now)
  }

  add(did: string, files: { name: string; file: Blob }[]): void {
    for (const { name, file } of files) {
      this.list.push({ key: ++this.#count, did, name: plainName(name), file, state: 'next', sent: 0, problem: '' })
    }
    void this.#next()
  }

  stop(key: number): void {
    if (this.#running?.key === key) this.#running.upload.stop()
    this.list = this.list.filter((one) => one.key !== key)
  }

  retry(key: number): void {
    const one = this.list.find((candidate) => candidate.key === key)
    if (!one) return
    one.state = 'next'
    void this.#next()
  }

  clear(): void {
    this.#running?.upload.stop()
    this.list = []
  }

  async #next(): Promise<void> {
    const one = this.list.find(({ state }) => state === 'next')
    if (this.#running || !one) return
    one.state = 'going'
    one.sent = 0
    this.#pace.stop()
    const running = upload(one.did, one.name, one.file, (sent) => {
      one.sent = sent
      this.#pace.add(sent, Date.now())
    })
    this.#running = { key: one.key, upload: running }
    try {
      transfers.added(await running.done)
      this.list = this.list.filter(({ key }) => key !== one.key)
    } catch (error) {
      if (!(error instanceof Stopped)) {
        one.state = 'failed'
        one.problem = error instanceof Error ? error.message : String(error)
      }
    } finally {
      this.#running = null
    }
    await this.#next()
  }
}

export const uploads = new Uploads()
addLooker(uploads)
