//! kill -9: what a killed process had called back is there, whole, and nothing half.

mod common;

use common::*;
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

const DIR: &str = "PC2_TEST_KILL_DIR";
const ROUNDS: u64 = 6;

/// Not a test of its own: the process that is killed. It writes steps and says which the disk has.
#[test]
fn writes_until_it_is_killed() {
    let Ok(dir) = env::var(DIR) else { return };
    let (storage, _) = open(Path::new(&dir));
    let mut number = steps_present(&storage);
    loop {
        number += 1;
        let submitted = storage.writer().submit(step(number), move |result| {
            result.expect("written");
            let mut out = std::io::stdout().lock();
            // The one who reads may be gone: then this process is about to be killed.
            let _killed_soon = writeln!(out, "ack {number}").and_then(|()| out.flush());
        });
        submitted.expect("room");
        if number.is_multiple_of(7) {
            storage.writer().barrier();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged = 0;
    for round in 1..=ROUNDS {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "writes_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // At another moment each round, somewhere within a group.
        let until = acknowledged + 3 + round * 7_919 % 23;
        let mut note = |line: std::io::Result<String>| {
            let line = line.expect("readable");
            // The test runner's own words may stand before the first.
            if let Some((_, number)) = line.split_once("ack ") {
                acknowledged = number.parse().expect("a number");
            }
            acknowledged
        };
        while note(lines.next().expect("the child writes")) < until {}
        child.kill().expect("killed");
        for line in lines {
            note(line);
        }
        child.wait().expect("ended");
        let (storage, report) = open(dir.path());
        assert_eq!(report.quarantined, None);
        let found = steps_present(&storage);
        assert!(found >= acknowledged, "round {round}: {found} of {acknowledged} acknowledged");
        storage.verify().expect("every row is whole");
        acknowledged = found;
    }
}
