//! Functions about what is open: what it is, how it was opened, its size and times; and closing it.
//!
//! Not here: its bytes (`io`).

use super::{
    State,
    abi::{Errno, Failure, Kind, Status, flags, rights, times},
    guest::Guest,
    table::{Lies, Opened},
};
use rustix::fs::{self, FallocateFlags, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::os::fd::OwnedFd;

pub(super) fn fd_advise(
    state: &mut State,
    _: &Guest<'_>,
    fd: u32,
    _: u64,
    _: u64,
    _: u32,
) -> Result<(), Failure> {
    // Advice may be ignored; but not for what cannot have any.
    state.table.file_mut(fd).map(|_| ())
}

pub(super) fn fd_allocate(
    state: &mut State,
    _: &Guest<'_>,
    fd: u32,
    offset: u64,
    bytes: u64,
) -> Result<(), Failure> {
    let size = offset.checked_add(bytes).ok_or(Errno::TooLargeFile)?;
    if bytes == 0 {
        return Err(Errno::Invalid.into());
    }
    match writable(state, fd)? {
        None => {
            state.count_writing(bytes, size)?;
            if let Lies::Granted(file) = &state.table.file_mut(fd)?.lies {
                fs::fallocate(file, FallocateFlags::empty(), offset, bytes)?;
            }
            Ok(())
        }
        Some(node) if size > state.root.status(node)?.size => state.root.resize(node, size),
        Some(_) => Ok(()),
    }
}

/// The node in the root that can be written, or none for a file of the granted folder.
pub(super) fn writable(state: &mut State, fd: u32) -> Result<Option<usize>, Failure> {
    let file = state.table.file_mut(fd)?;
    match (&file.lies, file.writes) {
        (_, false) => Err(Errno::BadFd.into()),
        (Lies::Granted(_), true) => Ok(None),
        (Lies::Root(node), true) => Ok(Some(*node)),
    }
}

pub(super) fn fd_close(state: &mut State, _: &Guest<'_>, fd: u32) -> Result<(), Failure> {
    let closed = state.table.remove(fd)?;
    if let Some(node) = closed.node() {
        state.root.closed(node);
    }
    Ok(())
}

pub(super) fn fd_datasync(state: &mut State, _: &Guest<'_>, fd: u32) -> Result<(), Failure> {
    synchronise(state, fd, |of| fs::fdatasync(of))
}

pub(super) fn fd_sync(state: &mut State, _: &Guest<'_>, fd: u32) -> Result<(), Failure> {
    synchronise(state, fd, |of| fs::fsync(of))
}

/// Has the system keep it for good. Of a folder that is which names are in it: programs do that after they have put a new file in an old one's place.
fn synchronise(
    state: &State,
    fd: u32,
    by: impl FnOnce(&OwnedFd) -> rustix::io::Result<()>,
) -> Result<(), Failure> {
    match lies(state, fd)?.ok_or(Errno::NotSeekable)? {
        Lies::Granted(of) if writes(state) => Ok(by(of)?),
        // The program has written nothing that could get lost; nor does the root outlive it.
        Lies::Granted(_) | Lies::Root(_) => Ok(()),
    }
}

/// Where an open file or folder lies; none for input and outputs.
fn lies(state: &State, fd: u32) -> Result<Option<&Lies>, Failure> {
    Ok(match state.table.get(fd)? {
        Opened::File(file) => Some(&file.lies),
        Opened::Folder(folder) => Some(&folder.lies),
        Opened::Input | Opened::Output(_) => None,
    })
}

pub(super) fn fd_fdstat_get(state: &mut State, guest: &Guest<'_>, fd: u32, to: u32) -> Result<(), Failure> {
    let opened = state.table.get(fd)?;
    let (kind, how) = match opened {
        // As a pipe, so that C libraries buffer whole blocks and not lines: there is no terminal.
        Opened::Input | Opened::Output(_) => (Kind::Unknown, 0),
        Opened::File(file) => (Kind::File, file.flags),
        Opened::Folder(_) => (Kind::Folder, 0),
    };
    let mut bytes = [0; 24];
    bytes[0] = kind as u8;
    bytes[2..4].copy_from_slice(&how.to_le_bytes());
    bytes[8..16].copy_from_slice(&opened.rights().to_le_bytes());
    bytes[16..24].copy_from_slice(&rights::ALL.to_le_bytes());
    guest.write(to, &bytes)
}

pub(super) fn fd_fdstat_set_flags(
    state: &mut State,
    _: &Guest<'_>,
    fd: u32,
    wanted: u32,
) -> Result<(), Failure> {
    let wanted = u16::try_from(wanted).map_err(|_| Errno::Invalid)?;
    let file = match state.table.get_mut(fd)? {
        Opened::File(file) => file,
        // Input and outputs always wait; a program that asks for more is told so by their waiting.
        Opened::Input | Opened::Output(_) => return Ok(()),
        Opened::Folder(_) => return Err(Errno::BadFd.into()),
    };
    if let Lies::Granted(descriptor) = &file.lies {
        let append = if wanted & flags::APPEND == 0 { OFlags::empty() } else { OFlags::APPEND };
        fs::fcntl_setfl(descriptor, append)?;
    }
    // Durable writing cannot be switched on later on Linux; it is known from the opening.
    let fixed = flags::DSYNC | flags::SYNC | flags::RSYNC;
    file.flags = (wanted & !fixed) | (file.flags & fixed);
    Ok(())
}

pub(super) fn fd_fdstat_set_rights(
    state: &mut State,
    _: &Guest<'_>,
    fd: u32,
    base: u64,
    _: u64,
) -> Result<(), Failure> {
    let opened = state.table.get_mut(fd)?;
    if base & !opened.rights() != 0 {
        return Err(Errno::NotCapable.into());
    }
    if let Opened::File(file) = opened {
        file.reads &= base & rights::READ != 0;
        file.writes &= base & rights::WRITE != 0;
    }
    Ok(())
}

pub(super) fn fd_filestat_get(state: &mut State, guest: &Guest<'_>, fd: u32, to: u32) -> Result<(), Failure> {
    let status = match lies(state, fd)? {
        None => Status { device: 0, inode: 0, kind: Kind::Unknown, links: 1, size: 0, times: [0; 3] },
        Some(Lies::Granted(descriptor)) => fs::fstat(descriptor)?.into(),
        Some(Lies::Root(node)) => state.root.status(*node)?,
    };
    guest.write(to, &status.to_bytes())
}

pub(super) fn fd_filestat_set_size(
    state: &mut State,
    _: &Guest<'_>,
    fd: u32,
    size: u64,
) -> Result<(), Failure> {
    match writable(state, fd)? {
        Some(node) => state.root.resize(node, size),
        None => {
            let Lies::Granted(file) = &state.table.file_mut(fd)?.lies else { return Ok(()) };
            let before = u64::try_from(fs::fstat(file)?.st_size).unwrap_or(0);
            state.count_writing(size.saturating_sub(before), size)?;
            let Lies::Granted(file) = &state.table.file_mut(fd)?.lies else { return Ok(()) };
            Ok(fs::ftruncate(file, size)?)
        }
    }
}

pub(super) fn fd_filestat_set_times(
    state: &mut State,
    _: &Guest<'_>,
    fd: u32,
    accessed: u64,
    modified: u64,
    which: u32,
) -> Result<(), Failure> {
    match lies(state, fd)?.ok_or(Errno::BadFd)? {
        Lies::Granted(_) if !writes(state) => Err(Errno::ReadOnly.into()),
        Lies::Granted(descriptor) => set_times(descriptor, accessed, modified, which),
        // The root keeps no times.
        Lies::Root(_) => Ok(()),
    }
}

/// Whether the granted folder may be written.
pub(super) fn writes(state: &State) -> bool {
    state.table.access() == pc2_protocols::wasm::wire::Access::ReadWrite
}

/// Sets times of an open file or folder, in nanoseconds.
pub(super) fn set_times(of: &OwnedFd, accessed: u64, modified: u64, which: u32) -> Result<(), Failure> {
    let one = |nanoseconds: u64, given: u32, now: u32| match (which & given != 0, which & now != 0) {
        (true, true) => Err(Failure::Errno(Errno::Invalid)),
        (true, false) => Ok(Timespec {
            tv_sec: i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanoseconds % 1_000_000_000).unwrap_or(0),
        }),
        (false, true) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_NOW }),
        (false, false) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }),
    };
    let last_access = one(accessed, times::ACCESSED, times::ACCESSED_NOW)?;
    let last_modification = one(modified, times::MODIFIED, times::MODIFIED_NOW)?;
    Ok(fs::futimens(of, &Timestamps { last_access, last_modification })?)
}

pub(super) fn fd_prestat_get(state: &mut State, guest: &Guest<'_>, fd: u32, to: u32) -> Result<(), Failure> {
    let name = called(state, fd)?;
    guest.write_u32(to, 0)?;
    guest.write_u32(to.checked_add(4).ok_or(Errno::Fault)?, u32::try_from(name.len()).unwrap_or(0))
}

pub(super) fn fd_prestat_dir_name(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    to: u32,
    bytes: u32,
) -> Result<(), Failure> {
    let name = called(state, fd)?;
    if (bytes as usize) < name.len() {
        return Err(Errno::NameTooLong.into());
    }
    guest.write(to, name.as_bytes())
}

fn called(state: &State, fd: u32) -> Result<&'static str, Failure> {
    match state.table.get(fd)? {
        Opened::Folder(folder) => folder.called.ok_or(Errno::BadFd.into()),
        Opened::Input | Opened::Output(_) | Opened::File(_) => Err(Errno::BadFd.into()),
    }
}

pub(super) fn fd_renumber(state: &mut State, _: &Guest<'_>, from: u32, to: u32) -> Result<(), Failure> {
    state.table.get(to)?;
    let moved = state.table.remove(from)?;
    if let Some(node) = state.table.replace(to, moved).and_then(|replaced| replaced.node()) {
        state.root.closed(node);
    }
    Ok(())
}
