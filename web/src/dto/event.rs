//! What the stream of events says: a [`Frame`] for each event.

use super::{Contact, Message, MessageState, Transfer, WasmRun, WasmRunRemoved};
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

out! {
    /// A frame of `/ws`.
    pub struct Frame {
        /// Its number; `after=` goes on behind it. `hello`, `ping` and `resync` carry the number reached so far.
        pub n: u64,
        /// What happened.
        #[serde(flatten)]
        pub event: Event,
    }
}

/// What happened, for everybody who looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The first frame of a connection.
    Hello(Hello),
    /// Nothing, so that silence means a dead line.
    Ping,
    /// A person's entry is now so.
    Contact(Contact),
    /// A person's entry is gone.
    ContactRemoved(ContactRemoved),
    /// A message came to be on this disk, or was edited, taken back or reacted to: it is now so.
    Message(Message),
    /// A message has had its time and is gone.
    MessageGone(MessageGone),
    /// A message of the owner's came further.
    MessageState(MessageStateChange),
    /// A file transfer, or what is being prepared to be offered, is now so. Bytes alone: some times a second at most.
    Transfer(Transfer),
    /// A file transfer is not remembered any more, or its preparation was stopped.
    TransferRemoved(TransferRemoved),
    /// A run of a WASM module or app is now so. For whose it is.
    WasmRun(WasmRun),
    /// A run is not remembered any more.
    WasmRunRemoved(WasmRunRemoved),
    /// Apps were installed or removed, or their grants changed; `GET /api/wasm/apps` has them.
    WasmApps,
    /// The owner's name is now so.
    Profile(Profile),
    /// Connections or addresses changed; `GET /api/network` has the picture.
    Network(Changed),
    /// Something went over the network since `GET /api/network/traffic` was last asked: told once after each time.
    Traffic,
    /// A part of the node failed or recovered; `GET /api/doctor` has the picture.
    Health(Changed),
    /// Somebody signed in or out, or what they may changed; `GET /api/security-log` has what happened. For the owner.
    Doors,
    /// Events were missed: read again what you show.
    Resync,
}

out! {
    /// The beginning of a connection.
    pub struct Hello {
        /// It goes on where the last connection ended, as `after` asked. If it cannot, `resync` follows.
        pub resumed: bool,
    }

    /// Who is gone.
    pub struct ContactRemoved {
        /// Their DID.
        pub did: String,
    }

    /// Which message is gone.
    pub struct MessageGone {
        /// With whom: their DID.
        pub conversation: String,
        /// The message.
        pub id: String,
    }

    /// Which message is in which state now.
    pub struct MessageStateChange {
        /// With whom: their DID.
        pub conversation: String,
        /// The message.
        pub id: String,
        /// Its state.
        pub state: MessageState,
    }

    /// Which transfer is gone.
    pub struct TransferRemoved {
        /// Its id.
        pub id: String,
    }

    /// The owner's profile.
    pub struct Profile {
        /// How they call themselves; may be empty.
        pub name: String,
    }

    /// What changed, in words.
    pub struct Changed {
        /// For people.
        pub what: String,
    }
}
