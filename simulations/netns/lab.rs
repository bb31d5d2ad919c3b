//! One laboratory: an internet of namespaces, places in it, and what can be done to them.
//!
//! ```text
//!   alice ── home router ── (provider's router) ── (shim) ──┐
//!   192.168.1.23                                            core ── relays, each in a /24 of its own
//!   bob ──── home router ───────────────────────────────────┘
//! ```
//!
//! `core` forwards between the uplinks, each a /24 (and a /48), and knows no private range. Both homes have the same private addresses, as
//! real ones do. All of it vanishes when the [`Lab`] is dropped. Not here: the rules of routers (`nat`), the nodes (`node`).

use crate::{
    ground,
    nat::{self, Filter, Kind},
    shell::{self, Running},
};
use std::{
    cell::{Cell, RefCell},
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Where the one machine of each home is.
const HOME: &str = "192.168.1.23";
const HOME_GATEWAY: &str = "192.168.1.1";
const HOME_NETWORK: &str = "192.168.1.0/24";

/// The frames of a veth are only whole for a shim when nothing is left for a network card to do.
const OFFLOADS: &[&str] = &["tx", "off", "tso", "off", "gso", "off", "gro", "off"];

/// What a bad line does to frames.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// One way.
    pub(crate) delay_ms: u32,
    /// More or less than that, at random.
    pub(crate) jitter_ms: u32,
    /// Of a thousand frames, how many vanish.
    pub(crate) loss_per_mille: u32,
    /// Of a thousand frames, how many overtake.
    pub(crate) reorder_per_mille: u32,
}

/// A router of a place, and how it is set.
#[derive(Debug, Clone)]
struct Router {
    namespace: String,
    filter: Filter,
    inside: String,
}

/// How a machine is attached to the internet.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Of which kind.
    pub(crate) kind: Kind,
    /// The address that the internet sees.
    pub(crate) outside: String,
    uplink: String,
    routers: Vec<Router>,
}

impl Place {
    /// The address of IPv6 that the internet sees, where there is one.
    pub(crate) fn outside_ipv6(&self) -> String {
        outside6(&self.uplink)
    }
}

/// An internet.
pub(crate) struct Lab {
    name: String,
    folder: PathBuf,
    logs: PathBuf,
    namespaces: RefCell<Vec<String>>,
    helpers: RefCell<Vec<Running>>,
    uplinks: Cell<u8>,
    ports: Cell<u16>,
}

impl Lab {
    /// Builds the core. `name` tells laboratories of one run apart; logs of nodes go to a folder of that name below `logs`.
    pub(crate) fn new(name: &str, logs: &Path) -> Self {
        let folder = std::env::temp_dir().join(format!("{}{}-{name}", ground::PREFIX, std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary directory takes a folder");
        let logs = logs.join(name);
        fs::create_dir_all(&logs).expect("target/ takes a folder");
        let lab = Self {
            name: name.to_owned(),
            folder,
            logs,
            namespaces: RefCell::default(),
            helpers: RefCell::default(),
            uplinks: Cell::new(0),
            ports: Cell::new(24_000),
        };
        lab.namespace("core");
        forwarding(&lab.full("core"));
        shell::rules(
            &lab.full("core"),
            "table inet weather {
              set down { type ifname; }
              set left { type ifname; }
              set right { type ifname; }
              chain pass {
                type filter hook forward priority 0;
                iifname @down drop
                oifname @down drop
                iifname @left oifname @right drop
                iifname @right oifname @left drop
              }
            }",
        );
        lab
    }

    /// Where a node keeps its data.
    pub(crate) fn data_of(&self, node: &str) -> PathBuf {
        self.folder.join(node)
    }

    /// Where a node's log goes. Stays after the run.
    pub(crate) fn log_of(&self, node: &str) -> PathBuf {
        self.logs.join(format!("{node}.log"))
    }

    /// The whole name of a namespace.
    pub(crate) fn full(&self, namespace: &str) -> String {
        format!("{}{}-{}-{namespace}", ground::PREFIX, std::process::id(), self.name)
    }

    fn namespace(&self, namespace: &str) -> String {
        let full = self.full(namespace);
        shell::run(&["ip", "netns", "add", &full]);
        self.namespaces.borrow_mut().push(full.clone());
        shell::run(&["ip", "-n", &full, "link", "set", "lo", "up"]);
        full
    }

    /// A machine at a public address, as relays are: in a range of its own, reachable by IPv4 and IPv6.
    pub(crate) fn server(&self, name: &str) -> Place {
        self.namespace(name);
        let uplink = self.uplink(name, "eth0", None);
        self.address4(&uplink, name, "eth0");
        self.address6(&uplink, name, "eth0");
        Place { kind: Kind::Public, outside: outside4(&uplink), uplink, routers: Vec::new() }
    }

    /// A machine of somebody in a place of a kind. Over a bad line when there is weather.
    pub(crate) fn machine(&self, name: &str, kind: Kind, weather: Option<Weather>) -> Place {
        self.namespace(name);
        self.attach(name, kind, weather)
    }

    /// Takes a machine out of its place and puts it into another: other router, other provider, other addresses.
    pub(crate) fn move_to(&self, name: &str, kind: Kind) -> Place {
        shell::run(&["ip", "-n", &self.full(name), "link", "del", "eth0"]);
        self.attach(name, kind, None)
    }

    fn attach(&self, name: &str, kind: Kind, weather: Option<Weather>) -> Place {
        let place = match kind {
            Kind::Public => {
                let uplink = self.uplink(name, "eth0", weather);
                self.address4(&uplink, name, "eth0");
                Place { kind, outside: outside4(&uplink), uplink, routers: Vec::new() }
            }
            Kind::Ipv6 => {
                let uplink = self.uplink(name, "eth0", weather);
                self.address6(&uplink, name, "eth0");
                Place { kind, outside: outside6(&uplink), uplink, routers: Vec::new() }
            }
            Kind::Ipv6Firewall => self.firewalled(name, weather),
            Kind::FullCone => self.home(name, kind, Filter::Everybody, weather),
            Kind::AddressRestricted => self.home(name, kind, Filter::Addresses, weather),
            Kind::PortRestricted => self.home(name, kind, Filter::Answers, weather),
            Kind::Symmetric => self.home(name, kind, Filter::AnswersToRandomPorts, weather),
            Kind::Upnp => self.obliging_home(name, weather),
            Kind::Cgnat => self.shared_home(name, weather),
        };
        if weather.is_some() {
            whole_frames(&self.full(name), "eth0");
        }
        place
    }

    /// A router with one machine behind it.
    fn home(&self, machine: &str, kind: Kind, filter: Filter, weather: Option<Weather>) -> Place {
        let router = self.router_before(machine);
        let uplink = self.uplink(&router, "wan", weather);
        self.address4(&uplink, &router, "wan");
        let router = Router { namespace: self.full(&router), filter, inside: HOME.to_owned() };
        self.set(&router);
        Place { kind, outside: outside4(&uplink), uplink, routers: vec![router] }
    }

    /// A router that lets in answers only, until the machine behind it asks for more.
    fn obliging_home(&self, machine: &str, weather: Option<Weather>) -> Place {
        let place = self.home(machine, Kind::Upnp, Filter::Answers, weather);
        let [router] = place.routers.as_slice() else { unreachable!("a home has one router") };
        shell::rules(&router.namespace, nat::UPNP_RULES);
        let settings = self.folder.join(format!("{machine}-upnp.conf"));
        let leases = self.folder.join(format!("{machine}-upnp.leases"));
        let text = nat::upnp_settings(HOME_NETWORK, &leases.display().to_string());
        fs::write(&settings, text).expect("the folder takes a file");
        let log = File::create(self.log_of(&format!("{machine}-upnp"))).expect("a log file");
        // It runs once for each /run, and one that was killed leaves its mark there. What is mounted here nobody else sees.
        let command = format!("mount -t tmpfs tmpfs /run && exec miniupnpd -d -f {}", settings.display());
        self.helpers.borrow_mut().push(Running::start(&router.namespace, &["sh", "-c", &command], &log));
        place
    }

    /// A home router behind a provider's, which many homes share.
    fn shared_home(&self, machine: &str, weather: Option<Weather>) -> Place {
        let home = self.router_before(machine);
        let provider = self.fresh(machine, "isp");
        self.namespace(&provider);
        self.wire(&home, "wan", &provider, "lan");
        give(&self.full(&home), "wan", "100.64.7.2/24");
        give(&self.full(&provider), "lan", "100.64.7.1/24");
        shell::run(&["ip", "-n", &self.full(&home), "route", "add", "default", "via", "100.64.7.1"]);
        let uplink = self.uplink(&provider, "wan", weather);
        self.address4(&uplink, &provider, "wan");
        forwarding(&self.full(&provider));
        let routers = vec![
            Router { namespace: self.full(&home), filter: Filter::Answers, inside: HOME.to_owned() },
            Router {
                namespace: self.full(&provider),
                filter: Filter::AnswersToRandomPorts,
                inside: "100.64.7.2".to_owned(),
            },
        ];
        for router in &routers {
            self.set(router);
        }
        Place { kind: Kind::Cgnat, outside: outside4(&uplink), uplink, routers }
    }

    /// A router with a private network of IPv4 inside; what is outside comes later.
    fn router_before(&self, machine: &str) -> String {
        let router = self.fresh(machine, "nat");
        self.namespace(&router);
        forwarding(&self.full(&router));
        self.wire(machine, "eth0", &router, "lan");
        give(&self.full(machine), "eth0", &format!("{HOME}/24"));
        give(&self.full(&router), "lan", &format!("{HOME_GATEWAY}/24"));
        shell::run(&["ip", "-n", &self.full(machine), "route", "add", "default", "via", HOME_GATEWAY]);
        router
    }

    /// A router that passes IPv6 on as it is, but for connections from outside.
    fn firewalled(&self, machine: &str, weather: Option<Weather>) -> Place {
        let router = self.fresh(machine, "fw");
        self.namespace(&router);
        forwarding(&self.full(&router));
        let uplink = self.uplink(&router, "wan", weather);
        self.address6(&uplink, &router, "wan");
        self.wire(machine, "eth0", &router, "lan");
        let number = number_of(&uplink);
        let (inside, gateway) = (format!("2001:db8:{number:x}:1::23"), format!("2001:db8:{number:x}:1::1"));
        give(&self.full(machine), "eth0", &format!("{inside}/64"));
        give(&self.full(&router), "lan", &format!("{gateway}/64"));
        shell::run(&["ip", "-n", &self.full(machine), "-6", "route", "add", "default", "via", &gateway]);
        let (network, via) = (format!("2001:db8:{number:x}:1::/64"), outside6(&uplink));
        shell::run(&["ip", "-n", &self.full("core"), "-6", "route", "add", &network, "via", &via]);
        shell::rules(&self.full(&router), &nat::firewall());
        Place { kind: Kind::Ipv6Firewall, outside: inside, uplink, routers: Vec::new() }
    }

    /// Connects a namespace to the core, over a shim when there is weather.
    fn uplink(&self, namespace: &str, interface: &str, weather: Option<Weather>) -> String {
        let number = self.uplinks.get().checked_add(1).expect("a laboratory has fewer than 255 places");
        self.uplinks.set(number);
        let uplink = format!("up{number}");
        let Some(weather) = weather else {
            self.wire(namespace, interface, "core", &uplink);
            return uplink;
        };
        let shim = format!("wan{number}");
        self.namespace(&shim);
        self.wire(namespace, interface, &shim, "near");
        self.wire(&shim, "far", "core", &uplink);
        for (place, name) in
            [(namespace, interface), (shim.as_str(), "near"), (shim.as_str(), "far"), ("core", &uplink)]
        {
            whole_frames(&self.full(place), name);
        }
        self.start_shim(&shim, weather);
        uplink
    }

    fn start_shim(&self, shim: &str, weather: Weather) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("netns/wan.py");
        let log = File::create(self.log_of(shim)).expect("a log file");
        let words = [
            "python3".to_owned(),
            script.display().to_string(),
            "near".to_owned(),
            "far".to_owned(),
            weather.delay_ms.to_string(),
            weather.jitter_ms.to_string(),
            weather.loss_per_mille.to_string(),
            weather.reorder_per_mille.to_string(),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.helpers.borrow_mut().push(Running::start(&self.full(shim), &words, &log));
    }

    /// A name for a router of a machine. A machine that moves has had others.
    fn fresh(&self, machine: &str, what: &str) -> String {
        format!("{machine}-{what}{}", self.namespaces.borrow().len())
    }

    fn wire(&self, one: &str, interface: &str, other: &str, far: &str) {
        let (one, other) = (self.full(one), self.full(other));
        shell::run(&[
            "ip", "link", "add", "name", interface, "netns", &one, "type", "veth", "peer", "name", far,
            "netns", &other,
        ]);
        shell::run(&["ip", "-n", &one, "link", "set", interface, "up"]);
        shell::run(&["ip", "-n", &other, "link", "set", far, "up"]);
    }

    fn address4(&self, uplink: &str, namespace: &str, interface: &str) {
        let gateway = gateway4(uplink);
        give(&self.full("core"), uplink, &format!("{gateway}/24"));
        give(&self.full(namespace), interface, &format!("{}/24", outside4(uplink)));
        shell::run(&["ip", "-n", &self.full(namespace), "route", "add", "default", "via", &gateway]);
    }

    fn address6(&self, uplink: &str, namespace: &str, interface: &str) {
        let gateway = format!("2001:db8:{:x}::1", number_of(uplink));
        give(&self.full("core"), uplink, &format!("{gateway}/64"));
        give(&self.full(namespace), interface, &format!("{}/64", outside6(uplink)));
        shell::run(&["ip", "-n", &self.full(namespace), "-6", "route", "add", "default", "via", &gateway]);
    }

    /// Loads a router's rules, with a port for its node that no router of this laboratory has had.
    fn set(&self, router: &Router) {
        let port = self.ports.get();
        self.ports.set(port + 1);
        shell::rules(&router.namespace, &nat::router(router.filter, &router.inside, port));
    }

    /// The routers of a place start again: they know no connection any more, and map the node to another port.
    pub(crate) fn rebind(&self, place: &Place) {
        for router in &place.routers {
            self.set(router);
            // Says on standard error how many entries it flushed.
            shell::run_in(&router.namespace, &["conntrack", "-F"]);
        }
    }

    /// Bytes that a machine has sent and received so far, as its kernel counts them.
    pub(crate) fn bytes_through(&self, machine: &str) -> u64 {
        let count = |way| {
            let file = format!("/sys/class/net/eth0/statistics/{way}_bytes");
            shell::run_in(&self.full(machine), &["cat", &file]).trim().parse().unwrap_or(0_u64)
        };
        count("rx") + count("tx")
    }

    /// Parts the internet: these places hear nothing of those.
    pub(crate) fn part(&self, left: &[&Place], right: &[&Place]) {
        for (set, places) in [("left", left), ("right", right)] {
            for place in places {
                self.weather(&format!("add element inet weather {set} {{ {} }}", place.uplink));
            }
        }
    }

    /// Ends what [`Lab::part`] began.
    pub(crate) fn heal(&self) {
        for set in ["down", "left", "right"] {
            self.weather(&format!("flush set inet weather {set}"));
        }
    }

    fn weather(&self, rule: &str) {
        shell::rules(&self.full("core"), rule);
    }

    /// Removes a machine, its routers and its data, so that another of that name can come. Its node must have ended.
    pub(crate) fn clear_away(&self, machine: &str) {
        let (own, routers) = (self.full(machine), format!("{}-", self.full(machine)));
        self.namespaces.borrow_mut().retain(|namespace| {
            let belongs = *namespace == own || namespace.starts_with(&routers);
            if belongs {
                ground::remove(namespace);
            }
            !belongs
        });
        if let Err(error) = fs::remove_dir_all(self.data_of(machine)) {
            eprintln!("could not remove the data of {machine}: {error}");
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.helpers.borrow_mut().clear();
        for namespace in self.namespaces.borrow().iter().rev() {
            ground::remove(namespace);
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("could not remove {}: {error}", self.folder.display());
        }
    }
}

fn give(namespace: &str, interface: &str, address: &str) {
    // Without duplicate detection: an address of IPv6 is usable at once.
    let nodad: &[&str] = if address.contains("::") { &["nodad"] } else { &[] };
    let words = ["ip", "-n", namespace, "address", "add", address, "dev", interface];
    shell::run(&[words.as_slice(), nodad].concat());
}

fn forwarding(namespace: &str) {
    for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        shell::run_in(namespace, &["sh", "-c", &format!("echo 1 > /proc/sys/net/{switch}")]);
    }
}

fn whole_frames(namespace: &str, interface: &str) {
    shell::run_in(namespace, &[["ethtool", "-K", interface].as_slice(), OFFLOADS].concat());
}

fn number_of(uplink: &str) -> u8 {
    uplink.trim_start_matches("up").parse().expect("uplinks are numbered here")
}

/// The first uplinks have ranges that documentation may use. The rest look as any on the internet, because a router with a reserved address is not
/// believed to be on it (UPnP): no packet of the laboratory leaves this machine.
fn range4(uplink: &str) -> String {
    match number_of(uplink) {
        1 => "203.0.113".to_owned(),
        2 => "198.51.100".to_owned(),
        3 => "192.0.2".to_owned(),
        number => format!("11.18.{number}"),
    }
}

fn gateway4(uplink: &str) -> String {
    format!("{}.1", range4(uplink))
}

fn outside4(uplink: &str) -> String {
    format!("{}.10", range4(uplink))
}

fn outside6(uplink: &str) -> String {
    format!("2001:db8:{:x}::10", number_of(uplink))
}
