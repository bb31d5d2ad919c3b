//! A seeded world of messengers: people who talk, and everything that goes wrong meanwhile.
//!
//! [`World`](world::World) runs two to four messengers on a virtual clock. Networks lose, delay and part; processes crash and lose
//! what was not durable; machines panic; disks fail; mailboxes are late, forget and repeat; clocks are wrong by up to a day; people ask, accept, block,
//! remove, write, edit and delete at random. Then all faults end, people decide what is open, and the world must come to rest.
//!
//! What must hold is in [`check`]; it is looked at with every durable write and at the end. One seed gives one run:
//! `SEED=7 cargo test -p pc2-simulations messenger` repeats it, `TRACE=1` besides prints every step.
//!
//! In worlds of people who live apart nobody is ever up at the same time as anybody else: all goes through mailboxes.
//!
//! Not here: sockets, sled, MLS (a run with MLS is made with [`keys::Mls`]).

pub mod check;
mod disk;
mod faults;
pub mod keys;
mod mailboxes;
mod network;
mod people;
pub mod terms;
mod trace;
pub mod world;

#[cfg(test)]
mod tests;
