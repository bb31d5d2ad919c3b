//! The sessions with one person: the one in use, and the one before it for what is still under way.
//!
//! In: sessions made or joined, proof that the other side has them. Out: the session to seal or open with,
//! and the rows and values to write ([`Sessions::take_changes`]), once per step however many messages went through it.
//! A stored session is loaded when it is first used, so that a start does not depend on how many there are.
//!
//! The highest rank is in use. Bounded by [`limits::MAX_SESSIONS`].
//! Not here: when to make, join or drop one ([`super::starts`]).

use super::{
    rows::{Change, SessionRow, SessionValue},
    session::{CryptoProvider, CryptoSession},
};
use crate::{
    id::{NodeId, SessionId},
    limits,
};
use std::collections::BTreeMap;

/// What the session library keeps of one session.
pub(super) type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// The sessions of one person. See the [module](self).
pub(super) struct Sessions<S> {
    /// By rank, the one in use last.
    list: Vec<Held<S>>,
    removed: Vec<SessionId>,
}

struct Held<S> {
    row: SessionRow,
    state: State<S>,
    row_changed: bool,
    used: bool,
}

enum State<S> {
    Stored(Values),
    Open(Box<S>),
}

impl<S> Default for Sessions<S> {
    fn default() -> Self {
        Self { list: Vec::new(), removed: Vec::new() }
    }
}

impl<S: CryptoSession> Sessions<S> {
    /// Takes a stored session in.
    pub(super) fn restore(&mut self, row: SessionRow, values: Values) {
        self.list.push(Held { row, state: State::Stored(values), row_changed: false, used: false });
        self.list.sort_by_key(|held| held.row.rank);
    }

    /// The session to seal in.
    pub(super) fn current(&self) -> Option<&SessionRow> {
        self.list.last().map(|held| &held.row)
    }

    /// Whether it is one of these.
    pub(super) fn has(&self, session: SessionId) -> bool {
        self.list.iter().any(|held| held.row.session == session)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The session itself, loaded where needed. `None` when it is not one of these, or its stored state is damaged:
    /// then it is forgotten, and a new one will take its place.
    pub(super) fn open<P>(&mut self, session: SessionId, provider: &mut P) -> Option<&mut S>
    where
        P: CryptoProvider<Session = S>,
    {
        let index = self.list.iter().position(|held| held.row.session == session)?;
        if let State::Stored(values) = &mut self.list[index].state {
            let values = std::mem::take(values);
            match provider.resume(&self.list[index].row, values) {
                Ok(open) => self.list[index].state = State::Open(Box::new(open)),
                Err(_) => {
                    self.remove(session);
                    return None;
                }
            }
        }
        let held = &mut self.list[index];
        held.used = true;
        match &mut held.state {
            State::Open(open) => Some(open),
            State::Stored(_) => None,
        }
    }

    /// Takes a new session into use. Keeps the one before it, drops what is older.
    pub(super) fn adopt(&mut self, mut row: SessionRow, session: S) {
        row.rank = self.current().map_or(1, |current| current.rank.saturating_add(1));
        self.list.push(Held { row, state: State::Open(Box::new(session)), row_changed: true, used: true });
        while self.list.len() > limits::MAX_SESSIONS {
            self.removed.push(self.list.remove(0).row.session);
        }
    }

    /// The other side is known to have it.
    pub(super) fn confirm(&mut self, session: SessionId) {
        if let Some(held) = self.list.iter_mut().find(|held| held.row.session == session)
            && !held.row.confirmed
        {
            held.row.confirmed = true;
            held.row_changed = true;
        }
    }

    /// The other side seals in this one: if it is the one in use, nothing more will come in earlier ones.
    pub(super) fn heard(&mut self, session: SessionId) {
        self.confirm(session);
        if self.current().is_some_and(|current| current.session == session) {
            while self.list.len() > 1 {
                self.removed.push(self.list.remove(0).row.session);
            }
        }
    }

    /// A refresh of theirs that ended this epoch was followed.
    pub(super) fn note_followed(&mut self, session: SessionId, epoch: u64) {
        if let Some(held) = self.list.iter_mut().find(|held| held.row.session == session)
            && held.row.followed.is_none_or(|followed| followed < epoch)
        {
            held.row.followed = Some(epoch);
            held.row_changed = true;
        }
    }

    /// All of them, the one in use last.
    pub(super) fn rows(&self) -> impl Iterator<Item = &SessionRow> {
        self.list.iter().map(|held| &held.row)
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, session: SessionId) {
        let before = self.list.len();
        self.list.retain(|held| held.row.session != session);
        if self.list.len() < before {
            self.removed.push(session);
        }
    }

    /// Forgets those that we made and the other side is not known to have.
    pub(super) fn remove_unconfirmed(&mut self) {
        let removed = &mut self.removed;
        self.list.retain(|held| {
            if !held.row.confirmed {
                removed.push(held.row.session);
            }
            held.row.confirmed
        });
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.removed.extend(self.list.drain(..).map(|held| held.row.session));
    }

    /// The rows and values changed since it was last asked.
    pub(super) fn take_changes(&mut self, account: NodeId, out: &mut Vec<Change>) {
        let removed = std::mem::take(&mut self.removed);
        out.extend(removed.into_iter().map(|session| Change::RemoveSession { account, session }));
        for held in &mut self.list {
            if std::mem::take(&mut held.row_changed) {
                out.push(Change::PutSession(held.row.clone()));
            }
            if std::mem::take(&mut held.used)
                && let State::Open(open) = &mut held.state
            {
                let session = Some(held.row.session);
                out.extend(open.take_changes().into_iter().map(|(key, value)| {
                    let value = value.map(serde_bytes::ByteBuf::from);
                    Change::PutSessionValue(SessionValue { account, session, key, value })
                }));
            }
        }
    }
}
