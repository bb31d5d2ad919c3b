import { expect, test } from 'vitest'
import { answered, keyOf, press, shown, start, type Key, type State, type Sum } from './calculator'

/** Presses keys one after the other; sums are answered by `node`. */
function pressed(keys: Key[], node: (sum: Sum) => string): { state: State; sums: Sum[] } {
  let state = start
  const sums: Sum[] = []
  for (const key of keys) {
    const step = press(state, key)
    state = step.state
    if (step.sum) {
      sums.push(step.sum)
      state = answered(step.sum, node(step.sum))
    }
  }
  return { state, sums }
}

test('a sum is asked for as it was typed, and its answer is shown', () => {
  const { state, sums } = pressed(['5', 'add', '3', 'equals'], () => '8')
  expect(sums).toEqual([{ op: 'add', left: '5', right: '3', then: null }])
  expect(shown(state.value, state.typing)).toBe('8')
})

test('operations one after the other go on with the answer', () => {
  const { sums } = pressed(['2', 'multiply', '3', 'subtract', '4', 'equals'], ({ op }) => (op === 'multiply' ? '6' : '2'))
  expect(sums.map(({ op, left, right }) => [op, left, right])).toEqual([
    ['multiply', '2', '3'],
    ['subtract', '6', '4'],
  ])
})

test('the last operation chosen counts, and equals alone asks nothing', () => {
  expect(pressed(['5', 'equals', 'add', 'divide', '2', 'equals'], () => '2.5').sums).toEqual([{ op: 'divide', left: '5', right: '2', then: null }])
})

test('an answer is told as one only while it is in the display', () => {
  const sum: Key[] = ['3', 'add', '5', 'equals']
  const answers = (...keys: Key[]) => pressed([...sum, ...keys], () => '8').state.answers
  expect(answers()).toMatchObject({ op: 'add', left: '3', right: '5' })
  for (const keys of [['7'], ['7', 'equals'], ['sign'], ['point'], ['clear'], ['add'], ['7', 'sign', 'equals']] satisfies Key[][]) expect(answers(...keys), keys.join(' ')).toBeNull()
  expect(answers('add', '5', 'equals')).toMatchObject({ op: 'add', left: '8', right: '5' })
  // While the next sum is asked for, the display shows what was typed.
  expect(press(pressed(sum, () => '8').state, 'add').state.answers).toBeNull()
})

test('numbers are typed, erased, negated and bounded', () => {
  const value = (...keys: Key[]) => pressed(keys, () => '0').state.value
  expect(value('point', '5', 'point', '2')).toBe('0.52')
  expect(value('0', '0', '7')).toBe('7')
  expect(value('7', 'sign', 'erase', 'erase')).toBe('0')
  expect(value('7', 'sign')).toBe('-7')
  expect(value(...Array.from({ length: 30 }, (): Key => '9'))).toBe('9'.repeat(15))
  expect(value('1', 'clear')).toBe('0')
})

test('what is shown has no digits that are noise', () => {
  expect(shown('0.30000000000000004', false)).toBe('0.3')
  expect(shown('-2', false)).toBe('−2')
  expect(shown('1e+300', false)).toBe('1e300')
  expect(shown('1.50', true)).toBe('1.50')
})

test('the keyboard has all keys', () => {
  expect([...'0123456789'].map(keyOf)).toEqual([...'0123456789'])
  expect(['+', '-', '*', '/', ',', 'Enter', 'Backspace', 'Escape'].map(keyOf)).toEqual(['add', 'subtract', 'multiply', 'divide', 'point', 'equals', 'erase', 'clear'])
  expect(keyOf('F5')).toBeUndefined()
})
