//! Files and folders that go from one person to another: what there is, what is offered, and what is decided about it.
//!
//! What is being prepared to be offered is a transfer to whoever looks, though the files machine does not know it yet: it has the id of the one that it will be.
//!
//! Not here: the bytes (uploads, content), what is possible when ([`pc2_protocols::files`]).

use super::contacts;
use crate::{
    answer,
    app::App,
    convert, dto,
    problem::Problem,
    request::{Call, did},
};
use pc2_actors::api::Preparing;
use pc2_protocols::{
    files::{
        Command, CommandError, Reply, TransferView,
        rows::{Direction, Rates, TransferId},
    },
    id::NodeId,
    limits,
    messenger::rows::Standing,
};
use std::path::PathBuf;
use warp::{http::StatusCode, reply::Response};

/// Paths of one offer, at most: a selection in a window, not a folder told file by file.
const MAX_PATHS: usize = 1_024;

/// `GET /api/transfers`.
pub(crate) async fn list(app: &App, _call: Call) -> Result<Response, Problem> {
    // In this order: what stops being prepared in between is a transfer already.
    let preparing = app.node.preparing(app.node.account());
    let views = views(app).await?;
    let mut transfers: Vec<dto::Transfer> = preparing
        .iter()
        .filter(|one| views.iter().all(|view| view.id != one.id))
        .map(convert::files::preparing)
        .collect();
    // Those that failed to be prepared are no more urgent than others.
    transfers.sort_by_key(|one| one.state != dto::TransferState::Preparing);
    transfers.extend(views.iter().map(convert::files::transfer));
    Ok(answer::json(StatusCode::OK, &dto::TransferList { transfers }))
}

/// `GET /api/transfers/{id}`.
pub(crate) async fn show(app: &App, call: Call) -> Result<Response, Problem> {
    let id = convert::files::transfer_id(call.param(0))?;
    let being_prepared = prepared(app, id);
    let known = find(app, id).await?.map(|view| convert::files::transfer(&view));
    let shown = known.or_else(|| being_prepared.as_ref().map(convert::files::preparing));
    Ok(answer::json(StatusCode::OK, &shown.ok_or(CommandError::Unknown)?))
}

/// `POST /api/transfers`.
pub(crate) async fn offer(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::OfferFiles { to, paths } = call.json()?;
    let to = contact(app, &to).await?;
    if paths.len() > MAX_PATHS {
        let message =
            format!("an offer may name {MAX_PATHS} files and folders; offer the folder they are in");
        return Err(Problem::bad_request(message));
    }
    let paths = paths.into_iter().map(absolute).collect::<Result<Vec<_>, _>>()?;
    let preparing = app.node.offer_files(app.node.account(), to, paths)?;
    Ok(answer::json(StatusCode::ACCEPTED, &convert::files::preparing(&preparing)))
}

/// `POST /api/transfers/{id}/accept`.
pub(crate) async fn accept(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::AcceptTransfer { folder } = call.optional_json()?;
    let folder = folder.map(absolute).transpose()?;
    let folder = folder.map(|path| path.into_os_string().into_encoded_bytes());
    changed(app, call.param(0), |id| Command::Accept { id, folder }).await
}

/// `POST /api/transfers/{id}/decline`.
pub(crate) async fn decline(app: &App, call: Call) -> Result<Response, Problem> {
    changed(app, call.param(0), |id| Command::Decline { id }).await
}

/// `POST /api/transfers/{id}/pause`.
pub(crate) async fn pause(app: &App, call: Call) -> Result<Response, Problem> {
    changed(app, call.param(0), |id| Command::Pause { id }).await
}

/// `POST /api/transfers/{id}/resume`.
pub(crate) async fn resume(app: &App, call: Call) -> Result<Response, Problem> {
    changed(app, call.param(0), |id| Command::Resume { id }).await
}

/// `POST /api/transfers/{id}/retry`.
pub(crate) async fn retry(app: &App, call: Call) -> Result<Response, Problem> {
    changed(app, call.param(0), |id| Command::Retry { id }).await
}

/// `POST /api/transfers/{id}/withdraw`.
pub(crate) async fn withdraw(app: &App, call: Call) -> Result<Response, Problem> {
    take_back(app, call.param(0)).await
}

/// `POST /api/transfers/{id}/cancel`: whichever way it goes, and whether anybody was told yet.
pub(crate) async fn cancel(app: &App, call: Call) -> Result<Response, Problem> {
    match convert::files::transfer_id(call.param(0))?.direction {
        Direction::Out => take_back(app, call.param(0)).await,
        Direction::In => changed(app, call.param(0), |id| Command::Cancel { id }).await,
    }
}

/// `GET /api/transfers/settings`.
pub(crate) async fn settings(app: &App, _call: Call) -> Result<Response, Problem> {
    set(app, Command::Settings, StatusCode::OK).await
}

/// `PUT /api/transfers/auto/{did}`.
pub(crate) async fn set_auto(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::SetAuto { max_bytes } = call.json()?;
    let peer = call.did()?;
    // A rule can be taken away from whoever it is about; one is made for contacts only.
    if max_bytes.is_some() {
        contact(app, call.param(0)).await?;
    }
    set(app, Command::SetAuto { peer, max_bytes }, StatusCode::ACCEPTED).await
}

/// `PUT /api/transfers/rates`.
pub(crate) async fn set_rates(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::SetRates { down, up } = call.json()?;
    set(app, Command::SetRates { rates: Rates { down, up } }, StatusCode::ACCEPTED).await
}

/// Reads the DID of somebody who can be offered files.
pub(super) async fn contact(app: &App, text: &str) -> Result<NodeId, Problem> {
    let peer = did(text)?;
    if peer == app.node.account() {
        return Err(CommandError::Yourself.into());
    }
    let known = contacts::contacts(app).await?.into_iter().find(|view| view.peer == peer);
    match known.map(|view| view.standing) {
        Some(Standing::Accepted) => Ok(peer),
        Some(Standing::Requested | Standing::Asking | Standing::Blocked) => Err(Problem::not_a_contact()),
        None => Err(Problem::unknown_contact()),
    }
}

/// A transfer that the files machine knows.
pub(super) async fn find(app: &App, id: TransferId) -> Result<Option<TransferView>, Problem> {
    Ok(views(app).await?.into_iter().find(|view| view.id == id))
}

async fn views(app: &App) -> Result<Vec<TransferView>, Problem> {
    match app.files(Command::List).await? {
        Reply::Transfers(views) => Ok(views),
        Reply::Transfer(_) | Reply::Settings { .. } => {
            Err(Problem::internal(&"the files machine answered a list with something else"))
        }
    }
}

fn prepared(app: &App, id: TransferId) -> Option<Preparing> {
    app.node.preparing(app.node.account()).into_iter().find(|one| one.id == id)
}

/// What is being prepared is stopped; what was offered is withdrawn.
async fn take_back(app: &App, named: &str) -> Result<Response, Problem> {
    let id = convert::files::transfer_id(named)?;
    if let Some(preparing) = prepared(app, id)
        && app.node.stop_preparing(app.node.account(), id)
    {
        let mut stopped = convert::files::preparing(&preparing);
        stopped.state = dto::TransferState::Cancelled;
        (stopped.bytes, stopped.why, stopped.ended) = (None, None, Some(app.now().0));
        return Ok(answer::json(StatusCode::ACCEPTED, &stopped));
    }
    changed(app, named, |id| Command::Withdraw { id }).await
}

/// Gives a command about the transfer that the path names, and shows how it is then.
async fn changed(
    app: &App,
    named: &str,
    command: impl FnOnce(TransferId) -> Command,
) -> Result<Response, Problem> {
    let id = convert::files::transfer_id(named)?;
    match app.files(command(id)).await? {
        Reply::Transfer(view) => Ok(answer::json(StatusCode::ACCEPTED, &convert::files::transfer(&view))),
        Reply::Transfers(_) | Reply::Settings { .. } => {
            Err(Problem::internal(&"the files machine answered about a transfer with something else"))
        }
    }
}

async fn set(app: &App, command: Command, status: StatusCode) -> Result<Response, Problem> {
    let Reply::Settings { auto, rates } = app.files(command).await? else {
        return Err(Problem::internal(&"the files machine answered about settings with something else"));
    };
    let shown = |(peer, max_bytes): (NodeId, u64)| dto::AutoAccept { did: peer.did().to_string(), max_bytes };
    let settings =
        dto::TransferSettings { auto: auto.into_iter().map(shown).collect(), down: rates.down, up: rates.up };
    Ok(answer::json(status, &settings))
}

/// A path as somebody typed it. A relative one would be relative to wherever the node was started.
fn absolute(path: String) -> Result<PathBuf, Problem> {
    let path = PathBuf::from(path);
    let fits = path.as_os_str().len() <= limits::MAX_TARGET_BYTES && path.is_absolute();
    // No file can have such a name.
    let plain = !path.as_os_str().as_encoded_bytes().contains(&0);
    if fits && plain {
        Ok(path)
    } else {
        let most = limits::MAX_TARGET_BYTES;
        Err(Problem::bad_request(format!(
            "name files and folders by their whole path, from / on, at most {most} bytes"
        )))
    }
}
