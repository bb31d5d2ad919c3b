//! Whole nodes with real storage and real machines, and a network that is not there.

mod disk;
mod frozen;
mod lifecycle;
mod panics;

use super::*;
use crate::{
    api::CallError,
    event::{NodeEvent, Notice, Subscription},
    shell::BoxedMachine,
};
use pc2_protocols::{
    crypto::keys::{IdentityKeys, SEED_BYTES},
    id::NodeId,
    machine::{Machine, Status},
    net::{NetCommand, NetError, NetInput, Protocol, RequestToken},
    time::{Mono, Now},
};
use std::sync::Mutex;
use tempfile::TempDir;

/// Long enough for a loaded machine; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A network in which nobody answers, and what it was told.
#[derive(Clone, Default)]
struct Nobody {
    told: Arc<Mutex<Vec<NetCommand>>>,
    routes: Arc<Mutex<Option<Routes>>>,
}

impl Nobody {
    fn network(&self, routes: Routes) -> Network {
        *self.routes.lock().expect("lock") = Some(routes.clone());
        let told = Arc::clone(&self.told);
        let port = Arc::new(move |command: NetCommand| {
            let answer = match &command {
                NetCommand::FindClosest { op, .. } => {
                    Some((Protocol::Record, NetInput::Closest { op: *op, peers: Vec::new() }))
                }
                NetCommand::Request { op, protocol, .. } => {
                    let result = Err(NetError::Unreachable);
                    Some((*protocol, NetInput::Response { op: *op, result }))
                }
                _ => None,
            };
            told.lock().expect("lock").push(command);
            match answer {
                Some((Protocol::Record, input)) => (routes.record)(input).expect("room in the mailbox"),
                Some((Protocol::Message, input)) => (routes.message)(input).expect("room in the mailbox"),
                Some((Protocol::Mailbox, input)) => (routes.mailbox)(input).expect("room in the mailbox"),
                None => {}
            }
            Ok(())
        });
        let (stop, stopped) = oneshot::channel::<()>();
        Network {
            port,
            look: Arc::new(|| Box::pin(async { None })),
            try_now: Arc::new(|| {}),
            files: crate::files::lines::Lines::nobody(),
            task: Box::pin(async move {
                drop(stopped.await);
                None
            }),
            stop,
        }
    }

    fn routes(&self) -> Routes {
        self.routes.lock().expect("lock").clone().expect("the network was started")
    }

    /// Whether a peer's request was answered or let go.
    fn has_done_with(&self, request: RequestToken) -> bool {
        let ends = |command: &NetCommand| match command {
            NetCommand::Respond { token, .. } | NetCommand::Drop { token } => *token == request,
            _ => false,
        };
        self.told.lock().expect("lock").iter().any(ends)
    }
}

fn keys() -> IdentityKeys {
    IdentityKeys::from_seed(zeroize::Zeroizing::new([7; SEED_BYTES]))
}

fn stranger() -> NodeId {
    IdentityKeys::from_seed(zeroize::Zeroizing::new([8; SEED_BYTES])).node()
}

fn config(dir: &TempDir) -> NodeConfig {
    let mut config = NodeConfig::new(dir.path().to_owned(), keys());
    config.storage.reserve_bytes = 0;
    config.storage.ballast_bytes = 0;
    config.on_fatal = Arc::new(|fatal| panic!("the node gave up: {fatal}"));
    config
}

fn seams(network: &Nobody) -> Seams {
    let network = network.clone();
    Seams { network: Box::new(move |_, _, _, routes| Ok(network.network(routes))), ..Seams::default() }
}

fn start_alone(dir: &TempDir) -> (Running, Nobody) {
    let network = Nobody::default();
    (start_with(&config(dir), seams(&network)).expect("starts"), network)
}

/// Waits for an event that `wanted` accepts.
fn await_event<T>(node: &Running, events: &mut Subscription, wanted: impl Fn(&NodeEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            match events.next().await {
                Some(Notice::Event(event)) => {
                    if let Some(found) = wanted(&event.event) {
                        return found;
                    }
                }
                other => panic!("the event did not come: {other:?}"),
            }
        }
    };
    within(node, found)
}

/// Runs a future on the node's runtime, but not for ever.
fn within<T>(node: &Running, future: impl Future<Output = T>) -> T {
    node.io().block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("in time") })
}

/// A machine that does something dreadful before a step of the armed kind.
struct Faulty<I, O> {
    machine: BoxedMachine<I, O>,
    kind: fn(&I) -> &'static str,
    trap: Trap,
}

/// Which input springs it, and what happens then.
#[derive(Clone, Default)]
struct Trap(Arc<Mutex<Option<(&'static str, Dread)>>>);

type Dread = Box<dyn FnOnce() + Send>;

impl Trap {
    fn set(&self, kind: &'static str, dread: impl FnOnce() + Send + 'static) {
        *self.0.lock().expect("lock") = Some((kind, Box::new(dread)));
    }

    /// A factory whose machines are caught in it.
    fn around<S: Shell>(
        &self,
        factory: crate::shell::Factory<S::In, S::Out>,
    ) -> crate::shell::Factory<S::In, S::Out> {
        let trap = self.clone();
        Arc::new(move |generation| {
            let machine = factory(generation)?;
            Ok(Box::new(Faulty { machine, kind: S::kind, trap: trap.clone() }))
        })
    }
}

impl<I: From<pc2_protocols::machine::Tick>, O> Machine for Faulty<I, O> {
    type In = I;
    type Out = O;

    fn handle(&mut self, now: Now, input: I, out: &mut Vec<O>) {
        let sprung = {
            let mut trap = self.trap.0.lock().expect("lock");
            trap.take_if(|(kind, _)| *kind == (self.kind)(&input))
        };
        if let Some((_, dread)) = sprung {
            dread();
        }
        self.machine.handle(now, input, out);
    }

    fn next_deadline(&self) -> Option<Mono> {
        self.machine.next_deadline()
    }

    fn status(&self) -> Status {
        self.machine.status()
    }
}
