/**
 * Two people side by side: what the one shows as a code, the other's camera reads; and what is said where there is no camera, or none allowed.
 *
 *   PC2_BIN=target/debug/pc2 node --test e2e/scan.mjs      the binary must carry its page (no PC2_UI=off)
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { complaints, inspect, openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { row, signIn, SOON } from './page.mjs'

const pc2 = process.env.PC2_BIN
if (!pc2) {
  console.error('PC2_BIN must name the pc2 binary: cargo build -p pc2 && PC2_BIN=target/debug/pc2 npm run test:e2e')
  process.exit(1)
}

const WIDTH = 640
const HEIGHT = 480

/** The brightness of a picture, as a camera of that size sees it. */
const seen = ({ page }, png) =>
  page.evaluate(
    async ([png, width, height]) => {
      const image = new Image()
      image.src = `data:image/png;base64,${png}`
      await image.decode()
      const context = new OffscreenCanvas(width, height).getContext('2d')
      context.fillStyle = '#888'
      context.fillRect(0, 0, width, height)
      const size = Math.min(width, height) * 0.8
      context.drawImage(image, (width - size) / 2, (height - size) / 2, size, size)
      const { data } = context.getImageData(0, 0, width, height)
      return Array.from({ length: width * height }, (_, at) => data[4 * at])
    },
    [png.toString('base64'), WIDTH, HEIGHT],
  )

/** A film of one grey picture, as Chromium takes it for a camera. */
function film(path, brightness) {
  const frame = Buffer.concat([Buffer.from('FRAME\n'), Buffer.from(brightness), Buffer.alloc((WIDTH * HEIGHT) / 2, 128)])
  writeFileSync(path, Buffer.concat([Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`), frame, frame]))
}

async function connecting(who) {
  await who.page.getByRole('button', { name: 'Connect with someone' }).first().click()
  await who.page.getByRole('dialog', { name: 'Connect with someone' }).waitFor()
}

test('A code is scanned', { timeout: 180_000 }, async (t) => {
  const { root, remove } = place()
  const browsers = [await openBrowser()]
  const nodes = []
  const node = async (name) => nodes[nodes.push(await Node.make(pc2, name, root)) - 1]
  try {
    const atAlices = await (await node('Alice')).start()
    const atBobs = await (await node('Bob')).start(atAlices.address)
    const bob = await person(browsers[0], 'Bob')
    await signIn(bob, atBobs)
    const path = join(root, 'film.y4m')
    const withCamera = async (flags, options) => {
      const browser = await openBrowser(['--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${path}`, ...flags])
      browsers.push(browser)
      const alice = await person(browser, 'Alice', options)
      await signIn(alice, atAlices)
      await connecting(alice)
      await alice.page.getByRole('button', { name: 'I have their link' }).click()
      await alice.page.getByRole('button', { name: 'Scan their code' }).click()
      return alice
    }

    await t.test('what Bob shows becomes a contact of Alice', async () => {
      await connecting(bob)
      const code = bob.page.getByRole('img', { name: 'The invitation link as a QR code' })
      await code.locator('path').waitFor()
      const link = await bob.page.getByRole('textbox', { name: 'Invitation link' }).inputValue()
      film(path, await seen(bob, await code.screenshot()))
      await bob.page.keyboard.press('Escape')
      const alice = await withCamera(['--use-fake-ui-for-media-stream'])
      const target = alice.page.getByRole('textbox', { name: 'Invitation link or DID' })
      await target.waitFor()
      assert.equal(await target.inputValue(), link)
      await alice.page.getByRole('button', { name: 'Connect', exact: true }).last().click()
      await row(bob, 'Alice').waitFor({ timeout: SOON })
      await row(alice, 'Bob').waitFor({ timeout: SOON })
    })

    await t.test('a code of something else is said to be none, and looking goes on', async () => {
      const { default: encodeQR } = await import('qr')
      const rows = encodeQR('https://example.org/', 'raw', { border: 4 })
      const scale = Math.floor(HEIGHT / rows.length)
      const bright = (x, y) => (rows[Math.floor(y / scale)]?.[Math.floor(x / scale)] ? 16 : 235)
      film(path, Array.from({ length: WIDTH * HEIGHT }, (_, at) => bright(at % WIDTH, Math.floor(at / WIDTH))))
      const alice = await withCamera(['--use-fake-ui-for-media-stream'])
      await alice.page.getByText('This code is neither an invitation nor a DID.').waitFor()
      await inspect(alice, 'scanning')
      await alice.page.getByRole('button', { name: 'Type it instead' }).click()
      await alice.page.getByRole('textbox', { name: 'Invitation link or DID' }).waitFor()
    })

    await t.test('where the camera is refused the page says so, and how to go on', async () => {
      const alice = await withCamera(['--deny-permission-prompts'])
      await alice.page.getByText(/does not let this page use the camera/).waitFor()
      await inspect(alice, 'no camera')
      await alice.page.getByRole('dialog').getByRole('button', { name: 'Close', exact: true }).last().click()
      await alice.page.getByRole('textbox', { name: 'Invitation link or DID' }).waitFor()
    })

    assert.deepEqual(complaints, [])
  } catch (error) {
    for (const each of nodes) console.error(`— ${each.name} —\n${each.log.slice(-4_000)}`)
    throw error
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()))
    await Promise.all(nodes.map((each) => each.kill()))
    remove()
  }
})
