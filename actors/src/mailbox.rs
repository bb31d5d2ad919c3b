//! The shell of the mailbox machine: requests to the network, arrivals, progress and pins to the messenger, questions
//! for cards to the record machine, bytes back from disk, puzzles.
//!
//! A new life is told who is connected and at which level the node works; requests of peers that the dead one had not answered fail,
//! and are made again. An arrival that the messenger's mailbox has no room for is dropped: it is still with its holders, and fetched again.
//!
//! Not here: the machine ([`pc2_protocols::mailbox`]).

use crate::{
    event::{EventHub, NodeEvent},
    line::Line,
    puzzle::Puzzles,
    shell::{Effect, Inbox, Shell},
};
use pc2_protocols::{
    dht,
    level::Level,
    machine::{CallId, OpId},
    mailbox::{Command, CommandError, In, Load, Out, Reply, rows::Change},
    messenger,
    net::{NetCommand, NetInput},
};
use pc2_storage::Reader;
use std::sync::Arc;
use tokio::{runtime, sync::Semaphore};
use tracing::{debug, warn};

/// Reads at once. A page is 256 KiB; more of them at once would only be memory.
const READS_AT_ONCE: usize = 2;

/// Effects of the mailbox machine.
pub(crate) struct MailboxShell {
    line: Line,
    own: Inbox<In>,
    messenger: Inbox<messenger::In>,
    dht: Inbox<dht::In>,
    events: Arc<EventHub>,
    reader: Reader,
    io: runtime::Handle,
    reading: Arc<Semaphore>,
    puzzles: Puzzles,
    /// The level and the disk lent, once heard.
    level: Option<(Level, u64)>,
}

impl MailboxShell {
    pub(crate) fn new(
        line: Line,
        own: Inbox<In>,
        messenger: Inbox<messenger::In>,
        dht: Inbox<dht::In>,
        events: Arc<EventHub>,
        reader: Reader,
        io: runtime::Handle,
    ) -> Self {
        let puzzles = Puzzles::new(io.clone());
        let reading = Arc::new(Semaphore::new(READS_AT_ONCE));
        Self { line, own, messenger, dht, events, reader, io, reading, puzzles, level: None }
    }

    fn send(&mut self, command: NetCommand) {
        if let Some(answer) = self.line.send(command).and_then(Self::from_net) {
            self.own.tell(answer);
        }
    }

    /// Reads on a blocking thread, a few at once; the machine has a bounded number of these under way.
    fn load(&self, op: OpId, what: Load) {
        let (reader, own, io) = (self.reader.clone(), self.own.clone(), self.io.clone());
        let reading = Arc::clone(&self.reading);
        self.io.spawn(async move {
            let Ok(permit) = reading.acquire_owned().await else { return };
            io.spawn_blocking(move || {
                let read = match what {
                    Load::Held(keys) => reader.held_envelopes(&keys),
                    Load::Parcel { account, id } => {
                        reader.parcel(account, id).map(|parcel| parcel.into_iter().collect())
                    }
                };
                let deposits = read.unwrap_or_else(|error| {
                    warn!(%error, "envelopes cannot be read back");
                    Vec::new()
                });
                drop(permit);
                own.tell(In::Loaded { op, deposits });
            });
        });
    }
}

impl Shell for MailboxShell {
    type In = In;
    type Out = Out;
    type Change = Change;
    type Command = Command;
    type Reply = Reply;
    type Refusal = CommandError;

    fn call(call: CallId, command: Command) -> In {
        In::Call { call, command }
    }

    fn from_net(input: NetInput) -> Option<In> {
        Some(match input {
            NetInput::Request { from, prefix, protocol: _, token, payload } => {
                In::PeerRequest { from, prefix, token, payload }
            }
            NetInput::Response { op, result } => In::PeerResponse { op, result },
            NetInput::Closest { op, peers } => In::Closest { op, peers },
            NetInput::PeerUp { node } => In::PeerUp { node },
            NetInput::PeerDown { node } => In::PeerDown { node },
            NetInput::NetworkChanged => In::NetworkChanged,
            NetInput::OwnAddresses { .. } | NetInput::Reach(_) => return None,
        })
    }

    fn kind(input: &In) -> &'static str {
        if let In::Call { command, .. } = input { command.kind() } else { input.kind() }
    }

    fn is_demand(input: &In) -> bool {
        matches!(input, In::PeerRequest { .. })
    }

    fn perform(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { changes, then } => return Effect::Persist { changes, then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            Out::Net(command) => self.send(command),
            Out::Load { op, what } => self.load(op, what),
            Out::Solve { op, challenge, bits } => {
                let own = self.own.clone();
                self.puzzles.solve(challenge, bits, move |nonce| own.tell(In::Solved { op, nonce }));
            }
            Out::Locate { op, node } => {
                if self.dht.offer(dht::In::Resolve { op, node }).is_err() {
                    self.own.tell(In::Located { op, addresses: Vec::new() });
                }
            }
            Out::Changed => self.events.publish(NodeEvent::Reach),
            // Control: once a start and for each change by a person, and passes must not miss it.
            Out::Pins { account: _, nodes } => self.messenger.tell(messenger::In::Pins { nodes }),
            // One messenger runs here; what is told is bounded by its own parcels.
            Out::Progress { account: _, id, stored_until } => {
                self.messenger.tell(messenger::In::MailboxProgress { id, stored_until });
            }
            Out::Arrived { account: _, envelope, from, payload } => {
                let arrived = messenger::In::MailboxArrived { envelope, from, payload };
                if self.messenger.offer(arrived).is_err() {
                    debug!("the messenger has too much to do; an envelope stays in its mailbox");
                }
            }
        }
        Effect::Done
    }

    fn abandon(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { then, .. } => return Effect::Persist { changes: Vec::new(), then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            Out::Net(NetCommand::Respond { token, .. } | NetCommand::Drop { token }) => {
                self.line.drop_request(token);
            }
            Out::Net(_)
            | Out::Load { .. }
            | Out::Solve { .. }
            | Out::Locate { .. }
            | Out::Changed
            | Out::Pins { .. }
            | Out::Progress { .. }
            | Out::Arrived { .. } => {}
        }
        Effect::Done
    }

    fn turn_away(&mut self, input: In) {
        match input {
            In::PeerRequest { token, .. } => self.line.drop_request(token),
            // No demands.
            In::Tick
            | In::Call { .. }
            | In::PeerResponse { .. }
            | In::Closest { .. }
            | In::PeerUp { .. }
            | In::PeerDown { .. }
            | In::NetworkChanged
            | In::Level { .. }
            | In::Deposit { .. }
            | In::Withdraw { .. }
            | In::Taken { .. }
            | In::Loaded { .. }
            | In::Located { .. }
            | In::Solved { .. } => {}
        }
    }

    fn observe(&mut self, input: &In) {
        match input {
            In::PeerRequest { token, .. } => self.line.request_opened(*token),
            In::PeerUp { node } => self.line.peer_up(*node),
            In::PeerDown { node } => self.line.peer_down(*node),
            In::Level { level, share_bytes } => self.level = Some((*level, *share_bytes)),
            In::Tick
            | In::Call { .. }
            | In::PeerResponse { .. }
            | In::Closest { .. }
            | In::NetworkChanged
            | In::Deposit { .. }
            | In::Withdraw { .. }
            | In::Taken { .. }
            | In::Loaded { .. }
            | In::Located { .. }
            | In::Solved { .. } => {}
        }
    }

    fn new_life(&mut self) {
        self.line.new_life();
    }

    fn replay(&self) -> Vec<In> {
        let level = self.level.map(|(level, share_bytes)| In::Level { level, share_bytes });
        level.into_iter().chain(self.line.connected().map(|node| In::PeerUp { node })).collect()
    }

    fn settle(&mut self) {
        self.line.settle();
    }
}
