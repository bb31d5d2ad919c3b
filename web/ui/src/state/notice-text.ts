/** What a notice says in words: in the panel of notices, and on the desktop of whoever wants that. */
import { words as alert } from '../lib/alert-words'
import { line } from '../lib/doors-words'
import { plainName } from '../lib/file-names'
import { words as files } from '../lib/files-words'
import { shortDid } from '../lib/format'
import { words } from '../lib/notice-words'
import { contacts } from './contacts.svelte'
import type { Alerts } from './kept'
import type { What } from './notices.svelte'

const name = (did: string) => contacts.get(did)?.label ?? shortDid(did)

/** A line, and a quieter one below it. */
export function said(what: What): [string, string?] {
  switch (what.kind) {
    case 'request':
      return [words.request(name(what.did))]
    case 'messages':
      return [words.messages(name(what.did), what.count), what.text]
    case 'transfer': {
      const { transfer } = what
      const label = name(transfer.peer)
      const file = plainName(transfer.name)
      if (transfer.state === 'offered') return [words.offered(label, file)]
      return [file, files.state(transfer, { label, online: contacts.get(transfer.peer)?.online ?? false })]
    }
    case 'doors':
      return [line(what.entry)]
    case 'line':
      return [what.up ? words.back : words.lost]
    case 'insecure':
      return [words.insecure, words.insecureHint]
    case 'health':
      return [words.health, what.text]
    case 'toast':
      return [what.text]
  }
}

/** What a notification of the desktop says of it, when it may say so much: a title, and what stands below. `null` for what is no news there. */
export function alertOf(what: What, how: Alerts): [string, string] | null {
  if (!(what.kind in alert.bare)) return null
  if (how === 'bare') return [alert.bare[what.kind as keyof typeof alert.bare], '']
  // What a file is called is as much theirs as what they write.
  if (how === 'who' && what.kind === 'transfer') return [alert.file(name(what.transfer.peer)), '']
  const [title, body = ''] = said(what)
  return [title, how === 'all' ? body : '']
}
