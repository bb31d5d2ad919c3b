/**
 * The browser's own dialog, opened on top of everything and closed at once. Its `close` event comes some milliseconds after it has closed: who answers to that closes
 * whatever was opened in between. So whatever ends a dialog goes through `leave`, which closes it, gives the focus back, and says so, in one step.
 */
export function modal(onclose: () => void) {
  let open: HTMLDialogElement | null = null
  const forget = () => {
    open?.removeEventListener('cancel', cancel)
    open?.removeEventListener('close', leave)
    const dialog = open
    open = null
    return dialog
  }
  const leave = () => {
    const dialog = forget()
    if (dialog === null) return
    dialog.close()
    onclose()
  }
  const cancel = (event: Event) => {
    // A file chooser inside that is left without a file says `cancel`, too.
    if (event.target !== open) return
    event.preventDefault()
    leave()
  }
  const attach = (dialog: HTMLDialogElement) => {
    open = dialog
    dialog.showModal()
    dialog.addEventListener('cancel', cancel)
    dialog.addEventListener('close', leave)
    return () => forget()?.close()
  }
  return { attach, leave }
}
