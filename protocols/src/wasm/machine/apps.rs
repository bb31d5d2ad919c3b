//! What is installed, and what it was granted.

use super::{
    super::{
        command::{CommandError, Event, Out, Reply},
        end::End,
        manifest::{Access, Manifest, is_inside},
        rows::{AppKey, AppRow, Change, Grant, Space},
    },
    Wasm,
};
use crate::{id::BlobId, machine::CallId, time::Now};

/// Most apps of one space. A desktop shows some dozens.
const MAX_APPS: usize = 100;

impl Wasm {
    pub(super) fn app(&self, key: AppKey) -> Result<&AppRow, CommandError> {
        self.apps.get(&key).ok_or(CommandError::UnknownApp)
    }

    /// Installs an app, or another version of it. What it was granted stays, as far as the new version still asks for it.
    #[expect(clippy::too_many_arguments, reason = "the fields of one command")]
    pub(super) fn install(
        &mut self,
        now: Now,
        call: CallId,
        space: Space,
        manifest: Manifest,
        module: BlobId,
        bytes: u64,
        out: &mut Vec<Out>,
    ) {
        let key = AppKey { space, id: manifest.id };
        let theirs = self.apps.keys().filter(|key| key.space == space).count();
        let before = self.apps.get(&key).cloned();
        if before.is_none() && theirs >= MAX_APPS {
            return out.push(Out::Reply { call, result: Err(CommandError::TooManyApps { most: MAX_APPS }) });
        }
        let asked = manifest.data.as_ref().map(|data| data.access);
        let grant = before.as_ref().and_then(|row| row.grant.clone());
        let grant = grant.filter(|grant| asked.is_some_and(|asked| grant.access <= asked));
        self.stop_all(now, key, out);
        let installed = now.unix;
        let row = AppRow { account: self.account, space, manifest, module, bytes, grant, installed };
        self.apps.insert(key, row.clone());
        self.write(call, row, out, before.map(|row| row.module));
    }

    /// Removes an app.
    pub(super) fn remove(&mut self, now: Now, call: CallId, key: AppKey, out: &mut Vec<Out>) {
        let Some(row) = self.apps.remove(&key) else {
            return out.push(Out::Reply { call, result: Err(CommandError::UnknownApp) });
        };
        self.stop_all(now, key, out);
        let changes = vec![Change::RemoveApp { account: self.account, key }];
        let mut then = vec![Out::Reply { call, result: Ok(Reply::Removed) }];
        then.push(Out::Publish(Event::Apps { space: key.space }));
        then.extend(self.unused(row.module));
        out.push(Out::Persist { changes, then });
    }

    /// Grants an app a folder, or takes it back: what runs with another grant is stopped.
    pub(super) fn grant(
        &mut self,
        now: Now,
        call: CallId,
        key: AppKey,
        grant: Option<Grant>,
        out: &mut Vec<Out>,
    ) {
        let checked = self.app(key).and_then(|row| {
            let asked = row.manifest.data.as_ref().map(|data| data.access);
            grant.as_ref().map_or(Ok(()), |grant| may_have(asked, grant))
        });
        if let Err(error) = checked {
            return out.push(Out::Reply { call, result: Err(error) });
        }
        let Some(row) = self.apps.get_mut(&key) else { return };
        let same = row.grant == grant;
        row.grant = grant;
        let row = row.clone();
        if !same {
            self.stop_all(now, key, out);
        }
        self.write(call, row, out, None);
    }

    /// Writes an app down, and answers when that is durable. The module that it had before goes when nobody else has it.
    fn write(&self, call: CallId, row: AppRow, out: &mut Vec<Out>, before: Option<BlobId>) {
        let space = row.space;
        let reply = Out::Reply { call, result: Ok(Reply::App(Box::new(row.clone()))) };
        let mut then = vec![reply, Out::Publish(Event::Apps { space })];
        then.extend(before.and_then(|module| self.unused(module)));
        out.push(Out::Persist { changes: vec![Change::PutApp(Box::new(row))], then });
    }

    /// Nothing goes on in a space, and with `apps` nothing is installed in it.
    pub(super) fn end_space(&mut self, now: Now, call: CallId, space: Space, apps: bool, out: &mut Vec<Out>) {
        let theirs = self.runs.values().filter(|run| run.start.space == space);
        for id in theirs.map(|run| run.start.run).collect::<Vec<_>>() {
            self.kill(now, id, End::Stopped, out);
        }
        let keys: Vec<AppKey> = self.apps.keys().filter(|key| apps && key.space == space).copied().collect();
        let removed: Vec<AppRow> = keys.iter().filter_map(|key| self.apps.remove(key)).collect();
        let changes = keys.iter().map(|key| Change::RemoveApp { account: self.account, key: *key }).collect();
        let mut then = vec![Out::Reply { call, result: Ok(Reply::Removed) }];
        then.extend((!removed.is_empty()).then_some(Out::Publish(Event::Apps { space })));
        then.extend(removed.iter().filter_map(|row| self.unused(row.module)));
        out.push(Out::Persist { changes, then });
    }

    pub(super) fn unused(&self, module: BlobId) -> Option<Out> {
        let used = self.apps.values().any(|row| row.module == module);
        (!used).then_some(Out::RemoveModule { module })
    }

    /// Nothing of an app goes on that was begun with what it had until now.
    fn stop_all(&mut self, now: Now, key: AppKey, out: &mut Vec<Out>) {
        let of_it = self.runs.values().filter(|run| run.app == Some(key.id) && run.start.space == key.space);
        for id in of_it.map(|run| run.start.run).collect::<Vec<_>>() {
            self.kill(now, id, End::Stopped, out);
        }
    }
}

/// Whether a grant is one that an app asks for: the folder is the person's choice, what may be done in it is at most what it asks.
fn may_have(asked: Option<Access>, grant: &Grant) -> Result<(), CommandError> {
    let bad = |what: &str| Err(CommandError::BadGrant(what.to_owned()));
    match asked {
        None => bad("this app asks for no folder, and so can be granted none"),
        Some(Access::Read) if grant.access == Access::ReadWrite => {
            bad("this app asks to read only, and so can be granted no more")
        }
        Some(_) => is_inside_home(grant),
    }
}

/// Whether a grant names a folder of the home.
pub(super) fn is_inside_home(grant: &Grant) -> Result<(), CommandError> {
    if grant.folder.is_empty() || is_inside(&grant.folder) {
        Ok(())
    } else {
        Err(CommandError::BadGrant("name a folder of the home, like Documents/Letters".to_owned()))
    }
}
