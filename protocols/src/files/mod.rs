//! Files: what is larger than a message.
//!
//! The formats: what an offer says ([`offer`]), what is in a collection ([`manifest`]), what nodes say to each other ([`wire`]).
//!
//! Not here: proving and writing groups (`pc2-storage`). Spec: `docs/protocol/files.md`.

pub mod manifest;
pub mod offer;
pub mod wire;
