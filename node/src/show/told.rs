//! What contacts are told, and how long what is written lasts, in words. Pure: values in, text out.

use pc2_web::dto;

/// `pc2 told`.
pub(crate) fn told(settings: &dto::ChatSettings) -> String {
    let say = |on| if on { "are told" } else { "are not told" };
    format!(
        "Your contacts {} that you read their messages, and {} that you are writing.",
        say(settings.read_receipts),
        say(settings.typing)
    )
}

/// `pc2 contact receipts`.
pub(crate) fn receipts(contact: &dto::Contact) -> String {
    let who = &contact.label;
    match contact.read_receipts {
        Some(true) => format!("{who} is told that you read their messages."),
        Some(false) => format!("{who} is not told that you read their messages."),
        None => format!("{who} is told what everybody is told: `pc2 told` shows it."),
    }
}

/// `pc2 contact timer`.
pub(crate) fn timer(contact: &dto::Contact) -> String {
    let who = &contact.label;
    match contact.timer {
        Some(seconds) => {
            let time = lasting(seconds);
            format!(
                "What you and {who} write disappears: yours {time} after it was sent, theirs {time} after you read it."
            )
        }
        None => format!("What you and {who} write stays."),
    }
}

/// A time in its largest whole unit.
pub(super) fn lasting(seconds: u32) -> String {
    let units = [("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60)];
    let (unit, size) =
        units.into_iter().find(|(_, size)| seconds.is_multiple_of(*size)).unwrap_or(("second", 1));
    let count = seconds / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_largest_whole_unit() {
        for (seconds, shown) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (300, "5 minutes"),
            (86_400, "1 day"),
            (2_419_200, "4 weeks"),
        ] {
            assert_eq!(lasting(seconds), shown);
        }
    }
}
