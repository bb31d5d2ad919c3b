//! Seeded worlds of PC2 machines, the benchmarks, and the torture of real processes.
//!
//! [`mailbox`]: people who are offline, and holders that come and go. [`messenger`]: people who talk while everything goes wrong. [`records`]: record machines find each other's cards
//! while the network misbehaves.

pub mod mailbox;
pub mod messenger;
pub mod records;
