//! What contacts are told, and how long what is written to one of them lasts: shown, or chosen.

use super::Driver;
use crate::{
    cli::{Lasting, Tell, ToldArgs},
    show,
};
use pc2_web::dto;
use serde_json::{Value, json};

impl Driver {
    /// `pc2 told`.
    pub(crate) fn told(&self, wanted: &ToldArgs) -> anyhow::Result<()> {
        let mut answer: Value = self.client.get("/api/chat/settings")?;
        if wanted.receipts.is_some() || wanted.typing.is_some() {
            for (name, wish) in [("read_receipts", wanted.receipts), ("typing", wanted.typing)] {
                if let Some(wish) = wish {
                    answer[name] = wish.is_on().into();
                }
            }
            answer = self.client.put("/api/chat/settings", &answer)?;
        }
        self.print(answer, |settings: dto::ChatSettings| show::told(&settings))
    }

    /// `pc2 contact receipts`.
    pub(super) fn receipts(&self, who: &str, told: Option<Tell>) -> anyhow::Result<()> {
        let path = format!("/api/contacts/{}", self.did_of(who)?);
        let answer = match told {
            Some(told) => {
                self.client.put(&format!("{path}/receipts"), &json!({ "read_receipts": told.chosen() }))?
            }
            None => self.client.get(&path)?,
        };
        self.print(answer, |contact: dto::Contact| show::receipts(&contact))
    }

    /// `pc2 contact timer`.
    pub(super) fn timer(&self, who: &str, lasts: Option<Lasting>) -> anyhow::Result<()> {
        let did = self.did_of(who)?;
        if let Some(lasts) = lasts {
            let body = json!({ "client_id": crate::random_id()?, "seconds": lasts.seconds() });
            let _line: Value = self.client.put(&format!("/api/conversations/{did}/timer"), &body)?;
        }
        let answer = self.client.get(&format!("/api/contacts/{did}"))?;
        self.print(answer, |contact: dto::Contact| show::timer(&contact))
    }
}
