import { expect, test } from 'vitest'
import { strength } from './strength'

test('what people choose is weak', () => {
  for (const text of ['password', 'Password1!', 'qwertyuiop', '1234567890', 'aaaaaaaaaaaaaaaa', 'abcdefghijkl', 'summer24', 'letmein123']) {
    expect(strength(text), text).toBe('weak')
  }
})

test('random words and random letters are strong', () => {
  for (const text of ['orbit velvet hammer cactus fjord', 'k7vq2m9xh4tz', 'correct-horse-battery-staple-again']) {
    expect(strength(text), text).toBe('strong')
  }
})

test('the same word again and again adds nothing', () => {
  expect(strength('horse horse horse horse horse')).toBe('weak')
})

test('an eight-letter jumble is in between', () => {
  expect(strength('k7vq2m9x')).toBe('fair')
})
