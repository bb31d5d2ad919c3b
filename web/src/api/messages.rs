//! Conversations: pages of history, sending, reading.

use crate::{answer, app::App, convert, dto, problem::Problem, request::Call};
use pc2_protocols::{
    id::ConversationId,
    messenger::{Command, Reply},
};
use warp::{http::StatusCode, reply::Response};

/// Messages on a page, unless told otherwise: two screens.
const PAGE: u64 = 50;

/// Messages on a page, at most.
const MAX_PAGE: u64 = 100;

/// `GET /api/conversations/{did}/messages`.
pub(crate) async fn page(app: &App, call: Call) -> Result<Response, Problem> {
    let conversation = ConversationId::direct(call.did()?);
    let before = call.asked("before")?.map(|cursor| convert::place(&cursor)).transpose()?;
    let limit = call.number("limit")?.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let limit = usize::try_from(limit).map_err(Problem::bad_request)?;
    // One more than asked for tells whether there is a page before this one.
    let mut rows = app.node.history(app.node.account(), conversation, before, limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let oldest = rows.last().map(|row| convert::order(row.content.hlc, row.content.id));
    let items = rows.into_iter().rev().filter_map(convert::message).collect();
    Ok(answer::json(StatusCode::OK, &dto::MessagePage { items, before: oldest.filter(|_| more) }))
}

/// `POST /api/conversations/{did}/messages`. The same `client_id` again is the same message.
pub(crate) async fn send(app: &App, call: Call) -> Result<Response, Problem> {
    let message: dto::SendMessage = call.json()?;
    let command = Command::Send {
        conversation: ConversationId::direct(call.did()?),
        id: convert::message_id(&message.client_id)?,
        text: message.text,
        reply_to: message.reply_to.map(|id| convert::message_id(&id)).transpose()?,
    };
    let sent = match app.messenger(command).await? {
        Reply::Sent(row) => convert::message(*row),
        _ => None,
    };
    let sent =
        sent.ok_or_else(|| Problem::internal(&"the messenger answered a message with something else"))?;
    Ok(answer::json(StatusCode::ACCEPTED, &sent))
}

/// `POST /api/conversations/{did}/read`.
pub(crate) async fn mark_read(app: &App, call: Call) -> Result<Response, Problem> {
    app.messenger(Command::MarkRead { conversation: ConversationId::direct(call.did()?) }).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}
