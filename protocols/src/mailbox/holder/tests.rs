//! What is kept, what is refused, and that nothing receipted goes early.

use super::*;
use crate::{
    crypto::sign::Signer,
    mailbox::{
        deposit::{Deposit, ends},
        keys::{MailboxKeys, week_begins, week_of},
    },
};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

const SHARE: u64 = 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn now() -> UnixMillis {
    week_begins(2_976)
}

fn signer(n: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[n; 32]))
}

fn deposit_of(contact: u8, id: u8, fill: u8) -> (Checked, Vec<u8>) {
    let owner = MailboxKeys::new(signer(1).node(), Zeroizing::new([1; 32]));
    let pass = owner.pass(week_of(now()), signer(contact).node());
    let bytes = Deposit::by_pass(&pass, EnvelopeId::from_bytes([id; 16]), vec![fill; 1_024]).encode();
    (Checked::read(&bytes).expect("it is right"), bytes)
}

fn from(n: u8) -> Source {
    Source { node: signer(n).node(), prefix: Prefix::V4([n; 3]) }
}

fn put(holder: &mut Holder, at: UnixMillis, (checked, bytes): &(Checked, Vec<u8>)) -> Result<Kept, Refusal> {
    let until = checked.kept_until(at, false)?;
    holder.put(until, (checked, bytes.clone()), from(8), SHARE)
}

#[test]
fn a_deposit_is_written_as_it_came_and_kept_for_two_weeks() {
    let mut holder = Holder::default();
    let deposit = deposit_of(2, 1, 0);
    let kept = put(&mut holder, now(), &deposit).expect("there is room");
    assert_eq!((kept.until, kept.new), (now().after(limits::MAILBOX_LIFETIME), true));
    let [Change::PutHeld(row)] = kept.changes.as_slice() else { panic!("one row: {:?}", kept.changes) };
    assert_eq!((&row.deposit, row.digest, row.until), (&deposit.1, deposit.0.digest, kept.until));
    assert_eq!(row.depositor, deposit.0.depositor());
}

#[test]
fn a_repeated_deposit_gives_the_same_receipt_or_a_longer_one() {
    let mut holder = Holder::default();
    let deposit = deposit_of(2, 1, 0);
    let first = put(&mut holder, now(), &deposit).expect("there is room");
    let soon = put(&mut holder, now().after(DAY / 2), &deposit).expect("it is there");
    assert_eq!((soon.until, soon.new, soon.changes.len()), (first.until, false, 0));
    let later = put(&mut holder, now().after(DAY * 2), &deposit).expect("it is there");
    assert_eq!((later.until, later.new), (first.until.after(DAY * 2), false));
    let again = put(&mut holder, now(), &deposit).expect("a clock went back");
    assert_eq!(again.until, later.until);
    assert_eq!(holder.len(), 1);
    let last = put(&mut holder, now().after(DAY * 13), &deposit).expect("it is there");
    assert_eq!(last.until, ends(week_of(now())));
}

#[test]
fn another_envelope_under_a_name_that_is_taken_is_refused() {
    let mut holder = Holder::default();
    put(&mut holder, now(), &deposit_of(2, 1, 0)).expect("there is room");
    assert_eq!(put(&mut holder, now(), &deposit_of(3, 1, 9)), Err(Refusal::Conflict));
    // The same sealed bytes by another pass change nothing either.
    let copied = put(&mut holder, now().after(DAY * 3), &deposit_of(3, 1, 0)).expect("it is there");
    assert_eq!((copied.until, copied.changes.len()), (now().after(limits::MAILBOX_LIFETIME), 0));
}

#[test]
fn what_somebody_else_brings_again_stays_charged_to_who_brought_it_first() {
    let mut holder = Holder::default();
    let (checked, bytes) = deposit_of(2, 1, 0);
    let until = now().after(limits::MAILBOX_LIFETIME);
    holder.put(until, (&checked, bytes.clone()), from(8), SHARE).expect("there is room");
    let again = holder.put(until.after(DAY * 2), (&checked, bytes), from(9), SHARE).expect("it is there");
    let [Change::PutHeld(row)] = again.changes.as_slice() else { panic!("one row") };
    assert_eq!((row.source, row.prefix), (from(8).node, from(8).prefix));
}

#[test]
fn what_is_full_refuses_the_new_and_keeps_the_old() {
    let mut holder = Holder::default();
    let share = 4 * 1_700;
    let mut kept = 0;
    let refused = (0..10).find_map(|id| {
        let (checked, bytes) = deposit_of(2, id, 0);
        let source = Source { prefix: Prefix::Local, ..from(8) };
        let result = holder.put(ends(week_of(now())), (&checked, bytes), source, share);
        kept += usize::from(result.is_ok());
        result.err()
    });
    assert_eq!(refused, Some(Refusal::Full));
    assert_eq!((holder.len(), holder.bytes() <= share), (kept, true));
    // Also when the share shrinks: what is there is promised.
    let (checked, bytes) = deposit_of(2, 0, 0);
    assert!(holder.put(ends(week_of(now())), (&checked, bytes), from(8), 0).is_ok());
}

#[test]
fn an_envelope_ends_when_its_receipt_says_and_not_before() {
    let mut holder = Holder::default();
    let deposit = deposit_of(2, 1, 0);
    let kept = put(&mut holder, now(), &deposit).expect("there is room");
    let key = EnvelopeKey { address: deposit.0.deposit.address, id: deposit.0.deposit.id };
    assert!(holder.expire(UnixMillis(kept.until.0 - 1)).is_empty());
    assert!(holder.get(&key, UnixMillis(kept.until.0 - 1)).is_some());
    assert!(holder.get(&key, kept.until).is_none());
    assert_eq!(holder.expire(kept.until), vec![Change::RemoveHeld(key)]);
    assert_eq!((holder.len(), holder.bytes(), holder.next_end()), (0, 0, None));
}

#[test]
fn a_mailbox_is_listed_by_name_from_a_place_on() {
    let mut holder = Holder::default();
    for id in [3, 1, 2] {
        put(&mut holder, now(), &deposit_of(2, id, 0)).expect("there is room");
    }
    let address = deposit_of(2, 1, 0).0.deposit.address;
    let ids = |holder: &Holder, after: Option<u8>| -> Vec<u8> {
        let after = after.map(|n| EnvelopeId::from_bytes([n; 16]));
        holder.of_mailbox(address, after, now()).map(|(key, _)| key.id.as_bytes()[0]).collect()
    };
    assert_eq!(ids(&holder, None), [1, 2, 3]);
    assert_eq!(ids(&holder, Some(1)), [2, 3]);
    assert_eq!(ids(&holder, Some(3)), [0; 0]);
    assert_eq!(holder.of_mailbox(MailboxAddress::from_bytes([0; 32]), None, now()).count(), 0);
}

#[test]
fn the_index_is_the_same_after_a_restart() {
    let mut holder = Holder::default();
    let mut rows = Vec::new();
    for id in 1..=3 {
        let kept = put(&mut holder, now(), &deposit_of(2, id, 0)).expect("there is room");
        rows.extend(kept.changes.iter().map(|change| match change {
            Change::PutHeld(row) => HeldSummary::of(row),
            other => panic!("no row: {other:?}"),
        }));
    }
    let again = Holder::new(rows);
    assert_eq!(
        (again.len(), again.bytes(), again.next_end()),
        (holder.len(), holder.bytes(), holder.next_end())
    );
    assert_eq!(again.mailboxes(), holder.mailboxes());
}

#[test]
fn what_other_holders_take_no_more_is_kept_and_offered_to_nobody() {
    let mut holder = Holder::default();
    let (checked, bytes) = deposit_of(2, 1, 0);
    let until = checked.kept_until(now(), true).expect("it is timely");
    holder.put(until, (&checked, bytes), from(8), SHARE).expect("there is room");
    let address = checked.deposit.address;
    let over = ends(week_of(now()));
    let (offered, held) =
        (|at| holder.offerable(address, at).count(), |at| holder.of_mailbox(address, None, at).count());
    assert_eq!((offered(now()), held(now())), (1, 1));
    assert_eq!((offered(over), held(over)), (0, 1));
    assert_eq!((offered(until), held(until)), (0, 0));
}
