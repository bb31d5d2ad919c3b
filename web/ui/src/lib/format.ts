/** Dates, sizes and ids as people read them. */
import { words } from './strings'

const time = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' })
const shortWeekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' })
const dayOfYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const dayOfAnyYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' })
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
const moment = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', hour: 'numeric', minute: '2-digit' })

/** Local calendar days from `at` until `now`; negative when it lies ahead. */
export function daysAgo(at: number, now: number): number {
  const midnight = (ms: number) => new Date(ms).setHours(0, 0, 0, 0)
  // Days have 23 to 25 hours where clocks are changed.
  return Math.round((midnight(now) - midnight(at)) / 86_400_000)
}

export const clock = (at: number): string => time.format(at)
export const exactly = (at: number): string => full.format(at)
export const until = (at: number): string => moment.format(at)

/** The heading of a day in a conversation. */
export function day(at: number, now: number): string {
  const ago = daysAgo(at, now)
  if (ago === 0) return words.chat.today
  if (ago === 1) return words.chat.yesterday
  if (ago > 1 && ago < 7) return weekday.format(at)
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? dayOfYear.format(at) : dayOfAnyYear.format(at)
}

/** The time beside a conversation in the list: as short as it can be and still be clear. */
export function briefly(at: number, now: number): string {
  const ago = daysAgo(at, now)
  if (ago <= 0) return clock(at)
  if (ago === 1) return words.chat.yesterday
  return ago < 7 ? shortWeekday.format(at) : shortDay.format(at)
}

/** A DID short enough for a line: its beginning and end, which people compare. */
export function shortDid(did: string): string {
  const id = did.replace('did:boson:', '')
  return id.length > 14 ? `${id.slice(0, 6)}…${id.slice(-6)}` : id
}

/** One or two letters for a round picture. */
export function initials(label: string): string {
  const parts = label.match(/[\p{L}\p{N}]+/gu) ?? []
  const picked = parts.length > 1 ? [parts[0], parts[1]] : parts
  return picked.map((part) => [...(part ?? '')][0] ?? '').join('').toUpperCase() || '?'
}

const encoder = new TextEncoder()
export const byteLength = (text: string): number => encoder.encode(text).length
