//! What the server asks of the program that put the node together: its identity file, the recovery phrase, and how far its setup is.
//!
//! The server decides who may ask and when; a [`Keeper`] reads and writes files. Every change is on disk when it returns. Calls may block (a passphrase
//! takes half a second and 64 MiB by intent), so [`crate::api::setup`] makes them on a blocking thread, one at a time.

use crate::{dto::SetupStep, secret::NoRandomness};
use pc2_protocols::crypto::phrase::Phrase;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many words of the phrase are asked back.
pub const ASKED_WORDS: usize = 3;

/// How far the setup of a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetupState {
    /// The owner has chosen; the page opens on the desktop.
    pub finished: bool,
    /// Where the wizard stands.
    pub step: SetupStep,
    /// The owner has shown that they wrote the phrase down, or typed it in.
    pub confirmed: bool,
    /// Which words are asked back, counted from 1.
    pub asks: [u8; ASKED_WORDS],
    /// A restore was wished for, but the identity that was here had been used meanwhile: it stayed.
    pub stayed: bool,
}

/// The browser that stays signed in while another identity takes the place of the fresh one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedSession {
    /// Hash of its secret.
    pub token_hash: [u8; 32],
    /// What the browser calls itself.
    pub label: String,
}

/// What is chosen about the network. What is not there is not chosen: the defaults hold, or what the node was started with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkChoice {
    /// Where other nodes reach this one, as multiaddresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<Vec<String>>,
    /// Nodes to join the network by, as multiaddresses that end in `/p2p/…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Vec<String>>,
    /// Look for nodes in the local network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mdns: Option<bool>,
    /// Ask the router to pass the port on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upnp: Option<bool>,
}

/// Why something was not done. Worded for people.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// No room.
    #[error("the disk is full")]
    DiskFull,
    /// A restore is under way.
    #[error("another identity is being restored already")]
    UnderWay,
    /// The choice makes no sense.
    #[error("{}", .0.join("; "))]
    NoSense(Vec<String>),
    /// It cannot be chosen here.
    #[error("{0} is set where the node is started, in config.toml or after `pc2 up`; change it there")]
    SetAtStart(&'static str),
    /// Anything else; the cause is for the log.
    #[error("{0}")]
    Failed(String),
}

/// What the program keeps. One for each start of the node.
pub trait Keeper: fmt::Debug + Send + Sync {
    /// Whether the identity file opens with a passphrase only.
    fn sealed(&self) -> bool;

    /// Whether a file with the passphrase was named when the node was started.
    fn passphrase_from_file(&self) -> bool;

    /// Whether this passphrase opens the identity file. Slow.
    ///
    /// # Errors
    /// When it could not be tried.
    fn opens(&self, passphrase: &str) -> Result<bool, KeeperError>;

    /// Seals the identity file with a passphrase; `None` lays it open. Slow.
    ///
    /// # Errors
    /// [`KeeperError`]; the file is as it was.
    fn seal(&self, passphrase: Option<&str>) -> Result<(), KeeperError>;

    /// The recovery phrase, if it is kept.
    fn phrase(&self) -> Option<Phrase>;

    /// How far the setup is.
    fn setup(&self) -> SetupState;

    /// It is so far now.
    ///
    /// # Errors
    /// [`KeeperError`]; it is as far as before.
    fn put_setup(&self, state: SetupState) -> Result<(), KeeperError>;

    /// Notes that the identity of this phrase is to take the place of the one here, and has the node started anew, which does it if nobody has used the one
    /// here by then.
    ///
    /// # Errors
    /// [`KeeperError`]; nothing was noted.
    fn replace(&self, phrase: &Phrase, session: Option<CarriedSession>) -> Result<(), KeeperError>;

    /// Notes what is chosen about the network, and has the node started anew with it. What is not named stays. `false`: it was so already, and nothing happens.
    ///
    /// # Errors
    /// [`KeeperError`]; nothing was noted.
    fn choose_network(&self, choice: NetworkChoice) -> Result<bool, KeeperError>;
}

/// Which words of a phrase of so many are asked back, counted from 1.
///
/// # Errors
/// Without randomness.
pub fn draw_asks(words: usize) -> Result<[u8; ASKED_WORDS], NoRandomness> {
    let most = u8::try_from(words).unwrap_or(u8::MAX).max(3);
    let mut places: Vec<u8> = (1..=most).collect();
    let mut random = [0; ASKED_WORDS];
    getrandom::fill(&mut random).map_err(|error| NoRandomness::new(&error))?;
    let mut asks = random.map(|byte| places.swap_remove(usize::from(byte) % places.len()));
    asks.sort_unstable();
    Ok(asks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_different_places_within_the_phrase_are_asked() {
        for words in [12, 24] {
            for _ in 0..200 {
                let [one, two, three] = draw_asks(words).expect("randomness");
                assert!(1 <= one && one < two && two < three && usize::from(three) <= words);
            }
        }
    }
}
