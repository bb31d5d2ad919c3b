/** What a notice says in words: in the panel of notices, and on the desktop of whoever wants that. */
import { line } from '../lib/doors-words'
import { plainName } from '../lib/file-names'
import { words as files } from '../lib/files-words'
import { shortDid } from '../lib/format'
import { words } from '../lib/notice-words'
import { contacts } from './contacts.svelte'
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
