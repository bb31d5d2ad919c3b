//! What can be written: one enum over the changes of all machines, and what belongs to none of them.

use crate::{access::AccessChange, blobs::BlobChange};
use pc2_protocols::{dht, files, identity::ProfileRow, mailbox, messenger, net::Peer, relay, wasm};

/// One write. The changes of one submission become durable together or not at all.
#[expect(clippy::large_enum_variant, reason = "most changes are of the messenger, and a batch has few")]
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
    /// Of the WASM machine.
    Wasm(wasm::rows::Change),
    /// Insert or replace the profile of its account.
    Profile(ProfileRow),
    /// Of sessions, wallets, keys, and the log of what happened at the doors.
    Access(AccessChange),
    /// The routing table, replaced whole.
    Routing(Vec<Peer>),
    /// Of the blob store.
    Blob(BlobChange),
}
