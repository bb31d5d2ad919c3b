//! The open storage: hands out the writer and readers, exports, and closes.

use crate::{
    cell::{ReadError, Sealer},
    check::{self, Damage, Depth, Mark},
    db::{self, OpenError, OpenReport, Options},
    dir::{Layout, Lock},
    export::{self, ExportError, Exported},
    ledger::Ledger,
    reader::Reader,
    writer::{self, Setup, Writer},
};
use pc2_protocols::crypto::seal::StorageKey;
use sled::{Db, Tree};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    thread::JoinHandle,
    time::Duration,
};

/// What readers read from, for as long as it is open.
pub(crate) struct Opened {
    /// Keeps sled open.
    _db: Db,
    pub(crate) tree: Tree,
    pub(crate) sealer: Arc<Sealer>,
    /// The database's directory.
    pub(crate) dir: PathBuf,
}

/// An open storage. Dropped without [`Storage::close`] it closes as well.
pub struct Storage {
    layout: Layout,
    opened: Arc<RwLock<Option<Opened>>>,
    writer: Writer,
    thread: Option<JoinHandle<()>>,
    lock: Option<Lock>,
}

impl Storage {
    /// Opens the storage of a data directory, or makes it. One process at a time.
    ///
    /// # Errors
    /// [`OpenError`], worded for the owner of the node. Damage is no error: it is in the report.
    pub fn open(dir: &Path, key: &StorageKey, options: &Options) -> Result<(Self, OpenReport), OpenError> {
        let open = db::open(dir, key, options)?;
        let unusable = |error: std::io::Error| OpenError::Unusable { reason: error.to_string() };
        let tree = Tree::clone(&open.db);
        let unreadable = |error: ReadError| OpenError::Unusable { reason: error.to_string() };
        let setup = Setup {
            mark: Mark::open(&open.layout.db()).map_err(unusable)?,
            ledger: Ledger::read(&tree).map_err(unreadable)?.next_epoch(),
            db: open.db.clone(),
            sealer: Arc::clone(&open.sealer),
            file: open.file,
            disk: Arc::clone(&options.disk),
            dir: dir.to_owned(),
            reserve: options.reserve_bytes,
            ballast: open.ballast,
        };
        let (writer, thread) = writer::start(setup).map_err(unusable)?;
        let opened = Opened { _db: open.db, tree, sealer: open.sealer, dir: open.layout.db() };
        let storage = Self {
            layout: open.layout,
            opened: Arc::new(RwLock::new(Some(opened))),
            writer,
            thread: Some(thread),
            lock: Some(open.lock),
        };
        Ok((storage, open.report))
    }

    /// The data directory.
    pub(crate) fn root(&self) -> &Path {
        &self.layout.root
    }

    /// The way to write.
    #[must_use]
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// The way to read.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.opened))
    }

    /// Writes the logical export, replacing the last one. See [`crate::export`] for what is in it and what it promises.
    ///
    /// # Errors
    /// [`ExportError`]; the last export stays as it was.
    pub fn export(&self) -> Result<Exported, ExportError> {
        export::export(&self.layout, &self.reader())
    }

    /// How long ago the last logical export was written; `None` when there is none. A clock that was set back makes it zero.
    #[must_use]
    pub fn export_age(&self) -> Option<Duration> {
        let written = std::fs::metadata(self.layout.export()).and_then(|file| file.modified()).ok()?;
        Some(written.elapsed().unwrap_or_default())
    }

    /// Reads every row there is. Takes as long as that takes; returns how many.
    ///
    /// # Errors
    /// The first damage found.
    pub fn verify(&self) -> Result<u64, ReadError> {
        self.reader().read(|opened| {
            check::rows(&opened.tree, &opened.sealer, Depth::Full).map_err(|damage| match damage {
                Damage::Read(error) => error,
                Damage::BadRow { table } => ReadError::Damaged { what: table },
                other @ (Damage::NoFormat
                | Damage::RolledBack { .. }
                | Damage::Books
                | Damage::Lost { .. }) => ReadError::Database { reason: other.to_string() },
            })
        })
    }

    /// Writes what was submitted, ends the writer and gives the directory free.
    pub fn close(mut self) {
        self.shut();
    }

    fn shut(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.writer.stop();
        if thread.join().is_err() {
            tracing::error!("the storage writer panicked");
        }
        drop(self.opened.write().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.lock.take());
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.shut();
    }
}
