//! From the node's types to the API's and back. Total: what cannot be shown is `None`, never a panic.
//!
//! Not here: transfers ([`files`]).

pub(crate) mod access;
pub(crate) mod files;
pub(crate) mod wasm;

use crate::{dto, problem::Problem};
use pc2_protocols::{
    id::{MsgId, NodeId},
    messenger::{
        ContactView, Delivery,
        content::{Body, Hlc},
        marks::{Entry, Marks, Place},
        rows::{ChatSettings, MessageRow, MessageState, Standing},
    },
};

/// How much of a message stands above its answer, in characters: two lines of a wide screen.
const MAX_QUOTE_CHARS: usize = 200;

/// One person.
pub(crate) fn contact(view: ContactView) -> dto::Contact {
    let name = view.name.filter(|name| !name.is_empty());
    dto::Contact {
        did: view.peer.did().to_string(),
        standing: standing(view.standing),
        label: label(view.peer, view.alias.as_deref(), name.as_deref()),
        alias: view.alias,
        name,
        online: view.online,
        typing: view.typing,
        read_receipts: view.receipts,
        timer: view.timer,
        unread: view.unread,
        waiting: view.waiting,
        delivery: delivery(view.delivery),
        last: view.last.map(|last| dto::LastEntry {
            gone: last.gone,
            id: last.id.to_string(),
            mine: last.mine,
            preview: last.preview,
            deleted: last.deleted,
            at: last.at.0,
        }),
        since: view.since.0,
    }
}

/// A person and what to show for them.
pub(crate) fn contact_label(view: ContactView) -> (NodeId, String) {
    let peer = view.peer;
    (peer, contact(view).label)
}

/// What to show for a person.
pub(crate) fn label(peer: NodeId, alias: Option<&str>, name: Option<&str>) -> String {
    alias.or(name).map_or_else(|| format!("{}…", peer.short()), str::to_owned)
}

/// One message that was just written; `None` for contents that are no entries of their own (receipts, edits).
pub(crate) fn message(row: MessageRow) -> Option<dto::Message> {
    entry(Entry { row, marks: Marks::default(), quoted: None })
}

/// One message as it is now; `None` for contents that are no entries of their own.
pub(crate) fn entry(entry: Entry) -> Option<dto::Message> {
    let Entry { row, marks, quoted } = entry;
    let mine = row.sender == row.account;
    let peer = row.conversation.peer();
    let deleted = marks.is_deleted(&row);
    let edit = marks.edit_of(&row).cloned();
    let (text, body, reply_to) = match row.content.body {
        Body::Text { text, reply_to } => (text, dto::MessageBody::Text, reply_to),
        Body::File { offer } => (offer.what.name().to_owned(), files::body(peer, mine, &offer), None),
        Body::Timer { lasts } => (String::new(), dto::MessageBody::Timer { seconds: lasts }, None),
        Body::Accepted { .. }
        | Body::Edit { .. }
        | Body::Delete { .. }
        | Body::Reaction { .. }
        | Body::Read { .. }
        | Body::Mailbox { .. } => return None,
    };
    let edited_at = edit.as_ref().map(|edit| edit.at.0);
    let text = if deleted { String::new() } else { edit.map_or(text, |edit| edit.text) };
    let reactions = marks.reactions().filter(|_| !deleted);
    let reactions = reactions
        .map(|(who, emoji)| dto::Reaction { emoji: emoji.to_owned(), mine: who == row.account })
        .collect();
    Some(dto::Message {
        id: row.content.id.to_string(),
        conversation: peer.did().to_string(),
        sender: row.sender.did().to_string(),
        mine,
        text,
        body,
        reply_to: reply_to.map(|id| id.to_string()),
        quote: quoted.and_then(|quoted| quote(&quoted.0, &quoted.1)),
        edited_at,
        deleted,
        reactions,
        disappears_after: row.content.lasts,
        revision: marks.revision,
        state: message_state(row.state),
        at: row.content.hlc.shown_at(row.stored).0,
        stored: row.stored.0,
        order: order(row.content.hlc, row.content.id),
        chain_broken: row.chain_broken,
    })
}

/// The message that another one answers, in a line or two.
fn quote(row: &MessageRow, marks: &Marks) -> Option<dto::Quote> {
    let body = &row.content.body;
    let deleted = marks.is_deleted(row);
    let text = if deleted { "" } else { marks.edit_of(row).map_or(body.entry_text()?, |edit| &edit.text) };
    Some(dto::Quote {
        id: row.content.id.to_string(),
        mine: row.sender == row.account,
        text: text.chars().take(MAX_QUOTE_CHARS).collect(),
        deleted,
        order: order(row.content.hlc, row.content.id),
    })
}

/// The place of a message as text: it sorts as the place does, and is the cursor of pages.
pub(crate) fn order(hlc: Hlc, id: MsgId) -> String {
    let id: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{:016x}{id}", hlc.0)
}

/// A place as the cursor of a page.
pub(crate) fn cursor((hlc, id): Place) -> String {
    order(hlc, id)
}

/// Reads what [`order`] wrote.
///
/// # Errors
/// For anything else.
pub(crate) fn place(order: &str) -> Result<(Hlc, MsgId), Problem> {
    let read = || {
        let (hlc, id) = order.split_at_checked(16)?;
        // `from_str_radix` would take a sign.
        let plain = hlc.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some((Hlc(plain.then(|| u64::from_str_radix(hlc, 16).ok())??), hex(id)?))
    };
    read().ok_or_else(|| Problem::bad_request("this is no cursor that this node gave"))
}

/// The name a caller chose for a message: Base58, or a UUID.
///
/// # Errors
/// When it is neither.
pub(crate) fn message_id(text: &str) -> Result<MsgId, Problem> {
    if text.len() == 36 {
        let wrong = || Problem::bad_request("this is no UUID");
        return hex(&text.replace('-', "")).ok_or_else(wrong);
    }
    text.parse().map_err(|error| Problem::bad_request(format!("not a message's name: {error}")))
}

fn hex(text: &str) -> Option<MsgId> {
    let plain = text.len() == MsgId::LEN * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = plain.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(MsgId::from_bytes(number.to_be_bytes()))
}

/// What the owner tells contacts.
pub(crate) const fn chat_settings(settings: ChatSettings) -> dto::ChatSettings {
    dto::ChatSettings { read_receipts: settings.receipts, typing: settings.typing }
}

const fn standing(standing: Standing) -> dto::Standing {
    match standing {
        Standing::Requested => dto::Standing::Requested,
        Standing::Asking => dto::Standing::Asking,
        Standing::Accepted => dto::Standing::Accepted,
        Standing::Blocked => dto::Standing::Blocked,
    }
}

const fn delivery(delivery: Delivery) -> dto::Delivery {
    match delivery {
        Delivery::Idle => dto::Delivery::Idle,
        Delivery::Sending => dto::Delivery::Sending,
        Delivery::Looking => dto::Delivery::Looking,
        Delivery::NotFound => dto::Delivery::NotFound,
        Delivery::Unreachable => dto::Delivery::Unreachable,
        Delivery::Undecided => dto::Delivery::Undecided,
    }
}

/// The state of a message.
pub(crate) const fn message_state(state: MessageState) -> dto::MessageState {
    match state {
        MessageState::Waiting => dto::MessageState::Waiting,
        MessageState::Delivered => dto::MessageState::Delivered,
        MessageState::Read => dto::MessageState::Read,
        MessageState::NotDelivered => dto::MessageState::NotDelivered,
        MessageState::Received => dto::MessageState::Received,
        MessageState::Stored => dto::MessageState::Stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::time::UnixMillis;

    fn id(byte: u8) -> MsgId {
        MsgId::from_bytes([byte; MsgId::LEN])
    }

    #[test]
    fn a_place_reads_back_and_sorts_as_it_does() {
        let places = [(Hlc(0), id(255)), (Hlc(9), id(1)), (Hlc(9), id(2)), (Hlc(u64::MAX), id(0))];
        let texts = places.map(|(hlc, id)| order(hlc, id));
        assert!(texts.is_sorted());
        for (text, expected) in texts.iter().zip(places) {
            assert_eq!(place(text), Ok(expected));
        }
    }

    #[test]
    fn a_made_up_cursor_is_refused() {
        let long = "f".repeat(49);
        for text in ["", "x", "0123456789abcdeé", "+123456789abcdef00112233445566778899aabbccddeeff", &long]
        {
            assert!(place(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_is_named_in_base58_or_as_a_uuid() {
        let expected = Ok(MsgId::from_bytes(0x00112233_4455_6677_8899_aabbccddeeff_u128.to_be_bytes()));
        assert_eq!(message_id("00112233-4455-6677-8899-aabbccddeeff"), expected);
        assert_eq!(message_id(&id(7).to_string()), Ok(id(7)));
        for wrong in ["", "hello", "00112233-4455-6677-8899-aabbccddeefg", &"é".repeat(18), &"1".repeat(60)]
        {
            assert!(message_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn somebody_without_a_name_is_shown_by_the_beginning_of_their_id() {
        let peer = NodeId::from_bytes([7; 32]);
        let view = ContactView {
            account: peer,
            peer,
            standing: Standing::Asking,
            alias: None,
            name: Some(String::new()),
            online: false,
            typing: false,
            receipts: None,
            timer: None,
            unread: 0,
            waiting: 0,
            delivery: Delivery::Idle,
            last: None,
            since: UnixMillis(1),
        };
        let shown = contact(view);
        assert_eq!(shown.name, None);
        assert_eq!(shown.label, format!("{}…", peer.short()));
        assert_eq!(label(peer, Some("Al"), Some("Alice")), "Al");
        assert_eq!(label(peer, None, Some("Alice")), "Alice");
    }
}
