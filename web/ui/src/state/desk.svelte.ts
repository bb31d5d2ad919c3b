/**
 * The desktop: which apps are open, where their windows are, and which is in front.
 *
 * The address names the place of the app in front, so going somewhere opens its app, and what comes to the front sets the address. Kept in this
 * browser, and there again after a reload. On a narrow screen there is one app at a time, and windows only remember where they were.
 */
import { appNamed, apps } from '../lib/apps'
import { covers, fitBy, opensAt, read, rectOf, resized, STEP, within, written, type Area, type Fit, type Rect, type Win } from '../lib/windows'
import { kept } from './kept'
import { appOf, hrefs, place } from './route.svelte'

/** A phone, however it is held. */
const NARROW = '(max-width: 719px), (pointer: coarse) and (max-height: 519px)'
const FIRST = 'chat'

const knows = (app: string, path: string) => appNamed(app) !== undefined && appOf(path) === app
/** The app that the address asks for. */
const wanted = () => appNamed(appOf(place.href) ?? '')?.id

class Desk {
  /** Lowest first. */
  windows = $state.raw<readonly Win[]>([])
  area = $state.raw<Area>({ w: innerWidth, h: innerHeight })
  narrow = $state(false)
  /** Where a window would go that is being moved. */
  ghost = $state.raw<Rect | null>(null)
  /** A dialog that belongs to no window. */
  overlay = $state<'commands' | 'connect' | 'keys' | 'notices' | null>(null)
  readonly #shown = $derived(this.windows.filter(({ away }) => !away))
  /** The app in front; null when none is open. */
  readonly front = $derived(this.#shown.at(-1)?.app ?? null)

  constructor() {
    const narrow = matchMedia(NARROW)
    this.narrow = narrow.matches
    narrow.addEventListener('change', () => (this.narrow = narrow.matches))
  }

  /** The desktop as it was kept, and what the address asks for in front. */
  start(): void {
    const layout = read(kept.desk(), knows)
    this.windows = layout ?? []
    for (const { app, path } of this.windows) if (app !== wanted()) place.remember(path)
    if (layout === null && !wanted()) this.#open(FIRST, 'full')
    this.arrive()
  }

  stop(): void {
    this.windows = []
    this.overlay = null
  }

  of(app: string): Win | undefined {
    return this.windows.find((one) => one.app === app)
  }

  rect(win: Win): Rect {
    return rectOf(win, this.area)
  }

  /** How high a window lies. */
  height(app: string): number {
    return this.windows.findIndex((one) => one.app === app)
  }

  /** Somebody who looks at the page sees something of this app. */
  sees(app: string): boolean {
    const at = this.#shown.findIndex((one) => one.app === app)
    const win = this.#shown[at]
    if (!win) return false
    if (this.narrow) return this.front === app
    return !this.#shown.slice(at + 1).some((above) => covers(this.rect(above), this.rect(win)))
  }

  /** Where an app is, or where it begins. */
  href(app: string): string {
    return this.of(app)?.path ?? (app === FIRST ? hrefs.chats : `#/${app}`)
  }

  /** The address is another: its app comes to the front. What leads nowhere leads back to what is in front. */
  arrive(): void {
    const app = wanted()
    if (app === undefined) return this.#settle()
    if (!this.of(app)) this.#open(app, this.windows.length === 0 && app === FIRST ? 'full' : 'free')
    this.#top(app, { path: place.href, away: false })
  }

  /** Something of a window was touched or focused. */
  raise(app: string): void {
    const win = this.of(app)
    if (win && this.front !== app) place.replace(win.path)
  }

  close(app: string): void {
    this.windows = this.windows.filter((one) => one.app !== app)
    this.#settle()
  }

  putAway(app: string): void {
    this.#change(app, { away: true })
    this.#settle()
  }

  fit(app: string, fit: Fit): void {
    this.#change(app, { fit })
  }

  fitBy(app: string, key: Parameters<typeof fitBy>[1]): void {
    const win = this.of(app)
    if (win) this.fit(app, fitBy(win.fit, key))
  }

  /** Between filling the desktop and its own size. */
  turn(app: string): void {
    const win = this.of(app)
    if (win) this.fit(app, win.fit === 'full' ? 'free' : 'full')
  }

  /** To a place of its own. It is not kept before `save`: a move has many. */
  put(app: string, rect: Rect): void {
    this.windows = this.windows.map((one) => (one.app === app ? { ...one, rect: within(rect, this.area), fit: 'free' } : one))
  }

  /** A step by an arrow key: of its place, or of its size. */
  step(app: string, dx: number, dy: number, what: 'place' | 'size'): void {
    const win = this.of(app)
    if (!win) return
    const rect = this.rect(win)
    const by = { x: dx * STEP, y: dy * STEP }
    this.put(app, what === 'place' ? { ...rect, x: rect.x + by.x, y: rect.y + by.y } : resized(rect, { x: 1, y: 1 }, by.x, by.y, this.area))
    this.save()
  }

  /** The next window, or the one before, comes to the front. In the order of the dock: the order on the desktop changes with each step. */
  next(step: 1 | -1): void {
    const open = apps.filter(({ id }) => this.#shown.some((one) => one.app === id)).map(({ id }) => id)
    const to = open.at((open.indexOf(this.front ?? '') + step) % open.length)
    if (to !== undefined) this.raise(to)
  }

  save(): void {
    kept.keepDesk(written(this.windows))
  }

  #open(app: string, fit: Fit): void {
    const size = appNamed(app)?.size ?? [760, 640]
    const win: Win = { app, path: this.href(app), fit, away: false, rect: opensAt(size, this.windows.length, this.area) }
    this.windows = [...this.windows, win]
  }

  #top(app: string, to: Partial<Win>): void {
    const win = this.of(app)
    if (!win) return
    this.windows = [...this.windows.filter((one) => one !== win), { ...win, ...to }]
    this.save()
  }

  #change(app: string, to: Partial<Win>): void {
    this.windows = this.windows.map((one) => (one.app === app ? { ...one, ...to } : one))
    this.save()
  }

  /** The address follows what is in front now. */
  #settle(): void {
    const href = this.of(this.front ?? '')?.path ?? hrefs.desk
    if (place.href !== href) place.replace(href)
    this.save()
  }
}

export const desk = new Desk()
