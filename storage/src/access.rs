//! Who may use a node from outside: signed-in sessions, wallets, API keys, and what happened at the doors.
//!
//! These rows belong to no machine: the web reads them all when it starts, decides, and writes what changed. Of every
//! secret only a hash is here. Not here: what a role may do, and when a session ends (`pc2-web`).

use pc2_protocols::{id::NodeId, time::UnixMillis};
use serde::{Deserialize, Serialize};

/// The bytes of an Ethereum address. Wallets are compared by these, never by how they are written.
pub type WalletAddress = [u8; 20];

/// What somebody is to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebRole {
    /// Whose node it is.
    Owner,
    /// Looks after the node.
    Admin,
    /// May use what the node offers to people.
    Member,
}

/// A signed-in browser or client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSessionRow {
    /// SHA-256 of its token; the token itself is never stored.
    #[serde(with = "serde_bytes")]
    pub token_hash: [u8; 32],
    /// Whose account it is signed in to.
    pub account: NodeId,
    /// What it calls itself, for the list of sessions.
    pub label: String,
    /// When it was made.
    pub created: UnixMillis,
    /// Until when it is good.
    pub expires: UnixMillis,
    /// When it was last used.
    pub last_seen: UnixMillis,
    /// Which wallet signed in; `None` for the owner by a one-time link, as all were before format 6. Its role is looked up each time,
    /// so that one that was taken away is gone at once.
    #[serde(default)]
    pub wallet: Option<WalletAddress>,
}

/// A wallet whose holder may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletRow {
    /// Whose node it may sign in to.
    pub account: NodeId,
    /// Which.
    pub address: WalletAddress,
    /// As what.
    pub role: WebRole,
    /// What the owner calls it; may be empty.
    pub label: String,
    /// Since when.
    pub added: UnixMillis,
    /// By whom; `None` for the owner by a link or at the command line.
    pub added_by: Option<WalletAddress>,
}

/// A key for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRow {
    /// SHA-256 of the key; the key itself is never stored.
    #[serde(with = "serde_bytes")]
    pub key_hash: [u8; 32],
    /// Whose account it acts for.
    pub account: NodeId,
    /// What it is for, in the owner's words.
    pub label: String,
    /// What it may do, by name; a name that is not known any more allows nothing.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: UnixMillis,
    /// Until when it is good; `None` for ever.
    pub expires: Option<UnixMillis>,
    /// When it was last used, if ever.
    pub last_used: Option<UnixMillis>,
}

/// Something that happened at the doors of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityRow {
    /// Whose node.
    pub account: NodeId,
    /// Its place in the log; grows by one with each.
    pub number: u64,
    /// When, or when last for those that are counted.
    pub at: UnixMillis,
    /// Which wallet did it; `None` for the owner by a link or at the command line, or somebody unknown.
    pub by: Option<WalletAddress>,
    /// What.
    pub event: SecurityEvent,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecurityEvent {
    /// Somebody signed in by a one-time link.
    LinkUsed,
    /// A wallet signed in, this many times.
    WalletUsed(u64),
    /// This many sign-ins were refused.
    Refused(u64),
    /// A wallet may sign in.
    WalletAdded(WalletAddress, WebRole),
    /// A wallet has another role.
    WalletChanged(WalletAddress, WebRole),
    /// A wallet may not sign in any more.
    WalletRemoved(WalletAddress),
    /// A key was made, of that name.
    KeyAdded(String),
    /// A key was taken back, of that name.
    KeyRemoved(String),
    /// This many sessions were ended.
    SessionsEnded(u64),
    /// The recovery phrase was shown, this many times.
    PhraseShown(u64),
    /// The identity file was sealed with a passphrase, new or another.
    PassphraseSet,
    /// It needs no passphrase any more.
    PassphraseRemoved,
}

/// Everything the web starts from, of all accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRows {
    /// Sessions, expired ones included.
    pub sessions: Vec<WebSessionRow>,
    /// Wallets.
    pub wallets: Vec<WalletRow>,
    /// Keys, expired ones included.
    pub keys: Vec<ApiKeyRow>,
    /// The log, oldest first.
    pub log: Vec<SecurityRow>,
}

/// A write to any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessChange {
    /// Insert or replace, by the hash of the token.
    PutSession(WebSessionRow),
    /// Signed out or expired.
    RemoveSession {
        /// Which.
        token_hash: [u8; 32],
    },
    /// Insert or replace, by account and address.
    PutWallet(WalletRow),
    /// It may not sign in any more.
    RemoveWallet {
        /// Whose node.
        account: NodeId,
        /// Which.
        address: WalletAddress,
    },
    /// Insert or replace, by the hash of the key.
    PutKey(ApiKeyRow),
    /// It was taken back.
    RemoveKey {
        /// Which.
        key_hash: [u8; 32],
    },
    /// Insert or replace, by account and number.
    PutSecurity(SecurityRow),
    /// It made room for others.
    RemoveSecurity {
        /// Whose node.
        account: NodeId,
        /// Which.
        number: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Change, Options, Storage, cell::Sealer, db, ledger::Ledger, stage::Stage, tables, value::Value,
    };
    use pc2_protocols::{codec, crypto::seal::StorageKey};
    use zeroize::Zeroizing;

    #[derive(Serialize)]
    struct SessionOfFormat4 {
        #[serde(with = "serde_bytes")]
        token_hash: [u8; 32],
        account: NodeId,
        label: String,
        created: UnixMillis,
        expires: UnixMillis,
        last_seen: UnixMillis,
    }

    const ACCOUNT: NodeId = NodeId::from_bytes([1; 32]);

    fn old_session() -> Vec<u8> {
        codec::encode(&SessionOfFormat4 {
            token_hash: [2; 32],
            account: ACCOUNT,
            label: "Firefox".into(),
            created: UnixMillis(1),
            expires: UnixMillis(3),
            last_seen: UnixMillis(2),
        })
    }

    #[test]
    fn a_session_of_an_older_version_is_the_owner_by_a_link() {
        let read: WebSessionRow = codec::decode(&old_session(), 1_024).expect("it still reads");
        assert_eq!((read.account, read.label.as_str(), read.wallet), (ACCOUNT, "Firefox", None));
    }

    #[test]
    fn who_was_signed_in_before_wallets_came_still_is_and_wallets_have_their_place() {
        for version in [4, 5] {
            let dir = tempfile::tempdir().expect("a directory");
            let key = StorageKey::new(Zeroizing::new([1; 32]));
            let sealer = Sealer::new(key.clone()).expect("randomness");
            let options = Options { ballast_bytes: 0, ..Options::default() };
            let db =
                db::create_db(&dir.path().join("db"), &sealer, options.cache_bytes, version).expect("made");
            let mut stage = Stage::new(&db, &sealer);
            let value = Value::new(old_session()).expect("short");
            let sessions = &tables::WEB_SESSIONS;
            stage.put(sessions.name(), &sessions.key(&[2; 32]), &value).expect("staged");
            stage.keep();
            let booked = stage.into_batch(Ledger::read(&db).expect("read")).expect("booked");
            db.apply_batch(booked.0).expect("applied");
            drop(db);

            let (storage, report) = Storage::open(dir.path(), &key, &options).expect("opens");
            assert_eq!((report.migrated_from, &report.quarantined), (Some(version), &None));
            let rows = storage.reader().access().expect("read");
            assert_eq!(rows.sessions.iter().map(|row| row.wallet).collect::<Vec<_>>(), [None]);
            assert!(rows.wallets.is_empty() && rows.keys.is_empty() && rows.log.is_empty());
            let (account, address) = (ACCOUNT, [7; 20]);
            let (role, label, added) = (WebRole::Owner, String::new(), UnixMillis(1));
            let wallet = WalletRow { account, address, role, label, added, added_by: None };
            let (done, written) = std::sync::mpsc::channel();
            let change = Change::Access(AccessChange::PutWallet(wallet.clone()));
            let submitted = storage.writer().submit(vec![change], move |result| {
                done.send(result).expect("the test waits");
            });
            assert!(submitted.is_ok() && written.recv().expect("an answer").is_ok());
            assert_eq!(storage.reader().access().expect("read").wallets, [wallet]);
            storage.close();
        }
    }
}
