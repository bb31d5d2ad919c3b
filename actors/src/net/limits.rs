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

/// Relays connected with at once to reach one node through them: most hold places at two.
pub(super) const MAX_DIAL_RELAYS: usize = 3;

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

// Streams of files

/// Streams of `/pc2/file/1` that peers have open with us, and as many that we have open with them. 8 transfers are served at once, each with 4 requests
/// ([`pc2_protocols::limits::MAX_TRANSFERS`], [`pc2_protocols::limits::MAX_SERVED_PER_TRANSFER`]), a stream each at most; as many again for words about offers and
/// for ends that were not noticed yet. Before anybody reads, a stream holds 256 KiB at most.
pub(super) const MAX_FILE_STREAMS: usize = 64;

/// Of them, with one peer: 4 transfers, each with 4 requests.
pub(super) const MAX_FILE_STREAMS_PER_PEER: usize = 16;

/// Of those that peers opened, strangers' together. Files are for contacts only; but the other side may know of it a moment earlier than we do.
pub(super) const MAX_STRANGER_FILE_STREAMS: usize = 16;

/// Of them, one stranger's.
pub(super) const MAX_STRANGER_FILE_STREAMS_PER_PEER: usize = 4;

/// A stream that was asked for is open after this, or its connection is of no use. As long as a new connection may take.
pub(super) const FILE_OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// A relayed connection stays for the streams on it so long after a direct one stands: what is nearly there may arrive. Then they break, and who receives goes
/// on directly: what was proven is kept, and a second or two are little against a whole file through a relay.
pub(super) const FILE_SWITCH: Duration = Duration::from_secs(10);

// Bulk connections

/// Inbound bulk connections that wait for the driver to look at them. It does so at once; with more the machine hangs.
pub(super) const BULK_QUEUE: usize = 16;

/// A bulk connection stands after this, or an ordinary stream has to do. Three round trips and a handshake take a second on a bad line.
pub(super) const BULK_DIAL: Duration = Duration::from_secs(3);

/// Addresses tried for a bulk connection.
pub(super) const BULK_ADDRESSES: usize = 4;

/// Between the tries: the first is nearly always right, and who fails for good does so at once.
pub(super) const BULK_STAGGER: Duration = Duration::from_millis(250);

/// With a peer where none could be made it is tried again after this: somebody may have opened a port.
pub(super) const BULK_AGAIN: Duration = Duration::from_secs(300);

// Lookups

/// Walks through the network at once. Each has three steps in flight.
pub(super) const MAX_LOOKUPS: usize = 32;

/// Lookups that wait for their turn; beyond it they are answered with nobody.
pub(super) const MAX_WAITING_LOOKUPS: usize = 256;

/// A walk ends with what it has after this.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// After this a walk is ended with who has answered by then. With everybody there a walk takes half a second; one node near the key that went without
/// a word would make each last for [`LOOKUP_TIMEOUT`], and whoever was to be found through it waits as long.
pub(super) const LOOKUP_ENOUGH: Duration = Duration::from_secs(3);

/// A walk is looked at this often, to see who has answered.
pub(super) const LOOKUP_LOOK: Duration = Duration::from_millis(200);

/// Nobody new has answered for so long, and for so many times what the first answer took: those who are missing are gone. Making a connection with a node
/// takes two to three round trips.
pub(super) const LOOKUP_STALLED: Duration = Duration::from_millis(600);
pub(super) const LOOKUP_STALLED_TRIPS: u32 = 3;

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

// Relaying for others

/// What a circuit may carry in bytes, and how long it may last in seconds, until a share is told: so that being told the same changes no connection. Source:
/// wire decisions, "Transport and NAT".
pub(super) const FIRST_CIRCUIT: (u64, u32) = (1 << 30, 3_600);

/// How long a place is given for before it must be renewed. Holders that vanish without a word keep theirs for so long at most.
pub(super) const PLACE_LASTS: Duration = Duration::from_secs(3_600);

/// Places for nodes of one /24 or /48: a household or two, not a whole data centre.
pub(super) const PLACES_PER_PREFIX: usize = 8;

/// Circuits opened by one peer at once: one for each contact it reaches this way now.
pub(super) const CIRCUITS_PER_PEER: usize = 8;

/// Circuits opened from one /24 or /48 at once.
pub(super) const CIRCUITS_PER_PREFIX: usize = 32;

/// Requests of one peer for places within [`RATE_WINDOW`]. One renews once an hour; the others are restarts and changes of network.
pub(super) const PLACE_RATE: usize = 12;

/// Requests of one peer for circuits within [`RATE_WINDOW`]: all contacts again after a change of network, twice.
pub(super) const CIRCUIT_RATE: usize = 60;

/// How far back requests to a relay count.
pub(super) const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Peers whose requests to a relay are counted, twice (places and circuits). With 60 times each 4 MiB in the worst case.
pub(super) const MAX_RELAY_RATES: usize = 4_096;

/// A circuit that was asked for stands after this or never will. libp2p's own patience is as long.
pub(super) const CIRCUIT_SETUP: Duration = Duration::from_secs(60);

// Being relayed

/// Places asked for or held at once: two are wanted, and their successors for a moment.
pub(super) const MAX_PLACES: usize = 8;

/// Addresses taken from one relay: both transports, both kinds of IP, twice.
pub(super) const MAX_PLACE_ADDRESSES: usize = 8;

/// A relay that has not answered a request for a place after this does not get to.
pub(super) const PLACE_TIMEOUT: Duration = Duration::from_secs(15);

/// Addresses of a place arrive one by one, at once: wait this long before saying what they are.
pub(super) const PLACE_SETTLES: Duration = Duration::from_millis(20);

/// Once a direct connection stands and nothing was heard on the relayed one for so long, that is closed.
pub(super) const SWITCH_AFTER: Duration = Duration::from_secs(2);

// Doubts about connections

/// A request without an answer for so long, or a stream of files on which nothing moves, is reason to knock. Most requests are answered within a round trip, some wait for a disk.
pub(super) const DOUBT_AFTER: Duration = Duration::from_secs(2);

/// Knocking is answered within this or the connection is dead. Three round trips on a bad line. With [`DOUBT_AFTER`] and the time that closing takes, another
/// path is tried within 8 s.
pub(super) const KNOCK_TIMEOUT: Duration = Duration::from_secs(3);

// Finding out how we are reached

/// Connections over which peers can be asked to try and reach us; more would tell nothing new.
pub(super) const MAX_PROBERS: usize = 16;

/// Peers that are asked about one address: the first two from different parts of the network settle it, the third breaks a tie.
pub(super) const PROBES_PER_ADDRESS: usize = 3;

/// Addresses of ours that are put to the test at once. Both transports, both kinds of IP, two networks.
pub(super) const MAX_PROBED: usize = 8;

/// How long a peer's word about an address is good, before one is asked again. Less than half of what the level rests on
/// ([`pc2_protocols::limits::PROBE_LIFETIME`]), so that one round without answers is no reason to step back.
pub(super) const PROBE_AGAIN: Duration = Duration::from_secs(25 * 60);

/// How often it is looked whether somebody is to be asked again.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(5 * 60);

/// A peer that was asked to reach us has tried, or failed to say so, after this.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Tries to reach others on request, for all of them together within [`RATE_WINDOW`]. Each is a handshake.
pub(super) const DIAL_BACKS: usize = 60;

/// Of them, for one peer: all its addresses, twice.
pub(super) const DIAL_BACKS_PER_PEER: usize = 16;
