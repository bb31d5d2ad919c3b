//! Reading history on behalf of people: pages of a conversation, single entries, searches.
//!
//! Not here: how reads are bounded ([`crate::reads`]), everything else that can be asked of a node ([`crate::api`]).

use crate::{api::NodeHandle, callers::CallError};
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    messenger::{
        content::Hlc,
        marks::{Entry, Page, Place},
        rows::MessageRow,
        search::Query,
    },
};
use std::convert::Infallible;

impl NodeHandle {
    /// A page of a conversation, newest first: at most `limit` messages before a place, or the newest.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn history(
        &self,
        account: NodeId,
        conversation: ConversationId,
        before: Option<(Hlc, MsgId)>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, CallError<Infallible>> {
        let reader = self.inner.reader.clone();
        self.inner.reads.run(move || reader.history(account, conversation, before, limit)).await
    }

    /// Entries of a conversation as they are now, newest first: at most `limit` before a place, or the newest; and where to go on, if there is more.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn entries(
        &self,
        account: NodeId,
        conversation: ConversationId,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Page, CallError<Infallible>> {
        let reader = self.inner.reader.clone();
        self.inner.reads.run(move || reader.entries(account, conversation, before, limit)).await
    }

    /// Entries of a conversation after a place, oldest first; and where to go on, if there is more.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn entries_after(
        &self,
        account: NodeId,
        conversation: ConversationId,
        after: Place,
        limit: usize,
    ) -> Result<Page, CallError<Infallible>> {
        let reader = self.inner.reader.clone();
        self.inner.reads.run(move || reader.entries_after(account, conversation, after, limit)).await
    }

    /// Entries that have what is searched for, newest first: at most `limit` before a place, of one conversation or of all.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn search(
        &self,
        account: NodeId,
        conversation: Option<ConversationId>,
        query: Query,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Entry>, CallError<Infallible>> {
        let reader = self.inner.reader.clone();
        self.inner.reads.run(move || reader.search(account, conversation, &query, before, limit)).await
    }

    /// One entry of a conversation as it is now, by its id.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn entry(
        &self,
        account: NodeId,
        conversation: ConversationId,
        id: MsgId,
    ) -> Result<Option<Entry>, CallError<Infallible>> {
        let reader = self.inner.reader.clone();
        self.inner.reads.run(move || reader.entry(account, conversation, id)).await
    }

    /// One message by its place.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn message(
        &self,
        account: NodeId,
        conversation: ConversationId,
        hlc: Hlc,
        id: MsgId,
    ) -> Result<Option<MessageRow>, CallError<Infallible>> {
        let reader = self.inner.reader.clone();
        self.inner.reads.run(move || reader.message(account, conversation, hlc, id)).await
    }
}
