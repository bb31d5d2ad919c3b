//! The commands that drive a running node: each asks the local API and shows the answer.
//!
//! With `--json` the API's answer is printed as it is, so that scripts see the documented schema; without, a few lines for people.

mod access;
mod export;
mod files;
mod told;
mod wasm;

use crate::{
    cli::{ContactCommand, MailboxCommand, RecordCommand, SharesArgs},
    client::Client,
    exit::{self, Exit},
    show,
};
use pc2_protocols::level::LevelChoice;
use pc2_web::dto;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

/// How often `send --wait` looks. It is the person's own node on loopback; an answer takes well under a millisecond.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Drives one running node.
pub(crate) struct Driver {
    client: Client,
    json: bool,
}

impl Driver {
    /// Answers in JSON or for people.
    pub(crate) const fn new(client: Client, json: bool) -> Self {
        Self { client, json }
    }

    /// Prints an answer: as it is for scripts, by `text` for people.
    fn print<T: DeserializeOwned>(
        &self,
        answer: Value,
        text: impl FnOnce(T) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            println!("{answer:#}");
        } else {
            let typed = serde_json::from_value(answer).map_err(|error| {
                anyhow::anyhow!("the node speaks another version of the API than this command: {error}")
            })?;
            println!("{}", text(typed));
        }
        Ok(())
    }

    /// `pc2 name`.
    pub(crate) fn name(&self, name: Option<&str>) -> anyhow::Result<()> {
        let answer = match name {
            Some(name) => self.client.patch("/api/identity", &json!({ "name": name }))?,
            None => self.client.get("/api/identity")?,
        };
        self.print(answer, |identity: dto::Identity| show::name(&identity.name))
    }

    /// `pc2 login-link`.
    pub(crate) fn login_link(&self) -> anyhow::Result<()> {
        let answer = self.client.post("/api/login-link", &json!({}))?;
        self.print(answer, |link: dto::LoginLink| link.url)
    }

    /// `pc2 contact …`.
    pub(crate) fn contact(&self, command: &ContactCommand) -> anyhow::Result<()> {
        let answer = match command {
            ContactCommand::List => {
                return self.print(self.client.get("/api/contacts")?, |list: dto::ContactList| {
                    show::contacts(&list)
                });
            }
            ContactCommand::Add { who, name, text } => self.add(who, name.as_deref(), text)?,
            ContactCommand::Accept { who } => self.contact_action(who, "accept")?,
            ContactCommand::Block { who } => self.contact_action(who, "block")?,
            ContactCommand::Unblock { who } => self.contact_action(who, "unblock")?,
            ContactCommand::Rename { who, name } => {
                let did = self.did_of(who)?;
                self.client.patch(&format!("/api/contacts/{did}"), &json!({ "alias": name }))?
            }
            ContactCommand::Timer { who, lasts } => return self.timer(who, *lasts),
            ContactCommand::Receipts { who, told } => return self.receipts(who, *told),
            ContactCommand::Remove { who } => {
                let did = self.did_of(who)?;
                let answer: Value = self.client.delete(&format!("/api/contacts/{did}"))?;
                if self.json {
                    println!("{answer:#}");
                } else {
                    println!("Forgotten. The conversation stays on this node.");
                }
                return Ok(());
            }
        };
        self.print(answer, |contact: Option<dto::Contact>| {
            contact.as_ref().map_or_else(|| "Done.".to_owned(), show::standing)
        })
    }

    fn add(&self, who: &str, alias: Option<&str>, text: &str) -> anyhow::Result<Value> {
        let key = if who.trim().starts_with("did:") { "did" } else { "invitation" };
        let mut body = json!({ key: who.trim() });
        if let Some(alias) = alias {
            body["alias"] = alias.into();
        }
        if !text.is_empty() {
            body["text"] = text.into();
        }
        self.client.post("/api/contacts", &body)
    }

    fn contact_action(&self, who: &str, action: &str) -> anyhow::Result<Value> {
        let did = self.did_of(who)?;
        self.client.post(&format!("/api/contacts/{did}/{action}"), &json!({}))
    }

    /// A DID as typed, or that of the one contact with this name.
    fn did_of(&self, who: &str) -> anyhow::Result<String> {
        if who.starts_with("did:") {
            return Ok(who.to_owned());
        }
        let list: dto::ContactList = self.client.get("/api/contacts")?;
        let named: Vec<&dto::Contact> = list.items.iter().filter(|contact| contact.label == who).collect();
        match named.as_slice() {
            [one] => Ok(one.did.clone()),
            [] => Err(Exit::error(
                exit::NOT_FOUND,
                format!("nobody is called \"{who}\" here; use the DID (`pc2 contact list` shows all)"),
            )),
            _ => Err(Exit::error(exit::REFUSED, format!("several people are called \"{who}\"; use the DID"))),
        }
    }

    /// `pc2 invite`.
    pub(crate) fn invite(&self, qr: bool) -> anyhow::Result<()> {
        let answer = self.client.post("/api/invitations", &json!({}))?;
        self.print(answer, |invitation: dto::Invitation| show::invitation(&invitation, qr))
    }

    /// `pc2 send`: a text, to somebody new as a contact request.
    pub(crate) fn send(&self, to: &str, text: &str, wait: Option<u64>) -> anyhow::Result<()> {
        let did = self.did_of(to)?;
        let path = format!("/api/conversations/{did}/messages");
        // One id for all tries: whatever happens in between, it is one message.
        let id = crate::random_id()?;
        let body = json!({ "client_id": id, "text": text });
        let answer: Value = match self.client.post(&path, &body) {
            Err(error) if exit::code_of(&error) == exit::NOT_FOUND => {
                let contact: dto::Contact = self.typed(self.add(&did, None, text)?)?;
                return self
                    .print(self.first_message(&contact)?, |message: dto::Message| show::sent(&message));
            }
            other => other?,
        };
        let message: dto::Message = self.typed(answer.clone())?;
        let answer = match wait {
            Some(seconds) => self.until_delivered(&path, &message.id, Duration::from_secs(seconds))?,
            None => answer,
        };
        self.print(answer, |message: dto::Message| show::sent(&message))
    }

    /// The text that went out with a contact request.
    fn first_message(&self, contact: &dto::Contact) -> anyhow::Result<Value> {
        let page: Value = self.client.get(&format!("/api/conversations/{}/messages?limit=1", contact.did))?;
        page["items"]
            .get(0)
            .cloned()
            .ok_or_else(|| anyhow::anyhow!("the request was made, but its text is not in the conversation"))
    }

    fn until_delivered(&self, path: &str, id: &str, patience: Duration) -> anyhow::Result<Value> {
        let end = Instant::now() + patience;
        loop {
            let page: Value = self.client.get(path)?;
            let found = page["items"].as_array().into_iter().flatten().find(|item| item["id"] == id).cloned();
            match found {
                Some(message) if message["state"] != "waiting" && message["state"] != "stored" => {
                    return Ok(message);
                }
                Some(message) if Instant::now() >= end => return Ok(message),
                _ => thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn typed<T: Serialize + DeserializeOwned>(&self, answer: Value) -> anyhow::Result<T> {
        serde_json::from_value(answer).map_err(|error| {
            anyhow::anyhow!("the node speaks another version of the API than this command: {error}")
        })
    }

    /// `pc2 chat`: one conversation, or the latest of all.
    pub(crate) fn chat(&self, with: Option<&str>, limit: usize) -> anyhow::Result<()> {
        let list: dto::ContactList = self.client.get("/api/contacts")?;
        let dids: Vec<String> = match with {
            Some(who) => vec![self.did_of(who)?],
            None => list.items.iter().map(|contact| contact.did.clone()).collect(),
        };
        let mut items = Vec::new();
        for did in &dids {
            items.extend(self.newest(did, limit)?);
        }
        if self.json {
            println!("{:#}", json!({ "items": items }));
            return Ok(());
        }
        let messages: Vec<dto::Message> =
            items.into_iter().map(|item| self.typed(item)).collect::<Result<_, _>>()?;
        println!("{}", show::messages(&messages, &list));
        Ok(())
    }

    /// The newest messages of a conversation, oldest first, page by page.
    fn newest(&self, did: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
        let mut newest_first = Vec::new();
        let mut before = String::new();
        while newest_first.len() < limit {
            let wanted = (limit - newest_first.len()).min(pc2_protocols::limits::MAX_PAGE);
            let page: Value =
                self.client.get(&format!("/api/conversations/{did}/messages?limit={wanted}{before}"))?;
            newest_first.extend(page["items"].as_array().into_iter().flatten().rev().cloned());
            match page["before"].as_str() {
                Some(cursor) => before = format!("&before={cursor}"),
                None => break,
            }
        }
        newest_first.reverse();
        Ok(newest_first)
    }

    /// `pc2 peers`.
    pub(crate) fn peers(&self) -> anyhow::Result<()> {
        self.print(self.client.get("/api/network")?, |network: dto::Network| show::network(&network))
    }

    /// `pc2 level`. `configured` is what holds again at the next start, if config.toml says so.
    pub(crate) fn level(
        &self,
        level: Option<LevelChoice>,
        configured: Option<LevelChoice>,
    ) -> anyhow::Result<()> {
        let answer = match level {
            Some(level) => self.client.put("/api/network/level", &json!({ "level": level.to_string() }))?,
            None => self.client.get::<Value>("/api/network")?["reach"].take(),
        };
        self.print(answer, |reach: dto::Reach| show::reach(&reach))?;
        if let (Some(level), Some(configured)) = (level, configured.filter(|_| !self.json))
            && level != configured
        {
            println!("config.toml says level = {configured}, which holds again at the next start.");
        }
        Ok(())
    }

    /// `pc2 shares`. `configured`: config.toml names shares, too.
    pub(crate) fn shares(&self, shares: &SharesArgs, configured: bool) -> anyhow::Result<()> {
        let changed = !shares.named().is_empty();
        let answer = if changed {
            self.client.put("/api/network/shares", &json!(shares))?
        } else {
            self.client.get::<Value>("/api/network")?["reach"].take()
        };
        self.print(answer, |reach: dto::Reach| show::shares(&reach))?;
        if changed && configured && !self.json {
            println!("config.toml names shares, too; what it says holds again at the next start.");
        }
        Ok(())
    }

    /// `pc2 mailbox …`.
    pub(crate) fn mailbox(&self, command: Option<&MailboxCommand>) -> anyhow::Result<()> {
        let pinned = |node| self.did_of(node).map(|did| format!("/api/mailboxes/pinned/{did}"));
        let served = |who| self.did_of(who).map(|did| format!("/api/mailboxes/served/{did}"));
        let answer: Value = match command {
            None => self.client.get("/api/mailboxes")?,
            Some(MailboxCommand::Pin { node }) => self.client.put(&pinned(node)?, &json!({}))?,
            Some(MailboxCommand::Unpin { node }) => self.client.delete(&pinned(node)?)?,
            Some(MailboxCommand::Serve { who, stop: false }) => self.client.put(&served(who)?, &json!({}))?,
            Some(MailboxCommand::Serve { who, stop: true }) => self.client.delete(&served(who)?)?,
        };
        self.print(answer, |mailboxes: dto::Mailboxes| show::mailboxes(&mailboxes))
    }

    /// `pc2 record …`.
    pub(crate) fn record(&self, command: &RecordCommand) -> anyhow::Result<()> {
        let answer: Value = match command {
            RecordCommand::Put { label, value, expect } => self.client.put(
                &format!("/api/records/{}", percent(label)),
                &json!({ "value": value, "expected_seq": expect }),
            )?,
            RecordCommand::Get { owner, label } => {
                self.client.get(&format!("/api/records/{owner}/{}", percent(label)))?
            }
            RecordCommand::Delete { label } => {
                self.client.delete(&format!("/api/records/{}", percent(label)))?
            }
            RecordCommand::Card { owner } => self.client.get(&format!("/api/cards/{owner}"))?,
        };
        if let (RecordCommand::Get { .. }, false, Some(value)) =
            (command, self.json, answer["value"].as_str())
        {
            println!("{value}");
        } else {
            println!("{answer:#}");
        }
        Ok(())
    }
}

/// A label as one path segment.
fn percent(label: &str) -> String {
    use std::fmt::Write as _;
    label.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_with_slashes_stays_one_segment() {
        assert_eq!(percent("a b/ü"), "a%20b%2F%C3%BC");
    }
}
