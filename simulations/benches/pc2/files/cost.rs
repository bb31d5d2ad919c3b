//! What a transfer costs: time, and processor time of every process that took part.
//!
//! In: who brings a file to the other side. Out: how long until it was whole under its final name, how long until the disk had it, and user and system time of both
//! sides, children included. Not here: kernel threads that write to the disk, which belong to no process.

use super::ground::{Ground, same, settle};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Somebody who brings files from one place of this machine to another, through the network and encrypted.
pub(crate) trait Carrier {
    /// As the table calls it.
    fn name(&self) -> &'static str;

    /// Processes that stay between transfers. The time of their children counts, too.
    fn servers(&self) -> Vec<u32>;

    /// Brings a file or folder to the other side; returns when it is whole under its final name, and says where that is.
    fn carry(&mut self, source: &Path) -> Result<PathBuf, String>;

    /// Before each transfer, and not measured.
    fn prepare(&mut self, _source: &Path) -> Result<(), String> {
        Ok(())
    }

    /// After each, and not measured: what arrived is removed already.
    fn clear(&mut self) {}
}

/// What one transfer took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// From the command to the whole file.
    pub(crate) took: Duration,
    /// From the command until it was also on the disk.
    pub(crate) durable: Duration,
    /// Processor time of both sides.
    pub(crate) cpu: Duration,
}

/// Has something carried, and looks at what arrived.
pub(crate) fn measure(carrier: &mut dyn Carrier, ground: &mut Ground, source: &Path) -> Result<Cost, String> {
    carrier.prepare(source)?;
    settle().map_err(|error| error.to_string())?;
    let before = spent(&carrier.servers());
    let started = Instant::now();
    let arrived = carrier.carry(source)?;
    let took = started.elapsed();
    write_out(&arrived);
    let durable = started.elapsed();
    // Who has served it may still be closing: what that takes belongs to it.
    thread::sleep(Duration::from_millis(200));
    let cpu = spent(&carrier.servers()).saturating_sub(before);
    let whole = same(source, &arrived);
    ground.put_away(&arrived).map_err(|error| error.to_string())?;
    carrier.clear();
    if whole { Ok(Cost { took, durable, cpu }) } else { Err("what arrived is not what was sent".to_owned()) }
}

/// Has the disk take what arrived. Costs nothing where the program has done it.
fn write_out(path: &Path) {
    let mut command = Command::new("sync");
    // A folder: all of its file system is faster than each file.
    if path.is_dir() {
        command.arg("--file-system");
    }
    let done = command.arg(path).status().is_ok_and(|status| status.success());
    assert!(done, "{} cannot be written out", path.display());
}

/// Processor time of these, of all below them, and of every child of ours that has ended.
pub(crate) fn spent(servers: &[u32]) -> Duration {
    let all = processes();
    let mut sum = all.get(&std::process::id()).map_or(0, |own| own.ended_children);
    let mut wanted = servers.to_vec();
    while let Some(pid) = wanted.pop() {
        if let Some(process) = all.get(&pid) {
            sum += process.own + process.ended_children;
        }
        wanted.extend(all.iter().filter(|(_, process)| process.parent == pid).map(|(child, _)| *child));
    }
    // Linux reports in hundredths of a second (USER_HZ), whatever the kernel's own tick is.
    Duration::from_millis(sum * 10)
}

#[derive(Debug)]
struct Process {
    parent: u32,
    own: u64,
    ended_children: u64,
}

fn processes() -> BTreeMap<u32, Process> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    folders
        .filter_map(|folder| {
            let pid = folder.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(folder.path().join("stat")).ok()?;
            // The name stands in brackets and may have spaces; what follows has none. Places as in proc(5), from the third on.
            let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
            let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
            let process = Process {
                parent: u32::try_from(number(4)?).ok()?,
                own: number(14)? + number(15)?,
                ended_children: number(16)? + number(17)?,
            };
            Some((pid, process))
        })
        .collect()
}
