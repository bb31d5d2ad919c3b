//! A deposit proves its right to whoever is shown it, and nothing of it can be changed or moved.

use super::*;
use crate::{
    crypto::{sign::Signer, vectors},
    mailbox::keys::{MailboxKeys, Opened, WEEK_MILLIS, intro_address},
};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use zeroize::Zeroizing;

const WEEK: u32 = 2_976;
const ID: EnvelopeId = EnvelopeId::from_bytes([7; 16]);

fn vector(name: &str) -> vectors::Vector {
    let golden = vectors::read(include_str!("../../../testdata/mailbox.txt"));
    golden.into_iter().find(|vector| vector.text("name") == name).expect("a vector of that name")
}

fn signer(n: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[n; 32]))
}

fn keys() -> MailboxKeys {
    MailboxKeys::new(signer(1).node(), Zeroizing::new([1; 32]))
}

fn pass() -> MailboxPass {
    keys().pass(WEEK, signer(2).node())
}

fn by_pass() -> Deposit {
    Deposit::by_pass(&pass(), ID, vector("envelope").bytes("sealed"))
}

fn by_puzzle() -> Deposit {
    let sealed = vector("envelope of a stranger").bytes("sealed");
    Deposit::by_puzzle(signer(1).node(), ID, sealed, WEEK, vector("deposit by puzzle").number("nonce"))
}

fn read(deposit: &Deposit) -> Result<Checked, Refusal> {
    Checked::read(&deposit.encode())
}

#[test]
fn keys_passes_and_addresses_are_those_of_another_implementation() {
    let golden = vector("mailbox");
    let pass = pass();
    assert_eq!(pass.mailbox, golden.array("mailbox"));
    assert_eq!(pass.address().as_bytes(), &golden.array("address"));
    assert_eq!(pass.sealing, golden.array("sealing"));
    assert_eq!(pass.depositor_secret, golden.array("depositor_secret"));
    assert_eq!(codec::encode(&pass.claim()), golden.bytes("claim"));
    assert_eq!(pass.signature, golden.array("signature"));
    assert_eq!(codec::encode(&pass), golden.bytes("pass"));
    assert_eq!(intro_address(signer(1).node()).as_bytes(), &golden.array("intro_address"));
    assert_eq!(keys().intro_sealing(), golden.array("intro_sealing"));
}

#[test]
fn envelopes_of_another_implementation_open() {
    for (name, week) in [("envelope", Some(WEEK)), ("envelope of a stranger", None)] {
        let golden = vector(name);
        let place = (MailboxAddress::from_bytes(golden.array("address")), ID);
        let opened = keys().open(week, place, &golden.bytes("sealed"));
        assert_eq!(opened, Ok(Opened { from: signer(2).node(), payload: golden.bytes("payload") }), "{name}");
    }
}

#[test]
fn deposits_have_the_golden_bytes_of_the_specification() {
    for (deposit, name) in [(by_pass(), "deposit by pass"), (by_puzzle(), "deposit by puzzle")] {
        assert_eq!(deposit.encode(), vector(name).bytes("deposit"), "{name}");
        assert_eq!(read(&deposit).map(|checked| checked.deposit), Ok(deposit), "{name}");
    }
}

#[test]
fn nothing_of_a_deposit_can_be_changed() {
    let deposit = by_pass();
    let elsewhere = MailboxAddress::from_bytes([0; 32]);
    assert_eq!(read(&Deposit { address: elsewhere, ..deposit.clone() }), Err(Refusal::NoRight));
    let renamed = Deposit { id: EnvelopeId::from_bytes([8; 16]), ..deposit.clone() };
    assert_eq!(read(&renamed), Err(Refusal::BadSignature));
    let mut other = deposit.clone();
    other.sealed[500] ^= 1;
    assert_eq!(read(&other), Err(Refusal::BadSignature));
    assert_eq!(read(&Deposit { sealed: vec![0; 1_000].into(), ..deposit }), Err(Refusal::Malformed));
}

#[test]
fn a_pass_must_be_the_owners_word_for_this_depositor() {
    // Somebody makes a pass for a mailbox that is not theirs, and signs it with a key of their own.
    let mine = MailboxKeys::new(signer(9).node(), Zeroizing::new([9; 32])).pass(WEEK, signer(2).node());
    let forged = MailboxPass { mailbox: pass().mailbox, ..mine };
    let deposit = Deposit::by_pass(&forged, ID, vec![0; PADDED[0]]);
    assert_eq!(read(&deposit), Err(Refusal::BadSignature));
    let other_week = MailboxPass { week: WEEK + 1, ..pass() };
    assert_eq!(read(&Deposit::by_pass(&other_week, ID, vec![0; PADDED[0]])), Err(Refusal::BadSignature));
}

#[test]
fn a_puzzle_must_be_solved_for_this_envelope_week_and_mailbox() {
    let deposit = by_puzzle();
    let right = |node, week, nonce| Right::Puzzle { node, week, nonce };
    let (node, nonce) = (signer(1).node(), vector("deposit by puzzle").number("nonce"));
    for changed in [
        Deposit { right: right(node, WEEK, nonce + 1), ..deposit.clone() },
        Deposit { right: right(node, WEEK + 1, nonce), ..deposit.clone() },
        Deposit { right: right(signer(2).node(), WEEK, nonce), ..deposit.clone() },
        Deposit { id: EnvelopeId::from_bytes([8; 16]), ..deposit.clone() },
        Deposit { sealed: vec![0; PADDED[0]].into(), ..deposit.clone() },
    ] {
        assert_eq!(read(&changed), Err(Refusal::NoRight));
    }
    let large = Deposit { sealed: vec![0; PADDED[3]].into(), ..deposit };
    assert_eq!(read(&large), Err(Refusal::Malformed), "larger than a stranger's may be");
}

#[test]
fn a_puzzle_does_not_open_a_contacts_mailbox() {
    let deposit = Deposit { address: pass().address(), ..by_puzzle() };
    assert_eq!(read(&deposit), Err(Refusal::NoRight));
}

#[test]
fn a_solution_begins_with_so_many_zero_bits() {
    let golden = vector("deposit by puzzle");
    let (challenge, nonce) = (golden.array("challenge"), golden.number("nonce"));
    assert!(solves(&challenge, nonce, limits::PUZZLE_BITS));
    assert!((0..nonce.min(2_000)).all(|nonce| !solves(&challenge, nonce, limits::PUZZLE_BITS)));
    assert!(solves(&challenge, 0, 0));
    assert!(!solves(&challenge, nonce, 255));
}

#[test]
fn a_deposit_is_kept_for_two_weeks_and_not_longer_than_its_owner_looks() {
    let checked = read(&by_pass()).expect("it is right");
    let begins = keys::week_begins(WEEK);
    let ends = keys::week_begins(WEEK + 3);
    let week = std::time::Duration::from_millis(WEEK_MILLIS);
    for (now, expected) in [
        (UnixMillis(begins.before(week).0 - 1), Err(Refusal::Untimely)),
        (begins.before(week), Ok(begins.before(week).after(limits::MAILBOX_LIFETIME))),
        (begins, Ok(begins.after(limits::MAILBOX_LIFETIME))),
        (keys::week_begins(WEEK + 2), Ok(ends)),
        (UnixMillis(ends.0 - 1), Ok(ends)),
        (ends, Err(Refusal::Untimely)),
    ] {
        assert_eq!(checked.kept_until(now, false), expected, "at {now}");
    }
}

#[test]
fn a_pinned_holder_keeps_a_deposit_for_a_month_and_takes_it_no_longer_than_others() {
    let checked = read(&by_pass()).expect("it is right");
    let begins = keys::week_begins(WEEK);
    let ends = keys::week_begins(WEEK + 3);
    let week = std::time::Duration::from_millis(WEEK_MILLIS);
    for (now, expected) in [
        (UnixMillis(begins.before(week).0 - 1), Err(Refusal::Untimely)),
        (begins, Ok(begins.after(limits::PINNED_LIFETIME))),
        (
            UnixMillis(keys::week_begins(WEEK + 1).0 - 1),
            Ok(UnixMillis(keys::week_begins(WEEK + 1).0 - 1).after(limits::PINNED_LIFETIME)),
        ),
        (UnixMillis(ends.0 - 1), Ok(keys::week_begins(WEEK + 1 + PINNED_WEEKS_AFTER))),
        (ends, Err(Refusal::Untimely)),
    ] {
        assert_eq!(checked.kept_until(now, true), expected, "at {now}");
    }
}

#[test]
fn who_took_an_envelope_is_remembered_for_as_long_as_anybody_may_bring_it() {
    let accepted = u64::from(WEEKS_BEFORE + 1 + WEEKS_AFTER) * WEEK_MILLIS;
    assert!(limits::TOMBSTONE_LIFETIME.as_millis() >= u128::from(accepted));
    let shown = u64::from(WEEKS_BEFORE + 1 + PINNED_WEEKS_AFTER) * WEEK_MILLIS;
    assert!(limits::OWN_TOMBSTONE_LIFETIME.as_millis() >= u128::from(shown));
}

#[test]
fn the_largest_envelope_makes_a_deposit_and_a_row_that_the_database_takes() {
    let deposit = Deposit::by_pass(&pass(), ID, vec![0; PADDED[4]]).encode();
    assert!(Checked::read(&deposit).is_ok());
    assert!(deposit.len() + 1_024 < 64 * 1_024, "{}", deposit.len());
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    assert_eq!(Checked::read(&vec![0; limits::MAX_DEPOSIT_BYTES + 1]), Err(Refusal::Malformed));
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        prop_assert!(Checked::read(&bytes).is_err());
    }
}

#[test]
fn a_deposit_of_which_any_single_bit_is_damaged_is_refused() {
    let good = by_pass().encode();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            assert!(Checked::read(&bytes).is_err(), "bit {bit} of byte {at}");
        }
    }
}
