//! What is on the disk before any part of a node starts: the identity that is new here, what the configuration lends, and nothing that has had its time.
//!
//! Not here: what parts write once they run.

use crate::{
    clock::Clock,
    config::{NodeConfig, StartError},
};
use pc2_protocols::{
    id::NodeId,
    identity::ProfileRow,
    level::LevelChoice,
    messenger::rows::{self, TimerChange},
    relay::{self, ContributionRow, Shares},
};
use pc2_storage::{Change, Storage, WriteError};
use std::sync::mpsc;

/// Writes all of it, and waits until it is there.
pub(super) fn write_down(config: &NodeConfig, storage: &Storage, clock: Clock) -> Result<(), StartError> {
    remember_identity(config, storage, clock)?;
    remember_contribution(config, storage)?;
    expire(storage, config.keys.node(), clock)
}

/// Writes down an identity that is new in this directory, so that its first day is known.
fn remember_identity(config: &NodeConfig, storage: &Storage, clock: Clock) -> Result<(), StartError> {
    let account = config.keys.node();
    if storage.reader().profile(account)?.is_some() {
        return Ok(());
    }
    let profile = ProfileRow { account, name: String::new(), since: clock.now().unix };
    write(storage, vec![Change::Profile(profile)])
}

/// Writes down what the configuration says of what is lent, if it says anything: the machines start from their rows alone.
fn remember_contribution(config: &NodeConfig, storage: &Storage) -> Result<(), StartError> {
    let stored = storage.reader().contribution()?;
    let before =
        stored.clone().unwrap_or(ContributionRow { choice: LevelChoice::Auto, shares: Shares::default() });
    let row = ContributionRow {
        choice: config.level.unwrap_or(before.choice),
        shares: config.shares.unwrap_or(before.shares),
    };
    if stored.as_ref() == Some(&row) || (config.level.is_none() && config.shares.is_none()) {
        return Ok(());
    }
    write(storage, vec![Change::Relay(relay::Change::PutContribution(row))])
}

/// Takes out what has had its time while the node was off, before anything of it can be shown.
fn expire(storage: &Storage, account: NodeId, clock: Clock) -> Result<(), StartError> {
    let mut before = Vec::new();
    loop {
        let due = storage.reader().expired(account, clock.now().unix, false)?.due;
        // On a full disk they are still there: the machine goes on with them.
        if due.is_empty() || due == before {
            break;
        }
        let expire = |(due, timed)| rows::Change::Timer(TimerChange::Expire { due, timed });
        let changes = due.iter().copied().map(|due| Change::Messenger(expire(due))).collect();
        write(storage, changes)?;
        before = due;
    }
    let waiting = storage.reader().over_in_outbox(account)?;
    if waiting.is_empty() {
        return Ok(());
    }
    write(storage, waiting.into_iter().map(Change::Messenger).collect())
}

/// Writes rows and waits for it.
fn write(storage: &Storage, changes: Vec<Change>) -> Result<(), StartError> {
    let (done, written) = mpsc::channel();
    let answer = move |result: Result<(), WriteError>| {
        let _the_start_waits_for_it = done.send(result);
    };
    let failed = |reason: &str| WriteError::Failed { reason: reason.to_owned() };
    let queued = storage.writer().submit(changes, answer);
    queued.map_err(|full| failed(&full.to_string()))?;
    match written.recv().unwrap_or_else(|_| Err(failed("the writer has ended"))) {
        // On a full disk a node starts all the same: reading and deleting must work.
        Ok(()) | Err(WriteError::DiskFull) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
