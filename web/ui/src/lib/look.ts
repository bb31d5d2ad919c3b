/** The look of the page: as the system has it, or as it was chosen in this browser. `public/look.js` applies it. */
export type Theme = 'system' | 'light' | 'dark'
export interface Look {
  theme: Theme
  /** More contrast, also where the system does not ask for it. */
  more: boolean
}

/** Not among what is forgotten at sign-out: it says nothing about anybody, and the sign-in page has a look, too. */
const KEY = 'pc2-look'

export function look(): Look {
  const [theme, more] = kept().split(' ')
  return { theme: theme === 'light' || theme === 'dark' ? theme : 'system', more: more === 'more' }
}

export function setLook({ theme, more }: Look): void {
  try {
    localStorage.setItem(KEY, `${theme} ${more ? 'more' : 'system'}`)
  } catch {
    // A browser may refuse storage: then it stays as the system has it.
  }
  dispatchEvent(new Event(KEY))
}

/** Calls when it was changed, here or in another tab, until the returned function is called. */
export function onLook(changed: () => void): () => void {
  addEventListener(KEY, changed)
  addEventListener('storage', changed)
  return () => {
    removeEventListener(KEY, changed)
    removeEventListener('storage', changed)
  }
}

function kept(): string {
  try {
    return localStorage.getItem(KEY) ?? ''
  } catch {
    return ''
  }
}
