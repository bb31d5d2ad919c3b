//! Numbers of WASI preview 1, as its specification (`wasi_snapshot_preview1.witx`) fixes them, and how Linux's map to them.

use crate::engine::Stop;
use rustix::{
    fs::{FileType, Stat},
    io::Errno as System,
};

/// Why a function did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The program is told.
    #[error("error {0:?}")]
    Errno(Errno),
    /// The program ends.
    #[error(transparent)]
    Stop(Stop),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<System> for Failure {
    fn from(error: System) -> Self {
        Self::Errno(error.into())
    }
}

/// Errors, by the standard's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errno {
    Success = 0,
    Access = 2,
    Again = 6,
    BadFd = 8,
    Busy = 10,
    Quota = 19,
    Exist = 20,
    Fault = 21,
    TooLargeFile = 22,
    Interrupted = 27,
    Invalid = 28,
    Io = 29,
    IsFolder = 31,
    Loop = 32,
    TooManyFiles = 33,
    NameTooLong = 37,
    NoEntry = 44,
    NoMemory = 48,
    NoSpace = 51,
    NotFolder = 54,
    NotEmpty = 55,
    NotSocket = 57,
    NotSupported = 58,
    Overflow = 61,
    NotPermitted = 63,
    ReadOnly = 69,
    NotSeekable = 70,
    CrossDevice = 75,
    NotCapable = 76,
}

impl From<System> for Errno {
    fn from(error: System) -> Self {
        match error {
            System::ACCESS => Self::Access,
            System::AGAIN => Self::Again,
            System::BADF => Self::BadFd,
            System::BUSY => Self::Busy,
            System::DQUOT => Self::Quota,
            System::EXIST => Self::Exist,
            System::FBIG => Self::TooLargeFile,
            System::INTR => Self::Interrupted,
            System::INVAL => Self::Invalid,
            System::ISDIR => Self::IsFolder,
            System::LOOP => Self::Loop,
            System::MFILE | System::NFILE => Self::TooManyFiles,
            System::NAMETOOLONG => Self::NameTooLong,
            System::NOENT => Self::NoEntry,
            System::NOMEM => Self::NoMemory,
            System::NOSPC => Self::NoSpace,
            System::NOTDIR => Self::NotFolder,
            System::NOTEMPTY => Self::NotEmpty,
            System::OPNOTSUPP | System::NOSYS => Self::NotSupported,
            System::PERM => Self::NotPermitted,
            System::ROFS => Self::ReadOnly,
            // What `RESOLVE_BENEATH` says to a path that leads out.
            System::XDEV => Self::NotCapable,
            _ => Self::Io,
        }
    }
}

/// Flags of `path_open`.
pub(super) mod how {
    pub(crate) const CREATE: u32 = 1;
    pub(crate) const FOLDER: u32 = 2;
    pub(crate) const EXCLUSIVE: u32 = 4;
    pub(crate) const TRUNCATE: u32 = 8;
}

/// Flags of an open file.
pub(super) mod flags {
    pub(crate) const APPEND: u16 = 1;
    pub(crate) const DSYNC: u16 = 2;
    pub(crate) const NONBLOCK: u16 = 4;
    pub(crate) const RSYNC: u16 = 8;
    pub(crate) const SYNC: u16 = 16;
}

/// Rights, as far as they mean anything here: how a file was opened.
pub(super) mod rights {
    pub(crate) const READ: u64 = 1 << 1;
    pub(crate) const SEEK: u64 = 1 << 2 | 1 << 5;
    pub(crate) const WRITE: u64 = 1 << 6;
    pub(crate) const ALLOCATE: u64 = 1 << 8;
    pub(crate) const READ_FOLDER: u64 = 1 << 14;
    pub(crate) const SET_SIZE: u64 = 1 << 22;
    /// All that the standard names.
    pub(crate) const ALL: u64 = (1 << 30) - 1;
}

/// Which times to set.
pub(super) mod times {
    pub(crate) const ACCESSED: u32 = 1;
    pub(crate) const ACCESSED_NOW: u32 = 2;
    pub(crate) const MODIFIED: u32 = 4;
    pub(crate) const MODIFIED_NOW: u32 = 8;
}

/// Follow the link that a path ends in.
pub(super) const FOLLOW: u32 = 1;

/// What something in a file system is, by the standard's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown = 0,
    Character = 2,
    Folder = 3,
    File = 4,
    Link = 7,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Folder,
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Link,
            FileType::CharacterDevice => Self::Character,
            _ => Self::Unknown,
        }
    }
}

/// What `filestat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) kind: Kind,
    pub(super) links: u64,
    pub(super) size: u64,
    /// Accessed, modified, changed; in nanoseconds.
    pub(super) times: [u64; 3],
}

impl From<Stat> for Status {
    #[allow(clippy::useless_conversion, reason = "on ARM the number of links has 32 bits")]
    fn from(stat: Stat) -> Self {
        let nanoseconds = |seconds: i64, rest: u64| {
            u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(rest)
        };
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            kind: FileType::from_raw_mode(stat.st_mode).into(),
            links: u64::from(stat.st_nlink),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            times: [
                nanoseconds(stat.st_atime, stat.st_atime_nsec),
                nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
                nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
            ],
        }
    }
}

impl Status {
    /// As the program reads it.
    pub(super) fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let numbers = [
            (0, self.device),
            (8, self.inode),
            (16, self.kind as u64),
            (24, self.links),
            (32, self.size),
            (40, self.times[0]),
            (48, self.times[1]),
            (56, self.times[2]),
        ];
        for (at, number) in numbers {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) inode: u64,
    pub(super) kind: Kind,
}
