/** What the charts and the map of the network page draw: plain figures in, places out. */
import type { Peer, TrafficChart } from './api-types'

export type Kind = 'bytes' | 'messages'

/** One slot: when it began, and what went in and out. */
export interface Slot {
  at: number
  in: number
  out: number
}

/** The slots of a chart as they are at `now`, oldest first: what was read a while ago moves on, and nothing came that the node did not tell. */
export function slotsOf(chart: TrafficChart, kind: Kind, now: number): Slot[] {
  const [ins, outs] = kind === 'bytes' ? [chart.bytes_in, chart.bytes_out] : [chart.messages_in, chart.messages_out]
  const last = chart.first + (ins.length - 1) * chart.step_ms
  const moved = Math.max(0, Math.floor((now - last) / chart.step_ms))
  return ins.map((_, place) => {
    const at = place + moved
    return { at: chart.first + at * chart.step_ms, in: ins[at] ?? 0, out: outs[at] ?? 0 }
  })
}

/** A round number that is not below `most`, and not far above: what the top of the chart says. */
export function ceiling(most: number, kind: Kind): number {
  const steps = [1, 1.5, 2, 3, 4, 6, 8, 10]
  const [least, ten] = kind === 'bytes' ? [1024, 8] : [4, 10]
  for (let unit = least; ; unit *= ten) {
    const fits = steps.find((times) => unit * times >= most)
    if (fits) return unit * fits
  }
}

/** How high the chart is drawn, up for what came and down for what went, by the same measure. Neither side vanishes. */
export function scaleOf(slots: Slot[], kind: Kind): { up: number; down: number } {
  const most = (way: 'in' | 'out') => Math.max(0, ...slots.map((slot) => slot[way]))
  const up = ceiling(Math.max(most('in'), most('out') / 5), kind)
  return { up, down: Math.max(most('out'), up / 5) }
}

export const total = (slots: Slot[], way: 'in' | 'out'): number => slots.reduce((sum, slot) => sum + slot[way], 0)

/** Where a peer stands on the map: in the middle is this node, and each bit more in common is a step further in. */
export interface Spot {
  x: number
  y: number
  /** Of its ring. */
  radius: number
}

export const OUTER = 140
const INNER = 44

/** Of the ring of those with so many bits in common: half of all nodes are on the outermost, a quarter on the next. */
export const radiusOf = (bits: number): number => INNER + (OUTER - INNER) * 0.72 ** bits

/** The rings that are drawn: from the outermost to that of the nearest peer, four at most. */
export const ringsOf = (peers: Peer[]): number[] =>
  [...new Set([0, ...peers.map((peer) => Math.min(peer.common_bits, 3))])].sort((a, b) => a - b).map(radiusOf)

export function spotOf(peer: Peer): Spot {
  const radius = radiusOf(peer.common_bits)
  const angle = (peer.turn / 65_536) * 2 * Math.PI - Math.PI / 2
  return { x: radius * Math.cos(angle), y: radius * Math.sin(angle), radius }
}

/** Round the map, as the arrow keys go: by angle. */
export const round = (peers: Peer[]): Peer[] => [...peers].sort((a, b) => a.turn - b.turn)
