//! Messages that disappear while they still wait for their reader: nothing of them is left at the sender, and mailboxes bring them all the same.

use super::{
    mailboxes::numbers,
    timers::{has, set_timer},
    *,
};
use crate::messenger::{Amendment, rows::OutboxRow};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(61);

/// What waits in the outbox of the first node, by its numbers, as its disk has it.
fn waiting(bench: &Bench) -> Vec<u64> {
    let seq = |row: &OutboxRow| match &row.what {
        Waiting::Content { content, .. } => Some(content.seq),
        Waiting::Control { .. } => None,
    };
    bench.nodes[0].disk.outbox.values().filter_map(seq).collect()
}

/// What the first node has handed to mailboxes by now, which keep it.
fn posted(bench: &mut Bench) -> Vec<Parcel> {
    bench.wait(HOUR);
    let mut parcels = std::mem::take(&mut bench.nodes[0].parcels);
    assert!(!parcels.is_empty());
    // Those nothing was heard of were handed over again.
    let mut known = std::collections::BTreeSet::new();
    parcels.retain(|parcel| known.insert(parcel.id));
    parcels.iter().for_each(|parcel| bench.progress(0, parcel.id, true));
    parcels
}

fn amend(bench: &mut Bench, row: &MessageRow, amendment: Amendment) {
    bench.next += 1;
    let id = MsgId::from_bytes(u128::from(bench.next).to_be_bytes());
    let target = row.content.id;
    let command = Command::Amend { conversation: conversation(1), id, target, amendment };
    bench.call(0, command).expect("amended");
}

#[test]
fn what_mailboxes_keep_leaves_its_sender_s_disk_in_time_and_is_read_all_the_same() {
    let mut bench = Bench::apart();
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    bench.correspond();
    assert!(waiting(&bench).is_empty());
    let row = bench.say(0, 1, "for a minute");
    bench.wait(HOUR);
    assert!(has(&bench, 0, &row), "it has not left");
    let parcels = posted(&mut bench);
    assert_eq!(waiting(&bench), [row.content.seq]);
    bench.wait(MINUTE);
    assert!(!has(&bench, 0, &row) && !has(&bench, 1, &row));
    assert_eq!((waiting(&bench), bench.nodes[0].view(1).waiting), (vec![], 0));
    assert!(parcels.iter().all(|parcel| bench.nodes[0].withdrawn.contains(&parcel.id)), "nor sealed");
    bench.restart(0);
    bench.wait(HOUR);
    assert!(bench.nodes[0].parcels.is_empty(), "it is brought nowhere any more");
    parcels.iter().for_each(|parcel| bench.bring(0, 1, parcel));
    assert!(has(&bench, 1, &row), "it waited for its reader");
    bench.correspond();
}

#[test]
fn its_edits_leave_with_it_and_what_shared_its_parcel_goes_on_in_another() {
    let mut bench = Bench::apart();
    let stays = bench.say(0, 1, "stays");
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    let row = bench.say(0, 1, "for a minute");
    amend(&mut bench, &row, Amendment::Edit { text: "SECRET".into() });
    amend(&mut bench, &stays, Amendment::Edit { text: "stays, too".into() });
    let first = posted(&mut bench);
    assert_eq!(bench.nodes[0].state(&stays), MessageState::Stored);
    bench.wait(MINUTE);
    let left = [stays.content.seq, row.content.seq - 1, row.content.seq + 2];
    assert_eq!(waiting(&bench), left);
    assert_eq!(bench.nodes[0].state(&stays), MessageState::Waiting, "nothing of ours brings it yet");
    let second = posted(&mut bench);
    assert_eq!(second.iter().flat_map(numbers).collect::<Vec<_>>(), left);
    assert_eq!(bench.nodes[0].state(&stays), MessageState::Stored);
    second.iter().chain(&first).for_each(|parcel| bench.bring(0, 1, parcel));
    assert!(has(&bench, 1, &row) && has(&bench, 1, &stays));
    bench.correspond();
    assert!(waiting(&bench).is_empty());
}

#[test]
fn what_comes_directly_before_the_mailbox_was_looked_into_does_not_lose_what_lies_there() {
    for lost in [false, true] {
        let mut bench = Bench::apart();
        set_timer(&mut bench, 0, 1, Some(60)).expect("set");
        bench.correspond();
        let row = bench.say(0, 1, "for a minute");
        let parcels = posted(&mut bench);
        bench.wait(MINUTE);
        bench.set_reachable(0, true);
        bench.set_reachable(1, true);
        let next = bench.say(0, 1, "the next one");
        assert!(has(&bench, 1, &next));
        bench.wait(limits::FETCH_EVERY);
        let asked =
            bench.sent.iter().filter(|(_, request)| matches!(request, Request::Repair { .. })).count();
        assert!(asked > 1, "{asked}");
        if !lost {
            parcels.iter().for_each(|parcel| bench.bring(0, 1, parcel));
            assert!(has(&bench, 1, &row));
        }
        bench.wait(HOUR);
        let chain = bench.nodes[1].disk.chains.values().find(|chain| chain.device == row.content.device);
        assert!(chain.is_some_and(|chain| chain.beyond.is_empty()), "the gap is closed: {lost}");
        assert_eq!(has(&bench, 1, &row), !lost);
    }
}

#[test]
fn what_ends_while_it_is_read_for_a_repair_is_not_queued_again() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    set_timer(&mut bench, 0, 1, Some(60)).expect("set");
    let row = bench.say(0, 1, "for a minute");
    let Content { device, seq, .. } = row.content;
    let payload = Request::Repair { device, from: seq, to: seq }.encode();
    let token = RequestToken(u64::MAX);
    bench.step(0, In::PeerRequest { from: id(1), token, payload });
    let (_, loaded) = bench.queue.pop_front().expect("history was read");
    assert!(matches!(&loaded, In::Loaded { rows, .. } if rows.len() == 1));
    bench.wait(MINUTE);
    assert!(!has(&bench, 0, &row));
    bench.step(0, loaded);
    bench.run();
    assert!(waiting(&bench).is_empty());
    assert!(bench.nodes[0].disk.outbox.is_empty());
}

#[test]
fn a_late_edit_of_what_is_over_shows_nothing_in_the_list() {
    let mut bench = Bench::apart();
    set_timer(&mut bench, 0, 1, Some(3_600)).expect("set");
    let row = bench.say(0, 1, "for an hour");
    bench.correspond();
    assert_eq!(bench.call(1, Command::MarkRead { conversation: conversation(0) }), Ok(Reply::Done));
    amend(&mut bench, &row, Amendment::Edit { text: "SECRET".into() });
    bench.wait(Duration::from_secs(60));
    let edit = std::mem::take(&mut bench.nodes[0].parcels);
    bench.wait(HOUR);
    assert!(!has(&bench, 1, &row));
    edit.iter().for_each(|parcel| bench.bring(0, 1, parcel));
    let chain = bench.nodes[1].disk.chains.values().find(|chain| chain.device == row.content.device);
    assert!(chain.is_some_and(|chain| chain.through > row.content.seq), "it came");
    let last = bench.nodes[1].view(0).last.expect("there");
    assert_eq!((last.preview.as_str(), last.gone), ("", true));
}
