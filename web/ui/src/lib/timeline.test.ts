import { describe, expect, it } from 'vitest'
import type { Message } from './api-types'
import { firstOfUnread, linked, merge, refresh, requoted, rows, withState } from './timeline'

const NOON = new Date(2026, 4, 20, 12).getTime()
const MINUTE = 60_000

function message(order: number, more: Partial<Message> = {}): Message {
  return {
    id: `m${order}`,
    conversation: 'did:boson:bob',
    sender: more.mine ? 'alice' : 'bob',
    mine: false,
    body: { kind: 'text' },
    text: `text ${order}`,
    reply_to: null,
    quote: null,
    edited_at: null,
    deleted: false,
    disappears_after: null,
    reactions: [],
    revision: 0,
    state: 'received',
    at: NOON + order * MINUTE,
    stored: NOON,
    order: String(order).padStart(4, '0'),
    chain_broken: false,
    ...more,
  }
}

const ids = (messages: readonly Message[]) => messages.map(({ id }) => id)

describe('merge', () => {
  it('puts messages in order and shows each once, as far as it came', () => {
    const known = [message(1), message(3, { mine: true, state: 'waiting' })]
    const merged = merge(known, [message(2), message(3, { mine: true, state: 'delivered' })])
    expect(ids(merged)).toEqual(['m1', 'm2', 'm3'])
    expect(merged[2]?.state).toBe('delivered')
  })

  it('does not let an answer that was overtaken take a state back', () => {
    const known = [message(1, { mine: true, state: 'delivered' }), message(2)]
    expect(merge(known, [message(1, { mine: true, state: 'waiting' })])[0]?.state).toBe('delivered')
    expect(merge(known, [message(1, { mine: true, state: 'stored' })])[0]?.state).toBe('delivered')
    expect(merge(known, [message(1, { mine: true, state: 'read' })])[0]?.state).toBe('read')
  })

  it('takes a late message in at its place, not at the end', () => {
    expect(ids(merge([message(1), message(5)], [message(3)]))).toEqual(['m1', 'm3', 'm5'])
  })
})

describe('what becomes of a message', () => {
  it('shows the newest picture of it, and the furthest state of either', () => {
    const known = [message(1, { mine: true, state: 'delivered', text: 'old' })]
    const edited = message(1, { mine: true, state: 'waiting', text: 'new', edited_at: NOON, revision: 1 })
    const merged = merge(known, [edited])
    expect(merged[0]).toMatchObject({ text: 'new', state: 'delivered', revision: 1 })
    expect(merge(merged, known)[0]).toMatchObject({ text: 'new', revision: 1 })
  })

  it('takes no other message for it that claims its id', () => {
    const mine = message(1, { mine: true, text: 'mine' })
    expect(merge([mine, message(2)], [message(3, { id: 'm1', text: 'forged', revision: 9 })])[0]).toEqual(mine)
  })

  it('stands above its answers as it is now, also when it is gone', () => {
    const quote = { id: 'm1', mine: false, text: 'secret', deleted: false, order: message(1).order }
    const known = [message(2, { quote }), message(3)]
    const gone = requoted(known, message(1, { text: '', deleted: true, revision: 1 }))
    expect(gone[0]?.quote).toMatchObject({ text: '', deleted: true })
    expect(gone[1]).toBe(known[1])
    expect(requoted(gone, message(1, { text: '', deleted: true, revision: 1 }))).toBe(gone)
    expect(requoted(known, message(4, { id: 'm1', text: 'forged' }))).toBe(known)
  })

  it('is quoted as briefly as the node does it, and cuts no character in two', () => {
    const quote = { id: 'm1', mine: false, text: '', deleted: false, order: message(1).order }
    const [answer] = requoted([message(2, { quote })], message(1, { text: '😂'.repeat(300) }))
    expect(answer?.quote?.text).toBe('😂'.repeat(200))
  })
})

describe('refresh', () => {
  const cursor = (order: number) => message(order).order

  it('takes over what the pages say and keeps what came by events meanwhile', () => {
    const known = [message(4, { text: 'old' }), message(5), message(7)]
    const fresh = refresh(known, { items: [message(4, { text: 'new', revision: 1 }), message(5), message(6)], before: cursor(4), after: null }, known.slice(0, 2))
    expect(ids(fresh.messages)).toEqual(['m4', 'm5', 'm6', 'm7'])
    expect(fresh.messages[0]?.text).toBe('new')
    expect(fresh.before).toBe(cursor(4))
  })

  it('drops what lies before the pages: it may be edited or deleted by now', () => {
    const known = [message(1), message(2), message(8)]
    const fresh = refresh(known, { items: [message(8), message(9)], before: cursor(8), after: null }, known)
    expect(ids(fresh.messages)).toEqual(['m8', 'm9'])
  })

  it('drops what disappeared since it was read, also the newest, and not what came while the pages were read', () => {
    const asked = [message(1), message(2), message(4)]
    const fresh = refresh([...asked, message(5)], { items: [message(2), message(3)], before: null, after: null }, asked)
    expect(ids(fresh.messages)).toEqual(['m2', 'm3', 'm5'])
  })

  it('knows the beginning when the page is the whole conversation', () => {
    expect(refresh([message(2)], { items: [message(1), message(2)], before: null, after: null }, []).before).toBeNull()
  })

  it('keeps what is newer than a page of nothing but reactions', () => {
    expect(ids(refresh([message(1), message(4)], { items: [], before: cursor(2), after: null }, []).messages)).toEqual(['m4'])
  })
})

describe('withState', () => {
  it('changes one message and leaves an unknown one alone', () => {
    const known = [message(1, { mine: true, state: 'waiting' }), message(2)]
    expect(withState(known, 'm1', 'delivered')[0]?.state).toBe('delivered')
    expect(withState(known, 'nobody', 'delivered')).toBe(known)
  })
})

describe('rows', () => {
  it('begins each day with its date', () => {
    const nextDay = message(2, { at: NOON + 24 * 60 * MINUTE })
    expect(rows([message(1), nextDay], null).map(({ kind }) => kind)).toEqual(['day', 'message', 'day', 'message'])
  })

  it('groups messages of one sender that are minutes apart, and nothing else', () => {
    const items = rows([message(1), message(2), message(3, { mine: true }), message(30, { mine: true })], null)
    const shape = items.flatMap((item) => (item.kind === 'message' ? [[item.opens, item.closes]] : []))
    expect(shape).toEqual([
      [true, false],
      [false, true],
      [true, true],
      [true, true],
    ])
  })

  it('marks the first unread message', () => {
    const messages = [message(1), message(2), message(3)]
    const first = firstOfUnread(messages, 2)
    expect(first).toBe('m2')
    expect(rows(messages, first).map(({ kind }) => kind)).toEqual(['day', 'message', 'unread', 'message', 'message'])
  })

  it('needs no mark when nothing was read before', () => {
    expect(firstOfUnread([message(1), message(2)], 2)).toBeNull()
    expect(firstOfUnread([message(1)], 0)).toBeNull()
  })
})

describe('linked', () => {
  it('finds web addresses and leaves the sentence around them', () => {
    expect(linked('See https://example.org/a?b=1, please.')).toEqual([
      { text: 'See ', href: null },
      { text: 'https://example.org/a?b=1', href: 'https://example.org/a?b=1' },
      { text: ', please.', href: null },
    ])
  })

  it('makes no link of a scheme that can act', () => {
    expect(linked('javascript:alert(1) data:text/html,x')).toEqual([
      { text: 'javascript:alert(1) data:text/html,x', href: null },
    ])
  })

  it('never loses a character', () => {
    for (const text of ['', 'https://', 'https://a.b https://[broken (https://c.d)', 'x https://e.f.']) {
      expect(linked(text).map((part) => part.text).join('')).toBe(text)
    }
  })
})
