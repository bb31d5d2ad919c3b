//! The words about who may use the node from outside: wallets and keys.

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

/// What somebody is to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything that you can do in the page.
    Owner,
    /// Sees how the node does.
    Admin,
    /// May sign in; nothing of yours is shown.
    Member,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// List the wallets that may sign in.
    List,
    /// Let a wallet sign in.
    Add {
        /// Its address: 0x and 40 hexadecimal digits.
        address: String,
        /// As what.
        #[arg(long, value_enum)]
        role: Role,
        /// What you call it.
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Give a wallet another role, at once and where it is signed in.
    Role {
        /// Its address.
        address: String,
        /// The new role.
        #[arg(value_enum)]
        role: Role,
    },
    /// Let a wallet sign in no longer, and sign it out everywhere.
    Remove {
        /// Its address.
        address: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the keys of programs, and every scope there is.
    List,
    /// Make a key for a program. It is printed this once.
    New {
        /// What it is for.
        name: String,
        /// What it may do, as chat:read; may be repeated.
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// For how many days it is good [default: until it is removed].
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: Option<u32>,
    },
    /// Take a key back, at once.
    Remove {
        /// Its id, as the list shows it.
        id: String,
    },
}
