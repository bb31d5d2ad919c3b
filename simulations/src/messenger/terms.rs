//! What a run is given, and what it came to. Not here: the run ([`super::world`]).

/// How wild a world is.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long things go wrong, in milliseconds of the world.
    pub wild_millis: u64,
    /// How long the world may take to come to rest afterwards.
    pub calm_millis: u64,
    /// About how often each person does something, in milliseconds.
    pub pace_millis: u64,
    /// Nobody is ever up at the same time as anybody else.
    pub apart: bool,
    /// Now and then all holders of a letter lose it.
    pub lossy: bool,
    /// Prints every step.
    pub trace: bool,
}

impl Default for Settings {
    /// Some minutes of trouble, then hours for the longest backoffs.
    fn default() -> Self {
        Self {
            wild_millis: 240_000,
            calm_millis: 4 * 3_600_000,
            pace_millis: 1_500,
            apart: false,
            lossy: false,
            trace: false,
        }
    }
}

/// What a run came to, for the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Steps of machines.
    pub steps: u64,
    /// Messages whose sender was told that they are taken.
    pub acknowledged: usize,
    /// Of these, how many the recipient has.
    pub delivered: usize,
    /// Processes that crashed.
    pub crashes: u64,
    /// People who began anew on an empty disk.
    pub reinstalls: u64,
    /// Machines that panicked, or whose write failed.
    pub rebuilds: u64,
    /// Parcels handed to mailboxes, and those handed again.
    pub parcels: u64,
    /// Parcels that all mailboxes lost, and nobody was told.
    pub lost: u64,
    /// Keys that sealed something.
    pub keys_used: usize,
}
