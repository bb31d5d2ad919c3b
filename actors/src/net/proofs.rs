//! Which public addresses of ours others really reach.
//!
//! In: addresses that may be ours (where we listen, where the router maps us, where others see us), peers who can try, what they say. Out: whom to ask about
//! what, and how an address stands. A success proves itself (the peer's own connection arrived), a failure is one peer's word: so several are
//! asked, in different parts of the network, and the majority counts, in favour of reachable.
//!
//! Pure: time is passed in. Not here: the asking (`prober`).

use super::{
    address,
    limits::{MAX_PROBED, PROBE_AGAIN, PROBE_TIMEOUT, PROBES_PER_ADDRESS},
};
use libp2p::Multiaddr;
use pc2_protocols::{id::NodeId, net::Prefix};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Instant,
};

/// How an address stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody has tried.
    Untried,
    /// Others get through.
    Proved,
    /// They do not.
    Refuted,
}

/// What one peer was asked, and said.
#[derive(Debug, Clone, Copy)]
struct Asked {
    prefix: Prefix,
    /// An answer is expected until then.
    due: Option<Instant>,
    /// The last answer, and when it came.
    said: Option<(bool, Instant)>,
    /// It is to be asked again, however new that is.
    old: bool,
}

impl Asked {
    /// Whether it need not be asked now.
    fn is_fresh(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| now < due)
            || self.said.is_some_and(|(_, at)| !self.old && now.saturating_duration_since(at) < PROBE_AGAIN)
    }
}

#[derive(Debug, Default)]
struct Tested {
    asked: BTreeMap<NodeId, Asked>,
}

impl Tested {
    fn standing(&self) -> Standing {
        let said = |what| {
            let same = |asked: &&Asked| asked.said.is_some_and(|(said, _)| said == what);
            self.asked.values().filter(same).count()
        };
        let (yes, no) = (said(true), said(false));
        match yes.cmp(&no) {
            _ if yes + no == 0 => Standing::Untried,
            std::cmp::Ordering::Less => Standing::Refuted,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => Standing::Proved,
        }
    }

    /// Whether a peer of this part of the network is to be asked, too. On one machine or LAN all are the same part, and each may be asked.
    fn wants(&self, node: NodeId, prefix: Prefix, now: Instant) -> bool {
        let fresh = || self.asked.iter().filter(|(_, asked)| asked.is_fresh(now));
        let other_part = prefix == Prefix::Local || fresh().all(|(_, asked)| asked.prefix != prefix);
        fresh().count() < PROBES_PER_ADDRESS && fresh().all(|(asked, _)| *asked != node) && other_part
    }

    /// A peer is asked. Its last answer counts until the next, and whose answer is the oldest makes room: what few said long ago must not outweigh
    /// what others say today.
    fn ask(&mut self, node: NodeId, prefix: Prefix, now: Instant) {
        let said = self.asked.remove(&node).and_then(|asked| asked.said);
        if self.asked.len() >= PROBES_PER_ADDRESS {
            let answered = |asked: &Asked| asked.said.map(|(_, at)| at);
            let stale = self.asked.iter().filter(|(_, asked)| !asked.is_fresh(now));
            let oldest = stale.min_by_key(|(_, asked)| answered(asked)).map(|(node, _)| *node);
            if let Some(oldest) = oldest {
                self.asked.remove(&oldest);
            }
        }
        self.asked.insert(node, Asked { prefix, due: Some(now + PROBE_TIMEOUT), said, old: false });
    }
}

/// What is known of our addresses since the network last changed.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    tested: BTreeMap<Multiaddr, Tested>,
}

impl Proofs {
    /// An address may be ours; whether that is news. With too many of them, one that proved false makes room.
    pub(super) fn candidate(&mut self, address: Multiaddr) -> bool {
        if self.tested.contains_key(&address) {
            return false;
        }
        if self.tested.len() >= MAX_PROBED {
            let false_one = self
                .tested
                .iter()
                .find(|(_, tested)| tested.standing() == Standing::Refuted)
                .map(|(at, _)| at.clone());
            let Some(false_one) = false_one else { return false };
            self.tested.remove(&false_one);
        }
        self.tested.insert(address, Tested::default());
        true
    }

    /// What a peer is to be asked about now. It counts as asked.
    pub(super) fn ask(&mut self, node: NodeId, prefix: Prefix, now: Instant) -> Vec<Multiaddr> {
        let mut about = Vec::new();
        for (address, tested) in &mut self.tested {
            // Who did not answer is asked again when there is nobody else.
            tested.asked.retain(|_, asked| asked.said.is_some() || asked.is_fresh(now));
            if same_internet(address, prefix) && tested.wants(node, prefix, now) {
                tested.ask(node, prefix, now);
                about.push(address.clone());
            }
        }
        about
    }

    /// A peer tried. What is not asked for is ignored.
    pub(super) fn answered(
        &mut self,
        address: &Multiaddr,
        by: NodeId,
        reachable: bool,
        now: Instant,
    ) -> Option<Prefix> {
        let asked = self.tested.get_mut(address)?.asked.get_mut(&by)?;
        (asked.due, asked.said, asked.old) = (None, Some((reachable, now)), false);
        Some(asked.prefix)
    }

    /// Whatever was said may be asked again now. It counts until then.
    pub(super) fn doubt(&mut self) {
        let all = self.tested.values_mut().flat_map(|tested| tested.asked.values_mut());
        all.for_each(|asked| asked.old |= asked.said.is_some());
    }

    /// A peer could not be asked after all.
    pub(super) fn not_asked(&mut self, address: &Multiaddr, node: NodeId) {
        let tested = self.tested.get_mut(address);
        if let Some(asked) = tested.and_then(|tested| tested.asked.get_mut(&node)) {
            asked.due = None;
        }
    }

    /// How an address stands.
    pub(super) fn standing(&self, address: &Multiaddr) -> Standing {
        self.tested.get(address).map_or(Standing::Untried, Tested::standing)
    }

    /// All that others reach.
    pub(super) fn proved(&self) -> BTreeSet<Multiaddr> {
        let proved = self.tested.iter().filter(|(_, tested)| tested.standing() == Standing::Proved);
        proved.map(|(address, _)| address.clone()).collect()
    }

    /// The network changed: nothing of it is known any more.
    pub(super) fn forget(&mut self) {
        self.tested.clear();
    }
}

/// Whether a peer there can have an opinion: many who are reached by IPv4 have no IPv6 themselves, and the other way round.
fn same_internet(at: &Multiaddr, prefix: Prefix) -> bool {
    match (address::ip(at), prefix) {
        (Some(IpAddr::V4(_)), Prefix::V6(_)) | (Some(IpAddr::V6(_)), Prefix::V4(_)) => false,
        (_, Prefix::Local | Prefix::V4(_) | Prefix::V6(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn part(number: u8) -> Prefix {
        Prefix::V4([1, 1, number])
    }

    fn at(port: u16) -> Multiaddr {
        format!("/ip4/9.9.9.9/tcp/{port}").parse().expect("a multiaddress")
    }

    #[test]
    fn peers_are_asked_again_after_a_while_and_what_they_say_then_counts() {
        let (mut proofs, now) = (Proofs::default(), Instant::now());
        proofs.candidate(at(1));
        for number in 1..=3 {
            proofs.ask(node(number), part(number), now);
            proofs.answered(&at(1), node(number), true, now);
        }
        let later = now + PROBE_AGAIN;
        assert!(proofs.ask(node(1), part(1), later.checked_sub(PROBE_TIMEOUT).expect("later")).is_empty());
        assert_eq!(proofs.ask(node(1), part(1), later), [at(1)]);
        assert_eq!(proofs.standing(&at(1)), Standing::Proved, "until somebody says otherwise");
        proofs.not_asked(&at(1), node(1));
        assert_eq!(proofs.ask(node(1), part(1), later), [at(1)], "it was not asked before");
        proofs.answered(&at(1), node(1), false, later);
        assert_eq!(proofs.standing(&at(1)), Standing::Proved, "two said something else before");
        assert_eq!(proofs.ask(node(4), part(4), later), [at(1)], "it need not be the same");
        proofs.answered(&at(1), node(4), false, later);
        assert_eq!(proofs.standing(&at(1)), Standing::Refuted, "the newest count");
    }

    #[test]
    fn who_wants_to_know_now_has_peers_asked_again_and_what_was_said_counts_until_then() {
        let (mut proofs, now) = (Proofs::default(), Instant::now());
        proofs.candidate(at(1));
        proofs.ask(node(1), part(1), now);
        proofs.answered(&at(1), node(1), true, now);
        assert!(proofs.ask(node(1), part(1), now).is_empty());
        proofs.doubt();
        assert_eq!(proofs.standing(&at(1)), Standing::Proved);
        assert_eq!(proofs.ask(node(1), part(1), now), [at(1)]);
        assert!(proofs.ask(node(1), part(1), now).is_empty(), "once");
        proofs.answered(&at(1), node(1), true, now);
        assert!(proofs.ask(node(1), part(1), now).is_empty());
    }

    #[test]
    fn peers_of_different_parts_of_the_network_are_asked_and_the_majority_counts() {
        let (mut proofs, now) = (Proofs::default(), Instant::now());
        assert!(proofs.candidate(at(1)));
        assert!(!proofs.candidate(at(1)), "known");
        assert_eq!(proofs.ask(node(1), part(1), now), [at(1)]);
        assert!(proofs.ask(node(1), part(1), now).is_empty(), "asked already");
        assert!(proofs.ask(node(2), part(1), now).is_empty(), "the same part of the network");
        assert_eq!(proofs.answered(&at(1), node(1), false, now), Some(part(1)));
        assert_eq!(proofs.standing(&at(1)), Standing::Refuted);
        assert_eq!(proofs.ask(node(3), part(3), now), [at(1)]);
        proofs.answered(&at(1), node(3), true, now);
        assert_eq!(proofs.standing(&at(1)), Standing::Proved, "somebody got through");
        assert_eq!(proofs.ask(node(4), part(4), now), [at(1)]);
        proofs.answered(&at(1), node(4), false, now);
        assert_eq!(proofs.standing(&at(1)), Standing::Refuted);
        assert!(proofs.ask(node(5), part(5), now).is_empty(), "enough were asked");
    }

    #[test]
    fn who_came_by_ipv4_is_not_asked_about_ipv6() {
        let (mut proofs, now) = (Proofs::default(), Instant::now());
        let v6: Multiaddr = "/ip6/2a01:4f8::1/tcp/1".parse().expect("a multiaddress");
        proofs.candidate(v6.clone());
        proofs.candidate(at(1));
        assert_eq!(proofs.ask(node(1), part(1), now), [at(1)]);
        assert_eq!(proofs.ask(node(2), Prefix::V6([1; 6]), now), [v6]);
    }

    #[test]
    fn who_does_not_answer_makes_room_for_another() {
        let (mut proofs, now) = (Proofs::default(), Instant::now());
        proofs.candidate(at(1));
        for number in 1..=3 {
            assert_eq!(proofs.ask(node(number), part(number), now).len(), 1);
        }
        assert!(proofs.ask(node(4), part(4), now).is_empty());
        assert_eq!(proofs.ask(node(4), part(4), now + PROBE_TIMEOUT), [at(1)]);
        assert_eq!(proofs.answered(&at(1), node(1), true, now), None, "too late");
        assert_eq!(proofs.answered(&at(2), node(4), true, now), None, "about something else");
    }

    #[test]
    fn a_nat_that_makes_up_addresses_fills_no_memory() {
        let (mut proofs, now) = (Proofs::default(), Instant::now());
        for port in 1..100 {
            proofs.candidate(at(port));
        }
        assert_eq!(proofs.tested.len(), MAX_PROBED);
        proofs.ask(node(1), part(1), now);
        proofs.answered(&at(1), node(1), false, now);
        assert!(proofs.candidate(at(100)), "a false one makes room");
        assert_eq!(proofs.tested.len(), MAX_PROBED);
    }
}
