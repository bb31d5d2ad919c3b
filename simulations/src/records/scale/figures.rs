//! What is measured in a large world.
//!
//! In: what happened. Out: numbers, and the few that must be zero. Not here: how they are shown ([`super::report`]).

use super::walk::Found;

/// One round of questions, asked at about the same time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// What it shows.
    pub label: String,
    /// When it began, in milliseconds since the beginning of the world.
    pub at_ms: u64,
    /// Lookups that came to an end, found or not. Not those whose asker went away meanwhile.
    pub asked: u64,
    /// Those of them that found what was published.
    pub found: u64,
    /// Those that found an older version than one that enough nodes had confirmed.
    pub outdated: u64,
    /// Requests of each lookup, walk and gets together.
    pub requests: Vec<u64>,
    /// Bytes of each lookup in both directions.
    pub bytes: Vec<u64>,
    /// How long each took, in milliseconds.
    pub millis: Vec<u64>,
}

impl Sample {
    /// How many found what they asked for, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        percent(self.found, self.asked)
    }
}

/// All walks to nodes near a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walks {
    /// How many.
    pub count: u64,
    /// Nodes contacted, together.
    pub contacted: u64,
    /// Of those, how many were gone.
    pub gone: u64,
}

impl Walks {
    pub(super) fn add(&mut self, found: &Found) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.count += 1;
        self.contacted += count(found.answered.len() + found.gone.len());
        self.gone += count(found.gone.len());
    }
}

/// What was measured in one world.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Nodes that were there at most, honest and hostile.
    pub nodes: u64,
    /// Of those, hostile.
    pub hostile: u64,
    /// Milliseconds that passed in the world.
    pub lasted_ms: u64,
    /// Steps of machines.
    pub steps: u64,
    /// Requests of `/pc2/record/1`, from honest nodes.
    pub requests: u64,
    /// Of them, those that bring a record.
    pub puts: u64,
    /// Bytes of these and their answers.
    pub bytes: u64,
    /// Walks to nodes near a key.
    pub walks: Walks,
    /// Rounds of questions, in the order they were asked.
    pub samples: Vec<Sample>,
    /// When a quarter of the nodes was killed.
    pub killed_at_ms: Option<u64>,
    /// Records held by each honest node of level 2, before anything bad happened.
    pub held: Vec<u64>,
    /// Records held by nodes of level 1. Zero, or a promise is broken.
    pub held_by_clients: u64,
    /// Cards and values believed that their owner never signed, and rows on disk that do not verify. Zero, or a promise is broken.
    pub forged: u64,
    /// Reports of misbehaviour against honest nodes. Zero, or a promise is broken.
    pub accused_honest: u64,
    /// Machines that woke all the time. Zero, or a promise is broken.
    pub spinning: u64,
    /// Reports of misbehaviour against hostile ones.
    pub penalised: u64,
    /// Keys that attackers had to try, together.
    pub mined: u64,
}

impl Figures {
    /// All samples whose label begins like this, taken together.
    #[must_use]
    pub fn sample(&self, label: &str) -> Sample {
        let mut all = Sample { label: label.to_owned(), ..Sample::default() };
        for sample in self.samples.iter().filter(|sample| sample.label.starts_with(label)) {
            all.asked += sample.asked;
            all.found += sample.found;
            all.outdated += sample.outdated;
            all.requests.extend(&sample.requests);
            all.bytes.extend(&sample.bytes);
            all.millis.extend(&sample.millis);
        }
        all
    }

    /// The promises that were broken, in words.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        [
            (self.forged, "forged records were believed or stored"),
            (self.accused_honest, "honest nodes were accused"),
            (self.held_by_clients, "records are held by nodes of level 1"),
            (self.spinning, "machines woke all the time"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
    }
}

/// A share in percent; nothing of nothing is nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * float(part) / float(whole) }
}

/// A count for a division or a picture.
#[must_use]
pub fn float(count: u64) -> f64 {
    // Counts here stay far below 2^53.
    let (high, low) = (
        u32::try_from(count >> 32).unwrap_or(u32::MAX),
        u32::try_from(count & 0xffff_ffff).unwrap_or(u32::MAX),
    );
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// The value below which `percent` of them are. Nothing of nothing.
#[must_use]
pub fn percentile(values: &[u64], percent: usize) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_shares_are_what_they_say() {
        let values: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(
            (percentile(&values, 50), percentile(&values, 95), percentile(&values, 100)),
            (100, 190, 200)
        );
        assert_eq!(percentile(&[], 50), 0);
        assert!((percent(999, 1_000) - 99.9).abs() < 1e-9);
        assert!((float(1 << 40) - 1_099_511_627_776.0).abs() < 1e-3);
    }
}
