/** Whether this browser offers to install the page as an app, and the service worker that opens it when the node is away. Both only where the context is secure. */

/** Not among the types of TypeScript: only some browsers have it. */
interface InstallOffer extends Event {
  prompt(): Promise<unknown>
}

class Install {
  #offer = $state.raw<InstallOffer | null>(null)
  /** The browser can be asked to install it. */
  readonly offered = $derived(this.#offer !== null)
  /** It runs as an app of its own already. */
  readonly standalone = matchMedia('(display-mode: standalone)').matches
  readonly secure = isSecureContext && 'serviceWorker' in navigator

  constructor() {
    addEventListener('beforeinstallprompt', (event) => {
      event.preventDefault()
      this.#offer = event as InstallOffer
    })
    addEventListener('appinstalled', () => (this.#offer = null))
  }

  start(): void {
    // While developing, the page of a moment ago would come from it.
    if (!this.secure || import.meta.env.DEV) return
    navigator.serviceWorker.register('/sw.js').catch(() => {
      // A browser may refuse (private windows): then the page opens only when the node is there.
    })
  }

  async ask(): Promise<void> {
    const offer = this.#offer
    this.#offer = null
    await offer?.prompt()
  }
}

export const install = new Install()
