//! `identity.json` on disk: reading, writing, opening.
//!
//! What stands in it and how it is sealed is [`pc2_protocols::crypto::keystore`]; here are JSON, the file and its mode.

use crate::{
    exit::{self, Exit},
    home::{self, Home},
    phrase_io::{self, Purpose},
    replace,
};
use anyhow::Context;
use pc2_protocols::{
    crypto::{
        keys::IdentityKeys,
        keystore::{FileVersion, IdentityFile, KdfCost, OpenFileError, SALT_BYTES},
        seal::NONCE_BYTES,
    },
    time::UnixMillis,
};
use std::{
    fs,
    io::{self, IsTerminal},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// An identity file is under 1 KiB; anything far larger is something else.
const MAX_BYTES: u64 = 16 * 1024;

/// Reads the file; `None` when there is none.
pub(crate) fn read(home: &Home) -> anyhow::Result<Option<IdentityFile>> {
    let path = home.identity();
    let bytes = match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            anyhow::bail!("{} is too large to be an identity file", path.display())
        }
        Ok(_) => fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let damaged = |error: serde_json::Error| {
        anyhow::anyhow!(
            "{} is damaged ({error}); restore it from a copy, or the identity from its phrase",
            path.display()
        )
    };
    let version: FileVersion = serde_json::from_slice(&bytes).map_err(damaged)?;
    version.check()?;
    Ok(Some(serde_json::from_slice(&bytes).map_err(damaged)?))
}

/// Reads the file, which must be there.
pub(crate) fn read_existing(home: &Home) -> anyhow::Result<IdentityFile> {
    read(home)?.ok_or_else(|| {
        Exit::error(
            exit::NOT_FOUND,
            format!(
                "there is no identity in {}; make one with `pc2 init` or `pc2 restore`",
                home.path().display()
            ),
        )
    })
}

/// Opens the keys; asks for the passphrase when the file is sealed and none was named.
pub(crate) fn open(file: &IdentityFile, passphrase_file: Option<&Path>) -> anyhow::Result<IdentityKeys> {
    let passphrase = match passphrase_file {
        _ if !file.is_sealed() => None,
        Some(path) => Some(phrase_io::passphrase(path, Purpose::Open)?),
        None if io::stdin().is_terminal() => Some(phrase_io::passphrase(Path::new("-"), Purpose::Open)?),
        None => {
            anyhow::bail!("the identity is sealed; name a file with its passphrase: --passphrase-file FILE")
        }
    };
    file.open(passphrase.as_deref()).map_err(|error| match error {
        OpenFileError::WrongPassphrase => Exit::error(exit::REFUSED, error.to_string()),
        other => other.into(),
    })
}

/// Writes a new identity. Never replaces one.
pub(crate) fn create(
    home: &Home,
    keys: &IdentityKeys,
    passphrase_file: Option<&Path>,
) -> anyhow::Result<IdentityFile> {
    if read(home)?.is_some() {
        return Err(Exit::error(
            exit::REFUSED,
            format!("{} holds an identity already; nothing was changed", home.path().display()),
        ));
    }
    if replace::is_wished(home) {
        return Err(Exit::error(
            exit::REFUSED,
            format!("in {} an identity is being restored: `pc2 up` ends that", home.path().display()),
        ));
    }
    let passphrase = passphrase_file.map(|path| phrase_io::passphrase(path, Purpose::New)).transpose()?;
    let file = made(keys, now(), passphrase.as_deref())?;
    write(home, &file)?;
    Ok(file)
}

/// The file of an identity, sealed with a passphrase if there is one.
pub(crate) fn made(
    keys: &IdentityKeys,
    created: UnixMillis,
    passphrase: Option<&str>,
) -> anyhow::Result<IdentityFile> {
    let Some(passphrase) = passphrase else { return Ok(IdentityFile::plain(keys, created)) };
    let (salt, nonce) = (random::<SALT_BYTES>()?, random::<NONCE_BYTES>()?);
    Ok(IdentityFile::sealed(keys, created, passphrase, KdfCost::DEFAULT, &salt, &nonce)?)
}

/// Puts the file in its place, whole or not at all.
pub(crate) fn write(home: &Home, file: &IdentityFile) -> anyhow::Result<()> {
    let path = home.identity();
    home::write_private(&path, &serde_json::to_vec_pretty(file)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(bytes)
}

/// The wall clock.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
