/** What is said about this PC2; read with it. */
export const words = {
  version: 'Version',
  node: 'This node',
  did: 'DID',
  nodeId: 'Node',
  peerId: 'libp2p peer',
  copy: (what: string) => `Copy ${what}`,
  identity: 'Identity file',
  sealed: 'Sealed with a passphrase',
  open: 'Not sealed: whoever reads the disk can be you',
  licence: 'Licence',
  own: 'PC2 is free software: MIT or Apache-2.0, as you like.',
  page: 'What others wrote of this page, with their licences',
  program: 'What others wrote of the program, with their licences',
}
