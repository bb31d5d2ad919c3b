import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Frame, WasmRun } from '../lib/api-types'

const run = (id: string, more: Partial<WasmRun> = {}) => ({ id, app: 'endless', state: 'running', end: null, ...more }) as WasmRun
const event = (type: 'wasm_run' | 'wasm_run_removed', data: unknown) => ({ n: 1, type, data }) as Frame

vi.stubGlobal('addEventListener', () => {})
const { programs } = await import('./programs.svelte')

/** Answers as the node does; while runs are asked for, `meanwhile` happens. */
function node(runs: WasmRun[], meanwhile: () => void = () => {}): void {
  vi.stubGlobal('fetch', async (path: string) => {
    if (path === '/api/wasm/apps') return new Response(JSON.stringify({ apps: [] }))
    meanwhile()
    return new Response(JSON.stringify({ runs }))
  })
}

const states = () => programs.runs.map(({ id, state }) => `${id} ${state}`)

describe('programs', () => {
  beforeEach(async () => {
    programs.clear()
    node([])
    programs.want()
    await vi.waitFor(() => expect(programs.phase).toBe('ready'))
  })
  afterEach(() => vi.unstubAllGlobals())

  it('keep what events say of runs while the list is read', async () => {
    node([run('a'), run('b')], () => {
      programs.event(event('wasm_run', run('a', { state: 'ended' })))
      programs.event(event('wasm_run_removed', { id: 'b' }))
      programs.event(event('wasm_run', run('c', { state: 'waiting' })))
    })
    await programs.load()
    expect(states()).toEqual(['c waiting', 'a ended'])
  })

  it('never go back: an answer can come after the events of what followed', () => {
    programs.event(event('wasm_run', run('a', { state: 'preparing' })))
    programs.event(event('wasm_run', run('a', { state: 'running' })))
    programs.put(run('a', { state: 'waiting' }))
    expect(states()).toEqual(['a running'])
    programs.event(event('wasm_run', run('a', { state: 'ended' })))
    programs.put(run('a', { state: 'running' }))
    expect(states()).toEqual(['a ended'])
  })

  it('tell an event only to the reading that it came into', async () => {
    node([run('a')], () => programs.event(event('wasm_run_removed', { id: 'a' })))
    await programs.load()
    expect(states()).toEqual([])
    node([run('a')])
    await programs.load()
    expect(states()).toEqual(['a running'])
  })

  it('count the last of several readings, with what came since it began', async () => {
    const answers: (() => void)[] = []
    let listed = [run('a')]
    vi.stubGlobal('fetch', (path: string) => {
      if (path === '/api/wasm/apps') return Promise.resolve(new Response(JSON.stringify({ apps: [] })))
      const body = JSON.stringify({ runs: listed })
      return new Promise((done) => answers.push(() => done(new Response(body))))
    })
    const first = programs.load()
    listed = [run('a'), run('b')]
    const second = programs.load()
    answers[0]?.()
    await first
    programs.event(event('wasm_run', run('a', { state: 'ended' })))
    answers[1]?.()
    await second
    expect(states()).toEqual(['a ended', 'b running'])
  })
})
