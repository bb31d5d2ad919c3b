//! What the WASM machine keeps on disk: installed apps, and what each was granted.
//!
//! A row holds all there is to know of an app but its module, which is a file called by its hash. Runs are not kept: one that was under way when the
//! node ended is over.
//!
//! Not here: the manifest ([`super::manifest`]), who may install what ([`super::machine`]).

use super::manifest::{Access, AppId, Manifest};
use crate::{
    id::{BlobId, NodeId},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Whose files, apps and runs: each space is a home folder of its own, and sees nothing of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Space {
    /// The owner's, however they signed in.
    Owner,
    /// That of somebody else who signed in with this wallet.
    Wallet(#[serde(with = "serde_bytes")] [u8; 20]),
}

/// The name of the home folder under `users/`.
impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Wallet(address) => {
                f.write_str("0x")?;
                address.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// A folder of the home that a program finds as `/data`, and what it may do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The folder, from the home on; empty: the home itself.
    pub folder: String,
    /// What the program may do in it.
    pub access: Access,
}

/// An installed app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRow {
    /// On whose node.
    pub account: NodeId,
    /// Whose it is there.
    pub space: Space,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its module.
    pub module: BlobId,
    /// How large that is, in bytes.
    pub bytes: u64,
    /// The folder it was granted, if any.
    pub grant: Option<Grant>,
    /// Since when it is installed in this version.
    pub installed: UnixMillis,
}

impl AppRow {
    /// What it is called by.
    #[must_use]
    pub const fn key(&self) -> AppKey {
        AppKey { space: self.space, id: self.manifest.id }
    }
}

/// Names an app: two people may have one of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppKey {
    /// Whose it is.
    pub space: Space,
    /// Its id.
    pub id: AppId,
}

/// One write of the WASM machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Insert or replace an app.
    PutApp(Box<AppRow>),
    /// Remove one.
    RemoveApp {
        /// On whose node.
        account: NodeId,
        /// Which.
        key: AppKey,
    },
}

/// What the machine starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The installed apps.
    pub apps: BTreeMap<AppKey, AppRow>,
}
