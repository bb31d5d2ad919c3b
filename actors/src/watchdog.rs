//! Notices a handler that never returns.
//!
//! In: every few seconds, a ping to each host. Out: when a host answered none of three and handled nothing else meanwhile,
//! [`Fatal`]: a frozen handler cannot be stopped from outside, so the process ends and the service manager starts it
//! anew. A host with a full mailbox is busy, not frozen: it is judged by whether it gets on.
//!
//! Not here: what is done about it (whoever started the node says).

use crate::health::Vitals;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Time between pings.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(5);

/// Pings in a row that may go unanswered.
const MISSES: u32 = 3;

/// The node cannot go on; what is on disk is whole. The process should end with [`Fatal::EXIT_CODE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// A handler does not return.
    #[error("{actor} hangs; the node has to be restarted")]
    Frozen {
        /// Which part.
        actor: &'static str,
    },
    /// The network driver ended by itself.
    #[error("the network failed and the node has to be restarted: {reason}")]
    Network {
        /// What is known about it.
        reason: String,
    },
}

impl Fatal {
    /// Exit code of a process that ends for this reason: an internal error, to be tried again.
    pub const EXIT_CODE: i32 = 70;
}

/// One host under watch.
pub(crate) struct Watched {
    vitals: Arc<Vitals>,
    ping: Box<dyn Fn(oneshot::Sender<()>) + Send>,
    /// Dropped on the other side when the ping is handled.
    unanswered: Option<oneshot::Receiver<()>>,
    steps: u64,
    misses: u32,
}

impl Watched {
    /// `ping` puts the sender into the host's mailbox.
    pub(crate) fn new(vitals: Arc<Vitals>, ping: impl Fn(oneshot::Sender<()>) + Send + 'static) -> Self {
        Self { vitals, ping: Box::new(ping), unanswered: None, steps: 0, misses: 0 }
    }

    /// One round. Returns whether the host is frozen.
    fn round(&mut self) -> bool {
        use oneshot::error::TryRecvError;
        let steps = self.vitals.steps();
        let waits = self.unanswered.as_mut().is_some_and(|pong| pong.try_recv() == Err(TryRecvError::Empty));
        if waits && steps == self.steps {
            self.misses += 1;
        } else {
            self.misses = 0;
        }
        self.steps = steps;
        if !waits {
            let (ping, pong) = oneshot::channel();
            (self.ping)(ping);
            self.unanswered = Some(pong);
        }
        self.misses >= MISSES
    }
}

/// Watches until a host freezes. Runs for as long as the node does; cancel-safe.
pub(crate) async fn watch(mut hosts: Vec<Watched>, every: Duration) -> Fatal {
    let mut rounds = tokio::time::interval(every);
    // After a suspension of the machine, rounds missed are not made up for: they would all be misses.
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if let Some(frozen) = hosts.iter_mut().find_map(|host| host.round().then_some(host.vitals.name)) {
            return Fatal::Frozen { actor: frozen };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    type Mailbox = Arc<Mutex<Vec<oneshot::Sender<()>>>>;

    /// A host whose mailbox the test holds.
    fn watched() -> (Watched, Arc<Vitals>, Mailbox) {
        let vitals = Arc::new(Vitals::new("toy"));
        let mailbox = Mailbox::default();
        let pings = Arc::clone(&mailbox);
        let watched = Watched::new(Arc::clone(&vitals), move |ping| pings.lock().expect("lock").push(ping));
        (watched, vitals, mailbox)
    }

    #[test]
    fn three_missed_pings_are_a_frozen_host() {
        let (mut watched, _, mailbox) = watched();
        assert_eq!([(); 4].map(|()| watched.round()), [false, false, false, true]);
        assert_eq!(mailbox.lock().expect("lock").len(), 1, "pings do not pile up");
    }

    #[test]
    fn a_busy_host_that_gets_on_is_not_frozen() {
        let (mut watched, vitals, _) = watched();
        for _ in 0..10 {
            assert!(!watched.round());
            vitals.stepped();
        }
    }

    #[test]
    fn an_answer_makes_good_for_misses() {
        let (mut watched, _, mailbox) = watched();
        for _ in 0..4 {
            assert_eq!([(); 3].map(|()| watched.round()), [false; 3]);
            mailbox.lock().expect("lock").clear();
        }
    }
}
