/** A line of arguments, as one writes it, taken apart: by spaces, but not within quotes. Null: a quote is not closed. */
export function argumentsOf(line: string): string[] | null {
  const found: string[] = []
  let quote = ''
  let word: string | null = null
  for (const char of line) {
    if (quote !== '' && char === quote) quote = ''
    else if (quote !== '') word = (word ?? '') + char
    else if (char === '"' || char === "'") {
      quote = char
      word ??= ''
    } else if (/\s/.test(char)) {
      if (word !== null) found.push(word)
      word = null
    } else word = (word ?? '') + char
  }
  if (quote !== '') return null
  if (word !== null) found.push(word)
  return found
}
