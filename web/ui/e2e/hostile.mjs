/**
 * Alice's page shows what others wrote: hundreds of texts that want to run, as messages, names, file names and labels, from a contact and from programs.
 * None of them runs, none becomes more than text.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/hostile.mjs      the binary must carry its page (no PC2_UI=off)
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { complaints, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, log, row, signIn, SOON } from './page.mjs'
import { names, payloads } from './payloads.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

/** What can be found in a page in which a text became more than that. */
const intruders = ({ page }) =>
  page.evaluate(() => {
    const found = []
    if ('ran' in globalThis) found.push('a payload ran')
    if (frames.length > 0) found.push('a frame')
    const own = ({ src, href }) => (src || href || '').startsWith(`${location.origin}/assets/`) || src === `${location.origin}/look.js`
    for (const element of document.querySelectorAll('script, link[rel=stylesheet], iframe, object, embed, base, math, marquee, meta[http-equiv], style, foreignObject')) {
      if (!own(element)) found.push(element.outerHTML.slice(0, 200))
    }
    for (const element of document.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        if (name.startsWith('on')) found.push(`<${element.localName} ${name}="${value}">`)
        if (['href', 'src', 'action', 'srcset'].includes(name) && /^\s*(javascript|vbscript|data:text)/i.test(value)) found.push(`${name}=${value}`)
      }
    }
    return found
  })

test('Texts that want to run', { timeout: 300_000 }, async (t) => {
  assert.ok(payloads.length >= 300, `${payloads.length} payloads`)
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const acts = []
  try {
    const make = async (name, ...ways) => nodes[nodes.push(await Node.make(pc2, name, root)) - 1].start(...ways)
    const atAlices = await make('Alice')
    const atMallorys = await make('Mallory', atAlices.address)
    const alice = await person(browser, 'Alice')
    alice.page.on('dialog', (dialog) => acts.push(`a dialog: ${dialog.message()}`) && dialog.dismiss())
    alice.context.on('page', (page) => page !== alice.page && acts.push(`a window: ${page.url()}`))
    alice.page.on('framenavigated', (frame) => {
      if (frame !== alice.page.mainFrame() || new URL(frame.url()).origin !== atAlices.origin) acts.push(`went to ${frame.url()}`)
    })
    const mallory = async (method, path, body, headers = { 'content-type': 'application/json' }) => {
      const raw = typeof body === 'string'
      const answer = await fetch(atMallorys.origin + path, { method, headers: { ...headers, authorization: `Bearer ${atMallorys.token}` }, body: raw ? body : JSON.stringify(body) })
      return { status: answer.status, body: JSON.parse((await answer.text()) || 'null') }
    }
    const clean = async (what) => {
      assert.deepEqual(await intruders(alice), [], what)
      assert.deepEqual(acts, [], what)
    }

    await signIn(alice, atAlices)
    const { link } = await ask(alice, 'POST', '/api/invitations')
    await mallory('POST', '/api/contacts', { invitation: link, text: payloads[0].text })
    await row(alice, 'Mallory').click({ timeout: SOON })

    await t.test(`${payloads.length} messages are shown as they were written`, async () => {
      // Once the request is accepted, and in order.
      for (let tries = 0; (await mallory('GET', `/api/contacts/${atAlices.who.did}`)).body.standing !== 'accepted'; tries++) {
        assert.ok(tries < 200, 'they became contacts')
        await new Promise((done) => setTimeout(done, 50))
      }
      const path = `/api/conversations/${atAlices.who.did}/messages`
      for (const [index, { text }] of payloads.entries()) {
        const id = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
        assert.equal((await mallory('POST', path, { client_id: id, text })).status, 202, text)
      }
      const last = 'that was all of them'
      await mallory('POST', path, { client_id: '00000000-0000-4000-9000-000000000000', text: last })
      await log(alice, 'Mallory').getByText(last, { exact: true }).waitFor({ timeout: 4 * SOON })
      // Back to the beginning; what is seen on the way is collected.
      const seen = new Set()
      const look = async () => {
        for (const text of await log(alice, 'Mallory').locator('.bubble > .text').allTextContents()) seen.add(text)
      }
      const beginning = alice.page.getByText('This is the beginning of your conversation.')
      for (let steps = 0; steps < 200; steps++) {
        await look()
        if (await beginning.isVisible()) break
        await log(alice, 'Mallory').hover()
        await alice.page.mouse.wheel(0, -900)
        await alice.page.waitForTimeout(40)
      }
      await look()
      await clean('messages')
      const missing = payloads.filter(({ text }) => !seen.has(text) && !seen.has(text.trim()))
      assert.deepEqual(missing.map(({ name }) => name), [], 'shown letter by letter')
      // What became a link leads where it says, and says nothing of where it was.
      for (const anchor of await log(alice, 'Mallory').locator('a[href^=http]').all()) {
        assert.match(await anchor.getAttribute('rel'), /noopener/)
      }
    })

    await t.test(`${names.length} names of a contact are shown as names`, async () => {
      assert.ok(names.length >= 60)
      let shown = 0
      for (const name of names) {
        const { status, body } = await mallory('PATCH', '/api/identity', { name })
        if (status !== 200) {
          assert.equal(body.code, 'name_not_plain', name)
          continue
        }
        // What a stranger calls itself comes with its request; what is shown is the same part of the page as for the name that Alice gives.
        await ask(alice, 'PATCH', `/api/contacts/${atMallorys.who.did}`, { alias: body.name })
        if (shown++ % 20 === 0) await alice.page.getByRole('region', { name: 'Chats' }).getByText(body.name, { exact: true }).first().waitFor({ timeout: SOON })
      }
      assert.ok(shown > 100, `${shown} names were plain`)
      await clean('names')
      await ask(alice, 'PATCH', `/api/contacts/${atMallorys.who.did}`, { alias: null })
      await mallory('PATCH', '/api/identity', { name: 'Mallory' })
      await alice.page.getByRole('heading', { name: 'Mallory' }).waitFor({ timeout: SOON })
    })

    await t.test('names of files, and the name that Alice gives', async () => {
      let offered = 0
      for (const name of names.slice(0, 40)) {
        const query = new URLSearchParams({ to: atAlices.who.did, name })
        const { status } = await mallory('POST', `/api/uploads?${query}`, 'bytes', { 'content-type': 'application/octet-stream' })
        offered += status === 202 ? 1 : 0
      }
      assert.ok(offered > 20, `${offered} were offered`)
      // From the beginning, where it was left, to the newest.
      await alice.page.reload()
      await log(alice, 'Mallory').getByRole('button', { name: /Save|Accept|Receive/ }).last().waitFor({ timeout: 2 * SOON })
      await clean('files in the conversation')
      await alice.page.goto(`${atAlices.origin}/#/transfers`)
      await alice.page.getByRole('heading', { name: 'Transfers' }).first().waitFor()
      await alice.page.waitForTimeout(300)
      await clean('transfers')
      for (const alias of names.slice(40, 60)) await ask(alice, 'PATCH', `/api/contacts/${atMallorys.who.did}`, { alias })
      await clean('aliases')
      await ask(alice, 'PATCH', `/api/contacts/${atMallorys.who.did}`, { alias: null })
    })

    await t.test('labels of wallets, keys and browsers', async () => {
      for (const [index, label] of names.slice(0, 20).entries()) {
        await ask(alice, 'POST', '/api/keys', { label, scopes: ['chat:read'] })
        const address = `0x${String(index + 1).padStart(40, '0')}`
        await ask(alice, 'POST', '/api/wallets', { address, role: 'member', label })
        const token = (await atAlices.link()).split('/').at(-1)
        await fetch(`${atAlices.origin}/auth/link`, { method: 'POST', headers: { 'content-type': 'application/json', 'user-agent': label.replace(/[^\x20-\x7e]/g, '?') }, body: JSON.stringify({ token }) })
      }
      await alice.page.goto(`${atAlices.origin}/#/settings/doors`)
      await alice.page.getByRole('heading', { name: 'Keys for programs' }).waitFor()
      await clean('doors')
      await alice.page.reload()
      await alice.page.getByRole('heading', { name: 'Keys for programs' }).waitFor()
      await clean('doors after a reload')
    })

    await t.test('the look at the page finds what is there', async () => {
      assert.deepEqual(complaints, [])
      const found = async (text) => {
        await alice.page.evaluate((text) => document.body.insertAdjacentHTML('beforeend', text), text)
        return (await intruders(alice)).length > 0
      }
      for (const vector of ['script', 'image', 'svg', 'frame', 'link', 'focus', 'base', 'style']) {
        assert.ok(await found(payloads.find(({ name }) => name === `${vector} plain plain`).text), vector)
        await alice.page.reload()
        await alice.page.getByRole('heading', { name: 'Keys for programs' }).waitFor()
      }
    })
  } finally {
    await browser.close()
    await Promise.all(nodes.map((node) => node.kill()))
    remove()
  }
})
