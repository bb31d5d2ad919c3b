//! The network as this node sees it, what it does for others, and whether the node is up.

use super::mailboxes;
use crate::{
    answer,
    app::App,
    convert, doctor, dto,
    problem::Problem,
    request::Call,
    roles::{Area, Caller},
};
use pc2_actors::api::{Path, PeerView, RelayingView, Transport};
use pc2_protocols::{
    id::NodeId,
    level::LevelChoice,
    mailbox,
    net::{Address, Mapping, RelayShare},
    relay::{Command, ReachView, Reachability, Reply, Shares},
};
use std::{collections::BTreeMap, time::Duration};
use warp::{http::StatusCode, reply::Response};

/// What to show for a person.
pub(super) type Labels = BTreeMap<NodeId, String>;

/// `GET /health`: 200 as long as the node answers, with a word on whether all of it works.
pub(crate) async fn health(app: &App, _call: Call) -> Result<Response, Problem> {
    let status = if app.node.has_failed() { dto::HealthStatus::Degraded } else { dto::HealthStatus::Ok };
    Ok(answer::json(StatusCode::OK, &dto::Health { status }))
}

/// `GET /api/network`. Who of them is a contact, and whom the owner pinned or serves, is told to those who may know.
pub(crate) async fn show(app: &App, call: Call) -> Result<Response, Problem> {
    let view = app.node.network().await?;
    let reach = reached(app, Command::Show).await?;
    let mailboxes = mailboxes::view(app, mailbox::Command::Show).await?;
    let labels = labels(app, &call.caller).await?;
    let mut network = dto::Network {
        reach: reach_shown(reach, &labels),
        listening: texts(&view.listening),
        addresses: texts(&view.addresses),
        peers: view.peers.into_iter().map(|peer| peer_shown(peer, &labels)).collect(),
        relaying: relaying_shown(&view.relaying),
        mailboxes: mailboxes::shown(&mailboxes, &labels),
    };
    if !call.caller.sees(Area::Lending) {
        network.mailboxes.pinned.clear();
        network.mailboxes.serving.clear();
    }
    Ok(answer::json(StatusCode::OK, &network))
}

/// `GET /api/network/level`: of the network only how this node is reached.
pub(crate) async fn level(app: &App, call: Call) -> Result<Response, Problem> {
    let reach = reached(app, Command::Show).await?;
    Ok(answer::json(StatusCode::OK, &reach_shown(reach, &labels(app, &call.caller).await?)))
}

/// `PUT /api/network/level`.
pub(crate) async fn set_level(app: &App, call: Call) -> Result<Response, Problem> {
    let dto::SetLevel { level } = call.json()?;
    let choice: LevelChoice = level.parse().map_err(Problem::bad_request)?;
    changed(app, &call.caller, Command::SetLevel { choice }).await
}

/// `PUT /api/network/shares`.
pub(crate) async fn set_shares(app: &App, call: Call) -> Result<Response, Problem> {
    let wanted: dto::SetShares = call.json()?;
    let Shares { relay, mailbox_bytes } = reached(app, Command::Show).await?.shares;
    let shares = Shares {
        relay: RelayShare {
            reservations: wanted.reservations.unwrap_or(relay.reservations),
            circuits: wanted.circuits.unwrap_or(relay.circuits),
            circuit_bytes: wanted.circuit_bytes.unwrap_or(relay.circuit_bytes),
            circuit_seconds: wanted.circuit_seconds.unwrap_or(relay.circuit_seconds),
            bytes_per_second: wanted.bytes_per_second.unwrap_or(relay.bytes_per_second),
        },
        mailbox_bytes: wanted.mailbox_bytes.unwrap_or(mailbox_bytes),
    };
    changed(app, &call.caller, Command::SetShares { shares }).await
}

/// `GET /api/doctor`.
pub(crate) async fn doctor(app: &App, _call: Call) -> Result<Response, Problem> {
    let asked = app.node.relay(Command::Show);
    let (health, network, reach) = futures::join!(app.node.health(), app.node.network(), asked);
    // A part that does not answer is among the checks of health already.
    let reach = reach.ok().map(|Reply::Shown(view)| *view);
    let checks = doctor::checks(&health, network.ok().as_ref(), reach.as_ref());
    Ok(answer::json(StatusCode::OK, &dto::Doctor { checks }))
}

pub(super) async fn reached(app: &App, command: Command) -> Result<ReachView, Problem> {
    let Reply::Shown(view) = app.node.relay(command).await?;
    Ok(*view)
}

async fn changed(app: &App, caller: &Caller, command: Command) -> Result<Response, Problem> {
    let reach = reached(app, command).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &reach_shown(reach, &labels(app, caller).await?)))
}

/// What contacts are called: for those who may know who is one.
pub(super) async fn labels(app: &App, caller: &Caller) -> Result<Labels, Problem> {
    if !caller.sees(Area::Chat) {
        return Ok(Labels::new());
    }
    Ok(super::contacts::contacts(app).await?.into_iter().map(convert::contact_label).collect())
}

fn peer_shown(peer: PeerView, labels: &Labels) -> dto::Peer {
    let (path, relay) = match peer.path {
        Path::Direct => (dto::Path::Direct, None),
        Path::Punched => (dto::Path::Punched, None),
        Path::Relayed { by } => (dto::Path::Relayed, Some(by)),
    };
    dto::Peer {
        did: peer.node.did().to_string(),
        contact: labels.get(&peer.node).cloned(),
        path,
        relayed_by: relay.map(|node| node.did().to_string()),
        address: peer.address.to_string(),
        transport: match peer.transport {
            Transport::Quic => dto::Transport::Quic,
            Transport::Tcp => dto::Transport::Tcp,
        },
        latency_ms: peer.latency.map(millis),
        since: peer.since.0,
        path_since: peer.path_since.0,
        bytes_in: peer.bytes_in,
        bytes_out: peer.bytes_out,
        common_bits: peer.place.common_bits,
        turn: peer.place.turn,
    }
}

fn reach_shown(view: ReachView, labels: &Labels) -> dto::Reach {
    let reservation = |place: pc2_protocols::relay::Reservation| dto::Reservation {
        did: place.relay.did().to_string(),
        contact: labels.get(&place.relay).cloned(),
        latency_ms: place.latency.map(millis),
        addresses: texts(&place.addresses),
        since: place.since.map(|since| since.0),
    };
    let Shares { relay, mailbox_bytes } = view.shares;
    dto::Reach {
        choice: view.choice.to_string(),
        level: view.level.number(),
        why: view.why,
        reachability: match view.reachability {
            Reachability::Unknown => dto::Reachability::Unknown,
            Reachability::Public => dto::Reachability::Public,
            Reachability::Relayed => dto::Reachability::Relayed,
            Reachability::Private => dto::Reachability::Private,
        },
        mapping: match view.mapping {
            Mapping::Unknown => dto::Mapping::Unknown,
            Mapping::None => dto::Mapping::None,
            Mapping::Same => dto::Mapping::Same,
            Mapping::PerDestination => dto::Mapping::PerDestination,
        },
        probed: view
            .probed
            .into_iter()
            .map(|probed| dto::ProbedAddress {
                address: probed.address.to_string(),
                reachable: probed.reachable,
                at: probed.at.0,
            })
            .collect(),
        mapped: texts(&view.mapped),
        reservations: view.reservations.into_iter().map(reservation).collect(),
        shares: dto::Shares {
            reservations: relay.reservations,
            circuits: relay.circuits,
            circuit_bytes: relay.circuit_bytes,
            circuit_seconds: relay.circuit_seconds,
            bytes_per_second: relay.bytes_per_second,
            mailbox_bytes,
        },
    }
}

fn relaying_shown(view: &RelayingView) -> dto::Relaying {
    dto::Relaying {
        on: view.share.is_some(),
        reservations: view.reservations as u64,
        circuits: view.circuits as u64,
        served: view.served,
        refused: view.refused,
    }
}

fn millis(latency: Duration) -> u64 {
    u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)
}

fn texts(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}
