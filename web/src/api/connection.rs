//! "Test my connection", and what went over it.
//!
//! In: a request. Out: findings, after everything was tried at once: peers were asked to reach this node, the nodes by which it joins the network were dialled, and
//! the network was asked a question. It takes [`PATIENCE`] at most, and one test runs at a time.

use super::network::reached;
use crate::{
    answer,
    app::App,
    doctor::{self, connection::Measured},
    dto,
    problem::Problem,
    request::Call,
    roles::Area,
};
use pc2_actors::api::{Chart, NetworkView};
use pc2_protocols::{
    dht::{self, Depth},
    relay::{Command, ReachView},
    time::UnixMillis,
};
use std::time::{Duration, Instant};
use warp::{http::StatusCode, reply::Response};

/// How long is waited for what was begun. A dial gives up after ten seconds, a try to reach us is answered within a few.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long is waited at least, for tries to reach this node that may come although none was asked for before.
const FIRST: Duration = Duration::from_secs(2);

/// How often it is looked whether everything has come to an end.
const LOOK: Duration = Duration::from_millis(200);

/// `GET /api/network/traffic`. How many messages there were is told to those who may look into the chats.
pub(crate) async fn traffic(app: &App, call: Call) -> Result<Response, Problem> {
    let chats = call.caller.sees(Area::Chat);
    let [minute, hour, day] = app.node.traffic().map(|chart| shown(&chart, chats));
    Ok(answer::json(StatusCode::OK, &dto::Traffic { minute, hour, day }))
}

fn shown(chart: &Chart, chats: bool) -> dto::TrafficChart {
    let all = |field: fn(&pc2_actors::api::Moved) -> u64| chart.slots.iter().map(field).collect();
    let messages = |field| if chats { all(field) } else { Vec::new() };
    dto::TrafficChart {
        first: chart.first.0,
        step_ms: u64::try_from(chart.step.as_millis()).unwrap_or(u64::MAX),
        bytes_in: all(|slot| slot.bytes_in),
        bytes_out: all(|slot| slot.bytes_out),
        messages_in: messages(|slot| slot.messages_in),
        messages_out: messages(|slot| slot.messages_out),
    }
}

/// `POST /api/network/test`.
pub(crate) async fn test(app: &App, _call: Call) -> Result<Response, Problem> {
    let _alone = app.connection_test.try_acquire().map_err(|_| Problem::test_under_way())?;
    let (began, start) = (app.now(), Instant::now());
    app.node.try_network();
    let (asked, ()) = futures::join!(ask(app), settle(app, began));
    let (health, network) = futures::join!(app.node.health(), app.node.network());
    let (network, reach) = (network.ok(), reached(app, Command::Show).await.ok());
    let findings = doctor::connection::findings(&Measured {
        began,
        clock: health.clock,
        actors: &health.actors,
        network: network.as_ref(),
        reach: reach.as_ref(),
        asked,
    });
    let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(answer::json(StatusCode::OK, &dto::ConnectionTest { at: began.0, took_ms, findings }))
}

/// Looks for a value of ours that cannot be there: whoever is asked has to answer all the same.
async fn ask(app: &App) -> Option<(Result<(), dht::CommandError>, Duration)> {
    let mut salt = vec![0; 16];
    getrandom::fill(&mut salt).ok()?;
    let begun = Instant::now();
    let command = dht::Command::GetValue { owner: app.node.account(), salt, depth: Depth::Quorum };
    let answer = tokio::time::timeout(PATIENCE, app.node.dht(command)).await.ok()?;
    let result = match answer {
        Ok(_) => Ok(()),
        Err(pc2_actors::api::CallError::Refused(error)) => Err(error),
        Err(_) => return None,
    };
    Some((result, begun.elapsed()))
}

/// Waits until what was begun has come to an end, as far as one can tell, or long enough.
async fn settle(app: &App, began: UnixMillis) {
    let start = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let (network, reach) = (app.node.network().await.ok(), reached(app, Command::Show).await.ok());
        let waited = start.elapsed();
        let done =
            network.is_none_or(|view| has_joined(&view)) && reach.is_none_or(|view| was_tried(&view, began));
        if waited >= PATIENCE || (done && waited >= FIRST) {
            return;
        }
    }
}

fn has_joined(view: &NetworkView) -> bool {
    view.bootstrap.iter().all(|node| view.peers.iter().any(|peer| peer.node == *node))
}

/// Whether all that others have tried before was tried again.
fn was_tried(view: &ReachView, began: UnixMillis) -> bool {
    view.probed.iter().all(|probed| probed.at >= began)
}
