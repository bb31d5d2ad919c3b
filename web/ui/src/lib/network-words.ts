/** What the network screen says: read with it, so that the first load stays small. Everything else is in `strings`. */
import type { Mapping, Path, PinnedHolder, PinState, Reach, Reachability, ServedPerson } from './api-types'
import { size } from './sizes'

export const words = {
  title: 'Network',
  loading: 'Asking your PC2…',
  failed: 'The network could not be read',

  reachability: {
    unknown: 'Finding out how you are reached…',
    public: 'Everybody can reach you directly',
    relayed: 'You are reached through relays',
    private: 'Others cannot reach you from outside',
  } satisfies Record<Reachability, string>,
  hint: {
    unknown: 'Other nodes try your addresses. This takes a minute.',
    public: 'Your PC2 answers connections from the internet.',
    relayed: 'A relay passes on what it cannot read. A direct way is taken as soon as one opens.',
    private: 'You reach others by yourself. Connect with a node that relays, or open the port in your router.',
  } satisfies Record<Reachability, string>,
  mapping: {
    unknown: 'Not known yet',
    none: 'None: the address is your own',
    same: 'One port for everybody: direct ways can be opened',
    per_destination: 'Another port for each destination: direct ways open seldom',
  } satisfies Record<Mapping, string>,
  router: 'Router',
  addresses: 'Your addresses',
  noAddresses: 'None that others could use',
  relays: 'Places at relays',
  asking: 'asking…',
  heldSince: (when: string) => `since ${when}`,

  level: 'What your PC2 does for others',
  levels: [
    ['auto', 'Automatic', 'Keeps records and mailboxes; relays when everybody can reach it.'],
    ['1', 'Nothing', 'Looks up only. For a phone line or a battery.'],
    ['2', 'Takes part', 'Keeps records and mailboxes for others.'],
    ['3', 'Relays', 'Also passes on traffic for those who cannot be reached.'],
    ['4', 'Supernode', 'Also a way into the network for newcomers. For servers.'],
  ] as const,
  levelNow: (reach: Reach) => `Level ${reach.level} now: ${reach.why}`,
  levelSaved: 'Saved',

  relaying: 'Relaying',
  relayingFor: (places: number, circuits: number) => `for ${places} ${places === 1 ? 'node' : 'nodes'}, ${circuits} circuits now`,

  mailboxes: 'Mailboxes',
  held: (count: number, used: number, share: number) =>
    count > 0
      ? `${count} for others, ${size(used)} of ${size(share)}`
      : share === 0
        ? 'Nothing is kept for others'
        : `Nothing kept for others yet; up to ${size(share)} are lent`,
  waiting: (parcels: number, stored: number) =>
    parcels === 0 ? 'Nothing of yours waits' : `${stored} of your ${parcels} are kept by enough nodes`,
  holders: (count: number) => (count === 1 ? '1 node keeps yours' : `${count} nodes keep yours`),
  looked: (when: string) => `last looked into ${when}`,

  pinned: 'Keep your mailboxes for a month',
  pinnedHint: 'While you are offline, messages for you wait two weeks at nodes near your mailbox. A friend’s PC2, or a second one of yours, can keep them for a month, if its owner allows it.',
  pinNode: 'Node',
  pinNodeHint: 'Pick a contact, or paste the DID of a node.',
  pin: 'Pin',
  unpinShort: 'Unpin',
  unpin: (name: string) => `Unpin ${name}`,
  unpinned: 'Unpinned',
  pinnedNow: 'Pinned',
  pinState: {
    not_reached: 'Not reached yet',
    accepted: 'Accepted',
    not_allowed: 'Refused: its owner has not allowed it',
    refused: 'Refused',
  } satisfies Record<PinState, string>,
  pinSays: (pin: PinnedHolder): string =>
    pin.state === 'refused' && pin.why !== null ? `${words.pinState.refused}: ${pin.why}` : words.pinState[pin.state],
  answered: (when: string) => `last answered ${when}`,

  serving: 'Keep a contact’s mailboxes for a month',
  servingHint: 'They pin your PC2, and you keep their sealed messages longer, within the disk space you lend. You see how many there are, and nothing in them.',
  servePerson: 'Contact',
  pickContact: 'Pick a contact…',
  serve: 'Allow',
  stop: 'Stop',
  stopServing: (name: string) => `Stop keeping for ${name}`,
  servingNow: 'Allowed',
  stopped: 'Stopped. What was promised is kept.',
  serves: (one: ServedPerson) =>
    one.stated === null
      ? 'Allowed; they have not pinned your PC2 yet'
      : `${one.envelopes} ${one.envelopes === 1 ? 'message' : 'messages'}, ${size(one.bytes)}`,

  peers: (count: number) => (count === 1 ? '1 connection' : `${count} connections`),
  noPeers: 'Not connected with anybody',
  noPeersHint: 'In a local network nodes find each other. Elsewhere one address is needed to join through: pc2 up --bootstrap …',
  path: {
    direct: 'Direct',
    punched: 'Direct, punched',
    relayed: 'Relayed',
  } satisfies Record<Path, string>,
  relayedBy: (name: string) => `Relayed by ${name}`,
}
