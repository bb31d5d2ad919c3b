import { describe, expect, it } from 'vitest'
import { briefly, daysAgo, initials, shortDid } from './format'
import { base58, newMessageId } from './ids'
import { waitMs } from './live'

describe('base58', () => {
  it('agrees with the known vectors of the Bitcoin alphabet', () => {
    const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))
    expect(base58(bytes(''))).toBe('')
    expect(base58(bytes('00010966776006953d5567439e5e39f86a0d273beed61967f6'))).toBe(
      '16UwLL9Risc3QfPqBUvKofHmBQ7wMtjvM',
    )
    expect(base58(bytes('0000287fb4cd'))).toBe('11233QC4')
  })

  it('gives each message a name of its own', () => {
    expect(newMessageId()).not.toBe(newMessageId())
  })
})

describe('dates', () => {
  it('counts calendar days, not spans of 24 hours', () => {
    const late = new Date(2026, 2, 28, 23, 59).getTime()
    const early = new Date(2026, 2, 29, 0, 1).getTime()
    expect(daysAgo(late, early)).toBe(1)
    expect(daysAgo(early, early)).toBe(0)
    // The night in which Europe's clocks go forward has 23 hours.
    expect(daysAgo(new Date(2026, 2, 28, 12).getTime(), new Date(2026, 2, 30, 12).getTime())).toBe(2)
  })

  it('says yesterday', () => {
    const now = new Date(2026, 4, 20, 9).getTime()
    expect(briefly(now - 24 * 3_600_000, now)).toBe('Yesterday')
  })
})

describe('people', () => {
  it('makes letters of names, whatever is in them', () => {
    expect(initials('Bob Lindqvist')).toBe('BL')
    expect(initials('Theo (climbing)')).toBe('TC')
    expect(initials('Øyvind')).toBe('Ø')
    expect(initials('…')).toBe('?')
  })

  it('keeps both ends of a DID', () => {
    expect(shortDid('did:boson:FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z')).toBe('FVen3X…9nS96Z')
  })
})

describe('waiting for the node', () => {
  it('doubles, never exceeds a quarter of a minute and is never at once', () => {
    expect(waitMs(0, 0)).toBe(250)
    expect(waitMs(3, 1)).toBe(4_000)
    expect(waitMs(400, 1)).toBe(15_000)
  })
})
