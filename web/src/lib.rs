//! PC2's HTTP API, events and web page: the only crate that knows HTTP and JSON.
//!
//! In: a running node's [`NodeHandle`](pc2_actors::api::NodeHandle) and where to listen. Out: a [`WebServer`] on which the page, the command line and scripts
//! talk to that node. Start reading at [`server`](crate::serve), then `app` (the way of a request) and `routes` (everything there is).
//!
//! | question | file |
//! |---|---|
//! | may this request be here at all? | `guard` |
//! | who asks? | `auth`, `kept`, `sign_in`, `wallet`, `chains`, `secret` |
//! | may they? | `roles` |
//! | what can be asked? | `routes`, described by `openapi` |
//! | how do the answers look? | `dto`, `convert`, `answer`, `problem` |
//! | who answers? | `api`, `events` over `upgrade`, `doctor`, `assets` |
//! | is there room? | `places` |
//! | who keeps the identity file and the phrase? | `keeper`: the program that put the node together |
//! | who asks the chain of a contract wallet? | `chains`: the same |
//!
//! Not here: what the answers are. Every decision about messages, contacts and records is made behind the handle.

mod answer;
mod api;
mod app;
mod assets;
mod auth;
mod chains;
mod convert;
mod doctor;
pub mod dto;
mod events;
mod guard;
mod keeper;
mod kept;
mod openapi;
mod places;
mod problem;
mod request;
mod roles;
mod routes;
mod secret;
mod server;
mod sign_in;
mod transcript;
mod upgrade;
mod wallet;

pub use app::LoginLink;
pub use chains::{ChainError, ChainNodes, NoChains};
pub use keeper::{ASKED_WORDS, CarriedSession, Keeper, KeeperError, NetworkChoice, SetupState, draw_asks};
pub use secret::NoRandomness;
pub use server::{StartError, WebConfig, WebServer, serve, streams_for};
