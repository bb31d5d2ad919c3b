//! The web server of a node: what a page that only looks on costs, how soon it hears, and what a small request costs beside other people's servers.
//!
//! `ONLY=web` runs all of it. Not here: what the server refuses (tests of `pc2-web`).

mod clients;
mod cost;
mod latency;
mod sockets;

use crate::Figure;

/// All of it. The second is a table of its own.
pub(crate) fn measure() -> (Vec<Figure>, String) {
    let mut figures = sockets::idle();
    figures.extend(latency::to_the_page());
    (figures, cost::beside_others())
}
