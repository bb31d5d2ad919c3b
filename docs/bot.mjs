// A bot for PC2: reads messages from the event stream and answers each once, whatever is restarted in between. Node.js 20, nothing to install.
//   pc2 key new bot --scope chat:read --scope chat:write
//   PC2_KEY=<that key> [PC2_URL=http://127.0.0.1:4200] node docs/bot.mjs
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'

const { PC2_KEY: key, PC2_URL: node = 'http://127.0.0.1:4200' } = process.env
const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
let after = null // number of the last event that was dealt with: the stream goes on behind it
/** What the bot says; null for nothing. */
const reply = (text) => `You wrote ${text.trim().split(/\s+/).length} word(s): ${text}`.slice(0, 4000)

async function api(method, path, body) {
  const answer = await fetch(node + path, { method, headers, body: JSON.stringify(body) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text || 'null')
}
/** The name of an answer follows from the message: sent twice, it is one answer. */
const nameOf = (id) => createHash('sha256').update(`${key} ${id}`).digest('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/, '$1-$2-$3-$4-$5')

async function answer({ id, conversation, mine, deleted, body, text }) {
  const said = mine || deleted || body.kind !== 'text' ? null : reply(text)
  if (said !== null) await api('POST', `/api/conversations/${conversation}/messages`, { client_id: nameOf(id), reply_to: id, text: said })
  if (!mine) await api('POST', `/api/conversations/${conversation}/read`)
}

/** What came while nobody listened, the oldest first: the node counts what was not read. A page has a hundred. */
async function catchUp() {
  for (const { did, standing, unread } of (await api('GET', '/api/contacts')).items) {
    if (standing !== 'accepted' || unread === 0) continue
    for (const message of (await api('GET', `/api/conversations/${did}/messages?limit=${Math.min(unread, 100)}`)).items) await answer(message)
  }
}

async function deal({ n, type, data }) {
  if (type === 'resync' || (type === 'hello' && !data.resumed)) await catchUp()
  if (type === 'message' && data.revision === 0) await answer(data) // higher ones were edited, or somebody reacted
  after = n
}

async function follow() {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': 13, 'sec-websocket-key': randomBytes(16).toString('base64') }
  const opening = request(`${node}/ws${after === null ? '' : `?after=${after}`}`, { headers: { ...headers, ...upgrade } })
  opening.on('response', ({ statusCode }) => opening.destroy(new Error(`refused: ${statusCode}`))).end()
  const [, socket, head] = await once(opening, 'upgrade')
  socket.setTimeout(60_000, () => socket.destroy()).unshift(head) // the node says ping every 20 seconds
  let bytes = Buffer.alloc(0) // frames of RFC 6455; a node's are whole and not masked
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk])
    for (let end; (end = endOf(bytes)) <= bytes.length; bytes = bytes.subarray(end)) {
      const text = bytes.toString('utf8', bytes[1] < 126 ? 2 : bytes[1] === 126 ? 4 : 10, end)
      if (bytes[0] === 0x81) await deal(JSON.parse(text))
    }
  }
}
const endOf = (bytes) => (bytes.length < 2 ? 2 : bytes[1] < 126 ? 2 + bytes[1] : bytes.length < 10 ? 10 : bytes[1] === 126 ? 4 + bytes.readUInt16BE(2) : 10 + Number(bytes.readBigUInt64BE(2)))

for (;; await new Promise((done) => setTimeout(done, 1_000))) await follow().catch((error) => console.error(error.message))
