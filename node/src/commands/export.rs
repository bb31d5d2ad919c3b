//! `pc2 export …`: what the node has, saved as a file.
//!
//! The file is written as it comes, whatever its length, and readable by its owner only. What breaks off leaves no file behind.

use super::Driver;
use crate::exit::{self, Exit};
use anyhow::Context as _;
use serde_json::json;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

impl Driver {
    /// `pc2 export chat`.
    pub(crate) fn export_chat(&self, with: &str, file: &Path) -> anyhow::Result<()> {
        let path = format!("/api/conversations/{}/export", self.did_of(with)?);
        if file == Path::new("-") {
            let mut out = io::stdout().lock();
            self.client.save(&path, &mut out)?;
            return Ok(out.flush()?);
        }
        let bytes = self.save(&path, file)?;
        if self.json {
            println!("{:#}", json!({ "file": file, "bytes": bytes }));
        } else {
            println!("Saved: {} ({bytes} bytes). Open it in a browser.", file.display());
        }
        Ok(())
    }

    fn save(&self, path: &str, file: &Path) -> anyhow::Result<u64> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        let mut out = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Exit::error(exit::REFUSED, format!("{} is there already; name another file", file.display()))
            }
            _ => anyhow::anyhow!("{} cannot be written: {error}", file.display()),
        })?;
        let saved = self.client.save(path, &mut out).and_then(|bytes| {
            out.sync_all().with_context(|| format!("{} cannot be written", file.display()))?;
            Ok(bytes)
        });
        if saved.is_err() {
            // Half a conversation would look like a whole one.
            let _it_failed_already = fs::remove_file(file);
        }
        saved
    }
}
