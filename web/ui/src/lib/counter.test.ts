import { expect, test } from 'vitest'
import { countsOf, entriesOf } from './counter'

test('a folder is listed with folders first, and any name is a name', () => {
  const printed = 'f 12 b 2.txt\0f 9 a\nnew line\0d 0 Z\0f 3 b 10.txt\0'
  expect(entriesOf(printed)).toEqual([
    { name: 'Z', folder: true, bytes: 0 },
    { name: 'a\nnew line', folder: false, bytes: 9 },
    { name: 'b 2.txt', folder: false, bytes: 12 },
    { name: 'b 10.txt', folder: false, bytes: 3 },
  ])
  expect(entriesOf('')).toEqual([])
  expect(entriesOf('nonsense\0')).toEqual([])
})

test('three figures are read from a line of counts', () => {
  expect(countsOf('147 2782 13788 b.md\n')).toEqual({ lines: 147, words: 2782, bytes: 13788 })
  expect(countsOf('b.md: No such file\n')).toBeNull()
})
