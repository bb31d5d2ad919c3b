//! Runners: made, kept warm for a while, and never given to anybody else.
//!
//! A *blank* runner has not seen a module yet; a few are kept ready after the first use. A *loaded* one has a module without WASI and is called again and again, by the same space, for
//! the same module within the same limits: it is never given to another. One in which a program ran ends with it. Whatever is not used for [`IDLE`] ends, so that a node that runs nothing
//! has no child and no task for it.
//!
//! Not here: which run gets one (`drive`), processes (`runner`).

use super::runner::{Lost, Runner};
use pc2_protocols::{
    id::BlobId,
    wasm::{limits::Limits, rows::Space},
};
use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tracing::debug;

/// How long a runner is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// How often it is looked whether some are.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Blank runners that are kept ready: one for a run, one to compile for it. Each is a process that has touched little.
const BLANK: usize = 2;

/// Loaded runners that are kept: each holds a module.
const LOADED: usize = 8;

/// Whose a loaded runner is, and what it has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Belongs {
    pub(super) space: Space,
    pub(super) module: BlobId,
    pub(super) limits: Limits,
}

/// The runners that wait.
#[derive(Debug)]
pub(super) struct Pool {
    program: PathBuf,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    blank: Vec<Runner>,
    /// Those used last stand last.
    loaded: VecDeque<(Belongs, Runner, Instant)>,
    used: Option<Instant>,
    /// Blank runners that are being made.
    making: usize,
    /// Somebody looks whether some are idle.
    watched: bool,
    closed: bool,
}

impl Pool {
    pub(super) fn new(program: PathBuf) -> Self {
        Self { program, waiting: Mutex::default() }
    }

    /// A runner that has not seen a module. Others are made ready meanwhile.
    pub(super) async fn blank(self: &Arc<Self>) -> Result<Runner, Lost> {
        let ready = {
            let mut waiting = self.waiting();
            waiting.used = Some(Instant::now());
            waiting.blank.retain(Runner::lives);
            waiting.blank.pop()
        };
        let runner = match ready {
            Some(runner) => runner,
            None => Runner::start(&self.program).await?,
        };
        self.refill();
        Ok(runner)
    }

    /// The runner that has this loaded, if one waits.
    pub(super) fn loaded(&self, belongs: &Belongs) -> Option<Runner> {
        let mut waiting = self.waiting();
        waiting.used = Some(Instant::now());
        waiting.loaded.retain(|(_, runner, _)| runner.lives());
        let place = waiting.loaded.iter().rposition(|(of, ..)| of == belongs)?;
        waiting.loaded.remove(place).map(|(_, runner, _)| runner)
    }

    /// Keeps a loaded runner for the next call.
    pub(super) fn keep(self: &Arc<Self>, belongs: Belongs, runner: Runner) {
        let mut waiting = self.waiting();
        if waiting.closed {
            return;
        }
        waiting.loaded.push_back((belongs, runner, Instant::now()));
        // Dropped, and so killed, outside of the lock.
        let excess = if waiting.loaded.len() > LOADED { waiting.loaded.pop_front() } else { None };
        drop(waiting);
        drop(excess);
        self.watch();
    }

    /// Ends all that wait; no more are kept.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        let ended = (std::mem::take(&mut waiting.blank), std::mem::take(&mut waiting.loaded));
        drop(waiting);
        drop(ended);
    }

    /// Makes blank runners until enough wait.
    fn refill(self: &Arc<Self>) {
        let missing = {
            let mut waiting = self.waiting();
            let missing = BLANK.saturating_sub(waiting.blank.len().saturating_add(waiting.making));
            waiting.making = waiting.making.saturating_add(missing);
            missing
        };
        for _ in 0..missing {
            let pool = Arc::clone(self);
            // Ends by itself: a runner that does not begin is given up.
            tokio::spawn(async move {
                let made = Runner::start(&pool.program).await;
                let mut waiting = pool.waiting();
                waiting.making = waiting.making.saturating_sub(1);
                match made {
                    Ok(runner) if !waiting.closed => waiting.blank.push(runner),
                    Ok(_) => {}
                    // Whoever needs one hears why.
                    Err(error) => debug!(%error, "no runner could be made ready"),
                }
            });
        }
        self.watch();
    }

    /// Has somebody look whether some are idle, until none wait.
    fn watch(self: &Arc<Self>) {
        if std::mem::replace(&mut self.waiting().watched, true) {
            return;
        }
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(pool) = pool.upgrade() else { return };
                if !pool.end_idle() {
                    return;
                }
            }
        });
    }

    /// Ends what nobody used for a while. Whether some are left.
    fn end_idle(&self) -> bool {
        let mut waiting = self.waiting();
        let idle = |since: Instant| since.elapsed() >= IDLE;
        let mut ended = Vec::new();
        while waiting.loaded.front().is_some_and(|(.., since)| idle(*since)) {
            ended.extend(waiting.loaded.pop_front().map(|(_, runner, _)| runner));
        }
        if waiting.used.is_none_or(idle) {
            ended.append(&mut waiting.blank);
        }
        let left = !waiting.blank.is_empty() || !waiting.loaded.is_empty() || waiting.making > 0;
        waiting.watched = left;
        drop(waiting);
        drop(ended);
        left
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
