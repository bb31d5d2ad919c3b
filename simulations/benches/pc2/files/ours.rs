//! PC2 as a carrier: two running nodes that are contacts. One offers over its API, the other accepts everything of it unasked.

use super::cost::Carrier;
use crate::process::{Node, become_contacts};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How often the receiver is asked whether it is done. One question costs 0.1 ms.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Nothing measured here takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(180);

/// Two nodes.
pub(crate) struct Ours {
    /// Who offers.
    pub(crate) alice: Node,
    /// Who receives.
    pub(crate) bob: Node,
    alice_did: String,
    bob_did: String,
    /// Most that a side's resident memory has grown by in a transfer, in bytes.
    pub(crate) grown: u64,
    /// Of each transfer: until the receiver had heard of it. It is hashed by then.
    pub(crate) heard: Vec<Duration>,
}

impl Ours {
    /// Started, contacts, and connected.
    pub(crate) fn start() -> Self {
        let alice = Node::start("Alice", &[]);
        let bob = Node::start("Bob", &alice.way_in());
        become_contacts(&alice, &bob);
        let (alice_did, bob_did) = (alice.did(), bob.did());
        bob.put(&format!("/api/transfers/auto/{alice_did}"), &json!({ "max_bytes": 1_u64 << 40 }));
        Self { alice, bob, alice_did, bob_did, grown: 0, heard: Vec::new() }
    }

    /// How the two are connected.
    pub(crate) fn way(&self) -> String {
        let network = self.bob.get("/api/network").unwrap_or_default();
        let peers = network["peers"].as_array().cloned().unwrap_or_default();
        let text = |peer: &Value, field: &str| peer[field].as_str().unwrap_or_default().to_owned();
        let alice = peers.iter().find(|peer| peer["did"] == *self.alice_did);
        alice.map_or_else(
            || "not connected".to_owned(),
            |peer| format!("{}, {}", text(peer, "path"), text(peer, "transport")),
        )
    }

    /// Offers something; the id of the offer.
    pub(crate) fn offer(&self, source: &Path) -> String {
        let offered = self.alice.post("/api/transfers", &json!({ "to": self.bob_did, "paths": [source] }));
        offered["offer"].as_str().expect("a transfer has an offer").to_owned()
    }

    /// What the receiver knows of an offer, if it has heard of it.
    pub(crate) fn received(&self, offer: &str) -> Option<Value> {
        self.bob.get(&format!("/api/transfers/in.{}.{offer}", self.alice_did))
    }

    /// Waits for the end.
    pub(crate) fn until_done(&self, offer: &str) -> Result<PathBuf, String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let transfer = self.received(offer).unwrap_or_default();
            match transfer["state"].as_str() {
                Some("done") => {
                    return transfer["path"].as_str().map(PathBuf::from).ok_or("no path".to_owned());
                }
                Some("failed" | "withdrawn" | "expired" | "cancelled") => return Err(transfer.to_string()),
                _ if Instant::now() > end => return Err(format!("not done in time: {transfer}")),
                _ => thread::sleep(LOOK_EVERY),
            }
        }
    }
}

impl Carrier for Ours {
    fn name(&self) -> &'static str {
        "PC2"
    }

    fn servers(&self) -> Vec<u32> {
        vec![self.alice.pid(), self.bob.pid()]
    }

    fn carry(&mut self, source: &Path) -> Result<PathBuf, String> {
        let nodes = [&self.alice, &self.bob];
        nodes.iter().for_each(|node| node.forget_peak());
        let before = nodes.map(Node::resident_bytes);
        let started = Instant::now();
        let offer = self.offer(source);
        self.bob.until("it is offered", LOOK_EVERY, |_| self.received(&offer));
        self.heard.push(started.elapsed());
        let arrived = self.until_done(&offer)?;
        let grown = nodes.iter().zip(before).map(|(node, before)| node.peak_bytes().saturating_sub(before));
        self.grown = self.grown.max(grown.max().unwrap_or_default());
        Ok(arrived)
    }
}
