//! `pc2 wallet` and `pc2 key`: who may use the node from outside.

use super::Driver;
use crate::{
    cli::{KeyCommand, WalletCommand},
    show,
};
use anyhow::Context;
use pc2_web::dto;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl Driver {
    /// `pc2 wallet …`.
    pub(crate) fn wallet(&self, command: &WalletCommand) -> anyhow::Result<()> {
        let answer = match command {
            WalletCommand::List => {
                return self
                    .print(self.client.get("/api/wallets")?, |list: dto::WalletList| show::wallets(&list));
            }
            WalletCommand::Add { address, role, name } => {
                let wanted = json!({ "address": address, "role": role, "label": name });
                self.client.post("/api/wallets", &wanted)?
            }
            WalletCommand::Role { address, role } => {
                self.client.patch(&format!("/api/wallets/{address}"), &json!({ "role": role }))?
            }
            WalletCommand::Remove { address } => {
                let answer: Value = self.client.delete(&format!("/api/wallets/{address}"))?;
                return self.done(&answer, "Removed, and signed out everywhere.");
            }
        };
        self.print(answer, |wallet: dto::Wallet| show::wallet(&wallet))
    }

    /// `pc2 key …`.
    pub(crate) fn key(&self, command: &KeyCommand) -> anyhow::Result<()> {
        match command {
            KeyCommand::List => {
                self.print(self.client.get("/api/keys")?, |list: dto::KeyList| show::keys(&list))
            }
            KeyCommand::New { name, scopes, days } => {
                let expires = days.map(until).transpose()?;
                let wanted = json!({ "label": name, "scopes": scopes, "expires": expires });
                self.print(self.client.post("/api/keys", &wanted)?, |new: dto::NewKey| new.secret)
            }
            KeyCommand::Remove { id } => {
                let answer: Value = self.client.delete(&format!("/api/keys/{id}"))?;
                self.done(&answer, "Taken back.")
            }
        }
    }

    fn done(&self, answer: &Value, sentence: &str) -> anyhow::Result<()> {
        if self.json {
            println!("{answer:#}");
        } else {
            println!("{sentence}");
        }
        Ok(())
    }
}

/// So many days from now, in milliseconds since 1970.
fn until(days: u32) -> anyhow::Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let end = now + Duration::from_secs(u64::from(days) * 24 * 3_600);
    u64::try_from(end.as_millis()).context("this is too far ahead")
}
