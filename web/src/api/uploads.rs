//! A file that a browser brings, to be offered to somebody: `POST /api/uploads?to=…&name=…`, with the bytes as the body.
//!
//! The bytes go to the disk as they come, a quarter of a megabyte at a time, on threads that may wait; memory does not grow with the file. Whoever is no
//! contact, and what the disk has no room for, is refused before anything is read. An upload that breaks off leaves nothing: its
//! file goes when it is dropped.
//!
//! Not here: where the file is kept and what it is called there (`pc2-actors`, `files`).

use super::transfers::contact;
use crate::{
    answer,
    app::App,
    convert,
    problem::Problem,
    request::{Call, Pieces, is_declared},
};
use pc2_actors::api::Upload;
use pc2_protocols::{
    blob::{BlobSize, BlobTooLarge},
    limits,
};
use std::{fs, io, path::PathBuf};
use tokio::task::spawn_blocking;
use warp::{
    http::{HeaderMap, StatusCode, header},
    reply::Response,
};

/// Bytes that are written at once.
const BATCH_BYTES: usize = 256 * 1024;

/// `POST /api/uploads`.
pub(crate) async fn upload(app: &App, mut call: Call) -> Result<Response, Problem> {
    // A form of another site cannot say this.
    if !is_declared(&call.headers, "application/octet-stream") {
        return Err(Problem::not_bytes());
    }
    let to = call.asked("to")?.ok_or_else(|| Problem::bad_request("say to whom: ?to=did:boson:…"))?;
    let name = call.asked("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Problem::bad_request("say what the file is called: &name=…"))?;
    if name.len() > limits::MAX_OFFER_NAME_BYTES {
        let most = limits::MAX_OFFER_NAME_BYTES;
        return Err(Problem::bad_request(format!("the name of a file may have {most} bytes")));
    }
    let to = contact(app, &to).await?;
    let promised = length(&call.headers)?;
    let pieces = call.pieces.take().ok_or_else(|| Problem::internal(&"a route that takes bytes got none"))?;
    let _place = app.uploads.try_acquire().map_err(|_| Problem::too_many_uploads())?;
    let upload = app.node.upload(app.node.account(), name).await?;
    let upload =
        written(upload, promised.unwrap_or_default(), |upload, promised| upload.room_for(promised)).await?;
    let path = receive(upload, pieces).await?;
    match app.node.offer_files(app.node.account(), to, vec![path.clone()]) {
        Ok(preparing) => Ok(answer::json(StatusCode::ACCEPTED, &convert::files::preparing(&preparing))),
        Err(error) => {
            forget(path).await;
            Err(error.into())
        }
    }
}

/// Writes all that comes, and gives it its name.
async fn receive(mut upload: Upload, mut pieces: Pieces) -> Result<PathBuf, Problem> {
    let mut total: u64 = 0;
    let mut batch: Vec<u8> = Vec::with_capacity(BATCH_BYTES);
    while let Some(piece) = pieces.next().await? {
        // What was promised is not believed.
        total = total.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        BlobSize::try_from(total).map_err(Problem::file_too_large)?;
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let (fits, more) = rest.split_at(rest.len().min(BATCH_BYTES - batch.len()));
            batch.extend_from_slice(fits);
            rest = more;
            if batch.len() >= BATCH_BYTES {
                (upload, batch) = write(upload, batch).await?;
            }
        }
    }
    let (upload, _) = write(upload, batch).await?;
    let kept = spawn_blocking(move || upload.keep()).await.map_err(|error| Problem::internal(&error))?;
    kept.map_err(|error| Problem::internal(&error))
}

/// Writes a batch, and gives its room back.
async fn write(upload: Upload, mut batch: Vec<u8>) -> Result<(Upload, Vec<u8>), Problem> {
    let job = move || {
        let mut upload = upload;
        upload.write(&batch)?;
        batch.clear();
        Ok((upload, batch))
    };
    done(spawn_blocking(job).await)
}

async fn written<T: Send + 'static>(
    upload: Upload,
    with: T,
    ask: impl FnOnce(&Upload, T) -> io::Result<()> + Send + 'static,
) -> Result<Upload, Problem> {
    done(spawn_blocking(move || ask(&upload, with).map(|()| upload)).await)
}

fn done<T>(result: Result<io::Result<T>, tokio::task::JoinError>) -> Result<T, Problem> {
    let result = result.map_err(|error| Problem::internal(&error))?;
    result.map_err(|error| Problem::not_written(&error))
}

/// Nobody is offered it, so it is not kept.
async fn forget(path: PathBuf) {
    let removed = spawn_blocking(move || fs::remove_file(path)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, "an upload that was not offered could not be removed");
    }
}

/// What the request says about the length of its body, if it does.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse::<u64>().ok());
    let length = length.ok_or_else(|| Problem::bad_request("content-length is no number"))?;
    BlobSize::try_from(length).map_err(|error: BlobTooLarge| Problem::file_too_large(error))?;
    Ok(Some(length))
}
