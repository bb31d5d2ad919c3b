/**
 * How long a passphrase lasts against somebody who has the identity file and tries. An estimate, and meant to be on the low side: nothing here knows how
 * people choose, but it is not fooled by a repeated letter, a row of the keyboard or one of the worst passwords with a digit behind it.
 *
 * One guess costs 64 MiB and a few hundred milliseconds of a core (Argon2id). A hundred thousand a second are a large hall of machines: they need hours
 * for 2^32 guesses and decades for 2^47.
 */
export type Strength = 'weak' | 'fair' | 'strong'

const WORST = ['password', 'passwort', 'letmein', 'iloveyou', 'welcome', 'dragon', 'monkey', 'football', 'secret', 'admin', 'login', 'qwerty', 'qwertz', 'azerty', 'abc123', '123456']
const ROWS = ['qwertyuiop', 'qwertzuiop', 'azertyuiop', 'asdfghjkl', 'zxcvbnm', 'yxcvbnm', '1234567890', 'abcdefghijklmnopqrstuvwxyz']
/** Bits of a word that was drawn from a list of some two thousand. */
const WORD_BITS = 11
const FAIR = 36
const STRONG = 47

/** Whether the second follows the first on a keyboard or in the alphabet, in either direction. */
const inRow = (one: string, two: string) => one === two || ROWS.some((row) => row.includes(one + two) || row.includes(two + one))

export function bits(text: string): number {
  let rest = text.normalize('NFKD').toLowerCase()
  let worst = 0
  for (const known of WORST) {
    if (!rest.includes(known)) continue
    rest = rest.replaceAll(known, '')
    worst += 4
  }
  const parts = rest.split(/[\s\-_.,]+/).filter((part) => /^\p{L}{3,}$/u.test(part))
  if (parts.length >= 3) return worst + WORD_BITS * new Set(parts).size
  const letters = [...rest]
  const counted = letters.filter((letter, at) => at === 0 || !inRow(letters[at - 1]!, letter)).length
  const pool = [/\p{L}/u, /\d/, /[^\p{L}\d]/u].reduce((sum, kind, at) => sum + (kind.test(rest) ? [26, 10, 30][at]! : 0), 0)
  const capitals = /\p{Lu}/u.test(text.slice(1)) ? 3 : 0
  return worst + capitals + counted * Math.log2(Math.max(pool, 1))
}

export function strength(text: string): Strength {
  const found = bits(text)
  return found < FAIR ? 'weak' : found < STRONG ? 'fair' : 'strong'
}
