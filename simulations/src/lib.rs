//! Seeded worlds of PC2 machines, the benchmarks, and the torture of real processes.
//!
//! [`messenger`]: people who talk while everything goes wrong. [`records`]: record machines find each other's cards
//! while the network misbehaves.

pub mod messenger;
pub mod records;
