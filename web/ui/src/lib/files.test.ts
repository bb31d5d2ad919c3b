import { describe, expect, it } from 'vitest'
import type { Message, Transfer } from './api-types'
import { halves, kindOf, pastedName, plainName, previewOf } from './file-names'
import { words } from './files-words'
import { duration, Pace, secondsLeft } from './pace'
import { acts, shelves, withoutMessage } from './transfer-rules'

const BOB = { label: 'Bob', online: true }

function transfer(more: Partial<Transfer> = {}): Transfer {
  return {
    id: `${more.direction ?? 'in'}.bob.${more.offer ?? '00'}`,
    peer: 'bob',
    direction: 'in',
    offer: '00',
    what: 'file',
    name: 'a.txt',
    mime: 'text/plain',
    size: 100,
    files: 1,
    since: 1_000,
    expires: 2_000,
    ended: null,
    state: 'offered',
    bytes: null,
    path: null,
    why: null,
    retryable: false,
    ...more,
  }
}

const offering = (offer: string, stored: number) =>
  ({ stored, body: { kind: 'file', offer } }) as unknown as Message

describe('a name', () => {
  it('cannot hide its ending, turn its direction or fill lines', () => {
    expect(plainName('invoice\u202efdp.exe')).toBe('invoice\ufffdfdp.exe')
    expect(plainName('a\nb\u0000c\u200bd\ufeff')).toBe('a\ufffdb\ufffdc\ufffdd\ufffd')
    expect(plainName('Grüße 東京 שלום 👩‍🚀.txt')).toContain('Grüße 東京 שלום')
  })

  it('keeps its ending in sight, and loses no letter', () => {
    expect(halves('short.txt')).toEqual(['', 'short.txt'])
    const [head, tail] = halves('The harbour at dawn, from the northern mole.mp4')
    expect(tail.endsWith('.mp4')).toBe(true)
    expect(head + tail).toBe('The harbour at dawn, from the northern mole.mp4')
    const rockets = '🚀'.repeat(40)
    expect(halves(rockets).join('')).toBe(rockets)
    expect(halves(rockets)[1]).toBe('🚀'.repeat(9))
  })

  it('is made from the time for what browsers call image.png', () => {
    const at = new Date(2026, 4, 2, 9, 5, 7)
    expect(pastedName({ name: 'image.png', type: 'image/png' }, at)).toBe('Pasted 2026-05-02 09.05.07.png')
    expect(pastedName({ name: 'image.jpeg', type: 'image/jpeg' }, at)).toBe('Pasted 2026-05-02 09.05.07.jpg')
    expect(pastedName({ name: 'Holiday.png', type: 'image/png' }, at)).toBe('Holiday.png')
    expect(pastedName({ name: '', type: '' }, at)).toBe('Pasted 2026-05-02 09.05.07.bin')
  })
})

describe('what is looked into', () => {
  it('is only what the node shows', () => {
    expect(previewOf('file', 'image/PNG')).toBe('image')
    expect(previewOf('file', 'text/markdown; charset=utf-8')).toBe('text')
    for (const never of ['image/svg+xml', 'text/html', 'application/pdf', 'application/xhtml+xml', '', 'image/']) {
      expect(previewOf('file', never), never).toBeNull()
    }
    expect(previewOf('folder', 'image/png')).toBeNull()
  })

  it('has an icon by what it seems to be', () => {
    expect(kindOf('folder', '', 'x.zip')).toBe('folder')
    expect(kindOf('file', 'video/mp4', 'x')).toBe('video')
    expect(kindOf('file', 'application/gzip', 'a.tar.gz')).toBe('archive')
    expect(kindOf('file', '', 'constructor')).toBe('other')
  })
})

describe('speed', () => {
  it('is told from two moments, not from one', () => {
    const pace = new Pace()
    pace.add(1_000, 0)
    expect(pace.speed(0)).toBeNull()
    pace.add(3_000, 1_000)
    expect(pace.speed(1_000)).toBe(2_000)
    pace.add(3_500, 2_000)
    expect(pace.speed(2_000)).toBe(1_250)
  })

  it('forgets what was long ago, and says nothing when nothing is heard', () => {
    const pace = new Pace()
    pace.add(0, 0)
    pace.add(50_000, 5_000)
    pace.add(51_000, 13_000)
    expect(pace.speed(13_000)).toBe(125)
    expect(pace.speed(18_000)).toBeNull()
  })

  it('begins anew when less is there than before', () => {
    const pace = new Pace()
    pace.add(5_000, 0)
    pace.add(100, 1_000)
    expect(pace.speed(1_000)).toBeNull()
  })

  it('makes a time that is left, where there is one', () => {
    expect(secondsLeft(50, 100, 10)).toBe(5)
    expect(secondsLeft(50, 100, 0)).toBeNull()
    expect(secondsLeft(100, 100, 10)).toBeNull()
    expect([5, 65, 3_700, 100_000, 200_000].map(duration)).toEqual(['5 s', '1 min 5 s', '1 h 1 min', '27 h 46 min', '2 days'])
    expect(words.progress(0, 0, null)).toBe('')
    expect(words.progress(999, 1_000, null)).toBe('99 %')
    expect(words.progress(512, 1_024, 512)).toBe('50 % · 512 B/s · 1 s left')
  })
})

describe('what can be done', () => {
  it('fits the state and the direction', () => {
    expect(acts(transfer())).toEqual(['accept', 'decline'])
    expect(acts(transfer({ state: 'transferring' }))).toEqual(['pause', 'cancel'])
    expect(acts(transfer({ state: 'paused' }))).toEqual(['resume', 'cancel'])
    expect(acts(transfer({ state: 'done' }))).toEqual(['save'])
    expect(acts(transfer({ state: 'done', what: 'folder' }))).toEqual([])
    expect(acts(transfer({ state: 'finishing' }))).toEqual([])
    expect(acts(transfer({ direction: 'out', state: 'waiting_for_them' }))).toEqual(['withdraw'])
    expect(acts(transfer({ direction: 'out', state: 'preparing', bytes: 3 }))).toEqual(['cancel'])
    expect(acts(transfer({ direction: 'out', state: 'done' }))).toEqual([])
  })

  it('is trying again only where that can help, and dismissing only what nobody was told of', () => {
    expect(acts(transfer({ state: 'failed', retryable: true }))).toEqual(['retry', 'cancel'])
    expect(acts(transfer({ state: 'failed' }))).toEqual([])
    expect(acts(transfer({ direction: 'out', state: 'failed', retryable: true }))).toEqual([])
    expect(acts(transfer({ direction: 'out', state: 'failed', bytes: 7 }))).toEqual(['dismiss'])
  })

  it('is said when it failed', () => {
    const why = 'the file was changed after it was offered'
    expect(words.state(transfer({ state: 'failed', why }), BOB)).toBe(
      'The file was changed after it was offered. Ask Bob to send it again.',
    )
    expect(words.state(transfer({ state: 'failed', why, retryable: true }), BOB)).toBe('The file was changed after it was offered.')
  })
})

describe('among the others', () => {
  it('what waits for a decision is first, and the latest end comes first of what is over', () => {
    const found = shelves([
      transfer({ offer: '01', state: 'done', ended: 5 }),
      transfer({ offer: '02' }),
      transfer({ offer: '03', state: 'failed', ended: 9 }),
      transfer({ offer: '04', state: 'paused' }),
    ])
    expect(found.undecided.map(({ offer }) => offer)).toEqual(['02'])
    expect(found.active.map(({ offer }) => offer)).toEqual(['04'])
    expect(found.over.map(({ offer }) => offer)).toEqual(['03', '01'])
  })

  it('what no message tells of yet is shown behind the messages, and nothing twice', () => {
    const mine = (offer: string, more: Partial<Transfer>) => transfer({ offer, direction: 'out', ...more })
    const all = [
      mine('01', { state: 'preparing', bytes: 0, since: 30 }),
      mine('02', { state: 'sending', since: 20 }),
      mine('03', { state: 'failed', bytes: 1, since: 25 }),
      mine('04', { state: 'failed', bytes: 1, since: 5 }),
      mine('05', { state: 'failed', since: 25 }),
      mine('06', { state: 'sending', since: 40 }),
      transfer({ offer: '07', state: 'queued' }),
    ]
    const messages = [offering('99', 10), offering('06', 41)]
    expect(withoutMessage(all, messages, false).map(({ offer }) => offer)).toEqual(['02', '03', '01'])
    expect(withoutMessage(all, messages, true).map(({ offer }) => offer)).toEqual(['04', '02', '03', '01'])
  })
})
