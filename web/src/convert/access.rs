//! Sessions, wallets, keys and the log, as the API tells them.

use crate::{dto, kept, roles::Role, wallet::Address};
use pc2_actors::api::{
    ApiKeyRow, SecurityEvent, SecurityRow, WalletAddress, WalletRow, WebRole, WebSessionRow,
};

/// Bytes of a hash that are its name: enough that no two of a hundred are the same.
const ID_BYTES: usize = 16;

pub(crate) const fn role(role: Role) -> dto::Role {
    match role {
        Role::Owner => dto::Role::Owner,
        Role::Admin => dto::Role::Admin,
        Role::Member => dto::Role::Member,
    }
}

pub(crate) const fn role_of(role: dto::Role) -> Role {
    match role {
        dto::Role::Owner => Role::Owner,
        dto::Role::Admin => Role::Admin,
        dto::Role::Member => Role::Member,
    }
}

/// What a session or key is called by: the beginning of its hash, from which nothing follows.
pub(crate) fn id(hash: &[u8; 32]) -> String {
    hash.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn wallet(row: &WalletRow) -> dto::Wallet {
    dto::Wallet {
        address: address(row.address),
        role: kept_role(row.role),
        label: row.label.clone(),
        added: row.added.0,
        added_by: row.added_by.map(address),
    }
}

pub(crate) fn session(row: &WebSessionRow, this: bool) -> dto::SignedIn {
    dto::SignedIn {
        id: id(&row.token_hash),
        label: row.label.clone(),
        wallet: row.wallet.map(address),
        created: row.created.0,
        expires: row.expires.0,
        last_seen: row.last_seen.0,
        this,
    }
}

pub(crate) fn key(row: &ApiKeyRow) -> dto::Key {
    dto::Key {
        id: id(&row.key_hash),
        label: row.label.clone(),
        scopes: row.scopes.clone(),
        created: row.created.0,
        expires: row.expires.map(|at| at.0),
        last_used: row.last_used.map(|at| at.0),
    }
}

pub(crate) fn entry(row: &SecurityRow) -> dto::SecurityEntry {
    use SecurityEvent as E;
    use dto::SecurityWhat as What;
    let (mut wallet, mut role, mut label, mut count) = (None, None, None, None);
    let what = match &row.event {
        E::LinkUsed => What::LinkUsed,
        E::WalletUsed(times) => {
            count = Some(*times);
            What::WalletUsed
        }
        E::Refused(times) => {
            count = Some(*times);
            What::Refused
        }
        E::WalletAdded(which, to) => {
            (wallet, role) = (Some(*which), Some(*to));
            What::WalletAdded
        }
        E::WalletChanged(which, to) => {
            (wallet, role) = (Some(*which), Some(*to));
            What::WalletChanged
        }
        E::WalletRemoved(which) => {
            wallet = Some(*which);
            What::WalletRemoved
        }
        E::KeyAdded(name) => {
            label = Some(name.clone());
            What::KeyAdded
        }
        E::KeyRemoved(name) => {
            label = Some(name.clone());
            What::KeyRemoved
        }
        E::SessionsEnded(number) => {
            count = Some(*number);
            What::SessionsEnded
        }
        E::PhraseShown(times) => {
            count = Some(*times);
            What::PhraseShown
        }
        E::PassphraseSet => What::PassphraseSet,
        E::PassphraseRemoved => What::PassphraseRemoved,
    };
    dto::SecurityEntry {
        number: row.number,
        at: row.at.0,
        by: row.by.map(address),
        what,
        wallet: wallet.map(address),
        role: role.map(kept_role),
        label,
        count,
    }
}

fn address(bytes: WalletAddress) -> String {
    Address(bytes).to_string()
}

const fn kept_role(row: WebRole) -> dto::Role {
    role(kept::role(row))
}
