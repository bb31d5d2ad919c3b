//! Answers of the local API as text for people at a terminal. Pure: values in, text out.

mod access;
mod files;
mod mailbox;
mod network;
mod told;
mod wasm;

pub(crate) use access::{keys, wallet, wallets};
pub(crate) use files::{amount, is_over, label, settings, short, transfer, transfers};
pub(crate) use mailbox::mailboxes;
pub(crate) use network::{network, reach, shares};
pub(crate) use told::{receipts, timer, told};
pub(crate) use wasm::{app, apps, result};

use pc2_web::dto;
use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// `pc2 name`.
pub(crate) fn name(name: &str) -> String {
    if name.is_empty() {
        "No name is set. Set one with: pc2 name \"Your name\"".to_owned()
    } else {
        name.to_owned()
    }
}

/// `pc2 contact list`.
pub(crate) fn contacts(list: &dto::ContactList) -> String {
    if list.items.is_empty() {
        return "Nobody yet. Add somebody with `pc2 contact add DID`, or make an invitation with `pc2 invite`.".to_owned();
    }
    list.items.iter().map(contact_line).collect::<Vec<_>>().join("\n")
}

fn contact_line(contact: &dto::Contact) -> String {
    let how = match contact.standing {
        dto::Standing::Accepted if contact.online => "online".to_owned(),
        dto::Standing::Accepted => "offline".to_owned(),
        dto::Standing::Requested => "asked, no answer yet".to_owned(),
        dto::Standing::Asking => "asks to become a contact: pc2 contact accept".to_owned(),
        dto::Standing::Blocked => "blocked".to_owned(),
    };
    let mut line = format!("{}  ({how}", contact.label);
    if contact.unread > 0 {
        append(&mut line, format_args!(", {} unread", contact.unread));
    }
    if contact.waiting > 0 {
        append(&mut line, format_args!(", {} waiting", contact.waiting));
    }
    append(&mut line, format_args!(")\n    {}", contact.did));
    line
}

/// The outcome of a command about one person.
pub(crate) fn standing(contact: &dto::Contact) -> String {
    let who = &contact.label;
    match contact.standing {
        dto::Standing::Requested => {
            format!("{who} has been asked; the request is delivered when their node is found.")
        }
        dto::Standing::Asking => format!("{who} asks to become a contact."),
        dto::Standing::Accepted => format!("{who} is a contact."),
        dto::Standing::Blocked => format!("{who} is blocked and was not told."),
    }
}

/// The outcome of `pc2 send`.
pub(crate) fn sent(message: &dto::Message) -> String {
    match message.state {
        dto::MessageState::Delivered | dto::MessageState::Read => "Delivered.".to_owned(),
        dto::MessageState::NotDelivered => "Could not be delivered.".to_owned(),
        dto::MessageState::Waiting | dto::MessageState::Received => {
            "Kept on this node; delivered as soon as theirs can be reached.".to_owned()
        }
        dto::MessageState::Stored => {
            "Kept for them in mailboxes; they get it when they come online.".to_owned()
        }
    }
}

/// `pc2 chat`.
pub(crate) fn messages(messages: &[dto::Message], people: &dto::ContactList) -> String {
    if messages.is_empty() {
        return "No messages yet.".to_owned();
    }
    let several = messages.iter().any(|message| message.conversation != messages[0].conversation);
    let mut text = String::new();
    let mut conversation = "";
    for message in messages {
        let label = people
            .items
            .iter()
            .find(|contact| contact.did == message.conversation)
            .map_or(message.conversation.as_str(), |contact| contact.label.as_str());
        if several && conversation != message.conversation {
            let gap = if text.is_empty() { "" } else { "\n" };
            append(&mut text, format_args!("{gap}— {label} —\n"));
            conversation = &message.conversation;
        }
        let who = if message.mine { "you" } else { label };
        let state = match message.state {
            dto::MessageState::Waiting => "  · waiting",
            dto::MessageState::Stored => "  · in their mailbox",
            dto::MessageState::Delivered => "  · delivered",
            dto::MessageState::Read => "  · read",
            dto::MessageState::NotDelivered => "  · not delivered",
            dto::MessageState::Received => "",
        };
        let said = match &message.body {
            dto::MessageBody::Text if message.deleted => "(deleted)".to_owned(),
            dto::MessageBody::Text if message.edited_at.is_some() => {
                format!("{}  (edited)", printable(&message.text))
            }
            dto::MessageBody::Text => printable(&message.text),
            dto::MessageBody::File { name, what, size, files, .. } => {
                files::offered(name, *what, *size, *files)
            }
            dto::MessageBody::Timer { seconds: Some(seconds) } => {
                format!("(new messages disappear after {})", told::lasting(*seconds))
            }
            dto::MessageBody::Timer { seconds: None } => "(new messages stay)".to_owned(),
        };
        append(&mut text, format_args!("{}  {who}: {said}{state}\n", ago(message.at)));
    }
    text.trim_end().to_owned()
}

/// A peer's text cannot steer the terminal: control characters but line breaks are shown as a replacement.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// `pc2 invite`.
pub(crate) fn invitation(invitation: &dto::Invitation, qr: bool) -> String {
    let mut text = format!(
        "Whoever opens this link in their PC2 within 7 days becomes your contact (it works once):\n\n{}\n",
        invitation.link
    );
    if qr {
        match qrcode::QrCode::new(invitation.link.as_bytes()) {
            Ok(code) => {
                let picture = code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build();
                append(&mut text, format_args!("\n{picture}\n"));
            }
            Err(_) => text.push_str("\n(The link is too long for a QR code.)\n"),
        }
    }
    text.trim_end().to_owned()
}

/// How long ago, in the largest fitting unit.
fn ago(at_millis: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at_millis);
    let seconds = SystemTime::now().duration_since(at).unwrap_or_default().as_secs();
    match seconds {
        0..60 => "now".to_owned(),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\nc");
    }
}
