//! `pc2 file` and `pc2 transfers`: offering, deciding, and following one transfer to its end.
//!
//! Following is asking the node again and again; the node does the work, and goes on with it when nobody follows any more.
//!
//! Not here: how it looks ([`crate::show`], [`crate::progress`]).

use super::Driver;
use crate::{
    cli::{FileCommand, SendFileArgs, TransferCommand, TransfersArgs},
    exit::{self, Exit},
    meter::Meter,
    progress::Teller,
    run, show,
};
use anyhow::Context;
use pc2_web::dto::{self, TransferState};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// How often a transfer that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How far two looks lie apart that tell a speed.
const SPEED_FROM: Duration = Duration::from_millis(1_000);

impl Driver {
    /// `pc2 file …`.
    pub(crate) fn file(&self, command: &FileCommand) -> anyhow::Result<()> {
        let FileCommand::Send(arguments) = command;
        self.send_files(arguments)
    }

    fn send_files(&self, arguments: &SendFileArgs) -> anyhow::Result<()> {
        let to = self.did_of(&arguments.to)?;
        let paths = arguments.paths.iter().map(|path| whole(path)).collect::<anyhow::Result<Vec<_>>>()?;
        let begun: Value = self.client.post("/api/transfers", &json!({ "to": to, "paths": paths }))?;
        let begun: dto::Transfer = self.typed(begun)?;
        let who = self.label_of(&to)?;
        let (interrupted, _listening) = interrupts()?;
        let mut teller = Teller::new(self.json);
        let last = self.follow(begun, &who, arguments.detach, &interrupted, &mut teller);
        teller.end();
        let last = last?;
        let sentence = show::transfer(&last, &who, None);
        let id = show::short(&last.offer);
        if show::is_over(last.state) {
            return match last.state {
                TransferState::Done => {
                    self.say(&sentence);
                    Ok(())
                }
                // They decided so, or its owner did elsewhere.
                TransferState::Declined | TransferState::Withdrawn | TransferState::Cancelled => {
                    Err(Exit::error(exit::REFUSED, sentence))
                }
                _ => Err(Exit::error(exit::FAILED, sentence)),
            };
        }
        if interrupted.load(Ordering::Relaxed) {
            let words = format!(
                "The node goes on with it. How far it is: pc2 transfers. To stop it: pc2 transfers cancel {id}"
            );
            return Err(Exit::error(exit::INTERRUPTED, words));
        }
        self.say(&format!("{sentence} Its id: {id}"));
        Ok(())
    }

    /// Looks at a transfer until it is over, offered (if that is enough), or nobody wants to look any longer.
    fn follow(
        &self,
        begun: dto::Transfer,
        who: &str,
        until_offered: bool,
        interrupted: &AtomicBool,
        teller: &mut Teller,
    ) -> anyhow::Result<dto::Transfer> {
        let path = format!("/api/transfers/{}", begun.id);
        let (mut now, mut meter) = (begun, Meter::default());
        loop {
            match now.state {
                TransferState::Preparing | TransferState::Transferring => {
                    meter.note(Instant::now(), now.bytes.unwrap_or_default());
                }
                _ => meter.rest(),
            }
            teller.tell(Instant::now(), &now, who, meter.rate());
            let offered = !matches!(now.state, TransferState::Preparing | TransferState::Sending);
            if show::is_over(now.state) || (until_offered && offered) || interrupted.load(Ordering::Relaxed) {
                return Ok(now);
            }
            thread::sleep(LOOK_EVERY);
            let hashing = now.state == TransferState::Preparing;
            now = match self.client.get(&path) {
                // Stopped by its owner elsewhere, before anybody was told.
                Err(error) if hashing && exit::code_of(&error) == exit::NOT_FOUND => {
                    dto::Transfer { state: TransferState::Cancelled, ..now }
                }
                other => other?,
            };
        }
    }

    /// `pc2 transfers …`.
    pub(crate) fn transfers(&self, arguments: &TransfersArgs) -> anyhow::Result<()> {
        let Some(command) = &arguments.command else { return self.list_transfers(arguments.all) };
        let (id, action, body) = match command {
            TransferCommand::Accept { id, to } => {
                let folder = to.as_deref().map(whole).transpose()?;
                (id, "accept", json!({ "folder": folder }))
            }
            TransferCommand::Decline { id } => (id, "decline", json!({})),
            TransferCommand::Pause { id } => (id, "pause", json!({})),
            TransferCommand::Resume { id } => (id, "resume", json!({})),
            TransferCommand::Cancel { id } => (id, "cancel", json!({})),
            TransferCommand::Retry { id } => (id, "retry", json!({})),
            TransferCommand::Auto { who, size } => {
                let path = format!("/api/transfers/auto/{}", self.did_of(who)?);
                return self.settings(self.client.put(&path, &json!({ "max_bytes": size.bytes() }))?);
            }
            TransferCommand::Rate { down, up } => {
                let mut rates: dto::TransferSettings = self.client.get("/api/transfers/settings")?;
                if down.is_none() && up.is_none() {
                    return self.settings(json!(rates));
                }
                rates.down = down.map_or(rates.down, |down| down.bytes());
                rates.up = up.map_or(rates.up, |up| up.bytes());
                let body = json!({ "down": rates.down, "up": rates.up });
                return self.settings(self.client.put("/api/transfers/rates", &body)?);
            }
        };
        let id = self.transfer_of(id)?;
        let answer: Value = self.client.post(&format!("/api/transfers/{id}/{action}"), &body)?;
        let people = self.people()?;
        self.print(answer, |one: dto::Transfer| show::transfer(&one, show::label(&one.peer, &people), None))
    }

    fn list_transfers(&self, all: bool) -> anyhow::Result<()> {
        let list = || -> anyhow::Result<dto::TransferList> {
            let mut list: dto::TransferList = self.client.get("/api/transfers")?;
            list.transfers.retain(|one| all || !show::is_over(one.state));
            Ok(list)
        };
        let first = list()?;
        if self.json {
            println!("{:#}", json!(first));
            return Ok(());
        }
        let flows = |one: &&dto::Transfer| {
            matches!(one.state, TransferState::Transferring | TransferState::Preparing)
        };
        let before: BTreeMap<&str, u64> = first
            .transfers
            .iter()
            .filter(flows)
            .map(|one| (one.id.as_str(), one.bytes.unwrap_or_default()))
            .collect();
        let (mut rates, mut shown) = (BTreeMap::new(), first.clone());
        if !before.is_empty() {
            let began = Instant::now();
            thread::sleep(SPEED_FROM);
            shown = list()?;
            let millis = began.elapsed().as_millis().max(1);
            for one in shown.transfers.iter().filter(flows) {
                if let Some(before) = before.get(one.id.as_str()) {
                    let bytes = one.bytes.unwrap_or_default().saturating_sub(*before);
                    let rate = u64::try_from(u128::from(bytes) * 1_000 / millis).unwrap_or(u64::MAX);
                    rates.insert(one.id.clone(), rate);
                }
            }
        }
        println!("{}", show::transfers(&shown, &self.people()?, &rates, all));
        Ok(())
    }

    fn settings(&self, answer: Value) -> anyhow::Result<()> {
        let people = self.people()?;
        self.print(answer, |set: dto::TransferSettings| show::settings(&set, &people))
    }

    /// The one transfer whose id begins so.
    fn transfer_of(&self, beginning: &str) -> anyhow::Result<String> {
        let list: dto::TransferList = self.client.get("/api/transfers")?;
        let wanted = beginning.to_ascii_lowercase();
        let mut found = list
            .transfers
            .iter()
            .filter(|one| one.id == beginning || (!wanted.is_empty() && one.offer.starts_with(&wanted)));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.id.clone()),
            (None, _) => Err(Exit::error(
                exit::NOT_FOUND,
                format!("no transfer's id begins with \"{beginning}\"; `pc2 transfers --all` shows them"),
            )),
            (Some(_), Some(_)) => Err(Exit::error(
                exit::REFUSED,
                format!("the ids of several transfers begin with \"{beginning}\"; give more of it"),
            )),
        }
    }

    fn people(&self) -> anyhow::Result<dto::ContactList> {
        self.client.get("/api/contacts")
    }

    fn label_of(&self, did: &str) -> anyhow::Result<String> {
        Ok(show::label(did, &self.people()?).to_owned())
    }

    /// A last word for people; scripts have had the last line already.
    fn say(&self, sentence: &str) {
        if !self.json {
            println!("{sentence}");
        }
    }
}

/// A path as the node can find it, whatever folder this command was started in.
fn whole(path: &Path) -> anyhow::Result<String> {
    let whole = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    whole.into_os_string().into_string().map_err(|path| {
        anyhow::anyhow!(
            "{} is no Unicode text, which the node's API cannot say; offer the folder it is in",
            path.display()
        )
    })
}

/// Whether Ctrl-C was pressed. Listens for as long as the runtime lives.
pub(super) fn interrupts() -> anyhow::Result<(Arc<AtomicBool>, Runtime)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    runtime.spawn(async move {
        if run::interrupted().await.is_ok() {
            flag.store(true, Ordering::Relaxed);
        }
    });
    Ok((interrupted, runtime))
}
