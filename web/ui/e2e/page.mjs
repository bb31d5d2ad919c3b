/** Where things are on the page, and what people do there again and again. */
import assert from 'node:assert/strict'

/** What a message must do within a second on an idle machine gets more on a busy one. */
export const SOON = 15_000

export const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }

export const compose = ({ page }, name) => page.getByRole('textbox', { name: `Message to ${name}` })
export const log = ({ page }, name) => page.getByRole('log', { name: `Messages with ${name}` })
export const row = ({ page }, name) =>
  page.getByRole('region', { name: 'Chats' }).getByRole('list').getByRole('link', { name: new RegExp(name) })

export const dock = ({ page }, app) =>
  page.getByRole('navigation', { name: 'Apps' }).getByRole('link', { name: new RegExp(`^${app}`) })

/** Brings an app to the front by the dock. The returned place is its window, or its screen on a phone. */
export async function open(who, app) {
  // A click on what is in front would put it away.
  if ((await dock(who, app).getAttribute('aria-current')) === null) await dock(who, app).click()
  const place = who.page.getByRole('region', { name: app, exact: true }).first()
  await place.waitFor()
  return place
}

export async function close(who, app) {
  const place = await open(who, app)
  await place.getByRole('button', { name: `Close ${app}` }).click()
  await place.waitFor({ state: 'detached' })
}

export async function say(who, to, text) {
  await compose(who, to).fill(text)
  await compose(who, to).press('Enter')
}

export const hears = (who, from, text) => log(who, from).getByText(text, { exact: true }).waitFor({ timeout: SOON })

export async function signIn(who, node) {
  await who.page.goto(await node.link())
  await who.page.getByRole('heading', { name: 'Chats' }).waitFor()
  assert.ok(!who.page.url().includes('sign-in'), 'the secret of the link is gone from the address')
}

/** Asks the node of a page, as the page would. */
export const ask = ({ page }, method, path, body) =>
  page.evaluate(
    async ([method, path, body]) => {
      const init = body === null ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      const answer = await fetch(path, { method, ...init })
      return JSON.parse((await answer.text()) || 'null')
    },
    [method, path, body ?? null],
  )

export const frame = ({ page }, app) => page.getByRole('region', { name: app, exact: true }).first()
export const bar = ({ page }, app) => page.getByRole('button', { name: `Move or resize ${app}` })

/** Waits until an app is in front: what brings it there may be on its way when the last step returns. */
export const inFront = ({ page }, app) => page.getByRole('navigation', { name: 'Apps' }).locator('[aria-current] .label', { hasText: new RegExp(`^\\s*${app}\\s*$`) }).waitFor()

export const commandField = ({ page }) => page.getByRole('combobox', { name: /^Search people/ })
/** Opens the command box, types, and takes what is then chosen first, which must be `option`. */
export async function command(who, text, option) {
  await who.page.keyboard.press('Control+k')
  await commandField(who).waitFor()
  await who.page.keyboard.type(text)
  await who.page.getByRole('option', { name: option, selected: true }).waitFor()
  await who.page.keyboard.press('Enter')
  await commandField(who).waitFor({ state: 'detached' })
}
