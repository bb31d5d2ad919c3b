//! Every limit, with its unit, the reason for it and where the reason comes from.
//!
//! A limit stands here when a peer, a person or the disk could exceed it. What happens at the limit is said at
//! the place that enforces it. Changing one that both sides must agree on is a new protocol version.

use std::{ops::RangeInclusive, time::Duration};

/// Longest text of a multiaddress, in bytes. The longest in use (DNS name, QUIC, relay circuit) stays under 200.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Most addresses kept of one node. LAN, public IPv4 and IPv6 in both transports are six; twice for a node with two networks.
pub const MAX_ADDRESSES: usize = 12;

/// How many of the closest nodes hold a record (Kademlia's k). 20 is what libp2p and BitTorrent settled on.
pub const REPLICATION: usize = 20;

/// Largest record, encoded and signed, in bytes. A card with a key package and twelve addresses is about 2 KiB.
pub const MAX_RECORD_BYTES: usize = 8 * 1024;

/// Largest frame of `/pc2/record/1`, in bytes: one record and its envelope.
pub const MAX_RECORD_FRAME_BYTES: usize = MAX_RECORD_BYTES + 1024;

/// Largest frame of `/pc2/msg/1`, in bytes: a full batch ([`MAX_BATCH_BYTES`]) or one longest message, with room for the envelope.
pub const MAX_MESSAGE_FRAME_BYTES: usize = 256 * 1024;

/// Largest frame of `/pc2/mbx/1`, in bytes: a page of fetched envelopes ([`crate::mailbox`]), and room around it.
pub const MAX_MAILBOX_FRAME_BYTES: usize = 320 * 1024;

/// Ciphertext put into one batch of messages, in bytes, unless a single one is larger. Large enough that a round trip
/// carries hundreds of short messages, small enough for a phone line.
pub const MAX_BATCH_BYTES: usize = 64 * 1024;

/// Most items in one batch of messages: as many as the receiver's ratchet tolerates out of order, so that a batch never needs more.
pub const MAX_BATCH_ITEMS: usize = 256;

/// Longest text of a message, in bytes of UTF-8. Some 2,500 words; longer things are files. A sealed row with it stays
/// under the 64 KiB that sled writes durably.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Longest text in a contact request, in bytes of UTF-8: a stranger gets a paragraph, not a page.
pub const MAX_REQUEST_TEXT_BYTES: usize = 1_000;

/// Largest ciphertext opened before its sender is a contact, in bytes: the longest request text, and room for padding and envelope.
pub const MAX_REQUEST_SEALED_BYTES: usize = 4 * 1024;

/// Longest name of a person or contact, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 100;

/// Most contact requests of strangers that wait for a decision. As many as an intro mailbox holds; further ones are refused until some are decided.
pub const MAX_OPEN_REQUESTS: usize = 128;

/// Most contacts of one account: each keeps a session in memory (about 20 KiB).
pub const MAX_CONTACTS: usize = 2_000;

/// Messages of one conversation that may wait in the outbox. A person writes for weeks before reaching it; a script is told to slow down.
pub const MAX_OUTBOX: usize = 10_000;

/// Texts and ciphertext of one conversation that may wait in the outbox, in bytes: they are kept in memory.
pub const MAX_OUTBOX_BYTES: usize = 16 * 1024 * 1024;

/// Own messages of a conversation whose names are remembered beyond the outbox, so that a command repeated after a
/// crash is recognised: as many as a script has unanswered at once.
pub const MAX_RECENT: usize = 64;

/// Most installations of one person whose chains are kept. Each restore from the phrase is one; a peer that makes up more is refused.
pub const MAX_CHAINS: usize = 256;

/// Sessions with one person that are kept: the one in use, and the last one for what was under way.
pub const MAX_SESSIONS: usize = 2;

/// A sender never sends message n before n − 256 was acknowledged: so the receiver's set of out-of-order numbers
/// and its ratchet (out-of-order tolerance 256) stay bounded. Source: OpenMLS settings, `docs/protocol/messages.md`.
pub const SEND_WINDOW: u64 = 256;

/// How far ahead of the last seen generation a ciphertext may be. Source: `docs/protocol/messages.md`.
pub const MAX_FORWARD_DISTANCE: u32 = 4_096;

/// Past epochs whose messages still open. Source: `docs/protocol/messages.md`.
pub const MAX_PAST_EPOCHS: usize = 5;

/// How far back a ciphertext of an epoch may be behind the newest one opened and still open: a full window of unacknowledged
/// messages may arrive in any order. Source: [`SEND_WINDOW`].
pub const OUT_OF_ORDER_TOLERANCE: u32 = 256;

/// Largest MLS Welcome of a session of two, in bytes. Ours have 1,125; four times a certificate's limit more would fit.
pub const MAX_WELCOME_BYTES: usize = 8 * 1024;

/// Largest MLS commit of a session of two, in bytes. Ours have 656; a post-quantum key would fit.
pub const MAX_COMMIT_BYTES: usize = 4 * 1024;

/// Largest MLS ciphertext of one content, in bytes. The longest content has 24 KiB and becomes 150 bytes longer.
pub const MAX_SEALED_BYTES: usize = 32 * 1024;

/// How long before it was made a key package says to be valid from: clocks of people are off by up to a day, some by a week.
pub const KEY_PACKAGE_BACKDATED: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a key package can be used to start a session. With [`KEY_PACKAGE_BACKDATED`] it is the 84 days that OpenMLS accepts at most.
pub const KEY_PACKAGE_LIFETIME: Duration = Duration::from_secs(77 * 24 * 3_600);

/// A new key package is made when the current one has less than this left: whoever looks us up can use it for weeks.
pub const KEY_PACKAGE_RENEW_BEFORE: Duration = Duration::from_secs(28 * 24 * 3_600);

/// After this many messages of a conversation its keys are refreshed, by whoever's turn it is.
pub const REFRESH_AFTER_MESSAGES: u32 = 50;

/// After this long its keys are refreshed, at the next message.
pub const REFRESH_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// How long an undelivered message is tried before the person is told that it was not delivered.
pub const OUTBOX_LIFETIME: Duration = Duration::from_secs(60 * 24 * 3_600);

/// First wait before an unreachable peer is tried again; doubles up to [`RETRY_MAX`], with jitter.
pub const RETRY_MIN: Duration = Duration::from_secs(1);

/// Longest wait between tries. A peer that connects by itself is tried at once, so this only matters when neither notices the other.
pub const RETRY_MAX: Duration = Duration::from_secs(300);

/// A peer's clock may differ this much where time decides validity.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// Waits this long before asking for messages that seem to be missing: most are merely late.
pub const GAP_PATIENCE: Duration = Duration::from_secs(2);

/// Waits this long before asking again for messages that are still missing; doubles up to [`RETRY_MAX`].
pub const REPAIR_RETRY: Duration = Duration::from_secs(10);

/// What a sender says will never come is passed over after so long: it may lie in our mailboxes, which have been looked into by then. Source: [`FETCH_EVERY`], and a minute
/// for the look itself.
pub const GONE_PATIENCE: Duration = Duration::from_secs(660);

/// A gap that has not closed for so long, while its sender cannot be reached, is asked for by mailbox: letters come in any order, but those of one look
/// into a mailbox within seconds.
pub const GAP_MAIL_PATIENCE: Duration = Duration::from_secs(60);

/// The same gap is asked for by mailbox once in this time: an answer takes a look into the mailbox at either end.
pub const REPAIR_MAIL_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// One person is asked by mailbox, and answered, at most once in this time, whatever the gap.
pub const REPAIR_MAIL_PACE: Duration = Duration::from_secs(600);

/// Most letters about gaps that are followed until mailboxes keep them, over all people. One that is not is asked for again after [`REPAIR_MAIL_EVERY`].
pub const MAX_REPAIR_LETTERS: usize = 64;

/// A question to another part of this node that was not answered for so long is lost, for that part was restarted: it is asked anew.
pub const QUESTION_PATIENCE: Duration = Duration::from_secs(60);

/// How often a key package is looked after and offered again, and old messages are given up.
pub const HOUSEKEEPING: Duration = Duration::from_secs(3_600);

/// Most messages asked for in one gap repair.
pub const MAX_REPAIR: u64 = 256;

/// How long an invitation link can be used.
pub const INVITATION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Most open invitations of one account.
pub const MAX_INVITATIONS: usize = 64;

/// What the recipient has not acknowledged for so long is put into mailboxes besides: a direct round trip rarely takes longer.
pub const DEPOSIT_AFTER: Duration = Duration::from_secs(2);

/// The same for whom there is no connection with: most of them are away, and a deposit beside a dial that succeeds costs little.
pub const DEPOSIT_AFTER_UNCONNECTED: Duration = Duration::from_secs(1);

/// What is written to somebody out of reach is collected for so long before it becomes a parcel; twice as long with every
/// [`PARCELS_PER_PACE`] parcels that wait for them, since a pass is good for [`MAX_PARCELS_PER_PERSON`] only.
pub const COLLECT_FOR_PARCEL: Duration = Duration::from_millis(500);

/// See [`COLLECT_FOR_PARCEL`]: the last of 256 parcels collects for a minute.
pub const PARCELS_PER_PACE: usize = 32;

/// Most parcels that wait for one person. As many as a pass allows in a mailbox; what is more waits in the outbox.
pub const MAX_PARCELS_PER_PERSON: usize = 256;

/// Most parcels made in one step: bounds what a batch writes to some 500 KiB.
pub const MAX_PARCELS_AT_ONCE: usize = 8;

/// How far ahead of the first message that is not acknowledged messages go into parcels: half of what a ciphertext
/// may be ahead ([`MAX_FORWARD_DISTANCE`]).
pub const MAX_POSTED_AHEAD: u64 = 2_048;

/// A parcel that no part of this node has said anything about for so long is handed over again; doubles up to [`HOUSEKEEPING`].
pub const PARCEL_PATIENCE: Duration = Duration::from_secs(60);

/// Most weeks whose passes are kept of one contact: what they give at once, and as many around it for clocks that differ.
pub const MAX_PASSES_KEPT: usize = 8;

/// Most passes given at once: for this week and the next three. Source: `docs/protocol/messages.md`.
pub const MAX_PASSES: usize = 4;

/// What came by mailbox is collected for so long before its sender is told: one look into a mailbox brings many envelopes.
pub const COLLECT_FOR_RECEIPT: Duration = Duration::from_secs(1);

/// At most one parcel of receipts a person in this time.
pub const RECEIPT_EVERY: Duration = Duration::from_secs(5);

/// Most lost sessions of one person that are remembered to be told.
pub const MAX_LOST: usize = 4;

/// Most chains and sessions in one parcel of receipts. A person writes from one device; a restore makes it two.
pub const MAX_RECEIPT_CHAINS: usize = 4;

/// Most arrivals that are remembered because they wait for an earlier one, over all people: some 3 MiB. Further ones come with the next look into the mailbox.
pub const MAX_POSTPONED: usize = 64;

/// The longest emoji, in bytes. The longest sequences of Unicode 16 (families, flags of regions) have 35.
pub const MAX_EMOJI_BYTES: usize = 64;

/// Edits and deletions of a conversation that are remembered because they came before their message. Beyond, the list of conversations may show
/// an older text until the next message; the conversation itself does not.
pub const MAX_EARLY: usize = 16;

/// How often a message may be edited. Each edit is a message of its own to the network; nobody who reads counts them.
pub const MAX_EDITS: u32 = 100;

/// Longest a message may be set to last, in seconds: a year. Signal offers four weeks.
pub const MAX_LASTS_SECS: u32 = 365 * 24 * 60 * 60;

/// Messages whose time is over that are taken out in one step; more follow at once.
pub const MAX_EXPIRED: usize = 256;

/// Longest search in messages, in bytes: a long sentence.
pub const MAX_QUERY_BYTES: usize = 256;

/// Messages that are looked at for one page of entries, at most: edits and reactions lie between them. At 20 µs a row, some 40 ms.
pub const MAX_ROWS_A_PAGE: usize = 2_000;

/// Rows on a page of history, at most.
pub const MAX_PAGE: usize = 200;

/// Longest salt of a record, in bytes: a hash with a name before it.
pub const MAX_SALT_BYTES: usize = 64;

/// Largest payload of a record, in bytes: what [`MAX_RECORD_BYTES`] leaves beside the longest salt, the signature and the other fields (under 300 bytes together), rounded down.
pub const MAX_PAYLOAD_BYTES: usize = MAX_RECORD_BYTES - 512;

/// Largest key package in a card, in bytes. Ours has about 400; a later ciphersuite with a post-quantum key fits.
pub const MAX_KEY_PACKAGE_BYTES: usize = 4 * 1024;

/// Longest validity a record may be signed for: a value whose owner is gone leaves the network after a week. Source: `docs/protocol/records.md`.
pub const RECORD_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a holder keeps a record that nobody brings again. Source: `docs/protocol/records.md`.
pub const RECORD_LEASE: Duration = Duration::from_secs(24 * 3_600);

/// Most records held for others: bounds the index in memory to some 8 MiB.
pub const MAX_HELD_RECORDS: usize = 20_000;

/// Most bytes of records held for others.
pub const MAX_HELD_BYTES: u64 = 64 * 1024 * 1024;

/// Most records of one owner held here. A person has one card and a handful of values near any one node.
pub const MAX_HELD_PER_OWNER: u32 = 64;

/// Most bytes that one peer may bring, its own and others' records together: a quarter of [`MAX_HELD_BYTES`].
pub const MAX_HELD_BYTES_PER_SOURCE: u64 = MAX_HELD_BYTES / 4;

/// Most bytes that one part of the network may bring: half of [`MAX_HELD_BYTES`], so that no single one can fill a node. Our own machines ([`crate::net::Prefix::Local`]) are exempt.
pub const MAX_HELD_BYTES_PER_PREFIX: u64 = MAX_HELD_BYTES / 2;

/// Most records a node publishes of its own, deleted ones included until they run out; they are kept in memory.
pub const MAX_PUBLISHED: usize = 256;

/// Most lookups of records at once: each asks up to [`REPLICATION`] nodes.
pub const MAX_LOOKUPS: usize = 64;

/// Most questions that wait for one lookup.
pub const MAX_LOOKUP_WAITERS: usize = 256;

/// Most cards of others remembered, as many as contacts: some 2 KiB each.
pub const MAX_KNOWN_CARDS: usize = MAX_CONTACTS;

/// Most held records being read back from disk for peers at once; further requests are dropped and asked again.
pub const MAX_RECORD_READS: usize = 256;

/// Largest device certificate, encoded and signed, in bytes. One is about 200; the rest is room for fields of later versions.
pub const MAX_CERTIFICATE_BYTES: usize = 512;

/// How long a device certificate is in force. A lost device is not trusted for ever, and a node that was switched off
/// for months is still known; it is renewed with the keys of a session.
pub const DEVICE_CERTIFICATE_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Most callers that wait for one machine of a node at once. A person has a handful; a script is told to slow down.
pub const MAX_CALLERS: usize = 1_024;

/// Batches of one machine on their way to disk before further demands are turned away. They reach the disk by the hundred, in some milliseconds.
pub const MAX_UNWRITTEN: usize = 4_096;

/// How long a peer's word that it reached us, or did not, counts. Routers change their minds within hours; peers are asked again every 25 minutes.
pub const PROBE_LIFETIME: Duration = Duration::from_secs(3_600);

/// A node that decides its level itself changes nothing this long after its start: the first verdicts are about an address book that is just being read.
pub const LEVEL_FIRST_CHANGE: Duration = Duration::from_secs(30);

/// Such a node changes its level once in this time at most, and goes back only this long after it was last reached: circuits of others hang on it, and each
/// change is a new card at twenty nodes.
pub const LEVEL_PACE: Duration = Duration::from_secs(600);

/// Places held at relays by a node that is not reached otherwise: one may fail, and two from different parts of the network seldom fail together.
pub const RELAY_PLACES: usize = 2;

/// Most relays remembered, held or not. A walk brings twenty nodes together; three times that is choice enough.
pub const MAX_RELAYS: usize = 64;

/// Relays that introduce themselves are waited for this long before places are asked of the best: the first seen is seldom the nearest.
pub const RELAY_SETTLE: Duration = Duration::from_secs(2);

/// A relay that has not answered for this long will not. Longer than any timeout of the driver.
pub const RELAY_PATIENCE: Duration = Duration::from_secs(30);

/// A relay without room is asked again after this long at the earliest.
pub const RELAY_FULL_RETRY: Duration = Duration::from_secs(60);

/// Longest wait before a relay that fails is asked again.
pub const RELAY_RETRY_MAX: Duration = Duration::from_secs(600);

/// A place held this long speaks for a relay: earlier failures are forgotten.
pub const RELAY_PROVEN: Duration = Duration::from_secs(600);

/// A node that is reached directly keeps its places this long: others still have cards that name them.
pub const RELAY_RELEASE_AFTER: Duration = Duration::from_secs(600);

/// Two places in the same part of the network are spread once in this time at most.
pub const RELAY_SPREAD_PACE: Duration = Duration::from_secs(60);

/// Reservations a relay gives: one is an idle connection of about 100 KiB.
pub const RELAY_RESERVATIONS: u32 = 128;

/// What a person may set instead: at least one, and what some 400 MiB of memory carry.
pub const RELAY_RESERVATIONS_BOUNDS: RangeInclusive<u64> = 1..=4_096;

/// Circuits a relay carries at once: with [`RELAY_RESERVATIONS`] they stay within the 64 MiB of a level-3 node.
pub const RELAY_CIRCUITS: u32 = 100;

/// What a person may set instead.
pub const RELAY_CIRCUITS_BOUNDS: RangeInclusive<u64> = 1..=1_000;

/// Bytes one circuit carries, both ways together: a file of the size people send goes through in one piece. libp2p's 128 KiB would cut every file.
/// Source: `docs/protocol/relay.md`.
pub const RELAY_CIRCUIT_BYTES: u64 = 1024 * 1024 * 1024;

/// What a person may set instead: never less, because circuits that are cut cost both sides more than they save. Whoever wants to lend less lends fewer of them.
pub const RELAY_CIRCUIT_BYTES_BOUNDS: RangeInclusive<u64> = RELAY_CIRCUIT_BYTES..=1024 * RELAY_CIRCUIT_BYTES;

/// How long one circuit lasts, in seconds: a long conversation. libp2p's 2 min would cut every one. Source: `docs/protocol/relay.md`.
pub const RELAY_CIRCUIT_SECONDS: u32 = 3_600;

/// What a person may set instead: up to a week.
pub const RELAY_CIRCUIT_SECONDS_BOUNDS: RangeInclusive<u64> = 3_600..=7 * 24 * 3_600;

/// Bytes a second through all circuits of a relay together, both ways together. A relay receives and sends each byte: so this is half of an everyday
/// home line of 64 Mbit/s in both directions, and leaves the other half to its owner.
pub const RELAY_BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;

/// What a person may set instead: at least what a hundred chats take, at most what a line of 10 Gbit/s carries.
pub const RELAY_BYTES_PER_SECOND_BOUNDS: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024;

/// Disk lent to envelopes of others, in bytes. Sixteen full mailboxes, or thousands of usual ones; a Raspberry Pi's card does not notice.
pub const MAILBOX_SHARE_BYTES: u64 = 256 * 1024 * 1024;

/// What a person may set instead: at least one full mailbox (16 MiB), at most what sled keeps in one file without growing slow.
pub const MAILBOX_SHARE_BOUNDS: RangeInclusive<u64> = 16 * 1024 * 1024..=4 * 1024 * 1024 * 1024;

/// Largest deposit in a mailbox, encoded with its right, in bytes: the largest envelope (60 KiB) and room around it. With the row around
/// it, it stays under the 64 KiB that sled writes durably.
pub const MAX_DEPOSIT_BYTES: usize = 62 * 1024;

/// Largest envelope in a mailbox for strangers, in bytes: a request with a session's Welcome fits, a flood does not pay.
pub const MAX_INTRO_SEALED_BYTES: usize = 8 * 1024;

/// How long a holder keeps an envelope at most: holidays of two weeks. Source: `docs/protocol/mailbox.md`.
pub const MAILBOX_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3_600);

/// How long a holder that the owner of a mailbox pinned keeps an envelope at most: a month away. Source: `docs/protocol/mailbox.md`.
pub const PINNED_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Most nodes that an owner pins: each gets a copy of everything, so a few are enough for what they are for.
pub const MAX_PINS: usize = 3;

/// Most people whose pinned holder a node is. With [`PINNED_SHARE_PART`] a few of them fill the disk lent; each row is under 1 KiB.
pub const MAX_SERVED: usize = 32;

/// Most mailboxes named in one statement of a pin: those of the weeks for which passes are out, and one for clocks that differ.
pub const MAX_PINNED_MAILBOXES: usize = 8;

/// What is kept longer for one person takes up this part of the disk lent at most; what is beyond is kept like everybody's.
pub const PINNED_SHARE_PART: u64 = 4;

/// How often an owner repeats to its pinned holders which mailboxes are its own: they may have lost it, and it shows that they are there.
pub const PIN_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// How long it is remembered that an envelope was taken: as long as anybody may still bring it (the week of its mailbox, one before, two after).
pub const TOMBSTONE_LIFETIME: Duration = Duration::from_secs(28 * 24 * 3_600);

/// How long an owner remembers what it has taken itself: as long as a pinned holder may still show it (three weeks more).
pub const OWN_TOMBSTONE_LIFETIME: Duration = Duration::from_secs(49 * 24 * 3_600);

/// How many of the closest nodes hold a mailbox. At a half-life of 12 h and hourly repair, the loss in 14 days is about 10⁻¹³.
pub const MAILBOX_HOLDERS: usize = 12;

/// How many do in a small network, where a walk finds fewer than [`REPLICATION`] nodes: more would be everybody.
pub const MAILBOX_HOLDERS_FEW: usize = 8;

/// Signed receipts from which on an envelope counts as stored: four holders may be gone or lie before anything is at stake.
pub const ENOUGH_RECEIPTS: usize = 5;

/// Most envelopes of one mailbox at one holder.
pub const MAX_MAILBOX_ENVELOPES: u32 = 2_000;

/// Most bytes of one mailbox at one holder.
pub const MAX_MAILBOX_BYTES: u64 = 16 * 1024 * 1024;

/// Most envelopes by one pass at one holder: one contact cannot fill a mailbox.
pub const MAX_PASS_ENVELOPES: u32 = 256;

/// Most bytes by one pass at one holder.
pub const MAX_PASS_BYTES: u64 = 4 * 1024 * 1024;

/// Most envelopes of a mailbox for strangers at one holder, as many as requests wait for a decision ([`MAX_OPEN_REQUESTS`]).
pub const MAX_INTRO_ENVELOPES: u32 = 128;

/// Most envelopes held for others: bounds the index in memory to some 16 MiB.
pub const MAX_HELD_ENVELOPES: usize = 50_000;

/// Most taken envelopes remembered: bounds them in memory to some 8 MiB. Beyond, the oldest are forgotten, and at worst an owner is shown
/// again what it knows.
pub const MAX_TOMBSTONES: usize = 20_000;

/// Zero bits a puzzle's hash begins with: a million tries, some tenths of a second of one core. Filling a mailbox for strangers costs a minute, a request nothing one
/// would notice.
pub const PUZZLE_BITS: u8 = 20;

/// Most bytes of deposits in one page, unless a single one is larger: with what is around them it fits into a frame.
pub const MAX_MAILBOX_PAGE_BYTES: usize = 256 * 1024;

/// Most acknowledgements in one frame: each costs a check of a signature, some 25 ms together.
pub const MAX_ACKS: usize = 256;

/// Most ids in one frame: all of a mailbox.
pub const MAX_IDS: usize = 2_000;

/// Most parcels of ours that wait in mailboxes. Each is some 300 bytes in memory; the messenger puts several messages in one.
pub const MAX_PARCELS: usize = 4_096;

/// Most pages being read back from disk for owners at once, 4 MiB together; further requests are refused as busy.
pub const MAX_PAGE_READS: usize = 16;

/// Most pages being read back for one peer at once: an owner reads a few mailboxes side by side.
pub const MAX_PAGE_READS_PER_PEER: usize = 5;

/// How often an owner looks into the mailbox of this week and the one for strangers, and (six times as long) into the others.
pub const FETCH_EVERY: Duration = Duration::from_secs(600);

/// How often holders of a mailbox compare what they have. Repair matters more for what is lost than the number of holders.
pub const RECONCILE_EVERY: Duration = Duration::from_secs(3_600);

/// Largest blob, in bytes. A terabyte: beyond what people send, and what its books (8 MiB of marks in memory, 4 GiB of tree on disk) stay bearable for.
pub const MAX_BLOB_BYTES: u64 = 1 << 40;

/// Groups of a piece: 64 MiB. A file larger than that is offered before it was hashed, and hashed piece by piece as it is asked for: the first piece takes
/// a hundredth of a second of a processor, half a second of a slow disk. Both sides must agree on it.
pub const PIECE_GROUPS: u32 = 4_096;

/// Bytes of a piece.
pub const PIECE_BYTES: u64 = PIECE_GROUPS as u64 * BLOB_GROUP_BYTES;

/// What of a blob is proven at once, in bytes: 16 chunks of BLAKE3. A tree is 0.4 % of its blob; a group is what the fastest
/// processors hash side by side. Both sides must agree on it.
pub const BLOB_GROUP_BYTES: u64 = 16 * 1024;

/// Most ranges of groups in one request: what is left of a file that came from many sides is asked for in several.
pub const MAX_BLOB_RANGES: usize = 256;

/// Longest name of a file, in bytes: what the file systems in use allow.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// Most folders one inside the other in what is received. The deepest trees people make (dependencies inside of dependencies) have some twenty.
pub const MAX_FOLDER_DEPTH: usize = 32;

/// Longest path inside a received folder, in bytes: the whole path with the owner's folder before it stays under the 4,096 of Linux.
pub const MAX_FILE_PATH_BYTES: usize = 2_048;

/// Longest name in an offer, in bytes of UTF-8. NTFS has names of 255 UTF-16 units, 765 bytes; whoever receives shortens it to [`MAX_FILE_NAME_BYTES`].
pub const MAX_OFFER_NAME_BYTES: usize = 1_024;

/// Longest media type in an offer, in bytes: two names of 127 and the slash. Source: RFC 6838, 4.2.
pub const MAX_MIME_BYTES: usize = 255;

/// Most other nodes an offer names as having the same: more sides than a home line can listen to at once.
pub const MAX_OFFER_HOLDERS: usize = 7;

/// Most files in one collection: a hundred thousand and some, what a photo archive or a source tree has.
pub const MAX_COLLECTION_FILES: usize = 131_072;

/// Largest manifest of a collection, in bytes. [`MAX_COLLECTION_FILES`] with paths of 200 bytes. It is read as a whole: with the
/// values made of it some 64 MiB for a moment, at most one at a time; a streaming reader would be needed only beyond.
pub const MAX_MANIFEST_BYTES: usize = 32 * 1024 * 1024;

/// Largest frame of `/pc2/file/1`, in bytes: a question with [`MAX_BLOB_RANGES`] ranges is under 3 KiB.
pub const MAX_FILE_FRAME_BYTES: usize = 4 * 1024;

/// How long an offer stands after it was made: a month, as holidays and lost phones take.
pub const OFFER_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Most offers of one contact that are neither declined nor received, and most of ours to one: a person decides about a page of them.
pub const MAX_OPEN_OFFERS_PER_PEER: usize = 64;

/// The same over all contacts, each direction by itself. Each is under 2 KiB in memory.
pub const MAX_OPEN_OFFERS: usize = 512;

/// Most transfers that have ended and are still shown. Beyond, the oldest are forgotten; the files stay. Some 3 MiB in memory.
pub const MAX_ENDED_TRANSFERS: usize = 4_096;

/// Most files or collections received at once, and as many sent: a disk and a line are full with fewer.
pub const MAX_TRANSFERS: usize = 8;

/// Most of them from, and to, one person: two people at least have their turn.
pub const MAX_TRANSFERS_PER_PEER: usize = 4;

/// Most questions of one transfer that are served at once: [`PULLS_PER_HOLDER`], and as many again whose end has not been noticed yet.
pub const MAX_SERVED_PER_TRANSFER: usize = 4;

/// Groups first asked for in one question, and least: 1 MiB.
pub const PULL_MIN_GROUPS: u64 = 64;

/// Most groups asked for in one question: 8 MiB, which a line of 100 Mbit/s carries in less than a second.
pub const PULL_MAX_GROUPS: u64 = 512;

/// Questions to one holder for one transfer on their way at once: while one is answered the next is there already.
pub const PULLS_PER_HOLDER: usize = 2;

/// A question answered faster than this is followed by one of twice the size.
pub const PULL_FAST: Duration = Duration::from_secs(2);

/// A question that brings nothing for so long is given up, and its holder asked later. Longer than a relay takes to change the way.
pub const PULL_STALL: Duration = Duration::from_secs(30);

/// A question that is not answered in full after so long is asked anew, in smaller pieces: no holder keeps a stretch for itself
/// by sending a byte now and then.
pub const PULL_PATIENCE: Duration = Duration::from_secs(300);

/// Opening what is received, or putting it into its place, is asked for again when nothing was heard for so long. Hashing a terabyte takes less.
pub const PLANE_PATIENCE: Duration = Duration::from_secs(6 * 3_600);

/// How long a full disk is waited for before it is tried again.
pub const ROOM_RETRY: Duration = Duration::from_secs(60);

/// A transfer's bytes are told to those who look at most this often.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Ranges of missing groups that are planned with. Where more are missing in pieces, neighbours are taken together: what is there is not asked for again anyway.
pub const MAX_PLAN_RANGES: usize = 4_096;

/// Longest path of a folder to receive into, in bytes: `PATH_MAX` of Linux.
pub const MAX_TARGET_BYTES: usize = 4_096;

/// Longest word of a peer's or our own disk about what failed, in bytes.
pub const MAX_REASON_BYTES: usize = 512;
