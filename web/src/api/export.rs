//! `GET /api/conversations/{did}/export`: all of a conversation as one document, written while it is read.
//!
//! A page of history at a time is in memory, however long the conversation is and however slow the reader. It ends with what was there when it
//! began. Should a page fail, the answer breaks off, and so does the download.
//!
//! Not here: how the document looks ([`crate::transcript`]).

use super::{
    contacts::contacts,
    content::{POLICY, disposition, value},
};
use crate::{
    app::App,
    convert,
    problem::Problem,
    request::Call,
    transcript::{Speaker, Transcript, file_name},
};
use futures::{Stream, stream};
use hyper::body::Bytes;
use pc2_actors::api::NodeHandle;
use pc2_protocols::{
    id::{ConversationId, MsgId},
    identity,
    messenger::{content::Hlc, marks::Place},
    time::UnixMillis,
};
use std::{io, sync::Arc};
use tokio::sync::OwnedSemaphorePermit;
use warp::{
    Reply as _,
    http::{HeaderValue, header},
    reply::Response,
};

/// Entries that are read at once: of the longest texts, escaped, some megabytes.
const PAGE: usize = 32;

/// Before every entry.
const BEGINNING: Place = (Hlc(0), MsgId::from_bytes([0; MsgId::LEN]));

/// What comes next.
enum Next {
    Head,
    After(Place),
    Foot,
    Nothing,
}

/// A document that is being written.
struct Writing {
    node: NodeHandle,
    conversation: ConversationId,
    transcript: Transcript,
    began: UnixMillis,
    /// The last entry that belongs into it; `None`: there is none.
    last: Option<Place>,
    next: Next,
    _place: OwnedSemaphorePermit,
}

/// `GET /api/conversations/{did}/export`.
pub(crate) async fn export(app: &App, call: Call) -> Result<Response, Problem> {
    let peer = call.did()?;
    let (account, conversation) = (app.node.account(), ConversationId::direct(peer));
    let place = Arc::clone(&app.downloads).try_acquire_owned().map_err(|_| Problem::too_many_downloads())?;
    let view = contacts(app).await?.into_iter().find(|view| view.peer == peer);
    let (newest, _) = app.node.entries(account, conversation, None, 1).await?;
    // Of who was forgotten the history is still there.
    if view.is_none() && newest.is_empty() {
        return Err(Problem::unknown_contact());
    }
    let last = newest.first().map(|entry| (entry.row.content.hlc, entry.row.content.id));
    let profile = app.node.identity(identity::Command::WhoAmI).await?;
    let me = if profile.name.is_empty() { "Me".to_owned() } else { profile.name };
    let them = view.map_or_else(|| convert::label(peer, None, None), |view| convert::contact_label(view).1);
    let began = app.now();
    let disposition = disposition(&file_name(&them, began), false);
    let me = Speaker { name: me, did: account.did().to_string() };
    let transcript = Transcript::new(me, Speaker { name: them, did: peer.did().to_string() });
    let node = app.node.clone();
    let writing = Writing { node, conversation, transcript, began, last, next: Next::Head, _place: place };
    let mut response = warp::reply::stream(pieces(writing)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, value(&disposition));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

fn pieces(writing: Writing) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    stream::try_unfold(writing, |mut writing| async move {
        let piece = writing.piece().await?;
        Ok(piece.map(|piece| (Bytes::from(piece), writing)))
    })
}

impl Writing {
    async fn piece(&mut self) -> io::Result<Option<String>> {
        Ok(Some(match self.next {
            Next::Head => {
                self.next = Next::After(BEGINNING);
                self.transcript.head(self.began)
            }
            Next::After(place) => self.page(place).await?,
            Next::Foot => {
                self.next = Next::Nothing;
                self.transcript.foot()
            }
            Next::Nothing => return Ok(None),
        }))
    }

    async fn page(&mut self, after: Place) -> io::Result<String> {
        let account = self.node.account();
        let page = self.node.entries_after(account, self.conversation, after, PAGE).await;
        let (entries, more) = page.map_err(|error| io::Error::other(error.to_string()))?;
        self.next = more.filter(|place| Some(*place) < self.last).map_or(Next::Foot, Next::After);
        let in_time = |place: Place| Some(place) <= self.last;
        let entries =
            entries.into_iter().filter(|entry| in_time((entry.row.content.hlc, entry.row.content.id)));
        Ok(entries.map(|entry| self.transcript.entry(entry)).collect())
    }
}
