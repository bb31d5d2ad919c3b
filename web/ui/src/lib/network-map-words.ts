/** What the charts, the map, the table of peers and the test of the connection say. */
import type { ConnectionTest, FindingState, Peer } from './api-types'
import type { Kind } from './chart'
import { words as network } from './network-words'
import { size } from './sizes'

type Span = 'minute' | 'hour' | 'day'
const withSeconds = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit', second: '2-digit' })
const messages = (count: number) => (count === 1 ? '1 message' : `${count} messages`)

export const words = {
  traffic: 'Traffic',
  trafficLoading: 'Reading what went over the network…',
  trafficFailed: 'The figures could not be read',
  trafficHint: 'Messages, records and files of this PC2. What it relays for others is not counted here.',
  span: 'Time shown',
  spans: [
    ['minute', '1 min'],
    ['hour', '1 h'],
    ['day', '1 day'],
  ] as const,
  ago: { minute: '1 minute ago', hour: '1 hour ago', day: '1 day ago' } satisfies Record<Span, string>,
  now: 'now',
  kinds: { bytes: 'Data', messages: 'Messages' } satisfies Record<Kind, string>,
  amount: (kind: Kind, count: number) => (kind === 'bytes' ? size(count) : String(count)),
  came: (kind: Kind, count: number) => `${words.amount(kind, count)} in`,
  went: (kind: Kind, count: number) => `${words.amount(kind, count)} out`,
  most: (kind: Kind, span: Span, count: number) => {
    const per = { minute: 'a second', hour: 'a minute', day: 'in 15 min' }[span]
    return `${words.amount(kind, count)} ${per}`
  },
  summary: (kind: Kind, span: Span, came: number, went: number) => {
    const amount = (count: number) => (kind === 'bytes' ? size(count) : messages(count))
    return `${words.kinds[kind]} of the last ${span}: ${amount(came)} in, ${amount(went)} out`
  },
  asTable: 'As a table',
  nothing: 'Nothing in this time.',
  when: 'From',
  in: 'In',
  out: 'Out',
  seconds: (at: number) => withSeconds.format(at),

  mapLabel: (count: number) => `Map of ${count === 1 ? '1 peer' : `${count} peers`}: the nearer to the middle, the nearer in the network. Arrow keys go round.`,
  mapHint: 'You are in the middle. How far out a peer stands says how far its key is from yours, not where it is on earth: half of all nodes are on the outermost ring.',
  you: 'You',
  more: (count: number) => `${count} more in the table`,
  legend: { direct: 'Direct', punched: 'Direct, punched through both routers', relayed: 'Through a relay' },
  near: (bits: number) => (bits === 0 ? 'far half' : `${bits} ${bits === 1 ? 'bit' : 'bits'} near`),
  spoken: (name: string, way: string, peer: Peer) => [name, way, peer.latency_ms === null ? null : `${peer.latency_ms} ms`, words.near(peer.common_bits)].filter((part) => part !== null).join(', '),
  columns: { who: 'Peer', way: 'Way', latency: 'Round trip', in: 'In', out: 'Out', since: 'Since', near: 'Distance' },
  tableLabel: 'Peers, those with names first',
  unknown: '–',
  transport: (peer: Peer) => (peer.transport === 'quic' ? 'QUIC' : 'TCP'),
  path: network.path,

  test: 'Test my connection',
  testHint: 'Everything is tried now: others try to reach you, you try to reach those by whom you joined, and the network is asked a question.',
  testing: 'Testing… ten seconds at most',
  again: 'Test again',
  tested: (test: ConnectionTest) => {
    const count = (state: FindingState) => test.findings.filter((finding) => finding.state === state).length
    const [bad, unknown] = [count('not_well'), count('unknown')]
    const parts = [bad > 0 ? `${bad} ${bad === 1 ? 'needs' : 'need'} a look` : null, `${count('well')} well`, unknown > 0 ? `${unknown} not known` : null]
    return parts.filter((part) => part !== null).join(', ')
  },
  testedAt: (when: string, ms: number) => `at ${when}, in ${(ms / 1000).toFixed(1)} s`,
  states: { well: 'Well', not_well: 'Needs a look', unknown: 'Not known' } satisfies Record<FindingState, string>,
}
