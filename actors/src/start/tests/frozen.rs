//! A handler that never returns, and a machine that cannot be built.

use super::*;
use crate::{identity::IdentityShell, shell::BuildError, watchdog::Fatal};
use pc2_protocols::identity;

#[test]
fn a_handler_that_hangs_is_reported_as_fatal() {
    let dir = TempDir::new().expect("directory");
    let trap = Trap::default();
    let (tell, told) = mpsc::channel();
    let mut config = config(&dir);
    config.on_fatal = Arc::new(move |fatal| drop(tell.send(fatal)));
    let mut seams = seams(&Nobody::default());
    seams.ping_every = Duration::from_millis(20);
    let around = trap.clone();
    seams.factories = Box::new(move |mut factories| {
        factories.identity = around.around::<IdentityShell>(factories.identity);
        factories
    });
    let node = start_with(&config, seams).expect("starts");

    let (release, held) = mpsc::channel::<()>();
    trap.set("WhoAmI", move || {
        let _released = held.recv();
    });
    let handle = node.handle();
    let asked = node.io().spawn(async move { handle.identity(identity::Command::WhoAmI).await });
    // All hosts share the thread: whichever is asked first is named.
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(Fatal::Frozen { .. })));
    drop(release);
    within(&node, asked).expect("not cancelled").expect("answered once it goes on");
    node.shutdown();
}

#[test]
fn a_part_that_cannot_be_built_stops_the_start_and_says_why() {
    let dir = TempDir::new().expect("directory");
    let mut seams = seams(&Nobody::default());
    seams.factories = Box::new(|mut factories| {
        factories.identity = Arc::new(|_| Err(BuildError("the stored profiles are damaged".to_owned())));
        factories
    });
    let error = start_with(&config(&dir), seams).err().expect("does not start");
    assert!(error.to_string().contains("the stored profiles are damaged"), "{error}");
    start_alone(&dir).0.shutdown();
}
