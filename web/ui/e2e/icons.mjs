/**
 * Draws the PNGs that browsers want beside public/icon.svg. Run by hand when that changes: node e2e/icons.mjs
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { openBrowser } from './browser.mjs'

const svg = readFileSync(new URL('../public/icon.svg', import.meta.url), 'utf8')
const dir = new URL('../public/icons/', import.meta.url).pathname
mkdirSync(dir, { recursive: true })

/** With a background to its edges, and nothing in the outer tenth: systems cut it to a shape of their own. */
const whole = svg.replace('viewBox="0 0 32 32"', 'viewBox="-4 -4 40 40"').replace(/<rect[^>]*>/, '<rect x="-4" y="-4" width="40" height="40" fill="#0e6a78"/>')

const browser = await openBrowser()
for (const [name, size, picture] of [['192', 192, svg], ['512', 512, svg], ['maskable', 512, whole], ['touch', 180, whole]]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } })
  await page.setContent(`<style>html,body{margin:0}svg{display:block;width:100vw;height:100vh}</style>${picture}`)
  await page.screenshot({ path: `${dir}${name}.png`, omitBackground: true })
  await page.close()
}
await browser.close()
