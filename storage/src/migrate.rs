//! From an older version of the tables to this one, step by step.
//!
//! A step changes rows and is committed together with the version it reaches: a crash in between repeats whole
//! steps only. A step that has to touch more than fits into memory belongs into a loop of its own and must
//! be repeatable.

use crate::{
    cell::{ReadError, Sealer},
    format::{self, Format},
    ledger::Ledger,
    stage::Stage,
    table::StageError,
};
use sled::{Db, Tree};

/// One step: from a version to the next.
pub(crate) struct Step {
    /// The version it starts from.
    pub(crate) from: u32,
    /// What it does.
    pub(crate) run: fn(&Tree, &mut Stage<'_>) -> Result<(), StageError>,
}

/// All steps, in order. Version 1 is the first.
///
/// 1 → 2: tables of mailboxes and of what is lent to the network are new, nothing else is different. The number keeps older programs from
/// taking an export with rows of these tables for a damaged one.
///
/// 2 → 3: tables of blobs are new, for the same reason.
///
/// 3 → 4: tables of file transfers are new, for the same reason.
pub(crate) const STEPS: &[Step] = &[
    Step { from: 1, run: |_, _| Ok(()) },
    Step { from: 2, run: |_, _| Ok(()) },
    Step { from: 3, run: |_, _| Ok(()) },
];

/// Why a migration did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    #[error("no step leads on from version {version}")]
    NoStep { version: u32 },
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Database(#[from] sled::Error),
}

/// Takes the steps that are missing to reach `target`. The writer does not run yet.
pub(crate) fn migrate(
    db: &Db,
    sealer: &Sealer,
    format: &mut Format,
    target: u32,
    steps: &[Step],
) -> Result<(), MigrateError> {
    while format.version < target {
        let version = format.version;
        let step = steps.iter().find(|step| step.from == version).ok_or(MigrateError::NoStep { version })?;
        let mut stage = Stage::new(db, sealer);
        (step.run)(db, &mut stage)?;
        format.version = version.saturating_add(1);
        stage.put_plain(&format::CELL, &format.encode());
        stage.keep();
        let (batch, _) = stage.into_batch(Ledger::read(db)?)?;
        db.apply_batch(batch)?;
        db.flush()?;
        tracing::info!(from = version, to = format.version, "database migrated");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cell::Cells as _, tables};
    use pc2_protocols::{crypto::seal::StorageKey, id::NodeId, identity::ProfileRow, time::UnixMillis};
    use zeroize::Zeroizing;

    const ACCOUNT: NodeId = NodeId::from_bytes([3; 32]);

    fn rename(tree: &Tree, stage: &mut Stage<'_>) -> Result<(), StageError> {
        let row = tables::PROFILES.get(tree, stage.sealer(), &ACCOUNT)?;
        match row {
            Some(row) => {
                let row = ProfileRow { name: format!("{} the second", row.name), ..row };
                tables::PROFILES.put(stage, &ACCOUNT, &row)
            }
            None => Ok(()),
        }
    }

    #[test]
    fn an_older_version_is_brought_up_step_by_step_and_only_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = sled::Config::new().path(dir.path()).open().expect("a database");
        let sealer = Sealer::new(StorageKey::new(Zeroizing::new([1; 32]))).expect("randomness");
        let mut stage = Stage::new(&db, &sealer);
        let row = ProfileRow { account: ACCOUNT, name: "Ada".into(), since: UnixMillis(1) };
        tables::PROFILES.put(&mut stage, &ACCOUNT, &row).expect("staged");
        stage.keep();
        let (batch, _) = stage.into_batch(Ledger::default()).expect("booked");
        db.apply_batch(batch).expect("applied");

        let steps = [Step { from: 0, run: |_, _| Ok(()) }, Step { from: 1, run: rename }];
        let mut format = Format::new(0, &sealer);
        migrate(&db, &sealer, &mut format, 2, &steps).expect("migrated");
        migrate(&db, &sealer, &mut format, 2, &steps).expect("nothing to do");
        assert_eq!(format.version, 2);
        let cell = db.cell(&format::CELL).expect("read").expect("there");
        assert_eq!(Format::decode(&cell), Some(format.clone()));
        let row = tables::PROFILES.get(&*db, &sealer, &ACCOUNT).expect("read").expect("there");
        assert_eq!(row.name, "Ada the second");

        let stuck = migrate(&db, &sealer, &mut format, 4, &steps);
        assert!(matches!(stuck, Err(MigrateError::NoStep { version: 2 })));
    }
}
