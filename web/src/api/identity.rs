//! Who the owner is.

use crate::{answer, app::App, dto, problem::Problem, request::Call};
use pc2_protocols::identity::{Command, ProfileRow};
use warp::{http::StatusCode, reply::Response};

/// `GET /whoami`.
pub(crate) async fn who_am_i(app: &App, _call: Call) -> Result<Response, Problem> {
    let profile = app.node.identity(Command::WhoAmI).await?;
    let node = app.node.account();
    let who = dto::WhoAmI {
        did: node.did().to_string(),
        node_id: node.to_string(),
        peer_id: node.peer_id_text(),
        name: profile.name,
        version: app.version.clone(),
    };
    Ok(answer::json(StatusCode::OK, &who))
}

/// `GET /api/identity`.
pub(crate) async fn show(app: &App, _call: Call) -> Result<Response, Problem> {
    let profile = app.node.identity(Command::WhoAmI).await?;
    Ok(answer::json(StatusCode::OK, &identity(app, profile)))
}

/// `PATCH /api/identity`.
pub(crate) async fn set_name(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::SetName { name } = call.json()?;
    let profile = app.node.identity(Command::SetName { name }).await?;
    Ok(answer::json(StatusCode::OK, &identity(app, profile)))
}

fn identity(app: &App, profile: ProfileRow) -> dto::Identity {
    let node = app.node.account();
    dto::Identity {
        did: node.did().to_string(),
        node_id: node.to_string(),
        peer_id: node.peer_id_text(),
        name: profile.name,
        version: app.version.clone(),
        sealed_identity: app.keeper.sealed(),
        setup_finished: app.keeper.setup().finished,
    }
}
