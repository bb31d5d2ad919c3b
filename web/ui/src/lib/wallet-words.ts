/** What is said about signing in with a wallet: read with it, so that the first load stays small. */
export const words = {
  or: 'Or sign in with a wallet',
  with: (name: string) => `Sign in with ${name}`,
  none: 'No wallet was found in this browser. With a wallet extension you can sign in here, once the owner of this node has added it.',
  plain: 'This page is open over plain http: whoever is on the way can read what you do and sign in as you. Open it over https, or on the machine itself.',
  refused: 'You said no in the wallet. Nothing happened.',
  open: 'The wallet is waiting for you: open it and answer there.',
  noAccount: 'The wallet showed no account.',
  failed: 'The wallet could not sign.',
}
