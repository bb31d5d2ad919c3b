//! MLS sessions keep the rules of every session, stay within their sizes, and begin only with whom they should.

use super::*;
use crate::conformance::{self, Kind, Party, Values, walk::walk};
use ed25519_dalek::SigningKey;
use openmls::prelude::{
    BasicCredential, CredentialWithKey, GroupId, KeyPackage, KeyPackageIn, MlsGroup, MlsGroupCreateConfig,
    ProtocolVersion,
};
use pc2_protocols::{
    crypto::{device::DeviceCertificate, sign::Signer},
    id::{DeviceId, NodeId, SessionId},
    messenger::{
        content::Content,
        session::{CryptoProvider as _, CryptoSession as _, SessionError, StoreChange},
    },
    time::UnixMillis,
};
use std::time::SystemTime;
use tls_codec::{DeserializeBytes as _, Serialize as _};

pub(super) struct Mls;

fn signer(number: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[number; 32]))
}

fn certificate(number: u8, device: DeviceId, device_seed: [u8; 32]) -> DeviceCertificate {
    let key = SigningKey::from_bytes(&device_seed).verifying_key().to_bytes();
    let expires = Mls::now().after(std::time::Duration::from_secs(365 * 24 * 3_600));
    DeviceCertificate::issue(&signer(number), device, key, UnixMillis(1), expires)
}

fn device_seed(device: DeviceId) -> [u8; 32] {
    let mut seed = [1; 32];
    seed[..16].copy_from_slice(device.as_bytes());
    seed
}

/// The key of somebody who uses OpenMLS in ways of their own.
pub(super) fn device_key(number: u8) -> DeviceKey {
    let device = DeviceId::from_bytes([number; 16]);
    let seed = device_seed(device);
    DeviceKey::new(&seed, certificate(number, device, seed)).expect("belong together")
}

impl Kind for Mls {
    type Provider = MlsProvider;

    fn now() -> UnixMillis {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        UnixMillis(u64::try_from(since.as_millis()).expect("a date"))
    }

    fn node(number: u8) -> NodeId {
        signer(number).node()
    }

    fn provider(number: u8, device: DeviceId, stored: Values, life: u64) -> MlsProvider {
        let seed = device_seed(device);
        let rng = ChaCha20Rng::seed_from_u64(u64::from(number) << 32 | life);
        MlsProvider::new(&seed, certificate(number, device, seed), stored, rng)
            .expect("what was written resumes")
    }
}

conformance::conformance!(Mls);

#[test]
fn every_message_of_a_random_walk_opens_once() {
    for seed in 0..3 {
        walk::<Mls>(seed, 600, |_| {});
    }
}

/// Bytes that the disk gets.
fn written(changes: &[StoreChange]) -> usize {
    changes.iter().map(|(key, block)| key.len() + block.as_ref().map_or(0, Vec::len)).sum()
}

#[test]
fn sizes_stay_far_below_their_limits() {
    let (mut alice, mut bob) = (Party::<Mls>::new(1), Party::<Mls>::new(2));
    let package = bob.key_package();
    let welcome = alice.start(bob.node(), &package);
    let id = alice.session().id();
    bob.join(id, alice.node(), &welcome);
    let longest = alice.send(&vec![7; Content::MAX_BYTES]);
    let mut committer = if alice.session().our_turn() { alice } else { bob };
    let commit = committer.refresh().commit;
    assert!(package.len() * 2 < limits::MAX_KEY_PACKAGE_BYTES);
    assert!(welcome.len() * 2 < limits::MAX_WELCOME_BYTES);
    assert!(commit.len() * 2 < limits::MAX_COMMIT_BYTES);
    assert!(longest.len() < limits::MAX_SEALED_BYTES);
}

#[test]
fn a_message_costs_the_disk_a_few_blocks_however_long_the_session_runs() {
    let (mut alice, mut bob) = conformance::pair::<Mls>();
    for _ in 0..8 {
        for _ in 0..limits::REFRESH_AFTER_MESSAGES {
            let sealed = alice.session().encrypt(&[7; 100]).expect("encrypts");
            let sent = written(&alice.session().take_changes());
            bob.session().decrypt(&sealed).expect("opens");
            let received = written(&bob.session().take_changes());
            assert!(sent < 4_096 && received < 4_096, "sending {sent}, receiving {received} bytes");
        }
        conformance::turn(&mut alice, &mut bob);
    }
}

#[test]
fn the_worst_that_can_wait_fits_into_a_part() {
    let (mut alice, mut bob) = conformance::pair::<Mls>();
    for _ in 0..=limits::MAX_PAST_EPOCHS {
        for _ in 0..limits::OUT_OF_ORDER_TOLERANCE {
            alice.send(b"late");
        }
        let last = alice.send(b"last");
        bob.receive(&last).expect("opens");
        conformance::turn(&mut alice, &mut bob);
    }
    let largest: usize = bob.session_disk.values().map(Vec::len).sum();
    assert!(largest < 300 * 1024, "{largest} bytes");
}

/// A key package with whatever credential, signed by the device key of `number`.
fn forged_package(number: u8, suite: Ciphersuite, identity: &[u8]) -> Vec<u8> {
    let key = device_key(number);
    let tools = Tools::new(Arc::new(RustCrypto::default()), [9; 32], Store::default());
    let credential = CredentialWithKey {
        credential: BasicCredential::new(identity.to_vec()).into(),
        signature_key: key.public().as_slice().into(),
    };
    let bundle =
        KeyPackage::builder().build(suite, &tools, &key, credential).expect("any credential will do");
    bundle.key_package().tls_serialize_detached().expect("encodes")
}

#[test]
fn a_key_package_with_a_bad_credential_is_refused() {
    let mut alice = Party::<Mls>::new(1);
    let bobs_key = SigningKey::from_bytes(&device_seed(DeviceId::from_bytes([2; 16])));
    let issue = |number, key: [u8; 32], expires| {
        let device = DeviceId::from_bytes([2; 16]);
        DeviceCertificate::issue(&signer(number), device, key, UnixMillis(1), expires).encoded().to_vec()
    };
    let (own, later) = (bobs_key.verifying_key().to_bytes(), UnixMillis(u64::MAX));
    let good = issue(2, own, later);
    let cases = [
        ("garbage", 2, SUITE, b"bob".to_vec()),
        ("somebody else's", 2, SUITE, issue(3, own, later)),
        ("stolen: the key is Mallory's, the certificate Bob's", 3, SUITE, good.clone()),
        ("expired", 2, SUITE, issue(2, own, UnixMillis(1_000))),
        ("another suite", 2, Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, good.clone()),
    ];
    for (what, number, suite, identity) in cases {
        let package = forged_package(number, suite, &identity);
        let refused = alice.provider.start(Mls::node(2), &package, Mls::now());
        assert!(matches!(refused, Err(SessionError::BadKeyMaterial { .. })), "{what}");
    }
    assert!(alice.provider.start(Mls::node(2), &forged_package(2, SUITE, &good), Mls::now()).is_ok());
}

#[test]
fn a_welcome_with_a_third_member_is_refused() {
    let (mut bob, mut carol) = (Party::<Mls>::new(2), Party::<Mls>::new(4));
    let mallory = device_key(3);
    let tools = Tools::new(Arc::new(RustCrypto::default()), [9; 32], Store::default());
    let config = MlsGroupCreateConfig::builder().ciphersuite(SUITE).use_ratchet_tree_extension(true).build();
    let name = GroupId::from_slice(&[5; 16]);
    let own = mallory.credential_with_key();
    let mut group =
        MlsGroup::new_with_group_id(&tools, &mallory, &config, name, own).expect("a group of one");
    let packages = [bob.key_package(), carol.key_package()].map(|bytes| {
        let package = KeyPackageIn::tls_deserialize_exact_bytes(&bytes).expect("our own encoding");
        package.validate(&*tools.crypto, ProtocolVersion::Mls10).expect("valid")
    });
    let (_, welcome, _) = group.add_members(&tools, &mallory, &packages).expect("added");
    let welcome = welcome.to_bytes().expect("encodes");
    let refused = bob.provider.join(SessionId::from_bytes([5; 16]), Mls::node(3), &welcome, Mls::now());
    assert!(matches!(refused, Err(SessionError::BadKeyMaterial { .. })));
    assert!(bob.provider.take_changes().is_empty());
}

#[test]
fn a_changed_byte_of_a_welcome_or_key_package_is_noticed() {
    let (mut alice, mut bob) = (Party::<Mls>::new(1), Party::<Mls>::new(2));
    let package = bob.key_package();
    let welcome = alice.start(bob.node(), &package);
    let id = alice.session().id();
    for place in 0..package.len() {
        let mut changed = package.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(alice.provider.start(bob.node(), &changed, Mls::now()).is_err(), "byte {place}");
        assert!(alice.provider.start(bob.node(), &package[..place], Mls::now()).is_err());
    }
    for place in 0..welcome.len() {
        let mut changed = welcome.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(bob.provider.join(id, alice.node(), &changed, Mls::now()).is_err(), "byte {place}");
        assert!(bob.provider.join(id, alice.node(), &welcome[..place], Mls::now()).is_err());
    }
    assert!(bob.provider.take_changes().is_empty());
    bob.join(id, alice.node(), &welcome);
}

#[test]
fn a_key_package_whose_certificate_ends_is_renewed_with_the_certificate() {
    let device = DeviceId::from_bytes([2; 16]);
    let (seed, now) = (device_seed(device), Mls::now());
    let key = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    let provider = |expires, stored| {
        let certificate = DeviceCertificate::issue(&signer(2), device, key, UnixMillis(1), expires);
        MlsProvider::new(&seed, certificate, stored, ChaCha20Rng::seed_from_u64(1)).expect("fits")
    };
    let soon = now.after(limits::KEY_PACKAGE_RENEW_BEFORE / 2);
    let mut short = provider(soon, Values::new());
    let first = short.key_package(now).expect("a key package");
    assert_eq!(short.key_package(now).as_ref(), Ok(&first), "there is no better certificate yet");
    let stored: Values =
        short.take_changes().into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let later = now.after(limits::KEY_PACKAGE_LIFETIME);
    assert_ne!(provider(later, stored).key_package(now), Ok(first));
}
