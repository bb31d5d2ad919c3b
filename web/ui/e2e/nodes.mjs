/** Real PC2 nodes as processes: made, started, killed and started again. */
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const READY_MS = 30_000

/** Ports that nobody has right now. Held until all are known, so that they differ. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise((done) => {
      const server = createServer().listen(0, '127.0.0.1', () => done(server))
    })),
  )
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}

export class Node {
  #process = null
  #log = ''
  /** More words for `pc2 up`. */
  options = []
  /** Where it listens, and that it looks for nobody, is chosen in network.json instead of said by words. */
  chooses = false

  constructor(pc2, name, dir, webPort, peerPort) {
    Object.assign(this, { pc2, name, dir, webPort, peerPort, origin: `http://127.0.0.1:${webPort}` })
  }

  /** A new node with an identity of its own. */
  static async make(pc2, name, root) {
    const node = await Node.empty(pc2, name, root)
    await node.command('init', '--name', name)
    return node
  }

  /** One that makes an identity when it is first started, and asks on the page. */
  static async empty(pc2, name, root) {
    const [webPort, peerPort] = await freePorts(2)
    return new Node(pc2, name, join(root, name), webPort, peerPort)
  }

  /** Runs a `pc2` command for this node and reads its JSON. */
  async command(...words) {
    const { stdout } = await run(this.pc2, ['--data', this.dir, '--json', ...words])
    return stdout.trim() === '' ? null : JSON.parse(stdout)
  }

  /** Starts it and waits until it answers. */
  async start(...bootstrap) {
    const listen = `/ip4/127.0.0.1/tcp/${this.peerPort}`
    const ways = bootstrap.flatMap((address) => ['--bootstrap', address])
    const said = this.chooses ? [] : ['--no-mdns', '--listen', listen]
    const words = ['up', '--web', `127.0.0.1:${this.webPort}`, ...said, ...ways, ...this.options]
    const child = spawn(this.pc2, ['--data', this.dir, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (this.#log += text))
    this.#process = child
    const until = Date.now() + READY_MS
    for (;;) {
      if (child.exitCode !== null) throw new Error(`${this.name} ended with ${child.exitCode}:\n${this.#log}`)
      if (Date.now() > until) throw new Error(`${this.name} did not start:\n${this.#log}`)
      try {
        this.who = await (await fetch(`${this.origin}/whoami`)).json()
        // From then on it can be driven by commands, too.
        const { pid, token } = JSON.parse(readFileSync(join(this.dir, 'api.json')))
        if (pid === child.pid) return Object.assign(this, { token })
      } catch {
        // Not yet.
      }
      await new Promise((done) => setTimeout(done, 50))
    }
  }

  /** Where other nodes find it. */
  get address() {
    return `/ip4/127.0.0.1/tcp/${this.peerPort}/p2p/${this.who.peer_id}`
  }

  /** A link that signs in once. */
  async link() {
    return (await this.command('login-link')).url
  }

  /** As if the power failed: SIGKILL, nothing is put in order. */
  kill() {
    return this.#end('SIGKILL')
  }

  /** As an update does: it puts things in order and says goodbye. */
  stop() {
    return this.#end('SIGTERM')
  }

  async #end(signal) {
    const child = this.#process
    this.#process = null
    if (!child || child.exitCode !== null) return
    const gone = new Promise((done) => child.once('exit', done))
    child.kill(signal)
    await gone
  }

  get log() {
    return this.#log
  }
}

/** A directory for nodes, and its end. */
export function place() {
  const root = mkdtempSync(join(tmpdir(), 'pc2-e2e-'))
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) }
}
