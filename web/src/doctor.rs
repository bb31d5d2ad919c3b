//! What a doctor would ask a node, and what to do about each answer that is not well.
//!
//! Pure: from what the node says about itself to sentences for its owner. `pc2 doctor` prints them; so will the page.

pub(crate) mod connection;
mod reach;

use crate::dto::Check;
use pc2_actors::api::{ActorHealth, ActorState, HealthView, NetworkView, WriterState};
use pc2_protocols::relay::ReachView;

/// Less free space than this is worth a word: a day of a busy node.
const LOW_DISK_BYTES: u64 = 512 * 1024 * 1024;

/// All checks, in the order in which things go wrong.
pub(crate) fn checks(
    health: &HealthView,
    network: Option<&NetworkView>,
    reach: Option<&ReachView>,
) -> Vec<Check> {
    let mut checks = vec![storage(&health.storage), disk(health.disk_free), clock(health.clock)];
    checks.extend(opened(health));
    checks.extend(health.actors.iter().flat_map(part));
    match network {
        Some(view) => {
            checks.extend([listening(view), peers(view)]);
            checks.extend(reach::checks(view, reach));
        }
        None => checks.push(bad(
            "network",
            "the network of this node has ended",
            "start the node again; its log says why",
        )),
    }
    checks
}

fn storage(state: &WriterState) -> Check {
    match state {
        WriterState::Writing => good("storage", "writes"),
        WriterState::DiskFull => bad(
            "storage",
            "the disk is full: nothing can be sent or received",
            "free some space; the node goes on by itself",
        ),
        WriterState::Failed { reason } => {
            bad("storage", format!("writing failed: {reason}"), "check the disk, then start the node again")
        }
        WriterState::Closed => bad("storage", "closed", "start the node again"),
    }
}

fn disk(free: Option<u64>) -> Check {
    let Some(free) = free else { return good("disk", "the system does not say how much is free") };
    let detail = format!("{} MiB free", free / (1024 * 1024));
    if free < LOW_DISK_BYTES {
        bad("disk", detail, "free some space before it runs out")
    } else {
        good("disk", detail)
    }
}

fn clock(concern: Option<&'static str>) -> Check {
    match concern {
        None => good("clock", "plausible"),
        Some(concern) => {
            bad("clock", concern, "set the clock, and let it be kept by NTP (`timedatectl set-ntp true`)")
        }
    }
}

/// What happened to the database when it was opened. Nothing to say when it was simply there.
fn opened(health: &HealthView) -> Option<Check> {
    let damage = health.opened.quarantined.as_ref()?;
    let moved = format!("it was damaged ({}) and moved to {}", damage.reason, damage.path.display());
    Some(if health.opened.restored.is_some() {
        let advice =
            "messages since the last export may be missing here; those you talk to still have theirs";
        bad("database", format!("{moved}; the last export was restored"), advice)
    } else {
        bad("database", format!("{moved}; there was no export"), "restore a backup if you have one")
    })
}

/// A part of the node, and what it says itself.
fn part(actor: &ActorHealth) -> Vec<Check> {
    let figures =
        actor.status.figures.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>();
    let restarts = match actor.restarts {
        0 => String::new(),
        1 => ", restarted once".to_owned(),
        times => format!(", restarted {times} times"),
    };
    let detail = format!(
        "{}{restarts}{}{}",
        state(actor.state),
        if figures.is_empty() { "" } else { ": " },
        figures.join(", ")
    );
    let own = match actor.state {
        ActorState::Running | ActorState::Starting => good(actor.name, detail),
        ActorState::Restarting => bad(actor.name, detail, "wait a moment; it comes back by itself"),
        ActorState::Failed => bad(actor.name, detail, "start the node again and report what its log says"),
        ActorState::Stopped => bad(actor.name, detail, "start the node again"),
    };
    let concerns = actor.status.concerns.iter().map(|concern| bad(actor.name, concern, "see above"));
    std::iter::once(own).chain(concerns).collect()
}

/// What a part does, in a word.
pub(crate) const fn state(state: ActorState) -> &'static str {
    match state {
        ActorState::Starting => "starting",
        ActorState::Running => "running",
        ActorState::Restarting => "restarting",
        ActorState::Failed => "failed",
        ActorState::Stopped => "stopped",
    }
}

fn listening(view: &NetworkView) -> Check {
    match view.listening.len() {
        0 => bad(
            "listening",
            "nowhere: nobody can connect to this node",
            "check the listen addresses in config.toml",
        ),
        1 => good(
            "listening",
            format!("on {}", view.listening.first().map(ToString::to_string).unwrap_or_default()),
        ),
        count => good("listening", format!("on {count} addresses")),
    }
}

fn peers(view: &NetworkView) -> Check {
    match view.peers.len() {
        0 => bad(
            "peers",
            "no other node is connected",
            "add a bootstrap node in config.toml, or connect with somebody by an invitation link; on a LAN nodes find each other",
        ),
        1 => good("peers", "1 node is connected"),
        count => good("peers", format!("{count} nodes are connected")),
    }
}

fn good(name: &str, detail: impl ToString) -> Check {
    Check { name: name.to_owned(), ok: true, detail: detail.to_string(), advice: None }
}

fn bad(name: &str, detail: impl ToString, advice: &str) -> Check {
    Check { name: name.to_owned(), ok: false, detail: detail.to_string(), advice: Some(advice.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::machine::Status;

    fn actor(state: ActorState, restarts: u64) -> ActorHealth {
        let status = Status { figures: vec![("waiting messages", 3)], concerns: Vec::new() };
        ActorHealth { name: "messenger", state, restarts, turned_away: 0, status }
    }

    #[test]
    fn whatever_is_not_well_comes_with_what_to_do() {
        let all = [
            storage(&WriterState::DiskFull),
            storage(&WriterState::Failed { reason: "no".to_owned() }),
            disk(Some(0)),
            clock(Some("the clock is wrong")),
        ];
        let parts = [ActorState::Failed, ActorState::Restarting, ActorState::Stopped]
            .map(|state| part(&actor(state, 2)));
        for check in all.iter().chain(parts.iter().flatten()) {
            assert!(!check.ok && check.advice.is_some(), "{check:?}");
        }
    }

    #[test]
    fn a_part_that_works_tells_its_figures() {
        assert_eq!(part(&actor(ActorState::Running, 0)), [good("messenger", "running: waiting messages 3")]);
        assert_eq!(
            part(&actor(ActorState::Running, 1)),
            [good("messenger", "running, restarted once: waiting messages 3")]
        );
    }

    #[test]
    fn what_a_part_is_concerned_about_is_a_check_of_its_own() {
        let mut worried = actor(ActorState::Running, 0);
        worried.status.concerns.push("your request to Bob waits since March".to_owned());
        let checks = part(&worried);
        assert_eq!(checks.iter().map(|check| check.ok).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_full_disk_is_noticed_before_it_is_full() {
        assert!(disk(Some(LOW_DISK_BYTES)).ok);
        assert!(!disk(Some(LOW_DISK_BYTES - 1)).ok);
        assert!(disk(None).ok);
    }
}
