//! What the settings show of the node, its disk and what it was started with, and the choice of how it is in the network.

use crate::{
    answer, api::setup::kept, app::App, dto, keeper::NetworkChoice, problem::Problem, request::Call,
};
use std::sync::Arc;
use warp::{http::StatusCode, reply::Response};

/// `GET /api/storage`.
pub(crate) async fn storage(app: &App, _call: Call) -> Result<Response, Problem> {
    let usage = app.node.usage().await?;
    let told = dto::Storage {
        folder: app.node.folder().display().to_string(),
        free: usage.free,
        database: usage.database,
        messages: usage.messages,
        mailboxes: usage.mailboxes,
        records: usage.records,
        received: usage.received,
        transfers: usage.transfers,
        export: usage.export,
        aside: usage.aside,
        ballast: usage.ballast,
        complete: usage.complete,
    };
    Ok(answer::json(StatusCode::OK, &told))
}

/// `GET /api/settings`.
pub(crate) async fn at_start(app: &App, _call: Call) -> Result<Response, Problem> {
    Ok(answer::json(StatusCode::OK, &app.settings))
}

/// `PUT /api/settings/network`.
pub(crate) async fn choose_network(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::ChooseNetwork { listen, bootstrap, mdns, upnp } = call.json()?;
    let choice = NetworkChoice { listen, bootstrap, mdns, upnp };
    let restarts = kept(app, move |keeper| keeper.choose_network(choice)).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &dto::NetworkChosen { restarts }))
}
