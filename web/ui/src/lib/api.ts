/**
 * The node's HTTP API, one function a route. Beside `files-api` the only file that fetches. Routes of the network screen are in its state.
 *
 * Every failure is an `ApiError` with a stable code and a sentence for people. When the node says "busy,
 * try again" (503), it is tried again here, a few times, as it asks.
 */
import type {
  AddContact,
  Contact,
  ContactList,
  Identity,
  Invitation,
  Message,
  MessagePage,
  Problem,
  SendMessage,
  Session,
} from './api-types'
import { words } from './strings'

const TIMEOUT_MS = 20_000
const BUSY_TRIES = 4

export class ApiError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, problem: Problem) {
    super(problem.message)
    this.status = status
    this.code = problem.code
  }

  /** Nobody answered: the same request may be sent again later. */
  get unanswered(): boolean {
    return this.status === 0
  }

  get signedOut(): boolean {
    return this.status === 401
  }
}

/** Nobody answers. */
export const unreachable = () => new ApiError(0, { code: 'unreachable', message: words.problem.unreachable })

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** For one route; those of what is read later stand where they are used. */
export async function call<T>(method: Method, path: string, body?: unknown, init: RequestInit = {}): Promise<T> {
  for (let tried = 1; ; tried++) {
    const response = await request(method, path, body, init)
    if (response.ok) return (response.status === 204 ? undefined : await answer(response)) as T
    const retryAfter = response.headers.get('retry-after')
    if (response.status === 503 && retryAfter !== null && tried < BUSY_TRIES) {
      await pause(1000 * Number(retryAfter))
      continue
    }
    throw new ApiError(response.status, told(response.status, await response.text().catch(() => '')))
  }
}

async function request(method: Method, path: string, body: unknown, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...init,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
  } catch {
    throw unreachable()
  }
}

async function answer(response: Response): Promise<unknown> {
  const text = await response.text()
  return text === '' ? undefined : JSON.parse(text)
}

/** What an answer with an error says. */
export function told(status: number, text: string): Problem {
  try {
    const body = JSON.parse(text) as Partial<Problem>
    if (typeof body.code === 'string' && typeof body.message === 'string') {
      return { code: body.code, message: sentence(body.message) }
    }
  } catch {
    // Not JSON: something between the page and the node answered.
  }
  return { code: 'unknown', message: words.problem.status(status) }
}

/** The node words its errors without capital and full stop, so that they fit into other sentences. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(begun) ? begun : `${begun}.`
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))
const contact = (did: string) => `/api/contacts/${encodeURIComponent(did)}`
const conversation = (did: string) => `/api/conversations/${encodeURIComponent(did)}`

export const api = {
  signIn: (token: string) => call<void>('POST', '/auth/link', { token }),
  signOut: () => call<void>('POST', '/auth/logout'),
  session: () => call<Session>('GET', '/auth/session'),

  identity: () => call<Identity>('GET', '/api/identity'),
  setName: (name: string) => call<Identity>('PATCH', '/api/identity', { name }),
  invite: () => call<Invitation>('POST', '/api/invitations'),

  contacts: () => call<ContactList>('GET', '/api/contacts'),
  addContact: (wanted: AddContact) => call<Contact>('POST', '/api/contacts', wanted),
  rename: (did: string, alias: string | null) => call<Contact>('PATCH', contact(did), { alias }),
  accept: (did: string) => call<Contact>('POST', `${contact(did)}/accept`),
  block: (did: string) => call<Contact>('POST', `${contact(did)}/block`),
  unblock: (did: string) => call<void>('POST', `${contact(did)}/unblock`),
  /** `keepalive` lets it outlive the page, for removals whose Undo ends because the page closes. */
  remove: (did: string) => call<void>('DELETE', contact(did), undefined, { keepalive: true }),

  messages: (did: string, { limit, ...cursor }: { limit: number; before?: string; after?: string }) => {
    const query = new URLSearchParams({ limit: String(limit), ...cursor })
    return call<MessagePage>('GET', `${conversation(did)}/messages?${query}`)
  },
  around: (did: string, around: string, limit: number) => {
    const query = new URLSearchParams({ limit: String(limit), around })
    return call<MessagePage>('GET', `${conversation(did)}/messages?${query}`)
  },
  send: (did: string, message: SendMessage) => call<Message>('POST', `${conversation(did)}/messages`, message),

  markRead: (did: string) => call<void>('POST', `${conversation(did)}/read`),
}
