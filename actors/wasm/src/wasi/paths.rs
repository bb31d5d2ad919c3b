//! Functions on paths. Each begins at an open folder and stays beneath it.
//!
//! Here is decided which of the two file systems a path belongs to, whether the grant allows what is asked, and what it counts. A path never leads from
//! one file system into the other.

use super::{
    State,
    abi::{Errno, FOLLOW, Failure, Kind, flags, how, rights},
    folder,
    guest::Guest,
    io::{self, CREATED_BYTES},
    root::NodeId,
    table::{Lies, OpenFile, OpenFolder, Opened},
};
use rustix::{
    fs::{FileType, Mode, OFlags, fstat},
    io::Errno as System,
};
use std::os::fd::OwnedFd;

/// Where a path begins.
enum From<'a> {
    Granted(&'a OwnedFd),
    Root(NodeId),
}

fn from(state: &State, fd: u32) -> Result<From<'_>, Failure> {
    Ok(match &state.table.folder(fd)?.lies {
        Lies::Granted(descriptor) => From::Granted(descriptor),
        Lies::Root(node) => From::Root(*node),
    })
}

/// The same, for what changes something in the granted folder.
fn from_to_change(state: &State, fd: u32) -> Result<From<'_>, Failure> {
    match from(state, fd)? {
        From::Granted(_) if !io::writes(state) => Err(Errno::ReadOnly.into()),
        other => Ok(other),
    }
}

/// Counts a new name in the granted folder.
fn count_created(state: &mut State, fd: u32) -> Result<(), Failure> {
    match from_to_change(state, fd)? {
        From::Granted(_) => state.count_writing(CREATED_BYTES, 0),
        From::Root(_) => Ok(()),
    }
}

pub(super) fn path_create_directory(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    path: u32,
    bytes: u32,
) -> Result<(), Failure> {
    let path = guest.path(path, bytes)?;
    count_created(state, fd)?;
    match from_to_change(state, fd)? {
        From::Granted(folder) => folder::create_folder(folder, &path),
        From::Root(node) => {
            let place = state.root.place(node, &path)?;
            state.root.create(&place, true).map(|_| ())
        }
    }
}

pub(super) fn path_remove_directory(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    path: u32,
    bytes: u32,
) -> Result<(), Failure> {
    let path = guest.path(path, bytes)?;
    match from_to_change(state, fd)? {
        From::Granted(folder) => folder::remove_folder(folder, &path),
        From::Root(node) => {
            let place = state.root.place(node, &path)?;
            state.root.remove(&place, true)
        }
    }
}

pub(super) fn path_unlink_file(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    path: u32,
    bytes: u32,
) -> Result<(), Failure> {
    let path = guest.path(path, bytes)?;
    match from_to_change(state, fd)? {
        From::Granted(folder) => folder::remove_file(folder, &path),
        From::Root(node) => {
            let place = state.root.place(node, &path)?;
            state.root.remove(&place, false)
        }
    }
}

pub(super) fn path_rename(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    path: u32,
    bytes: u32,
    new_fd: u32,
    new_path: u32,
    new_bytes: u32,
) -> Result<(), Failure> {
    let (path, new_path) = (guest.path(path, bytes)?, guest.path(new_path, new_bytes)?);
    match (from_to_change(state, fd)?, from_to_change(state, new_fd)?) {
        (From::Granted(folder), From::Granted(to)) => folder::rename(folder, &path, to, &new_path),
        (From::Root(node), From::Root(to)) => {
            let (place, to) = (state.root.place(node, &path)?, state.root.place(to, &new_path)?);
            state.root.rename(&place, &to)
        }
        (From::Granted(_), From::Root(_)) | (From::Root(_), From::Granted(_)) => {
            Err(Errno::CrossDevice.into())
        }
    }
}

pub(super) fn path_link(
    _: &mut State,
    _: &Guest<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Result<(), Failure> {
    // A second name for a file would still be there after the grant has been taken back.
    Err(Errno::NotPermitted.into())
}

pub(super) fn path_symlink(
    state: &mut State,
    guest: &Guest<'_>,
    target: u32,
    target_bytes: u32,
    fd: u32,
    path: u32,
    bytes: u32,
) -> Result<(), Failure> {
    let (target, path) = (guest.path(target, target_bytes)?, guest.path(path, bytes)?);
    count_created(state, fd)?;
    match from_to_change(state, fd)? {
        From::Granted(folder) => folder::create_link(folder, &path, &target),
        From::Root(_) => Err(Errno::NotSupported.into()),
    }
}

pub(super) fn path_readlink(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    path: u32,
    bytes: u32,
    to: u32,
    room: u32,
    used: u32,
) -> Result<(), Failure> {
    let path = guest.path(path, bytes)?;
    guest.check(used, 4)?;
    let text = match from(state, fd)? {
        From::Granted(folder) => folder::read_link(folder, &path)?,
        // There are none.
        From::Root(node) => {
            let known = state.root.place(node, &path)?.node;
            return Err(known.map_or(Errno::NoEntry, |_| Errno::Invalid).into());
        }
    };
    let fits = text.len().min(room as usize);
    guest.write(to, text.get(..fits).unwrap_or_default())?;
    guest.write_u32(used, u32::try_from(fits).unwrap_or(0))
}

pub(super) fn path_filestat_get(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    follow: u32,
    path: u32,
    bytes: u32,
    to: u32,
) -> Result<(), Failure> {
    let path = guest.path(path, bytes)?;
    let status = match from(state, fd)? {
        From::Granted(folder) => folder::status(folder, &path, follow & FOLLOW != 0)?,
        From::Root(node) => {
            let place = state.root.place(node, &path)?;
            state.root.status(place.node.ok_or(Errno::NoEntry)?)?
        }
    };
    guest.write(to, &status.to_bytes())
}

pub(super) fn path_filestat_set_times(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    follow: u32,
    path: u32,
    bytes: u32,
    accessed: u64,
    modified: u64,
    which: u32,
) -> Result<(), Failure> {
    let path = guest.path(path, bytes)?;
    match from_to_change(state, fd)? {
        From::Granted(folder) => {
            let (file, _) = open_checked(folder, &path, follow & FOLLOW != 0, OFlags::RDONLY)?;
            io::set_times(&file, accessed, modified, which)
        }
        // The root keeps no times.
        From::Root(node) => state.root.place(node, &path)?.node.map(|_| ()).ok_or(Errno::NoEntry.into()),
    }
}

/// Opens a file or folder that is there or is created, and nothing else. Whether it is a folder is told with it.
fn open_checked(folder: &OwnedFd, path: &str, follow: bool, how: OFlags) -> Result<(OwnedFd, bool), Failure> {
    let how = how | OFlags::NONBLOCK | if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    // Looked at first, since opening a device may do something already; and again, since it may be another by then.
    match folder::status(folder, path, follow) {
        Ok(status) if status.kind == Kind::Link => return Err(Errno::Loop.into()),
        Ok(status) if !matches!(status.kind, Kind::File | Kind::Folder) => {
            return Err(Errno::NotPermitted.into());
        }
        Ok(_) => {}
        Err(System::NOENT) if how.contains(OFlags::CREATE) => {}
        Err(error) => return Err(error.into()),
    }
    let mode = if how.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
    let opened = folder::open(folder, path, how, mode)?;
    let kind = FileType::from_raw_mode(fstat(&opened)?.st_mode);
    if !folder::may_be_opened(kind) {
        return Err(Errno::NotPermitted.into());
    }
    Ok((opened, kind == FileType::Directory))
}

/// How something is to be opened, in our words.
struct Wanted {
    follow: bool,
    reads: bool,
    writes: bool,
    how: u32,
    flags: u16,
}

impl Wanted {
    fn is(&self, flag: u32) -> bool {
        self.how & flag != 0
    }

    /// Whether something in the file system changes, or may.
    fn changes(&self) -> bool {
        self.writes || self.is(how::CREATE) || self.is(how::TRUNCATE)
    }

    fn for_the_system(&self) -> OFlags {
        let mut flags = match (self.reads, self.writes) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            (_, false) => OFlags::RDONLY,
        };
        let pairs = [
            (self.is(how::CREATE), OFlags::CREATE),
            (self.is(how::FOLDER), OFlags::DIRECTORY),
            (self.is(how::EXCLUSIVE), OFlags::EXCL),
            (self.is(how::TRUNCATE), OFlags::TRUNC),
            (self.flags & flags::APPEND != 0, OFlags::APPEND),
            (self.flags & flags::DSYNC != 0, OFlags::DSYNC),
            (self.flags & (flags::SYNC | flags::RSYNC) != 0, OFlags::SYNC),
        ];
        for (wanted, flag) in pairs {
            flags.set(flag, wanted);
        }
        flags
    }
}

pub(super) fn path_open(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    follow: u32,
    path: u32,
    bytes: u32,
    how: u32,
    wanted_rights: u64,
    _inheriting: u64,
    flags: u32,
    opened: u32,
) -> Result<(), Failure> {
    let path = guest.path(path, bytes)?;
    guest.check(opened, 4)?;
    state.table.has_room()?;
    let mut wanted = Wanted {
        follow: follow & FOLLOW != 0,
        reads: wanted_rights & (rights::READ | rights::READ_FOLDER) != 0,
        writes: wanted_rights & (rights::WRITE | rights::ALLOCATE | rights::SET_SIZE) != 0,
        how,
        flags: u16::try_from(flags).map_err(|_| Errno::Invalid)? & !flags::NONBLOCK,
    };
    // Libraries ask for all rights that there are when they open a folder.
    wanted.writes &= !wanted.is(how::FOLDER);
    let open = match from(state, fd)? {
        From::Granted(_) => open_granted(state, fd, &path, &wanted)?,
        From::Root(node) => open_in_root(state, node, &path, &wanted)?,
    };
    let node = open.node();
    let number = state.table.add(open)?;
    if let Some(node) = node {
        state.root.opened(node);
    }
    guest.write_u32(opened, number)
}

fn open_granted(state: &mut State, fd: u32, path: &str, wanted: &Wanted) -> Result<Opened, Failure> {
    if wanted.changes() {
        from_to_change(state, fd)?;
    }
    if wanted.is(how::CREATE) {
        let From::Granted(folder) = from(state, fd)? else { return Err(Errno::BadFd.into()) };
        if matches!(folder::status(folder, path, wanted.follow), Err(System::NOENT)) {
            count_created(state, fd)?;
        }
    }
    let From::Granted(folder) = from(state, fd)? else { return Err(Errno::BadFd.into()) };
    let (opened, is_folder) = open_checked(folder, path, wanted.follow, wanted.for_the_system())?;
    Ok(entry(Lies::Granted(opened), is_folder, wanted))
}

fn open_in_root(state: &mut State, from: NodeId, path: &str, wanted: &Wanted) -> Result<Opened, Failure> {
    let place = state.root.place(from, path)?;
    let node = match place.node {
        Some(_) if wanted.is(how::CREATE) && wanted.is(how::EXCLUSIVE) => return Err(Errno::Exist.into()),
        Some(node) => node,
        None if wanted.is(how::CREATE) => state.root.create(&place, false)?,
        None => return Err(Errno::NoEntry.into()),
    };
    let is_folder = state.root.status(node)?.kind == Kind::Folder;
    match is_folder {
        true if wanted.writes || wanted.is(how::TRUNCATE) => return Err(Errno::IsFolder.into()),
        false if wanted.is(how::FOLDER) => return Err(Errno::NotFolder.into()),
        false if wanted.is(how::TRUNCATE) => state.root.resize(node, 0)?,
        _ => {}
    }
    Ok(entry(Lies::Root(node), is_folder, wanted))
}

fn entry(lies: Lies, is_folder: bool, wanted: &Wanted) -> Opened {
    if is_folder {
        return Opened::Folder(OpenFolder { lies, called: None, listing: None });
    }
    Opened::File(OpenFile {
        lies,
        position: 0,
        flags: wanted.flags,
        reads: wanted.reads,
        writes: wanted.writes,
    })
}
