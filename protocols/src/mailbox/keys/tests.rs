//! Mailbox keys are found again, passes hold for their week and mailbox only, and envelopes open for their owner only.

use super::*;
use crate::id::EnvelopeId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const ID: EnvelopeId = EnvelopeId::from_bytes([7; 16]);

fn signer(n: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[n; 32]))
}

fn keys(n: u8) -> MailboxKeys {
    MailboxKeys::new(signer(n).node(), Zeroizing::new([n; 32]))
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

#[test]
fn each_week_has_a_mailbox_of_its_own_and_it_is_found_again() {
    assert_eq!(keys(1).address(10), keys(1).address(10));
    assert_ne!(keys(1).address(10), keys(1).address(11));
    assert_ne!(keys(1).address(10), keys(2).address(10));
    assert_eq!(week_of(UnixMillis(WEEK_MILLIS * 3 - 1)), 2);
    assert_eq!(week_of(UnixMillis(WEEK_MILLIS * 3)), 3);
}

#[test]
fn a_pass_is_the_owners_word_for_one_contact_and_one_week() {
    let pass = keys(1).pass(10, signer(2).node());
    assert!(pass.holds());
    assert_eq!(pass.address(), keys(1).address(10));
    assert_ne!(pass.depositor().node(), keys(1).pass(10, signer(3).node()).depositor().node());
    assert_ne!(pass.depositor().node(), keys(1).pass(11, signer(2).node()).depositor().node());
    assert!(!MailboxPass { week: 11, ..pass.clone() }.holds());
    assert!(!MailboxPass { mailbox: *signer(9).node().as_bytes(), ..pass.clone() }.holds());
    assert!(!MailboxPass { depositor_secret: [9; 32], ..pass }.holds());
}

#[test]
fn an_envelope_opens_for_its_owner_at_its_place_and_names_its_writer() {
    let (bob, alice) = (keys(1), signer(2));
    let pass = bob.pass(10, alice.node());
    let place = (pass.address(), ID);
    let sealed = seal(&alice, bob.node(), &pass.sealing, place, b"hi", &mut rng()).expect("it fits");
    assert_eq!(sealed.len(), PADDED[0]);
    let opened = Opened { from: alice.node(), payload: b"hi".to_vec() };
    assert_eq!(bob.open(Some(10), place, &sealed), Ok(opened));
    assert_eq!(bob.open(Some(11), place, &sealed), Err(OpenError::NotForUs));
    assert_eq!(bob.open(None, place, &sealed), Err(OpenError::NotForUs));
    assert_eq!(keys(3).open(Some(10), place, &sealed), Err(OpenError::NotForUs));
    let elsewhere = (pass.address(), EnvelopeId::from_bytes([8; 16]));
    assert_eq!(bob.open(Some(10), elsewhere, &sealed), Err(OpenError::NotForUs));
    for at in [0, 31, 32, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(bob.open(Some(10), place, &changed), Err(OpenError::NotForUs), "byte {at}");
    }
    assert!(bob.open(Some(10), place, &sealed[..20]).is_err());
}

#[test]
fn an_envelope_for_somebody_else_cannot_be_passed_on() {
    // Bob seals what Alice wrote to him for Carol, under her name.
    let (bob, alice, carol) = (keys(1), signer(2), keys(3));
    let place = (intro_address(carol.node()), ID);
    let forged = seal(&alice, bob.node(), &carol.intro_sealing(), place, b"hi", &mut rng()).expect("it fits");
    assert!(matches!(carol.open(None, place, &forged), Err(OpenError::BadSignature(_))));
}

#[test]
fn lengths_say_little_and_the_largest_parcel_fits() {
    let (bob, alice) = (keys(1), signer(2));
    let place = (intro_address(bob.node()), ID);
    let size = |bytes: usize| {
        seal(&alice, bob.node(), &bob.intro_sealing(), place, &vec![1; bytes], &mut rng())
            .map(|sealed| sealed.len())
    };
    assert_eq!(size(0), Some(PADDED[0]));
    assert_eq!(size(600), Some(PADDED[0]));
    assert_eq!(size(1_000), Some(PADDED[1]));
    assert_eq!(size(crate::mailbox::Parcel::MAX_PAYLOAD_BYTES), Some(PADDED[4]));
    assert_eq!(
        size(crate::mailbox::Parcel::MAX_INTRO_PAYLOAD_BYTES),
        Some(crate::limits::MAX_INTRO_SEALED_BYTES)
    );
    assert_eq!(size(PADDED[4]), None);
}
