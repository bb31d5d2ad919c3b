//! What every kind of session must do, run against each of them.
//!
//! A [`Kind`] makes providers; [`Party`] is a device with a disk: it persists what the contract says, and can crash at any
//! point between. The `conformance!` macro makes one test of each case for a kind. The random walk is in [`walk`].

use pc2_protocols::{
    id::{DeviceId, NodeId, SessionId},
    limits,
    messenger::{
        rows::SessionRow,
        session::{CryptoProvider, CryptoSession, Refreshed, SessionError, StoreChange},
    },
    time::UnixMillis,
};
use std::collections::BTreeMap;

mod ledger;
pub(super) mod walk;

/// Key and value, as on disk.
pub(super) type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// A kind of sessions under test.
pub(super) trait Kind {
    type Provider: CryptoProvider;

    /// The time of the tests; real libraries check it against their own clock.
    fn now() -> UnixMillis;

    /// The node with this number; the order of nodes need not be that of numbers.
    fn node(number: u8) -> NodeId;

    /// Starts a device of a node from its stored values. Each `life` has randomness of its own.
    fn provider(number: u8, device: DeviceId, stored: Values, life: u64) -> Self::Provider;
}

type SessionOf<K> = <<K as Kind>::Provider as CryptoProvider>::Session;

/// One device and its disk.
pub(super) struct Party<K: Kind> {
    number: u8,
    device: DeviceId,
    life: u64,
    pub(super) provider: K::Provider,
    device_disk: Values,
    pub(super) session: Option<SessionOf<K>>,
    row: Option<SessionRow>,
    pub(super) session_disk: Values,
}

impl<K: Kind> Party<K> {
    pub(super) fn new(number: u8) -> Self {
        Self::with_device(number, DeviceId::from_bytes([number; 16]), 0)
    }

    /// The same person on an empty machine.
    fn restored(number: u8) -> Self {
        Self::with_device(number, DeviceId::from_bytes([!number; 16]), 1_000)
    }

    fn with_device(number: u8, device: DeviceId, life: u64) -> Self {
        let provider = K::provider(number, device, Values::new(), life);
        Self {
            number,
            device,
            life,
            provider,
            device_disk: Values::new(),
            session: None,
            row: None,
            session_disk: Values::new(),
        }
    }

    pub(super) fn node(&self) -> NodeId {
        K::node(self.number)
    }

    pub(super) fn session(&mut self) -> &mut SessionOf<K> {
        self.session.as_mut().expect("the session has begun")
    }

    /// Writes what changed.
    pub(super) fn persist(&mut self) {
        apply(&mut self.device_disk, self.provider.take_changes());
        if let Some(session) = &mut self.session {
            apply(&mut self.session_disk, session.take_changes());
        }
    }

    /// Dies, and starts again from what was written.
    pub(super) fn crash(&mut self) {
        self.life += 1;
        self.provider = K::provider(self.number, self.device, self.device_disk.clone(), self.life);
        self.session = None;
        if !self.session_disk.is_empty() {
            self.session = Some(self.resume(self.session_disk.clone()).expect("what was written resumes"));
        }
    }

    pub(super) fn resume(&mut self, values: Values) -> Result<SessionOf<K>, SessionError> {
        self.provider.resume(self.row.as_ref().expect("the session has begun"), values)
    }

    pub(super) fn key_package(&mut self) -> Vec<u8> {
        let package = self.provider.key_package(K::now()).expect("a key package");
        self.persist();
        package
    }

    fn begin(&mut self, session: SessionOf<K>, peer: NodeId, creator: NodeId) {
        self.row = Some(SessionRow {
            account: self.node(),
            peer,
            session: session.id(),
            creator,
            created: K::now(),
            confirmed: true,
            rank: 0,
            followed: None,
        });
        self.session = Some(session);
        self.session_disk.clear();
        self.persist();
    }

    pub(super) fn start(&mut self, peer: NodeId, key_package: &[u8]) -> Vec<u8> {
        let (session, welcome) = self.provider.start(peer, key_package, K::now()).expect("starts");
        let me = self.node();
        self.begin(session, peer, me);
        welcome
    }

    pub(super) fn join(&mut self, id: SessionId, peer: NodeId, welcome: &[u8]) {
        let session = self.provider.join(id, peer, welcome, K::now()).expect("joins");
        self.begin(session, peer, peer);
    }

    /// Encrypts and persists.
    pub(super) fn send(&mut self, text: &[u8]) -> Vec<u8> {
        let sealed = self.session().encrypt(text).expect("encrypts");
        self.persist();
        sealed
    }

    /// Decrypts and persists.
    pub(super) fn receive(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SessionError> {
        let text = self.session().decrypt(sealed)?;
        self.persist();
        Ok(text)
    }

    pub(super) fn refresh(&mut self) -> Refreshed {
        let refreshed = self.session().refresh().expect("it is our turn");
        self.persist();
        refreshed
    }

    pub(super) fn follow(&mut self, refreshed: &Refreshed) -> Result<(), SessionError> {
        self.session().apply_refresh(refreshed.epoch, &refreshed.commit)?;
        self.persist();
        Ok(())
    }
}

fn apply(disk: &mut Values, changes: Vec<StoreChange>) {
    assert!(
        changes.is_sorted_by(|one, next| one.0 < next.0),
        "changes come in a fixed order, one for each key"
    );
    for (key, value) in changes {
        match value {
            Some(value) => disk.insert(key, value),
            None => disk.remove(&key),
        };
    }
}

/// Two parties in one session.
pub(super) fn pair<K: Kind>() -> (Party<K>, Party<K>) {
    let (mut alice, mut bob) = (Party::<K>::new(1), Party::<K>::new(2));
    let package = bob.key_package();
    let welcome = alice.start(bob.node(), &package);
    let id = alice.session().id();
    bob.join(id, alice.node(), &welcome);
    (alice, bob)
}

/// Refreshes whoever's turn it is.
pub(super) fn turn<K: Kind>(alice: &mut Party<K>, bob: &mut Party<K>) {
    let (from, to) = if alice.session().our_turn() { (alice, bob) } else { (bob, alice) };
    let refreshed = from.refresh();
    assert_eq!(to.follow(&refreshed), Ok(()));
}

fn is_unreadable<T>(result: &Result<T, SessionError>) -> bool {
    matches!(result, Err(SessionError::Unreadable { .. }))
}

pub(super) fn what_one_writes_the_other_reads<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    let (there, back) = (alice.send(b"hello"), bob.send(b"hi"));
    assert_eq!(bob.receive(&there).as_deref(), Ok(&b"hello"[..]));
    assert_eq!(alice.receive(&back).as_deref(), Ok(&b"hi"[..]));
}

pub(super) fn a_repetition_or_ones_own_message_does_not_open<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    let sealed = alice.send(b"once");
    assert!(is_unreadable(&alice.receive(&sealed)));
    assert!(bob.receive(&sealed).is_ok());
    assert!(is_unreadable(&bob.receive(&sealed)));
    bob.crash();
    assert!(is_unreadable(&bob.receive(&sealed)));
}

pub(super) fn what_was_not_written_before_a_crash_was_never_sent<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    alice.session().encrypt(b"lost with the process").expect("encrypts");
    alice.crash();
    let sealed = alice.send(b"written");
    alice.crash();
    let next = alice.send(b"next");
    assert_eq!(bob.receive(&sealed).as_deref(), Ok(&b"written"[..]));
    assert_eq!(bob.receive(&next).as_deref(), Ok(&b"next"[..]));
}

pub(super) fn what_was_opened_but_not_written_before_a_crash_opens_again<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    let sealed = alice.send(b"twice on the wire");
    assert!(bob.session().decrypt(&sealed).is_ok());
    bob.crash();
    assert!(bob.receive(&sealed).is_ok());
    assert!(is_unreadable(&bob.receive(&sealed)));
}

pub(super) fn a_refresh_crosses_messages_in_both_directions<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    for round in 0..6u8 {
        let (there, back) = (alice.send(&[round]), bob.send(&[round]));
        let (from, to) =
            if alice.session().our_turn() { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let refreshed = from.refresh();
        from.crash();
        assert_eq!(to.follow(&refreshed), Ok(()));
        to.crash();
        let (new_there, new_back) = (alice.send(b"new"), bob.send(b"new"));
        for (to, sealed) in [(&mut bob, [new_there, there]), (&mut alice, [new_back, back])] {
            assert_eq!(to.receive(&sealed[0]).as_deref(), Ok(&b"new"[..]));
            assert_eq!(to.receive(&sealed[1]).as_deref(), Ok(&[round][..]));
        }
    }
}

pub(super) fn a_full_window_opens_in_reverse_order<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    let window = u32::try_from(limits::SEND_WINDOW).expect("a small number");
    let sealed: Vec<_> = (0..window).map(|number| alice.send(&number.to_be_bytes())).collect();
    for (number, sealed) in (0..window).zip(&sealed).rev() {
        assert_eq!(bob.receive(sealed).as_deref(), Ok(&number.to_be_bytes()[..]));
    }
}

pub(super) fn what_is_too_old_or_too_far_ahead_does_not_open<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    let old = alice.send(b"old");
    for _ in 0..limits::OUT_OF_ORDER_TOLERANCE {
        alice.send(b"between");
    }
    let new = alice.send(b"new");
    assert!(bob.receive(&new).is_ok());
    assert!(is_unreadable(&bob.receive(&old)));
    for _ in 0..=limits::MAX_FORWARD_DISTANCE {
        alice.session().encrypt(b"lost").expect("encrypts");
    }
    let far = alice.send(b"far");
    assert!(is_unreadable(&bob.receive(&far)));
}

pub(super) fn turns_alternate_and_a_refresh_out_of_turn_is_refused<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    for _ in 0..4 {
        assert_ne!(alice.session().our_turn(), bob.session().our_turn());
        let (from, to) =
            if alice.session().our_turn() { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        assert_eq!(to.session().refresh(), Err(SessionError::OutOfTurn));
        let refreshed = from.refresh();
        assert_eq!(to.follow(&refreshed), Ok(()));
        let epoch = refreshed.epoch;
        assert_eq!(to.follow(&refreshed), Err(SessionError::AlreadyApplied { epoch }));
        assert_eq!(from.follow(&refreshed), Err(SessionError::AlreadyApplied { epoch }));
    }
}

pub(super) fn a_refresh_with_one_missing_before_it_is_refused<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    let (from, to) = if alice.session().our_turn() { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
    let mut refreshed = from.refresh();
    refreshed.epoch += 1;
    assert_eq!(to.follow(&refreshed), Err(SessionError::OutOfTurn));
    refreshed.epoch -= 1;
    assert_eq!(to.follow(&refreshed), Ok(()));
}

pub(super) fn messages_on_their_way_survive_five_refreshes_and_not_six<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    let (first, second) = (alice.send(b"first"), alice.send(b"second"));
    let back = bob.send(b"back");
    for _ in 0..limits::MAX_PAST_EPOCHS {
        turn(&mut alice, &mut bob);
    }
    assert_eq!(bob.receive(&first).as_deref(), Ok(&b"first"[..]));
    assert_eq!(alice.receive(&back).as_deref(), Ok(&b"back"[..]));
    turn(&mut alice, &mut bob);
    assert!(is_unreadable(&bob.receive(&second)));
}

pub(super) fn a_message_of_an_epoch_not_reached_waits_without_harm<K: Kind>() {
    let (mut alice, mut bob) = pair::<K>();
    let (from, to) = if alice.session().our_turn() { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
    let refreshed = from.refresh();
    let early = from.send(b"early");
    assert!(is_unreadable(&to.receive(&early)));
    assert!(to.session().take_changes().is_empty());
    assert_eq!(to.follow(&refreshed), Ok(()));
    assert_eq!(to.receive(&early).as_deref(), Ok(&b"early"[..]));
}

pub(super) fn a_last_resort_package_serves_more_than_one_session<K: Kind>() {
    let mut bob = Party::<K>::new(2);
    let package = bob.key_package();
    for number in [1, 3, 4] {
        let mut other = Party::<K>::new(number);
        let welcome = other.start(bob.node(), &package);
        let id = other.session().id();
        bob.crash();
        bob.join(id, other.node(), &welcome);
        let sealed = other.send(b"hello");
        assert!(bob.receive(&sealed).is_ok());
    }
    assert_eq!(bob.key_package(), package);
}

pub(super) fn a_key_package_of_somebody_else_or_of_the_wrong_time_is_refused<K: Kind>() {
    let (mut alice, mut bob) = (Party::<K>::new(1), Party::<K>::new(2));
    let package = bob.key_package();
    let own = alice.key_package();
    let refused = |result: Result<(SessionOf<K>, Vec<u8>), SessionError>| {
        matches!(result, Err(SessionError::BadKeyMaterial { .. }))
    };
    let (now, me, peer) = (K::now(), alice.node(), bob.node());
    assert!(refused(alice.provider.start(K::node(3), &package, now)));
    assert!(refused(alice.provider.start(me, &own, now)));
    assert!(refused(alice.provider.start(peer, &package[1..], now)));
    let ended = now.after(limits::KEY_PACKAGE_LIFETIME);
    assert!(refused(alice.provider.start(peer, &package, ended)));
    let early = now.before(limits::KEY_PACKAGE_BACKDATED).before(limits::KEY_PACKAGE_BACKDATED);
    assert!(refused(alice.provider.start(peer, &package, early)));
}

pub(super) fn a_welcome_for_another_device_session_or_creator_is_refused<K: Kind>() {
    let (mut alice, mut bob) = (Party::<K>::new(1), Party::<K>::new(2));
    let package = bob.key_package();
    let welcome = alice.start(bob.node(), &package);
    let (id, creator, now) = (alice.session().id(), alice.node(), K::now());
    let mut restored = Party::<K>::restored(2);
    restored.key_package();
    assert!(matches!(
        restored.provider.join(id, creator, &welcome, now),
        Err(SessionError::NotForThisDevice)
    ));
    let other = SessionId::from_bytes([9; 16]);
    for result in [
        bob.provider.join(other, creator, &welcome, now),
        bob.provider.join(id, K::node(3), &welcome, now),
        bob.provider.join(id, creator, &welcome[..welcome.len() - 1], now),
    ] {
        assert!(matches!(result, Err(SessionError::BadKeyMaterial { .. })));
    }
    assert!(bob.provider.take_changes().is_empty());
    bob.join(id, creator, &welcome);
}

pub(super) fn a_key_package_is_renewed_in_time_and_the_old_one_kept_until_its_end<K: Kind>() {
    let (mut alice, mut bob) = (Party::<K>::new(1), Party::<K>::new(2));
    let old = bob.key_package();
    let now = K::now();
    let welcome = alice.start(bob.node(), &old);
    let week = std::time::Duration::from_secs(7 * 24 * 3_600);
    assert_eq!(bob.provider.key_package(now.after(week * 6)).as_ref(), Ok(&old));
    let renewed = bob.provider.key_package(now.after(week * 8)).expect("a new one");
    assert_ne!(renewed, old);
    bob.persist();
    bob.crash();
    assert_eq!(bob.provider.key_package(now.after(week * 9)).as_ref(), Ok(&renewed));
    let id = alice.session().id();
    bob.join(id, alice.node(), &welcome);
    bob.provider.key_package(now.after(week * 12)).expect("a key package");
    bob.persist();
    assert!(matches!(
        bob.provider.join(id, alice.node(), &welcome, now),
        Err(SessionError::NotForThisDevice)
    ));
}

pub(super) fn damaged_or_foreign_values_do_not_resume<K: Kind>() {
    let (mut alice, _bob) = pair::<K>();
    let row = alice.row.clone().expect("the session has begun");
    let damaged = |result| matches!(result, Err(SessionError::Damaged { .. }));
    assert!(damaged(alice.provider.resume(&row, Values::new()).map(|_| ())));
    let foreign = SessionRow { session: SessionId::from_bytes([9; 16]), ..row.clone() };
    assert!(damaged(alice.provider.resume(&foreign, alice.session_disk.clone()).map(|_| ())));
    let foreign = SessionRow { peer: K::node(3), ..row.clone() };
    assert!(damaged(alice.provider.resume(&foreign, alice.session_disk.clone()).map(|_| ())));
    for key in alice.session_disk.keys().cloned().collect::<Vec<_>>() {
        let mut cut = alice.session_disk.clone();
        cut.insert(key, vec![0xff; 40]);
        assert!(damaged(alice.provider.resume(&row, cut).map(|_| ())));
    }
}

/// One test of each case for a kind.
macro_rules! conformance {
    ($kind:ty) => {
        $crate::conformance::conformance!($kind:
            what_one_writes_the_other_reads,
            a_repetition_or_ones_own_message_does_not_open,
            what_was_not_written_before_a_crash_was_never_sent,
            what_was_opened_but_not_written_before_a_crash_opens_again,
            a_refresh_crosses_messages_in_both_directions,
            a_full_window_opens_in_reverse_order,
            what_is_too_old_or_too_far_ahead_does_not_open,
            turns_alternate_and_a_refresh_out_of_turn_is_refused,
            a_refresh_with_one_missing_before_it_is_refused,
            messages_on_their_way_survive_five_refreshes_and_not_six,
            a_message_of_an_epoch_not_reached_waits_without_harm,
            a_last_resort_package_serves_more_than_one_session,
            a_key_package_of_somebody_else_or_of_the_wrong_time_is_refused,
            a_welcome_for_another_device_session_or_creator_is_refused,
            a_key_package_is_renewed_in_time_and_the_old_one_kept_until_its_end,
            damaged_or_foreign_values_do_not_resume,
        );
    };
    ($kind:ty: $($case:ident),* $(,)?) => {
        $(#[test] fn $case() { $crate::conformance::$case::<$kind>(); })*
    };
}
pub(super) use conformance;
