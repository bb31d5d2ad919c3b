//! A key that somebody crowds round: its owner and its readers look beside it.

use super::*;
use rand_core::Rng as _;

/// Two hundred nodes whose keys are chance, and twenty that are nearer to a key than all of them.
struct Network {
    honest: Vec<NodeId>,
    sybils: Vec<NodeId>,
}

fn nearest(key: &RecordKey, nodes: &[NodeId]) -> Vec<NodeId> {
    let place = Place::of_key(key);
    let mut nodes = nodes.to_vec();
    nodes.sort_by_cached_key(|node| Place::of_node(*node).distance(&place));
    nodes.truncate(limits::REPLICATION);
    nodes
}

impl Network {
    fn round(key: &RecordKey) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let mut anyone = || {
            let mut id = [0; 32];
            rng.fill_bytes(&mut id);
            NodeId::from_bytes(id)
        };
        let honest: Vec<_> = (0..200).map(|_| anyone()).collect();
        let place = Place::of_key(key);
        let within = nearest(key, &honest).first().map(|node| Place::of_node(*node).distance(&place));
        let mut sybils = Vec::new();
        while sybils.len() < limits::REPLICATION {
            let node = anyone();
            if within.is_some_and(|within| Place::of_node(node).distance(&place) < within) {
                sybils.push(node);
            }
        }
        Self { honest, sybils }
    }

    /// Answers all questions for the closest nodes until there are none; returns how many there were.
    fn route(&self, bench: &mut Bench) -> usize {
        let all: Vec<_> = self.honest.iter().chain(&self.sybils).copied().collect();
        let mut walks = 0;
        loop {
            let asked = bench.take(|wish| match wish {
                Out::Net(NetCommand::FindClosest { op, key }) => Some((*op, *key)),
                _ => None,
            });
            if asked.is_empty() {
                return walks;
            }
            for (op, key) in asked {
                walks += 1;
                let peers = nearest(&key, &all);
                let peers = peers.into_iter().map(|node| Peer { node, addresses: vec![] }).collect();
                bench.step(In::Closest { op, peers });
            }
        }
    }
}

/// A machine that has looked a few people up, so that it knows how far apart nodes are.
fn experienced(network: &Network) -> Bench {
    let mut bench = Bench::new(1);
    bench.up([3]);
    for n in 10..14 {
        bench.resolve(n);
        network.route(&mut bench);
        bench.answer_all(&NOTHING);
    }
    bench.resolved();
    bench
}

#[test]
fn a_card_is_found_although_the_twenty_nearest_all_say_that_there_is_none() {
    let key = card_key(node(2));
    let network = Network::round(&key);
    let mut bench = experienced(&network);
    let holders = nearest(&key, &network.honest);
    let card = card_of(2, 5, vec![address(2)]);
    let op = bench.resolve(2);
    assert_eq!(network.route(&mut bench), 3, "to the key, and to two points beside it");
    let asked = bench.requests();
    assert!((21..=60).contains(&asked.len()), "{}", asked.len());
    let everyone: BTreeSet<_> = asked.iter().map(|(_, to, _)| *to).collect();
    assert_eq!(everyone.len(), asked.len(), "nobody is asked twice");
    for (op, to, _) in asked {
        bench.answer(op, &if holders.contains(&to) { found(&card) } else { NOTHING });
    }
    assert_eq!(bench.resolved(), vec![(op, Ok(card.card().expect("a card")))]);
}

#[test]
fn where_nobody_crowds_one_walk_and_twenty_questions_are_enough() {
    let network = Network::round(&card_key(node(2)));
    let mut bench = experienced(&network);
    bench.resolve(4);
    assert_eq!((network.route(&mut bench), bench.requests().len()), (1, 20));
}

#[test]
fn an_owner_brings_its_record_to_nodes_beside_the_crowd() {
    let key = card_key(node(1));
    let network = Network::round(&key);
    let mut bench = experienced(&network);
    bench.offer_card();
    assert_eq!(network.route(&mut bench), 3);
    let asked: Vec<_> = bench.requests().into_iter().map(|(op, to, _)| (op, to)).collect();
    assert!((21..=40).contains(&asked.len()), "{}", asked.len());
    let honest = asked.iter().filter(|(_, to)| network.honest.contains(to)).count();
    assert!(honest >= 10, "{honest} of {} are honest", asked.len());
}

#[test]
fn a_machine_that_has_seen_nothing_looks_how_far_apart_nodes_are() {
    let network = Network::round(&card_key(node(2)));
    let mut bench = Bench::new(1);
    bench.up([3]);
    bench.resolve(4);
    assert_eq!(network.route(&mut bench), 2, "to the key, and to one drawn by chance");
    bench.answer_all(&NOTHING);
    bench.resolve(2);
    network.route(&mut bench);
    assert!(bench.requests().len() > 20, "the second is told to be crowded by the first");
}
