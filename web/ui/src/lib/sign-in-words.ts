/** What the sign-in screen says: read with it, so that the first load stays small. */
export const words = {
  title: 'Sign in to your PC2',
  lead: 'This page belongs to the owner of this node. Ask the node for a one-time link, then open it in this browser:',
  command: 'pc2 login-link',
  note: 'The link works once, for 15 minutes.',
  busy: 'Signing you in…',
  failed: 'This link did not work',
  again: 'Ask the node for a new link:',
  copy: 'Copy command',
}
