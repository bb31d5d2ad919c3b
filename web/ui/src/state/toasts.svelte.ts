/**
 * Short notices, and the time to take an action back.
 *
 * A toast with `undo` can be for something done (undo does the opposite) or for something that is only done
 * when the toast goes (`commit`), where there is no opposite. Commits also happen when the page closes.
 */
const NOTICE_MS = 5_000
const UNDO_MS = 8_000

export interface Toast {
  id: number
  text: string
  tone: 'plain' | 'problem'
  undo?: () => void
  commit?: () => void
}

class Toasts {
  list = $state<Toast[]>([])
  /** Told of each one, where what happened is kept. */
  heard: ((toast: Toast) => void) | null = null
  #count = 0
  #timers = new Map<number, ReturnType<typeof setTimeout>>()

  constructor() {
    addEventListener('pagehide', () => this.#commitAll())
  }

  say(text: string): void {
    this.#add({ text, tone: 'plain' })
  }

  problem(error: unknown): void {
    this.#add({ text: error instanceof Error ? error.message : String(error), tone: 'problem' })
  }

  /** Something was done; `undo` does the opposite. */
  done(text: string, undo: () => void): void {
    this.#add({ text, tone: 'plain', undo })
  }

  /** Something will be done by `commit`, unless it is undone before. */
  pending(text: string, undo: () => void, commit: () => void): void {
    this.#add({ text, tone: 'plain', undo, commit })
  }

  undo(toast: Toast): void {
    this.#drop(toast.id)
    toast.undo?.()
  }

  dismiss(toast: Toast): void {
    this.#drop(toast.id)
    toast.commit?.()
  }

  /** Time stands still while a toast is pointed at or focused. */
  hold(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  release(): void {
    for (const toast of this.list) this.#time(toast)
  }

  #add(toast: Omit<Toast, 'id'>): void {
    const added = { ...toast, id: ++this.#count }
    // Three at most; the oldest makes room, and what it stood for is done.
    const [oldest] = this.list
    if (this.list.length >= 3 && oldest) this.dismiss(oldest)
    this.list.push(added)
    this.heard?.(added)
    this.#time(added)
  }

  #time(toast: Toast): void {
    clearTimeout(this.#timers.get(toast.id))
    this.#timers.set(toast.id, setTimeout(() => this.dismiss(toast), toast.undo ? UNDO_MS : NOTICE_MS))
  }

  #drop(id: number): void {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
    this.list = this.list.filter((toast) => toast.id !== id)
  }

  #commitAll(): void {
    for (const toast of [...this.list]) this.dismiss(toast)
  }
}

export const toasts = new Toasts()
