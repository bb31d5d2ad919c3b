/**
 * What is around the windows: notices, how the node is, the look, installing, a node that is away or new, plain HTTP, and how soon a slow phone sees its chats.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/shell.mjs      the binary must carry its page (no PC2_UI=off)
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person, PLAIN } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { ask, bar, close, command, compose, hears, inFront, open, PHONE, row, say, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

test('Around the windows', { timeout: 300_000 }, async (t) => {
  const { root, remove } = place()
  const browser = await openBrowser()
  const nodes = []
  const node = async (name) => nodes[nodes.push(await Node.make(pc2, name, root)) - 1]
  try {
    const atAlices = await node('Alice')
    writeFileSync(join(atAlices.dir, 'config.toml'), `web_names = ["${PLAIN}"]\n`)
    await atAlices.start()
    const atBobs = await (await node('Bob')).start(atAlices.address)
    const alice = await person(browser, 'Alice')
    const bob = await person(browser, 'Bob')
    await signIn(alice, atAlices)
    await signIn(bob, atBobs)
    const { page } = alice
    const { link } = await ask(alice, 'POST', '/api/invitations')
    await ask(bob, 'POST', '/api/contacts', { invitation: link, text: 'Hello Alice' })
    await row(alice, 'Bob').click({ timeout: SOON })
    await hears(alice, 'Bob', 'Hello Alice')
    await row(bob, 'Alice').click({ timeout: SOON })
    await compose(bob, 'Alice').waitFor({ timeout: SOON })

    await t.test('what happens meanwhile is told: messages, requests, sign-ins; and is let go of', async () => {
      const bell = page.getByRole('button', { name: /^Notices/ })
      const panel = page.getByRole('dialog', { name: 'Notices' })
      await bell.click()
      await panel.getByRole('link', { name: /Finding out how you are reached/ }).waitFor()
      await page.keyboard.press('Escape')
      await open(alice, 'Network')
      await bar(alice, 'Network').press('Enter')
      await say(bob, 'Alice', 'the boat')
      await say(bob, 'Alice', 'is ready')
      await page.getByRole('button', { name: /1 new notice$/ }).waitFor({ timeout: SOON })
      const atCarols = await (await node('Carol')).start(atAlices.address)
      await atCarols.command('contact', 'add', atAlices.who.did, '--text', 'We met at the harbour')
      await page.getByRole('button', { name: /2 new notices$/ }).waitFor({ timeout: SOON })
      const elsewhere = await person(browser, 'Alice elsewhere')
      await signIn(elsewhere, atAlices)
      await elsewhere.context.close()
      await page.getByRole('button', { name: /3 new notices$/ }).waitFor({ timeout: SOON })
      await bell.click()
      await panel.getByText('Signed in by a link').waitFor()
      await panel.getByText('Carol wants to become your contact').waitFor()
      await inspect(alice, 'notices')
      await panel.getByRole('link', { name: /2 messages from Bob.*is ready/ }).click()
      await panel.waitFor({ state: 'detached' })
      await inFront(alice, 'Chat')
      await hears(alice, 'Bob', 'is ready')
      assert.equal(await page.getByRole('button', { name: /new notice/ }).count(), 0, 'all of them were seen')
      await bell.press('Enter')
      await panel.getByRole('button', { name: 'Clear' }).click()
      await panel.getByText('Nothing new').waitFor()
      await inspect(alice, 'no notices')
      await page.keyboard.press('Escape')
      await bell.and(page.locator(':focus')).waitFor()
      await close(alice, 'Network')
    })

    await t.test('the dock says in words how the node is: reached, gone, restarting', async () => {
      const says = (text) => bob.page.getByRole('navigation', { name: 'Apps' }).getByText(text, { exact: true }).waitFor({ timeout: SOON })
      await says('Finding out')
      bob.away = true
      await atBobs.stop()
      await says('Restarting')
      await bob.page.getByText('Your PC2 stops or starts anew').waitFor({ timeout: SOON })
      await inspect(bob, 'restarting')
      await atBobs.start(atAlices.address)
      await says('Finding out')
      await atBobs.kill()
      await says('No answer')
      // Longer than a moment, so it is told.
      await new Promise((done) => setTimeout(done, 4_000))
      await atBobs.start(atAlices.address)
      await says('Finding out')
      bob.away = false
      await bob.page.getByRole('button', { name: /^Notices/ }).click()
      await bob.page.getByText('Your PC2 answers again').first().waitFor()
      await bob.page.keyboard.press('Escape')
    })

    await t.test('the look is chosen, in the settings or by the command box, and kept', async () => {
      const looks = (wanted) =>
        page.waitForFunction((wanted) => {
          const { theme, contrast } = document.documentElement.dataset
          return [theme, contrast, getComputedStyle(document.documentElement).colorScheme].join(', ') === wanted
        }, wanted)
      await page.goto(`${atAlices.origin}/#/settings/appearance`)
      await page.getByRole('heading', { name: 'Appearance' }).waitFor()
      await inspect(alice, 'appearance')
      await looks('system, system, light dark')
      await page.getByRole('radio', { name: 'Dark', exact: true }).check()
      await looks('dark, system, dark')
      await page.reload()
      await page.getByRole('radio', { name: 'Dark', exact: true, checked: true }).waitFor()
      await looks('dark, system, dark')
      await page.getByRole('checkbox', { name: /High contrast/ }).check()
      await looks('dark, more, dark')
      await inspect(alice, 'dark high contrast')
      await command(alice, 'as the system', /as the system/i)
      await page.getByRole('radio', { name: 'As the system', checked: true }).waitFor()
      await page.getByRole('checkbox', { name: /High contrast/ }).uncheck()
      await page.emulateMedia({ contrast: 'more' })
      await looks('system, more, light dark')
      await page.emulateMedia({ contrast: 'no-preference', forcedColors: 'active' })
      await inspect(alice, 'forced colours')
      await page.emulateMedia({ forcedColors: 'none' })
      await page.evaluate(() => localStorage.setItem('pc2-look', 'javascript:alert(1) constructor'))
      await page.reload()
      await looks('system, system, light dark')
    })

    await t.test('it can be installed, and opens while the node is away', async () => {
      const context = await browser.newContext()
      const own = await context.newPage()
      await signIn({ page: own }, atAlices)
      const cdp = await context.newCDPSession(own)
      const { url, errors } = await cdp.send('Page.getAppManifest')
      assert.equal(url, `${atAlices.origin}/manifest.webmanifest`)
      assert.deepEqual(errors, [])
      const types = await own.evaluate(async () => {
        const { icons } = await (await fetch('/manifest.webmanifest')).json()
        const answers = await Promise.all(['/manifest.webmanifest', '/sw.js', ...icons.map(({ src }) => src)].map((path) => fetch(path)))
        return answers.map((answer) => `${answer.status} ${answer.headers.get('content-type')} ${answer.headers.get('cache-control')}`)
      })
      assert.deepEqual(types, [
        '200 application/manifest+json no-cache',
        '200 text/javascript no-cache',
        '200 image/svg+xml no-cache',
        ...Array(3).fill('200 image/png no-cache'),
      ])

      // What an earlier version kept goes with it.
      await own.evaluate(() => caches.open('pc2-page-of-long-ago'))
      await own.evaluate(() => navigator.serviceWorker.ready.then(() => new Promise((done) => setTimeout(done, 500))))
      await own.evaluate(async () => {
        await (await navigator.serviceWorker.ready).unregister()
      })
      await own.reload()
      await own.evaluate(() => navigator.serviceWorker.ready)
      await own.waitForFunction(async () => (await caches.keys()).length === 1 && navigator.serviceWorker.controller !== null)
      await own.goto(`${atAlices.origin}/#/transfers`)
      await own.reload()
      await own.getByText('No files yet').waitFor()
      const keptPaths = await own.evaluate(async () => {
        const [name] = await caches.keys()
        return (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname)
      })
      assert.ok(keptPaths.includes('/') && keptPaths.every((path) => path === '/' || path === '/look.js' || path.startsWith('/assets/')), keptPaths.join(' '))

      alice.away = bob.away = true
      await atAlices.stop()
      await own.reload()
      await own.getByRole('heading', { name: 'Your PC2 does not answer' }).waitFor()
      await inspect({ page: own, name: 'Alice' }, 'opened while away')
      await atAlices.start()
      await own.getByText('No files yet').waitFor({ timeout: SOON })
      await context.close()
      await page.getByText('Your PC2 stops or starts anew').waitFor({ state: 'detached', timeout: SOON })
      alice.away = bob.away = false
    })

    await t.test('who wants it is told on the desktop: no more than allowed, once, and no longer than it is news', async () => {
      // Else she reads there what is told here.
      await close(alice, 'Chat')
      const context = await browser.newContext({ permissions: ['notifications'] })
      const own = await context.newPage()
      await signIn({ page: own }, atAlices)
      await own.evaluate(() => navigator.serviceWorker.ready)
      const shown = () =>
        own.evaluate(async () => {
          const list = await (await navigator.serviceWorker.ready).getNotifications()
          return list.map(({ title, body }) => [title, body].filter(Boolean).join(' | '))
        })
      const becomes = async (wanted) => {
        const until = Date.now() + SOON
        let now = await shown()
        while (JSON.stringify(now) !== JSON.stringify(wanted) && Date.now() < until) {
          await new Promise((done) => setTimeout(done, 100))
          now = await shown()
        }
        assert.deepEqual(now, wanted)
      }
      await own.goto(`${atAlices.origin}/#/settings/browser`)
      const wanted = own.getByRole('checkbox', { name: 'Tell me on the desktop' })
      await wanted.check()
      await own.getByRole('radio', { name: /^Only who/, checked: true }).waitFor()
      await inspect({ page: own, name: 'Alice' }, 'notifications')
      // Somebody looks: nothing is told.
      await own.bringToFront()
      await say(bob, 'Alice', 'the tide turns')
      await own.getByRole('button', { name: /new notice/ }).waitFor({ timeout: SOON })
      await becomes([])
      // A tab that is new has the focus; who chooses something in ours has it there again.
      const elsewhere = async () => {
        await own.bringToFront()
        const other = await context.newPage()
        await other.goto('about:blank')
        await other.bringToFront()
      }
      await elsewhere()
      await say(bob, 'Alice', 'at noon')
      await becomes(['2 messages from Bob'])
      await own.getByRole('radio', { name: /^Who, and what/ }).check()
      await elsewhere()
      await say(bob, 'Alice', 'come quickly')
      await becomes(['3 messages from Bob | come quickly'])
      await own.getByRole('radio', { name: /^Only that/ }).check()
      await elsewhere()
      await say(bob, 'Alice', 'now')
      await becomes(['New messages'])
      // Read elsewhere: it is no news any more.
      await open(alice, 'Chat')
      await row(alice, 'Bob').click()
      await hears(alice, 'Bob', 'now')
      await becomes([])
      await close(alice, 'Chat')
      await wanted.uncheck()
      await own.reload()
      assert.equal(await wanted.isChecked(), false)
      await context.close()
    })

    await t.test('a newer page is offered, not forced', async () => {
      await page.route(`${atAlices.origin}/`, (route) => (route.request().method() === 'HEAD' ? route.fulfill({ headers: { etag: 'W/"another"' } }) : route.continue()))
      alice.away = true
      await atAlices.stop()
      await page.getByText('Your PC2 stops or starts anew').waitFor({ timeout: SOON })
      await atAlices.start()
      await page.getByText('Your PC2 has a newer page').waitFor({ timeout: SOON })
      await inspect(alice, 'newer page')
      await page.unroute(`${atAlices.origin}/`)
      await page.getByRole('button', { name: 'Read again' }).click()
      await page.getByText('Your PC2 has a newer page').waitFor({ state: 'detached' })
      alice.away = false
    })

    await t.test('over plain HTTP the page says what is missing', async () => {
      await page.goto(`${atAlices.origin}/#/settings/browser`)
      await page.getByRole('heading', { name: 'While your PC2 is away' }).waitFor()
      await inspect(alice, 'this browser')
      const plain = await person(browser, 'Plain')
      plain.clear = true
      const link = (await atAlices.link()).replace('127.0.0.1', PLAIN)
      await plain.page.goto(link)
      await plain.page.getByRole('button', { name: /1 new notice$/ }).click()
      await plain.page.getByRole('link', { name: /This page came over plain HTTP/ }).click()
      await plain.page.getByText('installing PC2 as an app').waitFor()
      await inspect(plain, 'plain http')
      await plain.context.close()
    })

    await t.test('about says what is true: version, node, licences', async () => {
      await page.goto(`${atAlices.origin}/#/settings/about`)
      const { version, node_id } = await ask(alice, 'GET', '/api/identity')
      await page.getByText(version, { exact: true }).waitFor()
      await page.getByText(node_id, { exact: true }).waitFor()
      await inspect(alice, 'about')
      const lists = { '/licences.txt': ['svelte', '@lucide/svelte', 'qr'], '/licences-program.txt': ['actix', 'libp2p', 'sled', 'warp', 'openmls'] }
      for (const [href, names] of Object.entries(lists)) {
        const answer = await page.evaluate(async (href) => {
          const answer = await fetch(document.querySelector(`a[href="${href}"]`).href)
          return { type: answer.headers.get('content-type'), text: await answer.text() }
        }, href)
        assert.match(answer.type, /^text\/plain/)
        for (const name of names) assert.match(answer.text, new RegExp(`^${name} \\d`, 'm'))
        assert.match(answer.text, /THE SOFTWARE IS PROVIDED "AS IS"/)
      }
    })

    await t.test('how soon a slow phone sees its chats is told', async (t) => {
      // Not by `person`: what looks at each request switches the browser's cache off.
      const context = await browser.newContext(PHONE)
      const page = await context.newPage()
      await signIn({ page }, atAlices)
      await page.addInitScript(() => {
        const look = () => (document.querySelector('a[data-did]') ? (globalThis.seenAt = performance.now()) : requestAnimationFrame(look))
        look()
      })
      const cdp = await context.newCDPSession(page)
      // As Lighthouse takes a phone: slow 4G, a processor four times slower. Timings are no tests; these are told.
      const line = { offline: false, latency: 150, downloadThroughput: (1.6 * 1024 * 1024) / 8, uploadThroughput: (750 * 1024) / 8 }
      await cdp.send('Network.enable')
      await cdp.send('Network.emulateNetworkConditions', line)
      for (const rate of [1, 4]) {
        await cdp.send('Emulation.setCPUThrottlingRate', { rate })
        for (const how of ['for the first time', 'again']) {
          if (how !== 'again') await cdp.send('Network.clearBrowserCache')
          await page.goto('about:blank')
          await page.goto(`${atAlices.origin}/#/chat`, { waitUntil: 'commit' })
          await page.waitForFunction(() => globalThis.seenAt)
          t.diagnostic(`${how}, processor / ${rate}: ${Math.round(await page.evaluate(() => globalThis.seenAt))} ms`)
        }
      }
      await context.close()
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
