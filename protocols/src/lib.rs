//! What PC2 nodes say to each other, and how they behave when they hear it.
//!
//! Everything here is a value or a plain state machine: no clock, no sockets, no disk, no threads.
//! Time and randomness are passed in, effects are handed out. So the same code runs in the node, in
//! a unit test, in a seeded simulation of a thousand nodes and under a fuzzer.
//!
//! Read [`machine`] first: it is the shape of every part. Then a domain: [`record`] and [`dht`] for
//! finding people, [`messenger`] for talking to them, [`relay`] for being reached, [`mailbox`] for those who are offline,
//! [`files`] for what is larger than a message. [`id`], [`blob`], [`time`], [`codec`], [`limits`],
//! [`crypto`] and [`net`] are what they share.
//!
//! Not here: libp2p (`pc2-actors`), sled (`pc2-storage`), HTTP and JSON (`pc2-web`).
#![deny(missing_docs)]

mod base58;
pub mod blob;
pub mod codec;
pub mod crypto;
pub mod dht;
pub mod files;
pub mod id;
pub mod identity;
pub mod level;
pub mod limits;
pub mod machine;
pub mod mailbox;
pub mod messenger;
pub mod net;
pub mod record;
pub mod relay;
pub mod time;
pub mod wasm;
