//! The configuration: one struct, every field documented, all problems told at once.
//!
//! Precedence: defaults < what was chosen on the page (`network.json`) < `config.toml` in the data directory < environment < flags. Everything works without a file.
//! Secrets never stand in it. `pc2 config show` prints what is in effect.

use crate::{
    chain_nodes,
    cli::UpArgs,
    home::Home,
    network_choice::{self, Fixed},
    network_file::NetworkFile,
};
use pc2_actors::WasmConfig;
use pc2_protocols::{
    level::LevelChoice,
    net::RelayShare,
    relay::Shares,
    wasm::{Quotas, limits::Limits, wire::Landlock},
};
use pc2_web::dto::StartSettings;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io, net::SocketAddr, path::Path};

/// What can be configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Web address, `IP:PORT`. Bound to loopback unless told otherwise. Default `127.0.0.1:4200`.
    pub(crate) web: String,
    /// Host names under which the page may be opened besides loopback, e.g. `["pc2.lan"]`. Default none.
    pub(crate) web_names: Vec<String>,
    /// By the number of a chain, a node of it that is asked over JSON-RPC about contract wallets (EIP-1271), e.g. `1 = "https://rpc.example.org"`. What
    /// it answers decides who signs in with such a wallet: name one that you trust. Default none, and such wallets cannot sign in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) wallet_chains: BTreeMap<String, String>,
    /// Where other nodes reach this one, as multiaddresses. Default TCP and QUIC on port 4201, IPv4 and IPv6.
    pub(crate) listen: Vec<String>,
    /// Nodes to join the network through, as multiaddresses ending in `/p2p/…`. None is needed in a local network. Default none.
    pub(crate) bootstrap: Vec<String>,
    /// Look for nodes in the local network by mDNS. Default true.
    pub(crate) mdns: bool,
    /// Let the router pass a port on to this node, by UPnP. Default true.
    pub(crate) upnp: bool,
    /// How much this node does for the network: `"auto"`, 1, 2, 3 or 4. Left out: as last chosen on the running node, or else auto. What stands
    /// here holds at each start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<LevelText>,
    /// What is logged, in the syntax of `RUST_LOG`. Default `info`, and from libp2p only what an owner can act on.
    pub(crate) log: String,
    /// What this node lends to the network. Left out: as last chosen on the running node, or else the defaults.
    #[serde(skip_serializing_if = "SharesConfig::is_empty")]
    pub(crate) shares: SharesConfig,
    /// How WASM modules are run.
    pub(crate) wasm: WasmSection,
}

/// How modules are run. What each is for: docs/wasm.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WasmSection {
    /// Runs at once, in all: each may take its memory and a core. Default 8.
    pub(crate) runs: usize,
    /// Runs at once of one wallet, the owner's being one. Default 4.
    pub(crate) runs_per_wallet: usize,
    /// Runs that wait for their turn, in all; further ones are refused. Default 256.
    pub(crate) waiting: usize,
    /// Runs of one wallet that wait. Default 128.
    pub(crate) waiting_per_wallet: usize,
    /// Disk for compiled modules, in bytes. What is not used longest goes. Default 256 MiB.
    pub(crate) cache_bytes: u64,
    /// Run modules on a kernel without landlock, with one wall less around them. Default false: nothing is run there.
    pub(crate) allow_without_landlock: bool,
    /// What one module may take at most, by name, as `pc2 config show` lists them. An app can ask for less.
    pub(crate) limits: Limits,
}

impl Default for WasmSection {
    fn default() -> Self {
        let WasmConfig { quotas, cache_bytes, limits, .. } = WasmConfig::default();
        let Quotas { runs, runs_each, waiting, waiting_each } = quotas;
        Self {
            runs,
            runs_per_wallet: runs_each,
            waiting,
            waiting_per_wallet: waiting_each,
            cache_bytes,
            allow_without_landlock: false,
            limits,
        }
    }
}

impl WasmSection {
    /// Everything that makes no sense, one sentence each.
    fn problems(&self) -> Vec<String> {
        let mut problems = self.limits.problems();
        let counts = [
            ("runs", self.runs, 1..=1_000),
            ("runs_per_wallet", self.runs_per_wallet, 1..=1_000),
            ("waiting", self.waiting, 1..=10_000),
            ("waiting_per_wallet", self.waiting_per_wallet, 1..=10_000),
        ];
        problems.extend(counts.into_iter().filter(|(_, count, range)| !range.contains(count)).map(
            |(name, count, range)| {
                format!("{name} is {count}, and must be from {} to {}", range.start(), range.end())
            },
        ));
        problems
    }

    /// For the node. Runners are this same program: also when another was put in its place on disk.
    pub(crate) fn node(&self) -> WasmConfig {
        let itself = Path::new("/proc/self/exe");
        let runner = if itself.exists() { Some(itself.to_owned()) } else { std::env::current_exe().ok() };
        WasmConfig {
            runner,
            limits: self.limits,
            quotas: Quotas {
                runs: self.runs,
                runs_each: self.runs_per_wallet,
                waiting: self.waiting,
                waiting_each: self.waiting_per_wallet,
            },
            cache_bytes: self.cache_bytes,
            landlock: if self.allow_without_landlock { Landlock::IfThere } else { Landlock::Required },
        }
    }
}

/// A level as it stands in the file: a number, or a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum LevelText {
    /// 1 to 4.
    Number(i64),
    /// `auto`, or a number in quotation marks.
    Word(String),
}

/// What is lent. Whatever is left out while something else is named has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SharesConfig {
    /// Level 3 and above: places at this relay. Default 128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reservations: Option<u32>,
    /// Level 3 and above: circuits at once. Default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) circuits: Option<u32>,
    /// Level 3 and above: bytes of one circuit. Default 1 GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) circuit_bytes: Option<u64>,
    /// Level 3 and above: seconds one circuit lasts. Default one hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) circuit_seconds: Option<u32>,
    /// Level 3 and above: bytes a second through all circuits together. Default 4 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_second: Option<u64>,
    /// Level 2 and above: disk for envelopes of others, in bytes. Default 256 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox_bytes: Option<u64>,
}

impl SharesConfig {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The shares, if any is named.
    fn shares(&self) -> Option<Shares> {
        let usual = Shares::default();
        let relay = RelayShare {
            reservations: self.reservations.unwrap_or(usual.relay.reservations),
            circuits: self.circuits.unwrap_or(usual.relay.circuits),
            circuit_bytes: self.circuit_bytes.unwrap_or(usual.relay.circuit_bytes),
            circuit_seconds: self.circuit_seconds.unwrap_or(usual.relay.circuit_seconds),
            bytes_per_second: self.bytes_per_second.unwrap_or(usual.relay.bytes_per_second),
        };
        let mailbox_bytes = self.mailbox_bytes.unwrap_or(usual.mailbox_bytes);
        (!self.is_empty()).then_some(Shares { relay, mailbox_bytes })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            web: "127.0.0.1:4200".to_owned(),
            web_names: Vec::new(),
            wallet_chains: BTreeMap::new(),
            listen: [
                "/ip4/0.0.0.0/tcp/4201",
                "/ip4/0.0.0.0/udp/4201/quic-v1",
                "/ip6/::/tcp/4201",
                "/ip6/::/udp/4201/quic-v1",
            ]
            .map(str::to_owned)
            .to_vec(),
            bootstrap: Vec::new(),
            mdns: true,
            upnp: true,
            level: None,
            log: "info,libp2p_swarm=warn,libp2p_kad=error,libp2p_request_response=error,yamux=error"
                .to_owned(),
            shares: SharesConfig::default(),
            wasm: WasmSection::default(),
        }
    }
}

/// Why there is no usable configuration. Worded for the owner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}")]
    Unreadable {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not a configuration: {reason}")]
    Malformed { path: String, reason: String },
    #[error("the configuration has {} problem(s):\n  {}", .0.len(), .0.join("\n  "))]
    Invalid(Vec<String>),
}

/// A [`Config`] whose values are known to be good.
#[derive(Debug, Clone)]
pub(crate) struct ValidConfig {
    /// Where the web listens.
    pub(crate) web: SocketAddr,
    /// How much the node does for the network, if it is said.
    pub(crate) level: Option<LevelChoice>,
    /// What it lends, if it is said.
    pub(crate) shares: Option<Shares>,
    /// Who is asked about contract wallets, by the number of the chain.
    pub(crate) chains: BTreeMap<u64, String>,
    /// What cannot be chosen on the page.
    pub(crate) fixed: Fixed,
    /// Why what was chosen there last does not hold.
    pub(crate) refused: Option<String>,
    /// The rest, checked.
    pub(crate) config: Config,
}

impl ValidConfig {
    /// What the page shows of it.
    pub(crate) fn told(&self, file: &Path) -> StartSettings {
        let config = &self.config;
        StartSettings {
            config_file: file.display().to_string(),
            web: self.web.to_string(),
            web_names: config.web_names.clone(),
            wallet_chains: self
                .chains
                .iter()
                .map(|(chain, url)| format!("{chain}: {}", chain_nodes::shown(url)))
                .collect(),
            listen: config.listen.clone(),
            bootstrap: config.bootstrap.clone(),
            mdns: config.mdns,
            upnp: config.upnp,
            level: self.level.map(|level| level.to_string()),
            shares: self.shares.is_some(),
            log: config.log.clone(),
            fixed: self.fixed.names(),
            refused: self.refused.clone(),
        }
    }
}

impl Config {
    /// Reads the files of a data directory (if there are any) and lays environment and flags over them.
    pub(crate) fn load(home: &Home, flags: &UpArgs) -> Result<ValidConfig, ConfigError> {
        Self::load_from(&home.config(), NetworkFile::read(&home.network()), flags)
    }

    fn load_from(file: &Path, network: NetworkFile, flags: &UpArgs) -> Result<ValidConfig, ConfigError> {
        let path = file.display().to_string();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        let malformed = |error: toml::de::Error| ConfigError::Malformed { path, reason: error.to_string() };
        let (mut config, named) = toml::from_str::<Self>(&text)
            .and_then(|config| Ok((config, toml::from_str::<toml::Table>(&text)?)))
            .map_err(malformed)?;
        let fixed = Fixed::by(&named, flags);
        fixed.fill(&mut config, network.chosen);
        if let Ok(log) = std::env::var("PC2_LOG") {
            config.log = log;
        }
        config.lay_over(flags);
        Ok(ValidConfig { fixed, refused: network.refused, ..config.validate()? })
    }

    fn lay_over(&mut self, flags: &UpArgs) {
        if let Some(web) = &flags.web {
            self.web.clone_from(web);
        }
        if !flags.listen.is_empty() {
            self.listen.clone_from(&flags.listen);
        }
        if !flags.bootstrap.is_empty() {
            self.bootstrap.clone_from(&flags.bootstrap);
        }
        self.mdns &= !flags.no_mdns;
        self.upnp &= !flags.no_upnp;
        if let Some(level) = &flags.level {
            self.level = Some(LevelText::Word(level.clone()));
        }
    }

    /// Checks everything and names every problem at once.
    fn validate(self) -> Result<ValidConfig, ConfigError> {
        let mut problems = Vec::new();
        let web = self.web.parse::<SocketAddr>();
        if web.is_err() {
            problems.push(format!("web = \"{}\": an address looks like 127.0.0.1:4200", self.web));
        }
        problems.extend(network_choice::problems(&self.listen, &self.bootstrap));
        for name in &self.web_names {
            if name.is_empty() || name.contains(['/', ':', ' ']) {
                problems.push(format!("web_names \"{name}\": a host name, without scheme and port"));
            }
        }
        let level = self.level.as_ref().map(|level| match level {
            LevelText::Number(number) => number.to_string(),
            LevelText::Word(word) => word.clone(),
        });
        let level = level.map(|level| {
            let chosen = level.parse::<LevelChoice>();
            problems.extend(chosen.as_ref().err().map(|error| format!("level = {level}: {error}")));
            chosen
        });
        let level = level.transpose().unwrap_or_default();
        let shares = self.shares.shares();
        problems.extend(shares.iter().flat_map(Shares::problems).map(|problem| format!("shares: {problem}")));
        problems.extend(self.wasm.problems().into_iter().map(|problem| format!("wasm: {problem}")));
        let mut chains = BTreeMap::new();
        for (chain, url) in &self.wallet_chains {
            match (chain.parse::<u64>(), chain_nodes::problem(url)) {
                (Ok(chain), None) => drop(chains.insert(chain, url.clone())),
                (Err(_), _) => {
                    problems.push(format!("wallet_chains \"{chain}\": chains are numbers, 1 is Ethereum"))
                }
                (_, Some(problem)) => problems.push(format!("wallet_chains {chain}: {problem}")),
            }
        }
        match web {
            Ok(web) if problems.is_empty() => {
                let (fixed, refused) = (Fixed::default(), None);
                Ok(ValidConfig { web, level, shares, chains, fixed, refused, config: self })
            }
            _ => Err(ConfigError::Invalid(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), text).expect("it is writable");
        file
    }

    fn load(file: &Path, flags: &UpArgs) -> Result<ValidConfig, ConfigError> {
        Config::load_from(file, NetworkFile::default(), flags)
    }

    #[test]
    fn without_a_file_the_defaults_hold() {
        let loaded = load(Path::new("/nonexistent/config.toml"), &UpArgs::default()).expect("defaults");
        assert_eq!(loaded.web.port(), 4200);
        assert!(loaded.web.ip().is_loopback());
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = file("web = \"127.0.0.1:5000\"\nmdns = true\n");
        let flags = UpArgs { web: Some("127.0.0.1:6000".into()), no_mdns: true, ..UpArgs::default() };
        let loaded = load(file.path(), &flags).expect("valid");
        assert_eq!(loaded.web.port(), 6000);
        assert!(!loaded.config.mdns);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let file = file("web = \"nowhere\"\nbootstrap = [\"/ip4/1.2.3.4/tcp/1\"]\nlisten = []\n");
        let Err(ConfigError::Invalid(problems)) = load(file.path(), &UpArgs::default()) else {
            panic!("three mistakes are refused");
        };
        assert_eq!(problems.len(), 3);
    }

    #[test]
    fn a_level_is_a_number_or_a_word_and_a_flag_wins() {
        let loaded = |text: &str, flag: Option<&str>| {
            let flags = UpArgs { level: flag.map(str::to_owned), ..UpArgs::default() };
            load(file(text).path(), &flags).expect("valid").level.map(|level| level.to_string())
        };
        assert_eq!(loaded("", None), None);
        assert_eq!(loaded("level = 1\n", None).as_deref(), Some("1"));
        assert_eq!(loaded("level = \"auto\"\n", None).as_deref(), Some("auto"));
        assert_eq!(loaded("level = 1\n", Some("3")).as_deref(), Some("3"));
    }

    #[test]
    fn shares_that_are_named_hold_and_the_others_have_their_defaults() {
        let nothing = load(file("").path(), &UpArgs::default()).expect("valid");
        assert_eq!(nothing.shares, None);
        let text = "[shares]\ncircuits = 7\nmailbox_bytes = 1_073_741_824\n";
        let shares = load(file(text).path(), &UpArgs::default()).expect("valid").shares.expect("named");
        assert_eq!((shares.relay.circuits, shares.mailbox_bytes), (7, 1 << 30));
        assert_eq!(shares.relay.reservations, Shares::default().relay.reservations);
    }

    #[test]
    fn levels_and_shares_that_make_no_sense_are_told_with_all_the_rest() {
        let file = file("web = \"nowhere\"\nlevel = 5\n[shares]\ncircuits = 0\nmailbox_bytes = 1\n");
        let Err(ConfigError::Invalid(problems)) = load(file.path(), &UpArgs::default()) else {
            panic!("four mistakes are refused");
        };
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(
            problems.iter().any(|problem| problem.contains("level = 5: a level is auto")),
            "{problems:?}"
        );
    }

    #[test]
    fn the_configuration_in_effect_reads_back_as_it_was() {
        let text = "level = 3\nupnp = false\n[shares]\ncircuits = 7\n";
        let config = load(file(text).path(), &UpArgs::default()).expect("valid").config;
        let printed = toml::to_string_pretty(&config).expect("printed");
        assert_eq!(toml::from_str::<Config>(&printed).expect("read"), config);
    }

    #[test]
    fn an_unknown_word_in_the_file_is_refused_by_name() {
        let file = file("wep = 1\n");
        let error = load(file.path(), &UpArgs::default()).expect_err("a typo").to_string();
        assert!(error.contains("wep"), "{error}");
    }
}
