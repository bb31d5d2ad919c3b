//! A whole collection gets its name in the owner's folder, and nothing half ever has it.
//!
//! In order: empty files and copies are made · every file is looked at once more · one sync of the file system makes all of it survive · a note says
//! where it goes, durably · the folder is moved there under the first free form of its name, replacing nothing · both folders are synced · the note
//! says that it arrived. Into another file system the files are copied into a hidden folder beside the last name first, hashed on the way and synced;
//! that folder gets the name, and what is here goes.
//!
//! Whoever comes after a crash goes by the note ([`super::home`]).

use super::{
    Gathering,
    begin::small,
    folders::{self, Folders},
    home::Note,
    large::copy_into,
    list::Place,
};
use crate::blobs::{
    BlobError, CleanName, Finished, Target, clean_name,
    finish::{Expected, NotPoured, pour},
    place::Adopted,
    store::is_small,
};
use pc2_protocols::blob::BlobSize;
use std::fs::File;

impl Gathering {
    /// Puts a whole collection into a folder, as a folder of the first free form of a name, replacing nothing. Said again it answers the same. What it
    /// did is remembered until [`BlobStore::abandon_gathering`](crate::blobs::BlobStore::abandon_gathering).
    ///
    /// # Errors
    /// [`BlobError::Incomplete`], also when somebody took a file away meanwhile: it is wanted again then; [`BlobError::NameTaken`]; [`BlobError::NoRoom`]
    /// (in another file system); what disk and database say. In all these cases nothing is lost, and it can be tried again.
    pub fn finish(&self, target: &Target, name: &CleanName) -> Result<Finished, BlobError> {
        let mut done = self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(done) = &*done {
            return Ok(done.clone());
        }
        let finished = match self.home.placed()? {
            // An earlier try got so far, and failed to note it.
            Some(path) => {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                Finished { name: clean_name(name), path }
            }
            None => {
                self.complete()?;
                self.sync_all()?;
                match self.move_into(target, name)? {
                    Some(finished) => finished,
                    None => self.copy_over(target, name)?,
                }
            }
        };
        *done = Some(finished.clone());
        Ok(finished)
    }

    /// Makes what need not be fetched, and looks whether everything is in its place.
    fn complete(&self) -> Result<(), BlobError> {
        if !self.is_whole() {
            let missing = self.list.total().saturating_sub(self.have()).max(1);
            return Err(BlobError::Incomplete { missing });
        }
        let mut missing = 0;
        for (number, file) in self.list.files() {
            if self.folders.stands(&self.list, file)? {
                continue;
            }
            if file.size == BlobSize::EMPTY {
                self.folders.create(&self.list, file)?;
            } else if file.first == number {
                // Somebody took it away.
                missing += self.lost(number, file)?;
            } else if missing == 0 {
                missing += self.copy_first(file)?;
            }
        }
        if missing > 0 { Err(BlobError::Incomplete { missing }) } else { Ok(()) }
    }

    /// Makes a file from the first with its bytes. Returns the bytes that are missing because that one turns out not to have them.
    fn copy_first(&self, file: &Place) -> Result<u64, BlobError> {
        let inner = &self.store.inner;
        let first = self.list.file(file.first).ok_or(BlobError::OutOfRange)?;
        inner.room(self.folders.path(), file.size.bytes())?;
        let copied = if is_small(file.size) {
            match small(&self.folders, &self.list, first, first.id)? {
                Some(bytes) => self.folders.write(&self.list, file, &bytes).map(|()| true)?,
                None => false,
            }
        } else {
            let source = self.folders.read(&self.list, first)?;
            let Some(source) = source else { return self.lost(file.first, first) };
            let target = self.way(file)?;
            match copy_into(inner, &target, file, &source) {
                Ok(name) => self.under_its_name(file, &name, &target).map(|()| true)?,
                Err(BlobError::NotTheFile { .. }) => false,
                Err(error) => return Err(error),
            }
        };
        if copied {
            self.pledge.take(file.room());
            return Ok(0);
        }
        self.lost(file.first, first)
    }

    /// A file turns out not to be what it was: it is fetched again, or copied again from one with the same bytes. Returns how many bytes that are.
    fn lost(&self, number: u32, file: &Place) -> Result<u64, BlobError> {
        self.folders.remove(&self.list, file)?;
        if file.first == number {
            self.note(number, file, false);
        }
        self.pledge.give_back(file.room());
        Ok(file.size.bytes())
    }

    /// Moves the folder; `None` into another file system.
    fn move_into(&self, target: &Target, name: &CleanName) -> Result<Option<Finished>, BlobError> {
        let mut from = 1;
        loop {
            let (number, form) = target.free_form(name, from)?;
            let note = Note::about(self.folders.root(), target.path(), &form)?;
            self.home.write(&note)?;
            match target.adopt(self.home.all(), self.home.name(), &form)? {
                Adopted::Here => {
                    self.home.arrived(note)?;
                    return Ok(Some(Finished { path: target.path().join(form.as_str()), name: form }));
                }
                Adopted::Taken => from = number.saturating_add(1),
                Adopted::Elsewhere => return Ok(None),
            }
        }
    }

    /// Copies the folder into another file system.
    fn copy_over(&self, target: &Target, name: &CleanName) -> Result<Finished, BlobError> {
        let folder = target.opened()?;
        let hidden = self.home.hidden();
        let path = target.path().join(&hidden);
        let told = |error: rustix::io::Errno| BlobError::io(&path)(error.into());
        let needed = self.list.files().fold(0u64, |sum, (_, file)| sum.saturating_add(file.room()));
        self.store.inner.room(target.path(), needed)?;
        folders::clear(&folder, &hidden).map_err(told)?;
        let copy = Folders::below(folders::make_and_enter(&folder, &hidden).map_err(told)?, path.clone());
        let note = Note::about(copy.root(), target.path(), name)?;
        let copied = self.home.write(&note).and_then(|()| self.fill(&copy, &folder, target, name));
        match copied {
            Ok(finished) => {
                // The note says that it arrived: what is here is no more than a copy.
                if let Err(error) = folders::clear(self.home.all(), self.home.name()) {
                    tracing::warn!(%error, "the folder of a collection was not removed");
                }
                Ok(finished)
            }
            Err(error) => {
                // It may have come so far that it has its name.
                if let Err(error) = self.home.placed() {
                    tracing::warn!(%error, "what a copy left behind was not removed");
                }
                Err(error)
            }
        }
    }

    /// The bytes that a file should have, as far as that is still known.
    fn expected(&self, number: u32, file: &Place) -> Result<Expected, BlobError> {
        let Some(said) = &self.said else { return Ok(Expected::whole(file.id, file.size)) };
        Ok(match said.of(number)? {
            Some(hash) => Expected::whole(hash, file.size),
            None => Expected::of_size(file.id, file.size),
        })
    }

    /// Fills the hidden folder, and gives it its name.
    fn fill(
        &self,
        copy: &Folders,
        folder: &File,
        target: &Target,
        name: &CleanName,
    ) -> Result<Finished, BlobError> {
        for (number, file) in self.list.files() {
            let path = || copy.path_of(&self.list, file.folder).join(file.name.as_str());
            let source = self.folders.read(&self.list, file)?;
            let source = source.ok_or_else(|| BlobError::Incomplete { missing: file.size.bytes() })?;
            let to = copy.create(&self.list, file)?;
            match pour(&source, &to, &self.expected(number, file)?) {
                Ok(()) => {}
                Err(NotPoured::Other(_)) => {
                    return Err(BlobError::Incomplete { missing: self.lost(number, file)? });
                }
                Err(NotPoured::Io(error)) => return Err(BlobError::io(&path())(error)),
            }
        }
        let disk = &self.store.inner.disk;
        disk.sync_file_system(copy.root()).map_err(BlobError::io(copy.path()))?;
        let mut from = 1;
        loop {
            let (number, form) = target.free_form(name, from)?;
            let note = Note::about(copy.root(), target.path(), &form)?;
            self.home.write(&note)?;
            match target.adopt(folder, &self.home.hidden(), &form)? {
                Adopted::Here => {
                    self.home.arrived(note)?;
                    return Ok(Finished { path: target.path().join(form.as_str()), name: form });
                }
                Adopted::Taken => from = number.saturating_add(1),
                // The same folder is never in another file system.
                Adopted::Elsewhere => {
                    return Err(BlobError::NameTaken { path: target.path().join(name.as_str()) });
                }
            }
        }
    }
}
