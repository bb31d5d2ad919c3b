/** What is said about this browser; read with it. */
export const words = {
  app: 'As an app',
  standalone: 'PC2 runs as an app of its own here.',
  offered: 'With an icon and a window of its own. Nothing is downloaded from anywhere but your PC2.',
  install: 'Install PC2',
  byHand: 'Look for “Install” or “Add to home screen” in the menu of this browser, if it has that.',
  away: 'While your PC2 is away',
  awayHint: 'This page opens all the same, says that your PC2 does not answer, and goes on by itself when it does. Only the page is kept for that, nothing of yours.',
  plain: 'This page came over plain HTTP',
  plainHint: 'Anybody on the way can read and change it, and the browser withholds:',
  missing: ['installing PC2 as an app', 'opening this page while your PC2 is away', 'whatever else browsers allow over HTTPS only, as notifications and the camera'],
  instead: 'Open it on the machine itself by the address that pc2 prints, or put a proxy with HTTPS in front of it.',
}
