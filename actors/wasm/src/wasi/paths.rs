//! Functions on paths. Each begins at an open folder and stays beneath it.
//!
//! Here is decided which of the two file systems a path belongs to, whether the grant allows what is asked, and what it counts. A path never leads from
//! one file system into the other.

#![expect(clippy::too_many_arguments, reason = "the standard decides what its functions take")]

use super::{
    State,
    abi::{Errno, FOLLOW, Failure},
    about, folder,
    guest::Guest,
    open::open_checked,
    root::NodeId,
    table::Lies,
};
use rustix::{fs::OFlags, io::Errno as System};
use std::os::fd::OwnedFd;

/// What a name counts that a program makes in the granted folder, in bytes: it takes room, too, and a disk can run out of names.
pub(super) const CREATED_BYTES: u64 = 4096;

/// Where a path begins.
pub(super) enum From<'a> {
    Granted(&'a OwnedFd),
    Root(NodeId),
}

pub(super) fn from(state: &State, fd: u32) -> Result<From<'_>, Failure> {
    Ok(match &state.table.folder(fd)?.lies {
        Lies::Granted(descriptor) => From::Granted(descriptor),
        Lies::Root(node) => From::Root(*node),
    })
}

/// The same, for what changes something in the granted folder.
pub(super) fn from_to_change(state: &State, fd: u32) -> Result<From<'_>, Failure> {
    match from(state, fd)? {
        From::Granted(_) if !about::writes(state) => Err(Errno::ReadOnly.into()),
        other => Ok(other),
    }
}

/// Makes something new in the granted folder, and counts it; nothing is counted that was there before or could not be made.
fn make_in_granted(
    state: &mut State,
    fd: u32,
    path: &str,
    make: impl FnOnce(&OwnedFd) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let From::Granted(folder) = from_to_change(state, fd)? else { return Err(Errno::BadFd.into()) };
    if matches!(folder::status(folder, path, false), Err(System::NOENT)) {
        state.may_write(CREATED_BYTES)?;
    }
    make(folder)?;
    state.count_writing(CREATED_BYTES, 0)
}

pub(super) fn path_create_directory(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    path: u32,
    bytes: u32,
) -> Result<(), Failure> {
    let path = guest.path(path, bytes)?;
    match from_to_change(state, fd)? {
        From::Granted(_) => make_in_granted(state, fd, &path, |folder| folder::create_folder(folder, &path)),
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
    match from_to_change(state, fd)? {
        From::Granted(_) => {
            make_in_granted(state, fd, &path, |folder| folder::create_link(folder, &path, &target))
        }
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
            about::set_times(&file, accessed, modified, which)
        }
        // The root keeps no times.
        From::Root(node) => state.root.place(node, &path)?.node.map(|_| ()).ok_or(Errno::NoEntry.into()),
    }
}
