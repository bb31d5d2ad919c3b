//! One run as the machine remembers it.
//!
//! Not here: whose turn it is ([`super::machine`]).

use super::{
    command::{Job, RunState, RunView, Start},
    end::{End, Usage},
    limits::LimitKind,
    manifest::AppId,
};
use crate::{
    machine::CallId,
    time::{Mono, UnixMillis},
};
use std::time::Duration;

/// How long a run may wait for its turn.
pub(super) const WAITING_PATIENCE: Duration = Duration::from_secs(60);

/// What starting a process, reading a module and loading its compiled form may take beside compiling.
pub(super) const PREPARING_SLACK: Duration = Duration::from_secs(10);

/// How long the shell may take to say that a killed run is gone.
pub(super) const KILL_PATIENCE: Duration = Duration::from_millis(400);

/// How far a run has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// It waits for its turn.
    Waiting,
    /// The shell has it, and has not begun to run it.
    Preparing,
    /// It runs.
    Running,
    /// It is being killed.
    Ending {
        /// What for.
        end: End,
    },
    /// It is over.
    Ended {
        /// How.
        end: End,
        /// When.
        at: UnixMillis,
    },
}

/// A run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) start: Start,
    pub(super) app: Option<AppId>,
    pub(super) stage: Stage,
    /// When something has to be done about it.
    pub(super) due: Mono,
    /// Who waits for its end; it is not remembered then.
    pub(super) caller: Option<CallId>,
    pub(super) since: UnixMillis,
    pub(super) usage: Usage,
    /// When it began to run.
    pub(super) began: Option<Mono>,
}

impl Run {
    /// Whether the shell has it.
    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Preparing | Stage::Running | Stage::Ending { .. })
    }

    /// Whether it is over.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    /// How long it may take until it begins.
    pub(super) fn preparing_patience(&self) -> Duration {
        Duration::from_millis(self.start.limits.compile_ms).saturating_add(PREPARING_SLACK)
    }

    /// Why it is killed when it is due.
    pub(super) fn overdue(&self) -> End {
        let kind = match self.stage {
            Stage::Waiting => LimitKind::Runs,
            Stage::Preparing => LimitKind::CompileTime,
            Stage::Running | Stage::Ending { .. } | Stage::Ended { .. } => LimitKind::Time,
        };
        End::Limit { kind }
    }

    /// As people see it.
    pub(super) fn view(&self) -> RunView {
        let Start { run, space, name, job, grant, limits, .. } = &self.start;
        let function = match job {
            Job::Call { function, .. } => Some(function.clone()),
            Job::Program { .. } => None,
        };
        let state = match &self.stage {
            Stage::Waiting => RunState::Waiting,
            Stage::Preparing => RunState::Preparing,
            Stage::Running | Stage::Ending { .. } => RunState::Running,
            Stage::Ended { end, at } => RunState::Ended { end: end.clone(), at: *at },
        };
        RunView {
            id: *run,
            space: *space,
            app: self.app,
            name: name.clone(),
            function,
            state,
            since: self.since,
            limits: *limits,
            usage: self.usage,
            grant: grant.clone(),
        }
    }
}
