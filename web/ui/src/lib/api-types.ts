// The types of the API. Made from web/src/dto.rs; do not edit.
// UPDATE=1 cargo test -p pc2-web openapi

/** How an offer is accepted. */
export type AcceptTransfer = {
  /** The folder to receive into, an absolute path on the machine of the node; `null`: the usual one. */
  folder?: string | null
}

/** Whom to ask to become a contact: by DID or by invitation, one of the two. */
export type AddContact = {
  /** The owner's name for them; at most 100 bytes. */
  alias?: string | null
  /** `did:boson:…` */
  did?: string | null
  /** `pc2:invite:…` */
  invitation?: string | null
  /** What they see with the request; at most 1,000 bytes. */
  text?: string | null
}

/** A key for a program. */
export type AddKey = {
  /** Until when it is good; for ever unless told. */
  expires?: number | null
  /** What it is for; at most 100 characters. */
  label: string
  /** What it may do, one scope at least: `chat:read`. */
  scopes: string[]
}

/** Lets a wallet sign in. */
export type AddWallet = {
  /** `0x…`; mixed case is checked (EIP-55). */
  address: string
  /** What the owner calls it; at most 100 characters. */
  label?: string
  /** As what. */
  role: Role
}

/** Limits by name; what is left out is what it is anyway. Nothing can be more. */
export type AskWasmLimits = {
  /** Bytes of one file. */
  file_bytes?: number | null
  /** Operators executed. */
  fuel?: number | null
  /** Bytes of memory. */
  memory_bytes?: number | null
  /** Bytes printed. */
  output_bytes?: number | null
  /** Milliseconds on the clock. */
  time_ms?: number | null
  /** Bytes written to files, in all. */
  written_bytes?: number | null
}

/** Offers of somebody are accepted without asking. */
export type AutoAccept = {
  /** Whose: their DID. */
  did: string
  /** Up to this many bytes. */
  max_bytes: number
}

/** A look at every file that is offered and every part that was received: is it what it was? */
export type BlobProof = {
  /** Files and parts that were looked at; 0 before the end. */
  blobs: number
  /** Bytes read so far. */
  bytes: number
  /** When it ended. */
  ended: number | null
  /** Why it could not go on. */
  failed: string | null
  /** How many more there are. */
  more: number
  /** It is under way. */
  running: boolean
  /** What is not as it was, 1,000 at most. */
  troubles: BlobTrouble[]
}

/** A file that is not what it was. */
export type BlobTrouble = {
  /** The hash that it had, 64 hexadecimal digits. */
  blob: string
  /** Nothing is to be done about it. */
  mended: boolean
  /** Where it is, or was. */
  path: string
  /** What is wrong and what to do, in words for people. */
  what: string
}

/** How a person can be reached, as they signed it. */
export type Card = {
  /** Where they are. */
  addresses: string[]
  /** Whose. */
  did: string
  /** Participation level, 1 to 4. */
  level: number
}

/** Another role or name of a wallet; what is not named stays. */
export type ChangeWallet = {
  /** At most 100 characters. */
  label?: string | null
  /** As what it may sign in from now on. */
  role?: Role | null
}

/** What changed, in words. */
export type Changed = {
  /** For people. */
  what: string
}

/** What the owner tells contacts of what they do; who does not tell is not told either. */
export type ChatSettings = {
  /** That messages were read. */
  read_receipts: boolean
  /** That a message is being written. */
  typing: boolean
}

/** One check of the node. */
export type Check = {
  /** What to do; `null` when it is well. */
  advice: string | null
  /** What was found. */
  detail: string
  /** What is checked. */
  name: string
  /** It is well. */
  ok: boolean
}

/** What to change about how the node is in the network. It starts anew with it. */
export type ChooseNetwork = {
  /** Nodes to join the network by, as multiaddresses that end in `/p2p/…`, at most 32. */
  bootstrap?: string[] | null
  /** Where other nodes reach this one, as multiaddresses, 1 to 16. */
  listen?: string[] | null
  /** Look for nodes in the local network. */
  mdns?: boolean | null
  /** Ask the router to pass the port on. */
  upnp?: boolean | null
}

/** Words of the phrase, as the owner wrote them down. */
export type ConfirmPhrase = {
  /** One for each that is asked, in that order. */
  words: Hidden[]
}

/** What a test of the connection found. */
export type ConnectionTest = {
  /** When it began. */
  at: number
  /** What it found, in the order in which one thing rests on another. */
  findings: Finding[]
  /** How long it took. */
  took_ms: number
}

/** One person. */
export type Contact = {
  /** The owner's name for them. */
  alias: string | null
  /** What delivery to them does right now. */
  delivery: Delivery
  /** Their DID. */
  did: string
  /** What to show: alias, name, or the beginning of the id. */
  label: string
  /** The latest entry. */
  last: LastEntry | null
  /** Their own name. */
  name: string | null
  /** They say that they are here. Contacts only. */
  online: boolean
  /** Whether they are told what the owner has read, and the owner what they have; `null`: as everybody. */
  read_receipts: boolean | null
  /** Since when they are known. */
  since: number
  /** How the owner stands to them. */
  standing: Standing
  /** What is written from now on disappears so many seconds after it was read, or sent; `null`: it stays. */
  timer: number | null
  /** They are writing to the owner right now. Only if both tell of it. */
  typing: boolean
  /** Entries not yet read. */
  unread: number
  /** Own messages that wait. */
  waiting: number
}

/** Everybody the owner knows, latest entry first. */
export type ContactList = {
  /** At most 2,000 contacts and 128 requests. */
  items: Contact[]
}

/** Who is gone. */
export type ContactRemoved = {
  /** Their DID. */
  did: string
}

/** What delivery to a person does right now. */
export type Delivery = 'idle' | 'sending' | 'looking' | 'not_found' | 'unreachable' | 'undecided'

/** How the node is, part by part. */
export type Doctor = {
  /** Each with what to do if it fails. */
  checks: Check[]
}

/** New text for a message of the owner's. */
export type EditMessage = {
  /** What it says from now on; at most 16 KiB. */
  text: string
}

/** A function of a module that is sent along, to be called. */
export type Execute = {
  /** Its arguments, as numbers or texts. */
  args?: WasmNumber[]
  /** The exported function. */
  functionName: string
  /** The module, as base64; `module` is another name for it. */
  wasmBinary: string
}

/** A function of a module in one's home, to be called. */
export type ExecuteFile = {
  /** Its arguments, as numbers or texts. */
  args?: WasmNumber[]
  /** The module, from one's home on. */
  filePath: string
  /** The exported function. */
  functionName: string
}

/** What a call gave. */
export type Executed = {
  /** A number; `null` when the function gives nothing, a list when it gives several. */
  result: WasmResult
  /** It returned. */
  success: boolean
}

/** One thing that was measured. */
export type Finding = {
  /** What to do, when it is not well. */
  advice: string | null
  /** What was found. */
  detail: string
  /** What was looked at. */
  name: string
  /** How it is. */
  state: FindingState
}

/** How a thing is that was measured. */
export type FindingState = 'well' | 'not_well' | 'unknown'

/** A frame of `/ws`. */
export type Frame = {
  /** Its number; `after=` goes on behind it. `hello`, `ping` and `resync` carry the number reached so far. */
  n: number
} & (
  | {
    data: Hello
    type: 'hello'
  }
  | {
    type: 'ping'
  }
  | {
    data: Contact
    type: 'contact'
  }
  | {
    data: ContactRemoved
    type: 'contact_removed'
  }
  | {
    data: Message
    type: 'message'
  }
  | {
    data: MessageGone
    type: 'message_gone'
  }
  | {
    data: MessageStateChange
    type: 'message_state'
  }
  | {
    data: Transfer
    type: 'transfer'
  }
  | {
    data: TransferRemoved
    type: 'transfer_removed'
  }
  | {
    data: WasmRun
    type: 'wasm_run'
  }
  | {
    data: WasmRunRemoved
    type: 'wasm_run_removed'
  }
  | {
    type: 'wasm_apps'
  }
  | {
    data: Profile
    type: 'profile'
  }
  | {
    data: Changed
    type: 'network'
  }
  | {
    type: 'traffic'
  }
  | {
    data: Changed
    type: 'health'
  }
  | {
    type: 'doors'
  }
  | {
    type: 'resync'
  }
)

/** The node is up. */
export type Health = {
  /** `ok`, or `degraded` when a part of the node has failed. */
  status: HealthStatus
}

/** How the node is, in one word. */
export type HealthStatus = 'ok' | 'degraded'

/** The beginning of a connection. */
export type Hello = {
  /** It goes on where the last connection ended, as `after` asked. If it cannot, `resync` follows. */
  resumed: boolean
}

/** A text that nobody is to see by accident: not in `Debug`, wiped from memory when dropped. */
export type Hidden = string

/** Who the owner is. */
export type Identity = {
  /** Their DID. */
  did: string
  /** How they call themselves; may be empty. */
  name: string
  /** The DID without its prefix. */
  node_id: string
  /** The same key as libp2p writes it. */
  peer_id: string
  /** The identity file is protected by a passphrase. */
  sealed_identity: boolean
  /** The owner has been through the setup; otherwise the page opens with it. */
  setup_finished: boolean
  /** Of the program. */
  version: string
}

/** An app to be installed: from one's home, or sent along. */
export type InstallWasmApp = {
  /** Otherwise: the text of `app.toml`. */
  manifest?: string | null
  /** And the module, as base64. */
  module?: string | null
  /** Its `app.toml`, from one's home on; its module is beside it. */
  path?: string | null
}

/** An invitation that works once. */
export type Invitation = {
  /** Until when. */
  expires: number
  /** `pc2:invite:…`, to be given to one person. */
  link: string
}

/** A key for a program. */
export type Key = {
  /** When it was made. */
  created: number
  /** Until when it is good; `null` for ever. */
  expires: number | null
  /** To take it back by. */
  id: string
  /** What it is for. */
  label: string
  /** When it was last used, to about ten minutes; `null` for never. */
  last_used: number | null
  /** What it may do. */
  scopes: string[]
}

/** Keys for programs, the oldest first. */
export type KeyList = {
  /** At most 64. */
  items: Key[]
  /** Every scope there is. */
  scopes: string[]
}

/** The latest entry of a conversation. */
export type LastEntry = {
  /** When it was written. */
  at: number
  /** Its author has taken it back, or it has had its time. */
  deleted: boolean
  /** It has had its time: it disappeared. */
  gone: boolean
  /** The message. */
  id: string
  /** Written by the owner. */
  mine: boolean
  /** Its beginning; nothing when it was taken back. */
  preview: string
}

/** A link that signs in once. */
export type LoginLink = {
  /** Until when. */
  expires: number
  /** To be opened in a browser. */
  url: string
}

/** What is kept for those who are offline. */
export type Mailboxes = {
  /** When the owner's mailboxes were last looked through. */
  fetched: number | null
  /** Envelopes of others kept here. */
  held: number
  /** Their bytes. */
  held_bytes: number
  /** In how many mailboxes. */
  held_mailboxes: number
  /** DIDs of nodes that hold the owner's mailboxes. */
  holders: string[]
  /** The owner's parcels in mailboxes, or on the way there. */
  parcels: number
  /** Nodes that the owner pinned: they keep the owner's mailboxes for a month, if their owners allow it. */
  pinned: PinnedHolder[]
  /** How many nodes the owner can pin. */
  pinned_most: number
  /** People whose mailboxes are kept here for a month, if they pin this node. */
  serving: ServedPerson[]
  /** How many bytes of them are kept at most. */
  share_bytes: number
  /** Of them, those that enough nodes keep. */
  stored: number
}

/** What a router in between does with a node's ports. */
export type Mapping = 'unknown' | 'none' | 'same' | 'per_destination'

/** One message. */
export type Message = {
  /** When it was written, as people see it. */
  at: number
  /** What it is. */
  body: MessageBody
  /** Their history before this message is not what it was. */
  chain_broken: boolean
  /** With whom: their DID. */
  conversation: string
  /** Its author has taken it back: it says nothing any more. */
  deleted: boolean
  /** It disappears so many seconds after it was read, or sent; `null`: it stays. */
  disappears_after: number | null
  /** When its author last edited it; `null`: never. */
  edited_at: number | null
  /** The message. */
  id: string
  /** Written by the owner. */
  mine: boolean
  /** Sorts a conversation, compared as text. */
  order: string
  /** What that says now; `null` when it answers nothing, or something that is not here. */
  quote: Quote | null
  /** One emoji a person at most. */
  reactions: Reaction[]
  /** The message it answers. */
  reply_to: string | null
  /** Grows with each edit, reaction and deletion: of two pictures of a message, the higher is the newer. */
  revision: number
  /** Who wrote it. */
  sender: string
  /** How far it has come. */
  state: MessageState
  /** When it came to be on this disk. */
  stored: number
  /** What it says now; of a file or folder that is offered, its name; nothing when it was taken back. */
  text: string
}

/** What a message is. */
export type MessageBody = 
  | {
    kind: 'text'
  }
  | {
    kind: 'timer'
    /** Seconds after a message was read, or sent; `null`: it stays. */
    seconds: number | null
  }
  | {
    /** How many files. */
    files: number
    kind: 'file'
    /** What who offers takes it for; empty when unknown. To be shown, never obeyed. */
    mime: string
    /** As who offers calls it. No path, and to be shown as a stranger's text. */
    name: string
    /** The offer, 32 hexadecimal digits. */
    offer: string
    /** Bytes of all files. */
    size: number
    /** The transfer that it is. It may be forgotten already. */
    transfer: string
    /** What is offered. */
    what: OfferedKind
  }

/** Which message is gone. */
export type MessageGone = {
  /** With whom: their DID. */
  conversation: string
  /** The message. */
  id: string
}

/** A page of a conversation. */
export type MessagePage = {
  /** Where the page after this one begins; `null` at the end of the conversation. */
  after: string | null
  /** Where the page before this one ends; `null` at the beginning of the conversation. */
  before: string | null
  /** Oldest first. */
  items: Message[]
}

/** How far a message has come. */
export type MessageState = 'waiting' | 'delivered' | 'read' | 'not_delivered' | 'received' | 'stored'

/** Which message is in which state now. */
export type MessageStateChange = {
  /** With whom: their DID. */
  conversation: string
  /** The message. */
  id: string
  /** Its state. */
  state: MessageState
}

/** The network, seen from this node. */
export type Network = {
  /** Where it believes that others can reach it. */
  addresses: string[]
  /** Where this node listens. */
  listening: string[]
  /** What is kept for those who are offline. */
  mailboxes: Mailboxes
  /** With whom it is connected. */
  peers: Peer[]
  /** How this node is reached, and what it does for others. */
  reach: Reach
  /** What it relays for others. */
  relaying: Relaying
}

/** What became of a choice about the network. */
export type NetworkChosen = {
  /** The node starts anew with it now, which takes some seconds; otherwise it was so already. */
  restarts: boolean
}

/** A key that was just made. */
export type NewKey = {
  /** What is kept of it. */
  key: Key
  /** To be sent as `Authorization: Bearer …`. It is shown this once: the node keeps its hash only. */
  secret: string
}

/** Files and folders of the node's machine to be offered to somebody. */
export type OfferFiles = {
  /** Absolute paths on the machine of the node. Several of them are offered together, as a folder. */
  paths: string[]
  /** To whom: the DID of a contact. */
  to: string
}

/** What is offered. */
export type OfferedKind = 'file' | 'folder'

/** How two nodes reach each other. */
export type Path = 'direct' | 'punched' | 'relayed'

/** One connected node. */
export type Peer = {
  /** Where it is. */
  address: string
  /** Bytes of its requests and answers, since it is connected. */
  bytes_in: number
  /** Bytes of requests and answers to it. */
  bytes_out: number
  /** How near it is among the keys of the network (XOR metric), seen from this node: leading bits that both keys have in common, 0 to 256. */
  common_bits: number
  /** The owner's contact of that DID, as lists show them. */
  contact: string | null
  /** Its DID. */
  did: string
  /** Of the last ping. */
  latency_ms: number | null
  /** How the two reach each other. */
  path: Path
  /** Since when requests go by this way. */
  path_since: number
  /** The DID of the relay in between. */
  relayed_by: string | null
  /** Connected since. */
  since: number
  /** By which transport. */
  transport: Transport
  /** The 16 bits of its key after the first that differs: tells those of the same distance apart. */
  turn: number
}

/** A recovery phrase. */
export type PhraseWords = {
  /** Its words, in order: 12 or 24. */
  words: string[]
}

/** What a pinned node last said. */
export type PinState = 'not_reached' | 'accepted' | 'not_allowed' | 'refused'

/** A node that the owner pinned. */
export type PinnedHolder = {
  /** When it last answered anything. */
  answered: number | null
  /** The owner's contact of that DID, as lists show them. */
  contact: string | null
  /** Its DID. */
  did: string
  /** Since when it is pinned. */
  since: number
  /** What it last said. */
  state: PinState
  /** Why it refused, in its words. */
  why: string | null
}

/** What came of others' tries to reach one address. */
export type ProbedAddress = {
  /** The address. */
  address: string
  /** When it was. */
  at: number
  /** The last try got through. */
  reachable: boolean
}

/** What went wrong. */
export type Problem = {
  /** For programs; never changes its meaning. */
  code: string
  /** Of `wasm_limit`: which limit it was. */
  limit?: string | null
  /** For people. */
  message: string
}

/** The owner's profile. */
export type Profile = {
  /** How they call themselves; may be empty. */
  name: string
}

/** That it is the owner who asks, not somebody who found the browser open. Needed once the setup is over: one of the two. */
export type Proof = {
  /** A fresh one-time link (`pc2 login-link`), or its secret; it is used up. */
  link?: Hidden | null
  /** The passphrase of the identity file. */
  passphrase?: Hidden | null
}

/** A value to be published. */
export type PutRecord = {
  /** It replaces the value with this number and no other. */
  expected_seq?: number | null
  /** The value; at most 7.5 KiB. */
  value: string
}

/** What a message answers. */
export type Quote = {
  /** Its author has taken it back. */
  deleted: boolean
  /** The message. */
  id: string
  /** Written by the owner. */
  mine: boolean
  /** Its place in the conversation. */
  order: string
  /** The beginning of what it says now; nothing when it was taken back. */
  text: string
}

/** How this node is reached, and what it does for others. */
export type Reach = {
  /** What the owner chose: `auto`, `1`, `2`, `3` or `4`. */
  choice: string
  /** The level in effect, 1 to 4. */
  level: number
  /** Addresses the router passes on to this node. */
  mapped: string[]
  /** What a router in between does with its ports. */
  mapping: Mapping
  /** Public addresses others tried. */
  probed: ProbedAddress[]
  /** How this node is reached, as far as is known. */
  reachability: Reachability
  /** Places at relays, held or asked for. */
  reservations: Reservation[]
  /** What the owner lends. */
  shares: Shares
  /** Why this level, one sentence. */
  why: string
}

/** How a node is reached, in one word. */
export type Reachability = 'unknown' | 'public' | 'relayed' | 'private'

/** How somebody reacts to a message. */
export type Reaction = {
  /** One emoji. */
  emoji: string
  /** It is the owner's. */
  mine: boolean
}

/** A value that was found. */
export type Record = {
  /** Whose. */
  did: string
  /** Which of theirs. */
  salt: string
  /** Its sequence number. */
  seq: number
  /** The value. */
  value: string
}

/** What this node relays for others, now and since its start. */
export type Relaying = {
  /** Circuits that stand. */
  circuits: number
  /** It relays. */
  on: boolean
  /** Places and circuits refused since the start. */
  refused: number
  /** Nodes that hold a place here. */
  reservations: number
  /** Circuits that stood since the start. */
  served: number
}

/** The owner's name for a person. */
export type Rename = {
  /** `null` takes it away. */
  alias?: string | null
}

/** A place at a relay. */
export type Reservation = {
  /** Where others reach this node through it; empty while it is asked for. */
  addresses: string[]
  /** The owner's contact of that DID, as lists show them. */
  contact: string | null
  /** The relay's DID. */
  did: string
  /** Of the last ping. */
  latency_ms: number | null
  /** Since when it is held; `null` while it is asked for. */
  since: number | null
}

/** The phrase of an identity that there is. */
export type RestorePhrase = {
  /** 12 or 24 words. */
  phrase: Hidden
}

/** Another identity takes the place of the one here. */
export type Restoring = {
  /** Which. */
  did: string
  /** It is the one that is here: nothing had to be replaced. */
  same: boolean
}

/** What somebody is to this node. */
export type Role = 'owner' | 'admin' | 'member'

/** One of them. */
export type SearchHit = {
  /** The message. */
  message: Message
  /** What it says around the first hit, in pieces. */
  snippet: SnippetPiece[]
}

/** Messages that have what was searched for. */
export type SearchPage = {
  /** Where older ones go on; `null` when there are no more. */
  before: string | null
  /** Newest first. */
  items: SearchHit[]
}

/** Something that happened. */
export type SecurityEntry = {
  /** When; the last time for what is counted. */
  at: number
  /** Which wallet did it; `null` for the owner by a link or at the command line, or somebody unknown. */
  by: string | null
  /** How many sign-ins, sessions, or looks at the phrase. */
  count: number | null
  /** The name of the key it was about. */
  label: string | null
  /** Its place in the log. */
  number: number
  /** Its role from then on. */
  role: Role | null
  /** The wallet it was about. */
  wallet: string | null
  /** What. */
  what: SecurityWhat
}

/** What happened at the doors, the latest first. */
export type SecurityLog = {
  /** At most 1,000. */
  items: SecurityEntry[]
}

/** What can happen at the doors. */
export type SecurityWhat = 'link_used' | 'wallet_used' | 'refused' | 'wallet_added' | 'wallet_changed' | 'wallet_removed' | 'key_added' | 'key_removed' | 'sessions_ended' | 'phrase_shown' | 'passphrase_set' | 'passphrase_removed'

/** A message to be sent. */
export type SendMessage = {
  /** The message's name, chosen at random: 16 bytes in Base58, or a UUID. The same name is the same message. */
  client_id: string
  /** The message it answers. */
  reply_to?: string | null
  /** What it says; at most 16 KiB. */
  text: string
}

/** Somebody whose mailboxes are kept here for a month. */
export type ServedPerson = {
  /** Their bytes. */
  bytes: number
  /** The owner's contact of that DID, as lists show them. */
  contact: string | null
  /** Their DID. */
  did: string
  /** Envelopes kept for them. */
  envelopes: number
  /** Since when they are allowed to pin this node. */
  since: number
  /** When they last said which mailboxes are theirs; `null`: they have not pinned this node. */
  stated: number | null
}

/** Whether somebody is signed in. */
export type Session = {
  /** How far events have come: who reads from now on and follows `/ws?after=` this misses nothing. `null` for strangers. */
  events: number | null
  /** Until when; `null` at the command line. */
  expires: number | null
  /** As what. */
  role: Role | null
  /** They are. */
  signed_in: boolean
  /** With which wallet, as EIP-55 writes it; `null` for the owner by a link, and for programs. */
  wallet: string | null
}

/** Who is signed in, the latest first: the owner sees all, others their own. */
export type SessionList = {
  /** At most 64 for each wallet, and 64 by links. */
  items: SignedIn[]
}

/** Whether offers of somebody are accepted without asking. */
export type SetAuto = {
  /** Up to how many bytes; `null`: ask. */
  max_bytes?: number | null
}

/** What the owner tells contacts of what they do. */
export type SetChatSettings = {
  /** That messages were read. */
  read_receipts: boolean
  /** That a message is being written. */
  typing: boolean
}

/** How much the node is to do for the network. */
export type SetLevel = {
  /** `auto`, `1`, `2`, `3` or `4`. */
  level: string
}

/** Change of the owner's profile. */
export type SetName = {
  /** How they call themselves; at most 100 bytes. */
  name: string
}

/** Another passphrase for the identity file. */
export type SetPassphrase = {
  /** 8 to 1,000 characters; `null` lays the file open. */
  passphrase?: Hidden | null
  /** That it is the owner who asks. */
  proof?: Proof
}

/** How fast files may be transferred, all together, in bytes a second. */
export type SetRates = {
  /** Received; `null`: as fast as it goes. */
  down?: number | null
  /** Sent; `null`: as fast as it goes. */
  up?: number | null
}

/** How the owner reacts to a message. */
export type SetReaction = {
  /** One emoji; `null` takes it back. */
  emoji?: string | null
}

/** Whether a person is told what the owner has read. */
export type SetReceipts = {
  /** `null`: as everybody. */
  read_receipts?: boolean | null
}

/** Where the wizard is to stand; `done` ends it. */
export type SetSetup = {
  /** The step. */
  step: SetupStep
}

/** What the node is to lend. What is not named stays. */
export type SetShares = {
  /** Bytes a second through all circuits together, 64 KiB to 1 GiB. */
  bytes_per_second?: number | null
  /** Bytes of one circuit, from 1 GiB. */
  circuit_bytes?: number | null
  /** Seconds one circuit lasts, an hour to a week. */
  circuit_seconds?: number | null
  /** Circuits at once, 1 to 1,000. */
  circuits?: number | null
  /** Bytes of disk for envelopes of others, 16 MiB to 4 GiB. */
  mailbox_bytes?: number | null
  /** Places at this relay, 1 to 4,096. */
  reservations?: number | null
}

/** How long messages of a conversation last. */
export type SetTimer = {
  /** The name of the message that says so, chosen at random: 16 bytes in Base58, or a UUID. The same name is the same message. */
  client_id: string
  /** Seconds after a message was read, or sent, 1 to 31,536,000; `null`: they stay. */
  seconds?: number | null
}

/** What an app is granted from now on. */
export type SetWasmGrant = {
  /** The folder that it finds as `/data`; `null`: none. A key needs `files:read` to name one, and `files:write` to have it written to. */
  folder?: WasmFolder | null
}

/** How far the setup of this node is. */
export type Setup = {
  /** Which of its words are asked back, counted from 1. */
  asks: number[]
  /** Whose node it is. */
  did: string
  /** It is over; the page opens on the desktop. */
  finished: boolean
  /** The node was told at its start in which file its passphrase stands. */
  passphrase_from_file: boolean
  /** The owner has shown that they wrote it down. */
  phrase_confirmed: boolean
  /** The recovery phrase is kept on this node, sealed, and can be shown. */
  phrase_kept: boolean
  /** Another identity may take the place of this one: the setup is not over, and nothing was done with this one yet. */
  replaceable: boolean
  /** The identity file is protected by a passphrase. */
  sealed: boolean
  /** A restore was asked for, but the identity here had been used by then, and stayed. */
  stayed: boolean
  /** Where the wizard stands. */
  step: SetupStep
}

/** Where the wizard stands. */
export type SetupStep = 'choose' | 'name' | 'passphrase' | 'phrase' | 'ready' | 'done'

/** What a node lends to the network. */
export type Shares = {
  /** Level 3 and above: most bytes a second through all circuits together. */
  bytes_per_second: number
  /** Level 3 and above: most bytes of one circuit. */
  circuit_bytes: number
  /** Level 3 and above: how long one circuit lasts at most. */
  circuit_seconds: number
  /** Level 3 and above: most circuits at once. */
  circuits: number
  /** Level 2 and above: disk for envelopes of others. */
  mailbox_bytes: number
  /** Level 3 and above: most places at this relay. */
  reservations: number
}

/** What a wallet is asked to sign. */
export type SignInText = {
  /** The address as EIP-55 writes it. */
  address: string
  /** Until when. */
  expires: number
  /** Which text; to be sent back with the signature. Good once. */
  nonce: string
  /** The text, for `personal_sign`. */
  text: string
}

/** A browser that is signed in. */
export type SignedIn = {
  /** Since when. */
  created: number
  /** Until when, by itself. */
  expires: number
  /** To end it by. */
  id: string
  /** What the browser calls itself. */
  label: string
  /** When it was here last, to about ten minutes. */
  last_seen: number
  /** It is the one that asks. */
  this: boolean
  /** With which wallet; `null` for the owner by a link. */
  wallet: string | null
}

/** A piece of what a message says. */
export type SnippetPiece = {
  /** It is what was searched for. */
  hit: boolean
  /** The piece. */
  text: string
}

/** How the owner stands to a person. */
export type Standing = 'requested' | 'asking' | 'accepted' | 'blocked'

/** What the node was started with: by `config.toml`, the environment and its words. Another start changes it. */
export type StartSettings = {
  /** Nodes that it joins the network by. */
  bootstrap: string[]
  /** Where it is set. */
  config_file: string
  /** Which of `listen`, `bootstrap`, `mdns` and `upnp` are set in `config.toml` or after `pc2 up`, and so cannot be chosen here. */
  fixed: string[]
  /** The level that every start begins with; `null`: as last chosen. */
  level: string | null
  /** Where other nodes reach this one. */
  listen: string[]
  /** What is logged. */
  log: string
  /** It looks for nodes in the local network. */
  mdns: boolean
  /** Why the last choice about the network was taken back; until there is another. */
  refused: string | null
  /** Every start begins with shares that are named there; otherwise with those last chosen. */
  shares: boolean
  /** It asks the router to pass its port on. */
  upnp: boolean
  /** Chains whose contract wallets can sign in, each with the host that is asked. */
  wallet_chains: string[]
  /** Where the page listens. */
  web: string
  /** Names of the page besides the loopback ones. */
  web_names: string[]
}

/** What is to be run: an app, a module in one's home, or one that is sent along. */
export type StartWasmRun = {
  /** An installed app. */
  app?: string | null
  /** Arguments: of the function, or of the program. */
  args?: WasmNumber[]
  /** Environment of the program, each as `NAME=value`. */
  env?: string[]
  /** A folder for a module that is no app; an app has what it was granted. A key needs `files:read` to name one, and `files:write` to have it written to. */
  folder?: WasmFolder | null
  /** The exported function to be called; left out: it is run as a program. */
  function?: string | null
  /** Lower limits than it has anyway. */
  limits?: AskWasmLimits
  /** Or a module, as base64. */
  module?: string | null
  /** What to call a module that is sent along. */
  name?: string | null
  /** Or a module, from one's home on. */
  path?: string | null
  /** Its stream will be followed: who says something there first gives the run input, and what the run writes waits for who looks first. Otherwise there is no input, and the last of what it writes is kept. */
  stdin?: boolean
}

/** What takes how many bytes of the disk. */
export type Storage = {
  /** Databases and identities that were moved aside. */
  aside: number
  /** Kept free for a start on a full disk. */
  ballast: number
  /** Everything was counted; otherwise it is at least this. */
  complete: boolean
  /** All files of the database, with the room it keeps for itself. */
  database: number
  /** The last export. */
  export: number
  /** The data directory. */
  folder: string
  /** Free in its file system; `null` when the system does not say. */
  free: number | null
  /** Of the database: what is kept for people who are offline. */
  mailboxes: number
  /** Of the database: conversations. */
  messages: number
  /** Files that were received and lie in the owner's folder. */
  received: number
  /** Of the database: what is kept for the network. */
  records: number
  /** Files on their way, and the proofs of those that are offered. */
  transfers: number
}

/** A value that was published. */
export type StoredRecord = {
  /** How many were asked. */
  asked: number
  /** How many nodes confirmed it. */
  holders: number
  /** Where it lives. */
  key: string
  /** Its sequence number. */
  seq: number
}

/** What went over the network. */
export type Traffic = {
  /** By quarter of an hour. */
  day: TrafficChart
  /** By minute. */
  hour: TrafficChart
  /** By second. */
  minute: TrafficChart
}

/** What went over the network in some time, slot by slot, oldest first; the last slot is not over. */
export type TrafficChart = {
  /** Bytes of requests, answers and files that this node received. What it relays for others is not among them. */
  bytes_in: number[]
  /** Bytes of them that it sent. */
  bytes_out: number[]
  /** When the first slot began. */
  first: number
  /** Messages received; empty for those who may not look into the chats. */
  messages_in: number[]
  /** Messages written; empty for those who may not look into the chats. */
  messages_out: number[]
  /** How long a slot is. */
  step_ms: number
}

/** A file or folder on its way, or there. */
export type Transfer = {
  /** `transferring`: bytes that are here and proven, or that were sent since the node started. `preparing`: bytes hashed. Received, and in another state before the end: bytes that are here, as of when it was last looked; nothing if it was not yet. */
  bytes: number | null
  /** Which way it goes. */
  direction: TransferDirection
  /** When it ended. */
  ended: number | null
  /** Until when the offer stands; while it is being prepared, as if it were made then. */
  expires: number
  /** How many files. */
  files: number
  /** Names it: `out.` or `in.`, the other side's DID, `.` and the offer. To be taken as it is. */
  id: string
  /** What who offers takes it for, e.g. `image/jpeg`; empty when unknown. To be shown, never obeyed. */
  mime: string
  /** As who offers calls it. No path, and to be shown as a stranger's text. */
  name: string
  /** The offer, 32 hexadecimal digits: the same bytes as the name of the message that carries it. */
  offer: string
  /** Received and `done`: where it was put. */
  path: string | null
  /** The other side: their DID. */
  peer: string
  /** `failed`: whether trying again can help. Otherwise it has to be offered again. */
  retryable: boolean
  /** When it came to be here. */
  since: number
  /** Bytes of all files; while it is being prepared, as far as they were found. */
  size: number
  /** Where it stands. */
  state: TransferState
  /** What is offered. */
  what: OfferedKind
  /** `failed`: why, in words for people. */
  why: string | null
}

/** Which way a transfer goes. */
export type TransferDirection = 'in' | 'out'

/** All transfers that are remembered. */
export type TransferList = {
  /** Those that are being prepared first, then the newest first. */
  transfers: Transfer[]
}

/** Which transfer is gone. */
export type TransferRemoved = {
  /** Its id. */
  id: string
}

/** What holds for transfers from now on. */
export type TransferSettings = {
  /** Whose offers are accepted without asking. */
  auto: AutoAccept[]
  /** Bytes a second that are received, all transfers together; `null`: as fast as it goes. */
  down: number | null
  /** Bytes a second that are sent. */
  up: number | null
}

/** Where a transfer stands. */
export type TransferState = 'preparing' | 'sending' | 'waiting_for_them' | 'offered' | 'queued' | 'transferring' | 'paused' | 'waiting_for_peer' | 'waiting_for_room' | 'finishing' | 'done' | 'declined' | 'cancelled' | 'withdrawn' | 'expired' | 'failed'

/** What carries a connection. */
export type Transport = 'quic' | 'tcp'

/** The secret of a one-time link. */
export type UseLink = {
  /** As it stands in the link. */
  token: string
}

/** What a wallet signed. */
export type UseWallet = {
  /** Of the text. */
  nonce: string
  /** As `personal_sign` gives it. */
  signature: string
}

/** A wallet that may sign in. */
export type Wallet = {
  /** Since when. */
  added: number
  /** By which wallet; `null` for the owner by a link or at the command line. */
  added_by: string | null
  /** As EIP-55 writes it. */
  address: string
  /** What the owner calls it; may be empty. */
  label: string
  /** As what. */
  role: Role
}

/** Wallets that may sign in, the oldest first. */
export type WalletList = {
  /** At most 64. */
  items: Wallet[]
}

/** What may be done in a folder. */
export type WasmAccess = 'read' | 'read_write'

/** An installed app. */
export type WasmApp = {
  /** What it is for; may be empty. */
  about: string
  /** The folder it asks for. */
  asks: WasmFolder | null
  /** Bytes of its module. */
  bytes: number
  /** The folder it was granted. */
  grant: WasmFolder | null
  /** Its id. */
  id: string
  /** Since when it is installed in this version. */
  installed: number
  /** How it is run. */
  kind: WasmKind
  /** What it may take. */
  limits: WasmLimits
  /** The BLAKE3 hash of its module. */
  module: string
  /** What people call it. */
  name: string
  /** Its version. */
  version: string
}

/** Installed apps, by id. */
export type WasmAppList = {
  /** At most 100. */
  apps: WasmApp[]
}

/** How a run ended. */
export type WasmEnd = {
  /** When. */
  at: number
  /** Otherwise: as problems have it, `wasm_limit` for one. */
  code: string | null
  /** Of a program. */
  exit_code: number | null
  /** Which limit it was. */
  limit: string | null
  /** By itself; a program's exit code says more. */
  ordinary: boolean
  /** Of a function. */
  result: WasmResult | null
  /** For people. */
  text: string
}

/** A folder of one's home, and what may be done in it. */
export type WasmFolder = {
  /** What may be done. */
  access: WasmAccess
  /** From the home on; empty: the home itself. */
  folder: string
}

/** A frame of the stream of a run. */
export type WasmFrame = 
  | {
    data: WasmOutput
    type: 'output'
  }
  | {
    data: WasmRun
    type: 'end'
  }

/** What is said on the stream of a run: a piece of its input, or its end. */
export type WasmInput = {
  /** Or bytes, as base64. */
  base64?: string | null
  /** Nothing more follows. */
  end?: boolean
  /** A text. */
  text?: string | null
}

/** How an app is run. */
export type WasmKind = 'functions' | 'program'

/** What one run may take. */
export type WasmLimits = {
  /** Bytes of one file. */
  file_bytes: number
  /** Operators executed. */
  fuel: number
  /** Bytes of memory. */
  memory_bytes: number
  /** Bytes printed. */
  output_bytes: number
  /** Milliseconds on the clock. */
  time_ms: number
  /** Bytes written to files, in all. */
  written_bytes: number
}

/** A number, or a text where JSON has no such number: beyond ±(2^53 − 1), `NaN`, `inf`, `-inf`. */
export type WasmNumber = number | string

/** What a program wrote. */
export type WasmOutput = {
  /** Otherwise as base64. */
  base64: string | null
  /** So many bytes before this are not kept any more. */
  skipped: number
  /** Where to. */
  stream: WasmStream
  /** As text, when it is UTF-8. */
  text: string | null
}

/** What a function gave. */
export type WasmResult = WasmNumber | null | WasmNumber[]

/** A run. */
export type WasmRun = {
  /** The app, if it is one. */
  app: string | null
  /** How it ended. */
  end: WasmEnd | null
  /** The folder it has. */
  folder: WasmFolder | null
  /** The function that is called; `null` for a program. */
  function: string | null
  /** Its id. */
  id: string
  /** What it may take. */
  limits: WasmLimits
  /** What the app or module is called. */
  name: string
  /** Since when it is known. */
  since: number
  /** How far it is. */
  state: WasmRunState
  /** What it took, as far as is known. */
  usage: WasmUsage
}

/** Runs under way and the last that ended, the newest first. */
export type WasmRunList = {
  /** Sixteen that ended, at most. */
  runs: WasmRun[]
}

/** Which run is gone. */
export type WasmRunRemoved = {
  /** Its id. */
  id: string
}

/** How far a run is. */
export type WasmRunState = 'waiting' | 'preparing' | 'running' | 'ended'

/** Which output of a program. */
export type WasmStream = 'out' | 'err'

/** What a run took. */
export type WasmUsage = {
  /** Operators executed; of a module that trapped, up to its last call. */
  fuel: number
  /** Bytes of memory, at its largest. */
  memory_bytes: number
  /** Bytes printed. */
  output_bytes: number
  /** Microseconds on the clock. */
  time_us: number
  /** Bytes written to files. */
  written_bytes: number
}

/** Who this node is, for anybody. */
export type WhoAmI = {
  /** Its DID. */
  did: string
  /** How the owner calls themselves; may be empty. */
  name: string
  /** The DID without its prefix. */
  node_id: string
  /** The same key as libp2p writes it. */
  peer_id: string
  /** Of the program. */
  version: string
}
