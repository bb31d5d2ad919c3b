import { describe, expect, it } from 'vitest'
import { fits, plain } from './fuzzy'

const best = (query: string, ...texts: string[]) =>
  texts
    .map((text) => ({ text, score: fits(plain(query), plain(text)) }))
    .filter(({ score }) => score !== null)
    .sort((a, b) => (b.score ?? 0) - (a.score ?? 0))
    .map(({ text }) => text)

describe('finding by a few letters', () => {
  it('beginnings come first, then words, then pieces', () => {
    expect(best('net', 'Cabinet', 'My network', 'Network')).toEqual(['Network', 'My network', 'Cabinet'])
  })

  it('initials are enough, and a word may be skipped', () => {
    expect(best('bh', 'Bob of the Harbour', 'Alice')).toEqual(['Bob of the Harbour'])
    expect(best('sinwal', 'Sign-ins, wallets and keys', 'Settings')).toEqual(['Sign-ins, wallets and keys'])
  })

  it('case and accents do not matter', () => {
    expect(best('zoe', 'Zoë', 'Bob')).toEqual(['Zoë'])
    expect(best('ÅSA', 'åsa')).toEqual(['åsa'])
  })

  it('letters strewn about by accident find nothing', () => {
    expect(best('nou', 'Wants to become your contact, says Magnus')).toEqual([])
    expect(best('xyz', 'Network')).toEqual([])
  })

  it('signs that mean something to regular expressions mean themselves', () => {
    expect(best('(.*', 'Bob (.*)', 'Alice')).toEqual(['Bob (.*)'])
    expect(best('', 'Bob')).toEqual(['Bob'])
  })
})
