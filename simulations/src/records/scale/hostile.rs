//! Hostile nodes of a large world: what they answer, and how they get near a key.
//!
//! They know each other. Asked for a way, they name the twenty of themselves that are nearest to where somebody wants to go, and nobody else.
//! Asked to keep a record, half of them say they did; asked for one, those say there is none. The other half do worse, by
//! chance at each question: forge, replay the oldest they saw, garble, claim newer ones, keep silent ([`Liar`]).
//!
//! Not here: the honest ones ([`super::node`]).

use super::{
    super::liar::Liar,
    table::{Spot, spot},
};
use pc2_protocols::{
    dht::wire::{Answer, Request},
    id::NodeId,
    record::{Place, Record},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

/// How a hostile node behaves.
#[derive(Debug)]
pub(super) enum Hostile {
    /// Says that it stored everything and has nothing: the way to make a record vanish without being caught.
    Withholds,
    /// Every lie there is.
    Lies(Liar),
}

impl Hostile {
    /// The `n`th one.
    pub(super) fn new(n: usize) -> Self {
        if n.is_multiple_of(2) { Self::Withholds } else { Self::Lies(Liar::default()) }
    }

    /// What it answers. `None`: nothing.
    pub(super) fn answer(&mut self, mood: u64, request: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Lies(liar) => liar.answer(mood, request),
            Self::Withholds => {
                let answer = match Request::decode(request).ok()? {
                    Request::Put { record, .. } => {
                        Answer::Stored { seq: Record::trusted(&record).ok()?.seq() }
                    }
                    Request::Get { .. } => Answer::Nothing { held_seq: None },
                };
                Some(answer.encode())
            }
        }
    }
}

/// Makes node keys until one is nearer to `target` than `within`: what an attacker does, at the real price. Returns how many it took.
pub(super) fn mine(rng: &mut ChaCha20Rng, target: Spot, within: Spot, origin: &Place) -> (NodeId, u64) {
    let mut tries = 0;
    loop {
        tries += 1;
        // A liar signs nothing, so it needs no pair of keys that belong together; making one costs an attacker ten times this.
        let mut id = [0; 32];
        rng.fill_bytes(&mut id);
        let node = NodeId::from_bytes(id);
        if spot(&Place::of_node(node), origin) ^ target < within {
            return (node, tries);
        }
    }
}
