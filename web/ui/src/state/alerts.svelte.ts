/**
 * Notices on the desktop, while nobody looks at the page: off until they are asked for, and then no more is said than was allowed.
 *
 * The service worker shows them, since only it knows whether one of our tabs is looked at, and answers a click when the tab is gone. Without one
 * (plain HTTP, a private window) there are none.
 */
import { kept, type Alerts as Kept } from './kept'
import { addLooker } from './lookers'
import { alertOf } from './notice-text'
import { notices, type Notice } from './notices.svelte'

/** What the service worker is told. `src/sw.js` reads it. */
type Told = { alert: { tag: string; title: string; body: string; href: string } } | { silence: string | null }

class Alerts {
  readonly possible = isSecureContext && 'serviceWorker' in navigator && 'Notification' in globalThis
  #permission = $state<NotificationPermission>(this.possible ? Notification.permission : 'denied')
  #wanted = $state<Kept | null>(kept.alerts())
  /** What may be shown now, by any of our tabs or an earlier one. */
  #shown = new Set<string>()
  readonly now = $derived<Kept | 'off' | 'denied'>(this.#permission === 'denied' ? 'denied' : this.#permission === 'granted' ? (this.#wanted ?? 'off') : 'off')

  constructor() {
    addLooker(this)
    notices.told = (notice) => this.#tell(notice)
    notices.settled = (key) => this.#silence(key)
    if (!this.possible) return
    navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<{ go?: unknown }>) => {
      // Only ever what was told to it above.
      if (typeof data.go === 'string' && data.go.startsWith('#/')) location.hash = data.go
    })
    void this.#watch()
    void navigator.serviceWorker.ready.then(async (worker) => {
      for (const { tag } of await worker.getNotifications()) this.#shown.add(tag)
    })
  }

  /** Shows none any more, or as much as `how` says; asks the browser first, which asks the person. */
  async choose(how: Kept | null): Promise<void> {
    if (how !== null && this.#permission === 'default') this.#permission = await Notification.requestPermission()
    if (how !== null && this.#permission !== 'granted') return
    this.#wanted = how
    kept.keepAlerts(how)
    if (how === null) this.#silence(null)
  }

  /** Somebody signed out, and what was kept here was forgotten. */
  clear(): void {
    this.#wanted = null
    this.#silence(null)
  }

  /** The permission can be taken back, or given, beside the address. */
  async #watch(): Promise<void> {
    try {
      const status = await navigator.permissions.query({ name: 'notifications' })
      status.onchange = () => (this.#permission = Notification.permission)
    } catch {
      // Not every browser tells; then it is read again with the page.
    }
  }

  #tell({ key, href, what }: Notice): void {
    const { now } = this
    const text = now === 'off' || now === 'denied' ? null : alertOf(what, now)
    if (text === null) return
    const [title, body] = text
    this.#shown.add(key)
    this.#post({ alert: { tag: key, title, body, href: href ?? '#/' } })
  }

  /** Takes one away, or all of them. */
  #silence(tag: string | null): void {
    if (tag === null) this.#shown.clear()
    else if (!this.#shown.delete(tag)) return
    this.#post({ silence: tag })
  }

  #post(told: Told): void {
    if (this.possible) void navigator.serviceWorker.getRegistration().then((registration) => registration?.active?.postMessage(told))
  }
}

export const alerts = new Alerts()
