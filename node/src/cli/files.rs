//! The words about files: sending, transfers, sizes.

use clap::{Args, Subcommand};
use std::{path::PathBuf, str::FromStr};

#[derive(Debug, Subcommand)]
pub(crate) enum FileCommand {
    /// Offer files or folders to a contact, and show how they go out. Several are offered together. They stay where they are.
    Send(SendFileArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SendFileArgs {
    /// The recipient's DID, or the name you gave them.
    pub(crate) to: String,
    /// Files and folders.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Return as soon as it is offered; it goes on by itself (`pc2 transfers` shows it).
    #[arg(long)]
    pub(crate) detach: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TransfersArgs {
    /// Those that have ended, too.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(subcommand)]
    pub(crate) command: Option<TransferCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TransferCommand {
    /// Receive what is offered.
    Accept {
        /// Which: the beginning of its id.
        id: String,
        /// The folder to receive into [default: Downloads in the data directory].
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// Not want what is offered.
    Decline {
        /// Which: the beginning of its id.
        id: String,
    },
    /// Receive it later; what is here stays.
    Pause {
        /// Which: the beginning of its id.
        id: String,
    },
    /// Go on receiving it.
    Resume {
        /// Which: the beginning of its id.
        id: String,
    },
    /// Want it no longer; take back what you offered.
    Cancel {
        /// Which: the beginning of its id.
        id: String,
    },
    /// Try again what failed.
    Retry {
        /// Which: the beginning of its id.
        id: String,
    },
    /// Accept files of a contact without asking, up to a size.
    Auto {
        /// DID or name.
        who: String,
        /// Up to how much, e.g. 10M (K, M, G and T count in 1024); off: ask again.
        #[arg(value_name = "SIZE|off")]
        size: Amount,
    },
    /// Show or set how fast files may be transferred, all together.
    Rate {
        /// Received in a second, e.g. 10M; off: as fast as it goes.
        #[arg(long, value_name = "SIZE|off")]
        down: Option<Amount>,
        /// Sent in a second.
        #[arg(long, value_name = "SIZE|off")]
        up: Option<Amount>,
    },
}

/// A number of bytes as people write it, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// None.
    Off,
    /// So many.
    Bytes(u64),
}

impl Amount {
    /// The bytes, if there are any.
    pub(crate) const fn bytes(self) -> Option<u64> {
        match self {
            Self::Off => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no size; write e.g. 500K, 10M, 1.5G, or off");
        let lower = text.trim().to_ascii_lowercase();
        if lower == "off" {
            return Ok(Self::Off);
        }
        let number_ends = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
        let (number, unit) = lower.split_at(number_ends);
        let unit = unit.trim().trim_end_matches("/s").trim_end_matches('b').trim_end_matches('i');
        let power = match unit {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            _ => return Err(wrong()),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || whole.len() > 19 || part.len() > 9 || part.contains('.') {
            return Err(wrong());
        }
        let count =
            |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<u64>().map_err(|_| wrong()) };
        let tens = 10_u64.pow(u32::try_from(part.len()).map_err(|_| wrong())?);
        let whole = count(whole)?.checked_mul(1 << power).ok_or_else(wrong)?;
        let part = u128::from(count(part)?) * (1 << power) / u128::from(tens);
        let part = u64::try_from(part).map_err(|_| wrong())?;
        whole.checked_add(part).map(Self::Bytes).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_people_write_it() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1_024),
            ("500k", 500 << 10),
            ("10M", 10 << 20),
            ("10 MiB/s", 10 << 20),
            ("10MB", 10 << 20),
            ("1.5G", 3 << 29),
            ("2T", 2 << 40),
            (" 7 b ", 7),
        ] {
            assert_eq!(text.parse(), Ok(Amount::Bytes(bytes)), "{text}");
        }
        assert_eq!("OFF".parse(), Ok(Amount::Off));
    }

    #[test]
    fn what_is_no_size_is_told_with_an_example() {
        for text in
            ["", "M", "ten", "-1", "1.2.3", "10X", "99999999999999999999", "99999999999T", "1e9", "é", ".5"]
        {
            let error = text.parse::<Amount>().expect_err(text);
            assert!(error.contains("10M"), "{error}");
        }
    }
}
