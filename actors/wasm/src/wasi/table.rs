//! Open files, as the program counts them: from 0, the lowest free number first.
//!
//! Positions are kept here and not in the kernel, so that reading at a place and reading on are the same call.

use super::{
    Folder,
    abi::{Entry, Errno, Failure, rights},
    root::{self, NodeId},
};
use pc2_protocols::wasm::{
    limits::MAX_OPEN_FILES,
    wire::{Access, Stream},
};
use std::{collections::BTreeMap, os::fd::OwnedFd, sync::Arc};

/// Where a file or folder lies.
#[derive(Debug)]
pub(super) enum Lies {
    /// In the granted folder.
    Granted(OwnedFd),
    /// In memory.
    Root(NodeId),
}

/// Something open.
#[derive(Debug)]
pub(super) enum Opened {
    /// Standard input.
    Input,
    /// Standard output or error.
    Output(Stream),
    /// A file.
    File(OpenFile),
    /// A folder.
    Folder(OpenFolder),
}

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) lies: Lies,
    pub(super) position: u64,
    /// The standard's flags.
    pub(super) flags: u16,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

/// An open folder.
#[derive(Debug)]
pub(super) struct OpenFolder {
    pub(super) lies: Lies,
    /// What it is called when it was open from the start.
    pub(super) called: Option<&'static str>,
    pub(super) listing: Listing,
}

/// How far the listing of a folder has come. It is kept from its beginning, so that it stays the same while entries are removed.
#[derive(Debug)]
pub(super) enum Listing {
    /// Not begun.
    None,
    /// What was in the folder when it began.
    Kept(Arc<[Entry]>),
    /// All of it has been told, which was so many entries.
    Told(u64),
}

/// All that is open.
pub(super) struct Table {
    opened: BTreeMap<u32, Opened>,
    access: Access,
}

impl Table {
    /// What is open when a program starts: its input and outputs, the granted folder, the root.
    pub(super) fn new(granted: Option<Folder>) -> Self {
        let access = granted.as_ref().map_or(Access::None, |folder| folder.access);
        let mut opened = BTreeMap::from([
            (0, Opened::Input),
            (1, Opened::Output(Stream::Out)),
            (2, Opened::Output(Stream::Error)),
        ]);
        let folder =
            |lies, called| Opened::Folder(OpenFolder { lies, called: Some(called), listing: Listing::None });
        // C libraries stop asking at the first number that is no such folder, so there may be no gap.
        let granted = granted.map(|granted| folder(Lies::Granted(granted.descriptor), "/data"));
        let folders = granted.into_iter().chain([folder(Lies::Root(root::TOP), "/")]);
        opened.extend((3..).zip(folders));
        Self { opened, access }
    }

    /// What may be done in the granted folder.
    pub(super) fn access(&self) -> Access {
        self.access
    }

    pub(super) fn get(&self, fd: u32) -> Result<&Opened, Failure> {
        self.opened.get(&fd).ok_or(Errno::BadFd.into())
    }

    pub(super) fn get_mut(&mut self, fd: u32) -> Result<&mut Opened, Failure> {
        self.opened.get_mut(&fd).ok_or(Errno::BadFd.into())
    }

    pub(super) fn file_mut(&mut self, fd: u32) -> Result<&mut OpenFile, Failure> {
        match self.get_mut(fd)? {
            Opened::File(file) => Ok(file),
            Opened::Folder(_) => Err(Errno::IsFolder.into()),
            Opened::Input | Opened::Output(_) => Err(Errno::NotSeekable.into()),
        }
    }

    pub(super) fn folder_mut(&mut self, fd: u32) -> Result<&mut OpenFolder, Failure> {
        match self.get_mut(fd)? {
            Opened::Folder(folder) => Ok(folder),
            Opened::File(_) | Opened::Input | Opened::Output(_) => Err(Errno::NotFolder.into()),
        }
    }

    pub(super) fn folder(&self, fd: u32) -> Result<&OpenFolder, Failure> {
        match self.get(fd)? {
            Opened::Folder(folder) => Ok(folder),
            Opened::File(_) | Opened::Input | Opened::Output(_) => Err(Errno::NotFolder.into()),
        }
    }

    /// How many entries are kept for listings: they are memory of ours, and only all of them together can be bounded.
    pub(super) fn kept_entries(&self) -> usize {
        let kept = self.opened.values().map(|opened| match opened {
            Opened::Folder(OpenFolder { listing: Listing::Kept(entries), .. }) => entries.len(),
            Opened::Folder(_) | Opened::File(_) | Opened::Input | Opened::Output(_) => 0,
        });
        kept.sum()
    }

    /// Whether one more can be opened.
    pub(super) fn has_room(&self) -> Result<(), Failure> {
        if self.opened.len() >= MAX_OPEN_FILES { Err(Errno::TooManyFiles.into()) } else { Ok(()) }
    }

    /// Takes something in and gives its number.
    pub(super) fn add(&mut self, opened: Opened) -> Result<u32, Failure> {
        self.has_room()?;
        let fd = (0..).find(|fd| !self.opened.contains_key(fd)).ok_or(Errno::TooManyFiles)?;
        self.opened.insert(fd, opened);
        Ok(fd)
    }

    pub(super) fn remove(&mut self, fd: u32) -> Result<Opened, Failure> {
        self.opened.remove(&fd).ok_or(Errno::BadFd.into())
    }

    /// Puts something in the place of something else, which is given back.
    pub(super) fn replace(&mut self, fd: u32, opened: Opened) -> Option<Opened> {
        self.opened.insert(fd, opened)
    }
}

impl Opened {
    /// The node of the root that is kept open by this.
    pub(super) fn node(&self) -> Option<NodeId> {
        match self {
            Self::File(OpenFile { lies: Lies::Root(node), .. })
            | Self::Folder(OpenFolder { lies: Lies::Root(node), .. }) => Some(*node),
            Self::File(_) | Self::Folder(_) | Self::Input | Self::Output(_) => None,
        }
    }

    /// What the standard calls the rights of it: libraries look into them to learn how it was opened.
    pub(super) fn rights(&self) -> u64 {
        match self {
            Self::Input => rights::READ,
            Self::Output(_) => rights::WRITE,
            Self::Folder(_) => rights::ALL & !(rights::READ | rights::WRITE | rights::SEEK),
            Self::File(file) => {
                let reads = if file.reads { rights::READ } else { 0 };
                let writes =
                    if file.writes { rights::WRITE | rights::ALLOCATE | rights::SET_SIZE } else { 0 };
                let always = rights::ALL
                    & !(rights::READ
                        | rights::WRITE
                        | rights::ALLOCATE
                        | rights::SET_SIZE
                        | rights::READ_FOLDER);
                always | reads | writes
            }
        }
    }
}
