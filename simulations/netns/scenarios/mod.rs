//! What is tried out. Each scenario builds a laboratory of its own, tells a story in it and says what came of it.

pub(crate) mod files;
pub(crate) mod idle;
pub(crate) mod kinds;
pub(crate) mod line;
pub(crate) mod matrix;
pub(crate) mod moves;
pub(crate) mod offline;
pub(crate) mod relay_killed;
pub(crate) mod wiretap;

use crate::{
    lab::{Lab, Place, Weather},
    nat::Kind,
    node::{Node, Program},
    report::{Row, Verdict},
};
use std::{path::Path, time::Duration};

/// Longest wait for anything to come about at all. What takes longer did not come about.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How soon any two must be able to talk (docs/benchmarks.md; the matrix of NATs).
pub(crate) const CONNECTED_WITHIN: Duration = Duration::from_secs(20);

/// What scenarios other than the matrix say.
pub(crate) const STORY_COLUMNS: &[&str] = &["what", "how", "took", "wanted", "messages", "lost"];

/// What every scenario is given.
pub(crate) struct Given<'a> {
    /// The program.
    pub(crate) program: &'a Program,
    /// Where logs go.
    pub(crate) logs: &'a Path,
    /// How many times each pair of the matrix is tried.
    pub(crate) runs: usize,
    /// Only what CI has time for.
    pub(crate) short: bool,
    /// Of the matrix only pairs with a place of this kind, as tables name it.
    pub(crate) kind: Option<String>,
}

impl Given<'_> {
    /// Whether a pair of the matrix is wanted.
    pub(crate) fn wants(&self, (one, other): (Kind, Kind)) -> bool {
        let is = |kind: Kind, wanted: &String| kind.to_string().eq_ignore_ascii_case(wanted);
        self.kind.as_ref().is_none_or(|wanted| is(one, wanted) || is(other, wanted))
    }

    /// What was missed because this program has no relays and no mailboxes is told, and no failure.
    pub(crate) fn excuse(&self, needs_levels: bool, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Missed(why) if needs_levels && !self.program.levels => {
                Verdict::NotBuilt(format!("{why}; this pc2 has no relays and no mailboxes"))
            }
            verdict => verdict,
        }
    }
}

/// Who is there for everybody: nodes that relay, in ranges of their own.
pub(crate) struct Relays {
    /// The nodes, running.
    pub(crate) nodes: Vec<Node>,
    /// Where they are.
    pub(crate) places: Vec<Place>,
    /// How to join through the first two, which is all that anybody is told.
    pub(crate) bootstrap: Vec<String>,
}

impl Relays {
    /// Builds and starts them. Three: a node holds a place at two, and one may be lost.
    pub(crate) fn start(lab: &Lab, program: &Program) -> Self {
        Self::start_by(lab, program, |place| place.outside.clone())
    }

    /// The same for nodes that speak only IPv6.
    pub(crate) fn start_ipv6(lab: &Lab, program: &Program) -> Self {
        Self::start_by(lab, program, Place::outside_ipv6)
    }

    fn start_by(lab: &Lab, program: &Program, ip: impl Fn(&Place) -> String) -> Self {
        let mut relays = Self { nodes: Vec::new(), places: Vec::new(), bootstrap: Vec::new() };
        for number in 1..=3 {
            let name = format!("relay{number}");
            let place = lab.server(&name);
            let mut node = Node::new(lab, program, &name, &relays.bootstrap, Some(3));
            node.launch();
            if number <= 2 {
                relays.bootstrap.extend(node.way_in(&ip(&place)));
            }
            relays.nodes.push(node);
            relays.places.push(place);
        }
        relays.nodes.iter_mut().for_each(Node::ready);
        relays
    }
}

/// So many nodes of level 2 at public addresses.
pub(crate) fn crowd(lab: &Lab, given: &Given<'_>, relays: &Relays, size: usize) -> Vec<Node> {
    let mut crowd: Vec<Node> = (1..=size)
        .map(|number| {
            let name = format!("other{number}");
            lab.server(&name);
            let mut node = Node::new(lab, given.program, &name, &relays.bootstrap, Some(2));
            node.launch();
            node
        })
        .collect();
    crowd.iter_mut().for_each(Node::ready);
    crowd
}

/// Two people and where they are.
pub(crate) struct Pair {
    /// Who asks.
    pub(crate) alice: Node,
    /// Who is asked.
    pub(crate) bob: Node,
    /// Where Alice is.
    pub(crate) at_alice: Place,
    /// Where Bob is.
    pub(crate) at_bob: Place,
}

impl Pair {
    /// Puts two people into places and starts their nodes. They know nothing but the bootstrap nodes.
    pub(crate) fn start(lab: &Lab, given: &Given<'_>, relays: &Relays, kinds: (Kind, Kind)) -> Self {
        Self::start_over(lab, given, relays, kinds, None)
    }

    /// The same, with a bad line between Alice and the internet.
    pub(crate) fn start_over(
        lab: &Lab,
        given: &Given<'_>,
        relays: &Relays,
        (one, other): (Kind, Kind),
        weather: Option<Weather>,
    ) -> Self {
        let at_alice = lab.machine("alice", one, weather);
        let at_bob = lab.machine("bob", other, None);
        let make = |name| Node::new(lab, given.program, name, &relays.bootstrap, None);
        let mut pair = Self { alice: make("alice"), bob: make("bob"), at_alice, at_bob };
        pair.alice.launch();
        pair.bob.launch();
        pair.alice.ready();
        pair.bob.ready();
        pair
    }
}

/// A line of a story that did not get as far as it should.
pub(crate) fn did_not(given: &Given<'_>, what: &str, how: &str, needs_levels: bool, why: &str) -> Row {
    let mut cells = vec![what.to_owned(), how.to_owned()];
    cells.resize(STORY_COLUMNS.len(), "–".to_owned());
    Row { cells, verdict: given.excuse(needs_levels, Verdict::Missed(why.to_owned())) }
}
