//! How a call, a run or a compilation ended, as the person is told and as programs tell it apart.
//!
//! A runner says so in its last frame; the node says it for a runner that died ([`End::of_death`]) or that it killed itself. Codes are stable.
//!
//! Texts come from whoever wrote the module: [`End::bounded`] cuts them and takes control characters out before anybody sees them.

use super::{limits::LimitKind, values::Value};
use serde::{Deserialize, Serialize};

/// Longest text of an end, in bytes. A trap with the names of forty functions fits.
pub const MAX_TEXT_BYTES: usize = 4 * 1024;

/// Most results of one function. More is not refused by WebAssembly, but made by no compiler.
pub const MAX_RESULTS: usize = 64;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The function returned.
    Returned {
        /// What it gave.
        results: Vec<Value>,
    },
    /// The program ended by itself; by convention 0 means that all went well.
    Exited {
        /// Its exit code.
        code: u32,
    },
    /// It took more than it may.
    Limit {
        /// Of what.
        kind: LimitKind,
    },
    /// It did something that WebAssembly forbids.
    Trap {
        /// What, and where if the module names its functions.
        text: String,
    },
    /// Not a module at all, or damaged.
    NotAModule {
        /// What is wrong, and at which byte.
        reason: String,
    },
    /// A component: the newer format, which does not run here.
    Component,
    /// It wants something from outside that it is not given.
    ImportRefused {
        /// The import's first name.
        module: String,
        /// Its second name.
        name: String,
    },
    /// There is no such function in it.
    MissingExport {
        /// The name asked for.
        name: String,
    },
    /// The function cannot be called like that.
    WrongArguments {
        /// Why.
        reason: String,
    },
    /// The compiled module that the node kept is of no use any more: it is to be compiled anew.
    BadArtifact {
        /// What the engine said.
        reason: String,
    },
    /// The runner could not lock itself in, so it did not run anything.
    NotLockedIn {
        /// What failed.
        reason: String,
    },
    /// The folder that it was granted is not there.
    NoFolder {
        /// Which, as it was granted.
        reason: String,
    },
    /// The node's disk is full, so it could not be prepared.
    DiskFull,
    /// The node could not prepare it.
    NotPrepared {
        /// What failed.
        reason: String,
    },
    /// The runner died.
    Crashed {
        /// Of which signal, when it was one.
        signal: Option<i32>,
    },
    /// Somebody stopped it.
    Stopped,
}

/// What a call or run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Operators executed; of a module that trapped, up to its last call.
    pub fuel: u64,
    /// Time on the clock, in microseconds.
    pub time_us: u64,
    /// Largest linear memory, in bytes.
    pub memory_bytes: u64,
    /// Bytes printed.
    pub output_bytes: u64,
    /// Bytes written to files.
    pub written_bytes: u64,
    /// It asked for more memory than it may have, and was refused; it may have gone on without.
    pub memory_refused: bool,
}

/// What a runner was doing when it died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Compiling.
    Compiling,
    /// Running a module.
    Running,
}

impl End {
    /// Whether it ended as it should.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Returned { .. } | Self::Exited { code: 0 })
    }

    /// Its stable code; none when it ended as programs do.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Returned { .. } | Self::Exited { .. } => None,
            Self::Limit { .. } => Some("wasm_limit"),
            Self::Trap { .. } => Some("wasm_trap"),
            Self::NotAModule { .. } => Some("wasm_not_a_module"),
            Self::Component => Some("wasm_component"),
            Self::ImportRefused { .. } => Some("wasm_import_refused"),
            Self::MissingExport { .. } => Some("wasm_missing_export"),
            Self::WrongArguments { .. } => Some("wasm_wrong_arguments"),
            Self::BadArtifact { .. } => Some("wasm_bad_artifact"),
            Self::NotLockedIn { .. } => Some("wasm_not_locked_in"),
            Self::NoFolder { .. } => Some("wasm_not_there"),
            Self::DiskFull => Some("disk_full"),
            Self::NotPrepared { .. } => Some("wasm_not_prepared"),
            Self::Crashed { .. } => Some("wasm_crashed"),
            Self::Stopped => Some("wasm_stopped"),
        }
    }

    /// The limit that it ran into.
    #[must_use]
    pub fn limit(&self) -> Option<LimitKind> {
        if let Self::Limit { kind } = self { Some(*kind) } else { None }
    }

    /// One sentence for the person.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Returned { results } => {
                let texts: Vec<String> = results.iter().map(Value::to_string).collect();
                format!("It returned {}.", if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") })
            }
            Self::Exited { code: 0 } => "It ended.".to_owned(),
            Self::Exited { code } => format!("It ended with exit code {code}."),
            Self::Limit { kind } => format!("It was stopped: {}.", kind.described()),
            Self::Trap { text } => format!("It crashed: {text}."),
            Self::NotAModule { reason } => format!("This is not a WebAssembly module: {reason}."),
            Self::Component => {
                "This is a WebAssembly component; only modules run here. Build it for wasm32-wasi (preview 1).".to_owned()
            }
            Self::ImportRefused { module, name } => {
                format!("It wants “{module}.{name}” from outside, which it is not given.")
            }
            Self::MissingExport { name } => format!("It has no function called “{name}”."),
            Self::WrongArguments { reason } => format!("The function cannot be called like that: {reason}."),
            Self::BadArtifact { reason } => format!("The compiled module cannot be used: {reason}."),
            Self::NotLockedIn { reason } => format!("Nothing was run, since it could not be locked in: {reason}."),
            Self::NoFolder { reason } => format!("Nothing was run: {reason}."),
            Self::DiskFull => "Nothing was run: the disk of the node is full. Delete something, and try again.".to_owned(),
            Self::NotPrepared { reason } => format!("Nothing was run, since the node could not prepare it: {reason}."),
            Self::Crashed { signal: Some(signal) } => {
                format!("The process that ran it died ({}).", signal_name(*signal))
            }
            Self::Crashed { signal: None } => "The process that ran it died.".to_owned(),
            Self::Stopped => "It was stopped.".to_owned(),
        }
    }

    /// What the death of a runner means that said nothing before. Signals by which the system enforces a limit are told as that limit.
    #[must_use]
    pub fn of_death(doing: Doing, signal: Option<i32>) -> Self {
        let kind = match (doing, signal) {
            (Doing::Compiling, Some(SIGXCPU)) => LimitKind::CompileTime,
            // A compiler that gets no more memory aborts.
            (Doing::Compiling, Some(SIGABRT)) => LimitKind::CompileMemory,
            (Doing::Running, Some(SIGXCPU)) => LimitKind::Time,
            (Doing::Running, Some(SIGXFSZ)) => LimitKind::FileSize,
            (Doing::Compiling | Doing::Running, _) => return Self::Crashed { signal },
        };
        Self::Limit { kind }
    }

    /// The same with every text cut to [`MAX_TEXT_BYTES`] and without control characters, and no more than [`MAX_RESULTS`].
    #[must_use]
    pub fn bounded(self) -> Self {
        match self {
            Self::Returned { mut results } => {
                results.truncate(MAX_RESULTS);
                Self::Returned { results }
            }
            Self::Trap { text } => Self::Trap { text: plain(&text) },
            Self::NotAModule { reason } => Self::NotAModule { reason: plain(&reason) },
            Self::ImportRefused { module, name } => {
                Self::ImportRefused { module: plain(&module), name: plain(&name) }
            }
            Self::MissingExport { name } => Self::MissingExport { name: plain(&name) },
            Self::WrongArguments { reason } => Self::WrongArguments { reason: plain(&reason) },
            Self::BadArtifact { reason } => Self::BadArtifact { reason: plain(&reason) },
            Self::NotLockedIn { reason } => Self::NotLockedIn { reason: plain(&reason) },
            Self::NoFolder { reason } => Self::NoFolder { reason: plain(&reason) },
            Self::NotPrepared { reason } => Self::NotPrepared { reason: plain(&reason) },
            Self::Exited { .. }
            | Self::Limit { .. }
            | Self::Component
            | Self::DiskFull
            | Self::Crashed { .. }
            | Self::Stopped => self,
        }
    }
}

// Numbers of Linux, the same on x86-64 and ARM.
const SIGILL: i32 = 4;
const SIGABRT: i32 = 6;
const SIGBUS: i32 = 7;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;
const SIGSYS: i32 = 31;

/// What a signal means, for whoever looks into a crash.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        SIGILL => "SIGILL, an instruction that this processor does not have",
        SIGABRT => "SIGABRT, it gave up",
        SIGBUS => "SIGBUS",
        SIGKILL => "SIGKILL, killed from outside, perhaps because the machine has no memory left",
        SIGSEGV => "SIGSEGV, memory that is not its own",
        SIGXCPU => "SIGXCPU, too much computing",
        SIGXFSZ => "SIGXFSZ, too large a file",
        SIGSYS => "SIGSYS, it asked the system for something that it may not",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// At most [`MAX_TEXT_BYTES`] of it, on a character's border; control characters, by which a terminal could be led, become spaces.
fn plain(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    kept.chars().map(|char| if char.is_control() && char != '\n' { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ordinary_end_has_no_code() {
        assert_eq!(End::Exited { code: 3 }.code(), None);
        assert!(!End::Exited { code: 3 }.is_good());
        assert_eq!(End::Limit { kind: LimitKind::Fuel }.code(), Some("wasm_limit"));
    }

    #[test]
    fn a_death_by_a_limit_of_the_system_names_the_limit() {
        let limit = |doing, signal| End::of_death(doing, Some(signal)).limit();
        assert_eq!(limit(Doing::Running, SIGXCPU), Some(LimitKind::Time));
        assert_eq!(limit(Doing::Running, SIGXFSZ), Some(LimitKind::FileSize));
        assert_eq!(limit(Doing::Compiling, SIGXCPU), Some(LimitKind::CompileTime));
        assert_eq!(limit(Doing::Compiling, SIGABRT), Some(LimitKind::CompileMemory));
        assert_eq!(End::of_death(Doing::Running, Some(SIGSYS)), End::Crashed { signal: Some(SIGSYS) });
        assert!(End::Crashed { signal: Some(SIGSYS) }.described().contains("SIGSYS"));
        assert!(End::of_death(Doing::Running, None).described().contains("died"));
    }

    #[test]
    fn texts_of_strangers_are_cut_and_cannot_lead_a_terminal() {
        let End::Trap { text } = (End::Trap { text: format!("\u{1b}[2J{}", "ä".repeat(5_000)) }).bounded()
        else {
            panic!("it stays a trap");
        };
        assert!(text.len() <= MAX_TEXT_BYTES && text.starts_with(" [2Jä"));
    }

    #[test]
    fn an_import_is_refused_by_name() {
        let end = End::ImportRefused { module: "env".into(), name: "fork".into() };
        assert_eq!(end.described(), "It wants “env.fork” from outside, which it is not given.");
    }
}
