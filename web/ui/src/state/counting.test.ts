import { expect, test } from 'vitest'
import { Counting } from './counting.svelte'

/** A program that answers when the test says so. */
function program() {
  const ran: { args: string[]; prints: (text: string) => void; fails: (error: unknown) => void }[] = []
  const now = new Counting((...args) => new Promise((prints, fails) => ran.push({ args, prints, fails })))
  return { now, ran }
}

const settled = () => new Promise((done) => setTimeout(done))

test('another folder takes back the file that is counted, and the answer comes to nothing', async () => {
  const { now, ran } = program()
  void now.count('a.txt')
  expect(now.chosen).toBe('a.txt')
  void now.look(['Documents'])
  expect([now.chosen, now.counts, now.missed]).toEqual([null, null, ''])
  ran[0]?.prints('1 2 3 a.txt\n')
  ran[1]?.prints('f 3 a.txt\0')
  await settled()
  expect([now.phase, now.chosen, now.counts]).toEqual(['ready', null, null])
})

test('a folder is read on while a file of it is counted', async () => {
  const { now, ran } = program()
  void now.look([])
  void now.count('a.txt')
  ran[0]?.prints('f 3 a.txt\0f 1 .hidden\0')
  ran[1]?.prints('1 2 3 a.txt\n')
  await settled()
  expect(now.phase).toBe('ready')
  expect(now.entries).toEqual([{ name: 'a.txt', folder: false, bytes: 3 }])
  expect(now.counts).toEqual({ lines: 1, words: 2, bytes: 3 })
})

test('the last file counts, and what cannot be read is said', async () => {
  const { now, ran } = program()
  void now.count('a.txt')
  void now.count('b.txt')
  ran[0]?.fails(new Error('a is gone'))
  ran[1]?.prints('nonsense')
  await settled()
  expect(now.chosen).toBe('b.txt')
  expect(now.counts).toBeNull()
  expect(now.missed).toBe('The program ended well, but what it printed is not a count.')
})
