//! How one node is connected with another, as `pc2 --json peers` tells it. The one place that reads that answer.
//!
//! Lenient, since the field has grown: `"direct"`, `"punched"`, `"relayed"`, `{"relayed": {"by": …}}` or `{"kind": "relayed", …}`. What is not
//! understood is shown as it came, and is no path that any pair may have.

use serde_json::Value;
use std::fmt;

/// A path, best first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// One connected to the other.
    Direct,
    /// Through a hole that both punched.
    Punched,
    /// Through a relay; by whom, as far as it is said.
    Relayed {
        /// Every name of the relay that stands in the answer.
        by: Vec<String>,
    },
    /// Something else.
    Unknown(String),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Punched => f.write_str("punched"),
            Self::Relayed { .. } => f.write_str("relayed"),
            Self::Unknown(text) => write!(f, "? {text}"),
        }
    }
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    /// Its path.
    pub(crate) path: Path,
    /// `quic` or `tcp`.
    pub(crate) transport: String,
    /// The last measured round trip.
    pub(crate) latency_ms: Option<u64>,
}

/// The best connection with a peer in an answer of `pc2 --json peers`; `None` when there is none.
pub(crate) fn route(peers: &Value, did: &str) -> Option<Route> {
    let list = peers["peers"].as_array()?;
    list.iter().filter(|peer| peer["did"] == did).map(read).min()
}

fn read(peer: &Value) -> Route {
    let mut words = Vec::new();
    collect(&peer["path"], &mut words);
    let said = |what: &str| words.iter().any(|word| word.to_lowercase().contains(what));
    let path = if said("relay") {
        // The relay may stand inside the path, beside it, or only in the address that was dialled.
        for beside in ["relay", "by", "via", "address"] {
            collect(&peer[beside], &mut words);
        }
        Path::Relayed { by: words }
    } else if said("punch") {
        Path::Punched
    } else if said("direct") {
        Path::Direct
    } else {
        Path::Unknown(peer["path"].to_string())
    };
    Route {
        path,
        transport: peer["transport"].as_str().unwrap_or_default().to_owned(),
        latency_ms: peer["latency_ms"].as_u64(),
    }
}

/// Every text in a value, names of fields included.
fn collect(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(text) => words.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(fields) => {
            for (name, field) in fields {
                words.push(name.clone());
                collect(field, words);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reads answers as they have been or may come to be; the target has no test harness, so the run begins with this.
pub(crate) fn check() {
    let peers = |path: Value| serde_json::json!({ "peers": [{ "did": "did:boson:b", "path": path }] });
    let path = |value: Value| route(&peers(value), "did:boson:b").expect("the peer is there").path;
    assert_eq!(path("direct".into()), Path::Direct);
    assert_eq!(path("punched".into()), Path::Punched);
    assert!(matches!(path("relayed".into()), Path::Relayed { .. }));
    assert!(matches!(path("elsewhere".into()), Path::Unknown(_)));
    for value in [
        serde_json::json!({ "relayed": { "by": "did:boson:r" } }),
        serde_json::json!({ "kind": "relayed", "by": "did:boson:r" }),
    ] {
        let Path::Relayed { by } = path(value) else { panic!("a relayed path was not understood") };
        assert!(by.contains(&"did:boson:r".to_owned()), "{by:?}");
    }
    assert_eq!(route(&peers("direct".into()), "did:boson:other"), None);
}
