/**
 * A libp2p that shares no code with ours (js-libp2p) speaks with real `pc2` nodes: what docs/protocol promises to a second implementation.
 *
 * Needs PC2_BIN. `make test-interop` builds it and runs this.
 */
import './node20.mjs'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { eventually, knowsLevels, network } from './processes.mjs'

const HOP = '/libp2p/circuit/relay/0.2.0/hop'
const ECHO = '/pc2-interop/echo/1'
const PATIENCE_MS = 10_000
/** Several windows of the multiplexer, so that the relay has to pass on more than one frame. */
const ECHO_BYTES = 1 << 20

let pc2 // the running nodes: { nodes: [relay, near, far], stop }
const strangers = []

const kad = () => ({ dht: kadDHT({ protocol: '/pc2/kad/1', clientMode: true, peerInfoMapper: passthroughMapper }) })

/** A js-libp2p node. It listens nowhere unless told to, and walks only with kad. */
async function stranger({ listen = [], services = {} } = {}) {
  const node = await createLibp2p({
    addresses: { listen },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping(), ...services },
  })
  strangers.push(node)
  return node
}

/** What a node says of itself once it is connected. */
async function identified(node, address) {
  const result = new Promise((done) => node.addEventListener('peer:identify', (event) => done(event.detail), { once: true }))
  await node.dial(multiaddr(address), { signal: AbortSignal.timeout(PATIENCE_MS) })
  return result
}

before(async () => {
  pc2 = await network()
})

after(async () => {
  await Promise.all(strangers.map((node) => node.stop()))
  await pc2?.stop()
})

test('pc2 says which network it belongs to and what it speaks', async () => {
  const [relay] = pc2.nodes
  const said = await identified(await stranger(), relay.address)
  assert.equal(said.peerId.toString(), relay.peerId)
  assert.equal(said.protocolVersion, '/pc2/1')
  assert.match(said.agentVersion, /^pc2\/\d+\.\d+\.\d+/)
  for (const protocol of ['/ipfs/id/1.0.0', '/ipfs/ping/1.0.0', '/pc2/kad/1', '/pc2/record/1', '/pc2/msg/1']) {
    assert.ok(said.protocols.includes(protocol), `${protocol} is not among ${said.protocols}`)
  }
})

test('pc2 answers pings', async () => {
  // Without kad, which pings by itself: a node keeps one stream of pings a connection and drops the older.
  const [relay] = pc2.nodes
  const node = await stranger()
  for (let round = 0; round < 3; round += 1) {
    const ms = await node.services.ping.ping(multiaddr(relay.address), { signal: AbortSignal.timeout(PATIENCE_MS) })
    assert.ok(ms >= 0 && ms < PATIENCE_MS, `${ms} ms`)
  }
})

test('a walk through kad from one node finds all three', async () => {
  const [relay, ...others] = pc2.nodes
  const node = await stranger({ services: kad() })
  await identified(node, relay.address)
  await eventually('the node stands in the table of js-libp2p', () => node.services.dht.routingTable.size > 0, PATIENCE_MS)

  const wanted = pc2.nodes.map((one) => one.peerId)
  await eventually('the walk finds all three', async () => {
    const found = new Set()
    const key = randomBytes(32)
    for await (const event of node.services.dht.getClosestPeers(key, { signal: AbortSignal.timeout(PATIENCE_MS) })) {
      if (event.name === 'FINAL_PEER') found.add(event.peer.id.toString())
    }
    return wanted.every((peer) => found.has(peer))
  })

  for (const other of others) {
    const peer = await node.peerRouting.findPeer(peerIdFromString(other.peerId), { signal: AbortSignal.timeout(PATIENCE_MS) })
    const addresses = peer.multiaddrs.map(String)
    assert.ok(addresses.some((address) => address.includes(`/tcp/${other.port}`)), `${other.name} is not at ${addresses}`)
    await node.dial(peer.id, { signal: AbortSignal.timeout(PATIENCE_MS) })
  }
})

test('two strangers speak through a pc2 that relays', async (t) => {
  const [relay, near] = pc2.nodes
  const dialling = await stranger()
  const said = await identified(dialling, relay.address)
  if (!said.protocols.includes(HOP)) {
    const why = knowsLevels ? 'although it was started with --level 3' : '`pc2 up --help` names no --level'
    assert.ok(!knowsLevels, `pc2 does not offer ${HOP}, ${why}`)
    t.skip(`this pc2 does not offer ${HOP}: ${why}`)
    return
  }
  const lower = await identified(await stranger(), near.address)
  assert.ok(!lower.protocols.includes(HOP), 'a node of level 2 offers to relay')

  // Rejects when the relay gives no place.
  const listening = await stranger({ listen: [`${relay.address}/p2p-circuit`] })
  await listening.handle(ECHO, ({ stream }) => stream.sink(stream.source), { runOnLimitedConnection: true })

  const through = multiaddr(`${relay.address}/p2p-circuit/p2p/${listening.peerId}`)
  const stream = await dialling.dialProtocol(through, ECHO, {
    runOnLimitedConnection: true,
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  const sent = randomBytes(ECHO_BYTES)
  const [came] = await Promise.all([everything(stream), stream.sink([sent])])
  assert.ok(came.equals(sent), 'what came back is not what was sent')
  const [connection] = dialling.getConnections(listening.peerId)
  assert.ok(isCircuit(connection.remoteAddr), `not through the relay: ${connection.remoteAddr}`)
})

function isCircuit(address) {
  return address.toString().includes('/p2p-circuit')
}

/** All that a stream says until its end. */
async function everything(stream) {
  const parts = []
  for await (const part of stream.source) parts.push(part.subarray())
  return Buffer.concat(parts)
}
