//! How much a module may take: one number for each thing that can run out, with its range and reason.
//!
//! [`Limits`] go with every job to the runner, which enforces most of them; the node enforces the clock, since a runner may be beyond asking. The
//! configuration sets a node's own, an app's manifest can ask for less ([`Limits::lowered_to`]), never for more.
//!
//! Not here: how many runs there may be at once (the machine admits them).

use serde::{Deserialize, Serialize};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Most files and folders that a program holds open at once. `ls -R` needs as many as folders are deep; a database ten.
pub const MAX_OPEN_FILES: usize = 64;

/// Most a program may keep in its own root, outside `/data`, in bytes. It is memory, and counted as memory: enough for temporary files of text tools.
pub const MAX_ROOT_BYTES: u64 = 4 * MIB;

/// What a runner needs beside the memory of what it runs, in bytes: the artifact, its stack, the engine. A runner is refused more than the sum.
pub const RUNNER_OVERHEAD_BYTES: u64 = 64 * MIB;

/// Something that can run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LimitKind {
    /// Operators executed.
    Fuel,
    /// Time on the clock.
    Time,
    /// Linear memory.
    Memory,
    /// Elements of tables.
    Table,
    /// Depth of calls.
    Stack,
    /// Size of the module's file.
    ModuleSize,
    /// Functions in the module.
    Functions,
    /// What it printed.
    Output,
    /// Size of one file.
    FileSize,
    /// What it wrote to files altogether.
    Written,
    /// Runs at once: told by the node, never by a runner.
    Runs,
    /// Time to compile.
    CompileTime,
    /// Memory to compile.
    CompileMemory,
}

impl LimitKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Fuel,
        Self::Time,
        Self::Memory,
        Self::Table,
        Self::Stack,
        Self::ModuleSize,
        Self::Functions,
        Self::Output,
        Self::FileSize,
        Self::Written,
        Self::Runs,
        Self::CompileTime,
        Self::CompileMemory,
    ];

    /// Its stable name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Stack => "stack",
            Self::ModuleSize => "module_size",
            Self::Functions => "functions",
            Self::Output => "output",
            Self::FileSize => "file_size",
            Self::Written => "written",
            Self::Runs => "runs",
            Self::CompileTime => "compile_time",
            Self::CompileMemory => "compile_memory",
        }
    }

    /// What was too much, in words that end "…, and was stopped" or "…, and was refused".
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Self::Fuel => "it computed for longer than it may",
            Self::Time => "it took longer than it may",
            Self::Memory => "it needs more memory than it may have",
            Self::Table => "its tables are larger than they may be",
            Self::Stack => "its calls went too deep",
            Self::ModuleSize => "the module is larger than it may be",
            Self::Functions => "the module has more functions than it may have",
            Self::Output => "it printed more than it may",
            Self::FileSize => "it made a file larger than it may",
            Self::Written => "it wrote more to files than it may",
            Self::Runs => "as many are running as may at once",
            Self::CompileTime => "compiling the module took too long",
            Self::CompileMemory => "compiling the module took too much memory",
        }
    }
}

/// How much one module may take. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Operators executed in one call or run.
    pub fuel: u64,
    /// Time of one call or run, in milliseconds.
    pub time_ms: u64,
    /// Linear memory.
    pub memory_bytes: u64,
    /// Elements of each table.
    pub table_elements: u64,
    /// Stack for calls within the module.
    pub stack_bytes: u64,
    /// The module's file.
    pub module_bytes: u64,
    /// Functions that the module defines.
    pub functions: u64,
    /// Standard output and error together.
    pub output_bytes: u64,
    /// Any one file that it writes.
    pub file_bytes: u64,
    /// Everything it writes to files, what it overwrites included.
    pub written_bytes: u64,
    /// Time to compile the module, in milliseconds.
    pub compile_ms: u64,
    /// Memory to compile the module.
    pub compile_memory_bytes: u64,
}

/// What is allowed for one of the limits, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// What runs out.
    pub kind: LimitKind,
    /// Name of the field in [`Limits`].
    pub name: &'static str,
    /// When nobody says otherwise.
    pub default: u64,
    /// Least that makes sense.
    pub least: u64,
    /// Most that can be configured.
    pub most: u64,
    /// Why the default is what it is.
    pub why: &'static str,
}

macro_rules! ranges {
    ($($field:ident $kind:ident $default:expr, $least:expr => $most:expr, $why:expr;)*) => {
        /// All limits with their ranges, in the order of the fields.
        pub const RANGES: &[Range] = &[$(Range {
            kind: LimitKind::$kind, name: stringify!($field), default: $default, least: $least, most: $most, why: $why,
        }),*];

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }

        impl Limits {
            /// Each limit with its range.
            pub fn each(&self) -> impl Iterator<Item = (&'static Range, u64)> {
                RANGES.iter().zip([$(self.$field),*])
            }

            /// These limits, but none above `other`'s: what an app asks for, within what the node gives.
            #[must_use]
            pub fn lowered_to(&self, other: &Self) -> Self {
                Self { $($field: self.$field.min(other.$field)),* }
            }

            /// The same, with what is out of its range brought into it: what a runner does with whatever it is told.
            #[must_use]
            pub fn within_ranges(&self) -> Self {
                Self { $($field: self.$field.clamp($least, $most)),* }
            }
        }
    };
}

ranges! {
    fuel Fuel 1_000_000_000_000, 1 => 10_000_000_000_000, "lasts as long as the time on a desktop: a sieve executes 27 billion in a second (measured), an empty loop 4; the same on every machine, unlike time";
    time_ms Time 30_000, 10 => 3_600_000, "a person waits this long for an answer before wondering; long jobs are given more by name";
    memory_bytes Memory 128 * MIB, 64 * KIB => 2 * GIB, "an interpreter or an image fits; several at once still fit a small machine";
    table_elements Table 100_000, 0 => 1_000_000, "a table has an element for each function called by pointer; large programs have thousands";
    stack_bytes Stack MIB, 64 * KIB => 8 * MIB, "what compilers give a main thread outside Linux";
    module_bytes ModuleSize 32 * MIB, 8 => 32 * MIB, "whole interpreters are 5 to 25 MiB";
    functions Functions 50_000, 1 => 50_000, "whole interpreters have 10,000 to 30,000; each costs compile time before it ever runs";
    output_bytes Output 4 * MIB, 0 => GIB, "more than anybody reads; what is meant for programs goes into a file";
    file_bytes FileSize GIB, 0 => 64 * GIB, "one file cannot fill a small disk";
    written_bytes Written 4 * GIB, 0 => 1024 * GIB, "a loop that writes cannot wear a disk out before somebody looks";
    compile_ms CompileTime 60_000, 10 => 600_000, "25 MiB compile in half of it on a slow core, once";
    compile_memory_bytes CompileMemory 768 * MIB, 64 * MIB => 4 * GIB, "the compiler takes some twenty times the module's code, once";
}

impl Limits {
    /// Everything that is out of its range, one sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let wrong = self.each().filter(|(range, value)| !(range.least..=range.most).contains(value));
        wrong
            .map(|(range, value)| {
                format!("{} is {value}, and must be from {} to {}", range.name, range.least, range.most)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_ranges() {
        assert_eq!(Limits::default().problems(), Vec::<String>::new());
        assert_eq!(Limits::default().within_ranges(), Limits::default());
    }

    #[test]
    fn everything_out_of_range_is_told_at_once() {
        let wrong = Limits { fuel: 0, stack_bytes: u64::MAX, ..Limits::default() };
        let problems = wrong.problems();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with("fuel is 0, and must be from 1 to"), "{problems:?}");
        assert!(problems[1].starts_with("stack_bytes is"), "{problems:?}");
        assert_eq!(wrong.within_ranges().problems(), Vec::<String>::new());
    }

    #[test]
    fn an_app_can_ask_for_less_but_never_for_more() {
        let node = Limits::default();
        let asked = Limits { fuel: 5, memory_bytes: u64::MAX, ..node };
        let given = node.lowered_to(&asked);
        assert_eq!((given.fuel, given.memory_bytes), (5, node.memory_bytes));
    }

    #[test]
    fn every_kind_has_its_own_name() {
        let mut names: Vec<_> = LimitKind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LimitKind::ALL.len());
    }
}
