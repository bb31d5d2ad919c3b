/** Real `pc2` processes on loopback, for a libp2p of another origin to speak with. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const READY_MS = 30_000
const LOOK_MS = 50

export const pc2 = process.env.PC2_BIN
if (!pc2) throw new Error('PC2_BIN must name a pc2 program; `make test-interop` sets it')

/** What `pc2 up` can be told. A level is asked for only where it exists. */
export const knowsLevels = (await run(pc2, ['up', '--help'])).stdout.includes('--level')

/** Ports that nobody has right now. Held until all are known, so that they differ. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** One node: a directory and the process in it. */
class Node {
  #log = ''
  #child = null

  constructor(name, data, ports) {
    Object.assign(this, { name, data, web: ports[0], port: ports[1] })
  }

  /** Runs a `pc2` command for this node and reads its JSON. */
  async command(...words) {
    return JSON.parse((await run(pc2, ['--data', this.data, '--json', ...words])).stdout)
  }

  /** Starts it and waits until it can be driven. */
  async start(bootstrap, level) {
    await this.command('init', '--name', this.name)
    this.peerId = (await this.command('id')).peer_id
    const words = ['up', '--no-mdns', '--web', `127.0.0.1:${this.web}`, '--listen', `/ip4/127.0.0.1/tcp/${this.port}`]
    for (const address of bootstrap) words.push('--bootstrap', address)
    if (knowsLevels) words.push('--level', String(level))
    const child = spawn(pc2, ['--data', this.data, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (this.#log += text))
    this.#child = child
    await eventually(`${this.name} is ready`, () => {
      if (child.exitCode !== null) throw new Error(`${this.name} ended with ${child.exitCode}:\n${this.#log}`)
      return this.command('peers').catch(() => null)
    })
  }

  /** Where others reach it. */
  get address() {
    return `/ip4/127.0.0.1/tcp/${this.port}/p2p/${this.peerId}`
  }

  async stop() {
    if (!this.#child || this.#child.exitCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  get log() {
    return this.#log
  }
}

/** Three nodes that have found each other: the first relays where it can, the others joined through it. */
export async function network() {
  const root = mkdtempSync(join(tmpdir(), 'pc2-interop-'))
  const ports = await freePorts(6)
  const nodes = ['relay', 'near', 'far'].map((name, i) => new Node(name, join(root, name), ports.slice(2 * i, 2 * i + 2)))
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    rmSync(root, { recursive: true, force: true })
  }
  try {
    const [relay, ...others] = nodes
    await relay.start([], 3)
    await Promise.all(others.map((node) => node.start([relay.address], 2)))
    await eventually('the nodes have found each other', async () => (await relay.command('peers')).peers.length >= 2)
  } catch (error) {
    await stop()
    throw error
  }
  return { nodes, stop }
}

/** Asks again and again until the answer is neither false nor nothing. */
export async function eventually(what, look, ms = READY_MS) {
  const end = Date.now() + ms
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`)
    await pause(LOOK_MS)
  }
}
