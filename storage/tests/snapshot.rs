//! Storage agrees with `Snapshot::apply`, whatever the messenger writes, in whatever groups, restarts included.

mod common;

use common::{ME, open, write};
use pc2_protocols::{
    id::{ConversationId, DeviceId, MsgId, NodeId, SessionId},
    messenger::{
        content::{Body, Content, Hlc},
        rows::{
            ChainRow, Change, ContactRow, ConversationRow, DeviceRow, InvitationRow, MessageRow,
            MessageState, OutboxRow, SessionRow, SessionValue, Snapshot, Standing, Waiting,
        },
    },
    time::UnixMillis,
};
use proptest::prelude::*;

fn peer() -> impl Strategy<Value = NodeId> {
    (0u8..4).prop_map(|number| NodeId::from_bytes([number; 32]))
}

fn chat() -> impl Strategy<Value = ConversationId> {
    peer().prop_map(ConversationId::direct)
}

fn session() -> impl Strategy<Value = SessionId> {
    (0u8..3).prop_map(|number| SessionId::from_bytes([number; 16]))
}

fn device() -> impl Strategy<Value = DeviceId> {
    (0u8..2).prop_map(|number| DeviceId::from_bytes([number; 16]))
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..40, 6_000usize..7_000, 30_000usize..80_000]
}

fn content(number: u64, size: usize) -> Content {
    Content {
        id: MsgId::from_bytes([u8::try_from(number).expect("small"); 16]),
        device: DeviceId::from_bytes([0; 16]),
        seq: number + 1,
        prev_hash: [0; 32],
        parents: vec![],
        hlc: Hlc(number),
        body: Body::Text { text: "x".repeat(size.min(16_000)), reply_to: None },
        lasts: None,
    }
}

fn change() -> impl Strategy<Value = Change> {
    let state = prop_oneof![Just(MessageState::Delivered), Just(MessageState::Read)];
    prop_oneof![
        (device(), any::<u64>()).prop_map(|(device, created)| {
            Change::PutDevice(DeviceRow { account: ME, device, created: UnixMillis(created) })
        }),
        (peer(), any::<Option<String>>(), any::<u64>()).prop_map(|(peer, alias, since)| {
            Change::PutContact(ContactRow {
                account: ME,
                peer,
                standing: Standing::Asking,
                alias,
                name: None,
                addresses: vec![],
                invitation: None,
                request: None,
                before_block: None,
                since: UnixMillis(since),
                passes: vec![],
                given: 7,
                given_pins: vec![NodeId::from_bytes([9; 32])],
                passes_as_of: Hlc(3),
                told: Some("Me".to_owned()),
                name_as_of: Hlc(3),
                receipts: Some(true),
            })
        }),
        peer().prop_map(|peer| Change::RemoveContact { account: ME, peer }),
        (chat(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(conversation, sent_seq, sent_hash)| {
            Change::PutConversation(ConversationRow {
                account: ME,
                conversation,
                device: DeviceId::from_bytes([0; 16]),
                sent_seq,
                sent_hash,
                hlc: Hlc(sent_seq),
                heads: vec![],
                unread: 0,
                last: None,
                since_refresh: 0,
                refreshed: UnixMillis(0),
                started: UnixMillis(0),
                recent: vec![],
                lost: vec![],
                owed: true,
                let_go: false,
                asked_by_mail: None,
                early: vec![],
                unread_ids: vec![MsgId::from_bytes([3; 16])],
                timer: Some(60),
                timer_as_of: None,
            })
        }),
        (chat(), device(), any::<u64>()).prop_map(|(conversation, device, through)| {
            Change::PutChain(ChainRow {
                account: ME,
                conversation,
                device,
                through,
                hash: None,
                beyond: vec![],
                started: UnixMillis(1),
            })
        }),
        (chat(), 0u64..5, size()).prop_map(|(conversation, number, size)| {
            Change::PutMessage(Box::new(MessageRow {
                account: ME,
                conversation,
                sender: ME,
                content: content(number, size),
                state: MessageState::Waiting,
                stored: UnixMillis(0),
                chain_broken: false,
            }))
        }),
        (chat(), 0u64..5, state).prop_map(|(conversation, number, state)| {
            let Content { hlc, id, .. } = content(number, 0);
            Change::SetState { account: ME, conversation, hlc, id, state }
        }),
        (chat(), 0u64..5, size()).prop_map(|(conversation, order, size)| {
            let what = Waiting::Content { content: content(order, size), sealed: None };
            let row = OutboxRow {
                account: ME,
                conversation,
                order,
                what,
                since: UnixMillis(1),
                parcel: None,
                again: true,
            };
            Change::PutOutbox(Box::new(row))
        }),
        (chat(), 0u64..5)
            .prop_map(|(conversation, order)| { Change::RemoveOutbox { account: ME, conversation, order } }),
        (session(), peer(), any::<bool>()).prop_map(|(session, peer, confirmed)| {
            Change::PutSession(SessionRow {
                account: ME,
                peer,
                session,
                creator: ME,
                created: UnixMillis(1),
                confirmed,
                rank: 1,
                followed: Some(3),
            })
        }),
        session().prop_map(|session| Change::RemoveSession { account: ME, session }),
        (proptest::option::of(session()), 0u8..3, proptest::option::of(size()), any::<u8>()).prop_map(
            |(session, key, size, byte)| {
                let value = size.map(|size| vec![byte; size].into());
                Change::PutSessionValue(SessionValue { account: ME, session, key: vec![key], value })
            }
        ),
        (0u8..3, any::<u64>()).prop_map(|(token, expires)| {
            let expires = UnixMillis(expires);
            Change::PutInvitation(InvitationRow { account: ME, token: vec![token], expires })
        }),
        (0u8..3).prop_map(|token| Change::RemoveInvitation { account: ME, token: vec![token] }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn storage_agrees_with_the_reference(batches in proptest::collection::vec(proptest::collection::vec(change(), 1..8), 1..16), restart_at in 0usize..16) {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut storage, _) = open(dir.path());
        let mut reference = Snapshot::default();
        let stranger = storage.reader().messenger_snapshot(NodeId::from_bytes([99; 32])).expect("read");
        prop_assert_eq!(stranger, Snapshot::default());
        for (number, batch) in batches.iter().enumerate() {
            for change in batch {
                reference.apply(change);
            }
            let changes = batch.iter().cloned().map(pc2_storage::Change::Messenger).collect();
            // Some in groups, some alone.
            if number % 3 == 0 {
                write(&storage, changes).expect("written");
            } else {
                storage.writer().submit(changes, |result| result.expect("written")).expect("room");
            }
            if number == restart_at {
                storage.close();
                let (again, report) = open(dir.path());
                prop_assert_eq!(report, pc2_storage::OpenReport::default());
                storage = again;
            }
        }
        storage.writer().barrier();
        prop_assert_eq!(storage.reader().messenger_snapshot(ME).expect("read"), reference);
        storage.verify().expect("every row is whole");
    }
}
