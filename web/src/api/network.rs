//! The network as this node sees it, and whether the node is up.

use crate::{answer, app::App, convert, doctor, dto, problem::Problem, request::Call};
use pc2_actors::api::{ActorState, Path, PeerView, Transport};
use pc2_protocols::{id::NodeId, net::Address};
use std::collections::BTreeMap;
use warp::{http::StatusCode, reply::Response};

/// `GET /health`: 200 as long as the node answers, with a word on whether all of it works.
pub(crate) async fn health(app: &App, _call: Call) -> Result<Response, Problem> {
    let view = app.node.health().await;
    let failed = view.actors.iter().any(|actor| actor.state == ActorState::Failed);
    let status = if failed { dto::HealthStatus::Degraded } else { dto::HealthStatus::Ok };
    Ok(answer::json(StatusCode::OK, &dto::Health { status }))
}

/// `GET /api/network`.
pub(crate) async fn show(app: &App, _call: Call) -> Result<Response, Problem> {
    let view = app.node.network().await?;
    let labels: BTreeMap<NodeId, String> =
        super::contacts::contacts(app).await?.into_iter().map(convert::contact_label).collect();
    let peers = view.peers.into_iter().map(|peer| shown(peer, &labels)).collect();
    let network =
        dto::Network { listening: texts(&view.listening), addresses: texts(&view.addresses), peers };
    Ok(answer::json(StatusCode::OK, &network))
}

/// `GET /api/doctor`.
pub(crate) async fn doctor(app: &App, _call: Call) -> Result<Response, Problem> {
    let (health, network) = futures::join!(app.node.health(), app.node.network());
    Ok(answer::json(StatusCode::OK, &dto::Doctor { checks: doctor::checks(&health, network.ok().as_ref()) }))
}

fn shown(peer: PeerView, labels: &BTreeMap<NodeId, String>) -> dto::Peer {
    dto::Peer {
        did: peer.node.did().to_string(),
        contact: labels.get(&peer.node).cloned(),
        path: match peer.path {
            // The page does not tell them apart yet.
            Path::Direct | Path::Punched | Path::Relayed { .. } => dto::Path::Direct,
        },
        address: peer.address.to_string(),
        transport: match peer.transport {
            Transport::Quic => dto::Transport::Quic,
            Transport::Tcp => dto::Transport::Tcp,
        },
        latency_ms: peer.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        since: peer.since.0,
    }
}

fn texts(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}
