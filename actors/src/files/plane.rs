//! The data plane: one task that carries the machine's orders out, each by tasks and threads of its own.
//!
//! In: orders, in their order; streams that peers open. Out: what becomes of them, to the machine. What is done with the disk for one transfer is done
//! one after the other; different transfers do not wait for each other. Ends with the node, after what has arrived was made to survive.
//!
//! Bounded by the machine: it has a few transfers open, a few questions with each holder, and a word for each request of a peer. The threads that may
//! wait are the io runtime's.
//!
//! Not here: what to do (the machine).

use super::{
    home::Home,
    lines::{Lines, Open as OpenStream, Stream},
    pace::Pace,
    part::{Shared, Unused},
    receive::Places,
    requests::{Requests, Say},
    serve,
    session::{Session, Stretch},
    upkeep::{sweep, tell},
};
use crate::shell::Inbox;
use futures::{StreamExt as _, stream::BoxStream};
use pc2_protocols::{
    files::{In, Opened, Out, Part, PullError, PullId, offer::Offered, rows::TransferId},
    id::NodeId,
    time::UnixMillis,
};
use pc2_storage::blobs::BlobStore;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};
use tokio::{
    runtime,
    sync::{Notify, mpsc, watch},
    task::{JoinHandle, spawn_blocking},
};
use tracing::{debug, info, warn};

/// From so many bytes on, a connection of its own is worth its handshake.
const BULK_FROM: u64 = 8 * 1024 * 1024;

/// Ended transfers whose last job may still run are kept until there are so many.
const KEPT: usize = 64;

/// What the data plane is told.
pub(crate) enum Order {
    /// By the machine.
    Machine(Out),
    /// By the shell: a transfer has ended, durably. What was held for it is held no longer.
    Ended {
        /// Which.
        id: TransferId,
        /// What it was.
        what: Box<Offered>,
    },
    /// The node ends.
    End,
}

/// What all tasks of the data plane share.
pub(crate) struct Parts {
    pub(crate) own: Inbox<In>,
    pub(crate) open: OpenStream,
    pub(crate) places: Places,
    pub(crate) down: Arc<Pace>,
    pub(crate) up: Arc<Pace>,
    pub(crate) waiting: Requests,
    /// Bytes of a transfer from which on it is bulk.
    pub(crate) bulk_from: u64,
    pub(crate) sweep: Notify,
}

/// The part of a transfer that is open. Changed by the transfer's jobs alone, which run one after the other.
type Slot = Arc<Mutex<Option<(Shared, Unused)>>>;

/// A transfer that is received.
struct Receiving {
    what: Arc<Offered>,
    slot: Slot,
    sessions: BTreeMap<NodeId, mpsc::UnboundedSender<Stretch>>,
    stop: watch::Sender<bool>,
    last: Option<JoinHandle<()>>,
}

/// What the data plane is started with.
pub(crate) struct Start {
    pub(crate) data: PathBuf,
    pub(crate) store: BlobStore,
    pub(crate) own: Inbox<In>,
    pub(crate) lines: Lines,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) needed: Needed,
}

/// What is needed of the blob store when the process starts; what others held before is left over from one that ended too early.
pub(crate) struct Needed {
    /// Those that are not over.
    pub(crate) transfers: Vec<TransferId>,
    /// When this was so.
    pub(crate) at: UnixMillis,
}

/// Starts it. It ends when nobody can give orders any more.
pub(crate) fn spawn(io: &runtime::Handle, start: Start) -> JoinHandle<()> {
    let Start { data, store, own, lines, orders, needed } = start;
    let Lines { open, incoming } = lines;
    let home = Home::of_owner(&data);
    let parts = Arc::new(Parts {
        own,
        open,
        places: Places { data, home, store },
        down: Arc::new(Pace::unlimited()),
        up: Arc::new(Pace::unlimited()),
        waiting: Requests::default(),
        bulk_from: BULK_FROM,
        sweep: Notify::new(),
    });
    let plane = Plane { parts, transfers: BTreeMap::new(), pulls: BTreeMap::new(), needed: Some(needed) };
    io.spawn(plane.run(orders, incoming))
}

struct Plane {
    parts: Arc<Parts>,
    transfers: BTreeMap<TransferId, Receiving>,
    /// Of whom a question was asked, for which transfer.
    pulls: BTreeMap<PullId, (TransferId, NodeId)>,
    /// What was needed when the process started, until it was looked through.
    needed: Option<Needed>,
}

impl Plane {
    async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut incoming: BoxStream<'static, Stream>,
    ) {
        let sweeper = tokio::spawn(sweep(Arc::clone(&self.parts), self.needed.take()));
        let mut listens = true;
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Machine(order)) => self.order(order),
                    Some(Order::Ended { id, what }) => self.ended(id, *what),
                    Some(Order::End) | None => break,
                },
                stream = incoming.next(), if listens => match stream {
                    Some(stream) => {
                        tokio::spawn(serve::answer(Arc::clone(&self.parts), stream));
                    }
                    None => listens = false,
                },
            }
        }
        sweeper.abort();
        self.end().await;
    }

    fn order(&mut self, order: Out) {
        match order {
            Out::Reset { account: _ } => self.reset(),
            Out::Limits { rates } => {
                self.parts.down.set(rates.down);
                self.parts.up.set(rates.up);
            }
            Out::Open { id, what, part } => self.open(id, what, part),
            Out::StartPull { pull, id, part: _, holder, groups } => {
                self.start(pull, id, holder, groups);
            }
            Out::StopPull { pull } => self.stop(pull),
            Out::Finish { id, what, folder } => {
                let (parts, what) = (Arc::clone(&self.parts), Arc::new(what));
                self.job(id, &Arc::clone(&what), move |slot| {
                    let open = held(&slot).as_ref().map(|(open, _)| open.clone());
                    let folder = folder.as_ref().map(|folder| folder.as_ref());
                    let result = parts.places.finish(id, &what, folder, open.as_deref());
                    if result.is_ok() {
                        *held(&slot) = None;
                    }
                    parts.own.tell(In::Finished { id, result });
                });
            }
            Out::Close { id, keep } => self.close(id, keep),
            Out::Serve { token, id, blob, size, groups, member } => {
                self.parts.waiting.say(token, Say::Serve { id, blob, size, groups, member });
            }
            Out::StopServing { token } => self.parts.waiting.stop(token),
            Out::Refuse { token, reason } => self.parts.waiting.say(token, Say::Refuse(reason)),
            Out::Noted { token } => self.parts.waiting.say(token, Say::Noted),
            Out::Tell { id, word } => {
                let parts = Arc::clone(&self.parts);
                tokio::spawn(async move {
                    let result = tell(&parts, id.peer, id.offer, word).await;
                    parts.own.tell(In::Told { id, word, result });
                });
            }
            // `Order::Ended` says the same, and what it was.
            Out::Release { id: _ } => {}
            // Not for the data plane.
            Out::Persist { .. }
            | Out::Reply { .. }
            | Out::Publish(_)
            | Out::SendOffer { .. }
            | Out::Report { .. } => {}
        }
    }

    /// Everything that an earlier life of the machine asked for is over.
    fn reset(&mut self) {
        self.parts.waiting.stop_all();
        self.pulls.clear();
        for (id, receiving) in &mut self.transfers {
            receiving.sessions.clear();
            let _nobody_runs = receiving.stop.send(true);
            debug!(offer = id.offer.short(), "a transfer is begun anew");
        }
        let ids: Vec<TransferId> = self.transfers.keys().copied().collect();
        for id in ids {
            self.close(id, true);
        }
    }

    /// Something with the disk, for one transfer, after everything else that was begun with it.
    fn job(&mut self, id: TransferId, what: &Arc<Offered>, job: impl FnOnce(Slot) + Send + 'static) {
        let receiving = self.transfers.entry(id).or_insert_with(|| Receiving {
            what: Arc::clone(what),
            slot: Slot::default(),
            sessions: BTreeMap::new(),
            stop: watch::channel(false).0,
            last: None,
        });
        let (before, slot) = (receiving.last.take(), Arc::clone(&receiving.slot));
        receiving.last = Some(tokio::spawn(async move {
            if let Some(before) = before {
                // How it ended was told by it.
                let _ended = before.await;
            }
            if let Err(error) = spawn_blocking(move || job(slot)).await {
                warn!(%error, "work for a file transfer failed");
            }
        }));
    }

    fn open(&mut self, id: TransferId, what: Offered, part: Part) {
        let (parts, what) = (Arc::clone(&self.parts), Arc::new(what));
        self.job(id, &Arc::clone(&what), move |slot| {
            let before = held(&slot).take();
            let opened = parts.places.open(id, &what, part, before.as_ref().map(|(open, _)| &**open));
            let result = match opened {
                Ok((open, opened)) => {
                    if let Opened::Missing { have, .. } = &opened {
                        let size = what.size().bytes();
                        info!(offer = id.offer.short(), ?part, have, size, "receiving goes on from here");
                    }
                    *held(&slot) = open.map(Shared::new);
                    Ok(opened)
                }
                Err(error) => {
                    info!(offer = id.offer.short(), %error, "a transfer cannot be received now");
                    Err(error)
                }
            };
            parts.own.tell(In::Opened { id, part, result });
        });
    }

    fn start(&mut self, pull: PullId, id: TransferId, holder: NodeId, groups: std::ops::Range<u64>) {
        let lost = |parts: &Parts| {
            let missing = vec![groups.clone()];
            parts.own.tell(In::PullEnded { pull, missing, result: Err(PullError::Lost) });
        };
        let Some(receiving) = self.transfers.get_mut(&id) else { return lost(&self.parts) };
        let open = held(&receiving.slot).as_ref().map(|(open, _)| open.clone());
        let Some(open) = open else { return lost(&self.parts) };
        if *receiving.stop.borrow() {
            receiving.stop = watch::channel(false).0;
        }
        self.pulls.insert(pull, (id, holder));
        let stretch = Stretch { pull, open, groups: groups.clone() };
        let stretch = match receiving.sessions.get(&holder) {
            Some(session) => match session.send(stretch) {
                Ok(()) => return,
                Err(back) => back.0,
            },
            None => stretch,
        };
        let session = Session {
            parts: Arc::clone(&self.parts),
            holder,
            offer: id.offer,
            what: Arc::clone(&receiving.what),
            stop: receiving.stop.subscribe(),
            bytes: AtomicU64::new(0),
        };
        let (stretches, run) = mpsc::unbounded_channel();
        // It cannot be closed: the other end is here.
        let _it_is_taken = stretches.send(stretch);
        receiving.sessions.insert(holder, stretches);
        tokio::spawn(session.run(run));
    }

    /// Ends everything that a holder was asked for a transfer: answers come in order, so one cannot be skipped.
    fn stop(&mut self, pull: PullId) {
        let Some((id, holder)) = self.pulls.remove(&pull) else { return };
        let Some(receiving) = self.transfers.get_mut(&id) else { return };
        if receiving.sessions.remove(&holder).is_some() && receiving.sessions.is_empty() {
            let _nobody_runs = receiving.stop.send(true);
        }
    }

    fn close(&mut self, id: TransferId, keep: bool) {
        self.pulls.retain(|_, (of, _)| *of != id);
        let Some(receiving) = self.transfers.get_mut(&id) else { return };
        receiving.sessions.clear();
        let _nobody_runs = receiving.stop.send(true);
        let (parts, what) = (Arc::clone(&self.parts), Arc::clone(&receiving.what));
        self.job(id, &Arc::clone(&what), move |slot| {
            if let Some((open, unused)) = held(&slot).take() {
                if keep && let Err(error) = open.checkpoint() {
                    warn!(%error, "the last of what arrived was not kept");
                }
                drop(open);
                unused.wait();
            }
            if !keep && let Err(error) = parts.places.give_up(id, &what) {
                warn!(%error, "what had arrived of a transfer could not be removed");
            }
        });
        self.tidy();
    }

    /// A transfer has ended, durably.
    fn ended(&mut self, id: TransferId, what: Offered) {
        let (parts, what) = (Arc::clone(&self.parts), Arc::new(what));
        self.job(id, &Arc::clone(&what), move |slot| {
            drop(held(&slot).take());
            if let Err(error) = parts.places.let_go(id, &what) {
                warn!(%error, "a transfer that is over is still held");
            }
            parts.sweep.notify_one();
        });
        self.tidy();
    }

    /// Forgets transfers with which nothing goes on.
    fn tidy(&mut self) {
        if self.transfers.len() > KEPT {
            self.transfers.retain(|_, receiving| {
                let idle = receiving.last.as_ref().is_none_or(JoinHandle::is_finished);
                !idle || held(&receiving.slot).is_some()
            });
        }
    }

    /// Lets what has arrived survive the end of the node.
    async fn end(mut self) {
        self.parts.waiting.stop_all();
        let ids: Vec<TransferId> = self.transfers.keys().copied().collect();
        for id in ids {
            self.close(id, true);
        }
        for (_, receiving) in std::mem::take(&mut self.transfers) {
            if let Some(last) = receiving.last {
                // How it ended was told by it.
                let _ended = last.await;
            }
        }
    }
}

fn held(slot: &Slot) -> MutexGuard<'_, Option<(Shared, Unused)>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
