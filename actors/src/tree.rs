//! The actors of a node: how they are put together, and how they end.
//!
//! In: factories, storage, a way to start the network. Out: running hosts that know each other, and the network.
//! Hosts have their mailboxes first, then the network starts with routes to them, then each host gets its shell and
//! machine: so nothing that the network says at its start is lost. No machine is fed before all are in place.
//!
//! Not here: threads and storage (`start`), what outputs do (the shells).

use crate::{
    callers::Failure,
    clock::Clock,
    dht::DhtShell,
    event::{EventHub, NodeEvent},
    factories::Factories,
    files::{FilesShell, plane::Order},
    health::Vitals,
    host::{Host, Parts, Seat, inbox},
    identity::IdentityShell,
    journal::Sink,
    line::Line,
    mailbox::MailboxShell,
    messages::{FromNet, Ping, Shutdown},
    messenger::MessengerShell,
    meter::Meter,
    net::{Full, Route, Routes},
    network::Network,
    relay::RelayShell,
    shell::{Factory, Shell},
    wasm::WasmShell,
    watchdog::Watched,
};
use actix::{Addr, ArbiterHandle, Recipient};
use pc2_protocols::{id::NodeId, net::Peer};
use pc2_storage::{Change, QueueFull, Reader, WriteError, Writer};
use std::sync::Arc;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};
use tracing::warn;

/// Mailbox of the identity machine: people ask it, seldom.
const IDENTITY_MAILBOX: usize = 64;

/// Mailbox of the record machine: frames of 9 KiB at most, so 9 MiB when full.
const DHT_MAILBOX: usize = 1_024;

/// Mailbox of a messenger: frames of 256 KiB at most, so 64 MiB when full of the largest.
const MESSENGER_MAILBOX: usize = 256;

/// Mailbox of the relay machine: short news, and a person who asks seldom.
const RELAY_MAILBOX: usize = 256;

/// Mailbox of the mailbox machine: a burst of deposits of a few hundred people. What waits in it is bounded by the driver, in bytes (32 MiB of requests that are
/// not answered).
const MAILBOX_MAILBOX: usize = 512;

/// Mailbox of the files machine: what happens to sixteen transfers, and requests of peers, each of which waits for its answer.
const FILES_MAILBOX: usize = 512;

/// Mailbox of the WASM machine: people who ask, each of whom waits for an answer, and ends of the runs that they began.
const WASM_MAILBOX: usize = 512;

/// What the tree grows from.
pub(crate) struct Ground {
    pub(crate) account: NodeId,
    pub(crate) arbiter: ArbiterHandle,
    pub(crate) io: runtime::Handle,
    pub(crate) clock: Clock,
    pub(crate) events: Arc<EventHub>,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) factories: Factories,
    pub(crate) meter: Arc<Meter>,
    /// To the data plane of file transfer.
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    /// Effects of the WASM machine.
    pub(crate) wasm: WasmShell,
}

/// One host of the tree.
pub(crate) struct Branch<S: Shell> {
    pub(crate) host: Addr<Host<S>>,
    pub(crate) vitals: Arc<Vitals>,
}

/// The hosts.
pub(crate) struct Tree {
    pub(crate) identity: Branch<IdentityShell>,
    pub(crate) dht: Branch<DhtShell>,
    pub(crate) messenger: Branch<MessengerShell>,
    pub(crate) relay: Branch<RelayShell>,
    pub(crate) mailbox: Branch<MailboxShell>,
    pub(crate) files: Branch<FilesShell>,
    pub(crate) wasm: Branch<WasmShell>,
}

/// Plants the hosts and, between their mailboxes and their machines, the network.
pub(crate) fn plant<E>(
    ground: Ground,
    network: impl FnOnce(Routes) -> Result<Network, E>,
) -> Result<(Tree, Network), E> {
    let Ground {
        account,
        arbiter,
        io,
        clock,
        events,
        reader,
        writer,
        factories,
        meter,
        orders,
        wasm: wasm_shell,
    } = ground;
    let (identity, identity_seat) = Host::<IdentityShell>::spawn(&arbiter, IDENTITY_MAILBOX);
    let (dht, dht_seat) = Host::<DhtShell>::spawn(&arbiter, DHT_MAILBOX);
    let (messenger, messenger_seat) = Host::<MessengerShell>::spawn(&arbiter, MESSENGER_MAILBOX);
    let (relay, relay_seat) = Host::<RelayShell>::spawn(&arbiter, RELAY_MAILBOX);
    let (mailbox, mailbox_seat) = Host::<MailboxShell>::spawn(&arbiter, MAILBOX_MAILBOX);
    let (files, files_seat) = Host::<FilesShell>::spawn(&arbiter, FILES_MAILBOX);
    let (wasm, wasm_seat) = Host::<WasmShell>::spawn(&arbiter, WASM_MAILBOX);
    let to_dht = inbox(&dht);
    let to_messenger = inbox(&messenger);
    let to_mailbox = inbox(&mailbox);

    let network = network(Routes {
        record: route(dht.clone().recipient()),
        message: route(messenger.clone().recipient()),
        mailbox: route(mailbox.clone().recipient()),
        files: route(files.clone().recipient()),
        relay: route(relay.clone().recipient()),
        observer: {
            let events = Arc::clone(&events);
            Arc::new(move |event| events.publish(NodeEvent::Network(event)))
        },
        meter: Arc::clone(&meter),
        routing_saved: routing_saved(writer.clone()),
    })?;

    let line = || Line::new(Arc::clone(&network.port));
    let common = Common { clock, io, events, writer };
    let identity_shell =
        IdentityShell { messenger: to_messenger.clone(), events: Arc::clone(&common.events) };
    let dht_shell = DhtShell::new(
        line(),
        to_dht.clone(),
        to_messenger.clone(),
        to_mailbox.clone(),
        reader.clone(),
        common.io.clone(),
    );
    let relay_shell = RelayShell::new(
        line(),
        inbox(&relay),
        to_dht.clone(),
        to_mailbox.clone(),
        Arc::clone(&common.events),
    );
    let mailbox_shell = MailboxShell::new(
        line(),
        to_mailbox.clone(),
        to_messenger.clone(),
        to_dht.clone(),
        Arc::clone(&common.events),
        reader.clone(),
        common.io.clone(),
    );
    let to_files = inbox(&files);
    let files_shell = FilesShell::new(
        to_files.clone(),
        messenger.clone(),
        orders,
        Arc::clone(&common.events),
        common.io.clone(),
    );
    let messenger_shell = MessengerShell {
        account,
        line: line(),
        own: to_messenger,
        dht: to_dht,
        mailbox: to_mailbox,
        files: to_files,
        events: Arc::clone(&common.events),
        meter,
        clock: common.clock,
        reader,
        io: common.io.clone(),
        name: None,
        pins: None,
    };
    let tree = Tree {
        identity: common.seat(
            identity,
            identity_seat,
            "identity",
            identity_shell,
            factories.identity,
            Change::Profile,
        ),
        dht: common.seat(dht, dht_seat, "records", dht_shell, factories.dht, Change::Dht),
        messenger: common.seat(
            messenger,
            messenger_seat,
            "messenger",
            messenger_shell,
            factories.messenger,
            Change::Messenger,
        ),
        relay: common.seat(relay, relay_seat, "relay", relay_shell, factories.relay, Change::Relay),
        mailbox: common.seat(
            mailbox,
            mailbox_seat,
            "mailbox",
            mailbox_shell,
            factories.mailbox,
            Change::Mailbox,
        ),
        files: common.seat(files, files_seat, "files", files_shell, factories.files, Change::Files),
        wasm: common.seat(wasm, wasm_seat, "wasm", wasm_shell, factories.wasm, Change::Wasm),
    };
    Ok((tree, network))
}

/// What all hosts get alike.
struct Common {
    clock: Clock,
    io: runtime::Handle,
    events: Arc<EventHub>,
    writer: Writer,
}

impl Common {
    /// Gives a host its parts.
    fn seat<S: Shell>(
        &self,
        host: Addr<Host<S>>,
        seat: Seat<S>,
        name: &'static str,
        shell: S,
        factory: Factory<S::In, S::Out>,
        wrap: fn(S::Change) -> Change,
    ) -> Branch<S> {
        let vitals = Arc::new(Vitals::new(name));
        let events = Arc::clone(&self.events);
        let parts = Parts {
            shell,
            factory,
            sink: sink(self.writer.clone(), wrap),
            clock: self.clock,
            io: self.io.clone(),
            vitals: Arc::clone(&vitals),
            on_state: Box::new(move |state| events.publish(NodeEvent::Health { actor: name, state })),
        };
        if seat.send(parts).is_err() {
            warn!(actor = name, "the actor thread has ended already");
        }
        Branch { host, vitals }
    }
}

impl<S: Shell> Branch<S> {
    /// For the watchdog.
    pub(crate) fn watched(&self) -> Watched {
        let host = self.host.clone();
        Watched::new(Arc::clone(&self.vitals), move |pong| host.do_send(Ping { pong }))
    }

    /// Asks the host to take nothing new in, and waits until all it has is durable and answered.
    pub(crate) async fn shut_down(&self) {
        let (done, closed) = oneshot::channel();
        self.host.do_send(Shutdown { done });
        if closed.await.is_err() {
            warn!(actor = self.vitals.name, "the actor thread has ended already");
        }
    }
}

/// The way of network inputs into a mailbox.
fn route(host: Recipient<FromNet>) -> Route {
    Arc::new(move |input| host.try_send(FromNet(input)).map_err(|error| Full(error.into_inner().0)))
}

/// The routing table is a hint: when it cannot be written now, the next one will be.
fn routing_saved(writer: Writer) -> Arc<dyn Fn(Vec<Peer>) + Send + Sync> {
    Arc::new(move |peers| {
        let done = |result: Result<(), WriteError>| {
            if let Err(error) = result {
                warn!(%error, "the routing table was not saved");
            }
        };
        if let Err(error) = writer.submit(vec![Change::Routing(peers)], done) {
            warn!(%error, "the routing table was not saved");
        }
    })
}

/// The way of one machine's changes to the writer.
fn sink<C: Send + 'static>(writer: Writer, wrap: fn(C) -> Change) -> Sink<C> {
    Arc::new(move |changes, done| {
        let changes = changes.into_iter().map(wrap).collect();
        let answer = move |result: Result<(), WriteError>| done(result.map_err(Failure::from));
        writer.submit(changes, answer).map_err(|QueueFull| Failure::Busy)
    })
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::DiskFull => Self::DiskFull,
            WriteError::TooLarge { .. } | WriteError::Failed { .. } => {
                tracing::error!(%error, "a write failed");
                Self::Storage
            }
        }
    }
}
