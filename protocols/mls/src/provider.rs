//! A device's key packages, and how its sessions begin.
//!
//! The device has one current key package of the last-resort kind: it stands in the card and serves whoever comes, any number of
//! times. It is renewed when it nears its end; earlier ones are kept until theirs, because somebody may still hold an old card.
//! It says to be valid since a week ago, so that people whose clock is behind can use it.
//!
//! Beginning a session never touches the device's own store: a Welcome is opened on a copy of the one key package
//! it is for, and what comes of it belongs to the session.

use super::{
    DeviceKey, MlsSession, SUITE, Store, Tools,
    credential::{self, bad},
    join_config, ratchet_config, read_exactly,
    store::{Package, StoreError},
};
use openmls::prelude::{
    Capabilities, ExtensionType, GroupId, KeyPackage, KeyPackageBundle, KeyPackageIn, Lifetime, MlsGroup,
    MlsGroupCreateConfig, MlsMessageBodyIn, MlsMessageIn, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY,
    ProtocolVersion, StagedWelcome, Welcome, WelcomeError,
};
use openmls_rust_crypto::RustCrypto;
use pc2_protocols::{
    crypto::device::DeviceCertificate,
    id::{DeviceId, NodeId, SessionId},
    limits,
    messenger::{
        rows::SessionRow,
        session::{CryptoProvider, SessionError, StoreChange},
    },
    time::UnixMillis,
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::{collections::BTreeMap, fmt, sync::Arc};
use tls_codec::Serialize as _;

/// Makes and joins sessions for one device.
pub struct MlsProvider {
    key: Arc<DeviceKey>,
    tools: Tools,
    rng: ChaCha20Rng,
}

impl MlsProvider {
    /// Starts a device from its stored values; none for a new one. `device_seed` is the secret of the key that
    /// `certificate` is for; the certificate says whose device it is.
    ///
    /// # Errors
    /// [`SessionError::BadKeyMaterial`] when the two do not belong together, [`SessionError::Damaged`] when a stored
    /// value is none of this device.
    pub fn new(
        device_seed: &[u8; 32],
        certificate: DeviceCertificate,
        stored: BTreeMap<Vec<u8>, Vec<u8>>,
        mut rng: ChaCha20Rng,
    ) -> Result<Self, SessionError> {
        let key = Arc::new(DeviceKey::new(device_seed, certificate)?);
        let store = Store::from_blocks(stored).map_err(|error| damaged(&error))?;
        for package in store.packages() {
            package.decode::<KeyPackageBundle>().map_err(|error| damaged(&error))?;
        }
        let tools = Tools::new(Arc::new(RustCrypto::default()), seed(&mut rng), store);
        Ok(Self { key, tools, rng })
    }

    /// Whose device it is.
    #[must_use]
    pub fn account(&self) -> NodeId {
        self.key.node()
    }

    /// Which device it is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.key.device()
    }

    /// Tools for one session.
    fn session_tools(&mut self, store: Store) -> Tools {
        Tools::new(Arc::clone(&self.tools.crypto), seed(&mut self.rng), store)
    }

    fn session(
        &self,
        id: SessionId,
        peer: NodeId,
        tools: Tools,
        group: MlsGroup,
    ) -> Result<MlsSession, SessionError> {
        MlsSession::new(id, peer, Arc::clone(&self.key), tools, group)
    }

    /// Checks a key package of `peer` at `now`, apart from what OpenMLS checks.
    fn accept(&self, bytes: &[u8], peer: NodeId, now: UnixMillis) -> Result<KeyPackage, SessionError> {
        if bytes.len() > limits::MAX_KEY_PACKAGE_BYTES {
            return Err(bad("larger than a key package may be"));
        }
        if peer == self.account() {
            return Err(bad("a session with oneself"));
        }
        let package = read_exactly::<KeyPackageIn>(bytes).map_err(|error| bad(error.to_string()))?;
        let package = package
            .validate(&*self.tools.crypto, ProtocolVersion::Mls10)
            .map_err(|error| bad(error.to_string()))?;
        if package.ciphersuite() != SUITE {
            return Err(bad("for another cipher suite"));
        }
        let lifetime = package.life_time();
        let second = now.0 / 1_000;
        if !lifetime.has_acceptable_range()
            || second < lifetime.not_before()
            || second >= lifetime.not_after()
        {
            return Err(bad("expired, not valid yet, or valid for too long"));
        }
        let leaf = package.leaf_node();
        credential::new_member(leaf.credential(), leaf.signature_key().as_slice(), peer, now)?;
        Ok(package)
    }

    /// The stored key package that a Welcome is for.
    fn invited(&self, welcome: &Welcome) -> Result<Package, SessionError> {
        for secret in welcome.secrets() {
            let package = self.tools.store.package(&secret.new_member()).map_err(|error| internal(&error))?;
            if let Some(package) = package {
                return Ok(package);
            }
        }
        Err(SessionError::NotForThisDevice)
    }
}

impl fmt::Debug for MlsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlsProvider({}, device {})", self.account().short(), self.device().short())
    }
}

impl CryptoProvider for MlsProvider {
    type Session = MlsSession;

    fn key_package(&mut self, now: UnixMillis) -> Result<Vec<u8>, SessionError> {
        let second = now.0 / 1_000;
        let renew = now.after(limits::KEY_PACKAGE_RENEW_BEFORE).0 / 1_000;
        let mut newest: Option<KeyPackage> = None;
        for package in self.tools.store.packages() {
            let bundle: KeyPackageBundle = package.decode().map_err(|error| damaged(&error))?;
            let end = bundle.key_package().life_time().not_after();
            if end <= second {
                self.tools.store.remove_package(&package);
            } else if end > renew
                && self.key.still_serves(bundle.key_package().leaf_node().credential(), now)
                && newest.as_ref().is_none_or(|newest| newest.life_time().not_after() < end)
            {
                newest = Some(bundle.into_key_package());
            }
        }
        let package = match newest {
            Some(package) => package,
            None => KeyPackage::builder()
                .key_package_lifetime(lifetime(now))
                .leaf_node_capabilities(capabilities())
                .mark_as_last_resort()
                .build(SUITE, &self.tools, &*self.key, self.key.credential_with_key())
                .map_err(|error| internal(&error))?
                .into_key_package(),
        };
        package.tls_serialize_detached().map_err(|error| internal(&error))
    }

    fn start(
        &mut self,
        peer: NodeId,
        key_package: &[u8],
        now: UnixMillis,
    ) -> Result<(MlsSession, Vec<u8>), SessionError> {
        let package = self.accept(key_package, peer, now)?;
        let mut id = [0; SessionId::LEN];
        self.rng.fill_bytes(&mut id);
        let tools = self.session_tools(Store::default());
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .capabilities(capabilities())
            .lifetime(lifetime(now))
            .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(limits::MAX_PAST_EPOCHS)
            .sender_ratchet_configuration(ratchet_config())
            .use_ratchet_tree_extension(true)
            .build();
        let name = GroupId::from_slice(&id);
        let own = self.key.credential_with_key();
        let mut group = MlsGroup::new_with_group_id(&tools, &*self.key, &config, name, own)
            .map_err(|error| internal(&error))?;
        let (_commit_for_nobody, welcome, _) =
            group.add_members(&tools, &*self.key, &[package]).map_err(|error| bad(error.to_string()))?;
        group.merge_pending_commit(&tools).map_err(|error| internal(&error))?;
        let welcome = welcome.to_bytes().map_err(|error| internal(&error))?;
        let session = self.session(SessionId::from_bytes(id), peer, tools, group)?;
        Ok((session, welcome))
    }

    fn join(
        &mut self,
        session: SessionId,
        peer: NodeId,
        welcome: &[u8],
        now: UnixMillis,
    ) -> Result<MlsSession, SessionError> {
        if welcome.len() > limits::MAX_WELCOME_BYTES {
            return Err(bad("larger than a Welcome may be"));
        }
        let message = read_exactly::<MlsMessageIn>(welcome).map_err(|error| bad(error.to_string()))?;
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else { return Err(bad("not a Welcome")) };
        if welcome.ciphersuite() != SUITE {
            return Err(bad("for another cipher suite"));
        }
        let package = self.invited(&welcome)?;
        let mut tools = self.session_tools(Store::of_package(&package));
        // Our own leaf is as old as the card it came from, the creator's begins when the Welcome was made, which may lie
        // weeks back in a mailbox: the lifetimes were the creator's to judge, and ours decided which packages we still have.
        let staged = StagedWelcome::build_from_welcome(&tools, &join_config(), welcome)
            .map(|builder| builder.skip_lifetime_validation())
            .and_then(|builder| builder.build())
            .map_err(refused_welcome)?;
        self.check_members(&staged, session, peer, now)?;
        let group = staged.into_group(&tools).map_err(refused_welcome)?;
        tools.store.without_package(&package);
        self.session(session, peer, tools, group)
    }

    fn resume(
        &mut self,
        row: &SessionRow,
        values: BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<MlsSession, SessionError> {
        let store = Store::from_blocks(values).map_err(|error| damaged(&error))?;
        let tools = self.session_tools(store);
        let group = MlsGroup::load(&tools.store, &GroupId::from_slice(row.session.as_bytes()))
            .map_err(|error| damaged(&error))?
            .ok_or_else(|| SessionError::Damaged { reason: "parts are missing".to_owned() })?;
        if row.account != self.account() {
            return Err(SessionError::Damaged { reason: "belongs to another account".to_owned() });
        }
        self.session(row.session, row.peer, tools, group).map_err(|error| damaged(&error))
    }

    fn take_changes(&mut self) -> Vec<StoreChange> {
        self.tools.store.take_changes()
    }
}

impl MlsProvider {
    /// A Welcome is acceptable when it begins the session it was said to, made by the peer, for the two of us alone.
    fn check_members(
        &self,
        staged: &StagedWelcome,
        session: SessionId,
        peer: NodeId,
        now: UnixMillis,
    ) -> Result<(), SessionError> {
        let context = staged.group_context();
        if context.group_id().as_slice() != session.as_bytes() {
            return Err(bad("for another session than it was said to be"));
        }
        if context.epoch().as_u64() != super::session::FIRST_EPOCH
            || context.extensions().iter().next().is_some()
        {
            return Err(bad("not the beginning of a session of two"));
        }
        if peer == self.account() {
            return Err(bad("a session with oneself"));
        }
        if staged.members().count() != 2 || staged.welcome_sender_index() == staged.own_leaf_index() {
            return Err(bad("not a session of the sender and us"));
        }
        let sender = staged.welcome_sender().map_err(|error| bad(error.to_string()))?;
        credential::new_member(sender.credential(), sender.signature_key().as_slice(), peer, now)
    }
}

/// What our leaves can do beyond the required: nothing but to be of last resort.
fn capabilities() -> Capabilities {
    Capabilities::builder().ciphersuites(vec![SUITE]).extensions(vec![ExtensionType::LastResort]).build()
}

/// From a while ago until a while ahead, in whole seconds.
fn lifetime(now: UnixMillis) -> Lifetime {
    let begin = now.before(limits::KEY_PACKAGE_BACKDATED).0 / 1_000;
    let end = now.after(limits::KEY_PACKAGE_LIFETIME).0 / 1_000;
    Lifetime::init(begin, end)
}

fn seed(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

fn refused_welcome(error: WelcomeError<StoreError>) -> SessionError {
    match error {
        WelcomeError::NoMatchingKeyPackage => SessionError::NotForThisDevice,
        other => bad(other.to_string()),
    }
}

fn damaged(error: &impl std::error::Error) -> SessionError {
    SessionError::Damaged { reason: error.to_string() }
}

fn internal(error: &impl std::error::Error) -> SessionError {
    SessionError::Internal { reason: error.to_string() }
}
