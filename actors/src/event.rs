//! What the node tells everybody who looks: numbered events, and subscriptions that cannot fall behind unnoticed.
//!
//! In: events of machines, network and hosts ([`EventHub::publish`]). Out: to each [`Subscription`] all of them in order, or
//! [`Notice::Resync`] when some are gone for it: then whoever looks reads the state anew. The last [`RING`] events
//! are kept once for all; a subscription is only a place in that ring, so a slow one costs nothing.
//!
//! Numbers begin at the time of the start, in microseconds, so that a page that outlives a restart of the node
//! is told to resync instead of mistaking new events for old ones. They fit into a JSON number.
//!
//! Not here: JSON and WebSockets (`pc2-web`).

use crate::{
    files::preparing::{OfferError, Preparing},
    health::ActorState,
    net::NetEvent,
};
use pc2_protocols::{
    files::{self, rows::TransferId},
    identity::ProfileRow,
    messenger,
    time::UnixMillis,
    wasm,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::watch;

/// Events kept for those who come back: some minutes of a busy node.
pub const RING: usize = 1_024;

/// Something that happened in this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeEvent {
    /// Contacts and messages; carries its account.
    Messenger(messenger::Event),
    /// File transfers; carries its account.
    Files(files::Event),
    /// Files are being hashed to be offered: how far it has come, every half second at most; or why it failed.
    Preparing(Preparing),
    /// A preparation is over: the transfer exists now, or why not.
    Prepared {
        /// Which.
        id: TransferId,
        /// Why not.
        result: Result<(), OfferError>,
    },
    /// An account calls itself so from now on.
    Profile(ProfileRow),
    /// Peers come and go, own addresses change.
    Network(NetEvent),
    /// How this node is reached, or what it does for others, has changed: [`crate::api::NodeHandle::relay`] has the picture.
    Reach,
    /// Apps and runs; carries its space.
    Wasm(wasm::Event),
    /// A part of the node fails, or works again.
    Health {
        /// Its name, as in [`crate::api::ActorHealth::name`].
        actor: &'static str,
        /// What it does now.
        state: ActorState,
    },
}

/// An event with its number. Numbers grow by one from event to event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// Its number.
    pub number: u64,
    /// What happened.
    pub event: NodeEvent,
}

/// What a subscription brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The next event.
    Event(Arc<Numbered>),
    /// Events are missing here: read the state anew. The next one will be the one after `number`.
    Resync {
        /// The number of the latest event.
        number: u64,
    },
}

/// Where events are published.
#[derive(Debug)]
pub(crate) struct EventHub {
    ring: Mutex<Ring>,
    news: watch::Sender<News>,
}

#[derive(Debug)]
struct Ring {
    latest: u64,
    events: VecDeque<Arc<Numbered>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Latest(u64),
    Closed,
}

impl EventHub {
    /// Nothing has happened yet.
    pub(crate) fn new(now: UnixMillis) -> Arc<Self> {
        // Exact in JSON until the year 2255.
        let latest = now.0.saturating_mul(1_000).min((1 << 53) - 1);
        let ring = Ring { latest, events: VecDeque::new() };
        Arc::new(Self { ring: Mutex::new(ring), news: watch::Sender::new(News::Latest(latest)) })
    }

    /// Tells everybody. Never waits.
    pub(crate) fn publish(&self, event: NodeEvent) {
        let mut ring = self.ring();
        ring.latest += 1;
        let number = ring.latest;
        if ring.events.len() >= RING {
            ring.events.pop_front();
        }
        ring.events.push_back(Arc::new(Numbered { number, event }));
        // Under the lock, so that the news never go backwards.
        self.news.send_replace(News::Latest(number));
    }

    /// Begins after the event of that number, or with the next one.
    pub(crate) fn subscribe(self: &Arc<Self>, after: Option<u64>) -> Subscription {
        let after = after.unwrap_or_else(|| self.ring().latest);
        Subscription { news: self.news.subscribe(), hub: Arc::clone(self), after }
    }

    /// The node stops: subscriptions end once they have brought everything.
    pub(crate) fn close(&self) {
        self.news.send_replace(News::Closed);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().expect("no holder of the lock panics")
    }

    fn next(&self, after: u64) -> Option<Notice> {
        let ring = self.ring();
        if after == ring.latest {
            return None;
        }
        let missing = || Notice::Resync { number: ring.latest };
        let Some(oldest) = ring.events.front() else { return Some(missing()) };
        let place = after.checked_add(1).and_then(|wanted| wanted.checked_sub(oldest.number));
        let event =
            place.and_then(|place| usize::try_from(place).ok()).and_then(|place| ring.events.get(place));
        Some(event.map_or_else(missing, |event| Notice::Event(Arc::clone(event))))
    }
}

/// One reader of events.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<EventHub>,
    news: watch::Receiver<News>,
    after: u64,
}

impl Subscription {
    /// The number of the event after which it goes on.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.after
    }

    /// Waits for what comes next; `None` when the node has stopped. Cancel-safe.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            let news = *self.news.borrow_and_update();
            if let Some(notice) = self.hub.next(self.after) {
                self.after = match &notice {
                    Notice::Event(event) => event.number,
                    Notice::Resync { number } => *number,
                };
                return Some(notice);
            }
            if news == News::Closed {
                return None;
            }
            // Cannot fail: the hub, which this holds, owns the sender.
            self.news.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(actor: &'static str) -> NodeEvent {
        NodeEvent::Health { actor, state: ActorState::Running }
    }

    async fn numbers(subscription: &mut Subscription, count: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            match subscription.next().await {
                Some(Notice::Event(event)) => numbers.push(event.number),
                other => panic!("expected an event, got {other:?}"),
            }
        }
        numbers
    }

    #[tokio::test]
    async fn whoever_comes_back_in_time_gets_what_was_missed() {
        let hub = EventHub::new(UnixMillis(1));
        let mut early = hub.subscribe(None);
        for _ in 0..3 {
            hub.publish(health("a"));
        }
        assert_eq!(numbers(&mut early, 3).await, [1_001, 1_002, 1_003]);
        let mut back = hub.subscribe(Some(1_001));
        assert_eq!(numbers(&mut back, 2).await, [1_002, 1_003]);
    }

    #[tokio::test]
    async fn whoever_comes_too_late_is_told_to_resync_and_goes_on_from_there() {
        let hub = EventHub::new(UnixMillis(1));
        let mut slow = hub.subscribe(None);
        for _ in 0..=RING {
            hub.publish(health("a"));
        }
        let latest = 1_000 + RING as u64 + 1;
        assert_eq!(slow.next().await, Some(Notice::Resync { number: latest }));
        hub.publish(health("b"));
        assert_eq!(numbers(&mut slow, 1).await, [latest + 1]);
    }

    #[tokio::test]
    async fn a_number_of_an_earlier_or_later_life_of_the_node_is_answered_by_resync() {
        let hub = EventHub::new(UnixMillis(1));
        for after in [0, 500, 5_000, u64::MAX] {
            let notice = hub.subscribe(Some(after)).next().await;
            assert_eq!(notice, Some(Notice::Resync { number: 1_000 }), "after {after}");
        }
    }

    #[tokio::test]
    async fn a_stopped_node_ends_subscriptions_after_the_last_event() {
        let hub = EventHub::new(UnixMillis(1));
        let mut subscription = hub.subscribe(None);
        hub.publish(health("a"));
        hub.close();
        assert_eq!(numbers(&mut subscription, 1).await, [1_001]);
        assert_eq!(subscription.next().await, None);
    }
}
