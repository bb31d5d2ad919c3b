//! Another identity takes the place of a fresh one: wished for in the setup, done at the next start, whole or not at all.
//!
//! ```text
//! next.new/   a wish being written; removed at the next start        next/   the wish: identity.json, setup.json, plan.json
//! next/go     decided: nobody has used the old identity; from here on every start goes on until it is done
//! replaced-…/ everything of the old identity, for good: it is nobody's, but it is never thrown away
//! ```
//! The decision is made while no node runs, on the database as it is then: what came in after the wish counts. Afterwards files are only moved, each from where
//! it is to where nothing is, so that a start after any interruption goes on with the same list of moves.
//!
//! Not here: who may wish ([`pc2_web`]).

use crate::{
    exit::{self, Exit},
    home::{self, Home},
    identity_file,
    setup_file::SetupFile,
};
use anyhow::Context;
use pc2_protocols::{
    crypto::{keys::IdentityKeys, keystore::IdentityFile},
    id::NodeId,
};
use pc2_storage::{DirLock, Options, Storage};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What belongs to an identity and goes aside with it, in this order: as long as `identity.json` is there, it says whose the rest is.
const GOES_ASIDE: [&str; 6] = ["db", "db.restoring", "export", "blobs", "setup.json", "identity.json"];

/// What comes in its place, in this order.
const COMES: [&str; 2] = ["setup.json", "identity.json"];

/// Who takes whose place.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    old: String,
    new: String,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There was none.
    NoWish,
    /// The other identity is here.
    Replaced,
    /// The old one had been used, and stayed.
    Stayed,
}

/// Whether a wish is written down.
pub(crate) fn is_wished(home: &Home) -> bool {
    wish_dir(home).exists()
}

/// Writes a wish down: on disk when this returns.
pub(crate) fn wish(home: &Home, old: NodeId, file: &IdentityFile, setup: &SetupFile) -> anyhow::Result<()> {
    let new = file.node()?;
    let written = home.path().join("next.new");
    remove(&written)?;
    make(&written)?;
    let plan = Plan { old: old.to_string(), new: new.to_string() };
    home::write_private(&written.join("plan.json"), &serde_json::to_vec_pretty(&plan)?)?;
    setup.write(&written.join("setup.json"))?;
    home::write_private(&written.join("identity.json"), &serde_json::to_vec_pretty(file)?)?;
    fs::rename(&written, wish_dir(home))?;
    sync(home.path())?;
    Ok(())
}

/// Decides about a wish, while no node runs, and carries it out.
pub(crate) fn decide(home: &Home, keys: &IdentityKeys) -> anyhow::Result<Outcome> {
    if !is_wished(home) {
        return Ok(Outcome::NoWish);
    }
    let untouched = plan(home)?.old == keys.node().to_string() && {
        let (storage, _report) = Storage::open(home.path(), &keys.storage_key(), &Options::default())?;
        let untouched = storage.reader().untouched(keys.node())?;
        storage.close();
        untouched
    };
    if untouched {
        home::write_private(&wish_dir(home).join("go"), b"")?;
        go_on(home)?;
        return Ok(Outcome::Replaced);
    }
    if let Some(setup) = SetupFile::read(&home.setup(), keys.node()) {
        let state = pc2_web::SetupState { stayed: true, ..setup.state() };
        setup.with(state).write(&home.setup())?;
    }
    forget(home)?;
    Ok(Outcome::Stayed)
}

/// Goes on with what was decided, if anything was: the first thing a start does. Also removes a wish that was never written to its end.
pub(crate) fn go_on(home: &Home) -> anyhow::Result<()> {
    remove(&home.path().join("next.new"))?;
    if !wish_dir(home).join("go").exists() {
        return Ok(());
    }
    let _nobody_else = DirLock::take(home.path())?;
    let plan = plan(home)?;
    let here = identity_file::read(home)?.map(|file| file.node()).transpose()?.map(|node| node.to_string());
    match here.as_ref() {
        Some(here) if *here != plan.old && *here != plan.new => {
            return Err(Exit::error(
                exit::REFUSED,
                format!(
                    "{} holds an identity that is neither the one before nor the one that was to take its place ({}); nothing was changed",
                    home.path().display(),
                    plan.new
                ),
            ));
        }
        // Everything is in its place; only the plan is still there.
        Some(here) if *here == plan.new => {}
        Some(_) | None => {
            make(&aside(home, &plan))?;
            for step in moves(home, &plan) {
                step.take()?;
            }
        }
    }
    forget(home)
}

/// One file or folder from where it is to where nothing is.
struct Move {
    from: PathBuf,
    to: PathBuf,
}

impl Move {
    /// Does it, unless it was done: nothing is ever overwritten.
    fn take(&self) -> anyhow::Result<()> {
        if !self.from.exists() || self.to.exists() {
            return Ok(());
        }
        let failed = || format!("cannot move {} to {}", self.from.display(), self.to.display());
        fs::rename(&self.from, &self.to).with_context(failed)?;
        for folder in [self.to.parent(), self.from.parent()].into_iter().flatten() {
            sync(folder)?;
        }
        Ok(())
    }
}

fn moves(home: &Home, plan: &Plan) -> impl Iterator<Item = Move> {
    let (root, aside, next) = (home.path().to_owned(), aside(home, plan), wish_dir(home));
    let away = {
        let root = root.clone();
        GOES_ASIDE.into_iter().map(move |name| Move { from: root.join(name), to: aside.join(name) })
    };
    let here = COMES.into_iter().map(move |name| Move { from: next.join(name), to: root.join(name) });
    away.chain(here)
}

fn wish_dir(home: &Home) -> PathBuf {
    home.path().join("next")
}

/// Where the old identity goes. Named after it, so that every start finds the same place.
fn aside(home: &Home, plan: &Plan) -> PathBuf {
    let short: String = plan.old.chars().take(12).collect();
    home.path().join(format!("replaced-{short}"))
}

fn plan(home: &Home) -> anyhow::Result<Plan> {
    let path = wish_dir(home).join("plan.json");
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

/// The wish vanishes in one step, then what it was made of.
fn forget(home: &Home) -> anyhow::Result<()> {
    let gone = home.path().join("next.new");
    fs::rename(wish_dir(home), &gone)?;
    sync(home.path())?;
    remove(&gone)
}

fn make(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
