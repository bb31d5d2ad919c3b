/**
 * The keys of an open menu: arrows, Home and End move, Esc and Tab close. Not here: what opens it, and what is in it.
 */

/** Does what a key means; `close` is told whether the focus goes back to the menu's button. */
export function menuKeys(event: KeyboardEvent, items: HTMLElement[], close: (back: boolean) => void): void {
  const at = items.indexOf(document.activeElement as HTMLElement)
  const [next, previous] = [at + 1, at - 1]
  const to = { ArrowDown: next, ArrowRight: next, ArrowUp: previous, ArrowLeft: previous, Home: 0, End: -1 }[event.key]
  if (to !== undefined) items.at(to % items.length)?.focus()
  else if (event.key === 'Escape' || event.key === 'Tab') close(event.key === 'Escape')
  else return
  if (event.key !== 'Tab') event.preventDefault()
  event.stopPropagation()
}
