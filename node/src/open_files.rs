//! How many files and connections this process may have open.
//!
//! Systems give two bounds: a low one, kept for old programs that count descriptors in a small set, and the one that holds. A program that
//! knows better may go up to the second by itself, which is done at the start, before anything is opened. Not here: what is then open at most.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than this is not asked for: some systems have a billion, and count what is open by it.
const ENOUGH: u64 = 65_536;

/// Raises the low bound. Says how many files may be open from now on.
pub(crate) fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // None is no bound at all.
    let (low, high) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let wanted = high.min(ENOUGH);
    let mut allowed = low;
    if low < wanted {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }) {
            Ok(()) => allowed = wanted,
            Err(error) => tracing::debug!(%error, "the number of open files could not be raised"),
        }
    }
    usize::try_from(allowed).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_as_the_system_allows_may_be_open_and_asking_twice_changes_nothing() {
        let allowed = raise();
        let now = getrlimit(Resource::Nofile);
        let high = now.maximum.unwrap_or(u64::MAX);
        assert_eq!(now.current.map(|now| now as usize).unwrap_or(usize::MAX), allowed);
        assert!(allowed as u64 >= high.min(ENOUGH));
        assert_eq!(raise(), allowed);
    }
}
