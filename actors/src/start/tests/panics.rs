//! Every handler of every actor panics once, and nobody but its caller notices.
//!
//! The list of handlers is the machines' own ([`pc2_protocols::kinds`]): a new input or command without a row here fails.

use super::*;
use crate::{
    callers::Answer,
    dht::DhtShell,
    files::FilesShell,
    identity::IdentityShell,
    mailbox::MailboxShell,
    messages::{Call, Input},
    messenger::MessengerShell,
    relay::RelayShell,
    wasm::WasmShell,
};
use pc2_protocols::{
    blob::{BlobSize, Groups},
    dht,
    files::{
        self,
        offer::{FileOffer, Offered},
    },
    id::{BlobId, ConversationId, DeviceId, EnvelopeId, MailboxAddress, MsgId, OfferId},
    identity,
    level::{Level, LevelChoice},
    machine::{Component, OpId, OpIds},
    mailbox::{self, EnvelopeKey},
    messenger,
    net::{Prefix, Reach},
    relay::{self, Shares},
    time::UnixMillis,
    wasm::{self, manifest::Manifest, rows::Space},
};
use std::fmt::Debug;

/// How long after the panic the machine must work again.
const RESTART_LIMIT: Duration = Duration::from_secs(1);

/// Somebody whom nothing was said about.
const OTHER: NodeId = NodeId::from_bytes([7; 32]);

/// A peer's request in the tests' rows.
const TOKEN: RequestToken = RequestToken(77);

/// One actor and its rows.
struct Part<S: Shell> {
    inputs: &'static [&'static str],
    commands: &'static [&'static str],
    input: fn(&str) -> Option<S::In>,
    command: fn(&str) -> Option<S::Command>,
    /// Changes nothing and is answered at once.
    harmless: fn() -> S::Command,
    branch: fn(&Running) -> &Branch<S>,
    trap: fn(Factories, &Trap) -> Factories,
    /// What the machine says its state is, and what storage says.
    machine: fn(&Running) -> String,
    stored: fn(&Running) -> String,
}

/// Walks every handler, each in a node of its own, so that no failure counts as one of too many.
fn survives_a_panic_in_every_handler<S: Shell>(part: &Part<S>)
where
    S::Reply: Debug,
    S::Refusal: Debug,
{
    // A call is handled by what it commands.
    for kind in part.inputs.iter().copied().filter(|kind| *kind != "Call") {
        let input = (part.input)(kind).unwrap_or_else(|| panic!("no row for the input {kind}"));
        survive(part, kind, |node| {
            (part.branch)(node).host.do_send(Input(input));
            None
        });
    }
    for kind in part.commands.iter().copied() {
        let command = (part.command)(kind).unwrap_or_else(|| panic!("no row for the command {kind}"));
        survive(part, kind, |node| Some(ask(part, node, command)));
    }
}

type Got<S> = oneshot::Receiver<Result<<S as Shell>::Reply, CallError<<S as Shell>::Refusal>>>;

fn ask<S: Shell>(part: &Part<S>, node: &Running, command: S::Command) -> Got<S> {
    let (answer, got): (Answer<S::Reply, S::Refusal>, _) = oneshot::channel();
    (part.branch)(node).host.do_send(Call { command, answer });
    got
}

fn survive<S: Shell>(part: &Part<S>, kind: &'static str, deliver: impl FnOnce(&Running) -> Option<Got<S>>)
where
    S::Reply: Debug,
    S::Refusal: Debug,
{
    let dir = TempDir::new().expect("directory");
    let trap = Trap::default();
    let network = Nobody::default();
    let mut seams = seams(&network);
    let (around, wrap) = (trap.clone(), part.trap);
    seams.factories = Box::new(move |factories| wrap(factories, &around));
    let node = start_with(&config(&dir), seams).expect("starts");
    furnish(&node, &network);
    let before = (part.stored)(&node);
    assert_eq!((part.machine)(&node), before, "{kind}: the state is stored");

    let (sprung, moment) = mpsc::channel();
    trap.set(kind, move || {
        sprung.send(Instant::now()).expect("the test waits");
        panic!("injected");
    });
    let caller = deliver(&node);
    let queued: Vec<_> = (0..5).map(|_| ask(part, &node, (part.harmless)())).collect();

    others_answer(&node);
    if let Some(caller) = caller {
        let result = within(&node, caller).expect("the caller is answered");
        assert!(matches!(result, Err(CallError::Restarted)), "{kind}: {result:?}");
    }
    for got in queued {
        let result = within(&node, got).expect("a queued message survives");
        assert!(result.is_ok(), "{kind}: {result:?}");
    }
    let took = moment.recv_timeout(PATIENCE).expect("the handler panicked").elapsed();
    assert!(took <= RESTART_LIMIT, "{kind}: works again after {took:?}");

    let health = within(&node, node.handle().health());
    for actor in &health.actors {
        let expected = u64::from(actor.name == (part.branch)(&node).vitals.name);
        assert_eq!((actor.state, actor.restarts), (ActorState::Running, expected), "{kind}: {}", actor.name);
    }
    assert_eq!((part.stored)(&node), before, "{kind}: the step that panicked left nothing");
    assert_eq!((part.machine)(&node), before, "{kind}: the new life is what storage says");
    if kind == "PeerRequest" {
        while !network.has_done_with(TOKEN) {
            others_answer(&node);
        }
    }
    node.shutdown();
}

/// Every part has something to lose.
fn furnish(node: &Running, network: &Nobody) {
    // A value is found again once it could be offered to somebody.
    let up = NetInput::PeerUp { node: stranger() };
    (network.routes().record)(up).expect("room in the mailbox");
    let handle = node.handle();
    let name = "Ada".to_owned();
    within(node, handle.identity(identity::Command::SetName { name })).expect("named");
    within(node, handle.messenger(handle.account(), add())).expect("asked");
    let put = dht::Command::PutValue { salt: b"salt".to_vec(), payload: VALUE.to_vec(), expected_seq: None };
    // Nobody holds it: that counts as too few, and it is kept here all the same.
    drop(within(node, handle.dht(put)));
    let shares = Shares { mailbox_bytes: LENT, ..Shares::default() };
    within(node, handle.relay(relay::Command::SetShares { shares })).expect("lent");
    within(node, handle.mailbox(mailbox::Command::Pin { holder: stranger() })).expect("pinned");
    within(node, handle.mailbox(mailbox::Command::Serve { node: stranger() })).expect("served");
    let auto = files::Command::SetAuto { peer: stranger(), max_bytes: Some(5) };
    within(node, handle.files(handle.account(), auto)).expect("ruled");
    within(node, handle.wasm(install("first"))).expect("installed");
}

fn others_answer(node: &Running) {
    let handle = node.handle();
    // One of them may be the one that panicked: it must answer all the same.
    within(node, async {
        let (who, list, value, reached, kept, files, apps) = futures::join!(
            handle.identity(identity::Command::WhoAmI),
            handle.messenger(handle.account(), messenger::Command::Contacts),
            handle.dht(local_value()),
            handle.relay(relay::Command::Show),
            handle.mailbox(mailbox::Command::Show),
            handle.files(handle.account(), files::Command::List),
            handle.wasm(wasm::Command::Apps { space: Space::Owner }),
        );
        who.expect("identity answers");
        list.expect("the messenger answers");
        value.expect("the record machine answers");
        reached.expect("the relay machine answers");
        kept.expect("the mailbox machine answers");
        files.expect("the files machine answers");
        apps.expect("the WASM machine answers");
    });
}

/// Disk for envelopes of others.
const LENT: u64 = 64 * 1024 * 1024;

const VALUE: &[u8] = b"a value of our own";

fn local_value() -> dht::Command {
    let depth = dht::Depth::Local;
    dht::Command::GetValue { owner: keys().node(), salt: b"salt".to_vec(), depth }
}

fn add() -> messenger::Command {
    messenger::Command::AddContact {
        peer: stranger(),
        alias: None,
        name: None,
        text: "hello".to_owned(),
        invitation: None,
        addresses: Vec::new(),
    }
}

fn file_offer() -> FileOffer {
    let what = Offered::File {
        name: "a.txt".to_owned(),
        mime: String::new(),
        blob: BlobId::from_bytes([1; 32]),
        size: BlobSize::EMPTY,
    };
    FileOffer { id: OfferId::from_bytes([2; 16]), made: UnixMillis(0), what, holders: Vec::new() }
}

fn install(id: &str) -> wasm::Command {
    let text =
        format!("id = \"{id}\"\nname = \"A\"\nversion = \"1\"\nmodule = \"a.wasm\"\nkind = \"program\"\n");
    let manifest = Box::new(Manifest::parse(&text).expect("a manifest"));
    wasm::Command::Install { space: Space::Owner, manifest, module: BlobId::from_bytes([1; 32]), bytes: 8 }
}

/// A question that nobody asked: its answer is stale.
fn op(origin: Component) -> OpId {
    OpIds::new(origin, 1_000).next_id()
}

#[test]
fn the_identity_actor_survives_a_panic_in_every_handler() {
    use identity::{Command, In};
    survives_a_panic_in_every_handler::<IdentityShell>(&Part {
        inputs: In::KINDS,
        commands: Command::KINDS,
        input: |kind| (kind == "Tick").then_some(In::Tick),
        command: |kind| {
            Some(match kind {
                "WhoAmI" => Command::WhoAmI,
                "SetName" => Command::SetName { name: "Bob".to_owned() },
                _ => return None,
            })
        },
        harmless: || Command::WhoAmI,
        branch: |node| &node.tree.identity,
        trap: |mut factories, trap| {
            factories.identity = trap.around::<IdentityShell>(factories.identity);
            factories
        },
        machine: |node| format!("{:?}", within(node, node.handle().identity(Command::WhoAmI)).expect("told")),
        stored: |node| {
            let profile = node.storage.reader().profile(node.handle().account()).expect("read");
            format!("{:?}", profile.expect("stored"))
        },
    });
}

#[test]
fn the_record_actor_survives_a_panic_in_every_handler() {
    use dht::{Command, In};
    survives_a_panic_in_every_handler::<DhtShell>(&Part {
        inputs: In::KINDS,
        commands: Command::KINDS,
        input: |kind| {
            let node = stranger();
            let (op, of_the_messenger) = (op(Component::Dht), op(Component::Messenger));
            Some(match kind {
                "Tick" => In::Tick,
                "PeerRequest" => {
                    In::PeerRequest { from: node, prefix: Prefix::Local, token: TOKEN, payload: vec![1] }
                }
                "PeerResponse" => In::PeerResponse { op, result: Err(NetError::TimedOut) },
                "Closest" => In::Closest { op, peers: Vec::new() },
                "PeerUp" => In::PeerUp { node },
                "PeerDown" => In::PeerDown { node },
                "OwnAddresses" => In::OwnAddresses { addresses: Vec::new() },
                "NetworkChanged" => In::NetworkChanged,
                "Resolve" => In::Resolve { op: of_the_messenger, node },
                "OfferKeyPackage" => In::OfferKeyPackage {
                    device: DeviceId::from_bytes([1; 16]),
                    key_package: vec![1],
                    mailbox: None,
                },
                "Loaded" => In::Loaded { op, record: None },
                "Level" => In::Level { level: Level::Participant },
                _ => return None,
            })
        },
        command: |kind| {
            let (salt, payload, owner) = (b"other".to_vec(), b"another value".to_vec(), stranger());
            Some(match kind {
                "FindCard" => Command::FindCard { node: owner },
                "PutValue" => Command::PutValue { salt, payload, expected_seq: None },
                "PutImmutable" => Command::PutImmutable { payload },
                "GetValue" => Command::GetValue { owner, salt, depth: dht::Depth::Quorum },
                "GetImmutable" => Command::GetImmutable { hash: [1; 32] },
                "DeleteValue" => Command::DeleteValue { salt: b"salt".to_vec() },
                _ => return None,
            })
        },
        harmless: local_value,
        branch: |node| &node.tree.dht,
        trap: |mut factories, trap| {
            factories.dht = trap.around::<DhtShell>(factories.dht);
            factories
        },
        machine: |node| {
            let value = within(node, node.handle().dht(local_value())).expect("found");
            let dht::Reply::Value { payload, .. } = value else { panic!("a value is answered by a value") };
            format!("{payload:?}")
        },
        stored: |node| {
            let published = node.storage.reader().dht_snapshot().expect("read").published;
            let values = published
                .iter()
                .flat_map(|row| row.record.windows(VALUE.len()))
                .filter(|bytes| *bytes == VALUE);
            values.map(|bytes| format!("{bytes:?}")).collect()
        },
    });
}

#[test]
fn the_messenger_survives_a_panic_in_every_handler() {
    use messenger::{Command, In};
    survives_a_panic_in_every_handler::<MessengerShell>(&Part {
        inputs: In::KINDS,
        commands: Command::KINDS,
        input: |kind| {
            let node = stranger();
            let op = op(Component::Messenger);
            Some(match kind {
                "Tick" => In::Tick,
                "PeerRequest" => In::PeerRequest { from: node, token: TOKEN, payload: vec![1] },
                "PeerResponse" => In::PeerResponse { op, result: Err(NetError::TimedOut) },
                "PeerUp" => In::PeerUp { node },
                "PeerDown" => In::PeerDown { node },
                "NetworkChanged" => In::NetworkChanged,
                "Resolved" => In::Resolved { op, result: Err(dht::ResolveError::NotFound) },
                "Loaded" => In::Loaded { op, rows: Vec::new() },
                "Expired" => In::Expired { op, expired: messenger::rows::Expired::default() },
                "Profile" => In::Profile { name: "Ada".to_owned() },
                "Pins" => In::Pins { nodes: vec![OTHER] },
                "MailboxProgress" => In::MailboxProgress { id: ENVELOPE.id, stored_until: None },
                "MailboxArrived" => In::MailboxArrived { envelope: ENVELOPE, from: node, payload: vec![1] },
                _ => return None,
            })
        },
        command: |kind| {
            let peer = stranger();
            let conversation = ConversationId::direct(peer);
            Some(match kind {
                "AddContact" => add(),
                "Accept" => Command::Accept { peer },
                "Block" => Command::Block { peer },
                "Unblock" => Command::Unblock { peer },
                "Rename" => Command::Rename { peer, alias: Some("Bob".to_owned()) },
                "Remove" => Command::Remove { peer },
                "Send" => {
                    let (id, text) = (MsgId::from_bytes([1; 16]), "hello".to_owned());
                    Command::Send { conversation, id, text, reply_to: None }
                }
                "SendFile" => {
                    let offer = Box::new(file_offer());
                    Command::SendFile { conversation, id: MsgId::from_bytes([2; 16]), offer }
                }
                "Amend" => {
                    let (id, target) = (MsgId::from_bytes([3; 16]), MsgId::from_bytes([4; 16]));
                    let amendment = messenger::Amendment::Delete;
                    Command::Amend { conversation, id, target, amendment }
                }
                "MarkRead" => Command::MarkRead { conversation },
                "SetTimer" => {
                    let id = MsgId::from_bytes([5; 16]);
                    Command::SetTimer { conversation, id, lasts: Some(60) }
                }
                "SetReceipts" => Command::SetReceipts { peer, receipts: Some(true) },
                "Typing" => Command::Typing { conversation },
                "Settings" => Command::Settings,
                "SetSettings" => Command::SetSettings { receipts: true, typing: true },
                "Contacts" => Command::Contacts,
                "Invite" => Command::Invite,
                _ => return None,
            })
        },
        harmless: || Command::Contacts,
        branch: |node| &node.tree.messenger,
        trap: |mut factories, trap| {
            factories.messenger = trap.around::<MessengerShell>(factories.messenger);
            factories
        },
        machine: |node| {
            let handle = node.handle();
            let list = within(node, handle.messenger(handle.account(), Command::Contacts)).expect("listed");
            let messenger::Reply::Contacts(views) = list else { panic!("contacts are answered by contacts") };
            format!(
                "{:?}",
                views.iter().map(|view| (view.peer, view.standing, &view.alias)).collect::<Vec<_>>()
            )
        },
        stored: |node| {
            let account = node.handle().account();
            let snapshot = node.storage.reader().messenger_snapshot(account).expect("read");
            let rows: Vec<_> =
                snapshot.contacts.values().map(|row| (row.peer, row.standing, &row.alias)).collect();
            format!("{rows:?}")
        },
    });
}

const ENVELOPE: EnvelopeKey =
    EnvelopeKey { address: MailboxAddress::from_bytes([1; 32]), id: EnvelopeId::from_bytes([1; 16]) };

#[test]
fn the_relay_actor_survives_a_panic_in_every_handler() {
    use relay::{Command, In, Reply};
    survives_a_panic_in_every_handler::<RelayShell>(&Part {
        inputs: In::KINDS,
        commands: Command::KINDS,
        input: |kind| {
            let node = stranger();
            Some(match kind {
                "Tick" => In::Tick,
                "Reach" => In::Reach { reach: Reach::NoGateway },
                "PeerUp" => In::PeerUp { node },
                "PeerDown" => In::PeerDown { node },
                "NetworkChanged" => In::NetworkChanged,
                _ => return None,
            })
        },
        command: |kind| {
            Some(match kind {
                "Show" => Command::Show,
                "SetLevel" => Command::SetLevel { choice: LevelChoice::Fixed(Level::Client) },
                "SetShares" => Command::SetShares { shares: Shares::default() },
                _ => return None,
            })
        },
        harmless: || Command::Show,
        branch: |node| &node.tree.relay,
        trap: |mut factories, trap| {
            factories.relay = trap.around::<RelayShell>(factories.relay);
            factories
        },
        machine: |node| {
            let Reply::Shown(view) = within(node, node.handle().relay(Command::Show)).expect("shown");
            format!("{:?} {:?}", view.choice, view.shares)
        },
        stored: |node| {
            let row = node.storage.reader().contribution().expect("read").expect("stored");
            format!("{:?} {:?}", row.choice, row.shares)
        },
    });
}

#[test]
fn the_mailbox_actor_survives_a_panic_in_every_handler() {
    use mailbox::{Command, In, Parcel, Recipient, Reply};
    survives_a_panic_in_every_handler::<MailboxShell>(&Part {
        inputs: In::KINDS,
        commands: Command::KINDS,
        input: |kind| {
            let (node, op) = (stranger(), op(Component::Mailbox));
            let (account, id) = (keys().node(), ENVELOPE.id);
            Some(match kind {
                "Tick" => In::Tick,
                "PeerRequest" => {
                    In::PeerRequest { from: node, prefix: Prefix::Local, token: TOKEN, payload: vec![1] }
                }
                "PeerResponse" => In::PeerResponse { op, result: Err(NetError::TimedOut) },
                "Closest" => In::Closest { op, peers: Vec::new() },
                "PeerUp" => In::PeerUp { node },
                "PeerDown" => In::PeerDown { node },
                "NetworkChanged" => In::NetworkChanged,
                "Level" => In::Level { level: Level::Participant, share_bytes: LENT },
                "Deposit" => {
                    let to = Recipient::Contact { node, passes: Vec::new() };
                    In::Deposit { parcel: Parcel { account, id, to, payload: vec![1] } }
                }
                "Withdraw" => In::Withdraw { account, id },
                "Taken" => In::Taken { envelope: ENVELOPE },
                "Loaded" => In::Loaded { op, deposits: Vec::new() },
                "Located" => In::Located { op, addresses: Vec::new() },
                "Solved" => In::Solved { op, nonce: 1 },
                _ => return None,
            })
        },
        command: |kind| {
            Some(match kind {
                "Show" => Command::Show,
                "Fetch" => Command::Fetch,
                "Pin" => Command::Pin { holder: OTHER },
                "Unpin" => Command::Unpin { holder: stranger() },
                "Serve" => Command::Serve { node: OTHER },
                "StopServing" => Command::StopServing { node: stranger() },
                _ => return None,
            })
        },
        harmless: || Command::Show,
        branch: |node| &node.tree.mailbox,
        trap: |mut factories, trap| {
            factories.mailbox = trap.around::<MailboxShell>(factories.mailbox);
            factories
        },
        machine: |node| {
            let shown = within(node, node.handle().mailbox(Command::Show)).expect("shown");
            let Reply::Shown(view) = shown else { panic!("a view is answered by a view") };
            let pins: Vec<_> = view.pins.iter().map(|pin| pin.holder).collect();
            let served: Vec<_> = view.serving.iter().map(|one| one.node).collect();
            let (held, parcels, lent) = (view.held, view.parcels, view.share_bytes);
            format!("{held} held, {parcels} parcels, {lent} bytes lent, {pins:?} pinned, {served:?} served")
        },
        stored: |node| {
            let rows = node.storage.reader().mailbox_snapshot().expect("read");
            let lent = node.storage.reader().contribution().expect("read").expect("stored").shares;
            let pins: Vec<_> = rows.pins.iter().map(|pin| pin.holder).collect();
            let served: Vec<_> = rows.served.iter().map(|one| one.node).collect();
            let (held, parcels, lent) = (rows.held.len(), rows.parcels.len(), lent.mailbox_bytes);
            format!("{held} held, {parcels} parcels, {lent} bytes lent, {pins:?} pinned, {served:?} served")
        },
    });
}

#[test]
fn the_files_actor_survives_a_panic_in_every_handler() {
    use files::{Command, In, Opened, Part as OfIt, PullId, Reply, ServeToken, rows::TransferId, wire};
    survives_a_panic_in_every_handler::<FilesShell>(&Part {
        inputs: In::KINDS,
        commands: Command::KINDS,
        input: |kind| {
            let (node, from, token) = (stranger(), OTHER, ServeToken(77));
            let offer = file_offer();
            let ((blob, size), pull) = (offer.what.blob(), PullId { generation: 9, number: 9 });
            let id = TransferId::incoming(OTHER, offer.id);
            Some(match kind {
                "Tick" => In::Tick,
                "PeerUp" => In::PeerUp { node },
                "PeerDown" => In::PeerDown { node },
                "NetworkChanged" => In::NetworkChanged,
                "Parted" => In::Parted { peer: OTHER },
                "Offered" => In::Offered { from, offer },
                "OfferSent" => In::OfferSent { to: OTHER, offer: offer.id, result: Ok(()) },
                "Opened" => {
                    let result = Ok(Opened::Missing { have: 0, missing: Vec::new() });
                    In::Opened { id, part: OfIt::File, result }
                }
                "Progress" => In::Progress { pull, bytes: 1 },
                "PullEnded" => In::PullEnded { pull, missing: Vec::new(), result: Ok(()) },
                "Finished" => In::Finished { id, result: Ok(Vec::new().into()) },
                "Asked" => {
                    let ask = wire::Pull { offer: offer.id, blob, size, groups: Groups::default() };
                    In::Asked { from, token, pull: ask }
                }
                "Sent" => In::Sent { token, bytes: 1 },
                "Served" => In::Served { token, result: Ok(()) },
                "Heard" => In::Heard { from, token, offer: offer.id, word: wire::Word::Withdrawn },
                "Told" => In::Told { id, word: wire::Word::Received, result: Ok(()) },
                _ => return None,
            })
        },
        command: |kind| {
            let offer = file_offer();
            let id = TransferId::incoming(OTHER, offer.id);
            Some(match kind {
                "Offer" => {
                    Command::Offer { to: OTHER, offer: offer.id, what: offer.what, holders: Vec::new() }
                }
                "Withdraw" => Command::Withdraw { id },
                "Accept" => Command::Accept { id, folder: None },
                "Decline" => Command::Decline { id },
                "Pause" => Command::Pause { id },
                "Resume" => Command::Resume { id },
                "Cancel" => Command::Cancel { id },
                "Retry" => Command::Retry { id },
                "List" => Command::List,
                "SetAuto" => Command::SetAuto { peer: OTHER, max_bytes: None },
                "SetRates" => Command::SetRates { rates: files::rows::Rates::default() },
                "Settings" => Command::Settings,
                _ => return None,
            })
        },
        harmless: || Command::List,
        branch: |node| &node.tree.files,
        trap: |mut factories, trap| {
            factories.files = trap.around::<FilesShell>(factories.files);
            factories
        },
        machine: |node| {
            let handle = node.handle();
            let settings = within(node, handle.files(handle.account(), Command::Settings)).expect("shown");
            let listed = within(node, handle.files(handle.account(), Command::List)).expect("listed");
            let (Reply::Settings { auto, rates }, Reply::Transfers(transfers)) = (settings, listed) else {
                panic!("a question is answered by its answer")
            };
            format!("{auto:?} taken, {rates:?}, {} transfers", transfers.len())
        },
        stored: |node| {
            let rows = node.storage.reader().files_snapshot(node.handle().account()).expect("read");
            let auto: Vec<_> = rows.auto.values().map(|row| (row.peer, row.max_bytes)).collect();
            format!("{auto:?} taken, {:?}, {} transfers", rows.rates, rows.transfers.len())
        },
    });
}

#[test]
fn the_wasm_actor_survives_a_panic_in_every_handler() {
    use wasm::{Command, In, Job, Reply, RunId, What, end::End};
    survives_a_panic_in_every_handler::<WasmShell>(&Part {
        inputs: In::KINDS,
        commands: Command::KINDS,
        input: |kind| {
            let run = RunId::from_bytes([9; 8]);
            Some(match kind {
                "Tick" => In::Tick,
                "Began" => In::Began { run },
                "Ended" => In::Ended { run, end: End::Stopped, usage: wasm::end::Usage::default() },
                _ => return None,
            })
        },
        command: |kind| {
            let (space, run) = (Space::Owner, RunId::from_bytes([9; 8]));
            let id = "first".parse().expect("an id");
            Some(match kind {
                "Run" => {
                    let (what, ask) = (What::App { id }, Box::default());
                    let job = Job::Program { arguments: Vec::new(), environment: Vec::new() };
                    Command::Run { run, space, what, job, ask, wait: true }
                }
                "Stop" => Command::Stop { space, run },
                "Show" => Command::Show { space, run },
                "Runs" => Command::Runs { space },
                "Install" => install("second"),
                "Remove" => Command::Remove { space, id },
                "Grant" => Command::Grant { space, id, grant: None },
                "Discard" => Command::Discard { module: BlobId::from_bytes([1; 32]) },
                "EndSpace" => Command::EndSpace { space, apps: true },
                "App" => Command::App { space, id },
                "Apps" => Command::Apps { space },
                _ => return None,
            })
        },
        harmless: || Command::Apps { space: Space::Owner },
        branch: |node| &node.tree.wasm,
        trap: |mut factories, trap| {
            factories.wasm = trap.around::<WasmShell>(factories.wasm);
            factories
        },
        machine: |node| {
            let listed = within(node, node.handle().wasm(Command::Apps { space: Space::Owner }));
            let Ok(Reply::Apps(rows)) = listed else { panic!("apps are answered by apps") };
            format!("{rows:?}")
        },
        stored: |node| {
            let account = node.handle().account();
            let apps = node.storage.reader().wasm_snapshot(account).expect("read").apps;
            format!("{:?}", apps.into_values().collect::<Vec<_>>())
        },
    });
}

#[test]
#[should_panic(expected = "no row for the command WhoAmI")]
fn a_handler_without_a_row_fails() {
    survives_a_panic_in_every_handler::<IdentityShell>(&Part {
        inputs: &["Call"],
        commands: identity::Command::KINDS,
        input: |_| None,
        command: |_| None,
        harmless: || identity::Command::WhoAmI,
        branch: |node| &node.tree.identity,
        trap: |factories, _| factories,
        machine: |_| String::new(),
        stored: |_| String::new(),
    });
}
