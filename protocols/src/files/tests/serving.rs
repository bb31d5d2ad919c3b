//! Who gets what: only who was offered it, and not everything at once.

use super::*;
use crate::limits::{MAX_SERVED_PER_TRANSFER, MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER};
use crate::{
    blob::Groups,
    machine::Machine as _,
    time::{Mono, Now},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

const NOW: Now = Now { mono: Mono(1_000), unix: START };

/// What becomes of a question, asked of a machine that stands alone.
fn asked(files: &mut Files, from: u8, token: u64, pull: Pull) -> Result<bool, Refusal> {
    let mut out = Vec::new();
    files.handle(NOW, In::Asked { from: node(from), token: ServeToken(token), pull }, &mut out);
    out.iter()
        .find_map(|out| match out {
            Out::Serve { member, .. } => Some(Ok(*member)),
            Out::Refuse { reason, .. } => Some(Err(*reason)),
            _ => None,
        })
        .expect("an answer")
}

fn question(offer: u8, what: &Offered) -> Pull {
    let (blob, size) = what.blob();
    Pull { offer: offer_id(offer), blob, size, groups: Groups::try_from(vec![(0, 1)]).expect("a group") }
}

fn offering(offers: &[(u8, u8, Offered)]) -> Files {
    let rng = ChaCha20Rng::seed_from_u64(1);
    let mut files = Files::new(node(ALICE), rows::Snapshot::default(), 0, rng);
    for (to, n, what) in offers {
        let command =
            Command::Offer { to: node(*to), offer: offer_id(*n), what: what.clone(), holders: vec![] };
        files.handle(NOW, In::Call { call: CallId(1), command }, &mut Vec::new());
    }
    files
}

#[test]
fn whoever_was_not_offered_a_blob_cannot_tell_whether_it_exists() {
    let what = file(1, 10);
    let mut files = offering(&[(BOB, 7, what.clone())]);
    assert_eq!(asked(&mut files, BOB, 1, question(7, &what)), Ok(false));
    // Carol came by the id of the offer; or she guesses; what she asks for exists or not, makes sense or not.
    for (offer, what) in [(7, &what), (7, &file(9, 10)), (8, &what), (8, &file(9, 10)), (7, &file(1, 0))] {
        assert_eq!(asked(&mut files, CAROL, 2, question(offer, what)), Err(Refusal::NotOffered));
    }
    // It stays so when the offer is over.
    let id = TransferId::outgoing(node(BOB), offer_id(7));
    files.handle(NOW, In::Call { call: CallId(2), command: Command::Withdraw { id } }, &mut Vec::new());
    assert_eq!(asked(&mut files, CAROL, 3, question(7, &what)), Err(Refusal::NotOffered));
    assert_eq!(asked(&mut files, BOB, 4, question(7, &what)), Err(Refusal::Withdrawn));
}

#[test]
fn an_offer_of_one_file_gives_no_right_to_another() {
    let mut files = offering(&[(BOB, 7, file(1, 10)), (CAROL, 8, file(2, 10))]);
    assert_eq!(asked(&mut files, BOB, 1, question(7, &file(2, 10))), Err(Refusal::NotOffered));
    assert_eq!(asked(&mut files, BOB, 2, question(7, &file(1, 11))), Err(Refusal::Invalid));
    let beyond =
        Pull { groups: Groups::try_from(vec![(10, 1)]).expect("a group"), ..question(7, &file(1, 10)) };
    assert_eq!(asked(&mut files, BOB, 3, beyond), Err(Refusal::Invalid));
}

#[test]
fn other_blobs_of_a_folder_are_looked_up_among_those_held_for_it() {
    let mut files = offering(&[(BOB, 7, folder(1, 10))]);
    assert_eq!(asked(&mut files, BOB, 1, question(7, &folder(1, 10))), Ok(false));
    assert_eq!(asked(&mut files, BOB, 2, question(7, &file(99, 10))), Ok(true));
    assert_eq!(asked(&mut files, CAROL, 3, question(7, &file(99, 10))), Err(Refusal::NotOffered));
}

#[test]
fn no_more_is_served_at_once_than_there_are_places() {
    let peers = [BOB, CAROL, DAVE];
    let offers: Vec<_> = peers.iter().flat_map(|to| (0..6).map(|n| (*to, n, file(n, 10)))).collect();
    let mut files = offering(&offers);
    let (mut served, mut token) = (Vec::new(), 0);
    for (to, n, what) in &offers {
        token += 1;
        match asked(&mut files, *to, token, question(*n, what)) {
            Ok(_) => served.push((*to, token)),
            Err(reason) => assert_eq!(reason, Refusal::Busy),
        }
    }
    assert_eq!(served.len(), MAX_TRANSFERS);
    assert_eq!(served.iter().filter(|(to, _)| *to == BOB).count(), MAX_TRANSFERS_PER_PEER);
    assert_eq!(asked(&mut files, DAVE, 100, question(0, &file(0, 10))), Err(Refusal::Busy));
    // A place that is free again is the next one's.
    let (_, token) = served[0];
    files.handle(NOW, In::Served { token: ServeToken(token), result: Ok(()) }, &mut Vec::new());
    assert_eq!(asked(&mut files, DAVE, 101, question(0, &file(0, 10))), Ok(false));
}

#[test]
fn one_transfer_has_a_few_questions_at_once() {
    let what = file(1, 10);
    let mut files = offering(&[(BOB, 7, what.clone())]);
    let most = u64::try_from(MAX_SERVED_PER_TRANSFER).expect("few");
    for token in 0..most {
        assert_eq!(asked(&mut files, BOB, token, question(7, &what)), Ok(false));
    }
    assert_eq!(asked(&mut files, BOB, most, question(7, &what)), Err(Refusal::Busy));
}

#[test]
fn what_is_withdrawn_stops_at_once() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 64 * 100));
    let ours = TransferId::outgoing(node(BOB), offer_id(7));
    world.accept(BOB, id);
    world.run(Duration::from_secs(1));
    world.call(ALICE, Command::Withdraw { id: ours }).expect("withdrawn");
    let pulled = world.person(BOB).pulled;
    world.run(Duration::from_secs(5));
    assert_eq!((world.state(ALICE, ours), world.state(BOB, id)), (State::Withdrawn, State::Withdrawn));
    assert_eq!(world.person(BOB).pulled, pulled);
    assert_eq!(world.person(ALICE).released, [ours]);
    assert_eq!(world.call(BOB, Command::Withdraw { id }), Err(CommandError::NotYours));
    assert_eq!(world.call(ALICE, Command::Accept { id: ours, folder: None }), Err(CommandError::NotYours));
}

#[test]
fn a_decline_and_a_withdrawal_that_cross_leave_each_side_what_it_decided() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 1));
    let ours = TransferId::outgoing(node(BOB), offer_id(7));
    world.part(ALICE, BOB);
    world.call(BOB, Command::Decline { id }).expect("declined");
    world.call(ALICE, Command::Withdraw { id: ours }).expect("withdrawn");
    world.restart(ALICE);
    world.restart(BOB);
    world.connect(ALICE, BOB);
    world.run(Duration::from_secs(2));
    assert_eq!((world.state(ALICE, ours), world.state(BOB, id)), (State::Withdrawn, State::Declined));
    for who in [ALICE, BOB] {
        assert!(world.person(who).rows.transfers.values().all(|row| row.owed.is_none()), "both were told");
    }
}

#[test]
fn a_withdrawal_that_overtakes_its_offer_is_told_again() {
    let mut world = World::new(&[ALICE, BOB]);
    world.mail_waits = true;
    let id = world.offer(ALICE, BOB, 7, file(1, 1));
    let ours = TransferId::outgoing(node(BOB), offer_id(7));
    world.call(ALICE, Command::Withdraw { id: ours }).expect("withdrawn");
    world.run(Duration::from_secs(20));
    assert!(world.person(BOB).refused.contains(&Refusal::NotOffered));
    world.deliver_mail();
    world.until(|world| world.state(BOB, id) == State::Withdrawn);
    assert_eq!(world.person(ALICE).rows.transfers[&ours].owed, None);
}

#[test]
fn what_all_arrived_cannot_be_taken_back() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 1));
    world.accept(BOB, id);
    world.until_done(BOB, id);
    let ours = TransferId::outgoing(node(BOB), offer_id(7));
    let refused = world.call(ALICE, Command::Withdraw { id: ours });
    assert_eq!(refused, Err(CommandError::Over("everything has arrived".to_owned())));
    let word = Word::Withdrawn;
    world.input(BOB, In::Heard { from: node(ALICE), token: ServeToken(1), offer: offer_id(7), word });
    assert!(matches!(world.state(BOB, id), State::Done { .. }));
}

#[test]
fn an_offer_with_the_id_of_one_of_ours_is_another_one() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 1));
    let back = world.offer(BOB, ALICE, 7, file(2, 1));
    world.call(ALICE, Command::Decline { id: back }).expect("declined");
    world.accept(BOB, id);
    world.until_done(BOB, id);
    assert_eq!(world.state(BOB, TransferId::outgoing(node(ALICE), offer_id(7))), State::Declined);
}

#[test]
fn an_offer_that_the_messenger_will_not_send_has_failed() {
    let mut files = offering(&[(BOB, 7, file(1, 1))]);
    let mut out = Vec::new();
    let result = Err("this person is blocked; unblock them first".to_owned());
    files.handle(NOW, In::OfferSent { to: node(BOB), offer: offer_id(7), result }, &mut out);
    let Some(Out::Persist { then, .. }) = out.first() else { panic!("{out:?}") };
    assert!(then.iter().any(|out| matches!(out, Out::Release { .. })));
    assert!(then.iter().any(|out| matches!(out, Out::Publish(Event::Transfer(view))
        if matches!(&view.state, State::Failed { why: Failure::NotSent { .. }, retryable: false }))));
}

#[test]
fn what_ended_long_ago_is_forgotten_and_what_is_open_is_not() {
    let most = crate::limits::MAX_ENDED_TRANSFERS;
    let mut rows = rows::Snapshot::default();
    for n in 0..=most {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&u64::try_from(n).expect("small").to_be_bytes());
        let offer = FileOffer { id: OfferId::from_bytes(id), made: START, what: file(1, 1), holders: vec![] };
        let id = TransferId::incoming(node(BOB), offer.id);
        let when = UnixMillis(START.0 - 1_000_000 + u64::try_from(n).expect("small"));
        let row = rows::TransferRow {
            account: node(ALICE),
            id,
            offer,
            since: when,
            expires: START.after(Duration::from_secs(1)),
            order: 0,
            decided: if n == 0 { Decided::Offered } else { Decided::Declined },
            ended: (n > 0).then_some(when),
            folder: None,
            liars: vec![],
            owed: None,
            have: None,
        };
        rows.transfers.insert(id, row);
    }
    let first = rows.transfers.keys().copied().collect::<Vec<_>>();
    let mut files = Files::new(node(ALICE), rows, 0, ChaCha20Rng::seed_from_u64(1));
    let mut out = Vec::new();
    files.handle(NOW, In::Call { call: CallId(1), command: Command::Decline { id: first[0] } }, &mut out);
    let Some(Out::Persist { changes, .. }) = out.first() else { panic!("{out:?}") };
    let removed = |change: &&Change| matches!(change, Change::RemoveTransfer { id, .. } if *id == first[1]);
    assert_eq!(changes.iter().filter(removed).count(), 1);
    assert_eq!(changes.len(), 2);
}

#[test]
fn of_a_file_in_pieces_no_question_is_answered_that_is_for_two_of_them() {
    let (name, key) = ("film".to_owned(), BlobId::from_bytes([1; 32]));
    let size = crate::blob::BlobSize::try_from(1 << 30).expect("not too large");
    let what = Offered::Pieces { name, mime: String::new(), key, size };
    let mut files = offering(&[(BOB, 7, what.clone())]);
    let ask = |first, count| {
        let groups = Groups::try_from(vec![(first, count)]).expect("groups");
        Pull { groups, ..question(7, &what) }
    };
    assert_eq!(asked(&mut files, BOB, 1, ask(4_095, 1)), Ok(false));
    assert_eq!(asked(&mut files, BOB, 2, ask(4_096, 512)), Ok(false));
    assert_eq!(asked(&mut files, BOB, 3, ask(4_095, 2)), Err(Refusal::Invalid));
    assert_eq!(asked(&mut files, CAROL, 4, ask(0, 1)), Err(Refusal::NotOffered));
}
