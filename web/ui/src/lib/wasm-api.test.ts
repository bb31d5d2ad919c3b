import { beforeEach, describe, expect, it, vi } from 'vitest'
import { follow, runThrough, wasmApi } from './wasm-api'

/** A line to a run, as the page sees it: what was said on it is kept. */
class Line {
  static all: Line[] = []
  said: string[] = []
  onopen = () => {}
  onmessage: ((event: { data: string }) => void) | null = null
  onclose = () => {}
  constructor() {
    Line.all.push(this)
  }
  send(text: string) {
    this.said.push(text)
  }
  close() {}
}

beforeEach(() => {
  Line.all = []
  vi.stubGlobal('WebSocket', Line)
  vi.stubGlobal('location', { href: 'http://127.0.0.1:4200/', protocol: 'http:' })
})

const heard = () => ({ open: vi.fn(), output: vi.fn(), end: vi.fn(), lost: vi.fn() })

describe('the line to a run', () => {
  it('says nothing when it only looks on: the input is whoever began it has', () => {
    follow('aa', heard())
    Line.all[0]?.onopen()
    expect(Line.all[0]?.said).toEqual([])
  })

  it('ends the input of a run that it began itself, and gives what that printed', async () => {
    vi.stubGlobal('fetch', async () => new Response(JSON.stringify({ id: 'aa' })))
    const ran = runThrough({ args: ['x'] })
    await vi.waitFor(() => expect(Line.all).toHaveLength(1))
    const [line] = Line.all
    line?.onopen()
    expect(line?.said).toEqual(['{"end":true}'])
    line?.onmessage?.({ data: JSON.stringify({ type: 'output', data: { stream: 'out', text: '1 2 3 x\n', base64: null, skipped: 0 } }) })
    line?.onmessage?.({ data: JSON.stringify({ type: 'end', data: { id: 'aa', state: 'ended' } }) })
    expect(await ran).toMatchObject({ out: '1 2 3 x\n', err: '', run: { state: 'ended' } })
  })

  it('tells that it is there, and that it broke, but not once the run has ended', () => {
    const told = heard()
    follow('aa', told)
    Line.all[0]?.onopen()
    expect(told.open).toHaveBeenCalledOnce()
    Line.all[0]?.onclose()
    expect(told.lost).toHaveBeenCalledOnce()
    follow('aa', told)
    Line.all[1]?.onmessage?.({ data: JSON.stringify({ type: 'end', data: { id: 'aa' } }) })
    Line.all[1]?.onclose()
    expect(told.lost).toHaveBeenCalledOnce()
  })
})

describe('a call', () => {
  it('may take as long as the node takes to compile, and to let others go first', async () => {
    const timeout = vi.spyOn(AbortSignal, 'timeout')
    vi.stubGlobal('fetch', async () => new Response(JSON.stringify({ success: true, result: 8 })))
    await wasmApi.execute('AA==', 'add', ['5', '3'])
    expect(timeout.mock.calls.map(([ms]) => ms)).toContain(150_000)
    timeout.mockRestore()
  })

  it('that is refused is told in the words of the page', async () => {
    const answer = { code: 'wasm_no_runner', message: 'this program cannot run modules' }
    vi.stubGlobal('fetch', async () => new Response(JSON.stringify(answer), { status: 503 }))
    await expect(wasmApi.execute('AA==', 'add', [])).rejects.toMatchObject({ code: 'wasm_no_runner', message: expect.stringMatching(/^This PC2 cannot run programs/) })
  })
})
