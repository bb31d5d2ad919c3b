//! Transfers as text: a line about one, a table of many. Names are a stranger's text, and are shown as one harmless line.

use super::append;
use pc2_web::dto::{self, TransferDirection, TransferState};
use std::collections::BTreeMap;

/// Digits of an id that are shown: enough to tell some hundreds apart.
const ID_DIGITS: usize = 8;

/// Longest name in a table, in characters.
const NAME_CHARS: usize = 40;

/// What one transfer does now, in a sentence. `rate`: bytes a second, if they flow.
pub(crate) fn transfer(transfer: &dto::Transfer, who: &str, rate: Option<u64>) -> String {
    let (name, who) = (name(transfer), one_line(who));
    let out = transfer.direction == TransferDirection::Out;
    match transfer.state {
        TransferState::Preparing => format!("Hashing: {} · {name}", progress(transfer, rate)),
        TransferState::Sending => format!("Offering {name} to {who}."),
        TransferState::WaitingForThem => format!("Offered {name} to {who}; waiting for them."),
        TransferState::Offered => format!("{who} offers {name}."),
        TransferState::Queued => format!("{name} waits for its turn."),
        // What changes comes first: a narrow terminal cuts the name.
        TransferState::Transferring if out => {
            format!("Sending to {who}: {} · {name}", progress(transfer, rate))
        }
        TransferState::Transferring => {
            format!("Receiving from {who}: {} · {name}", progress(transfer, rate))
        }
        TransferState::Paused => match percent(transfer) {
            Some(done) => format!("{name} is paused at {done}%."),
            None => format!("{name} is paused."),
        },
        TransferState::WaitingForPeer => format!("{name} waits until {who} is online."),
        TransferState::WaitingForRoom => {
            format!("{name} waits for room: the disk of this node is full. It goes on by itself.")
        }
        TransferState::Finishing => format!("All of {name} is here and is being put into its place."),
        TransferState::Done if out => format!("{who} has all of {name}."),
        TransferState::Done => match &transfer.path {
            Some(path) => format!("{name} is here: {}", one_line(path)),
            None => format!("{name} is here."),
        },
        TransferState::Declined if out => format!("{who} does not want {name}."),
        TransferState::Declined => format!("{name} of {who} was declined."),
        TransferState::Cancelled if out => format!("{who} does not want {name} any more."),
        TransferState::Cancelled => format!("{name} was cancelled."),
        TransferState::Withdrawn if out => format!("{name} was taken back."),
        TransferState::Withdrawn => format!("{who} took {name} back."),
        TransferState::Expired => format!("{name} was not taken in time."),
        TransferState::Failed => {
            let why = transfer.why.as_deref().unwrap_or("it was not said why");
            let again = if transfer.retryable {
                format!(" Try again: pc2 transfers retry {}", short(&transfer.offer))
            } else {
                String::new()
            };
            format!("{name} failed: {}.{again}", one_line(why))
        }
    }
}

/// Whether nothing more comes of it.
pub(crate) const fn is_over(state: TransferState) -> bool {
    match state {
        TransferState::Done
        | TransferState::Declined
        | TransferState::Cancelled
        | TransferState::Withdrawn
        | TransferState::Expired
        | TransferState::Failed => true,
        TransferState::Preparing
        | TransferState::Sending
        | TransferState::WaitingForThem
        | TransferState::Offered
        | TransferState::Queued
        | TransferState::Transferring
        | TransferState::Paused
        | TransferState::WaitingForPeer
        | TransferState::WaitingForRoom
        | TransferState::Finishing => false,
    }
}

/// `pc2 transfers`. `rates`: bytes a second of those that flow, by id.
pub(crate) fn transfers(
    list: &dto::TransferList,
    people: &dto::ContactList,
    rates: &BTreeMap<String, u64>,
    all: bool,
) -> String {
    if list.transfers.is_empty() {
        let more = if all { "" } else { " Those that ended: pc2 transfers --all" };
        return format!("No files are on their way.{more}");
    }
    let rows: Vec<[String; 7]> = list
        .transfers
        .iter()
        .map(|one| {
            let way = match one.direction {
                TransferDirection::In => "from",
                TransferDirection::Out => "to",
            };
            let mut state = state(one);
            if let Some(rate) = rates.get(&one.id) {
                append(&mut state, format_args!(", {}/s", amount(*rate)));
            }
            [
                short(&one.offer),
                name(one),
                way.to_owned(),
                one_line(label(&one.peer, people)),
                amount(one.size),
                percent(one).map_or_else(String::new, |percent| format!("{percent}%")),
                state,
            ]
        })
        .collect();
    table(&["ID", "NAME", "", "WHO", "SIZE", "", "STATE"].map(str::to_owned), &rows)
}

/// Rules and rates.
pub(crate) fn settings(settings: &dto::TransferSettings, people: &dto::ContactList) -> String {
    let rate = |rate: Option<u64>| {
        rate.map_or_else(|| "as fast as it goes".to_owned(), |rate| format!("{}/s at most", amount(rate)))
    };
    let mut text = format!("Received: {}. Sent: {}.", rate(settings.down), rate(settings.up));
    if settings.auto.is_empty() {
        text.push_str("\nEvery offer is asked about.");
    }
    for rule in &settings.auto {
        let who = one_line(label(&rule.did, people));
        append(
            &mut text,
            format_args!("\nAccepted without asking: from {who}, up to {}.", amount(rule.max_bytes)),
        );
    }
    text
}

/// What to show for a person.
pub(crate) fn label<'a>(did: &'a str, people: &'a dto::ContactList) -> &'a str {
    people.items.iter().find(|contact| contact.did == did).map_or(did, |contact| contact.label.as_str())
}

/// The beginning of an id.
pub(crate) fn short(offer: &str) -> String {
    offer.chars().take(ID_DIGITS).collect()
}

/// What a message offers.
pub(crate) fn offered(name: &str, what: dto::OfferedKind, size: u64, files: u64) -> String {
    let (name, size) = (one_line(name), amount(size));
    match what {
        dto::OfferedKind::File => format!("[file] {name}, {size}"),
        dto::OfferedKind::Folder => format!("[folder] {name}, {files} files, {size}"),
    }
}

/// Bytes in the largest fitting unit, to a tenth.
pub(crate) fn amount(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (power, unit) in units {
        let one = 1_u64 << power;
        if bytes >= one {
            let tenths = u128::from(bytes) * 10 / u128::from(one);
            return match (tenths / 10, tenths % 10) {
                (whole @ 100.., _) | (whole, 0) => format!("{whole} {unit}"),
                (whole, tenth) => format!("{whole}.{tenth} {unit}"),
            };
        }
    }
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

fn progress(transfer: &dto::Transfer, rate: Option<u64>) -> String {
    let done = transfer.bytes.unwrap_or_default();
    let mut text = match percent(transfer) {
        Some(percent) => format!("{percent}% of {}", amount(transfer.size)),
        None => amount(done),
    };
    if let Some(rate) = rate {
        append(&mut text, format_args!(", {}/s", amount(rate)));
        let left = transfer.size.saturating_sub(done).checked_div(rate);
        if let Some(seconds) = left.filter(|_| transfer.size > 0) {
            append(&mut text, format_args!(", {} left", time(seconds)));
        }
    }
    text
}

fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How much of it, in hundredths; only all of it is all. Resent bytes do not make more than that.
fn percent(transfer: &dto::Transfer) -> Option<u64> {
    let bytes = match transfer.state {
        TransferState::Done => return Some(100),
        _ => transfer.bytes?,
    };
    let hundredths = u128::from(bytes) * 100 / u128::from(transfer.size.max(1));
    u64::try_from(hundredths.min(99)).ok().filter(|_| transfer.size > 0)
}

fn state(transfer: &dto::Transfer) -> String {
    let out = transfer.direction == TransferDirection::Out;
    let text = match transfer.state {
        TransferState::Preparing => "hashing",
        TransferState::Sending => "being offered",
        TransferState::WaitingForThem => "waiting for them",
        TransferState::Offered => "offered: pc2 transfers accept",
        TransferState::Queued => "waiting for its turn",
        TransferState::Transferring if out => "sending",
        TransferState::Transferring => "receiving",
        TransferState::Paused => "paused",
        TransferState::WaitingForPeer => "waiting until they are online",
        TransferState::WaitingForRoom => "waiting for room on the disk",
        TransferState::Finishing => "being put into its place",
        TransferState::Done if out => "they have it",
        TransferState::Done => return transfer.path.as_deref().map_or_else(|| "here".to_owned(), one_line),
        TransferState::Declined => "declined",
        TransferState::Cancelled => "cancelled",
        TransferState::Withdrawn => "taken back",
        TransferState::Expired => "not taken in time",
        TransferState::Failed => {
            return transfer
                .why
                .as_deref()
                .map_or_else(|| "failed".to_owned(), |why| format!("failed: {}", one_line(why)));
        }
    };
    text.to_owned()
}

fn name(transfer: &dto::Transfer) -> String {
    let name = one_line(&transfer.name);
    if name.chars().count() <= NAME_CHARS {
        return name;
    }
    name.chars().take(NAME_CHARS - 1).chain(['…']).collect()
}

/// A stranger's text on one line: nothing in it steers the terminal, breaks the line, or turns the reading direction.
fn one_line(text: &str) -> String {
    let misleads = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if misleads(c) { '\u{fffd}' } else { c }).collect()
}

fn table<const N: usize>(head: &[String; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().chain([head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    });
    let mut text = String::new();
    for row in [head].into_iter().chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            append(&mut line, format_args!("{cell:width$}  "));
        }
        append(&mut text, format_args!("{}\n", line.trim_end()));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(state: TransferState, direction: TransferDirection) -> dto::Transfer {
        dto::Transfer {
            id: "out.did:b.3fa9c1d2".to_owned(),
            peer: "did:b".to_owned(),
            direction,
            offer: "3fa9c1d2e4b5a6978812233445566778".to_owned(),
            what: dto::OfferedKind::File,
            name: "film.mkv".to_owned(),
            mime: String::new(),
            size: 3 << 30,
            files: 1,
            since: 0,
            expires: 1,
            ended: None,
            state,
            bytes: Some(3 << 29),
            path: None,
            why: None,
            retryable: false,
        }
    }

    fn people() -> dto::ContactList {
        let bob = dto::Contact {
            did: "did:b".to_owned(),
            standing: dto::Standing::Accepted,
            alias: None,
            name: None,
            label: "Bob".to_owned(),
            online: true,
            typing: false,
            read_receipts: None,
            timer: None,
            unread: 0,
            waiting: 0,
            delivery: dto::Delivery::Idle,
            last: None,
            since: 0,
        };
        dto::ContactList { items: vec![bob] }
    }

    #[test]
    fn what_flows_says_how_much_how_fast_and_how_long() {
        let sending = example(TransferState::Transferring, TransferDirection::Out);
        assert_eq!(
            transfer(&sending, "Bob", Some(16 << 20)),
            "Sending to Bob: 50% of 3 GiB, 16 MiB/s, 1 min 36 s left · film.mkv"
        );
        assert_eq!(transfer(&sending, "Bob", None), "Sending to Bob: 50% of 3 GiB · film.mkv");
        assert_eq!(transfer(&sending, "Bob", Some(0)), "Sending to Bob: 50% of 3 GiB, 0 bytes/s · film.mkv");
        let hashing = example(TransferState::Preparing, TransferDirection::Out);
        assert!(transfer(&hashing, "Bob", None).starts_with("Hashing: 50%"));
    }

    #[test]
    fn an_end_says_what_became_of_it_and_what_can_be_done() {
        let done = example(TransferState::Done, TransferDirection::Out);
        assert_eq!(transfer(&done, "Bob", None), "Bob has all of film.mkv.");
        let mut here = example(TransferState::Done, TransferDirection::In);
        here.path = Some("/home/a/film.mkv".to_owned());
        assert_eq!(transfer(&here, "Bob", None), "film.mkv is here: /home/a/film.mkv");
        let mut failed = example(TransferState::Failed, TransferDirection::In);
        (failed.why, failed.retryable) = (Some("it could not be written".to_owned()), true);
        let text = transfer(&failed, "Bob", None);
        assert_eq!(text, "film.mkv failed: it could not be written. Try again: pc2 transfers retry 3fa9c1d2");
    }

    #[test]
    fn a_table_has_a_line_for_each_and_a_speed_where_something_flows() {
        let flowing = example(TransferState::Transferring, TransferDirection::Out);
        let offered = example(TransferState::Offered, TransferDirection::In);
        let rates = [(flowing.id.clone(), 2_560 << 10)].into();
        let list = dto::TransferList {
            transfers: vec![flowing, dto::Transfer { id: "x".to_owned(), bytes: None, ..offered }],
        };
        let text = transfers(&list, &people(), &rates, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[1], "3fa9c1d2  film.mkv  to    Bob  3 GiB  50%  sending, 2.5 MiB/s");
        assert_eq!(lines[2], "3fa9c1d2  film.mkv  from  Bob  3 GiB       offered: pc2 transfers accept");
        let nothing = dto::TransferList { transfers: Vec::new() };
        assert!(transfers(&nothing, &people(), &BTreeMap::new(), false).contains("--all"));
    }

    #[test]
    fn a_strangers_name_stays_one_harmless_line() {
        let mut tricky = example(TransferState::Offered, TransferDirection::In);
        tricky.name = format!("a\u{1b}[2J\n\u{202e}gpj.exe{}", "x".repeat(100));
        let text = transfer(&tricky, "B\nob", None);
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
        assert!(text.chars().count() < 70, "{text}");
    }

    #[test]
    fn amounts_are_short_and_never_more_than_there_is() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1_023, "1023 bytes"),
            (1_536, "1.5 KiB"),
            ((1 << 20) - 1, "1023 KiB"),
            (10 << 20, "10 MiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(amount(bytes), text);
        }
        let mut nearly = example(TransferState::Transferring, TransferDirection::In);
        nearly.bytes = Some(nearly.size * 2);
        assert_eq!(percent(&nearly), Some(99));
    }

    #[test]
    fn settings_are_sentences() {
        let set = dto::TransferSettings {
            auto: vec![dto::AutoAccept { did: "did:b".to_owned(), max_bytes: 10 << 20 }],
            down: None,
            up: Some(1 << 20),
        };
        let text = settings(&set, &people());
        assert!(text.contains("Received: as fast as it goes. Sent: 1 MiB/s at most."), "{text}");
        assert!(text.contains("from Bob, up to 10 MiB"), "{text}");
    }
}
