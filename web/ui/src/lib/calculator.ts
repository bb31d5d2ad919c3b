/**
 * What the keys of a calculator mean. It calculates nothing: where a sum is due it says which, and goes on with the answer.
 *
 * A number is kept as it was typed or answered, so that nothing is lost between two steps; only what is shown is shortened.
 */
export const OPS = ['add', 'subtract', 'multiply', 'divide'] as const
export type Op = (typeof OPS)[number]
export type Key = Op | `${number}` | 'point' | 'sign' | 'erase' | 'clear' | 'equals'

export interface State {
  /** The number in the display. */
  value: string
  /** It is being typed: the next digit goes behind it. */
  typing: boolean
  /** What it will be calculated with, and how. */
  left: string | null
  op: Op | null
  /** The sum that the number in the display answers; null as soon as a key made it another. */
  answers: Sum | null
}

/** A sum for the node; `then` is what its result is to be calculated with. */
export interface Sum {
  op: Op
  left: string
  right: string
  then: Op | null
}

/** Doubles are exact so far. */
const MOST_DIGITS = 15

export const start: State = { value: '0', typing: false, left: null, op: null, answers: null }

export const isOp = (key: Key): key is Op => (OPS as readonly string[]).includes(key)

/** The state after a key, and the sum that it makes due. */
export function press(state: State, key: Key): { state: State; sum: Sum | null } {
  // What is shown is no answer any more, or will be one to another sum.
  const only = (changed: Partial<State>) => ({ state: { ...state, answers: null, ...changed }, sum: null })
  const { value, typing, left, op } = state
  if (key === 'clear') return { state: start, sum: null }
  if (key === 'erase') {
    if (!typing) return only({})
    const shorter = value.slice(0, -1)
    return only(shorter === '' || shorter === '-' ? { value: '0' } : { value: shorter })
  }
  if (key === 'sign') return only({ value: value.startsWith('-') ? value.slice(1) : value === '0' ? value : `-${value}` })
  if (key === 'point') return only(!typing ? { value: '0.', typing: true } : value.includes('.') ? {} : { value: `${value}.` })
  if (isOp(key) || key === 'equals') {
    const then = isOp(key) ? key : null
    // Another operation instead of the one just chosen; `=` with nothing to do.
    const due = left !== null && op !== null && (typing || key === 'equals')
    if (!due) return only({ typing: false, left: then === null ? null : value, op: then })
    return { state: { ...state, typing: false, answers: null }, sum: { op, left, right: plain(value), then } }
  }
  if (!typing) return only({ value: key, typing: true })
  if (value.replace(/\D/g, '').length >= MOST_DIGITS) return only({})
  return only({ value: value === '0' ? key : value === '-0' ? `-${key}` : value + key })
}

/** The state with the answer to a sum. */
export const answered = (sum: Sum, result: string): State => ({
  value: result,
  typing: false,
  left: sum.then === null ? null : result,
  op: sum.then,
  answers: sum,
})

/** Without a point that nothing follows. */
const plain = (value: string) => value.replace(/\.$/, '')

/** A number as it is shown: with no more digits than are sure, and a minus that is one. */
export function shown(value: string, typing: boolean): string {
  const short = typing ? value : String(Number(Number(value).toPrecision(MOST_DIGITS)))
  return short.replace('e+', 'e').replaceAll('-', '−')
}

const NAMED: Record<string, Key> = {
  '+': 'add', '-': 'subtract', '−': 'subtract', '*': 'multiply', '×': 'multiply', '/': 'divide', '÷': 'divide',
  '.': 'point', ',': 'point', '=': 'equals', Enter: 'equals', Backspace: 'erase', Delete: 'clear', Escape: 'clear', c: 'clear',
}

/** What a key of the keyboard is here. */
export const keyOf = (pressed: string): Key | undefined => (/^\d$/.test(pressed) ? (pressed as Key) : NAMED[pressed])
