//! Files and folders that go from one person to another: transfers, settings, and how an offer stands in a conversation.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

out! {
    /// All transfers that are remembered.
    pub struct TransferList {
        /// Those that are being prepared first, then the newest first.
        pub transfers: Vec<Transfer>,
    }

    /// A file or folder on its way, or there.
    pub struct Transfer {
        /// Names it: `out.` or `in.`, the other side's DID, `.` and the offer. To be taken as it is.
        pub id: String,
        /// The other side: their DID.
        pub peer: String,
        /// Which way it goes.
        pub direction: TransferDirection,
        /// The offer, 32 hexadecimal digits: the same bytes as the name of the message that carries it.
        pub offer: String,
        /// What is offered.
        pub what: OfferedKind,
        /// As who offers calls it. No path, and to be shown as a stranger's text.
        pub name: String,
        /// What who offers takes it for, e.g. `image/jpeg`; empty when unknown. To be shown, never obeyed.
        pub mime: String,
        /// Bytes of all files; while it is being prepared, as far as they were found.
        pub size: u64,
        /// How many files.
        pub files: u64,
        /// When it came to be here.
        pub since: u64,
        /// Until when the offer stands; while it is being prepared, as if it were made then.
        pub expires: u64,
        /// When it ended.
        pub ended: Option<u64>,
        /// Where it stands.
        pub state: TransferState,
        /// `transferring`: bytes that are here and proven, or that were sent since the node started. `preparing`: bytes hashed. Received, and in another
        /// state before the end: bytes that are here, as of when it was last looked; nothing if it was not yet.
        pub bytes: Option<u64>,
        /// Received and `done`: where it was put.
        pub path: Option<String>,
        /// `failed`: why, in words for people.
        pub why: Option<String>,
        /// `failed`: whether trying again can help. Otherwise it has to be offered again.
        pub retryable: bool,
    }

    /// Which way a transfer goes.
    #[derive(Copy)]
    pub enum TransferDirection {
        /// Offered to the owner.
        In,
        /// Offered by the owner.
        Out,
    }

    /// What is offered.
    #[derive(Copy)]
    pub enum OfferedKind {
        /// One file.
        File,
        /// A folder, or several files together.
        Folder,
    }

    /// Where a transfer stands.
    #[derive(Copy)]
    pub enum TransferState {
        /// The owner's: it is being read and hashed; nobody was told yet.
        Preparing,
        /// The owner's: about to be offered to them.
        Sending,
        /// The owner's: they have not decided, or are not fetching it at the moment.
        WaitingForThem,
        /// Theirs: the owner has not decided.
        Offered,
        /// Wanted, and not its turn yet.
        Queued,
        /// Bytes flow.
        Transferring,
        /// Wanted, but not now.
        Paused,
        /// Wanted; nobody who has it is there.
        WaitingForPeer,
        /// Wanted; the disk of this node is full. Tried again by itself.
        WaitingForRoom,
        /// Everything is here, and is being put into its place.
        Finishing,
        /// All of it arrived.
        Done,
        /// The one it was offered to does not want it.
        Declined,
        /// Wanted, and then no longer.
        Cancelled,
        /// Taken back by who offered it.
        Withdrawn,
        /// Nobody wanted it in time.
        Expired,
        /// It went wrong.
        Failed,
    }

    /// What holds for transfers from now on.
    pub struct TransferSettings {
        /// Whose offers are accepted without asking.
        pub auto: Vec<AutoAccept>,
        /// Bytes a second that are received, all transfers together; `null`: as fast as it goes.
        pub down: Option<u64>,
        /// Bytes a second that are sent.
        pub up: Option<u64>,
    }

    /// A look at every file that is offered and every part that was received: is it what it was?
    pub struct BlobProof {
        /// It is under way.
        pub running: bool,
        /// Bytes read so far.
        pub bytes: u64,
        /// Files and parts that were looked at; 0 before the end.
        pub blobs: u64,
        /// When it ended.
        pub ended: Option<u64>,
        /// What is not as it was, 1,000 at most.
        pub troubles: Vec<BlobTrouble>,
        /// How many more there are.
        pub more: u64,
        /// Why it could not go on.
        pub failed: Option<String>,
    }

    /// A file that is not what it was.
    pub struct BlobTrouble {
        /// The hash that it had, 64 hexadecimal digits.
        pub blob: String,
        /// Where it is, or was.
        pub path: String,
        /// What is wrong and what to do, in words for people.
        pub what: String,
        /// Nothing is to be done about it.
        pub mended: bool,
    }

    /// Offers of somebody are accepted without asking.
    pub struct AutoAccept {
        /// Whose: their DID.
        pub did: String,
        /// Up to this many bytes.
        pub max_bytes: u64,
    }
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MessageBody {
    /// A text.
    Text,
    /// What is written from then on disappears after a time, or stays. It has no text.
    Timer {
        /// Seconds after a message was read, or sent; `null`: it stays.
        seconds: Option<u32>,
    },
    /// A file or folder is offered.
    File {
        /// The offer, 32 hexadecimal digits.
        offer: String,
        /// The transfer that it is. It may be forgotten already.
        transfer: String,
        /// What is offered.
        what: OfferedKind,
        /// As who offers calls it. No path, and to be shown as a stranger's text.
        name: String,
        /// What who offers takes it for; empty when unknown. To be shown, never obeyed.
        mime: String,
        /// Bytes of all files.
        size: u64,
        /// How many files.
        files: u64,
    },
}

incoming! {
    /// Files and folders of the node's machine to be offered to somebody.
    pub struct OfferFiles {
        /// To whom: the DID of a contact.
        pub to: String,
        /// Absolute paths on the machine of the node. Several of them are offered together, as a folder.
        pub paths: Vec<String>,
    }

    /// How an offer is accepted.
    #[derive(Default)]
    pub struct AcceptTransfer {
        /// The folder to receive into, an absolute path on the machine of the node; `null`: the usual one.
        #[serde(default)]
        pub folder: Option<String>,
    }

    /// Whether offers of somebody are accepted without asking.
    pub struct SetAuto {
        /// Up to how many bytes; `null`: ask.
        pub max_bytes: Option<u64>,
    }

    /// How fast files may be transferred, all together, in bytes a second.
    pub struct SetRates {
        /// Received; `null`: as fast as it goes.
        pub down: Option<u64>,
        /// Sent; `null`: as fast as it goes.
        pub up: Option<u64>,
    }
}
