/**
 * Alice and Bob, each with a browser and a real node, become contacts and talk.
 *
 *   PC2_BIN=target/debug/pc2 npm run test:e2e      the binary must carry its page (no PC2_UI=off)
 *   SHOTS=/tmp/shots                               keeps a picture of every screen in both themes
 */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { close, command, compose, hears, log, open, row, say, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

test('Alice and Bob', { timeout: 300_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const node = async (name) => nodes[nodes.push(await Node.make(pc2, name, root)) - 1]
  try {
    const atAlices = await (await node('Alice')).start()
    const atBobs = await (await node('Bob')).start()
    const alice = await person(browser, 'Alice')
    const bob = await person(browser, 'Bob')

    await t.test('a stranger is shown how to get in, and gets nothing', async () => {
      const stranger = await person(browser, 'Stranger')
      await stranger.page.goto(atAlices.origin)
      await stranger.page.getByRole('heading', { name: 'Sign in to your PC2' }).waitFor()
      await inspect(stranger, 'sign in')
      stranger.refused = true
      const status = await stranger.page.evaluate(async () => (await fetch('/api/contacts')).status)
      assert.equal(status, 401)
      await stranger.context.close()
    })

    await t.test('a link signs in, once', async () => {
      const link = await atAlices.link()
      await alice.page.goto(link)
      await alice.page.getByText('Nobody here yet').waitFor()
      await inspect(alice, 'empty')
      const late = await person(browser, 'Late')
      late.refused = true
      await late.page.goto(link)
      await late.page.getByText('This link did not work').waitFor()
      await inspect(late, 'used link')
      await late.context.close()
      await signIn(bob, atBobs)
    })

    await t.test('one invitation link makes them contacts', async () => {
      await alice.page.getByRole('button', { name: 'Connect with someone' }).first().click()
      const link = await alice.page.getByRole('textbox', { name: 'Invitation link' }).inputValue()
      assert.match(link, /^pc2:invite:/)
      await alice.page.getByRole('img', { name: /QR code/ }).waitFor()
      await inspect(alice, 'invitation')
      await alice.page.keyboard.press('Escape')

      await bob.page.getByRole('button', { name: 'Connect with someone' }).first().click()
      await bob.page.getByRole('button', { name: 'I have their link' }).click()
      await bob.page.getByLabel('Invitation link or DID').fill(`${link.slice(0, -4)}`)
      bob.refused = true
      await bob.page.getByRole('button', { name: 'Connect', exact: true }).click()
      await bob.page.getByText('This invitation is damaged').waitFor()
      await inspect(bob, 'damaged invitation')
      bob.refused = false
      await bob.page.getByLabel('Invitation link or DID').fill(link)
      await bob.page.getByLabel('A first message').fill('Hello Alice, it is me')
      await bob.page.getByRole('button', { name: 'Connect', exact: true }).click()

      await row(alice, 'Bob').click({ timeout: SOON })
      await hears(alice, 'Bob', 'Hello Alice, it is me')
      await compose(bob, 'Alice').waitFor({ timeout: SOON })
      // A word about being there that was lost on its way is said again after half a minute.
      await bob.page.getByText('Online', { exact: true }).first().waitFor({ timeout: 3 * SOON })
    })

    await t.test('messages go both ways and say how far they came', async () => {
      await say(alice, 'Bob', 'hello Bob')
      await hears(bob, 'Alice', 'hello Bob')
      await log(alice, 'Bob').getByText('Delivered').last().waitFor({ timeout: SOON })
      await say(bob, 'Alice', 'two lines\nand https://example.org/x')
      await log(alice, 'Bob').getByRole('link', { name: 'https://example.org/x' }).waitFor({ timeout: SOON })
      await inspect(alice, 'conversation')
    })

    const more = 'More about this message'
    // The message that says it, not one that quotes it.
    const line = (who, other, text) =>
      log(who, other).getByRole('listitem').filter({ has: who.page.locator('.bubble > .text', { hasText: text }) })
    const acts = async (who, other, text) => {
      await line(who, other, text).getByRole('button', { name: more }).click()
      return who.page.getByRole('menu', { name: more })
    }
    const both = [
      [alice, 'Bob'],
      [bob, 'Alice'],
    ]

    await t.test('they react and reply, by keyboard alone, and a reload keeps it', async () => {
      await say(alice, 'Bob', 'lunch at noon?')
      await hears(bob, 'Alice', 'lunch at noon?')
      const reaction = (who, other, name) => line(who, other, 'lunch at noon?').getByRole('button', { name, exact: true })
      // The first emoji has the focus, the arrow goes on.
      await line(bob, 'Alice', 'lunch at noon?').getByRole('button', { name: more }).focus()
      await bob.page.keyboard.press('Enter')
      await bob.page.getByRole('menuitemradio', { name: 'React with 👍' }).waitFor()
      await inspect(bob, 'message menu')
      await bob.page.keyboard.press('ArrowRight')
      await bob.page.keyboard.press('Enter')
      await reaction(alice, 'Bob', '❤️ from Bob').click({ timeout: SOON })
      await reaction(bob, 'Alice', '❤️ from you and Alice').waitFor({ timeout: SOON })
      // Chosen again it is taken back.
      await reaction(bob, 'Alice', '❤️ from you and Alice').click()
      await reaction(alice, 'Bob', '❤️ from you').waitFor({ timeout: SOON })

      await (await acts(bob, 'Alice', 'lunch at noon?')).getByRole('menuitem', { name: 'Reply' }).click()
      await bob.page.getByText('Replying to Alice').waitFor()
      await bob.page.keyboard.type('with pleasure')
      await bob.page.keyboard.press('Enter')
      const quote = line(alice, 'Bob', 'with pleasure').getByRole('button', { name: /that this answers/ })
      await quote.waitFor({ timeout: SOON })
      await inspect(alice, 'reply')

      await alice.page.reload()
      await reaction(alice, 'Bob', '❤️ from you').waitFor({ timeout: SOON })
      await quote.click()
      const original = await alice.page.evaluate(() => document.activeElement?.textContent ?? '')
      assert.match(original, /lunch at noon/, 'the original has the focus')
    })

    await t.test('they edit and delete, and both see the same, also above answers and after a reload', async () => {
      await say(bob, 'Alice', 'see you tomorow')
      await compose(bob, 'Alice').press('ArrowUp')
      await bob.page.getByText('Editing your message').waitFor()
      await inspect(bob, 'editing')
      await compose(bob, 'Alice').fill('see you tomorrow')
      await compose(bob, 'Alice').press('Enter')
      await hears(alice, 'Bob', 'see you tomorrow')
      await line(alice, 'Bob', 'see you tomorrow').getByText('edited', { exact: true }).waitFor()
      assert.equal(await log(alice, 'Bob').getByText('see you tomorow', { exact: true }).count(), 0)
      assert.equal(await compose(bob, 'Alice').inputValue(), '')

      await say(bob, 'Alice', 'never mind this')
      await hears(alice, 'Bob', 'never mind this')
      const hers = await acts(alice, 'Bob', 'never mind this')
      assert.equal(await hers.getByRole('menuitem', { name: /Edit|Delete/ }).count(), 0, 'nobody changes what another wrote')
      await hers.getByRole('menuitem', { name: 'Reply' }).click()
      await compose(alice, 'Bob').fill('what was that?')
      await compose(alice, 'Bob').press('Enter')
      await line(bob, 'Alice', 'what was that?').getByText('never mind this').waitFor({ timeout: SOON })
      const menu = await acts(bob, 'Alice', 'never mind this')
      await menu.getByRole('menuitem', { name: 'Delete for both…' }).click()
      await menu.getByRole('menuitem', { name: 'Yes, delete for both' }).click()
      for (const [who, other] of both) {
        await line(who, other, 'what was that?').getByText('Message deleted').waitFor({ timeout: SOON })
        await who.page.getByText('never mind this').first().waitFor({ state: 'detached', timeout: SOON })
        assert.equal(await log(who, other).getByText('Message deleted').count(), 2, 'the message, and the words above its answer')
      }
      await inspect(alice, 'deleted')

      await say(alice, 'Bob', 'nor this')
      await hears(bob, 'Alice', 'nor this')
      const again = await acts(alice, 'Bob', 'nor this')
      await again.getByRole('menuitem', { name: 'Delete for both…' }).press('Enter')
      await again.getByRole('menuitem', { name: 'Yes, delete for both' }).press('Enter')
      await row(bob, 'Alice').getByText('Deleted', { exact: true }).waitFor({ timeout: SOON })
      const focused = await alice.page.evaluate(() => document.activeElement?.textContent ?? '')
      assert.match(focused, /Message deleted/, 'the keyboard stays where it was')
      for (const [who, other] of both) {
        await who.page.reload()
        await hears(who, other, 'see you tomorrow')
        assert.equal(await log(who, other).getByText('Message deleted').count(), 3)
        assert.equal(await who.page.getByText(/never mind this|nor this/).count(), 0)
      }
    })

    await t.test('a stranger asks, and Alice decides', async () => {
      const atCarols = await (await node('Carol')).start(atAlices.address)
      await atCarols.command('contact', 'add', atAlices.who.did, '--text', 'We met at the harbour')
      await alice.page.getByRole('link', { name: /^Requests.*1 request waits/ }).click({ timeout: SOON })
      await alice.page.getByText('We met at the harbour').waitFor()
      await inspect(alice, 'request')
      await alice.page.getByRole('button', { name: 'Accept' }).click()
      await alice.page.getByText('No requests').waitFor({ timeout: SOON })
      await alice.page.getByRole('link', { name: 'Chats', exact: true }).click()
      await row(alice, 'Carol').waitFor()
    })

    await t.test('a contact is renamed, removed, and brought back by Undo', async () => {
      await row(alice, 'Carol').click()
      const menu = alice.page.getByRole('button', { name: 'More about this person' })
      await menu.click()
      await inspect(alice, 'menu')
      await alice.page.keyboard.press('Enter')
      await alice.page.getByRole('textbox', { name: 'Name' }).fill('Carol of the harbour')
      await alice.page.keyboard.press('Enter')
      await row(alice, 'Carol of the harbour').waitFor()
      await alice.page.getByRole('button', { name: 'Undo' }).click()
      await row(alice, 'Carol of the harbour').waitFor({ state: 'detached' })
      await menu.click()
      await alice.page.getByRole('menuitem', { name: 'Remove' }).click()
      await row(alice, 'Carol').waitFor({ state: 'detached' })
      await inspect(alice, 'undo')
      await alice.page.getByRole('button', { name: 'Undo' }).click()
      await row(alice, 'Carol').waitFor()
    })

    await t.test('a reload keeps everything, the draft included', async () => {
      await row(alice, 'Bob').click()
      await compose(alice, 'Bob').fill('not sent yet')
      await alice.page.reload()
      await hears(alice, 'Bob', 'hello Bob')
      assert.equal(await compose(alice, 'Bob').inputValue(), 'not sent yet')
      await compose(alice, 'Bob').fill('')
    })

    await t.test('Bob’s node is killed and comes back: nothing is lost, and his page returns by itself', async () => {
      bob.away = true
      await atBobs.kill()
      await bob.page.getByText('Your PC2 does not answer').waitFor({ timeout: SOON })
      await say(bob, 'Alice', 'written while my node was away')
      await bob.page.getByText('Kept in this browser').waitFor()
      await inspect(bob, 'node away')
      await say(alice, 'Bob', 'are you there?')
      await say(alice, 'Bob', 'a tpyo')
      await compose(alice, 'Bob').press('ArrowUp')
      await compose(alice, 'Bob').fill('a typo')
      await compose(alice, 'Bob').press('Enter')
      await log(alice, 'Bob').getByText('Waiting for Bob to come online').waitFor({ timeout: SOON })
      await inspect(alice, 'waiting')

      await atBobs.start()
      await hears(bob, 'Alice', 'are you there?')
      await bob.page.getByText('Your PC2 does not answer').waitFor({ state: 'detached', timeout: SOON })
      bob.away = false
      await hears(alice, 'Bob', 'written while my node was away')
      await log(alice, 'Bob').getByText('Delivered').last().waitFor({ timeout: SOON })
      await hears(bob, 'Alice', 'a typo')
      assert.equal(await log(bob, 'Alice').getByText('a tpyo').count(), 0)
      assert.equal(await log(bob, 'Alice').getByText('Message deleted').count(), 3, 'as before the kill')
      for (const text of ['hello Bob', 'are you there?', 'written while my node was away']) {
        assert.equal(await log(bob, 'Alice').getByText(text, { exact: true }).count(), 1, text)
      }
    })

    await t.test('the keyboard finds and opens a conversation', async () => {
      await alice.page.keyboard.press('Escape')
      await alice.page.getByText('Choose a conversation').waitFor()
      await command(alice, 'bo', 'Bob')
      await hears(alice, 'Bob', 'hello Bob')
    })

    await t.test('the network says how Alice is reached and with whom, and its level can be chosen', async () => {
      const { page } = alice
      const place = await open(alice, 'Network')
      await place.getByRole('heading', { name: /^\d+ connections?$/ }).waitFor({ timeout: SOON })
      await place.getByText('Direct', { exact: true }).first().waitFor()
      await place.getByRole('radio', { name: /Nothing/ }).check()
      await place.getByText(/^Level 1 now:/).waitFor({ timeout: SOON })
      const level = async () => (await page.evaluate(async () => (await fetch('/api/network')).json())).reach.choice
      assert.equal(await level(), '1', 'the node has it, not only the page')
      await inspect(alice, 'network')
      await place.getByRole('radio', { name: /Automatic/ }).check()
      await place.getByText(/^Level [23] now:/).waitFor({ timeout: SOON })
      assert.equal(await level(), 'auto')
      await close(alice, 'Network')
    })

    await t.test('Alice has Bob keep her mailboxes for a month, once he allows it', async () => {
      const hers = await open(alice, 'Network')
      const did = await alice.page.evaluate(async () => (await (await fetch('/api/contacts')).json()).items.find(({ label }) => label === 'Bob').did)
      await hers.getByRole('combobox', { name: 'Node' }).fill(did)
      await hers.getByRole('combobox', { name: 'Node' }).press('Enter')
      await hers.getByText(/^Refused: its owner has not allowed it/).waitFor({ timeout: SOON })
      const his = await open(bob, 'Network')
      await his.getByLabel('Contact', { exact: true }).selectOption({ label: 'Alice' })
      await his.getByRole('button', { name: 'Allow' }).click()
      await his.getByText('Allowed; they have not pinned your PC2 yet').waitFor({ timeout: SOON })
      // Her node asks again by itself.
      await hers.getByText(/^Accepted/).waitFor({ timeout: 3 * SOON })
      await his.getByText(/^0 messages/).waitFor({ timeout: SOON })
      await inspect(alice, 'pinned')
      await inspect(bob, 'serving')
      await hers.getByRole('button', { name: 'Unpin Bob' }).press('Enter')
      await hers.getByText(/^Accepted/).waitFor({ state: 'detached', timeout: SOON })
      await his.getByRole('button', { name: 'Stop keeping for Alice' }).click()
      await his.getByRole('button', { name: 'Stop keeping for Alice' }).waitFor({ state: 'detached', timeout: SOON })
      await close(alice, 'Network')
      await close(bob, 'Network')
    })

    await t.test('a phone shows one thing at a time', async () => {
      const viewport = { width: 390, height: 844 }
      const phone = await person(browser, 'Phone', { viewport, isMobile: true, hasTouch: true, deviceScaleFactor: 2 })
      await signIn(phone, atAlices)
      await inspect(phone, 'phone list')
      await row(phone, 'Bob').tap()
      await hears(phone, 'Bob', 'hello Bob')
      await inspect(phone, 'phone conversation')
      assert.ok(await phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it fits the width')
      await phone.page.getByRole('link', { name: 'Back to chats' }).tap()
      await row(phone, 'Bob').waitFor()
      await phone.context.close()
    })

    await t.test('a hostile page on this machine changes nothing and reads nothing', async () => {
      const hostile = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>x</title>'))
      await new Promise((done) => hostile.listen(0, '127.0.0.1', done))
      const victim = await alice.context.newPage()
      await victim.goto(`http://127.0.0.1:${hostile.address().port}/`)
      const got = await victim.evaluate(async (origin) => {
        const post = { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{"name":"Mallory"}' }
        const read = (request) => request.then((answer) => answer.text()).catch(() => '')
        const opened = await new Promise((done) => {
          const socket = new WebSocket(`${origin.replace('http', 'ws')}/ws`)
          socket.onopen = () => done(true)
          socket.onerror = () => done(false)
        })
        return {
          opened,
          written: await read(fetch(`${origin}/api/invitations`, post)),
          read: await read(fetch(`${origin}/api/contacts`, { credentials: 'include' })),
        }
      }, atAlices.origin)
      assert.deepEqual(got, { opened: false, written: '', read: '' })
      await victim.close()
      hostile.close()
    })

    await t.test('signing out ends it', async () => {
      await bob.page.getByRole('link', { name: /You and this PC2/ }).click()
      await bob.page.getByRole('heading', { name: 'You', exact: true }).waitFor()
      await inspect(bob, 'settings')
      await bob.page.getByRole('button', { name: 'Sign out' }).click()
      await bob.page.getByRole('heading', { name: 'Sign in to your PC2' }).waitFor()
      await bob.page.reload()
      await bob.page.getByRole('heading', { name: 'Sign in to your PC2' }).waitFor()
    })

    assert.deepEqual(complaints, [])
  } catch (error) {
    for (const each of nodes) console.error(`— ${each.name} —\n${each.log.slice(-4_000)}`)
    throw error
  } finally {
    await browser.close()
    await Promise.all(nodes.map((each) => each.kill()))
    remove()
  }
})
