import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Message, MessagePage } from '../lib/api-types'
import { Thread } from './thread.svelte'

const one = (number: number, more: Partial<Message> = {}) =>
  ({ id: `m${number}`, order: `00${number}`.slice(-3), text: `text ${number}`, quote: null, deleted: false, revision: 0, state: 'received', ...more }) as Message

/** The node answers with these pages, by their cursor; the newest has none. */
function node(pages: Record<string, MessagePage>) {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string) => {
    const cursor = new URL(url, 'http://localhost').searchParams.get('before') ?? ''
    asked.push(cursor)
    return new Response(JSON.stringify(pages[cursor]))
  })
  return asked
}

const texts = (thread: Thread) => thread.messages.map(({ text }) => text)

describe('a conversation', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('does not show an early message alone that was edited before anything was read', async () => {
    const thread = new Thread('bob')
    thread.put(one(1, { text: 'edited', revision: 1 }))
    const asked = node({ '': { items: [one(8), one(9)], before: '008', after: null } })
    await thread.load()
    expect(texts(thread)).toEqual(['text 8', 'text 9'])
    expect(asked).toEqual([''])
  })

  it('takes a deleted text out above its answers, also when the message itself lies beyond what was read', async () => {
    const thread = new Thread('bob')
    const quote = { id: 'm1', mine: false, text: 'secret', deleted: false, order: '001' }
    node({ '': { items: [one(9, { quote })], before: '008', after: null } })
    await thread.load()
    thread.put(one(1, { text: '', deleted: true, revision: 1 }))
    expect(thread.messages.map(({ id, quote }) => [id, quote?.text])).toEqual([['m9', '']])
  })

  it('edits the message that is just being saved, not the one before it', async () => {
    const mine = { mine: true, body: { kind: 'text' } } as Partial<Message>
    const thread = new Thread('bob')
    thread.put(one(1, mine))
    let answer = (_: Response) => {}
    vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => (answer = resolve)))
    const sent = thread.send('text 2')
    const edited = thread.editLast()
    expect(thread.editing).toBe(null)
    answer(new Response(JSON.stringify(one(2, { ...mine, id: thread.outgoing[0]?.id }))))
    await Promise.all([sent, edited])
    expect(thread.editing).toMatchObject({ text: 'text 2' })
  })

  it('edits nothing while the last message could not be saved', async () => {
    const thread = new Thread('bob')
    thread.put(one(1, { mine: true, body: { kind: 'text' } } as Partial<Message>))
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('nobody answers')))
    await thread.send('text 2')
    await thread.editLast()
    expect(thread.editing).toBe(null)
  })

  it('reads again what it had read when events may have been missed', async () => {
    const thread = new Thread('bob')
    const pages: Record<string, MessagePage> = { '': { items: [one(8), one(9)], before: '008', after: null }, '008': { items: [one(5)], before: '005', after: null } }
    node(pages)
    await thread.load()
    await thread.loadOlder()
    expect(texts(thread)).toEqual(['text 5', 'text 8', 'text 9'])
    pages['008'] = { items: [one(5, { text: '', deleted: true, revision: 1 })], before: '005', after: null }
    await thread.load()
    expect(texts(thread)).toEqual(['', 'text 8', 'text 9'])
    expect(thread.before).toBe('005')
  })

  it('keeps the draft aside while a message is edited', () => {
    const thread = new Thread('bob')
    thread.draft = 'half a sentence'
    thread.edit(one(1, { mine: true }))
    thread.edit(one(2, { mine: true }))
    expect(thread.draft).toBe('text 2')
    thread.answer(one(3))
    expect([thread.draft, thread.editing, thread.answering?.id]).toEqual(['half a sentence', null, 'm3'])
  })

  /** A conversation of messages 1 to `last`, as the node pages it. */
  function long(last: number) {
    const page = (from: number, to: number): MessagePage => {
      const items = Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => one(from + at))
      return { items, before: from > 1 ? (items[0]?.order ?? null) : null, after: to < last ? (items.at(-1)?.order ?? null) : null }
    }
    vi.stubGlobal('fetch', async (url: string) => {
      const asked = new URL(url, 'http://localhost').searchParams
      const limit = Number(asked.get('limit'))
      const number = (name: string) => Number(asked.get(name)?.replace('m', ''))
      const answer = asked.has('around')
        ? page(Math.max(1, number('around') - limit / 2), Math.min(last, number('around') + limit / 2))
        : asked.has('after')
          ? page(number('after') + 1, Math.min(last, number('after') + limit))
          : page(Math.max(1, (number('before') || last + 1) - limit), (number('before') || last + 1) - 1)
      return new Response(JSON.stringify(answer))
    })
  }

  const range = (thread: Thread) => [thread.messages[0]?.id, thread.messages.at(-1)?.id, thread.messages.length]

  it('keeps a few hundred messages, however far one scrolls, and comes back without a hole', async () => {
    long(999)
    const thread = new Thread('bob')
    await thread.load()
    for (let page = 0; page < 10; page++) await thread.loadOlder()
    expect(range(thread)).toEqual(['m450', 'm849', 400])
    expect(thread.after).toBe('849')
    thread.put(one(1000, { order: '9990' }))
    expect(range(thread)).toEqual(['m450', 'm849', 400])
    while (thread.after !== null) await thread.loadNewer()
    expect(range(thread)).toEqual(['m600', 'm999', 400])
    expect(thread.messages.every(({ id }, at) => id === `m${600 + at}`)).toBe(true)
    expect(thread.before).toBe('600')
  })

  it('lets go what is far back as new ones come, but nothing that somebody reads', async () => {
    long(450)
    const thread = new Thread('bob')
    await thread.load()
    const come = (from: number, to: number) => {
      for (let number = from; number <= to; number++) thread.put(one(number))
    }
    come(451, 900)
    expect(range(thread)).toEqual(['m501', 'm900', 400])
    expect(thread.before).toBe('501')
    thread.following = false
    come(901, 950)
    expect(range(thread)).toEqual(['m501', 'm900', 400])
    expect(thread.after).toBe('900')
  })

  it('goes to a message far back, reads again around it after missed events, and goes back to the newest', async () => {
    long(999)
    const thread = new Thread('bob')
    await thread.load()
    expect(await thread.goTo('m300')).toBe(true)
    expect(range(thread)).toEqual(['m275', 'm325', 51])
    await thread.load()
    expect(range(thread)).toEqual(['m250', 'm350', 101])
    await thread.toNewest()
    expect(range(thread)).toEqual(['m950', 'm999', 50])
    expect(thread.after).toBe(null)
  })

  it('forgets what was asked for before a jump', async () => {
    long(999)
    const thread = new Thread('bob')
    await thread.load()
    const older = thread.loadOlder()
    await thread.goTo('m300')
    await older
    expect(range(thread)).toEqual(['m275', 'm325', 51])
  })
})
