//! One ledger session: its epochs, and which generations of the peer are used up.
//!
//! The same arithmetic as in MLS, with marks in place of secrets. Not here: key packages and Welcomes (see [`super`]).

use super::{KeyUse, MAX_BYTES, Mark, STATE_KEY, Sealed, open_envelope, seal_envelope};
use crate::{
    codec,
    id::{NodeId, SessionId},
    limits,
    messenger::session::{CryptoSession, Refreshed, SessionError, StoreChange, committer},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Serialize, Deserialize)]
struct Commit {
    session: SessionId,
    committer: NodeId,
    epoch: u64,
    #[serde(with = "serde_bytes")]
    mark: Mark,
    #[serde(with = "serde_bytes")]
    next_mark: Mark,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    session: SessionId,
    me: NodeId,
    peer: NodeId,
    /// The next step of our own ratchet in the current epoch.
    sending: u32,
    /// Oldest first; the last one is current. Never empty.
    epochs: Vec<Epoch>,
}

/// What is known of the peer's ratchet in one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Epoch {
    number: u64,
    #[serde(with = "serde_bytes")]
    mark: Mark,
    /// One above the newest generation opened.
    head: u32,
    /// Generations below `head` that were not opened and still may be.
    skipped: BTreeSet<u32>,
}

impl Epoch {
    const fn new(number: u64, mark: Mark) -> Self {
        Self { number, mark, head: 0, skipped: BTreeSet::new() }
    }

    /// Uses up one generation.
    fn open(&mut self, generation: u32) -> Result<(), SessionError> {
        let tolerance = limits::OUT_OF_ORDER_TOLERANCE;
        if generation < self.head {
            return if self.skipped.remove(&generation) {
                Ok(())
            } else {
                Err(unreadable("opened before, or too old"))
            };
        }
        if generation > self.head.saturating_add(limits::MAX_FORWARD_DISTANCE) {
            return Err(unreadable("too far ahead"));
        }
        let next = generation.checked_add(1).ok_or_else(|| unreadable("the last generation"))?;
        let oldest = next.saturating_sub(tolerance);
        self.skipped.extend(self.head.max(oldest)..generation);
        self.skipped.retain(|skipped| *skipped >= oldest);
        self.head = next;
        Ok(())
    }
}

impl State {
    pub(super) fn new(session: SessionId, me: NodeId, peer: NodeId, mark: Mark) -> Self {
        // As in MLS: adding the peer ended epoch 0.
        Self { session, me, peer, sending: 0, epochs: vec![Epoch::new(1, mark)] }
    }

    /// Reads what was stored.
    pub(super) fn decode(stored: &[u8]) -> Result<Self, String> {
        let state: Self = codec::decode(stored, MAX_BYTES).map_err(|error| error.to_string())?;
        if state.epochs.is_empty() { Err("has no epoch".to_owned()) } else { Ok(state) }
    }

    pub(super) fn is_between(&self, session: SessionId, me: NodeId, peer: NodeId) -> bool {
        (self.session, self.me, self.peer) == (session, me, peer)
    }

    fn current(&self) -> &Epoch {
        self.epochs.last().expect("a session always has an epoch: made with one, checked when read")
    }

    fn advance(&mut self, mark: Mark) {
        let number = self.current().number.saturating_add(1);
        self.epochs.push(Epoch::new(number, mark));
        let surplus = self.epochs.len().saturating_sub(limits::MAX_PAST_EPOCHS + 1);
        self.epochs.drain(..surplus);
        self.sending = 0;
    }
}

/// One simulated session.
#[derive(Debug)]
pub struct LedgerSession {
    state: State,
    /// The encoded state when changes were last taken.
    stored: Vec<u8>,
    rng: ChaCha20Rng,
}

impl LedgerSession {
    pub(super) fn new(state: State, seed: [u8; 32]) -> Self {
        Self::resumed(state, Vec::new(), seed)
    }

    pub(super) fn resumed(state: State, stored: Vec<u8>, seed: [u8; 32]) -> Self {
        Self { state, stored, rng: ChaCha20Rng::from_seed(seed) }
    }

    fn turn_of(&self, epoch: u64) -> NodeId {
        committer(epoch, self.state.me, self.state.peer)
    }
}

impl CryptoSession for LedgerSession {
    fn id(&self) -> SessionId {
        self.state.session
    }

    fn encrypt(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SessionError> {
        let epoch = self.state.current();
        let key = KeyUse {
            session: self.state.session,
            epoch: epoch.number,
            mark: epoch.mark,
            sender: self.state.me,
            generation: self.state.sending,
        };
        let next = self.state.sending.checked_add(1);
        self.state.sending =
            next.ok_or_else(|| SessionError::Internal { reason: "the ratchet has ended".to_owned() })?;
        Ok(seal_envelope(&Sealed { key, plaintext: plaintext.to_vec() }))
    }

    fn decrypt(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SessionError> {
        let Sealed { key, plaintext } =
            open_envelope(sealed).map_err(|reason| SessionError::Unreadable { reason })?;
        if key.session != self.state.session || key.sender != self.state.peer {
            return Err(unreadable("not from the peer in this session"));
        }
        let known = self
            .state
            .epochs
            .iter_mut()
            .find(|epoch| epoch.number == key.epoch && epoch.mark == key.mark)
            .ok_or_else(|| unreadable("its epoch is not known here"))?;
        known.open(key.generation)?;
        Ok(plaintext)
    }

    fn our_turn(&self) -> bool {
        self.turn_of(self.state.current().number) == self.state.me
    }

    fn refresh(&mut self) -> Result<Refreshed, SessionError> {
        if !self.our_turn() {
            return Err(SessionError::OutOfTurn);
        }
        let mut next_mark = [0; 16];
        self.rng.fill_bytes(&mut next_mark);
        let Epoch { number: epoch, mark, .. } = *self.state.current();
        let commit = seal_envelope(&Commit {
            session: self.state.session,
            committer: self.state.me,
            epoch,
            mark,
            next_mark,
        });
        self.state.advance(next_mark);
        Ok(Refreshed { epoch, commit })
    }

    fn apply_refresh(&mut self, epoch: u64, commit: &[u8]) -> Result<(), SessionError> {
        let current = self.state.current();
        if epoch < current.number {
            return Err(SessionError::AlreadyApplied { epoch });
        }
        if epoch > current.number || self.our_turn() {
            return Err(SessionError::OutOfTurn);
        }
        let commit: Commit = open_envelope(commit).map_err(|reason| SessionError::Unreadable { reason })?;
        let expected = (self.state.session, self.state.peer, current.number, current.mark);
        if (commit.session, commit.committer, commit.epoch, commit.mark) != expected {
            return Err(unreadable("the refresh does not follow this epoch"));
        }
        self.state.advance(commit.next_mark);
        Ok(())
    }

    fn take_changes(&mut self) -> Vec<StoreChange> {
        let encoded = codec::encode(&self.state);
        if encoded == self.stored {
            return Vec::new();
        }
        self.stored.clone_from(&encoded);
        vec![(STATE_KEY.to_vec(), Some(encoded))]
    }
}

fn unreadable(reason: &str) -> SessionError {
    SessionError::Unreadable { reason: reason.to_owned() }
}
