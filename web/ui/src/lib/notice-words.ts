/** What the panel of notices says; read with it. */
export const words = {
  title: 'Notices',
  empty: 'Nothing new',
  emptyHint: 'Requests, messages, files and sign-ins are told here as long as this page is open.',
  clear: 'Clear',
  more: 'How you are reached',
  new: 'New',
  request: (name: string) => `${name} wants to become your contact`,
  messages: (name: string, count: number) => (count === 1 ? `A message from ${name}` : `${count} messages from ${name}`),
  offered: (name: string, file: string) => `${name} offers ${file}`,
  lost: 'Your PC2 did not answer',
  back: 'Your PC2 answers again',
  insecure: 'This page came over plain HTTP',
  insecureHint: 'Some of what it could do is missing',
  health: 'A part of your PC2',
  status: {
    connecting: 'Connecting with your PC2…',
    away: 'Your PC2 does not answer. It is tried again and again.',
    stops: 'Your PC2 stops or starts anew. This page waits for it.',
  },
}
