//! Records: what nodes keep for each other in the DHT.
//!
//! In: bytes from a peer or from disk, or what the owner wants said. Out: a [`Record`] whose form and signature hold, or
//! a typed error. A record is signed by its owner, or named by the hash of its own payload; it is
//! verified before it is stored, and replaced only by one that [supersedes](Stamp::against) it.
//!
//! [`Record`] is in `signed`, its fields in `body`, which of two holds in `stamp`, [`Card`] in `card`, where a record lives in `key`. `sealed` and `endpoint` records have
//! their kind numbers reserved ([`Kind`]); a node that does not know a kind refuses it as unsupported, not as garbage.
//! Spec with golden bytes: `docs/protocol/records.md`.
//!
//! Not here: who holds which and how they are found ([`crate::dht`]).

mod body;
mod card;
mod key;
mod signed;
mod stamp;

pub use card::{Card, CardError};
pub use key::{Kind, Place, card_key, hash_key, payload_hash, value_key};
pub use signed::{Draft, Record, RecordError, Untimely};
pub use stamp::{Stamp, Standing};
