import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiError } from '../lib/api'
import type { Key, Sum } from '../lib/calculator'
import { Calculation } from './calculation.svelte'

/** A node that answers when the test says so. */
function node() {
  const asked: { sum: Sum; answer: (result: string) => void; refuse: (error: unknown) => void }[] = []
  const sums = new Calculation((sum) => new Promise((answer, refuse) => asked.push({ sum, answer, refuse })))
  const type = (...keys: Key[]) => keys.forEach((key) => void sums.pressed(key))
  return { asked, sums, type }
}

const settled = () => vi.advanceTimersByTimeAsync(0)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('an answer is told with its sum and its time, until the display shows another number', async () => {
  const { asked, sums, type } = node()
  type('3', 'add', '5', 'equals')
  expect(sums.asking).toBe(true)
  asked[0]?.answer('8')
  await settled()
  expect(sums.now).toMatchObject({ value: '8', answers: { left: '3', right: '5' } })
  type('7', 'equals')
  expect(sums.now).toMatchObject({ value: '7', answers: null })
})

test('what takes longer than a second is told as waiting, and no longer than that', async () => {
  const { asked, sums, type } = node()
  type('1', 'add', '1', 'equals')
  await vi.advanceTimersByTimeAsync(900)
  expect(sums.slow).toBe(false)
  await vi.advanceTimersByTimeAsync(200)
  expect(sums.slow).toBe(true)
  asked[0]?.answer('2')
  await settled()
  expect([sums.asking, sums.slow]).toEqual([false, false])
  type('add', '1', 'equals')
  asked[1]?.answer('3')
  await vi.advanceTimersByTimeAsync(5_000)
  expect(sums.slow).toBe(false)
})

test('keys that are pressed meanwhile count afterwards', async () => {
  const { asked, sums, type } = node()
  type('2', 'multiply', '3', 'equals', 'subtract', '4', 'equals')
  expect(asked).toHaveLength(1)
  asked[0]?.answer('6')
  await settled()
  expect(asked[1]?.sum).toMatchObject({ op: 'subtract', left: '6', right: '4' })
  asked[1]?.answer('2')
  await settled()
  expect(sums.now.value).toBe('2')
})

test('Clear does not wait for an answer, which comes to nothing then', async () => {
  const { asked, sums, type } = node()
  type('1', 'add', '1', 'equals', '5', 'clear', '9')
  expect(sums.asking).toBe(false)
  expect(sums.now.value).toBe('9')
  type('add', '1', 'equals')
  asked[0]?.answer('2')
  await settled()
  expect(sums.asking).toBe(true)
  expect(sums.now.value).toBe('1')
  asked[1]?.answer('10')
  await settled()
  expect(sums.now.value).toBe('10')
})

test('what has no result is said, and begins anew', async () => {
  const { asked, sums, type } = node()
  type('1', 'divide', '0', 'equals', '4')
  asked[0]?.refuse(new ApiError(422, { code: 'wasm_trap', message: 'It crashed: integer divide by zero.' }))
  await settled()
  expect(sums.problem).toBe('Nothing can be divided by zero.')
  expect(sums.now.value).toBe('0')
  type('3')
  expect([sums.problem, sums.now.value]).toEqual(['', '3'])
})
