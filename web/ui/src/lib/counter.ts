/** What the program of File processor prints (`wasm/file-processor/file-processor.c`), read. */
export interface Entry {
  name: string
  folder: boolean
  bytes: number
}

export interface Counts {
  lines: number
  words: number
  bytes: number
}

/** As many of a folder as the program shows. */
export const MOST_ENTRIES = 5_000

/** What `--list` prints: per entry its kind, bytes and name, and a zero byte. Folders first, then by name, as people look for them. */
export function entriesOf(printed: string): Entry[] {
  const read = printed.split('\0').flatMap((one): Entry[] => {
    const [, kind, bytes, name] = /^([df]) (\d+) ([^]+)$/.exec(one) ?? []
    return name === undefined ? [] : [{ name, folder: kind === 'd', bytes: Number(bytes) }]
  })
  const order = new Intl.Collator(undefined, { numeric: true })
  return read.sort((a, b) => Number(b.folder) - Number(a.folder) || order.compare(a.name, b.name))
}

/** What it prints of a file. */
export function countsOf(printed: string): Counts | null {
  const [, lines, words, bytes] = /^(\d+) (\d+) (\d+) /.exec(printed) ?? []
  return bytes === undefined ? null : { lines: Number(lines), words: Number(words), bytes: Number(bytes) }
}
