/**
 * Where windows are on the desktop: sizes, snapping, and the layout as it is kept in the browser. Plain functions; who opens and closes windows
 * is in `state/desk`.
 *
 * A kept layout is read as if somebody else had written it: whatever does not fit is left out.
 */

/** From the upper left corner of the desktop, in CSS pixels. */
export interface Rect {
  x: number
  y: number
  w: number
  h: number
}

export interface Area {
  w: number
  h: number
}

/** How a window fits the desktop: as large as its owner made it, all of it, a half or a quarter. */
export const FITS = ['free', 'full', 'left', 'right', 'top-left', 'top-right', 'bottom-left', 'bottom-right'] as const
export type Fit = (typeof FITS)[number]

export interface Win {
  app: string
  /** Where it is while its fit is `free`. */
  rect: Rect
  fit: Fit
  /** Put away into the dock. */
  away: boolean
  /** Where in the app it is: its address behind `#`. */
  path: string
}

/** A side or corner that is pulled: which way each of the two axes changes. */
export interface Edge {
  x: -1 | 0 | 1
  y: -1 | 0 | 1
}

export const MIN_W = 320
export const MIN_H = 240
/** Of a window at the border, so much stays within reach. */
const REACH = 96
export const TITLE_H = 40
/** So near to a side of the desktop, a window that is moved snaps. */
const SNAP = 10
/** So near to a corner it takes the quarter. */
const CORNER = 120
/** A step of the arrow keys: six steps of the 4 px grid. */
export const STEP = 24

/** More than a kept layout ever needs. */
const MAX_TEXT = 16 * 1024
const MAX_WINDOWS = 24
const MAX_PATH = 256
const FARTHEST = 20_000

const between = (low: number, value: number, high: number) => Math.max(low, Math.min(value, Math.max(low, high)))

/** A rectangle that can be reached on this desktop. */
export function within({ x, y, w, h }: Rect, area: Area): Rect {
  const width = between(Math.min(MIN_W, area.w), w, area.w)
  const height = between(Math.min(MIN_H, area.h), h, area.h)
  return { x: between(REACH - width, x, area.w - REACH), y: between(0, y, area.h - TITLE_H), w: width, h: height }
}

/** Where a window is. */
export function rectOf({ rect, fit }: Pick<Win, 'rect' | 'fit'>, area: Area): Rect {
  if (fit === 'free') return within(rect, area)
  const [w, h] = [Math.round(area.w / 2), Math.round(area.h / 2)]
  const right = fit.endsWith('right')
  const bottom = fit.startsWith('bottom')
  const [whole, tall] = [fit === 'full', !fit.includes('-')]
  return {
    x: right ? w : 0,
    y: bottom ? h : 0,
    w: whole ? area.w : right ? area.w - w : w,
    h: tall ? area.h : bottom ? area.h - h : h,
  }
}

/** Which fit a window takes that is let go with the pointer here; null leaves it where it is. */
export function snapAt(x: number, y: number, area: Area): Fit | null {
  const side = x <= SNAP ? 'left' : x >= area.w - SNAP ? 'right' : null
  if (side === null) return y <= SNAP ? 'full' : null
  if (y <= CORNER) return `top-${side}`
  return y >= area.h - CORNER ? `bottom-${side}` : side
}

/** Pulled at an edge by so much; the opposite edge stays where it is. */
export function resized(rect: Rect, edge: Edge, dx: number, dy: number, area: Area): Rect {
  const right = rect.x + rect.w
  const bottom = rect.y + rect.h
  let { x, y, w, h } = rect
  if (edge.x > 0) w = between(MIN_W, rect.w + dx, area.w - x)
  if (edge.x < 0) [x, w] = pulled(rect.x + dx, right, MIN_W)
  if (edge.y > 0) h = between(MIN_H, rect.h + dy, area.h - y)
  if (edge.y < 0) [y, h] = pulled(rect.y + dy, bottom, MIN_H)
  return { x, y, w, h }
}

function pulled(to: number, end: number, least: number): [number, number] {
  const from = between(Math.min(0, end - least), to, end - least)
  return [from, end - from]
}

/** What an arrow with the key for commands makes of a fit: sides first, then quarters; up fills the desktop, down lets go. */
export function fitBy(fit: Fit, key: 'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown'): Fit {
  const side = fit.endsWith('left') ? 'left' : fit.endsWith('right') ? 'right' : null
  switch (key) {
    case 'ArrowLeft':
      return side === 'right' ? 'free' : 'left'
    case 'ArrowRight':
      return side === 'left' ? 'free' : 'right'
    case 'ArrowUp':
      if (side === null || fit.startsWith('top')) return 'full'
      return fit.startsWith('bottom') ? side : `top-${side}`
    case 'ArrowDown':
      if (side === null || fit.startsWith('bottom')) return 'free'
      return fit.startsWith('top') ? side : `bottom-${side}`
  }
}

/** Where a window opens for the first time: in the middle, each a little beside the one before. */
export function opensAt([w, h]: readonly [number, number], nth: number, area: Area): Rect {
  const size = within({ x: 0, y: 0, w: Math.min(w, area.w - 48), h: Math.min(h, area.h - 48) }, area)
  const shift = (nth % 5) * STEP
  const x = Math.max(0, (area.w - size.w) / 2) + shift
  const y = Math.max(0, (area.h - size.h) / 3) + shift
  return { ...size, x: Math.round(between(0, x, area.w - size.w)), y: Math.round(between(0, y, area.h - size.h)) }
}

/** Nothing of `below` is seen behind `above`. */
export const covers = (above: Rect, below: Rect): boolean =>
  above.x <= below.x && above.y <= below.y && above.x + above.w >= below.x + below.w && above.y + above.h >= below.y + below.h

/** The layout as text. */
export const written = (windows: readonly Win[]): string => JSON.stringify({ windows })

/** The windows of a kept layout, lowest first; null when none was kept. `knows` says whether there is such an app, and that a path is one of its own. */
export function read(text: string | null, knows: (app: string, path: string) => boolean): Win[] | null {
  if (text === null || text.length > MAX_TEXT) return null
  try {
    const { windows } = JSON.parse(text) as { windows?: unknown }
    if (!Array.isArray(windows)) return null
    const good = windows.slice(0, MAX_WINDOWS).flatMap((one) => window(one, knows))
    return good.filter(({ app }, at) => good.findIndex((other) => other.app === app) === at)
  } catch {
    return null
  }
}

function window(value: unknown, knows: (app: string, path: string) => boolean): Win[] {
  if (typeof value !== 'object' || value === null) return []
  const { app, path, fit, away, rect } = value as Record<string, unknown>
  if (typeof app !== 'string' || typeof path !== 'string' || path.length > MAX_PATH || !knows(app, path)) return []
  const known = FITS.find((one) => one === fit)
  if (known === undefined || typeof rect !== 'object' || rect === null) return []
  const { x, y, w, h } = rect as Record<string, unknown>
  if (![x, y, w, h].every((number) => typeof number === 'number' && Math.abs(number) <= FARTHEST)) return []
  return [{ app, path, fit: known, away: away === true, rect: { x, y, w, h } as Rect }]
}
