/**
 * Changing what was said: edit, delete for both, react. The node's answer is the message as it is then; the same comes to the other
 * pages as an event. What does not work is told, and nothing is shown that the node does not have.
 */
import { call } from '../lib/api'
import type { Message } from '../lib/api-types'
import type { Thread } from './thread.svelte'
import { toasts } from './toasts.svelte'

const path = ({ conversation, id }: Message) =>
  `/api/conversations/${encodeURIComponent(conversation)}/messages/${encodeURIComponent(id)}`

export const edit = (thread: Thread, message: Message, text: string) =>
  amend(thread, () => call<Message>('PATCH', path(message), { text }))

export const remove = (thread: Thread, message: Message) => amend(thread, () => call<Message>('DELETE', path(message)))

/** The emoji I have chosen already is taken back. */
export function react(thread: Thread, message: Message, emoji: string): Promise<boolean> {
  const mine = message.reactions.find((reaction) => reaction.mine)?.emoji
  return amend(thread, () => call<Message>('PUT', `${path(message)}/reaction`, { emoji: emoji === mine ? null : emoji }))
}

async function amend(thread: Thread, ask: () => Promise<Message>): Promise<boolean> {
  try {
    thread.put(await ask())
    return true
  } catch (error) {
    toasts.problem(error)
    return false
  }
}
