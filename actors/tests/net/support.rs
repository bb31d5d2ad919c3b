//! Nodes for tests: a driver on loopback whose machines are the test itself.

use pc2_actors::net::{
    ArrivingStreams, FileStream, FileStreams, Full, Loopback, NetConfig, NetHandle, NetStartError, NetTask,
    NetworkView, Route, Routes, spawn,
};
use pc2_protocols::{
    id::NodeId,
    machine::{Component, OpId, OpIds},
    net::{Address, NetCommand, NetError, NetInput, Peer, Protocol, Reach, RelayShare, RequestToken},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use zeroize::Zeroizing;

/// Everything a test waits for comes within this, also on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a node of a test is started.
#[derive(Clone)]
pub(crate) struct Setup {
    seed: u8,
    listen: Vec<Address>,
    bootstrap: Vec<Peer>,
    known: Vec<Peer>,
    queue: usize,
    routes: bool,
    relay: Option<RelayShare>,
}

impl Setup {
    /// A node with its own key that listens on loopback by TCP.
    pub(crate) fn tcp(seed: u8) -> Self {
        Self::on(seed, "/ip4/127.0.0.1/tcp/0")
    }

    /// The same by QUIC.
    pub(crate) fn quic(seed: u8) -> Self {
        Self::on(seed, "/ip4/127.0.0.1/udp/0/quic-v1")
    }

    /// A node with its own key that listens there.
    pub(crate) fn on(seed: u8, listen: &str) -> Self {
        Self {
            seed,
            listen: vec![address(listen)],
            bootstrap: Vec::new(),
            known: Vec::new(),
            queue: 4_096,
            routes: true,
            relay: None,
        }
    }

    /// Looks things up and does nothing for others.
    pub(crate) fn client(mut self) -> Self {
        self.routes = false;
        self
    }

    /// Relays for others within these limits.
    pub(crate) fn relays(mut self, share: RelayShare) -> Self {
        self.relay = Some(share);
        self
    }

    /// Joins the network by this node.
    pub(crate) fn bootstrap(mut self, peer: Peer) -> Self {
        self.bootstrap.push(peer);
        self
    }

    /// Starts with a saved routing table.
    pub(crate) fn known(mut self, known: Vec<Peer>) -> Self {
        self.known = known;
        self
    }

    /// Listens on exactly these addresses.
    pub(crate) fn listen(mut self, listen: Vec<Address>) -> Self {
        self.listen = listen;
        self
    }

    /// Gives its machines queues of so many places.
    pub(crate) fn queue(mut self, places: usize) -> Self {
        self.queue = places;
        self
    }

    /// Starts it and tells why it could not.
    pub(crate) fn try_start(self) -> Result<Node, NetStartError> {
        let (record_route, record) = route(self.queue);
        let (message_route, message) = route(self.queue);
        let (mailbox_route, mailbox) = route(self.queue);
        let (relay_route, relay) = route(self.queue);
        let saved = Arc::new(Mutex::new(None));
        let save_to = Arc::clone(&saved);
        let routes = Routes {
            record: record_route,
            message: message_route,
            mailbox: mailbox_route,
            files: Arc::new(|_| Ok(())),
            relay: relay_route,
            observer: Arc::new(|_| {}),
            meter: Arc::default(),
            routing_saved: Arc::new(move |table| {
                save_to.lock().expect("no panic while held").replace(table);
            }),
        };
        let config = NetConfig {
            secret: Zeroizing::new([self.seed; 32]),
            listen: self.listen,
            bootstrap: self.bootstrap,
            mdns: false,
            upnp: false,
            known: self.known,
            loopback: Loopback::WhenAlone,
        };
        let (handle, task, arriving) = spawn(&tokio::runtime::Handle::current(), config, routes)?;
        handle.command(NetCommand::Contribute { routes: self.routes, relay: self.relay }).expect("room");
        Ok(Node {
            files: handle.files(),
            arriving,
            handle,
            task,
            record: Inbox { queue: record },
            message: Inbox { queue: message },
            mailbox: Inbox { queue: mailbox },
            relay: Inbox { queue: relay },
            saved,
            ids: OpIds::new(Component::Messenger, 0),
            record_ids: OpIds::new(Component::Dht, 0),
            mailbox_ids: OpIds::new(Component::Mailbox, 0),
        })
    }

    /// Starts it.
    pub(crate) fn start(self) -> Node {
        self.try_start().expect("the node starts")
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) handle: NetHandle,
    pub(crate) files: FileStreams,
    pub(crate) arriving: ArrivingStreams,
    pub(crate) task: NetTask,
    pub(crate) record: Inbox,
    pub(crate) message: Inbox,
    pub(crate) mailbox: Inbox,
    pub(crate) relay: Inbox,
    saved: Arc<Mutex<Option<Vec<Peer>>>>,
    ids: OpIds,
    record_ids: OpIds,
    mailbox_ids: OpIds,
}

impl Node {
    pub(crate) fn id(&self) -> NodeId {
        self.handle.node()
    }

    pub(crate) async fn view(&self) -> NetworkView {
        self.handle.view().await.expect("the driver runs")
    }

    /// Itself with its addresses, as others are told.
    pub(crate) async fn peer(&self) -> Peer {
        Peer { node: self.id(), addresses: self.view().await.addresses }
    }

    pub(crate) fn command(&self, command: NetCommand) {
        self.handle.command(command).expect("room in the queue");
    }

    /// Learns where another node is.
    pub(crate) async fn learn(&self, other: &Self) {
        self.command(NetCommand::Learn { peer: other.peer().await });
    }

    /// The next stream that a peer opens.
    pub(crate) async fn stream(&mut self) -> FileStream {
        let next = tokio::time::timeout(PATIENCE, self.arriving.recv()).await;
        next.expect("a stream comes in time").expect("the driver runs")
    }

    /// Sends a request for the messenger (or the record machine) to answer.
    pub(crate) fn request(&mut self, to: NodeId, protocol: Protocol, payload: &[u8]) -> OpId {
        let op = match protocol {
            Protocol::Message => self.ids.next_id(),
            Protocol::Record => self.record_ids.next_id(),
            Protocol::Mailbox => self.mailbox_ids.next_id(),
        };
        self.command(NetCommand::Request { op, to, protocol, payload: payload.to_vec() });
        op
    }

    /// Asks for the nodes closest to a key.
    pub(crate) async fn find_closest(&mut self, key: [u8; 32]) -> Vec<Peer> {
        let op = self.record_ids.next_id();
        self.command(NetCommand::FindClosest { op, key: pc2_protocols::id::RecordKey::from_bytes(key) });
        self.record
            .until(|input| match input {
                NetInput::Closest { op: answered, peers } if answered == op => Some(peers),
                _ => None,
            })
            .await
    }

    /// Shuts it down; the routing table as it was saved.
    pub(crate) async fn shutdown(self) -> Option<Vec<Peer>> {
        self.task.shutdown().await.expect("the driver did not fail");
        self.saved.lock().expect("no panic while held").take()
    }
}

/// What one machine of a node is told.
pub(crate) struct Inbox {
    queue: mpsc::Receiver<NetInput>,
}

impl Inbox {
    /// The next input, whatever it is.
    pub(crate) async fn next(&mut self) -> NetInput {
        let next = tokio::time::timeout(PATIENCE, self.queue.recv()).await;
        next.expect("something happens in time").expect("the driver runs")
    }

    /// What was said already, if anything was.
    pub(crate) fn at_once(&mut self) -> Option<NetInput> {
        self.queue.try_recv().ok()
    }

    /// Reads on until an input is what is looked for.
    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(NetInput) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    pub(crate) async fn until_up(&mut self, who: NodeId) {
        self.until(|input| (input == NetInput::PeerUp { node: who }).then_some(())).await;
    }

    /// Reads on until something about how the node is reached is what is looked for.
    pub(crate) async fn reach<T>(&mut self, wanted: impl Fn(Reach) -> Option<T>) -> T {
        self.until(|input| match input {
            NetInput::Reach(reach) => wanted(reach),
            _ => None,
        })
        .await
    }

    pub(crate) async fn until_down(&mut self, who: NodeId) {
        self.until(|input| (input == NetInput::PeerDown { node: who }).then_some(())).await;
    }

    /// The next request of a peer.
    pub(crate) async fn request(&mut self) -> (NodeId, RequestToken, Vec<u8>) {
        self.until(|input| match input {
            NetInput::Request { from, token, payload, .. } => Some((from, token, payload)),
            _ => None,
        })
        .await
    }

    /// The answer to one of our requests.
    pub(crate) async fn response(&mut self, op: OpId) -> Result<Vec<u8>, NetError> {
        self.until(|input| match input {
            NetInput::Response { op: answered, result } if answered == op => Some(result),
            _ => None,
        })
        .await
    }

    /// The next answer, to whatever request.
    pub(crate) async fn any_response(&mut self) -> (OpId, Result<Vec<u8>, NetError>) {
        self.until(|input| match input {
            NetInput::Response { op, result } => Some((op, result)),
            _ => None,
        })
        .await
    }
}

/// A wire to a node that listens by TCP, which can be cut without either end being told.
pub(crate) struct Wire {
    pub(crate) address: Address,
    cut: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn to(peer: &Peer) -> Self {
        let port = |at: &Address| at.as_str().strip_prefix("/ip4/127.0.0.1/tcp/")?.parse::<u16>().ok();
        let port = peer.addresses.iter().find_map(port).expect("it listens by TCP");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("bound").port();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
                let mut is_cut = is_cut.clone();
                tokio::spawn(async move {
                    let cut = async { is_cut.wait_for(|cut| *cut).await.is_ok() };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                        _ = cut => {}
                    }
                    // The sockets stay open.
                    std::future::pending::<()>().await;
                });
            }
        });
        Self { address: address(&format!("/ip4/127.0.0.1/tcp/{here}")), cut }
    }

    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }
}

fn route(places: usize) -> (Route, mpsc::Receiver<NetInput>) {
    let (sender, queue) = mpsc::channel(places);
    let route: Route =
        Arc::new(move |input| sender.try_send(input).map_err(|error| Full(error.into_inner())));
    (route, queue)
}

pub(crate) fn address(text: &str) -> Address {
    Address::try_from(text.to_owned()).expect("an address")
}
