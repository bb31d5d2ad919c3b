//! Functions on what is open: reading, writing, listing, asking.
//!
//! Bytes go through a buffer of bounded size, whatever the program asks for at once: what it names is its own memory, what is held here is ours.

use super::{
    State,
    abi::{Errno, Failure, Kind, Status, flags, rights, times},
    folder,
    guest::{Guest, Piece},
    table::{Lies, OpenFile, Opened},
};
use rustix::{
    fs::{self, FallocateFlags, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT},
    io::{pread, pwrite},
};
use std::{os::fd::OwnedFd, sync::Arc};

/// Moved at once, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// What a file counts that a program creates, in bytes: names take room, too, and a disk can run out of them.
pub(super) const CREATED_BYTES: u64 = 4096;

/// Bytes of an entry before its name.
const ENTRY_HEAD_BYTES: usize = 24;

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
fn writable(state: &mut State, fd: u32) -> Result<Option<usize>, Failure> {
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
    match &state.table.file_mut(fd)?.lies {
        Lies::Granted(file) => Ok(fs::fdatasync(file)?),
        Lies::Root(_) => Ok(()),
    }
}

pub(super) fn fd_sync(state: &mut State, _: &Guest<'_>, fd: u32) -> Result<(), Failure> {
    match &state.table.file_mut(fd)?.lies {
        Lies::Granted(file) => Ok(fs::fsync(file)?),
        Lies::Root(_) => Ok(()),
    }
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
    let status = match state.table.get(fd)? {
        Opened::Input | Opened::Output(_) => {
            Status { device: 0, inode: 0, kind: Kind::Unknown, links: 1, size: 0, times: [0; 3] }
        }
        Opened::File(OpenFile { lies, .. }) => status(state, lies)?,
        Opened::Folder(folder) => status(state, &folder.lies)?,
    };
    guest.write(to, &status.to_bytes())
}

fn status(state: &State, lies: &Lies) -> Result<Status, Failure> {
    match lies {
        Lies::Granted(descriptor) => Ok(fs::fstat(descriptor)?.into()),
        Lies::Root(node) => state.root.status(*node),
    }
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
    if !writes(state) {
        return Err(Errno::ReadOnly.into());
    }
    let lies = match state.table.get(fd)? {
        Opened::File(file) => &file.lies,
        Opened::Folder(folder) => &folder.lies,
        Opened::Input | Opened::Output(_) => return Err(Errno::BadFd.into()),
    };
    match lies {
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
    if let Some(node) =
        state.table.replace(to, moved).and_then(|replaced| if from == to { None } else { replaced.node() })
    {
        state.root.closed(node);
    }
    Ok(())
}

pub(super) fn fd_seek(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    offset: i64,
    whence: u32,
    position: u32,
) -> Result<(), Failure> {
    let file = state.table.file_mut(fd)?;
    let from = match whence {
        0 => 0,
        1 => file.position,
        2 => match &file.lies {
            Lies::Granted(descriptor) => u64::try_from(fs::fstat(descriptor)?.st_size).unwrap_or(0),
            Lies::Root(node) => state.root.status(*node)?.size,
        },
        _ => return Err(Errno::Invalid.into()),
    };
    let to = from.checked_add_signed(offset).filter(|to| i64::try_from(*to).is_ok()).ok_or(Errno::Invalid)?;
    guest.write_u64(position, to)?;
    state.table.file_mut(fd)?.position = to;
    Ok(())
}

pub(super) fn fd_tell(state: &mut State, guest: &Guest<'_>, fd: u32, position: u32) -> Result<(), Failure> {
    guest.write_u64(position, state.table.file_mut(fd)?.position)
}

pub(super) fn fd_read(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    pieces: u32,
    count: u32,
    got: u32,
) -> Result<(), Failure> {
    let pieces = guest.pieces(pieces, count)?;
    guest.check(got, 4)?;
    let total = match state.table.get(fd)? {
        Opened::Input => read_input(state, guest, &pieces)?,
        Opened::Output(_) => return Err(Errno::BadFd.into()),
        Opened::Folder(_) => return Err(Errno::IsFolder.into()),
        Opened::File(file) => {
            let total = read_file(state, guest, fd, &pieces, file.position)?;
            state.table.file_mut(fd)?.position += u64::from(total);
            total
        }
    };
    guest.write_u32(got, total)
}

pub(super) fn fd_pread(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    pieces: u32,
    count: u32,
    offset: u64,
    got: u32,
) -> Result<(), Failure> {
    let pieces = guest.pieces(pieces, count)?;
    state.table.file_mut(fd)?;
    let total = read_file(state, guest, fd, &pieces, offset)?;
    guest.write_u32(got, total)
}

fn read_input(state: &mut State, guest: &Guest<'_>, pieces: &[Piece]) -> Result<u32, Failure> {
    if pieces.iter().all(|piece| piece.bytes == 0) {
        return Ok(0);
    }
    state.await_input()?;
    let mut total = 0;
    for piece in pieces {
        let count = state.input.len().min(piece.bytes as usize);
        let bytes: Vec<u8> = state.input.drain(..count).collect();
        guest.write(piece.at, &bytes)?;
        total += u32::try_from(count).unwrap_or(0);
    }
    Ok(total)
}

fn read_file(
    state: &State,
    guest: &Guest<'_>,
    fd: u32,
    pieces: &[Piece],
    offset: u64,
) -> Result<u32, Failure> {
    let Opened::File(file) = state.table.get(fd)? else { return Err(Errno::BadFd.into()) };
    if !file.reads {
        return Err(Errno::BadFd.into());
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total = 0_u32;
    for piece in pieces {
        let mut done = 0;
        while done < piece.bytes {
            let wanted = BUFFER_BYTES.min((piece.bytes - done) as usize);
            let to = buffer.get_mut(..wanted).unwrap_or_default();
            let at = offset.checked_add(u64::from(total)).ok_or(Errno::Invalid)?;
            let got = match &file.lies {
                Lies::Granted(descriptor) => pread(descriptor, &mut *to, at)?,
                Lies::Root(node) => state.root.read(*node, at, to)?,
            };
            guest.write(piece.at + done, to.get(..got).unwrap_or_default())?;
            done += u32::try_from(got).unwrap_or(0);
            total = total.checked_add(u32::try_from(got).unwrap_or(0)).ok_or(Errno::Overflow)?;
            if got < wanted {
                return Ok(total);
            }
        }
    }
    Ok(total)
}

pub(super) fn fd_write(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    pieces: u32,
    count: u32,
    written: u32,
) -> Result<(), Failure> {
    let pieces = guest.pieces(pieces, count)?;
    guest.check(written, 4)?;
    let total = match state.table.get(fd)? {
        Opened::Output(stream) => {
            let stream = *stream;
            each_buffer(guest, &pieces, |_, bytes| state.print(stream, bytes).map(|()| bytes.len()))?
        }
        Opened::Input | Opened::Folder(_) => return Err(Errno::BadFd.into()),
        Opened::File(file) => {
            let (position, appends) = (file.position, file.flags & flags::APPEND != 0);
            let total = write_file(state, guest, fd, &pieces, position)?;
            let end = if appends { size(state, fd)? } else { position + u64::from(total) };
            state.table.file_mut(fd)?.position = end;
            total
        }
    };
    guest.write_u32(written, total)
}

pub(super) fn fd_pwrite(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    pieces: u32,
    count: u32,
    offset: u64,
    written: u32,
) -> Result<(), Failure> {
    let pieces = guest.pieces(pieces, count)?;
    guest.check(written, 4)?;
    state.table.file_mut(fd)?;
    let total = write_file(state, guest, fd, &pieces, offset)?;
    guest.write_u32(written, total)
}

fn size(state: &mut State, fd: u32) -> Result<u64, Failure> {
    match &state.table.file_mut(fd)?.lies {
        Lies::Granted(descriptor) => Ok(u64::try_from(fs::fstat(descriptor)?.st_size).unwrap_or(0)),
        Lies::Root(node) => Ok(state.root.status(*node)?.size),
    }
}

fn write_file(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    pieces: &[Piece],
    offset: u64,
) -> Result<u32, Failure> {
    let node = writable(state, fd)?;
    let appends = state.table.file_mut(fd)?.flags & flags::APPEND != 0;
    each_buffer(guest, pieces, |before, bytes| {
        let at = if appends {
            size(state, fd)?
        } else {
            offset.checked_add(u64::from(before)).ok_or(Errno::Invalid)?
        };
        let end = at.checked_add(bytes.len() as u64).ok_or(Errno::TooLargeFile)?;
        if let Some(node) = node {
            return state.root.write(node, at, bytes).map(|()| bytes.len());
        }
        state.count_writing(bytes.len() as u64, end)?;
        match &state.table.file_mut(fd)?.lies {
            // To the end by the kernel itself, if the file was opened so.
            Lies::Granted(descriptor) => Ok(pwrite(descriptor, bytes, at)?),
            Lies::Root(_) => Err(Errno::BadFd.into()),
        }
    })
}

/// Hands the pieces on, a buffer at a time, with what was done before. Ends early, as writing may, when less is taken; fails only when nothing was.
fn each_buffer(
    guest: &Guest<'_>,
    pieces: &[Piece],
    mut take: impl FnMut(u32, &[u8]) -> Result<usize, Failure>,
) -> Result<u32, Failure> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total = 0_u32;
    for piece in pieces {
        let mut done = 0;
        while done < piece.bytes {
            let wanted = BUFFER_BYTES.min((piece.bytes - done) as usize);
            let bytes = buffer.get_mut(..wanted).unwrap_or_default();
            guest.read(piece.at + done, bytes)?;
            let taken = match take(total, bytes) {
                Err(Failure::Errno(_)) if total > 0 => return Ok(total),
                other => u32::try_from(other?).unwrap_or(0),
            };
            done += taken;
            total = total.checked_add(taken).ok_or(Errno::Overflow)?;
            if (taken as usize) < wanted {
                return Ok(total);
            }
        }
    }
    Ok(total)
}

pub(super) fn fd_readdir(
    state: &mut State,
    guest: &Guest<'_>,
    fd: u32,
    to: u32,
    bytes: u32,
    cookie: u64,
    used: u32,
) -> Result<(), Failure> {
    guest.check(to, bytes)?;
    guest.check(used, 4)?;
    let open = state.table.folder(fd)?;
    // From the beginning means anew.
    let listing = match open.listing.clone().filter(|_| cookie != 0) {
        Some(listing) => listing,
        None => match &open.lies {
            Lies::Granted(descriptor) => Arc::from(folder::list(descriptor)?),
            Lies::Root(node) => Arc::from(state.root.list(*node)?),
        },
    };
    if let Opened::Folder(open) = state.table.get_mut(fd)? {
        open.listing = Some(Arc::clone(&listing));
    }
    let mut room = bytes as usize;
    let mut at = to;
    for (index, entry) in listing.iter().enumerate().skip(usize::try_from(cookie).unwrap_or(usize::MAX)) {
        let mut record = [0; ENTRY_HEAD_BYTES].to_vec();
        record[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        record[8..16].copy_from_slice(&entry.inode.to_le_bytes());
        record[16..20].copy_from_slice(&u32::try_from(entry.name.len()).unwrap_or(0).to_le_bytes());
        record[20] = entry.kind as u8;
        record.extend_from_slice(entry.name.as_bytes());
        // A full buffer says that there is more; so the last entry is cut, and asked for again.
        let fits = record.len().min(room);
        guest.write(at, record.get(..fits).unwrap_or_default())?;
        at += u32::try_from(fits).unwrap_or(0);
        room -= fits;
        if room == 0 {
            break;
        }
    }
    guest.write_u32(used, at - to)
}
