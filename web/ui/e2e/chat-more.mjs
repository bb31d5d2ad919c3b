/**
 * Two people with real nodes and a long history: searching, going to a message far back, the browser staying light. Then what they tell each other
 * of what they do.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/chat-more.mjs
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, compose, hears, log, row, say, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary')
  process.exit(1)
}

/** More than the page keeps, so that far ones are let go. */
const HISTORY = 470
/** As in `thread.svelte.ts`. */
const MOST = 400

test('A long conversation', { timeout: 300_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const node = async (name) => nodes[nodes.push(await Node.make(pc2, name, root)) - 1]
  try {
    const atAlices = await (await node('Alice')).start()
    const atBobs = await (await node('Bob')).start(atAlices.address)
    const alice = await person(browser, 'Alice')
    const bob = await person(browser, 'Bob')
    await signIn(alice, atAlices)
    await signIn(bob, atBobs)
    const conversation = (did, rest = '') => `/api/conversations/${encodeURIComponent(did)}${rest}`

    await t.test('hundreds of messages are written and read', async () => {
      const { link } = await ask(alice, 'POST', '/api/invitations')
      await ask(bob, 'POST', '/api/contacts', { invitation: link, text: 'Hello Alice' })
      await row(alice, 'Bob').click({ timeout: SOON })
      await hears(alice, 'Bob', 'Hello Alice')
      await row(bob, 'Alice').click({ timeout: SOON })
      const rare = { 3: 'Grüße aus Zürich', 40: 'the ferry leaves at dawn', 465: 'nobody was in Zurich' }
      for (let number = 1; number <= HISTORY; number++) {
        const text = rare[number] ?? `message number ${number}`
        const sent = await ask(bob, 'POST', conversation(atAlices.who.did, '/messages'), { client_id: randomUUID(), text })
        assert.ok(sent.id, JSON.stringify(sent))
      }
      await hears(alice, 'Bob', `message number ${HISTORY}`)
    })

    const found = ({ page }) => page.getByRole('list', { name: 'Messages found' }).getByRole('link')
    const search = ({ page }) => page.getByRole('searchbox', { name: 'Search people and messages' })
    const bubbles = ({ page }) => page.locator('li[id^=message-]')
    const focused = ({ page }) => page.evaluate(() => document.activeElement?.textContent ?? '')

    await t.test('the people’s search finds messages of all, and a click goes to one in its place', async () => {
      await search(alice).fill('zur')
      await found(alice).nth(1).waitFor({ timeout: SOON })
      assert.deepEqual(await alice.page.locator('a[data-found] mark').allTextContents(), ['Zur', 'Zür'])
      await inspect(alice, 'search')
      await found(alice).nth(1).click()
      await log(alice, 'Bob').getByText('Grüße aus Zürich').waitFor({ timeout: SOON })
      assert.match(await focused(alice), /Grüße aus Zürich/)
      await log(alice, 'Bob').getByText('message number 2', { exact: true }).waitFor()
      await log(alice, 'Bob').getByText('message number 4', { exact: true }).waitFor()
      assert.ok((await bubbles(alice).count()) <= MOST)
    })

    await t.test('in a conversation Ctrl F searches by keyboard alone', async () => {
      await compose(alice, 'Bob').focus()
      await alice.page.keyboard.press('Control+f')
      await alice.page.keyboard.type('ferry da')
      await found(alice).first().waitFor({ timeout: SOON })
      await inspect(alice, 'search in conversation')
      await alice.page.keyboard.press('ArrowDown')
      await alice.page.keyboard.press('Enter')
      await log(alice, 'Bob').getByText('the ferry leaves at dawn').waitFor({ timeout: SOON })
      await alice.page.waitForFunction(() => document.activeElement?.textContent?.includes('the ferry leaves at dawn'))
      await alice.page.getByRole('searchbox', { name: 'Search messages with Bob' }).focus()
      await alice.page.keyboard.type(' unfindable')
      await alice.page.getByText('No message has').first().waitFor({ timeout: SOON })
      await alice.page.keyboard.press('Escape')
      assert.match(await alice.page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? ''), /Message to Bob/)
    })

    await t.test('scrolling from far back to the newest keeps the page small and has no holes', async () => {
      const box = log(alice, 'Bob')
      for (let step = 0; step < 200; step++) {
        if (await box.getByText(`message number ${HISTORY}`, { exact: true }).count()) break
        await box.evaluate((element) => element.scrollBy(0, 4000))
        await alice.page.waitForTimeout(30)
        assert.ok((await bubbles(alice).count()) <= MOST)
      }
      const texts = await box.locator('.bubble > .text').allTextContents()
      const numbers = texts.map((text) => Number(/number (\d+)/.exec(text)?.[1])).filter(Boolean)
      const holes = numbers.filter((number, at) => at > 0 && number !== numbers[at - 1] + 1 && number !== numbers[at - 1] + 2)
      assert.deepEqual(holes, [])
      assert.equal(numbers.at(-1), HISTORY)
    })

    await t.test('who reads far back is not moved by what comes, and one click goes to the newest', async () => {
      await search(alice).fill('ferry')
      await found(alice).filter({ hasText: 'ferry' }).click({ timeout: SOON })
      await log(alice, 'Bob').getByText('the ferry leaves at dawn').waitFor({ timeout: SOON })
      await say(bob, 'Alice', 'are you still reading?')
      await alice.page.getByRole('button', { name: '1 new message' }).waitFor({ timeout: SOON })
      assert.equal(await log(alice, 'Bob').getByText('are you still reading?').count(), 0)
      await alice.page.getByRole('button', { name: '1 new message' }).click()
      await hears(alice, 'Bob', 'are you still reading?')
    })

    await t.test('what was edited or deleted is found no more', async () => {
      const { items } = await ask(bob, 'GET', '/api/search?q=ferry')
      const path = conversation(atAlices.who.did, `/messages/${items[0].message.id}`)
      await ask(bob, 'PATCH', path, { text: 'the train leaves at dawn' })
      await alice.page.waitForFunction(async () => (await (await fetch('/api/search?q=train')).json()).items.length === 1)
      assert.deepEqual((await ask(alice, 'GET', '/api/search?q=ferry')).items, [])
      await ask(bob, 'DELETE', path)
      await alice.page.waitForFunction(async () => (await (await fetch('/api/search?q=train')).json()).items.length === 0)
    })

    await t.test('on a phone it fits', async () => {
      const phone = await person(browser, 'Phone', { viewport: { width: 360, height: 740 }, hasTouch: true })
      await signIn(phone, atAlices)
      await search(phone).fill('zur')
      await found(phone).nth(1).waitFor({ timeout: SOON })
      await inspect(phone, 'search phone')
      await found(phone).nth(1).click()
      await log(phone, 'Bob').getByText('Grüße aus Zürich').waitFor({ timeout: SOON })
      const wide = await phone.page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
      assert.equal(wide, false)
      await phone.context.close()
    })

    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
    for (const each of nodes) await each.kill()
    remove()
  }
})

test('What people tell each other of what they do', { timeout: 200_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const node = async (name) => nodes[nodes.push(await Node.make(pc2, name, root)) - 1]
  try {
    const atAlices = await (await node('Alice')).start()
    const atBobs = await (await node('Bob')).start(atAlices.address)
    const alice = await person(browser, 'Alice')
    const bob = await person(browser, 'Bob')
    await signIn(alice, atAlices)
    await signIn(bob, atBobs)
    const { link } = await ask(alice, 'POST', '/api/invitations')
    await ask(bob, 'POST', '/api/contacts', { invitation: link, text: 'Hello Alice' })
    await row(alice, 'Bob').click({ timeout: SOON })
    await row(bob, 'Alice').click({ timeout: SOON })
    await hears(alice, 'Bob', 'Hello Alice')
    await alice.page.getByText('Online', { exact: true }).first().waitFor({ timeout: 3 * SOON })
    await bob.page.getByText('Online', { exact: true }).first().waitFor({ timeout: 3 * SOON })
    const receipts = { name: 'That you read their messages' }
    const typing = { name: 'That you are writing' }

    await t.test('unless they choose to, nobody is told that they write or read', async () => {
      await compose(bob, 'Alice').pressSequentially('a secret draft')
      await say(alice, 'Bob', 'did you see this?')
      await hears(bob, 'Alice', 'did you see this?')
      await log(alice, 'Bob').getByText('Delivered').last().waitFor({ timeout: SOON })
      assert.equal(await alice.page.getByText('Writing…').count(), 0)
      await compose(bob, 'Alice').fill('')
    })

    await t.test('both switch it on in the settings', async () => {
      for (const who of [alice, bob]) {
        await who.page.goto(`${new URL(who.page.url()).origin}/#/settings/told`)
        for (const name of [receipts, typing]) {
          const box = who.page.getByRole('checkbox', name)
          await box.check({ timeout: SOON })
        }
        await inspect(who, 'what contacts are told')
        await who.page.waitForFunction(async () => {
          const { read_receipts, typing } = await (await fetch('/api/chat/settings')).json()
          return read_receipts && typing
        })
      }
      await alice.page.goto(`${atAlices.origin}/#/chat/${atBobs.who.did}`)
      await bob.page.goto(`${atBobs.origin}/#/chat/${atAlices.who.did}`)
      await compose(alice, 'Bob').waitFor({ timeout: SOON })
    })

    await t.test('that Bob writes is shown, and ends with what he wrote', async () => {
      await compose(bob, 'Alice').pressSequentially('on my way')
      await alice.page.getByText('Writing…').first().waitFor({ timeout: SOON })
      await inspect(alice, 'writing')
      await compose(bob, 'Alice').press('Enter')
      await hears(alice, 'Bob', 'on my way')
      await alice.page.getByText('Writing…').first().waitFor({ state: 'detached', timeout: SOON })
    })

    await t.test('that Bob read it is shown once he looked, and stays after a reload', async () => {
      await bob.page.goto(`${atBobs.origin}/#/transfers`)
      await say(alice, 'Bob', 'and this?')
      await log(alice, 'Bob').getByText('Delivered').last().waitFor({ timeout: SOON })
      await bob.page.goto(`${atBobs.origin}/#/chat/${atAlices.who.did}`)
      await log(alice, 'Bob').getByText('Read', { exact: true }).last().waitFor({ timeout: SOON })
      await inspect(alice, 'read')
      await alice.page.reload()
      await log(alice, 'Bob').getByText('Read', { exact: true }).last().waitFor({ timeout: SOON })
    })

    await t.test('Bob tells everybody but Alice', async () => {
      await bob.page.getByRole('button', { name: 'More about this person' }).click()
      await bob.page.getByRole('menuitem', { name: 'Read receipts…' }).click()
      const as = bob.page.getByRole('radio', { name: 'As for everybody: tell them' })
      await as.waitFor()
      assert.ok(await as.isChecked())
      await inspect(bob, 'read receipts of one person')
      // Passing by is not choosing.
      await as.press('ArrowDown')
      await bob.page.getByRole('radio', { name: 'Do not tell them' }).check()
      await bob.page.getByRole('button', { name: 'Save', exact: true }).click()
      await as.waitFor({ state: 'detached', timeout: SOON })
      assert.equal((await ask(bob, 'GET', `/api/contacts/${encodeURIComponent(atAlices.who.did)}`)).read_receipts, false)
      await say(alice, 'Bob', 'not told of')
      await hears(bob, 'Alice', 'not told of')
      await say(bob, 'Alice', 'I have it')
      await hears(alice, 'Bob', 'I have it')
      const { items } = await ask(alice, 'GET', `/api/conversations/${encodeURIComponent(atBobs.who.did)}/messages`)
      assert.equal(items.find(({ text }) => text === 'not told of').state, 'delivered')
      assert.equal((await ask(bob, 'PUT', `/api/contacts/${encodeURIComponent(atAlices.who.did)}/receipts`, { read_receipts: null })).read_receipts, null)
    })

    const timer = (seconds) => {
      const path = `/api/conversations/${encodeURIComponent(atBobs.who.did)}/timer`
      return ask(alice, 'PUT', path, { client_id: randomUUID(), seconds })
    }
    const gone = (who, other, text) => log(who, other).getByText(text, { exact: true }).waitFor({ state: 'detached', timeout: SOON })

    await t.test('Alice chooses how long messages last, and both see the line', async () => {
      await alice.page.getByRole('button', { name: 'More about this person' }).click()
      await alice.page.getByRole('menuitem', { name: 'Disappearing messages…' }).click()
      await alice.page.getByRole('radio', { name: 'Never' }).waitFor()
      await inspect(alice, 'disappearing messages')
      await alice.page.getByRole('radio', { name: '30 seconds' }).check()
      await alice.page.getByRole('button', { name: 'Set for both' }).click()
      await log(alice, 'Bob').getByText('You set new messages to disappear after 30 seconds').waitFor({ timeout: SOON })
      await log(bob, 'Alice').getByText('Alice set new messages to disappear after 30 seconds').waitFor({ timeout: SOON })
      await inspect(bob, 'timer line')
    })

    await t.test('what is written then disappears on both sides, from searches as well', async () => {
      assert.equal((await timer(4)).body.seconds, 4)
      await log(bob, 'Alice').getByText('after 4 seconds').waitFor({ timeout: SOON })
      await say(alice, 'Bob', 'a whispered word')
      await hears(bob, 'Alice', 'a whispered word')
      await gone(alice, 'Bob', 'a whispered word')
      await gone(bob, 'Alice', 'a whispered word')
      for (const who of [alice, bob]) {
        assert.deepEqual((await ask(who, 'GET', '/api/search?q=whispered')).items, [])
        assert.equal(await who.page.getByText('a whispered word').count(), 0, 'nor in the list')
      }
    })

    await t.test('what was over while the node was off is gone when it is there again', async () => {
      await say(alice, 'Bob', 'gone while asleep')
      await hears(bob, 'Alice', 'gone while asleep')
      // Its time begins when Bob has read it. An earlier message says "Read", too.
      const sent = `/api/conversations/${encodeURIComponent(atBobs.who.did)}/messages`
      const isRead = async (path) => (await (await fetch(path)).json()).items.some(({ text, state }) => text === 'gone while asleep' && state === 'read')
      await alice.page.waitForFunction(isRead, sent, { timeout: SOON })
      bob.away = true
      await atBobs.kill()
      await bob.page.waitForTimeout(4_500)
      await atBobs.start(atAlices.address)
      const { items } = await bob.page.evaluate(async (did) => (await fetch(`/api/conversations/${encodeURIComponent(did)}/messages`)).json(), atAlices.who.did)
      assert.ok(items.length > 0 && items.every(({ text }) => text !== 'gone while asleep'))
      await gone(bob, 'Alice', 'gone while asleep')
      bob.away = false
      await timer(null)
      await log(bob, 'Alice').getByText('Alice set new messages to stay').waitFor({ timeout: 3 * SOON })
    })

    await t.test('the conversation is saved as a file, without what disappears', async () => {
      await say(alice, 'Bob', 'to be <b>kept</b>')
      await alice.page.getByRole('button', { name: 'More about this person' }).click()
      const coming = alice.page.waitForEvent('download', { timeout: SOON })
      await alice.page.getByRole('menuitem', { name: 'Export conversation' }).click()
      const download = await coming
      assert.match(download.suggestedFilename(), /^PC2 conversation with Bob \d{4}-\d\d-\d\d\.html$/)
      const text = await readFile(await download.path(), 'utf8')
      assert.ok(text.includes('to be &lt;b&gt;kept&lt;/b&gt;</p>') && !text.includes('whispered') && !text.includes('asleep'))
      assert.match(text, /\. The end\.<\/footer>\n<\/html>\n$/)
    })

    await t.test('a name that Alice changes is the one that Bob sees, while he looks', async () => {
      await alice.page.goto(`${atAlices.origin}/#/settings/you`)
      await alice.page.getByRole('textbox', { name: 'Your name' }).fill('Alice the Second')
      await alice.page.getByRole('textbox', { name: 'Your name' }).press('Enter')
      await compose(bob, 'Alice the Second').waitFor({ timeout: SOON })
      await row(bob, 'Alice the Second').waitFor({ timeout: SOON })
    })

    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
    for (const each of nodes) await each.kill()
    remove()
  }
})
