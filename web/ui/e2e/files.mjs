/**
 * Alice sends Bob files, over real nodes: what both see from the drop to the saved bytes, and what they decide.
 *
 *   PC2_BIN=target/debug/pc2 npm run test:e2e      the binary must carry its page (no PC2_UI=off)
 *   SHOTS=/tmp/shots                               keeps a picture of every screen in both themes
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, close, compose, dock, hears, log, open, row, say, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

const MIB = 1024 * 1024
/** A picture of 24 by 16 points. */
const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAABgAAAAQCAIAAACDRijCAAAAHklEQVR42mPgy6qgCmIYNWhEG/TuUBpV0KhBI9ogABvvRJ9AqO6mAAAAAElFTkSuQmCC',
  'base64',
)
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
const tile = (who, from, name) => log(who, from).getByRole('listitem').filter({ hasText: name })
const bar = (place) => place.getByRole('progressbar')
const shown = (place) => bar(place).evaluate(({ value, max }) => value / max)

/** Drags what lies on the disk over the conversation, as from a file manager. The returned function lets it fall. */
async function drag({ page, context }, paths) {
  const { x, y, width, height } = await page.getByRole('log', { name: 'Messages with Bob' }).boundingBox()
  const cdp = await context.newCDPSession(page)
  const data = { items: [], files: paths, dragOperationsMask: 1 }
  const tell = (type) => cdp.send('Input.dispatchDragEvent', { type, x: x + width / 2, y: y + height / 2, data })
  await tell('dragEnter')
  await tell('dragOver')
  await page.getByText('Drop to send to Bob').waitFor()
  return () => tell('drop')
}

async function saved(who, place) {
  const [download] = await Promise.all([who.page.waitForEvent('download'), place.getByRole('link', { name: /^Save/ }).click()])
  return readFileSync(await download.path())
}

/** Until it is between both, and moves. */
async function moving(place, from = 0) {
  await place.getByRole('progressbar').waitFor({ timeout: SOON })
  for (;;) {
    const share = await shown(place)
    if (share > from && share < 1) return share
    await new Promise((done) => setTimeout(done, 100))
  }
}

test('Alice sends Bob files', { timeout: 300_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const node = async (name) => nodes[nodes.push(await Node.make(pc2, name, root)) - 1]
  const film = { name: 'The harbour at dawn, from the northern mole, uncut.mp4', type: 'video/mp4', bytes: randomBytes(4 * MIB) }
  const picture = { name: 'harbour.png', type: 'image/png', bytes: PICTURE }
  const notes = { name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('Ropes, tar,\n<script>alert(1)</script>\nand 40 m of chain.\n') }
  try {
    const atAlices = await (await node('Alice')).start()
    const atBobs = await (await node('Bob')).start(atAlices.address)
    const alice = await person(browser, 'Alice')
    const bob = await person(browser, 'Bob')
    await signIn(alice, atAlices)
    await signIn(bob, atBobs)

    await t.test('nothing was sent yet, and the page for it says how', async () => {
      const { link } = await ask(alice, 'POST', '/api/invitations')
      await ask(bob, 'POST', '/api/contacts', { invitation: link, text: 'Hello Alice' })
      await row(alice, 'Bob').click({ timeout: SOON })
      await row(bob, 'Alice').click({ timeout: SOON })
      await bob.page.getByRole('button', { name: 'Attach files' }).waitFor({ timeout: SOON })
      await say(alice, 'Bob', 'I have the pictures')
      await hears(bob, 'Alice', 'I have the pictures')
      await open(bob, 'Transfers')
      await bob.page.getByText('No files yet').waitFor()
      await inspect(bob, 'no transfers')
      await close(bob, 'Transfers')
      await bob.page.keyboard.press('Escape')
      await bob.page.getByText('Choose a conversation').waitFor()
      await ask(alice, 'PUT', '/api/transfers/rates', { up: 160 * 1024, down: null })
    })

    await t.test('two files dropped on a conversation are offered, and are counted where Bob decides', async () => {
      const paths = [film, picture].map(({ name, bytes }) => {
        writeFileSync(join(root, name), bytes)
        return join(root, name)
      })
      const fall = await drag(alice, paths)
      await inspect(alice, 'drop target')
      await fall()
      await tile(alice, 'Bob', film.name).getByText(/Waiting for Bob/).waitFor({ timeout: SOON })
      await tile(alice, 'Bob', picture.name).getByText(/Waiting for Bob/).waitFor({ timeout: SOON })
      await bob.page.getByRole('link', { name: /2 offers wait for you/ }).waitFor({ timeout: SOON })
      await row(bob, 'Alice').getByText('File:').waitFor()
      await row(bob, 'Alice').getByText(/unread/).waitFor()
      await inspect(bob, 'offers')
      await row(bob, 'Alice').click()
      await inspect(bob, 'offered')
    })

    await t.test('Bob accepts both, and both see how far it is, also after a reload', async () => {
      await bob.page.getByRole('button', { name: `Accept ${picture.name}` }).click()
      await bob.page.getByRole('button', { name: `Accept ${film.name}` }).click()
      const before = await moving(tile(bob, 'Alice', film.name))
      await moving(tile(alice, 'Bob', film.name))
      await tile(bob, 'Alice', film.name).getByText(/\d (KiB|MiB)\/s · .* left/).waitFor({ timeout: SOON })
      await inspect(bob, 'receiving')
      await inspect(alice, 'sending')
      await Promise.all([bob.page.reload(), alice.page.reload()])
      assert.ok((await moving(tile(bob, 'Alice', film.name), before)) > before, 'nothing began anew')
      await moving(tile(alice, 'Bob', film.name))
    })

    await t.test('Bob pauses it, and goes on from where it was', async () => {
      const his = tile(bob, 'Alice', film.name)
      await his.getByRole('button', { name: /^Pause/ }).click()
      await his.getByText('Paused', { exact: true }).waitFor({ timeout: SOON })
      assert.ok(await his.getByRole('button', { name: /^Resume/ }).evaluate((button) => button === document.activeElement), 'the keyboard goes on there')
      const there = await shown(his)
      const list = await open(bob, 'Transfers')
      await inspect(bob, 'transfers')
      await list.getByRole('button', { name: /^Resume/ }).click()
      const row = list.getByRole('listitem').filter({ hasText: film.name })
      assert.ok((await moving(row)) >= there)
      await row.getByText('directly', { exact: true }).waitFor({ timeout: SOON })
      await close(bob, 'Transfers')
    })

    await t.test('what arrives is what was sent', async () => {
      await ask(alice, 'PUT', '/api/transfers/rates', { up: null, down: null })
      for (const { name, bytes } of [film, picture]) {
        const his = tile(bob, 'Alice', name)
        await his.getByText('Received', { exact: true }).waitFor({ timeout: 4 * SOON })
        assert.equal(sha256(await saved(bob, his)), sha256(bytes), name)
        await tile(alice, 'Bob', name).getByText('Bob has it').waitFor({ timeout: SOON })
      }
    })

    await t.test('a picture and a text are looked into, and nothing of them runs', async () => {
      await alice.page.locator('input[type=file]').setInputFiles({ name: notes.name, mimeType: notes.type, buffer: notes.bytes })
      await bob.page.getByRole('button', { name: `Accept ${notes.name}` }).click({ timeout: SOON })
      await bob.page.getByRole('button', { name: `Show ${notes.name}` }).click({ timeout: SOON })
      await bob.page.getByText('<script>alert(1)</script>').waitFor({ timeout: SOON })
      await bob.page.getByRole('button', { name: `Show ${picture.name}` }).click()
      const image = bob.page.getByRole('img', { name: `Preview of ${picture.name}` })
      await image.waitFor({ timeout: SOON })
      assert.equal(await image.evaluate((img) => img.decode().then(() => img.naturalWidth)), 24)
      await inspect(bob, 'previews')
    })

    await t.test('a picture from the clipboard gets a name; Bob declines it, with a way back', async () => {
      await compose(alice, 'Bob').evaluate((area, base64) => {
        const data = new DataTransfer()
        data.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], 'image.png', { type: 'image/png' }))
        area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
      }, PICTURE.toString('base64'))
      const his = tile(bob, 'Alice', /Pasted \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.png/)
      await his.getByRole('button', { name: /^Decline/ }).click({ timeout: SOON })
      await his.getByText('You declined it').waitFor()
      await bob.page.getByRole('button', { name: 'Undo' }).click()
      await his.getByRole('button', { name: /^Decline/ }).click()
      await bob.page.getByRole('button', { name: 'Dismiss' }).click()
      await tile(alice, 'Bob', /Pasted/).getByText('Bob declined it').waitFor({ timeout: SOON })
    })

    await t.test('Bob cancels what he accepted, and Alice takes back what she offered', async () => {
      await ask(alice, 'PUT', '/api/transfers/rates', { up: 64 * 1024, down: null })
      const heavy = { name: 'heavy.tar.gz', mimeType: 'application/gzip', buffer: randomBytes(2 * MIB) }
      const wrong = { name: 'wrong.txt', mimeType: 'text/plain', buffer: Buffer.from('not for Bob') }
      await alice.page.locator('input[type=file]').setInputFiles([heavy, wrong])
      const his = tile(bob, 'Alice', heavy.name)
      await his.getByRole('button', { name: /^Accept/ }).click({ timeout: SOON })
      await moving(his)
      await his.getByRole('button', { name: /^Cancel/ }).click()
      await his.getByText('You cancelled it').waitFor({ timeout: SOON })
      await inspect(bob, 'cancelled')
      await bob.page.getByRole('button', { name: 'Dismiss' }).click()
      await tile(alice, 'Bob', heavy.name).getByText('Bob cancelled it').waitFor({ timeout: SOON })
      await alice.page.getByRole('button', { name: `Take back ${wrong.name}` }).click({ timeout: SOON })
      await tile(alice, 'Bob', wrong.name).getByText('You took it back').waitFor({ timeout: SOON })
      await tile(bob, 'Alice', wrong.name).getByText('Alice took it back').waitFor({ timeout: SOON })
    })

    await t.test('Bob lets small files of Alice in without asking, and sets how fast', async () => {
      const { page } = bob
      await page.getByRole('button', { name: 'More about this person' }).click()
      await page.getByRole('menuitem', { name: 'Files without asking…' }).click()
      await page.getByRole('radio', { name: 'Up to 10 MiB' }).check()
      await inspect(bob, 'without asking')
      await page.getByRole('button', { name: 'Save', exact: true }).click()
      await page.getByText('Saved', { exact: true }).waitFor()
      await ask(alice, 'PUT', '/api/transfers/rates', { up: null, down: null })
      await alice.page.locator('input[type=file]').setInputFiles({ name: 'small.md', mimeType: 'text/markdown', buffer: Buffer.from('# hi') })
      await tile(bob, 'Alice', 'small.md').getByText('Received', { exact: true }).waitFor({ timeout: SOON })
      await open(bob, 'Transfers')
      await page.getByRole('button', { name: 'Limits' }).click()
      await page.getByLabel('Receiving', { exact: true }).fill('0.5')
      await page.getByRole('button', { name: 'Save', exact: true }).click()
      await page.getByText('Saved', { exact: true }).last().waitFor()
      await inspect(bob, 'limits')
      assert.equal((await ask(bob, 'GET', '/api/transfers/settings')).down, MIB / 2)
      await page.getByRole('button', { name: 'Ask again about files from Alice' }).click()
      await page.getByText('Nobody’s.').waitFor()
      await page.keyboard.press('Escape')
      await inspect(bob, 'transfers over')
    })

    await t.test('a folder is not taken, and it says how folders are sent', async () => {
      mkdirSync(join(root, 'Harbour pictures'))
      const fall = await drag(alice, [join(root, 'Harbour pictures')])
      await fall()
      await alice.page.getByRole('alert').getByText(/Harbour pictures.* command line/).waitFor()
      await alice.page.getByText(/^pc2 file send did:boson:/).waitFor()
      await inspect(alice, 'folder')
      await alice.page.getByRole('alert').getByRole('button', { name: 'Dismiss' }).click()
    })

    await t.test('what does not reach Alice’s node can be tried again, and what is on its way there be stopped', async () => {
      const letter = { name: 'letter.odt', mimeType: 'application/vnd.oasis.opendocument.text', buffer: randomBytes(MIB) }
      const hers = tile(alice, 'Bob', letter.name)
      alice.away = true
      await alice.page.route('**/api/uploads?*', (route) => route.abort('connectionrefused'))
      await alice.page.locator('input[type=file]').setInputFiles(letter)
      await hers.getByText('It did not reach your PC2. Your PC2 does not answer.').waitFor({ timeout: SOON })
      await inspect(alice, 'upload failed')
      alice.away = false
      await alice.page.unroute('**/api/uploads?*')
      await alice.page.route('**/api/uploads?*', () => undefined)
      await hers.getByRole('button', { name: /^Try again/ }).click()
      await bar(hers).waitFor()
      await inspect(alice, 'uploading')
      await hers.getByRole('button', { name: /^Cancel/ }).click()
      await hers.waitFor({ state: 'detached' })
      await alice.page.unroute('**/api/uploads?*')
    })

    await t.test('a phone shows the same', async () => {
      const viewport = { width: 390, height: 844 }
      const phone = await person(browser, 'Phone', { viewport, isMobile: true, hasTouch: true, deviceScaleFactor: 2 })
      await signIn(phone, atBobs)
      await alice.page.locator('input[type=file]').setInputFiles({ name: 'chart of the bay.pdf', mimeType: 'application/pdf', buffer: randomBytes(MIB) })
      await phone.page.getByRole('link', { name: /1 offer waits/ }).tap({ timeout: SOON })
      await phone.page.getByRole('button', { name: 'Accept chart of the bay.pdf' }).waitFor()
      await inspect(phone, 'phone transfers')
      const fits = () => phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)
      assert.ok(await fits(), 'the transfers fit the width')
      await dock(phone, 'Chat').tap()
      await inspect(phone, 'phone list with files')
      await row(phone, 'Alice').tap()
      await tile(phone, 'Alice', 'chart of the bay.pdf').waitFor()
      await inspect(phone, 'phone tiles')
      assert.ok(await fits(), 'the tiles fit the width')
      await phone.context.close()
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
