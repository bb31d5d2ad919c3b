//! How each machine is built from storage, at the start and after every failure.
//!
//! In: the owner's keys and a reader. Out: a [`Factory`] per machine. Each build draws fresh randomness from the system.
//!
//! Not here: when machines are built (`host`).

use crate::{
    WasmConfig,
    clock::Clock,
    shell::{BuildError, Factory},
};
use pc2_mls::MlsProvider;
use pc2_protocols::{
    crypto::keys::IdentityKeys,
    dht::{self, Dht},
    files::{self, Files},
    identity::{self, Identity, ProfileRow},
    level::{Level, LevelChoice},
    mailbox::{self, Mailbox},
    messenger::{self, Messenger},
    relay::{self, ContributionRow, Relay, Shares},
    time::Now,
    wasm::{self, Wasm},
};
use pc2_storage::Reader;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::{collections::BTreeMap, fmt::Display, sync::Arc};

/// What machines are built from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) keys: IdentityKeys,
    pub(crate) reader: Reader,
    pub(crate) clock: Clock,
    pub(crate) wasm: WasmConfig,
}

/// The factories of a node.
pub(crate) struct Factories {
    pub(crate) identity: Factory<identity::In, identity::Out>,
    pub(crate) dht: Factory<dht::In, dht::Out>,
    pub(crate) messenger: Factory<messenger::In, messenger::Out>,
    pub(crate) relay: Factory<relay::In, relay::Out>,
    pub(crate) mailbox: Factory<mailbox::In, mailbox::Out>,
    pub(crate) files: Factory<files::In, files::Out>,
    pub(crate) wasm: Factory<wasm::In, wasm::Out>,
}

impl Factories {
    /// Those of the node itself.
    pub(crate) fn new(sources: &Sources) -> Self {
        let [identity, dht, messenger, relay, mailbox, files, wasm] = [(); 7].map(|()| sources.clone());
        Self {
            identity: Arc::new(move |_| Ok(Box::new(Identity::new(identity.profile()?)))),
            dht: Arc::new(move |generation| Ok(Box::new(dht.dht(generation)?))),
            messenger: Arc::new(move |generation| Ok(Box::new(messenger.messenger(generation)?))),
            relay: Arc::new(move |_| Ok(Box::new(Relay::new(relay.contribution()?, rng()?)))),
            mailbox: Arc::new(move |generation| Ok(Box::new(mailbox.mailbox(generation)?))),
            files: Arc::new(move |generation| Ok(Box::new(files.files(generation)?))),
            wasm: Arc::new(move |_| Ok(Box::new(wasm.wasm()?))),
        }
    }
}

impl Sources {
    /// The stored profile, or that of an identity that is new here.
    fn profile(&self) -> Result<ProfileRow, BuildError> {
        let account = self.keys.node();
        let stored = self.reader.profile(account).map_err(fault)?;
        let new = || ProfileRow { account, name: String::new(), since: self.clock.now().unix };
        Ok(stored.unwrap_or_else(new))
    }

    fn dht(&self, generation: u32) -> Result<Dht, BuildError> {
        let snapshot = self.reader.dht_snapshot().map_err(fault)?;
        // Until the relay machine says another.
        let level = match self.contribution()?.choice {
            LevelChoice::Fixed(level) => level,
            LevelChoice::Auto => Level::Participant,
        };
        Ok(Dht::new(self.keys.signer(), level.number(), snapshot, generation, rng()?))
    }

    /// What the person chose to lend, or what every node does.
    fn contribution(&self) -> Result<ContributionRow, BuildError> {
        let chosen = self.reader.contribution().map_err(fault)?;
        let usual = || ContributionRow { choice: LevelChoice::Auto, shares: Shares::default() };
        Ok(chosen.unwrap_or_else(usual))
    }

    fn mailbox(&self, generation: u32) -> Result<Mailbox, BuildError> {
        let snapshot = self.reader.mailbox_snapshot().map_err(fault)?;
        let share_bytes = self.contribution()?.shares.mailbox_bytes;
        let (keys, signer, now) = (self.keys.mailbox_keys(), self.keys.signer(), self.clock.now());
        Ok(Mailbox::new(keys, signer, share_bytes, snapshot, generation, rng()?, now))
    }

    fn files(&self, generation: u32) -> Result<Files, BuildError> {
        let account = self.keys.node();
        Ok(Files::new(account, self.reader.files_snapshot(account).map_err(fault)?, generation, rng()?))
    }

    fn wasm(&self) -> Result<Wasm, BuildError> {
        let (account, config) = (self.keys.node(), &self.wasm);
        let snapshot = self.reader.wasm_snapshot(account).map_err(fault)?;
        Ok(Wasm::new(account, snapshot, config.quotas, config.limits))
    }

    fn messenger(&self, generation: u32) -> Result<Messenger<MlsProvider>, BuildError> {
        let account = self.keys.node();
        let now = self.clock.now();
        let mut rng = rng()?;
        let mut snapshot = self.reader.messenger_snapshot(account).map_err(fault)?;
        let row = snapshot.device.get_or_insert_with(|| messenger::device_row(account, &mut rng, now));
        let device = row.device;
        let of_the_device = snapshot.session_values.iter().filter(|((session, _), _)| session.is_none());
        let stored: BTreeMap<_, _> =
            of_the_device.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        let provider = self.provider(device, stored, now)?;
        Ok(Messenger::new(account, provider, self.keys.mailbox_keys(), snapshot, generation, rng, now))
    }

    fn provider(
        &self,
        device: pc2_protocols::id::DeviceId,
        stored: BTreeMap<Vec<u8>, Vec<u8>>,
        now: Now,
    ) -> Result<MlsProvider, BuildError> {
        let certificate = self.keys.certify_device(device, now.unix);
        let seed = self.keys.device_signing_seed(device);
        MlsProvider::new(&seed, certificate, stored, rng()?).map_err(fault)
    }
}

fn rng() -> Result<ChaCha20Rng, BuildError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(fault)?;
    Ok(ChaCha20Rng::from_seed(seed))
}

fn fault(error: impl Display) -> BuildError {
    BuildError(error.to_string())
}
