//! `tcpdump` at every relay while Alice and Bob talk: what they say is in nothing that went by.
//!
//! Two checks that the tap works: a text sent in the clear to the same machines is found in what it took, and packets of the conversation are there.

use super::{Given, PATIENCE, Pair, Relays, STORY_COLUMNS, did_not};
use crate::{
    lab::Lab,
    nat::Kind,
    path::Path,
    report::{Row, Table, Verdict, seconds},
    shell::{self, Running},
    talk::{self, Speech},
};
use std::{fs, fs::File, path::PathBuf, thread, time::Duration};

/// 32 bytes that stand nowhere else.
const SECRET: &str = "tangerine-lighthouse-31415926535";

/// 32 bytes that are sent in the clear, so that the tap is known to hear.
const CLEAR: &str = "plain-as-a-postcard-271828182845";

/// How long `tcpdump` needs to open its interface, and to write what it has when it ends.
const TAP_SETTLES: Duration = Duration::from_secs(2);

/// A datagram with the second argument to the first, port 9.
const POSTCARD: &str = "
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), (sys.argv[1], 9))
";

/// Runs it.
pub(crate) fn run(given: &Given<'_>) -> Table {
    let mut table = Table::new("Wiretap", STORY_COLUMNS);
    let lab = Lab::new("tap", given.logs);
    let relays = Relays::start(&lab, given.program);
    // Where the pair can be relayed it is tapped at the relay; else what goes by the relays is contacts, cards and lookups.
    let kinds = if given.program.levels {
        (Kind::PortRestricted, Kind::Symmetric)
    } else {
        (Kind::PortRestricted, Kind::Public)
    };
    let pair = Pair::start(&lab, given, &relays, kinds);
    table.add(story(given, &lab, &relays, &pair));
    table
}

fn story(given: &Given<'_>, lab: &Lab, relays: &Relays, pair: &Pair) -> Row {
    let what = "32 known bytes in a chat, tcpdump at the relays";
    let how = format!("{} – {}", pair.at_alice.kind, pair.at_bob.kind);
    let (alice, bob) = (&pair.alice, &pair.bob);
    let mut taps: Vec<(Running, PathBuf)> = relays.nodes.iter().map(|relay| tap(lab, &relay.name)).collect();
    if pair.at_bob.kind == Kind::Public {
        taps.push(tap(lab, &bob.name));
    }
    thread::sleep(TAP_SETTLES);

    if talk::become_contacts(alice, bob, PATIENCE).is_none() {
        return did_not(given, what, &how, false, "not connected");
    }
    let mut speech = Speech::default();
    speech.say_this(alice, bob, SECRET);
    let took = talk::until_heard(bob, alice, SECRET, PATIENCE);
    let relayed = matches!(alice.route(&bob.did).map(|route| route.path), Some(Path::Relayed { .. }));
    let first = &relays.places[0].outside;
    shell::run_in(&lab.full(&alice.name), &["python3", "-c", POSTCARD, first, CLEAR]);
    thread::sleep(TAP_SETTLES);

    let mut taken = Vec::new();
    for (tcpdump, file) in taps {
        tcpdump.signal("TERM");
        thread::sleep(TAP_SETTLES);
        drop(tcpdump);
        taken.push(fs::read(&file).unwrap_or_default());
    }
    let contains = |text: &str| taken.iter().filter(|bytes| holds(bytes, text)).count();
    let bytes: usize = taken.iter().map(Vec::len).sum();
    let how = if relayed { format!("{how}, relayed") } else { how };
    Row {
        cells: vec![
            what.to_owned(),
            format!("{how}; {} KiB taken", bytes / 1024),
            took.map_or_else(|| "–".to_owned(), seconds),
            "nowhere in it".to_owned(),
            "1".to_owned(),
            usize::from(took.is_none()).to_string(),
        ],
        verdict: if took.is_none() {
            Verdict::Missed("the message did not arrive".to_owned())
        } else if contains(CLEAR) != 1 {
            Verdict::Missed("the tap is deaf: a text in the clear was not taken once".to_owned())
        } else if given.program.levels && !relayed {
            Verdict::Missed("the conversation did not go through a relay".to_owned())
        } else if contains(SECRET) > 0 {
            Verdict::Missed("what they said could be read on the way".to_owned())
        } else {
            Verdict::Met
        },
    }
}

/// Takes everything that goes in or out of a machine, whole.
fn tap(lab: &Lab, name: &str) -> (Running, PathBuf) {
    let file = lab.data_of(&format!("{name}.pcap"));
    let log = File::create(lab.log_of(&format!("{name}-tcpdump"))).expect("a log file");
    let path = file.display().to_string();
    let words = ["tcpdump", "-i", "eth0", "-s", "0", "-U", "-Z", "root", "-w", path.as_str()];
    (Running::start(&lab.full(name), &words, &log), file)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
