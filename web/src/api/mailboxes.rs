//! Mailboxes: what is kept here for others, which holders the owner pinned, and whom this node serves as one.

use super::{
    contacts,
    network::{Labels, labels},
};
use crate::{answer, app::App, dto, problem::Problem, request::Call, roles::Caller};
use pc2_actors::api::CallError;
use pc2_protocols::{
    id::NodeId,
    limits,
    mailbox::{
        Command, CommandError, MailboxView, PinView, Reply, ServedView, rows::PinState, wire::Refusal,
    },
    messenger::rows::Standing,
};
use warp::{http::StatusCode, reply::Response};

/// `GET /api/mailboxes`.
pub(crate) async fn show(app: &App, call: Call) -> Result<Response, Problem> {
    answered(app, &call.caller, Command::Show, StatusCode::OK).await
}

/// `PUT /api/mailboxes/pinned/{did}`.
pub(crate) async fn pin(app: &App, call: Call) -> Result<Response, Problem> {
    answered(app, &call.caller, Command::Pin { holder: call.did()? }, StatusCode::ACCEPTED).await
}

/// `DELETE /api/mailboxes/pinned/{did}`.
pub(crate) async fn unpin(app: &App, call: Call) -> Result<Response, Problem> {
    answered(app, &call.caller, Command::Unpin { holder: call.did()? }, StatusCode::ACCEPTED).await
}

/// `PUT /api/mailboxes/served/{did}`. Contacts only: nobody else has anything to ask of this node's disk.
pub(crate) async fn serve(app: &App, call: Call) -> Result<Response, Problem> {
    let node = call.did()?;
    let known = contacts::contacts(app).await?.into_iter().find(|view| view.peer == node);
    match known.map(|view| view.standing) {
        Some(Standing::Accepted) => {
            answered(app, &call.caller, Command::Serve { node }, StatusCode::ACCEPTED).await
        }
        Some(Standing::Requested | Standing::Asking | Standing::Blocked) => Err(Problem::not_a_contact()),
        None => Err(Problem::unknown_contact()),
    }
}

/// `DELETE /api/mailboxes/served/{did}`.
pub(crate) async fn stop_serving(app: &App, call: Call) -> Result<Response, Problem> {
    answered(app, &call.caller, Command::StopServing { node: call.did()? }, StatusCode::ACCEPTED).await
}

/// Whoever is blocked or forgotten is served no more. Nothing happens when they were not.
pub(super) async fn serve_no_more(app: &App, node: NodeId) -> Result<(), Problem> {
    match app.node.mailbox(Command::StopServing { node }).await {
        Ok(_) | Err(CallError::Refused(CommandError::NotServed)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives a command that is answered by how things are then.
pub(super) async fn view(app: &App, command: Command) -> Result<MailboxView, Problem> {
    match app.node.mailbox(command).await? {
        Reply::Shown(view) => Ok(*view),
        Reply::Done => Err(Problem::internal(&"the mailbox machine answered a view with something else")),
    }
}

async fn answered(
    app: &App,
    caller: &Caller,
    command: Command,
    status: StatusCode,
) -> Result<Response, Problem> {
    let view = view(app, command).await?;
    Ok(answer::json(status, &shown(&view, &labels(app, caller).await?)))
}

/// Mailboxes as the API shows them.
pub(super) fn shown(view: &MailboxView, labels: &Labels) -> dto::Mailboxes {
    dto::Mailboxes {
        held: view.held,
        held_mailboxes: view.held_mailboxes,
        held_bytes: view.held_bytes,
        share_bytes: view.share_bytes,
        parcels: view.parcels,
        stored: view.stored,
        holders: view.holders.iter().map(|node| node.did().to_string()).collect(),
        fetched: view.fetched.map(|fetched| fetched.0),
        pinned: view.pins.iter().map(|pin| pinned(pin, labels)).collect(),
        pinned_most: u64::try_from(limits::MAX_PINS).unwrap_or(u64::MAX),
        serving: view.serving.iter().map(|one| served(one, labels)).collect(),
    }
}

fn pinned(pin: &PinView, labels: &Labels) -> dto::PinnedHolder {
    let (state, why) = match pin.state {
        PinState::NotReached => (dto::PinState::NotReached, None),
        PinState::Accepted => (dto::PinState::Accepted, None),
        PinState::Refused { reason: Refusal::NotServed } => (dto::PinState::NotAllowed, None),
        PinState::Refused { reason } => (dto::PinState::Refused, Some(reason.to_string())),
    };
    dto::PinnedHolder {
        did: pin.holder.did().to_string(),
        contact: labels.get(&pin.holder).cloned(),
        since: pin.since.0,
        state,
        why,
        answered: pin.answered.map(|answered| answered.0),
    }
}

fn served(one: &ServedView, labels: &Labels) -> dto::ServedPerson {
    dto::ServedPerson {
        did: one.node.did().to_string(),
        contact: labels.get(&one.node).cloned(),
        since: one.since.0,
        stated: one.stated.map(|stated| stated.0),
        envelopes: one.envelopes,
        bytes: one.bytes,
    }
}
