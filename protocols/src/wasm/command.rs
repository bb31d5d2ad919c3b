//! What is asked of the WASM machine, what it answers, and what it wants done.
//!
//! Not here: what is decided ([`super::machine`]).

use super::{
    ask::LimitsAsk,
    end::{End, Usage},
    limits::Limits,
    manifest::{AppId, Manifest},
    rows::{AppRow, Change, Grant, Space},
};
use crate::{id::BlobId, kinds, machine::CallId, time::UnixMillis};
use std::fmt;

/// Names one run. Chosen at random by whoever starts it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId([u8; Self::LEN]);

impl RunId {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// Wraps raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Reads what `Display` wrote: 16 lower-case hexadecimal digits. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain =
            text.len() == 2 * Self::LEN && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| u64::from_str_radix(text, 16).ok())?.map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How many runs there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// At once, in all.
    pub runs: usize,
    /// At once, of one space.
    pub runs_each: usize,
    /// That wait for their turn, in all.
    pub waiting: usize,
    /// That wait, of one space.
    pub waiting_each: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        // Each may take its memory limit and a core: eight of 128 MiB fit a machine of 2 GiB. One person leaves room for others. What waits costs next to nothing.
        Self { runs: 8, runs_each: 4, waiting: 256, waiting_each: 128 }
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An installed app.
    App {
        /// Which.
        id: AppId,
    },
    /// A module that the shell has open under the run's id.
    Module {
        /// Its hash.
        module: BlobId,
        /// What to call it.
        name: String,
        /// The folder that whoever starts it gives it.
        grant: Option<Grant>,
    },
}

/// What is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// One exported function is called.
    Call {
        /// Its name.
        function: String,
        /// Its arguments, as texts.
        arguments: Vec<String>,
    },
    /// It is run as a WASI program.
    Program {
        /// Its arguments, without its own name.
        arguments: Vec<String>,
        /// Its environment.
        environment: Vec<(String, String)>,
    },
}

kinds! {
    /// What a person or script can ask for. Everything is asked for one space, and nobody learns of another's.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Command {
        /// Run something, when it is its turn.
        Run {
            /// The run's name from now on.
            run: RunId,
            /// Whose.
            space: Space,
            /// What is run.
            what: What,
            /// What is done with it.
            job: Job,
            /// Lower limits.
            ask: Box<LimitsAsk>,
            /// Answer when it has ended, and do not remember it. Otherwise: answer when it is taken.
            wait: bool,
        },
        /// Stop a run.
        Stop {
            /// Whose.
            space: Space,
            /// Which.
            run: RunId,
        },
        /// One run.
        Show {
            /// Whose.
            space: Space,
            /// Which.
            run: RunId,
        },
        /// Runs under way, and the last that ended.
        Runs {
            /// Whose.
            space: Space,
        },
        /// Install an app whose module the shell keeps, or put another version in its place.
        Install {
            /// For whom.
            space: Space,
            /// What it says of itself.
            manifest: Box<Manifest>,
            /// Its module.
            module: BlobId,
            /// How large that is, in bytes.
            bytes: u64,
        },
        /// Remove an app.
        Remove {
            /// Whose.
            space: Space,
            /// Which.
            id: AppId,
        },
        /// Grant an app a folder, or take it back.
        Grant {
            /// Whose.
            space: Space,
            /// Which.
            id: AppId,
            /// What it may from now on.
            grant: Option<Grant>,
        },
        /// An installation failed after the shell had kept the module: it goes, unless an app has it.
        Discard {
            /// Which.
            module: BlobId,
        },
        /// Somebody has no space here any more: what runs for them is stopped, and with `apps` their apps go, too. What is in their home stays.
        EndSpace {
            /// Whose.
            space: Space,
            /// Whether they are gone for good.
            apps: bool,
        },
        /// One app.
        App {
            /// Whose.
            space: Space,
            /// Which.
            id: AppId,
        },
        /// All apps.
        Apps {
            /// Whose.
            space: Space,
        },
    }
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A run that was waited for has ended.
    Ended {
        /// How.
        end: End,
        /// What it took.
        usage: Usage,
    },
    /// A run as it is.
    Run(Box<RunView>),
    /// Runs, the newest first.
    Runs(Vec<RunView>),
    /// An app as it is.
    App(Box<AppRow>),
    /// Apps, by id.
    Apps(Vec<AppRow>),
    /// It is gone.
    Removed,
}

/// Why a [`Command`] was not carried out. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such app in this space.
    #[error("there is no such app; `GET /api/wasm/apps` shows those there are")]
    UnknownApp,
    /// No such run in this space.
    #[error("there is no such run; it may have ended long ago")]
    UnknownRun,
    /// The run's name is taken.
    #[error("there is a run of that name already")]
    Taken,
    /// Too many wait already.
    #[error("too many runs wait already ({waiting}); wait for some of them to end")]
    TooManyRuns {
        /// How many.
        waiting: usize,
    },
    /// A space has as many apps as it can.
    #[error("{most} apps are installed, which is as many as there can be; remove one first")]
    TooManyApps {
        /// How many that is.
        most: usize,
    },
    /// An argument is too long, or there are too many.
    #[error("this cannot be run: {0}")]
    BadJob(String),
    /// A limit that makes no sense.
    #[error("{0}")]
    BadLimit(String),
    /// More than the app asks for, or no folder of the home.
    #[error("{0}")]
    BadGrant(String),
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// It waits for its turn.
    Waiting,
    /// Its module is looked at, and compiled if that was not done before.
    Preparing,
    /// It runs.
    Running,
    /// It has ended.
    Ended {
        /// How.
        end: End,
        /// When.
        at: UnixMillis,
    },
}

/// A run as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// Its name.
    pub id: RunId,
    /// Whose it is.
    pub space: Space,
    /// The app, if it is one.
    pub app: Option<AppId>,
    /// What the app or module is called.
    pub name: String,
    /// The function that is called; `None` for a program.
    pub function: Option<String>,
    /// How far it is.
    pub state: RunState,
    /// Since when it is known.
    pub since: UnixMillis,
    /// What it may take.
    pub limits: Limits,
    /// What it took, as far as is known.
    pub usage: Usage,
    /// The folder it has.
    pub grant: Option<Grant>,
}

/// What the screens of one space learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A run is new, or is another than it was.
    Run(Box<RunView>),
    /// A run is not remembered any more.
    Forgotten {
        /// Whose it was.
        space: Space,
        /// Which.
        run: RunId,
    },
    /// Apps or their grants changed.
    Apps {
        /// Whose.
        space: Space,
    },
    /// A new life began: no run goes on, and none is remembered.
    Reset,
}

impl Event {
    /// Whom it is for; `None`: everybody.
    #[must_use]
    pub fn space(&self) -> Option<Space> {
        match self {
            Self::Run(view) => Some(view.space),
            Self::Forgotten { space, .. } | Self::Apps { space } => Some(*space),
            Self::Reset => None,
        }
    }
}

/// Where a module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Among those of installed apps.
    Installed,
    /// Open under the run's id.
    Given,
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Which.
    pub run: RunId,
    /// Whose.
    pub space: Space,
    /// The hash of its module.
    pub module: BlobId,
    /// Where that is.
    pub source: Source,
    /// What the app or module is called.
    pub name: String,
    /// What is done.
    pub job: Job,
    /// The folder it has.
    pub grant: Option<Grant>,
    /// What it may take.
    pub limits: Limits,
}

/// What the WASM machine wants done.
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
    /// Tell those who look.
    Publish(Event),
    /// A new life begins: end every run. Modules that are not named here belong to no app.
    Reset {
        /// Those of the installed apps.
        modules: Vec<BlobId>,
    },
    /// Begin a run. Answered by [`super::In::Began`] and [`super::In::Ended`].
    Start(Box<Start>),
    /// Kill a run. Answered by [`super::In::Ended`].
    Kill {
        /// Which.
        run: RunId,
    },
    /// A run is over: those who look at its output are told so, also when it never began.
    Over {
        /// Which.
        run: RunId,
    },
    /// Nobody will ask for a run's output any more.
    Forget {
        /// Which.
        run: RunId,
    },
    /// No app has this module any more.
    RemoveModule {
        /// Which.
        module: BlobId,
    },
}
