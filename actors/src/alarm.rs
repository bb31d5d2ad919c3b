//! The alarm clock of one host.
//!
//! In: the time at which a machine wants to be woken. Out: a wake-up, at most one at a time. It runs as a task on the io
//! runtime, because a timer inside an actor does not run while its mailbox is busy. A time later than the one
//! already set is not passed on: the early wake-up finds nothing due and sets the later one. So a
//! busy machine, whose deadline moves with every step, costs no wake-ups of this task.
//!
//! Not here: what is done on waking (see `host`).

use crate::clock::Clock;
use pc2_protocols::time::Mono;
use std::time::{Duration, Instant};
use tokio::{sync::watch, task::JoinHandle};

/// Least time between two wake-ups: a machine whose deadline always lies in the past stays harmless.
const MIN_SPACING: Duration = Duration::from_millis(1);

/// The host's end: sets the time.
#[derive(Debug)]
pub(crate) struct Alarm {
    set: Option<Mono>,
    times: watch::Sender<Option<Mono>>,
}

impl Alarm {
    /// Starts the task. It ends when the `Alarm` is dropped. `wake` must not block.
    pub(crate) fn start(
        io: &tokio::runtime::Handle,
        clock: Clock,
        wake: impl Fn() + Send + 'static,
    ) -> (Self, JoinHandle<()>) {
        let (times, watched) = watch::channel(None);
        (Self { set: None, times }, io.spawn(run(clock, watched, wake)))
    }

    /// Asks to be woken at `at`, unless an earlier wake-up comes anyway.
    pub(crate) fn set(&mut self, at: Option<Mono>) {
        if let Some(at) = at
            && self.set.is_none_or(|set| at < set)
        {
            self.set = Some(at);
            self.times.send_replace(Some(at));
        }
    }

    /// The wake-up has come; the next one must be set anew.
    pub(crate) const fn rang(&mut self) {
        self.set = None;
    }
}

async fn run(clock: Clock, mut times: watch::Receiver<Option<Mono>>, wake: impl Fn() + Send + 'static) {
    let mut earliest = Instant::now();
    loop {
        let at = *times.borrow_and_update();
        if let Some(at) = at {
            let moment = clock.instant(at).max(earliest);
            tokio::select! {
                biased;
                changed = times.changed() => {
                    if changed.is_err() { return; }
                    continue;
                }
                () = tokio::time::sleep_until(moment.into()) => {
                    wake();
                    earliest = Instant::now() + MIN_SPACING;
                }
            }
        }
        if times.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn it_rings_once_for_each_time_set() {
        let clock = Clock::start();
        let (rings, mut heard) = mpsc::channel(8);
        let (mut alarm, task) = Alarm::start(&tokio::runtime::Handle::current(), clock, move || {
            rings.try_send(()).expect("few rings");
        });
        alarm.set(Some(Mono(0)));
        heard.recv().await.expect("rings");
        alarm.rang();
        alarm.set(Some(Mono(u64::MAX)));
        alarm.set(Some(Mono(1)));
        heard.recv().await.expect("rings for the earlier one");
        drop(alarm);
        task.await.expect("ends with its owner");
        assert!(heard.try_recv().is_err());
    }
}
