//! The network as a node sees it: how it is reached, what it lends, with whom it is connected, what mailboxes keep.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

out! {
    /// The network, seen from this node.
    pub struct Network {
        /// How this node is reached, and what it does for others.
        pub reach: Reach,
        /// Where this node listens.
        pub listening: Vec<String>,
        /// Where it believes that others can reach it.
        pub addresses: Vec<String>,
        /// With whom it is connected.
        pub peers: Vec<Peer>,
        /// What it relays for others.
        pub relaying: Relaying,
        /// What is kept for those who are offline.
        pub mailboxes: Mailboxes,
    }

    /// How this node is reached, and what it does for others.
    pub struct Reach {
        /// What the owner chose: `auto`, `1`, `2`, `3` or `4`.
        pub choice: String,
        /// The level in effect, 1 to 4.
        pub level: u8,
        /// Why this level, one sentence.
        pub why: String,
        /// How this node is reached, as far as is known.
        pub reachability: Reachability,
        /// What a router in between does with its ports.
        pub mapping: Mapping,
        /// Public addresses others tried.
        pub probed: Vec<ProbedAddress>,
        /// Addresses the router passes on to this node.
        pub mapped: Vec<String>,
        /// Places at relays, held or asked for.
        pub reservations: Vec<Reservation>,
        /// What the owner lends.
        pub shares: Shares,
    }

    /// What this node relays for others, now and since its start.
    #[derive(Copy)]
    pub struct Relaying {
        /// It relays.
        pub on: bool,
        /// Nodes that hold a place here.
        pub reservations: u64,
        /// Circuits that stand.
        pub circuits: u64,
        /// Circuits that stood since the start.
        pub served: u64,
        /// Places and circuits refused since the start.
        pub refused: u64,
    }

    /// How a node is reached, in one word.
    #[derive(Copy)]
    pub enum Reachability {
        /// Nobody has tried yet.
        Unknown,
        /// From everywhere, by connections of others' own.
        Public,
        /// Through relays, and directly after a hole was punched.
        Relayed,
        /// Not from outside.
        Private,
    }

    /// What a router in between does with a node's ports.
    #[derive(Copy)]
    pub enum Mapping {
        /// Not enough nodes have said where they see this one.
        Unknown,
        /// There is none: the node has a public address of its own.
        None,
        /// The same port for everybody: hole punching works.
        Same,
        /// Another port for each destination: hole punching works with few.
        PerDestination,
    }

    /// What came of others' tries to reach one address.
    pub struct ProbedAddress {
        /// The address.
        pub address: String,
        /// The last try got through.
        pub reachable: bool,
        /// When it was.
        pub at: u64,
    }

    /// A place at a relay.
    pub struct Reservation {
        /// The relay's DID.
        pub did: String,
        /// The owner's contact of that DID, as lists show them.
        pub contact: Option<String>,
        /// Of the last ping.
        pub latency_ms: Option<u64>,
        /// Where others reach this node through it; empty while it is asked for.
        pub addresses: Vec<String>,
        /// Since when it is held; `null` while it is asked for.
        pub since: Option<u64>,
    }

    /// What a node lends to the network.
    #[derive(Copy)]
    pub struct Shares {
        /// Level 3 and above: most places at this relay.
        pub reservations: u32,
        /// Level 3 and above: most circuits at once.
        pub circuits: u32,
        /// Level 3 and above: most bytes of one circuit.
        pub circuit_bytes: u64,
        /// Level 3 and above: how long one circuit lasts at most.
        pub circuit_seconds: u32,
        /// Level 3 and above: most bytes a second through all circuits together.
        pub bytes_per_second: u64,
        /// Level 2 and above: disk for envelopes of others.
        pub mailbox_bytes: u64,
    }

    /// One connected node.
    pub struct Peer {
        /// Its DID.
        pub did: String,
        /// The owner's contact of that DID, as lists show them.
        pub contact: Option<String>,
        /// How the two reach each other.
        pub path: Path,
        /// The DID of the relay in between.
        pub relayed_by: Option<String>,
        /// Where it is.
        pub address: String,
        /// By which transport.
        pub transport: Transport,
        /// Of the last ping.
        pub latency_ms: Option<u64>,
        /// Connected since.
        pub since: u64,
        /// Since when requests go by this way.
        pub path_since: u64,
        /// Bytes of its requests and answers, since it is connected.
        pub bytes_in: u64,
        /// Bytes of requests and answers to it.
        pub bytes_out: u64,
        /// How near it is among the keys of the network (XOR metric), seen from this node: leading bits that both keys have in common, 0 to 256.
        pub common_bits: u16,
        /// The 16 bits of its key after the first that differs: tells those of the same distance apart.
        pub turn: u16,
    }

    /// How two nodes reach each other.
    #[derive(Copy)]
    pub enum Path {
        /// Without anybody in between.
        Direct,
        /// Without anybody in between, after a hole was punched.
        Punched,
        /// Through a relay, which cannot read what passes.
        Relayed,
    }

    /// What carries a connection.
    #[derive(Copy)]
    pub enum Transport {
        /// QUIC over UDP.
        Quic,
        /// TCP with Noise and yamux.
        Tcp,
    }

    /// What went over the network.
    pub struct Traffic {
        /// By second.
        pub minute: TrafficChart,
        /// By minute.
        pub hour: TrafficChart,
        /// By quarter of an hour.
        pub day: TrafficChart,
    }

    /// What went over the network in some time, slot by slot, oldest first; the last slot is not over.
    pub struct TrafficChart {
        /// When the first slot began.
        pub first: u64,
        /// How long a slot is.
        pub step_ms: u64,
        /// Bytes of requests, answers and files that this node received. What it relays for others is not among them.
        pub bytes_in: Vec<u64>,
        /// Bytes of them that it sent.
        pub bytes_out: Vec<u64>,
        /// Messages received; empty for those who may not look into the chats.
        pub messages_in: Vec<u64>,
        /// Messages written; empty for those who may not look into the chats.
        pub messages_out: Vec<u64>,
    }

    /// What a test of the connection found.
    pub struct ConnectionTest {
        /// When it began.
        pub at: u64,
        /// How long it took.
        pub took_ms: u64,
        /// What it found, in the order in which one thing rests on another.
        pub findings: Vec<Finding>,
    }

    /// One thing that was measured.
    pub struct Finding {
        /// What was looked at.
        pub name: String,
        /// How it is.
        pub state: FindingState,
        /// What was found.
        pub detail: String,
        /// What to do, when it is not well.
        pub advice: Option<String>,
    }

    /// How a thing is that was measured.
    #[derive(Copy)]
    pub enum FindingState {
        /// As it should be.
        Well,
        /// Not as it should be.
        NotWell,
        /// It could not be measured just now.
        Unknown,
    }

    /// What is kept for those who are offline.
    pub struct Mailboxes {
        /// Envelopes of others kept here.
        pub held: u64,
        /// In how many mailboxes.
        pub held_mailboxes: u64,
        /// Their bytes.
        pub held_bytes: u64,
        /// How many bytes of them are kept at most.
        pub share_bytes: u64,
        /// The owner's parcels in mailboxes, or on the way there.
        pub parcels: u64,
        /// Of them, those that enough nodes keep.
        pub stored: u64,
        /// DIDs of nodes that hold the owner's mailboxes.
        pub holders: Vec<String>,
        /// When the owner's mailboxes were last looked through.
        pub fetched: Option<u64>,
        /// Nodes that the owner pinned: they keep the owner's mailboxes for a month, if their owners allow it.
        pub pinned: Vec<PinnedHolder>,
        /// How many nodes the owner can pin.
        pub pinned_most: u64,
        /// People whose mailboxes are kept here for a month, if they pin this node.
        pub serving: Vec<ServedPerson>,
    }

    /// A node that the owner pinned.
    pub struct PinnedHolder {
        /// Its DID.
        pub did: String,
        /// The owner's contact of that DID, as lists show them.
        pub contact: Option<String>,
        /// Since when it is pinned.
        pub since: u64,
        /// What it last said.
        pub state: PinState,
        /// Why it refused, in its words.
        pub why: Option<String>,
        /// When it last answered anything.
        pub answered: Option<u64>,
    }

    /// What a pinned node last said.
    #[derive(Copy)]
    pub enum PinState {
        /// Nothing yet: it was not reached.
        NotReached,
        /// It keeps the owner's mailboxes for a month.
        Accepted,
        /// Its owner has not allowed it.
        NotAllowed,
        /// It does not, for another reason.
        Refused,
    }

    /// Somebody whose mailboxes are kept here for a month.
    pub struct ServedPerson {
        /// Their DID.
        pub did: String,
        /// The owner's contact of that DID, as lists show them.
        pub contact: Option<String>,
        /// Since when they are allowed to pin this node.
        pub since: u64,
        /// When they last said which mailboxes are theirs; `null`: they have not pinned this node.
        pub stated: Option<u64>,
        /// Envelopes kept for them.
        pub envelopes: u64,
        /// Their bytes.
        pub bytes: u64,
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quic => "QUIC",
            Self::Tcp => "TCP",
        })
    }
}

incoming! {
    /// How much the node is to do for the network.
    pub struct SetLevel {
        /// `auto`, `1`, `2`, `3` or `4`.
        pub level: String,
    }

    /// What the node is to lend. What is not named stays.
    pub struct SetShares {
        /// Places at this relay, 1 to 4,096.
        #[serde(default)]
        pub reservations: Option<u32>,
        /// Circuits at once, 1 to 1,000.
        #[serde(default)]
        pub circuits: Option<u32>,
        /// Bytes of one circuit, from 1 GiB.
        #[serde(default)]
        pub circuit_bytes: Option<u64>,
        /// Seconds one circuit lasts, an hour to a week.
        #[serde(default)]
        pub circuit_seconds: Option<u32>,
        /// Bytes a second through all circuits together, 64 KiB to 1 GiB.
        #[serde(default)]
        pub bytes_per_second: Option<u64>,
        /// Bytes of disk for envelopes of others, 16 MiB to 4 GiB.
        #[serde(default)]
        pub mailbox_bytes: Option<u64>,
    }
}
