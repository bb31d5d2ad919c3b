//! How the parts of the node are: kept while they run, shown when asked.
//!
//! In: what happens to a host. Out: [`ActorHealth`], from figures that can be read even while the host is busy.
//!
//! Not here: what to do about it (`watchdog`, `restarts`).

use pc2_protocols::machine::Status;
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

/// What a part of the node does right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorState {
    /// It has not begun.
    Starting,
    /// It works.
    Running,
    /// It failed and is being rebuilt from storage.
    Restarting,
    /// It failed too often or cannot be rebuilt; it is tried again with growing pauses.
    Failed,
    /// It takes nothing in any more: the node shuts down.
    Stopped,
}

/// How one part of the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorHealth {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub state: ActorState,
    /// Rebuilds since the node started.
    pub restarts: u64,
    /// Demands turned away since the node started, because too much waited or it was not running.
    pub turned_away: u64,
    /// What it says about itself; empty when it cannot answer.
    pub status: Status,
}

/// The figures of one host, shared with whoever asks.
#[derive(Debug)]
pub(crate) struct Vitals {
    pub(crate) name: &'static str,
    state: Mutex<ActorState>,
    steps: AtomicU64,
    restarts: AtomicU64,
    turned_away: AtomicU64,
}

impl Vitals {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            state: Mutex::new(ActorState::Starting),
            steps: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
        }
    }

    pub(crate) fn state(&self) -> ActorState {
        *self.state.lock().expect("no holder of the lock panics")
    }

    /// Returns whether it was another before.
    pub(crate) fn set_state(&self, state: ActorState) -> bool {
        std::mem::replace(&mut *self.state.lock().expect("no holder of the lock panics"), state) != state
    }

    /// Messages handled: as long as it grows, the handler loop turns.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    pub(crate) fn stepped(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// All of it, with what the machine says.
    pub(crate) fn report(&self, status: Status) -> ActorHealth {
        ActorHealth {
            name: self.name,
            state: self.state(),
            restarts: self.restarts.load(Ordering::Relaxed),
            turned_away: self.turned_away.load(Ordering::Relaxed),
            status,
        }
    }
}
