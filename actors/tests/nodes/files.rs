//! What the tests of file transfer share: telling a node, waiting until something is so of a transfer.

use super::Node;
use pc2_actors::event::{NodeEvent, Notice, Subscription};
use pc2_protocols::{
    files::{
        Command, Event, Reply, State, TransferView,
        rows::{Direction, TransferId},
    },
    id::NodeId,
};
use std::path::{Path, PathBuf};

pub(crate) fn tell(node: &Node, command: Command) -> Reply {
    let handle = node.handle();
    node.block_on(handle.files(handle.account(), command)).expect("carried out")
}

/// Waits until something is so of a transfer.
pub(crate) fn until(
    node: &Node,
    events: &mut Subscription,
    wanted: impl Fn(&TransferView) -> bool,
) -> TransferView {
    node.block_on(async {
        loop {
            match events.next().await {
                Some(Notice::Event(event)) => match &event.event {
                    NodeEvent::Files(Event::Transfer(view)) if wanted(view) => {
                        return TransferView::clone(view);
                    }
                    NodeEvent::Prepared { result: Err(error), .. } => panic!("not offered: {error}"),
                    _ => {}
                },
                other => panic!("events are missing: {other:?}"),
            }
        }
    })
}

pub(crate) fn offered(view: &TransferView) -> bool {
    view.id.direction == Direction::In && view.state == State::Offered
}

pub(crate) fn done(view: &TransferView) -> bool {
    matches!(view.state, State::Done { .. })
}

pub(crate) fn offer(from: &Node, to: NodeId, paths: &[&Path]) {
    let paths = paths.iter().map(|path| path.to_path_buf()).collect();
    let handle = from.handle();
    from.running.io().block_on(async { handle.offer_files(handle.account(), to, paths) }).expect("begun");
}

pub(crate) fn accept(node: &Node, id: TransferId) {
    tell(node, Command::Accept { id, folder: None });
}

pub(crate) fn place(view: &TransferView) -> PathBuf {
    match &view.state {
        State::Done { path: Some(path) } => PathBuf::from(String::from_utf8(path.to_vec()).expect("a text")),
        other => panic!("not in its place: {other:?}"),
    }
}

/// Bytes that are not the same everywhere.
pub(crate) fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

pub(crate) fn stop(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.running.shutdown();
    }
}
