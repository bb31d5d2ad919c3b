/**
 * The owner in the settings: who they are, how they come back, what the node takes and lends.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/settings.mjs      the binary must carry its page (no PC2_UI=off)
 *   SHOTS=/tmp/shots                                           keeps a picture of every screen in both themes
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }
const SECRET = 'orbit velvet hammer cactus fjord'
const button = ({ page }, name) => page.getByRole('button', { name, exact: true })
const link = ({ page }) => page.getByRole('textbox', { name: 'A fresh one-time link' })
const listed = ({ page }) => page.getByRole('list', { name: 'The words of your recovery phrase, in order' })

async function section(who, node, id, heading) {
  await who.page.goto(`${node.origin}/#/settings/${id}`)
  await who.page.getByRole('heading', { name: heading, exact: true }).waitFor()
}

test('The owner in the settings', { timeout: 180_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  try {
    const node = await Node.empty(pc2, 'Ann', root)
    nodes.push(node)
    node.options = ['--no-upnp', '--yes']
    await node.start()
    const { phrase } = await node.command('phrase')
    const ann = await person(browser, 'Ann')
    await signIn(ann, node)

    await t.test('the phrase is shown after a fresh link, not before and not twice', async () => {
      await section(ann, node, 'identity', 'Your DID')
      await ann.page.getByText(node.who.did).waitFor()
      await ann.page.getByRole('img', { name: 'QR code of your DID' }).waitFor()
      await inspect(ann, 'settings identity')
      await button(ann, 'Show the words…').click()
      ann.refused = true
      await link(ann).fill('f'.repeat(64))
      await button(ann, 'Go on').click()
      await ann.page.getByText('This link was used already').waitFor()
      const fresh = await node.link()
      await link(ann).fill(fresh)
      await inspect(ann, 'settings prove')
      await button(ann, 'Go on').click()
      await listed(ann).waitFor()
      assert.equal((await listed(ann).getByRole('listitem').allInnerTexts()).map((text) => text.replace(/[\d\s]/g, '')).join(' '), phrase)
      await inspect(ann, 'settings phrase')
      await button(ann, 'Hide the words').click()
      await button(ann, 'Show the words…').click()
      await link(ann).fill(fresh)
      await button(ann, 'Go on').click()
      await ann.page.getByText('This link was used already').waitFor()
      ann.refused = false
    })

    await t.test('whether the words are on paper can be checked later', async () => {
      await ann.page.getByText('Nobody has checked yet').waitFor()
      await button(ann, 'Check whether I have them').click()
      for (const label of await ann.page.locator('label', { hasText: /^Word \d+$/ }).allInnerTexts()) {
        await ann.page.getByRole('textbox', { name: label, exact: true }).fill(phrase.split(' ')[Number(label.slice(5)) - 1])
      }
      await button(ann, 'Check').click()
      await ann.page.getByText('You have shown that they are on paper.').waitFor()
    })

    await t.test('a passphrase is set, opens the phrase, and is taken away', async () => {
      await button(ann, 'Set a passphrase…').click()
      await ann.page.getByLabel('Passphrase', { exact: true }).fill(SECRET)
      await ann.page.getByLabel('Once more').fill(SECRET)
      await link(ann).fill(await node.link())
      await inspect(ann, 'settings passphrase')
      await button(ann, 'Apply').click()
      await ann.page.getByText('opens with a passphrase only').waitFor()
      await button(ann, 'Show the words…').click()
      await ann.page.getByLabel('Passphrase of the identity').fill(SECRET)
      await button(ann, 'Go on').click()
      await listed(ann).waitFor()
      await button(ann, 'Remove it…').click()
      assert.equal(await listed(ann).count(), 0, 'one thing is open at a time')
      await ann.page.getByLabel('Passphrase of the identity').fill(SECRET)
      await button(ann, 'Apply').click()
      await ann.page.getByText('lies open on this disk').first().waitFor()
    })

    await t.test('the disk is counted by what it is for', async () => {
      mkdirSync(join(node.dir, 'users/owner/Downloads'), { recursive: true })
      writeFileSync(join(node.dir, 'users/owner/Downloads/film.mkv'), Buffer.alloc(3 << 20, 7))
      await section(ann, node, 'storage', 'Storage')
      const row = ann.page.getByRole('listitem').filter({ hasText: 'Received files' })
      await row.getByText(/^3(\.\d)? MiB$/).waitFor()
      await ann.page.getByText(node.dir).waitFor()
      await inspect(ann, 'settings storage')
      await button(ann, 'Count again').click()
      await row.getByText(/^3(\.\d)? MiB$/).waitFor()
    })

    await t.test('level and shares hold at once, and what takes a start says so', async () => {
      await section(ann, node, 'lending', 'Level and network')
      await ann.page.getByRole('radio', { name: /^Takes part/ }).check()
      await ann.page.getByText(/^Level 2 now/).waitFor()
      assert.equal((await ask(ann, 'GET', '/api/network')).reach.choice, '2')
      await ann.page.getByLabel('Circuits at once').fill('7')
      await button(ann, 'Save').click()
      await ann.page.getByText('Saved').first().waitFor()
      assert.equal((await ask(ann, 'GET', '/api/network')).reach.shares.circuits, 7)
      await ann.page.getByLabel('Circuits at once').fill('many')
      await button(ann, 'Save').click()
      await ann.page.getByText('These have to be numbers.').waitFor()
      ann.refused = true
      await ann.page.getByLabel('Circuits at once').fill('0')
      await button(ann, 'Save').click()
      await ann.page.getByText(/circuits = 0/i).waitFor()
      ann.refused = false
      assert.equal((await ask(ann, 'GET', '/api/network')).reach.shares.circuits, 7)
      await ann.page.getByText(join(node.dir, 'config.toml')).waitFor()
      const listen = ann.page.getByLabel('Addresses for other nodes, one a line')
      assert.equal(await listen.inputValue(), `/ip4/127.0.0.1/tcp/${node.peerPort}`)
      assert.ok(await listen.isDisabled(), 'it is set where the node is started')
      await inspect(ann, 'settings lending')
    })

    await t.test('how the node is in the network is chosen; it starts anew, and takes back what does not work', async () => {
      const cay = await Node.make(pc2, 'Cay', root)
      nodes.push(cay)
      cay.chooses = true
      const listen = `/ip4/127.0.0.1/tcp/${cay.peerPort}`
      writeFileSync(join(cay.dir, 'network.json'), JSON.stringify({ version: 1, chosen: { listen: [listen], mdns: false, upnp: false } }))
      await cay.start()
      const owner = await person(browser, 'Cay')
      const { page } = owner
      await signIn(owner, cay)
      await section(owner, cay, 'lending', 'Level and network')
      const addresses = page.getByLabel('Addresses for other nodes, one a line')
      const ways = page.getByLabel('Ways into the network, one a line')
      const save = () => button(owner, 'Save and start anew').click()
      assert.equal(await addresses.inputValue(), listen)
      await save()
      await page.getByText('Nothing has changed.').waitFor()
      owner.refused = true
      await ways.fill('example.org')
      await save()
      await page.getByText(/bootstrap "example.org": it ends in \/p2p\//i).waitFor()
      assert.deepEqual((await ask(owner, 'GET', '/api/settings')).bootstrap, [])
      owner.refused = false

      owner.away = true
      await ways.fill(node.address)
      await save()
      await page.getByText('PC2 runs with what you chose').waitFor({ timeout: 2 * SOON })
      assert.deepEqual((await ask(owner, 'GET', '/api/settings')).bootstrap, [node.address])
      await page.waitForFunction(async (did) => (await (await fetch('/api/network')).json()).peers.some((peer) => peer.did === did), node.who.did, { timeout: 2 * SOON })
      await inspect(owner, 'settings network')

      const taken = createServer().listen(0, '127.0.0.1')
      await new Promise((done) => taken.once('listening', done))
      await addresses.fill(`/ip4/127.0.0.1/tcp/${taken.address().port}`)
      await save()
      await page.getByText(/What was chosen last does not work: the port of .* is taken/).waitFor({ timeout: 2 * SOON })
      assert.equal(await addresses.inputValue(), listen, 'as before')
      await inspect(owner, 'settings network refused')
      taken.close()
      owner.away = false
      await owner.context.close()
    })

    await t.test('on a phone everything fits', async () => {
      const phone = await person(browser, 'Phone', PHONE)
      await signIn(phone, node)
      for (const [id, heading] of [['identity', 'Your DID'], ['storage', 'Storage'], ['lending', 'Level and network']]) {
        await section(phone, node, id, heading)
        await phone.page.waitForTimeout(300)
        assert.ok(await phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), id)
        await inspect(phone, `settings ${id} phone`)
      }
      await phone.context.close()
    })

    await t.test('a node that keeps no phrase says what that means', async () => {
      const other = await Node.make(pc2, 'Bob', root)
      nodes.push(other)
      await other.start()
      const bob = await person(browser, 'Bob')
      await signIn(bob, other)
      await section(bob, other, 'identity', 'Your DID')
      await bob.page.getByText('This node does not keep the phrase').waitFor()
      assert.equal(await button(bob, 'Show the words…').count(), 0)
    })
    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
    await Promise.all(nodes.map((node) => node.kill()))
    remove()
  }
})
