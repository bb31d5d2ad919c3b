import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { WasmRun } from '../lib/api-types'

/** Lines to a run; the test is the node. */
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
  prints(text: string, stream = 'out') {
    this.onmessage?.({ data: JSON.stringify({ type: 'output', data: { stream, text, base64: null, skipped: 0 } }) })
  }
}

vi.stubGlobal('addEventListener', () => {})
const { programs } = await import('./programs.svelte')
const { RunLog } = await import('./run-log.svelte')

const run = { id: 'aa', app: null, state: 'running', end: null } as unknown as WasmRun

beforeEach(() => {
  vi.useFakeTimers()
  Line.all = []
  vi.stubGlobal('WebSocket', Line)
  vi.stubGlobal('location', { href: 'http://127.0.0.1:4200/', protocol: 'http:' })
  programs.put(run)
})
afterEach(() => {
  programs.clear()
  vi.useRealTimers()
})

/** The line that is open now. */
const line = () => Line.all.at(-1) as Line

test('each piece is added, and those before it stay as they are', () => {
  const log = new RunLog('aa')
  line().onopen()
  line().prints('one\n')
  const [first] = log.pieces
  line().prints('two\n')
  expect(log.pieces.map(({ text }) => text)).toEqual(['one\n', 'two\n'])
  expect(log.pieces[0]).toBe(first)
  expect(line().said).toEqual([])
  log.close()
})

test('a line that breaks is told, what had come stays, and one can look again', async () => {
  const log = new RunLog('aa')
  expect(log.line).toBe('opening')
  line().onopen()
  line().prints('one\n')
  line().onclose()
  expect(log.line).toBe('broken')
  log.again()
  expect([log.looking, Line.all.length, log.pieces.length]).toEqual([true, 2, 1])
  line().onclose()
  expect([log.looking, log.line]).toEqual([false, 'broken'])
  // By itself, too.
  await vi.advanceTimersByTimeAsync(3_000)
  expect(Line.all).toHaveLength(3)
  line().onopen()
  expect([log.line, log.pieces.length]).toEqual(['open', 0])
  line().onmessage?.({ data: JSON.stringify({ type: 'end', data: { ...run, state: 'ended' } }) })
  expect(log.line).toBe('over')
  expect(programs.runs[0]?.state).toBe('ended')
  log.close()
})

test('a log is bounded, in characters and in pieces', () => {
  const log = new RunLog('aa')
  line().onopen()
  line().prints('x'.repeat(150_000))
  line().prints('y'.repeat(150_000), 'err')
  expect(log.pieces.map(({ text }) => text.length)).toEqual([50_000, 150_000])
  for (let n = 0; n < 5_000; n++) line().prints('z')
  expect(log.pieces.length).toBeLessThanOrEqual(2_000)
  expect(log.pieces.map(({ text }) => text).join('')).toHaveLength(200_000)
  expect(new Set(log.pieces.map(({ n }) => n)).size).toBe(log.pieces.length)
  log.close()
})
