/**
 * What a person does with a transfer, and the time to take it back.
 *
 * The node knows no way back from declining or cancelling, so it is told when the time for Undo is over; what flows is paused until then.
 * Taking back what one sent is done at once: whoever does that does not want it to arrive.
 */
import type { Transfer, TransferState } from '../lib/api-types'
import { filesApi, type Command } from '../lib/files-api'
import { plainName } from '../lib/file-names'
import { words } from '../lib/files-words'
import type { Act } from '../lib/transfer-rules'
import { toasts } from './toasts.svelte'
import { transfers } from './transfers.svelte'

export async function act(one: Transfer, wanted: Exclude<Act, 'save'>): Promise<void> {
  switch (wanted) {
    case 'decline':
      return later(one, 'decline', 'declined', words.declined(plainName(one.name)))
    case 'cancel':
      return cancel(one)
    case 'withdraw':
      if (await now(one, 'withdraw')) toasts.say(words.takenBack(plainName(one.name)))
      return
    case 'dismiss':
      if (await now(one, 'cancel')) transfers.removed(one.id)
      return
    default:
      await now(one, wanted)
  }
}

async function cancel(one: Transfer): Promise<void> {
  if (one.state === 'preparing') {
    await now(one, 'cancel')
    return
  }
  const flows = one.state !== 'paused' && one.state !== 'failed'
  if (flows && !(await now(one, 'pause'))) return
  later(one, 'cancel', 'cancelled', words.cancelled(plainName(one.name)), () => {
    if (flows) void now(one, 'resume')
  })
}

/** True: the node has done it. How things are then comes as an event, which knows better than the answer: that may have been overtaken. */
async function now(one: Transfer, command: Command): Promise<boolean> {
  try {
    await filesApi.act(one.id, command)
    return true
  } catch (error) {
    toasts.problem(error)
    return false
  }
}

function later(one: Transfer, command: Command, state: TransferState, said: string, undo?: () => void): void {
  transfers.ending(one.id, state)
  // Once it has ended, its event takes this back.
  const stop = () => transfers.ending(one.id, undefined)
  toasts.pending(
    said,
    () => {
      stop()
      undo?.()
    },
    () => void now(one, command).then((done) => done || stop()),
  )
}
