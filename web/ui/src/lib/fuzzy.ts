/** Finds what somebody means by a few letters: each in its order, sooner at the beginning of words and side by side. */

/** As letters are compared: without case and accents. */
export const plain = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()

/** How well `text` fits `query`, both `plain`; null when not at all. Higher is better. */
export function fits(query: string, text: string): number | null {
  if (query === '') return 0
  const whole = text.indexOf(query)
  // A piece as it is written beats letters strewn about: at the very beginning, at that of a word, anywhere.
  if (whole >= 0) return (whole === 0 ? 300 : startsWord(text, whole) ? 200 : 100) - Math.min(text.length, 99) / 100
  let score = 0
  let at = 0
  let last = -2
  for (const letter of query) {
    if (letter === ' ') continue
    at = next(text, letter, at)
    if (at < 0) return null
    score += startsWord(text, at) ? 4 : at === last + 1 ? 2 : 0
    last = at
    at += letter.length
  }
  // Mostly strewn is found by accident.
  return score < query.length ? null : score
}

/** Where a letter comes next: at the beginning of a word rather than before it within one. */
function next(text: string, letter: string, from: number): number {
  const first = text.indexOf(letter, from)
  if (first <= from) return first
  for (let at = first; at >= 0; at = text.indexOf(letter, at + 1)) if (startsWord(text, at)) return at
  return first
}

const startsWord = (text: string, at: number): boolean => at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1] ?? '')
