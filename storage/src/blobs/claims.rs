//! Who works on which blob or collection in this process, and how much room it was promised.
//!
//! Each is a value whose end is the claim's end, whatever happens in between. Nothing of it is written: another process begins with none.
//!
//! Not here: the rows that survive ([`super::rows`]).

use super::{BlobError, Holder, store::Inner};
use pc2_protocols::id::BlobId;
use std::sync::Arc;

impl Inner {
    /// Keeps the sweep from a blob for as long as the claim lives.
    pub(crate) fn claim(self: &Arc<Self>, id: BlobId) -> Claim {
        *self.work().claims.entry(id).or_default() += 1;
        Claim { inner: Arc::clone(self), id }
    }

    /// Takes a blob for receiving it.
    pub(crate) fn receive(self: &Arc<Self>, id: BlobId) -> Result<Receiving, BlobError> {
        let mut work = self.work();
        if work.receiving.contains_key(&id) {
            return Err(BlobError::Busy);
        }
        work.receiving.insert(id, 0);
        Ok(Receiving { inner: Arc::clone(self), id })
    }

    /// A sync of a blob failed.
    pub(crate) fn doubt(&self, id: BlobId) {
        self.work().doubted.insert(id);
    }

    /// Whether a sync of a blob failed in this process.
    pub(crate) fn is_doubted(&self, id: BlobId) -> bool {
        self.work().doubted.contains(&id)
    }

    /// Takes a collection for receiving it or clearing it away.
    pub(crate) fn pledge(self: &Arc<Self>, holder: Holder) -> Result<Pledge, BlobError> {
        let mut work = self.work();
        if work.gathering.contains_key(&holder) {
            return Err(BlobError::Busy);
        }
        work.gathering.insert(holder, 0);
        Ok(Pledge { inner: Arc::clone(self), holder })
    }

    /// Does something while nobody can begin to claim or receive a blob; it is told who has begun. What it does must be short.
    pub(crate) fn undisturbed<T>(&self, what: impl FnOnce(&dyn Fn(BlobId) -> bool) -> T) -> T {
        let work = self.work();
        what(&|id| work.claims.contains_key(&id) || work.receiving.contains_key(&id))
    }
}

/// A blob that the sweep leaves alone.
pub(crate) struct Claim {
    inner: Arc<Inner>,
    id: BlobId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut work = self.inner.work();
        if let Some(count) = work.claims.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                work.claims.remove(&self.id);
            }
        }
    }
}

/// A blob that is being received, by whoever has this and by nobody else.
pub(crate) struct Receiving {
    pub(crate) inner: Arc<Inner>,
    id: BlobId,
}

impl Receiving {
    /// Promises it the room for what is still to come.
    pub(crate) fn promise(&self, bytes: u64) -> Result<(), BlobError> {
        let mut work = self.inner.work();
        let own = work.receiving.get(&self.id).copied().unwrap_or_default();
        self.inner.room_beside(work.promised().saturating_sub(own), bytes)?;
        work.receiving.insert(self.id, bytes);
        Ok(())
    }

    /// So many of the promised bytes were written.
    pub(crate) fn written(&self, bytes: u64) {
        if let Some(promised) = self.inner.work().receiving.get_mut(&self.id) {
            *promised = promised.saturating_sub(bytes);
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.inner.work().receiving.remove(&self.id);
    }
}

/// A collection that is being received or cleared away, by whoever has this and by nobody else.
pub(crate) struct Pledge {
    inner: Arc<Inner>,
    holder: Holder,
}

impl Pledge {
    /// Promises room for so many bytes in all, in place of what it had.
    pub(crate) fn promise(&self, bytes: u64) -> Result<(), BlobError> {
        let mut work = self.inner.work();
        let own = work.gathering.get(&self.holder).copied().unwrap_or_default();
        self.inner.room_beside(work.promised().saturating_sub(own), bytes)?;
        work.gathering.insert(self.holder, bytes);
        Ok(())
    }

    /// So many of the bytes were written, or are promised to one of its blobs from now on.
    pub(crate) fn take(&self, bytes: u64) {
        if let Some(promised) = self.inner.work().gathering.get_mut(&self.holder) {
            *promised = promised.saturating_sub(bytes);
        }
    }

    /// So many have to be written again, or are promised to one of its blobs no more.
    pub(crate) fn give_back(&self, bytes: u64) {
        if let Some(promised) = self.inner.work().gathering.get_mut(&self.holder) {
            *promised = promised.saturating_add(bytes);
        }
    }
}

impl Drop for Pledge {
    fn drop(&mut self) {
        self.inner.work().gathering.remove(&self.holder);
    }
}
