//! What the settings show of the node, its disk and what it was started with, and what they change of that.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

out! {
    /// What takes how many bytes of the disk.
    pub struct Storage {
        /// The data directory.
        pub folder: String,
        /// Free in its file system; `null` when the system does not say.
        pub free: Option<u64>,
        /// All files of the database, with the room it keeps for itself.
        pub database: u64,
        /// Of the database: conversations.
        pub messages: u64,
        /// Of the database: what is kept for people who are offline.
        pub mailboxes: u64,
        /// Of the database: what is kept for the network.
        pub records: u64,
        /// Files that were received and lie in the owner's folder.
        pub received: u64,
        /// Files on their way, and the proofs of those that are offered.
        pub transfers: u64,
        /// The last export.
        pub export: u64,
        /// Databases and identities that were moved aside.
        pub aside: u64,
        /// Kept free for a start on a full disk.
        pub ballast: u64,
        /// Everything was counted; otherwise it is at least this.
        pub complete: bool,
    }

    /// What the node was started with: by `config.toml`, the environment and its words. Another start changes it.
    pub struct StartSettings {
        /// Where it is set.
        pub config_file: String,
        /// Where the page listens.
        pub web: String,
        /// Names of the page besides the loopback ones.
        pub web_names: Vec<String>,
        /// Chains whose contract wallets can sign in, each with the host that is asked.
        pub wallet_chains: Vec<String>,
        /// Where other nodes reach this one.
        pub listen: Vec<String>,
        /// Nodes that it joins the network by.
        pub bootstrap: Vec<String>,
        /// It looks for nodes in the local network.
        pub mdns: bool,
        /// It asks the router to pass its port on.
        pub upnp: bool,
        /// The level that every start begins with; `null`: as last chosen.
        pub level: Option<String>,
        /// Every start begins with shares that are named there; otherwise with those last chosen.
        pub shares: bool,
        /// What is logged.
        pub log: String,
        /// Which of `listen`, `bootstrap`, `mdns` and `upnp` are set in `config.toml` or after `pc2 up`, and so cannot be chosen here.
        pub fixed: Vec<String>,
        /// Why the last choice about the network was taken back; until there is another.
        pub refused: Option<String>,
    }

    /// What became of a choice about the network.
    pub struct NetworkChosen {
        /// The node starts anew with it now, which takes some seconds; otherwise it was so already.
        pub restarts: bool,
    }
}

incoming! {
    /// What to change about how the node is in the network. It starts anew with it.
    pub struct ChooseNetwork {
        /// Where other nodes reach this one, as multiaddresses, 1 to 16.
        #[serde(default)]
        pub listen: Option<Vec<String>>,
        /// Nodes to join the network by, as multiaddresses that end in `/p2p/…`, at most 32.
        #[serde(default)]
        pub bootstrap: Option<Vec<String>>,
        /// Look for nodes in the local network.
        #[serde(default)]
        pub mdns: Option<bool>,
        /// Ask the router to pass the port on.
        #[serde(default)]
        pub upnp: Option<bool>,
    }
}
