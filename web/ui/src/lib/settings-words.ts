/** What the settings say: read with them, so that the first load stays small. */
export const words = {
  title: 'Settings',
  sections: 'Sections',
  you: 'You',
  name: 'Your name',
  nameHint: 'Your contacts see it, and the people you ask.',
  save: 'Save',
  saved: 'Name saved',
  did: 'Your DID',
  didHint: 'Your address for other PC2s. It can be shared freely.',
  doors: 'Sign-ins, wallets and keys',
  keys: 'Keyboard',
  signOut: 'Sign out',
  signOutHint: 'To come back you need a wallet that you added, or a new one-time link.',
}
