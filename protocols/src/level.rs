//! How much a node does for the network: the participation level.
//!
//! In: a person's choice, or what the node found out about how it is reached. Out: the level that stands in its card. Not here: the rules by
//! which `auto` decides ([`crate::relay`]), and what each level does (the machines).

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a node does for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// 1: looks up only and stores nothing.
    Client,
    /// 2: keeps records and mailboxes, and answers queries.
    Participant,
    /// 3: also relays for nodes that cannot be reached.
    Relay,
    /// 4: also a way into the network for others. Only a person chooses it.
    Supernode,
}

impl Level {
    /// As cards write it, 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Client => 1,
            Self::Participant => 2,
            Self::Relay => 3,
            Self::Supernode => 4,
        }
    }

    /// The level of a number from 1 to 4.
    #[must_use]
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Client),
            2 => Some(Self::Participant),
            3 => Some(Self::Relay),
            4 => Some(Self::Supernode),
            _ => None,
        }
    }

    /// Whether it keeps records and mailboxes for others, and so belongs into routing tables.
    #[must_use]
    pub const fn keeps(self) -> bool {
        !matches!(self, Self::Client)
    }

    /// Whether it relays.
    #[must_use]
    pub const fn relays(self) -> bool {
        matches!(self, Self::Relay | Self::Supernode)
    }
}

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LevelChoice {
    /// The node decides between 2 and 3 by how it is reached.
    #[default]
    Auto,
    /// This one, whatever the network is like.
    Fixed(Level),
}

/// Why a text is no choice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a level is auto, 1, 2, 3 or 4")]
pub struct BadLevel;

impl FromStr for LevelChoice {
    type Err = BadLevel;

    fn from_str(text: &str) -> Result<Self, BadLevel> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().ok().and_then(Level::of).map(Self::Fixed).ok_or(BadLevel)
    }
}

impl fmt::Display for LevelChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(level) => write!(f, "{}", level.number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_written_as_people_write_it() {
        for text in ["auto", "1", "2", "3", "4"] {
            assert_eq!(text.parse::<LevelChoice>().map(|choice| choice.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "0", "5", "Auto", "2 "] {
            assert_eq!(text.parse::<LevelChoice>(), Err(BadLevel), "{text}");
        }
    }
}
