//! Routes of the network: how the node is reached, what it lends, mailboxes, records, findings.

use super::{Route, at, by};
use crate::{
    api::{connection, mailboxes, network, records},
    roles::{Access, Area, Deed, Scope},
};
use warp::http::Method;

const LENDING_READ: Access = Access::Has(Scope(Area::Lending, Deed::Read));
const LENDING_WRITE: Access = Access::Has(Scope(Area::Lending, Deed::Write));
const NETWORK_READ: Access = Access::Has(Scope(Area::Network, Deed::Read));
const RECORDS_READ: Access = Access::Has(Scope(Area::Records, Deed::Read));
const RECORDS_WRITE: Access = Access::Has(Scope(Area::Records, Deed::Write));

pub(super) static ROUTES: &[Route] = &[
    at(
        Method::GET,
        "/api/network",
        NETWORK_READ,
        "How the node is reached, connections, mailboxes",
        by!(network::show),
    )
    .gives(200, "Network"),
    at(
        Method::GET,
        "/api/network/traffic",
        NETWORK_READ,
        "What went over the network in the last minute, hour and day",
        by!(connection::traffic),
    )
    .gives(200, "Traffic"),
    at(
        Method::POST,
        "/api/network/test",
        NETWORK_READ,
        "Measure how this node is connected; takes ten seconds at most",
        by!(connection::test),
    )
    .gives(200, "ConnectionTest"),
    at(
        Method::GET,
        "/api/network/level",
        NETWORK_READ,
        "How the node is reached, and what it does for others",
        by!(network::level),
    )
    .gives(200, "Reach"),
    at(
        Method::PUT,
        "/api/network/level",
        LENDING_WRITE,
        "Choose what the node does for others",
        by!(network::set_level),
    )
    .takes("SetLevel")
    .gives(202, "Reach"),
    at(
        Method::PUT,
        "/api/network/shares",
        LENDING_WRITE,
        "Choose what the node lends",
        by!(network::set_shares),
    )
    .takes("SetShares")
    .gives(202, "Reach"),
    at(
        Method::GET,
        "/api/mailboxes",
        LENDING_READ,
        "What mailboxes keep, pinned holders, whom this node serves",
        by!(mailboxes::show),
    )
    .gives(200, "Mailboxes"),
    at(
        Method::PUT,
        "/api/mailboxes/pinned/{did}",
        LENDING_WRITE,
        "Have a node keep the owner's mailboxes for a month",
        by!(mailboxes::pin),
    )
    .gives(202, "Mailboxes"),
    at(Method::DELETE, "/api/mailboxes/pinned/{did}", LENDING_WRITE, "Undo that", by!(mailboxes::unpin))
        .gives(202, "Mailboxes"),
    at(
        Method::PUT,
        "/api/mailboxes/served/{did}",
        LENDING_WRITE,
        "Let a contact pin this node",
        by!(mailboxes::serve),
    )
    .gives(202, "Mailboxes"),
    at(
        Method::DELETE,
        "/api/mailboxes/served/{did}",
        LENDING_WRITE,
        "Let them no longer",
        by!(mailboxes::stop_serving),
    )
    .gives(202, "Mailboxes"),
    at(Method::GET, "/api/doctor", NETWORK_READ, "How the node is, and what to do", by!(network::doctor))
        .gives(200, "Doctor"),
    at(
        Method::PUT,
        "/api/records/{salt}",
        RECORDS_WRITE,
        "Publish a value under the owner's DID",
        by!(records::put),
    )
    .takes("PutRecord")
    .gives(202, "StoredRecord"),
    at(Method::DELETE, "/api/records/{salt}", RECORDS_WRITE, "Withdraw a value", by!(records::delete))
        .gives(202, "StoredRecord"),
    at(Method::GET, "/api/records/{did}/{salt}", RECORDS_READ, "Find a value of somebody", by!(records::get))
        .gives(200, "Record"),
    at(Method::GET, "/api/cards/{did}", RECORDS_READ, "Find how a person can be reached", by!(records::card))
        .gives(200, "Card"),
];
