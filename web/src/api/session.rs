//! Signing in and out.

use crate::{
    answer,
    app::App,
    chains::{self, ContractError, Verdict},
    convert::access,
    dto,
    kept::KeptError,
    problem::Problem,
    request::Call,
    roles::Caller,
    secret::Secret,
    sign_in::{Asked, Wish},
    wallet::{self, Address},
};
use std::sync::Arc;
use warp::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

/// Most characters of what a browser calls itself that are kept.
const MAX_AGENT: usize = 250;

/// `POST /auth/link`: the secret of a link becomes a cookie.
pub(crate) async fn use_link(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::UseLink { token } = call.json()?;
    in_pace(app, &call)?;
    let (secret, now) = (draw()?, app.now());
    let good = app.auth().use_link(&token, now);
    if !good {
        app.refused().await;
        return Err(Problem::link_not_good());
    }
    let (begun, label) = (secret.clone(), agent(&call.headers));
    app.change(move |kept| {
        kept.begin_by_link(&begun, &label, now);
        Ok(())
    })
    .await?;
    Ok(signed_in(app, &secret, &call.headers))
}

/// `GET /auth/nonce`: what a wallet has to sign.
pub(crate) async fn nonce(app: &App, call: Call) -> Result<Response, Problem> {
    let address = call.asked("address")?.unwrap_or_default();
    let address = Address::parse(&address)
        .ok_or_else(|| Problem::bad_request("address is no wallet's: 0x and 40 hexadecimal digits"))?;
    let chain = call.number("chain")?.unwrap_or(1);
    let secure = match call.asked("scheme")?.as_deref() {
        None | Some("http") => false,
        Some("https") => true,
        Some(_) => return Err(Problem::bad_request("scheme is http or https")),
    };
    in_pace(app, &call)?;
    let wish = Wish { address, chain, host: call.host, secure };
    let did = app.node.account().did().to_string();
    let (nonce, asked) = {
        let made = app.auth().nonces.ask(wish, &did, app.now());
        made.map_err(|error| Problem::internal(&error))?
    };
    let text = dto::SignInText {
        nonce: nonce.text(),
        text: asked.text,
        address: asked.address.to_string(),
        expires: asked.expires.0,
    };
    Ok(answer::json(StatusCode::OK, &text))
}

/// `POST /auth/wallet`: a signature becomes a cookie.
pub(crate) async fn use_wallet(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::UseWallet { nonce, signature } = call.json()?;
    in_pace(app, &call)?;
    let (label, caller) = (agent(&call.headers), call.caller);
    match by_wallet(app, caller, call.host, label, (nonce, signature)).await {
        Ok(secret) => Ok(signed_in(app, &secret, &call.headers)),
        Err(problem) => {
            app.refused().await;
            Err(problem)
        }
    }
}

async fn by_wallet(
    app: &Arc<App>,
    before: Caller,
    host: String,
    label: String,
    (nonce, signature): (String, String),
) -> Result<Secret, Problem> {
    let now = app.now();
    // Used up before it is looked at: of many who bring it at once, one is looked at.
    let asked = app.auth().nonces.take(&nonce, &host, now).ok_or_else(Problem::nonce_not_good)?;
    match wallet::signer(&asked.text, &signature) {
        Ok(signer) if signer == asked.address => {}
        // A contract may have any kind of signature, also one that looks like a key's.
        signer if app.chains.knows(asked.chain) => {
            if !app.auth().kept().may_begin(asked.address, &before, now) {
                return Err(KeptError::NotAdded.into());
            }
            by_contract(app, &asked, signature, signer.ok()).await?;
        }
        Ok(_) => return Err(Problem::other_wallet()),
        Err(error) => return Err(error.into()),
    }
    let secret = draw()?;
    let begun = secret.clone();
    app.change(move |kept| kept.begin_by_wallet(&begun, asked.address, &before, &label, now)).await?;
    Ok(secret)
}

/// Asks the contract at the address of a wallet whether it takes a signature.
async fn by_contract(
    app: &Arc<App>,
    asked: &Asked,
    signature: String,
    signer: Option<Address>,
) -> Result<(), Problem> {
    let permit = app.chain_questions.acquire().await.map_err(|error| Problem::internal(&error))?;
    let (chains, chain, address) = (Arc::clone(&app.chains), asked.chain, asked.address);
    let hash = wallet::signed_hash(&asked.text);
    let question = move || chains::judge(&*chains, chain, address, hash, &signature, signer);
    let answer = tokio::task::spawn_blocking(question).await;
    drop(permit);
    match answer.map_err(|error| Problem::internal(&error))? {
        Ok(Verdict::Accepted) => Ok(()),
        Ok(Verdict::OtherWallet) => Err(Problem::other_wallet()),
        Ok(Verdict::Refused) => Err(Problem::contract_refuses(chain)),
        Err(ContractError::Signature(error)) => Err(error.into()),
        Err(ContractError::Chain(error)) => Err(Problem::chain_unreachable(error)),
    }
}

/// `GET /auth/session`.
pub(crate) async fn show(app: &App, call: Call) -> Result<Response, Problem> {
    let expires = match &call.caller {
        Caller::Browser { session, .. } => app.auth().kept().session(session).map(|row| row.expires.0),
        Caller::Nobody | Caller::Key { .. } | Caller::CommandLine => None,
    };
    let role = call.caller.role().map(access::role);
    let wallet = call.caller.wallet().map(|address| address.to_string());
    let events = role.map(|_| app.node.subscribe(None).position());
    let session = dto::Session { signed_in: role.is_some(), role, wallet, expires, events };
    Ok(answer::json(StatusCode::OK, &session))
}

/// `POST /auth/logout`: the session ends everywhere it is open.
pub(crate) async fn end(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    if let Caller::Browser { session, .. } = call.caller {
        app.change(move |kept| {
            kept.sign_out(&session);
            Ok(())
        })
        .await?;
    }
    let cookie = app.auth().no_cookie(&call.headers);
    Ok(with_cookie(answer::empty(StatusCode::NO_CONTENT), &cookie))
}

/// `POST /api/login-link`.
pub(crate) async fn make_link(app: &App, _call: Call) -> Result<Response, Problem> {
    let link = app.login_link().map_err(|error| Problem::internal(&error))?;
    Ok(answer::json(StatusCode::OK, &dto::LoginLink { url: link.url, expires: link.expires.0 }))
}

fn in_pace(app: &App, call: &Call) -> Result<(), Problem> {
    let allowed = app.auth().pace.allows(call.from, app.now());
    if allowed { Ok(()) } else { Err(Problem::too_many_tries()) }
}

fn draw() -> Result<Secret, Problem> {
    Secret::draw().map_err(|error| Problem::internal(&error))
}

/// What a browser calls itself, as far as it can be shown.
fn agent(headers: &HeaderMap) -> String {
    let named = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.chars().filter(|character| !character.is_control()).take(MAX_AGENT).collect()
}

fn signed_in(app: &App, secret: &Secret, headers: &HeaderMap) -> Response {
    let cookie = app.auth().cookie(secret, headers);
    with_cookie(answer::empty(StatusCode::NO_CONTENT), &cookie)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let value =
        HeaderValue::from_str(cookie).expect("a name, hexadecimal digits and attributes are plain text");
    response.headers_mut().insert(header::SET_COOKIE, value);
    response
}
