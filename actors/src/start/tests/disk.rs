//! A full disk: said clearly, reading goes on, and so does everything once there is room.

use super::*;
use pc2_protocols::{identity, messenger};
use pc2_storage::Disk;
use std::{
    fs::File,
    io,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// A disk that is full when the test says so.
#[derive(Default)]
struct Fillable {
    full: AtomicBool,
}

impl Fillable {
    fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }
}

impl Disk for Fillable {
    fn available(&self, _: &Path) -> io::Result<u64> {
        Ok(if self.full.load(Ordering::SeqCst) { 0 } else { 1 << 40 })
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

fn config_on(disk: &Arc<Fillable>, dir: &TempDir) -> NodeConfig {
    let mut config = config(dir);
    config.storage.reserve_bytes = 1;
    config.storage.disk = Arc::clone(disk) as Arc<dyn Disk>;
    config
}

fn set_name(name: &str) -> identity::Command {
    identity::Command::SetName { name: name.to_owned() }
}

#[test]
fn a_node_on_a_full_disk_says_so_reads_on_and_recovers() {
    let dir = TempDir::new().expect("directory");
    let disk = Arc::new(Fillable::default());
    let config = config_on(&disk, &dir);
    let node = start_with(&config, seams(&Nobody::default())).expect("starts");
    let handle = node.handle();
    within(&node, handle.identity(set_name("Ada"))).expect("set");
    disk.fill(true);
    for _ in 0..20 {
        assert_eq!(within(&node, handle.identity(set_name("Bob"))), Err(CallError::DiskFull));
        let who = within(&node, handle.identity(identity::Command::WhoAmI)).expect("reading goes on");
        assert_eq!(who.name, "Ada");
        let invite = handle.messenger(handle.account(), messenger::Command::Invite);
        assert_eq!(within(&node, invite), Err(CallError::DiskFull));
        let list = handle.messenger(handle.account(), messenger::Command::Contacts);
        within(&node, list).expect("reading goes on");
    }
    disk.fill(false);
    assert_eq!(within(&node, handle.identity(set_name("Bob"))).map(|who| who.name), Ok("Bob".to_owned()));
    node.shutdown();
}

#[test]
fn a_node_starts_on_a_full_disk() {
    let dir = TempDir::new().expect("directory");
    let disk = Arc::new(Fillable::default());
    let config = config_on(&disk, &dir);
    start_with(&config, seams(&Nobody::default())).expect("starts").shutdown();
    disk.fill(true);
    let node = start_with(&config, seams(&Nobody::default())).expect("starts on a full disk");
    let handle = node.handle();
    within(&node, handle.identity(identity::Command::WhoAmI)).expect("reads");
    let invite = handle.messenger(handle.account(), messenger::Command::Invite);
    assert_eq!(within(&node, invite), Err(CallError::DiskFull));
    disk.fill(false);
    let invite = || handle.messenger(handle.account(), messenger::Command::Invite);
    within(&node, invite()).expect("writes again");
    node.shutdown();
}
