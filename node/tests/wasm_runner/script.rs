//! Programs for the battery, written call by call: each asks for something, and tells by numbers what it was answered.
//!
//! A script becomes a module in WAT. It prints the error numbers of all its calls on standard output, four bytes each, and whatever it read on standard
//! error.

use std::fmt::Write as _;

/// An argument of a call.
pub(crate) enum Is<'a> {
    /// A number.
    N(i64),
    /// A path: its place and its length.
    P(&'a str),
    /// A place for what is given back, by number.
    Out(u32),
    /// What was given back there before.
    Was(u32),
}

pub(crate) use Is::{N, Out, P, Was};

/// Parameters of the functions that scripts call: `i` for 32 bits, `l` for 64.
const FUNCTIONS: &[(&str, &str)] = &[
    ("path_open", "iiiiillii"),
    ("path_create_directory", "iii"),
    ("path_remove_directory", "iii"),
    ("path_unlink_file", "iii"),
    ("path_rename", "iiiiii"),
    ("path_link", "iiiiiii"),
    ("path_symlink", "iiiii"),
    ("path_readlink", "iiiiii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("fd_read", "iiii"),
    ("fd_write", "iiii"),
    ("fd_pread", "iiili"),
    ("fd_close", "i"),
    ("fd_seek", "ilii"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_times", "illi"),
    ("fd_sync", "i"),
    ("fd_datasync", "i"),
    ("fd_filestat_set_size", "il"),
    ("fd_allocate", "ill"),
    ("fd_prestat_get", "ii"),
    ("fd_renumber", "ii"),
    ("fd_readdir", "iiili"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
    ("environ_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("args_sizes_get", "ii"),
    ("args_get", "ii"),
];

/// Where places for results begin, 64 bytes each.
const PLACES: u32 = 1024;
/// Where the answers stand.
const ANSWERS: u32 = 32 * 1024;
/// Two lists of pieces: the buffer, and the answers.
const BUFFER_PIECE: u32 = 64;
const ANSWERS_PIECE: u32 = 80;
const TEXT_PIECE: u32 = 96;
/// Where texts begin.
const TEXTS: u32 = 64 * 1024;
/// Where bytes that are read come to lie.
const BUFFER: u32 = 256 * 1024;

pub(crate) const READ: i64 = 1 << 1;
pub(crate) const WRITE: i64 = 1 << 6;
pub(crate) const CREATE: i64 = 1;
pub(crate) const TRUNCATE: i64 = 8;

/// A program that is being written.
#[derive(Default)]
pub(crate) struct Script {
    texts: String,
    body: String,
    calls: u32,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn text(&mut self, text: &str) -> (u32, u32) {
        let at = TEXTS + u32::try_from(self.texts.len()).expect("short");
        self.texts.push_str(text);
        (at, u32::try_from(text.len()).expect("short"))
    }

    /// Calls a function and keeps its answer.
    pub(crate) fn call(&mut self, function: &str, arguments: &[Is<'_>]) -> &mut Self {
        let mut pushed = String::new();
        let kinds = FUNCTIONS.iter().find(|(name, _)| *name == function).expect("a function of scripts").1;
        let mut kinds = kinds.chars();
        for argument in arguments {
            match argument {
                N(number) => {
                    let kind = if kinds.next() == Some('l') { "i64" } else { "i32" };
                    write!(pushed, "{kind}.const {number} ").expect("text");
                }
                P(path) => {
                    let (at, bytes) = self.text(path);
                    kinds.next();
                    kinds.next();
                    write!(pushed, "i32.const {at} i32.const {bytes} ").expect("text");
                }
                Out(place) => {
                    kinds.next();
                    write!(pushed, "i32.const {} ", PLACES + 64 * place).expect("text");
                }
                Was(place) => {
                    kinds.next();
                    write!(pushed, "i32.const {} i32.load ", PLACES + 64 * place).expect("text");
                }
            }
        }
        let at = ANSWERS + 4 * self.calls;
        self.calls += 1;
        writeln!(self.body, "i32.const {at} {pushed} call ${function} i32.store").expect("text");
        self
    }

    /// Opens for reading, following links.
    pub(crate) fn open(&mut self, path: &str, place: u32) -> &mut Self {
        self.open_how(3, path, 0, READ, place)
    }

    pub(crate) fn open_how(&mut self, from: i64, path: &str, how: i64, rights: i64, place: u32) -> &mut Self {
        let arguments = [N(from), N(1), P(path), N(how), N(rights), N(0), N(0), Out(place)];
        self.call("path_open", &arguments)
    }

    /// Reads from what was opened, and prints that on standard error.
    pub(crate) fn read(&mut self, opened: Is<'_>) -> &mut Self {
        self.call("fd_read", &[opened, N(i64::from(BUFFER_PIECE)), N(1), Out(200)]);
        let printed = BUFFER_PIECE + 8;
        // As much as was read.
        writeln!(
            self.body,
            "i32.const {printed} i32.const {BUFFER} i32.store
             i32.const {} i32.const {} i32.load i32.store
             i32.const 2 i32.const {printed} i32.const 1 i32.const {} call $fd_write drop
             i32.const {} i32.const 0 i32.store",
            printed + 4,
            PLACES + 64 * 200,
            PLACES + 64 * 201,
            PLACES + 64 * 200,
        )
        .expect("text");
        self
    }

    /// Writes a text to what was opened.
    pub(crate) fn write(&mut self, opened: Is<'_>, text: &str) -> &mut Self {
        let (at, bytes) = self.text(text);
        writeln!(
            self.body,
            "i32.const {TEXT_PIECE} i32.const {at} i32.store i32.const {} i32.const {bytes} i32.store",
            TEXT_PIECE + 4
        )
        .expect("text");
        self.call("fd_write", &[opened, N(i64::from(TEXT_PIECE)), N(1), Out(202)])
    }

    /// The module.
    pub(crate) fn module(&self) -> String {
        let imports: String = FUNCTIONS.iter().fold(String::new(), |mut text, (name, kinds)| {
            let kinds: Vec<_> = kinds.chars().map(|kind| if kind == 'l' { "i64" } else { "i32" }).collect();
            let kinds = kinds.join(" ");
            writeln!(
                text,
                "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {kinds}) (result i32)))"
            )
            .expect("text");
            text
        });
        let data: String = self.texts.bytes().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").expect("text");
            text
        });
        format!(
            "(module {imports} (memory (export \"memory\") 32)
             (data (i32.const {TEXTS}) \"{data}\")
             (func (export \"_start\")
               i32.const {BUFFER_PIECE} i32.const {BUFFER} i32.store
               i32.const {} i32.const 65536 i32.store
               i32.const {ANSWERS_PIECE} i32.const {ANSWERS} i32.store
               i32.const {} i32.const {} i32.store
               {}
               i32.const 1 i32.const {ANSWERS_PIECE} i32.const 1 i32.const {} call $fd_write drop))",
            BUFFER_PIECE + 4,
            ANSWERS_PIECE + 4,
            self.calls * 4,
            self.body,
            PLACES + 64 * 203,
        )
    }
}

/// The answers that a script printed.
pub(crate) fn answers(out: &[u8]) -> Vec<u32> {
    out.chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("whole numbers"))).collect()
}
