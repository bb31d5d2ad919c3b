import { expect, test } from 'vitest'
import { argumentsOf } from './wasm-args'

test('arguments stand apart by spaces, and quotes keep them together', () => {
  expect(argumentsOf('  5 -3\t"a b"c \'\' "it\'s" ')).toEqual(['5', '-3', 'a bc', '', "it's"])
  expect(argumentsOf('')).toEqual([])
})

test('a quote that is not closed is no line', () => {
  expect(argumentsOf('a "b')).toBeNull()
})
