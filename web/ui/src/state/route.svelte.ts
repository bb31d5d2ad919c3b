/**
 * Where the page is, kept in the address behind `#`: so back, forward, reload and bookmarks work, and nothing
 * of it reaches a server's log. It is the place of the app in front; where the others are is in `desk`.
 */
export type ChatRoute = { at: 'chats' } | { at: 'requests' } | { at: 'person'; did: string; message: string | null }
export type Route =
  | ChatRoute
  /** Nowhere in particular: the desktop as it was. */
  | { at: 'desk' }
  /** In another app; `section` is what the app makes of it. */
  | { at: 'app'; app: string; section: string }
  | { at: 'sign-in'; token: string }

function parse(hash: string): Route {
  const [, first = '', second = '', third = ''] = hash.replace(/^#/, '').split('/')
  if (first === '') return { at: 'desk' }
  if (first === 'sign-in' && second) return { at: 'sign-in', token: second }
  if (first === 'requests') return { at: 'requests' }
  if (first === 'chat') return second ? { at: 'person', did: decode(second), message: third || null } : { at: 'chats' }
  return { at: 'app', app: first, section: decode(second) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const isChat = (route: Route): route is ChatRoute => route.at === 'chats' || route.at === 'requests' || route.at === 'person'

/** The app that an address belongs to; null when to none. */
export function appOf(href: string): string | null {
  const route = parse(href)
  return isChat(route) ? 'chat' : route.at === 'app' ? route.app : null
}

export const hrefs = {
  desk: '#/',
  chats: '#/chat',
  requests: '#/requests',
  transfers: '#/transfers',
  network: '#/network',
  settings: (section = '') => `#/settings${section && `/${section}`}`,
  programs: (id = '') => `#/programs${id && `/${id}`}`,
  person: (did: string) => `#/chat/${did}`,
  message: (did: string, id: string) => `#/chat/${did}/${id}`,
}

class Place {
  route = $state.raw<Route>({ at: 'desk' })
  /** Where the chat is, also while something else is in front of it. */
  chat = $state.raw<ChatRoute>({ at: 'chats' })
  /** Where each of the other apps is within itself. */
  sections = $state.raw<Readonly<Record<string, string>>>({})

  constructor() {
    this.#arrive()
    addEventListener('hashchange', () => this.#arrive())
  }

  get href(): string {
    return location.hash
  }

  go(href: string): void {
    location.hash = href
  }

  /** Goes there without leaving the present place in the history: for links that work once, and for what comes to the front by itself. */
  replace(href: string): void {
    history.replaceState(null, '', href)
    this.#arrive()
  }

  /** An app that is not in front is there. */
  remember(href: string): void {
    const route = parse(href)
    if (isChat(route)) this.chat = route
    else if (route.at === 'app') this.sections = { ...this.sections, [route.app]: route.section }
  }

  #arrive(): void {
    this.route = parse(location.hash)
    this.remember(location.hash)
  }
}

export const place = new Place()
