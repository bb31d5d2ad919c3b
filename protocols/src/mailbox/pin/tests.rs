//! A statement has the bytes of the specification, and holds for one account, one holder, one time and its own mailboxes only.

use super::*;
use crate::{crypto::vectors, mailbox::keys::MailboxKeys};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const WEEK: u32 = 2_976;

fn vector(name: &str) -> vectors::Vector {
    let golden = vectors::read(include_str!("../../../testdata/mailbox.txt"));
    golden.into_iter().find(|vector| vector.text("name") == name).expect("a vector of that name")
}

fn signer(n: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[n; 32]))
}

fn owner(n: u8, week: u32) -> Signer {
    MailboxKeys::new(signer(n).node(), zeroize::Zeroizing::new([n; 32])).owner(week)
}

fn ask(weeks: impl IntoIterator<Item = u32>) -> (PinAsk, Vec<Signer>) {
    let owners: Vec<(u32, Signer)> = weeks.into_iter().map(|week| (week, owner(1, week))).collect();
    let mailboxes =
        owners.iter().map(|(week, owner)| PinnedMailbox { week: *week, mailbox: *owner.node().as_bytes() });
    let ask = PinAsk {
        account: signer(1).node(),
        holder: signer(3).node(),
        mailboxes: mailboxes.collect(),
        time: NOW,
    };
    (ask, owners.into_iter().map(|(_, owner)| owner).collect())
}

fn parts(request: Request) -> (Vec<u8>, [u8; SIGNATURE_BYTES], Vec<ByteBuf>) {
    match request {
        Request::Pin { ask, signature, owners } => (ask.into_vec(), signature, owners),
        other => panic!("no pin: {other:?}"),
    }
}

fn check(
    (ask, signature, owners): &(Vec<u8>, [u8; SIGNATURE_BYTES], Vec<ByteBuf>),
) -> Result<PinAsk, Refusal> {
    PinAsk::check(ask, signature, owners, signer(3).node(), NOW)
}

#[test]
fn a_statement_has_the_golden_bytes_of_the_specification() {
    for (name, weeks) in [("request pin", vec![WEEK, WEEK + 1]), ("request unpin", vec![])] {
        let (ask, owners) = ask(weeks);
        let request = ask.sign(&signer(1), &owners);
        assert_eq!(request.encode(), vector(name).bytes("frame"), "{name}");
        assert_eq!(Request::decode(&vector(name).bytes("frame")), Ok(request.clone()));
        assert_eq!(check(&parts(request)), Ok(ask));
    }
}

#[test]
fn a_pass_that_names_a_pinned_holder_has_the_golden_bytes_and_the_same_claim() {
    let keys = MailboxKeys::new(signer(1).node(), zeroize::Zeroizing::new([1; 32]));
    let plain = keys.pass(WEEK, signer(2).node());
    let naming = keys::MailboxPass { pinned: vec![signer(3).node()], ..plain.clone() };
    assert_eq!(codec::encode(&naming), vector("pass with a pinned holder").bytes("pass"));
    assert_eq!(codec::decode(&codec::encode(&naming), 1_024), Ok(naming.clone()));
    assert_eq!(codec::encode(&plain), vector("mailbox").bytes("pass"));
    assert_eq!(naming.claim(), plain.claim(), "holders are shown the same");
}

#[test]
fn only_the_account_can_say_so_and_only_of_mailboxes_whose_keys_agree() {
    let (ask, owners) = ask([WEEK, WEEK + 1]);
    assert_eq!(check(&parts(ask.sign(&signer(2), &owners))), Err(Refusal::BadSignature));
    let others = vec![owner(1, WEEK), owner(2, WEEK + 1)];
    assert_eq!(check(&parts(ask.sign(&signer(1), &others))), Err(Refusal::BadSignature));
    let turned = vec![owner(1, WEEK + 1), owner(1, WEEK)];
    assert_eq!(check(&parts(ask.sign(&signer(1), &turned))), Err(Refusal::BadSignature));
    let (bytes, signature, words) = parts(ask.sign(&signer(1), &owners));
    let short = vec![words[0].clone(), ByteBuf::from(vec![0; 63])];
    assert_eq!(check(&(bytes.clone(), signature, short)), Err(Refusal::Malformed));
    assert_eq!(
        check(&(bytes, signature, words[..1].to_vec())),
        Err(Refusal::Malformed),
        "one has not agreed"
    );
}

#[test]
fn a_statement_to_one_holder_is_none_to_another_and_not_later() {
    let (ask, owners) = ask([WEEK]);
    let (bytes, signature, words) = parts(ask.sign(&signer(1), &owners));
    let at = |holder: u8, now| PinAsk::check(&bytes, &signature, &words, signer(holder).node(), now);
    assert_eq!(at(4, NOW), Err(Refusal::Malformed));
    assert_eq!(at(1, NOW), Err(Refusal::Malformed), "to oneself");
    for (now, expected) in [
        (NOW.after(limits::CLOCK_TOLERANCE), Ok(ask.clone())),
        (NOW.before(limits::CLOCK_TOLERANCE), Ok(ask.clone())),
        (UnixMillis(NOW.after(limits::CLOCK_TOLERANCE).0 + 1), Err(Refusal::Untimely)),
        (UnixMillis(NOW.before(limits::CLOCK_TOLERANCE).0 - 1), Err(Refusal::Untimely)),
    ] {
        assert_eq!(at(3, now), expected);
    }
}

#[test]
fn mailboxes_are_few_and_of_weeks_around_now() {
    let most = u32::try_from(limits::MAX_PINNED_MAILBOXES).expect("it fits");
    let (fits, owners) = ask(WEEK - 3..WEEK - 3 + most);
    assert_eq!(check(&parts(fits.sign(&signer(1), &owners))), Ok(fits));
    let (long, owners) = ask(WEEK - 3..=WEEK - 3 + most);
    assert_eq!(check(&parts(long.sign(&signer(1), &owners))), Err(Refusal::Malformed));
    for week in [WEEK - 4, WEEK + 6, u32::MAX] {
        let (far, owners) = ask([week]);
        assert_eq!(check(&parts(far.sign(&signer(1), &owners))), Err(Refusal::Untimely));
    }
    assert!(weeks_named(NOW).count() <= limits::MAX_PINNED_MAILBOXES);
}

#[test]
fn the_longest_statement_is_read() {
    let mailboxes = vec![PinnedMailbox { week: u32::MAX, mailbox: [255; 32] }; limits::MAX_PINNED_MAILBOXES];
    let longest = PinAsk { mailboxes, ..ask([]).0 };
    assert!(codec::encode(&longest).len() <= MAX_BYTES);
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>, words: Vec<Vec<u8>>) {
        let words: Vec<ByteBuf> = words.into_iter().map(ByteBuf::from).collect();
        prop_assert!(PinAsk::check(&bytes, &[0; SIGNATURE_BYTES], &words, signer(3).node(), NOW).is_err());
    }

    #[test]
    fn a_damaged_statement_is_refused(at in 0usize..160, bit in 0u8..8) {
        let (ask, owners) = ask([WEEK, WEEK + 1]);
        let (mut bytes, signature, words) = parts(ask.sign(&signer(1), &owners));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
            prop_assert!(check(&(bytes, signature, words)).is_err());
        }
    }
}
