//! `setup.json`: how far the setup of a node is, and its recovery phrase, sealed.
//!
//! Only `pc2 up` makes one, for an identity that it made or brought back itself; without the file the setup is over and the phrase is kept nowhere. The phrase is
//! sealed with the storage key, which is made from the seed in `identity.json`: whoever can open it is this identity already, so keeping it gives nobody
//! more. A file of another identity, or one that cannot be read, counts as none.
//!
//! Not here: who may see it (`pc2_web`), when another identity takes this place ([`crate::replace`]).

use crate::{home, identity_file};
use pc2_protocols::{
    crypto::{
        keys::IdentityKeys,
        phrase::Phrase,
        seal::{self, NONCE_BYTES},
    },
    id::NodeId,
};
use pc2_web::{ASKED_WORDS, CarriedSession, SetupState, draw_asks, dto::SetupStep};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};
use zeroize::Zeroizing;

/// The version of the file that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// Far more than it has.
const MAX_BYTES: u64 = 16 * 1024;

/// What a sealed phrase is bound to, with the identity after it.
const AAD_LABEL: &[u8] = b"pc2 recovery phrase v1\0";

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupFile {
    version: u32,
    node_id: String,
    finished: bool,
    step: SetupStep,
    confirmed: bool,
    asks: [u8; ASKED_WORDS],
    stayed: bool,
    /// Hexadecimal.
    sealed_phrase: String,
    /// The browser that was signed in when this identity took the place of another one; until the node has let it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carried: Option<Carried>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Carried {
    token_hash: String,
    label: String,
}

impl SetupFile {
    /// For an identity that is new here.
    pub(crate) fn new(keys: &IdentityKeys, phrase: &Phrase, state: SetupState) -> anyhow::Result<Self> {
        let words = Zeroizing::new(phrase.words().collect::<Vec<_>>().join(" "));
        let nonce = identity_file::random::<NONCE_BYTES>()?;
        let sealed = seal::seal(&keys.storage_key(), &aad(keys.node()), words.as_bytes(), &nonce);
        let file = Self {
            version: VERSION,
            node_id: keys.node().to_string(),
            finished: false,
            step: SetupStep::Choose,
            confirmed: false,
            asks: [0; ASKED_WORDS],
            stayed: false,
            sealed_phrase: hex(&sealed),
            carried: None,
        };
        Ok(file.with(state))
    }

    /// The file of this identity, if there is one.
    pub(crate) fn read(path: &Path, node: NodeId) -> Option<Self> {
        if fs::metadata(path).ok()?.len() > MAX_BYTES {
            return None;
        }
        let bytes = Zeroizing::new(fs::read(path).ok()?);
        let file: Self = serde_json::from_slice(&bytes)
            .inspect_err(
                |error| tracing::warn!(%error, "setup.json cannot be read; the setup counts as over"),
            )
            .ok()?;
        (file.version == VERSION && file.node_id == node.to_string()).then_some(file)
    }

    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        home::write_private(path, &serde_json::to_vec_pretty(self)?)
    }

    /// The same, in another state.
    pub(crate) fn with(self, state: SetupState) -> Self {
        let SetupState { finished, step, confirmed, asks, stayed } = state;
        Self { finished, step, confirmed, asks, stayed, ..self }
    }

    /// The same, with a browser to be let in once.
    pub(crate) fn carrying(self, session: Option<CarriedSession>) -> Self {
        let carried =
            session.map(|session| Carried { token_hash: hex(&session.token_hash), label: session.label });
        Self { carried, ..self }
    }

    /// How far it is.
    pub(crate) const fn state(&self) -> SetupState {
        SetupState {
            finished: self.finished,
            step: self.step,
            confirmed: self.confirmed,
            asks: self.asks,
            stayed: self.stayed,
        }
    }

    /// The browser that is to be let in.
    pub(crate) fn carried(&self) -> Option<CarriedSession> {
        let carried = self.carried.as_ref()?;
        let token_hash = unhex(&carried.token_hash)?.try_into().ok()?;
        Some(CarriedSession { token_hash, label: carried.label.clone() })
    }

    /// The phrase; `None` when it does not open.
    pub(crate) fn phrase(&self, keys: &IdentityKeys) -> Option<Phrase> {
        let opened = seal::open(&keys.storage_key(), &aad(keys.node()), &unhex(&self.sealed_phrase)?).ok()?;
        let opened = Zeroizing::new(opened);
        let phrase: Phrase = str::from_utf8(&opened).ok()?.parse().ok()?;
        (phrase.keys().node() == keys.node()).then_some(phrase)
    }
}

/// Where a setup begins.
pub(crate) fn beginning() -> anyhow::Result<SetupState> {
    Ok(SetupState {
        finished: false,
        step: SetupStep::Choose,
        confirmed: false,
        asks: draw_asks(12)?,
        stayed: false,
    })
}

fn aad(node: NodeId) -> Vec<u8> {
    [AAD_LABEL, node.as_bytes()].concat()
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits.filter(|digits| digits.len() % 2 == 0)?;
    pairs.chunks_exact(2).map(|pair| u8::try_from(pair.first()? * 16 + pair.last()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    const LONG: &str = "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless";

    fn made(words: &str) -> (IdentityKeys, SetupFile) {
        let phrase: Phrase = words.parse().expect("a phrase");
        let keys = phrase.keys();
        let file = SetupFile::new(&keys, &phrase, beginning().expect("randomness")).expect("made");
        (keys, file)
    }

    #[test]
    fn what_was_written_reads_back_and_the_words_are_not_in_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("setup.json");
        for words in [PHRASE, LONG] {
            let (keys, file) = made(words);
            let session = CarriedSession { token_hash: [7; 32], label: "a browser".into() };
            let file = file.carrying(Some(session.clone()));
            file.write(&path).expect("written");
            let text = fs::read_to_string(&path).expect("there");
            assert!(words.split(' ').all(|word| !text.contains(word)), "{text}");
            let read = SetupFile::read(&path, keys.node()).expect("read");
            assert_eq!(read, file);
            assert_eq!(read.carried(), Some(session));
            let phrase = read.phrase(&keys).expect("opens");
            assert_eq!(phrase.words().collect::<Vec<_>>().join(" "), words);
        }
    }

    #[test]
    fn a_file_of_another_identity_or_a_damaged_one_counts_as_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("setup.json");
        let ((keys, file), (others, _)) = (made(PHRASE), made(LONG));
        assert!(SetupFile::read(&path, keys.node()).is_none());
        file.write(&path).expect("written");
        assert!(SetupFile::read(&path, others.node()).is_none());
        assert!(file.phrase(&others).is_none());
        fs::write(&path, "{}").expect("written");
        assert!(SetupFile::read(&path, keys.node()).is_none());
        fs::write(&path, vec![b' '; 20_000]).expect("written");
        assert!(SetupFile::read(&path, keys.node()).is_none());
    }
}
