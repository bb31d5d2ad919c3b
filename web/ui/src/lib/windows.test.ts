import { describe, expect, it } from 'vitest'
import { covers, fitBy, MIN_H, MIN_W, opensAt, read, rectOf, resized, snapAt, TITLE_H, within, written, type Fit, type Win } from './windows'

const area = { w: 1201, h: 761 }
const rect = { x: 100, y: 50, w: 600, h: 400 }
const win: Win = { app: 'chat', path: '#/chat', fit: 'free', away: false, rect }
const knows = (app: string, path: string) => app === 'chat' ? path.startsWith('#/chat') : app === 'network' && path === '#/network'

describe('where windows are', () => {
  it('halves and quarters fill the desktop without a gap or an overlap, also when it is odd', () => {
    for (const fits of [['left', 'right'], ['top-left', 'top-right', 'bottom-left', 'bottom-right'], ['full']] as Fit[][]) {
      const all = fits.map((fit) => rectOf({ rect, fit }, area))
      expect(all.reduce((sum, { w, h }) => sum + w * h, 0)).toBe(area.w * area.h)
      for (const { x, y, w, h } of all) expect(x >= 0 && y >= 0 && x + w <= area.w && y + h <= area.h).toBe(true)
    }
  })

  it('a window can always be reached by its bar, however small the desktop became', () => {
    for (const small of [area, { w: 400, h: 300 }, { w: 200, h: 100 }]) {
      for (const far of [rect, { x: -9_000, y: -9_000, w: 5, h: 5 }, { x: 9_000, y: 9_000, w: 9_000, h: 9_000 }]) {
        const { x, y, w } = within(far, small)
        expect(y).toBeGreaterThanOrEqual(0)
        expect(y).toBeLessThanOrEqual(Math.max(0, small.h - TITLE_H))
        expect(x + w).toBeGreaterThanOrEqual(96)
        expect(x).toBeLessThanOrEqual(small.w - 96)
      }
    }
  })

  it('let go at a side it takes the half, at a corner the quarter, at the top everything', () => {
    expect(snapAt(2, 400, area)).toBe('left')
    expect(snapAt(1_200, 400, area)).toBe('right')
    expect(snapAt(0, 40, area)).toBe('top-left')
    expect(snapAt(1_200, 740, area)).toBe('bottom-right')
    expect(snapAt(600, 0, area)).toBe('full')
    expect(snapAt(600, 760, area)).toBeNull()
    expect(snapAt(600, 400, area)).toBeNull()
  })

  it('pulled at one edge, the opposite one stays', () => {
    const left = resized(rect, { x: -1, y: -1 }, -40, 30, area)
    expect(left).toEqual({ x: 60, y: 80, w: 640, h: 370 })
    const least = resized(rect, { x: -1, y: -1 }, 5_000, 5_000, area)
    expect(least).toEqual({ x: 700 - MIN_W, y: 450 - MIN_H, w: MIN_W, h: MIN_H })
    expect(resized(rect, { x: 1, y: 1 }, 9_000, 9_000, area)).toEqual({ ...rect, w: area.w - 100, h: area.h - 50 })
    expect(resized(rect, { x: 1, y: 0 }, -9_000, 7, area)).toEqual({ ...rect, w: MIN_W })
  })

  it('arrows go from side to quarter to all, and back', () => {
    expect(fitBy('free', 'ArrowLeft')).toBe('left')
    expect(fitBy('left', 'ArrowUp')).toBe('top-left')
    expect(fitBy('top-left', 'ArrowDown')).toBe('left')
    expect(fitBy('left', 'ArrowDown')).toBe('bottom-left')
    expect(fitBy('bottom-left', 'ArrowDown')).toBe('free')
    expect(fitBy('left', 'ArrowRight')).toBe('free')
    expect(fitBy('free', 'ArrowUp')).toBe('full')
    expect(fitBy('full', 'ArrowDown')).toBe('free')
  })

  it('windows open within the desktop, each beside the one before', () => {
    for (let nth = 0; nth < 12; nth++) {
      const { x, y, w, h } = opensAt([1_040, 720], nth, area)
      expect(x >= 0 && y >= 0 && x + w <= area.w && y + h <= area.h).toBe(true)
    }
    expect(opensAt([600, 400], 0, area)).not.toEqual(opensAt([600, 400], 1, area))
  })

  it('what is covered entirely is not seen', () => {
    expect(covers(rectOf({ rect, fit: 'full' }, area), rect)).toBe(true)
    expect(covers(rect, rectOf({ rect, fit: 'full' }, area))).toBe(false)
  })
})

describe('a kept layout', () => {
  const put = (windows: unknown) => read(JSON.stringify({ windows }), knows)

  it('comes back as it was', () => {
    const windows: Win[] = [{ ...win, fit: 'left', path: '#/chat/did:boson:x' }, { ...win, app: 'network', path: '#/network', away: true }]
    expect(read(written(windows), knows)).toEqual(windows)
  })

  it('that is none is none, and an empty one is empty', () => {
    for (const text of [null, '', '{', '[]', '7', 'null', '{"windows":7}', `{"windows":[],"x":"${'x'.repeat(20_000)}"}`]) expect(read(text, knows)).toBeNull()
    expect(put([])).toEqual([])
  })

  it('leaves out what does not fit', () => {
    const bad = [
      { ...win, app: 'evil' },
      { ...win, app: 7 },
      { ...win, path: 'javascript:alert(1)' },
      { ...win, path: `#/chat/${'x'.repeat(300)}` },
      { ...win, fit: 'constructor' },
      { ...win, rect: null },
      { ...win, rect: { ...rect, x: '1' } },
      { ...win, rect: { ...rect, w: 1e99 } },
      { ...win, rect: { ...rect, h: null } },
      null,
      [],
      'chat',
    ]
    expect(put(bad)).toEqual([])
    expect(put([...bad, win, { ...win, fit: 'full' }])).toEqual([win])
    expect(put([{ ...win, away: 'yes', more: 1 }])).toEqual([win])
    expect(put(Array.from({ length: 100 }, () => win))).toEqual([win])
  })
})
