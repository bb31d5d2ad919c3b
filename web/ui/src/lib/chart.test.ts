import { expect, test } from 'vitest'
import type { Peer, TrafficChart } from './api-types'
import { ceiling, OUTER, radiusOf, ringsOf, round, scaleOf, slotsOf, spotOf, total } from './chart'

const chart: TrafficChart = { first: 1_000, step_ms: 1_000, bytes_in: [1, 2, 3], bytes_out: [0, 0, 5], messages_in: [], messages_out: [] }
const peer = (common_bits: number, turn: number) => ({ common_bits, turn }) as Peer

test('a chart that was read a while ago moves on, and what is over leaves it', () => {
  expect(slotsOf(chart, 'bytes', 3_500)).toEqual([
    { at: 1_000, in: 1, out: 0 },
    { at: 2_000, in: 2, out: 0 },
    { at: 3_000, in: 3, out: 5 },
  ])
  expect(slotsOf(chart, 'bytes', 5_000)).toEqual([
    { at: 3_000, in: 3, out: 5 },
    { at: 4_000, in: 0, out: 0 },
    { at: 5_000, in: 0, out: 0 },
  ])
  expect(total(slotsOf(chart, 'bytes', 9_000_000), 'in')).toBe(0)
  expect(slotsOf(chart, 'bytes', 0)).toHaveLength(3)
  expect(slotsOf(chart, 'messages', 0)).toEqual([])
})

test('the height is a round number, not far above, and never nothing', () => {
  expect([0, 1_024, 1_025, 3_000_000].map((most) => ceiling(most, 'bytes'))).toEqual([1_024, 1_024, 1_536, 3 * 1024 * 1024])
  expect([0, 4, 5, 9, 21, 40, 41, 1_000].map((most) => ceiling(most, 'messages'))).toEqual([4, 4, 6, 12, 24, 40, 60, 1_200])
})

test('what came and what went are drawn by one measure, and neither vanishes', () => {
  const slots = (came: number, went: number) => [{ at: 0, in: came, out: went }]
  expect(scaleOf(slots(10, 0), 'messages')).toEqual({ up: 12, down: 2.4 })
  expect(scaleOf(slots(0, 100), 'messages')).toEqual({ up: 24, down: 100 })
  expect(scaleOf([], 'bytes').down).toBeGreaterThan(0)
})

test('who has more bits in common stands further in, and nobody on top of the middle', () => {
  expect(radiusOf(0)).toBe(OUTER)
  expect(radiusOf(1)).toBeLessThan(radiusOf(0))
  expect(radiusOf(256)).toBeGreaterThan(30)
  const top = spotOf(peer(0, 0))
  expect([Math.round(top.x), Math.round(top.y)]).toEqual([0, -OUTER])
  const right = spotOf(peer(0, 16_384))
  expect([Math.round(right.x), Math.round(right.y)]).toEqual([OUTER, 0])
  expect(ringsOf([peer(9, 1), peer(1, 1), peer(4, 2)])).toEqual([0, 1, 3].map(radiusOf))
  expect(round([peer(0, 9), peer(3, 2)]).map((one) => one.turn)).toEqual([2, 9])
})
