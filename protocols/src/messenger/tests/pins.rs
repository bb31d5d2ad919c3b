//! Pinned holders of mailboxes, as contacts learn of them: by passes.

use super::*;

impl Bench {
    /// The mailbox part of a node says which holders are pinned.
    fn pinned(&mut self, index: usize, nodes: &[NodeId]) {
        self.queue.push_back((index, In::Pins { nodes: nodes.to_vec() }));
        self.run();
    }

    /// The holders that passes of one for the other name.
    fn named(&self, of: usize, to: usize) -> Vec<NodeId> {
        let passes = &self.nodes[to].disk.contacts[&id(of)].passes;
        assert!(!passes.is_empty() && passes.iter().all(|pass| pass.holds()));
        assert!(passes.iter().all(|pass| pass.pinned == passes[0].pinned), "in every week");
        passes[0].pinned.clone()
    }

    fn contents_of(&self, sender: usize, with: usize) -> usize {
        let rows = self.nodes[sender].history.values();
        rows.filter(|row| row.conversation == conversation(with) && row.sender == id(sender)).count()
    }
}

const HOLDER: NodeId = NodeId::from_bytes([50; 32]);

#[test]
fn contacts_get_new_passes_when_others_are_pinned_and_none_when_they_are_the_same() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    assert_eq!(bench.named(0, 1), []);
    bench.pinned(0, &[HOLDER]);
    assert_eq!(bench.named(0, 1), [HOLDER]);
    let said = bench.contents_of(0, 1);
    bench.pinned(0, &[HOLDER]);
    bench.restart(0);
    bench.pinned(0, &[HOLDER]);
    bench.wait(Duration::from_secs(7_200));
    assert_eq!(bench.contents_of(0, 1), said, "nothing is new");
    bench.pinned(0, &[]);
    assert_eq!(bench.named(0, 1), []);
}

#[test]
fn passes_that_are_due_before_the_pins_are_told_name_those_known_so_far() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.pinned(0, &[HOLDER]);
    bench.restart(0);
    bench.wait(Duration::from_secs(3 * 7 * 24 * 3_600));
    assert_eq!(bench.named(0, 1), [HOLDER]);
}

#[test]
fn who_is_pinned_is_not_told_to_bring_things_to_itself() {
    let mut bench = Bench::new(3);
    bench.befriend(0, 1);
    bench.befriend(0, 2);
    bench.pinned(0, &[id(1), HOLDER]);
    assert_eq!(bench.named(0, 1), [HOLDER]);
    assert_eq!(bench.named(0, 2), [id(1), HOLDER]);
}

#[test]
fn an_earlier_message_with_passes_that_comes_later_does_not_bring_old_pins_back() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.wait(Duration::from_secs(10));
    bench.set_reachable(0, false);
    bench.set_reachable(1, false);
    bench.pinned(0, &[HOLDER]);
    bench.wait(Duration::from_secs(5));
    bench.pinned(0, &[]);
    bench.wait(Duration::from_secs(5));
    let parcels = std::mem::take(&mut bench.nodes[0].parcels);
    assert!(parcels.len() >= 2, "each in a parcel of its own");
    for parcel in parcels.iter().rev() {
        let address = crate::mailbox::keys::intro_address(id(1));
        let (envelope, payload) = (EnvelopeKey { address, id: parcel.id }, parcel.payload.clone());
        bench.queue.push_back((1, In::MailboxArrived { envelope, from: id(0), payload }));
        bench.run();
    }
    assert_eq!(bench.named(0, 1), []);
}
