/**
 * Makes the pictures in docs/screens: each screen light, dark and on a phone, of real nodes that talk. Only when asked: `make screens`.
 *
 *   PC2_BIN=target/debug/pc2 node e2e/screens.mjs ../../docs/screens
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, commandField, compose, dock, hears, open, PHONE, row, say, signIn, SOON } from './page.mjs'

const [pc2, into] = [process.env.PC2_BIN, process.argv[2]]
if (!pc2 || !into) {
  console.error('PC2_BIN must name the pc2 binary, and the argument a folder for pictures')
  process.exit(1)
}
mkdirSync(into, { recursive: true })

const { root, remove } = place()
const browser = await openBrowser()
const nodes = []
const node = async (name) => nodes[nodes.push(await Node.make(pc2, name, root)) - 1]

/** One picture; WebP, which the debugger makes and Playwright does not. */
async function shot({ page, context }, name) {
  await page.waitForTimeout(400)
  const cdp = await context.newCDPSession(page)
  const { data } = await cdp.send('Page.captureScreenshot', { format: 'webp', quality: 82 })
  writeFileSync(join(into, `${name}.webp`), Buffer.from(data, 'base64'))
  await cdp.detach()
}

async function both(who, name) {
  for (const colorScheme of ['light', 'dark']) {
    await who.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await shot(who, `${name}-${colorScheme}`)
  }
  await who.page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
}

async function three(who, phone, name) {
  await both(who, name)
  await shot(phone, `${name}-phone`)
}

try {
  const atAlices = await (await node('Alice')).start()
  const atBobs = await (await node('Bob')).start(atAlices.address)
  const atCarols = await (await node('Carol')).start(atAlices.address)
  const alice = await person(browser, 'Alice')
  const bob = await person(browser, 'Bob')
  const carol = await person(browser, 'Carol')
  const phone = await person(browser, 'Phone', { ...PHONE, viewport: { width: 390, height: 800 }, deviceScaleFactor: 1.5 })
  const { page } = alice
  await phone.page.emulateMedia({ reducedMotion: 'reduce' })

  await page.goto(atAlices.origin)
  await phone.page.goto(atAlices.origin)
  await page.getByRole('heading', { name: 'Sign in to your PC2' }).waitFor()
  await both(alice, 'sign-in')
  await shot(phone, 'sign-in-phone')
  for (const [who, at] of [[alice, atAlices], [bob, atBobs], [carol, atCarols], [phone, atAlices]]) await signIn(who, at)

  for (const [who, text] of [[carol, 'Are you coming on Saturday?'], [bob, 'Hello Alice, it is me']]) {
    const { link } = await ask(alice, 'POST', '/api/invitations')
    await ask(who, 'POST', '/api/contacts', { invitation: link, text })
    await row(who, 'Alice').click({ timeout: SOON })
    await compose(who, 'Alice').waitFor({ timeout: SOON })
    await row(alice, who.name).waitFor({ timeout: SOON })
  }
  await row(alice, 'Bob').click()
  await say(bob, 'Alice', 'The boat is ready. The varnish took two days longer than it should have.')
  await say(bob, 'Alice', 'I took pictures of the harbour at dawn.')
  await hears(alice, 'Bob', 'I took pictures of the harbour at dawn.')
  await say(alice, 'Bob', 'Show me! I bring the ropes and forty metres of chain.')
  await say(alice, 'Bob', 'Saturday at six?')
  await hears(bob, 'Alice', 'Saturday at six?')
  await ask(bob, 'PUT', '/api/transfers/rates', { up: 400 * 1024, down: null })
  const files = [['Harbour at dawn.jpg', 'image/jpeg', 300], ['The northern mole, uncut.mp4', 'video/mp4', 24_000]]
  await bob.page.locator('input[type=file]').setInputFiles(files.map(([name, mimeType, kib]) => ({ name, mimeType, buffer: randomBytes(kib * 1024) })))
  for (const [name] of files) await page.getByRole('button', { name: `Accept ${name}` }).click({ timeout: 4 * SOON })
  await page.getByText('Received', { exact: true }).waitFor({ timeout: 4 * SOON })
  await say(carol, 'Alice', 'I bring the soup.')
  await page.getByRole('link', { name: /1 unread/ }).first().waitFor({ timeout: SOON })
  await page.getByText(/\/s · /).first().waitFor({ timeout: SOON })
  await both(alice, 'chat')

  await page.keyboard.press('Control+k')
  await commandField(alice).waitFor()
  await page.keyboard.type('c')
  await both(alice, 'commands')
  await page.keyboard.press('Escape')
  for (const app of ['Transfers', 'Network', 'Settings']) {
    await open(alice, app)
    await page.getByRole('button', { name: `Move or resize ${app}` }).waitFor()
    if (app === 'Settings') break
    await both(alice, app.toLowerCase())
    await page.getByRole('button', { name: `Close ${app}` }).click()
  }
  const sections = await page.locator('a[href^="#/settings/"]').evaluateAll((links) => [...new Set(links.map((link) => link.hash.split('/')[2]))])
  for (const section of sections) {
    for (const who of [alice, phone]) await who.page.goto(`${atAlices.origin}/#/settings/${section}`)
    await three(alice, phone, `settings-${section}`)
  }
  await page.getByRole('button', { name: 'Close Settings' }).click()

  const built = join(root, 'modules')
  execFileSync('bash', [fileURLToPath(new URL('../../../wasm/build.sh', import.meta.url)), built, 'endless', 'file-processor'])
  const documents = join(root, 'Alice', 'users', 'owner', 'Documents')
  mkdirSync(documents, { recursive: true })
  writeFileSync(join(documents, 'Log of the voyage.txt'), 'Wind from the north, four knots.\n'.repeat(812))
  for (const name of ['endless', 'file-processor']) {
    const [manifest, module] = [readFileSync(join(built, name, 'app.toml'), 'utf8'), readFileSync(join(built, name, `${name}.wasm`), 'base64')]
    await ask(alice, 'POST', '/api/wasm/apps', { manifest, module })
  }
  await ask(alice, 'PUT', '/api/wasm/apps/file-processor/grants', { folder: { folder: 'Documents', access: 'read' } })
  await ask(alice, 'POST', '/api/wasm/runs', { app: 'file-processor', args: ['Log of the voyage.txt'] })
  for (const who of [alice, phone]) {
    await who.page.goto(`${atAlices.origin}/#/programs/file-processor`)
    await who.page.getByText('It ended.', { exact: true }).waitFor({ timeout: 4 * SOON })
  }
  await three(alice, phone, 'programs')
  await page.getByRole('button', { name: 'Close Programs' }).click()
  for (const who of [alice, phone]) {
    await who.page.goto(`${atAlices.origin}/#/calculator`)
    for (const key of ['5', 'Plus', '3', 'Equals']) await who.page.getByRole('button', { name: key, exact: true }).click({ timeout: SOON })
    await who.page.getByText(/^Calculated by your PC2 in/).waitFor({ timeout: 4 * SOON })
  }
  await three(alice, phone, 'calculator')
  await page.getByRole('button', { name: 'Close Calculator' }).click()
  for (const who of [alice, phone]) {
    await who.page.goto(`${atAlices.origin}/#/file-processor`)
    await who.page.getByRole('button', { name: 'Folder Documents' }).click({ timeout: 4 * SOON })
    await who.page.getByRole('button', { name: /^Log of the voyage/ }).click({ timeout: SOON })
    await who.page.getByText('Words', { exact: true }).waitFor({ timeout: SOON })
  }
  await three(alice, phone, 'file-processor')
  await page.getByRole('button', { name: 'Close File processor' }).click()

  for (const who of [alice, phone]) await who.page.goto(`${atAlices.origin}/#/requests`)
  await three(alice, phone, 'requests')
  for (const who of [alice, phone]) {
    await who.page.goto(`${atAlices.origin}/#/chat`)
    await who.page.getByRole('button', { name: 'Connect with someone' }).first().click()
    await who.page.getByRole('dialog', { name: 'Connect with someone' }).waitFor()
  }
  await three(alice, phone, 'connect')
  for (const who of [alice, phone]) await who.page.keyboard.press('Escape')
  await row(alice, 'Bob').click()

  // Two things side by side, and a third.
  const snap = async (app, ...keys) => {
    await open(alice, app)
    for (const key of keys) await page.getByRole('button', { name: `Move or resize ${app}` }).press(`Control+${key}`)
  }
  await snap('Transfers', 'ArrowRight', 'ArrowUp')
  await snap('Network', 'ArrowRight', 'ArrowDown')
  await snap('Chat', 'ArrowLeft')
  await both(alice, 'desktop')
  await page.getByRole('button', { name: /^Notices/ }).click()
  await both(alice, 'notices')

  for (const app of ['Transfers', 'Network', 'Chat']) {
    await dock(phone, app).tap()
    await phone.page.waitForTimeout(300)
    await shot(phone, `${app === 'Chat' ? 'chats' : app.toLowerCase()}-phone`)
  }
  await row(phone, 'Bob').tap()
  await hears(phone, 'Bob', 'Saturday at six?')
  await shot(phone, 'chat-phone')
  await phone.page.goBack()
  await phone.page.getByRole('button', { name: 'More' }).tap()
  await shot(phone, 'commands-phone')
  await phone.page.keyboard.press('Escape')
  await phone.page.getByRole('button', { name: /^Notices/ }).first().tap()
  await shot(phone, 'notices-phone')

  // Somebody's first start.
  const atDoras = nodes[nodes.push(await Node.empty(pc2, 'Dora', root)) - 1]
  atDoras.options = ['--no-upnp']
  await atDoras.start()
  const dora = await person(browser, 'Dora')
  const hand = await person(browser, 'Dora’s phone', { ...PHONE, viewport: { width: 390, height: 800 }, deviceScaleFactor: 1.5 })
  for (const who of [dora, hand]) await who.page.goto(await atDoras.link())
  for (const step of ['choose', 'name', 'passphrase', 'phrase', 'ready']) {
    await dora.page.getByRole('heading', { level: 1 }).waitFor()
    await ask(dora, 'PUT', '/api/setup', { step })
    for (const who of [dora, hand]) {
      await who.page.reload()
      await who.page.getByRole('heading', { level: 1 }).waitFor()
    }
    await three(dora, hand, `setup-${step}`)
  }
} finally {
  await browser.close()
  await Promise.all(nodes.map((each) => each.kill()))
  remove()
}
