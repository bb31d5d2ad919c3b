/** A length of time in its largest whole unit. */
function spelled(seconds: number): string {
  const units = [['week', 604_800], ['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]] as const
  const [unit, size] = units.find(([, size]) => seconds % size === 0) ?? ['second', 1]
  const count = seconds / size
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/** What a conversation says about single messages; read with the conversation. */
export const words = {
  acts: 'More about this message',
  answer: 'Reply',
  edit: 'Edit',
  remove: 'Delete for both…',
  removeSure: 'Yes, delete for both',
  react: (emoji: string) => `React with ${emoji}`,
  reacted: (emoji: string, who: string) => `${emoji} from ${who}`,
  both: (name: string) => `you and ${name}`,
  you: 'you',
  edited: 'edited',
  deleted: 'Message deleted',
  answering: (name: string) => `Replying to ${name}`,
  answeringYou: 'Replying to yourself',
  editing: 'Editing your message',
  stop: 'Stop replying or editing',
  save: 'Save',
  jump: (name: string) => `Go to the message of ${name} that this answers`,
  notFound: 'That message is not here any more',
  newer: 'Loading later messages…',
  newerFailed: 'Later messages did not load.',
  receiptsEntry: 'Read receipts…',
  receiptsTitle: 'Read receipts',
  receiptsLead: (name: string) => `When you read what ${name} writes`,
  receiptsAs: (told: boolean | null) => `As for everybody${told === null ? '' : told ? ': tell them' : ': do not tell them'}`,
  receiptsYes: 'Tell them',
  receiptsNo: 'Do not tell them',
  receiptsHint: 'Whom you do not tell, you do not see reading either. What holds for everybody is in the settings, under “What your contacts are told”.',
  timerEntry: 'Disappearing messages…',
  timerTitle: 'Disappearing messages',
  timerLead: (name: string) => `What you and ${name} write from now on disappears`,
  timerNever: 'Never',
  timerSave: 'Set for both',
  timerHint:
    'For both: yours this long after it was sent, theirs this long after you read it. Files you have received stay, and nobody can be kept from copying.',
  timerSet: (who: string, time: string) => `${who} set new messages to disappear after ${time}`,
  timerOff: (who: string) => `${who} set new messages to stay`,
  disappears: (time: string) => `Disappears after ${time}`,
  time: spelled,
  exportEntry: 'Export conversation',
  findEntry: 'Search messages…',
  findIn: (name: string) => `Search messages with ${name}`,
  findClose: 'Close search',
  found: 'Messages',
  foundList: 'Messages found',
  foundNone: (query: string) => `No message has “${query}”`,
  foundFailed: 'The search did not work',
  foundCount: (n: number, more: boolean) => (n === 1 && !more ? '1 message found' : `${n}${more ? ' or more' : ''} messages found`),
  unknown: 'Somebody you removed',
  foundMore: 'Older messages',
  searching: 'Searching…',
}

/** Few enough to choose from at a glance. */
export const emojis = ['👍', '❤️', '😂', '😮', '😢', '🙏', '🎉', '👎']
