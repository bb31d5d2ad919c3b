/**
 * A hostile page in the browser in which the owner is signed in: at another port of this machine, at a name of its own, and at a name that points to the
 * node (DNS rebinding). It tries everything a page can; it reads nothing, and nothing changes.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/strangers.mjs      the binary must carry its page (no PC2_UI=off)
 */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { openBrowser } from './browser.mjs'
import { Node, place } from './nodes.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

/** Routes that tell something, and what would change something: with bodies that the node would take from its own page. */
const READS = ['/api/contacts', '/api/identity', '/api/setup', '/api/keys', '/auth/session', '/whoami', '/health', '/api/openapi.json']
const CHANGES = [
  ['PATCH', '/api/identity', { name: 'Mallory' }],
  ['POST', '/api/contacts', { did: 'did:boson:FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z' }],
  ['POST', '/api/invitations', {}],
  ['POST', '/api/keys', { label: 'mallory', scopes: ['chat:read'] }],
  ['POST', '/api/identity/phrase', {}],
  ['PUT', '/api/identity/passphrase', { passphrase: 'mallory knows it' }],
  ['PUT', '/api/network/level', { level: '1' }],
  ['DELETE', '/api/sessions', undefined],
  ['POST', '/auth/logout', undefined],
]

/** Runs in the hostile page. What it could read is returned. */
async function attack({ origin, reads, changes }) {
  const read = []
  const patience = (promise) => Promise.race([promise, new Promise((done) => setTimeout(done, 4_000))])
  const tried = async (what, act) => {
    try {
      const got = await patience(act())
      if (got) read.push(`${what}: ${String(got).slice(0, 120)}`)
    } catch {
      // Refused by the browser or by the node.
    }
  }
  const body = async (answer) => (answer.type === 'opaque' ? '' : answer.text())
  for (const path of reads) {
    for (const mode of ['cors', 'no-cors', 'navigate', 'same-origin']) {
      await tried(`fetch ${mode} ${path}`, async () => body(await fetch(origin + path, { mode, credentials: 'include' })))
    }
    await tried(`script ${path}`, () => new Promise((done, failed) => {
      const script = Object.assign(document.createElement('script'), { src: origin + path, onload: () => done('a script'), onerror: failed })
      document.body.append(script)
    }))
  }
  for (const [method, path, value] of changes) {
    const json = value === undefined ? undefined : JSON.stringify(value)
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      for (const mode of ['cors', 'no-cors']) {
        await tried(`${method} ${mode} ${type} ${path}`, async () => body(await fetch(origin + path, { method, mode, credentials: 'include', body: json, headers: { 'content-type': type } })))
      }
    }
    navigator.sendBeacon?.(origin + path, new Blob([json ?? ''], { type: 'text/plain' }))
    // A form that spells JSON, into a frame that would show the answer.
    const frame = Object.assign(document.createElement('iframe'), { name: `f${Math.random()}` })
    const form = Object.assign(document.createElement('form'), { action: origin + path, method: 'post', enctype: 'text/plain', target: frame.name })
    const field = Object.assign(document.createElement('input'), { name: (json ?? '{}').slice(0, -1) + ',"x":"', value: '"}' })
    form.append(field)
    document.body.append(frame, form)
    form.submit()
    await tried(`form ${path}`, () => new Promise((done) => (frame.onload = () => setTimeout(() => {
      try {
        done(frame.contentDocument?.body?.innerText)
      } catch {
        done('')
      }
    }, 50))))
  }
  for (const protocol of [undefined, ['chat']]) {
    await tried('WebSocket', () => new Promise((done, failed) => {
      const socket = new WebSocket(`${origin.replace('http', 'ws')}/ws`, protocol)
      socket.onmessage = ({ data }) => done(data)
      socket.onerror = failed
    }))
  }
  await tried('EventSource', () => new Promise((done, failed) => {
    const source = new EventSource(`${origin}/api/contacts`, { withCredentials: true })
    source.onmessage = ({ data }) => done(data)
    source.onerror = failed
  }))
  await tried('frame', () => new Promise((done) => {
    const frame = Object.assign(document.createElement('iframe'), { src: `${origin}/` })
    frame.onload = () => {
      try {
        done(frame.contentDocument?.title)
      } catch {
        done('')
      }
    }
    document.body.append(frame)
  }))
  await tried('window', async () => {
    const opened = window.open(`${origin}/`)
    await new Promise((done) => setTimeout(done, 500))
    return opened?.document?.title
  })
  return read
}

const page = (port) => new Promise((done) => {
  const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>prizes</title><body>You have won'))
  server.listen(port, '127.0.0.1', () => done(server))
})

test('A hostile page in the owner’s browser', { timeout: 300_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser(['--host-resolver-rules=MAP evil.example 127.0.0.1, MAP *.evil.example 127.0.0.1'])
  const server = await page(0)
  const node = await Node.make(pc2, 'Alice', root)
  try {
    await node.start()
    const context = await browser.newContext()
    const own = await context.newPage()
    await own.goto(await node.link())
    await own.getByRole('heading', { name: 'Chats' }).waitFor()
    /** Everything that could have changed, as the command line sees it. */
    const state = async () => {
      const asked = ['/api/identity', '/api/contacts', '/api/keys', '/api/wallets', '/api/setup']
      const all = await Promise.all(asked.map(async (path) => (await fetch(node.origin + path, { headers: { authorization: `Bearer ${node.token}` } })).json()))
      const { reach } = await (await fetch(`${node.origin}/api/network`, { headers: { authorization: `Bearer ${node.token}` } })).json()
      return { all, choice: reach.choice }
    }
    const before = await state()
    const { port } = server.address()
    const places = {
      'another port of this machine': `http://127.0.0.1:${port}`,
      'another name of this machine': `http://localhost:${port}`,
      'a site of its own': `http://evil.example:${port}`,
    }
    for (const [where, address] of Object.entries(places)) {
      await t.test(`from ${where} it reads nothing and changes nothing`, async () => {
        const hostile = await context.newPage()
        await hostile.goto(address)
        for (const origin of [node.origin, node.origin.replace('127.0.0.1', 'localhost')]) {
          assert.deepEqual(await hostile.evaluate(attack, { origin, reads: READS, changes: CHANGES }), [], origin)
        }
        await hostile.close()
        assert.deepEqual(await state(), before)
      })
    }

    await t.test('a name that points to the node is not the node’s', async () => {
      const hostile = await context.newPage()
      const rebound = `http://evil.example:${node.webPort}`
      assert.equal((await hostile.goto(`${rebound}/`)).status(), 421)
      const told = await hostile.evaluate(async ({ reads, changes }) => {
        const all = []
        for (const path of reads) all.push((await fetch(path)).status)
        for (const [method, path, value] of changes) {
          all.push((await fetch(path, { method, body: value && JSON.stringify(value), headers: { 'content-type': 'application/json' } })).status)
        }
        all.push(await new Promise((done) => {
          const socket = new WebSocket(`ws://${location.host}/ws`)
          socket.onmessage = () => done('events')
          socket.onerror = () => done(421)
        }))
        return all
      }, { reads: READS, changes: CHANGES })
      assert.deepEqual([...new Set(told)], [421])
      assert.deepEqual(await state(), before)
      await hostile.close()
    })

    await t.test('the owner is signed in all the same, and can do all of it', async () => {
      const status = await own.evaluate(async () => (await fetch('/api/contacts')).status)
      assert.equal(status, 200)
      const read = await own.evaluate(attack, { origin: node.origin, reads: READS, changes: [] })
      assert.ok(read.length > READS.length, 'the same attempts from the node’s own page do read')
      const named = await own.evaluate(async () => (await fetch('/api/identity', { method: 'PATCH', body: '{"name":"Ann"}', headers: { 'content-type': 'application/json' } })).json())
      assert.equal(named.name, 'Ann')
    })
  } finally {
    await browser.close()
    server.close()
    await node.kill()
    remove()
  }
})
