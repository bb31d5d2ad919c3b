/** A browser that reports everything a page does wrong: errors, requests that leave this machine, findings of axe. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** A name of this machine that is no loopback name: by it a page comes over plain HTTP, as browsers see it. */
export const PLAIN = 'pc2.test'
const FLAGS = [
  `--host-resolver-rules=MAP ${PLAIN} 127.0.0.1`,
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

export function openBrowser(flags = []) {
  const executablePath = PLACES.find((path) => path && existsSync(path))
  if (!executablePath) throw new Error('no Chromium was found; install it, or set CHROMIUM to where it is')
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] })
}

/** Everything that went wrong on all pages, as sentences. Empty at the end of a good test. */
export const complaints = []

/** A person with a browser of their own. `away` says when their node is down on purpose: then failed requests are no complaint; `clear` that the page comes
 * over plain HTTP, of which the browser complains. */
export async function person(browser, name, options = {}) {
  // What looks at each request sees none of a service worker's: it has a test of its own.
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, serviceWorkers: 'block', ...options })
  const state = { away: false, refused: false, clear: false }
  await context.route('**/*', (route) => {
    const { hostname } = new URL(route.request().url())
    if (['127.0.0.1', 'localhost', PLAIN].includes(hostname)) return route.continue()
    complaints.push(`${name}: the page asked for ${route.request().url()}`)
    return route.abort()
  })
  const page = await context.newPage()
  page.on('pageerror', (error) => complaints.push(`${name}: ${error.stack ?? error}`))
  page.on('console', (message) => {
    const text = message.text()
    const expected = (state.away && /ERR_CONNECTION|WebSocket/.test(text)) || (state.refused && /status of 4/.test(text)) || (state.clear && /Cross-Origin-Opener-Policy/.test(text))
    if (message.type() === 'error' && !expected) complaints.push(`${name}: console: ${text}`)
  })
  return Object.assign(state, { name, context, page })
}

const LOOKS = {
  light: { colorScheme: 'light', contrast: 'no-preference' },
  dark: { colorScheme: 'dark', contrast: 'no-preference' },
  contrast: { colorScheme: 'light', contrast: 'more' },
}

/** Looks at a page in both themes and in high contrast with axe; serious findings are complaints. Keeps a picture when SHOTS names a folder. */
export async function inspect({ page, name }, what) {
  for (const [look, media] of Object.entries(LOOKS)) {
    await page.emulateMedia({ ...media, reducedMotion: 'reduce' })
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${what} ${look}.png`.replaceAll(' ', '-') })
    // Through the debugger's door: the page's own policy would not let a script in.
    await page.evaluate(AXE)
    // Without its preloading, which puts style elements into the page that the same policy refuses.
    const { violations } = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly, preload: false }), RULES)
    for (const { impact, id, help, nodes } of violations) {
      if (impact !== 'serious' && impact !== 'critical') continue
      const where = nodes.map(({ target }) => target.join(' ')).join(', ')
      complaints.push(`${name}, ${what}, ${look}: ${impact} ${id}: ${help} (${where})`)
    }
  }
  await page.emulateMedia({ ...LOOKS.light, reducedMotion: null })
}
