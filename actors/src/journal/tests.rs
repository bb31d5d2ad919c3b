use super::*;
use std::sync::mpsc;

/// A writer under the test's control: what it was given, and the journal's deliveries.
struct Bench {
    journal: Journal<u32, &'static str>,
    writes: mpsc::Receiver<(Vec<u32>, Done)>,
    delivered: mpsc::Receiver<Written<&'static str>>,
}

fn bench() -> Bench {
    let (to_writes, writes) = mpsc::channel();
    let (to_delivered, delivered) = mpsc::channel();
    let sink: Sink<u32> = Arc::new(move |changes, done| {
        if changes.contains(&666) {
            return Err(Failure::Busy);
        }
        to_writes.send((changes, done)).expect("bench lives");
        Ok(())
    });
    // A delivery nobody takes is of no interest to the test.
    let journal = Journal::new(sink, move |written| drop(to_delivered.send(written)));
    Bench { journal, writes, delivered }
}

impl Bench {
    fn outcome(&self) -> (Vec<&'static str>, Result<(), Failure>) {
        let Written { batches, result } = self.delivered.try_recv().expect("delivered");
        (batches.into_iter().flat_map(|(_, then)| then).collect(), result)
    }
}

#[test]
fn what_comes_during_a_write_goes_together_as_the_next() {
    let bench = bench();
    for (change, then) in [(1, "a"), (2, "b"), (3, "c")] {
        bench.journal.hand_in(0, vec![change], vec![then]);
    }
    let (first, done) = bench.writes.try_recv().expect("first write");
    assert_eq!(first, [1]);
    assert!(bench.writes.try_recv().is_err(), "one write at a time");
    done(Ok(()));
    assert_eq!(bench.outcome(), (vec!["a"], Ok(())));
    let (second, done) = bench.writes.try_recv().expect("second write");
    assert_eq!(second, [2, 3]);
    done(Ok(()));
    assert_eq!(bench.outcome(), (vec!["b", "c"], Ok(())));
    assert!(bench.journal.wait_idle(Duration::ZERO));
}

#[test]
fn what_was_built_on_a_failed_write_fails_with_it() {
    let bench = bench();
    bench.journal.hand_in(0, vec![1], vec!["a"]);
    bench.journal.hand_in(0, vec![2], vec!["b"]);
    let (_, done) = bench.writes.try_recv().expect("first write");
    done(Err(Failure::DiskFull));
    assert_eq!(bench.outcome(), (vec!["a", "b"], Err(Failure::DiskFull)));
    bench.journal.hand_in(0, vec![3], vec!["c"]);
    assert_eq!(bench.outcome(), (vec!["c"], Err(Failure::DiskFull)));
    assert!(bench.writes.try_recv().is_err(), "nothing of it was written");

    bench.journal.renew();
    bench.journal.hand_in(1, vec![4], vec!["d"]);
    assert_eq!(bench.writes.try_recv().expect("written again").0, [4]);
}

#[test]
fn a_batch_without_changes_waits_for_those_before_it() {
    let bench = bench();
    bench.journal.hand_in(0, vec![1], vec!["a"]);
    bench.journal.hand_in(0, vec![], vec!["barrier"]);
    let (_, done) = bench.writes.try_recv().expect("first write");
    assert!(bench.delivered.try_recv().is_err());
    done(Ok(()));
    assert_eq!(bench.outcome(), (vec!["a"], Ok(())));
    assert_eq!(bench.outcome(), (vec!["barrier"], Ok(())));
    assert!(bench.writes.try_recv().is_err(), "nothing to write");
}

#[test]
fn a_full_queue_is_a_failure_with_its_own_name() {
    let bench = bench();
    bench.journal.hand_in(0, vec![666], vec!["a"]);
    assert_eq!(bench.outcome(), (vec!["a"], Err(Failure::Busy)));
    assert!(bench.journal.wait_idle(Duration::ZERO));
}
