//! A running session against a peer that does what it should not, and against bytes that are not what they were.

use super::*;
use crate::{
    SUITE,
    conformance::{Kind as _, Party, Values, pair, turn},
    tests::{Mls, device_key},
};
use openmls::prelude::{
    BasicCredential, KeyPackageIn, MlsGroupCreateConfig, MlsMessageOut, OpenMlsProvider as _,
    PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, ProtocolVersion,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use pc2_protocols::messenger::session::CryptoProvider as _;
use proptest::{prelude::*, test_runner::TestRunner};
use std::cell::RefCell;
use tls_codec::DeserializeBytes as _;

/// Who commits next, and who follows.
fn by_turn() -> (Party<Mls>, Party<Mls>) {
    let (mut alice, bob) = pair::<Mls>();
    if alice.session().our_turn() { (alice, bob) } else { (bob, alice) }
}

/// Makes something with the group that a session never makes.
fn misuse(
    party: &mut Party<Mls>,
    make: impl FnOnce(&mut MlsGroup, &Tools, &DeviceKey) -> MlsMessageOut,
) -> Vec<u8> {
    let MlsSession { group, tools, key, .. } = party.session();
    make(group, tools, key).to_bytes().expect("encodes")
}

fn is_unreadable<T>(result: &Result<T, SessionError>) -> bool {
    matches!(result, Err(SessionError::Unreadable { .. }))
}

/// The follower was not changed, and the session goes on.
fn goes_on(mut committer: Party<Mls>, mut follower: Party<Mls>) {
    assert!(follower.session().take_changes().is_empty());
    committer.crash();
    for _ in 0..2 {
        turn(&mut committer, &mut follower);
        let (there, back) = (committer.send(b"there"), follower.send(b"back"));
        assert!(follower.receive(&there).is_ok());
        assert!(committer.receive(&back).is_ok());
    }
}

#[test]
fn a_commit_that_adds_somebody_is_refused() {
    let (mut committer, mut follower) = by_turn();
    let bytes = Party::<Mls>::new(3).key_package();
    let commit = misuse(&mut committer, |group, tools, key| {
        let package = KeyPackageIn::tls_deserialize_exact_bytes(&bytes).expect("our own encoding");
        let package = package.validate(&*tools.crypto, ProtocolVersion::Mls10).expect("valid");
        group.add_members(tools, key, &[package]).expect("added").0
    });
    assert!(is_unreadable(&follower.session().apply_refresh(FIRST_EPOCH, &commit)));
    goes_on(committer, follower);
}

#[test]
fn a_commit_that_removes_us_is_refused() {
    let (mut committer, mut follower) = by_turn();
    let index = follower.session().group.own_leaf_index();
    let commit = misuse(&mut committer, |group, tools, key| {
        group.remove_members(tools, key, &[index]).expect("removed").0
    });
    assert!(is_unreadable(&follower.session().apply_refresh(FIRST_EPOCH, &commit)));
    goes_on(committer, follower);
}

#[test]
fn a_commit_that_changes_the_credential_is_refused() {
    let (mut committer, mut follower) = by_turn();
    let commit = misuse(&mut committer, |group, tools, key| {
        let mut other = key.credential_with_key();
        other.credential = BasicCredential::new(b"somebody".to_vec()).into();
        let parameters = LeafNodeParameters::builder().with_credential_with_key(other).build();
        group.self_update(tools, key, parameters).expect("commits").into_commit()
    });
    assert!(is_unreadable(&follower.session().apply_refresh(FIRST_EPOCH, &commit)));
    goes_on(committer, follower);
}

#[test]
fn a_commit_out_of_turn_is_refused() {
    let (mut committer, mut follower) = by_turn();
    let commit = misuse(&mut follower, |group, tools, key| {
        group.self_update(tools, key, LeafNodeParameters::default()).expect("commits").into_commit()
    });
    let refused = committer.session().apply_refresh(FIRST_EPOCH, &commit);
    assert_eq!(refused, Err(SessionError::OutOfTurn));
    goes_on(follower, committer);
}

#[test]
fn a_proposal_is_refused_and_blocks_nothing() {
    // Our own store keeps no proposals, so the peer is OpenMLS with its own.
    let mut bob = Party::<Mls>::new(2);
    let (provider, key) = (OpenMlsRustCrypto::default(), device_key(3));
    let config = MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .build();
    let name = GroupId::from_slice(&[5; 16]);
    let mut group = MlsGroup::new_with_group_id(&provider, &key, &config, name, key.credential_with_key())
        .expect("begins");
    let package = KeyPackageIn::tls_deserialize_exact_bytes(&bob.key_package()).expect("our own encoding");
    let package = package.validate(provider.crypto(), ProtocolVersion::Mls10).expect("valid");
    let (_, welcome, _) = group.add_members(&provider, &key, &[package]).expect("added");
    group.merge_pending_commit(&provider).expect("merges");
    bob.join(SessionId::from_bytes([5; 16]), Mls::node(3), &welcome.to_bytes().expect("encodes"));

    let parameters = LeafNodeParameters::default();
    let (proposal, _) = group.propose_self_update(&provider, &key, parameters).expect("proposes");
    let proposal = proposal.to_bytes().expect("encodes");
    assert!(is_unreadable(&bob.session().decrypt(&proposal)));
    assert!(is_unreadable(&bob.session().apply_refresh(FIRST_EPOCH, &proposal)));
    assert!(bob.session().take_changes().is_empty());
    assert!(bob.session().encrypt(b"still talks").is_ok());
}

#[test]
fn a_commit_is_no_message_and_a_message_no_commit() {
    let (mut committer, mut follower) = by_turn();
    let sealed = committer.send(b"hello");
    let refreshed = committer.refresh();
    assert!(is_unreadable(&follower.session().decrypt(&refreshed.commit)));
    assert!(is_unreadable(&follower.session().apply_refresh(FIRST_EPOCH, &sealed)));
    assert!(follower.session().take_changes().is_empty());
    assert_eq!(follower.follow(&refreshed), Ok(()));
    assert!(follower.receive(&sealed).is_ok());
}

#[test]
fn a_changed_byte_of_a_message_or_commit_is_noticed_and_changes_nothing() {
    let (mut committer, mut follower) = by_turn();
    let sealed = committer.send(b"hello");
    let refreshed = committer.refresh();
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(is_unreadable(&follower.session().decrypt(&changed)), "byte {place}");
        assert!(is_unreadable(&follower.session().decrypt(&sealed[..place])), "cut at {place}");
    }
    for place in 0..refreshed.commit.len() {
        let mut changed = refreshed.commit.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(is_unreadable(&follower.session().apply_refresh(FIRST_EPOCH, &changed)), "byte {place}");
    }
    assert!(follower.session().take_changes().is_empty());
    assert!(follower.receive(&sealed).is_ok());
    assert_eq!(follower.follow(&refreshed), Ok(()));
}

#[test]
fn garbage_of_any_length_is_refused() {
    let (mut committer, mut follower) = by_turn();
    let (peer, own) = (committer.node(), follower.session().id());
    let head = committer.send(b"hello")[..30].to_vec();
    let bytes = (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..600));
    let follower = RefCell::new(follower);
    let outcome = TestRunner::default().run(&bytes, |(lead, tail)| {
        let bytes = if lead { [head.as_slice(), &tail].concat() } else { tail };
        let mut follower = follower.borrow_mut();
        prop_assert!(is_unreadable(&follower.session().decrypt(&bytes)));
        prop_assert!(is_unreadable(&follower.session().apply_refresh(FIRST_EPOCH, &bytes)));
        prop_assert!(follower.provider.start(peer, &bytes, Mls::now()).is_err());
        prop_assert!(follower.provider.join(own, peer, &bytes, Mls::now()).is_err());
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    goes_on(committer, follower.into_inner());
}

#[test]
fn anything_larger_than_it_may_be_is_refused_unread() {
    let (committer, mut follower) = by_turn();
    let peer = committer.node();
    let large = vec![0; limits::MAX_SEALED_BYTES + 1];
    let session = follower.session();
    assert!(is_unreadable(&session.decrypt(&large)));
    assert!(is_unreadable(&session.apply_refresh(FIRST_EPOCH, &large)));
    let id = session.id();
    assert!(follower.provider.start(peer, &large, Mls::now()).is_err());
    assert!(follower.provider.join(id, peer, &large, Mls::now()).is_err());
}

#[test]
fn damaged_state_is_refused_or_fails_later_but_never_panics() {
    let (mut committer, mut follower) = by_turn();
    let sealed = committer.send(b"hello");
    let refreshed = committer.refresh();
    let whole = follower.session_disk.clone();
    let mut refused = 0;
    for (key, block) in &whole {
        for place in (0..block.len()).step_by(31) {
            let mut damaged: Values = whole.clone();
            damaged.entry(key.clone()).and_modify(|block| block[place] ^= 0x55);
            let Ok(mut session) = follower.resume(damaged) else {
                refused += 1;
                continue;
            };
            // What it answers does not matter: secrets were changed under it.
            let _opened = session.decrypt(&sealed);
            let _followed = session.apply_refresh(FIRST_EPOCH, &refreshed.commit);
            let _sealed = session.encrypt(b"hello");
        }
    }
    assert!(refused > 0);
}
