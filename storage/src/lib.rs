//! PC2's database: typed tables on sled, one writer thread, durable before it answers.
//!
//! In: batches of [`Change`]s with a callback each ([`Writer::submit`]), questions ([`Reader`]). Out: the callbacks, in order, once
//! the disk has the batches; rows. Everything blocks and may be called from any thread; there is no runtime in here.
//!
//! | promise | kept by |
//! |---|---|
//! | what was called back is still there after kill -9 and after a loss of power | `writer` |
//! | a batch is there whole or not at all, and none without those before | one sled batch per group, [docs/decisions/0010](../../docs/decisions) |
//! | a full disk is a refusal, not a broken database | reserve and ballast, `disk` |
//! | damage is noticed, never handed out | checksums, seals and the mark, `check` |
//! | a damaged database does not stop the node | quarantine and the last export, `db`, `restore` |
//! | the disk alone tells no secrets and no texts | every row is sealed, `cell`; keys are not: who talks to whom and when is legible |
//!
//! Beside the database, [`blobs`] keeps what is too large for rows: files that are offered and received.
//!
//! Not here: what rows mean (`pc2-protocols`), which thread calls.

mod access;
mod apply;
pub mod blobs;
mod cell;
mod change;
mod check;
mod db;
mod dir;
mod disk;
mod export;
mod format;
mod history;
mod ledger;
mod marks;
mod migrate;
mod reader;
mod restore;
mod search;
mod stage;
mod storage;
mod table;
mod tables;
mod timers;
mod untouched;
mod usage;
mod value;
mod writer;

pub use access::{
    AccessChange, AccessRows, ApiKeyRow, SecurityEvent, SecurityRow, WalletAddress, WalletRow, WebRole,
    WebSessionRow,
};
pub use cell::ReadError;
pub use change::Change;
pub use db::{OpenError, OpenReport, Options, Quarantined};
pub use dir::DirLock;
pub use disk::{Disk, SystemDisk};
pub use export::{ExportError, Exported};
pub use reader::Reader;
pub use restore::Restored;
pub(crate) use storage::Opened;
pub use storage::Storage;
pub use usage::Usage;
pub use value::{MAX_VALUE_BYTES, Value, ValueTooLarge};
pub use writer::{QUEUE_BATCHES, QueueFull, WriteError, Writer, WriterState};
