//! The kinds of place a node can be in, the kernel rules that make them, and which path two of them can have.
//!
//! Names follow RFC 4787: where a NAT maps a port to (the same for everybody, or another for each destination) and whom it lets in. Rules
//! are one `nft` table per router. A router has one machine behind it, as a home where one PC2 runs.

use std::fmt;

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A public address of its own.
    Public,
    /// Same port for everybody; whoever writes to it gets in.
    FullCone,
    /// Same port for everybody; in comes whom was written to, from any port.
    AddressRestricted,
    /// Same port for everybody; in comes exactly what was written to. Most homes.
    PortRestricted,
    /// Another port for each destination.
    Symmetric,
    /// The same, and the router passes ports on when it is asked to (UPnP).
    Upnp,
    /// A home router behind a provider's symmetric one.
    Cgnat,
    /// Public IPv6 address and no IPv4.
    Ipv6,
    /// Public IPv6 address behind a firewall that lets in only answers.
    Ipv6Firewall,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::FullCone => "full-cone",
            Self::AddressRestricted => "addr-restricted",
            Self::PortRestricted => "port-restricted",
            Self::Symmetric => "symmetric",
            Self::Upnp => "UPnP",
            Self::Cgnat => "cgnat",
            Self::Ipv6 => "IPv6",
            Self::Ipv6Firewall => "IPv6 firewall",
        })
    }
}

/// Which path two nodes must come to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// One of them can simply be connected to.
    Direct,
    /// Neither can, but holes can be punched.
    Punched,
    /// Nothing but a relay is possible.
    Relayed,
    /// Possible in theory, and no promise: a relay will do.
    PunchedOrRelayed,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Punched => "punched",
            Self::Relayed => "relayed",
            Self::PunchedOrRelayed => "punched or relayed",
        })
    }
}

/// The one table of what each pair must come to.
pub(crate) fn expected(one: Kind, other: Kind) -> Expected {
    use Kind::{
        AddressRestricted, Cgnat, FullCone, Ipv6, Ipv6Firewall, PortRestricted, Public, Symmetric, Upnp,
    };
    match (one, other) {
        (Public | Ipv6 | Upnp, _) | (_, Public | Ipv6 | Upnp) => Expected::Direct,
        (FullCone, _) | (_, FullCone) => Expected::Punched,
        (Symmetric | Cgnat, AddressRestricted) | (AddressRestricted, Symmetric | Cgnat) => {
            Expected::PunchedOrRelayed
        }
        (Symmetric | Cgnat, _) | (_, Symmetric | Cgnat) => Expected::Relayed,
        (
            AddressRestricted | PortRestricted | Ipv6Firewall,
            AddressRestricted | PortRestricted | Ipv6Firewall,
        ) => Expected::Punched,
    }
}

/// What one router does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Lets in everybody, at ports that were used.
    Everybody,
    /// Lets in addresses that were written to.
    Addresses,
    /// Lets in answers only.
    Answers,
    /// Lets in answers only, and takes a new port for each destination.
    AnswersToRandomPorts,
}

/// The port on which `pc2` listens unless told otherwise, TCP and UDP.
pub(crate) const NODE_PORT: u16 = 4201;

/// The rules of a router between its interfaces `lan` and `wan`. The node's port appears outside as `port`, so that nothing works
/// by a NAT keeping ports as they are.
pub(crate) fn router(filter: Filter, inside: &str, port: u16) -> String {
    let map = match filter {
        Filter::AnswersToRandomPorts => "oifname \"wan\" masquerade fully-random".to_owned(),
        Filter::Everybody | Filter::Addresses | Filter::Answers => format!(
            "oifname \"wan\" tcp sport {NODE_PORT} masquerade to :{port}
            oifname \"wan\" udp sport {NODE_PORT} masquerade to :{port}
            oifname \"wan\" masquerade"
        ),
    };
    let enter = match filter {
        Filter::Everybody => "iifname \"wan\" meta l4proto . th dport @used jump to_inside",
        Filter::Addresses => "iifname \"wan\" meta l4proto . th dport . ip saddr @asked jump to_inside",
        Filter::Answers | Filter::AnswersToRandomPorts => "",
    };
    format!(
        "table ip router
        delete table ip router
        table ip router {{
          set used {{ type inet_proto . inet_service; flags dynamic,timeout; timeout 5m; }}
          set asked {{ type inet_proto . inet_service . ipv4_addr; flags dynamic,timeout; timeout 5m; }}
          chain to_inside {{
            tcp dport {port} dnat to {inside}:{NODE_PORT}
            udp dport {port} dnat to {inside}:{NODE_PORT}
            meta l4proto {{ tcp, udp }} dnat to {inside}
          }}
          chain from_outside {{
            type nat hook prerouting priority dstnat;
            {enter}
          }}
          chain translate {{
            type nat hook postrouting priority srcnat;
            {map}
          }}
          chain remember {{
            type filter hook postrouting priority 300;
            oifname \"wan\" meta l4proto {{ tcp, udp }} update @used {{ meta l4proto . th sport }}
            oifname \"wan\" meta l4proto {{ tcp, udp }} update @asked {{ meta l4proto . th sport . ip daddr }}
          }}
          chain through {{
            type filter hook forward priority 0; policy drop;
            ct state invalid drop
            ct state established,related accept
            ct status dnat accept
            iifname \"lan\" accept
          }}
          chain to_router {{
            type filter hook input priority 0;
            iifname \"wan\" ct state established,related accept
            iifname \"wan\" drop
          }}
        }}"
    )
}

/// What `miniupnpd` writes into: tables of its own, before the router's. What it passes on is let in as translated.
pub(crate) const UPNP_RULES: &str = "table inet upnp {
  chain forward { type filter hook forward priority -10; }
  chain prerouting { type nat hook prerouting priority -110; }
  chain postrouting { type nat hook postrouting priority 90; }
}";

/// The settings of `miniupnpd` in a router with the private network `inside`.
pub(crate) fn upnp_settings(inside: &str, lease_file: &str) -> String {
    format!(
        "ext_ifname=wan
listening_ip=lan
port=0
enable_upnp=yes
enable_natpmp=no
secure_mode=yes
lease_file={lease_file}
uuid=2f9a0a4c-5d3c-4a6e-9f14-7d0c6f0b1a23
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=forward
upnp_nat_chain=prerouting
upnp_nat_postrouting_chain=postrouting
allow 1024-65535 {inside} 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"
    )
}

/// The rules of a router that translates nothing and lets in answers only.
pub(crate) fn firewall() -> String {
    "table ip6 router {
      chain pass {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        iifname \"lan\" accept
      }
    }"
    .to_owned()
}
