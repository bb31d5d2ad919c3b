//! The setup of a node, and what its owner alone is told of the identity file.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// A text that nobody is to see by accident: not in `Debug`, wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// The text.
    #[must_use]
    pub fn show(&self) -> &str {
        &self.0
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

out! {
    /// How far the setup of this node is.
    pub struct Setup {
        /// It is over; the page opens on the desktop.
        pub finished: bool,
        /// Where the wizard stands.
        pub step: SetupStep,
        /// Whose node it is.
        pub did: String,
        /// Another identity may take the place of this one: the setup is not over, and nothing was done with this one yet.
        pub replaceable: bool,
        /// A restore was asked for, but the identity here had been used by then, and stayed.
        pub stayed: bool,
        /// The recovery phrase is kept on this node, sealed, and can be shown.
        pub phrase_kept: bool,
        /// The owner has shown that they wrote it down.
        pub phrase_confirmed: bool,
        /// Which of its words are asked back, counted from 1.
        pub asks: Vec<u8>,
        /// The identity file is protected by a passphrase.
        pub sealed: bool,
        /// The node was told at its start in which file its passphrase stands.
        pub passphrase_from_file: bool,
    }

    /// Where the wizard stands.
    #[derive(Copy)]
    pub enum SetupStep {
        /// A new identity or one that there is.
        Choose,
        /// Name and level.
        Name,
        /// Whether a passphrase protects the identity file.
        Passphrase,
        /// The phrase is shown, and three words are asked back.
        Phrase,
        /// Everything was asked; the first invitation is at hand.
        Ready,
        /// Over.
        Done,
    }

    /// A recovery phrase.
    pub struct PhraseWords {
        /// Its words, in order: 12 or 24.
        pub words: Vec<String>,
    }

    /// Another identity takes the place of the one here.
    pub struct Restoring {
        /// Which.
        pub did: String,
        /// It is the one that is here: nothing had to be replaced.
        pub same: bool,
    }
}

incoming! {
    /// Where the wizard is to stand; `done` ends it.
    pub struct SetSetup {
        /// The step.
        pub step: SetupStep,
    }

    /// The phrase of an identity that there is.
    pub struct RestorePhrase {
        /// 12 or 24 words.
        pub phrase: Hidden,
    }

    /// That it is the owner who asks, not somebody who found the browser open. Needed once the setup is over: one of the two.
    #[derive(Default)]
    pub struct Proof {
        /// The passphrase of the identity file.
        #[serde(default)]
        pub passphrase: Option<Hidden>,
        /// A fresh one-time link (`pc2 login-link`), or its secret; it is used up.
        #[serde(default)]
        pub link: Option<Hidden>,
    }

    /// Words of the phrase, as the owner wrote them down.
    pub struct ConfirmPhrase {
        /// One for each that is asked, in that order.
        pub words: Vec<Hidden>,
    }

    /// Another passphrase for the identity file.
    pub struct SetPassphrase {
        /// 8 to 1,000 characters; `null` lays the file open.
        pub passphrase: Option<Hidden>,
        /// That it is the owner who asks.
        #[serde(default)]
        pub proof: Proof,
    }
}
