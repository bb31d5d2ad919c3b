//! The table itself: every route there is, in one list.
//!
//! A row says method, path, who may, what it does and who answers; then what goes in and out. What a row can say is in [`super`].

use super::{Route, at};
use crate::{
    api::{
        contacts, content, doors, identity, mailboxes, messages, network, proof, records, session, settings,
        setup, transfers, uploads,
    },
    events, openapi,
    roles::{
        Access::{self, CommandLine, Doors, Public, SignedIn, Something},
        Area, Deed, Scope,
    },
};
use warp::http::Method;

/// A handler of this form in the form of the table.
macro_rules! by {
    ($handler:path) => {
        |app, call| Box::pin(async move { $handler(&app, call).await })
    };
}

// Who may look, and who may change, by area.
const CHAT_READ: Access = Access::Has(Scope(Area::Chat, Deed::Read));
const CHAT_WRITE: Access = Access::Has(Scope(Area::Chat, Deed::Write));
const FILES_READ: Access = Access::Has(Scope(Area::Files, Deed::Read));
const FILES_WRITE: Access = Access::Has(Scope(Area::Files, Deed::Write));
const LENDING_READ: Access = Access::Has(Scope(Area::Lending, Deed::Read));
const LENDING_WRITE: Access = Access::Has(Scope(Area::Lending, Deed::Write));
const NETWORK_READ: Access = Access::Has(Scope(Area::Network, Deed::Read));
const PROFILE_READ: Access = Access::Has(Scope(Area::Profile, Deed::Read));
const PROFILE_WRITE: Access = Access::Has(Scope(Area::Profile, Deed::Write));
const RECORDS_READ: Access = Access::Has(Scope(Area::Records, Deed::Read));
const RECORDS_WRITE: Access = Access::Has(Scope(Area::Records, Deed::Write));

/// All of them.
pub(crate) static ROUTES: &[Route] = &[
    at(Method::GET, "/health", Public, "Whether the node is up", by!(network::health)).gives(200, "Health"),
    at(Method::GET, "/whoami", Public, "Who this node is", by!(identity::who_am_i)).gives(200, "WhoAmI"),
    at(Method::POST, "/auth/link", Public, "Sign in by a one-time link", by!(session::use_link))
        .takes("UseLink")
        .done(204),
    at(Method::GET, "/auth/nonce", Public, "What a wallet has to sign to sign in", by!(session::nonce))
        .asks(&[
            ("address", "the wallet's"),
            ("chain", "the number of the chain it is set to; 1 unless told"),
            ("scheme", "http or https, as the page was opened; http unless told"),
        ])
        .gives(200, "SignInText"),
    at(Method::POST, "/auth/wallet", Public, "Sign in by a wallet's signature", by!(session::use_wallet))
        .takes("UseWallet")
        .done(204),
    at(Method::GET, "/auth/session", Public, "Whether one is signed in", by!(session::show))
        .gives(200, "Session"),
    at(Method::POST, "/auth/logout", SignedIn, "Sign out", by!(session::end)).done(204),
    at(Method::POST, "/api/login-link", CommandLine, "Make a one-time link", by!(session::make_link))
        .gives(200, "LoginLink"),
    at(Method::GET, "/api/wallets", Doors, "Wallets that may sign in", by!(doors::wallets))
        .gives(200, "WalletList"),
    at(Method::POST, "/api/wallets", Doors, "Let a wallet sign in", by!(doors::add_wallet))
        .takes("AddWallet")
        .gives(202, "Wallet"),
    at(
        Method::PATCH,
        "/api/wallets/{address}",
        Doors,
        "Give a wallet another role or name",
        by!(doors::change_wallet),
    )
    .takes("ChangeWallet")
    .gives(202, "Wallet"),
    at(
        Method::DELETE,
        "/api/wallets/{address}",
        Doors,
        "Let a wallet sign in no longer; its sessions end",
        by!(doors::remove_wallet),
    )
    .done(202),
    at(Method::GET, "/api/sessions", SignedIn, "Who is signed in", by!(doors::sessions))
        .gives(200, "SessionList"),
    at(Method::DELETE, "/api/sessions", SignedIn, "Sign out everywhere", by!(doors::end_sessions))
        .asks(&[("keep", "this: all but the session that asks")])
        .done(202),
    at(Method::DELETE, "/api/sessions/{id}", SignedIn, "End one session", by!(doors::end_session)).done(202),
    at(Method::GET, "/api/keys", Doors, "Keys for programs", by!(doors::keys)).gives(200, "KeyList"),
    at(Method::POST, "/api/keys", Doors, "Make a key; its secret is told this once", by!(doors::add_key))
        .takes("AddKey")
        .gives(202, "NewKey"),
    at(Method::DELETE, "/api/keys/{id}", Doors, "Take a key back", by!(doors::remove_key)).done(202),
    at(Method::GET, "/api/security-log", Doors, "What happened at the doors", by!(doors::log))
        .gives(200, "SecurityLog"),
    at(Method::GET, "/api/openapi.json", Public, "This document", by!(openapi::show)).done(200),
    at(Method::GET, "/api/identity", PROFILE_READ, "Who the owner is", by!(identity::show))
        .gives(200, "Identity"),
    at(Method::PATCH, "/api/identity", PROFILE_WRITE, "Change the owner's name", by!(identity::set_name))
        .takes("SetName")
        .gives(200, "Identity"),
    at(Method::POST, "/api/identity/phrase", Doors, "Show the recovery phrase", by!(setup::phrase))
        .may_take("Proof")
        .gives(200, "PhraseWords"),
    at(Method::POST, "/api/identity/phrase/confirm", Doors, "Tell words of it", by!(setup::confirm))
        .takes("ConfirmPhrase")
        .gives(200, "Setup"),
    at(Method::PUT, "/api/identity/passphrase", Doors, "Set the passphrase", by!(setup::set_passphrase))
        .takes("SetPassphrase")
        .gives(200, "Setup"),
    at(Method::GET, "/api/setup", Doors, "How far the setup of this node is", by!(setup::show))
        .gives(200, "Setup"),
    at(Method::PUT, "/api/setup", Doors, "Go on in the setup, or end it", by!(setup::set_step))
        .takes("SetSetup")
        .gives(200, "Setup"),
    at(
        Method::POST,
        "/api/setup/restore",
        Doors,
        "Bring an identity back in the place of the fresh one",
        by!(setup::restore),
    )
    .takes("RestorePhrase")
    .gives(202, "Restoring"),
    at(Method::GET, "/api/storage", Doors, "What takes how much of the disk", by!(settings::storage))
        .gives(200, "Storage"),
    at(Method::GET, "/api/settings", Doors, "What the node was started with", by!(settings::at_start))
        .gives(200, "StartSettings"),
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
    at(Method::GET, "/api/chat/settings", CHAT_READ, "What contacts are told", by!(messages::settings))
        .gives(200, "ChatSettings"),
    at(Method::PUT, "/api/chat/settings", CHAT_WRITE, "Choose that", by!(messages::set_settings))
        .takes("SetChatSettings")
        .gives(202, "ChatSettings"),
    at(
        Method::GET,
        "/api/network",
        NETWORK_READ,
        "How the node is reached, connections, mailboxes",
        by!(network::show),
    )
    .gives(200, "Network"),
    at(
        Method::GET,
        "/api/network/level",
        NETWORK_READ,
        "How the node is reached, and what it does for others",
        by!(network::level),
    )
    .gives(200, "Reach"),
    at(
        Method::PUT,
        "/api/network/level",
        LENDING_WRITE,
        "Choose what the node does for others",
        by!(network::set_level),
    )
    .takes("SetLevel")
    .gives(202, "Reach"),
    at(
        Method::PUT,
        "/api/network/shares",
        LENDING_WRITE,
        "Choose what the node lends",
        by!(network::set_shares),
    )
    .takes("SetShares")
    .gives(202, "Reach"),
    at(
        Method::GET,
        "/api/mailboxes",
        LENDING_READ,
        "What mailboxes keep, pinned holders, whom this node serves",
        by!(mailboxes::show),
    )
    .gives(200, "Mailboxes"),
    at(
        Method::PUT,
        "/api/mailboxes/pinned/{did}",
        LENDING_WRITE,
        "Have a node keep the owner's mailboxes for a month",
        by!(mailboxes::pin),
    )
    .gives(202, "Mailboxes"),
    at(Method::DELETE, "/api/mailboxes/pinned/{did}", LENDING_WRITE, "Undo that", by!(mailboxes::unpin))
        .gives(202, "Mailboxes"),
    at(
        Method::PUT,
        "/api/mailboxes/served/{did}",
        LENDING_WRITE,
        "Let a contact pin this node",
        by!(mailboxes::serve),
    )
    .gives(202, "Mailboxes"),
    at(
        Method::DELETE,
        "/api/mailboxes/served/{did}",
        LENDING_WRITE,
        "Let them no longer",
        by!(mailboxes::stop_serving),
    )
    .gives(202, "Mailboxes"),
    at(
        Method::GET,
        "/api/transfers",
        FILES_READ,
        "Files and folders on their way, or there",
        by!(transfers::list),
    )
    .gives(200, "TransferList"),
    at(
        Method::POST,
        "/api/transfers",
        FILES_WRITE,
        "Offer files or folders of the node's machine to a contact",
        by!(transfers::offer),
    )
    .takes("OfferFiles")
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/uploads",
        FILES_WRITE,
        "Offer the bytes of the body to a contact; an upload that breaks off leaves nothing",
        by!(uploads::upload),
    )
    .asks(&[("to", "the DID of the contact"), ("name", "what the file is called")])
    .takes_bytes()
    .gives(202, "Transfer"),
    at(
        Method::GET,
        "/api/transfers/settings",
        FILES_READ,
        "Whose files are accepted without asking, and how fast files may be transferred",
        by!(transfers::settings),
    )
    .gives(200, "TransferSettings"),
    at(
        Method::PUT,
        "/api/transfers/auto/{did}",
        FILES_WRITE,
        "Accept offers of a contact without asking, or ask again",
        by!(transfers::set_auto),
    )
    .takes("SetAuto")
    .gives(202, "TransferSettings"),
    at(
        Method::PUT,
        "/api/transfers/rates",
        FILES_WRITE,
        "How fast files may be transferred",
        by!(transfers::set_rates),
    )
    .takes("SetRates")
    .gives(202, "TransferSettings"),
    at(Method::GET, "/api/transfers/{id}", FILES_READ, "One transfer", by!(transfers::show))
        .gives(200, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/accept",
        FILES_WRITE,
        "Receive what is offered",
        by!(transfers::accept),
    )
    .may_take("AcceptTransfer")
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/decline",
        FILES_WRITE,
        "Not want what is offered",
        by!(transfers::decline),
    )
    .gives(202, "Transfer"),
    at(Method::POST, "/api/transfers/{id}/pause", FILES_WRITE, "Receive it later", by!(transfers::pause))
        .gives(202, "Transfer"),
    at(Method::POST, "/api/transfers/{id}/resume", FILES_WRITE, "Go on receiving it", by!(transfers::resume))
        .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/cancel",
        FILES_WRITE,
        "Want it no longer: what has arrived is thrown away; what is offered or prepared is taken back",
        by!(transfers::cancel),
    )
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/retry",
        FILES_WRITE,
        "Try again what failed",
        by!(transfers::retry),
    )
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/withdraw",
        FILES_WRITE,
        "Take an offer of the owner's back",
        by!(transfers::withdraw),
    )
    .gives(202, "Transfer"),
    at(
        Method::GET,
        "/api/transfers/{id}/content",
        FILES_READ,
        "The bytes of a file that was received, or that is offered; ranges are answered by 206",
        by!(content::show),
    )
    .asks(&[("inline", "1: to be shown, if it is a picture or text; otherwise it is to be saved")])
    .gives_bytes(200),
    at(
        Method::POST,
        "/api/doctor/blobs",
        FILES_WRITE,
        "Begin to prove every file that is offered or partly received",
        by!(proof::begin),
    )
    .gives(202, "BlobProof"),
    at(
        Method::GET,
        "/api/doctor/blobs",
        FILES_READ,
        "How far that has come, and what it found",
        by!(proof::show),
    )
    .gives(200, "BlobProof"),
    at(Method::GET, "/api/doctor", NETWORK_READ, "How the node is, and what to do", by!(network::doctor))
        .gives(200, "Doctor"),
    at(
        Method::PUT,
        "/api/records/{salt}",
        RECORDS_WRITE,
        "Publish a value under the owner's DID",
        by!(records::put),
    )
    .takes("PutRecord")
    .gives(202, "StoredRecord"),
    at(Method::DELETE, "/api/records/{salt}", RECORDS_WRITE, "Withdraw a value", by!(records::delete))
        .gives(202, "StoredRecord"),
    at(Method::GET, "/api/records/{did}/{salt}", RECORDS_READ, "Find a value of somebody", by!(records::get))
        .gives(200, "Record"),
    at(Method::GET, "/api/cards/{did}", RECORDS_READ, "Find how a person can be reached", by!(records::card))
        .gives(200, "Card"),
    at(Method::GET, "/ws", Something, "Events, as a WebSocket of frames", by!(events::follow))
        .asks(&[("after", "the number of the last event seen")])
        .gives(101, "Frame"),
];
