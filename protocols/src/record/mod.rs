//! Records: what nodes keep for each other in the DHT.
//!
//! A record is signed by its owner (or named by its own hash), verified before it is stored, and replaced only by one that
//! supersedes it. Spec with golden bytes: `docs/protocol/records.md`.
//!
//! Not here: who holds which and how they are found ([`crate::dht`]).

use crate::{
    id::{DeviceId, NodeId},
    net::Address,
};
use serde::{Deserialize, Serialize};

/// Who I am and how to reach me: the payload of a `card` record. Signed by the node with the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Whose card. Equals the record's owner.
    pub node: NodeId,
    /// The device the key package is for.
    pub device: DeviceId,
    /// Last-resort MLS key package.
    pub key_package: serde_bytes::ByteBuf,
    /// Where the node can be reached, best first; at most [`crate::limits::MAX_ADDRESSES`].
    pub addresses: Vec<Address>,
    /// Participation level, 1 to 4.
    pub level: u8,
}
