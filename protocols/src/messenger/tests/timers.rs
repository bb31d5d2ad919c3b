//! Messages that disappear: on both sides, each by its own clock, also when the node was off at that moment.

use super::*;
use crate::messenger::rows::{Expired, TimerChange};

const HOUR: Duration = Duration::from_secs(3_600);

/// What storage does.
impl Node {
    pub(super) fn time(&mut self, change: TimerChange) {
        match change {
            TimerChange::Start { timed, from } => self.begin(from, |of, _| of == timed),
            TimerChange::StartAll { conversation, from, .. } => {
                self.begin(from, |of, mine| of.conversation == conversation && !mine);
            }
            TimerChange::Hasten { due, timed, from } => {
                let lasts = self.expiring.remove(&(due, timed)).expect("it was there");
                self.expiring.insert((end(from, lasts), timed), lasts);
            }
            TimerChange::Expire { due, timed } => {
                self.expiring.remove(&(due, timed));
                self.history.remove(&(timed.conversation, timed.hlc.0, timed.id));
            }
        }
    }

    fn begin(&mut self, from: UnixMillis, which: impl Fn(Timed, bool) -> bool) {
        let (begun, others) =
            std::mem::take(&mut self.timed).into_iter().partition(|(of, _, mine)| which(*of, *mine));
        self.timed = others;
        let begun: Vec<(Timed, u32, bool)> = begun;
        self.expiring.extend(begun.into_iter().map(|(of, lasts, _)| ((end(from, lasts), of), lasts)));
    }

    pub(super) fn expired(&self, until: UnixMillis, all: bool) -> Expired {
        let ends = || self.expiring.iter().map(|((due, timed), lasts)| (*due, *timed, *lasts));
        let due =
            ends().filter(|(due, ..)| *due <= until).map(|(due, timed, _)| (due, timed)).take(8).collect();
        let late = ends()
            .filter(|(due, _, lasts)| all && *due > end(until, *lasts))
            .map(|(due, timed, _)| (due, timed));
        let next = ends().map(|(due, ..)| due).find(|due| *due > until);
        Expired { due, late: late.take(8).collect(), next }
    }
}

fn end(from: UnixMillis, lasts: u32) -> UnixMillis {
    from.after(Duration::from_secs(lasts.into()))
}

pub(super) fn set_timer(
    bench: &mut Bench,
    from: usize,
    to: usize,
    lasts: Option<u32>,
) -> Result<Reply, CommandError> {
    bench.next += 1;
    let id = MsgId::from_bytes(u128::from(bench.next).to_be_bytes());
    bench.call(from, Command::SetTimer { conversation: conversation(to), id, lasts })
}

fn read(bench: &mut Bench, at: usize, with: usize) {
    assert_eq!(bench.call(at, Command::MarkRead { conversation: conversation(with) }), Ok(Reply::Done));
}

pub(super) fn has(bench: &Bench, at: usize, row: &MessageRow) -> bool {
    bench.nodes[at].history.values().any(|found| found.content.id == row.content.id)
}

fn told_gone(bench: &Bench, at: usize, row: &MessageRow) -> usize {
    let gone = |event: &&Event| matches!(event, Event::MessageGone { id, .. } if *id == row.content.id);
    bench.nodes[at].events.iter().filter(gone).count()
}

#[test]
fn a_timer_is_a_message_that_both_see_and_holds_for_what_either_writes_from_then_on() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let before = bench.say(0, 1, "stays");
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    assert_eq!((bench.nodes[0].view(1).timer, bench.nodes[1].view(0).timer), (Some(60), Some(60)));
    let (mine, theirs) = (bench.say(0, 1, "mine"), bench.say(1, 0, "theirs"));
    assert_eq!((mine.content.lasts, theirs.content.lasts, before.content.lasts), (Some(60), Some(60), None));
    let lines = |at: usize| {
        let rows = bench.nodes[at].history.values();
        rows.filter(|row| matches!(row.content.body, Body::Timer { .. })).count()
    };
    assert_eq!((lines(0), lines(1)), (1, 1));
    set_timer(&mut bench, 1, 0, None).expect("set");
    assert_eq!(bench.say(0, 1, "stays, too").content.lasts, None);
}

#[test]
fn the_sender_s_is_gone_a_time_after_it_was_delivered_and_the_reader_s_a_time_after_it_was_read() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    set_timer(&mut bench, 0, 1, Some(3_600)).expect("set");
    bench.set_reachable(1, false);
    let row = bench.say(0, 1, "for an hour");
    bench.wait(2 * HOUR);
    assert!(has(&bench, 0, &row), "it has not been delivered");
    bench.set_reachable(1, true);
    bench.wait(HOUR / 2);
    assert!(has(&bench, 0, &row) && has(&bench, 1, &row));
    bench.wait(HOUR);
    assert!(!has(&bench, 0, &row));
    assert!(has(&bench, 1, &row), "nobody has read it");
    assert_eq!(bench.nodes[0].view(1).last.map(|last| last.preview), Some(String::new()), "nor in the list");
    read(&mut bench, 1, 0);
    bench.wait(HOUR / 2);
    assert!(has(&bench, 1, &row));
    bench.wait(HOUR);
    assert!(!has(&bench, 1, &row));
    assert_eq!((told_gone(&bench, 0, &row), told_gone(&bench, 1, &row)), (1, 1));
}

#[test]
fn what_was_over_while_the_node_was_off_goes_at_its_first_tick() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    let row = bench.say(0, 1, "for a minute");
    bench.now.unix = bench.now.unix.after(HOUR);
    bench.restart(0);
    bench.run();
    assert!(!has(&bench, 0, &row));
}

#[test]
fn many_that_are_over_at_once_all_go_and_the_next_has_its_alarm() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    let rows: Vec<MessageRow> = (0..20).map(|number| bench.say(0, 1, &format!("{number}"))).collect();
    bench.wait(Duration::from_secs(30));
    let late = bench.say(0, 1, "later");
    bench.wait(Duration::from_secs(31));
    assert!(rows.iter().all(|row| !has(&bench, 0, row)) && has(&bench, 0, &late));
    bench.wait(Duration::from_secs(30));
    assert!(!has(&bench, 0, &late));
}

#[test]
fn times_that_are_none_or_too_long_are_refused_and_strangers_set_nothing() {
    let mut bench = Bench::new(3);
    bench.befriend(0, 1);
    for lasts in [0, limits::MAX_LASTS_SECS + 1] {
        assert!(matches!(set_timer(&mut bench, 0, 1, Some(lasts)), Err(CommandError::BadText { .. })));
        let body = Body::Text { text: "hello".into(), reply_to: None };
        let content = Content { lasts: Some(lasts), ..bench.say(0, 1, "x").content };
        assert!(Content { body, ..content }.check().is_err());
    }
    assert_eq!(set_timer(&mut bench, 0, 2, Some(60)), Err(CommandError::UnknownPeer));
    bench.add(0, 2, "it is me").expect("asked");
    assert_eq!(set_timer(&mut bench, 0, 2, Some(60)), Err(CommandError::UnknownPeer));
}

#[test]
fn of_two_who_choose_at_once_both_keep_the_later_choice() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    set_timer(&mut bench, 1, 0, Some(120)).expect("set");
    bench.set_reachable(1, true);
    bench.wait(HOUR);
    let chosen = (bench.nodes[0].view(1).timer, bench.nodes[1].view(0).timer);
    assert!(chosen.0 == chosen.1 && chosen.0.is_some(), "{chosen:?}");
}

#[test]
fn a_clock_that_was_set_back_keeps_nothing_for_longer_than_it_lasts() {
    for off in [false, true] {
        let mut bench = Bench::new(2);
        bench.befriend(0, 1);
        set_timer(&mut bench, 0, 1, Some(60)).expect("set");
        let rows: Vec<MessageRow> = (0..20).map(|number| bench.say(0, 1, &format!("{number}"))).collect();
        bench.now.unix = bench.now.unix.before(1_000 * HOUR);
        if off {
            bench.restart(0);
        }
        bench.queue.push_back((0, In::Tick));
        bench.run();
        assert!(rows.iter().all(|row| has(&bench, 0, row)), "{off}");
        bench.wait(Duration::from_secs(61));
        assert!(rows.iter().all(|row| !has(&bench, 0, row)), "{off}");
    }
}

#[test]
fn what_was_over_while_the_machine_slept_goes_with_whatever_happens_first() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    let row = bench.say(0, 1, "for a minute");
    // The monotonic clock stood still.
    bench.now.unix = bench.now.unix.after(HOUR);
    bench.queue.push_back((0, In::NetworkChanged));
    bench.run();
    assert!(!has(&bench, 0, &row));
}

#[test]
fn who_is_forgotten_leaves_no_message_behind_that_never_ends() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    let row = bench.say(0, 1, "unread");
    bench.call(1, Command::Remove { peer: id(0) }).expect("removed");
    bench.wait(Duration::from_secs(61));
    assert!(!has(&bench, 1, &row));
}
