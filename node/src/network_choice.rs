//! How a choice about the network, made on the page, meets what the node is started with: what it may decide, and whether it makes sense.
//!
//! Not here: the file that it stands in ([`crate::network_file`]), the rest of the configuration ([`crate::config`]).

use crate::{cli::UpArgs, config::Config};
use pc2_actors::net;
use pc2_web::NetworkChoice;

/// Most addresses to listen on: each is a socket, and a machine has few interfaces.
const MAX_LISTEN: usize = 16;

/// Most nodes to join by: one is enough, and each is dialled at the start.
const MAX_BOOTSTRAP: usize = 32;

/// What the file or the words after `pc2 up` have decided, by its name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fixed {
    listen: bool,
    bootstrap: bool,
    mdns: bool,
    upnp: bool,
}

impl Fixed {
    /// By the names that stand in the file, and the flags.
    pub(crate) fn by(in_file: &toml::Table, flags: &UpArgs) -> Self {
        Self {
            listen: in_file.contains_key("listen") || !flags.listen.is_empty(),
            bootstrap: in_file.contains_key("bootstrap") || !flags.bootstrap.is_empty(),
            mdns: in_file.contains_key("mdns") || flags.no_mdns,
            upnp: in_file.contains_key("upnp") || flags.no_upnp,
        }
    }

    fn all(self) -> [(bool, &'static str); 4] {
        [(self.listen, "listen"), (self.bootstrap, "bootstrap"), (self.mdns, "mdns"), (self.upnp, "upnp")]
    }

    /// Their names.
    pub(crate) fn names(self) -> Vec<String> {
        self.all().into_iter().filter(|(fixed, _)| *fixed).map(|(_, name)| name.to_owned()).collect()
    }

    /// The first that a choice names and cannot decide.
    pub(crate) fn forbids(self, choice: &NetworkChoice) -> Option<&'static str> {
        let NetworkChoice { listen, bootstrap, mdns, upnp } = choice;
        let named = [listen.is_some(), bootstrap.is_some(), mdns.is_some(), upnp.is_some()];
        self.all().into_iter().zip(named).find_map(|((fixed, name), named)| (fixed && named).then_some(name))
    }

    /// What was chosen, as far as nothing else decides it.
    pub(crate) fn fill(self, config: &mut Config, chosen: NetworkChoice) {
        let NetworkChoice { listen, bootstrap, mdns, upnp } = chosen;
        set(self.listen, &mut config.listen, listen);
        set(self.bootstrap, &mut config.bootstrap, bootstrap);
        set(self.mdns, &mut config.mdns, mdns);
        set(self.upnp, &mut config.upnp, upnp);
    }
}

fn set<T>(fixed: bool, place: &mut T, chosen: Option<T>) {
    if let (false, Some(chosen)) = (fixed, chosen) {
        *place = chosen;
    }
}

/// What was chosen, with what is chosen now instead.
pub(crate) fn over(chosen: NetworkChoice, now: NetworkChoice) -> NetworkChoice {
    NetworkChoice {
        listen: now.listen.map(trimmed).or(chosen.listen),
        bootstrap: now.bootstrap.map(trimmed).or(chosen.bootstrap),
        mdns: now.mdns.or(chosen.mdns),
        upnp: now.upnp.or(chosen.upnp),
    }
}

/// People paste with spaces, and leave lines empty.
fn trimmed(addresses: Vec<String>) -> Vec<String> {
    let addresses = addresses.into_iter().map(|address| address.trim().to_owned());
    addresses.filter(|address| !address.is_empty()).collect()
}

/// What is wrong with addresses to listen on and to join by. Worded for the owner.
pub(crate) fn problems(listen: &[String], bootstrap: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    if listen.is_empty() {
        problems.push("listen is empty: nobody could reach this node".to_owned());
    }
    for (name, addresses, most) in [("listen", listen, MAX_LISTEN), ("bootstrap", bootstrap, MAX_BOOTSTRAP)] {
        if addresses.len() > most {
            problems.push(format!("{name} has {} addresses; {most} is the most", addresses.len()));
        }
    }
    // Of a long list the first ones say enough.
    let listen = listen.iter().take(MAX_LISTEN).filter(|address| net::parse_listen(address).is_err());
    problems
        .extend(listen.map(|address| format!("listen \"{address}\": it looks like /ip4/0.0.0.0/tcp/4201")));
    let bootstrap = bootstrap.iter().take(MAX_BOOTSTRAP).filter(|address| net::parse_peer(address).is_err());
    problems.extend(bootstrap.map(|address| {
        format!("bootstrap \"{address}\": it ends in /p2p/ and the node's peer id (see `pc2 id` there)")
    }));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "/ip4/192.0.2.1/tcp/4201/p2p/12D3KooWGRUeFhVUiWCFfJVDYqzQTDwqHfrWjBSXJcNTiHgGFEYZ";

    #[test]
    fn what_the_start_says_wins_over_what_was_chosen() {
        let file: toml::Table = toml::from_str("mdns = true\n").expect("a table");
        let fixed =
            Fixed::by(&file, &UpArgs { listen: vec!["/ip4/0.0.0.0/tcp/1".into()], ..UpArgs::default() });
        assert_eq!(fixed.names(), ["listen", "mdns"]);
        let choice = NetworkChoice { mdns: Some(false), upnp: Some(false), ..NetworkChoice::default() };
        assert_eq!(fixed.forbids(&choice), Some("mdns"));
        let mut config = Config::default();
        fixed.fill(&mut config, choice);
        assert!(config.mdns && !config.upnp);
    }

    #[test]
    fn a_later_choice_leaves_what_it_does_not_name() {
        let first = NetworkChoice {
            mdns: Some(false),
            bootstrap: Some(vec!["a".into()]),
            ..NetworkChoice::default()
        };
        let second =
            NetworkChoice { bootstrap: Some(vec![" b ".into(), " ".into()]), ..NetworkChoice::default() };
        let both = over(first, second);
        assert_eq!((both.mdns, both.bootstrap), (Some(false), Some(vec!["b".to_owned()])));
    }

    #[test]
    fn addresses_that_are_none_are_named() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(problems(&texts(&["/ip4/0.0.0.0/udp/4201/quic-v1"]), &texts(&[PEER])).is_empty());
        let bad = [
            "/ip4/0.0.0.0/tcp",
            "/ip4/0.0.0.0/tcp/70000",
            "/dns/example.org/tcp/1",
            "0.0.0.0:4201",
            "\u{202e}",
        ];
        for address in bad {
            assert_eq!(problems(&texts(&[address]), &[]).len(), 1, "{address}");
        }
        assert_eq!(problems(&[], &texts(&["/ip4/192.0.2.1/tcp/4201", PEER])).len(), 2);
        assert_eq!(problems(&vec![bad[0].to_owned(); 1_000], &[]).len(), 1 + MAX_LISTEN);
    }
}
