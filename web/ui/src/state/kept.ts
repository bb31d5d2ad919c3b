/**
 * What a person wrote and the node does not have yet, kept in this browser until it does: drafts, and
 * messages that could not be handed over; where their windows are, and what may be told on the desktop. Forgotten at sign-out.
 */
export interface Unsaved {
  id: string
  text: string
  at: number
  /** The message it answers. */
  reply_to: string | null
}

const PREFIX = 'pc2.'
const draftKey = (did: string) => `${PREFIX}draft.${did}`
const unsavedKey = (did: string) => `${PREFIX}unsaved.${did}`
const DESK = `${PREFIX}desk`
const ALERTS = `${PREFIX}alerts`

/** How much notifications of the desktop say. */
export type Alerts = 'all' | 'who' | 'bare'

export const kept = {
  draft: (did: string): string => read(draftKey(did)) ?? '',
  keepDraft: (did: string, text: string) => write(draftKey(did), text === '' ? null : text),
  unsaved: (did: string): Unsaved[] => parse(read(unsavedKey(did))),
  keepUnsaved: (did: string, list: Unsaved[]) =>
    write(unsavedKey(did), list.length === 0 ? null : JSON.stringify(list)),

  /** Whose messages wait to be handed over. */
  withUnsaved: (): string[] => keys(unsavedKey('')).map((key) => key.slice(unsavedKey('').length)),

  /** Which windows are where (`lib/windows` reads it). */
  desk: (): string | null => read(DESK),
  keepDesk: (text: string) => write(DESK, text),

  /** Whether there are notifications of the desktop, and what they say. */
  alerts(): Alerts | null {
    const how = read(ALERTS)
    return how === 'all' || how === 'who' || how === 'bare' ? how : null
  },
  keepAlerts: (how: Alerts | null) => write(ALERTS, how),

  forget(): void {
    for (const key of keys(PREFIX)) write(key, null)
  },
}

function parse(text: string | null): Unsaved[] {
  try {
    const list = JSON.parse(text ?? '[]') as unknown
    // Those of an earlier version of the page answer nothing.
    return Array.isArray(list) ? list.filter(isUnsaved).map((one) => ({ ...one, reply_to: typeof one.reply_to === 'string' ? one.reply_to : null })) : []
  } catch {
    return []
  }
}

function isUnsaved(value: unknown): value is Unsaved {
  const { id, text, at } = (value ?? {}) as Partial<Unsaved>
  return typeof id === 'string' && typeof text === 'string' && typeof at === 'number'
}

// A browser may refuse storage (private windows, full): then drafts last as long as the page.
function read(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function write(key: string, text: string | null): void {
  try {
    if (text === null) localStorage.removeItem(key)
    else localStorage.setItem(key, text)
  } catch {
    // See above.
  }
}

function keys(prefix: string): string[] {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(prefix))
  } catch {
    return []
  }
}
