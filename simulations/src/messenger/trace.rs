//! One line for each step of a machine, to read what led to a broken rule: `TRACE=1 SEED=7 cargo test … -- --nocapture`.

use pc2_protocols::messenger::{
    In,
    wire::{Answer, Item, Mail, Request},
};

/// What a step was given, without ciphertext.
pub(super) fn line(input: &In) -> String {
    match input {
        In::PeerRequest { from, payload, .. } => {
            let request = Request::decode(payload).map_or_else(|error| error.to_string(), |r| of_request(&r));
            format!("{} asks: {request}", from.short())
        }
        In::PeerResponse { op, result } => match result {
            Ok(payload) => format!("{} answered: {:?}", op.number, Answer::decode(payload)),
            Err(error) => format!("{} failed: {error}", op.number),
        },
        In::Resolved { op, result } => {
            format!("{} resolved: {:?}", op.number, result.as_ref().map(|card| card.device))
        }
        In::MailboxArrived { envelope, from, payload } => {
            let mail = match Mail::decode(payload) {
                Ok(Mail::Deliver { items, .. }) => of_items(&items),
                other => format!("{other:?}"),
            };
            format!("{} of {} by mailbox: {mail}", envelope.id.short(), from.short())
        }
        In::Expired { op, expired } => format!("{} expired: {}", op.number, expired.due.len()),
        In::Loaded { op, rows } => format!("{} loaded: {} rows", op.number, rows.len()),
        other => format!("{other:?}"),
    }
}

fn of_request(request: &Request) -> String {
    let Request::Deliver { items } = request else { return format!("{request:?}") };
    of_items(items)
}

fn of_items(items: &[Item]) -> String {
    let items: Vec<String> = items.iter().map(of_item).collect();
    format!("Deliver {}", items.join(", "))
}

fn of_item(item: &Item) -> String {
    match item {
        Item::Start { session, created, .. } => format!("Start {} of {created}", session.short()),
        Item::Refresh { session, epoch, .. } => format!("Refresh {} after {epoch}", session.short()),
        Item::Content { session, id, seq, .. } => format!("{seq}:{} in {}", id.short(), session.short()),
    }
}
