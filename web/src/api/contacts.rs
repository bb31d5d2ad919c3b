//! Contacts, requests, blocks, and invitations.

use super::mailboxes;
use crate::{
    answer,
    app::App,
    convert, dto,
    problem::Problem,
    request::{Call, did},
};
use pc2_protocols::{
    id::NodeId,
    messenger::{Command, ContactView, Reply, invitation::Invitation},
    net::Peer,
};
use warp::{http::StatusCode, reply::Response};

/// `GET /api/contacts`.
pub(crate) async fn list(app: &App, _call: Call) -> Result<Response, Problem> {
    let items = contacts(app).await?.into_iter().map(convert::contact).collect();
    Ok(answer::json(StatusCode::OK, &dto::ContactList { items }))
}

/// `GET /api/contacts/{did}`.
pub(crate) async fn show(app: &App, call: Call) -> Result<Response, Problem> {
    let peer = call.did()?;
    person(app, peer, StatusCode::OK).await
}

/// `POST /api/contacts`.
pub(crate) async fn add(app: &App, call: Call) -> Result<Response, Problem> {
    let wanted: dto::AddContact = call.json()?;
    let command = match (wanted.did, wanted.invitation) {
        (Some(text), None) => Command::AddContact {
            peer: did(&text)?,
            alias: named(wanted.alias),
            name: None,
            text: wanted.text.unwrap_or_default(),
            invitation: None,
            addresses: Vec::new(),
        },
        (None, Some(text)) => {
            let invitation = text
                .parse::<Invitation>()
                .and_then(|invitation| invitation.usable(app.now()))
                .map_err(Problem::bad_invitation)?;
            Command::AddContact {
                peer: invitation.inviter(),
                alias: named(wanted.alias),
                // Not an alias: that would stay when they call themselves something else.
                name: named(Some(invitation.name().to_owned())),
                text: wanted.text.unwrap_or_default(),
                invitation: Some(invitation.token().to_vec()),
                addresses: invitation.addresses().to_vec(),
            }
        }
        _ => return Err(Problem::bad_request("give either a DID or an invitation")),
    };
    changed(app, command).await
}

/// `PATCH /api/contacts/{did}`.
pub(crate) async fn rename(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::Rename { alias } = call.json()?;
    changed(app, Command::Rename { peer: call.did()?, alias: named(alias) }).await
}

/// `PUT /api/contacts/{did}/receipts`.
pub(crate) async fn set_receipts(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::SetReceipts { read_receipts: receipts } = call.json()?;
    changed(app, Command::SetReceipts { peer: call.did()?, receipts }).await
}

/// `DELETE /api/contacts/{did}`.
pub(crate) async fn remove(app: &App, call: Call) -> Result<Response, Problem> {
    let peer = call.did()?;
    mailboxes::serve_no_more(app, peer).await?;
    app.messenger(Command::Remove { peer }).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `POST /api/contacts/{did}/accept`.
pub(crate) async fn accept(app: &App, call: Call) -> Result<Response, Problem> {
    changed(app, Command::Accept { peer: call.did()? }).await
}

/// `POST /api/contacts/{did}/block`.
pub(crate) async fn block(app: &App, call: Call) -> Result<Response, Problem> {
    let peer = call.did()?;
    mailboxes::serve_no_more(app, peer).await?;
    changed(app, Command::Block { peer }).await
}

/// `POST /api/contacts/{did}/unblock`. A blocked stranger is forgotten by this, so there may be nobody to show.
pub(crate) async fn unblock(app: &App, call: Call) -> Result<Response, Problem> {
    app.messenger(Command::Unblock { peer: call.did()? }).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `POST /api/invitations`.
pub(crate) async fn invite(app: &App, _call: Call) -> Result<Response, Problem> {
    let Reply::Invitation { token, expires } = app.messenger(Command::Invite).await? else {
        return Err(Problem::internal(&"the messenger answered an invitation with something else"));
    };
    let profile = app.node.identity(pc2_protocols::identity::Command::WhoAmI).await?;
    let inviter = Peer { node: app.node.account(), addresses: app.node.network().await?.addresses };
    let link = Invitation::new(inviter, &profile.name, token, expires).to_string();
    Ok(answer::json(StatusCode::ACCEPTED, &dto::Invitation { link, expires: expires.0 }))
}

/// Everybody the owner knows.
pub(crate) async fn contacts(app: &App) -> Result<Vec<ContactView>, Problem> {
    match app.messenger(Command::Contacts).await? {
        Reply::Contacts(views) => Ok(views),
        _ => Err(Problem::internal(&"the messenger answered a list with something else")),
    }
}

/// Gives a command about one person and shows how they stand then.
async fn changed(app: &App, command: Command) -> Result<Response, Problem> {
    match app.messenger(command).await? {
        Reply::Contact(view) => Ok(answer::json(StatusCode::ACCEPTED, &convert::contact(*view))),
        _ => Err(Problem::internal(&"the messenger answered about a person with something else")),
    }
}

async fn person(app: &App, peer: NodeId, status: StatusCode) -> Result<Response, Problem> {
    let known = contacts(app).await?.into_iter().find(|view| view.peer == peer);
    known.map(|view| answer::json(status, &convert::contact(view))).ok_or_else(Problem::unknown_contact)
}

/// A name with something in it.
fn named(name: Option<String>) -> Option<String> {
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}
