//! A node that is a pinned holder: for whom, how long, how much.

use super::{pinning::call, *};
use crate::mailbox::pin::{PinAsk, PinnedMailbox};

fn serve(bench: &mut Bench, owner: u8) -> Result<MailboxView, CommandError> {
    call(bench, Command::Serve { node: node(owner) })
}

/// The statement of `owner` to the node of a bench, about these weeks.
fn statement(bench: &Bench, owner: u8, weeks: impl IntoIterator<Item = u32>) -> Request {
    let owners: Vec<(u32, Signer)> = weeks.into_iter().map(|week| (week, keys(owner).owner(week))).collect();
    let mailbox =
        |(week, owner): &(u32, Signer)| PinnedMailbox { week: *week, mailbox: *owner.node().as_bytes() };
    let ask = PinAsk {
        account: node(owner),
        holder: node(bench.number),
        mailboxes: owners.iter().map(mailbox).collect(),
        time: bench.clock.unix,
    };
    let owners: Vec<Signer> = owners.into_iter().map(|(_, owner)| owner).collect();
    ask.sign(&signer(owner), &owners)
}

/// A node that serves 2, who has said which mailboxes are theirs.
fn pinned_holder() -> Bench {
    let mut bench = Bench::new(1);
    serve(&mut bench, 2).expect("there is room");
    let said = statement(&bench, 2, WEEK - 2..=WEEK + 4);
    assert_eq!(bench.asked(2, &said), Some(Answer::Pinned));
    bench
}

fn until(answer: Option<Answer>) -> UnixMillis {
    match answer {
        Some(Answer::Receipt { until, .. }) => until,
        other => panic!("no receipt: {other:?}"),
    }
}

fn refused(reason: Refusal) -> Option<Answer> {
    Some(Answer::Refused { reason })
}

#[test]
fn nobody_is_served_whom_the_owner_of_the_node_did_not_name() {
    let mut bench = Bench::new(1);
    let said = statement(&bench, 2, [WEEK]);
    assert_eq!(bench.asked(2, &said), refused(Refusal::NotServed));
    assert!(bench.penalised().is_empty(), "asking is no offence");
    let ordinary = beginning().unix.after(limits::MAILBOX_LIFETIME);
    assert_eq!(until(bench.asked(3, &put(&opaque(2, 3, 1)))), ordinary);
}

#[test]
fn what_comes_for_those_served_is_kept_for_a_month_and_for_others_two_weeks() {
    let mut bench = pinned_holder();
    let month = bench.clock.unix.after(limits::PINNED_LIFETIME);
    assert_eq!(until(bench.asked(3, &put(&opaque(2, 3, 1)))), month);
    assert_eq!(
        until(bench.asked(3, &put(&opaque(4, 3, 2)))),
        bench.clock.unix.after(limits::MAILBOX_LIFETIME)
    );
    bench.wait(Duration::from_secs(29 * 24 * 3_600));
    assert_eq!(bench.disk.held.len(), 1);
    let ask = FetchAsk { ..ask(2, 1, bench.clock) };
    let shown = bench.asked(2, &ask.sign(&keys(2).owner(WEEK)));
    assert!(matches!(&shown, Some(Answer::Page { deposits, .. }) if deposits.len() == 1), "{shown:?}");
    bench.wait(2 * DAY);
    assert!(bench.disk.held.is_empty());
}

#[test]
fn nobody_can_have_somebody_elses_mailbox_kept_or_speak_for_them() {
    let mut bench = Bench::new(1);
    serve(&mut bench, 2).expect("there is room");
    // 2 is served and says that a mailbox of 4 is theirs; 4 has not agreed.
    let of_4 = PinnedMailbox { week: WEEK, mailbox: *keys(4).owner(WEEK).node().as_bytes() };
    let ask = PinAsk { account: node(2), holder: node(1), mailboxes: vec![of_4], time: bench.clock.unix };
    assert_eq!(bench.asked(2, &ask.sign(&signer(2), &[keys(2).owner(WEEK)])), refused(Refusal::BadSignature));
    // 4 says it in the name of 2.
    assert_eq!(bench.asked(4, &ask.sign(&signer(4), &[keys(4).owner(WEEK)])), refused(Refusal::BadSignature));
    assert_eq!(bench.penalised(), [node(2), node(4)]);
    assert!(bench.disk.served[&node(2)].mailboxes.is_empty());
}

#[test]
fn that_a_mailbox_is_kept_longer_is_said_when_the_disk_knows_and_known_after_a_restart() {
    let mut bench = Bench::new(1);
    serve(&mut bench, 2).expect("there is room");
    bench.slow_disk = Some(Vec::new());
    let said = statement(&bench, 2, [WEEK]);
    assert_eq!(bench.asked(2, &said), None);
    bench.written();
    assert_eq!(bench.response(RequestToken(1)), Some(Answer::Pinned));
    let mut bench = bench.restarted();
    let month = bench.clock.unix.after(limits::PINNED_LIFETIME);
    assert_eq!(until(bench.asked(3, &put(&opaque(2, 3, 1)))), month);
}

#[test]
fn who_is_served_no_more_is_served_like_everybody_and_what_was_promised_stays() {
    let mut bench = pinned_holder();
    let month = until(bench.asked(3, &put(&opaque(2, 3, 1))));
    let view = call(&mut bench, Command::StopServing { node: node(2) }).expect("they were served");
    assert!(view.serving.is_empty() && bench.disk.served.is_empty());
    assert_eq!(until(bench.asked(3, &put(&opaque(2, 3, 1)))), month);
    assert_eq!(
        until(bench.asked(3, &put(&opaque(2, 3, 2)))),
        bench.clock.unix.after(limits::MAILBOX_LIFETIME)
    );
    let said = statement(&bench, 2, [WEEK]);
    assert_eq!(bench.asked(2, &said), refused(Refusal::NotServed));
    assert_eq!(call(&mut bench, Command::StopServing { node: node(2) }), Err(CommandError::NotServed));
}

#[test]
fn a_statement_replaces_the_one_before_and_an_older_one_undoes_nothing() {
    let mut bench = pinned_holder();
    let old = statement(&bench, 2, [WEEK]);
    bench.wait(Duration::from_secs(60));
    let nothing = statement(&bench, 2, []);
    assert_eq!(bench.asked(2, &nothing), Some(Answer::Pinned));
    assert_eq!(
        until(bench.asked(3, &put(&opaque(2, 3, 1)))),
        bench.clock.unix.after(limits::MAILBOX_LIFETIME)
    );
    assert_eq!(bench.asked(2, &old), refused(Refusal::Untimely));
    assert_eq!(bench.asked(2, &nothing), Some(Answer::Pinned), "a repetition");
}

#[test]
fn what_is_kept_longer_takes_up_a_part_of_the_disk_and_no_more() {
    let mut bench = pinned_holder();
    // A row counts for some 1.7 KiB: two of them are a quarter of this, three are not.
    bench.step(In::Level { level: Level::Participant, share_bytes: 4 * 2 * 1_700 });
    let month = bench.clock.unix.after(limits::PINNED_LIFETIME);
    let kept: Vec<UnixMillis> = (1..=3).map(|n| until(bench.asked(n + 10, &put(&opaque(2, 3, n))))).collect();
    assert_eq!(kept, [month, month, bench.clock.unix.after(limits::MAILBOX_LIFETIME)]);
}

#[test]
fn a_node_that_keeps_nothing_for_others_says_so_to_who_pinned_it() {
    let mut bench = Bench::new(1);
    serve(&mut bench, 2).expect("there is room");
    bench.step(In::Level { level: Level::Client, share_bytes: SHARE });
    let said = statement(&bench, 2, [WEEK]);
    assert_eq!(bench.asked(2, &said), refused(Refusal::NotAHolder));
}

#[test]
fn as_many_people_are_served_as_the_limit_allows() {
    let mut bench = Bench::new(1);
    let most = u8::try_from(limits::MAX_SERVED).expect("it fits");
    for n in 0..most {
        serve(&mut bench, 50 + n).expect("there is room");
    }
    assert!(serve(&mut bench, 50).is_ok(), "they are served already");
    assert_eq!(serve(&mut bench, 50 + most), Err(CommandError::TooManyServed));
    assert_eq!(serve(&mut bench, 1), Err(CommandError::Yourself));
}

#[test]
fn mailboxes_in_which_nobody_deposits_any_more_are_forgotten() {
    let mut bench = pinned_holder();
    assert_eq!(bench.disk.served[&node(2)].mailboxes.len(), 7);
    bench.wait(8 * 7 * DAY);
    assert!(bench.disk.served[&node(2)].mailboxes.is_empty());
    let view = call(&mut bench, Command::Show).expect("shown");
    assert_eq!((view.serving.len(), view.serving[0].stated.is_some()), (1, true));
}

#[test]
fn the_owner_of_the_node_sees_whom_it_serves_and_with_how_much() {
    let mut bench = pinned_holder();
    bench.asked(3, &put(&opaque(2, 3, 1)));
    bench.asked(3, &put(&opaque(4, 3, 2)));
    let view = call(&mut bench, Command::Show).expect("shown");
    assert_eq!((view.held, view.held_mailboxes), (2, 2));
    let [served] = view.serving.as_slice() else { panic!("one: {:?}", view.serving) };
    assert_eq!((served.node, served.envelopes, served.stated), (node(2), 1, Some(bench.clock.unix)));
    assert!(served.bytes > 1_024 && served.bytes < view.held_bytes);
}
