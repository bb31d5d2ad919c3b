//! What keeps the identity file in these tests: memory. The real one is the program's, and tested with it.

use pc2_protocols::{crypto::phrase::Phrase, id::NodeId};
use pc2_web::{CarriedSession, Keeper, KeeperError, NetworkChoice, SetupState, dto::SetupStep};
use std::sync::Mutex;

/// Files in memory.
#[derive(Debug)]
pub(crate) struct TestKeeper {
    passphrase: Mutex<Option<String>>,
    phrase: Option<Phrase>,
    state: Mutex<SetupState>,
    pub(crate) wished: Mutex<Option<(NodeId, Option<CarriedSession>)>>,
    pub(crate) network: Mutex<NetworkChoice>,
}

impl TestKeeper {
    /// Of a node whose setup is over, or that has just been started for the first time.
    pub(crate) fn new(phrase: Option<Phrase>) -> Self {
        let fresh = phrase.is_some();
        let step = if fresh { SetupStep::Choose } else { SetupStep::Done };
        let state = SetupState { finished: !fresh, step, confirmed: false, asks: [1, 2, 3], stayed: false };
        Self {
            passphrase: Mutex::default(),
            phrase,
            state: Mutex::new(state),
            wished: Mutex::default(),
            network: Mutex::default(),
        }
    }
}

impl Keeper for TestKeeper {
    fn sealed(&self) -> bool {
        self.passphrase.lock().expect("lock").is_some()
    }

    fn passphrase_from_file(&self) -> bool {
        false
    }

    fn opens(&self, passphrase: &str) -> Result<bool, KeeperError> {
        Ok(self.passphrase.lock().expect("lock").as_deref() == Some(passphrase))
    }

    fn seal(&self, passphrase: Option<&str>) -> Result<(), KeeperError> {
        *self.passphrase.lock().expect("lock") = passphrase.map(str::to_owned);
        Ok(())
    }

    fn phrase(&self) -> Option<Phrase> {
        self.phrase.clone()
    }

    fn setup(&self) -> SetupState {
        *self.state.lock().expect("lock")
    }

    fn put_setup(&self, state: SetupState) -> Result<(), KeeperError> {
        *self.state.lock().expect("lock") = state;
        Ok(())
    }

    fn replace(&self, phrase: &Phrase, session: Option<CarriedSession>) -> Result<(), KeeperError> {
        *self.wished.lock().expect("lock") = Some((phrase.keys().node(), session));
        Ok(())
    }

    fn choose_network(&self, choice: NetworkChoice) -> Result<bool, KeeperError> {
        if choice.listen.is_some() {
            return Err(KeeperError::SetAtStart("listen"));
        }
        if choice.bootstrap == Some(vec!["nowhere".to_owned()]) {
            return Err(KeeperError::NoSense(vec!["bootstrap \"nowhere\"".to_owned()]));
        }
        let mut network = self.network.lock().expect("lock");
        let changed = *network != choice;
        *network = choice;
        Ok(changed)
    }
}
