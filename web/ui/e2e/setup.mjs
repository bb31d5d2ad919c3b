/**
 * A node is started for the first time, without any network: somebody new goes through the setup, somebody else is restored.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/setup.mjs      the binary must carry its page (no PC2_UI=off)
 *   SHOTS=/tmp/shots                                        keeps a picture of every screen in both themes
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }
const title = ({ page }, name) => page.getByRole('heading', { level: 1, name })
const button = ({ page }, name) => page.getByRole('button', { name, exact: true })
const step = ({ page }) => page.getByRole('list', { name: 'Steps of the setup' }).locator('[aria-current=step]').innerText()
const fits = ({ page }) => page.evaluate(() => document.querySelector('main').scrollWidth <= innerWidth)

async function shownWords(who) {
  await button(who, 'Show the words').click()
  const list = who.page.getByRole('list', { name: 'The words of your recovery phrase, in order' })
  await list.waitFor()
  return (await list.getByRole('listitem').allInnerTexts()).map((text) => text.replace(/[\d\s]/g, ''))
}

/** Types the words that are asked for. */
async function tell(who, words) {
  const fields = who.page.getByRole('textbox', { name: /^Word \d+$/ })
  await fields.first().waitFor()
  for (const label of await who.page.locator('label', { hasText: /^Word \d+$/ }).allInnerTexts()) {
    await who.page.getByRole('textbox', { name: label, exact: true }).fill(words[Number(label.slice(5)) - 1])
  }
  await button(who, 'Check').click()
}

test('The setup of a node', { timeout: 300_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const fresh = async (name) => {
    const node = nodes[nodes.push(await Node.empty(pc2, name, root)) - 1]
    node.options = ['--no-upnp']
    return node.start()
  }
  let words = []
  try {
    const atAnns = await fresh('Ann')
    const ann = await person(browser, 'Ann')

    await t.test('the link of the first start opens the setup, both ways side by side', async () => {
      assert.ok(!/Your recovery phrase/.test(atAnns.log), 'nobody asked for the phrase at the terminal')
      const link = atAnns.log.match(/http:\S+sign-in\S+/)[0]
      await ann.page.goto(link)
      await title(ann, 'Welcome to your PC2').waitFor()
      await button(ann, 'Start new').waitFor()
      await ann.page.getByRole('textbox', { name: 'Recovery phrase' }).waitFor()
      await inspect(ann, 'setup choose')
      const stranger = await person(browser, 'Stranger')
      await stranger.page.goto(atAnns.origin)
      await stranger.page.getByRole('heading', { name: 'Sign in to your PC2' }).waitFor()
      await stranger.context.close()
    })

    await t.test('by keyboard alone: new, a name, a level', async () => {
      await ann.page.keyboard.press('Tab')
      await ann.page.keyboard.press('Enter')
      await title(ann, 'What should people call you?').waitFor()
      assert.match(await step(ann), /You/)
      await ann.page.keyboard.press('Tab')
      await ann.page.keyboard.type('Ann')
      await inspect(ann, 'setup name')
      await ann.page.keyboard.press('Tab')
      await ann.page.keyboard.press('ArrowDown')
      await ann.page.keyboard.press('ArrowDown')
      assert.equal(await ann.page.getByRole('radio', { name: /Takes part/ }).isChecked(), true)
      await ann.page.keyboard.press('Enter')
      await title(ann, 'A passphrase for this machine?').waitFor()
      assert.equal((await ask(ann, 'GET', '/api/network')).reach.choice, '2')
    })

    await t.test('a reload, another browser and a node that was killed go on where it stands', async () => {
      await ann.page.reload()
      await title(ann, 'A passphrase for this machine?').waitFor()
      const other = await person(browser, 'Ann elsewhere', PHONE)
      await other.page.goto(await atAnns.link())
      await title(other, 'A passphrase for this machine?').waitFor()
      await inspect(other, 'setup passphrase phone')
      assert.ok(await fits(other))
      await other.context.close()
      await atAnns.kill()
      await atAnns.start()
      await ann.page.reload()
      await title(ann, 'A passphrase for this machine?').waitFor()
    })

    await t.test('a passphrase says what it is worth, and may be left out', async () => {
      const field = ann.page.getByLabel('Passphrase', { exact: true })
      await field.fill('password1')
      await ann.page.getByText('Weak: found within hours').waitFor()
      await field.fill('orbit velvet hammer cactus fjord')
      await ann.page.getByText('Strong: nobody finds it').waitFor()
      await ann.page.getByLabel('Once more').fill('orbit velvet hammer cactus')
      await ann.page.getByText('The two are not the same.').waitFor()
      assert.equal(await button(ann, 'Seal with it').isDisabled(), true)
      await inspect(ann, 'setup passphrase')
      await field.fill('')
      await button(ann, 'Go on without').click()
      await title(ann, 'Your recovery phrase').waitFor()
    })

    await t.test('the phrase is hidden until asked for, and three words are asked back', async () => {
      assert.equal(await ann.page.getByRole('listitem').filter({ hasText: /^\d+\s?[a-z]{3,8}$/ }).count(), 0)
      await inspect(ann, 'setup phrase hidden')
      words = await shownWords(ann)
      assert.equal(words.length, 12)
      assert.deepEqual(words.join(' '), (await atAnns.command('phrase')).phrase)
      await inspect(ann, 'setup phrase')
      await button(ann, 'I have written them down').click()
      await title(ann, 'Three of them, please').waitFor()
      assert.ok(!(await ann.page.locator('main').innerText()).includes(words.join(' ')))
      await inspect(ann, 'setup words asked')
      ann.refused = true
      await tell(ann, words.map(() => 'zoo'))
      await ann.page.getByText('These are not the words at those places').waitFor()
      ann.refused = false
      await tell(ann, words)
      await title(ann, 'Ann, your PC2 is ready').waitFor()
    })

    await t.test('it ends where somebody can be invited, and then with the desktop', async () => {
      const link = await ann.page.getByRole('textbox', { name: 'Invitation link' }).inputValue()
      assert.match(link, /^pc2:invite:/)
      await inspect(ann, 'setup ready')
      await button(ann, 'Open PC2').click()
      await ann.page.getByRole('heading', { name: 'Chats' }).waitFor()
      await ann.page.reload()
      await ann.page.getByRole('heading', { name: 'Chats' }).waitFor()
      assert.ok(!atAnns.log.includes(words.join(' ')), 'the phrase is not in the log')
    })

    const atBobs = await fresh('Bob')
    const bob = await person(browser, 'Bob', PHONE)

    await t.test('a mistyped phrase is told word by word, and nothing happens', async () => {
      await bob.page.goto(await atBobs.link())
      await title(bob, 'Welcome to your PC2').waitFor()
      await inspect(bob, 'setup choose phone')
      assert.ok(await fits(bob))
      bob.refused = true
      await bob.page.getByRole('textbox', { name: 'Recovery phrase' }).fill(['abuot', ...words.slice(1)].join(' '))
      await button(bob, 'Restore').click()
      await bob.page.getByText('did you mean "about"').waitFor()
      await inspect(bob, 'setup restore mistyped phone')
      bob.refused = false
    })

    await t.test('the right one brings the identity back, and the page with it', async () => {
      await bob.page.getByRole('textbox', { name: 'Recovery phrase' }).fill(` ${words.join('\n').toUpperCase()} `)
      bob.away = true
      await button(bob, 'Restore').click()
      await title(bob, 'What should people call you?').waitFor({ timeout: 4 * SOON })
      bob.away = false
      assert.equal((await ask(bob, 'GET', '/api/setup')).did, atAnns.who.did)
      assert.ok(await fits(bob))
      await bob.page.getByRole('textbox', { name: 'Your name' }).fill('Ann again')
      await inspect(bob, 'setup name phone')
      await button(bob, 'Continue').click()
    })

    await t.test('it is sealed with a passphrase that the next start needs', async () => {
      const secret = 'orbit velvet hammer cactus fjord'
      await bob.page.getByLabel('Passphrase', { exact: true }).fill(secret)
      await bob.page.getByLabel('Once more').fill(secret)
      await button(bob, 'Seal with it').click()
      await title(bob, 'Ann again, your PC2 is ready').waitFor({ timeout: SOON })
      await inspect(bob, 'setup ready phone')
      await button(bob, 'Open PC2').click()
      await bob.page.getByRole('heading', { name: 'Chats' }).waitFor()
      bob.away = true
      await atBobs.kill()
      await assert.rejects(atBobs.start(), /the identity is sealed/)
      writeFileSync(join(root, 'passphrase'), secret)
      atBobs.options.push('--passphrase-file', join(root, 'passphrase'))
      await atBobs.start()
      assert.equal(atBobs.who.did, atAnns.who.did)
    })

    await t.test('an identity that was used is not replaced any more, and the page says so', async () => {
      const atCarols = await fresh('Carol')
      await atCarols.command('invite')
      const carol = await person(browser, 'Carol')
      await carol.page.goto(await atCarols.link())
      await carol.page.getByText('This identity was used already').waitFor()
      await inspect(carol, 'setup in use')
      await button(carol, 'Start new').click()
      await title(carol, 'What should people call you?').waitFor()
    })
    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
    await Promise.all(nodes.map((node) => node.kill()))
    remove()
  }
})
