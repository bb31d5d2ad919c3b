//! What can be written: one enum over the changes of all machines, and the rows that belong to none of them.

use crate::blobs::BlobChange;
use pc2_protocols::{
    dht, files, id::NodeId, identity::ProfileRow, mailbox, messenger, net::Peer, relay, time::UnixMillis,
};
use serde::{Deserialize, Serialize};

/// One write. The changes of one submission become durable together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Of a messenger.
    Messenger(messenger::rows::Change),
    /// Of the record machine.
    Dht(dht::Change),
    /// Of the mailbox machine.
    Mailbox(mailbox::rows::Change),
    /// Of the relay machine.
    Relay(relay::Change),
    /// Of the files machine.
    Files(files::rows::Change),
    /// Insert or replace the profile of its account.
    Profile(ProfileRow),
    /// Somebody signs in or out.
    WebSession(WebSessionChange),
    /// The routing table, replaced whole.
    Routing(Vec<Peer>),
    /// Of the blob store.
    Blob(BlobChange),
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
}

/// A write to the signed-in sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebSessionChange {
    /// Insert or replace, by the hash of the token.
    Put(WebSessionRow),
    /// Signed out or expired.
    Remove {
        /// Which.
        token_hash: [u8; 32],
    },
}
