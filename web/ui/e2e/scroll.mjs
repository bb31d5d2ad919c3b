/**
 * A long list of contacts and a long conversation, scrolled in a real browser: are frames missed, does the page stop?
 *
 * In: PC2_BIN (a release build), CONTACTS (1,000), MESSAGES (100,000), SLOW (1; 4 is a phone's processor). Out: a line of Markdown for each list: how long the gaps
 * between frames were while it was scrolled from end to end by the wheel, and the tasks that took longer than 50 ms. Not part of `npm test`: filling the node takes a minute.
 * Timings are no tests, so nothing fails because it is slow.
 */
import { generateKeyPairSync } from 'node:crypto'
import { openBrowser, person } from './browser.mjs'
import { Node, place } from './nodes.mjs'
import { SOON, signIn } from './page.mjs'

const number = (name, usual) => Number(process.env[name] ?? usual)
const CONTACTS = number('CONTACTS', 1_000)
const MESSAGES = number('MESSAGES', 100_000)
const SLOW = number('SLOW', 1)
/** Requests under way at once. */
const AT_ONCE = 32
/** How far the wheel goes each time, and how often. */
const STEP_PX = 400
const STEPS = 150

const DIGITS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** Somebody nobody knows. */
function stranger() {
  const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const key = Buffer.from(x, 'base64url')
  let [left, text] = [BigInt(`0x${key.toString('hex')}`), '']
  for (; left > 0n; left /= 58n) text = DIGITS[Number(left % 58n)] + text
  const zeros = key.findIndex((byte) => byte !== 0)
  return `did:boson:${'1'.repeat(zeros)}${text}`
}

/** What the command line may; asked again while the node says that it is busy. */
async function ask(node, method, path, body) {
  for (;;) {
    const headers = { authorization: `Bearer ${node.token}`, 'content-type': 'application/json' }
    const answer = await fetch(node.origin + path, { method, headers, body: body && JSON.stringify(body) })
    if (answer.ok) return answer.status === 204 ? null : answer.json().catch(() => null)
    const text = await answer.text()
    if (![409, 429, 503].includes(answer.status)) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

/** Does something so often, some at once. */
async function often(times, act) {
  let next = 0
  const worker = async () => {
    while (next < times) await act(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** Scrolls a box, and says what the page did meanwhile. */
async function scrolled(page, box, direction) {
  await box.hover()
  await page.evaluate(() => {
    const seen = { gaps: [], tasks: [] }
    window.seen = seen
    let last = performance.now()
    const frame = (now) => {
      seen.gaps.push(now - last)
      last = now
      if (window.seen === seen) requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
    new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })
  })
  for (let step = 0; step < STEPS; step++) {
    await page.mouse.wheel(0, STEP_PX * direction)
    await page.waitForTimeout(16)
  }
  return page.evaluate(() => {
    const { gaps, tasks } = window.seen
    window.seen = null
    gaps.shift()
    return { gaps: gaps.sort((a, b) => a - b), tasks }
  })
}

function told(what, { gaps, tasks }, rows) {
  const at = (share) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))].toFixed(1)
  const longest = Math.max(0, ...tasks).toFixed(0)
  console.log(`| ${what} | ${at(0.5)} | ${at(0.95)} | ${at(0.99)} | ${at(1)} | ${tasks.length} (longest ${longest} ms) | ${rows} |`)
}

const ground = place()
const browser = await openBrowser()
const nodes = []
try {
  const [host, friend] = await Promise.all(['Host', 'Friend'].map((name) => Node.make(process.env.PC2_BIN, name, ground.root)))
  nodes.push(host, friend)
  for (const node of nodes) node.options = ['--yes']
  await host.start()
  await friend.start(host.address)
  const { link } = await ask(host, 'POST', '/api/invitations')
  await ask(friend, 'POST', '/api/contacts', { invitation: link })
  const { did } = await ask(host, 'GET', '/api/identity')
  for (;;) {
    const { standing } = await ask(friend, 'GET', `/api/contacts/${did}`)
    if (standing === 'accepted') break
    await new Promise((done) => setTimeout(done, 50))
  }
  await often(MESSAGES, (n) => {
    const id = `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
    return ask(friend, 'POST', `/api/conversations/${did}/messages`, { client_id: id, text: `Line ${n}: a text as people write it, some longer than others.` })
  })
  await often(CONTACTS, (n) => ask(host, 'POST', '/api/contacts', { did: stranger(), text: `Hello, number ${n}` }))

  const reader = await person(browser, 'reader')
  const { page } = reader
  if (SLOW > 1) await (await page.context().newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: SLOW })
  await signIn(reader, host)
  const people = page.locator('.people .list')
  await people.locator('a[data-did]').nth(CONTACTS - 1).waitFor({ state: 'attached', timeout: SOON })
  console.log('| scrolled | frame p50 ms | p95 | p99 | longest | tasks over 50 ms | rows in the page |\n|---|---|---|---|---|---|---|')
  told(`${CONTACTS} contacts, down`, await scrolled(page, people, 1), await people.locator('a[data-did]').count())
  told(`${CONTACTS} contacts, up`, await scrolled(page, people, -1), await people.locator('a[data-did]').count())
  await page.goto(`${host.origin}/#/chat/${(await ask(friend, 'GET', '/api/identity')).did}`)
  const messages = page.getByRole('log')
  await messages.getByText(`Line ${MESSAGES - 1}:`).waitFor({ timeout: SOON })
  const rows = () => messages.locator('[id^="message-"]').count()
  told(`${MESSAGES} messages, up`, await scrolled(page, messages, -1), await rows())
  told(`${MESSAGES} messages, down`, await scrolled(page, messages, 1), await rows())
} finally {
  await browser.close()
  await Promise.all(nodes.map((node) => node.kill()))
  ground.remove()
}
