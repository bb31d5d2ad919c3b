/**
 * Names and kinds of files, as they are shown. Both come from somebody else, so neither is believed.
 *
 * Not here: which name a file gets on the disk; the node makes that.
 */
import type { OfferedKind } from './api-types'

/** What ends a line, cannot be seen, or turns the direction of writing, so that `exe.gpj` reads as `jpg.exe`. */
const MISLEADING = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu

/** Characters of the end that always stay in sight: the ending, and a little of what is before it. */
const TAIL = 9

/** A name without what could mislead. */
export const plainName = (name: string): string => name.replace(MISLEADING, '\ufffd')

/** A name in two parts. When there is too little room, the first is shortened and the second stays. */
export function halves(name: string, keep = TAIL): [string, string] {
  const letters = [...name]
  return letters.length <= keep + TAIL ? ['', name] : [letters.slice(0, -keep).join(''), letters.slice(-keep).join('')]
}

export type FileKind = 'folder' | 'image' | 'video' | 'audio' | 'text' | 'archive' | 'other'

const ARCHIVE = /\.(zip|7z|rar|tar|gz|tgz|bz2|xz|zst)$/i
const DOCUMENT = /\.(pdf|docx?|odt|rtf|md|epub)$/i

/** What it seems to be: enough for an icon. */
export function kindOf(what: OfferedKind, mime: string, name: string): FileKind {
  if (what === 'folder') return 'folder'
  const [type] = mime.split('/')
  if (type === 'image' || type === 'video' || type === 'audio' || type === 'text') return type
  if (ARCHIVE.test(name)) return 'archive'
  return DOCUMENT.test(name) ? 'text' : 'other'
}

/** As the node shows it (`content.rs`): pictures that run nothing, and text as text. */
export function previewOf(what: OfferedKind, mime: string): 'image' | 'text' | null {
  if (what === 'folder') return null
  const type = mime.split(';')[0]?.trim().toLowerCase() ?? ''
  if (/^image\/(png|jpeg|gif|webp|avif)$/.test(type)) return 'image'
  return type.startsWith('text/') && !type.includes('html') ? 'text' : null
}

/** A name for what comes from the clipboard: browsers call every picture there the same. */
export function pastedName(file: { name: string; type: string }, at: Date): string {
  if (!/^image\.\w+$/.test(file.name) && file.name !== '') return file.name
  const two = (n: number) => String(n).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join('.')
  const ending = /^\w+\/([\w-]+)/.exec(file.type)?.[1] ?? 'bin'
  return `Pasted ${day} ${time}.${ending === 'jpeg' ? 'jpg' : ending}`
}
