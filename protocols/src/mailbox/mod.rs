//! Envelopes for those who are offline: the mailbox machine, of `/pc2/mbx/1`.
//!
//! Three roles in one machine. As **depositor** it keeps parcels of the messenger with the nodes closest to the recipient's mailbox until they are
//! withdrawn: seals, deposits at all of them, counts signed receipts, deposits again when fewer than enough are left. As **owner** it fetches what
//! is there for this node, opens it, hands it to the messenger, and says it may go once the messenger has it on disk. As **holder** it
//! keeps envelopes of others, sees nothing of them but their size, and brings them to whoever is to hold them next. An owner may **pin** up to three
//! holders, which keep its mailboxes for a month if the people they belong to allowed that; depositors learn of them by the passes.
//!
//! **In**: parcels and withdrawals of the messenger, frames of peers. **Out**: writes, requests to peers, answers, arrivals and progress for the messenger.
//!
//! Survives restart: held envelopes, tombstones, parcels with their receipts. Lost on restart: walks and requests under way, subscriptions of owners.
//! Not here: what is in a parcel ([`crate::messenger`]), which nodes are closest (libp2p's Kademlia), disks.
//! Spec with golden bytes: `docs/protocol/mailbox.md`.

pub mod deposit;
pub mod keys;
pub mod pin;
pub mod rows;
pub mod wire;

mod closest;
mod depositor;
mod holder;
mod known_passes;
mod machine;
mod own;
mod owner;
mod parcels;
mod pins;
mod questions;
mod quota;
mod reconcile;
mod serve;
mod served;
mod status;
mod tombstones;

pub use machine::Mailbox;

use crate::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    kinds,
    level::Level,
    limits,
    machine::{CallId, OpId, Tick},
    net::{Address, NetCommand, NetError, Peer, Prefix, RequestToken},
    time::UnixMillis,
};
use keys::MailboxPass;
use rows::{Change, PinState};

kinds! {
    /// What can happen to the mailbox machine.
    #[derive(Debug)]
    pub enum In {
        /// Its alarm went off.
        Tick,
        /// A person or script asks for something.
        Call {
            /// Who waits for the answer.
            call: CallId,
            /// What is asked.
            command: Command,
        },
        /// A peer sends a frame of `/pc2/mbx/1`.
        PeerRequest {
            /// Who, authenticated.
            from: NodeId,
            /// From which part of the network.
            prefix: Prefix,
            /// For the answer.
            token: RequestToken,
            /// The frame.
            payload: Vec<u8>,
        },
        /// A peer answered our frame, or did not.
        PeerResponse {
            /// Our request.
            op: OpId,
            /// The answer.
            result: Result<Vec<u8>, NetError>,
        },
        /// The nodes closest to a mailbox.
        Closest {
            /// Our question.
            op: OpId,
            /// Nearest first.
            peers: Vec<Peer>,
        },
        /// A peer is connected.
        PeerUp {
            /// Who.
            node: NodeId,
        },
        /// A peer is connected no longer.
        PeerDown {
            /// Who.
            node: NodeId,
        },
        /// Whatever waits may be tried at once.
        NetworkChanged,
        /// This node works at this level from now on.
        Level {
            /// The level.
            level: Level,
            /// Disk lent to envelopes of others, in bytes.
            share_bytes: u64,
        },
        /// The messenger wants something kept for somebody. A parcel that is known already is not taken twice; its progress is told again.
        Deposit {
            /// What, and for whom.
            parcel: Parcel,
        },
        /// The recipient has it, or nobody wants it any more: nothing more is done for it.
        Withdraw {
            /// Whose.
            account: NodeId,
            /// Which.
            id: EnvelopeId,
        },
        /// The messenger has dealt with an arrival for good and its disk knows: holders may let it go.
        Taken {
            /// Which.
            envelope: EnvelopeKey,
        },
        /// Bytes read back from disk.
        Loaded {
            /// Our question.
            op: OpId,
            /// Deposits as stored, in the order asked for, without those that are gone.
            deposits: Vec<Vec<u8>>,
        },
        /// Where a node is, by its card.
        Located {
            /// Our question.
            op: OpId,
            /// Its addresses; none when no card of it was found.
            addresses: Vec<Address>,
        },
        /// A puzzle is solved.
        Solved {
            /// Our question.
            op: OpId,
            /// The solution.
            nonce: u64,
        },
    }
}

impl From<Tick> for In {
    fn from(_: Tick) -> Self {
        Self::Tick
    }
}

/// Something the messenger wants kept for somebody who cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Whose.
    pub account: NodeId,
    /// Its name, at random; also that of the envelope.
    pub id: EnvelopeId,
    /// For whom.
    pub to: Recipient,
    /// What is in it, at most [`Parcel::MAX_PAYLOAD_BYTES`]; only the recipient sees it.
    pub payload: Vec<u8>,
}

impl Parcel {
    /// Largest payload, in bytes: sealed and padded it is [`keys::PADDED`]'s largest step.
    pub const MAX_PAYLOAD_BYTES: usize = 56 * 1024;

    /// Largest payload for a stranger's intro mailbox, in bytes: sealed and padded it is 8 KiB.
    pub const MAX_INTRO_PAYLOAD_BYTES: usize = 7 * 1024;
}

/// Whose mailbox, and by what right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A contact, by the passes they gave us. The one of the current week is used; the next when that has passed.
    Contact {
        /// Who.
        node: NodeId,
        /// Their passes, by week.
        passes: Vec<MailboxPass>,
    },
    /// Anybody, by the small mailbox for strangers. Costs a puzzle.
    Stranger {
        /// Who.
        node: NodeId,
        /// The sealing key in their card.
        sealing: [u8; 32],
    },
}

/// Names one envelope in one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeKey {
    /// The mailbox.
    pub address: MailboxAddress,
    /// The envelope.
    pub id: EnvelopeId,
}

kinds! {
    /// What a person or script can ask for.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Command {
        /// What is kept here for others, and what of ours is kept by whom.
        Show,
        /// Look for envelopes at once.
        Fetch,
        /// Have a node keep our mailboxes longer, if its owner allows it; contacts bring envelopes there, too.
        Pin {
            /// Which node.
            holder: NodeId,
        },
        /// Undo that.
        Unpin {
            /// Which node.
            holder: NodeId,
        },
        /// Let somebody pin this node.
        Serve {
            /// Whom.
            node: NodeId,
        },
        /// Let them no longer. What was promised is kept.
        StopServing {
            /// Whom.
            node: NodeId,
        },
    }
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To `Show`; to all that change something, once it is on disk: how things are then.
    Shown(Box<MailboxView>),
    /// To `Fetch`: begun.
    Done,
}

/// Why a [`Command`] was not carried out. Worded for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is nobody to ask.
    #[error("no other node is connected")]
    Alone,
    /// Oneself.
    #[error("this is your own node")]
    Yourself,
    /// As many nodes are pinned as can be.
    #[error("{} nodes are pinned already; unpin one first", limits::MAX_PINS)]
    TooManyPins,
    /// There is no such pin.
    #[error("this node is not pinned")]
    NotPinned,
    /// As many people are served as can be.
    #[error("this node keeps mailboxes longer for {} people already; stop one first", limits::MAX_SERVED)]
    TooManyServed,
    /// They were not allowed.
    #[error("this node does not keep mailboxes longer for this person")]
    NotServed,
}

/// Mailboxes as people see them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailboxView {
    /// Envelopes of others kept here.
    pub held: u64,
    /// In how many mailboxes.
    pub held_mailboxes: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// How many bytes of them this node keeps at most.
    pub share_bytes: u64,
    /// Our parcels that wait in mailboxes, or on the way there.
    pub parcels: u64,
    /// Of them, those with enough receipts.
    pub stored: u64,
    /// Nodes that hold mailboxes of ours, as of the last look.
    pub holders: Vec<NodeId>,
    /// When all mailboxes of ours were last looked through.
    pub fetched: Option<UnixMillis>,
    /// Nodes that the owner pinned.
    pub pins: Vec<PinView>,
    /// Whose pinned holder this node is.
    pub serving: Vec<ServedView>,
}

/// A pinned node as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinView {
    /// Which node.
    pub holder: NodeId,
    /// Since when it is pinned.
    pub since: UnixMillis,
    /// What it last said.
    pub state: PinState,
    /// When it last answered anything.
    pub answered: Option<UnixMillis>,
}

/// Somebody whose pinned holder this node is, as its owner sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedView {
    /// Who.
    pub node: NodeId,
    /// Since when they are allowed.
    pub since: UnixMillis,
    /// When they last said which mailboxes are theirs, by their clock; `None`: they have not pinned this node.
    pub stated: Option<UnixMillis>,
    /// Envelopes kept in those.
    pub envelopes: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a mailbox machine wants done.
#[derive(Debug)]
pub enum Out {
    /// Write in one batch; once it is durable, perform `then`.
    Persist {
        /// The writes.
        changes: Vec<Change>,
        /// What follows.
        then: Vec<Out>,
    },
    /// Answer a caller.
    Reply {
        /// Who waits.
        call: CallId,
        /// The answer.
        result: Result<Reply, CommandError>,
    },
    /// Ask the network.
    Net(NetCommand),
    /// Read back from disk; answered by [`In::Loaded`].
    Load {
        /// Comes back with the answer.
        op: OpId,
        /// What.
        what: Load,
    },
    /// Find a nonce so that SHA-256(`challenge` ‖ nonce as 8 bytes big-endian) begins with `bits` zero bits; answered by [`In::Solved`].
    Solve {
        /// Comes back with the answer.
        op: OpId,
        /// What it is about.
        challenge: [u8; 32],
        /// How hard.
        bits: u8,
    },
    /// Find where a node is, by its card; answered by [`In::Located`].
    Locate {
        /// Comes back with the answer.
        op: OpId,
        /// Which node.
        node: NodeId,
    },
    /// What people see of pins is another: whoever looks is to look again.
    Changed,
    /// To the messenger: these nodes are pinned, and passes are to name them. At every start, and when it changes.
    Pins {
        /// Whose.
        account: NodeId,
        /// All of them, at most [`limits::MAX_PINS`].
        nodes: Vec<NodeId>,
    },
    /// To the messenger: so many holders have signed for a parcel.
    Progress {
        /// Whose.
        account: NodeId,
        /// Which.
        id: EnvelopeId,
        /// Until when enough of them keep it; `None`: fewer than enough.
        stored_until: Option<UnixMillis>,
    },
    /// To the messenger: an envelope was opened. Answered by [`In::Taken`]; handed over again at the next fetch otherwise.
    Arrived {
        /// For whom.
        account: NodeId,
        /// Which.
        envelope: EnvelopeKey,
        /// Who wrote it: their signature was inside.
        from: NodeId,
        /// What was in it.
        payload: Vec<u8>,
    },
}

/// What is to be read back from disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// Held envelopes, as they were deposited.
    Held(Vec<EnvelopeKey>),
    /// A parcel of ours, as it is deposited.
    Parcel {
        /// Whose.
        account: NodeId,
        /// Which.
        id: EnvelopeId,
    },
}

#[cfg(test)]
mod tests;
