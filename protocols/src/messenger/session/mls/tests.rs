//! MLS sessions keep the rules of every session; and hostile bytes do nothing to them.

use super::*;
use crate::{
    crypto::sign::Signer,
    id::{DeviceId, NodeId},
    messenger::session::conformance::{self, Kind, Values, walk::walk},
    time::UnixMillis,
};
use ed25519_dalek::SigningKey;
use std::time::SystemTime;

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
