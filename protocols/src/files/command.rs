//! What a person or script can ask of file transfer, and what they hear.
//!
//! A command that was carried out already is answered with how things are: repeating one after a crash changes nothing.
//!
//! Not here: how it is carried out ([`super::incoming`], [`super::outgoing`]).

use super::{
    TransferView,
    offer::{BadOffer, Offered},
    rows::{Rates, TransferId},
};
use crate::{
    id::{NodeId, OfferId},
    kinds, limits,
};

kinds! {
    /// What a person or script can ask for.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Command {
        /// Offer something that the blob store holds for this offer already (a collection: its list, and every file of it). With the id of an offer that
        /// was made before it is that offer.
        Offer {
            /// To whom.
            to: NodeId,
            /// Drawn at random by the caller.
            offer: OfferId,
            /// What.
            what: Offered,
            /// Who else has it, at most [`limits::MAX_OFFER_HOLDERS`].
            holders: Vec<NodeId>,
        },
        /// Take an offer of ours back.
        Withdraw {
            /// Which.
            id: TransferId,
        },
        /// Want what is offered.
        Accept {
            /// Which.
            id: TransferId,
            /// The folder to receive into, in the system's bytes, at most [`limits::MAX_TARGET_BYTES`]; `None`: the usual one.
            folder: Option<Vec<u8>>,
        },
        /// Not want it.
        Decline {
            /// Which.
            id: TransferId,
        },
        /// Not now.
        Pause {
            /// Which.
            id: TransferId,
        },
        /// Now. Also where the disk was full: try at once.
        Resume {
            /// Which.
            id: TransferId,
        },
        /// Not any more: what has arrived is thrown away.
        Cancel {
            /// Which.
            id: TransferId,
        },
        /// Try again what failed.
        Retry {
            /// Which.
            id: TransferId,
        },
        /// All transfers, those that are open and those that ended.
        List,
        /// Accept offers of a contact without asking, up to this many bytes; `None`: ask.
        SetAuto {
            /// Whose offers.
            peer: NodeId,
            /// Up to how much.
            max_bytes: Option<u64>,
        },
        /// How fast files may be transferred.
        SetRates {
            /// The rates; a rate of zero is none.
            rates: Rates,
        },
        /// The rules and rates in force.
        Settings,
    }
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To commands about one transfer: how it is now.
    Transfer(Box<TransferView>),
    /// To `List`: the newest first.
    Transfers(Vec<TransferView>),
    /// To commands about settings.
    Settings {
        /// Up to how many bytes of whose offers are accepted without asking.
        auto: Vec<(NodeId, u64)>,
        /// How fast.
        rates: Rates,
    },
}

/// Why a [`Command`] was not carried out. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such transfer.
    #[error("there is no such file transfer")]
    Unknown,
    /// It goes the other way.
    #[error("only the other side can do that")]
    NotYours,
    /// It is over.
    #[error("this transfer is over: {0}")]
    Over(String),
    /// It was not accepted yet.
    #[error("this offer has not been accepted yet")]
    NotAccepted,
    /// It did not fail.
    #[error("this transfer has not failed; there is nothing to try again")]
    NotFailed,
    /// The same would fail the same way.
    #[error("trying again does not help: {0}")]
    NoRetry(String),
    /// Not an offer anybody would take.
    #[error(transparent)]
    BadOffer(#[from] BadOffer),
    /// Oneself.
    #[error("this is your own DID")]
    Yourself,
    /// Too many offers of ours are open.
    #[error(
        "too many offers are open ({} to one person, {} in all); wait for some, or take some back",
        limits::MAX_OPEN_OFFERS_PER_PEER,
        limits::MAX_OPEN_OFFERS
    )]
    Full,
    /// No path of a folder.
    #[error("the path of a folder has 1 to {} bytes", limits::MAX_TARGET_BYTES)]
    BadFolder,
    /// Nothing would ever be transferred.
    #[error("a rate of 0 bytes a second transfers nothing; pause the transfers instead")]
    BadRate,
    /// As many rules as contacts.
    #[error("there are rules for too many people already")]
    TooManyRules,
}
