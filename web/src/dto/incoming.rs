//! What callers send. Strict: a field that is not known is refused, so that a typing mistake is not a silent wish.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

incoming! {
    /// The secret of a one-time link.
    pub struct UseLink {
        /// As it stands in the link.
        pub token: String,
    }

    /// Change of the owner's profile.
    pub struct SetName {
        /// How they call themselves; at most 100 bytes.
        pub name: String,
    }

    /// Whom to ask to become a contact: by DID or by invitation, one of the two.
    pub struct AddContact {
        /// `did:boson:…`
        #[serde(default)]
        pub did: Option<String>,
        /// `pc2:invite:…`
        #[serde(default)]
        pub invitation: Option<String>,
        /// The owner's name for them; at most 100 bytes.
        #[serde(default)]
        pub alias: Option<String>,
        /// What they see with the request; at most 1,000 bytes.
        #[serde(default)]
        pub text: Option<String>,
    }

    /// The owner's name for a person.
    pub struct Rename {
        /// `null` takes it away.
        pub alias: Option<String>,
    }

    /// Whether a person is told what the owner has read.
    pub struct SetReceipts {
        /// `null`: as everybody.
        pub read_receipts: Option<bool>,
    }

    /// A message to be sent.
    pub struct SendMessage {
        /// The message's name, chosen at random: 16 bytes in Base58, or a UUID. The same name is the same message.
        pub client_id: String,
        /// What it says; at most 16 KiB.
        pub text: String,
        /// The message it answers.
        #[serde(default)]
        pub reply_to: Option<String>,
    }

    /// New text for a message of the owner's.
    pub struct EditMessage {
        /// What it says from now on; at most 16 KiB.
        pub text: String,
    }

    /// How the owner reacts to a message.
    pub struct SetReaction {
        /// One emoji; `null` takes it back.
        pub emoji: Option<String>,
    }

    /// What the owner tells contacts of what they do.
    pub struct SetChatSettings {
        /// That messages were read.
        pub read_receipts: bool,
        /// That a message is being written.
        pub typing: bool,
    }

    /// How long messages of a conversation last.
    pub struct SetTimer {
        /// The name of the message that says so, chosen at random: 16 bytes in Base58, or a UUID. The same name is the same message.
        pub client_id: String,
        /// Seconds after a message was read, or sent, 1 to 31,536,000; `null`: they stay.
        pub seconds: Option<u32>,
    }

    /// A value to be published.
    pub struct PutRecord {
        /// The value; at most 7.5 KiB.
        pub value: String,
        /// It replaces the value with this number and no other.
        #[serde(default)]
        pub expected_seq: Option<u64>,
    }
}
