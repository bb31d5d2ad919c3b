/**
 * What a conversation looks like, computed from its messages: pure functions.
 *
 * `order` places a message: text that sorts as the node sorts. The same message can arrive several times and in any order (a
 * page, an event, the answer to sending it); it is shown once, as far as it is known to have come.
 */
import type { Message, MessagePage, MessageState } from './api-types'
import { daysAgo } from './format'

/** Messages of one sender closer than this stand together. */
const GROUP_MS = 5 * 60_000

export type Item =
  | { kind: 'day'; key: string; at: number }
  | { kind: 'unread'; key: string }
  | { kind: 'message'; key: string; message: Message; opens: boolean; closes: boolean }

/**
 * How far a state is: a message only ever goes on, but that mailboxes may lose what they kept. So an answer that was overtaken by an event
 * is known as the older one.
 */
const FAR: Record<MessageState, number> = { waiting: 0, stored: 0, not_delivered: 1, delivered: 2, read: 3, received: 4 }

/** Messages in order, each once, in the furthest state it was seen in, with the latest of what became of it. */
export function merge(known: readonly Message[], newer: readonly Message[]): Message[] {
  const newest = known[known.length - 1]
  const [only] = newer
  if (newer.length === 1 && only && newest && only.order > newest.order && !known.some(({ id }) => id === only.id)) {
    return [...known, only]
  }
  const byId = new Map(known.map((message) => [message.id, message]))
  for (const message of newer) {
    const before = byId.get(message.id)
    byId.set(message.id, before ? later(before, message) : message)
  }
  return [...byId.values()].sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
}

/** One message from two pictures of it. Another message that claims the same id is none. */
function later(before: Message, message: Message): Message {
  if (message.order !== before.order) return before
  const picture = message.revision >= before.revision ? message : before
  const { state } = FAR[message.state] >= FAR[before.state] ? message : before
  return picture.state === state ? picture : { ...picture, state }
}

/** How much of a message stands above its answer, in characters: as the node says it. */
const QUOTED = 200

/** The same messages; whatever answers one that changed says what that is now. A deleted text is not to stay above its answers. */
export function requoted(known: readonly Message[], changed: Message): readonly Message[] {
  const { id, order, deleted } = changed
  const text = [...changed.text].slice(0, QUOTED).join('')
  const isStale = ({ quote }: Message) =>
    quote?.id === id && quote.order === order && (quote.text !== text || quote.deleted !== deleted)
  if (!known.some(isStale)) return known
  return known.map((message) =>
    message.quote && isStale(message) ? { ...message, quote: { ...message.quote, text, deleted } } : message,
  )
}

/**
 * Brings a conversation up to date with its newest pages: at first, and after events may have been missed. What is known from before them is
 * dropped: it may be edited or deleted by now, and a hole in the middle would look like a whole. So is what was known when they were asked for (`asked`)
 * and is not in them: it disappeared. What came meanwhile stays.
 */
export function refresh(
  known: readonly Message[],
  page: MessagePage,
  asked: readonly Message[],
): { messages: Message[]; before: string | null } {
  const { items, before } = page
  const still = new Set(items.map(({ id }) => id))
  const gone = new Set(asked.filter(({ id }) => !still.has(id)).map(({ id }) => id))
  const kept = known.filter(({ id, order }) => !gone.has(id) && (before === null || order >= before))
  return { messages: merge(kept, items), before }
}

/** Whether I may change what it says, or take it back. */
export const mayEdit = ({ mine, deleted, body }: Message) => mine && !deleted && body.kind === 'text'

/** The same messages, one of them in a new state. */
export function withState(known: readonly Message[], id: string, state: MessageState): readonly Message[] {
  const at = known.findLastIndex((message) => message.id === id)
  const message = known[at]
  return message ? known.with(at, { ...message, state }) : known
}

/** The rows to draw: days, a mark before the first unread message, and messages grouped by sender. */
export function rows(messages: readonly Message[], firstUnread: string | null): Item[] {
  const items: Item[] = []
  messages.forEach((message, index) => {
    const previous = messages[index - 1]
    const next = messages[index + 1]
    const newDay = !previous || daysAgo(previous.at, message.at) !== 0
    if (newDay) items.push({ kind: 'day', key: `day ${message.id}`, at: message.at })
    if (message.id === firstUnread) items.push({ kind: 'unread', key: 'unread' })
    items.push({
      kind: 'message',
      key: message.id,
      message,
      opens: newDay || message.id === firstUnread || !together(previous, message),
      closes: !next || next.id === firstUnread || daysAgo(message.at, next.at) !== 0 || !together(message, next),
    })
  })
  return items
}

const together = (a: Message, b: Message) => a.sender === b.sender && Math.abs(b.at - a.at) < GROUP_MS

/** The first of the last `unread` messages of the other person; null when there is none, or nothing read before it. */
export function firstOfUnread(messages: readonly Message[], unread: number): string | null {
  const theirs = messages.filter((message) => !message.mine)
  const first = unread > 0 ? theirs[Math.max(0, theirs.length - unread)] : undefined
  return first && first !== messages[0] ? first.id : null
}

export type Part = { text: string; href: string | null }

/** A text with its web addresses found. Only http and https: other schemes can do things. */
export function linked(text: string): Part[] {
  const parts: Part[] = []
  let from = 0
  for (const match of text.matchAll(/https?:\/\/[^\s<>"]+/g)) {
    // What follows an address in a sentence is not part of it.
    const href = match[0].replace(/[.,;:!?'’)\]]+$/, '')
    if (!URL.canParse(href)) continue
    if (match.index > from) parts.push({ text: text.slice(from, match.index), href: null })
    parts.push({ text: href, href })
    from = match.index + href.length
  }
  if (from < text.length) parts.push({ text: text.slice(from), href: null })
  return parts
}
