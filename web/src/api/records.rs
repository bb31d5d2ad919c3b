//! Public values in the network, and cards.

use crate::{
    answer,
    app::App,
    dto,
    problem::Problem,
    request::{Call, did},
};
use pc2_protocols::dht::{Command, Depth, Reply};
use warp::{http::StatusCode, reply::Response};

/// `PUT /api/records/{salt}`.
pub(crate) async fn put(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::PutRecord { value, expected_seq } = call.json()?;
    let salt = call.param(0).as_bytes().to_vec();
    stored(app, Command::PutValue { salt, payload: value.into_bytes(), expected_seq }).await
}

/// `DELETE /api/records/{salt}`.
pub(crate) async fn delete(app: &App, call: Call) -> Result<Response, Problem> {
    stored(app, Command::DeleteValue { salt: call.param(0).as_bytes().to_vec() }).await
}

/// `GET /api/records/{did}/{salt}`.
pub(crate) async fn get(app: &App, call: Call) -> Result<Response, Problem> {
    let owner = did(call.param(0))?;
    let salt = call.param(1).to_owned();
    let command = Command::GetValue { owner, salt: salt.clone().into_bytes(), depth: Depth::Quorum };
    let Reply::Value { payload, seq } = app.node.dht(command).await? else {
        return Err(Problem::internal(&"the record machine answered a lookup with something else"));
    };
    let value = String::from_utf8(payload).map_err(|_| Problem::not_text())?;
    Ok(answer::json(StatusCode::OK, &dto::Record { did: owner.did().to_string(), salt, value, seq }))
}

/// `GET /api/cards/{did}`.
pub(crate) async fn card(app: &App, call: Call) -> Result<Response, Problem> {
    let Reply::Card(card) = app.node.dht(Command::FindCard { node: call.did()? }).await? else {
        return Err(Problem::internal(&"the record machine answered a card with something else"));
    };
    let card = dto::Card {
        did: card.node.did().to_string(),
        addresses: card.addresses.iter().map(ToString::to_string).collect(),
        level: card.level,
    };
    Ok(answer::json(StatusCode::OK, &card))
}

async fn stored(app: &App, command: Command) -> Result<Response, Problem> {
    let Reply::Stored { key, seq, holders, asked } = app.node.dht(command).await? else {
        return Err(Problem::internal(&"the record machine answered a value with something else"));
    };
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let stored =
        dto::StoredRecord { key: key.to_string(), seq, holders: count(holders), asked: count(asked) };
    Ok(answer::json(StatusCode::ACCEPTED, &stored))
}
