//! `pc2 peers` and `pc2 level` as text: how this node is reached, with whom it is connected, what mailboxes keep.

use super::{ago, append, mailbox};
use pc2_web::dto;

/// `pc2 peers`.
pub(crate) fn network(network: &dto::Network) -> String {
    let mut text = reach(&network.reach);
    text.push('\n');
    list(&mut text, "Addresses told to others:", network.addresses.iter().cloned());
    if network.peers.is_empty() {
        text.push_str("Connected with nobody.\n");
    } else {
        let peers = network.peers.iter().map(|peer| peer_line(peer, &network.peers));
        list(&mut text, &format!("Connected with {}:", network.peers.len()), peers);
    }
    if network.relaying.on {
        let dto::Relaying { reservations, circuits, served, .. } = network.relaying;
        append(
            &mut text,
            format_args!(
                "Relays for {reservations} nodes: {circuits} circuits now, {served} since its start.\n"
            ),
        );
    }
    text.push_str(&mailbox::kept(&network.mailboxes));
    text
}

/// `pc2 level`, and the beginning of `pc2 peers`.
pub(crate) fn reach(reach: &dto::Reach) -> String {
    let mut text = format!("{}\n", reachability(reach.reachability));
    let auto = if reach.choice == "auto" { " (auto)" } else { "" };
    append(&mut text, format_args!("Level {}{auto}: {}.\n", reach.level, reach.why));
    if let Some(router) = mapping(reach.mapping) {
        append(&mut text, format_args!("{router}\n"));
    }
    list(&mut text, "Passed on by the router (UPnP):", reach.mapped.iter().cloned());
    let probed = reach.probed.iter().map(|probed| {
        let came_of_it = if probed.reachable { "got through" } else { "did not get through" };
        format!("{}  {came_of_it}, {}", probed.address, ago(probed.at))
    });
    list(&mut text, "Tried by others:", probed);
    list(&mut text, "Places at relays:", reach.reservations.iter().map(reservation_line));
    text.trim_end().to_owned()
}

/// `pc2 shares`.
pub(crate) fn shares(reach: &dto::Reach) -> String {
    let dto::Shares {
        reservations,
        circuits,
        circuit_bytes,
        circuit_seconds,
        bytes_per_second,
        mailbox_bytes,
    } = reach.shares;
    let in_use = |from: u8| if reach.level >= from { "" } else { "  (not at this level)" };
    let (second, third) = (in_use(2), in_use(3));
    format!(
        "Level {}. Lent to the network:
  disk for mailboxes            {}{second}
  places at this relay          {reservations}{third}
  circuits at once              {circuits}{third}
  bytes of one circuit          {}{third}
  time of one circuit           {} min{third}
  speed of all circuits         {} a second{third}",
        reach.level,
        size(mailbox_bytes),
        size(circuit_bytes),
        circuit_seconds / 60,
        size(bytes_per_second),
    )
}

const fn reachability(reachability: dto::Reachability) -> &'static str {
    match reachability {
        dto::Reachability::Unknown => "Nobody outside has tried to reach this node yet.",
        dto::Reachability::Public => "Reached from everywhere, by connections of others' own.",
        dto::Reachability::Relayed => "Reached through relays, and directly where a hole can be punched.",
        dto::Reachability::Private => "Not reached from outside: only whom this node connects with itself.",
    }
}

const fn mapping(mapping: dto::Mapping) -> Option<&'static str> {
    match mapping {
        dto::Mapping::Unknown => None,
        dto::Mapping::None => Some("No router in between: this machine has a public address."),
        dto::Mapping::Same => {
            Some("A router in between shows the same port to everybody: holes can be punched.")
        }
        dto::Mapping::PerDestination => {
            Some("A router in between shows another port to each node: holes can be punched with few.")
        }
    }
}

fn reservation_line(place: &dto::Reservation) -> String {
    let name = place.contact.as_deref().unwrap_or(&place.did);
    match place.since {
        Some(since) => format!("{name}  {}, for {}", latency(place.latency_ms), ago(since)),
        None => format!("{name}  asked for"),
    }
}

fn peer_line(peer: &dto::Peer, all: &[dto::Peer]) -> String {
    let name = peer.contact.as_deref().unwrap_or(&peer.did);
    let path = match peer.path {
        dto::Path::Direct => "direct".to_owned(),
        dto::Path::Punched => "direct through a punched hole".to_owned(),
        dto::Path::Relayed => {
            let relay = peer.relayed_by.as_deref().unwrap_or("a relay");
            let contact =
                all.iter().find(|other| other.did == relay).and_then(|other| other.contact.as_deref());
            format!("relayed by {}", contact.unwrap_or(relay))
        }
    };
    let (latency, since) = (latency(peer.latency_ms), ago(peer.since));
    let (received, sent) = (size(peer.bytes_in), size(peer.bytes_out));
    format!(
        "{name}  {path}, {}, {latency}, for {since}, {received} in, {sent} out, {}",
        peer.transport, peer.address
    )
}

fn latency(millis: Option<u64>) -> String {
    millis.map_or_else(|| "latency not measured yet".to_owned(), |millis| format!("{millis} ms"))
}

/// Bytes in the largest fitting unit.
pub(super) fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match bytes {
        0..KIB => format!("{bytes} bytes"),
        KIB..MIB => format!("{} KiB", bytes / KIB),
        MIB..GIB => format!("{} MiB", bytes / MIB),
        _ => format!("{} GiB", bytes / GIB),
    }
}

/// A heading with indented lines; nothing when there are none.
pub(super) fn list(text: &mut String, heading: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        append(text, format_args!("{heading}\n"));
        lines.for_each(|line| append(text, format_args!("  {line}\n")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> dto::Network {
        let peer = |did: &str, contact: Option<&str>, path, relayed_by: Option<&str>| dto::Peer {
            did: did.to_owned(),
            contact: contact.map(str::to_owned),
            path,
            relayed_by: relayed_by.map(str::to_owned),
            address: "/ip4/192.0.2.1/tcp/1".to_owned(),
            transport: dto::Transport::Tcp,
            latency_ms: Some(12),
            since: 0,
            path_since: 0,
            bytes_in: 2_048,
            bytes_out: 0,
            common_bits: 0,
            turn: 0,
        };
        dto::Network {
            reach: dto::Reach {
                choice: "auto".to_owned(),
                level: 2,
                why: "others tried and did not get through".to_owned(),
                reachability: dto::Reachability::Relayed,
                mapping: dto::Mapping::Same,
                probed: vec![dto::ProbedAddress { address: "/a".to_owned(), reachable: false, at: 0 }],
                mapped: Vec::new(),
                reservations: vec![dto::Reservation {
                    did: "did:r".to_owned(),
                    contact: Some("Rita".to_owned()),
                    latency_ms: Some(34),
                    addresses: Vec::new(),
                    since: Some(0),
                }],
                shares: dto::Shares {
                    reservations: 1,
                    circuits: 1,
                    circuit_bytes: 1,
                    circuit_seconds: 1,
                    bytes_per_second: 1,
                    mailbox_bytes: 1,
                },
            },
            listening: Vec::new(),
            addresses: vec!["/b".to_owned()],
            peers: vec![
                peer("did:r", Some("Rita"), dto::Path::Direct, None),
                peer("did:p", None, dto::Path::Punched, None),
                peer("did:q", Some("Quinn"), dto::Path::Relayed, Some("did:r")),
            ],
            relaying: dto::Relaying { on: true, reservations: 2, circuits: 1, served: 9, refused: 0 },
            mailboxes: dto::Mailboxes {
                held: 3,
                held_mailboxes: 2,
                held_bytes: 5_000,
                share_bytes: 256 << 20,
                parcels: 2,
                stored: 1,
                holders: vec!["did:r".to_owned()],
                fetched: Some(0),
                pinned: Vec::new(),
                pinned_most: 3,
                serving: Vec::new(),
            },
        }
    }

    #[test]
    fn how_this_node_is_reached_comes_first_and_each_peer_says_its_way() {
        let text = network(&example());
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("Reached through relays"), "{text}");
        assert_eq!(lines[1], "Level 2 (auto): others tried and did not get through.");
        for expected in [
            "  Rita  34 ms, for ",
            "  Rita  direct, TCP, 12 ms, for ",
            "  did:p  direct through a punched hole, TCP",
            "  Quinn  relayed by Rita, TCP",
            " 2 KiB in, 0 bytes out, ",
            "Relays for 2 nodes: 1 circuits now, 9 since its start.",
            "Kept here for others: 3 envelopes in 2 mailboxes, 4 KiB of 256 MiB.",
            "2, of them 1 safe in mailboxes.",
            "Your mailboxes are at 1 nodes",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        let private = dto::Reach {
            reachability: dto::Reachability::Private,
            mapping: dto::Mapping::Unknown,
            probed: Vec::new(),
            reservations: Vec::new(),
            ..example().reach
        };
        assert_eq!(reach(&private).lines().count(), 2);
    }

    #[test]
    fn shares_say_which_of_them_count_at_this_level() {
        let mut reach = example().reach;
        reach.level = 2;
        reach.shares.mailbox_bytes = 256 << 20;
        let text = shares(&reach);
        assert!(text.contains("disk for mailboxes            256 MiB\n"), "{text}");
        assert!(text.contains("circuits at once              1  (not at this level)"), "{text}");
    }
}
