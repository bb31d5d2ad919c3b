//! The messenger as a machine: takes inputs apart, and finishes every step the same way.
//!
//! At the end of a step each touched person is pumped (is there something to send, ask or tell?), changed rows are written once, views
//! that changed are published, and the alarm is set. So no part has to remember to do these.
//!
//! Starts from its rows alone. What it asked the network in an earlier life is forgotten: such answers are not in
//! `pending` and count for nothing.

use super::{
    Command, Event, In, Out, Reply,
    arrivals::Postponed,
    contacts::Request as ContactRequest,
    content::Body,
    repair::{Asked, Range},
    rows::{Change, ChatSettings, ChatSettingsRow, DeviceRow, InvitationRow, Snapshot, Standing},
    session::CryptoProvider,
    step::Step,
    thread::Thread,
    timers::Timers,
    wire::Answer,
};
use crate::{
    codec::DecodeError,
    id::{DeviceId, EnvelopeId, MsgId, NodeId, SessionId},
    limits,
    machine::{CallId, Component, Machine, OpId, OpIds, Status},
    mailbox::{EnvelopeKey, keys::MailboxKeys},
    net::{NetCommand, NetError},
    time::{Mono, Now},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::collections::{BTreeMap, BTreeSet};

/// The messenger of one account. See the [module](super).
pub struct Messenger<P: CryptoProvider> {
    pub(super) account: NodeId,
    pub(super) device: DeviceRow,
    /// How the account calls itself; `None` until told.
    pub(super) name: Option<String>,
    pub(super) provider: P,
    /// The account's mailboxes, of which contacts get passes.
    pub(super) mailbox: MailboxKeys,
    /// What it tells others.
    pub(super) settings: ChatSettings,
    /// The holders that the account pinned, once told.
    pub(super) pins: Option<Vec<NodeId>>,
    pub(super) rng: ChaCha20Rng,
    pub(super) ops: OpIds,
    /// What was asked and not answered yet: some per person at most.
    pub(super) pending: BTreeMap<OpId, Pending>,
    pub(super) threads: BTreeMap<NodeId, Thread<P::Session>>,
    pub(super) invitations: BTreeMap<Vec<u8>, InvitationRow>,
    /// Arrivals that wait for an earlier one: at most [`limits::MAX_POSTPONED`].
    pub(super) postponed: BTreeMap<EnvelopeKey, Postponed>,
    /// Letters about gaps that mailboxes do not keep yet: at most [`limits::MAX_REPAIR_LETTERS`].
    pub(super) letters: BTreeSet<EnvelopeId>,
    /// Who is connected, contact or not: as many as the driver allows.
    pub(super) connected: BTreeSet<NodeId>,
    /// What was asked before the last housekeeping, and may be lost.
    pub(super) asked_long_ago: BTreeSet<OpId>,
    alarms: BTreeSet<(Mono, NodeId)>,
    pub(super) timers: Timers,
    pub(super) kept_connected: Option<Vec<NodeId>>,
    pub(super) housekeeping_at: Mono,
}

/// What an answer will be about.
#[derive(Debug)]
pub(super) enum Pending {
    /// A batch.
    Deliver { peer: NodeId },
    /// A card.
    Resolve { peer: NodeId },
    /// Messages of theirs that are missing here.
    Repair { peer: NodeId, range: Range },
    /// Word that we are here.
    Presence { peer: NodeId },
    /// Own messages that are missing there.
    LoadForRepair { peer: NodeId, asked: Asked },
    /// Messages whose time is over.
    LoadExpired,
    /// A message sent before, for a caller who repeats it.
    LoadSent { call: CallId, id: MsgId },
}

/// Makes the row of a new installation. Whoever builds a messenger for an account without one puts it into the
/// snapshot before making the [`CryptoProvider`], which needs the device's id; the messenger writes it at its first tick.
#[must_use]
pub fn device_row(account: NodeId, rng: &mut ChaCha20Rng, now: Now) -> DeviceRow {
    let mut bytes = [0; DeviceId::LEN];
    rng.fill_bytes(&mut bytes);
    DeviceRow { account, device: DeviceId::from_bytes(bytes), created: now.unix }
}

impl<P: CryptoProvider> Messenger<P> {
    /// Starts from what is stored. `provider` is of the same account and device as the snapshot (see [`device_row`]), `mailbox` of the same account.
    #[must_use]
    pub fn new(
        account: NodeId,
        provider: P,
        mailbox: MailboxKeys,
        snapshot: Snapshot,
        generation: u32,
        mut rng: ChaCha20Rng,
        now: Now,
    ) -> Self {
        let device = snapshot.device.unwrap_or_else(|| device_row(account, &mut rng, now));
        let mut messenger = Self {
            account,
            device,
            name: None,
            provider,
            mailbox,
            settings: snapshot.settings,
            pins: None,
            rng,
            ops: OpIds::new(Component::Messenger, generation),
            pending: BTreeMap::new(),
            asked_long_ago: BTreeSet::new(),
            threads: BTreeMap::new(),
            invitations: snapshot.invitations,
            postponed: BTreeMap::new(),
            letters: BTreeSet::new(),
            connected: BTreeSet::new(),
            alarms: BTreeSet::new(),
            timers: Timers::default(),
            kept_connected: None,
            housekeeping_at: Mono(0),
        };
        for (peer, contact) in snapshot.contacts {
            messenger.thread_mut(peer).contact = Some(contact);
        }
        for (conversation, row) in snapshot.conversations {
            messenger.thread_mut(conversation.peer()).restore_conversation(row);
        }
        for ((conversation, device), row) in &snapshot.chains {
            let chain = super::chain::Chain::from_row(row);
            messenger.thread_mut(conversation.peer()).chains.insert(*device, chain);
        }
        let mut values: BTreeMap<SessionId, super::sessions::Values> = BTreeMap::new();
        for ((session, key), value) in snapshot.session_values {
            if let Some(session) = session {
                values.entry(session).or_default().insert(key, value);
            }
        }
        for (session, row) in snapshot.sessions {
            let values = values.remove(&session).unwrap_or_default();
            messenger.thread_mut(row.peer).sessions.restore(row, values);
        }
        for ((conversation, _), row) in snapshot.outbox {
            let thread = messenger.thread_mut(conversation.peer());
            let current = thread.sessions.current().map(|session| session.session);
            thread.outbox.restore(row, current);
        }
        for thread in messenger.threads.values_mut() {
            thread.shown = thread.view(false);
        }
        messenger
    }

    /// Everything about one person, made where nothing is known.
    pub(super) fn thread_mut(&mut self, peer: NodeId) -> &mut Thread<P::Session> {
        let (account, device) = (self.account, self.device.device);
        self.threads.entry(peer).or_insert_with(|| Thread::new(account, peer, device))
    }

    fn call(&mut self, call: CallId, command: Command, step: &mut Step) {
        let result = match command {
            Command::AddContact { peer, alias, name, text, invitation, addresses } => {
                self.add_contact(ContactRequest { peer, alias, name, text, invitation, addresses }, step)
            }
            Command::Accept { peer } => self.accept(peer, step),
            Command::Block { peer } => self.block(peer, step),
            Command::Unblock { peer } => self.unblock(peer, step),
            Command::Rename { peer, alias } => self.rename(peer, alias, step),
            Command::SetReceipts { peer, receipts } => self.set_receipts(peer, receipts, step),
            Command::Remove { peer } => self.remove(peer, step),
            Command::Send { conversation, id, text, reply_to } => {
                return self.send_entry(call, conversation, id, Body::Text { text, reply_to }, step);
            }
            Command::SendFile { conversation, id, offer } => {
                return self.send_entry(call, conversation, id, Body::File { offer }, step);
            }
            Command::Amend { conversation, id, target, amendment } => {
                return self.send_entry(call, conversation, id, amendment.body(target), step);
            }
            Command::MarkRead { conversation } => self.mark_read(conversation.peer(), step),
            Command::SetTimer { conversation, id, lasts } => {
                return self.send_entry(call, conversation, id, Body::Timer { lasts }, step);
            }
            Command::Typing { conversation } => {
                self.typing(conversation.peer(), step);
                return step.tell(call, Reply::Done);
            }
            Command::Settings => return step.tell(call, Reply::Settings(self.settings)),
            Command::SetSettings { receipts, typing } => {
                Ok(self.set_settings(ChatSettings { receipts, typing }, step))
            }
            Command::Contacts => return step.tell(call, Reply::Contacts(self.views())),
            Command::Invite => self.invite(step),
        };
        step.reply(call, result);
    }

    fn set_settings(&mut self, settings: ChatSettings, step: &mut Step) -> Reply {
        self.settings = settings;
        step.write(Change::PutSettings(ChatSettingsRow { account: self.account, settings }));
        for (peer, thread) in &mut self.threads {
            if !settings.typing {
                thread.typing.ended();
            }
            thread.forget_untold(settings);
            step.touch(*peer);
        }
        Reply::Settings(settings)
    }

    pub(super) fn answered(&mut self, op: OpId, result: Result<Vec<u8>, NetError>, step: &mut Step) {
        let Some(pending) = self.pending.remove(&op) else { return };
        let peer = match pending {
            Pending::Deliver { peer } | Pending::Repair { peer, .. } | Pending::Presence { peer } => peer,
            Pending::Resolve { .. }
            | Pending::LoadForRepair { .. }
            | Pending::LoadExpired
            | Pending::LoadSent { .. } => return,
        };
        let result = result.and_then(|bytes| {
            Answer::decode(&bytes).map_err(|_: DecodeError| {
                let reason = "answered with a frame that is no answer";
                step.after(Out::Net(NetCommand::Penalise { node: peer, reason }));
                NetError::Closed
            })
        });
        match pending {
            Pending::Deliver { peer } => self.delivered(peer, op, result, step),
            Pending::Repair { peer, range } => self.repair_answered(peer, op, range, result, step),
            Pending::Presence { peer } => self.presence_told(peer, op, result, step),
            Pending::Resolve { .. }
            | Pending::LoadForRepair { .. }
            | Pending::LoadExpired
            | Pending::LoadSent { .. } => {}
        }
    }

    fn tick(&mut self, step: &mut Step) {
        let due: Vec<(Mono, NodeId)> =
            self.alarms.iter().take_while(|(at, _)| *at <= step.now.mono).copied().collect();
        for (at, peer) in due {
            self.alarms.remove(&(at, peer));
            if let Some(thread) = self.threads.get_mut(&peer) {
                thread.wake = None;
            }
            step.touch(peer);
        }
        if self.housekeeping_at <= step.now.mono {
            self.keep_house(step);
        }
    }

    /// Lets every touched person get on, and hands over what the step comes to.
    fn finish(&mut self, mut step: Step, out: &mut Vec<Out>) {
        for peer in std::mem::take(&mut step.touched) {
            self.give_passes(peer, &mut step);
            self.tell_name(peer, &mut step);
            self.pump(peer, &mut step);
            self.pump_post(peer, &mut step);
            self.tell_receipts(peer, &mut step);
            self.mind_the_gap(peer, &mut step);
            self.mind_the_gap_by_mail(peer, &mut step);
            self.tell_presence(peer, &mut step);
            let connected = self.connected.contains(&peer);
            let Some(thread) = self.threads.get_mut(&peer) else { continue };
            thread.typing.expire(step.now.mono);
            thread.take_changes(self.account, &mut step.changes);
            for id in thread.outbox.parcels.take_withdrawn() {
                step.withdraw(self.account, id);
            }
            let view = thread.view(connected);
            if thread.shown != view {
                thread.shown.clone_from(&view);
                if let Some(view) = view {
                    step.publish(Event::ContactChanged(Box::new(view)));
                }
            }
            let wake = thread.deadline();
            if thread.wake != wake {
                if let Some(before) = thread.wake {
                    self.alarms.remove(&(before, peer));
                }
                thread.wake = wake;
                self.alarms.extend(wake.map(|at| (at, peer)));
            }
        }
        let account = self.account;
        step.changes.extend(self.provider.take_changes().into_iter().map(|(key, value)| {
            let value = value.map(serde_bytes::ByteBuf::from);
            Change::PutSessionValue(super::rows::SessionValue { account, session: None, key, value })
        }));
        if step.roster_changed {
            self.keep_connected(&mut step);
        }
        self.mind_timers(&mut step);
        step.finish(out);
    }

    fn keep_connected(&mut self, step: &mut Step) {
        let wanted = |thread: &Thread<P::Session>| {
            matches!(thread.standing(), Some(Standing::Accepted | Standing::Requested))
        };
        let nodes: Vec<NodeId> =
            self.threads.iter().filter(|(_, thread)| wanted(thread)).map(|(peer, _)| *peer).collect();
        if self.kept_connected.as_ref() != Some(&nodes) {
            self.kept_connected = Some(nodes.clone());
            step.after(Out::Net(NetCommand::KeepConnected { nodes }));
        }
    }
}

impl<P: CryptoProvider> Machine for Messenger<P> {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Now, input: In, out: &mut Vec<Out>) {
        let mut step = Step::new(now);
        match input {
            In::Tick => self.tick(&mut step),
            In::Call { call, command } => self.call(call, command, &mut step),
            In::PeerRequest { from, token, payload } => self.peer_request(from, token, &payload, &mut step),
            In::PeerResponse { op, result } => self.answered(op, result, &mut step),
            In::PeerUp { node } => self.peer_up(node, &mut step),
            In::PeerDown { node } => self.peer_down(node, &mut step),
            In::NetworkChanged => {
                for (peer, thread) in &mut self.threads {
                    thread.lane.try_now();
                    step.touch(*peer);
                }
            }
            In::Resolved { op, result } => {
                if let Some(Pending::Resolve { peer }) = self.pending.remove(&op) {
                    self.resolved(peer, op, result, &mut step);
                }
            }
            In::Loaded { op, rows } => match self.pending.remove(&op) {
                Some(Pending::LoadForRepair { peer, asked }) => {
                    self.loaded_for_repair(peer, asked, rows, &mut step);
                }
                Some(Pending::LoadSent { call, id }) => self.loaded_sent(call, id, rows, &mut step),
                Some(_) | None => {}
            },
            In::Expired { op, expired } => {
                if let Some(Pending::LoadExpired) = self.pending.remove(&op) {
                    self.expired(expired, &mut step);
                }
            }
            In::Profile { name } => self.named(name, &mut step),
            In::Pins { nodes } => self.pinned(nodes, &mut step),
            In::MailboxProgress { id, stored_until } => self.mailbox_progress(id, stored_until, &mut step),
            In::MailboxArrived { envelope, from, payload } => {
                self.mailbox_arrived(envelope, from, &payload, &mut step);
            }
        }
        self.finish(step, out);
    }

    /// At once after a start; then whatever comes first.
    fn next_deadline(&self) -> Option<Mono> {
        let first = self.alarms.first().map(|(at, _)| *at);
        first.into_iter().chain(self.timers.deadline()).chain([self.housekeeping_at]).min()
    }

    fn status(&self) -> Status {
        let open = self.pending.len() as u64;
        let mut figures = vec![
            ("contacts", 0),
            ("requests", 0),
            ("waiting messages", 0),
            ("online", 0),
            ("open questions", open),
        ];
        let mut stuck = 0u64;
        for (peer, thread) in &self.threads {
            match thread.standing() {
                Some(Standing::Accepted) => figures[0].1 += 1,
                Some(Standing::Asking) => figures[1].1 += 1,
                Some(Standing::Requested | Standing::Blocked) | None => {}
            }
            figures[2].1 += thread.outbox.len() as u64;
            figures[3].1 += u64::from(thread.presence.theirs && self.connected.contains(peer));
            stuck += u64::from(thread.outbox.len() >= limits::MAX_OUTBOX);
        }
        let concerns =
            (stuck > 0).then(|| format!("{stuck} conversations have no room for more waiting messages"));
        Status { figures, concerns: concerns.into_iter().collect() }
    }
}
