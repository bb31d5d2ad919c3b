//! What web and command line can ask a running node: the [`NodeHandle`].
//!
//! In: commands for machines, questions about history, network and health, sign-in sessions. Out: answers or a [`CallError`], never
//! a wait without end. An answer to a command that changes something comes when the disk has the change.
//!
//! | question | answered by |
//! |---|---|
//! | [`NodeHandle::messenger`], [`NodeHandle::dht`], [`NodeHandle::identity`], [`NodeHandle::relay`], [`NodeHandle::mailbox`], [`NodeHandle::files`] | the machine of that name |
//! | [`NodeHandle::offer_files`], [`NodeHandle::preparing`], [`NodeHandle::upload`], [`NodeHandle::content`] | threads that read and write the owner's files |
//! | [`NodeHandle::wasm`], [`NodeHandle::run_wasm`], [`NodeHandle::install_wasm`], [`NodeHandle::wasm_output`] | the WASM machine, and files and processes behind it |
//! | [`NodeHandle::begin_proof`], [`NodeHandle::proof`] | one that proves them |
//! | [`NodeHandle::history`], [`NodeHandle::access`] | storage, on a blocking thread |
//! | [`NodeHandle::network`], [`NodeHandle::try_network`] | the network driver |
//! | [`NodeHandle::traffic`] | what it counted |
//! | [`NodeHandle::health`] | every part, and the disk |
//! | [`NodeHandle::subscribe`] | the [event hub](crate::event) |
//!
//! Futures may be dropped at any time: a command handed over is carried out all the same.
//! Not here: JSON, roles and sessions' rules (`pc2-web`).

use crate::{
    callers::Failure,
    clock::Clock,
    dht::DhtShell,
    event::{EventHub, Subscription},
    files::{FilesShell, content, offer::Offers, proof::Proofs},
    health::Vitals,
    host::{CallTo, Host},
    identity::IdentityShell,
    mailbox::MailboxShell,
    messages::{Call, Report},
    messenger::MessengerShell,
    meter::Meter,
    network::{Look, Try},
    reads::Reads,
    relay::RelayShell,
    shell::Shell,
    wasm::{WasmShell, Yard},
};
use actix::{Addr, dev::SendError};
use pc2_protocols::{
    dht,
    files::{self, rows::TransferId},
    id::NodeId,
    identity::{self, ProfileRow},
    machine::Status,
    mailbox, messenger, relay,
    time::UnixMillis,
};
use pc2_storage::{Change, Disk as _, OpenReport, Reader, SystemDisk, Writer, blobs::BlobStore};
use std::{convert::Infallible, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{runtime, sync::oneshot};

pub use crate::{
    callers::CallError,
    files::{
        content::{Content, ContentError},
        home::Upload,
        preparing::{OfferError, Preparing},
        proof::ProofView,
    },
    health::{ActorHealth, ActorState},
    meter::{Chart, Moved},
    net::{Counters, Direction, NetworkView, Path, PeerView, Place, PlaceView, RelayingView, Transport},
    wasm::{
        handle::{Runnable, Wanted, WasmError},
        home::PlaceError,
        log::{Piece, Reader as OutputReader, Stream},
        modules::{Module, ModuleError},
    },
};
pub use pc2_storage::{
    AccessChange, AccessRows, ApiKeyRow, SecurityEvent, SecurityRow, Usage, WalletAddress, WalletRow,
    WebRole, WebSessionRow, WriterState,
    blobs::{Checked, Trouble, Wrong},
};

/// How long a part has to say how it is before the answer goes without its words.
const REPORT_PATIENCE: Duration = Duration::from_millis(500);

/// Before this no PC2 existed: 2025-01-01. A clock that shows an earlier date is wrong.
const EARLIEST: UnixMillis = UnixMillis(1_735_689_600_000);

/// How far a clock may have gone back since this directory was first used, before the owner is told.
const CLOCK_SLACK: Duration = Duration::from_secs(24 * 3_600);

/// The way into a running node. Cheap to clone; clones share one place in each mailbox.
#[derive(Clone)]
pub struct NodeHandle {
    pub(crate) inner: Arc<Inner>,
}

/// What a handle reaches.
pub(crate) struct Inner {
    pub(crate) account: NodeId,
    pub(crate) dir: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) identity: Addr<Host<IdentityShell>>,
    pub(crate) dht: Addr<Host<DhtShell>>,
    pub(crate) messenger: Addr<Host<MessengerShell>>,
    pub(crate) relay: Addr<Host<RelayShell>>,
    pub(crate) mailbox: Addr<Host<MailboxShell>>,
    pub(crate) files: Addr<Host<FilesShell>>,
    pub(crate) wasm: Addr<Host<WasmShell>>,
    pub(crate) identity_vitals: Arc<Vitals>,
    pub(crate) dht_vitals: Arc<Vitals>,
    pub(crate) messenger_vitals: Arc<Vitals>,
    pub(crate) relay_vitals: Arc<Vitals>,
    pub(crate) mailbox_vitals: Arc<Vitals>,
    pub(crate) files_vitals: Arc<Vitals>,
    pub(crate) wasm_vitals: Arc<Vitals>,
    pub(crate) wasm_yard: Arc<Yard>,
    pub(crate) offers: Offers,
    pub(crate) blobs: BlobStore,
    pub(crate) proofs: Proofs,
    pub(crate) io: runtime::Handle,
    pub(crate) look: Look,
    pub(crate) try_now: Try,
    pub(crate) meter: Arc<Meter>,
    pub(crate) events: Arc<EventHub>,
    pub(crate) reads: Reads,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) opened: OpenReport,
}

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthView {
    /// Its parts.
    pub actors: Vec<ActorHealth>,
    /// Whether storage writes.
    pub storage: WriterState,
    /// What happened when storage was opened: damage found, an export restored.
    pub opened: OpenReport,
    /// Bytes free in the file system of the data directory, if the system says.
    pub disk_free: Option<u64>,
    /// What seems wrong with the clock, one sentence.
    pub clock: Option<&'static str>,
}

impl NodeHandle {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// What happened when storage was opened.
    pub(crate) fn opened(&self) -> &OpenReport {
        &self.inner.opened
    }

    /// The account of the owner: the node's own identity.
    #[must_use]
    pub fn account(&self) -> NodeId {
        self.inner.account
    }

    /// Asks the messenger of an account.
    ///
    /// # Errors
    /// [`CallError`]; `Stopped` also for an account this node does not serve.
    pub async fn messenger(
        &self,
        account: NodeId,
        command: messenger::Command,
    ) -> Result<messenger::Reply, CallError<messenger::CommandError>> {
        if account != self.inner.account {
            return Err(CallError::Stopped);
        }
        call(&self.inner.messenger, &self.inner.messenger_vitals, command).await
    }

    /// Asks the record machine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn dht(&self, command: dht::Command) -> Result<dht::Reply, CallError<dht::CommandError>> {
        call(&self.inner.dht, &self.inner.dht_vitals, command).await
    }

    /// Asks the identity machine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn identity(
        &self,
        command: identity::Command,
    ) -> Result<ProfileRow, CallError<identity::CommandError>> {
        call(&self.inner.identity, &self.inner.identity_vitals, command).await
    }

    /// Asks the relay machine: how this node is reached, and what it does for others.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn relay(
        &self,
        command: relay::Command,
    ) -> Result<relay::Reply, CallError<relay::CommandError>> {
        call(&self.inner.relay, &self.inner.relay_vitals, command).await
    }

    /// Asks the mailbox machine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn mailbox(
        &self,
        command: mailbox::Command,
    ) -> Result<mailbox::Reply, CallError<mailbox::CommandError>> {
        call(&self.inner.mailbox, &self.inner.mailbox_vitals, command).await
    }

    /// Asks the files machine of an account: offers, transfers, rules.
    ///
    /// # Errors
    /// [`CallError`]; `Stopped` also for an account this node does not serve.
    pub async fn files(
        &self,
        account: NodeId,
        command: files::Command,
    ) -> Result<files::Reply, CallError<files::CommandError>> {
        if account != self.inner.account {
            return Err(CallError::Stopped);
        }
        call(&self.inner.files, &self.inner.files_vitals, command).await
    }

    /// Begins to offer files or folders of this machine to somebody: they are hashed, then the offer is made. Returns at once; how far it has come, and what
    /// becomes of it, is told by events ([`NodeEvent::Preparing`](crate::event::NodeEvent::Preparing)).
    ///
    /// # Errors
    /// [`OfferError`], as far as it shows at once.
    pub fn offer_files(
        &self,
        account: NodeId,
        to: NodeId,
        paths: Vec<PathBuf>,
    ) -> Result<Preparing, OfferError> {
        if account != self.inner.account {
            return Err(OfferError::Node("the node serves no such account".to_owned()));
        }
        self.inner.offers.begin(to, paths, Vec::new())
    }

    /// As [`Self::offer_files`], and says that other nodes give the same files for this offer: the other side asks all of them at once, as far as it is
    /// connected with them.
    ///
    /// # Errors
    /// As there.
    pub fn offer_files_of_several(
        &self,
        account: NodeId,
        to: NodeId,
        paths: Vec<PathBuf>,
        holders: Vec<NodeId>,
    ) -> Result<Preparing, OfferError> {
        if account != self.inner.account {
            return Err(OfferError::Node("the node serves no such account".to_owned()));
        }
        self.inner.offers.begin(to, paths, holders)
    }

    /// What is being prepared to be offered, and what of it failed and was not dismissed; the newest first.
    #[must_use]
    pub fn preparing(&self, account: NodeId) -> Vec<Preparing> {
        if account == self.inner.account { self.inner.offers.list() } else { Vec::new() }
    }

    /// Stops preparing an offer, or dismisses one that failed; whether there was one.
    #[must_use]
    pub fn stop_preparing(&self, account: NodeId, id: TransferId) -> bool {
        account == self.inner.account && self.inner.offers.stop(id)
    }

    /// Begins to take a file in that a browser brings, to be offered afterwards by its path ([`Upload::keep`]).
    ///
    /// # Errors
    /// [`OfferError`] when the disk does not take it.
    pub async fn upload(&self, account: NodeId, name: String) -> Result<Upload, OfferError> {
        if account != self.inner.account {
            return Err(OfferError::Node("the node serves no such account".to_owned()));
        }
        self.inner.offers.upload(name).await
    }

    /// Opens the file that a transfer brought, or that it offers.
    ///
    /// # Errors
    /// [`ContentError`].
    pub async fn content(&self, account: NodeId, id: TransferId) -> Result<Content, ContentError> {
        let reply = self.files(account, files::Command::List).await.map_err(ContentError::Node)?;
        let files::Reply::Transfers(views) = reply else { return Err(ContentError::Unknown) };
        let view = content::find(views, id)?;
        let store = self.inner.blobs.clone();
        let opened = self.inner.io.spawn_blocking(move || content::open(&store, &view)).await;
        opened.unwrap_or(Err(ContentError::Node(CallError::Stopped)))
    }

    /// Begins to prove every file that is offered and every part that was received, or joins whoever began it.
    ///
    /// # Errors
    /// When the system gives no thread for it.
    pub fn begin_proof(&self) -> io::Result<ProofView> {
        self.inner.proofs.begin()
    }

    /// How far that has come, or what was found last.
    #[must_use]
    pub fn proof(&self) -> ProofView {
        self.inner.proofs.view()
    }

    /// Who may use the node from outside, and what happened at its doors.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn access(&self) -> Result<AccessRows, CallError<Infallible>> {
        let reader = self.inner.reader.clone();
        self.inner.reads.run(move || reader.access()).await
    }

    /// Whether nobody has done anything with the owner's identity yet (`pc2_storage::Reader::untouched`).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn untouched(&self) -> Result<bool, CallError<Infallible>> {
        let (reader, account) = (self.inner.reader.clone(), self.inner.account);
        self.inner.reads.run(move || reader.untouched(account)).await
    }

    /// What the data directory takes on the disk. Counted anew each time, which takes some seconds when there is much.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn usage(&self) -> Result<Usage, CallError<Infallible>> {
        let reader = self.inner.reader.clone();
        self.inner.reads.run(move || reader.usage()).await
    }

    /// The data directory.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.inner.dir
    }

    /// Changes that, all of it or nothing; returns when the disk has it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn change_access(&self, changes: Vec<AccessChange>) -> Result<(), CallError<Infallible>> {
        self.write(changes.into_iter().map(Change::Access).collect()).await
    }

    /// How the network looks from here.
    ///
    /// # Errors
    /// [`CallError::Stopped`] when it has ended.
    pub async fn network(&self) -> Result<NetworkView, CallError<Infallible>> {
        (self.inner.look)().await.ok_or(CallError::Stopped)
    }

    /// How the node is. Answers even when parts of it do not.
    pub async fn health(&self) -> HealthView {
        let inner = &*self.inner;
        let (identity, dht, messenger, relay, mailbox, files, wasm) = futures::join!(
            report(&inner.identity, &inner.identity_vitals),
            report(&inner.dht, &inner.dht_vitals),
            report(&inner.messenger, &inner.messenger_vitals),
            report(&inner.relay, &inner.relay_vitals),
            report(&inner.mailbox, &inner.mailbox_vitals),
            report(&inner.files, &inner.files_vitals),
            report(&inner.wasm, &inner.wasm_vitals),
        );
        let (dir, reader, account) = (inner.dir.clone(), inner.reader.clone(), inner.account);
        let looked = inner.reads.run(move || {
            let since = reader.profile(account)?.map(|profile| profile.since);
            Ok((SystemDisk.available(&dir).ok(), since))
        });
        let (disk_free, since) = looked.await.unwrap_or_default();
        HealthView {
            actors: vec![identity, dht, messenger, relay, mailbox, files, wasm],
            storage: inner.writer.state(),
            opened: inner.opened.clone(),
            disk_free,
            clock: judge_clock(inner.clock.now().unix, since),
        }
    }

    /// Whether a part of the node has given up. Asks nobody: whoever reaches the node may ask this as often as they like.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let inner = &*self.inner;
        let vitals = [
            &inner.identity_vitals,
            &inner.dht_vitals,
            &inner.messenger_vitals,
            &inner.relay_vitals,
            &inner.mailbox_vitals,
            &inner.files_vitals,
            &inner.wasm_vitals,
        ];
        vitals.iter().any(|vitals| vitals.state() == ActorState::Failed)
    }

    /// Events from now on, or after the one of that number.
    #[must_use]
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        self.inner.events.subscribe(after)
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), CallError<Infallible>> {
        let (done, written) = oneshot::channel();
        let answer = move |result: Result<(), _>| {
            let _nobody_may_wait_any_more = done.send(result);
        };
        self.inner.writer.submit(changes, answer).map_err(|_| CallError::Busy)?;
        match written.await {
            Ok(result) => result.map_err(|error| Failure::from(error).into()),
            Err(_) => Err(CallError::Stopped),
        }
    }
}

/// Puts a command into a host's mailbox and waits for the answer.
pub(crate) async fn call<S: Shell>(
    host: &Addr<Host<S>>,
    vitals: &Vitals,
    command: S::Command,
) -> Result<S::Reply, CallError<S::Refusal>> {
    let (answer, answered) = oneshot::channel();
    let message: CallTo<S> = Call { command, answer };
    host.try_send(message).map_err(|error| match error {
        SendError::Full(_) => {
            vitals.turned_away();
            CallError::Busy
        }
        SendError::Closed(_) => CallError::Stopped,
    })?;
    // A host answers every call it takes; one that was still in its mailbox when the node ended is dropped.
    answered.await.unwrap_or(Err(CallError::Stopped))
}

async fn report<S: Shell>(host: &Addr<Host<S>>, vitals: &Vitals) -> ActorHealth {
    let (to, reported) = oneshot::channel();
    host.do_send(Report { to });
    match tokio::time::timeout(REPORT_PATIENCE, reported).await {
        Ok(Ok(health)) => health,
        Ok(Err(_)) | Err(_) => vitals.report(Status::default()),
    }
}

/// What seems wrong with the clock, given when this directory was first used.
fn judge_clock(now: UnixMillis, since: Option<UnixMillis>) -> Option<&'static str> {
    if now < EARLIEST {
        Some("the clock of this machine shows a date before PC2 existed; set it")
    } else if since.is_some_and(|since| now.after(CLOCK_SLACK) < since) {
        Some("the clock of this machine shows a date before this identity was first used here; set it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_went_back_by_days_is_noticed_and_one_by_minutes_is_not() {
        let now = EARLIEST.after(Duration::from_secs(30 * 24 * 3_600));
        assert_eq!(judge_clock(now, Some(now.after(Duration::from_secs(60)))), None);
        assert!(judge_clock(now, Some(now.after(2 * CLOCK_SLACK))).is_some());
        assert!(judge_clock(UnixMillis(0), None).is_some());
    }
}
