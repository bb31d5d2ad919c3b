//! The ledger keeps the rules of every session, and notices what it is there to notice.

use crate::conformance::{self, Kind, Values, walk::walk};
use pc2_protocols::{
    id::{DeviceId, NodeId},
    messenger::session::ledger::{KeyReused, KeyUse, KeyUses, LedgerProvider},
    time::UnixMillis,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

struct Ledgers;

impl Kind for Ledgers {
    type Provider = LedgerProvider;

    fn now() -> UnixMillis {
        UnixMillis(1_700_000_000_000)
    }

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn provider(number: u8, device: DeviceId, stored: Values, life: u64) -> LedgerProvider {
        let rng = ChaCha20Rng::seed_from_u64(u64::from(number) << 32 | life);
        LedgerProvider::new(Self::node(number), device, &stored, rng).expect("what was written resumes")
    }
}

conformance::conformance!(Ledgers);

#[test]
fn every_message_of_a_random_walk_opens_once_and_no_key_is_used_twice() {
    for seed in 0..20 {
        let mut uses = KeyUses::default();
        walk::<Ledgers>(seed, 2_000, |sealed| assert_eq!(uses.record(sealed), Ok(()), "seed {seed}"));
        assert!(uses.count() > 400);
    }
}

#[test]
fn a_sender_that_forgot_what_it_sent_is_caught() {
    let (mut alice, _bob) = conformance::pair::<Ledgers>();
    let mut uses = KeyUses::default();
    let earlier = alice.session_disk.clone();
    let first = alice.send(b"one");
    assert_eq!(uses.record(&first), Ok(()));
    assert_eq!(uses.record(&first), Ok(()), "the stored ciphertext may be sent again");
    alice.session_disk = earlier;
    alice.crash();
    let second = alice.send(b"two");
    let key = KeyUse::of(&second).expect("a ciphertext of the ledger");
    assert_eq!(uses.record(&second), Err(KeyReused { key }));
}

#[test]
fn a_changed_byte_is_noticed() {
    let (mut alice, mut bob) = conformance::pair::<Ledgers>();
    let sealed = alice.send(b"hello");
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 0x10;
        assert!(bob.receive(&changed).is_err(), "byte {place}");
    }
    assert!(bob.receive(&sealed).is_ok());
}
