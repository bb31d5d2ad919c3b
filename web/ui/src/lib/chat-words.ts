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
  notFound: 'That message is too far back to go to from here',
}

/** Few enough to choose from at a glance. */
export const emojis = ['👍', '❤️', '😂', '😮', '😢', '🙏', '🎉', '👎']
