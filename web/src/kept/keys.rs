//! Keys for programs: made, taken back, listed.

use super::{Kept, KeptError, MAX_KEYS, checked};
use crate::{
    roles::{Caller, Scopes},
    secret::Secret,
};
use pc2_actors::api::{AccessChange, ApiKeyRow, SecurityEvent};
use pc2_protocols::time::UnixMillis;

impl Kept {
    /// All keys, the oldest first.
    pub(crate) fn keys(&self) -> Vec<&ApiKeyRow> {
        let mut all: Vec<_> = self.keys.values().collect();
        all.sort_by_key(|row| row.created);
        all
    }

    /// Makes a key good.
    ///
    /// # Errors
    /// When the name is none, or there are too many.
    pub(crate) fn add_key(
        &mut self,
        secret: &Secret,
        label: &str,
        scopes: Scopes,
        expires: Option<UnixMillis>,
        by: &Caller,
        now: UnixMillis,
    ) -> Result<ApiKeyRow, KeptError> {
        if self.keys.len() >= MAX_KEYS {
            return Err(KeptError::Full(MAX_KEYS));
        }
        let row = ApiKeyRow {
            key_hash: secret.hash().0,
            account: self.account,
            label: checked(label)?,
            scopes: scopes.names(),
            created: now,
            expires,
            last_used: None,
        };
        self.changes.push(AccessChange::PutKey(row.clone()));
        self.keys.insert(secret.hash(), row.clone());
        self.note(now, by.wallet(), SecurityEvent::KeyAdded(row.label.clone()));
        Ok(row)
    }

    /// Takes a key back.
    ///
    /// # Errors
    /// When there is none such.
    pub(crate) fn remove_key(
        &mut self,
        which: impl Fn(&ApiKeyRow) -> bool,
        by: &Caller,
        now: UnixMillis,
    ) -> Result<(), KeptError> {
        let found = self.keys.iter().find(|(_, row)| which(row)).map(|(hash, _)| *hash);
        let row = found.and_then(|hash| self.keys.remove(&hash)).ok_or(KeptError::UnknownKey)?;
        self.changes.push(AccessChange::RemoveKey { key_hash: row.key_hash });
        self.note(now, by.wallet(), SecurityEvent::KeyRemoved(row.label));
        Ok(())
    }
}
