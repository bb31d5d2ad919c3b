//! Large worlds of record machines: do friends find each other when a quarter dies, when half of the network lies, when sybils crowd round a key?
//!
//! In: a [`Scale`]: how many nodes, which seed. Out: [`Figures`] of three worlds ([`everyday`], [`half_hostile`], [`sybils`]), and from them a
//! report for people ([`report`]) with pictures ([`svg`]). The machine is the real one (`pc2_protocols::dht::Dht`); the promises that must hold in
//! every world are [`Figures::broken`].
//!
//! **What is modelled.** Routing is no oracle: each node has a table of its own (k = 20 for each distance, two of a prefix at most), filled only by
//! connections that stood, kept over restarts, refreshed by walking through its neighbourhood every quarter of an hour. The nodes closest to a key are
//! found by a walk over these tables by three disjoint paths, as libp2p does it ([`walk`]). A killed node is silent: requests to it time out, a
//! walk that has one among its nearest takes its whole ten seconds, and those connected with it notice after 25 s. Hostile nodes
//! know each other, answer walks with the twenty of themselves that are nearest, and lie about records. Sybils are made by really trying keys.
//! Times and limits of the driver are those in `pc2-actors`, `net/limits.rs`.
//!
//! **What is not.** A walk looks at all tables in the moment it begins, and only its answer takes time. Nothing is lost, doubled or reordered (the
//! small worlds in [`super`] do that), nobody is behind NAT, bandwidth is free. The driver's punishment of liars (shut out after ten offences) is left out,
//! so liars are treated better than they would be. Hostile nodes do not forge addresses, flood, or choose when to lie. The bytes of
//! a walk are an estimate.

pub mod figures;
mod hostile;
mod net;
mod node;
pub mod report;
mod story;
pub mod svg;
mod table;
mod walk;
mod world;

pub use figures::Figures;
pub use story::{everyday, half_hostile, sybils};

/// How large a world is and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Nodes that join.
    pub nodes: usize,
    /// Everything else follows from it.
    pub seed: u64,
    /// How long nodes come and go. From [`Scale::LONG`] on the hostile worlds go on as well, until owners refreshed and old leases ended.
    pub hours: u64,
}

impl Scale {
    /// Hours from which on a world is a long one: longer than an owner waits between two refreshes.
    pub const LONG: u64 = 9;

    const fn long(self) -> bool {
        self.hours >= Self::LONG
    }

    /// Lookups in a large round: two of each node, within reason.
    const fn questions(self) -> usize {
        let twice = self.nodes * 2;
        if twice > 4_000 { 4_000 } else { twice }
    }

    /// Victims of each set of sybils.
    const fn victims(self) -> usize {
        if self.nodes < 400 { 1 } else { 4 }
    }

    /// Friends that look up each victim at a time: 200 lookups of each set of sybils, within reason.
    const fn readers(self) -> usize {
        if self.nodes < 400 { 20 } else { 50 }
    }
}

#[cfg(test)]
mod tests;
