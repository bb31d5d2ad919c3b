//! The routes: method, path, who may, what goes in and out, and who answers. The server has no others.
//!
//! This table is what requests are matched against, what roles are checked by and what the OpenAPI
//! document is made from, so the three cannot disagree.

use crate::{
    api::{
        contacts, content, identity, mailboxes, messages, network, proof, records, session, transfers,
        uploads,
    },
    app::App,
    events, openapi,
    problem::Problem,
    request::{Call, decoded},
    roles::Access::{self, CommandLine, Owner, Public},
};
use futures::future::BoxFuture;
use std::sync::Arc;
use warp::{http::Method, reply::Response};

/// Answers a call.
pub(crate) type Handler = fn(Arc<App>, Call) -> BoxFuture<'static, Result<Response, Problem>>;

/// One thing that can be done at one path.
pub(crate) struct Route {
    /// How.
    pub(crate) method: Method,
    /// Where; `{…}` stands for one part.
    pub(crate) path: &'static str,
    /// Who may.
    pub(crate) access: Access,
    /// What it does, in a line.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the OpenAPI document, which a test makes"))]
    pub(crate) summary: &'static str,
    /// What the query can say: name and meaning.
    pub(crate) query: &'static [(&'static str, &'static str)],
    /// What it takes.
    pub(crate) takes: Takes,
    /// The status when it went well.
    pub(crate) status: u16,
    /// The type in [`crate::dto`] that it gives.
    pub(crate) gives: Option<&'static str>,
    /// It gives bytes of any number instead.
    pub(crate) gives_bytes: bool,
    /// Who answers.
    pub(crate) handler: Handler,
}

/// What a route takes as its body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// None.
    Nothing,
    /// A value of this type in [`crate::dto`].
    Json(
        #[cfg_attr(not(test), expect(dead_code, reason = "for the OpenAPI document, which a test makes"))]
        &'static str,
    ),
    /// The same, or nothing.
    OptionalJson(
        #[cfg_attr(not(test), expect(dead_code, reason = "for the OpenAPI document, which a test makes"))]
        &'static str,
    ),
    /// Bytes of any number, piece by piece.
    Bytes,
}

/// A handler of this form in the form of the table.
macro_rules! by {
    ($handler:path) => {
        |app, call| Box::pin(async move { $handler(&app, call).await })
    };
}

/// All of them.
pub(crate) static ROUTES: &[Route] = &[
    at(Method::GET, "/health", Public, "Whether the node is up", by!(network::health)).gives(200, "Health"),
    at(Method::GET, "/whoami", Public, "Who this node is", by!(identity::who_am_i)).gives(200, "WhoAmI"),
    at(Method::POST, "/auth/link", Public, "Sign in by a one-time link", by!(session::use_link))
        .takes("UseLink")
        .done(204),
    at(Method::GET, "/auth/session", Public, "Whether one is signed in", by!(session::show))
        .gives(200, "Session"),
    at(Method::POST, "/auth/logout", Owner, "Sign out", by!(session::end)).done(204),
    at(Method::POST, "/api/login-link", CommandLine, "Make a one-time link", by!(session::make_link))
        .gives(200, "LoginLink"),
    at(Method::GET, "/api/openapi.json", Public, "This document", by!(openapi::show)).done(200),
    at(Method::GET, "/api/identity", Owner, "Who the owner is", by!(identity::show)).gives(200, "Identity"),
    at(Method::PATCH, "/api/identity", Owner, "Change the owner's name", by!(identity::set_name))
        .takes("SetName")
        .gives(200, "Identity"),
    at(Method::GET, "/api/contacts", Owner, "Contacts, requests and blocked people", by!(contacts::list))
        .gives(200, "ContactList"),
    at(Method::POST, "/api/contacts", Owner, "Ask somebody to become a contact", by!(contacts::add))
        .takes("AddContact")
        .gives(202, "Contact"),
    at(Method::GET, "/api/contacts/{did}", Owner, "One person", by!(contacts::show)).gives(200, "Contact"),
    at(Method::PATCH, "/api/contacts/{did}", Owner, "Give a person a name", by!(contacts::rename))
        .takes("Rename")
        .gives(202, "Contact"),
    at(Method::DELETE, "/api/contacts/{did}", Owner, "Forget a person; history stays", by!(contacts::remove))
        .done(202),
    at(Method::POST, "/api/contacts/{did}/accept", Owner, "Accept a request", by!(contacts::accept))
        .gives(202, "Contact"),
    at(
        Method::POST,
        "/api/contacts/{did}/block",
        Owner,
        "Hear nothing more of somebody",
        by!(contacts::block),
    )
    .gives(202, "Contact"),
    at(Method::POST, "/api/contacts/{did}/unblock", Owner, "Undo a block", by!(contacts::unblock)).done(202),
    at(Method::POST, "/api/invitations", Owner, "Make an invitation that works once", by!(contacts::invite))
        .gives(202, "Invitation"),
    at(
        Method::GET,
        "/api/conversations/{did}/messages",
        Owner,
        "A page of a conversation",
        by!(messages::page),
    )
    .asks(&[
        ("before", "the cursor of the page that follows"),
        ("limit", "messages on the page, 1 to 100; 50 unless told"),
    ])
    .gives(200, "MessagePage"),
    at(Method::POST, "/api/conversations/{did}/messages", Owner, "Send a message", by!(messages::send))
        .takes("SendMessage")
        .gives(202, "Message"),
    at(
        Method::PATCH,
        "/api/conversations/{did}/messages/{id}",
        Owner,
        "Edit a text of the owner's",
        by!(messages::edit),
    )
    .takes("EditMessage")
    .gives(202, "Message"),
    at(
        Method::DELETE,
        "/api/conversations/{did}/messages/{id}",
        Owner,
        "Take a text of the owner's back, for both",
        by!(messages::delete),
    )
    .gives(202, "Message"),
    at(
        Method::PUT,
        "/api/conversations/{did}/messages/{id}/reaction",
        Owner,
        "React to a message, or take that back",
        by!(messages::react),
    )
    .takes("SetReaction")
    .gives(202, "Message"),
    at(
        Method::POST,
        "/api/conversations/{did}/read",
        Owner,
        "Everything there was read",
        by!(messages::mark_read),
    )
    .done(202),
    at(
        Method::GET,
        "/api/network",
        Owner,
        "How the node is reached, connections, mailboxes",
        by!(network::show),
    )
    .gives(200, "Network"),
    at(
        Method::PUT,
        "/api/network/level",
        Owner,
        "Choose what the node does for others",
        by!(network::set_level),
    )
    .takes("SetLevel")
    .gives(202, "Reach"),
    at(Method::PUT, "/api/network/shares", Owner, "Choose what the node lends", by!(network::set_shares))
        .takes("SetShares")
        .gives(202, "Reach"),
    at(
        Method::GET,
        "/api/mailboxes",
        Owner,
        "What mailboxes keep, pinned holders, whom this node serves",
        by!(mailboxes::show),
    )
    .gives(200, "Mailboxes"),
    at(
        Method::PUT,
        "/api/mailboxes/pinned/{did}",
        Owner,
        "Have a node keep the owner's mailboxes for a month",
        by!(mailboxes::pin),
    )
    .gives(202, "Mailboxes"),
    at(Method::DELETE, "/api/mailboxes/pinned/{did}", Owner, "Undo that", by!(mailboxes::unpin))
        .gives(202, "Mailboxes"),
    at(
        Method::PUT,
        "/api/mailboxes/served/{did}",
        Owner,
        "Let a contact pin this node",
        by!(mailboxes::serve),
    )
    .gives(202, "Mailboxes"),
    at(
        Method::DELETE,
        "/api/mailboxes/served/{did}",
        Owner,
        "Let them no longer",
        by!(mailboxes::stop_serving),
    )
    .gives(202, "Mailboxes"),
    at(
        Method::GET,
        "/api/transfers",
        Owner,
        "Files and folders on their way, or there",
        by!(transfers::list),
    )
    .gives(200, "TransferList"),
    at(
        Method::POST,
        "/api/transfers",
        Owner,
        "Offer files or folders of the node's machine to a contact",
        by!(transfers::offer),
    )
    .takes("OfferFiles")
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/uploads",
        Owner,
        "Offer the bytes of the body to a contact; an upload that breaks off leaves nothing",
        by!(uploads::upload),
    )
    .asks(&[("to", "the DID of the contact"), ("name", "what the file is called")])
    .takes_bytes()
    .gives(202, "Transfer"),
    at(
        Method::GET,
        "/api/transfers/settings",
        Owner,
        "Whose files are accepted without asking, and how fast files may be transferred",
        by!(transfers::settings),
    )
    .gives(200, "TransferSettings"),
    at(
        Method::PUT,
        "/api/transfers/auto/{did}",
        Owner,
        "Accept offers of a contact without asking, or ask again",
        by!(transfers::set_auto),
    )
    .takes("SetAuto")
    .gives(202, "TransferSettings"),
    at(
        Method::PUT,
        "/api/transfers/rates",
        Owner,
        "How fast files may be transferred",
        by!(transfers::set_rates),
    )
    .takes("SetRates")
    .gives(202, "TransferSettings"),
    at(Method::GET, "/api/transfers/{id}", Owner, "One transfer", by!(transfers::show))
        .gives(200, "Transfer"),
    at(Method::POST, "/api/transfers/{id}/accept", Owner, "Receive what is offered", by!(transfers::accept))
        .may_take("AcceptTransfer")
        .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/decline",
        Owner,
        "Not want what is offered",
        by!(transfers::decline),
    )
    .gives(202, "Transfer"),
    at(Method::POST, "/api/transfers/{id}/pause", Owner, "Receive it later", by!(transfers::pause))
        .gives(202, "Transfer"),
    at(Method::POST, "/api/transfers/{id}/resume", Owner, "Go on receiving it", by!(transfers::resume))
        .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/cancel",
        Owner,
        "Want it no longer: what has arrived is thrown away; what is offered or prepared is taken back",
        by!(transfers::cancel),
    )
    .gives(202, "Transfer"),
    at(Method::POST, "/api/transfers/{id}/retry", Owner, "Try again what failed", by!(transfers::retry))
        .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/withdraw",
        Owner,
        "Take an offer of the owner's back",
        by!(transfers::withdraw),
    )
    .gives(202, "Transfer"),
    at(
        Method::GET,
        "/api/transfers/{id}/content",
        Owner,
        "The bytes of a file that was received, or that is offered; ranges are answered by 206",
        by!(content::show),
    )
    .asks(&[("inline", "1: to be shown, if it is a picture or text; otherwise it is to be saved")])
    .gives_bytes(200),
    at(
        Method::POST,
        "/api/doctor/blobs",
        Owner,
        "Begin to prove every file that is offered or partly received",
        by!(proof::begin),
    )
    .gives(202, "BlobProof"),
    at(Method::GET, "/api/doctor/blobs", Owner, "How far that has come, and what it found", by!(proof::show))
        .gives(200, "BlobProof"),
    at(Method::GET, "/api/doctor", Owner, "How the node is, and what to do", by!(network::doctor))
        .gives(200, "Doctor"),
    at(Method::PUT, "/api/records/{salt}", Owner, "Publish a value under the owner's DID", by!(records::put))
        .takes("PutRecord")
        .gives(202, "StoredRecord"),
    at(Method::DELETE, "/api/records/{salt}", Owner, "Withdraw a value", by!(records::delete))
        .gives(202, "StoredRecord"),
    at(Method::GET, "/api/records/{did}/{salt}", Owner, "Find a value of somebody", by!(records::get))
        .gives(200, "Record"),
    at(Method::GET, "/api/cards/{did}", Owner, "Find how a person can be reached", by!(records::card))
        .gives(200, "Card"),
    at(Method::GET, "/ws", Owner, "Events, as a WebSocket of frames", by!(events::follow))
        .asks(&[("after", "the number of the last event seen")])
        .gives(101, "Frame"),
];

/// What a method and a path lead to.
pub(crate) enum Found {
    /// A route, and what stood for its parts.
    Route(&'static Route, Vec<String>),
    /// The path has routes, but not with this method.
    WrongMethod,
    /// Nothing of ours: perhaps a file of the page.
    Nothing,
}

/// Finds the route of a request.
///
/// # Errors
/// When the path is not properly encoded.
pub(crate) fn find(method: &Method, path: &str) -> Result<Found, Problem> {
    let mut seen = false;
    for route in ROUTES {
        if let Some(params) = params(route.path, path)? {
            if route.method == *method {
                return Ok(Found::Route(route, params));
            }
            seen = true;
        }
    }
    Ok(if seen { Found::WrongMethod } else { Found::Nothing })
}

/// What stands in `path` where the pattern has `{…}`; `None` when it does not fit.
fn params(pattern: &str, path: &str) -> Result<Option<Vec<String>>, Problem> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Ok(Some(params)),
            (Some(part), Some(value)) if part.starts_with('{') && !value.is_empty() => {
                params.push(decoded(value)?.into_owned());
            }
            (Some(part), Some(value)) if part == value => {}
            _ => return Ok(None),
        }
    }
}

const fn at(
    method: Method,
    path: &'static str,
    access: Access,
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        access,
        summary,
        query: &[],
        takes: Takes::Nothing,
        status: 200,
        gives: None,
        gives_bytes: false,
        handler,
    }
}

impl Route {
    const fn asks(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    const fn takes(mut self, body: &'static str) -> Self {
        self.takes = Takes::Json(body);
        self
    }

    const fn may_take(mut self, body: &'static str) -> Self {
        self.takes = Takes::OptionalJson(body);
        self
    }

    const fn takes_bytes(mut self) -> Self {
        self.takes = Takes::Bytes;
        self
    }

    const fn gives_bytes(mut self, status: u16) -> Self {
        self.gives_bytes = true;
        self.status = status;
        self
    }

    const fn gives(mut self, status: u16, body: &'static str) -> Self {
        self.status = status;
        self.gives = Some(body);
        self
    }

    const fn done(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn found(method: Method, path: &str) -> Option<(&'static str, Vec<String>)> {
        match find(&method, path) {
            Ok(Found::Route(route, params)) => Some((route.path, params)),
            _ => None,
        }
    }

    #[test]
    fn every_route_is_found_at_its_own_path_and_no_two_share_one() {
        let mut seen = BTreeSet::new();
        for route in ROUTES {
            let path = route.path.replace(['{', '}'], "");
            assert_eq!(found(route.method.clone(), &path).map(|(path, _)| path), Some(route.path));
            assert!(seen.insert(format!("{} {}", route.method, route.path)));
        }
    }

    #[test]
    fn parts_of_the_path_are_decoded() {
        let (path, params) = found(Method::GET, "/api/records/did%3Aboson%3AA/my%20salt").expect("a route");
        assert_eq!(path, "/api/records/{did}/{salt}");
        assert_eq!(params, ["did:boson:A", "my salt"]);
    }

    #[test]
    fn what_has_no_route_is_nothing() {
        for path in ["/api", "/api/", "/api/contacts/", "/api/contacts//block", "/apis/contacts", "/ws/", ""]
        {
            assert!(matches!(find(&Method::GET, path), Ok(Found::Nothing)), "{path}");
        }
        assert!(matches!(find(&Method::PUT, "/api/contacts"), Ok(Found::WrongMethod)));
        assert!(find(&Method::GET, "/api/contacts/%ff").is_err());
    }
}
