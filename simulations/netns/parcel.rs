//! A file that goes from one node to another: offered, accepted unasked, and looked at until it is there.

use crate::node::{Node, within};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// A file on its way.
pub(crate) struct Parcel<'a> {
    to: &'a Node,
    /// Names it at the receiver.
    path: String,
}

/// From now on, this node takes whatever that one offers.
pub(crate) fn take_all(node: &Node, from: &Node) -> Result<(), String> {
    let rule = json!({ "max_bytes": 1_u64 << 40 });
    node.api("PUT", &format!("/api/transfers/auto/{}", from.did), Some(&rule)).map(drop)
}

impl<'a> Parcel<'a> {
    /// Offers a file.
    pub(crate) fn send(from: &Node, to: &'a Node, file: &Path) -> Result<Self, String> {
        let offer = json!({ "to": to.did, "paths": [file] });
        let offered = from.api("POST", "/api/transfers", Some(&offer))?;
        let offer = offered["offer"].as_str().ok_or_else(|| format!("it was not offered: {offered}"))?;
        Ok(Self { to, path: format!("/api/transfers/in.{}.{offer}", from.did) })
    }

    /// As the receiver sees it. Nothing while it has not heard of it.
    fn seen(&self) -> Value {
        self.to.api("GET", &self.path, None).unwrap_or_default()
    }

    /// Proven bytes at the receiver, while they come.
    pub(crate) fn bytes(&self) -> u64 {
        self.seen()["bytes"].as_u64().unwrap_or_default()
    }

    /// Waits until so many bytes are there.
    pub(crate) fn until_bytes(&self, wanted: u64, patience: Duration) -> Option<Duration> {
        // What is done has no count any more.
        within(patience, || {
            let seen = self.seen();
            let here = seen["bytes"].as_u64().unwrap_or_default();
            (here >= wanted || seen["state"] == "done").then_some(())
        })
        .map(|(took, ())| took)
    }

    /// Waits until it is in its place, and says where.
    pub(crate) fn until_done(&self, patience: Duration) -> Result<PathBuf, String> {
        let ended = within(patience, || {
            let seen = self.seen();
            match seen["state"].as_str() {
                Some("done") => Some(seen["path"].as_str().map(PathBuf::from).ok_or("no path".to_owned())),
                Some("failed" | "cancelled" | "expired" | "withdrawn") => Some(Err(seen.to_string())),
                _ => None,
            }
        });
        ended.map_or_else(
            || Err(format!("not done after {} s: {}", patience.as_secs(), self.seen())),
            |(_, path)| path,
        )
    }
}
