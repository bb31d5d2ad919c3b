//! Writes on their way to the database: what one group commit will apply.
//!
//! A [`Stage`] lies over the database: reads see what is staged, so a change that depends on an earlier one of the
//! same group sees it. Batches are staged one by one; [`Stage::keep`] makes a batch part of the group, [`Stage::discard`]
//! takes it back as if it had never been there. Writes to the same cell merge: the last one wins.
//!
//! Not here: what a change means ([`crate::apply`]), when the group is applied ([`crate::writer`]).

use crate::{
    cell::{self, Cells, ReadError, Sealer},
    ledger::Ledger,
    value::Value,
};
use sled::{Batch, IVec, Tree};
use std::{collections::BTreeMap, ops::Bound};

/// Cells by key; `None` removes.
type Writes = BTreeMap<Vec<u8>, Option<IVec>>;

/// Staged writes over a database.
pub(crate) struct Stage<'a> {
    tree: &'a Tree,
    sealer: &'a Sealer,
    group: Writes,
    batch: Writes,
    group_bytes: usize,
}

impl<'a> Stage<'a> {
    /// Nothing staged yet.
    pub(crate) fn new(tree: &'a Tree, sealer: &'a Sealer) -> Self {
        Self { tree, sealer, group: Writes::new(), batch: Writes::new(), group_bytes: 0 }
    }

    /// What seals the rows.
    pub(crate) fn sealer(&self) -> &'a Sealer {
        self.sealer
    }

    /// Seals a row and stages its cells; parts of a longer predecessor go.
    pub(crate) fn put(&mut self, table: &'static str, key: &[u8], row: &Value) -> Result<(), ReadError> {
        let sealed = self.sealer.seal(table, key, row.as_bytes());
        self.put_sealed(key, &sealed)
    }

    /// Stages a row that is sealed already.
    pub(crate) fn put_sealed(&mut self, key: &[u8], sealed: &[u8]) -> Result<(), ReadError> {
        let cells = cell::cut(key, sealed);
        let parts = u8::try_from(cells.len()).unwrap_or(u8::MAX);
        for (key, bytes) in cells {
            self.batch.insert(key, Some(bytes.into()));
        }
        self.remove_parts(key, parts)
    }

    /// Stages a cell as it is, neither sealed nor cut: for the few that must be legible before there is a key.
    pub(crate) fn put_plain(&mut self, key: &[u8], bytes: &[u8]) {
        self.batch.insert(key.to_vec(), Some(bytes.into()));
    }

    /// Stages the removal of a row with its parts.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.batch.insert(key.to_vec(), None);
        self.remove_parts(key, 1)
    }

    /// Removes the parts of a row from a number on.
    fn remove_parts(&mut self, key: &[u8], from: u8) -> Result<(), ReadError> {
        for number in from..=u8::MAX {
            let part = cell::part_key(key, number);
            if self.cell(&part)?.is_none() {
                break;
            }
            self.batch.insert(part, None);
        }
        Ok(())
    }

    /// The current batch belongs to the group from now on.
    pub(crate) fn keep(&mut self) {
        let bytes: usize = self
            .batch
            .iter()
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, |value| value.len()))
            .sum();
        self.group_bytes = self.group_bytes.saturating_add(bytes);
        // One by one: `append` would rebuild the whole group for each batch.
        self.group.extend(std::mem::take(&mut self.batch));
    }

    /// The current batch never was.
    pub(crate) fn discard(&mut self) {
        self.batch.clear();
    }

    /// Bytes kept in the group, an upper bound: merged writes count as often as they were made.
    pub(crate) fn group_bytes(&self) -> usize {
        self.group_bytes
    }

    /// Whether there is anything to apply.
    pub(crate) fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// What the group writes.
    pub(crate) fn staged(&self) -> impl Iterator<Item = (&[u8], Option<&IVec>)> {
        self.group.iter().map(|(key, value)| (key.as_slice(), value.as_ref()))
    }

    /// The group, booked, as sled applies it at once; and the ledger once it has.
    pub(crate) fn into_batch(mut self, ledger: Ledger) -> Result<(Batch, Ledger), ReadError> {
        let ledger = ledger.book(self.tree, &mut self)?;
        let mut batch = Batch::default();
        for (key, value) in self.group {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        Ok((batch, ledger))
    }
}

impl Stage<'_> {
    /// The last key of a range, both ends included.
    pub(crate) fn last_key(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let mut end = Bound::Included(to.to_vec());
        loop {
            let range = (Bound::Included(from.to_vec()), end);
            let in_tree = self.tree.range::<Vec<u8>, _>(range.clone()).next_back().transpose()?;
            let staged = [&self.group, &self.batch].into_iter();
            let staged = staged.filter_map(|writes| writes.range(range.clone()).next_back());
            let staged = staged.map(|(key, _)| key.clone());
            let Some(last) = staged.chain(in_tree.map(|(key, _)| key.to_vec())).max() else {
                return Ok(None);
            };
            if self.cell(&last)?.is_some() {
                return Ok(Some(last));
            }
            end = Bound::Excluded(last);
        }
    }

    /// The first key of a range, both ends included.
    pub(crate) fn first_key(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let mut start = Bound::Included(from.to_vec());
        loop {
            let range = (start, Bound::Included(to.to_vec()));
            let in_tree = self.tree.range::<Vec<u8>, _>(range.clone()).next().transpose()?;
            let staged = [&self.group, &self.batch].into_iter();
            let staged = staged.filter_map(|writes| writes.range(range.clone()).next());
            let staged = staged.map(|(key, _)| key.clone());
            let Some(first) = staged.chain(in_tree.map(|(key, _)| key.to_vec())).min() else {
                return Ok(None);
            };
            if self.cell(&first)?.is_some() {
                return Ok(Some(first));
            }
            start = Bound::Excluded(first);
        }
    }
}

impl Cells for Stage<'_> {
    fn cell(&self, key: &[u8]) -> Result<Option<IVec>, ReadError> {
        match self.batch.get(key).or_else(|| self.group.get(key)) {
            Some(staged) => Ok(staged.clone()),
            None => self.tree.cell(key),
        }
    }

    fn keys_under(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut keys: BTreeMap<Vec<u8>, bool> =
            self.tree.keys_under(prefix)?.into_iter().map(|key| (key, true)).collect();
        for writes in [&self.group, &self.batch] {
            let under = writes.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
            keys.extend(under.map(|(key, value)| (key.clone(), value.is_some())));
        }
        Ok(keys.into_iter().filter_map(|(key, there)| there.then_some(key)).collect())
    }
}
