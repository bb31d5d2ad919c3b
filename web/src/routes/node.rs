//! Routes of the node and its doors: who it is, signing in, wallets, sessions, keys, setup, events.

use super::{Route, at, by};
use crate::{
    api::{doors, identity, network, session, settings, setup},
    events, openapi,
    roles::{
        Access::{self, CommandLine, Doors, Public, SignedIn, Something},
        Area, Deed, Scope,
    },
};
use warp::http::Method;

const PROFILE_READ: Access = Access::Has(Scope(Area::Profile, Deed::Read));
const PROFILE_WRITE: Access = Access::Has(Scope(Area::Profile, Deed::Write));

pub(super) static ROUTES: &[Route] = &[
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
    at(
        Method::PUT,
        "/api/settings/network",
        Doors,
        "Choose ports, ways into the network, LAN discovery; the node starts anew with them",
        by!(settings::choose_network),
    )
    .takes("ChooseNetwork")
    .gives(202, "NetworkChosen"),
    at(Method::GET, "/ws", Something, "Events, as a WebSocket of frames", by!(events::follow))
        .asks(&[("after", "the number of the last event seen")])
        .gives(101, "Frame"),
];
