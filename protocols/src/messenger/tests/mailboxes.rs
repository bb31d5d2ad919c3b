//! Who is offline: parcels, receipts, passes, arrivals.

use super::*;
use crate::{
    mailbox::{
        Recipient,
        keys::{WEEK_MILLIS, intro_address, week_of},
    },
    messenger::wire::{ChainHeard, Mail},
};

impl Bench {
    /// A node hands a parcel to the mailbox: its rows must say so by then.
    pub(super) fn deposit(&mut self, index: usize, parcel: Parcel) {
        if let Mail::Deliver { items, .. } = mail(&parcel) {
            let rows = &self.nodes[index].disk.outbox;
            let named = rows.values().any(|row| row.parcel.is_some_and(|place| place.id == parcel.id));
            assert!(named, "a parcel that no row knows of");
            for item in items {
                if let Item::Content { sealed, .. } = item {
                    self.keys.record(&sealed).expect("no key is used twice");
                }
            }
        }
        self.nodes[index].parcels.push(parcel);
    }

    /// Two contacts; both are out of reach of each other from now on.
    pub(super) fn apart() -> Self {
        let mut bench = Self::new(2);
        bench.befriend(0, 1);
        bench.wait(Duration::from_secs(10));
        bench.part();
        bench
    }

    pub(super) fn part(&mut self) {
        self.set_reachable(0, false);
        self.set_reachable(1, false);
    }

    /// Hands over a parcel, and lets what follows at once happen.
    pub(super) fn bring(&mut self, from: usize, to: usize, parcel: &Parcel) {
        let (envelope, from) = (key(to, parcel), id(from));
        self.queue.push_back((to, In::MailboxArrived { envelope, from, payload: parcel.payload.clone() }));
        self.run();
    }

    /// Everything that was deposited, wherever it is now, in the order given.
    pub(super) fn bring_all(&mut self, from: usize, to: usize) {
        for parcel in std::mem::take(&mut self.nodes[from].parcels) {
            self.progress(from, parcel.id, true);
            self.bring(from, to, &parcel);
        }
    }

    pub(super) fn progress(&mut self, index: usize, id: EnvelopeId, stored: bool) {
        let stored_until = stored.then_some(UnixMillis(u64::MAX));
        self.queue.push_back((index, In::MailboxProgress { id, stored_until }));
        self.run();
    }

    /// Lets both talk through mailboxes until nothing is said any more.
    pub(super) fn correspond(&mut self) {
        for _ in 0..12 {
            self.wait(Duration::from_secs(8));
            self.bring_all(0, 1);
            self.bring_all(1, 0);
        }
    }
}

fn key(to: usize, parcel: &Parcel) -> EnvelopeKey {
    let address = match &parcel.to {
        Recipient::Contact { passes, .. } => passes[0].address(),
        Recipient::Stranger { .. } => intro_address(id(to)),
    };
    EnvelopeKey { address, id: parcel.id }
}

pub(super) fn mail(parcel: &Parcel) -> Mail {
    Mail::decode(&parcel.payload).expect("our own mail decodes")
}

/// Numbers of the contents in a parcel.
pub(super) fn numbers(parcel: &Parcel) -> Vec<u64> {
    let Mail::Deliver { items, .. } = mail(parcel) else { return Vec::new() };
    let seq = |item: &Item| match item {
        Item::Content { seq, .. } => Some(*seq),
        Item::Start { .. } | Item::Refresh { .. } => None,
    };
    items.iter().filter_map(seq).collect()
}

fn starts(parcel: &Parcel) -> usize {
    let Mail::Deliver { items, .. } = mail(parcel) else { return 0 };
    items.iter().filter(|item| matches!(item, Item::Start { .. })).count()
}

fn receipts(parcels: &[Parcel]) -> usize {
    parcels.iter().filter(|parcel| matches!(mail(parcel), Mail::Outcomes { .. })).count()
}

const SOON: Duration = Duration::from_millis(600);

#[test]
fn what_is_not_acknowledged_for_two_seconds_goes_to_mailboxes_beside_the_direct_way() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.nodes[1].mute = true;
    bench.say(0, 1, "hello?");
    bench.wait(limits::DEPOSIT_AFTER - Duration::from_millis(1));
    assert!(bench.nodes[0].parcels.is_empty());
    bench.wait(Duration::from_millis(1));
    let [parcel] = &bench.nodes[0].parcels[..] else { panic!("one parcel") };
    assert!(matches!(parcel.to, Recipient::Contact { node, .. } if node == id(1)));
    let direct = bench.sent.iter().rev().find_map(|(_, request)| match request {
        Request::Deliver { items } => Some(items.clone()),
        _ => None,
    });
    let Mail::Deliver { items, .. } = mail(parcel) else { panic!("a delivery") };
    assert_eq!(Some(items), direct, "the same ciphertext");
}

#[test]
fn what_gets_through_directly_makes_no_parcel() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    for _ in 0..50 {
        bench.say(0, 1, "here you are");
    }
    bench.wait(Duration::from_secs(60));
    assert!(bench.nodes[0].parcels.is_empty() && bench.nodes[1].parcels.is_empty());
}

#[test]
fn what_is_said_at_once_to_somebody_out_of_reach_is_one_parcel() {
    let mut bench = Bench::apart();
    let rows: Vec<MessageRow> = (0..100).map(|n| bench.say(0, 1, &format!("message {n}"))).collect();
    bench.wait(SOON);
    let [parcel] = &bench.nodes[0].parcels[..] else { panic!("{} parcels", bench.nodes[0].parcels.len()) };
    let said: Vec<u64> = rows.iter().map(|row| row.content.seq).collect();
    assert_eq!(numbers(parcel), said);
    let parcel = parcel.clone();
    bench.bring(0, 1, &parcel);
    assert_eq!(bench.nodes[1].texts(0).len(), 101);
    assert_eq!(bench.nodes[1].texts(0), bench.nodes[0].texts(1));
    assert_eq!(bench.nodes[1].taken, [key(1, &parcel)]);
}

#[test]
fn large_things_are_several_parcels_of_the_size_allowed() {
    let mut bench = Bench::apart();
    let text = "x".repeat(limits::MAX_TEXT_BYTES);
    (0..30).for_each(|_| _ = bench.say(0, 1, &text));
    bench.wait(Duration::from_secs(10));
    let parcels = bench.nodes[0].parcels.clone();
    assert!(parcels.len() >= 10);
    assert!(parcels.iter().all(|parcel| parcel.payload.len() <= Parcel::MAX_PAYLOAD_BYTES));
    let all: Vec<u64> = parcels.iter().flat_map(numbers).collect();
    assert_eq!(all.len(), 30, "each in one parcel");
    bench.bring_all(0, 1);
    assert_eq!(bench.nodes[1].texts(0).len(), 31);
}

#[test]
fn stored_is_a_fact_that_ends_when_mailboxes_have_lost_it() {
    let mut bench = Bench::apart();
    let command = bench.text(1, "kept");
    let Ok(Reply::Sent(row)) = bench.call(0, command.clone()) else { panic!("not taken") };
    bench.wait(SOON);
    let parcel = bench.nodes[0].parcels[0].clone();
    assert_eq!(bench.nodes[0].state(&row), MessageState::Waiting);
    for (stored, state) in
        [(false, MessageState::Waiting), (true, MessageState::Stored), (false, MessageState::Waiting)]
    {
        bench.progress(0, parcel.id, stored);
        assert_eq!(bench.nodes[0].state(&row), state);
        let Ok(Reply::Sent(again)) = bench.call(0, command.clone()) else { panic!("not taken") };
        assert_eq!(again.state, state, "a repeated command says the same");
    }
    let states = bench.nodes[0].events.iter().filter_map(|event| match event {
        Event::MessageState { id, state, .. } if *id == row.content.id => Some(*state),
        _ => None,
    });
    assert_eq!(states.collect::<Vec<_>>(), [MessageState::Stored, MessageState::Waiting], "told once each");
}

#[test]
fn delivered_reaches_the_sender_through_mailboxes_alone() {
    let mut bench = Bench::apart();
    let row = bench.say(0, 1, "are you there?");
    bench.wait(SOON);
    let parcel = bench.nodes[0].parcels[0].id;
    bench.bring_all(0, 1);
    assert_eq!(bench.nodes[0].state(&row), MessageState::Stored);
    bench.wait(limits::COLLECT_FOR_RECEIPT);
    assert_eq!(receipts(&bench.nodes[1].parcels), 1);
    bench.bring_all(1, 0);
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
    assert_eq!(bench.nodes[0].withdrawn, [parcel]);
    assert!(bench.nodes[0].disk.outbox.is_empty());
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.nodes[0].parcels.len(), 0, "an acknowledgement is not acknowledged");
    assert_eq!(bench.nodes[1].parcels.len(), 0, "what is stored is told no more");
}

#[test]
fn many_arrivals_are_acknowledged_together_and_not_more_often_than_every_five_seconds() {
    let mut bench = Bench::apart();
    let mut parcels = Vec::new();
    for n in 0..9 {
        bench.say(0, 1, &format!("message {n}"));
        bench.wait(Duration::from_secs(1));
        parcels.append(&mut bench.nodes[0].parcels);
    }
    assert_eq!(parcels.len(), 9);
    for parcel in &parcels[..4] {
        bench.bring(0, 1, parcel);
    }
    bench.wait(limits::COLLECT_FOR_RECEIPT);
    assert_eq!(receipts(&bench.nodes[1].parcels), 1);
    for parcel in &parcels[4..] {
        bench.bring(0, 1, parcel);
        bench.wait(Duration::from_millis(500));
    }
    assert_eq!(receipts(&bench.nodes[1].parcels), 1);
    bench.wait(limits::RECEIPT_EVERY);
    let told = bench.nodes[1].parcels.clone();
    assert_eq!(receipts(&told), 2);
    assert_eq!(bench.nodes[1].withdrawn, [told[0].id], "the later stands for the earlier");
    bench.bring(1, 0, &told[1]);
    assert!(bench.nodes[0].disk.outbox.is_empty());
}

#[test]
fn a_receipt_that_is_owed_survives_a_restart() {
    let mut bench = Bench::apart();
    let row = bench.say(0, 1, "hello");
    bench.wait(SOON);
    bench.bring_all(0, 1);
    assert!(bench.nodes[1].disk.conversations[&conversation(0)].owed);
    bench.restart(1);
    bench.run();
    bench.wait(limits::COLLECT_FOR_RECEIPT);
    bench.bring_all(1, 0);
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
    assert!(!bench.nodes[1].disk.conversations[&conversation(0)].owed);
}

#[test]
fn nobody_can_acknowledge_what_was_not_sent() {
    let mut bench = Bench::new(2);
    bench.add(0, 1, "first").expect("asked");
    let unsent = bench.say(0, 1, "waits for acceptance");
    let device = bench.nodes[0].device();
    let chains = vec![ChainHeard { device, through: u64::MAX, beyond: vec![2], refused: vec![2] }];
    let payload = Mail::Outcomes { chains, sessions: vec![], lost: vec![], again: false, passes: 0 }.encode();
    let envelope = EnvelopeKey { address: intro_address(id(0)), id: EnvelopeId::from_bytes([1; 16]) };
    bench.step(0, In::MailboxArrived { envelope, from: id(1), payload });
    bench.run();
    assert_eq!(bench.nodes[0].state(&unsent), MessageState::Waiting);
    assert_eq!(bench.nodes[0].taken, [envelope]);
}

#[test]
fn a_request_its_acceptance_and_all_that_follows_need_no_meeting() {
    let mut bench = Bench::new(2);
    bench.part();
    bench.add(0, 1, "hello from afar").expect("asked");
    bench.wait(SOON);
    let [parcel] = &bench.nodes[0].parcels[..] else { panic!("one parcel") };
    assert!(
        matches!(parcel.to, Recipient::Stranger { sealing, .. } if sealing == mailbox(1).intro_sealing())
    );
    assert!(parcel.payload.len() <= Parcel::MAX_INTRO_PAYLOAD_BYTES);
    assert_eq!((starts(parcel), numbers(parcel)), (1, vec![1]));
    bench.say(0, 1, "not to be said before the answer");
    bench.wait(Duration::from_secs(10));
    assert_eq!(bench.nodes[0].parcels.len(), 1);
    bench.bring_all(0, 1);
    assert_eq!(bench.nodes[1].texts(0), ["hello from afar"]);
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Asking));
    bench.wait(Duration::from_secs(60));
    assert!(bench.nodes[1].parcels.is_empty(), "strangers are told nothing");
    bench.call(1, Command::Accept { peer: id(0) }).expect("accepted");
    bench.correspond();
    assert_eq!(bench.nodes[0].standing(1), Some(Standing::Accepted));
    let row = bench.say(1, 0, "welcome");
    bench.correspond();
    assert_eq!(bench.nodes[0].texts(1).len(), 3);
    assert_eq!(bench.nodes[0].texts(1), bench.nodes[1].texts(0));
    assert_eq!(bench.nodes[1].state(&row), MessageState::Delivered);
    assert!(bench.nodes.iter().all(|node| node.disk.outbox.is_empty()));
    assert!(bench.nodes.iter().all(|node| node.disk.contacts.values().all(|row| row.passes.len() == 4)));
}

#[test]
fn a_request_without_text_reaches_somebody_offline_too() {
    let mut bench = Bench::new(2);
    bench.part();
    bench.add(0, 1, "").expect("asked");
    bench.wait(SOON);
    bench.bring_all(0, 1);
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Asking));
}

#[test]
fn people_who_ask_each_other_from_afar_are_contacts() {
    let mut bench = Bench::new(2);
    bench.part();
    bench.add(0, 1, "from zero").expect("asked");
    bench.add(1, 0, "from one").expect("asked");
    bench.correspond();
    assert_eq!(bench.nodes[0].texts(1), bench.nodes[1].texts(0));
    assert_eq!(bench.nodes[0].texts(1).len(), 2);
    for (index, other) in [(0, 1), (1, 0)] {
        assert_eq!(bench.nodes[index].standing(other), Some(Standing::Accepted));
        assert!(bench.nodes[index].disk.outbox.is_empty());
    }
}

#[test]
fn without_passes_a_contact_gets_one_parcel_at_a_time_and_nothing_waits_for_what_is_too_large() {
    let mut bench = Bench::apart();
    bench.nodes[0].disk.contacts.get_mut(&id(1)).expect("a contact").passes.clear();
    bench.restart(0);
    bench.run();
    bench.say(0, 1, &"x".repeat(limits::MAX_TEXT_BYTES));
    let small = bench.say(0, 1, "small").content.seq;
    bench.wait(Duration::from_secs(5));
    let [parcel] = &bench.nodes[0].parcels[..] else { panic!("one parcel") };
    assert!(matches!(parcel.to, Recipient::Stranger { .. }));
    assert_eq!(numbers(parcel), [small]);
    bench.say(0, 1, "next");
    bench.wait(Duration::from_secs(120));
    assert!(bench.nodes[0].parcels.iter().all(|again| again.id == parcel_id(&bench, 0)), "one at a time");
    bench.correspond();
    bench.say(1, 0, "so you have no passes");
    bench.correspond();
    assert_eq!(bench.nodes[1].texts(0).len(), 5, "they give passes to whoever has none");
    assert!(bench.nodes[0].disk.outbox.is_empty());
}

fn parcel_ids(bench: &Bench) -> Vec<EnvelopeId> {
    bench.nodes[0].parcels.iter().map(|parcel| parcel.id).collect()
}

fn parcel_id(bench: &Bench, node: usize) -> EnvelopeId {
    bench.nodes[node].parcels[0].id
}

#[test]
fn contacts_give_each_other_passes_and_renew_them_in_time() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let week = week_of(bench.now.unix);
    let weeks = |bench: &Bench, at: usize, of: usize| -> Vec<u32> {
        let row = &bench.nodes[at].disk.contacts[&id(of)];
        assert!(row.passes.iter().all(|pass| *pass == mailbox(of).pass(pass.week, id(at))));
        row.passes.iter().map(|pass| pass.week).collect()
    };
    let four: Vec<u32> = (week..week + 4).collect();
    assert_eq!((weeks(&bench, 0, 1), weeks(&bench, 1, 0)), (four.clone(), four));
    let texts = bench.nodes[0].texts(1).len();
    bench.wait(Duration::from_millis(2 * WEEK_MILLIS) + limits::HOUSEKEEPING);
    let renewed: Vec<u32> = (week + 1..week + 6).collect();
    assert_eq!(weeks(&bench, 0, 1), renewed);
    assert_eq!(bench.nodes[0].texts(1).len(), texts, "nobody sees them");
    assert_eq!(bench.nodes[0].view(1).unread, 0);

    bench.call(0, Command::Block { peer: id(1) }).expect("blocked");
    bench.wait(Duration::from_millis(4 * WEEK_MILLIS));
    assert_eq!(bench.nodes[0].disk.contacts[&id(1)].given, week + 5, "who is blocked gets no more");
}

#[test]
fn a_parcel_that_nothing_is_heard_of_is_handed_over_again_under_its_name_also_after_a_restart() {
    let mut bench = Bench::apart();
    bench.say(0, 1, "first");
    bench.wait(SOON);
    bench.say(0, 1, "second");
    bench.wait(SOON);
    let [first, second] = [0, 1].map(|n| bench.nodes[0].parcels[n].clone());
    bench.progress(0, first.id, true);
    bench.nodes[0].parcels.clear();
    bench.restart(0);
    bench.run();
    bench.wait(SOON);
    assert_eq!(parcel_ids(&bench), [second.id], "what is stored is not handed over again");
    bench.wait(limits::PARCEL_PATIENCE);
    assert_eq!(bench.nodes[0].parcels.len(), 2);
    bench.progress(0, second.id, false);
    bench.wait(limits::HOUSEKEEPING);
    assert_eq!(bench.nodes[0].parcels.len(), 2, "the mailbox has it");
}

#[test]
fn parcels_are_withdrawn_when_nobody_needs_them_any_more() {
    let delivered = |bench: &mut Bench| {
        bench.nodes[0].reachable = true;
        bench.set_reachable(1, true);
    };
    let blocked = |bench: &mut Bench| _ = bench.call(0, Command::Block { peer: id(1) }).expect("blocked");
    let removed = |bench: &mut Bench| _ = bench.call(0, Command::Remove { peer: id(1) }).expect("removed");
    let given_up = |bench: &mut Bench| bench.wait(limits::OUTBOX_LIFETIME + limits::HOUSEKEEPING * 2);
    let ends: [fn(&mut Bench); 4] = [delivered, blocked, removed, given_up];
    for end in ends {
        let mut bench = Bench::apart();
        let row = bench.say(0, 1, "hello");
        bench.wait(SOON);
        let parcel = parcel_id(&bench, 0);
        bench.progress(0, parcel, true);
        assert_eq!(bench.nodes[0].state(&row), MessageState::Stored);
        assert_eq!(bench.nodes[0].withdrawn, []);
        end(&mut bench);
        assert!(bench.nodes[0].withdrawn.contains(&parcel));
        assert_ne!(bench.nodes[0].state(&row), MessageState::Stored);
        assert!(bench.nodes[0].disk.outbox.values().all(|row| row.parcel.is_none_or(|at| at.id != parcel)));
    }
}

#[test]
fn a_new_session_withdraws_what_was_sealed_in_the_old_one_and_makes_it_anew() {
    let mut bench = Bench::apart();
    let row = bench.say(0, 1, "sealed twice");
    bench.wait(SOON);
    let old = parcel_id(&bench, 0);
    bench.progress(0, old, true);
    // The recipient has lost everything and comes back as a new installation.
    bench.nodes[1].disk = Snapshot::default();
    bench.nodes[1].history.clear();
    bench.wait(Duration::from_secs(1));
    bench.restart(1);
    bench.run();
    bench.add(1, 0, "I am back").expect("asked");
    bench.wait(SOON);
    bench.bring_all(1, 0);
    assert!(bench.nodes[0].withdrawn.contains(&old));
    assert_eq!(bench.nodes[0].state(&row), MessageState::Waiting);
    bench.correspond();
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
    assert_eq!(bench.nodes[1].texts(0), ["sealed twice", "I am back"]);
}

#[test]
fn a_parcel_that_nobody_knows_is_withdrawn() {
    let mut bench = Bench::new(1);
    let lost = EnvelopeId::from_bytes([9; 16]);
    bench.progress(0, lost, true);
    assert_eq!(bench.nodes[0].withdrawn, [lost]);
}

#[test]
fn after_two_weeks_what_still_waits_is_put_into_the_mailbox_of_the_new_week() {
    let mut bench = Bench::apart();
    let row = bench.say(0, 1, "patience");
    bench.wait(SOON);
    let first = parcel_id(&bench, 0);
    bench.progress(0, first, true);
    bench.nodes[0].parcels.clear();
    bench.wait(Duration::from_millis(2 * WEEK_MILLIS) + limits::HOUSEKEEPING);
    assert!(bench.nodes[0].withdrawn.contains(&first));
    let week = week_of(bench.now.unix);
    let again = bench.nodes[0].parcels.iter().find(|parcel| numbers(parcel).contains(&row.content.seq));
    let again = again.expect("made anew").clone();
    assert!(matches!(&again.to, Recipient::Contact { passes, .. } if passes[0].week == week));
    bench.bring(0, 1, &again);
    assert_eq!(bench.nodes[1].texts(0).len(), 2);
}

#[test]
fn parcels_in_any_order_lose_nothing_and_begin_the_chain_where_it_begins() {
    let mut bench = Bench::apart();
    // Nothing was ever heard of the sender's chain.
    bench.nodes[1].disk.chains.clear();
    bench.nodes[1].history.clear();
    bench.restart(1);
    bench.run();
    let mut parcels = Vec::new();
    for n in 0..5 {
        bench.say(0, 1, &format!("message {n}"));
        bench.wait(Duration::from_secs(1));
        parcels.append(&mut bench.nodes[0].parcels);
    }
    for parcel in parcels.iter().rev().chain(&parcels) {
        bench.bring(0, 1, parcel);
    }
    let said: Vec<String> = (0..5).map(|n| format!("message {n}")).collect();
    assert_eq!(bench.nodes[1].texts(0), said, "once and in order");
    assert_eq!(bench.nodes[1].taken.len(), 10);
    assert!(bench.nodes[1].disk.chains.values().all(|chain| chain.beyond.is_empty()));
}

#[test]
fn what_is_too_far_ahead_waits_in_the_mailbox_and_is_taken_once_the_rest_has_come() {
    let mut bench = Bench::apart();
    let text = "x".repeat(500);
    (0..700).for_each(|_| _ = bench.say(0, 1, &text));
    bench.wait(Duration::from_secs(20));
    let parcels = std::mem::take(&mut bench.nodes[0].parcels);
    assert!(parcels.len() > 4);
    for parcel in parcels.iter().rev() {
        bench.bring(0, 1, parcel);
    }
    assert_eq!(bench.nodes[1].texts(0).len(), 701);
    assert_eq!(bench.nodes[1].taken.len(), parcels.len());
}

#[test]
fn an_envelope_whose_session_begins_in_another_one_waits_for_it() {
    let mut bench = Bench::apart();
    bench.nodes[0].disk.sessions.clear();
    bench.nodes[0].disk.session_values.retain(|(session, _), _| session.is_none());
    bench.restart(0);
    bench.run();
    bench.say(0, 1, "in a new session");
    bench.wait(SOON);
    let whole = parcel_with_start(&bench);
    let Mail::Deliver { items, first } = mail(&whole) else { panic!("a delivery") };
    let part = |wanted: fn(&Item) -> bool, name: u8| {
        let items = items.iter().filter(|item| wanted(item)).cloned().collect();
        let payload = Mail::Deliver { items, first: first.clone() }.encode();
        Parcel { id: EnvelopeId::from_bytes([name; 16]), payload, ..whole.clone() }
    };
    let start = part(|item| matches!(item, Item::Start { .. }), 1);
    let contents = part(|item| matches!(item, Item::Content { .. }), 2);
    bench.bring(0, 1, &contents);
    assert_eq!(bench.nodes[1].taken, []);
    bench.bring(0, 1, &start);
    assert_eq!(bench.nodes[1].taken.len(), 2, "both, at once");
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "in a new session"]);
}

fn parcel_with_start(bench: &Bench) -> Parcel {
    bench.nodes[0].parcels.iter().find(|parcel| starts(parcel) == 1).expect("it begins a session").clone()
}

#[test]
fn a_session_that_the_recipient_has_lost_is_replaced_without_meeting() {
    let mut bench = Bench::apart();
    bench.nodes[1].disk.sessions.clear();
    bench.nodes[1].disk.session_values.retain(|(session, _), _| session.is_none());
    bench.restart(1);
    bench.run();
    let row = bench.say(0, 1, "do you read me?");
    bench.wait(SOON);
    let parcel = bench.nodes[0].parcels.pop().expect("deposited");
    bench.bring(0, 1, &parcel);
    assert_eq!(bench.nodes[1].taken, [], "its start may still come");
    bench.bring(0, 1, &parcel);
    assert_eq!(bench.nodes[1].taken, [key(1, &parcel)], "for good the second time");
    bench.correspond();
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "do you read me?"]);
}

#[test]
fn what_is_no_mail_or_comes_from_nobody_is_taken_without_effect() {
    let mut bench = Bench::apart();
    let before = (bench.nodes[1].disk.clone(), bench.nodes[1].history.len());
    let content = Item::Content {
        session: SessionId::from_bytes([9; 16]),
        id: MsgId::from_bytes([9; 16]),
        device: DeviceId::from_bytes([9; 16]),
        seq: 1,
        sealed: serde_bytes::ByteBuf::from(vec![1]),
    };
    let deliver = Mail::Deliver { items: vec![content], first: vec![] }.encode();
    let outcomes =
        Mail::Outcomes { chains: vec![], sessions: vec![], lost: vec![], again: true, passes: 0 }.encode();
    let stranger = NodeId::from_bytes([77; 32]);
    let cases = [
        (id(0), vec![0xff; 40]),
        (id(0), Vec::new()),
        (stranger, deliver.clone()),
        (stranger, outcomes),
        (id(1), deliver),
    ];
    for (n, (from, payload)) in (0u8..).zip(cases) {
        let envelope = EnvelopeKey { address: intro_address(id(1)), id: EnvelopeId::from_bytes([n; 16]) };
        bench.step(1, In::MailboxArrived { envelope, from, payload });
        bench.run();
        assert_eq!(bench.nodes[1].taken.last(), Some(&envelope), "case {n}");
    }
    bench.wait(Duration::from_secs(30));
    assert_eq!((bench.nodes[1].disk.clone(), bench.nodes[1].history.len()), before);
    assert!(bench.nodes[1].parcels.is_empty());
}

#[test]
fn who_is_blocked_is_not_heard_by_mailbox_and_asked_again_when_they_are_not() {
    let mut bench = Bench::apart();
    bench.call(1, Command::Block { peer: id(0) }).expect("blocked");
    let row = bench.say(0, 1, "let me in");
    bench.wait(SOON);
    bench.bring_all(0, 1);
    assert_eq!(bench.nodes[1].texts(0), ["it is me"]);
    assert_eq!(bench.nodes[1].taken.len(), 1);
    bench.wait(Duration::from_secs(60));
    assert!(bench.nodes[1].parcels.is_empty(), "they are not told");
    assert_eq!(bench.nodes[0].state(&row), MessageState::Stored);
    bench.call(1, Command::Unblock { peer: id(0) }).expect("unblocked");
    bench.correspond();
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "let me in"]);
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
}

#[test]
fn a_stranger_says_one_text_by_mailbox_as_directly() {
    let mut bench = Bench::new(2);
    bench.part();
    bench.add(0, 1, "one text").expect("asked");
    bench.wait(SOON);
    let parcel = bench.nodes[0].parcels[0].clone();
    let Mail::Deliver { mut items, first } = mail(&parcel) else { panic!("a delivery") };
    let Some(Item::Content { session, sealed, device, .. }) = items.last().cloned() else { panic!("a text") };
    let second = MsgId::from_bytes([8; 16]);
    items.push(Item::Content { session, id: second, device, seq: 2, sealed });
    let payload = Mail::Deliver { items, first }.encode();
    bench.bring(0, 1, &Parcel { payload, ..parcel.clone() });
    assert_eq!(bench.nodes[1].texts(0), ["one text"]);
    assert_eq!(bench.nodes[1].taken, [key(1, &parcel)], "nothing of strangers is left lying");
}

#[test]
fn an_arrival_is_taken_only_once_it_is_on_disk() {
    let mut bench = Bench::apart();
    bench.say(0, 1, "hello");
    bench.wait(SOON);
    let parcel = bench.nodes[0].parcels[0].clone();
    let envelope = key(1, &parcel);
    let input =
        |parcel: &Parcel| In::MailboxArrived { envelope, from: id(0), payload: parcel.payload.clone() };
    let mut out = Vec::new();
    bench.nodes[1].machine.handle(bench.now, input(&parcel), &mut out);
    let [Out::Persist { changes, then }] = &out[..] else { panic!("one batch, nothing beside it: {out:?}") };
    assert!(changes.iter().any(|change| matches!(change, Change::PutMessage(_))));
    assert!(then.iter().any(|out| matches!(out, Out::Taken { .. })));
    // Before that is durable it comes again: known, but not on disk by this step.
    let mut out = Vec::new();
    bench.nodes[1].machine.handle(bench.now, input(&parcel), &mut out);
    assert!(matches!(&out[..], [Out::Persist { .. }]), "behind a barrier: {out:?}");
}
