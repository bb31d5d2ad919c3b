//! The granted folder: what can be done beneath a descriptor, and nowhere else.
//!
//! Every path is resolved by the kernel with `openat2` and `RESOLVE_BENEATH`: it may not be absolute, may not climb above where it starts, by `..` or by
//! a link, whoever made that link and whenever. What works on a name works on the last part of a path, in a folder that was reached that way.
//!
//! Refused: hard links, and links that could lead out for whoever follows them later; everything that is neither file, folder nor link. Landlock holds
//! the same line should this file have a fault.
//!
//! Not here: quotas and grants (`io`, `paths`).

use super::abi::{Entry, Errno, Failure, Status};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags},
    io::Errno as System,
};
use std::{
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

/// Times that an operation is tried again which somebody disturbs by renaming.
const TRIES: usize = 16;

/// Longest text of a link that can be read, in bytes, as on Linux.
const MAX_LINK_BYTES: usize = 4096;

/// Opens what a path leads to, from a folder and beneath it.
pub(super) fn open(from: impl AsFd, path: &str, how: OFlags, mode: Mode) -> Result<OwnedFd, System> {
    // Who only wants to hold it cannot ask for more, says the kernel.
    let quietly = if how.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NOCTTY };
    let how = how | OFlags::CLOEXEC | quietly;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        match fs::openat2(&from, path, how, mode, within) {
            // The kernel could not make sure, since something was moved meanwhile.
            Err(System::AGAIN | System::INTR) if tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

/// What a path leads to, or the link that it ends in.
pub(super) fn status(from: impl AsFd, path: &str, follow: bool) -> Result<Status, System> {
    let link = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    fs::fstat(open(from, path, OFlags::PATH | link, Mode::empty())?).map(Status::from)
}

/// The folder that holds what a path names, and the name in it, be it one or `.` or `..`.
fn folder_and_name(from: impl AsFd, path: &str) -> Result<(OwnedFd, &str), Failure> {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Err(Errno::NotCapable.into());
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    // An absolute path with a single part has lost its only slash.
    let folder = if folder.is_empty() { "/" } else { folder };
    Ok((open(from, folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?, name))
}

/// The same for what is removed, moved or read: only what has a name there can be.
fn parent(from: impl AsFd, path: &str) -> Result<(OwnedFd, &str), Failure> {
    let (folder, name) = folder_and_name(from, path)?;
    if matches!(name, "." | "..") { Err(Errno::Invalid.into()) } else { Ok((folder, name)) }
}

/// The same for what is made: what is no name of its own is there already, as `mkdir -p` wants to be told.
fn parent_of_new(from: impl AsFd, path: &str) -> Result<(OwnedFd, &str), Failure> {
    let (folder, name) = folder_and_name(from, path)?;
    if matches!(name, "." | "..") { Err(Errno::Exist.into()) } else { Ok((folder, name)) }
}

pub(super) fn create_folder(from: impl AsFd, path: &str) -> Result<(), Failure> {
    let (folder, name) = parent_of_new(from, path)?;
    Ok(fs::mkdirat(folder, name, Mode::from_raw_mode(0o755))?)
}

pub(super) fn remove_folder(from: impl AsFd, path: &str) -> Result<(), Failure> {
    let (folder, name) = parent(from, path)?;
    Ok(fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
}

pub(super) fn remove_file(from: impl AsFd, path: &str) -> Result<(), Failure> {
    if path.ends_with('/') {
        return Err(Errno::NotFolder.into());
    }
    let (folder, name) = parent(from, path)?;
    Ok(fs::unlinkat(folder, name, AtFlags::empty())?)
}

/// Moves something; but no link of which [`create_link`] would not be sure at its new place. Where such a link leads depends on where it is.
pub(super) fn rename(from: impl AsFd, path: &str, to: impl AsFd, new_path: &str) -> Result<(), Failure> {
    let (folder, name) = parent(from, path)?;
    let (new_folder, new_name) = parent(to, new_path)?;
    match fs::readlinkat(&folder, name, Vec::new()) {
        Ok(target) if may_lead_out(target.to_bytes()) => return Err(Errno::NotPermitted.into()),
        // Whatever else is wrong, renaming will tell.
        Ok(_) | Err(_) => {}
    }
    fs::renameat(folder, name, new_folder, new_name).map_err(|error| match error {
        // Two file systems within the folder: this is no escape.
        System::XDEV => Errno::CrossDevice.into(),
        other => other.into(),
    })
}

/// Makes a link that stays where it is: its target is below the link's own folder, whatever is renamed later.
pub(super) fn create_link(from: impl AsFd, path: &str, target: &str) -> Result<(), Failure> {
    if may_lead_out(target.as_bytes()) {
        return Err(Errno::NotPermitted.into());
    }
    let (folder, name) = parent_of_new(from, path)?;
    Ok(fs::symlinkat(target, folder, name)?)
}

/// Whether a link with this target may lead to what is not below its own folder.
fn may_lead_out(target: &[u8]) -> bool {
    target.starts_with(b"/") || target.split(|byte| *byte == b'/').any(|part| part == b"..")
}

/// What a link says, which may be anything.
pub(super) fn read_link(from: impl AsFd, path: &str) -> Result<Vec<u8>, Failure> {
    let (folder, name) = parent(from, path)?;
    let text = fs::readlinkat(folder, name, Vec::with_capacity(MAX_LINK_BYTES))?.into_bytes();
    if text.len() > MAX_LINK_BYTES { Err(Errno::NameTooLong.into()) } else { Ok(text) }
}

/// What is in a folder, if it is no more than `most`; itself and its parent first (which is told as itself: what is above is none of the program's business).
pub(super) fn list(folder: impl AsFd, most: usize) -> Result<Vec<Entry>, Failure> {
    let again = open(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    let own = Status::from(fs::fstat(&again)?);
    let own = |name: &str| Entry { name: name.to_owned(), inode: own.inode, kind: own.kind };
    let mut entries = vec![own("."), own("..")];
    let mut buffer = [MaybeUninit::uninit(); 8 * 1024];
    let mut found = RawDir::new(&again, &mut buffer);
    while let Some(entry) = found.next() {
        let entry = entry?;
        // Names that are no text cannot be told in WASI.
        let Ok(name) = entry.file_name().to_str() else { continue };
        if matches!(name, "." | "..") {
            continue;
        }
        if entries.len() >= most {
            return Err(Errno::Overflow.into());
        }
        entries.push(Entry { name: name.to_owned(), inode: entry.ino(), kind: entry.file_type().into() });
    }
    Ok(entries)
}

/// Whether this is something that a program may open at all: opening a device or a pipe does things.
pub(super) fn may_be_opened(kind: FileType) -> bool {
    matches!(kind, FileType::RegularFile | FileType::Directory)
}
