//! Every JSON type of the API, and nothing else.
//!
//! What comes in is strict: unknown fields are refused. What goes out says `null` rather than leaving a field out; the
//! command line reads it with these same types. The OpenAPI document and the page's TypeScript types are made from these types by the tests of `openapi`.
//! Ids are text as people see them, times are milliseconds since 1970. Conversions are in `convert`.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares types that go out.
macro_rules! out {
    ($($(#[$meta:meta])* pub $kind:ident $name:ident $body:tt)*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub $kind $name $body
    )* };
}

/// Declares types that come in.
macro_rules! incoming {
    ($($(#[$meta:meta])* pub $kind:ident $name:ident $body:tt)*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub $kind $name $body
    )* };
}

mod access;
mod event;
mod files;
mod incoming;
mod network;
mod settings;
mod setup;
mod wasm;

pub use access::{
    AddKey, AddWallet, ChangeWallet, Key, KeyList, NewKey, SecurityEntry, SecurityLog, SecurityWhat,
    SessionList, SignInText, SignedIn, UseWallet, Wallet, WalletList,
};
pub use event::{
    Changed, ContactRemoved, Event, Frame, Hello, MessageGone, MessageStateChange, Profile, TransferRemoved,
};
pub use files::{
    AcceptTransfer, AutoAccept, BlobProof, BlobTrouble, MessageBody, OfferFiles, OfferedKind, SetAuto,
    SetRates, Transfer, TransferDirection, TransferList, TransferSettings, TransferState,
};
pub use incoming::{
    AddContact, EditMessage, PutRecord, Rename, SendMessage, SetChatSettings, SetName, SetReaction,
    SetReceipts, SetTimer, UseLink,
};
pub use network::{
    ConnectionTest, Finding, FindingState, Mailboxes, Mapping, Network, Path, Peer, PinState, PinnedHolder,
    ProbedAddress, Reach, Reachability, Relaying, Reservation, ServedPerson, SetLevel, SetShares, Shares,
    Traffic, TrafficChart, Transport,
};

pub use settings::{ChooseNetwork, NetworkChosen, StartSettings, Storage};
pub use setup::{
    ConfirmPhrase, Hidden, PhraseWords, Proof, RestorePhrase, Restoring, SetPassphrase, SetSetup, Setup,
    SetupStep,
};
pub use wasm::{
    AskWasmLimits, Execute, ExecuteFile, Executed, InstallWasmApp, SetWasmGrant, StartWasmRun, WasmAccess,
    WasmApp, WasmAppList, WasmEnd, WasmFolder, WasmFrame, WasmInput, WasmKind, WasmLimits, WasmNumber,
    WasmOutput, WasmResult, WasmRun, WasmRunList, WasmRunRemoved, WasmRunState, WasmStream, WasmUsage,
};

out! {
    /// What went wrong.
    pub struct Problem {
        /// For programs; never changes its meaning.
        pub code: String,
        /// For people.
        pub message: String,
        /// Of `wasm_limit`: which limit it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub limit: Option<String>,
    }

    /// The node is up.
    pub struct Health {
        /// `ok`, or `degraded` when a part of the node has failed.
        pub status: HealthStatus,
    }

    /// How the node is, in one word.
    #[derive(Copy)]
    pub enum HealthStatus {
        /// Everything works.
        Ok,
        /// A part has failed; `GET /api/doctor` says which.
        Degraded,
    }

    /// Who this node is, for anybody.
    pub struct WhoAmI {
        /// Its DID.
        pub did: String,
        /// The DID without its prefix.
        pub node_id: String,
        /// The same key as libp2p writes it.
        pub peer_id: String,
        /// How the owner calls themselves; may be empty.
        pub name: String,
        /// Of the program.
        pub version: String,
    }

    /// Whether somebody is signed in.
    pub struct Session {
        /// They are.
        pub signed_in: bool,
        /// As what.
        pub role: Option<Role>,
        /// With which wallet, as EIP-55 writes it; `null` for the owner by a link, and for programs.
        pub wallet: Option<String>,
        /// Until when; `null` at the command line.
        pub expires: Option<u64>,
        /// How far events have come: who reads from now on and follows `/ws?after=` this misses nothing. `null` for strangers.
        pub events: Option<u64>,
    }

    /// What somebody is to this node.
    #[derive(Copy)]
    pub enum Role {
        /// Whose node it is.
        Owner,
        /// Looks after the node: sees how it does.
        Admin,
        /// May use what the node offers to people.
        Member,
    }

    /// A link that signs in once.
    pub struct LoginLink {
        /// To be opened in a browser.
        pub url: String,
        /// Until when.
        pub expires: u64,
    }

    /// Who the owner is.
    pub struct Identity {
        /// Their DID.
        pub did: String,
        /// The DID without its prefix.
        pub node_id: String,
        /// The same key as libp2p writes it.
        pub peer_id: String,
        /// How they call themselves; may be empty.
        pub name: String,
        /// Of the program.
        pub version: String,
        /// The identity file is protected by a passphrase.
        pub sealed_identity: bool,
        /// The owner has been through the setup; otherwise the page opens with it.
        pub setup_finished: bool,
    }

    /// Everybody the owner knows, latest entry first.
    pub struct ContactList {
        /// At most 2,000 contacts and 128 requests.
        pub items: Vec<Contact>,
    }

    /// One person.
    pub struct Contact {
        /// Their DID.
        pub did: String,
        /// How the owner stands to them.
        pub standing: Standing,
        /// The owner's name for them.
        pub alias: Option<String>,
        /// Their own name.
        pub name: Option<String>,
        /// What to show: alias, name, or the beginning of the id.
        pub label: String,
        /// They say that they are here. Contacts only.
        pub online: bool,
        /// They are writing to the owner right now. Only if both tell of it.
        pub typing: bool,
        /// Whether they are told what the owner has read, and the owner what they have; `null`: as everybody.
        pub read_receipts: Option<bool>,
        /// What is written from now on disappears so many seconds after it was read, or sent; `null`: it stays.
        pub timer: Option<u32>,
        /// Entries not yet read.
        pub unread: u64,
        /// Own messages that wait.
        pub waiting: u64,
        /// What delivery to them does right now.
        pub delivery: Delivery,
        /// The latest entry.
        pub last: Option<LastEntry>,
        /// Since when they are known.
        pub since: u64,
    }

    /// How the owner stands to a person.
    #[derive(Copy)]
    pub enum Standing {
        /// We asked; they have not answered.
        Requested,
        /// They asked; the owner has not decided.
        Asking,
        /// Contacts.
        Accepted,
        /// Blocked by the owner.
        Blocked,
    }

    /// What delivery to a person does right now.
    #[derive(Copy)]
    pub enum Delivery {
        /// Nothing waits.
        Idle,
        /// On its way.
        Sending,
        /// Their card is being looked up.
        Looking,
        /// No card of theirs was found yet.
        NotFound,
        /// They could not be reached.
        Unreachable,
        /// They have not decided about our request.
        Undecided,
    }

    /// The latest entry of a conversation.
    pub struct LastEntry {
        /// The message.
        pub id: String,
        /// Written by the owner.
        pub mine: bool,
        /// Its beginning; nothing when it was taken back.
        pub preview: String,
        /// Its author has taken it back, or it has had its time.
        pub deleted: bool,
        /// It has had its time: it disappeared.
        pub gone: bool,
        /// When it was written.
        pub at: u64,
    }

    /// What the owner tells contacts of what they do; who does not tell is not told either.
    pub struct ChatSettings {
        /// That messages were read.
        pub read_receipts: bool,
        /// That a message is being written.
        pub typing: bool,
    }

    /// An invitation that works once.
    pub struct Invitation {
        /// `pc2:invite:…`, to be given to one person.
        pub link: String,
        /// Until when.
        pub expires: u64,
    }

    /// A page of a conversation.
    pub struct MessagePage {
        /// Oldest first.
        pub items: Vec<Message>,
        /// Where the page before this one ends; `null` at the beginning of the conversation.
        pub before: Option<String>,
        /// Where the page after this one begins; `null` at the end of the conversation.
        pub after: Option<String>,
    }

    /// Messages that have what was searched for.
    pub struct SearchPage {
        /// Newest first.
        pub items: Vec<SearchHit>,
        /// Where older ones go on; `null` when there are no more.
        pub before: Option<String>,
    }

    /// One of them.
    pub struct SearchHit {
        /// The message.
        pub message: Message,
        /// What it says around the first hit, in pieces.
        pub snippet: Vec<SnippetPiece>,
    }

    /// A piece of what a message says.
    pub struct SnippetPiece {
        /// The piece.
        pub text: String,
        /// It is what was searched for.
        pub hit: bool,
    }

    /// One message.
    pub struct Message {
        /// The message.
        pub id: String,
        /// With whom: their DID.
        pub conversation: String,
        /// Who wrote it.
        pub sender: String,
        /// Written by the owner.
        pub mine: bool,
        /// What it says now; of a file or folder that is offered, its name; nothing when it was taken back.
        pub text: String,
        /// What it is.
        pub body: MessageBody,
        /// The message it answers.
        pub reply_to: Option<String>,
        /// What that says now; `null` when it answers nothing, or something that is not here.
        pub quote: Option<Quote>,
        /// When its author last edited it; `null`: never.
        pub edited_at: Option<u64>,
        /// Its author has taken it back: it says nothing any more.
        pub deleted: bool,
        /// One emoji a person at most.
        pub reactions: Vec<Reaction>,
        /// It disappears so many seconds after it was read, or sent; `null`: it stays.
        pub disappears_after: Option<u32>,
        /// Grows with each edit, reaction and deletion: of two pictures of a message, the higher is the newer.
        pub revision: u32,
        /// How far it has come.
        pub state: MessageState,
        /// When it was written, as people see it.
        pub at: u64,
        /// When it came to be on this disk.
        pub stored: u64,
        /// Sorts a conversation, compared as text.
        pub order: String,
        /// Their history before this message is not what it was.
        pub chain_broken: bool,
    }

    /// What a message answers.
    pub struct Quote {
        /// The message.
        pub id: String,
        /// Written by the owner.
        pub mine: bool,
        /// The beginning of what it says now; nothing when it was taken back.
        pub text: String,
        /// Its author has taken it back.
        pub deleted: bool,
        /// Its place in the conversation.
        pub order: String,
    }

    /// How somebody reacts to a message.
    pub struct Reaction {
        /// One emoji.
        pub emoji: String,
        /// It is the owner's.
        pub mine: bool,
    }

    /// How far a message has come.
    #[derive(Copy)]
    pub enum MessageState {
        /// On this disk, not yet on theirs.
        Waiting,
        /// On theirs.
        Delivered,
        /// They say they read it.
        Read,
        /// Given up.
        NotDelivered,
        /// Theirs, on this disk.
        Received,
        /// Kept for them by enough other nodes, until they fetch it.
        Stored,
    }

    /// How the node is, part by part.
    pub struct Doctor {
        /// Each with what to do if it fails.
        pub checks: Vec<Check>,
    }

    /// One check of the node.
    pub struct Check {
        /// What is checked.
        pub name: String,
        /// It is well.
        pub ok: bool,
        /// What was found.
        pub detail: String,
        /// What to do; `null` when it is well.
        pub advice: Option<String>,
    }

    /// A value that was published.
    pub struct StoredRecord {
        /// Where it lives.
        pub key: String,
        /// Its sequence number.
        pub seq: u64,
        /// How many nodes confirmed it.
        pub holders: u64,
        /// How many were asked.
        pub asked: u64,
    }

    /// A value that was found.
    pub struct Record {
        /// Whose.
        pub did: String,
        /// Which of theirs.
        pub salt: String,
        /// The value.
        pub value: String,
        /// Its sequence number.
        pub seq: u64,
    }

    /// How a person can be reached, as they signed it.
    pub struct Card {
        /// Whose.
        pub did: String,
        /// Where they are.
        pub addresses: Vec<String>,
        /// Participation level, 1 to 4.
        pub level: u8,
    }
}
