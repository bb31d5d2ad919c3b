/** What is said of notifications of the desktop, and in them; read with the panel of notices and the settings. */
import type { What } from '../state/notices.svelte'

export const words = {
  title: 'Notifications',
  hint: 'Messages, requests, files and sign-ins are told on your desktop while you look elsewhere, as long as this page is open in some tab.',
  on: 'Tell me on the desktop',
  also: 'Tell me on the desktop, too…',
  how: 'What they say',
  ways: [
    ['all', 'Who, and what they wrote', 'Anybody who sees this screen can read it, on some systems also while it is locked.'],
    ['who', 'Only who', 'The name, and neither what was written nor what a file is called.'],
    ['bare', 'Only that something is new', 'Neither names nor words.'],
  ] as const,
  file: (name: string) => `News of a file: ${name}`,
  denied: 'This browser was told not to let this page show notifications. That is changed in the browser: in the settings of this site, beside the address.',
  none: 'This browser shows no notifications of pages.',
  bare: { request: 'Somebody wants to become your contact', messages: 'New messages', transfer: 'News of a file', doors: 'News of who is signed in' } satisfies Partial<Record<What['kind'], string>>,
}
