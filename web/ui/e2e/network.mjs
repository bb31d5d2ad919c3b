/**
 * The network page with three real nodes: charts that move by themselves, the map and the table of peers, the test of the connection.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/network.mjs      the binary must carry its page (no PC2_UI=off)
 *   SHOTS=/tmp/shots                                          keeps a picture of every screen in both themes
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, compose, open, PHONE, row, say, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}
if (process.env.SHOTS) mkdirSync(process.env.SHOTS, { recursive: true })

test('The network page', { timeout: 240_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const make = async (name, ...ways) => {
    const node = await Node.make(pc2, name, root)
    nodes.push(node)
    node.options = ['--no-upnp']
    return node.start(...ways)
  }
  try {
    const atHub = await make('Hub')
    const atAlices = await make('Alice', atHub.address)
    const atBobs = await make('Bob', atHub.address)
    const [alice, bob] = [await person(browser, 'Alice'), await person(browser, 'Bob')]
    await signIn(alice, atAlices)
    await signIn(bob, atBobs)
    const { link } = await ask(alice, 'POST', '/api/invitations')
    await ask(bob, 'POST', '/api/contacts', { invitation: link, text: 'Hello Alice' })
    await row(alice, 'Bob').click({ timeout: SOON })
    await row(bob, 'Alice').click({ timeout: SOON })
    await compose(bob, 'Alice').waitFor({ timeout: SOON })
    const page = await open(alice, 'Network')
    const charts = page.getByRole('region', { name: 'Traffic' })
    const drawn = (kind, words) => charts.getByRole('img', { name: new RegExp(`^${kind} of the last ${words}`) })

    await t.test('a message that comes is in the charts by itself', async () => {
      await drawn('Messages', 'hour: 1 message in, 0 messages out').waitFor({ timeout: SOON })
      await say(bob, 'Alice', 'Look at your charts')
      await drawn('Messages', 'hour: 2 messages in, 0 messages out').waitFor({ timeout: SOON })
      for (const span of ['1 min', '1 day']) {
        await charts.getByRole('button', { name: span }).click()
        await drawn('Data', span === '1 min' ? 'minute' : 'day').waitFor()
      }
      await drawn('Messages', 'day: 2 messages in').waitFor()
      const table = charts.locator('[data-chart=messages]')
      await table.getByText('As a table').click()
      assert.equal(await table.getByRole('row').count(), 2)
      await inspect(alice, 'network charts')
    })

    await t.test('peers are on the map and in the table, and the keyboard reaches both', async () => {
      const peers = page.getByRole('region', { name: /connections$/ })
      const map = peers.getByRole('group', { name: /^Map of/ })
      const onMap = map.getByRole('button', { name: /^Bob, Direct/ })
      await onMap.waitFor({ timeout: SOON })
      await peers.getByRole('row', { name: /Bob.*Direct, TCP/ }).waitFor()
      const count = await map.getByRole('button').count()
      assert.equal(await map.locator('[tabindex="0"]').count(), 1, 'one stop for Tab')
      await map.locator('[tabindex="0"]').focus()
      for (let step = 0; step < count && !(await onMap.evaluate((one) => one === document.activeElement)); step += 1) await alice.page.keyboard.press('ArrowRight')
      await alice.page.keyboard.press('Enter')
      assert.equal(await onMap.getAttribute('aria-pressed'), 'true')
      assert.equal(await peers.getByRole('button', { name: 'Bob', exact: true }).getAttribute('aria-pressed'), 'true')
      await peers.scrollIntoViewIfNeeded()
      await inspect(alice, 'network peers')
    })

    await t.test('the connection is tested when asked', async () => {
      await page.getByRole('button', { name: 'Test my connection' }).click()
      const tested = page.getByRole('region', { name: 'Test my connection' })
      await tested.getByText(/\d+ well/).waitFor({ timeout: 2 * SOON })
      await tested.getByText('1 of 1 bootstrap nodes answer').waitFor()
      await tested.getByText(/the network answered a question in \d+ ms/).waitFor()
      await tested.getByRole('button', { name: 'Test again' }).scrollIntoViewIfNeeded()
      await inspect(alice, 'network test')
    })

    await t.test('it says so when nobody is there any more', async () => {
      bob.away = true
      await Promise.all([atHub.kill(), atBobs.kill()])
      const gone = ({ findings }) => findings.filter((finding) => !finding.ok).map((finding) => finding.name)
      const until = Date.now() + 60_000
      let bad = []
      while (!bad.includes('ways in') && Date.now() < until) bad = gone(await atAlices.command('doctor', '--network').then(({ checks }) => ({ findings: checks }), (failed) => ({ findings: JSON.parse(failed.stdout).checks })))
      assert.ok(bad.includes('ways in') && bad.includes('peers'), bad.join(', '))
    })

    await t.test('hour and day are there after a restart', async () => {
      alice.away = true
      await atAlices.stop()
      await atAlices.start()
      const { hour, minute } = await (await fetch(`${atAlices.origin}/api/network/traffic`, { headers: { authorization: `Bearer ${atAlices.token}` } })).json()
      const sum = (figures) => figures.reduce((all, one) => all + one, 0)
      assert.equal(sum(hour.messages_in), 2)
      assert.equal(sum(minute.messages_in), 0)
    })

    await t.test('on a phone it fits', async () => {
      const phone = await person(browser, 'Phone', PHONE)
      await signIn(phone, atAlices)
      const small = await open(phone, 'Network')
      await small.getByRole('img', { name: /^Data of the last hour/ }).waitFor({ timeout: SOON })
      assert.ok(await phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
      const box = await small.getByRole('region', { name: 'Traffic' }).boundingBox()
      assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box))
      await small.getByRole('region', { name: 'Traffic' }).scrollIntoViewIfNeeded()
      await inspect(phone, 'network phone')
    })

    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
    await Promise.all(nodes.map((node) => node.kill()))
    remove()
  }
})
