/**
 * What of the page is loaded only when somebody looks at it, and wants to hear what the session hears. The session tells all of it, and knows none:
 * so it does not come along with the first load.
 */
import type { Frame } from '../lib/api-types'

export interface Looker {
  /** The line to the node is new, or was broken: whatever it shows may have changed. */
  fresh?(): void
  /** The same, and when the network changes. */
  changed?(): void
  /** An event, before anybody else knows it. */
  event?(frame: Frame): void
  /** Somebody signed out: nothing of theirs may stay. */
  clear(): void
}

const lookers = new Set<Looker>()

export const addLooker = (looker: Looker) => void lookers.add(looker)

export const tellLookers = (what: 'fresh' | 'changed' | 'clear') => lookers.forEach((looker) => looker[what]?.())

export const tellEvent = (frame: Frame) => lookers.forEach((looker) => looker.event?.(frame))
