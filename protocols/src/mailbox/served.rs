//! Whose pinned holder this node is: people whom its owner allowed, and which mailboxes they said are theirs.
//!
//! In: the owner's word, statements of those people, time. Out: whether what lies in a mailbox is kept longer, writes, answers. Nobody is served whom the
//! owner of this node did not name. What is kept for one of them takes up a part of the disk lent at most; beyond that, and once somebody is served no more, new
//! envelopes of theirs are kept like everybody's, and old ones as long as was promised.
//!
//! Survives restart: all, by its rows. Not here: the statement's form ([`super::pin`]), what is held ([`super::holder`]).

use super::{
    CommandError, EnvelopeKey, Out, ServedView, deposit,
    machine::Mailbox,
    pin::{PinAsk, PinnedMailbox},
    rows::{Change, ServedRow},
    serve::respond,
    wire::{Answer, Refusal},
};
use crate::{
    crypto::sign::SIGNATURE_BYTES,
    id::{MailboxAddress, NodeId},
    limits,
    net::RequestToken,
    time::{Now, UnixMillis},
};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;

/// All whom this node serves.
#[derive(Debug, Default)]
pub(super) struct Served {
    rows: BTreeMap<NodeId, ServedRow>,
    by_address: BTreeMap<MailboxAddress, NodeId>,
}

impl Served {
    /// Those on disk.
    pub(super) fn new(rows: Vec<ServedRow>) -> Self {
        let mut served = Self::default();
        rows.into_iter().for_each(|row| served.put(row));
        served
    }

    fn put(&mut self, row: ServedRow) {
        self.by_address.retain(|_, node| *node != row.node);
        for mailbox in &row.mailboxes {
            self.by_address.insert(mailbox.address(), row.node);
        }
        self.rows.insert(row.node, row);
    }

    /// Whose mailbox it is, among those who are served.
    fn owner_of(&self, address: &MailboxAddress) -> Option<NodeId> {
        self.by_address.get(address).copied()
    }

    fn addresses(&self, node: NodeId) -> impl Iterator<Item = MailboxAddress> {
        self.rows.get(&node).into_iter().flat_map(|row| row.mailboxes.iter().map(PinnedMailbox::address))
    }

    /// The owner of this node allows somebody. `None`: they were allowed before.
    fn begin(
        &mut self,
        account: NodeId,
        node: NodeId,
        now: UnixMillis,
    ) -> Result<Option<Change>, CommandError> {
        if self.rows.contains_key(&node) {
            return Ok(None);
        }
        if self.rows.len() >= limits::MAX_SERVED {
            return Err(CommandError::TooManyServed);
        }
        let row = ServedRow { account, node, since: now, stated: None, mailboxes: Vec::new() };
        self.put(row.clone());
        Ok(Some(Change::PutServed(row)))
    }

    /// The owner of this node allows them no longer. `None`: they were not allowed.
    fn end(&mut self, node: NodeId) -> Option<Change> {
        let row = self.rows.remove(&node)?;
        self.by_address.retain(|_, of| *of != node);
        Some(Change::RemoveServed { account: row.account, node })
    }

    /// One of those served says which mailboxes are theirs.
    fn state(&mut self, ask: &PinAsk) -> Result<Change, Refusal> {
        let row = self.rows.get(&ask.account).ok_or(Refusal::NotServed)?;
        // An older one that was held back on its way does not undo a newer one.
        if row.stated.is_some_and(|stated| ask.time < stated) {
            return Err(Refusal::Untimely);
        }
        let row = ServedRow { stated: Some(ask.time), mailboxes: ask.mailboxes.clone(), ..row.clone() };
        self.put(row.clone());
        Ok(Change::PutServed(row))
    }

    /// Forgets mailboxes in which nobody deposits any more.
    pub(super) fn expire(&mut self, now: UnixMillis) -> Vec<Change> {
        let over = |mailbox: &PinnedMailbox| deposit::ends(mailbox.week) <= now;
        let outdated: Vec<ServedRow> =
            self.rows.values().filter(|row| row.mailboxes.iter().any(over)).cloned().collect();
        let prune = |mut row: ServedRow| {
            row.mailboxes.retain(|mailbox| !over(mailbox));
            self.put(row.clone());
            Change::PutServed(row)
        };
        outdated.into_iter().map(prune).collect()
    }

    /// How many are served.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl Mailbox {
    /// The owner of this node lets somebody pin it.
    pub(super) fn serve_for(&mut self, now: Now, node: NodeId) -> Result<Vec<Change>, CommandError> {
        if node == self.signer.node() {
            return Err(CommandError::Yourself);
        }
        Ok(self.served.begin(self.signer.node(), node, now.unix)?.into_iter().collect())
    }

    /// The owner of this node lets them no longer.
    pub(super) fn stop_serving(&mut self, node: NodeId) -> Result<Vec<Change>, CommandError> {
        self.served.end(node).map(|change| vec![change]).ok_or(CommandError::NotServed)
    }

    /// An account says which mailboxes are its own.
    pub(super) fn pin_asked(
        &mut self,
        now: Now,
        token: RequestToken,
        (ask, signature, owners): (&[u8], &[u8; SIGNATURE_BYTES], &[ByteBuf]),
        out: &mut Vec<Out>,
    ) -> Result<(), Refusal> {
        let ask = PinAsk::check(ask, signature, owners, self.signer.node(), now.unix)?;
        if !self.level.keeps() && !ask.mailboxes.is_empty() {
            return Err(Refusal::NotAHolder);
        }
        let change = self.served.state(&ask)?;
        let then = vec![respond(token, &Answer::Pinned), Out::Changed];
        out.push(Out::Persist { changes: vec![change], then });
        Ok(())
    }

    /// Whether a deposit of so many bytes is kept as long as for a pinned holder.
    pub(super) fn keeps_longer(&self, key: &EnvelopeKey, bytes: usize) -> bool {
        let Some(owner) = self.served.owner_of(&key.address) else { return false };
        let used: u64 =
            self.served.addresses(owner).map(|address| self.holder.of_mailbox_bytes(&address).1).sum();
        let more = u64::try_from(bytes).unwrap_or(u64::MAX);
        used.saturating_add(more) <= self.share() / limits::PINNED_SHARE_PART
    }

    /// Whom this node serves, as its owner sees it.
    pub(super) fn serving(&self) -> Vec<ServedView> {
        let view = |row: &ServedRow| {
            let (mut envelopes, mut bytes) = (0u64, 0u64);
            for address in self.served.addresses(row.node) {
                let (some, of_bytes) = self.holder.of_mailbox_bytes(&address);
                envelopes = envelopes.saturating_add(some);
                bytes = bytes.saturating_add(of_bytes);
            }
            ServedView { node: row.node, since: row.since, stated: row.stated, envelopes, bytes }
        };
        self.served.rows.values().map(view).collect()
    }
}
