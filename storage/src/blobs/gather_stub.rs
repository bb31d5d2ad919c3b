#![allow(missing_docs, unused_variables, clippy::all)]
use super::*;
use pc2_protocols::{blob::Groups, files::manifest::Member, id::BlobId};
use std::{io::Read, ops::Range, path::PathBuf};
pub struct Gathering;
pub enum Gathered {
    Placed(PathBuf),
    Open(Gathering),
}
impl BlobStore {
    pub fn gather(&self, holder: Holder, members: &[Member]) -> Result<Gathered, BlobError> {
        Err(BlobError::Unknown)
    }
    pub fn abandon_gathering(&self, holder: Holder, members: &[Member]) -> Result<(), BlobError> {
        Ok(())
    }
    pub fn is_held_by(&self, id: BlobId, holder: Holder) -> Result<bool, BlobError> {
        Ok(self.holders(id, 100)?.contains(&holder))
    }
    pub fn release_many(&self, ids: &[BlobId], holder: Holder) -> Result<(), BlobError> {
        Ok(())
    }
}
impl Gathering {
    pub fn have(&self) -> u64 {
        0
    }
    pub fn has(&self, m: usize) -> bool {
        false
    }
    pub fn wanted(&self, m: usize, groups: Range<u32>) -> Result<Groups, BlobError> {
        Err(BlobError::Unknown)
    }
    pub fn accept(&self, m: usize, groups: &Groups, encoded: impl Read) -> Result<u64, BlobError> {
        Ok(0)
    }
    pub fn checkpoint(&self) -> Result<(), BlobError> {
        Ok(())
    }
    pub fn finish(&self, t: &Target, n: &CleanName) -> Result<Finished, BlobError> {
        Err(BlobError::Unknown)
    }
}
