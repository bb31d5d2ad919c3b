import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Transfer } from '../lib/api-types'

const OFFER = 'c1b11e77003e6c460c1895c978dee882'
const one = (more: Partial<Transfer> = {}) =>
  ({ id: 'in.bob.1', offer: OFFER, direction: 'in', state: 'offered', bytes: null, size: 100, ...more }) as Transfer

const { transfers } = await import('./transfers.svelte')

describe('transfers', () => {
  beforeEach(() => transfers.clear())

  it('are not taken back by an answer that was overtaken by events', () => {
    transfers.changed(one({ state: 'transferring', bytes: 50 }))
    transfers.added(one({ state: 'preparing', bytes: 0 }))
    expect(transfers.get('in.bob.1')?.state).toBe('transferring')
  })

  it('keep events that come while the list is read', async () => {
    const list = { transfers: [one(), one({ id: 'in.bob.2', offer: 'ff'.repeat(16) })] }
    vi.stubGlobal('fetch', async () => {
      transfers.changed(one({ state: 'paused' }))
      transfers.removed('in.bob.2')
      return new Response(JSON.stringify(list))
    })
    await transfers.load()
    expect(transfers.phase).toBe('ready')
    expect(transfers.get('in.bob.1')?.state).toBe('paused')
    expect(transfers.get('in.bob.2')).toBeUndefined()
    vi.unstubAllGlobals()
  })

  it('are counted while they wait for a decision, and no longer once one is made', () => {
    transfers.changed(one())
    expect(transfers.undecided).toBe(1)
    transfers.ending('in.bob.1', 'declined')
    expect(transfers.undecided).toBe(0)
    transfers.ending('in.bob.1', undefined)
    expect(transfers.undecided).toBe(1)
  })

  it('keep how much is there while they stand still', () => {
    transfers.changed(one({ state: 'transferring', bytes: 40 }))
    transfers.changed(one({ state: 'paused' }))
    expect(transfers.get('in.bob.1')?.bytes).toBe(40)
    transfers.changed(one({ state: 'finishing' }))
    expect(transfers.get('in.bob.1')?.bytes).toBe(100)
  })

  it('know the message that tells of them, which has the same bytes for a name', () => {
    transfers.changed(one())
    // As a node named both.
    expect(transfers.offeredBy('QvEov1gV6qCgqdpCTdDCs3')).toBe(true)
    expect(transfers.offeredBy('2yR4tBWg5EU1QLZ2iSnHUC')).toBe(false)
  })
})
