//! Blobs: files that this node offers and receives, called by the BLAKE3 hash of their bytes, or, where nobody has hashed them, by a name (`pieces`).
//!
//! | what | where |
//! |---|---|
//! | the store and its folders | `store` |
//! | who works on what, and what room it was promised | `claims` |
//! | offering a file that stands elsewhere: hashing it, never copying it | `import` |
//! | offering it at once, and hashing it piece by piece as it is asked for | `pieces` |
//! | reading it with the proof of what is read | `reader` |
//! | receiving: proving, writing, surviving | `accept`, `partial`, `files`, `marks` |
//! | from whole to a file under a name | `finish`, `place`, `name` |
//! | a folder of files, received as a whole | `gather` |
//! | giving back what nobody needs | `sweep` |
//! | whether everything is what it was | `check` |
//! | rows and hash trees beneath | `rows`, `proof`, `tree` |
//!
//! Everything blocks, and streams: no function holds more of a file than a megabyte. Made for threads that may wait, such as the tasks of
//! transfers; an actor must not call it. `docs/decisions/0026` says why it is as it is.
//!
//! Not here: who may have which blob, what is asked of whom, and how it travels.

mod accept;
mod check;
mod claims;
mod error;
mod files;
mod finish;
mod gather;
mod import;
mod marks;
mod name;
mod partial;
mod pieces;
mod place;
mod proof;
mod reader;
mod rows;
mod store;
mod sweep;
mod tree;

pub use check::{Checked, MOST_TROUBLES, Trouble, Wrong};
pub use error::BlobError;
pub use finish::{After, Finished};
pub use gather::{BadList, Gathered, Gathering};
pub use import::{Imported, Progress};
pub use name::{BadPath, CleanName, CleanPath, clean_name, clean_path};
pub use partial::{BATCH_BYTES, BATCH_TIME, Begun, Partial};
pub use pieces::Unread;
pub use place::Target;
pub use proof::Proof;
pub use reader::Reader;
pub use rows::{BlobChange, FileRow, HoldRow, Holder, PartialRow, Seen};
pub use store::{BlobStore, HEADROOM_BYTES, SMALL_BYTES};
pub use sweep::Swept;
