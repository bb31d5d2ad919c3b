//! Signing in with a wallet; wallets, sessions, keys, and the log of what happened at the doors.

use super::Role;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

out! {
    /// What a wallet is asked to sign.
    pub struct SignInText {
        /// Which text; to be sent back with the signature. Good once.
        pub nonce: String,
        /// The text, for `personal_sign`.
        pub text: String,
        /// The address as EIP-55 writes it.
        pub address: String,
        /// Until when.
        pub expires: u64,
    }

    /// Wallets that may sign in, the oldest first.
    pub struct WalletList {
        /// At most 64.
        pub items: Vec<Wallet>,
    }

    /// A wallet that may sign in.
    pub struct Wallet {
        /// As EIP-55 writes it.
        pub address: String,
        /// As what.
        pub role: Role,
        /// What the owner calls it; may be empty.
        pub label: String,
        /// Since when.
        pub added: u64,
        /// By which wallet; `null` for the owner by a link or at the command line.
        pub added_by: Option<String>,
    }

    /// Who is signed in, the latest first: the owner sees all, others their own.
    pub struct SessionList {
        /// At most 64 for each wallet, and 64 by links.
        pub items: Vec<SignedIn>,
    }

    /// A browser that is signed in.
    pub struct SignedIn {
        /// To end it by.
        pub id: String,
        /// What the browser calls itself.
        pub label: String,
        /// With which wallet; `null` for the owner by a link.
        pub wallet: Option<String>,
        /// Since when.
        pub created: u64,
        /// Until when, by itself.
        pub expires: u64,
        /// When it was here last, to about ten minutes.
        pub last_seen: u64,
        /// It is the one that asks.
        pub this: bool,
    }

    /// Keys for programs, the oldest first.
    pub struct KeyList {
        /// At most 64.
        pub items: Vec<Key>,
        /// Every scope there is.
        pub scopes: Vec<String>,
    }

    /// A key for a program.
    pub struct Key {
        /// To take it back by.
        pub id: String,
        /// What it is for.
        pub label: String,
        /// What it may do.
        pub scopes: Vec<String>,
        /// When it was made.
        pub created: u64,
        /// Until when it is good; `null` for ever.
        pub expires: Option<u64>,
        /// When it was last used, to about ten minutes; `null` for never.
        pub last_used: Option<u64>,
    }

    /// A key that was just made.
    pub struct NewKey {
        /// To be sent as `Authorization: Bearer …`. It is shown this once: the node keeps its hash only.
        pub secret: String,
        /// What is kept of it.
        pub key: Key,
    }

    /// What happened at the doors, the latest first.
    pub struct SecurityLog {
        /// At most 1,000.
        pub items: Vec<SecurityEntry>,
    }

    /// Something that happened.
    pub struct SecurityEntry {
        /// Its place in the log.
        pub number: u64,
        /// When; the last time for what is counted.
        pub at: u64,
        /// Which wallet did it; `null` for the owner by a link or at the command line, or somebody unknown.
        pub by: Option<String>,
        /// What.
        pub what: SecurityWhat,
        /// The wallet it was about.
        pub wallet: Option<String>,
        /// Its role from then on.
        pub role: Option<Role>,
        /// The name of the key it was about.
        pub label: Option<String>,
        /// How many sign-ins, sessions, or looks at the phrase.
        pub count: Option<u64>,
    }

    /// What can happen at the doors.
    #[derive(Copy)]
    pub enum SecurityWhat {
        /// Somebody signed in by a one-time link.
        LinkUsed,
        /// A wallet signed in.
        WalletUsed,
        /// Sign-ins were refused.
        Refused,
        /// A wallet may sign in.
        WalletAdded,
        /// A wallet has another role.
        WalletChanged,
        /// A wallet may not sign in any more.
        WalletRemoved,
        /// A key was made.
        KeyAdded,
        /// A key was taken back.
        KeyRemoved,
        /// Sessions were ended.
        SessionsEnded,
        /// The recovery phrase was shown.
        PhraseShown,
        /// The identity file was sealed with a passphrase, new or another.
        PassphraseSet,
        /// The identity file needs no passphrase any more.
        PassphraseRemoved,
    }
}

incoming! {
    /// What a wallet signed.
    pub struct UseWallet {
        /// Of the text.
        pub nonce: String,
        /// As `personal_sign` gives it.
        pub signature: String,
    }

    /// Lets a wallet sign in.
    pub struct AddWallet {
        /// `0x…`; mixed case is checked (EIP-55).
        pub address: String,
        /// As what.
        pub role: Role,
        /// What the owner calls it; at most 100 characters.
        #[serde(default)]
        pub label: String,
    }

    /// Another role or name of a wallet; what is not named stays.
    pub struct ChangeWallet {
        /// As what it may sign in from now on.
        #[serde(default)]
        pub role: Option<Role>,
        /// At most 100 characters.
        #[serde(default)]
        pub label: Option<String>,
    }

    /// A key for a program.
    pub struct AddKey {
        /// What it is for; at most 100 characters.
        pub label: String,
        /// What it may do, one scope at least: `chat:read`.
        pub scopes: Vec<String>,
        /// Until when it is good; for ever unless told.
        #[serde(default)]
        pub expires: Option<u64>,
    }
}
