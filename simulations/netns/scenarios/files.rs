//! Files where the way is bad: through a relay, over a long and lossy line, and through a relay that is killed. The first two beside ssh.
//!
//! Speeds are those of the program that is given: for figures, the release build (`make bench ONLY=files-relay`, `ONLY=files-wan`). Every round each side sends the same fresh bytes once, PC2
//! and its peer in turns. Not here: loopback (`make bench ONLY=files`).

use super::{Given, PATIENCE, Pair, Relays, STORY_COLUMNS, did_not, relay_killed::is_named};
use crate::{
    ground_of_files::{Ground, forget, same},
    lab::{Lab, Weather},
    median::median,
    nat::Kind,
    node::{Node, within},
    parcel::{self, Parcel},
    path::Path as Way,
    report::{Row, Table, Verdict, seconds},
    shell::{self, Running},
    ssh::Keys,
    talk,
};
use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const COLUMNS: &[&str] = &["what", "by", "took", "MB/s", "PC2's speed to it"];

/// Through a relay, in MiB; `MIB` says otherwise.
const RELAYED_MIB: u64 = 1_024;

/// Over the bad line: with one frame in a hundred lost, a TCP connection of 80 ms carries some 250 kB/s.
const LINE_MIB: u64 = 32;
const LINE: Weather = Weather { delay_ms: 40, jitter_ms: 0, loss_per_mille: 10, reorder_per_mille: 0 };

/// While the relay is killed: several times what passes in ten seconds.
const KILLED_MIB: u64 = 96;
const GOES_ON_WITHIN: Duration = Duration::from_secs(10);

/// Nothing takes nearly as long.
const LONG: Duration = Duration::from_secs(900);

/// Where the reverse tunnel of ssh comes out.
const TUNNEL: u16 = 2_222;

fn mib(usual: u64) -> u64 {
    env::var("MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Through a relay, beside a reverse tunnel of ssh through a third machine.
pub(crate) fn run_relayed(given: &Given<'_>) -> Table {
    let mut table = Table::new("Files through a relay", COLUMNS);
    let lab = Lab::new("relay-files", given.logs);
    let relays = Relays::start(&lab, given.program);
    for relay in &relays.nodes {
        // As much as may be lent: what is asked is what the program can do.
        let most = ["shares", "--bytes-per-second", "1073741824", "--circuit-bytes", "1099511627776"];
        relay.ask(&most);
    }
    let jump = lab.server("jump");
    let pair = Pair::start(&lab, given, &relays, (Kind::PortRestricted, Kind::Symmetric));
    let peer = OverSsh::through(&lab, &jump.outside);
    let what = format!("{} MiB, each behind a NAT that needs a relay", mib(RELAYED_MIB));
    Turns { pair: &pair, peer: &peer, what, mib: mib(RELAYED_MIB), relayed: true }.run(given, &mut table);
    table
}

/// Over a long line that loses, beside rsync.
pub(crate) fn run_line(given: &Given<'_>) -> Table {
    let mut table = Table::new("Files over a bad line", COLUMNS);
    let lab = Lab::new("wan-files", given.logs);
    let relays = Relays::start(&lab, given.program);
    let pair = Pair::start_over(&lab, given, &relays, (Kind::Public, Kind::Public), Some(LINE));
    let peer = OverSsh::direct(&lab, &pair.at_bob.outside);
    let what = format!(
        "{} MiB, {} ms there and back, {} % lost each way",
        mib(LINE_MIB),
        2 * LINE.delay_ms,
        f64::from(LINE.loss_per_mille) / 10.0
    );
    Turns { pair: &pair, peer: &peer, what, mib: mib(LINE_MIB), relayed: false }.run(given, &mut table);
    table
}

/// rsync from Alice to Bob's sshd, wherever it is reached.
struct OverSsh {
    name: &'static str,
    keys: Keys,
    host: String,
    port: u16,
    into: PathBuf,
    alice: String,
    running: Vec<Running>,
}

impl OverSsh {
    /// Bob's machine takes connections.
    fn direct(lab: &Lab, host: &str) -> Self {
        let folder = lab.data_of("ssh");
        fs::create_dir_all(folder.join("into")).expect("a folder");
        let keys = Keys::new(&folder).expect("ssh-keygen makes keys");
        let log = File::create(lab.log_of("ssh")).expect("a log file");
        let words = keys.server("0.0.0.0", 22);
        let server =
            Running::start(&lab.full("bob"), &words.iter().map(String::as_str).collect::<Vec<_>>(), &log);
        thread::sleep(Duration::from_secs(1));
        Self {
            name: "rsync -a over ssh",
            keys,
            host: host.to_owned(),
            port: 22,
            into: folder.join("into"),
            alice: lab.full("alice"),
            running: vec![server],
        }
    }

    /// Bob's machine can only be reached by the tunnel that it keeps to a third one.
    fn through(lab: &Lab, jump: &str) -> Self {
        let mut peer = Self::direct(lab, jump);
        let log = File::create(lab.log_of("jump")).expect("a log file");
        let start = |place: &str, words: &[String]| {
            Running::start(&lab.full(place), &words.iter().map(String::as_str).collect::<Vec<_>>(), &log)
        };
        let server = start("jump", &peer.keys.server("0.0.0.0", 22));
        thread::sleep(Duration::from_secs(1));
        let mut words = vec!["ssh".to_owned()];
        words.extend(peer.keys.options());
        words.extend([
            "-N".to_owned(),
            "-R".to_owned(),
            format!("0.0.0.0:{TUNNEL}:127.0.0.1:22"),
            jump.to_owned(),
        ]);
        let tunnel = start("bob", &words);
        thread::sleep(Duration::from_secs(1));
        peer.name = "rsync -a over ssh, through ssh -R at a third machine";
        peer.port = TUNNEL;
        peer.running.extend([server, tunnel]);
        peer
    }

    fn carry(&self, source: &Path) -> Result<(Duration, PathBuf), String> {
        let words = self.keys.rsync(&self.host, self.port, source, &self.into);
        let words: Vec<&str> = ["ip", "netns", "exec", &self.alice]
            .into_iter()
            .chain(words.iter().map(String::as_str))
            .collect();
        let began = Instant::now();
        let output = shell::output(&words);
        let took = began.elapsed();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok((took, self.into.join(source.file_name().unwrap_or_default())))
    }
}

fn ours(pair: &Pair, source: &Path) -> Result<(Duration, PathBuf), String> {
    let began = Instant::now();
    let arrived = Parcel::send(&pair.alice, &pair.bob, source)?.until_done(LONG)?;
    Ok((began.elapsed(), arrived))
}

fn checked(carried: Result<(Duration, PathBuf), String>, source: &Path) -> Result<Duration, String> {
    let (took, arrived) = carried?;
    let whole = same(source, &arrived);
    forget(&arrived).map_err(|error| error.to_string())?;
    if whole { Ok(took) } else { Err("what arrived is not what was sent".to_owned()) }
}

/// Two who send the same in turns.
struct Turns<'a> {
    pair: &'a Pair,
    peer: &'a OverSsh,
    what: String,
    mib: u64,
    /// Whether nothing but a relay may connect the two.
    relayed: bool,
}

impl Turns<'_> {
    /// Runs all rounds, and tells of them.
    fn run(&self, given: &Given<'_>, table: &mut Table) {
        match self.connected() {
            Ok(by) => self.rounds(given.runs, &by, table),
            Err(why) => table.add(self.row("PC2", None, None, Verdict::Missed(why))),
        }
    }

    /// How the two nodes are connected, when they are as they must be.
    fn connected(&self) -> Result<String, String> {
        let (alice, bob) = (&self.pair.alice, &self.pair.bob);
        talk::become_contacts(alice, bob, PATIENCE).ok_or("not connected")?;
        let (_, route) = within(PATIENCE, || alice.route(&bob.did)).ok_or("no path stands")?;
        if matches!(route.path, Way::Relayed { .. }) != self.relayed {
            return Err(format!("the path is {}", route.path));
        }
        parcel::take_all(bob, alice)?;
        Ok(format!("PC2: {}, {}", route.path, route.transport))
    }

    fn rounds(&self, rounds: usize, by: &str, table: &mut Table) {
        let mut ground = Ground::new().expect("a temporary directory");
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let source = ground.fresh_file(self.mib << 20).expect("room on the disk for the file");
            // Who begins changes.
            for turn in 0..2 {
                if (round + turn) % 2 == 0 {
                    our_times.push(checked(ours(self.pair, &source), &source));
                } else {
                    their_times.push(checked(self.peer.carry(&source), &source));
                }
            }
            eprintln!(
                "round {}: PC2 {:?}, {} {:?}",
                round + 1,
                our_times.last(),
                self.peer.name,
                their_times.last()
            );
            forget(&source).expect("our own file");
        }
        let ratio = median(our_times.iter().zip(&their_times).filter_map(|(ours, theirs)| {
            Some(theirs.as_ref().ok()?.as_secs_f64() / ours.as_ref().ok()?.as_secs_f64())
        }));
        for (by, times, ratio) in [(by, &our_times, Some(1.0)), (self.peer.name, &their_times, ratio)] {
            let failed = times.iter().find_map(|time| time.as_ref().err().cloned());
            let took = median(times.iter().flatten().map(Duration::as_secs_f64));
            table.add(self.row(by, took, ratio, failed.map_or(Verdict::Met, Verdict::Missed)));
        }
    }

    fn row(&self, by: &str, took: Option<f64>, ratio: Option<f64>, verdict: Verdict) -> Row {
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
        let rate = took.map(|took| self.mib as f64 * 1.048_576 / took);
        let cells = vec![self.what.clone(), by.to_owned(), shown(took), shown(rate), shown(ratio)];
        Row { cells, verdict }
    }
}

/// The relay is killed while a file passes through it: the transfer goes on through another one.
pub(crate) fn run_relay_killed(given: &Given<'_>) -> Table {
    let mut table = Table::new("Relay killed while a file passes", STORY_COLUMNS);
    let lab = Lab::new("relay-killed-files", given.logs);
    let mut relays = Relays::start(&lab, given.program);
    let pair = Pair::start(&lab, given, &relays, (Kind::PortRestricted, Kind::Symmetric));
    let mut ground = Ground::new().expect("a temporary directory");
    let source = ground.fresh_file(KILLED_MIB << 20).expect("room on the disk for the file");
    let (what, how) = ("relay killed in the middle of a file", format!("{KILLED_MIB} MiB, bytes equal"));
    table.add(match story(&pair, &mut relays.nodes, &source) {
        Ok(WentOn { path, bytes, at }) => Row {
            cells: vec![
                what.to_owned(),
                format!(
                    "{how}; at {at} MiB; another path after {}",
                    path.map_or_else(|| "–".to_owned(), seconds)
                ),
                seconds(bytes),
                format!("≤ {}", seconds(GOES_ON_WITHIN)),
                "–".to_owned(),
                "–".to_owned(),
            ],
            verdict: Verdict::by(bytes, GOES_ON_WITHIN),
        },
        Err(why) => did_not(given, what, &how, true, &why),
    });
    table
}

/// What came after the kill.
struct WentOn {
    /// The receiver was connected with the sender by another path. Not seen when bytes came before it was looked for.
    path: Option<Duration>,
    /// Bytes came again.
    bytes: Duration,
    /// So many MiB were there at the kill.
    at: u64,
}

fn story(pair: &Pair, relays: &mut [Node], source: &Path) -> Result<WentOn, String> {
    let (alice, bob) = (&pair.alice, &pair.bob);
    talk::become_contacts(alice, bob, PATIENCE).ok_or("not connected")?;
    parcel::take_all(bob, alice)?;
    let relayed = within(PATIENCE, || match alice.route(&bob.did)?.path {
        Way::Relayed { by } => Some(by),
        Way::Direct | Way::Punched | Way::Unknown(_) => None,
    });
    let (_, by) = relayed.ok_or("the pair is not relayed")?;
    let parcel = Parcel::send(alice, bob, source)?;
    parcel.until_bytes((KILLED_MIB << 20) / 4, LONG).ok_or("a quarter of it did not come")?;
    let relay = relays.iter_mut().find(|relay| is_named(relay, &by));
    let relay = relay.ok_or_else(|| format!("`pc2 peers` names no relay of ours: {by:?}"))?;
    relay.kill();
    let killed = Instant::now();
    // What had passed already is still being proven.
    thread::sleep(Duration::from_millis(500));
    let here = parcel.bytes();
    if here == 0 || here >= KILLED_MIB << 20 {
        return Err(format!("the kill came too late, at {here} bytes"));
    }
    // Two things have to happen: there is another path, and the file takes it.
    let mut path = None;
    let is_other = |way: Way| !matches!(way, Way::Relayed { by } if is_named(relay, &by));
    let came = within(PATIENCE, || {
        if path.is_none() && bob.route(&alice.did).is_some_and(|route| is_other(route.path)) {
            path = Some(killed.elapsed());
        }
        (parcel.bytes() > here).then(|| killed.elapsed())
    });
    let Some((_, bytes)) = came else {
        let path =
            path.map_or_else(|| "nor did a path".to_owned(), |at| format!("a path after {}", seconds(at)));
        return Err(format!("no byte came within {} s; {path}", PATIENCE.as_secs()));
    };
    let arrived = parcel.until_done(LONG)?;
    if same(source, &arrived) {
        Ok(WentOn { path, bytes, at: here >> 20 })
    } else {
        Err("what arrived is not what was sent".to_owned())
    }
}
