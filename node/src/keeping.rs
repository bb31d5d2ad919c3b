//! The keeper of a running node: its identity file, its recovery phrase, how far its setup is, and what was chosen about the network, as files of the data
//! directory.
//!
//! What the page may ask, and who may, is decided in `pc2_web`. Every change is on disk when it returns. A wish for another identity, or for
//! something else of the network, has the node started anew ([`crate::run`]), which decides about it.

use crate::{
    config::Config,
    home::Home,
    identity_file,
    network_choice::{self, Fixed},
    network_file::NetworkFile,
    phrase_io::{self, Purpose},
    replace,
    setup_file::{self, SetupFile},
};
use pc2_protocols::crypto::{
    keys::IdentityKeys,
    keystore::{IdentityFile, OpenFileError},
    phrase::Phrase,
};
use pc2_web::{CarriedSession, Keeper, KeeperError, NetworkChoice, SetupState, dto::SetupStep};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};
use tokio::sync::watch;

/// The keeper.
#[derive(Debug)]
pub(crate) struct Keeping {
    home: Home,
    keys: IdentityKeys,
    passphrase_file: Option<PathBuf>,
    fixed: Fixed,
    files: Mutex<Files>,
    again: watch::Sender<bool>,
}

#[derive(Debug)]
struct Files {
    identity: IdentityFile,
    setup: Option<SetupFile>,
}

impl Keeping {
    /// Of a node that starts with these keys.
    pub(crate) fn new(
        home: &Home,
        keys: &IdentityKeys,
        passphrase_file: Option<&Path>,
        fixed: Fixed,
    ) -> anyhow::Result<Self> {
        let identity = identity_file::read_existing(home)?;
        let setup = SetupFile::read(&home.setup(), keys.node());
        Ok(Self {
            home: home.clone(),
            keys: keys.clone(),
            // Asked at the terminal, it stands in no file.
            passphrase_file: passphrase_file.filter(|path| *path != Path::new("-")).map(Path::to_owned),
            fixed,
            files: Mutex::new(Files { identity, setup }),
            again: watch::Sender::new(false),
        })
    }

    /// Ends when the node is to be started anew.
    pub(crate) async fn again(&self) {
        let mut again = self.again.subscribe();
        // The sender is in `self`, so this ends only when it says so.
        drop(again.wait_for(|again| *again).await);
    }

    /// Whether the owner has been through the setup.
    pub(crate) fn is_finished(&self) -> bool {
        self.setup().finished
    }

    /// The browser that is to be let in once.
    pub(crate) fn carried(&self) -> Option<CarriedSession> {
        self.files().setup.as_ref()?.carried()
    }

    /// It was let in.
    pub(crate) fn has_carried(&self) -> anyhow::Result<()> {
        let mut files = self.files();
        if let Some(setup) = files.setup.take() {
            let setup = files.setup.insert(setup.carrying(None));
            setup.write(&self.home.setup())?;
        }
        Ok(())
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().expect("no holder of the lock panics")
    }
}

impl Keeper for Keeping {
    fn sealed(&self) -> bool {
        self.files().identity.is_sealed()
    }

    fn passphrase_from_file(&self) -> bool {
        self.passphrase_file.is_some()
    }

    fn opens(&self, passphrase: &str) -> Result<bool, KeeperError> {
        // A copy: deriving takes a while, and others only want to know whether it is sealed.
        let identity = self.files().identity.clone();
        match identity.open(Some(passphrase)) {
            Ok(_) => Ok(true),
            Err(OpenFileError::WrongPassphrase) => Ok(false),
            Err(error) => Err(KeeperError::Failed(error.to_string())),
        }
    }

    fn seal(&self, passphrase: Option<&str>) -> Result<(), KeeperError> {
        let created = self.files().identity.created();
        let file = identity_file::made(&self.keys, created, passphrase).map_err(failed)?;
        let mut files = self.files();
        identity_file::write(&self.home, &file).map_err(failed)?;
        files.identity = file;
        Ok(())
    }

    fn phrase(&self) -> Option<Phrase> {
        self.files().setup.as_ref()?.phrase(&self.keys)
    }

    fn setup(&self) -> SetupState {
        let over = SetupState {
            finished: true,
            step: SetupStep::Done,
            confirmed: false,
            asks: [1, 2, 3],
            stayed: false,
        };
        self.files().setup.as_ref().map_or(over, SetupFile::state)
    }

    fn put_setup(&self, state: SetupState) -> Result<(), KeeperError> {
        let mut files = self.files();
        // Without a file there is nothing that could be gone through, or confirmed.
        let Some(setup) = files.setup.clone() else { return Ok(()) };
        let setup = setup.with(state);
        setup.write(&self.home.setup()).map_err(|error| failed(error.into()))?;
        files.setup = Some(setup);
        Ok(())
    }

    fn replace(&self, phrase: &Phrase, session: Option<CarriedSession>) -> Result<(), KeeperError> {
        let _one_at_a_time = self.files();
        if replace::is_wished(&self.home) {
            return Err(KeeperError::UnderWay);
        }
        let keys = phrase.keys();
        let wish = || -> anyhow::Result<()> {
            let file = self.passphrase_file.as_deref();
            let passphrase = file.map(|path| phrase_io::passphrase(path, Purpose::Open)).transpose()?;
            let identity = identity_file::made(&keys, identity_file::now(), passphrase.as_deref())?;
            let state = SetupState { step: SetupStep::Name, confirmed: true, ..setup_file::beginning()? };
            let setup = SetupFile::new(&keys, phrase, state)?.carrying(session);
            replace::wish(&self.home, self.keys.node(), &identity, &setup)
        };
        wish().map_err(failed)?;
        self.again.send_replace(true);
        Ok(())
    }

    fn choose_network(&self, choice: NetworkChoice) -> Result<bool, KeeperError> {
        let _one_at_a_time = self.files();
        // What starts anew for another identity keeps no choice of this one's browser.
        if replace::is_wished(&self.home) {
            return Err(KeeperError::UnderWay);
        }
        if let Some(name) = self.fixed.forbids(&choice) {
            return Err(KeeperError::SetAtStart(name));
        }
        let file = NetworkFile::read(&self.home.network());
        let chosen = network_choice::over(file.chosen.clone(), choice);
        let mut config = Config::default();
        Fixed::default().fill(&mut config, chosen.clone());
        let problems = network_choice::problems(&config.listen, &config.bootstrap);
        if !problems.is_empty() {
            return Err(KeeperError::NoSense(problems));
        }
        if chosen == file.chosen {
            return Ok(false);
        }
        file.choosing(chosen).write(&self.home.network()).map_err(|error| failed(error.into()))?;
        self.again.send_replace(true);
        Ok(true)
    }
}

fn failed(error: anyhow::Error) -> KeeperError {
    let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let on_disk = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    if on_disk.map(io::Error::kind).any(full) {
        return KeeperError::DiskFull;
    }
    KeeperError::Failed(format!("{error:#}"))
}
