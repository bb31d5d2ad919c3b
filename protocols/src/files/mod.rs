//! File transfer: offers, decisions, and who is asked for which stretch of what.
//!
//! **In**: what a person asks ([`Command`]), offers that came in messages, connections that come and go, what the data plane reports.
//! **Out**: writes, offers to be sent as messages, orders for the data plane, [`Event`]s. One machine serves one account. It never sees the
//! bytes of a file: the *data plane* (tasks with streams and the blob store, in `pc2-actors`) moves them, and does only what it is told here.
//!
//! **An offer is a message, its id the right to fetch.** [`Out::SendOffer`] wants the messenger to send [`crate::messenger::Command::SendFile`] with the offer
//! and a message id of the same 16 bytes; its answer comes back as [`In::OfferSent`]. It is asked for again until then, so it may be asked twice; the
//! messenger knows its own ids. The other way, whoever sees a `File` content of somebody else become durable in the messenger hands it in as
//! [`In::Offered`]: at least once, also what came shortly before a crash; a second time changes nothing.
//!
//! **Deny by default.** A question is served when its offer was made by us to who asks, stands, and names the blob. A blob of a collection is looked up by the
//! data plane among those held for the offer ([`Out::Serve`], `member`). Everybody else hears [`wire::Refusal::NotOffered`], whether there is such a blob or not.
//!
//! **The receiver pulls.** [`Out::Open`] asks what is missing, [`Out::StartPull`] has a stretch of it asked of one holder, [`Out::Finish`] has it put into its place.
//! A collection is opened twice: as its list, then as its files, laid one after the other in groups ([`manifest::Manifest::places`]). What was proven
//! is kept by the blob store, so what an interruption costs is at most one group of each question under way. A holder that lies is
//! asked no more, one that stalls later; the others go on.
//!
//! **What the data plane owes**: orders are carried out in their order; [`Out::Reset`] ends all it does for this account; every `Open`, `StartPull`, `Finish`, `Serve`
//! and `Tell` is answered once, but for those ended by `Reset`, `StopPull`, `StopServing` or `Close`, whose answers may come or not. It asks holders only for what is
//! missing in the stretch it was given. It keeps the times in [`wire`], and the rates of [`Out::Limits`].
//!
//! Survives restart: every row. Lost on restart: connections, questions under way, waits, and how much was sent.
//! Not here: proving and writing groups (`pc2-storage`), streams and frames on them (`pc2-actors`), speed in bytes a second (the shell takes it
//! from two events). Spec: `docs/protocol/files.md`.

mod command;
mod incoming;
mod machine;
pub mod manifest;
pub mod offer;
mod outgoing;
mod plane;
mod pull;
mod queue;
pub mod rows;
mod step;
mod view;
pub mod wire;

pub use command::{Command, CommandError, Reply};
pub use machine::Files;
pub use plane::{Fault, OpenError, Opened, Part, PullError, PullId, ServeError, ServeToken};
pub use view::{State, TransferView};

use crate::{
    blob::{BlobSize, Groups},
    id::{BlobId, NodeId, OfferId},
    kinds,
    machine::{CallId, Tick},
};
use offer::{FileOffer, Offered};
use rows::{Change, Rates, TransferId};
use serde_bytes::ByteBuf;
use std::ops::Range;
use wire::{Pull, Refusal, Word};

kinds! {
    /// What can happen to the files machine.
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
        /// Somebody is a contact no longer: what is open between us ends without a word.
        Parted {
            /// Who.
            peer: NodeId,
        },
        /// A message with an offer is on our disk. Once and again does not matter.
        Offered {
            /// Who wrote it.
            from: NodeId,
            /// What it offers.
            offer: FileOffer,
        },
        /// The messenger took an offer of ours to send it, or will not.
        OfferSent {
            /// To whom.
            to: NodeId,
            /// Which.
            offer: OfferId,
            /// Why not, in words for people.
            result: Result<(), String>,
        },
        /// Answers [`Out::Open`].
        Opened {
            /// Which transfer.
            id: TransferId,
            /// Which part of it.
            part: Part,
            /// What is missing, or why it cannot be received.
            result: Result<Opened, OpenError>,
        },
        /// A question brings something. Not more than some times a second for each.
        Progress {
            /// Which question.
            pull: PullId,
            /// Bytes that were proven since this was last said.
            bytes: u64,
        },
        /// A question is over.
        PullEnded {
            /// Which.
            pull: PullId,
            /// What of its stretch is missing still; nothing when all came.
            missing: Vec<Range<u64>>,
            /// Why it ended.
            result: Result<(), PullError>,
        },
        /// Answers [`Out::Finish`].
        Finished {
            /// Which transfer.
            id: TransferId,
            /// Where it stands now, in the system's bytes.
            result: Result<ByteBuf, OpenError>,
        },
        /// A peer asks for groups of a blob.
        Asked {
            /// Who, authenticated.
            from: NodeId,
            /// For the answer.
            token: ServeToken,
            /// What it asks for.
            pull: Pull,
        },
        /// Groups went to a peer. Not more than some times a second for each.
        Sent {
            /// Which question of theirs.
            token: ServeToken,
            /// Bytes of the file since this was last said.
            bytes: u64,
        },
        /// [`Out::Serve`] is over.
        Served {
            /// Which.
            token: ServeToken,
            /// Why it ended.
            result: Result<(), ServeError>,
        },
        /// A peer tells something about an offer.
        Heard {
            /// Who, authenticated.
            from: NodeId,
            /// For the answer.
            token: ServeToken,
            /// About which offer.
            offer: OfferId,
            /// What.
            word: Word,
        },
        /// Answers [`Out::Tell`].
        Told {
            /// About which transfer.
            id: TransferId,
            /// What was to be told.
            word: Word,
            /// Whether it was noted.
            result: Result<(), PullError>,
        },
    }
}

impl From<Tick> for In {
    fn from(_: Tick) -> Self {
        Self::Tick
    }
}

/// What the owner's screens learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A transfer is new, or is another than it was. Bytes alone: every [`crate::limits::PROGRESS_EVERY`] at most.
    Transfer(Box<TransferView>),
    /// One that had ended long ago is not remembered any more.
    Forgotten {
        /// Which.
        id: TransferId,
    },
}

/// What a files machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Tell everybody who looks.
    Publish(Event),
    /// Write somebody a message with an offer. Answered by [`In::OfferSent`].
    SendOffer {
        /// Whose.
        account: NodeId,
        /// To whom.
        to: NodeId,
        /// What.
        offer: Box<FileOffer>,
    },
    /// To the data plane: a new life begins. End whatever is under way for this account, and forget its questions and tokens.
    Reset {
        /// Whose.
        account: NodeId,
    },
    /// To the data plane: from now on all transfers together may be this fast.
    Limits {
        /// How fast.
        rates: Rates,
    },
    /// To the data plane: find out what is missing, make room for it. Answered by [`In::Opened`].
    Open {
        /// Which transfer: the id of its offer holds the blobs.
        id: TransferId,
        /// What is offered.
        what: Offered,
        /// Which part of it.
        part: Part,
    },
    /// To the data plane: have a stretch of an open part from a holder. Answered by [`In::PullEnded`].
    StartPull {
        /// The question.
        pull: PullId,
        /// For which transfer.
        id: TransferId,
        /// Which part of it.
        part: Part,
        /// Of whom.
        holder: NodeId,
        /// Groups: of the one blob, or of all files of a collection laid one after the other.
        groups: Range<u64>,
    },
    /// To the data plane: that question is given up. What it has proven stays.
    StopPull {
        /// Which.
        pull: PullId,
    },
    /// To the data plane: all parts are whole; put it into its place. Answered by [`In::Finished`].
    Finish {
        /// Which transfer.
        id: TransferId,
        /// What was offered.
        what: Offered,
        /// The folder, in the system's bytes; `None`: the usual one.
        folder: Option<ByteBuf>,
    },
    /// To the data plane: nothing more is received for this transfer now.
    Close {
        /// Which.
        id: TransferId,
        /// Whether what has arrived stays, to go on with. Otherwise it is given up.
        keep: bool,
    },
    /// To the data plane: answer [`wire::Answer::Sending`] and the groups, or why not. Answered by [`In::Served`].
    Serve {
        /// Which question.
        token: ServeToken,
        /// For which transfer.
        id: TransferId,
        /// The blob.
        blob: BlobId,
        /// Its size, as the asker says.
        size: BlobSize,
        /// Which groups are asked for.
        groups: Groups,
        /// It is not what the offer names: to be served only if the blob store holds it for the offer, with that size. Otherwise the answer
        /// is [`Refusal::NotOffered`].
        member: bool,
    },
    /// To the data plane: that question is answered no further.
    StopServing {
        /// Which.
        token: ServeToken,
    },
    /// To the data plane: answer that nothing was done.
    Refuse {
        /// Which frame.
        token: ServeToken,
        /// Why.
        reason: Refusal,
    },
    /// To the data plane: answer that a word was noted.
    Noted {
        /// Which frame.
        token: ServeToken,
    },
    /// To the data plane: tell the other side of a transfer something. Answered by [`In::Told`].
    Tell {
        /// About which transfer, and to whom.
        id: TransferId,
        /// What.
        word: Word,
    },
    /// To the data plane: the blobs held for an offer of ours are not needed for it any more.
    Release {
        /// Which transfer.
        id: TransferId,
    },
    /// For the log: what a holder did.
    Report {
        /// In which transfer.
        id: TransferId,
        /// Who.
        holder: NodeId,
        /// What.
        fault: Fault,
    },
}

#[cfg(test)]
mod tests;
