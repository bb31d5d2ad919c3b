//! Starting, asking, stopping, and starting again on the same directory.

use super::*;
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    identity,
    level::{Level, LevelChoice},
    mailbox, messenger,
    net::{Mapping, Prefix, Reach, RequestToken},
    relay,
    time::UnixMillis,
};
use pc2_storage::{AccessChange, OpenError, WebSessionRow};

fn add(peer: NodeId) -> messenger::Command {
    messenger::Command::AddContact {
        peer,
        alias: None,
        name: None,
        text: "hello".to_owned(),
        invitation: None,
        addresses: Vec::new(),
    }
}

fn set_name(name: &str) -> identity::Command {
    identity::Command::SetName { name: name.to_owned() }
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = TempDir::new().expect("directory");
    let (node, _) = start_alone(&dir);
    let handle = node.handle();
    let account = handle.account();
    let profile = within(&node, handle.identity(set_name("Ada"))).expect("set");
    within(&node, handle.messenger(account, add(stranger()))).expect("asked");
    let id = MsgId::from_bytes([1; 16]);
    let conversation = ConversationId::direct(stranger());
    let text = "are you there?".to_owned();
    let send = messenger::Command::Send { conversation, id, text, reply_to: None };
    within(&node, handle.messenger(account, send)).expect("sent");
    let contacts = within(&node, handle.messenger(account, messenger::Command::Contacts)).expect("listed");
    node.shutdown();

    let (node, _) = start_alone(&dir);
    let handle = node.handle();
    assert_eq!(within(&node, handle.identity(identity::Command::WhoAmI)), Ok(profile));
    let again = within(&node, handle.messenger(account, messenger::Command::Contacts)).expect("listed");
    let (messenger::Reply::Contacts(before), messenger::Reply::Contacts(after)) = (contacts, again) else {
        panic!("contacts are answered by contacts");
    };
    assert_eq!(after.len(), 1);
    assert_eq!((after[0].peer, after[0].waiting), (before[0].peer, before[0].waiting));
    let history = within(&node, handle.history(account, conversation, None, 10)).expect("read");
    assert!(history.iter().any(|row| row.content.id == id));
    node.shutdown();
}

#[test]
fn a_directory_serves_one_node_and_is_free_when_it_stopped() {
    let dir = TempDir::new().expect("directory");
    let (node, _) = start_alone(&dir);
    let second = start_with(&config(&dir), seams(&Nobody::default()));
    assert!(matches!(second, Err(StartError::Storage(OpenError::InUse { .. }))));
    node.shutdown();
    start_alone(&dir).0.shutdown();
}

#[test]
fn a_node_that_is_dropped_frees_its_directory_too() {
    let dir = TempDir::new().expect("directory");
    drop(start_alone(&dir));
    start_alone(&dir).0.shutdown();
}

#[test]
fn a_stopped_node_answers_that_it_is_stopped() {
    let dir = TempDir::new().expect("directory");
    let (node, _) = start_alone(&dir);
    let handle = node.handle();
    let mut events = handle.subscribe(None);
    node.shutdown();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        assert_eq!(handle.identity(identity::Command::WhoAmI).await, Err(CallError::Stopped));
        let list = handle.messenger(handle.account(), messenger::Command::Contacts).await;
        assert_eq!(list, Err(CallError::Stopped));
        while events.next().await.is_some() {}
    });
}

#[test]
fn calls_during_the_shutdown_are_answered() {
    let dir = TempDir::new().expect("directory");
    let (node, _) = start_alone(&dir);
    let handle = node.handle();
    let account = handle.account();
    let io = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    let calls: Vec<_> = (0u8..200)
        .map(|number| {
            let handle = handle.clone();
            io.spawn(async move { handle.messenger(account, add(NodeId::from_bytes([number; 32]))).await })
        })
        .collect();
    node.shutdown();
    for call in calls {
        let ended = io.block_on(async { tokio::time::timeout(PATIENCE, call).await });
        // Whatever the answer is, there is one.
        drop(ended.expect("in time").expect("not cancelled"));
    }
}

#[test]
fn a_name_goes_to_everybody_who_looks() {
    let dir = TempDir::new().expect("directory");
    let (node, _) = start_alone(&dir);
    let mut events = node.handle().subscribe(None);
    within(&node, node.handle().identity(set_name("Ada"))).expect("set");
    let name = await_event(&node, &mut events, |event| match event {
        NodeEvent::Profile(profile) => Some(profile.name.clone()),
        _ => None,
    });
    assert_eq!(name, "Ada");
    node.shutdown();
}

#[test]
fn a_frame_of_garbage_is_answered_or_dropped_and_harms_nobody() {
    let dir = TempDir::new().expect("directory");
    let (node, network) = start_alone(&dir);
    let routes = network.routes();
    for (token, (protocol, route)) in
        [(Protocol::Record, &routes.record), (Protocol::Message, &routes.message)].into_iter().enumerate()
    {
        let token = RequestToken(token as u64);
        let (from, prefix) = (stranger(), Prefix::Local);
        let payload = b"garbage".to_vec();
        route(NetInput::Request { from, prefix, protocol, token, payload }).expect("room in the mailbox");
    }
    for token in [0, 1] {
        // Each of these questions passes through the mailboxes behind the garbage.
        while !network.has_done_with(RequestToken(token)) {
            within(&node, node.handle().health());
        }
    }
    assert!(within(&node, node.handle().health()).actors.iter().all(|actor| actor.restarts == 0));
    node.shutdown();
}

#[test]
fn sign_in_sessions_are_kept_and_removed() {
    let dir = TempDir::new().expect("directory");
    let (node, _) = start_alone(&dir);
    let handle = node.handle();
    let session = WebSessionRow {
        token_hash: [1; 32],
        account: handle.account(),
        label: "Firefox".to_owned(),
        created: UnixMillis(1),
        expires: UnixMillis(2),
        last_seen: UnixMillis(1),
        wallet: None,
    };
    within(&node, handle.change_access(vec![AccessChange::PutSession(session.clone())])).expect("kept");
    assert_eq!(within(&node, handle.access()).map(|rows| rows.sessions), Ok(vec![session]));
    within(&node, handle.change_access(vec![AccessChange::RemoveSession { token_hash: [1; 32] }]))
        .expect("removed");
    assert_eq!(within(&node, handle.access()).map(|rows| rows.sessions), Ok(vec![]));
    node.shutdown();
}

#[test]
fn a_level_chosen_in_the_configuration_wins_and_one_chosen_while_running_is_kept_without_it() {
    let dir = TempDir::new().expect("directory");
    let level = |node: &Running| {
        let relay::Reply::Shown(view) =
            within(node, node.handle().relay(relay::Command::Show)).expect("shown");
        (view.choice.to_string(), view.shares.mailbox_bytes)
    };
    let shares = relay::Shares { mailbox_bytes: 1 << 30, ..relay::Shares::default() };
    let mut chosen = config(&dir);
    chosen.level = Some(LevelChoice::Fixed(Level::Client));
    chosen.shares = Some(shares);
    let node = start_with(&chosen, seams(&Nobody::default())).expect("starts");
    assert_eq!(level(&node), ("1".to_owned(), 1 << 30));
    let choice = LevelChoice::Fixed(Level::Relay);
    within(&node, node.handle().relay(relay::Command::SetLevel { choice })).expect("set");
    node.shutdown();

    let (node, _) = start_alone(&dir);
    assert_eq!(level(&node), ("3".to_owned(), 1 << 30));
    node.shutdown();
    let node = start_with(&chosen, seams(&Nobody::default())).expect("starts");
    assert_eq!(level(&node).0, "1");
    node.shutdown();
}

#[test]
fn the_network_and_the_mailboxes_hear_of_the_level_and_of_what_is_lent() {
    let dir = TempDir::new().expect("directory");
    let (node, network) = start_alone(&dir);
    let handle = node.handle();
    let mut events = handle.subscribe(None);
    let shares = relay::Shares { mailbox_bytes: 1 << 30, ..relay::Shares::default() };
    let choice = LevelChoice::Fixed(Level::Relay);
    within(&node, handle.relay(relay::Command::SetShares { shares })).expect("set");
    within(&node, handle.relay(relay::Command::SetLevel { choice })).expect("set");
    let lent = NetCommand::Contribute { routes: true, relay: Some(shares.relay) };
    assert!(network.told.lock().expect("lock").contains(&lent));
    let kept = within(&node, handle.mailbox(mailbox::Command::Show)).expect("shown");
    let mailbox::Reply::Shown(view) = kept else { panic!("a view is answered by a view") };
    assert_eq!(view.share_bytes, 1 << 30);
    await_event(&node, &mut events, |event| (*event == NodeEvent::Reach).then_some(()));
    node.shutdown();
}

#[test]
fn a_place_at_a_relay_survives_a_failure_of_the_relay_machine() {
    let dir = TempDir::new().expect("directory");
    let trap = Trap::default();
    let network = Nobody::default();
    let mut seams = seams(&network);
    let around = trap.clone();
    seams.factories = Box::new(move |mut factories| {
        factories.relay = around.around::<crate::relay::RelayShell>(factories.relay);
        factories
    });
    let node = start_with(&config(&dir), seams).expect("starts");
    let relay = stranger();
    let say = |reach| (network.routes().relay)(NetInput::Reach(reach)).expect("room in the mailbox");
    say(Reach::Mapping { mapping: Mapping::Same });
    say(Reach::RelaySeen { node: relay, prefix: Prefix::V4([1, 1, 1]), latency: None });
    say(Reach::Reserved { relay, addresses: Vec::new() });
    let places = || {
        let relay::Reply::Shown(view) =
            within(&node, node.handle().relay(relay::Command::Show)).expect("shown");
        view.reservations
    };
    let before = places();
    assert!(before.first().is_some_and(|place| place.since.is_some()), "{before:?}");

    trap.set("Reach", || panic!("injected"));
    say(Reach::NoGateway);
    let after = places();
    assert_eq!(after.iter().map(|place| place.relay).collect::<Vec<_>>(), [relay]);
    assert!(after[0].since.is_some());
    let told = network.told.lock().expect("lock");
    let reserved = told.iter().filter(|command| matches!(command, NetCommand::Reserve { .. })).count();
    assert!(reserved == 1 && !told.contains(&NetCommand::Release { relay }), "{told:?}");
    drop(told);
    node.shutdown();
}

#[test]
fn health_names_every_part_and_finds_nothing_wrong() {
    let dir = TempDir::new().expect("directory");
    let (node, _) = start_alone(&dir);
    let health = within(&node, node.handle().health());
    let names: Vec<_> = health.actors.iter().map(|actor| (actor.name, actor.state)).collect();
    let running = ActorState::Running;
    assert_eq!(
        names,
        ["identity", "records", "messenger", "relay", "mailbox", "files", "wasm"].map(|name| (name, running))
    );
    assert_eq!((health.storage, health.clock), (pc2_storage::WriterState::Writing, None));
    assert!(health.disk_free.is_some());
    node.shutdown();
}

#[test]
fn an_account_of_somebody_else_is_not_served() {
    let dir = TempDir::new().expect("directory");
    let (node, _) = start_alone(&dir);
    let foreign = within(&node, node.handle().messenger(stranger(), messenger::Command::Contacts));
    assert_eq!(foreign, Err(CallError::Stopped));
    node.shutdown();
}

#[test]
fn an_export_is_there_after_an_orderly_end() {
    let dir = TempDir::new().expect("directory");
    start_alone(&dir).0.shutdown();
    let files = std::fs::read_dir(dir.path().join("export")).expect("a folder of exports");
    assert_eq!(files.count(), 1);
}
