//! Secrets that pass through the terminal: the recovery phrase and the passphrase.
//!
//! Asked for unseen at a terminal, read from a file or standard input by scripts. Never from the command line, where other users could see them.

use anyhow::{Context, bail};
use std::{
    fs,
    io::{IsTerminal, Read, stdin},
    path::Path,
};

/// Longest phrase or passphrase read, in bytes: 24 words of 8 letters fit four times.
const MAX_BYTES: u64 = 1024;

/// Reads a passphrase from a file; `-` asks at the terminal (twice when it is a new one).
pub(crate) fn passphrase(file: &Path, purpose: Purpose) -> anyhow::Result<String> {
    if file != Path::new("-") {
        let mut text = String::new();
        fs::File::open(file)
            .and_then(|open| open.take(MAX_BYTES).read_to_string(&mut text))
            .with_context(|| format!("cannot read the passphrase from {}", file.display()))?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    let typed = rpassword::prompt_password("Passphrase: ").context("cannot ask for a passphrase here")?;
    if purpose == Purpose::New && rpassword::prompt_password("Once more: ")? != typed {
        bail!("the two passphrases differ; nothing was changed");
    }
    Ok(typed)
}

/// What a passphrase is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To seal: a mistake would lock the owner out, so it is asked for twice.
    New,
    /// To open.
    Open,
}

/// Reads a recovery phrase from standard input.
pub(crate) fn recovery_phrase() -> anyhow::Result<String> {
    if stdin().is_terminal() {
        return rpassword::prompt_password("Recovery phrase (12 or 24 words, not shown): ")
            .context("cannot ask for the phrase here");
    }
    let mut text = String::new();
    stdin().take(MAX_BYTES).read_to_string(&mut text).context("the phrase is not text")?;
    Ok(text)
}
