/** Finding messages by what they say: how the node is asked. */
import { call } from './api'
import type { SearchPage } from './api-types'

/** A pause in typing, in milliseconds: a search for each letter would be one too many. */
export const PAUSE_MS = 150

/** What is found; `conversation` is the DID of a person, `before` where an earlier page ended. */
export function findMessages(wanted: { q: string; limit: number; conversation?: string | undefined; before?: string | null }): Promise<SearchPage> {
  const { q, limit, conversation, before } = wanted
  const parameters = new URLSearchParams({ q, limit: String(limit), ...(conversation ? { conversation } : {}), ...(before ? { before } : {}) })
  return call('GET', `/api/search?${parameters.toString().replaceAll('+', '%20')}`)
}
