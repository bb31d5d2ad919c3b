//! What a record accepts, refuses and compares; golden bytes of each kind.

use super::*;
use crate::{
    crypto::vectors,
    id::DeviceId,
    net::Address,
    record::{Standing, card_key, value_key},
};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn signer() -> Signer {
    Signer::new(SigningKey::from_bytes(&[7; 32]))
}

fn draft(seq: u64, payload: &[u8]) -> Draft {
    Draft {
        kind: Kind::Value,
        salt: b"motd".to_vec(),
        seq,
        not_before: NOW,
        expires: NOW.after(7 * DAY),
        payload: Some(payload.to_vec()),
    }
}

fn value(seq: u64, payload: &[u8]) -> Record {
    Record::sign(&signer(), draft(seq, payload)).expect("a value")
}

fn card() -> Record {
    let card = Card {
        node: signer().node(),
        device: DeviceId::from_bytes([3; 16]),
        key_package: vec![4; 8].into(),
        addresses: vec![Address::try_from("/ip4/192.0.2.1/tcp/4001".to_owned()).expect("an address")],
        level: 2,
        mailbox: Some(vec![5; 32].into()),
    };
    let draft = Draft { kind: Kind::Card, salt: vec![], payload: Some(card.encode()), ..draft(9, b"") };
    Record::sign(&signer(), draft).expect("a card")
}

/// Frames a body of our choosing with a good signature.
fn signed(body: &Body) -> Vec<u8> {
    let body = codec::encode(body);
    let signature = signer().sign(Domain::Record, &body).to_vec();
    codec::encode(&Envelope::Signed { body: body.into(), signature: signature.into() })
}

fn body() -> Body {
    Body {
        version: VERSION,
        kind: 2,
        owner: signer().node(),
        salt: vec![].into(),
        seq: 1,
        not_before: NOW,
        expires: NOW.after(DAY),
        payload: vec![1].into(),
        tombstone: false,
    }
}

#[test]
fn every_kind_has_the_golden_bytes_of_the_specification() {
    let tombstone = Record::sign(&signer(), Draft { payload: None, ..draft(2, b"") }).expect("a tombstone");
    let by_hash = Record::by_hash(b"hello".to_vec()).expect("a value");
    for (name, record) in
        [("value", value(1, b"hello")), ("tombstone", tombstone), ("card", card()), ("by-hash", by_hash)]
    {
        let golden = vectors::read(include_str!("../../../testdata/records.txt"));
        let golden = golden.iter().find(|vector| vector.text("name") == name).expect("a vector of that name");
        assert_eq!(record.as_bytes(), golden.bytes("record"), "{name}");
        assert_eq!(Record::decode(&golden.bytes("record")), Ok(record.clone()), "{name}");
        assert_eq!(*record.key().as_bytes(), golden.array("key"), "{name}");
    }
}

#[test]
fn a_record_says_what_was_signed() {
    let record = value(3, b"hello");
    assert_eq!(record.key(), value_key(signer().node(), b"motd"));
    assert_eq!((record.seq(), record.payload(), record.kind()), (3, Some(&b"hello"[..]), Kind::Value));
    assert_eq!(card().key(), card_key(signer().node()));
    assert_eq!(card().card().map(|card| card.level), Some(2));
}

#[test]
fn any_flipped_bit_is_noticed() {
    let record = value(1, b"hello");
    for position in 0..record.as_bytes().len() {
        let mut bytes = record.as_bytes().to_vec();
        bytes[position] ^= 1;
        assert!(Record::decode(&bytes).is_err(), "byte {position}");
    }
}

#[test]
fn a_record_signed_by_somebody_else_is_forged() {
    let owner = Signer::new(SigningKey::from_bytes(&[8; 32])).node();
    let forged = signed(&Body { owner, ..body() });
    assert_eq!(Record::decode(&forged), Err(RecordError::BadSignature(BadSignature { by: owner })));
    assert!(Record::decode(&forged).is_err_and(|error| error.blames_peer()));
}

#[test]
fn a_signature_of_another_purpose_is_no_signature() {
    let body = codec::encode(&body());
    let signature = signer().sign(Domain::DeviceCertificate, &body).to_vec();
    let record = codec::encode(&Envelope::Signed { body: body.into(), signature: signature.into() });
    assert!(matches!(Record::decode(&record), Err(RecordError::BadSignature(_))));
}

#[test]
fn trailing_and_oversized_bytes_are_refused() {
    let mut trailing = value(1, b"hello").into_bytes();
    trailing.push(0);
    assert!(matches!(Record::decode(&trailing), Err(RecordError::Malformed { .. })));
    let huge = vec![0; limits::MAX_RECORD_BYTES + 1];
    assert!(matches!(Record::decode(&huge), Err(RecordError::TooLarge { .. })));
    let mut inside = codec::encode(&body());
    inside.push(0);
    let signature = signer().sign(Domain::Record, &inside).to_vec();
    let record = codec::encode(&Envelope::Signed { body: inside.into(), signature: signature.into() });
    assert!(matches!(Record::decode(&record), Err(RecordError::Malformed { .. })));
}

#[test]
fn a_later_version_or_kind_is_unsupported_and_nobodys_fault() {
    let later = Record::decode(&signed(&Body { version: 2, ..body() }));
    assert_eq!(later, Err(RecordError::UnsupportedVersion { version: 2 }));
    for kind in [0, 3, 4, 200] {
        let other = Record::decode(&signed(&Body { kind, ..body() }));
        assert_eq!(other, Err(RecordError::UnsupportedKind { kind }));
        assert!(other.is_err_and(|error| !error.blames_peer()));
    }
}

#[test]
fn fields_beyond_their_limits_are_refused_although_signed() {
    let bad = [
        Body { salt: vec![0; limits::MAX_SALT_BYTES + 1].into(), ..body() },
        Body { payload: vec![0; limits::MAX_PAYLOAD_BYTES + 1].into(), ..body() },
        Body { expires: NOW, ..body() },
        Body { expires: UnixMillis(NOW.after(7 * DAY).0 + 1), ..body() },
        Body { not_before: UnixMillis(u64::MAX), expires: UnixMillis(u64::MAX), ..body() },
        Body { tombstone: true, ..body() },
    ];
    for body in bad {
        assert!(matches!(Record::decode(&signed(&body)), Err(RecordError::BadField { .. })), "{body:?}");
    }
    let largest = Body {
        salt: vec![0; limits::MAX_SALT_BYTES].into(),
        payload: vec![0; limits::MAX_PAYLOAD_BYTES].into(),
        seq: u64::MAX,
        expires: NOW.after(7 * DAY),
        ..body()
    };
    assert!(Record::decode(&signed(&largest)).is_ok());
}

#[test]
fn a_card_record_carries_a_card_of_its_owner_and_no_salt() {
    let good = card();
    let payload = good.payload().expect("a payload").to_vec();
    let salted = Body { kind: 1, salt: vec![1].into(), payload: payload.clone().into(), ..body() };
    assert!(matches!(Record::decode(&signed(&salted)), Err(RecordError::BadField { .. })));
    let other = Body { kind: 1, payload: vec![0xa0].into(), ..body() };
    assert!(matches!(Record::decode(&signed(&other)), Err(RecordError::BadCard(_))));
    let mut stolen = good.card().expect("a card");
    stolen.node = NodeId::from_bytes([1; 32]);
    let stolen = Body { kind: 1, payload: stolen.encode().into(), ..body() };
    assert!(matches!(
        Record::decode(&signed(&stolen)),
        Err(RecordError::BadCard(CardError::NotTheOwner { .. }))
    ));
}

#[test]
fn a_record_holds_between_its_dates_give_or_take_five_minutes() {
    let record = value(1, b"hello");
    let (begin, end, minutes) = (NOW, NOW.after(7 * DAY), limits::CLOCK_TOLERANCE);
    assert_eq!(record.validate(begin.before(minutes)), Ok(()));
    assert_eq!(record.validate(end.after(minutes)), Ok(()));
    assert_eq!(record.validate(UnixMillis(begin.before(minutes).0 - 1)), Err(Untimely::NotYetValid));
    assert_eq!(record.validate(UnixMillis(end.after(minutes).0 + 1)), Err(Untimely::Expired));
    assert_eq!(record.validate(NOW.before(DAY)), Err(Untimely::NotYetValid));
}

#[test]
fn the_higher_number_wins_and_the_same_number_is_a_refresh_or_a_conflict() {
    let (old, new) = (value(1, b"a").stamp(), value(2, b"a").stamp());
    let other = value(2, b"b").stamp();
    assert_eq!(new.against(&old), Standing::Newer);
    assert_eq!(old.against(&new), Standing::Older);
    assert_eq!(new.against(&value(2, b"a").stamp()), Standing::Same);
    assert_eq!(new.against(&other), Standing::Conflict);
    assert_ne!(new.preferred_to(&other), other.preferred_to(&new), "all readers choose the same one");
}

#[test]
fn another_framing_of_the_same_signature_is_the_same_record() {
    // Field names instead of numbers: valid CBOR for the same value, made without the owner's key.
    let record = value(1, b"hello");
    let Envelope::Signed { body, signature } =
        codec::decode(record.as_bytes(), limits::MAX_RECORD_BYTES).expect("an envelope")
    else {
        panic!("signed")
    };
    let mut reframed = vec![0xa1, 0x66];
    reframed.extend_from_slice(b"Signed");
    reframed.extend([0xa2, 0x64]);
    reframed.extend_from_slice(b"body");
    reframed.extend(codec::encode(&body));
    reframed.push(0x69);
    reframed.extend_from_slice(b"signature");
    reframed.extend(codec::encode(&signature));
    let reframed = Record::decode(&reframed).expect("the same record");
    assert_ne!(reframed.as_bytes(), record.as_bytes());
    assert_eq!(reframed.stamp().against(&record.stamp()), Standing::Same);
}

proptest! {
    #[test]
    fn garbage_is_refused_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(record) = Record::decode(&bytes) {
            // Only what carries no signature can be made by chance.
            prop_assert_eq!(record.owner(), None);
        }
    }

    #[test]
    fn damaged_records_never_panic(cut in 0_usize..260, position in 0_usize..260, byte: u8) {
        let mut bytes = card().into_bytes();
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if let Some(place) = bytes.get_mut(position) {
            *place = byte;
        }
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.stamp(), card().stamp());
        }
    }

    #[test]
    fn a_signed_value_reads_back_as_written(seq: u64, salt in proptest::collection::vec(any::<u8>(), 0..=64), payload: Vec<u8>) {
        let record = Record::sign(&signer(), Draft { salt: salt.clone(), ..draft(seq, &payload) }).expect("a value");
        let read = Record::decode(record.as_bytes()).expect("what was signed");
        prop_assert_eq!(read.salt(), salt.as_slice());
        prop_assert_eq!(read.seq(), seq);
        prop_assert_eq!(read.payload(), Some(payload.as_slice()));
    }

    #[test]
    fn a_value_by_hash_lives_under_its_hash(payload: Vec<u8>) {
        let record = Record::by_hash(payload.clone()).expect("a value");
        prop_assert_eq!(Record::decode(record.as_bytes()), Ok(record.clone()));
        prop_assert_eq!(record.key(), crate::record::hash_key(&crate::record::payload_hash(&payload)));
    }
}
