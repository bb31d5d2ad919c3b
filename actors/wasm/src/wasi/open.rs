//! The function that opens: which of the two file systems, whether the grant allows it, what it counts, and that it is a file or folder at all.

#![expect(clippy::too_many_arguments, reason = "the standard decides what its functions take")]

use super::{
    State,
    abi::{Errno, FOLLOW, Failure, Kind, flags, how, rights},
    folder,
    guest::Guest,
    paths::{CREATED_BYTES, From, from, from_to_change},
    root::NodeId,
    table::{Lies, Listing, OpenFile, OpenFolder, Opened},
};
use rustix::{
    fs::{FileType, Mode, OFlags, fstat},
    io::Errno as System,
};
use std::os::fd::OwnedFd;

/// Opens a file or folder that is there or is created, and nothing else. Whether it is a folder is told with it.
pub(super) fn open_checked(
    folder: &OwnedFd,
    path: &str,
    follow: bool,
    how: OFlags,
) -> Result<(OwnedFd, bool), Failure> {
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
    let From::Granted(folder) = from(state, fd)? else { return Err(Errno::BadFd.into()) };
    let creates =
        wanted.is(how::CREATE) && matches!(folder::status(folder, path, wanted.follow), Err(System::NOENT));
    if creates {
        state.may_write(CREATED_BYTES)?;
    }
    let (opened, is_folder) = open_checked(folder, path, wanted.follow, wanted.for_the_system())?;
    if creates {
        state.count_writing(CREATED_BYTES, 0)?;
    }
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
        return Opened::Folder(OpenFolder { lies, called: None, listing: Listing::None });
    }
    Opened::File(OpenFile {
        lies,
        position: 0,
        flags: wanted.flags,
        reads: wanted.reads,
        writes: wanted.writes,
    })
}
