//! The relay machine itself: its state, and who handles what.
//!
//! What is found out goes to `evidence`, relays and places to `places`, what a person chooses is checked by `shares`. After every input
//! it looks at all of it ([`Relay::run`]): at the level (`standing`), at the places, at whether the view has changed.
//!
//! Nothing is decided before the first tick or call: a new life is told first what the one before had found out, and so goes on at its level
//! and with its places.

use super::{
    Change, Command, CommandError, ContributionRow, In, Out, ReachView, Reply, Shares,
    evidence::Evidence,
    places::{Places, Wanted},
    standing::Standing,
};
use crate::{
    level::{Level, LevelChoice},
    limits::RELAY_RELEASE_AFTER,
    machine::{CallId, Machine, Status},
    net::{NetCommand, Reach},
    time::{Mono, Now},
};
use rand_chacha::ChaCha20Rng;

/// The relay machine. See the [module](super) for what goes in and out.
#[derive(Debug)]
pub struct Relay {
    choice: LevelChoice,
    shares: Shares,
    /// What `auto` has come to. `None`: not begun, or a person chose a level.
    standing: Option<Standing>,
    /// The first tick or call has come.
    begun: bool,
    evidence: Evidence,
    /// Since when everybody reaches us.
    public_since: Option<Mono>,
    places: Places,
    rng: ChaCha20Rng,
    /// The view as it was last told.
    shown: Option<ReachView>,
}

impl Relay {
    /// Starts with what a person chose.
    #[must_use]
    pub const fn new(chosen: ContributionRow, rng: ChaCha20Rng) -> Self {
        let ContributionRow { choice, shares } = chosen;
        Self {
            choice,
            shares,
            standing: None,
            begun: false,
            evidence: Evidence::new(),
            public_since: None,
            places: Places::new(),
            rng,
            shown: None,
        }
    }
}

impl Machine for Relay {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Now, input: In, out: &mut Vec<Out>) {
        self.evidence.expire(now.mono);
        let begins = matches!(input, In::Tick | In::Call { .. });
        match input {
            In::Tick | In::PeerUp { .. } => {}
            In::Call { call, command } => {
                self.begin(now, out);
                self.command(now, call, command, out);
            }
            In::Reach { reach } => self.reach(now, reach, out),
            In::PeerDown { node } => self.places.gone(now.mono, node, &mut self.rng, out),
            In::NetworkChanged => {
                self.evidence = Evidence::new();
                self.places.network_changed(now.mono);
            }
        }
        if begins {
            self.begin(now, out);
        }
        self.run(now, out);
    }

    fn next_deadline(&self) -> Option<Mono> {
        if !self.begun {
            return Some(Mono(0));
        }
        let proof = self.evidence.proof();
        let release = self.public_since.filter(|_| !self.places.is_empty());
        let deadlines = [
            self.evidence.next_end(),
            self.standing.as_ref().and_then(|standing| standing.due(proof)),
            release.map(|since| since.after(RELAY_RELEASE_AFTER)),
            self.places.due(self.wanted_once_settled()),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn status(&self) -> Status {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let reservations = self.places.reservations();
        let held = reservations.iter().filter(|place| place.since.is_some()).count();
        let mut concerns = Vec::new();
        let failed = self.evidence.one_failure() && !self.evidence.one_success();
        if matches!(self.choice, LevelChoice::Fixed(level) if level.relays()) && failed {
            concerns.push(format!(
                "level {} was chosen, but nobody outside reaches this node: it can relay for nobody until a port is opened for it",
                self.choice
            ));
        }
        Status {
            figures: vec![
                ("level", self.level().number().into()),
                ("relays known", count(self.places.relays_seen())),
                ("places at relays", count(held)),
                ("addresses tried by others", count(self.evidence.last_verdicts().len())),
            ],
            concerns,
        }
    }
}

impl Relay {
    /// Decides the first level and tells the others.
    fn begin(&mut self, now: Now, out: &mut Vec<Out>) {
        if self.begun {
            return;
        }
        self.begun = true;
        self.decide(now);
        out.extend(self.told());
    }

    /// Does what is due. Runs after every input.
    fn run(&mut self, now: Now, out: &mut Vec<Out>) {
        let proof = self.evidence.proof();
        self.public_since = proof.and(self.public_since.or(Some(now.mono)));
        if self.standing.as_mut().is_some_and(|standing| standing.look(now.mono, proof)) {
            // After whatever a person chose before is on disk and told.
            out.push(Out::Persist { changes: Vec::new(), then: self.told() });
        }
        if self.begun {
            let wanted = self.wanted(now.mono);
            self.places.run(now.mono, wanted, &mut self.rng, out);
            self.tell_changes(out);
        }
    }

    fn reach(&mut self, now: Now, reach: Reach, out: &mut Vec<Out>) {
        match reach {
            Reach::Probed { address, by, prefix, reachable } => {
                self.evidence.probed(now, address, by, prefix, reachable);
            }
            Reach::Mapped { address } => self.evidence.mapped(address),
            Reach::Unmapped { address } => self.evidence.unmapped(&address),
            Reach::NoGateway => self.evidence.no_gateway(),
            Reach::Mapping { mapping } => self.evidence.mapping_is(mapping),
            Reach::RelaySeen { node, prefix, latency } => self.places.seen(now.mono, node, prefix, latency),
            Reach::RelayGone { node } => self.places.gone(now.mono, node, &mut self.rng, out),
            Reach::Reserved { relay, addresses } => {
                let wanted = self.wanted(now.mono);
                self.places.reserved(now, relay, addresses, wanted, out);
            }
            Reach::ReservationLost { relay, reason } => {
                self.places.lost(now.mono, relay, reason, &mut self.rng);
            }
        }
    }

    fn command(&mut self, now: Now, call: CallId, command: Command, out: &mut Vec<Out>) {
        let chosen = match command {
            Command::Show => {
                out.push(self.reply(call));
                return;
            }
            Command::SetLevel { choice } => Ok(ContributionRow { choice, shares: self.shares }),
            Command::SetShares { shares } => {
                shares.check().map(|()| ContributionRow { choice: self.choice, shares })
            }
        };
        match chosen {
            Ok(row) => self.choose(now, call, row, out),
            Err(error) => out.push(Out::Reply { call, result: Err::<_, CommandError>(error) }),
        }
    }

    /// A person's choice: on disk, then in effect, then answered.
    fn choose(&mut self, now: Now, call: CallId, row: ContributionRow, out: &mut Vec<Out>) {
        let anew = row.choice != self.choice;
        ContributionRow { choice: self.choice, shares: self.shares } = row;
        if anew {
            self.decide(now);
        }
        let mut then = self.told();
        then.push(self.reply(call));
        out.push(Out::Persist { changes: vec![Change::PutContribution(row)], then });
    }

    fn decide(&mut self, now: Now) {
        let auto = self.choice == LevelChoice::Auto;
        self.standing = auto.then(|| Standing::begin(now.mono, self.evidence.proof()));
    }

    fn level(&self) -> Level {
        match self.choice {
            LevelChoice::Fixed(level) => level,
            LevelChoice::Auto => self.standing.as_ref().map_or(Level::Participant, Standing::level),
        }
    }

    /// What the others and the network are told of the level.
    fn told(&self) -> Vec<Out> {
        let level = self.level();
        let relay = level.relays().then_some(self.shares.relay);
        vec![
            Out::Level { level, mailbox_bytes: self.shares.mailbox_bytes },
            Out::Net(NetCommand::Contribute { routes: level.keeps(), relay }),
        ]
    }

    /// How many places at relays are wanted now.
    fn wanted(&self, now: Mono) -> Wanted {
        match self.public_since {
            Some(since) if now.since(since) >= RELAY_RELEASE_AFTER => Wanted::None,
            _ => self.wanted_once_settled(),
        }
    }

    /// The same, however long we have been reached directly.
    fn wanted_once_settled(&self) -> Wanted {
        if matches!(self.choice, LevelChoice::Fixed(level) if level.relays()) {
            Wanted::None
        } else if self.public_since.is_some() {
            Wanted::Kept
        } else if self.evidence.hidden() {
            Wanted::AllAtOnce
        } else {
            Wanted::All
        }
    }

    fn reply(&self, call: CallId) -> Out {
        Out::Reply { call, result: Ok(Reply::Shown(Box::new(self.view()))) }
    }

    fn view(&self) -> ReachView {
        let why = match &self.standing {
            Some(standing) => standing.why(&self.evidence),
            None => "it was chosen by you",
        };
        ReachView {
            choice: self.choice,
            level: self.level(),
            why: why.to_owned(),
            reachability: self.evidence.reachability(self.places.any()),
            mapping: self.evidence.mapping(),
            probed: self.evidence.last_verdicts(),
            mapped: self.evidence.mapped_addresses(),
            reservations: self.places.reservations(),
            shares: self.shares,
        }
    }

    /// Says so when the view is another. How fast a relay answers and when an address was last tried is no news.
    fn tell_changes(&mut self, out: &mut Vec<Out>) {
        let mut view = self.view();
        for probed in &mut view.probed {
            probed.at = crate::time::UnixMillis(0);
        }
        for place in &mut view.reservations {
            place.latency = None;
        }
        if self.shown.as_ref() != Some(&view) {
            self.shown = Some(view);
            out.push(Out::Changed);
        }
    }
}

#[cfg(test)]
mod tests;
