//! How a command that takes a while tells how far it is: a bar at a terminal, plain lines elsewhere, JSON lines for scripts.
//!
//! A bar goes to standard error, so that what is piped on stays what it is. Lines and JSON go to standard output, at most one a second as
//! long as only bytes change.

use crate::show;
use indicatif::{ProgressBar, ProgressStyle};
use pc2_web::dto;
use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Lines of one state come this far apart.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// How often the turning sign of a bar turns.
const TURN_EVERY: Duration = Duration::from_millis(120);

/// Tells one thing to its end.
pub(crate) struct Teller {
    how: How,
    last: Option<(Instant, String)>,
}

enum How {
    Bar(ProgressBar),
    Lines,
    Json,
}

impl Teller {
    /// As it fits whoever reads.
    pub(crate) fn new(json: bool) -> Self {
        let how = match (json, io::stderr().is_terminal()) {
            (true, _) => How::Json,
            (false, true) => {
                let bar = ProgressBar::no_length();
                bar.enable_steady_tick(TURN_EVERY);
                How::Bar(bar)
            }
            (false, false) => How::Lines,
        };
        Self { how, last: None }
    }

    /// How a transfer is now.
    pub(crate) fn tell(&mut self, now: Instant, transfer: &dto::Transfer, who: &str, rate: Option<u64>) {
        // Its end is told by whoever follows it.
        let over = show::is_over(transfer.state);
        let kind = format!("{:?}", transfer.state);
        if let How::Bar(bar) = &self.how {
            let parts =
                transfer.bytes.filter(|_| !over && transfer.size > 0).map(|bytes| (bytes, transfer.size));
            draw(bar, parts, show::transfer(transfer, who, rate));
        } else if self.is_due(now, &kind, over) {
            match self.how {
                How::Json => line(&serde_json::to_string(transfer).unwrap_or_default()),
                How::Bar(_) | How::Lines if over => {}
                How::Bar(_) | How::Lines => line(&show::transfer(transfer, who, rate)),
            }
        }
    }

    /// How far something is that has no known end.
    pub(crate) fn tell_bytes(&mut self, now: Instant, doing: &str, bytes: u64, rate: Option<u64>) {
        let mut text = format!("{doing}: {}", show::amount(bytes));
        if let Some(rate) = rate {
            text = format!("{text}, {}/s", show::amount(rate));
        }
        match &self.how {
            How::Bar(bar) => draw(bar, None, text),
            // Nobody waits for these in a file, and scripts want the result alone.
            How::Lines | How::Json => drop(self.is_due(now, doing, false)),
        }
    }

    /// Nothing more comes; the bar is gone.
    pub(crate) fn end(self) {
        if let How::Bar(bar) = self.how {
            bar.finish_and_clear();
        }
    }

    /// Whether a line is due: at once when something else happens than before, and otherwise once a second.
    fn is_due(&mut self, now: Instant, kind: &str, at_once: bool) -> bool {
        let due = match &self.last {
            None => true,
            Some((at, last)) => at_once || last != kind || now.duration_since(*at) >= LINE_EVERY,
        };
        if due {
            self.last = Some((now, kind.to_owned()));
        }
        due
    }
}

fn draw(bar: &ProgressBar, parts: Option<(u64, u64)>, text: String) {
    let template = if parts.is_some() { "{bar:12} {wide_msg}" } else { "{spinner} {wide_msg}" };
    // Our own templates; without them the bar is merely plainer.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if let Some((done, all)) = parts {
        bar.set_length(all);
        bar.set_position(done.min(all));
    }
    bar.set_message(text);
}

fn line(text: &str) {
    let mut out = io::stdout().lock();
    // Whoever read it may be gone; the transfer goes on all the same.
    let _nobody_reads = writeln!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_once_a_second_and_at_once_when_something_else_happens() {
        let mut teller = Teller { how: How::Lines, last: None };
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        assert!(teller.is_due(at(0), "hashing", false));
        assert!(!teller.is_due(at(900), "hashing", false));
        assert!(teller.is_due(at(1_000), "hashing", false));
        assert!(teller.is_due(at(1_100), "sending", false));
        assert!(!teller.is_due(at(1_200), "sending", false));
        assert!(teller.is_due(at(1_300), "sending", true));
    }
}
