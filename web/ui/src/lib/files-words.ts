/** What is said about files, in conversations and on their own screen: read with these, so that the first load stays small. */
import { sentence } from './api'
import type { Path, Transfer } from './api-types'
import { until } from './format'
import { duration, secondsLeft } from './pace'
import { size } from './sizes'
import type { Act } from './transfer-rules'

export interface Whom {
  label: string
  online: boolean
}

const count = (n: number) => (n === 1 ? '1 file' : `${n} files`)

export const words = {
  size,
  /** What a folder, or several files, are. */
  folder: (files: number, bytes: number) => `${count(files)}, ${size(bytes)}`,

  act: {
    accept: 'Accept',
    decline: 'Decline',
    retry: 'Try again',
    resume: 'Resume',
    pause: 'Pause',
    cancel: 'Cancel',
    withdraw: 'Take back',
    dismiss: 'Dismiss',
    save: 'Save',
  } satisfies Record<Act, string>,
  tryNow: 'Try now',
  show: 'Show',
  hide: 'Hide',

  uploading: 'Bringing it to your PC2…',
  uploadNext: 'Next',
  uploadFailed: 'It did not reach your PC2.',
  stopUpload: 'Cancel',

  /** What the bar measures, for those who do not see it. */
  bar: {
    preparing: (name: string) => `Reading ${name}`,
    out: (name: string) => `Sending ${name}`,
    in: (name: string) => `Receiving ${name}`,
    upload: (name: string) => `Bringing ${name} to your PC2`,
  },
  /** How much, how fast, how long from here; what cannot be told is left out. */
  progress(bytes: number, of: number, speed: number | null): string {
    const left = secondsLeft(bytes, of, speed)
    return [
      of === 0 ? null : `${Math.floor((100 * Math.min(bytes, of)) / of)} %`,
      speed === null ? null : `${size(speed)}/s`,
      left === null ? null : `${duration(left)} left`,
    ]
      .filter((part) => part !== null)
      .join(' · ')
  },

  declined: (name: string) => `${name} declined`,
  cancelled: (name: string) => `${name} cancelled`,
  takenBack: (name: string) => `${name} taken back`,

  forgotten: 'This was long ago: your PC2 keeps no note of it any more.',

  preview: {
    loading: 'Opening…',
    failed: 'It cannot be shown.',
    moved: 'It cannot be shown: it was moved, changed or deleted.',
    image: (name: string) => `Preview of ${name}`,
    text: (name: string) => `Beginning of ${name}`,
    more: (bytes: number) => `The first ${size(bytes)}. Save it to see the rest.`,
    empty: 'It is empty.',
  },

  attach: 'Attach files',
  drop: (name: string) => `Drop to send to ${name}`,
  dropHint: 'They decide whether to receive it.',
  dropNot: (name: string) => `${name} has to accept you first`,
  dropNotHint: 'Then you can send files.',
  folderDropped: (names: string[]) => `${names.join(', ')}: folders are sent from the command line, with`,
  folderCommand: (did: string) => `pc2 file send ${did} FOLDER`,

  auto: {
    entry: 'Files without asking…',
    title: (name: string) => `Files from ${name}`,
    lead: 'Receive without asking',
    hint: 'What is larger still waits for you to decide. They are not told.',
    never: 'Nothing: ask me each time',
    upTo: (bytes: number) => `Up to ${size(bytes)}`,
    any: 'Everything',
    saved: 'Saved',
    failed: 'This could not be read',
  },

  page: {
    title: 'Transfers',
    limits: 'Limits',
    undecided: 'Waiting for you',
    active: 'Under way',
    over: 'Finished',
    empty: 'No files yet',
    emptyHint: 'Drop files onto a conversation, or attach them there. What you send and receive is shown here.',
    failed: 'The transfers did not load',
    more: 'Show more',
    from: 'from',
    to: 'to',
    way: {
      direct: 'directly',
      punched: 'directly, through both routers',
      relayed: 'through a relay',
    } satisfies Record<Path, string>,
  },

  limits: {
    title: 'Limits',
    lead: 'Fastest, all files together',
    down: 'Receiving',
    up: 'Sending',
    unit: 'MiB a second',
    hint: 'Empty: as fast as it goes.',
    wrong: 'A number above 0, or nothing.',
    saved: 'Saved',
    auto: 'Received without asking',
    autoNone: 'Nobody’s. Choose it in a conversation’s menu.',
    ask: 'Ask again',
    askFor: (name: string) => `Ask again about files from ${name}`,
    asked: (name: string) => `You are asked about files from ${name} again`,
    failed: 'These settings could not be read',
  },

  /** Where a transfer stands, as it is for the reader. */
  state(one: Transfer, whom: Whom): string {
    const mine = one.direction === 'out'
    const them = whom.label
    switch (one.state) {
      case 'preparing':
        return 'Getting it ready…'
      case 'sending':
        return `Offering it to ${them}…`
      case 'waiting_for_them':
        if (one.bytes !== null && one.bytes >= one.size) return `Waiting for ${them} to confirm it`
        return whom.online ? `Waiting for ${them} to take it` : `Waiting for ${them} to come online`
      case 'offered':
        return `Offered until ${until(one.expires)}`
      case 'queued':
        return 'Waiting for its turn'
      case 'transferring':
        return mine ? 'Sending' : 'Receiving'
      case 'paused':
        return 'Paused'
      case 'waiting_for_peer':
        return whom.online ? `Waiting for ${them}’s PC2 to answer` : `Waiting for ${them} to come online`
      case 'waiting_for_room':
        return 'Your PC2’s disk is full. It goes on by itself when there is room.'
      case 'finishing':
        return 'Putting it in its place…'
      case 'done':
        return mine ? `${them} has it` : 'Received'
      case 'declined':
        return mine ? `${them} declined it` : 'You declined it'
      case 'cancelled':
        return mine ? `${them} cancelled it` : 'You cancelled it'
      case 'withdrawn':
        return mine ? 'You took it back' : `${them} took it back`
      case 'expired':
        return 'The offer ran out'
      case 'failed':
        return words.failure(one, whom)
    }
  },

  /** Why it failed, and what to do. */
  failure(one: Transfer, whom: Whom): string {
    const why = sentence(one.why ?? 'It failed')
    if (one.retryable && one.direction === 'in') return why
    return one.direction === 'out' ? `${why} Send it again when that is put right.` : `${why} Ask ${whom.label} to send it again.`
  },
}
