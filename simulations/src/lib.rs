//! Seeded worlds of PC2 machines, the benchmarks, and the torture of real processes.
//!
//! [`records`]: record machines find each other's cards while the network misbehaves.

pub mod records;
