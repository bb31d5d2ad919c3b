/**
 * The desktop itself: windows by pointer and by keyboard, the command box, what a reload brings back, and a phone.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/desktop.mjs      the binary must carry its page (no PC2_UI=off)
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, bar, close, command, commandField, compose, dock, frame, hears, inFront, open, PHONE, row, say, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

/** Where windows can be, beside the dock. */
const AREA = { x: 84, y: 0, width: 1116, height: 800 }
const HALF = AREA.width / 2

/** Where a window is, once it stands still. */
async function box(who, app) {
  await frame(who, app).evaluate((place) => Promise.all(place.getAnimations().map(({ finished }) => finished)))
  return frame(who, app).boundingBox()
}
/** Pulls from one place to another as a hand does, in steps. */
async function drag({ page }, from, to, letGo = true) {
  await page.mouse.move(from.x, from.y)
  await page.mouse.down()
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 4 })
  await page.mouse.move(to.x, to.y, { steps: 4 })
  if (letGo) await page.mouse.up()
}

async function grip(who, app) {
  const { x, y } = await box(who, app)
  return { x: x + 80, y: y + 20 }
}

const near = (a, b, what) => {
  for (const key of ['x', 'y', 'width', 'height']) assert.ok(Math.abs(a[key] - b[key]) <= 2, `${what}: ${key} is ${a[key]}, not ${b[key]}`)
}

/** Waits until a window is where it is to be: what moves it may be on its way. */
async function lands(who, app, there, what) {
  for (const until = Date.now() + SOON; ; ) {
    try {
      return near(await box(who, app), there, what)
    } catch (error) {
      if (Date.now() > until) throw error
      await who.page.waitForTimeout(50)
    }
  }
}

test('The desktop', { timeout: 300_000 }, async (t) => {
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
    const { page } = alice

    await t.test('who comes for the first time sees their chats, as large as the desktop', async () => {
      near(await box(alice, 'Chat'), AREA, 'chat')
      await inFront(alice, 'Chat')
      const { link } = await ask(alice, 'POST', '/api/invitations')
      await ask(bob, 'POST', '/api/contacts', { invitation: link, text: 'Hello Alice' })
      await row(alice, 'Bob').click({ timeout: SOON })
      await hears(alice, 'Bob', 'Hello Alice')
      await row(bob, 'Alice').click({ timeout: SOON })
      await compose(bob, 'Alice').waitFor({ timeout: SOON })
    })

    await t.test('addresses lead to apps, and back and forward through them', async () => {
      await page.goto(`${atAlices.origin}/#/network`)
      await inFront(alice, 'Network')
      await page.goto(`${atAlices.origin}/#/settings/keys`)
      await page.getByRole('heading', { name: 'Keyboard' }).waitFor()
      await page.goBack()
      await inFront(alice, 'Network')
      await page.goBack()
      await inFront(alice, 'Chat')
      await hears(alice, 'Bob', 'Hello Alice')
      await page.goForward()
      await inFront(alice, 'Network')
      await page.goto(`${atAlices.origin}/#/nowhere/at/all`)
      await inFront(alice, 'Network')
      await page.waitForURL(/#\/network$/)
      await inspect(alice, 'windows')
      await close(alice, 'Settings')
    })

    await t.test('a window is moved, snaps to halves, quarters and all, and is taken off again', async () => {
      const before = await box(alice, 'Network')
      const from = await grip(alice, 'Network')
      await drag(alice, from, { x: from.x - 50, y: from.y + 60 })
      near(await box(alice, 'Network'), { ...before, x: before.x - 50, y: before.y + 60 }, 'moved')
      const places = {
        left: [{ x: 85, y: 400 }, { ...AREA, width: HALF }],
        right: [{ x: 1_199, y: 400 }, { ...AREA, x: AREA.x + HALF, width: HALF }],
        quarter: [{ x: 1_199, y: 790 }, { x: AREA.x + HALF, y: 400, width: HALF, height: 400 }],
        all: [{ x: 600, y: 2 }, AREA],
      }
      for (const [what, [to, there]] of Object.entries(places)) {
        await drag(alice, await grip(alice, 'Network'), to)
        near(await box(alice, 'Network'), there, what)
      }
      await drag(alice, await grip(alice, 'Network'), { x: 500, y: 200 })
      const after = await box(alice, 'Network')
      near({ ...after, x: 0, y: 0 }, { ...before, x: 0, y: 0 }, 'its own size again')
    })

    await t.test('Esc in the middle of a move takes it back', async () => {
      const before = await box(alice, 'Network')
      const from = await grip(alice, 'Network')
      await drag(alice, from, { x: 85, y: 400 }, false)
      await page.locator('.ghost').waitFor()
      await page.keyboard.press('Escape')
      await page.locator('.ghost').waitFor({ state: 'detached' })
      await page.mouse.up()
      near(await box(alice, 'Network'), before, 'back')
      await compose(alice, 'Bob').waitFor()
    })

    await t.test('borders are pulled, and no window becomes too small to use', async () => {
      const before = await box(alice, 'Network')
      const corner = { x: before.x + before.width - 2, y: before.y + 2 }
      await drag(alice, corner, { x: corner.x - 90, y: corner.y + 70 })
      near(await box(alice, 'Network'), { ...before, y: before.y + 70, width: before.width - 90, height: before.height - 70 }, 'smaller')
      const left = { x: before.x, y: before.y + 200 }
      await drag(alice, left, { x: left.x + 5_000, y: left.y })
      assert.equal((await box(alice, 'Network')).width, 320)
      near({ ...(await box(alice, 'Network')), y: 0, height: 0 }, { x: before.x + before.width - 90 - 320, y: 0, width: 320, height: 0 }, 'the right side stays')
    })

    await t.test('a menu does what dragging does', async () => {
      await page.getByRole('button', { name: 'Places for Network' }).click()
      await inspect(alice, 'places')
      await page.getByRole('menuitem', { name: 'Right half' }).click()
      near(await box(alice, 'Network'), { ...AREA, x: AREA.x + HALF, width: HALF }, 'right half')
    })

    await t.test('the keyboard opens, arranges, switches and closes', async () => {
      await dock(alice, 'Settings').focus()
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'You', exact: true }).waitFor()
      await frame(alice, 'Settings').locator(':focus').waitFor()
      await bar(alice, 'Settings').focus()
      const before = await box(alice, 'Settings')
      await page.keyboard.press('ArrowLeft')
      await page.keyboard.press('ArrowDown')
      near(await box(alice, 'Settings'), { ...before, x: before.x - 24, y: before.y + 24 }, 'a step')
      await page.keyboard.press('Shift+ArrowLeft')
      near(await box(alice, 'Settings'), { ...before, x: before.x - 24, y: before.y + 24, width: before.width - 24 }, 'smaller')
      await page.keyboard.press('Control+ArrowLeft')
      await page.keyboard.press('Control+ArrowUp')
      near(await box(alice, 'Settings'), { ...AREA, width: HALF, height: 400 }, 'upper left')
      await page.keyboard.press('Enter')
      near(await box(alice, 'Settings'), AREA, 'all')
      await page.keyboard.press('Enter')
      await page.keyboard.press('F6')
      await inFront(alice, 'Chat')
      await page.keyboard.press('F6')
      await inFront(alice, 'Network')
      await page.keyboard.press('Shift+F6')
      await page.keyboard.press('Shift+F6')
      await inFront(alice, 'Settings')
      await bar(alice, 'Settings').and(page.locator(':focus')).waitFor()
      await page.getByRole('button', { name: 'Minimise Settings' }).press('Enter')
      assert.equal(await frame(alice, 'Settings').isVisible(), false)
      await inFront(alice, 'Chat')
      await dock(alice, 'Settings').press('Enter')
      await frame(alice, 'Settings').waitFor()
      await page.getByRole('button', { name: 'Close Settings' }).press('Enter')
      await frame(alice, 'Settings').waitFor({ state: 'detached' })
      await frame(alice, 'Chat').locator(':focus').waitFor()
    })

    await t.test('the command box finds people, apps, settings and actions, and gives the focus back', async () => {
      const field = commandField(alice)
      await bar(alice, 'Chat').focus()
      await page.keyboard.press('Control+k')
      await field.waitFor()
      await inspect(alice, 'commands')
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('ArrowUp')
      await page.keyboard.press('ArrowUp')
      assert.match(await field.getAttribute('aria-activedescendant'), /acts/, 'round to the last')
      await page.keyboard.press('Escape')
      await field.waitFor({ state: 'detached' })
      // Who knows the key does not wait to see the box.
      await page.keyboard.press('Control+k')
      await page.keyboard.type('no such thing <b>')
      await page.getByText('Nothing matches “no such thing <b>”').waitFor()
      await inspect(alice, 'commands none')
      await page.keyboard.press('Escape')
      await field.waitFor({ state: 'detached' })
      await bar(alice, 'Chat').and(page.locator(':focus')).waitFor()
      await command(alice, 'keybo', 'Keyboard')
      await page.getByRole('heading', { name: 'Keyboard' }).waitFor()
      await command(alice, 'bob', /^Bob/)
      await inFront(alice, 'Chat')
      await command(alice, 'hello al', /^Hello Alice Bob/)
      await hears(alice, 'Bob', 'Hello Alice')
      // Going somewhere closes what lies on top: a box that was opened before one is there, too.
      await command(alice, 'net', 'Network')
      await inFront(alice, 'Network')
      await command(alice, 'left', 'Network to the left half')
      await lands(alice, 'Network', { ...AREA, width: HALF }, 'left half')
      await command(alice, 'close net', 'Close Network')
      await frame(alice, 'Network').waitFor({ state: 'detached' })
      await command(alice, 'connect', 'Connect with someone')
      await page.getByRole('dialog', { name: 'Connect with someone' }).waitFor()
      await page.keyboard.press('Control+k')
      assert.equal(await field.count(), 0, 'not on top of a dialog')
      await page.keyboard.press('Escape')
      await dock(alice, 'Chat').focus()
      await page.keyboard.press('?')
      await page.getByRole('dialog', { name: 'What the keys do' }).waitFor()
      await inspect(alice, 'keys')
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await dock(alice, 'Chat').and(page.locator(':focus')).waitFor()
      await close(alice, 'Settings')
      await open(alice, 'Network')
      await bar(alice, 'Network').press('Control+ArrowRight')
    })

    await t.test('a reload brings everything back where it was, also what was put away', async () => {
      await open(alice, 'Transfers')
      await page.getByRole('button', { name: 'Minimise Transfers' }).click()
      await open(alice, 'Chat')
      await bar(alice, 'Chat').focus()
      await page.keyboard.press('Control+ArrowLeft')
      const before = await Promise.all(['Chat', 'Network'].map((app) => box(alice, app)))
      await page.reload()
      await hears(alice, 'Bob', 'Hello Alice')
      const after = await Promise.all(['Chat', 'Network'].map((app) => box(alice, app)))
      before.forEach((one, at) => near(after[at], one, `window ${at}`))
      await inFront(alice, 'Chat')
      assert.equal(await frame(alice, 'Transfers').isVisible(), false)
      await frame(alice, 'Network').getByRole('heading', { name: /^\d+ connections?$/ }).waitFor()
    })

    await t.test('a smaller screen keeps every window within reach', async () => {
      await bar(alice, 'Network').click()
      await page.keyboard.press('Control+ArrowLeft')
      await page.keyboard.press('Shift+ArrowRight')
      await drag(alice, await grip(alice, 'Network'), { x: 1_150, y: 770 })
      await page.setViewportSize({ width: 800, height: 600 })
      const { x, y } = await box(alice, 'Network')
      assert.ok(x < 800 - 90 && y <= 600 - 40, `${x}, ${y}`)
      await page.setViewportSize({ width: 1_200, height: 800 })
      await bar(alice, 'Network').press('Control+ArrowRight')
    })

    await t.test('what is read is what is seen: behind a window nothing counts as read', async () => {
      await open(alice, 'Chat')
      await open(alice, 'Network')
      await bar(alice, 'Network').press('Enter')
      await say(bob, 'Alice', 'are you there?')
      await page.getByRole('link', { name: /^Chat.*1 unread message/ }).waitFor({ timeout: SOON })
      await inspect(alice, 'unread behind')
      await close(alice, 'Network')
      await page.getByRole('link', { name: /unread message/ }).first().waitFor({ state: 'detached', timeout: SOON })
    })

    await t.test('nothing open says what to do', async () => {
      await close(alice, 'Transfers')
      await close(alice, 'Chat')
      await page.getByText('Nothing is open').waitFor()
      await inspect(alice, 'nothing open')
      await page.reload()
      await page.getByText('Nothing is open').waitFor()
    })

    await t.test('a layout that somebody else wrote does no harm', async () => {
      for (const text of ['{', '{"windows":[{"app":"__proto__","path":"#/","fit":"full","rect":{}}]}', `{"windows":"${'x'.repeat(50_000)}"}`]) {
        await page.evaluate((text) => localStorage.setItem('pc2.desk', text), text)
        await page.goto('about:blank')
        await page.goto(`${atAlices.origin}/#/chat`)
        await page.getByRole('heading', { name: 'Chats' }).waitFor()
      }
    })

    await t.test('a phone shows one app at a time, with a bar at the bottom', async () => {
      const phone = await person(browser, 'Phone', PHONE)
      await signIn(phone, atAlices)
      const fits = () => phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)
      for (const app of ['Transfers', 'Network', 'Settings', 'Chat']) {
        await dock(phone, app).tap()
        await frame(phone, app).waitFor()
        assert.equal(await phone.page.locator('main > section:visible').count(), 1, app)
        assert.ok(await fits(), `${app} fits the width`)
        await inspect(phone, `phone ${app}`)
      }
      const { y, height } = await phone.page.getByRole('navigation', { name: 'Apps' }).boundingBox()
      assert.equal(y + height, 740)
      await phone.page.goBack()
      await inFront(phone, 'Settings')
      await dock(phone, 'Chat').tap()
      await row(phone, 'Bob').tap()
      await hears(phone, 'Bob', 'are you there?')
      await phone.page.getByRole('navigation', { name: 'Apps' }).waitFor({ state: 'hidden' })
      await phone.page.goBack()
      await row(phone, 'Bob').waitFor()
      await phone.page.getByRole('button', { name: 'More' }).tap()
      await phone.page.getByRole('option', { name: 'Keyboard' }).waitFor()
      await inspect(phone, 'phone more')
      await phone.page.getByRole('option', { name: 'Keyboard' }).tap()
      await phone.page.getByRole('heading', { name: 'Keyboard' }).waitFor()
      await phone.page.getByRole('button', { name: /^Notices/ }).tap()
      const notices = await phone.page.getByRole('dialog', { name: 'Notices' }).boundingBox()
      assert.ok(notices.x >= 0 && notices.x + notices.width <= 360, 'a dialog that opens beside the dock elsewhere is within the screen')
      await inspect(phone, 'phone notices')
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
