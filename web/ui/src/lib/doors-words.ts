/** What is said about who may use this node: read with it, so that the first load stays small. */
import type { Role, SecurityEntry, SecurityWhat } from './api-types'
import { short } from './wallet'

export const roles: Record<Role, string> = { owner: 'Owner', admin: 'Admin', member: 'Member' }

export const words = {
  wallets: 'Wallets',
  walletsHint: 'Who holds one of these may sign in. Owners can do everything, admins see how the node does, members see nothing of yours.',
  noWallets: 'None is yours yet. The first wallet that you sign in with from here becomes yours.',
  address: 'Address',
  label: 'Name',
  role: 'Role',
  roleOf: (address: string) => `Role of ${short(address)}`,
  add: 'Add',
  remove: 'Remove',
  removeWallet: (address: string) => `Remove wallet ${short(address)}`,
  sessions: 'Signed in',
  byLink: 'by a link',
  here: 'this one',
  end: 'Sign out',
  endOf: (label: string) => `Sign out ${label}`,
  endOthers: 'Sign out all others',
  endAll: 'Sign out everywhere',
  seen: 'last here',
  keys: 'Keys for programs',
  keysHint: 'A program sends its key as “Authorization: Bearer …” and can do what its scopes say.',
  keyFor: 'What it is for',
  make: 'Make a key',
  shownOnce: 'Copy it now: it is not shown again.',
  copyKey: 'Copy key',
  removeKey: (label: string) => `Remove key ${label}`,
  never: 'never used',
  used: 'last used',
  until: 'good until',
  log: 'What happened',
  loading: 'Reading…',
}

const BROWSERS = [
  [/Firefox\//, 'Firefox'],
  [/Edg\w*\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Chrom\w*\//, 'Chrome'],
  [/Safari\//, 'Safari'],
] as const
const SYSTEMS = [
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Windows/, 'Windows'],
  [/Mac OS/, 'macOS'],
  [/Linux/, 'Linux'],
] as const

/** What people call the browser that calls itself so; what is no known one stays as it is. */
export function browser(agent: string): string {
  const of = (list: typeof BROWSERS | typeof SYSTEMS) => list.find(([called]) => called.test(agent))?.[1]
  const [name, system] = [of(BROWSERS), of(SYSTEMS)]
  if (!name) return agent || 'A browser'
  return system ? `${name} on ${system}` : name
}

const happened: Record<SecurityWhat, (entry: SecurityEntry) => string> = {
  link_used: () => 'Signed in by a link',
  wallet_used: ({ count }) => (count === 1 ? 'Signed in' : `Signed in ${count} times`),
  refused: ({ count }) => (count === 1 ? 'A sign-in was refused' : `${count} sign-ins were refused`),
  wallet_added: ({ wallet, role }) => `${short(wallet ?? '')} added as ${roles[role ?? 'member'].toLowerCase()}`,
  wallet_changed: ({ wallet, role }) => `${short(wallet ?? '')} is now ${roles[role ?? 'member'].toLowerCase()}`,
  wallet_removed: ({ wallet }) => `${short(wallet ?? '')} removed`,
  key_added: ({ label }) => `Key “${label}” made`,
  key_removed: ({ label }) => `Key “${label}” removed`,
  sessions_ended: ({ count }) => (count === 1 ? 'A browser was signed out' : `${count} browsers were signed out`),
  phrase_shown: ({ count }) => (count === 1 ? 'The recovery phrase was shown' : `The recovery phrase was shown ${count} times`),
  passphrase_set: () => 'A new passphrase protects your identity',
  passphrase_removed: () => 'Your identity needs no passphrase any more',
}

/** One entry of the log, in a line. */
export const line = (entry: SecurityEntry) =>
  happened[entry.what](entry) + (entry.by === null ? '' : ` (by ${short(entry.by)})`)
