//! Words about people: who is a contact, what they are told, how long what is written to them lasts.

use clap::{Args, Subcommand, ValueEnum};
use pc2_protocols::limits;
use std::str::FromStr;

#[derive(Debug, Subcommand)]
pub(crate) enum ContactCommand {
    /// Ask somebody to become a contact, by DID or invitation link.
    Add {
        /// A DID, or an invitation link (pc2:invite:…).
        who: String,
        /// The name to show for them.
        #[arg(long)]
        name: Option<String>,
        /// A text they see with the request.
        #[arg(long, default_value = "")]
        text: String,
    },
    /// List contacts, requests and blocked people.
    List,
    /// Accept somebody who asked.
    Accept {
        /// DID or name.
        who: String,
    },
    /// Hear nothing more of somebody; they are not told.
    Block {
        /// DID or name.
        who: String,
    },
    /// Undo a block.
    Unblock {
        /// DID or name.
        who: String,
    },
    /// Give a contact a name of your own; without one, take it away.
    Rename {
        /// DID or name.
        who: String,
        /// The new name.
        name: Option<String>,
    },
    /// Show or choose how long what you and somebody write from now on lasts, for both.
    Timer {
        /// DID or name.
        who: String,
        /// How long after it was sent, or read: 30s, 5m, 8h, 1d or 4w, a year at most; off: it stays. Without it the current one is shown.
        #[arg(value_name = "TIME|off")]
        lasts: Option<Lasting>,
    },
    /// Show or choose whether somebody is told that you read their messages, and you that they read yours.
    Receipts {
        /// DID or name.
        who: String,
        /// Without it, what holds is shown.
        told: Option<Tell>,
    },
    /// Forget a contact or a request; history stays.
    Remove {
        /// DID or name.
        who: String,
    },
}

/// What is not named stays as it is.
#[derive(Debug, Default, Args)]
pub(crate) struct ToldArgs {
    /// That you read their messages. For one person: `pc2 contact receipts`.
    #[arg(long, value_name = "on|off")]
    pub(crate) receipts: Option<Switch>,
    /// That you are writing to them.
    #[arg(long, value_name = "on|off")]
    pub(crate) typing: Option<Switch>,
}

/// Whether contacts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// They are.
    On,
    /// They are not.
    Off,
}

impl Switch {
    /// As the API has it.
    pub(crate) const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// Whether one person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tell {
    /// They are.
    On,
    /// They are not.
    Off,
    /// As everybody (`pc2 told`).
    Usual,
}

impl Tell {
    /// As the API has it.
    pub(crate) const fn chosen(self) -> Option<bool> {
        match self {
            Self::On => Some(true),
            Self::Off => Some(false),
            Self::Usual => None,
        }
    }
}

/// How long something lasts, as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// For ever.
    Off,
    /// So many seconds.
    Seconds(u32),
}

impl Lasting {
    /// The seconds, if there is an end.
    pub(crate) const fn seconds(self) -> Option<u32> {
        match self {
            Self::Off => None,
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

impl FromStr for Lasting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is no time; write e.g. 30s, 5m, 8h, 1d, 4w (a year at most), or off");
        let lower = text.trim().to_ascii_lowercase();
        if lower == "off" {
            return Ok(Self::Off);
        }
        let unit_begins = lower.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = lower.split_at(unit_begins);
        let unit = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(wrong()),
        };
        let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
        let possible = |seconds: &u32| (1..=limits::MAX_LASTS_SECS).contains(seconds);
        seconds.filter(possible).map(Self::Seconds).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("8H", 28_800),
            ("1d", 86_400),
            (" 4 w ", 2_419_200),
            ("365d", limits::MAX_LASTS_SECS),
        ] {
            assert_eq!(text.parse(), Ok(Lasting::Seconds(seconds)), "{text}");
        }
        assert_eq!("OFF".parse(), Ok(Lasting::Off));
    }

    #[test]
    fn what_is_no_time_is_told_with_an_example() {
        for text in
            ["", "30", "d", "0s", "-1d", "1.5h", "1y", "366d", "99999999999s", "9999999w", "1d2h", "é"]
        {
            let error = text.parse::<Lasting>().expect_err(text);
            assert!(error.contains("30s"), "{error}");
        }
    }
}
