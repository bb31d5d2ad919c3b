//! Signing in and out.

use crate::{
    answer,
    app::App,
    auth::Begun,
    dto,
    problem::Problem,
    request::Call,
    roles::{Caller, Role},
    secret::SecretHash,
};
use pc2_actors::api::WebSessionRow;
use warp::{
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

/// `POST /auth/link`: the secret of a link becomes a cookie.
pub(crate) async fn use_link(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::UseLink { token } = call.json()?;
    let now = app.now();
    let begun = app.auth().use_link(&token, now).map_err(|error| Problem::internal(&error))?;
    let Begun { secret, session, ended } = begun.ok_or_else(Problem::link_not_good)?;
    let row = WebSessionRow {
        token_hash: secret.hash().0,
        account: app.node.account(),
        label: String::new(),
        created: now,
        expires: session.expires,
        last_seen: now,
    };
    if let Err(error) = app.node.put_web_session(row).await {
        app.auth().end(&secret.hash());
        return Err(error.into());
    }
    if let Some(SecretHash(hash)) = ended {
        app.node.remove_web_session(hash).await?;
    }
    let cookie = app.auth().cookie(&secret);
    Ok(with_cookie(answer::empty(StatusCode::NO_CONTENT), &cookie))
}

/// `GET /auth/session`.
pub(crate) async fn show(app: &App, call: Call) -> Result<Response, Problem> {
    let expires = match &call.caller {
        Caller::Browser { session } => app.auth().expires(session).map(|expires| expires.0),
        Caller::Nobody | Caller::CommandLine => None,
    };
    let role = call.caller.role().map(|role| match role {
        Role::Owner => dto::Role::Owner,
    });
    Ok(answer::json(StatusCode::OK, &dto::Session { signed_in: role.is_some(), role, expires }))
}

/// `POST /auth/logout`: the session ends everywhere it is open.
pub(crate) async fn end(app: &App, call: Call) -> Result<Response, Problem> {
    if let Caller::Browser { session } = &call.caller {
        app.node.remove_web_session(session.0).await?;
        app.auth().end(session);
        app.sessions_changed();
    }
    let cookie = app.auth().no_cookie();
    Ok(with_cookie(answer::empty(StatusCode::NO_CONTENT), &cookie))
}

/// `POST /api/login-link`.
pub(crate) async fn make_link(app: &App, _call: Call) -> Result<Response, Problem> {
    let link = app.login_link().map_err(|error| Problem::internal(&error))?;
    Ok(answer::json(StatusCode::OK, &dto::LoginLink { url: link.url, expires: link.expires.0 }))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let value =
        HeaderValue::from_str(cookie).expect("a name, hexadecimal digits and attributes are plain text");
    response.headers_mut().insert(header::SET_COOKIE, value);
    response
}
