//! What can go wrong with a node's setup, its recovery phrase and its passphrase.

use super::Problem;
use crate::keeper::KeeperError;
use pc2_actors::api::CallError;
use std::convert::Infallible;
use warp::http::StatusCode;

impl Problem {
    pub(crate) fn setup_over() -> Self {
        Self::new(StatusCode::CONFLICT, "setup_over", "the setup of this node is over")
    }

    pub(crate) fn identity_in_use() -> Self {
        let message = "this node's identity is in use already: somebody was asked, has written, or may sign in; \
            restore the other one into an empty data directory (`pc2 --data DIR restore`)";
        Self::new(StatusCode::CONFLICT, "identity_in_use", message)
    }

    pub(crate) fn phrase_not_kept() -> Self {
        let message = "this node does not keep the recovery phrase: it was shown once, where the identity was made, \
            and cannot be computed back";
        Self::new(StatusCode::NOT_FOUND, "phrase_not_kept", message)
    }

    pub(crate) fn wrong_words() -> Self {
        let message = "these are not the words at those places; look at the phrase once more";
        Self::new(StatusCode::CONFLICT, "wrong_words", message)
    }

    pub(crate) fn bad_passphrase(min: usize, max: usize) -> Self {
        let message = format!("a passphrase has {min} to {max} characters");
        Self::new(StatusCode::BAD_REQUEST, "bad_passphrase", message)
    }

    pub(crate) fn prove_first() -> Self {
        let message = "prove that it is you: with the passphrase of the identity file, if it has one, \
            or with a fresh link from `pc2 login-link`";
        Self::new(StatusCode::PRECONDITION_REQUIRED, "prove_first", message)
    }

    /// What was to prove who asks does not.
    pub(crate) fn not_proved(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_proved", message)
    }
}

impl From<KeeperError> for Problem {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::DiskFull => CallError::<Infallible>::DiskFull.into(),
            KeeperError::UnderWay => Self::new(StatusCode::CONFLICT, "restore_under_way", error),
            KeeperError::NoSense(_) => Self::new(StatusCode::BAD_REQUEST, "bad_network_choice", error),
            KeeperError::SetAtStart(_) => Self::new(StatusCode::CONFLICT, "set_at_start", error),
            KeeperError::Failed(cause) => Self::internal(&cause),
        }
    }
}
