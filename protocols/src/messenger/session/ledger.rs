//! Sessions for simulations and tests: no secrecy at all, but every reuse of a key is noticed.
//!
//! Follows the rules of the real sessions (epochs by turns, generations, out-of-order tolerance, past epochs,
//! repetitions refused, a Welcome bound to a key package of one device), and writes in the clear what the real ones hide: which
//! key sealed what ([`KeyUse`]). A simulation shows every ciphertext that reaches the network to one [`KeyUses`], and
//! so learns when two different plaintexts were sealed with one key: the one mistake that breaks the real cryptography
//! silently. State leaves by `take_changes` and comes back by `resume`, as with the real ones.
//!
//! Deterministic for one seed, and fast: some microseconds a message.
//! Not here: secrecy, signatures. Nothing outside of simulations and tests may use it.

use super::{CryptoProvider, SessionError, StoreChange};
use crate::{
    codec,
    id::{DeviceId, NodeId, SessionId},
    limits,
    messenger::rows::SessionRow,
    time::UnixMillis,
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use state::State;
use std::collections::BTreeMap;

mod state;

pub use state::LedgerSession;

/// Key of the one stored value of a session.
const STATE_KEY: &[u8] = b"ledger";

/// What stands before the keys of stored key packages.
const PACKAGE_KEY: &[u8] = b"ledger package ";

/// Largest encoding of anything the ledger reads: a longest content with room around it.
const MAX_BYTES: usize = 64 * 1024;

/// Stands for the secret of an epoch: two histories of one session that differ have different marks.
type Mark = [u8; 16];

/// Names the key that sealed one ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyUse {
    /// Which session.
    pub session: SessionId,
    /// Which epoch of it.
    pub epoch: u64,
    /// Stands for the epoch's secret.
    #[serde(with = "serde_bytes")]
    pub mark: Mark,
    /// Whose ratchet.
    pub sender: NodeId,
    /// Which step of the ratchet.
    pub generation: u32,
}

impl KeyUse {
    /// Reads which key sealed a ciphertext of a ledger session; `None` when it is no such thing.
    #[must_use]
    pub fn of(sealed: &[u8]) -> Option<Self> {
        open_envelope::<Sealed>(sealed).ok().map(|sealed| sealed.key)
    }
}

/// One key sealed two different plaintexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("generation {} of epoch {} in session {} sealed two plaintexts", .key.generation, .key.epoch, .key.session)]
pub struct KeyReused {
    /// The key.
    pub key: KeyUse,
}

/// Remembers which key sealed what, over the whole of a simulation.
#[derive(Debug, Clone, Default)]
pub struct KeyUses {
    seen: BTreeMap<KeyUse, [u8; 32]>,
}

impl KeyUses {
    /// Takes note of a ciphertext that reached the network. Bytes that are no ciphertext of a ledger session are ignored.
    ///
    /// # Errors
    /// [`KeyReused`] when its key sealed something else before.
    pub fn record(&mut self, sealed: &[u8]) -> Result<(), KeyReused> {
        let Ok(sealed) = open_envelope::<Sealed>(sealed) else { return Ok(()) };
        let hash: [u8; 32] = Sha256::digest(&sealed.plaintext).into();
        let first = *self.seen.entry(sealed.key).or_insert(hash);
        if first == hash { Ok(()) } else { Err(KeyReused { key: sealed.key }) }
    }

    /// How many keys were used.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen.len()
    }
}

#[derive(Serialize, Deserialize)]
struct Package {
    node: NodeId,
    device: DeviceId,
    #[serde(with = "serde_bytes")]
    name: Mark,
    not_before: UnixMillis,
    expires: UnixMillis,
}

#[derive(Serialize, Deserialize)]
struct Welcome {
    session: SessionId,
    creator: NodeId,
    #[serde(with = "serde_bytes")]
    package: Mark,
    #[serde(with = "serde_bytes")]
    mark: Mark,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    key: KeyUse,
    #[serde(with = "serde_bytes")]
    plaintext: Vec<u8>,
}

/// What travels: an encoded body and the beginning of its hash, so that a changed byte is noticed.
#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
    #[serde(with = "serde_bytes")]
    check: [u8; 8],
}

fn seal_envelope<T: Serialize>(value: &T) -> Vec<u8> {
    let body = codec::encode(value);
    let check = checksum(&body);
    codec::encode(&Envelope { body, check })
}

fn open_envelope<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let Envelope { body, check } = codec::decode(bytes, MAX_BYTES).map_err(|error| error.to_string())?;
    if checksum(&body) != check {
        return Err("changed on the way".to_owned());
    }
    codec::decode(&body, MAX_BYTES).map_err(|error| error.to_string())
}

fn checksum(body: &[u8]) -> [u8; 8] {
    let hash: [u8; 32] = Sha256::digest(body).into();
    let mut check = [0; 8];
    check.copy_from_slice(&hash[..8]);
    check
}

/// The key packages of one simulated device.
#[derive(Debug)]
pub struct LedgerProvider {
    account: NodeId,
    device: DeviceId,
    /// By name; the value is its end.
    packages: BTreeMap<Mark, (UnixMillis, Vec<u8>)>,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    rng: ChaCha20Rng,
}

impl LedgerProvider {
    /// Starts a device from its stored values; none for a new one.
    ///
    /// # Errors
    /// [`SessionError::Damaged`] when a stored value is not what this device wrote.
    pub fn new(
        account: NodeId,
        device: DeviceId,
        stored: &BTreeMap<Vec<u8>, Vec<u8>>,
        rng: ChaCha20Rng,
    ) -> Result<Self, SessionError> {
        let mut packages = BTreeMap::new();
        for bytes in stored.values() {
            let package: Package = open_envelope(bytes).map_err(|reason| SessionError::Damaged { reason })?;
            packages.insert(package.name, (package.expires, bytes.clone()));
        }
        Ok(Self { account, device, packages, changes: BTreeMap::new(), rng })
    }

    fn random(&mut self) -> Mark {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }
}

impl CryptoProvider for LedgerProvider {
    type Session = LedgerSession;

    fn key_package(&mut self, now: UnixMillis) -> Result<Vec<u8>, SessionError> {
        let ended: Vec<Mark> =
            self.packages.iter().filter(|(_, (end, _))| *end <= now).map(|(name, _)| *name).collect();
        for name in ended {
            self.packages.remove(&name);
            self.changes.insert([PACKAGE_KEY, &name].concat(), None);
        }
        let newest = self.packages.values().max_by_key(|(end, _)| *end);
        if let Some((end, bytes)) = newest
            && *end > now.after(limits::KEY_PACKAGE_RENEW_BEFORE)
        {
            return Ok(bytes.clone());
        }
        let name = self.random();
        let package = Package {
            node: self.account,
            device: self.device,
            name,
            not_before: now.before(limits::KEY_PACKAGE_BACKDATED),
            expires: now.after(limits::KEY_PACKAGE_LIFETIME),
        };
        let bytes = seal_envelope(&package);
        self.packages.insert(name, (package.expires, bytes.clone()));
        self.changes.insert([PACKAGE_KEY, &name].concat(), Some(bytes.clone()));
        Ok(bytes)
    }

    fn start(
        &mut self,
        peer: NodeId,
        key_package: &[u8],
        now: UnixMillis,
    ) -> Result<(LedgerSession, Vec<u8>), SessionError> {
        let package: Package = open_envelope(key_package).map_err(bad)?;
        if package.node != peer || peer == self.account {
            return Err(bad("belongs to somebody else"));
        }
        if now < package.not_before || now >= package.expires {
            return Err(bad("expired, or not valid yet"));
        }
        let session = SessionId::from_bytes(self.random());
        let mark = self.random();
        let welcome = Welcome { session, creator: self.account, package: package.name, mark };
        let state = State::new(session, self.account, peer, mark);
        Ok((LedgerSession::new(state, self.seed()), seal_envelope(&welcome)))
    }

    fn join(
        &mut self,
        session: SessionId,
        peer: NodeId,
        welcome: &[u8],
        _now: UnixMillis,
    ) -> Result<LedgerSession, SessionError> {
        let welcome: Welcome = open_envelope(welcome).map_err(bad)?;
        if !self.packages.contains_key(&welcome.package) {
            return Err(SessionError::NotForThisDevice);
        }
        if welcome.session != session || welcome.creator != peer || peer == self.account {
            return Err(bad("the session is not the one it was said to be"));
        }
        let state = State::new(session, self.account, peer, welcome.mark);
        Ok(LedgerSession::new(state, self.seed()))
    }

    fn resume(
        &mut self,
        row: &SessionRow,
        values: BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<LedgerSession, SessionError> {
        let damaged = |reason: &str| SessionError::Damaged { reason: reason.to_owned() };
        let stored = values.get(STATE_KEY).ok_or_else(|| damaged("nothing is stored"))?.clone();
        let state = State::decode(&stored).map_err(|reason| SessionError::Damaged { reason })?;
        if !state.is_between(row.session, self.account, row.peer) {
            return Err(damaged("belongs to another session"));
        }
        Ok(LedgerSession::resumed(state, stored, self.seed()))
    }

    fn take_changes(&mut self) -> Vec<StoreChange> {
        std::mem::take(&mut self.changes).into_iter().collect()
    }
}

fn bad(reason: impl Into<String>) -> SessionError {
    SessionError::BadKeyMaterial { reason: reason.into() }
}
