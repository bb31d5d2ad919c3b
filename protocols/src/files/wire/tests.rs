//! Every frame has the bytes of the specification, is bounded, and garbage is told from frames.

use super::*;
use crate::{
    crypto::vectors,
    files::manifest::{Manifest, Member},
    limits::MAX_BLOB_RANGES,
};
use proptest::prelude::*;

const OFFER: OfferId = OfferId::from_bytes([13; 16]);
const BLOB: BlobId = BlobId::from_bytes([14; 32]);

fn pull(ranges: Vec<(u32, u32)>) -> Pull {
    let size = BlobSize::try_from(1_000_000).expect("not too large");
    Pull { offer: OFFER, blob: BLOB, size, groups: Groups::try_from(ranges).expect("in order") }
}

fn requests() -> Vec<(&'static str, Request)> {
    let tell = |word| Request::Tell { offer: OFFER, word };
    vec![
        ("request pull", Request::Pull { ask: pull(vec![(0, 62)]) }),
        ("request pull of several ranges", Request::Pull { ask: pull(vec![(0, 1), (7, 24), (60, 2)]) }),
        ("request tell withdrawn", tell(Word::Withdrawn)),
        ("request tell declined", tell(Word::Declined)),
        ("request tell received", tell(Word::Received)),
        ("request tell too many", tell(Word::TooMany)),
        ("request tell cancelled", tell(Word::Cancelled)),
    ]
}

fn answers() -> Vec<(&'static str, Answer)> {
    let refused = |reason| Answer::Refused { reason };
    vec![
        ("answer sending", Answer::Sending),
        ("answer noted", Answer::Noted),
        ("answer refused not offered", refused(Refusal::NotOffered)),
        ("answer refused withdrawn", refused(Refusal::Withdrawn)),
        ("answer refused expired", refused(Refusal::Expired)),
        ("answer refused over", refused(Refusal::Over)),
        ("answer refused source changed", refused(Refusal::SourceChanged)),
        ("answer refused source gone", refused(Refusal::SourceGone)),
        ("answer refused busy", refused(Refusal::Busy)),
        ("answer refused invalid", refused(Refusal::Invalid)),
        ("answer refused unreadable", refused(Refusal::Unreadable)),
        ("answer sending piece", Answer::SendingPiece { piece: BLOB }),
    ]
}

#[test]
fn a_question_for_groups_of_two_pieces_is_not_of_one() {
    let of_one = |ranges| pull(ranges).is_of_one_piece();
    assert!(of_one(vec![(0, 4_096)]) && of_one(vec![(4_096, 1), (8_191, 1)]));
    assert!(!of_one(vec![(4_095, 2)]) && !of_one(vec![(0, 1), (4_096, 1)]));
}

fn members() -> Vec<Member> {
    let member = |path: &str, blob: u8, size: u64| Member {
        path: path.to_owned(),
        blob: BlobId::from_bytes([blob; 32]),
        size: BlobSize::try_from(size).expect("not too large"),
    };
    vec![member("b/ü.jpg", 17, (1 << 40) - 5), member("a.txt", 14, 5)]
}

#[test]
fn frames_are_written_and_read_byte_for_byte() {
    let mut read = Vec::new();
    let golden = vectors::read(include_str!("../../../testdata/files.txt"));
    let bytes = |name: &str| {
        let vector = golden.iter().find(|vector| vector.text("name") == name);
        vector.unwrap_or_else(|| panic!("no vector \"{name}\"")).bytes("bytes")
    };
    let inside = |frame: &[u8]| {
        let (prefix, rest) = frame.split_first_chunk::<2>().expect("a length");
        assert_eq!(frame_length(*prefix), Some(rest.len()));
        rest.to_vec()
    };
    for (name, request) in requests() {
        let frame = bytes(name);
        assert_eq!(request.encode(), frame, "{name}");
        assert_eq!(Request::decode(&inside(&frame)), Ok(request), "{name}");
        read.push(name);
    }
    for (name, answer) in answers() {
        let frame = bytes(name);
        assert_eq!(answer.encode(), frame, "{name}");
        assert_eq!(Answer::decode(&inside(&frame)), Ok(answer), "{name}");
        read.push(name);
    }
    let lists =
        [("manifest", Manifest::new(members())), ("manifest in pieces", Manifest::in_pieces(members()))];
    for (name, list) in lists {
        assert_eq!(list.expect("within bounds").encode(), bytes(name));
        read.push(name);
    }
    let specification = include_str!("../../../../docs/protocol/files.md");
    for vector in &golden {
        let name = vector.text("name");
        assert!(read.contains(&name), "nobody reads \"{name}\"");
        assert!(specification.contains(&format!("`{name}`")), "the specification does not name \"{name}\"");
    }
}

#[test]
fn the_question_with_the_most_ranges_fits_into_a_frame() {
    let last = u32::MAX - 600;
    let many =
        |count: usize| (0..u32::try_from(count).expect("few")).map(|n| (last + 2 * n, 1)).collect::<Vec<_>>();
    let question = pull(many(MAX_BLOB_RANGES));
    let frame = Request::Pull { ask: question }.encode();
    assert!(frame.len() < MAX_FILE_FRAME_BYTES, "{}", frame.len());
    assert!(Groups::try_from(many(MAX_BLOB_RANGES + 1)).is_err());
}

#[test]
fn a_question_for_nothing_or_for_more_than_there_is_does_not_hold() {
    assert!(pull(vec![(0, 62)]).holds());
    assert!(!pull(vec![]).holds());
    assert!(!pull(vec![(0, 63)]).holds());
}

#[test]
fn a_length_beyond_the_limit_is_no_frame() {
    assert_eq!(frame_length([0, 0]), None);
    assert_eq!(frame_length([0x10, 0x00]), Some(4_096));
    assert_eq!(frame_length([0x10, 0x01]), None);
    assert!(Request::decode(&vec![0; MAX_FILE_FRAME_BYTES + 1]).is_err());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ignored_results = (Request::decode(&bytes), Answer::decode(&bytes));
    }
}
