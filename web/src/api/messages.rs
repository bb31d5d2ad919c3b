//! Conversations: pages of history, searching, sending, editing, taking back, reacting, reading.
//!
//! Whose a message is is looked at here, to say so; that nobody changes another's is seen to where messages are written (`pc2-storage`).

use crate::{
    answer,
    app::App,
    convert, dto,
    problem::Problem,
    request::{self, Call},
};
use pc2_protocols::{
    id::{ConversationId, MsgId},
    limits,
    messenger::{
        Amendment, Command, Reply,
        marks::{Entry, Place},
        search::{Piece, Query},
    },
};
use warp::{http::StatusCode, reply::Response};

/// Messages on a page, unless told otherwise: two screens.
const PAGE: u64 = 50;

/// Messages on a page, at most.
const MAX_PAGE: u64 = 100;

/// `GET /api/conversations/{did}/messages`.
pub(crate) async fn page(app: &App, call: Call) -> Result<Response, Problem> {
    let conversation = ConversationId::direct(call.did()?);
    let (before, after) = (cursor(&call, "before")?, cursor(&call, "after")?);
    let around = call.asked("around")?.map(|id| convert::message_id(&id)).transpose()?;
    let limit = limit(&call)?;
    let (node, account) = (&app.node, app.node.account());
    let page = match (before, after, around) {
        (before, None, None) => {
            let (mut entries, more) = node.entries(account, conversation, before, limit).await?;
            entries.reverse();
            let newest = entries.last().map(place_of).or(before);
            (entries, more, newest.filter(|_| before.is_some()))
        }
        (None, Some(after), None) => {
            let (entries, more) = node.entries_after(account, conversation, after, limit).await?;
            let oldest = entries.first().map_or(after, place_of);
            (entries, Some(oldest), more)
        }
        (None, None, Some(id)) => {
            let entry = node.entry(account, conversation, id).await?.ok_or_else(Problem::no_message)?;
            let place = place_of(&entry);
            let (mut entries, before) = node.entries(account, conversation, Some(place), limit / 2).await?;
            entries.reverse();
            entries.push(entry);
            let (newer, after) = node.entries_after(account, conversation, place, limit / 2).await?;
            entries.extend(newer);
            (entries, before, after)
        }
        _ => return Err(Problem::bad_request("before, after and around: one of them at most")),
    };
    let (entries, before, after) = page;
    let items = entries.into_iter().filter_map(convert::entry).collect();
    let (before, after) = (before.map(convert::cursor), after.map(convert::cursor));
    Ok(answer::json(StatusCode::OK, &dto::MessagePage { items, before, after }))
}

fn cursor(call: &Call, name: &str) -> Result<Option<Place>, Problem> {
    call.asked(name)?.map(|cursor| convert::place(&cursor)).transpose()
}

fn limit(call: &Call) -> Result<usize, Problem> {
    let limit = call.number("limit")?.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    usize::try_from(limit).map_err(Problem::bad_request)
}

fn place_of(entry: &Entry) -> Place {
    (entry.row.content.hlc, entry.row.content.id)
}

/// `GET /api/search`.
pub(crate) async fn search(app: &App, call: Call) -> Result<Response, Problem> {
    let typed = call.asked("q")?.unwrap_or_default();
    let query = Query::parse(&typed).map_err(Problem::bad_request)?;
    let conversation = call.asked("conversation")?.map(|did| request::did(&did)).transpose()?;
    let conversation = conversation.map(ConversationId::direct);
    let before = cursor(&call, "before")?;
    let limit = limit(&call)?;
    let found = app.node.search(app.node.account(), conversation, query.clone(), before, limit).await?;
    let last = found.last().map(place_of).filter(|_| found.len() >= limit);
    let items = found.into_iter().filter_map(convert::entry).map(|message| {
        let pieces = query.snippet(&message.text).into_iter();
        let snippet = pieces.map(|Piece { text, hit }| dto::SnippetPiece { text, hit }).collect();
        dto::SearchHit { message, snippet }
    });
    let page = dto::SearchPage { items: items.collect(), before: last.map(convert::cursor) };
    Ok(answer::json(StatusCode::OK, &page))
}

/// `POST /api/conversations/{did}/messages`. The same `client_id` again is the same message.
pub(crate) async fn send(app: &App, call: Call) -> Result<Response, Problem> {
    let message: dto::SendMessage = call.json()?;
    let conversation = ConversationId::direct(call.did()?);
    let id = convert::message_id(&message.client_id)?;
    let reply_to = message.reply_to.map(|id| convert::message_id(&id)).transpose()?;
    // The messenger remembers the latest ids only; by this it is so for as long as there is history.
    if let Some(entry) = app.node.entry(app.node.account(), conversation, id).await? {
        let message = convert::entry(entry).filter(|message| message.mine).ok_or_else(Problem::id_taken)?;
        return Ok(answer::json(StatusCode::ACCEPTED, &message));
    }
    let command = Command::Send { conversation, id, text: message.text, reply_to };
    let sent = match app.messenger(command).await? {
        Reply::Sent(row) => {
            let id = row.content.id;
            // With what it answers; it is on disk by now.
            let entry = app.node.entry(app.node.account(), row.conversation, id).await?;
            entry.and_then(convert::entry).or_else(|| convert::message(*row))
        }
        _ => None,
    };
    let sent =
        sent.ok_or_else(|| Problem::internal(&"the messenger answered a message with something else"))?;
    Ok(answer::json(StatusCode::ACCEPTED, &sent))
}

/// `PATCH /api/conversations/{did}/messages/{id}`. The text it has already changes nothing, so that a repetition does no harm.
pub(crate) async fn edit(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::EditMessage { text } = call.json()?;
    let (entry, message) = own(app, name(&call)?).await?;
    if message.text == text {
        return Ok(answer::json(StatusCode::ACCEPTED, &message));
    }
    if entry.marks.edits_by(entry.row.sender) >= limits::MAX_EDITS {
        return Err(Problem::edited_too_often(limits::MAX_EDITS));
    }
    amend(app, &entry, Amendment::Edit { text }).await
}

/// `DELETE /api/conversations/{did}/messages/{id}`.
pub(crate) async fn delete(app: &App, call: Call) -> Result<Response, Problem> {
    match own(app, name(&call)?).await {
        Ok((entry, _)) => amend(app, &entry, Amendment::Delete).await,
        // What is gone already is what was asked for.
        Err(problem) if problem == Problem::message_deleted() => {
            let (_, message) = named(app, name(&call)?).await?;
            Ok(answer::json(StatusCode::ACCEPTED, &message))
        }
        Err(problem) => Err(problem),
    }
}

/// `PUT /api/conversations/{did}/messages/{id}/reaction`. The one it has already changes nothing.
pub(crate) async fn react(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::SetReaction { emoji } = call.json()?;
    let (entry, message) = named(app, name(&call)?).await?;
    if message.deleted {
        return Err(Problem::message_deleted());
    }
    let now = message.reactions.iter().find(|reaction| reaction.mine).map(|reaction| &reaction.emoji);
    if now == emoji.as_ref() {
        return Ok(answer::json(StatusCode::ACCEPTED, &message));
    }
    amend(app, &entry, Amendment::React { emoji }).await
}

/// A message's conversation and id.
type Name = (ConversationId, MsgId);

/// How a path names a message.
fn name(call: &Call) -> Result<Name, Problem> {
    Ok((ConversationId::direct(call.did()?), convert::message_id(call.param(1))?))
}

/// The message of that name.
async fn named(app: &App, name: Name) -> Result<(Entry, dto::Message), Problem> {
    let (conversation, id) = name;
    let entry = app.node.entry(app.node.account(), conversation, id).await?;
    let entry = entry.ok_or_else(Problem::no_message)?;
    let message = convert::entry(entry.clone()).ok_or_else(Problem::no_message)?;
    Ok((entry, message))
}

/// The same, of the owner's own texts only.
async fn own(app: &App, name: Name) -> Result<(Entry, dto::Message), Problem> {
    let (entry, message) = named(app, name).await?;
    if !message.mine {
        return Err(Problem::not_your_message());
    }
    if message.body != dto::MessageBody::Text {
        return Err(Problem::no_text());
    }
    if message.deleted { Err(Problem::message_deleted()) } else { Ok((entry, message)) }
}

/// Has a message changed, and answers how it is then.
async fn amend(app: &App, entry: &Entry, amendment: Amendment) -> Result<Response, Problem> {
    let (conversation, target) = (entry.row.conversation, entry.row.content.id);
    let mut id = [0; MsgId::LEN];
    getrandom::fill(&mut id).map_err(|error| Problem::internal(&error))?;
    let id = MsgId::from_bytes(id);
    app.messenger(Command::Amend { conversation, id, target, amendment }).await?;
    let entry = app.node.entry(app.node.account(), conversation, target).await?;
    let message = entry.and_then(convert::entry).ok_or_else(Problem::no_message)?;
    Ok(answer::json(StatusCode::ACCEPTED, &message))
}

/// `POST /api/conversations/{did}/read`.
pub(crate) async fn mark_read(app: &App, call: Call) -> Result<Response, Problem> {
    app.messenger(Command::MarkRead { conversation: ConversationId::direct(call.did()?) }).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `POST /api/conversations/{did}/typing`. Forgotten at once where it may not be told.
pub(crate) async fn typing(app: &App, call: Call) -> Result<Response, Problem> {
    app.messenger(Command::Typing { conversation: ConversationId::direct(call.did()?) }).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `GET /api/chat/settings`.
pub(crate) async fn settings(app: &App, _call: Call) -> Result<Response, Problem> {
    told(StatusCode::OK, app.messenger(Command::Settings).await?)
}

/// `PUT /api/chat/settings`.
pub(crate) async fn set_settings(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::SetChatSettings { read_receipts: receipts, typing } = call.json()?;
    told(StatusCode::ACCEPTED, app.messenger(Command::SetSettings { receipts, typing }).await?)
}

fn told(status: StatusCode, reply: Reply) -> Result<Response, Problem> {
    match reply {
        Reply::Settings(settings) => Ok(answer::json(status, &convert::chat_settings(settings))),
        _ => Err(Problem::internal(&"the messenger answered about settings with something else")),
    }
}

/// `PUT /api/conversations/{did}/timer`. The same `client_id` again is the same message.
pub(crate) async fn set_timer(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::SetTimer { client_id, seconds: lasts } = call.json()?;
    let conversation = ConversationId::direct(call.did()?);
    let id = convert::message_id(&client_id)?;
    if app.node.entry(app.node.account(), conversation, id).await?.is_none() {
        app.messenger(Command::SetTimer { conversation, id, lasts }).await?;
    }
    let (_, message) = named(app, (conversation, id)).await?;
    let is_it = message.mine && message.body == dto::MessageBody::Timer { seconds: lasts };
    if is_it { Ok(answer::json(StatusCode::ACCEPTED, &message)) } else { Err(Problem::id_taken()) }
}
