//! The driver's limits and times, each with its reason. Limits that both sides of a protocol must agree on are in
//! [`pc2_protocols::limits`].

use std::time::Duration;

/// Commands that wait for the driver. A burst of a whole record handover (1,000 requests) fits; the host tries again when it is full.
pub(super) const COMMAND_QUEUE: usize = 2_048;

/// How long a start waits for listeners to be confirmed. They are local system calls; longer means the machine hangs.
pub(super) const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// A start goes on once nothing more was heard of the listeners for so long.
pub(super) const LISTEN_SETTLES: Duration = Duration::from_millis(10);

// Connections

/// Inbound connections whose handshake is under way. Source: wire decisions, "Transport and NAT".
pub(super) const MAX_PENDING_INBOUND: u32 = 64;

/// Inbound connections that stand. Source: as above.
pub(super) const MAX_INBOUND: u32 = 512;

/// Connections with one peer: both transports, dialled from both sides at once. Source: as above.
pub(super) const MAX_PER_PEER: u32 = 4;

/// New connections are refused while the process holds more memory than this, in bytes. Twenty times what a node
/// needs with a thousand records; half of the smallest Raspberry Pi sold today.
pub(super) const MAX_PROCESS_BYTES: usize = 512 * 1024 * 1024;

/// Dials under way at once for peers to stay connected with, so that two thousand contacts do not start two thousand handshakes in one second.
pub(super) const MAX_REDIALS: usize = 32;

/// Dials under way at once for whatever reason; beyond it requests are answered `Busy`.
pub(super) const MAX_DIALS: usize = 128;

/// How long a connection may take to stand, with all its handshakes. A slow phone line needs 3 s.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Between pings on a connection: 0.1 packets a second and peer.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(10);

/// An answer to a ping is late after this.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Nothing heard on a connection for so long, two pings missed: the peer is gone. With [`UPKEEP_INTERVAL`] it is noticed within 28 s.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(23);

/// QUIC notices a dead path by itself after this, in milliseconds. A little more than [`SILENT_AFTER`], so that both transports behave alike.
pub(super) const QUIC_IDLE_MILLIS: u32 = 25_000;

/// QUIC keeps the mapping of a NAT open by a packet this often; most drop UDP mappings after 30 s.
pub(super) const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Connections opened within this of each other were dialled from both sides at once. One that a peer opens later than this says that it does not
/// know of the older ones: it was restarted, or its network changed.
pub(super) const SIMULTANEOUS: Duration = Duration::from_secs(2);

/// A connection that nothing used for so long is closed when there are more than [`IDLE_FLOOR`].
pub(super) const IDLE_AFTER: Duration = Duration::from_secs(120);

/// So many peers stay connected even when idle: in a small network closing them would only mean dialling again.
pub(super) const IDLE_FLOOR: usize = 16;

/// The Swarm itself never closes idle connections: the driver does, because it knows which are contacts.
pub(super) const SWARM_IDLE: Duration = Duration::from_secs(365 * 24 * 3_600);

/// How often the driver looks after its books: silent and idle connections, deadlines, sleep.
pub(super) const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Either clock jumping ahead by this much between two looks means that the machine slept.
pub(super) const SLEEP_GAP: Duration = Duration::from_secs(60);

/// Interfaces come in groups (IPv4, IPv6, both transports): wait this long before saying that the network changed.
pub(super) const NETWORK_SETTLES: Duration = Duration::from_millis(500);

// Staying connected

/// A connection that held so long counts as a success: the next loss is answered at once. Longer than [`IDLE_AFTER`], so that a peer who
/// closes our connection as idle each time is not dialled in a tight circle.
pub(super) const STABLE_AFTER: Duration = Duration::from_secs(300);

/// Fewer table entries than this is poor: bootstrap nodes and saved nodes are dialled until there are more.
pub(super) const POOR_TABLE: usize = 8;

/// Nodes of the saved table dialled at once after a start.
pub(super) const START_DIALS: usize = 8;

/// Found on the LAN while fewer peers than this are connected: dialled without being asked to.
pub(super) const LAN_DIALS: usize = 16;

// Requests

/// Our requests without an answer, to all peers together; beyond it `Busy`.
pub(super) const MAX_OUTBOUND: usize = 1_024;

/// Requests of peers that wait for a machine's answer, together; beyond it they are dropped and counted.
pub(super) const MAX_INBOUND_REQUESTS: usize = 2_048;

/// Requests of one peer that wait for a machine's answer.
pub(super) const MAX_INBOUND_PER_PEER: usize = 128;

/// Bytes of requests of peers that wait for a machine's answer, together.
pub(super) const MAX_INBOUND_BYTES: usize = 32 * 1024 * 1024;

/// Our requests of `/pc2/record/1` to one peer without an answer. Both sides' fit into [`RECORD_STREAMS`].
pub(super) const MAX_RECORD_PER_PEER: usize = 64;

/// Our requests of `/pc2/msg/1` to one peer without an answer: one batch, repairs and receipts of several conversations.
pub(super) const MAX_MESSAGE_PER_PEER: usize = 16;

/// Our requests of `/pc2/mbx/1` to one peer without an answer: a burst of deposits, and a fetch beside it.
pub(super) const MAX_MAILBOX_PER_PEER: usize = 32;

/// Streams of `/pc2/mbx/1` on one connection, both ways: 64 frames are 20 MiB at most, and envelopes mostly have 1 KiB.
pub(super) const MAILBOX_STREAMS: usize = 64;

/// A deposit is answered after one write, a fetch after reading a page.
pub(super) const MAILBOX_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams of `/pc2/record/1` on one connection, both ways: 128 frames are little more than 1 MiB.
pub(super) const RECORD_STREAMS: usize = 128;

/// Streams of `/pc2/msg/1` on one connection, both ways: 32 frames are 8 MiB at most.
pub(super) const MESSAGE_STREAMS: usize = 32;

/// A record is answered from memory or after one write; a peer that needs longer is skipped.
pub(super) const RECORD_TIMEOUT: Duration = Duration::from_secs(8);

/// A batch of messages is answered when the recipient's disk has it; a loaded Raspberry Pi takes seconds for it.
pub(super) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// The last net under every request: whatever went wrong, it is answered `TimedOut` after this. Dialling, negotiating and the longest timeout fit.
pub(super) const REQUEST_DEADLINE: Duration = Duration::from_secs(45);

/// Inputs that a full queue refused are tried again this often, while there are any.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(20);

// Lookups

/// Walks through the network at once. Each has three steps in flight.
pub(super) const MAX_LOOKUPS: usize = 32;

/// Lookups that wait for their turn; beyond it they are answered with nobody.
pub(super) const MAX_WAITING_LOOKUPS: usize = 256;

/// A walk ends with what it has after this.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// With an empty table but connections under way, a lookup waits this long for the first neighbour.
pub(super) const LOOKUP_PATIENCE: Duration = Duration::from_secs(3);

/// Our own neighbourhood is walked again this often, give or take a quarter: nodes come and go by the hour.
pub(super) const SELF_LOOKUP_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// After the first neighbour others usually follow at once; the first walk through the neighbourhood waits for them this long.
pub(super) const SELF_LOOKUP_DELAY: Duration = Duration::from_millis(300);

// The routing table

/// Entries of the routing table from one /24 or /48: peer ids are free, prefixes are not.
pub(super) const MAX_TABLE_PER_PREFIX: usize = 2;

/// Nodes saved for the next start, in number: contacts, so that they are dialled before anybody is asked where they are, then neighbours, enough
/// that some are still there after weeks.
pub(super) const MAX_SAVED: usize = 512;

/// A changed table is saved after this long: it changes often while a node starts, and a crash should not cost it.
pub(super) const SAVE_AFTER: Duration = Duration::from_secs(10);

/// Nodes whose addresses are remembered. With twelve addresses each about 4 MiB.
pub(super) const MAX_BOOK: usize = 4_096;

// Conduct

/// Requests of a stranger in one protocol: 32 a second, after a burst of 128. Source: wire decisions, "Transport and NAT".
pub(super) const STRANGER_RATE: (u32, u32) = (32, 128);

/// Requests of a contact in one protocol: 2,000 a second, after a burst of 4,000.
///
/// A contact's messages come in batches of up to 256, but somebody who types (or a script that waits for each) makes one request of
/// each, as fast as both disks confirm. Over loopback, unoptimised and without disks, 1,200 to 1,400 a second were measured one after the other; with
/// 32 most of them would be dropped, and each drop costs the sender a backoff of a second. So the figure only stops a contact gone mad.
pub(super) const CONTACT_RATE: (u32, u32) = (2_000, 4_000);

/// Offences within [`OFFENCE_WINDOW`] after which a peer is shut out. One garbled frame is a bug, ten are a habit.
pub(super) const MAX_OFFENCES: usize = 10;

/// How far back offences count.
pub(super) const OFFENCE_WINDOW: Duration = Duration::from_secs(600);

/// How long a peer is shut out. Only its id, never an address: a forged sender must not shut out a third party.
pub(super) const SHUT_OUT: Duration = Duration::from_secs(600);

/// Peers whose conduct is remembered.
pub(super) const MAX_CONDUCT: usize = 4_096;

// Shutdown

/// How long answers that are under way may take to leave.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// After the last answer went into a connection it stays open this long: closing TCP while the peer still acknowledges makes the system reset it,
/// and what the peer had not read yet would be lost.
pub(super) const LINGER: Duration = Duration::from_millis(300);

/// How long closing all connections may take.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
