import { expect, test } from 'vitest'
import type { SecurityEntry } from './api-types'
import { browser, line } from './doors-words'

const entry = (of: Partial<SecurityEntry>): SecurityEntry => ({
  number: 1,
  at: 1,
  by: null,
  what: 'link_used',
  wallet: null,
  role: null,
  label: null,
  count: null,
  ...of,
})
const address = '0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1'

test('a browser is told as people call it', () => {
  const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36'
  const safari = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1 (KHTML, like Gecko) Version/19 Safari/605.1'
  const firefox = 'Mozilla/5.0 (Android 15; Mobile; rv:148.0) Gecko/148.0 Firefox/148.0'
  expect(browser(chrome)).toBe('Chrome on Linux')
  expect(browser(`${chrome.replace('X11; Linux x86_64', 'Windows NT 10.0')} Edg/148.0`)).toBe('Edge on Windows')
  expect(browser(safari)).toBe('Safari on macOS')
  expect(browser(firefox)).toBe('Firefox on Android')
  expect(browser('curl/8.5')).toBe('curl/8.5')
  expect(browser('')).toBe('A browser')
})

test('what happened is told in a line, with its number and who did it', () => {
  expect(line(entry({}))).toBe('Signed in by a link')
  expect(line(entry({ what: 'wallet_used', count: 1, by: address }))).toBe('Signed in (by 0x1a64…14F1)')
  expect(line(entry({ what: 'wallet_used', count: 3, by: address }))).toBe('Signed in 3 times (by 0x1a64…14F1)')
  expect(line(entry({ what: 'refused', count: 12 }))).toBe('12 sign-ins were refused')
  expect(line(entry({ what: 'wallet_added', wallet: address, role: 'admin' }))).toBe('0x1a64…14F1 added as admin')
})
