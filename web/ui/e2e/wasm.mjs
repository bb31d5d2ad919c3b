/**
 * WebAssembly on the desktop, with real nodes: a calculator whose sums the node does, a program that counts a file as `wc` does, and programs that are installed,
 * allowed a folder, run, stopped and removed.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/wasm.mjs         the binary must carry its page (no PC2_UI=off), built where clang is (.ci/test-tools)
 *   SHOTS=/tmp/shots                                          keeps a picture of every screen in both themes
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, close, compose, hears, open, PHONE, row, say, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}
if (process.env.SHOTS) mkdirSync(process.env.SHOTS, { recursive: true })

const BUILD = fileURLToPath(new URL('../../../wasm/build.sh', import.meta.url))
/** The first run of a module compiles it, in a debug build on a busy machine. */
const COMPILED = 60_000

/** What is counted: UTF-8, white space of all kinds, no newline at the end. */
const LETTER = `Dear Bob,\n\n  the cöst is 5\u00a0€,\tnot more.\r\n日本語 テスト\n${'one two three\n'.repeat(5_000)}and no newline at the end`

test('WebAssembly on the desktop', { timeout: 400_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const make = async (name, ...ways) => {
    const node = await Node.make(pc2, name, root)
    nodes.push(node)
    node.options = ['--no-upnp']
    return node.start(...ways)
  }
  const built = join(root, 'modules')
  execFileSync('bash', [BUILD, built, 'endless', 'file-processor'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const files = (name) => [join(built, name, `${name}.wasm`), join(built, name, 'app.toml')]
  try {
    const atAlices = await make('Alice')
    const atBobs = await make('Bob', atAlices.address)
    const home = join(root, 'Alice', 'users', 'owner')
    mkdirSync(join(home, 'Documents', 'Old letters'), { recursive: true })
    writeFileSync(join(home, 'Documents', 'Letter.txt'), LETTER)
    writeFileSync(join(home, 'Documents', 'empty'), '')
    const [alice, bob] = [await person(browser, 'Alice'), await person(browser, 'Bob')]
    await signIn(alice, atAlices)
    await signIn(bob, atBobs)

    await t.test('Calculator shows 8 for 5 + 3, and the node computed it', async () => {
      const calls = []
      alice.page.on('request', (request) => request.url().endsWith('/api/wasm/execute') && calls.push(request))
      const calculator = await open(alice, 'Calculator')
      const display = calculator.getByLabel('Display')
      await calculator.getByText('Your PC2 calculates, not this browser.').waitFor({ timeout: SOON })
      for (const key of ['5', 'Plus', '3', 'Equals']) await calculator.getByRole('button', { name: key, exact: true }).click()
      await display.getByText('8', { exact: true }).waitFor({ timeout: COMPILED })
      assert.equal(calls.length, 1)
      const { functionName, args } = calls[0].postDataJSON()
      assert.deepEqual({ functionName, args }, { functionName: 'add', args: ['5', '3'] })
      const answer = await calls[0].response()
      assert.equal(answer.status(), 200)
      assert.deepEqual(await answer.json(), { success: true, result: 8 })
      await calculator.getByText(/^Calculated by your PC2 in \d+ ms$/).waitFor()
      await calculator.getByText('5 + 3 =').waitFor()
      await inspect(alice, 'calculator')
      // Another number is no answer, though "=" is pressed.
      for (const key of ['7', 'Equals']) await calculator.getByRole('button', { name: key, exact: true }).click()
      await display.getByText('7', { exact: true }).waitFor({ timeout: SOON })
      assert.equal(await calculator.getByText('5 + 3 =').count(), 0)
      await calculator.getByText('Your PC2 calculates, not this browser.').waitFor()
      assert.equal(calls.length, 1)
    })

    await t.test('it is used by the keyboard, and says what has no result', async () => {
      const calculator = await open(alice, 'Calculator')
      const display = calculator.getByLabel('Display')
      const shows = (text) => display.getByText(text, { exact: true }).waitFor({ timeout: SOON })
      const type = async (keys) => {
        for (const key of keys) await alice.page.keyboard.press(key)
      }
      await type(['Escape', '7', '/', '2', 'Enter'])
      await shows('3.5')
      await type(['*', '4', '-', '2', '0', '='])
      await shows('−6')
      await type(['Escape', '0', '.', '1', '+', '0', ',', '2', 'Enter'])
      await shows('0.3')
      alice.refused = true
      await type(['/', '0', 'Enter'])
      await calculator.getByRole('alert').getByText('Nothing can be divided by zero.').waitFor({ timeout: SOON })
      await inspect(alice, 'calculator refused')
      // Squared again and again, until no double holds it.
      await type([...'999999999999999', ...'*=*=*=*=*='])
      await calculator.getByRole('alert').getByText('The result is too large to be written as a number here.').waitFor({ timeout: SOON })
      alice.refused = false
      await close(alice, 'Calculator')
    })

    await t.test('File processor counts a file as wc does', async () => {
      const counter = await open(alice, 'File processor')
      await counter.getByRole('button', { name: 'Folder Documents' }).click({ timeout: COMPILED })
      await counter.getByRole('button', { name: /^Letter\.txt/ }).click({ timeout: SOON })
      const figure = (name) => counter.locator('dl > div', { hasText: name }).locator('dd')
      await figure('Bytes').waitFor({ timeout: SOON })
      const shown = []
      for (const name of ['Lines', 'Words', 'Bytes']) shown.push(Number((await figure(name).textContent()).replace(/\D/g, '')))
      const wc = execFileSync('wc', ['-lwc', join(home, 'Documents', 'Letter.txt')], { env: { ...process.env, LC_ALL: 'C.UTF-8' } })
      assert.deepEqual(shown, String(wc).trim().split(/\s+/).slice(0, 3).map(Number))
      await inspect(alice, 'file processor')
      await counter.getByRole('button', { name: 'Folder Old letters' }).click()
      await counter.locator('dl').waitFor({ state: 'detached' })
      await counter.getByRole('button', { name: 'Documents', exact: true }).first().click({ timeout: SOON })
      await counter.getByRole('button', { name: /^empty/ }).click({ timeout: SOON })
      await figure('Bytes').getByText('0', { exact: true }).waitFor({ timeout: SOON })
      await close(alice, 'File processor')
    })

    const programs = await open(alice, 'Programs')
    const install = async (...names) => {
      const [chooser] = await Promise.all([alice.page.waitForEvent('filechooser'), programs.getByRole('button', { name: 'Install…' }).click()])
      await chooser.setFiles(names)
    }
    const latest = programs.getByRole('article').locator('article').first()

    await t.test('two files make a program, and anything else is told', async () => {
      await programs.getByText('No programs yet').waitFor({ timeout: SOON })
      await inspect(alice, 'programs empty')
      await install(files('endless')[0])
      await alice.page.getByText(/^Two files make a program/).waitFor()
      alice.refused = true
      writeFileSync(join(root, 'app.toml'), 'id = "../evil"')
      await install(files('endless')[0], join(root, 'app.toml'))
      await alice.page.getByText(/^App\.toml/).waitFor({ timeout: SOON })
      alice.refused = false
      await install(...files('endless'))
      await programs.getByRole('heading', { name: 'Endless' }).waitFor({ timeout: COMPILED })
      await programs.getByText('It only computes: it reaches none of your files, no network and no other program.').waitFor()
    })

    await t.test('what never ends is stopped by a limit, the page says which, and chat goes on meanwhile', async () => {
      const { link } = await ask(alice, 'POST', '/api/invitations')
      await ask(bob, 'POST', '/api/contacts', { invitation: link, text: 'Hello Alice' })
      await row(bob, 'Alice').click({ timeout: SOON })
      await compose(bob, 'Alice').waitFor({ timeout: SOON })
      await programs.getByLabel('Function').fill('run')
      await programs.getByRole('button', { name: 'Run', exact: true }).click()
      await latest.getByText('Running', { exact: true }).waitFor({ timeout: COMPILED })
      await open(alice, 'Chat')
      await row(alice, 'Bob').click({ timeout: SOON })
      await say(bob, 'Alice', 'Does your PC2 still answer?')
      await hears(alice, 'Bob', 'Does your PC2 still answer?')
      await say(alice, 'Bob', 'At once.')
      await hears(bob, 'Alice', 'At once.')
      const { runs } = await ask(alice, 'GET', '/api/wasm/runs')
      assert.equal(runs.find(({ app }) => app === 'endless').state, 'running', 'it ran all the while')
      await open(alice, 'Programs')
      await latest.getByText('It was stopped: it took longer than it may.').waitFor({ timeout: 40_000 })
      await latest.getByText(/^Time$/).waitFor()
      await inspect(alice, 'programs limit')
    })

    await t.test('and by the button', async () => {
      await programs.getByRole('button', { name: 'Run', exact: true }).click()
      await latest.getByText('Running', { exact: true }).waitFor({ timeout: COMPILED })
      await inspect(alice, 'programs running')
      await latest.getByRole('button', { name: 'Stop' }).click()
      await latest.getByText('It was stopped.', { exact: true }).waitFor({ timeout: SOON })
      const details = programs.getByRole('button', { name: 'Details of run' })
      assert.equal(await details.nth(1).getAttribute('aria-expanded'), 'true', 'what was open stays so when another run begins')
    })

    await t.test('a program finds a folder when it is allowed, and not when that is taken back', async () => {
      await programs.getByRole('link', { name: 'Back to all programs' }).click()
      await install(...files('file-processor'))
      await programs.getByRole('heading', { name: 'File processor' }).waitFor({ timeout: SOON })
      await programs.getByText(/^It asks to read “Documents”/).waitFor()
      await inspect(alice, 'program asks')
      const run = async () => {
        await programs.getByLabel('Arguments').fill('Letter.txt "not there"')
        await programs.getByRole('button', { name: 'Run', exact: true }).click()
      }
      await run()
      await latest.getByRole('log').getByText('Letter.txt:').waitFor({ timeout: COMPILED })
      await programs.getByRole('button', { name: 'Allow reading', exact: true }).click()
      await programs.getByText(/^It may read “Documents”/).waitFor({ timeout: SOON })
      await install(...files('file-processor'))
      await alice.page.getByText('File processor is installed. It may still read “Documents”.').waitFor({ timeout: SOON })
      await run()
      await latest.getByRole('log').getByText(/^5004 \d+ \d+ Letter\.txt/).waitFor({ timeout: COMPILED })
      await latest.getByRole('log').getByText('not there: No such file or directory').waitFor()
      await latest.getByText('It ended with exit code 1.').waitFor({ timeout: SOON })
      await inspect(alice, 'program ran')
      await programs.getByRole('button', { name: 'Take back' }).click()
      await programs.getByText(/^It asks to read “Documents”/).waitFor({ timeout: SOON })
      const { grant } = await ask(alice, 'GET', '/api/wasm/apps/file-processor')
      assert.equal(grant, null)
    })

    await t.test('it is removed, and that can be undone', async () => {
      await programs.getByRole('button', { name: 'Remove' }).click()
      await alice.page.getByRole('button', { name: 'Undo' }).click()
      await programs.getByRole('link', { name: /^File processor/ }).click()
      await programs.getByRole('button', { name: 'Remove' }).click()
      await programs.getByRole('link', { name: /^Endless/ }).waitFor()
      assert.equal(await programs.getByRole('link', { name: /^File processor/ }).count(), 0)
      await inspect(alice, 'programs')
      const gone = async () => !(await ask(alice, 'GET', '/api/wasm/apps')).apps.some(({ id }) => id === 'file-processor')
      const until = Date.now() + SOON
      while (!(await gone()) && Date.now() < until) await new Promise((done) => setTimeout(done, 200))
      assert.ok(await gone())
    })

    await t.test('on a phone it fits', async () => {
      const phone = await person(browser, 'Phone', PHONE)
      await signIn(phone, atAlices)
      for (const [app, what] of [['Programs', 'Endless'], ['Calculator', 'Your PC2 calculates'], ['File processor', 'Documents']]) {
        await phone.page.goto(`${atAlices.origin}/#/${app.toLowerCase().replace(' ', '-')}`)
        await phone.page.getByText(what).first().waitFor({ timeout: SOON })
        assert.ok(await phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), app)
        await inspect(phone, `${app} phone`)
      }
      await phone.page.goto(`${atAlices.origin}/#/programs/endless`)
      await phone.page.getByText('It was stopped.', { exact: true }).waitFor({ timeout: SOON })
      assert.ok(await phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
      await inspect(phone, 'program phone')
    })

    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
    await Promise.all(nodes.map((node) => node.kill()))
    remove()
  }
})
