//! Routes of files on their way: offers, uploads, transfers, what has arrived.

use super::{Route, at, by};
use crate::{
    api::{content, proof, transfers, uploads},
    roles::{Access, Area, Deed, Scope},
};
use warp::http::Method;

const FILES_READ: Access = Access::Has(Scope(Area::Files, Deed::Read));
const FILES_WRITE: Access = Access::Has(Scope(Area::Files, Deed::Write));

pub(super) static ROUTES: &[Route] = &[
    at(
        Method::GET,
        "/api/transfers",
        FILES_READ,
        "Files and folders on their way, or there",
        by!(transfers::list),
    )
    .gives(200, "TransferList"),
    at(
        Method::POST,
        "/api/transfers",
        FILES_WRITE,
        "Offer files or folders of the node's machine to a contact",
        by!(transfers::offer),
    )
    .takes("OfferFiles")
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/uploads",
        FILES_WRITE,
        "Offer the bytes of the body to a contact; an upload that breaks off leaves nothing",
        by!(uploads::upload),
    )
    .asks(&[("to", "the DID of the contact"), ("name", "what the file is called")])
    .takes_bytes()
    .gives(202, "Transfer"),
    at(
        Method::GET,
        "/api/transfers/settings",
        FILES_READ,
        "Whose files are accepted without asking, and how fast files may be transferred",
        by!(transfers::settings),
    )
    .gives(200, "TransferSettings"),
    at(
        Method::PUT,
        "/api/transfers/auto/{did}",
        FILES_WRITE,
        "Accept offers of a contact without asking, or ask again",
        by!(transfers::set_auto),
    )
    .takes("SetAuto")
    .gives(202, "TransferSettings"),
    at(
        Method::PUT,
        "/api/transfers/rates",
        FILES_WRITE,
        "How fast files may be transferred",
        by!(transfers::set_rates),
    )
    .takes("SetRates")
    .gives(202, "TransferSettings"),
    at(Method::GET, "/api/transfers/{id}", FILES_READ, "One transfer", by!(transfers::show))
        .gives(200, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/accept",
        FILES_WRITE,
        "Receive what is offered",
        by!(transfers::accept),
    )
    .may_take("AcceptTransfer")
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/decline",
        FILES_WRITE,
        "Not want what is offered",
        by!(transfers::decline),
    )
    .gives(202, "Transfer"),
    at(Method::POST, "/api/transfers/{id}/pause", FILES_WRITE, "Receive it later", by!(transfers::pause))
        .gives(202, "Transfer"),
    at(Method::POST, "/api/transfers/{id}/resume", FILES_WRITE, "Go on receiving it", by!(transfers::resume))
        .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/cancel",
        FILES_WRITE,
        "Want it no longer: what has arrived is thrown away; what is offered or prepared is taken back",
        by!(transfers::cancel),
    )
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/retry",
        FILES_WRITE,
        "Try again what failed",
        by!(transfers::retry),
    )
    .gives(202, "Transfer"),
    at(
        Method::POST,
        "/api/transfers/{id}/withdraw",
        FILES_WRITE,
        "Take an offer of the owner's back",
        by!(transfers::withdraw),
    )
    .gives(202, "Transfer"),
    at(
        Method::GET,
        "/api/transfers/{id}/content",
        FILES_READ,
        "The bytes of a file that was received, or that is offered; ranges are answered by 206",
        by!(content::show),
    )
    .asks(&[("inline", "1: to be shown, if it is a picture or text; otherwise it is to be saved")])
    .gives_bytes("application/octet-stream"),
    at(
        Method::POST,
        "/api/doctor/blobs",
        FILES_WRITE,
        "Begin to prove every file that is offered or partly received",
        by!(proof::begin),
    )
    .gives(202, "BlobProof"),
    at(
        Method::GET,
        "/api/doctor/blobs",
        FILES_READ,
        "How far that has come, and what it found",
        by!(proof::show),
    )
    .gives(200, "BlobProof"),
];
