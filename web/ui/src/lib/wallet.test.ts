import { expect, test, vi } from 'vitest'
import { discover, hex, refusal, short, type Wallet } from './wallet'
import { words } from './wallet-words'

test('each wallet is told once, and what is none is not', () => {
  const page = new EventTarget()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  vi.stubGlobal('dispatchEvent', page.dispatchEvent.bind(page))
  const announce = (detail: unknown) => page.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
  const request = async () => null
  const wallet = (uuid: string): Wallet => ({ info: { uuid, name: uuid }, provider: { request } })
  page.addEventListener('eip6963:requestProvider', () => announce(wallet('here already')))

  const found: string[] = []
  const stop = discover(({ info }) => found.push(info.uuid))
  for (const detail of [wallet('late'), wallet('late'), null, {}, { info: { uuid: 'no name' } }, { info: wallet('x').info }]) {
    announce(detail)
  }
  stop()
  announce(wallet('after the end'))
  expect(found).toEqual(['here already', 'late'])
  vi.unstubAllGlobals()
})

test('a text is asked for as its bytes', () => {
  expect(hex('aé\n')).toBe('0x61c3a90a')
})

test('the no of a person, a question that is open and anything else are told apart', () => {
  expect(refusal({ code: 4001 })).toBe(words.refused)
  expect(refusal({ code: -32002 })).toBe(words.open)
  for (const error of [{ code: 4200 }, new Error('x'), null, 'x']) expect(refusal(error)).toBe(words.failed)
})

test('an address is told by both its ends', () => {
  expect(short('0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1')).toBe('0x1a64…14F1')
})
