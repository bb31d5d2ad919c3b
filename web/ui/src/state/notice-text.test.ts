import { expect, test, vi } from 'vitest'
import type { Transfer } from '../lib/api-types'
import { alertOf } from './notice-text'
import type { What } from './notices.svelte'

// Nobody is known: then a DID stands for the name.
vi.mock('./contacts.svelte', () => ({ contacts: { get: () => undefined } }))

const did = 'did:boson:FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z'
const messages: What = { kind: 'messages', did, count: 2, text: 'at the harbour' }
const file: What = { kind: 'transfer', transfer: { peer: did, name: 'plan.pdf', state: 'offered', direction: 'in' } as Transfer }
const all = (how: 'all' | 'who' | 'bare') => [messages, file].map((what) => (alertOf(what, how) ?? []).join(' | '))

test('a notification says no more than was allowed', () => {
  expect(all('all').join()).toMatch(/harbour.*plan\.pdf/)
  expect(all('who').join()).toMatch(/FVen.*FVen/)
  expect(all('who').join()).not.toMatch(/harbour|plan/)
  expect(all('bare').join()).not.toMatch(/harbour|plan|FVen/)
})

test('what is told on the page alone is no notification', () => {
  expect(alertOf({ kind: 'line', up: false }, 'all')).toBeNull()
  expect(alertOf({ kind: 'toast', text: 'Copied', tone: 'plain' } as What, 'all')).toBeNull()
})
