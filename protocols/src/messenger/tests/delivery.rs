//! Sending, waiting, batches, refreshes, repair.

use super::*;

#[test]
fn a_conversation_reads_the_same_on_both_sides() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    for round in 0..20 {
        bench.say(round % 2, (round + 1) % 2, &format!("message {round}"));
    }
    assert_eq!(bench.nodes[0].texts(1), bench.nodes[1].texts(0));
    assert_eq!(bench.nodes[0].texts(1).len(), 21);
    assert_eq!(bench.nodes[0].view(1).unread, 10);
    bench.call(0, Command::MarkRead { conversation: conversation(1) }).expect("read");
    assert_eq!(bench.nodes[0].view(1).unread, 0);
}

#[test]
fn what_is_said_to_somebody_offline_waits_and_arrives_in_batches() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    let rows: Vec<MessageRow> = (0..1_000).map(|n| bench.say(0, 1, &format!("message {n}"))).collect();
    assert_eq!(bench.nodes[0].view(1).waiting, 1_000);
    assert_eq!(bench.nodes[0].view(1).delivery, Delivery::Unreachable);
    bench.sent.clear();
    bench.set_reachable(1, true);
    assert_eq!(bench.nodes[1].texts(0).len(), 1_001);
    assert!(rows.iter().all(|row| bench.nodes[0].state(row) == MessageState::Delivered));
    assert!(bench.nodes[0].disk.outbox.is_empty());
    let deliveries =
        bench.sent.iter().filter(|(from, request)| *from == 0 && matches!(request, Request::Deliver { .. }));
    assert!(deliveries.count() <= 12, "batches, not single messages");
}

#[test]
fn a_repeated_send_is_the_same_message_waiting_delivered_and_after_a_restart() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    let command = bench.text(1, "once");
    let first = bench.call(0, command.clone()).expect("taken");
    assert_eq!(bench.call(0, command.clone()), Ok(first));
    bench.set_reachable(1, true);
    let delivered = |reply: Result<Reply, CommandError>| match reply {
        Ok(Reply::Sent(row)) => row.state == MessageState::Delivered,
        _ => false,
    };
    assert!(delivered(bench.call(0, command.clone())));
    bench.restart(0);
    assert!(delivered(bench.call(0, command)));
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "once"]);
}

#[test]
fn an_answer_sorts_after_what_it_answers_however_wrong_the_clocks_are() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.now.unix = bench.now.unix.after(Duration::from_secs(86_400));
    bench.say(0, 1, "from a clock a day ahead");
    bench.now.unix = bench.now.unix.before(Duration::from_secs(86_400));
    bench.say(1, 0, "answer");
    assert_eq!(bench.nodes[0].texts(1), ["it is me", "from a clock a day ahead", "answer"]);
    assert_eq!(bench.nodes[0].texts(1), bench.nodes[1].texts(0));
}

#[test]
fn keys_are_refreshed_by_turns_also_when_one_side_only_listens() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.sent.clear();
    for n in 0..400 {
        bench.say(0, 1, &format!("message {n}"));
    }
    let by = |who: usize| {
        let refreshes = bench.sent.iter().filter(|(from, request)| {
            let Request::Deliver { items } = request else { return false };
            *from == who && items.iter().any(|item| matches!(item, Item::Refresh { .. }))
        });
        refreshes.count()
    };
    assert!(by(0) >= 3 && by(1) >= 3, "{} and {}", by(0), by(1));
    assert_eq!(bench.nodes[1].texts(0).len(), 401);
}

#[test]
fn a_message_that_waited_sixty_days_is_given_up_and_said_so() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    let row = bench.say(0, 1, "too late");
    bench.wait(limits::OUTBOX_LIFETIME + limits::HOUSEKEEPING * 2);
    assert_eq!(bench.nodes[0].state(&row), MessageState::NotDelivered);
    assert_eq!(bench.nodes[0].view(1).waiting, 0);
    bench.set_reachable(1, true);
    bench.say(0, 1, "in time");
    bench.wait(limits::GONE_PATIENCE + limits::RETRY_MAX);
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "in time"]);
    let chain = bench.nodes[1].disk.chains.values().next().expect("a chain");
    assert!(chain.beyond.is_empty(), "the missing number is known to be gone: {chain:?}");
}

#[test]
fn a_text_of_the_longest_kind_fits_in_every_frame_and_row() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    let text = "x".repeat(limits::MAX_TEXT_BYTES);
    for _ in 0..20 {
        bench.say(0, 1, &text);
    }
    bench.set_reachable(1, true);
    assert_eq!(bench.nodes[1].texts(0).len(), 21);
    let too_long = bench.text(1, &format!("{text}x"));
    assert!(matches!(bench.call(0, too_long), Err(CommandError::BadText { .. })));
}

#[test]
fn a_full_outbox_is_refused_and_says_what_helps() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    let text = "x".repeat(limits::MAX_TEXT_BYTES);
    let most = limits::MAX_OUTBOX_BYTES / limits::MAX_TEXT_BYTES;
    let taken = (0..most).take_while(|_| {
        let command = bench.text(1, &text);
        bench.call(0, command).is_ok()
    });
    assert!(taken.count() < most);
    let one_more = bench.text(1, &text);
    assert!(matches!(bench.call(0, one_more), Err(CommandError::Full { .. })));
}

#[test]
fn messages_lost_at_the_receiver_are_repaired_from_the_senders_history() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.say(0, 1, "before");
    let old_disk = bench.nodes[1].disk.clone();
    let old_history = bench.nodes[1].history.clone();
    for n in 0..600 {
        bench.say(0, 1, &format!("lost {n}"));
    }
    // The receiver comes back with an older state of its disk.
    bench.nodes[1].disk = old_disk;
    bench.nodes[1].history = old_history;
    bench.restart(1);
    bench.say(0, 1, "after");
    bench.wait(Duration::from_secs(3_600));
    let texts = bench.nodes[1].texts(0);
    assert_eq!(texts.len(), 603);
    assert_eq!(texts, bench.nodes[0].texts(1));
}

#[test]
fn a_new_installation_does_not_ask_for_what_the_old_one_had() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    for n in 0..300 {
        bench.say(0, 1, &format!("to the old one {n}"));
    }
    // The same identity on an empty disk.
    bench.nodes[1].disk = Snapshot::default();
    bench.nodes[1].history.clear();
    bench.wait(Duration::from_secs(1));
    bench.restart(1);
    bench.add(1, 0, "I am back").expect("asked");
    bench.say(0, 1, "welcome back");
    bench.wait(Duration::from_secs(3_600));
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Accepted));
    assert_eq!(bench.nodes[1].texts(0), ["I am back", "welcome back"]);
    assert!(bench.nodes[1].disk.chains.values().all(|chain| chain.beyond.is_empty()));
    assert_eq!(bench.nodes[0].view(1).waiting, 0);
    let both = ["I am back", "welcome back"];
    assert_eq!(bench.nodes[0].texts(1)[301..], both);
}
