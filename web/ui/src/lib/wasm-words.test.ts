import { expect, test } from 'vitest'
import type { WasmApp, WasmEnd } from './api-types'
import { words } from './wasm-words'

const app = (more: Partial<WasmApp>) => ({ name: 'Notes', kind: 'program', asks: null, grant: null, ...more }) as WasmApp
const end = (code: string | null, text: string, limit: string | null = null) => words.end({ code, text, limit } as WasmEnd)

test('what is installed is told with what it may touch already', () => {
  const asks = { folder: 'Documents', access: 'read_write' } as const
  expect(words.installed(app({ asks }))).toBe('Notes is installed. Nothing is allowed yet.')
  expect(words.installed(app({ asks, grant: { folder: 'Documents', access: 'read' } }))).toBe('Notes is installed. It may still read “Documents”.')
  expect(words.installed(app({}))).toBe('Notes is installed. It reaches none of your files.')
})

test('every end that is no fault of the program has words, with what the node says of it', () => {
  expect(end('wasm_not_locked_in', 'Nothing was run, since it could not be locked in: no landlock.')).toBe('It was not run: your PC2 could not lock it in (no landlock).')
  expect(end('wasm_bad_artifact', 'The compiled module cannot be used: it cannot be read.')).toBe('It was not run: what your PC2 got ready of it cannot be used (it cannot be read).')
  expect(end('wasm_not_prepared', 'no space left on device')).toBe('Your PC2 could not get it ready: no space left on device.')
  expect(end('wasm_not_prepared', 'Nothing was run, since the node could not prepare it: no pipe.')).toBe('Your PC2 could not get it ready: no pipe.')
  expect(end('disk_full', 'Nothing was run: the disk of the node is full.')).toMatch(/^It was not run: the disk of your PC2 is full/)
  expect(end('wasm_not_a_function', 'It ended.')).toMatch(/^It is a whole program/)
  expect(end('wasm_no_runner', 'this program cannot run modules')).toMatch(/^This PC2 cannot run programs/)
})

test('a limit has words of its own, and everything else is told as the node does', () => {
  expect(end('wasm_limit', 'It was stopped: it took longer than it may.', 'time')).toBe('It was stopped: it took longer than it may.')
  expect(end('wasm_trap', 'it crashed: unreachable')).toBe('It crashed: unreachable.')
  expect(end(null, 'It ended with exit code 1.')).toBe('It ended with exit code 1.')
})
