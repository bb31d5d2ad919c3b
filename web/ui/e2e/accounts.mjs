/**
 * People sign in to one node with wallets, as owner and as member.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/accounts.mjs      the binary must carry its page (no PC2_UI=off)
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, open, signIn } from './page.mjs'
import { giveWallet } from './wallet.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

const KEYS = [`0x${'11'.repeat(32)}`, `0x${'22'.repeat(32)}`]
const byWallet = ({ page }) => page.getByRole('button', { name: 'Sign in with Testwallet' })
const status = ({ page }, path) => page.evaluate(async (path) => (await fetch(path)).status, path)

test('People and their wallets', { timeout: 180_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const node = await Node.make(pc2, 'Alice', root)
  try {
    await node.start()
    const alice = await person(browser, 'Alice')
    const bob = await person(browser, 'Bob')
    const hers = await giveWallet(alice, KEYS[0])
    const his = await giveWallet(bob, KEYS[1])
    const settings = async () => {
      const place = await open(alice, 'Settings')
      await place.getByRole('link', { name: 'Sign-ins, wallets and keys' }).click()
      await alice.page.getByRole('heading', { name: 'Keys for programs' }).waitFor()
    }

    await t.test('the first wallet beside the link becomes the owner’s', async () => {
      await signIn(alice, node)
      await settings()
      await byWallet(alice).waitFor()
      await inspect(alice, 'doors by a link')
      await byWallet(alice).click()
      await byWallet(alice).waitFor({ state: 'hidden' })
      await alice.page.getByRole('heading', { name: 'Chats' }).waitFor()
      assert.equal((await ask(alice, 'GET', '/auth/session')).wallet, hers.address)
      assert.ok(hers.signed[0].endsWith(`- ${node.who.did}`), 'the text names the node')
      assert.ok(hers.signed[0].startsWith(`127.0.0.1:${node.webPort} wants you to sign in`))
    })

    await t.test('a no in the wallet is told, and nothing happens', async () => {
      bob.refused = true
      await bob.page.goto(node.origin)
      his.refuses = true
      await byWallet(bob).click()
      await bob.page.getByText('You said no in the wallet').waitFor()
      assert.equal((await ask(bob, 'GET', '/auth/session')).signed_in, false)
      await inspect(bob, 'wallet refused')
    })

    await t.test('a wallet that was not added is refused until it is', async () => {
      his.refuses = false
      await byWallet(bob).click()
      await bob.page.getByText('may not sign in here').waitFor()
      await settings()
      await alice.page.getByRole('textbox', { name: 'Address' }).fill(his.address)
      await alice.page.getByRole('textbox', { name: 'Name', exact: true }).fill('Bob')
      await alice.page.getByRole('button', { name: 'Add', exact: true }).click()
      await alice.page.getByRole('combobox', { name: /^Role of/ }).waitFor()
      await byWallet(bob).click()
      await bob.page.getByText('You are a member of this PC2').waitFor()
      await inspect(bob, 'member')
    })

    await t.test('the owner’s last wallet has no button to remove it', async () => {
      const names = alice.page.getByRole('button', { name: /^Remove wallet/ })
      assert.equal(await names.count(), 1)
      assert.ok((await names.getAttribute('aria-label')).includes(his.address.slice(-4)))
    })

    await t.test('a key is shown once, works, and is taken back', async () => {
      await alice.page.getByRole('textbox', { name: 'What it is for' }).fill('bot')
      await alice.page.getByRole('checkbox', { name: 'chat:read' }).check()
      await alice.page.getByRole('button', { name: 'Make a key' }).click()
      await alice.page.getByText('Copy it now: it is not shown again.').waitFor()
      const secret = await alice.page.locator('.secret code').textContent()
      const asBot = async () =>
        (await fetch(`${node.origin}/api/contacts`, { headers: { authorization: `Bearer ${secret}` } })).status
      assert.equal(await asBot(), 200)
      await inspect(alice, 'doors with wallets and keys')
      await alice.page.getByRole('button', { name: 'Remove key bot' }).click()
      await alice.page.getByText('Key “bot” removed').waitFor()
      assert.equal(await asBot(), 401)
    })

    await t.test('an admin sees how the node does', async () => {
      await alice.page.getByRole('combobox', { name: /^Role of/ }).first().selectOption('Admin')
      await alice.page.getByText('is now admin').waitFor()
      await bob.page.reload()
      await bob.page.getByText('You look after this PC2').waitFor()
      await bob.page.locator('dt').first().waitFor()
      await inspect(bob, 'admin')
      await alice.page.getByRole('combobox', { name: /^Role of/ }).first().selectOption('Member')
      await alice.page.getByText('is now member').waitFor()
      await bob.page.reload()
      await bob.page.getByText('You are a member of this PC2').waitFor()
    })

    await t.test('a member reaches nothing of the owner’s', async () => {
      for (const path of ['/api/contacts', '/api/wallets', '/api/keys', '/api/network', '/api/transfers']) {
        assert.equal(await status(bob, path), 403, path)
      }
      assert.equal(await status(bob, `/api/contacts/${node.who.did}`), 404)
      await inspect(alice, 'owner')
    })

    await t.test('who is removed is signed out', async () => {
      await ask(alice, 'DELETE', `/api/wallets/${his.address}`)
      await bob.page.reload()
      await byWallet(bob).waitFor()
    })

    await t.test('signing out everywhere ends every page', async () => {
      const elsewhere = await person(browser, 'Alice elsewhere')
      await signIn(elsewhere, node)
      // What a page asks at that very moment is refused.
      alice.refused = elsewhere.refused = true
      await alice.page.getByRole('button', { name: 'Sign out everywhere' }).click()
      await byWallet(alice).waitFor()
      await elsewhere.page.getByRole('heading', { name: 'Sign in to your PC2' }).waitFor()
      await elsewhere.context.close()
      alice.refused = false
      await byWallet(alice).click()
      await alice.page.getByRole('heading', { name: 'Chats' }).waitFor()
    })

    await t.test('without a wallet the page says so', async () => {
      const stranger = await person(browser, 'Stranger')
      await stranger.page.goto(node.origin)
      await stranger.page.getByText('No wallet was found in this browser').waitFor()
      await inspect(stranger, 'no wallet')
    })
    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
    await node.kill()
    remove()
  }
})
