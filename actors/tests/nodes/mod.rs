//! Whole nodes over loopback, for the tests that let them do something together.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod files;

use pc2_actors::{
    NodeConfig, Running,
    api::NodeHandle,
    event::{NodeEvent, Notice, Subscription},
    net::{self, ArrivingStreams, Loopback, NetConfig, NetHandle, NetTask, Routes},
    start,
};
use pc2_protocols::{
    crypto::keys::{IdentityKeys, SEED_BYTES},
    id::NodeId,
    identity,
    messenger::{Command, Event, Reply, rows::Standing},
    net::{Address, Peer},
};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use zeroize::Zeroizing;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) running: Running,
    pub(crate) dir: TempDir,
    pub(crate) number: u8,
    pub(crate) bootstrap: Vec<Peer>,
}

impl Node {
    pub(crate) fn start(number: u8, bootstrap: Vec<Peer>) -> Self {
        Self::start_in(TempDir::new().expect("directory"), number, bootstrap)
    }

    pub(crate) fn start_in(dir: TempDir, number: u8, bootstrap: Vec<Peer>) -> Self {
        Self::start_so(dir, number, bootstrap, |_| {})
    }

    /// Starts it in a way of its own.
    pub(crate) fn start_so(
        dir: TempDir,
        number: u8,
        bootstrap: Vec<Peer>,
        change: impl FnOnce(&mut NodeConfig),
    ) -> Self {
        let keys = IdentityKeys::from_seed(Zeroizing::new([number; SEED_BYTES]));
        let mut config = NodeConfig::new(dir.path().to_owned(), keys);
        config.listen = vec![Address::try_from("/ip4/127.0.0.1/tcp/0".to_owned()).expect("address")];
        config.bootstrap.clone_from(&bootstrap);
        config.mdns = false;
        config.upnp = false;
        config.storage.reserve_bytes = 0;
        config.storage.ballast_bytes = 0;
        config.on_fatal = Arc::new(|fatal| panic!("the node gave up: {fatal}"));
        change(&mut config);
        Self { running: start(&config).expect("starts"), dir, number, bootstrap }
    }

    pub(crate) fn restart(self) -> Self {
        let Self { running, dir, number, bootstrap } = self;
        running.shutdown();
        Self::start_in(dir, number, bootstrap)
    }

    pub(crate) fn handle(&self) -> NodeHandle {
        self.running.handle()
    }

    pub(crate) fn id(&self) -> NodeId {
        self.handle().account()
    }

    pub(crate) fn events(&self) -> Subscription {
        self.handle().subscribe(None)
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.running.io().block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("in time") })
    }

    pub(crate) fn tell(&self, command: Command) -> Reply {
        let handle = self.handle();
        self.block_on(handle.messenger(handle.account(), command)).expect("carried out")
    }

    pub(crate) fn call_oneself(&self, name: &str) {
        let command = identity::Command::SetName { name: name.to_owned() };
        self.block_on(self.handle().identity(command)).expect("carried out");
    }

    pub(crate) fn as_peer(&self) -> Peer {
        let view = self.block_on(self.handle().network()).expect("a network");
        Peer { node: view.node, addresses: view.listening }
    }

    /// Waits for an event of the messenger that `wanted` accepts.
    pub(crate) fn await_event<T>(
        &self,
        events: &mut Subscription,
        wanted: impl Fn(&Event) -> Option<T>,
    ) -> T {
        self.block_on(async {
            loop {
                let Some(Notice::Event(event)) = events.next().await else { panic!("events are missing") };
                if let NodeEvent::Messenger(event) = &event.event
                    && let Some(found) = wanted(event)
                {
                    return found;
                }
            }
        })
    }
}

pub(crate) fn add(peer: NodeId) -> Command {
    let text = "may I?".to_owned();
    Command::AddContact { peer, alias: None, name: None, text, invitation: None, addresses: Vec::new() }
}

pub(crate) fn asks(from: NodeId) -> impl Fn(&Event) -> Option<()> {
    move |event| match event {
        Event::ContactChanged(view) => (view.peer == from && view.standing == Standing::Asking).then_some(()),
        _ => None,
    }
}

/// A bootstrap node that knows nobody, Alice and Bob who know only it, and are contacts.
pub(crate) fn acquainted() -> (Node, Node, Node) {
    acquainted_so(|_| {})
}

/// The same, with a Bob of another kind.
pub(crate) fn acquainted_so(change: impl FnOnce(&mut NodeConfig)) -> (Node, Node, Node) {
    let bystander = Node::start(1, Vec::new());
    let alice = Node::start(2, vec![bystander.as_peer()]);
    let dir = TempDir::new().expect("directory");
    let bob = Node::start_so(dir, 3, vec![bystander.as_peer()], change);
    let (mut at_alice, mut at_bob) = (alice.events(), bob.events());
    alice.tell(add(bob.id()));
    bob.await_event(&mut at_bob, asks(alice.id()));
    bob.tell(Command::Accept { peer: alice.id() });
    alice.await_event(&mut at_alice, |event| match event {
        Event::ContactChanged(view) => (view.standing == Standing::Accepted).then_some(()),
        _ => None,
    });
    (bystander, alice, bob)
}

/// A driver without any machine, connected with one node: for whoever plays by other rules.
pub(crate) fn driver_alone(
    io: &tokio::runtime::Handle,
    meets: Peer,
) -> (NetHandle, NetTask, ArrivingStreams) {
    let nothing: net::Route = Arc::new(|_| Ok(()));
    let routes = Routes {
        record: Arc::clone(&nothing),
        message: Arc::clone(&nothing),
        mailbox: Arc::clone(&nothing),
        files: Arc::clone(&nothing),
        relay: nothing,
        observer: Arc::new(|_| {}),
        meter: Arc::default(),
        routing_saved: Arc::new(|_| {}),
    };
    let config = NetConfig {
        secret: Zeroizing::new([9; 32]),
        listen: vec![Address::try_from("/ip4/127.0.0.1/tcp/0".to_owned()).expect("address")],
        bootstrap: vec![meets],
        mdns: false,
        upnp: false,
        known: Vec::new(),
        loopback: Loopback::WhenAlone,
    };
    net::spawn(io, config, routes).expect("starts")
}
