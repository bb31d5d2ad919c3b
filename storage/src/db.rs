//! Opening the database: whose it is, whether it is whole, and what to do when it is not.
//!
//! In order: lock the directory · tell ours from others', newer and foreign ones, touching nothing · make room when the disk is
//! full · open, check ([`crate::check`]) · migrate. A database that does not pass is moved aside, and a new one is made from the
//! last export; the [`OpenReport`] says so. A directory with an export and no database is restored the same way.
//!
//! sled reports damage by errors and by panics; both are caught here.

use crate::{
    cell::Sealer,
    check::{self, Damage},
    dir::{self, Layout, Lock},
    disk::{self, Ballast, Disk, SystemDisk},
    format::{self, Format, Found},
    ledger::Ledger,
    migrate::{self, MigrateError},
    restore::{self, RestoreError, Restored},
    stage::Stage,
};
use pc2_protocols::crypto::seal::StorageKey;
use sled::Db;
use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How storage is opened.
#[derive(Clone)]
pub struct Options {
    /// Memory for cached pages, in bytes. 2 MiB keep the working set of a node in use; the rest is kept by the system's cache.
    pub cache_bytes: u64,
    /// Writes are refused when less than this is free, in bytes: sled must never meet a full disk, it does not recover from it. A group
    /// writes 1 MiB of rows, some 4 MiB with sled's pages; the rest is for others who fill the disk meanwhile.
    pub reserve_bytes: u64,
    /// Size of the ballast, in bytes: what a start on a full disk needs.
    pub ballast_bytes: u64,
    /// The disk.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 2 * 1024 * 1024,
            reserve_bytes: 16 * 1024 * 1024,
            ballast_bytes: 8 * 1024 * 1024,
            disk: Arc::new(SystemDisk),
        }
    }
}

/// Why storage could not be opened. Worded for the owner of the node.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another PC2 (process {}) uses this directory", process.map_or_else(|| "unknown".to_owned(), |id| id.to_string()))]
    InUse {
        /// Which, if it said so.
        process: Option<u32>,
    },
    /// A file or directory cannot be read or written.
    #[error("{} cannot be used; check its owner and permissions", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is something else where the database should be.
    #[error("{} was not made by PC2; choose another data directory", path.display())]
    NotOurs {
        /// Where.
        path: PathBuf,
    },
    /// Written by a newer program.
    #[error(
        "the data directory has format {found} and this program knows {known}; install the newer PC2 that wrote it"
    )]
    Newer {
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Sealed with another key.
    #[error("this directory belongs to another identity; restore that one, or choose another data directory")]
    OtherIdentity,
    /// Not even a start without writing is possible.
    #[error("the disk is full, even without the ballast; free some space and start again")]
    DiskFull,
    /// Neither the database nor its replacement could be opened.
    #[error("the database cannot be opened: {reason}")]
    Unusable {
        /// What failed.
        reason: String,
    },
}

/// What happened while opening.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenReport {
    /// There was no database before.
    pub created: bool,
    /// The database was damaged: how, and where it is now.
    pub quarantined: Option<Quarantined>,
    /// The database was made from an export.
    pub restored: Option<Restored>,
    /// There was an export that could not be read; it is here now.
    pub damaged_export: Option<PathBuf>,
    /// The version before a migration.
    pub migrated_from: Option<u32>,
    /// The ballast had to be given up: the disk is full.
    pub ballast_used: bool,
}

/// A damaged database that was moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it is now.
    pub path: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

/// Everything that is open.
pub(crate) struct OpenDb {
    pub(crate) lock: Lock,
    pub(crate) layout: Layout,
    pub(crate) db: Db,
    pub(crate) file: File,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) ballast: Ballast,
    pub(crate) report: OpenReport,
}

/// Why one try did not succeed.
enum Trouble {
    /// The database is damaged.
    Damaged(String),
    /// There is too little room.
    Full,
    /// Not for us.
    Refused(OpenError),
}

/// How long sled's own lock of an earlier life in this process may take to fall.
const SLED_LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Opens what is there, or makes it.
pub(crate) fn open(root: &Path, key: &StorageKey, options: &Options) -> Result<OpenDb, OpenError> {
    let layout = Layout { root: root.to_owned() };
    let lock = Lock::take(&layout)?;
    let sealer =
        Sealer::new(key.clone()).map_err(|error| OpenError::Unusable { reason: error.to_string() })?;
    let sealer = Arc::new(sealer);
    let ballast = Ballast::new(root, options.ballast_bytes);
    let mut report = OpenReport::default();

    let mut opened = prepare(&layout, &sealer, options, &mut report);
    if matches!(opened, Err(Trouble::Full)) && ballast.drop_it() {
        report.ballast_used = true;
        opened = prepare(&layout, &sealer, options, &mut report);
    }
    if let Err(Trouble::Damaged(reason)) = opened {
        tracing::error!(reason, "database damaged; moving it aside");
        let path =
            layout.quarantine().map_err(|source| OpenError::Unreadable { path: layout.db(), source })?;
        report.quarantined = Some(Quarantined { path, reason });
        opened = prepare(&layout, &sealer, options, &mut report);
    }
    let db = opened.map_err(|trouble| match trouble {
        Trouble::Damaged(reason) => OpenError::Unusable { reason },
        Trouble::Full => OpenError::DiskFull,
        Trouble::Refused(error) => error,
    })?;

    let path = layout.db().join("db");
    let file = File::open(&path).and_then(|file| options.disk.sync(&file).map(|()| file));
    let file = file.map_err(|source| OpenError::Unreadable { path, source })?;
    // Best effort: without room, or without knowing, there is no ballast until there is.
    if let Ok(available) = options.disk.available(root) {
        ballast.restore(available, options.reserve_bytes);
    }
    Ok(OpenDb { lock, layout, db, file, sealer, ballast, report })
}

/// One try: restores if there is only an export, makes a new database if there is nothing, opens and checks.
fn prepare(
    layout: &Layout,
    sealer: &Sealer,
    options: &Options,
    report: &mut OpenReport,
) -> Result<Db, Trouble> {
    if options.disk.available(&layout.root).is_ok_and(|available| available < options.ballast_bytes / 2) {
        return Err(Trouble::Full);
    }
    let path = layout.db();
    let found = format::look(&path).map_err(Trouble::Refused)?;
    if found == Found::Nothing {
        report.created = true;
        restore_or_create(layout, sealer, options, report)?;
    }
    if let Found::Ours(format) = &found {
        format.check(format::VERSION, sealer).map_err(Trouble::Refused)?;
    }
    let db = open_sled(&path, options.cache_bytes)?;
    let checked = caught(|| check::check(&path, &db, sealer, check::depth(&path)));
    let mut format = match checked {
        Ok(format) => format,
        Err(reason) => {
            discard(db);
            return Err(Trouble::Damaged(reason));
        }
    };
    check::acquit(&path);
    format.check(format::VERSION, sealer).map_err(Trouble::Refused)?;
    let before = format.version;
    migrate::migrate(&db, sealer, &mut format, format::VERSION, migrate::STEPS).map_err(
        |error| match error {
            MigrateError::NoStep { version } => {
                Trouble::Refused(OpenError::Unusable { reason: format!("its version {version} is unknown") })
            }
            MigrateError::Stage(error) => Trouble::Damaged(error.to_string()),
            MigrateError::Read(error) => Trouble::Damaged(error.to_string()),
            MigrateError::Database(error) => trouble(&error),
        },
    )?;
    if before != format.version || found == Found::Illegible {
        report.migrated_from = (before != format.version).then_some(before);
        format.write(&path).map_err(|error| io_trouble(&path, error))?;
    }
    disk::sync_dir(&path).map_err(|error| io_trouble(&path, error))?;
    Ok(db)
}

fn restore_or_create(
    layout: &Layout,
    sealer: &Sealer,
    options: &Options,
    report: &mut OpenReport,
) -> Result<(), Trouble> {
    match restore::restore(layout, sealer, options.cache_bytes) {
        Ok(restored) => {
            report.restored = restored;
            if report.restored.is_some() {
                report.created = false;
                return Ok(());
            }
        }
        Err(RestoreError::OtherIdentity) => return Err(Trouble::Refused(OpenError::OtherIdentity)),
        Err(RestoreError::Newer { found }) => {
            return Err(Trouble::Refused(OpenError::Newer { found, known: format::VERSION }));
        }
        Err(RestoreError::Full) => return Err(Trouble::Full),
        Err(RestoreError::Unreadable(error)) => return Err(io_trouble(&layout.export(), error)),
        Err(RestoreError::Damaged { reason }) => {
            tracing::error!(reason, "the last export is damaged; starting empty");
            let aside = layout.set_export_aside().map_err(|error| io_trouble(&layout.export(), error))?;
            report.damaged_export = Some(aside);
        }
    }
    create(&layout.db(), sealer, options.cache_bytes, format::VERSION)?;
    disk::sync_dir(&layout.root).map_err(|error| io_trouble(&layout.root, error))
}

/// Makes an empty database.
pub(crate) fn create_db(path: &Path, sealer: &Sealer, cache_bytes: u64, version: u32) -> Result<Db, String> {
    create(path, sealer, cache_bytes, version).map_err(|trouble| match trouble {
        Trouble::Damaged(reason) => reason,
        Trouble::Full => "the disk is full".to_owned(),
        Trouble::Refused(error) => error.to_string(),
    })
}

fn create(path: &Path, sealer: &Sealer, cache_bytes: u64, version: u32) -> Result<Db, Trouble> {
    dir::create_private(path).map_err(|error| io_trouble(path, error))?;
    let format = Format::new(version, sealer);
    format.write(path).map_err(|error| io_trouble(path, error))?;
    let db = open_sled(path, cache_bytes)?;
    let mut stage = Stage::new(&db, sealer);
    stage.put_plain(&format::CELL, &format.encode());
    stage.keep();
    let booked = stage.into_batch(Ledger::default());
    let (batch, _) = booked.map_err(|error| Trouble::Damaged(error.to_string()))?;
    db.apply_batch(batch).and_then(|()| db.flush()).map_err(|error| trouble(&error))?;
    Ok(db)
}

/// Opens sled, whatever it does.
fn open_sled(path: &Path, cache_bytes: u64) -> Result<Db, Trouble> {
    let config = sled::Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(None);
    let begun = Instant::now();
    loop {
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            // The directory lock is ours, so this is our own former life, whose threads are ending.
            Ok(Err(sled::Error::Io(error)))
                if error.to_string().contains("could not acquire lock")
                    && begun.elapsed() < SLED_LOCK_PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(Err(error)) => return Err(trouble(&error)),
            Err(panic) => return Err(Trouble::Damaged(panic_text(&*panic))),
        }
    }
}

/// Gives up a damaged database without letting its end become ours.
fn discard(db: Db) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(db))) {
        tracing::debug!(reason = panic_text(&*panic), "damaged database panicked when closed");
    }
}

/// Runs a check; a panic is damage as well.
fn caught<T>(check: impl FnOnce() -> Result<T, Damage>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(result) => result.map_err(|damage| damage.to_string()),
        Err(panic) => Err(panic_text(&*panic)),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", text.unwrap_or("without a word"))
}

fn trouble(error: &sled::Error) -> Trouble {
    match error {
        sled::Error::Io(error) if is_full(error) => Trouble::Full,
        sled::Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Trouble::Refused(OpenError::Unreadable {
                path: PathBuf::from("db"),
                source: io::Error::other(error.to_string()),
            })
        }
        sled::Error::Io(_)
        | sled::Error::Corruption { .. }
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => Trouble::Damaged(error.to_string()),
    }
}

fn io_trouble(path: &Path, error: io::Error) -> Trouble {
    if is_full(&error) {
        Trouble::Full
    } else {
        Trouble::Refused(OpenError::Unreadable { path: path.to_owned(), source: error })
    }
}

/// Whether there was no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
