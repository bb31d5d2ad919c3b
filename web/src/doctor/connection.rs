//! "Test my connection": what was measured just now, in sentences, each with what to do where it is not well.
//!
//! In: views of the node from before and after it tried everything at once, and how a question to the network ended. Out: findings, in the order in which one
//! thing rests on another. Pure: the measuring is [`crate::api::connection`].

use super::{clock, listening, peers, reach};
use crate::dto::{Check, Finding, FindingState};
use pc2_actors::api::{ActorHealth, NetworkView};
use pc2_protocols::{
    dht::{CommandError, ResolveError},
    net::Mapping,
    relay::{ProbedAddress, ReachView, Reachability},
    time::UnixMillis,
};
use std::time::Duration;

/// A question to the network slower than this is worth a word: a look-up among nodes that answer takes a second or two.
const SLOW: Duration = Duration::from_secs(5);

/// What was measured.
pub(crate) struct Measured<'a> {
    /// When it began.
    pub(crate) began: UnixMillis,
    /// What seems wrong with the clock.
    pub(crate) clock: Option<&'static str>,
    /// The parts of the node, at the end.
    pub(crate) actors: &'a [ActorHealth],
    /// At the end; `None`: the network has ended.
    pub(crate) network: Option<&'a NetworkView>,
    /// At the end.
    pub(crate) reach: Option<&'a ReachView>,
    /// A value that nobody has was looked for; `None`: no answer came in time.
    pub(crate) asked: Option<(Result<(), CommandError>, Duration)>,
}

/// All findings.
pub(crate) fn findings(measured: &Measured<'_>) -> Vec<Finding> {
    let mut findings = vec![clock(measured.clock).into()];
    findings.extend(measured.actors.iter().flat_map(time_elsewhere));
    let Some(network) = measured.network else {
        findings.push(bad(
            "network",
            "the network of this node has ended",
            "start the node again; its log says why",
        ));
        return findings;
    };
    findings.extend([listening(network).into(), ways_in(network), peers(network).into(), answers(measured)]);
    if let Some(reach) = measured.reach {
        findings.extend([addresses(reach, measured.began), router(reach), holes(network.mapping)]);
        findings.extend(places(reach));
    }
    let untried = measured.reach.is_none_or(|reach| reach.reachability == Reachability::Unknown);
    let known = reach::checks(network, measured.reach).into_iter().map(Finding::from).map(|finding| {
        let unknown = untried && finding.name == reach::REACHABILITY;
        if unknown { Finding { state: FindingState::Unknown, ..finding } } else { finding }
    });
    findings.extend(known);
    findings
}

/// Others refuse this node because their clocks show another time: the mailbox machine says so.
fn time_elsewhere(actor: &ActorHealth) -> Option<Finding> {
    let said = actor.status.concerns.iter().find(|concern| concern.contains("clock"))?;
    Some(bad("clock", said, "set the clock, and let it be kept by NTP (`timedatectl set-ntp true`)"))
}

/// The nodes by which this one joins the network: all that were not connected were dialled.
fn ways_in(network: &NetworkView) -> Finding {
    let name = "ways in";
    let connected = |node: &&_| network.peers.iter().any(|peer| peer.node == **node);
    let (all, reached) = (network.bootstrap.len(), network.bootstrap.iter().filter(connected).count());
    match (all, reached) {
        (0, _) => good(name, "no bootstrap node is set; nodes that were met before are used"),
        (_, 0) => bad(
            name,
            format!("none of {all} bootstrap nodes could be reached just now"),
            "check the line to the internet, and `bootstrap` in config.toml",
        ),
        (all, reached) => good(name, format!("{reached} of {all} bootstrap nodes answer")),
    }
}

/// Whether the network answers a question.
fn answers(measured: &Measured<'_>) -> Finding {
    let name = "answers";
    let wait = "wait a minute and try again; if it stays so, check the line to the internet";
    match &measured.asked {
        Some((Ok(()) | Err(CommandError::NotFound(ResolveError::NotFound)), took)) if *took < SLOW => {
            good(name, format!("the network answered a question in {} ms", took.as_millis()))
        }
        Some((Ok(()) | Err(CommandError::NotFound(ResolveError::NotFound)), took)) => {
            bad(name, format!("the network took {} s to answer a question", took.as_secs()), wait)
        }
        Some((Err(CommandError::NotFound(ResolveError::Alone)), _)) => {
            bad(name, "there is nobody to ask", "connect with somebody; see `peers`")
        }
        Some((Err(error), _)) => bad(name, error.to_string(), wait),
        None => bad(name, "the network did not answer a question in time", wait),
    }
}

/// Which addresses others tried, and when.
fn addresses(reach: &ReachView, began: UnixMillis) -> Finding {
    let name = "public address";
    let (now, before): (Vec<_>, Vec<_>) = reach.probed.iter().partition(|probed| probed.at >= began);
    let through = |probed: &&&ProbedAddress| probed.reachable;
    let listed = |all: &[&ProbedAddress]| {
        all.iter().map(|probed| probed.address.to_string()).collect::<Vec<_>>().join(", ")
    };
    let open: Vec<_> = now.iter().filter(through).copied().collect();
    if !open.is_empty() {
        return good(name, format!("others got through just now to {}", listed(&open)));
    }
    if !now.is_empty() {
        let detail = format!("others tried {} just now and did not get through", listed(&now));
        let advice =
            "allow UPnP in the router, or forward this node's ports to this machine; until then a relay does";
        return if reach.reachability == Reachability::Relayed {
            good(name, format!("{detail}; they come through a relay"))
        } else {
            bad(name, detail, advice)
        };
    }
    let open: Vec<_> = before.iter().filter(through).copied().collect();
    if open.is_empty() {
        unknown(name, "nobody outside could be asked to try this node's addresses")
    } else {
        unknown(
            name,
            format!("nobody could be asked just now; others got through before to {}", listed(&open)),
        )
    }
}

/// Whether the router was asked to pass a port on, and does.
fn router(reach: &ReachView) -> Finding {
    match reach.mapped.len() {
        0 => good("router", "passes no port on by itself (UPnP is off, not asked or not needed)"),
        _ => {
            let mapped: Vec<String> = reach.mapped.iter().map(ToString::to_string).collect();
            good("router", format!("passes on {}", mapped.join(", ")))
        }
    }
}

/// Whether direct ways can be opened through a router.
fn holes(mapping: Mapping) -> Finding {
    let name = "hole punching";
    match mapping {
        Mapping::None => good(name, "not needed: no router changes this node's ports"),
        Mapping::Same => good(name, "possible: the router uses one port for everybody"),
        Mapping::PerDestination => bad(
            name,
            "seldom possible: the router uses another port for each destination",
            "forward this node's ports in the router, or allow UPnP; through a relay everything works, only slower",
        ),
        Mapping::Unknown => unknown(name, "too few nodes elsewhere have said where they see this one"),
    }
}

/// Places at relays that are held. Where one is needed and not held, [`reach::checks`] says so.
fn places(reach: &ReachView) -> Option<Finding> {
    let held = reach.reservations.iter().filter(|place| place.since.is_some());
    let nearest = held.clone().filter_map(|place| place.latency).min();
    let near = nearest.map_or_else(String::new, |time| format!(", the nearest {} ms away", time.as_millis()));
    match held.count() {
        0 => None,
        1 => Some(good("relays", format!("a place is held at 1 relay{near}"))),
        count => Some(good("relays", format!("places are held at {count} relays{near}"))),
    }
}

fn good(name: &str, detail: impl ToString) -> Finding {
    super::good(name, detail).into()
}

fn bad(name: &str, detail: impl ToString, advice: &str) -> Finding {
    super::bad(name, detail, advice).into()
}

/// It could not be measured: neither well nor a fault.
fn unknown(name: &str, detail: impl ToString) -> Finding {
    Finding { state: FindingState::Unknown, ..good(name, detail) }
}

impl From<Check> for Finding {
    fn from(Check { name, ok, detail, advice }: Check) -> Self {
        Self { name, state: if ok { FindingState::Well } else { FindingState::NotWell }, detail, advice }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::reach::tests::{address, network, peer, reach},
        *,
    };
    use crate::dto::FindingState::{NotWell, Unknown, Well};
    use pc2_actors::api::Transport;
    use pc2_protocols::id::NodeId;

    const BEGAN: UnixMillis = UnixMillis(1_000);

    fn probed(at: u64, reachable: bool) -> ProbedAddress {
        ProbedAddress { address: address("/ip4/9.9.9.9/tcp/4201"), reachable, at: UnixMillis(at) }
    }

    fn asked(result: Result<(), CommandError>, millis: u64) -> Measured<'static> {
        let asked = Some((result, Duration::from_millis(millis)));
        Measured { began: BEGAN, clock: None, actors: &[], network: None, reach: None, asked }
    }

    #[test]
    fn what_others_tried_just_now_counts_and_what_they_tried_before_is_said_to_be_old() {
        let mut view = reach(Reachability::Private, Mapping::Same);
        assert_eq!(addresses(&view, BEGAN).state, Unknown, "nobody can be asked: no fault");
        view.probed = vec![probed(999, true)];
        assert_eq!(addresses(&view, BEGAN).state, Unknown);
        assert!(addresses(&view, BEGAN).detail.contains("before"));
        view.probed = vec![probed(1_000, false)];
        let closed = addresses(&view, BEGAN);
        assert!(closed.state == NotWell && closed.advice.is_some(), "{closed:?}");
        view.reachability = Reachability::Relayed;
        assert_eq!(addresses(&view, BEGAN).state, Well, "a relay is as good");
        view.probed.push(probed(1_001, true));
        assert!(addresses(&view, BEGAN).detail.contains("got through just now"));
    }

    #[test]
    fn the_nodes_by_which_one_joins_are_counted_and_none_of_them_is_a_fault() {
        let mut view = network(vec![peer("/ip4/9.9.9.9/tcp/4201", Transport::Tcp)]);
        assert_eq!(ways_in(&view).state, Well);
        view.bootstrap = vec![NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32])];
        assert!(ways_in(&view).detail.starts_with("1 of 2"));
        view.bootstrap.remove(0);
        assert_eq!(ways_in(&view).state, NotWell);
    }

    #[test]
    fn a_question_that_nobody_answers_is_told_apart_from_one_that_finds_nothing() {
        let nothing = || Err(CommandError::NotFound(ResolveError::NotFound));
        assert_eq!(answers(&asked(nothing(), 120)).state, Well);
        assert_eq!(answers(&asked(nothing(), 6_000)).state, NotWell);
        assert_eq!(answers(&asked(Err(CommandError::NotFound(ResolveError::Alone)), 0)).state, NotWell);
        let silent = Measured { asked: None, ..asked(Ok(()), 0) };
        assert_eq!(answers(&silent).state, NotWell);
    }

    #[test]
    fn whatever_is_not_well_says_what_to_do() {
        for finding in [
            holes(Mapping::PerDestination),
            ways_in(&{
                let mut view = network(Vec::new());
                view.bootstrap = vec![NodeId::from_bytes([1; 32])];
                view
            }),
        ] {
            assert!(finding.state == NotWell && finding.advice.is_some(), "{finding:?}");
        }
        let ended = findings(&asked(Ok(()), 1));
        assert!(ended.iter().any(|finding| finding.name == "network" && finding.state == NotWell));
    }
}
