//! A transfer as people see it: what is offered, and where it stands, each state a fact.
//!
//! In: a transfer's row and what it does at the moment. Out: a [`TransferView`]. How fast it goes is for the shell to say: bytes of
//! two views, and the time between.
//!
//! Not here: what is decided.

use super::{
    machine::Transfer,
    offer::FileOffer,
    pull::{Live, Phase},
    rows::{Decided, Direction, Failure, TransferId},
};
use crate::{
    id::NodeId,
    time::{Mono, UnixMillis},
};
use serde_bytes::ByteBuf;

/// One transfer, for those who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferView {
    /// Whose.
    pub account: NodeId,
    /// Which.
    pub id: TransferId,
    /// What is offered.
    pub offer: FileOffer,
    /// When it came to be here.
    pub since: UnixMillis,
    /// Until when the offer stands.
    pub expires: UnixMillis,
    /// When it ended.
    pub ended: Option<UnixMillis>,
    /// Where it stands.
    pub state: State,
    /// Theirs, and wanted: bytes of it that are here, as of when it was last looked.
    pub have: Option<u64>,
}

/// Where a transfer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Ours: about to be written to them.
    Sending,
    /// Ours: they have not decided, or are not fetching it at the moment.
    WaitingForThem,
    /// Theirs: the owner has not decided.
    Offered,
    /// Wanted, and not its turn: too many others are under way, or the other side said so.
    Queued,
    /// Bytes flow.
    Transferring {
        /// Theirs: bytes of it that are here, proven. Ours: bytes sent since this node started.
        bytes: u64,
    },
    /// Wanted, but not now.
    Paused,
    /// Nobody who has it is connected, or answers.
    WaitingForPeer,
    /// The disk of this node is full; tried again by itself.
    WaitingForRoom,
    /// Everything is here, and is being put into its place.
    Finishing,
    /// All of it arrived.
    Done {
        /// Theirs: where it was put, in the system's bytes.
        path: Option<ByteBuf>,
    },
    /// The one it was offered to does not want it.
    Declined,
    /// The one it was offered to wanted it, and then no longer.
    Cancelled,
    /// Taken back by who offered it.
    Withdrawn,
    /// Nobody wanted it in time.
    Expired,
    /// It went wrong.
    Failed {
        /// Why.
        why: Failure,
        /// Whether trying again can help.
        retryable: bool,
    },
}

impl State {
    /// Whether the other is the same but for its bytes.
    pub(super) const fn same_but_bytes(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Transferring { .. }, Self::Transferring { .. }))
    }
}

impl Transfer {
    /// As people see it. `reachable`: somebody who has it is connected.
    pub(super) fn view(&self, now: Mono, reachable: bool) -> TransferView {
        TransferView {
            account: self.row.account,
            id: self.row.id,
            offer: self.row.offer.clone(),
            since: self.row.since,
            expires: self.row.expires,
            ended: self.row.ended,
            state: self.state(now, reachable),
            have: self.have(),
        }
    }

    fn have(&self) -> Option<u64> {
        let wanted = matches!(self.row.decided, Decided::Wanted { .. });
        let have = self.live.as_ref().and_then(Live::here).or(self.row.have);
        have.filter(|_| wanted)
    }

    fn state(&self, now: Mono, reachable: bool) -> State {
        match &self.row.decided {
            Decided::Unsent => State::Sending,
            Decided::Offered if self.row.id.direction == Direction::In => State::Offered,
            Decided::Offered if self.served > 0 => State::Transferring { bytes: self.sent },
            Decided::Offered => State::WaitingForThem,
            Decided::Wanted { paused: true } => State::Paused,
            Decided::Wanted { paused: false } => self.receiving(now, reachable),
            Decided::Done { path } => State::Done { path: path.clone() },
            Decided::Declined => State::Declined,
            Decided::Cancelled => State::Cancelled,
            Decided::Withdrawn => State::Withdrawn,
            Decided::Expired => State::Expired,
            Decided::Failed(why) => State::Failed { why: why.clone(), retryable: why.retryable() },
        }
    }

    fn receiving(&self, now: Mono, reachable: bool) -> State {
        match &self.live {
            Some(live) if matches!(live.phase, Phase::Finishing { .. }) => State::Finishing,
            Some(live) if live.flows() => State::Transferring { bytes: live.bytes() },
            _ if self.room_at.is_some_and(|at| at > now) => State::WaitingForRoom,
            _ if !reachable => State::WaitingForPeer,
            Some(_) => State::Queued,
            None if self.only_waits_for_its_turn(now) => State::Queued,
            None => State::WaitingForPeer,
        }
    }
}
