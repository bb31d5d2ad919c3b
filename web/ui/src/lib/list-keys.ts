/** Arrows, Home and End in a list of links; above the first is the field that filters it. True when the key was one of these. */
export function listKeys(event: KeyboardEvent, rows: readonly HTMLElement[], field: HTMLElement): boolean {
  const at = rows.indexOf(document.activeElement as HTMLElement)
  if (at === -1) return false
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key]
  if (to === undefined) return false
  event.preventDefault()
  if (to < 0) field.focus()
  else rows[Math.min(to, rows.length - 1)]?.focus()
  return true
}
