/** What the page says from the first moment, in one place; screens that are loaded later bring their own words (`*-words`). Short, human, and true: a state is named by what it means for the reader. */
import type { Contact, MessageState } from './api-types'

/** What the key for commands is called on this keyboard. */
export const MOD = /Mac|iP(hone|ad)/.test(globalThis.navigator?.platform ?? '') ? '⌘' : 'Ctrl'

const plural = (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`

export const words = {
  app: 'PC2',

  start: { title: 'Opening your PC2…', unreachable: 'Your PC2 does not answer', hint: 'Is it running? This page goes on by itself as soon as it does.' },

  apps: {
    title: 'Apps',
    chat: 'Chat',
    transfers: 'Transfers',
    network: 'Network',
    settings: 'Settings',
    programs: 'Programs',
    calculator: 'Calculator',
    counter: 'File processor',
    none: 'Nothing is open',
    noneHint: `Choose an app at the left, or press ${MOD} K.`,
    noneNarrow: 'Choose an app below.',
    search: 'Search',
    searchHint: `Go to, or do (${MOD} K)`,
    more: 'More',
    notices: 'Notices',
    unseen: (n: number) => plural(n, 'new notice', 'new notices'),
    /** How the node is, short enough for the dock. */
    status: {
      label: 'Your PC2',
      connecting: 'Connecting',
      away: 'No answer',
      stops: 'Restarting',
      unknown: 'Finding out',
      public: 'Reachable',
      relayed: 'By relay',
      private: 'Not reached',
    },
  },

  people: {
    title: 'Chats',
    list: 'Conversations',
    search: 'Search people and messages',
    messages: 'Messages',
    clear: 'Clear search',
    chats: 'Chats',
    requests: 'Requests',
    transfersCount: (n: number) => plural(n, 'offer waits for you', 'offers wait for you'),
    file: 'File:',
    requestsCount: (n: number) => plural(n, 'request waits for you', 'requests wait for you'),
    add: 'Connect with someone',
    empty: 'Nobody here yet',
    emptyHint: 'Send somebody an invitation link, or paste the one you were given.',
    noRequests: 'No requests',
    noRequestsHint: 'When somebody asks to become your contact, you decide here. Until then they can send one message only.',
    noMatch: (query: string) => `Nobody matches “${query}”`,
    failed: 'Your contacts did not load',
    unread: (n: number) => plural(n, 'unread message', 'unread messages'),
    you: 'You',
    noMessages: 'No messages yet',
    deleted: 'Deleted',
    gone: 'Disappeared',
    blocked: 'Blocked',
    asks: 'Wants to become your contact',
    unblock: 'Unblock',
  },

  presence: { online: 'Online', offline: 'Offline', typing: 'Writing…' },

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
    notLoaded: 'This part of the page did not load',
    notLoadedHint: 'Your PC2 may be away, or new: read the page again.',
    reload: 'Read again',
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

  settings: {
    open: 'You and this PC2',
    nameless: 'No name yet',
  },

  offline: {
    lost: 'Your PC2 does not answer. What you write is kept.',
    stops: 'Your PC2 stops or starts anew. What you write is kept.',
    soon: (seconds: number) => `Trying again in ${seconds} s`,
    trying: 'Trying…',
    now: 'Try now',
    newer: 'Your PC2 has a newer page.',
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
