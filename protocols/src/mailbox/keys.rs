//! The keys of an account's mailboxes, and the passes by which contacts deposit in them.
//!
//! In: the account's seed (through [`crate::crypto::keys::IdentityKeys::mailbox_keys`]) and a week. Out: that week's mailbox: an Ed25519 key that owns it, and an
//! X25519 key that envelopes are sealed for (HPKE, RFC 9180). All are made from the seed by HKDF, each under a label of its own, so nothing has to be stored and
//! a restore from the phrase finds its mailboxes. A week is 7 days since 1970-01-01 UTC, so it begins on a Thursday.
//!
//! Only who has a pass can find a mailbox: its address is a hash of a key that only passes name. Strangers use the intro mailbox, whose address
//! follows from the NodeId.
//!
//! Not here: what holders keep ([`super`]). Spec with vectors: `docs/protocol/mailbox.md`.

use crate::{
    codec,
    crypto::sign::{self, Domain, SIGNATURE_BYTES, Signer},
    id::{MailboxAddress, NodeId},
    time::UnixMillis,
};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Envelopes are padded to one of these sizes, in bytes, so that their length says little. The largest stays under the 64 KiB that the database
/// writes durably, with all around it; strangers get 8 KiB at most.
pub const PADDED: [usize; 5] = [1024, 4 * 1024, 8 * 1024, 16 * 1024, 60 * 1024];

/// Length of a week, in milliseconds.
pub const WEEK_MILLIS: u64 = 7 * 24 * 3_600 * 1_000;

const MAILBOX_LABEL: &[u8] = b"pc2 mailbox owner key v1\0";
const SEALING_LABEL: &[u8] = b"pc2 mailbox sealing key v1\0";
const INTRO_SEALING_LABEL: &[u8] = b"pc2 intro mailbox sealing key v1\0";
const DEPOSITOR_LABEL: &[u8] = b"pc2 mailbox depositor key v1\0";
const ADDRESS_LABEL: &[u8] = b"pc2 mailbox address v1\0";
const INTRO_ADDRESS_LABEL: &[u8] = b"pc2 intro mailbox address v1\0";

/// When a week begins.
#[must_use]
pub fn week_begins(week: u32) -> UnixMillis {
    UnixMillis(u64::from(week).saturating_mul(WEEK_MILLIS))
}

/// The week a time lies in.
#[must_use]
pub fn week_of(time: UnixMillis) -> u32 {
    u32::try_from(time.0 / WEEK_MILLIS).unwrap_or(u32::MAX)
}

/// Where the mailbox of a key is.
#[must_use]
pub fn address_of(mailbox: &[u8; 32]) -> MailboxAddress {
    MailboxAddress::from_bytes(
        Sha256::new().chain_update(ADDRESS_LABEL).chain_update(mailbox).finalize().into(),
    )
}

/// Where strangers leave a request for a node.
#[must_use]
pub fn intro_address(node: NodeId) -> MailboxAddress {
    let hash = Sha256::new().chain_update(INTRO_ADDRESS_LABEL).chain_update(node.as_bytes());
    MailboxAddress::from_bytes(hash.finalize().into())
}

/// What an owner gives a contact, inside of the encryption, to deposit in the mailbox of one week.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxPass {
    /// Which week.
    pub week: u32,
    /// The key that owns the mailbox.
    #[serde(with = "serde_bytes")]
    pub mailbox: [u8; 32],
    /// The key that envelopes are sealed for.
    #[serde(with = "serde_bytes")]
    pub sealing: [u8; 32],
    /// The secret of the depositor's key: this contact's, in this week only.
    #[serde(with = "serde_bytes")]
    pub depositor_secret: [u8; 32],
    /// The owner's signature over [`PassClaim`].
    #[serde(with = "serde_bytes")]
    pub signature: [u8; SIGNATURE_BYTES],
    /// Nodes that the owner pinned: what is deposited by this pass is brought there, too. At most [`limits::MAX_PINS`]. For the depositor only: holders are not shown it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<NodeId>,
}

impl fmt::Debug for MailboxPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxPass(week {}, {})", self.week, address_of(&self.mailbox).short())
    }
}

/// What a pass says to holders. They learn neither who the depositor is nor who the owner is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassClaim {
    /// Which week.
    pub week: u32,
    /// The key that owns the mailbox.
    #[serde(with = "serde_bytes")]
    pub mailbox: [u8; 32],
    /// The key that may deposit.
    #[serde(with = "serde_bytes")]
    pub depositor: [u8; 32],
}

impl MailboxPass {
    /// Where the mailbox is.
    #[must_use]
    pub fn address(&self) -> MailboxAddress {
        address_of(&self.mailbox)
    }

    /// The depositor's key pair.
    #[must_use]
    pub fn depositor(&self) -> Signer {
        Signer::new(SigningKey::from_bytes(&self.depositor_secret))
    }

    /// What holders are shown.
    #[must_use]
    pub fn claim(&self) -> PassClaim {
        PassClaim { week: self.week, mailbox: self.mailbox, depositor: *self.depositor().node().as_bytes() }
    }

    /// Whether the owner of the mailbox signed it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.claim().is_signed(&self.signature)
    }
}

impl PassClaim {
    /// Whether the owner of the mailbox signed it.
    #[must_use]
    pub fn is_signed(&self, signature: &[u8; SIGNATURE_BYTES]) -> bool {
        let owner = NodeId::from_bytes(self.mailbox);
        sign::verify(owner, Domain::MailboxPass, &codec::encode(self), signature).is_ok()
    }
}

/// All mailboxes of one account.
#[derive(Clone)]
pub struct MailboxKeys {
    node: NodeId,
    root: Arc<Zeroizing<[u8; 32]>>,
}

impl fmt::Debug for MailboxKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxKeys({})", self.node.short())
    }
}

impl MailboxKeys {
    /// Those of an account, from a secret of its own.
    #[must_use]
    pub fn new(node: NodeId, root: Zeroizing<[u8; 32]>) -> Self {
        Self { node, root: Arc::new(root) }
    }

    /// Whose.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// The key that owns the mailbox of a week.
    #[must_use]
    pub fn owner(&self, week: u32) -> Signer {
        Signer::new(SigningKey::from_bytes(&self.expand(&[MAILBOX_LABEL, &week.to_be_bytes()])))
    }

    /// Where the mailbox of a week is.
    #[must_use]
    pub fn address(&self, week: u32) -> MailboxAddress {
        address_of(self.owner(week).node().as_bytes())
    }

    /// What a contact gets for a week, without pinned nodes. The same each time.
    #[must_use]
    pub fn pass(&self, week: u32, contact: NodeId) -> MailboxPass {
        let owner = self.owner(week);
        let depositor_secret = self.expand(&[DEPOSITOR_LABEL, &week.to_be_bytes(), contact.as_bytes()]);
        let mut pass = MailboxPass {
            week,
            mailbox: *owner.node().as_bytes(),
            sealing: self.sealing_public(Some(week)),
            depositor_secret: *depositor_secret,
            signature: [0; SIGNATURE_BYTES],
            pinned: Vec::new(),
        };
        pass.signature = owner.sign(Domain::MailboxPass, &codec::encode(&pass.claim()));
        pass
    }

    /// The key that strangers seal for: it stands in the card.
    #[must_use]
    pub fn intro_sealing(&self) -> [u8; 32] {
        self.sealing_public(None)
    }

    /// The input of the key derivation of a sealing key: of a week, or of the intro mailbox.
    fn sealing_seed(&self, week: Option<u32>) -> Zeroizing<[u8; 32]> {
        match week {
            Some(week) => self.expand(&[SEALING_LABEL, &week.to_be_bytes()]),
            None => self.expand(&[INTRO_SEALING_LABEL]),
        }
    }

    fn expand(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::from_prk(self.root.as_slice())
            .expect("32 bytes are a whole key for HKDF-SHA256")
            .expand_multi_info(info, key.as_mut_slice())
            .expect("32 bytes are within what HKDF-SHA256 gives");
        key
    }
}

mod envelope;

pub use envelope::{OpenError, Opened, seal};

#[cfg(test)]
mod tests;
