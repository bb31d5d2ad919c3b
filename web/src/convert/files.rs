//! Transfers as the API shows them, and the names by which it calls them.

use crate::{dto, problem::Problem, request::did};
use pc2_actors::api::{Preparing, ProofView, Trouble};
use pc2_protocols::{
    files::{
        State, TransferView,
        offer::{FileOffer, Offered},
        rows::{Direction, TransferId},
    },
    id::{NodeId, OfferId},
    limits,
};

/// One transfer.
pub(crate) fn transfer(view: &TransferView) -> dto::Transfer {
    let shown = shown(&view.offer.what);
    let (state, bytes) = state(&view.state);
    let path = match &view.state {
        State::Done { path: Some(path) } => Some(String::from_utf8_lossy(path).into_owned()),
        _ => None,
    };
    let (why, retryable) = match &view.state {
        State::Failed { why, retryable } => (Some(why.to_string()), *retryable),
        _ => (None, false),
    };
    dto::Transfer {
        id: id(view.id),
        peer: view.id.peer.did().to_string(),
        direction: direction(view.id.direction),
        offer: hex(view.id.offer),
        what: shown.what,
        name: shown.name,
        mime: shown.mime,
        size: shown.size,
        files: shown.files,
        since: view.since.0,
        expires: view.expires.0,
        ended: view.ended.map(|ended| ended.0),
        state,
        bytes: bytes.or(view.have),
        path,
        why,
        retryable,
    }
}

/// Something that is being prepared, as the transfer that it will be; or why it will not.
pub(crate) fn preparing(preparing: &Preparing) -> dto::Transfer {
    let failed = preparing.failed.as_ref();
    dto::Transfer {
        id: id(preparing.id),
        peer: preparing.id.peer.did().to_string(),
        direction: direction(preparing.id.direction),
        offer: hex(preparing.id.offer),
        what: if preparing.folder { dto::OfferedKind::Folder } else { dto::OfferedKind::File },
        name: preparing.name.clone(),
        mime: String::new(),
        size: preparing.total,
        files: preparing.files,
        since: preparing.since.0,
        expires: preparing.since.after(limits::OFFER_LIFETIME).0,
        ended: preparing.ended.map(|ended| ended.0),
        state: if failed.is_some() { dto::TransferState::Failed } else { dto::TransferState::Preparing },
        bytes: Some(preparing.done),
        path: None,
        why: failed.map(ToString::to_string),
        retryable: false,
    }
}

/// A look at all blobs.
pub(crate) fn proof(view: &ProofView) -> dto::BlobProof {
    let shown = dto::BlobProof {
        running: view.running,
        bytes: view.bytes,
        blobs: 0,
        ended: view.ended.map(|ended| ended.0),
        troubles: Vec::new(),
        more: 0,
        failed: None,
    };
    match &view.found {
        None => shown,
        Some(Err(why)) => dto::BlobProof { failed: Some(why.clone()), ..shown },
        Some(Ok(checked)) => dto::BlobProof {
            bytes: checked.bytes,
            blobs: checked.blobs,
            troubles: checked.troubles.iter().map(trouble).collect(),
            more: checked.more,
            ..shown
        },
    }
}

fn trouble(trouble: &Trouble) -> dto::BlobTrouble {
    dto::BlobTrouble {
        blob: trouble.id.hex(),
        path: trouble.path.to_string_lossy().into_owned(),
        what: trouble.what.to_string(),
        mended: trouble.what.is_mended(),
    }
}

/// What a message with an offer is. `mine`: the owner wrote it.
pub(crate) fn body(peer: NodeId, mine: bool, offer: &FileOffer) -> dto::MessageBody {
    let transfer =
        if mine { TransferId::outgoing(peer, offer.id) } else { TransferId::incoming(peer, offer.id) };
    let Shown { what, name, mime, size, files } = shown(&offer.what);
    dto::MessageBody::File { offer: hex(offer.id), transfer: id(transfer), what, name, mime, size, files }
}

/// The name by which the API calls a transfer.
pub(crate) fn id(id: TransferId) -> String {
    let way = match id.direction {
        Direction::Out => "out",
        Direction::In => "in",
    };
    format!("{way}.{}.{}", id.peer.did(), hex(id.offer))
}

/// Reads what [`id`] wrote.
///
/// # Errors
/// For anything else.
pub(crate) fn transfer_id(text: &str) -> Result<TransferId, Problem> {
    let wrong = || Problem::bad_request("this is no transfer's id; `GET /api/transfers` shows them");
    let mut parts = text.split('.');
    let (Some(way), Some(peer), Some(offer), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let direction = match way {
        "out" => Direction::Out,
        "in" => Direction::In,
        _ => return Err(wrong()),
    };
    Ok(TransferId { direction, peer: did(peer)?, offer: offer_id(offer).ok_or_else(wrong)? })
}

struct Shown {
    what: dto::OfferedKind,
    name: String,
    mime: String,
    size: u64,
    files: u64,
}

fn shown(what: &Offered) -> Shown {
    let (kind, mime, files) = match what {
        Offered::File { mime, .. } | Offered::Pieces { mime, .. } => {
            (dto::OfferedKind::File, mime.clone(), 1)
        }
        Offered::Collection { count, .. } => (dto::OfferedKind::Folder, String::new(), u64::from(*count)),
    };
    Shown { what: kind, name: what.name().to_owned(), mime, size: what.size().bytes(), files }
}

const fn direction(direction: Direction) -> dto::TransferDirection {
    match direction {
        Direction::In => dto::TransferDirection::In,
        Direction::Out => dto::TransferDirection::Out,
    }
}

const fn state(state: &State) -> (dto::TransferState, Option<u64>) {
    let shown = match state {
        State::Transferring { bytes } => return (dto::TransferState::Transferring, Some(*bytes)),
        State::Sending => dto::TransferState::Sending,
        State::WaitingForThem => dto::TransferState::WaitingForThem,
        State::Offered => dto::TransferState::Offered,
        State::Queued => dto::TransferState::Queued,
        State::Paused => dto::TransferState::Paused,
        State::WaitingForPeer => dto::TransferState::WaitingForPeer,
        State::WaitingForRoom => dto::TransferState::WaitingForRoom,
        State::Finishing => dto::TransferState::Finishing,
        State::Done { .. } => dto::TransferState::Done,
        State::Declined => dto::TransferState::Declined,
        State::Cancelled => dto::TransferState::Cancelled,
        State::Withdrawn => dto::TransferState::Withdrawn,
        State::Expired => dto::TransferState::Expired,
        State::Failed { .. } => dto::TransferState::Failed,
    };
    (shown, None)
}

fn hex(offer: OfferId) -> String {
    offer.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lower case only, so that one transfer has one name.
fn offer_id(text: &str) -> Option<OfferId> {
    let plain =
        text.len() == OfferId::LEN * 2 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number = plain.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(OfferId::from_bytes(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> NodeId {
        pc2_protocols::crypto::keys::IdentityKeys::from_seed(zeroize::Zeroizing::new([7; 64])).node()
    }

    #[test]
    fn a_transfer_has_one_name_which_reads_back() {
        for offer in [[0; 16], [0xab; 16], [255; 16]].map(OfferId::from_bytes) {
            for known in [TransferId::outgoing(peer(), offer), TransferId::incoming(peer(), offer)] {
                assert_eq!(transfer_id(&id(known)), Ok(known));
            }
        }
    }

    #[test]
    fn a_made_up_name_is_refused() {
        let good = id(TransferId::outgoing(peer(), OfferId::from_bytes([0xab; 16])));
        let did = peer().did();
        for wrong in [
            "",
            ".",
            "..",
            "out..",
            "../../etc",
            &good.replacen("out", "up", 1),
            &good.replace("abab", "ABAB"),
            &format!("{good}."),
            &format!("out.{did}.+{}", "a".repeat(31)),
            &format!("out.{did}.{}", "é".repeat(16)),
            &format!("out.did:boson:nobody.{}", "a".repeat(32)),
        ] {
            assert!(transfer_id(wrong).is_err(), "{wrong}");
        }
    }
}
