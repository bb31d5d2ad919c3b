/** What the settings say: read with them, so that the first load stays small. */
import { MOD } from './strings'

export const words = {
  title: 'You and this PC2',
  name: 'Your name',
  nameHint: 'Your contacts see it, and the people you ask.',
  save: 'Save',
  saved: 'Name saved',
  did: 'Your DID',
  didHint: 'Your address for other PC2s. It can be shared freely.',
  doors: 'Sign-ins, wallets and keys',
  version: 'Version',
  keys: 'Keyboard',
  signOut: 'Sign out',
  signOutHint: 'To come back you need a wallet that you added, or a new one-time link.',
  shortcuts: [
    [`${MOD} K`, 'Find somebody'],
    ['↑ ↓', 'Move through the list'],
    ['Enter', 'Send, or open'],
    ['Shift Enter', 'New line'],
    ['Esc', 'Close what is on top'],
    ['?', 'Show this'],
  ] as const,
}
