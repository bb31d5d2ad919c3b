//! The program's own root: files and folders in memory, gone with the run.
//!
//! Programs want a place for temporary files, and a root to stand in. It holds at most [`MAX_ROOT_BYTES`], names and bookkeeping included, so that it
//! cannot be a way around the limit of memory. No links, no times.

use super::abi::{Entry, Errno, Failure, Kind, Status};
use pc2_protocols::wasm::limits::MAX_ROOT_BYTES;
use std::collections::BTreeMap;

/// What an entry costs beside its bytes.
const ENTRY_BYTES: u64 = 256;

/// Number of a file or folder.
pub(super) type NodeId = usize;

/// The root folder itself.
pub(super) const TOP: NodeId = 0;

enum Content {
    File(Vec<u8>),
    Folder { parent: NodeId, entries: BTreeMap<String, NodeId> },
}

struct Node {
    content: Content,
    /// How often it is open: what is removed while it is open goes when it is closed.
    open: u32,
    named: bool,
}

/// A path, as far as it leads somewhere.
pub(super) struct Place {
    folder: NodeId,
    name: String,
    /// What is there, if anything.
    pub(super) node: Option<NodeId>,
}

/// The whole of it.
pub(super) struct Root {
    nodes: BTreeMap<NodeId, Node>,
    next: NodeId,
    used: u64,
}

impl Root {
    /// An empty root with a folder for temporary files.
    pub(super) fn new() -> Self {
        let content = Content::Folder { parent: TOP, entries: BTreeMap::new() };
        let top = Node { content, open: 1, named: true };
        let mut root = Self { nodes: BTreeMap::from([(TOP, top)]), next: TOP + 1, used: 0 };
        let _there_is_room = root.place(TOP, "tmp").and_then(|place| root.create(&place, true));
        root
    }

    fn node(&self, id: NodeId) -> Result<&Node, Failure> {
        self.nodes.get(&id).ok_or(Errno::BadFd.into())
    }

    fn folder(&self, id: NodeId) -> Result<(NodeId, &BTreeMap<String, NodeId>), Failure> {
        match &self.node(id)?.content {
            Content::Folder { parent, entries } => Ok((*parent, entries)),
            Content::File(_) => Err(Errno::NotFolder.into()),
        }
    }

    fn entries_mut(&mut self, id: NodeId) -> Result<&mut BTreeMap<String, NodeId>, Failure> {
        match self.nodes.get_mut(&id).map(|node| &mut node.content) {
            Some(Content::Folder { entries, .. }) => Ok(entries),
            Some(Content::File(_)) => Err(Errno::NotFolder.into()),
            None => Err(Errno::BadFd.into()),
        }
    }

    /// Refuses what is put into a folder that was removed while it was open: nobody would find it there, and its room would never be given back.
    fn takes_names(&self, folder: NodeId) -> Result<(), Failure> {
        if self.node(folder)?.named { Ok(()) } else { Err(Errno::NoEntry.into()) }
    }

    /// Follows a path. There is nothing above the root, as everywhere.
    pub(super) fn place(&self, from: NodeId, path: &str) -> Result<Place, Failure> {
        let mut folder = if path.starts_with('/') { TOP } else { from };
        let mut parts = path.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
        while let Some(part) = parts.next() {
            let (parent, entries) = self.folder(folder)?;
            if part == ".." {
                folder = parent;
                continue;
            }
            let node = entries.get(part).copied();
            if parts.peek().is_none() {
                if part.len() > 255 {
                    return Err(Errno::NameTooLong.into());
                }
                return Ok(Place { folder, name: part.to_owned(), node });
            }
            folder = node.ok_or(Errno::NoEntry)?;
        }
        Ok(Place { folder, name: String::new(), node: Some(folder) })
    }

    pub(super) fn status(&self, id: NodeId) -> Result<Status, Failure> {
        let (kind, size) = match &self.node(id)?.content {
            Content::File(bytes) => (Kind::File, bytes.len() as u64),
            Content::Folder { .. } => (Kind::Folder, 0),
        };
        Ok(Status { device: 0, inode: id as u64 + 1, kind, links: 1, size, times: [0; 3] })
    }

    pub(super) fn create(&mut self, place: &Place, as_folder: bool) -> Result<NodeId, Failure> {
        if place.node.is_some() {
            return Err(Errno::Exist.into());
        }
        self.takes_names(place.folder)?;
        self.take(ENTRY_BYTES + place.name.len() as u64)?;
        let id = self.next;
        self.next += 1;
        let content = if as_folder {
            Content::Folder { parent: place.folder, entries: BTreeMap::new() }
        } else {
            Content::File(Vec::new())
        };
        self.nodes.insert(id, Node { content, open: 0, named: true });
        self.entries_mut(place.folder)?.insert(place.name.clone(), id);
        Ok(id)
    }

    pub(super) fn remove(&mut self, place: &Place, as_folder: bool) -> Result<(), Failure> {
        let id = place.node.ok_or(Errno::NoEntry)?;
        match (&self.node(id)?.content, as_folder) {
            _ if id == TOP || place.name.is_empty() => return Err(Errno::Busy.into()),
            (Content::Folder { entries, .. }, true) if !entries.is_empty() => {
                return Err(Errno::NotEmpty.into());
            }
            (Content::Folder { .. }, true) | (Content::File(_), false) => {}
            (Content::Folder { .. }, false) => return Err(Errno::IsFolder.into()),
            (Content::File(_), true) => return Err(Errno::NotFolder.into()),
        }
        self.entries_mut(place.folder)?.remove(&place.name);
        self.used = self.used.saturating_sub(ENTRY_BYTES + place.name.len() as u64);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.named = false;
        }
        self.drop_if_unused(id);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Place, to: &Place) -> Result<(), Failure> {
        let id = from.node.ok_or(Errno::NoEntry)?;
        if from.name.is_empty() || to.name.is_empty() {
            return Err(Errno::Busy.into());
        }
        if to.node == Some(id) {
            return Ok(());
        }
        self.takes_names(to.folder)?;
        let is_folder = matches!(self.node(id)?.content, Content::Folder { .. });
        // A folder cannot be moved into itself.
        let mut above = to.folder;
        while is_folder && above != TOP {
            if above == id {
                return Err(Errno::Invalid.into());
            }
            above = self.folder(above)?.0;
        }
        if to.node.is_some() {
            self.remove(to, is_folder)?;
        }
        self.take(to.name.len() as u64)?;
        self.used = self.used.saturating_sub(from.name.len() as u64);
        self.entries_mut(from.folder)?.remove(&from.name);
        self.entries_mut(to.folder)?.insert(to.name.clone(), id);
        if let Some(Content::Folder { parent, .. }) = self.nodes.get_mut(&id).map(|node| &mut node.content) {
            *parent = to.folder;
        }
        Ok(())
    }

    pub(super) fn list(&self, id: NodeId) -> Result<Vec<Entry>, Failure> {
        let (parent, entries) = self.folder(id)?;
        let named = [(".", id), ("..", parent)];
        let named = named.into_iter().chain(entries.iter().map(|(name, id)| (name.as_str(), *id)));
        named
            .map(|(name, id)| {
                let status = self.status(id)?;
                Ok(Entry { name: name.to_owned(), inode: status.inode, kind: status.kind })
            })
            .collect()
    }

    pub(super) fn opened(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.open += 1;
        }
    }

    pub(super) fn closed(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.open = node.open.saturating_sub(1);
        }
        self.drop_if_unused(id);
    }

    fn drop_if_unused(&mut self, id: NodeId) {
        let unused = self.nodes.get(&id).is_some_and(|node| !node.named && node.open == 0);
        if unused && let Some(Node { content: Content::File(bytes), .. }) = self.nodes.remove(&id) {
            self.used = self.used.saturating_sub(bytes.len() as u64);
        }
    }

    fn file(&self, id: NodeId) -> Result<&Vec<u8>, Failure> {
        match &self.node(id)?.content {
            Content::File(bytes) => Ok(bytes),
            Content::Folder { .. } => Err(Errno::IsFolder.into()),
        }
    }

    /// Reads from a file; how much was there.
    pub(super) fn read(&self, id: NodeId, at: u64, to: &mut [u8]) -> Result<usize, Failure> {
        let bytes = self.file(id)?;
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let count = rest.len().min(to.len());
        to[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    /// Writes to a file, which grows as needed.
    pub(super) fn write(&mut self, id: NodeId, at: u64, from: &[u8]) -> Result<(), Failure> {
        let end = at.checked_add(from.len() as u64).ok_or(Errno::TooLargeFile)?;
        if end > self.file(id)?.len() as u64 {
            self.resize(id, end)?;
        }
        let start = usize::try_from(at).map_err(|_| Errno::TooLargeFile)?;
        if let Some(Content::File(bytes)) = self.nodes.get_mut(&id).map(|node| &mut node.content)
            && let Some(to) = bytes.get_mut(start..start + from.len())
        {
            to.copy_from_slice(from);
        }
        Ok(())
    }

    /// Makes a file longer or shorter.
    pub(super) fn resize(&mut self, id: NodeId, size: u64) -> Result<(), Failure> {
        let before = self.file(id)?.len() as u64;
        self.take(size.saturating_sub(before))?;
        self.used = self.used.saturating_sub(before.saturating_sub(size));
        if let Some(Content::File(bytes)) = self.nodes.get_mut(&id).map(|node| &mut node.content) {
            bytes.resize(usize::try_from(size).map_err(|_| Errno::TooLargeFile)?, 0);
            bytes.shrink_to(bytes.len() * 2);
        }
        Ok(())
    }

    fn take(&mut self, bytes: u64) -> Result<(), Failure> {
        let used = self.used.saturating_add(bytes);
        if used > MAX_ROOT_BYTES {
            return Err(Errno::NoSpace.into());
        }
        self.used = used;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(root: &mut Root, path: &str, as_folder: bool) -> NodeId {
        let place = root.place(TOP, path).expect("as written here");
        root.create(&place, as_folder).expect("as written here")
    }

    #[test]
    fn files_are_read_as_they_were_written() {
        let mut root = Root::new();
        let file = made(&mut root, "tmp/a", false);
        root.write(file, 3, b"abc").expect("as written here");
        let mut read = [9; 8];
        assert_eq!(root.read(file, 0, &mut read), Ok(6));
        assert_eq!(&read[..6], b"\0\0\0abc");
        assert_eq!(root.read(file, 100, &mut read), Ok(0));
    }

    #[test]
    fn there_is_nothing_above_the_root() {
        let root = Root::new();
        let place = root.place(TOP, "../../tmp/../..").expect("as written here");
        assert_eq!(place.node, Some(TOP));
    }

    #[test]
    fn it_holds_no_more_than_it_may_and_gives_back_what_is_removed() {
        let mut root = Root::new();
        let file = made(&mut root, "a", false);
        assert_eq!(root.resize(file, MAX_ROOT_BYTES), Err(Errno::NoSpace.into()));
        root.resize(file, MAX_ROOT_BYTES - 2000).expect("as written here");
        assert_eq!(root.write(file, MAX_ROOT_BYTES, b"x"), Err(Errno::NoSpace.into()));
        root.opened(file);
        let place = root.place(TOP, "a").expect("as written here");
        root.remove(&place, false).expect("as written here");
        let other = made(&mut root, "b", false);
        assert_eq!(root.resize(other, 10_000), Err(Errno::NoSpace.into()), "it is still open");
        root.closed(file);
        root.resize(other, 10_000).expect("as written here");
    }

    #[test]
    fn nothing_is_put_into_a_folder_that_was_removed_while_it_was_open() {
        let mut root = Root::new();
        let folder = made(&mut root, "a", true);
        made(&mut root, "b", false);
        root.opened(folder);
        let place = root.place(TOP, "a").expect("as written here");
        root.remove(&place, true).expect("as written here");
        let used = root.used;
        let inside = root.place(folder, "lost").expect("as written here");
        assert_eq!(root.create(&inside, false), Err(Errno::NoEntry.into()));
        let other = root.place(TOP, "b").expect("as written here");
        assert_eq!(root.rename(&other, &inside), Err(Errno::NoEntry.into()));
        assert_eq!(root.used, used);
        root.closed(folder);
        assert_eq!(root.nodes.len(), 3, "the top, its folder for temporary files, and b");
    }

    #[test]
    fn entries_without_any_bytes_cost_something_too() {
        let mut root = Root::new();
        let many = (0..)
            .map(|index| root.place(TOP, &format!("f{index}")).and_then(|place| root.create(&place, false)));
        assert!(many.take_while(Result::is_ok).count() < 20_000);
    }

    #[test]
    fn a_folder_is_moved_with_what_is_in_it_but_never_into_itself() {
        let mut root = Root::new();
        made(&mut root, "a", true);
        made(&mut root, "a/b", true);
        let (from, into) = (
            root.place(TOP, "a").expect("as written here"),
            root.place(TOP, "a/b/c").expect("as written here"),
        );
        assert_eq!(root.rename(&from, &into), Err(Errno::Invalid.into()));
        let to = root.place(TOP, "tmp/z").expect("as written here");
        root.rename(&from, &to).expect("as written here");
        assert!(root.place(TOP, "tmp/z/b").expect("as written here").node.is_some());
        let full = root.place(TOP, "tmp/z").expect("as written here");
        assert_eq!(root.remove(&full, true), Err(Errno::NotEmpty.into()));
    }
}
