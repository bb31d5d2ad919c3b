//! `pc2 mailbox` as text: what is kept here for others, who keeps yours, which holders are pinned and whom this node serves as one.

use super::{
    ago, append,
    network::{list, size},
};
use pc2_web::dto;

/// `pc2 mailbox`.
pub(crate) fn mailboxes(view: &dto::Mailboxes) -> String {
    let mut text = kept(view);
    text.push('\n');
    list(
        &mut text,
        "Kept for a month here, for contacts who pin this node:",
        view.serving.iter().map(served),
    );
    list(&mut text, "Pinned by you to keep yours for a month:", view.pinned.iter().map(pinned));
    text.trim_end().to_owned()
}

/// What is kept here and there, in a few lines; also the end of `pc2 peers`.
pub(super) fn kept(view: &dto::Mailboxes) -> String {
    let mut text = format!(
        "Kept here for others: {} envelopes in {} mailboxes, {} of {}.",
        view.held,
        view.held_mailboxes,
        size(view.held_bytes),
        size(view.share_bytes)
    );
    if view.parcels > 0 {
        let (parcels, stored) = (view.parcels, view.stored);
        append(
            &mut text,
            format_args!(
                "\nYours on the way to people who are offline: {parcels}, of them {stored} safe in mailboxes."
            ),
        );
    }
    if let Some(fetched) = view.fetched {
        let (holders, ago) = (view.holders.len(), ago(fetched));
        append(
            &mut text,
            format_args!("\nYour mailboxes are at {holders} nodes; last looked through: {ago}."),
        );
    }
    text
}

fn pinned(pin: &dto::PinnedHolder) -> String {
    let name = pin.contact.as_deref().unwrap_or(&pin.did);
    let says = match pin.state {
        dto::PinState::NotReached => "not reached yet".to_owned(),
        dto::PinState::Accepted => "accepted".to_owned(),
        dto::PinState::NotAllowed => "refused: not allowed (its owner can: `pc2 mailbox serve`)".to_owned(),
        dto::PinState::Refused => {
            format!("refused: {}", pin.why.as_deref().unwrap_or("it did not say why"))
        }
    };
    match pin.answered {
        Some(answered) => format!("{name}  {says}; last answered: {}", ago(answered)),
        None => format!("{name}  {says}"),
    }
}

fn served(one: &dto::ServedPerson) -> String {
    let name = one.contact.as_deref().unwrap_or(&one.did);
    match one.stated {
        Some(stated) => format!(
            "{name}  {} envelopes, {}; last told which are theirs: {}",
            one.envelopes,
            size(one.bytes),
            ago(stated)
        ),
        None => format!("{name}  allowed, and has not pinned this node yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pinned_holder_says_honestly_whether_it_accepts() {
        let pin = |did: &str, state, why: Option<&str>, answered| dto::PinnedHolder {
            did: did.to_owned(),
            contact: None,
            since: 0,
            state,
            why: why.map(str::to_owned),
            answered,
        };
        let served = |did: &str, contact: Option<&str>, stated| dto::ServedPerson {
            did: did.to_owned(),
            contact: contact.map(str::to_owned),
            since: 0,
            stated,
            envelopes: 4,
            bytes: 5_000,
        };
        let view = dto::Mailboxes {
            held: 9,
            held_mailboxes: 2,
            held_bytes: 2_048,
            share_bytes: 256 << 20,
            parcels: 0,
            stored: 0,
            holders: Vec::new(),
            fetched: None,
            pinned: vec![
                pin("did:a", dto::PinState::NotReached, None, None),
                pin("did:b", dto::PinState::Accepted, None, Some(0)),
                pin("did:c", dto::PinState::NotAllowed, None, Some(0)),
                pin("did:d", dto::PinState::Refused, Some("keeps no mailboxes for others"), Some(0)),
            ],
            pinned_most: 3,
            serving: vec![served("did:e", Some("Eve"), Some(0)), served("did:f", None, None)],
        };
        let text = mailboxes(&view);
        for expected in [
            "Kept here for others: 9 envelopes in 2 mailboxes, 2 KiB of 256 MiB.",
            "  Eve  4 envelopes, 4 KiB; last told which are theirs: ",
            "  did:f  allowed, and has not pinned this node yet",
            "  did:a  not reached yet\n",
            "  did:b  accepted; last answered: ",
            "  did:c  refused: not allowed (",
            "  did:d  refused: keeps no mailboxes for others; last answered: ",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        let nothing = dto::Mailboxes { pinned: Vec::new(), serving: Vec::new(), ..view };
        assert_eq!(mailboxes(&nothing).lines().count(), 1);
    }
}
