//! Who may sign in, who is signed in, keys for programs, and what happened.

use crate::{
    answer,
    app::App,
    convert::access,
    dto,
    problem::Problem,
    request::Call,
    roles::{ALL_SCOPES, Caller, Scopes},
    secret::Secret,
    wallet::Address,
};
use pc2_actors::api::WebRole;
use pc2_protocols::{time::UnixMillis, wasm::rows::Space};
use std::sync::Arc;
use warp::{http::StatusCode, reply::Response};

/// `GET /api/wallets`.
pub(crate) async fn wallets(app: &App, _call: Call) -> Result<Response, Problem> {
    let items = app.auth().kept().wallets().into_iter().map(access::wallet).collect();
    Ok(answer::json(StatusCode::OK, &dto::WalletList { items }))
}

/// `POST /api/wallets`.
pub(crate) async fn add_wallet(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::AddWallet { address, role, label } = call.json()?;
    let (address, role, now) = (wallet(&address)?, access::role_of(role), app.now());
    let row =
        app.change_by(call.caller, move |kept, by| kept.add_wallet(address, role, &label, by, now)).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &access::wallet(&row)))
}

/// `PATCH /api/wallets/{address}`.
pub(crate) async fn change_wallet(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::ChangeWallet { role, label } = call.json()?;
    let (address, role, now) = (wallet(call.param(0))?, role.map(access::role_of), app.now());
    let changed = app
        .change_by(call.caller, move |kept, by| kept.change_wallet(address, role, label.as_deref(), by, now));
    let row = changed.await?;
    if row.role == WebRole::Member {
        // Members run nothing. Their apps are there again when they are more than that.
        app.node.end_wasm_space(Space::Wallet(address.0), false).await?;
    }
    Ok(answer::json(StatusCode::ACCEPTED, &access::wallet(&row)))
}

/// `DELETE /api/wallets/{address}`: its sessions end with it, and what runs for it; its apps go. What is in its home stays.
pub(crate) async fn remove_wallet(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let (address, now) = (wallet(call.param(0))?, app.now());
    app.change_by(call.caller, move |kept, by| kept.remove_wallet(address, by, now)).await?;
    app.node.end_wasm_space(Space::Wallet(address.0), true).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `GET /api/sessions`.
pub(crate) async fn sessions(app: &App, call: Call) -> Result<Response, Problem> {
    let own = own_session(&call.caller);
    let auth = app.auth();
    let rows = auth.kept().sessions_of(&call.caller, app.now()).into_iter();
    let items = rows.map(|row| access::session(row, own == Some(row.token_hash))).collect();
    Ok(answer::json(StatusCode::OK, &dto::SessionList { items }))
}

/// `DELETE /api/sessions/{id}`: one of those that the caller sees.
pub(crate) async fn end_session(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let (id, now) = (call.param(0).to_owned(), app.now());
    app.change_by(call.caller, move |kept, by| {
        kept.end_sessions(by, |row| access::id(&row.token_hash) == id, now)
    })
    .await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `DELETE /api/sessions`: all of those, or all but the one that asks.
pub(crate) async fn end_sessions(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let spared = match call.asked("keep")?.as_deref() {
        None => None,
        Some("this") => own_session(&call.caller),
        Some(_) => return Err(Problem::bad_request("keep is this, or left out")),
    };
    let now = app.now();
    app.change_by(call.caller, move |kept, by| {
        // That there was none to end is what was wanted.
        let ended = kept.end_sessions(by, |row| Some(row.token_hash) != spared, now);
        Ok(ended.is_ok())
    })
    .await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `GET /api/keys`.
pub(crate) async fn keys(app: &App, _call: Call) -> Result<Response, Problem> {
    let items = app.auth().kept().keys().into_iter().map(access::key).collect();
    let scopes = ALL_SCOPES.iter().map(|(_, name)| (*name).to_owned()).collect();
    Ok(answer::json(StatusCode::OK, &dto::KeyList { items, scopes }))
}

/// `POST /api/keys`: the one time that its secret is told.
pub(crate) async fn add_key(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::AddKey { label, scopes, expires } = call.json()?;
    let now = app.now();
    if scopes.is_empty() {
        return Err(Problem::bad_request("a key without a scope could do nothing"));
    }
    let scopes = Scopes::parse(scopes.iter().map(String::as_str))
        .map_err(|name| Problem::bad_request(format!("there is no scope {:.50}", format!("{name:?}"))))?;
    let expires = expires.map(UnixMillis);
    if expires.is_some_and(|expires| expires <= now) {
        return Err(Problem::bad_request("expires lies in the past"));
    }
    let secret = Secret::draw().map_err(|error| Problem::internal(&error))?;
    let made = secret.clone();
    let row = app
        .change_by(call.caller, move |kept, by| kept.add_key(&made, &label, scopes, expires, by, now))
        .await?;
    let told = dto::NewKey { secret: secret.text(), key: access::key(&row) };
    Ok(answer::json(StatusCode::ACCEPTED, &told))
}

/// `DELETE /api/keys/{id}`.
pub(crate) async fn remove_key(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let (id, now) = (call.param(0).to_owned(), app.now());
    app.change_by(call.caller, move |kept, by| {
        kept.remove_key(|row| access::id(&row.key_hash) == id, by, now)
    })
    .await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `GET /api/security-log`.
pub(crate) async fn log(app: &Arc<App>, _call: Call) -> Result<Response, Problem> {
    let counted = app.auth().take_refusals();
    app.note_refusals(counted).await;
    let items = app.auth().kept().log().map(access::entry).collect();
    Ok(answer::json(StatusCode::OK, &dto::SecurityLog { items }))
}

fn wallet(text: &str) -> Result<Address, Problem> {
    Address::parse(text).ok_or_else(|| {
        Problem::bad_request("this is no wallet's address: 0x and 40 hexadecimal digits, each of them right")
    })
}

fn own_session(caller: &Caller) -> Option<[u8; 32]> {
    match caller {
        Caller::Browser { session, .. } => Some(session.0),
        Caller::Nobody | Caller::Key { .. } | Caller::CommandLine => None,
    }
}
