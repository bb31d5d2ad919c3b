//! What went wrong, as HTTP says it: a status, a stable code for programs, and a sentence for people.
//!
//! Every error of the node that can reach a caller becomes one here, each by name: a new kind of error does not
//! compile until somebody decided what it means to a caller. Nothing internal (paths, `Debug` forms) gets out.

mod setup;
mod wasm;

use crate::{answer, dto, kept::KeptError, wallet::SignatureError};
use pc2_actors::api::{CallError, ContentError, OfferError};
use pc2_protocols::{
    dht, files, identity, mailbox,
    messenger::{self, invitation::InvitationError},
    relay,
};
use std::fmt;
use warp::{
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

/// An error as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// The same request may succeed in a second.
    retry: bool,
    /// Which limit a module ran into.
    limit: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl ToString) -> Self {
        Self { status, code, message: message.to_string(), retry: false, limit: None }
    }

    /// For programs: never changes its meaning.
    #[cfg(test)]
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// Its status.
    #[cfg(test)]
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn bad_request(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_route", "there is nothing here")
    }

    pub(crate) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong_method",
            "this cannot be done here; see /api/openapi.json",
        )
    }

    pub(crate) fn unknown_contact() -> Self {
        messenger::CommandError::UnknownPeer.into()
    }

    pub(crate) fn not_a_contact() -> Self {
        let message = "this is possible for your contacts only: both sides have to have agreed";
        Self::new(StatusCode::CONFLICT, "not_a_contact", message)
    }

    pub(crate) fn no_message() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_message", "there is no such message in this conversation")
    }

    pub(crate) fn id_taken() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "id_taken",
            "a message of theirs has this id; choose another one at random",
        )
    }

    pub(crate) fn not_your_message() -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_your_message", "only who wrote a message can change it")
    }

    pub(crate) fn no_text() -> Self {
        let message = "only texts are edited or taken back this way; of a file, take the offer back";
        Self::new(StatusCode::CONFLICT, "no_text", message)
    }

    pub(crate) fn message_deleted() -> Self {
        Self::new(StatusCode::CONFLICT, "message_deleted", "this message was deleted")
    }

    pub(crate) fn edited_too_often(max: u32) -> Self {
        let message = format!("a message can be edited {max} times; write a new one");
        Self::new(StatusCode::CONFLICT, "edited_too_often", message)
    }

    pub(crate) fn too_large(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("a request may have {max} bytes at most here"),
        )
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the request did not arrive in time")
    }

    /// What is wrong with an invitation, in its own words.
    pub(crate) fn bad_invitation(error: InvitationError) -> Self {
        let code = match error {
            InvitationError::NotAnInvitation => "not_an_invitation",
            InvitationError::Damaged => "invitation_damaged",
            InvitationError::Expired => "invitation_expired",
        };
        Self::new(StatusCode::BAD_REQUEST, code, error)
    }

    pub(crate) fn not_text() -> Self {
        let message = "the value was found and is not text; the API shows text only";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not_text", message)
    }

    pub(crate) fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "send JSON with content-type: application/json",
        )
    }

    pub(crate) fn not_an_upgrade() -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, "not_a_websocket", "events come over a WebSocket")
    }

    pub(crate) fn sign_in_first() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "sign_in_first", "sign in first: `pc2 login-link` gives a link")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "this can be done at the command line only")
    }

    pub(crate) fn not_for_role() -> Self {
        let message = "this is for the owner of this node, or for those whom the owner lets do it";
        Self::new(StatusCode::FORBIDDEN, "not_for_role", message)
    }

    /// A key lacks a scope, or no key may do it.
    pub(crate) fn not_for_key(scope: Option<&str>) -> Self {
        let message = match scope {
            Some(scope) => format!("this key may not do that: it takes the scope {scope}"),
            None => "this cannot be done with a key".to_owned(),
        };
        Self::new(StatusCode::FORBIDDEN, "not_for_key", message)
    }

    pub(crate) fn too_many_tries() -> Self {
        let message = "too many sign-ins from this machine; wait a moment";
        Self { retry: true, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", message) }
    }

    pub(crate) fn nonce_not_good() -> Self {
        let message = "this sign-in was used already, is older than five minutes, or was begun at another address of this node; begin again";
        Self::new(StatusCode::GONE, "nonce_not_good", message)
    }

    pub(crate) fn other_wallet() -> Self {
        let message = "another wallet signed this than the one that was asked";
        Self::new(StatusCode::FORBIDDEN, "other_wallet", message)
    }

    pub(crate) fn contract_refuses(chain: u64) -> Self {
        let message =
            format!("no contract at that address on chain {chain} takes this signature for its own");
        Self::new(StatusCode::FORBIDDEN, "contract_refuses", message)
    }

    pub(crate) fn chain_unreachable(error: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "chain_unreachable", error)
    }

    pub(crate) fn link_not_good() -> Self {
        let message = "this link was used already or is older than 15 minutes";
        Self::new(StatusCode::GONE, "link_not_good", message)
    }

    pub(crate) fn wrong_host(named: &str) -> Self {
        let named: String = named.chars().take(100).collect();
        let message =
            format!("this node does not answer to the name \"{named}\"; add it to the names in config.toml");
        Self::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", message)
    }

    pub(crate) fn foreign_origin() -> Self {
        let message = "the request comes from another site; only this node's own page may do that";
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", message)
    }

    pub(crate) fn too_many_streams() -> Self {
        let message = "too many pages and programs follow this node's events";
        Self { retry: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message) }
    }

    pub(crate) fn test_under_way() -> Self {
        let message = "the connection is being tested already; that takes some seconds";
        Self { retry: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "test_under_way", message) }
    }

    pub(crate) fn too_many_streams_of_one() -> Self {
        let message = "too many windows or programs with this sign-in follow this node's events; close some";
        Self { retry: true, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", message) }
    }

    pub(crate) fn not_bytes() -> Self {
        let message = "send the bytes of the file with content-type: application/octet-stream";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_bytes", message)
    }

    /// Longer than files may be.
    pub(crate) fn file_too_large(error: impl ToString) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error)
    }

    pub(crate) fn too_many_uploads() -> Self {
        let message = "several files are being uploaded already; wait for one of them";
        Self { retry: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_uploads", message) }
    }

    pub(crate) fn too_many_downloads() -> Self {
        let message = "many files are being downloaded already; wait for some of them";
        Self { retry: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_downloads", message) }
    }

    /// What the disk said when a file that a browser brings was written.
    pub(crate) fn not_written(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                CallError::<std::convert::Infallible>::DiskFull.into()
            }
            _ => Self::internal(error),
        }
    }

    /// A range that no byte of the file lies in.
    pub(crate) fn no_such_range(size: u64) -> Self {
        let message = format!("the file has {size} bytes; none of them were asked for");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "no_such_range", message)
    }

    /// Something that cannot go on and is not the caller's fault. The cause is for the log.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request could not be answered");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the node could not do this; its log says why",
        )
    }

    pub(crate) fn into_response(self) -> Response {
        let body = dto::Problem {
            code: self.code.to_owned(),
            message: self.message,
            limit: self.limit.map(str::to_owned),
        };
        let mut response = answer::json(self.status, &body);
        if self.retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl<E: Into<Self>> From<CallError<E>> for Problem {
    fn from(error: CallError<E>) -> Self {
        let unavailable = |code, message| Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        match error {
            CallError::Refused(error) => error.into(),
            CallError::Busy => {
                Self { retry: true, ..unavailable("busy", "the node has too much to do; try again") }
            }
            CallError::Restarted => Self {
                retry: true,
                ..unavailable("restarted", "this part of the node was restarted; try again")
            },
            CallError::Stopped => unavailable("stopped", "the node is shutting down"),
            CallError::DiskFull => {
                let message = "the disk of this node is full; free some space and try again";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", message)
            }
            CallError::Storage => {
                let message = "the node could not write to its disk; `pc2 doctor` says more";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "storage", message)
            }
        }
    }
}

impl From<KeptError> for Problem {
    fn from(error: KeptError) -> Self {
        use KeptError as Error;
        let (status, code) = match error {
            Error::UnknownSession => (StatusCode::NOT_FOUND, "unknown_session"),
            Error::UnknownWallet => (StatusCode::NOT_FOUND, "unknown_wallet"),
            Error::UnknownKey => (StatusCode::NOT_FOUND, "unknown_key"),
            Error::WalletThere => (StatusCode::CONFLICT, "already_there"),
            Error::NotAdded => (StatusCode::FORBIDDEN, "wallet_not_added"),
            Error::LastOwner => (StatusCode::CONFLICT, "last_owner"),
            Error::SignedOut => (StatusCode::UNAUTHORIZED, "sign_in_first"),
            Error::Full(_) => (StatusCode::CONFLICT, "limit_reached"),
            Error::BadLabel => (StatusCode::BAD_REQUEST, "bad_label"),
        };
        Self::new(status, code, error)
    }
}

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        let code = match error {
            SignatureError::Malformed => "bad_signature",
            SignatureError::Contract => "contract_wallet",
            SignatureError::Malleable => "malleable_signature",
        };
        Self::new(StatusCode::BAD_REQUEST, code, error)
    }
}

impl From<messenger::CommandError> for Problem {
    fn from(error: messenger::CommandError) -> Self {
        use messenger::CommandError as Error;
        let (status, code) = match &error {
            Error::UnknownPeer => (StatusCode::NOT_FOUND, "unknown_contact"),
            Error::Yourself => (StatusCode::BAD_REQUEST, "yourself"),
            Error::BadText { .. } => (StatusCode::BAD_REQUEST, "bad_text"),
            Error::Blocked => (StatusCode::CONFLICT, "blocked"),
            Error::AcceptFirst => (StatusCode::CONFLICT, "accept_first"),
            Error::NotAsking => (StatusCode::CONFLICT, "not_asking"),
            Error::AlreadyAsked => (StatusCode::CONFLICT, "already_asked"),
            Error::AlreadyContact => (StatusCode::CONFLICT, "already_contact"),
            Error::Full { .. } => (StatusCode::CONFLICT, "limit_reached"),
        };
        Self::new(status, code, error)
    }
}

impl From<identity::CommandError> for Problem {
    fn from(error: identity::CommandError) -> Self {
        let code = match error {
            identity::CommandError::NameTooLong => "name_too_long",
            identity::CommandError::NameNotPlain => "name_not_plain",
        };
        Self::new(StatusCode::BAD_REQUEST, code, error)
    }
}

impl From<dht::CommandError> for Problem {
    fn from(error: dht::CommandError) -> Self {
        use dht::{CommandError as Error, ResolveError};
        let (status, code) = match &error {
            Error::NotFound(ResolveError::NotFound) => (StatusCode::NOT_FOUND, "not_found"),
            Error::NotFound(ResolveError::Alone) => (StatusCode::SERVICE_UNAVAILABLE, "alone"),
            Error::NotFound(ResolveError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Error::TooFewHolders { .. } => (StatusCode::SERVICE_UNAVAILABLE, "too_few_holders"),
            Error::Changed { .. } => (StatusCode::CONFLICT, "changed"),
            Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Error::TooMany { .. } => (StatusCode::CONFLICT, "limit_reached"),
        };
        let retry = matches!(error, Error::NotFound(ResolveError::Busy));
        Self { retry, ..Self::new(status, code, error) }
    }
}

impl From<relay::CommandError> for Problem {
    fn from(error: relay::CommandError) -> Self {
        let relay::CommandError::BadShare { .. } = &error;
        Self::new(StatusCode::BAD_REQUEST, "bad_share", error)
    }
}

impl From<mailbox::CommandError> for Problem {
    fn from(error: mailbox::CommandError) -> Self {
        use mailbox::CommandError as Error;
        let (status, code) = match error {
            Error::Alone => (StatusCode::SERVICE_UNAVAILABLE, "alone"),
            Error::Yourself => (StatusCode::BAD_REQUEST, "yourself"),
            Error::TooManyPins | Error::TooManyServed => (StatusCode::CONFLICT, "limit_reached"),
            Error::NotPinned => (StatusCode::NOT_FOUND, "not_pinned"),
            Error::NotServed => (StatusCode::NOT_FOUND, "not_served"),
        };
        Self::new(status, code, error)
    }
}

impl From<files::CommandError> for Problem {
    fn from(error: files::CommandError) -> Self {
        use files::CommandError as Error;
        let (status, code) = match &error {
            Error::Unknown => (StatusCode::NOT_FOUND, "unknown_transfer"),
            Error::NotYours => (StatusCode::CONFLICT, "not_yours"),
            Error::Over(_) => (StatusCode::CONFLICT, "over"),
            Error::NotAccepted => (StatusCode::CONFLICT, "not_accepted"),
            Error::NotFailed => (StatusCode::CONFLICT, "not_failed"),
            Error::NoRetry(_) => (StatusCode::CONFLICT, "no_retry"),
            Error::BadOffer(_) => (StatusCode::BAD_REQUEST, "bad_offer"),
            Error::Yourself => (StatusCode::BAD_REQUEST, "yourself"),
            Error::Full | Error::TooManyRules => (StatusCode::CONFLICT, "limit_reached"),
            Error::BadFolder => (StatusCode::BAD_REQUEST, "bad_folder"),
            Error::BadRate => (StatusCode::BAD_REQUEST, "bad_rate"),
        };
        Self::new(status, code, error)
    }
}

impl From<OfferError> for Problem {
    fn from(error: OfferError) -> Self {
        use OfferError as Error;
        let (status, code) = match error {
            Error::Command(error) => return error.into(),
            Error::Node(cause) => return Self::internal(&cause),
            Error::Busy => {
                return Self {
                    retry: true,
                    ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", Error::Busy)
                };
            }
            Error::Nothing | Error::SameName(_) | Error::TooMany | Error::Empty(_) | Error::Special(_) => {
                (StatusCode::BAD_REQUEST, "cannot_be_offered")
            }
            Error::NotThere(_) => (StatusCode::NOT_FOUND, "no_such_file"),
            Error::Unreadable { .. } | Error::Refused(_) | Error::Stopped => {
                (StatusCode::CONFLICT, "cannot_be_offered")
            }
        };
        Self::new(status, code, error)
    }
}

impl From<ContentError> for Problem {
    fn from(error: ContentError) -> Self {
        let (status, code) = match &error {
            ContentError::Unknown => (StatusCode::NOT_FOUND, "unknown_transfer"),
            ContentError::Folder => (StatusCode::CONFLICT, "folder"),
            ContentError::NotReceived => (StatusCode::CONFLICT, "not_received"),
            ContentError::Moved => (StatusCode::GONE, "moved"),
            ContentError::Unreadable(_) => (StatusCode::CONFLICT, "unreadable"),
            ContentError::Node(error) => return error.clone().into(),
        };
        Self::new(status, code, error)
    }
}

/// For calls that cannot be refused.
impl From<std::convert::Infallible> for Problem {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_succeed_in_a_second_says_so() {
        let busy = Problem::from(CallError::<messenger::CommandError>::Busy).into_response();
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(busy.headers().get(header::RETRY_AFTER).map(HeaderValue::as_bytes), Some(&b"1"[..]));
        let stopped = Problem::from(CallError::<messenger::CommandError>::Stopped).into_response();
        assert!(stopped.headers().get(header::RETRY_AFTER).is_none());
    }

    #[test]
    fn a_full_disk_has_its_own_status_and_code() {
        let problem = Problem::from(CallError::<messenger::CommandError>::DiskFull);
        assert_eq!((problem.status(), problem.code()), (StatusCode::INSUFFICIENT_STORAGE, "disk_full"));
    }

    #[test]
    fn a_hostile_host_name_does_not_become_a_long_answer() {
        assert!(Problem::wrong_host(&"x".repeat(10_000)).message.len() < 300);
    }
}
