/**
 * What can be done with a transfer in which state, and where it stands among the others: pure functions.
 */
import type { Message, Transfer, TransferState } from './api-types'

/** What a person can do. `dismiss`: what could not be prepared needs to be told no longer. */
export type Act = 'accept' | 'decline' | 'retry' | 'resume' | 'pause' | 'cancel' | 'withdraw' | 'dismiss' | 'save'

const THEIRS: Partial<Record<TransferState, Act[]>> = {
  offered: ['accept', 'decline'],
  queued: ['pause', 'cancel'],
  transferring: ['pause', 'cancel'],
  waiting_for_peer: ['pause', 'cancel'],
  waiting_for_room: ['resume', 'cancel'],
  paused: ['resume', 'cancel'],
}

const MINE: Partial<Record<TransferState, Act[]>> = {
  preparing: ['cancel'],
  sending: ['withdraw'],
  waiting_for_them: ['withdraw'],
  transferring: ['withdraw'],
}

/** The most likely one first. */
export function acts(transfer: Transfer): Act[] {
  const { direction, state, what } = transfer
  if (direction === 'out') return neverOffered(transfer) ? ['dismiss'] : (MINE[state] ?? [])
  if (state === 'done') return what === 'file' ? ['save'] : []
  if (state === 'failed') return transfer.retryable ? ['retry', 'cancel'] : []
  return THEIRS[state] ?? []
}

/** It failed before anybody was told of it: only then its node still says how much was read. */
export const neverOffered = ({ direction, state, bytes }: Transfer): boolean =>
  direction === 'out' && state === 'failed' && bytes !== null

const OVER: readonly TransferState[] = ['done', 'declined', 'cancelled', 'withdrawn', 'expired', 'failed']

export const isOver = ({ state }: Transfer): boolean => OVER.includes(state)

/** Its bytes can be looked at: the owner's as long as they are offered, the others' when they have arrived. */
export const isShowable = ({ direction, state }: Transfer): boolean =>
  state === 'done' || (direction === 'out' && (MINE[state]?.includes('withdraw') ?? false))

export interface Shelves {
  /** They wait for the owner to decide, the latest first. */
  undecided: Transfer[]
  /** Under way: what moves before what waits, otherwise the latest first. */
  active: Transfer[]
  /** The latest end first. */
  over: Transfer[]
}

export function shelves(all: Iterable<Transfer>): Shelves {
  const found: Shelves = { undecided: [], active: [], over: [] }
  for (const one of all) {
    if (one.state === 'offered') found.undecided.push(one)
    else found[isOver(one) ? 'over' : 'active'].push(one)
  }
  found.undecided.sort((a, b) => b.since - a.since)
  found.active.sort((a, b) => a.since - b.since)
  found.over.sort((a, b) => (b.ended ?? b.since) - (a.ended ?? a.since))
  return found
}

/**
 * The owner's to somebody of which no message tells yet: they are being read, are about to be offered, or could not be. `whole`: the
 * conversation is known from its beginning; otherwise what is older than the messages that are known may have one.
 */
export function withoutMessage(all: Iterable<Transfer>, messages: readonly Message[], whole: boolean): Transfer[] {
  const told = new Set(messages.map(({ body }) => (body.kind === 'file' ? body.offer : '')))
  const from = whole ? 0 : (messages[0]?.stored ?? 0)
  const found = [...all].filter(
    (one) =>
      one.direction === 'out' &&
      (one.state === 'preparing' || one.state === 'sending' || neverOffered(one)) &&
      !told.has(one.offer) &&
      (one.state === 'preparing' || one.since >= from),
  )
  return found.sort((a, b) => a.since - b.since)
}
