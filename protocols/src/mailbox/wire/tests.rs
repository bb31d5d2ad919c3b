//! Every frame has the bytes of the specification, is bounded, and garbage is told from frames.

use super::*;
use crate::crypto::vectors;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

const ID: EnvelopeId = EnvelopeId::from_bytes([7; 16]);
const OTHER: EnvelopeId = EnvelopeId::from_bytes([8; 16]);
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn vector(name: &str) -> vectors::Vector {
    let golden = vectors::read(include_str!("../../../testdata/mailbox.txt"));
    golden.into_iter().find(|vector| vector.text("name") == name).expect("a vector of that name")
}

fn signer(n: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[n; 32]))
}

fn mailbox_signer() -> Signer {
    super::keys::MailboxKeys::new(signer(1).node(), zeroize::Zeroizing::new([1; 32])).owner(2_976)
}

fn owner() -> Owner {
    Owner::Week { mailbox: *mailbox_signer().node().as_bytes() }
}

fn digest() -> [u8; 32] {
    vector("envelope").array("digest")
}

fn acks() -> Acks {
    let claim = AckClaim { address: owner().address(), id: ID, digest: digest() };
    Acks { owner: owner(), taken: vec![claim.sign(&mailbox_signer())] }
}

fn ask() -> FetchAsk {
    FetchAsk {
        owner: owner(),
        holder: signer(3).node(),
        after: None,
        known: vec![],
        max_bytes: 262_144,
        time: NOW,
        subscribe: true,
    }
}

fn parts(request: Request) -> (Vec<u8>, [u8; SIGNATURE_BYTES]) {
    match request {
        Request::Fetch { ask, signature } => (ask.into_vec(), signature),
        other => panic!("no fetch: {other:?}"),
    }
}

#[test]
fn every_request_has_the_golden_bytes_of_the_specification() {
    let address = owner().address();
    assert_eq!(address.as_bytes(), &vector("mailbox").array("address"));
    let of_stranger = FetchAsk {
        owner: Owner::Intro { node: signer(1).node() },
        after: Some(ID),
        known: vec![ID, OTHER],
        subscribe: false,
        ..ask()
    };
    for (name, request) in [
        ("deposit", Request::Deposit { deposit: vec![1, 2, 3, 4].into() }),
        ("fetch", ask().sign(&mailbox_signer())),
        ("fetch on", of_stranger.sign(&signer(1))),
        ("ack", Request::Ack { acks: acks() }),
        ("offer", Request::Offer { address, ids: vec![ID, OTHER], acks: None }),
        ("offer with acks", Request::Offer { address, ids: vec![OTHER], acks: Some(acks()) }),
        ("news", Request::News { address }),
    ] {
        let golden = vector(&format!("request {name}")).bytes("frame");
        assert_eq!(request.encode(), golden, "{name}");
        assert_eq!(Request::decode(&golden), Ok(request), "{name}");
    }
}

#[test]
fn every_answer_has_the_golden_bytes_of_the_specification() {
    let until = NOW.after(limits::MAILBOX_LIFETIME);
    let receipt = ReceiptClaim { address: owner().address(), id: ID, digest: digest(), until };
    let refused = |reason| Answer::Refused { reason };
    for (name, answer) in [
        ("receipt", receipt.sign(&signer(3))),
        ("taken", Answer::Taken { acks: acks() }),
        ("page", Answer::Page { deposits: vec![vec![1, 2, 3, 4].into(), vec![5, 6].into()], next: Some(ID) }),
        ("page empty", Answer::Page { deposits: vec![], next: None }),
        ("acked", Answer::Acked),
        ("want", Answer::Want { ids: vec![OTHER], acks: Some(acks()) }),
        ("want nothing", Answer::Want { ids: vec![], acks: None }),
        ("heard", Answer::Heard),
        ("refused malformed", refused(Refusal::Malformed)),
        ("refused bad signature", refused(Refusal::BadSignature)),
        ("refused no right", refused(Refusal::NoRight)),
        ("refused untimely", refused(Refusal::Untimely)),
        ("refused conflict", refused(Refusal::Conflict)),
        ("refused mailbox quota", refused(Refusal::MailboxQuota)),
        ("refused pass quota", refused(Refusal::PassQuota)),
        ("refused source quota", refused(Refusal::SourceQuota)),
        ("refused prefix quota", refused(Refusal::PrefixQuota)),
        ("refused full", refused(Refusal::Full)),
        ("refused not a holder", refused(Refusal::NotAHolder)),
        ("refused busy", refused(Refusal::Busy)),
        ("pinned", Answer::Pinned),
        ("refused not served", refused(Refusal::NotServed)),
    ] {
        let golden = vector(&format!("answer {name}")).bytes("frame");
        assert_eq!(answer.encode(), golden, "{name}");
        assert_eq!(Answer::decode(&golden), Ok(answer), "{name}");
    }
}

#[test]
fn the_largest_of_each_list_fits_into_a_frame_and_a_longer_one_is_refused() {
    let address = owner().address();
    let many = |n: usize| Acks { owner: owner(), taken: vec![acks().taken[0]; n] };
    let offer =
        |ids: usize, acks: usize| Request::Offer { address, ids: vec![ID; ids], acks: Some(many(acks)) };
    let largest = offer(limits::MAX_IDS, limits::MAX_ACKS);
    assert_eq!(Request::decode(&largest.encode()), Ok(largest));
    for (ids, acks) in [(limits::MAX_IDS + 1, 0), (0, limits::MAX_ACKS + 1)] {
        assert!(matches!(Request::decode(&offer(ids, acks).encode()), Err(FrameError::TooMany { .. })));
    }
    let ack = Request::Ack { acks: many(limits::MAX_ACKS + 1) };
    assert!(matches!(Request::decode(&ack.encode()), Err(FrameError::TooMany { .. })));
    let want = Answer::Want { ids: vec![ID; limits::MAX_ACKS + 1], acks: None };
    assert!(matches!(Answer::decode(&want.encode()), Err(FrameError::TooMany { .. })));
    let owners = vec![vec![0; SIGNATURE_BYTES].into(); limits::MAX_PINNED_MAILBOXES + 1];
    let pin = Request::Pin { ask: vec![].into(), signature: [0; SIGNATURE_BYTES], owners };
    assert!(matches!(Request::decode(&pin.encode()), Err(FrameError::TooMany { .. })));
    let deposit = Request::Deposit { deposit: vec![0; limits::MAX_DEPOSIT_BYTES].into() };
    assert_eq!(Request::decode(&deposit.encode()), Ok(deposit));
    // A page is full when the next deposit would go beyond, so it exceeds its size only with a single one.
    let small = vec![0; 1_400];
    let count = limits::MAX_MAILBOX_PAGE_BYTES / small.len();
    let page = Answer::Page { deposits: vec![small.into(); count], next: Some(ID) };
    assert_eq!(Answer::decode(&page.encode()), Ok(page));
    let ask = FetchAsk { known: vec![ID; limits::MAX_IDS], ..ask() }.sign(&mailbox_signer());
    assert_eq!(Request::decode(&ask.encode()), Ok(ask));
}

#[test]
fn a_frame_beyond_its_size_or_with_bytes_after_it_is_refused() {
    let huge = Request::Deposit { deposit: vec![0; limits::MAX_MAILBOX_FRAME_BYTES].into() };
    let too_large = |error: &FrameError| matches!(error, FrameError::Decode(DecodeError::TooLarge { .. }));
    assert!(Request::decode(&huge.encode()).is_err_and(|error| too_large(&error)));
    let mut trailing = Answer::Acked.encode();
    trailing.push(0);
    assert!(Answer::decode(&trailing).is_err());
}

#[test]
fn only_the_owner_can_ask_what_is_in_a_mailbox() {
    let holder = signer(3).node();
    let (bytes, signature) = parts(ask().sign(&mailbox_signer()));
    assert_eq!(FetchAsk::check(&bytes, &signature, holder, NOW), Ok(ask()));
    let (_, by_another) = parts(ask().sign(&signer(9)));
    assert_eq!(FetchAsk::check(&bytes, &by_another, holder, NOW), Err(Refusal::BadSignature));
    let mut changed = bytes.clone();
    *changed.last_mut().expect("it has bytes") = 0xf4;
    assert_eq!(FetchAsk::check(&changed, &signature, holder, NOW), Err(Refusal::BadSignature));
    assert_eq!(FetchAsk::check(b"garbage", &signature, holder, NOW), Err(Refusal::Malformed));
}

#[test]
fn a_question_to_one_holder_is_none_to_another_and_not_later() {
    let (bytes, signature) = parts(ask().sign(&mailbox_signer()));
    assert_eq!(FetchAsk::check(&bytes, &signature, signer(4).node(), NOW), Err(Refusal::Malformed));
    let holder = signer(3).node();
    for (time, expected) in [
        (NOW.after(limits::CLOCK_TOLERANCE), Ok(ask())),
        (NOW.before(limits::CLOCK_TOLERANCE), Ok(ask())),
        (UnixMillis(NOW.after(limits::CLOCK_TOLERANCE).0 + 1), Err(Refusal::Untimely)),
        (UnixMillis(NOW.before(limits::CLOCK_TOLERANCE).0 - 1), Err(Refusal::Untimely)),
    ] {
        assert_eq!(FetchAsk::check(&bytes, &signature, holder, time), expected);
    }
}

#[test]
fn a_question_with_too_long_a_list_is_refused() {
    let long = FetchAsk { known: vec![ID; limits::MAX_IDS + 1], ..ask() };
    let (bytes, signature) = parts(long.sign(&mailbox_signer()));
    assert_eq!(FetchAsk::check(&bytes, &signature, signer(3).node(), NOW), Err(Refusal::Malformed));
}

#[test]
fn an_acknowledgement_is_the_owners_word_for_one_content_in_one_mailbox() {
    let (acks, address) = (acks(), owner().address());
    let ack = acks.taken[0];
    assert!(ack.holds(&acks.owner, address));
    let intro = Owner::Intro { node: signer(1).node() };
    assert!(!ack.holds(&intro, intro.address()));
    assert!(!ack.holds(&intro, address), "the owner of another mailbox");
    assert!(!Ack { id: OTHER, ..ack }.holds(&acks.owner, address));
    assert!(!Ack { digest: [0; 32], ..ack }.holds(&acks.owner, address));
}

#[test]
fn a_receipt_is_the_holders_word_for_one_content_and_time() {
    let claim = ReceiptClaim { address: owner().address(), id: ID, digest: digest(), until: NOW };
    let Answer::Receipt { signature, .. } = claim.sign(&signer(3)) else { panic!("a receipt") };
    assert!(claim.is_signed(signer(3).node(), &signature));
    assert!(!claim.is_signed(signer(4).node(), &signature));
    assert!(!ReceiptClaim { until: UnixMillis(1), ..claim }.is_signed(signer(3).node(), &signature));
    assert!(!ReceiptClaim { id: OTHER, ..claim }.is_signed(signer(3).node(), &signature));
    assert!(!ReceiptClaim { digest: [0; 32], ..claim }.is_signed(signer(3).node(), &signature));
}

#[test]
fn what_blames_a_peer_is_not_worth_a_retry() {
    for reason in [
        Refusal::Malformed,
        Refusal::BadSignature,
        Refusal::NoRight,
        Refusal::Untimely,
        Refusal::Conflict,
        Refusal::MailboxQuota,
        Refusal::PassQuota,
        Refusal::SourceQuota,
        Refusal::PrefixQuota,
        Refusal::Full,
        Refusal::NotAHolder,
        Refusal::Busy,
        Refusal::NotServed,
    ] {
        assert!(!(reason.blames_peer() && reason.worth_retrying()), "{reason}");
    }
}

fn any_acks() -> impl Strategy<Value = Option<Acks>> {
    let ack = (any::<[u8; 16]>(), any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(id, digest, half)| {
        let mut signature = [0; SIGNATURE_BYTES];
        signature[..32].copy_from_slice(&half);
        Ack { id: EnvelopeId::from_bytes(id), digest, signature }
    });
    let owner = any::<[u8; 32]>().prop_map(|mailbox| Owner::Week { mailbox });
    proptest::option::of(
        (owner, proptest::collection::vec(ack, 0..4)).prop_map(|(owner, taken)| Acks { owner, taken }),
    )
}

fn any_ids() -> impl Strategy<Value = Vec<EnvelopeId>> {
    proptest::collection::vec(any::<[u8; 16]>().prop_map(EnvelopeId::from_bytes), 0..8)
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        if let Ok(answer) = Answer::decode(&bytes) {
            prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
        let _refused = FetchAsk::check(&bytes, &[0; SIGNATURE_BYTES], signer(3).node(), NOW);
    }

    #[test]
    fn a_damaged_frame_never_panics(at in 0usize..400, byte: u8) {
        let mut bytes = Request::Offer { address: owner().address(), ids: vec![ID, OTHER], acks: Some(acks()) }.encode();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn a_request_reads_back_as_written(address: [u8; 32], deposit: Vec<u8>, ids in any_ids(), acks in any_acks()) {
        let address = MailboxAddress::from_bytes(address);
        for request in [
            Request::Deposit { deposit: deposit.into() },
            Request::News { address },
            Request::Offer { address, ids, acks: acks.clone() },
        ].into_iter().chain(acks.map(|acks| Request::Ack { acks })) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn an_answer_reads_back_as_written(deposits: Vec<Vec<u8>>, ids in any_ids(), acks in any_acks(), until: u64) {
        let next = ids.first().copied();
        let deposits = deposits.into_iter().map(Into::into).collect();
        for answer in [
            Answer::Receipt { until: UnixMillis(until), signature: [3; SIGNATURE_BYTES] },
            Answer::Page { deposits, next },
            Answer::Want { ids, acks },
        ] {
            prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
    }
}
