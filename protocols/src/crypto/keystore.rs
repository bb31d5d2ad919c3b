//! The identity file: who this node is, and the seed of its keys, plain or sealed with a passphrase.
//!
//! In: an identity's keys, and for sealing a passphrase with a salt and nonce drawn at random. Out: a plain structure
//! that the node writes as `identity.json`; and back, with everything checked: that the public fields say the same,
//! that the cost of Argon2id is one that a machine can pay, and that the seed really makes this NodeId.
//!
//! A sealed seed is bound to the public fields (they are its associated data), so it cannot be moved into the file of another
//! identity. Binary fields are Base58, so that the file can be read and copied by people.
//!
//! A newer program may write another shape. So read [`FileVersion`] first, from the same text, and the file after that.
//!
//! Not here: JSON, the file's mode and its place (the `pc2` program). Spec: `docs/protocol/identity.md` §5.

use super::{
    keys::{IdentityKeys, SEED_BYTES},
    seal::{self, NONCE_BYTES, OVERHEAD_BYTES, StorageKey},
};
use crate::{id::NodeId, time::UnixMillis};
use argon2::{Algorithm, Argon2, Params, Version};
use bip39::Mnemonic;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};
use zeroize::{Zeroize as _, Zeroizing};

/// The version of the file that this program writes, and the newest it reads.
pub const FILE_VERSION: u32 = 1;

/// Length of the salt, in bytes. Source: RFC 9106 §4, "128-bit salt".
pub const SALT_BYTES: usize = 16;

/// What stands before the public fields in the associated data of a sealed seed.
const AAD_LABEL: &[u8] = b"pc2 identity file v1\0";

/// What guessing one passphrase costs: the parameters of Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KdfCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that can be computed side by side.
    pub lanes: u32,
}

impl KdfCost {
    /// What new files use: 64 MiB, three passes. The second choice of RFC 9106 §4, for memory-constrained machines (a
    /// Raspberry Pi), but with one lane instead of four: lanes are computed one after another here, so more of them would only
    /// help who guesses. Above the minimum of OWASP's Password Storage Cheat Sheet (19 MiB, two passes, one lane).
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// Most that is paid for a file: 1 GiB, 16 passes, 16 lanes. A file that asks for more is damaged or hostile; it
    /// is refused before any memory is taken.
    pub const MAX: Self = Self { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

    fn params(self) -> Result<Params, CostError> {
        let error = CostError { cost: self };
        if self.memory_kib > Self::MAX.memory_kib
            || self.passes > Self::MAX.passes
            || self.lanes > Self::MAX.lanes
        {
            return Err(error);
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| error)
    }
}

/// A cost of Argon2id that makes no sense or that no machine should pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key derivation with {} KiB, {} passes and {} lanes is out of bounds",
    .cost.memory_kib, .cost.passes, .cost.lanes
)]
pub struct CostError {
    /// The cost asked for.
    pub cost: KdfCost,
}

/// Why a seed was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The cost is out of bounds.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The memory that the derivation needs is not there.
    #[error("not enough memory to derive a key from the passphrase")]
    OutOfMemory,
}

/// Why an identity file did not open. Worded for the owner of the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenFileError {
    /// Written by a newer program.
    #[error(
        "the identity file has version {got}; this program knows {FILE_VERSION}: is a newer pc2 installed?"
    )]
    NewerVersion {
        /// Its version.
        got: u32,
    },
    /// A field that is not what it should be.
    #[error("the identity file is damaged: \"{field}\" {reason}")]
    Damaged {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The cost of the key derivation is out of bounds; nothing was derived.
    #[error("the identity file is damaged: {0}")]
    Cost(#[from] CostError),
    /// The memory that the derivation needs is not there.
    #[error("not enough memory to derive a key from the passphrase")]
    OutOfMemory,
    /// Sealed, and no passphrase was given.
    #[error("the identity is sealed: its passphrase is needed")]
    PassphraseNeeded,
    /// The passphrase does not open it. A damaged seal looks the same.
    #[error("wrong passphrase (or the sealed secret is damaged)")]
    WrongPassphrase,
    /// The secret is of another identity than the file says.
    #[error("the secret belongs to {secret}, but the identity file names {file}")]
    OtherIdentity {
        /// Whom the file names.
        file: NodeId,
        /// Whose the secret is.
        secret: NodeId,
    },
}

/// The one field that every version of the file keeps. Read it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct FileVersion {
    /// The version.
    pub version: u32,
}

impl FileVersion {
    /// Whether this program can read such a file.
    ///
    /// # Errors
    /// [`OpenFileError::NewerVersion`], or [`OpenFileError::Damaged`] for a version that never was.
    pub const fn check(self) -> Result<(), OpenFileError> {
        match self.version {
            FILE_VERSION => Ok(()),
            0 => Err(OpenFileError::Damaged { field: "version", reason: "is zero" }),
            got => Err(OpenFileError::NewerVersion { got }),
        }
    }
}

/// The identity file as it is written. Its fields are claims until [`IdentityFile::open`] has checked them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityFile {
    version: u32,
    node_id: String,
    did: String,
    public_key: String,
    created: UnixMillis,
    secret: Secret,
}

/// The seed, as it stands in the file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Secret {
    Plain { seed: PlainText },
    Sealed { kdf: Kdf, cost: KdfCost, salt: String, sealed_seed: String },
}

/// Base58 of the seed itself; wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct PlainText(String);

impl Drop for PlainText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How the passphrase becomes a key.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kdf {
    Argon2id,
}

impl IdentityFile {
    /// A file that holds the seed as it is: whoever reads the file is this identity.
    #[must_use]
    pub fn plain(keys: &IdentityKeys, created: UnixMillis) -> Self {
        let seed = PlainText(bs58::encode(keys.seed()).into_string());
        Self::with_secret(keys.node(), created, Secret::Plain { seed })
    }

    /// A file whose seed opens with a passphrase only. Salt and nonce are drawn at random for this one call.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn sealed(
        keys: &IdentityKeys,
        created: UnixMillis,
        passphrase: &str,
        cost: KdfCost,
        salt: &[u8; SALT_BYTES],
        nonce: &[u8; NONCE_BYTES],
    ) -> Result<Self, SealError> {
        if passphrase.is_empty() {
            return Err(SealError::EmptyPassphrase);
        }
        let key = passphrase_key(passphrase, cost.params()?, salt).ok_or(SealError::OutOfMemory)?;
        let sealed_seed = seal::seal(&key, &aad(keys.node(), created), keys.seed(), nonce);
        let secret = Secret::Sealed {
            kdf: Kdf::Argon2id,
            cost,
            salt: bs58::encode(salt).into_string(),
            sealed_seed: bs58::encode(sealed_seed).into_string(),
        };
        Ok(Self::with_secret(keys.node(), created, secret))
    }

    fn with_secret(node: NodeId, created: UnixMillis, secret: Secret) -> Self {
        Self {
            version: FILE_VERSION,
            node_id: node.to_string(),
            did: node.did().to_string(),
            public_key: hex(node.as_bytes()),
            created,
            secret,
        }
    }

    /// Whether a passphrase is needed to open it.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        matches!(self.secret, Secret::Sealed { .. })
    }

    /// When the identity was made or restored here.
    #[must_use]
    pub const fn created(&self) -> UnixMillis {
        self.created
    }

    /// Whose file it says it is. The public fields must agree; the secret is not looked at.
    ///
    /// # Errors
    /// [`OpenFileError::NewerVersion`] or [`OpenFileError::Damaged`].
    pub fn node(&self) -> Result<NodeId, OpenFileError> {
        FileVersion { version: self.version }.check()?;
        let damaged = |field, reason| OpenFileError::Damaged { field, reason };
        let node: NodeId = self.node_id.parse().map_err(|_| damaged("node_id", "is no NodeId"))?;
        if self.did != node.did().to_string() {
            return Err(damaged("did", "names another identity than \"node_id\""));
        }
        if self.public_key != hex(node.as_bytes()) {
            return Err(damaged("public_key", "is another key than \"node_id\""));
        }
        Ok(node)
    }

    /// Opens the file. A passphrase is ignored when the seed is plain.
    ///
    /// # Errors
    /// [`OpenFileError`].
    pub fn open(&self, passphrase: Option<&str>) -> Result<IdentityKeys, OpenFileError> {
        let node = self.node()?;
        let seed = match &self.secret {
            Secret::Plain { seed } => from_base58("seed", &seed.0)?,
            Secret::Sealed { kdf: Kdf::Argon2id, cost, salt, sealed_seed } => {
                let params = cost.params()?;
                let salt = from_base58("salt", salt)?;
                let sealed = from_base58::<{ SEED_BYTES + OVERHEAD_BYTES }>("sealed_seed", sealed_seed)?;
                let passphrase = passphrase.ok_or(OpenFileError::PassphraseNeeded)?;
                let key = passphrase_key(passphrase, params, &salt).ok_or(OpenFileError::OutOfMemory)?;
                let opened = seal::open(&key, &aad(node, self.created), sealed.as_slice())
                    .map_err(|_| OpenFileError::WrongPassphrase)?;
                let mut seed = Zeroizing::new([0; SEED_BYTES]);
                seed.copy_from_slice(&Zeroizing::new(opened));
                seed
            }
        };
        let keys = IdentityKeys::from_seed(seed);
        if keys.node() != node {
            return Err(OpenFileError::OtherIdentity { file: node, secret: keys.node() });
        }
        Ok(keys)
    }
}

impl fmt::Debug for IdentityFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityFile")
            .field("node_id", &self.node_id)
            .field("sealed", &self.is_sealed())
            .finish_non_exhaustive()
    }
}

/// What a sealed seed is bound to.
fn aad(node: NodeId, created: UnixMillis) -> Vec<u8> {
    [AAD_LABEL, node.as_bytes(), &created.0.to_be_bytes()].concat()
}

/// Argon2id over the passphrase in NFKD, so that it does not matter on which keyboard it is typed. `None`: no memory.
fn passphrase_key(passphrase: &str, params: Params, salt: &[u8; SALT_BYTES]) -> Option<StorageKey> {
    let mut normal = Cow::Borrowed(passphrase);
    Mnemonic::normalize_utf8_cow(&mut normal);
    let normal = Zeroizing::new(normal.into_owned());
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(normal.as_bytes(), salt, key.as_mut_slice())
        .ok()
        .map(|()| StorageKey::new(key))
}

/// Exactly `N` bytes from their Base58 text.
fn from_base58<const N: usize>(field: &'static str, text: &str) -> Result<Zeroizing<[u8; N]>, OpenFileError> {
    let damaged = |reason| OpenFileError::Damaged { field, reason };
    // Base58 needs 1.37 characters a byte; this bounds the quadratic decoder.
    if text.len() > 2 * N {
        return Err(damaged("is too long"));
    }
    let mut bytes = Zeroizing::new([0; N]);
    let length =
        bs58::decode(text).onto(bytes.as_mut_slice()).map_err(|_| damaged("is not Base58 of its length"))?;
    if length != N {
        return Err(damaged("is too short"));
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
