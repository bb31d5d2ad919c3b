/** Everything the page says, in one place. Short, human, and true: a state is named by what it means for the reader. */
import type { Contact, MessageState } from './api-types'

/** What the key for commands is called on this keyboard. */
const MOD = /Mac|iP(hone|ad)/.test(globalThis.navigator?.platform ?? '') ? '⌘' : 'Ctrl'

const plural = (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`

export const words = {
  app: 'PC2',

  signIn: {
    title: 'Sign in to your PC2',
    lead: 'This page belongs to the owner of this node. Ask the node for a one-time link, then open it in this browser:',
    command: 'pc2 login-link',
    note: 'The link works once, for 15 minutes.',
    busy: 'Signing you in…',
    failed: 'This link did not work',
    again: 'Ask the node for a new link:',
    copy: 'Copy command',
  },

  start: { title: 'Opening your PC2…', unreachable: 'Your PC2 does not answer' },

  people: {
    title: 'Chats',
    list: 'Conversations',
    search: 'Search people',
    clear: 'Clear search',
    chats: 'Chats',
    requests: 'Requests',
    requestsCount: (n: number) => plural(n, 'request waits for you', 'requests wait for you'),
    add: 'Connect with someone',
    network: 'Network',
    empty: 'Nobody here yet',
    emptyHint: 'Send somebody an invitation link, or paste the one you were given.',
    noRequests: 'No requests',
    noRequestsHint: 'When somebody asks to become your contact, you decide here. Until then they can send one message only.',
    noMatch: (query: string) => `Nobody matches “${query}”`,
    failed: 'Your contacts did not load',
    unread: (n: number) => plural(n, 'unread message', 'unread messages'),
    you: 'You',
    noMessages: 'No messages yet',
    blocked: 'Blocked',
    asks: 'Wants to become your contact',
    unblock: 'Unblock',
  },

  presence: { online: 'Online', offline: 'Offline' },

  /** What waiting means right now; null when there is nothing to say. */
  hint(person: Contact): string | null {
    if (person.standing === 'requested') {
      if (person.delivery === 'undecided' || person.waiting === 0) return `Waiting for ${person.label} to accept`
    }
    if (person.standing === 'blocked' || person.standing === 'asking' || person.waiting === 0) return null
    switch (person.delivery) {
      case 'sending':
        return 'Sending…'
      case 'looking':
        return `Looking for ${person.label} in the network…`
      case 'not_found':
        return `${person.label} has not been seen in the network yet`
      case 'unreachable':
        return `Waiting for ${person.label} to come online`
      case 'undecided':
        return `Waiting for ${person.label} to accept`
      case 'idle':
        return null
    }
  },

  chat: {
    none: 'Choose a conversation',
    noneHint: `Or press ${MOD} K to find somebody.`,
    ready: 'Your PC2 is ready',
    readyHint: 'What you write goes straight from your PC2 to theirs, encrypted end to end. Nobody is in between.',
    gone: 'This person is not among your contacts',
    goneHint: 'They may have been removed on another device.',
    back: 'Back to chats',
    menu: 'More about this person',
    log: (name: string) => `Messages with ${name}`,
    empty: (name: string) => `Say hello to ${name}`,
    emptyHint: 'Only the two of you can read what you write here.',
    failed: 'These messages did not load',
    olderFailed: 'Earlier messages did not load.',
    older: 'Loading earlier messages…',
    beginning: 'This is the beginning of your conversation.',
    newMessages: 'New messages',
    jump: 'Jump to the newest message',
    jumpNew: (n: number) => plural(n, 'new message', 'new messages'),
    chainBroken: 'History changed on their side: something before this message may be missing.',
    today: 'Today',
    yesterday: 'Yesterday',
    you: 'You',
  },

  state: {
    waiting: 'Waiting',
    stored: 'On its way: kept in their mailbox',
    delivered: 'Delivered',
    read: 'Read',
    not_delivered: 'Not delivered',
    received: '',
  } satisfies Record<MessageState, string>,
  saving: 'Saving…',
  notSaved: 'Not saved',
  kept: 'Kept in this browser until your PC2 answers',
  retry: 'Try again',
  discard: 'Discard',

  composer: {
    label: (name: string) => `Message to ${name}`,
    placeholder: 'Write a message',
    send: 'Send',
    hint: 'Enter sends, Shift Enter starts a new line',
    tooLong: (over: number) => `Too long by ${plural(over, 'byte', 'bytes')}. Longer things are files.`,
  },

  request: {
    ask: (name: string) => `${name} wants to become your contact.`,
    explain: 'They do not learn whether you have seen this until you accept.',
    accept: 'Accept',
    block: 'Block',
    remove: 'Remove',
    blocked: (name: string) => `You blocked ${name}. They are not told.`,
  },

  person: {
    rename: 'Rename…',
    renameTitle: (name: string) => `Rename ${name}`,
    renameLabel: 'Name',
    renameHint: (own: string | null) =>
      own === null ? 'Only you see this name.' : `Only you see this name. They call themselves ${own}.`,
    copyDid: 'Copy DID',
    block: 'Block',
    unblock: 'Unblock',
    remove: 'Remove',
    accepted: (name: string) => `${name} is your contact now`,
    blocked: (name: string) => `${name} is blocked`,
    unblocked: (name: string) => `${name} is no longer blocked`,
    removed: (name: string) => `${name} removed. The messages stay on your disk.`,
    renamed: (name: string) => `Renamed to ${name}`,
  },

  connect: {
    title: 'Connect with someone',
    invite: 'Invite them',
    enter: 'I have their link',
    inviteLead: 'Send this link, or let them scan it. Whoever opens it first in their PC2 becomes your contact.',
    inviteBusy: 'Making a link…',
    inviteFailed: 'No link could be made',
    link: 'Invitation link',
    copyLink: 'Copy link',
    expires: (when: string) => `Works once, until ${when}.`,
    qr: 'The invitation link as a QR code',
    orDid: 'Or tell them your DID, and accept when they ask:',
    did: 'Your DID',
    target: 'Invitation link or DID',
    targetHint: 'Begins with pc2:invite: or did:boson:',
    targetWrong: 'That is neither an invitation link nor a DID. They begin with pc2:invite: or did:boson:',
    alias: 'Name for them',
    text: 'A first message',
    optional: 'optional',
    submit: 'Connect',
    submitting: 'Saving…',
  },

  settings: {
    title: 'You and this PC2',
    open: 'You and this PC2',
    name: 'Your name',
    nameHint: 'Your contacts see it, and the people you ask.',
    nameless: 'No name yet',
    save: 'Save',
    saved: 'Name saved',
    did: 'Your DID',
    didHint: 'Your address for other PC2s. It can be shared freely.',
    version: 'Version',
    keys: 'Keyboard',
    signOut: 'Sign out',
    signOutHint: 'To come back you need a new one-time link.',
    shortcuts: [
      [`${MOD} K`, 'Find somebody'],
      ['↑ ↓', 'Move through the list'],
      ['Enter', 'Send, or open'],
      ['Shift Enter', 'New line'],
      ['Esc', 'Close what is on top'],
      ['?', 'Show this'],
    ] as const,
  },

  offline: {
    lost: 'Your PC2 does not answer. What you write is kept.',
    soon: (seconds: number) => `Trying again in ${seconds} s`,
    trying: 'Trying…',
    now: 'Try now',
  },

  copy: { copy: 'Copy', copied: 'Copied', failed: `Select the text and press ${MOD} C` },
  close: 'Close',
  cancel: 'Cancel',
  save: 'Save',
  undo: 'Undo',
  dismiss: 'Dismiss',
  notifications: 'Notices',

  problem: {
    unreachable: 'Your PC2 does not answer. Is it running?',
    status: (status: number) => `The node answered with an error (${status}).`,
  },
}
