//! Frames and contents, byte for byte as a second implementation writes them.

use super::*;
use crate::{
    blob::BlobSize,
    codec,
    crypto::{
        sign::{Domain, Signer},
        vectors,
    },
    files::offer::{FileOffer, Offered},
    id::{BlobId, OfferId},
    mailbox::{Parcel, keys::MailboxPass},
    messenger::{
        content::{ContentError, Hlc},
        wire::{ChainFirst, ChainHeard, Mail, SessionHeld},
    },
};
use ed25519_dalek::SigningKey;
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
        ("request typing", Request::Typing),
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

fn pass() -> MailboxPass {
    let owner = Signer::new(SigningKey::from_bytes(&[7; 32]));
    let mut pass = MailboxPass {
        week: 2_976,
        mailbox: *owner.node().as_bytes(),
        sealing: [10; 32],
        depositor_secret: [8; 32],
        signature: [0; 64],
        pinned: Vec::new(),
    };
    pass.signature = owner.sign(Domain::MailboxPass, &codec::encode(&pass.claim()));
    pass
}

fn mails() -> Vec<(&'static str, Mail)> {
    let sealed = buffer(b"sealed");
    let content = Item::Content { session: SESSION, id: MESSAGE, device: DEVICE, seq: 1, sealed };
    let items = vec![start("Alice", Some(&[6; 16])), content];
    let first = vec![ChainFirst { device: DEVICE, seq: 1 }];
    let chains = vec![ChainHeard { device: DEVICE, through: 7, beyond: vec![9, 300], refused: vec![8] }];
    let sessions = vec![
        SessionHeld { session: SESSION, followed: Some(1) },
        SessionHeld { session: SessionId::from_bytes([11; 16]), followed: None },
    ];
    let lost = vec![SessionId::from_bytes([12; 16])];
    let nothing = Mail::Outcomes { chains: vec![], sessions: vec![], lost: vec![], again: false, passes: 0 };
    vec![
        ("mail deliver", Mail::Deliver { items, first }),
        ("mail outcomes", Mail::Outcomes { chains, sessions, lost, again: true, passes: 2_979 }),
        ("mail outcomes of nothing", nothing),
        ("mail repair", Mail::Repair { device: DEVICE, numbers: vec![7, 9, 262] }),
        ("mail repairing", Mail::Repairing { device: DEVICE, gone: vec![7] }),
    ]
}

fn size(bytes: u64) -> BlobSize {
    BlobSize::try_from(bytes).expect("not too large")
}

fn offer(what: Offered, holders: Vec<NodeId>) -> Body {
    Body::File { offer: Box::new(FileOffer { id: OfferId::from_bytes([13; 16]), made: DATE, what, holders }) }
}

fn file() -> Body {
    let (name, mime) = ("holiday.jpg".to_owned(), "image/jpeg".to_owned());
    offer(Offered::File { name, mime, blob: BlobId::from_bytes([14; 32]), size: size(1_000_000) }, vec![])
}

fn collection() -> Body {
    let what = Offered::Collection {
        name: "photos".to_owned(),
        count: 2,
        total: size(1 << 40),
        manifest: BlobId::from_bytes([15; 32]),
        manifest_size: size(104),
    };
    offer(what, vec![NodeId::from_bytes([16; 32])])
}

fn pieces() -> Body {
    let (name, mime) = ("film.mp4".to_owned(), "video/mp4".to_owned());
    offer(Offered::Pieces { name, mime, key: BlobId::from_bytes([14; 32]), size: size(1 << 32) }, vec![])
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
        ("content mailbox", Body::Mailbox { passes: vec![pass()] }),
        ("content file", file()),
        ("content collection", collection()),
        ("content file in pieces", pieces()),
        ("content timer", Body::Timer { lasts: Some(3_600) }),
        ("content that disappears", text("hello", None)),
    ];
    let mut contents = Vec::new();
    let mut hlc = Hlc::default();
    for (seq, (name, body)) in (1..).zip(bodies) {
        hlc = hlc.max(Hlc::default().next(DATE));
        let content = Content {
            id: MESSAGE,
            device: DEVICE,
            seq,
            prev_hash: [9; 32],
            parents: Vec::new(),
            hlc,
            body,
            lasts: None,
        };
        contents.push((name, content));
    }
    contents[0].1.prev_hash = [0; 32];
    contents[1].1.prev_hash = Content::hash(&contents[0].1.encode());
    contents[1].1.parents = vec![OTHER, ANOTHER];
    contents[13].1.lasts = Some(3_600);
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
    for (name, mail) in mails() {
        let bytes = vector(name).bytes("bytes");
        assert_eq!(mail.encode(), bytes, "{name}");
        assert_eq!(Mail::decode(&bytes), Ok(mail), "{name}");
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
    names.extend(mails().into_iter().map(|(name, _)| name));
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

#[test]
fn numbers_of_a_gap_are_some_in_order_and_near_each_other() {
    let read = |numbers: &[u64]| {
        let asks = Mail::Repair { device: DEVICE, numbers: numbers.to_vec() };
        let tells = Mail::Repairing { device: DEVICE, gone: numbers.to_vec() };
        let [asks, tells] = [asks, tells].map(|mail| Mail::decode(&mail.encode()).is_ok());
        assert_eq!(asks, tells);
        asks
    };
    let most: Vec<u64> = (1..=limits::MAX_REPAIR).collect();
    assert!(read(&most) && read(&[u64::MAX]) && read(&[u64::MAX - 255, u64::MAX]));
    for bad in [&[][..], &[0], &[0, 1], &[2, 1], &[2, 2], &[1, 1 + limits::MAX_REPAIR], &[1, u64::MAX]] {
        assert!(!read(bad), "{bad:?}");
    }
}

#[test]
fn what_exceeds_a_limit_is_no_mail() {
    let deliver = |count: usize, first: Vec<ChainFirst>| {
        let content =
            Item::Content { session: SESSION, id: MESSAGE, device: DEVICE, seq: 1, sealed: buffer(b"") };
        Mail::decode(&Mail::Deliver { items: vec![content; count], first }.encode()).is_ok()
    };
    let first = ChainFirst { device: DEVICE, seq: 1 };
    assert!(deliver(limits::MAX_BATCH_ITEMS, vec![first; limits::MAX_RECEIPT_CHAINS]));
    assert!(!deliver(0, vec![]) && !deliver(limits::MAX_BATCH_ITEMS + 1, vec![]));
    assert!(!deliver(1, vec![first; limits::MAX_RECEIPT_CHAINS + 1]));
    assert!(!deliver(1, vec![ChainFirst { device: DEVICE, seq: 0 }]));
    let outcomes = |chains: usize, beyond: usize, sessions: usize, lost: usize| {
        let heard =
            ChainHeard { device: DEVICE, through: 1, beyond: vec![3; beyond], refused: vec![3; beyond] };
        let held = SessionHeld { session: SESSION, followed: None };
        let (chains, sessions, lost) = (vec![heard; chains], vec![held; sessions], vec![SESSION; lost]);
        let mail = Mail::Outcomes { chains, sessions, lost, again: false, passes: 0 };
        let bytes = mail.encode();
        (Mail::decode(&bytes).is_ok(), bytes.len())
    };
    let (most, window) = (limits::MAX_RECEIPT_CHAINS, usize::try_from(limits::SEND_WINDOW).expect("small"));
    let (fits, bytes) = outcomes(most, window, most, limits::MAX_LOST);
    assert!(fits && bytes <= Parcel::MAX_INTRO_PAYLOAD_BYTES, "the largest goes to strangers, too: {bytes}");
    assert!(!outcomes(most + 1, 0, 0, 0).0 && !outcomes(1, window + 1, 0, 0).0);
    assert!(!outcomes(0, 0, most + 1, 0).0 && !outcomes(0, 0, 0, limits::MAX_LOST + 1).0);
    assert!(Mail::decode(&vec![0; Parcel::MAX_PAYLOAD_BYTES + 1]).is_err());
}

#[test]
fn a_pass_that_its_mailbox_has_not_signed_is_no_content() {
    let forged = MailboxPass { week: 2_977, ..pass() };
    let many = vec![pass(); limits::MAX_PASSES + 1];
    let read = |passes: Vec<MailboxPass>| {
        let content = Content { body: Body::Mailbox { passes }, ..contents()[0].1.clone() };
        Content::decode(&content.encode())
    };
    assert!(read(vec![pass(); limits::MAX_PASSES]).is_ok());
    assert!(matches!(read(vec![pass(), forged]), Err(ContentError::BadPass)));
    assert!(matches!(read(many), Err(ContentError::TooLong { .. })));
    let naming = |count: u8| MailboxPass {
        pinned: (0..count).map(|n| NodeId::from_bytes([n; 32])).collect(),
        ..pass()
    };
    assert!(read(vec![naming(3)]).is_ok());
    assert!(matches!(read(vec![naming(4)]), Err(ContentError::TooLong { .. })));
}

#[test]
fn rows_of_before_mailboxes_are_read() {
    use crate::messenger::rows::{ContactRow, OutboxRow};
    use serde::Serialize;
    #[derive(Serialize)]
    struct Contact {
        account: NodeId,
        peer: NodeId,
        standing: Standing,
        alias: Option<String>,
        name: Option<String>,
        addresses: Vec<crate::net::Address>,
        invitation: Option<serde_bytes::ByteBuf>,
        request: Option<MsgId>,
        before_block: Option<Standing>,
        since: UnixMillis,
    }
    #[derive(Serialize)]
    struct Outbox {
        account: NodeId,
        conversation: ConversationId,
        order: u64,
        what: Waiting,
        since: UnixMillis,
    }
    let (account, peer) = (id(0), id(1));
    let contact = Contact {
        account,
        peer,
        standing: Standing::Accepted,
        alias: None,
        name: None,
        addresses: vec![],
        invitation: None,
        request: None,
        before_block: None,
        since: DATE,
    };
    let read: ContactRow = codec::decode(&codec::encode(&contact), 1_000).expect("a contact");
    assert_eq!((read.since, read.passes, read.given), (DATE, vec![], 0));
    let what = Waiting::Control { item: start("Alice", None) };
    let waiting = Outbox { account, conversation: conversation(1), order: 4, what, since: DATE };
    let read: OutboxRow = codec::decode(&codec::encode(&waiting), 1_000).expect("something that waits");
    assert_eq!((read.order, read.parcel, read.again), (4, None, false));
    assert_eq!(codec::encode(&MessageState::Received), codec::encode(&4u8), "numbers of states stay");
    assert_eq!(codec::encode(&MessageState::Stored), codec::encode(&5u8));
}

proptest! {
    #[test]
    fn garbage_is_never_more_than_an_error(bytes: Vec<u8>) {
        let _nothing_but_no_panic = (Request::decode(&bytes), Answer::decode(&bytes), Content::decode(&bytes), Mail::decode(&bytes));
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
