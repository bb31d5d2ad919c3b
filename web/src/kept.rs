//! What is kept of who may use this node: sessions, wallets, API keys, and the log of what happened at the doors.
//!
//! A step changes a copy of this and notes each row that changed; [`crate::app::App::change`] writes them and puts the copy in place once the disk
//! has them. So nothing is let in that a restart would not know, and nothing stays in that a restart would forget. All is bounded.
//!
//! Pure state: the caller passes the time. Not here: links, cookies and who is asking ([`crate::auth`]), what a role may do ([`crate::roles`]).

mod keys;
mod log;

use crate::{
    keeper::CarriedSession,
    roles::{Caller, Role, Scopes},
    secret::{Secret, SecretHash},
    wallet::Address,
};
use pc2_actors::api::{
    AccessChange, AccessRows, ApiKeyRow, SecurityEvent, SecurityRow, WalletRow, WebRole, WebSessionRow,
};
use pc2_protocols::{id::NodeId, time::UnixMillis};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// How long a session lasts: a week, so that a forgotten browser is not signed in for ever.
pub(crate) const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Most sessions of one wallet, or by links: more browsers than a person signs in within a week. The oldest makes room.
pub(crate) const MAX_SESSIONS: usize = 64;

/// Most wallets: a large family or a small office.
pub(crate) const MAX_WALLETS: usize = 64;

/// Most API keys: each is one program.
pub(crate) const MAX_KEYS: usize = 64;

/// Longest name of a wallet or a key, in characters.
pub(crate) const MAX_LABEL: usize = 100;

/// How exact "last used" is on disk: writing every request down would wear it out for nothing.
const SEEN_EVERY: Duration = Duration::from_secs(10 * 60);

/// Why something is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeptError {
    /// There is no such session, for this caller.
    #[error("there is no such session")]
    UnknownSession,
    /// No such wallet.
    #[error("there is no such wallet")]
    UnknownWallet,
    /// It is there already.
    #[error("this wallet may sign in already")]
    WalletThere,
    /// No such key.
    #[error("there is no such key")]
    UnknownKey,
    /// A signature of somebody who may not sign in.
    #[error("this wallet may not sign in here; the owner of the node can add it")]
    NotAdded,
    /// Nobody would be the owner by a wallet any more.
    #[error(
        "this is the last wallet of the owner's; add another one first, or at the command line use `pc2 wallet`"
    )]
    LastOwner,
    /// Who asks was signed out meanwhile.
    #[error("you were signed out meanwhile; sign in again")]
    SignedOut,
    /// All places are taken.
    #[error("there are {0} of them already, which is the most; remove one first")]
    Full(usize),
    /// Too long, or with characters that cannot be seen.
    #[error("a name may have {MAX_LABEL} visible characters at most")]
    BadLabel,
}

/// The whole of it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    account: NodeId,
    sessions: BTreeMap<SecretHash, WebSessionRow>,
    wallets: BTreeMap<Address, WalletRow>,
    keys: BTreeMap<SecretHash, ApiKeyRow>,
    log: VecDeque<SecurityRow>,
    changes: Vec<AccessChange>,
}

impl Kept {
    /// What the disk has of this account.
    pub(crate) fn new(account: NodeId, rows: AccessRows) -> Self {
        let AccessRows { sessions, wallets, keys, log } = rows;
        let own = |of: &NodeId| *of == account;
        Self {
            account,
            sessions: sessions
                .into_iter()
                .filter(|row| own(&row.account))
                .map(|row| (SecretHash(row.token_hash), row))
                .collect(),
            wallets: wallets
                .into_iter()
                .filter(|row| own(&row.account))
                .map(|row| (Address(row.address), row))
                .collect(),
            keys: keys
                .into_iter()
                .filter(|row| own(&row.account))
                .map(|row| (SecretHash(row.key_hash), row))
                .collect(),
            log: log.into_iter().filter(|row| own(&row.account)).collect(),
            changes: Vec::new(),
        }
    }

    /// The rows that changed since this was last asked.
    pub(crate) fn take_changes(&mut self) -> Vec<AccessChange> {
        std::mem::take(&mut self.changes)
    }

    /// Whose session this is, while it lasts and its wallet may sign in.
    pub(crate) fn browser(&self, session: SecretHash, now: UnixMillis) -> Caller {
        let Some(row) = self.sessions.get(&session).filter(|row| row.expires > now) else {
            return Caller::Nobody;
        };
        let wallet = row.wallet.map(Address);
        let role = match wallet {
            None => Some(Role::Owner),
            Some(address) => self.wallets.get(&address).map(|row| role(row.role)),
        };
        role.map_or(Caller::Nobody, |role| Caller::Browser { session, role, wallet })
    }

    /// Whose key this is, while it is good.
    pub(crate) fn program(&self, key: SecretHash, now: UnixMillis) -> Caller {
        match self.keys.get(&key) {
            Some(row) if row.expires.is_none_or(|expires| expires > now) => {
                Caller::Key { key, scopes: Scopes::known(&row.scopes) }
            }
            _ => Caller::Nobody,
        }
    }

    /// Whether a caller of a while ago would be let in as the same now: sessions and keys end, roles change.
    pub(crate) fn still(&self, caller: &Caller, now: UnixMillis) -> bool {
        match caller {
            Caller::Nobody => false,
            Caller::CommandLine => true,
            Caller::Browser { session, .. } => self.browser(*session, now) == *caller,
            Caller::Key { key, .. } => self.program(*key, now) == *caller,
        }
    }

    /// Goes on with a session of the owner's by a link, of the time before another identity took this place.
    pub(crate) fn carry(&mut self, carried: &CarriedSession, now: UnixMillis) {
        self.begin(SecretHash(carried.token_hash), None, &carried.label, now);
    }

    /// Begins a session by a link.
    pub(crate) fn begin_by_link(&mut self, secret: &Secret, label: &str, now: UnixMillis) {
        self.begin(secret.hash(), None, label, now);
        self.note(now, None, SecurityEvent::LinkUsed);
    }

    /// Whether [`Kept::begin_by_wallet`] would take this wallet, once it has signed.
    pub(crate) fn may_begin(&self, address: Address, before: &Caller, now: UnixMillis) -> bool {
        self.wallets.contains_key(&address) || self.becomes_owner(before, now)
    }

    /// The next wallet to sign in becomes the owner's: who asks is signed in by a link, and no wallet is theirs yet.
    fn becomes_owner(&self, before: &Caller, now: UnixMillis) -> bool {
        matches!(before, Caller::Browser { role: Role::Owner, wallet: None, .. })
            && self.still(before, now)
            && !self.wallets.values().any(|row| row.role == WebRole::Owner)
    }

    /// Begins a session of a wallet that has signed. The first one to sign while the owner is signed in by a link (`before`) becomes the owner's.
    ///
    /// # Errors
    /// When it may not sign in.
    pub(crate) fn begin_by_wallet(
        &mut self,
        secret: &Secret,
        address: Address,
        before: &Caller,
        label: &str,
        now: UnixMillis,
    ) -> Result<(), KeptError> {
        if self.becomes_owner(before, now) {
            let label = self.wallets.get(&address).map_or_else(String::new, |row| row.label.clone());
            self.put_wallet(address, Role::Owner, label, None, now)?;
        } else if !self.wallets.contains_key(&address) {
            return Err(KeptError::NotAdded);
        }
        // Who signs in as somebody else has no two sessions in one browser.
        if let Caller::Browser { session, .. } = before {
            self.remove_session(session);
        }
        self.begin(secret.hash(), Some(address), label, now);
        self.note(now, Some(address), SecurityEvent::WalletUsed(1));
        Ok(())
    }

    fn begin(&mut self, hash: SecretHash, wallet: Option<Address>, label: &str, now: UnixMillis) {
        let over: Vec<_> =
            self.sessions.iter().filter(|(_, row)| row.expires <= now).map(|(hash, _)| *hash).collect();
        over.iter().for_each(|hash| self.remove_session(hash));
        let wallet = wallet.map(|address| address.0);
        let of_them = || self.sessions.iter().filter(|(_, row)| row.wallet == wallet);
        let oldest = of_them().min_by_key(|(_, row)| row.expires).map(|(hash, _)| *hash);
        if of_them().count() >= MAX_SESSIONS {
            oldest.iter().for_each(|hash| self.remove_session(hash));
        }
        let row = WebSessionRow {
            token_hash: hash.0,
            account: self.account,
            label: label.to_owned(),
            created: now,
            expires: now.after(SESSION_LIFETIME),
            last_seen: now,
            wallet,
        };
        self.changes.push(AccessChange::PutSession(row.clone()));
        self.sessions.insert(hash, row);
    }

    fn remove_session(&mut self, hash: &SecretHash) {
        if self.sessions.remove(hash).is_some() {
            self.changes.push(AccessChange::RemoveSession { token_hash: hash.0 });
        }
    }

    /// The session that is asked for, if any.
    pub(crate) fn session(&self, hash: &SecretHash) -> Option<&WebSessionRow> {
        self.sessions.get(hash)
    }

    /// The sessions that a caller may see and end, latest first: the owner all, others those of their own wallet.
    pub(crate) fn sessions_of(&self, caller: &Caller, now: UnixMillis) -> Vec<&WebSessionRow> {
        let (all, own) = (caller.role() == Some(Role::Owner), caller.wallet().map(|address| address.0));
        let live = self.sessions.values().filter(|row| row.expires > now);
        let mut seen: Vec<_> = live.filter(|row| all || (own.is_some() && row.wallet == own)).collect();
        seen.sort_by_key(|row| std::cmp::Reverse(row.created));
        seen
    }

    /// Ends one of these: somebody signs out.
    pub(crate) fn sign_out(&mut self, session: &SecretHash) {
        self.remove_session(session);
    }

    /// Ends those of a caller's sessions that `which` says.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn end_sessions(
        &mut self,
        caller: &Caller,
        which: impl Fn(&WebSessionRow) -> bool,
        now: UnixMillis,
    ) -> Result<(), KeptError> {
        let seen = self.sessions_of(caller, now).into_iter();
        let ended: Vec<_> = seen.filter(|row| which(row)).map(|row| SecretHash(row.token_hash)).collect();
        if ended.is_empty() {
            return Err(KeptError::UnknownSession);
        }
        ended.iter().for_each(|hash| self.remove_session(hash));
        self.note(now, caller.wallet(), SecurityEvent::SessionsEnded(count(ended.len())));
        Ok(())
    }

    /// All wallets, the oldest first.
    pub(crate) fn wallets(&self) -> Vec<&WalletRow> {
        let mut all: Vec<_> = self.wallets.values().collect();
        all.sort_by_key(|row| row.added);
        all
    }

    /// Lets a wallet sign in.
    ///
    /// # Errors
    /// When it may already, the name is none, or there are too many.
    pub(crate) fn add_wallet(
        &mut self,
        address: Address,
        role: Role,
        label: &str,
        by: &Caller,
        now: UnixMillis,
    ) -> Result<WalletRow, KeptError> {
        if self.wallets.contains_key(&address) {
            return Err(KeptError::WalletThere);
        }
        self.put_wallet(address, role, checked(label)?, by.wallet(), now)
    }

    fn put_wallet(
        &mut self,
        address: Address,
        role: Role,
        label: String,
        by: Option<Address>,
        now: UnixMillis,
    ) -> Result<WalletRow, KeptError> {
        if !self.wallets.contains_key(&address) && self.wallets.len() >= MAX_WALLETS {
            return Err(KeptError::Full(MAX_WALLETS));
        }
        let added_by = by.map(|address| address.0);
        let role = kept_role(role);
        let row = WalletRow { account: self.account, address: address.0, role, label, added: now, added_by };
        self.changes.push(AccessChange::PutWallet(row.clone()));
        self.wallets.insert(address, row.clone());
        self.note(now, by, SecurityEvent::WalletAdded(address.0, role));
        Ok(row)
    }

    /// Gives a wallet another role or name.
    ///
    /// # Errors
    /// When there is none such, the name is none, or it is the owner's last one.
    pub(crate) fn change_wallet(
        &mut self,
        address: Address,
        to: Option<Role>,
        label: Option<&str>,
        by: &Caller,
        now: UnixMillis,
    ) -> Result<WalletRow, KeptError> {
        let mut row = self.wallets.get(&address).ok_or(KeptError::UnknownWallet)?.clone();
        if let Some(label) = label {
            row.label = checked(label)?;
        }
        let before = row.role;
        row.role = to.map_or(before, kept_role);
        if row.role != WebRole::Owner {
            self.leaves_an_owner(address, by)?;
        }
        self.changes.push(AccessChange::PutWallet(row.clone()));
        self.wallets.insert(address, row.clone());
        if row.role != before {
            self.note(now, by.wallet(), SecurityEvent::WalletChanged(address.0, row.role));
        }
        Ok(row)
    }

    /// Lets a wallet sign in no longer, and ends its sessions.
    ///
    /// # Errors
    /// When there is none such, or it is the owner's last one.
    pub(crate) fn remove_wallet(
        &mut self,
        address: Address,
        by: &Caller,
        now: UnixMillis,
    ) -> Result<(), KeptError> {
        if !self.wallets.contains_key(&address) {
            return Err(KeptError::UnknownWallet);
        }
        self.leaves_an_owner(address, by)?;
        self.wallets.remove(&address);
        self.changes.push(AccessChange::RemoveWallet { account: self.account, address: address.0 });
        let of_it = self.sessions.iter().filter(|(_, row)| row.wallet == Some(address.0));
        let ended: Vec<_> = of_it.map(|(hash, _)| *hash).collect();
        ended.iter().for_each(|hash| self.remove_session(hash));
        self.note(now, by.wallet(), SecurityEvent::WalletRemoved(address.0));
        Ok(())
    }

    /// The owner's last wallet stays, whoever is signed in. At the command line it may go: it may be stolen, and who sits there is the owner anyway.
    fn leaves_an_owner(&self, address: Address, by: &Caller) -> Result<(), KeptError> {
        let owner = |row: &WalletRow| row.role == WebRole::Owner;
        let is_one = self.wallets.get(&address).is_some_and(owner);
        let last = is_one && self.wallets.values().filter(|row| owner(row)).count() == 1;
        if last && *by != Caller::CommandLine { Err(KeptError::LastOwner) } else { Ok(()) }
    }

    /// Whether [`Kept::seen`] has something to write about a caller.
    pub(crate) fn is_news(&self, caller: &Caller, now: UnixMillis) -> bool {
        let last = match caller {
            Caller::Browser { session, .. } => self.sessions.get(session).map(|row| row.last_seen),
            Caller::Key { key, .. } => self.keys.get(key).map(|row| row.last_used.unwrap_or_default()),
            Caller::Nobody | Caller::CommandLine => None,
        };
        last.is_some_and(|last| now.since(last) >= SEEN_EVERY)
    }

    /// A caller was here.
    pub(crate) fn seen(&mut self, caller: &Caller, now: UnixMillis) {
        // Of several requests at once, the first was written meanwhile.
        if !self.is_news(caller, now) {
            return;
        }
        match caller {
            Caller::Browser { session, .. } => {
                if let Some(row) = self.sessions.get_mut(session) {
                    row.last_seen = now;
                    self.changes.push(AccessChange::PutSession(row.clone()));
                }
            }
            Caller::Key { key, .. } => {
                if let Some(row) = self.keys.get_mut(key) {
                    row.last_used = Some(now);
                    self.changes.push(AccessChange::PutKey(row.clone()));
                }
            }
            Caller::Nobody | Caller::CommandLine => {}
        }
    }
}

/// A name, as it is kept.
fn checked(label: &str) -> Result<String, KeptError> {
    let label = label.trim();
    let bad = label.chars().count() > MAX_LABEL || label.chars().any(char::is_control);
    if bad { Err(KeptError::BadLabel) } else { Ok(label.to_owned()) }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// A role as it was kept.
pub(crate) const fn role(kept: WebRole) -> Role {
    match kept {
        WebRole::Owner => Role::Owner,
        WebRole::Admin => Role::Admin,
        WebRole::Member => Role::Member,
    }
}

const fn kept_role(role: Role) -> WebRole {
    match role {
        Role::Owner => WebRole::Owner,
        Role::Admin => WebRole::Admin,
        Role::Member => WebRole::Member,
    }
}

#[cfg(test)]
mod tests;
