//! Worlds of PC2 machines, made from a seed: everything that can go wrong goes wrong, and the promises are checked.
//!
//! Nothing imports this crate; it is run by tests, benchmarks and by hand.

pub mod messenger;
