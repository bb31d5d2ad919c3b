//! Ten thousand pages that are open and look on, at one node: what each takes, what they cost together, and how soon all of them hear.

use super::clients::{Page, Shown, browser, program};
use crate::{Figure, process::Node, scenario::millis};
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant},
};

/// How many.
const PAGES: usize = 10_000;

/// Of one session or key, as the server allows.
const EACH: usize = 128;

/// Keys that a node has, at most; the others are browsers.
const KEYS: usize = 64;

/// How long they only look on: three pings each.
const IDLE: Duration = Duration::from_secs(60);

/// Runs it.
pub(super) fn idle() -> Vec<Figure> {
    let node = Node::stopped("Host", &[]).at_level(1).started();
    let callers: Vec<Shown> = (0..PAGES.div_ceil(EACH))
        .map(|number| if number < KEYS { program(&node, &["profile:read"]) } else { browser(&node) })
        .collect();
    thread::sleep(Duration::from_secs(2));
    let before = node.resident_bytes();
    let started = Instant::now();
    let mut pages: Vec<Page> = (0..PAGES).map(|number| Page::open(&node, &callers[number / EACH])).collect();
    let opened = started.elapsed();
    pages.iter().for_each(Page::at_once);
    let cpu = node.cpu();
    look_on(&mut pages, IDLE);
    let cpu = node.cpu() - cpu;
    let each = (node.resident_bytes() - before) / PAGES as u64;

    let heard = Instant::now();
    node.patch("/api/identity", &json!({ "name": "somebody else" }));
    until_all(&mut pages, |page| {
        page.next().expect("it is open").is_some_and(|event| event["type"] == "profile")
    });
    let heard = heard.elapsed();
    let after = (node.resident_bytes() - before) / PAGES as u64;

    // The last ones are browsers; one of them signs all of the owner's out.
    let mut of_browsers = pages.split_off(KEYS * EACH);
    let signed_out = Instant::now();
    node.delete_by(callers.last().expect("callers"), "/api/sessions");
    until_all(&mut of_browsers, |page| page.next().is_err());
    let signed_out = signed_out.elapsed();
    vec![
        Figure {
            what: "resident memory for each of 10,000 idle event streams",
            ours: format!(
                "{:.1} KiB ({:.1} after an event; opened in {:.1} s)",
                each as f64 / 1024.0,
                after as f64 / 1024.0,
                opened.as_secs_f64()
            ),
            target: "≤ 20 KiB",
            peer: "none".to_owned(),
        },
        Figure {
            what: "processor use with 10,000 idle event streams, a ping each every 20 s",
            ours: format!("{:.1} % of a core", cpu.as_secs_f64() / IDLE.as_secs_f64() * 100.0),
            target: "written down",
            peer: "none".to_owned(),
        },
        Figure {
            what: "one event told to all 10,000, until the last has it",
            ours: format!("{:.0} ms", millis(heard)),
            target: "written down",
            peer: "none".to_owned(),
        },
        Figure {
            what: "signed out everywhere, until the last of 1,808 streams is closed",
            ours: format!("{:.0} ms", millis(signed_out)),
            target: "≤ 1 s",
            peer: "none".to_owned(),
        },
    ]
}

/// Reads what comes, and answers pings.
fn look_on(pages: &mut [Page], lasts: Duration) {
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        for page in &mut *pages {
            while page.next().expect("it stays open").is_some() {}
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// Looks from page to page until it was so at each.
fn until_all(pages: &mut [Page], mut so: impl FnMut(&mut Page) -> bool) {
    let mut left: Vec<&mut Page> = pages.iter_mut().collect();
    let end = Instant::now() + Duration::from_secs(60);
    while !left.is_empty() {
        assert!(Instant::now() < end, "{} pages never heard", left.len());
        left.retain_mut(|page| !so(page));
    }
}
