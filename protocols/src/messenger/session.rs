//! The seam to end-to-end encryption.
//!
//! A [`CryptoSession`] is one encrypted session between two devices; a [`CryptoProvider`] is what a device has to make
//! and join them. The messenger knows only these. The real one is MLS by OpenMLS (`pc2-mls`); simulations
//! use a [`ledger`] that notices when a key would be used twice.
//!
//! **State leaves by `take_changes`**: after every call that succeeded, the caller takes the changed values and persists
//! them in the same batch as what the call produced, before the network sees a byte.
//! A call that failed changed nothing that would have to be persisted.
//!
//! Keys are refreshed by turns: at even epochs the lower NodeId of the two may commit, at odd ones the
//! higher. So commits never fork, and chat never waits for one (docs/decisions/0003).

use super::rows::SessionRow;
use crate::{
    id::{NodeId, SessionId},
    time::UnixMillis,
};
use std::collections::BTreeMap;

pub mod ledger;

/// One changed value of the session library's store: its key, and the value or `None` when removed.
pub type StoreChange = (Vec<u8>, Option<Vec<u8>>);

/// Why the session layer refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// A key package or Welcome is not what it should be: not the peer's, expired, forged, for another device.
    #[error("key material of the other side is not acceptable: {reason}")]
    BadKeyMaterial {
        /// What is wrong.
        reason: String,
    },
    /// The Welcome is for a key package this device does not have (any more).
    #[error("made for another device")]
    NotForThisDevice,
    /// The ciphertext was opened before, is forged, or too old.
    #[error("cannot be opened: {reason}")]
    Unreadable {
        /// What is wrong.
        reason: String,
    },
    /// A refresh of an epoch that has ended already: a repetition.
    #[error("epoch {epoch} has ended already")]
    AlreadyApplied {
        /// Which epoch.
        epoch: u64,
    },
    /// Not the turn of whoever made the refresh, or an epoch is missing in between.
    #[error("a refresh out of turn")]
    OutOfTurn,
    /// The stored state does not make a session.
    #[error("stored session is damaged: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// The library failed in a way that should not happen.
    #[error("session library: {reason}")]
    Internal {
        /// What it said.
        reason: String,
    },
}

/// A commit that ends an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// The epoch it ends.
    pub epoch: u64,
    /// The MLS commit.
    pub commit: Vec<u8>,
}

/// One encrypted session between this device and a peer's.
pub trait CryptoSession: Send {
    /// Its name.
    fn id(&self) -> SessionId;

    /// Encrypts, and steps the sending ratchet.
    ///
    /// # Errors
    /// Only when the library fails.
    fn encrypt(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SessionError>;

    /// Decrypts what the peer encrypted, and steps the receiving ratchet. Checks that the peer is who sent it.
    ///
    /// # Errors
    /// [`SessionError::Unreadable`], also for anything opened before.
    fn decrypt(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SessionError>;

    /// Whether it is our turn to refresh.
    fn our_turn(&self) -> bool;

    /// Makes new keys and moves to the next epoch at once: the commit must reach the peer before what is encrypted next.
    ///
    /// # Errors
    /// [`SessionError::OutOfTurn`] when it is not our turn.
    fn refresh(&mut self) -> Result<Refreshed, SessionError>;

    /// Follows the peer's refresh.
    ///
    /// # Errors
    /// [`SessionError::AlreadyApplied`] for a repetition, [`SessionError::OutOfTurn`] or [`SessionError::Unreadable`] for anything else wrong.
    fn apply_refresh(&mut self, epoch: u64, commit: &[u8]) -> Result<(), SessionError>;

    /// The values changed since it was last asked, in a fixed order.
    fn take_changes(&mut self) -> Vec<StoreChange>;
}

/// What a device has to make and join sessions.
pub trait CryptoProvider: Send {
    /// The sessions it makes.
    type Session: CryptoSession;

    /// The device's current last-resort key package; makes a new one when there is none or it nears its end.
    ///
    /// # Errors
    /// Only when the library fails.
    fn key_package(&mut self, now: UnixMillis) -> Result<Vec<u8>, SessionError>;

    /// Creates a session with the owner of a key package. Returns it and the Welcome for the peer.
    ///
    /// # Errors
    /// [`SessionError::BadKeyMaterial`] when the package is not `peer`'s.
    fn start(
        &mut self,
        peer: NodeId,
        key_package: &[u8],
        now: UnixMillis,
    ) -> Result<(Self::Session, Vec<u8>), SessionError>;

    /// Joins the session that `peer` created for us.
    ///
    /// # Errors
    /// [`SessionError::NotForThisDevice`], or [`SessionError::BadKeyMaterial`] when it is not `peer` alone who is in it, or the name differs.
    fn join(
        &mut self,
        session: SessionId,
        peer: NodeId,
        welcome: &[u8],
        now: UnixMillis,
    ) -> Result<Self::Session, SessionError>;

    /// Loads a session from its stored values.
    ///
    /// # Errors
    /// [`SessionError::Damaged`].
    fn resume(
        &mut self,
        row: &SessionRow,
        values: BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Self::Session, SessionError>;

    /// The device's own values changed since it was last asked, in a fixed order.
    fn take_changes(&mut self) -> Vec<StoreChange>;
}

/// Who may end an epoch: at even ones the lower of the two, at odd ones the higher.
#[must_use]
pub fn committer(epoch: u64, one: NodeId, other: NodeId) -> NodeId {
    if epoch.is_multiple_of(2) { one.min(other) } else { one.max(other) }
}
