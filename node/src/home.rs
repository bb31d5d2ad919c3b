//! The data directory: one folder that holds everything of a node.
//!
//! ```text
//! identity.json   who the node is (0600)          config.toml   what the owner changed, if anything
//! setup.json      how far the setup is (0600)      next/         an identity that is being restored
//! network.json    what was chosen on the page about the network
//! db/             the database                     export/       the last logical export
//! lock  ballast   one node at a time; spare room   api.json      address and token of the running node (0600)
//! ```
//! Here: its paths and its permissions. Not here: what stands in the files.

use anyhow::Context;
use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    /// The directory asked for, or the default: `$XDG_DATA_HOME/pc2`, else `~/.local/share/pc2`.
    pub(crate) fn find(asked: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = match asked {
            Some(path) => path,
            None => match (env::var_os("XDG_DATA_HOME"), env::var_os("HOME")) {
                (Some(data), _) if !data.is_empty() => PathBuf::from(data).join("pc2"),
                (_, Some(home)) => PathBuf::from(home).join(".local/share/pc2"),
                _ => anyhow::bail!("no home directory is known; name a data directory with --data DIR"),
            },
        };
        Ok(Self { path })
    }

    /// Makes the directory if it is not there, readable by its owner only.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .with_context(|| format!("cannot make the data directory {}", self.path.display()))
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The identity file.
    pub(crate) fn identity(&self) -> PathBuf {
        self.path.join("identity.json")
    }

    /// How far the setup is.
    pub(crate) fn setup(&self) -> PathBuf {
        self.path.join("setup.json")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// What was chosen on the page about the network.
    pub(crate) fn network(&self) -> PathBuf {
        self.path.join("network.json")
    }

    /// Where a running node says how it is driven.
    pub(crate) fn api(&self) -> PathBuf {
        self.path.join("api.json")
    }
}

/// Writes a file that only its owner may read, whole or not at all: temporary, synced, renamed, directory synced.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = directory.join(name);
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_readable_by_its_owner_only_and_replaced_whole() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("secret");
        write_private(&path, b"one").expect("written");
        write_private(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("readable"), b"two");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1);
    }
}
