/**
 * Where the page is, kept in the address behind `#`: so back, forward, reload and bookmarks work, and nothing
 * of it reaches a server's log.
 */
export type Route =
  | { at: 'chats' }
  | { at: 'requests' }
  | { at: 'transfers' }
  | { at: 'person'; did: string }
  | { at: 'sign-in'; token: string }

function parse(hash: string): Route {
  const [, first = '', second = ''] = hash.replace(/^#/, '').split('/')
  if (first === 'sign-in' && second) return { at: 'sign-in', token: second }
  if (first === 'transfers') return { at: 'transfers' }
  if (first === 'requests') return { at: 'requests' }
  if (first === 'chat' && second) return { at: 'person', did: decode(second) }
  return { at: 'chats' }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const hrefs = {
  chats: '#/',
  requests: '#/requests',
  transfers: '#/transfers',
  person: (did: string) => `#/chat/${did}`,
}

class Place {
  route = $state<Route>(parse(location.hash))

  constructor() {
    addEventListener('hashchange', () => (this.route = parse(location.hash)))
  }

  go(href: string): void {
    location.hash = href
  }

  /** Goes there without leaving the present place in the history: for links that work once. */
  replace(href: string): void {
    history.replaceState(null, '', href)
    this.route = parse(href)
  }
}

export const place = new Place()
