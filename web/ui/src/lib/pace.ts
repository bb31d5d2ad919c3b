/**
 * How fast something goes, told from how far it was at some moments: at least two, of the last ten seconds.
 *
 * Not here: clocks. Moments are milliseconds that are passed in.
 */
const WINDOW_MS = 10_000
/** Without news for longer than this nothing is said about speed. */
const STALE_MS = 4_000
/** Moments closer together say more about when events were sent than about speed. */
const SHORTEST_MS = 700

export class Pace {
  #seen: { at: number; bytes: number }[] = []

  /** It is this far now. */
  add(bytes: number, at: number): void {
    const last = this.#seen[this.#seen.length - 1]
    // It began anew.
    if (last && bytes < last.bytes) this.#seen = []
    // A repetition, as an answer brings it, says nothing new.
    if (last && bytes === last.bytes) return
    this.#seen = [...this.#seen.filter((one) => at - one.at <= WINDOW_MS), { at, bytes }]
  }

  /** It stands still. */
  stop(): void {
    this.#seen = []
  }

  /** Bytes a second; null when it cannot be told. */
  speed(now: number): number | null {
    const first = this.#seen[0]
    const last = this.#seen[this.#seen.length - 1]
    if (!first || !last || last.at - first.at < SHORTEST_MS || now - last.at > STALE_MS) return null
    return (1000 * (last.bytes - first.bytes)) / (last.at - first.at)
  }
}

/** Seconds until it is all there; null when it cannot be told. */
export function secondsLeft(bytes: number, size: number, speed: number | null): number | null {
  return speed === null || speed <= 0 || bytes >= size ? null : Math.ceil((size - bytes) / speed)
}

/** A time as one says it: no seconds where there are hours. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const hours = Math.floor(seconds / 3_600)
  if (hours < 48) return `${hours} h ${Math.floor((seconds % 3_600) / 60)} min`
  return `${Math.floor(hours / 24)} days`
}
