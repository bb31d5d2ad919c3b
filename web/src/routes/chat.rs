//! Routes of people and what is said with them: contacts, requests, conversations, searching.

use super::{Route, at, by};
use crate::{
    api::{contacts, export, messages},
    roles::{Access, Area, Deed, Scope},
};
use warp::http::Method;

const CHAT_READ: Access = Access::Has(Scope(Area::Chat, Deed::Read));
const CHAT_WRITE: Access = Access::Has(Scope(Area::Chat, Deed::Write));

pub(super) static ROUTES: &[Route] = &[
    at(Method::GET, "/api/contacts", CHAT_READ, "Contacts, requests and blocked people", by!(contacts::list))
        .gives(200, "ContactList"),
    at(Method::POST, "/api/contacts", CHAT_WRITE, "Ask somebody to become a contact", by!(contacts::add))
        .takes("AddContact")
        .gives(202, "Contact"),
    at(Method::GET, "/api/contacts/{did}", CHAT_READ, "One person", by!(contacts::show))
        .gives(200, "Contact"),
    at(Method::PATCH, "/api/contacts/{did}", CHAT_WRITE, "Give a person a name", by!(contacts::rename))
        .takes("Rename")
        .gives(202, "Contact"),
    at(
        Method::DELETE,
        "/api/contacts/{did}",
        CHAT_WRITE,
        "Forget a person; history stays",
        by!(contacts::remove),
    )
    .done(202),
    at(
        Method::PUT,
        "/api/contacts/{did}/receipts",
        CHAT_WRITE,
        "Choose whether a person is told what was read",
        by!(contacts::set_receipts),
    )
    .takes("SetReceipts")
    .gives(202, "Contact"),
    at(Method::POST, "/api/contacts/{did}/accept", CHAT_WRITE, "Accept a request", by!(contacts::accept))
        .gives(202, "Contact"),
    at(
        Method::POST,
        "/api/contacts/{did}/block",
        CHAT_WRITE,
        "Hear nothing more of somebody",
        by!(contacts::block),
    )
    .gives(202, "Contact"),
    at(Method::POST, "/api/contacts/{did}/unblock", CHAT_WRITE, "Undo a block", by!(contacts::unblock))
        .done(202),
    at(
        Method::POST,
        "/api/invitations",
        CHAT_WRITE,
        "Make an invitation that works once",
        by!(contacts::invite),
    )
    .gives(202, "Invitation"),
    at(
        Method::GET,
        "/api/conversations/{did}/messages",
        CHAT_READ,
        "A page of a conversation",
        by!(messages::page),
    )
    .asks(&[
        ("before", "the cursor of the page that follows"),
        ("after", "the cursor of the page that this one follows"),
        ("around", "a message to have in the middle, instead of a cursor"),
        ("limit", "messages on the page, 1 to 100; 50 unless told"),
    ])
    .gives(200, "MessagePage"),
    at(
        Method::GET,
        "/api/conversations/{did}/export",
        CHAT_READ,
        "All of a conversation as one HTML file to be saved",
        by!(export::export),
    )
    .gives_bytes("text/html"),
    at(Method::GET, "/api/search", CHAT_READ, "Find messages by what they say", by!(messages::search))
        .asks(&[
            ("q", "words; the last one may be half of one; 256 bytes at most"),
            ("conversation", "the DID of a person: only what was said with them"),
            ("before", "the cursor of the page that follows"),
            ("limit", "messages on the page, 1 to 100; 50 unless told"),
        ])
        .gives(200, "SearchPage"),
    at(Method::POST, "/api/conversations/{did}/messages", CHAT_WRITE, "Send a message", by!(messages::send))
        .takes("SendMessage")
        .gives(202, "Message"),
    at(
        Method::PATCH,
        "/api/conversations/{did}/messages/{id}",
        CHAT_WRITE,
        "Edit a text of the owner's",
        by!(messages::edit),
    )
    .takes("EditMessage")
    .gives(202, "Message"),
    at(
        Method::DELETE,
        "/api/conversations/{did}/messages/{id}",
        CHAT_WRITE,
        "Take a text of the owner's back, for both",
        by!(messages::delete),
    )
    .gives(202, "Message"),
    at(
        Method::PUT,
        "/api/conversations/{did}/messages/{id}/reaction",
        CHAT_WRITE,
        "React to a message, or take that back",
        by!(messages::react),
    )
    .takes("SetReaction")
    .gives(202, "Message"),
    at(
        Method::POST,
        "/api/conversations/{did}/read",
        CHAT_WRITE,
        "Everything there was read",
        by!(messages::mark_read),
    )
    .done(202),
    at(
        Method::POST,
        "/api/conversations/{did}/typing",
        CHAT_WRITE,
        "A message is being written; told to contacts only, if both tell of it",
        by!(messages::typing),
    )
    .done(202),
    at(
        Method::PUT,
        "/api/conversations/{did}/timer",
        CHAT_WRITE,
        "Choose how long what either writes from now on lasts",
        by!(messages::set_timer),
    )
    .takes("SetTimer")
    .gives(202, "Message"),
    at(Method::GET, "/api/chat/settings", CHAT_READ, "What contacts are told", by!(messages::settings))
        .gives(200, "ChatSettings"),
    at(Method::PUT, "/api/chat/settings", CHAT_WRITE, "Choose that", by!(messages::set_settings))
        .takes("SetChatSettings")
        .gives(202, "ChatSettings"),
];
