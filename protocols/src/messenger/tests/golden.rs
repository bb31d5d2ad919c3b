//! Frames and contents, byte for byte as a second implementation writes them.

use super::*;
use crate::{crypto::vectors, messenger::content::Hlc};
use proptest::prelude::*;

const MESSAGE: MsgId = MsgId::from_bytes([1; 16]);
const DEVICE: DeviceId = DeviceId::from_bytes([2; 16]);
const SESSION: SessionId = SessionId::from_bytes([3; 16]);
const OTHER: MsgId = MsgId::from_bytes([4; 16]);
const ANOTHER: MsgId = MsgId::from_bytes([5; 16]);
const DATE: UnixMillis = UnixMillis(1_800_000_000_000);

fn buffer(bytes: &[u8]) -> serde_bytes::ByteBuf {
    serde_bytes::ByteBuf::from(bytes.to_vec())
}

fn start(name: &str, invitation: Option<&[u8]>) -> Item {
    Item::Start {
        session: SESSION,
        device: DEVICE,
        created: DATE,
        name: name.to_owned(),
        invitation: invitation.map(buffer),
        welcome: buffer(b"welcome"),
    }
}

fn requests() -> Vec<(&'static str, Request)> {
    let refresh = Item::Refresh { session: SESSION, epoch: 1, commit: buffer(b"commit") };
    let sealed = buffer(b"sealed");
    let content = Item::Content { session: SESSION, id: MESSAGE, device: DEVICE, seq: 1, sealed };
    let items = vec![start("Alice", Some(&[6; 16])), content, refresh];
    vec![
        ("request deliver", Request::Deliver { items }),
        ("request deliver without invitation", Request::Deliver { items: vec![start("", None)] }),
        ("request repair", Request::Repair { device: DEVICE, from: 7, to: 9 }),
        ("request presence", Request::Presence { online: true }),
    ]
}

fn answers() -> Vec<(&'static str, Answer)> {
    let refusals = [
        Refusal::Undecided,
        Refusal::NoSession,
        Refusal::Crossed,
        Refusal::Unreadable,
        Refusal::Invalid,
        Refusal::Busy,
    ];
    let outcomes =
        std::iter::once(Outcome::Stored).chain(refusals.map(|reason| Outcome::Refused { reason })).collect();
    vec![
        ("answer delivered", Answer::Delivered { outcomes }),
        ("answer repairing", Answer::Repairing { gone: vec![7, 9] }),
        ("answer seen", Answer::Seen),
        ("answer refused", Answer::Refused { reason: Refusal::Undecided }),
    ]
}

fn contents() -> Vec<(&'static str, Content)> {
    let text = |text: &str, reply_to| Body::Text { text: text.to_owned(), reply_to };
    let reaction = |emoji: Option<&str>| Body::Reaction { target: OTHER, emoji: emoji.map(str::to_owned) };
    let bodies = [
        ("content text", text("hello", None)),
        ("content text in answer", text("yes", Some(OTHER))),
        ("content accepted", Body::Accepted { name: "Bob".to_owned() }),
        ("content edit", Body::Edit { target: OTHER, text: "hello!".to_owned() }),
        ("content delete", Body::Delete { target: OTHER }),
        ("content reaction", reaction(Some("👍"))),
        ("content reaction withdrawn", reaction(None)),
        ("content read", Body::Read { ids: vec![OTHER, ANOTHER] }),
    ];
    let mut contents = Vec::new();
    let mut hlc = Hlc::default();
    for (seq, (name, body)) in (1..).zip(bodies) {
        hlc = hlc.max(Hlc::default().next(DATE));
        let content =
            Content { id: MESSAGE, device: DEVICE, seq, prev_hash: [9; 32], parents: Vec::new(), hlc, body };
        contents.push((name, content));
    }
    contents[0].1.prev_hash = [0; 32];
    contents[1].1.prev_hash = Content::hash(&contents[0].1.encode());
    contents[1].1.parents = vec![OTHER, ANOTHER];
    contents
}

fn vector(name: &str) -> vectors::Vector {
    let mut all = vectors::read(include_str!("../../../testdata/messages.txt")).into_iter();
    all.find(|vector| vector.text("name") == name).unwrap_or_else(|| panic!("no vector \"{name}\""))
}

#[test]
fn frames_are_written_and_read_byte_for_byte() {
    for (name, request) in requests() {
        let bytes = vector(name).bytes("bytes");
        assert_eq!(request.encode(), bytes, "{name}");
        assert_eq!(Request::decode(&bytes), Ok(request), "{name}");
    }
    for (name, answer) in answers() {
        let bytes = vector(name).bytes("bytes");
        assert_eq!(answer.encode(), bytes, "{name}");
        assert_eq!(Answer::decode(&bytes), Ok(answer), "{name}");
    }
}

#[test]
fn contents_are_written_read_and_hashed_byte_for_byte() {
    for (name, content) in contents() {
        let vector = vector(name);
        let bytes = vector.bytes("bytes");
        assert_eq!(content.encode(), bytes, "{name}");
        assert_eq!(Content::hash(&bytes), vector.array("hash"), "{name}");
        assert_eq!(Content::decode(&bytes), Ok(content), "{name}");
    }
}

#[test]
fn every_vector_has_a_reader_and_stands_in_the_specification() {
    let mut names: Vec<&str> = requests().into_iter().map(|(name, _)| name).collect();
    names.extend(answers().into_iter().map(|(name, _)| name));
    names.extend(contents().into_iter().map(|(name, _)| name));
    let specification = include_str!("../../../../docs/protocol/messages.md");
    for vector in vectors::read(include_str!("../../../testdata/messages.txt")) {
        let name = vector.text("name");
        assert!(names.contains(&name), "nobody reads \"{name}\"");
        assert!(specification.contains(&format!("`{name}`")), "the specification does not name \"{name}\"");
    }
}

#[test]
fn what_exceeds_a_limit_is_no_frame() {
    let item = start("Alice", None);
    let too_many = Request::Deliver { items: vec![item.clone(); limits::MAX_BATCH_ITEMS + 1] };
    assert!(Request::decode(&too_many.encode()).is_err());
    assert!(Request::decode(&Request::Deliver { items: Vec::new() }.encode()).is_err());
    let long_name = start(&"x".repeat(limits::MAX_NAME_BYTES + 1), None);
    assert!(Request::decode(&Request::Deliver { items: vec![long_name] }.encode()).is_err());
    let range = |from, to| Request::decode(&Request::Repair { device: DEVICE, from, to }.encode());
    assert!(range(1, limits::MAX_REPAIR).is_ok());
    assert!(range(1, limits::MAX_REPAIR + 1).is_err());
    assert!(range(0, 1).is_err() && range(2, 1).is_err() && range(0, u64::MAX).is_err());
    let gone = Answer::Repairing { gone: vec![1; 257] };
    assert!(Answer::decode(&gone.encode()).is_err());
}

proptest! {
    #[test]
    fn garbage_is_never_more_than_an_error(bytes: Vec<u8>) {
        let _nothing_but_no_panic = (Request::decode(&bytes), Answer::decode(&bytes), Content::decode(&bytes));
    }

    #[test]
    fn a_changed_byte_in_a_frame_never_panics(at in 0usize..400, to: u8) {
        for (_, request) in requests() {
            let mut bytes = request.encode();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            let _nothing_but_no_panic = Request::decode(&bytes);
        }
    }
}
