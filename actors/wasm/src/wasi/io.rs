//! Functions on the bytes of what is open: reading, writing, positions, listing.
//!
//! Bytes go through a buffer of bounded size, whatever the program asks for at once: what it names is its own memory, what is held here is ours.

use super::{
    State,
    abi::{Entry, Errno, Failure, flags},
    about::writable,
    folder,
    guest::{Guest, Piece},
    table::{Lies, Listing, Opened},
};
use rustix::{
    fs,
    io::{pread, pwrite},
};
use std::sync::Arc;

/// Moved at once, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// Most entries that a program lists at once, in one folder or in several: they are held in memory meanwhile, some twenty mebibytes with the longest names.
const MAX_LISTED: usize = 65_536;

/// Bytes of an entry before its name.
const ENTRY_HEAD_BYTES: usize = 24;

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
    let listing = match &state.table.folder(fd)?.listing {
        Listing::Told(count) if cookie == *count => return guest.write_u32(used, 0),
        Listing::Kept(entries) if cookie != 0 => Arc::clone(entries),
        // From the beginning means anew.
        Listing::None | Listing::Kept(_) | Listing::Told(_) => list(state, fd)?,
    };
    let mut room = bytes as usize;
    let mut at = to;
    let mut told = listing.len() as u64 <= cookie;
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
        told = fits == record.len() && index + 1 == listing.len();
        if room == 0 {
            break;
        }
    }
    // Programs hold folders open long after they have read them.
    let count = listing.len() as u64;
    state.table.folder_mut(fd)?.listing = if told { Listing::Told(count) } else { Listing::Kept(listing) };
    guest.write_u32(used, at - to)
}

/// What is in a folder, as far as there is room to keep it.
fn list(state: &mut State, fd: u32) -> Result<Arc<[Entry]>, Failure> {
    state.table.folder_mut(fd)?.listing = Listing::None;
    let room = MAX_LISTED.saturating_sub(state.table.kept_entries());
    let entries = match &state.table.folder(fd)?.lies {
        Lies::Granted(descriptor) => folder::list(descriptor, room)?,
        Lies::Root(node) => state.root.list(*node)?,
    };
    if entries.len() > room { Err(Errno::Overflow.into()) } else { Ok(Arc::from(entries)) }
}
