//! `network.json`: what the owner chose about the network on the page of the running node.
//!
//! It holds from start to start where neither `config.toml` nor the words after `pc2 up` say otherwise. A choice takes effect by another start of the node, and
//! one with which the node cannot start is taken back by that start: until the node has started with it, the choice before stands beside it.
//!
//! Not here: whether a choice makes sense ([`crate::config`]), who may choose (`pc2_web`).

use crate::home;
use pc2_web::NetworkChoice;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

/// The version of the file that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// Far more than it has.
const MAX_BYTES: u64 = 64 * 1024;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkFile {
    version: u32,
    /// What was chosen last.
    pub(crate) chosen: NetworkChoice,
    /// What was chosen before, until the node has started with what is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<NetworkChoice>,
    /// Why the last choice was taken back; until there is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

impl Default for NetworkFile {
    fn default() -> Self {
        Self { version: VERSION, chosen: NetworkChoice::default(), before: None, refused: None }
    }
}

impl NetworkFile {
    /// The file, or that nothing was chosen: also when it cannot be read, because a node that does not start helps nobody.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = match fs::metadata(path) {
            Ok(file) if file.len() <= MAX_BYTES => fs::read(path),
            Ok(_) => Err(io::Error::other("it is too large")),
            Err(error) => Err(error),
        };
        let read = bytes.and_then(|bytes| Ok(serde_json::from_slice::<Self>(&bytes)?));
        match read {
            Ok(file) if file.version == VERSION => return file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(file) => tracing::warn!(
                version = file.version,
                "network.json is of another program; it counts as none"
            ),
            Err(error) => tracing::warn!(%error, "network.json cannot be read; it counts as none"),
        }
        Self::default()
    }

    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        home::write_private(path, &serde_json::to_vec_pretty(self)?)
    }

    /// Something else is chosen; the next start tries it.
    pub(crate) fn choosing(self, chosen: NetworkChoice) -> Self {
        // After two choices in one run it is the first that is known to work.
        let before = self.before.unwrap_or(self.chosen);
        Self { chosen, before: Some(before), refused: None, ..self }
    }

    /// The node has started with it. `None` when that was known.
    pub(crate) fn tried(self) -> Option<Self> {
        self.before.is_some().then_some(Self { before: None, ..self })
    }

    /// The node does not start with it: what was chosen before holds again. `None` when that is what is chosen.
    pub(crate) fn taken_back(self, reason: String) -> Option<Self> {
        let chosen = self.before?;
        Some(Self { chosen, before: None, refused: Some(reason), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(port: u16) -> NetworkChoice {
        NetworkChoice { listen: Some(vec![format!("/ip4/0.0.0.0/tcp/{port}")]), ..NetworkChoice::default() }
    }

    #[test]
    fn a_choice_reads_back_and_a_file_that_cannot_be_read_counts_as_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network.json");
        assert_eq!(NetworkFile::read(&path), NetworkFile::default());
        let file = NetworkFile::default().choosing(port(1));
        file.write(&path).expect("written");
        assert_eq!(NetworkFile::read(&path), file);
        for text in
            ["{", "{\"version\": 9, \"chosen\": {}}", "{\"version\": 1, \"chosen\": {\"listne\": []}}"]
        {
            fs::write(&path, text).expect("written");
            assert_eq!(NetworkFile::read(&path), NetworkFile::default(), "{text}");
        }
    }

    #[test]
    fn what_does_not_start_is_taken_back_to_what_last_did() {
        let works = NetworkFile::default().choosing(port(1)).tried().expect("it was not known");
        assert_eq!(works.clone().tried(), None);
        assert_eq!(works.clone().taken_back("no".into()), None, "nothing was chosen since");
        let twice = works.choosing(port(2)).choosing(port(3));
        let back = twice.taken_back("taken".into()).expect("there is one before");
        assert_eq!((back.chosen.clone(), back.refused.as_deref()), (port(1), Some("taken")));
        assert_eq!(back.choosing(port(4)).refused, None);
    }
}
