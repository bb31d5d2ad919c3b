//! Proving every file that is offered or partly received: begun by one request, followed by others, for it may take hours.

use crate::{answer, app::App, convert, problem::Problem, request::Call};
use warp::{http::StatusCode, reply::Response};

/// `POST /api/doctor/blobs`. Whoever comes while one is under way joins it.
pub(crate) async fn begin(app: &App, _call: Call) -> Result<Response, Problem> {
    let view = app.node.begin_proof().map_err(|error| Problem::internal(&error))?;
    Ok(answer::json(StatusCode::ACCEPTED, &convert::files::proof(&view)))
}

/// `GET /api/doctor/blobs`.
pub(crate) async fn show(app: &App, _call: Call) -> Result<Response, Problem> {
    Ok(answer::json(StatusCode::OK, &convert::files::proof(&app.node.proof())))
}
