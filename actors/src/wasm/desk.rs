//! What is handed over beside a run's command: its open module, its input, and what it writes.
//!
//! In: from whoever starts a run, before the machine hears of it. Out: to the run, and to those who look at it, by its name. An entry is there until the machine says that nobody will
//! ask for it.
//!
//! Not here: whose run it is (the machine says so before anybody gets here).

use super::log::Log;
use pc2_protocols::wasm::RunId;
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc;

/// Pieces of a program's input that wait: the program has not read what came before.
const INPUT: usize = 4;

/// What belongs to one run.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    module: Mutex<Option<File>>,
    pub(crate) log: Arc<Log>,
    fed: bool,
    /// Until the first who gives input has taken it.
    giver: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    input: Mutex<Option<mpsc::Receiver<Vec<u8>>>>,
}

impl Entry {
    /// With a module, if it is none of an app. `fed`: somebody will look, and give input; otherwise that has ended already.
    pub(crate) fn new(module: Option<File>, fed: bool) -> Self {
        let (giver, input) = if fed {
            let (giver, input) = mpsc::channel(INPUT);
            (Some(giver), Some(input))
        } else {
            (None, None)
        };
        let (giver, input) = (Mutex::new(giver), Mutex::new(input));
        Self { module: Mutex::new(module), log: Arc::new(Log::new(fed)), fed, giver, input }
    }

    /// The module, until the run is over.
    pub(crate) fn module(&self) -> io::Result<Option<File>> {
        held(&self.module).as_ref().map(File::try_clone).transpose()
    }

    /// Whether somebody gives it input.
    pub(crate) const fn is_fed(&self) -> bool {
        self.fed
    }

    /// The run is over: nothing more is written, and its module is given back.
    fn close(&self) {
        self.log.close();
        drop(held(&self.module).take());
    }

    /// Where input comes from, once.
    pub(crate) fn take_input(&self) -> Option<mpsc::Receiver<Vec<u8>>> {
        held(&self.input).take()
    }

    /// Where input goes, once: one gives it. It ends when what is got here is dropped.
    pub(crate) fn take_giver(&self) -> Option<mpsc::Sender<Vec<u8>>> {
        held(&self.giver).take()
    }
}

/// All entries.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    entries: Mutex<BTreeMap<RunId, Arc<Entry>>>,
}

impl Desk {
    /// Hands over what belongs to a run.
    pub(crate) fn put(&self, run: RunId, entry: Entry) {
        held(&self.entries).insert(run, Arc::new(entry));
    }

    /// What belongs to a run, if anything was handed over.
    pub(crate) fn find(&self, run: RunId) -> Option<Arc<Entry>> {
        held(&self.entries).get(&run).cloned()
    }

    /// What belongs to a run; nothing, if it was handed over to an earlier life of the machine.
    pub(crate) fn entry(&self, run: RunId) -> Arc<Entry> {
        self.find(run).unwrap_or_default()
    }

    /// A run is over: those who look are told.
    pub(crate) fn close(&self, run: RunId) {
        if let Some(entry) = self.find(run) {
            entry.close();
        }
    }

    /// Nobody will ask for it.
    pub(crate) fn forget(&self, run: RunId) {
        let entry = held(&self.entries).remove(&run);
        if let Some(entry) = entry {
            entry.close();
        }
    }

    /// The machine begins a new life and knows no run: those who look at one are told that it is over.
    pub(crate) fn clear(&self) {
        let entries = std::mem::take(&mut *held(&self.entries));
        entries.values().for_each(|entry| entry.close());
    }
}

fn held<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_at_a_run_is_told_that_it_is_over_when_nobody_knows_it_any_more() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (first, second) = (RunId::from_bytes([1; 8]), RunId::from_bytes([2; 8]));
        let desk = Desk::default();
        let mut readers = [first, second].map(|run| {
            desk.put(run, Entry::new(None, true));
            desk.find(run).expect("it is there").log.read()
        });
        desk.forget(first);
        desk.clear();
        for reader in &mut readers {
            assert_eq!(runtime.block_on(reader.next()), None);
        }
    }
}
