//! `app.toml`: what an app says of itself, and what it asks for.
//!
//! In: the text of the file, from anybody. Out: a [`Manifest`] whose every field is within its bounds, or a sentence about what is wrong. What an app asks for
//! is not what it gets: a person grants it ([`super::rows::Grant`]), and limits can only be lower than the node's.
//!
//! ```toml
//! id = "file-processor"            # lower case, digits and hyphens
//! name = "File processor"
//! version = "1.0.0"
//! module = "file-processor.wasm"   # beside this file
//! kind = "program"                 # or "functions": a module without WASI, whose exports are called one by one
//! about = "Counts the lines, words and bytes of a file."
//!
//! [data]                           # programs only: a folder that it finds as /data
//! folder = "Documents"             # from the home on; left out: a folder of its own, Apps/file-processor
//! access = "read"                  # or "read-write"
//!
//! [limits]                         # what of it is left out is the node's
//! time_ms = 5000
//! memory_bytes = 33554432
//! ```
//!
//! Not here: its signed form ([`super::signed`]), the module. Spec: `docs/wasm.md`.

use super::ask::LimitsAsk;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// Longest text of a manifest, in bytes. The example above, commented, has 700.
pub const MAX_MANIFEST_BYTES: usize = 8 * 1024;

/// Longest id of an app, in bytes.
pub const MAX_APP_ID_BYTES: usize = 32;

/// Longest name and version, in bytes of UTF-8.
const MAX_NAME_BYTES: usize = 64;

/// Longest text about an app, in bytes of UTF-8: two sentences.
const MAX_ABOUT_BYTES: usize = 400;

/// Longest path of a folder or module from the home on, in bytes of UTF-8.
pub const MAX_PATH_BYTES: usize = 512;

/// What an app is called by in its space: `a` to `z`, digits and hyphens between them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppId {
    /// Zeros behind its end.
    bytes: [u8; MAX_APP_ID_BYTES],
}

/// Why a text is no app's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an app's id has 1 to {MAX_APP_ID_BYTES} characters: a to z, digits, and hyphens that stand between them"
)]
pub struct BadAppId;

impl AppId {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(MAX_APP_ID_BYTES);
        let text = self.bytes.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.unwrap_or_default()
    }
}

impl FromStr for AppId {
    type Err = BadAppId;

    fn from_str(text: &str) -> Result<Self, BadAppId> {
        let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let edges = !text.starts_with('-') && !text.ends_with('-');
        if text.is_empty() || !plain || !edges {
            return Err(BadAppId);
        }
        let mut bytes = [0; MAX_APP_ID_BYTES];
        bytes.get_mut(..text.len()).ok_or(BadAppId)?.copy_from_slice(text.as_bytes());
        Ok(Self { bytes })
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for AppId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AppId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// How an app is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A module without WASI, whose exported functions are called one by one.
    Functions,
    /// A WASI program, run from its beginning to its end.
    Program,
}

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reading.
    Read,
    /// Reading, writing, making and removing.
    ReadWrite,
}

/// The folder an app asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataAsk {
    /// From the home on; `None`: a folder of its own.
    #[serde(default)]
    pub folder: Option<String>,
    /// What for.
    pub access: Access,
}

/// What an app says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is called by.
    pub id: AppId,
    /// What people call it.
    pub name: String,
    /// Its version, as its maker counts.
    pub version: String,
    /// The file with its module, beside the manifest.
    pub module: String,
    /// How it is run.
    pub kind: Kind,
    /// What it is for; may be empty.
    #[serde(default)]
    pub about: String,
    /// The folder it asks for.
    #[serde(default)]
    pub data: Option<DataAsk>,
    /// The limits it can do with.
    #[serde(default)]
    pub limits: LimitsAsk,
}

/// What is wrong with a manifest. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not as TOML has it, a field is missing, or one there is not.
    #[error("app.toml cannot be read: {0}")]
    Malformed(String),
    /// A value beyond what makes sense.
    #[error("app.toml: {0}")]
    Bad(String),
}

impl Manifest {
    /// Reads `app.toml`.
    ///
    /// # Errors
    /// [`ManifestError`], for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::Bad(format!("it may have {MAX_MANIFEST_BYTES} bytes")));
        }
        let manifest: Self =
            toml::from_str(text).map_err(|error| ManifestError::Malformed(error.message().to_owned()))?;
        manifest.check().map_err(ManifestError::Bad)?;
        Ok(manifest)
    }

    /// The folder it asks for, from the home on.
    #[must_use]
    pub fn folder(&self) -> Option<String> {
        let ask = self.data.as_ref()?;
        Some(ask.folder.clone().unwrap_or_else(|| format!("Apps/{}", self.id)))
    }

    fn check(&self) -> Result<(), String> {
        let text = |what: &str, text: &str, most: usize| {
            let plain = !text.chars().any(char::is_control);
            if plain && text.len() <= most {
                Ok(())
            } else {
                Err(format!("{what} is plain text of at most {most} bytes"))
            }
        };
        text("name", &self.name, MAX_NAME_BYTES)?;
        text("version", &self.version, MAX_NAME_BYTES)?;
        text("about", &self.about, MAX_ABOUT_BYTES)?;
        if self.name.trim().is_empty() || self.version.trim().is_empty() {
            return Err("name and version are not empty".to_owned());
        }
        if !is_name(&self.module) {
            return Err("module is the name of a file beside app.toml".to_owned());
        }
        if let Some(data) = &self.data {
            if self.kind == Kind::Functions {
                return Err("only a program can have a folder: functions cannot reach files".to_owned());
            }
            if data.folder.as_deref().is_some_and(|folder| !is_inside(folder)) {
                return Err("data.folder is a folder of the home, like Documents/Letters".to_owned());
            }
        }
        self.limits.check()
    }
}

/// Whether a text is the name of one file: no path, and none that every folder has.
fn is_name(text: &str) -> bool {
    is_inside(text) && !text.contains('/')
}

/// Whether a path leads from the home on to something in it, as far as its text says: not absolute, without `..`, `.`, empty parts and zero bytes. Links are
/// another matter: they are not followed out of the home, whatever the text says.
#[must_use]
pub fn is_inside(path: &str) -> bool {
    path.len() <= MAX_PATH_BYTES
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        id = "file-processor"
        name = "File processor"
        version = "1.0.0"
        module = "file-processor.wasm"
        kind = "program"
        about = "Counts."
        [data]
        folder = "Documents"
        access = "read-write"
        [limits]
        time_ms = 5000
        memory_bytes = 33554432
    "#;

    #[test]
    fn a_manifest_says_what_the_app_is_and_asks_for() {
        let manifest = Manifest::parse(WHOLE).expect("a manifest");
        assert_eq!((manifest.id.as_str(), manifest.kind), ("file-processor", Kind::Program));
        assert_eq!(manifest.folder().as_deref(), Some("Documents"));
        assert_eq!(manifest.data.map(|data| data.access), Some(Access::ReadWrite));
        assert_eq!((manifest.limits.time_ms, manifest.limits.memory_bytes), (Some(5_000), Some(32 << 20)));
    }

    #[test]
    fn an_app_that_names_no_folder_gets_one_of_its_own_and_one_that_asks_for_none_gets_none() {
        let own = WHOLE.replace("folder = \"Documents\"", "");
        assert_eq!(Manifest::parse(&own).expect("read").folder().as_deref(), Some("Apps/file-processor"));
        let none = own.replace("[data]", "").replace("access = \"read-write\"", "");
        assert_eq!(Manifest::parse(&none).expect("read").folder(), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_sentence() {
        for (right, wrong) in [
            ("id = \"file-processor\"", "id = \"../evil\""),
            ("id = \"file-processor\"", "id = \"File\""),
            ("id = \"file-processor\"", "id = \"-\""),
            ("id = \"file-processor\"", ""),
            ("name = \"File processor\"", "name = \" \""),
            ("name = \"File processor\"", "name = \"a\\u001bb\""),
            ("module = \"file-processor.wasm\"", "module = \"../x.wasm\""),
            ("module = \"file-processor.wasm\"", "module = \"a/x.wasm\""),
            ("kind = \"program\"", "kind = \"functions\""),
            ("kind = \"program\"", "kind = \"daemon\""),
            ("folder = \"Documents\"", "folder = \"/etc\""),
            ("folder = \"Documents\"", "folder = \"a/../../b\""),
            ("folder = \"Documents\"", "folder = \"a//b\""),
            ("access = \"read-write\"", "access = \"all\""),
            ("about = \"Counts.\"", "unknown = 1"),
            ("time_ms = 5000", "time_ms = 0"),
            ("time_ms = 5000", "time_ms = -5"),
        ] {
            let text = WHOLE.replace(right, wrong);
            let error = Manifest::parse(&text).expect_err(wrong).to_string();
            assert!(error.starts_with("app.toml") && error.len() < 400, "{wrong}: {error}");
        }
        assert!(Manifest::parse(&format!("{WHOLE}#{}", "x".repeat(MAX_MANIFEST_BYTES))).is_err());
    }

    #[test]
    fn a_manifest_nested_without_end_is_refused_and_no_stack_overflows() {
        let deep = format!("id = {}", "[".repeat(MAX_MANIFEST_BYTES - 10));
        assert!(Manifest::parse(&deep).is_err());
        assert!(Manifest::parse(&format!("id{} = 1", ".a".repeat(3_000))).is_err());
    }

    #[test]
    fn an_id_is_as_long_as_it_may_be_and_no_longer() {
        let longest = "a".repeat(MAX_APP_ID_BYTES);
        assert_eq!(longest.parse::<AppId>().expect("an id").as_str(), longest);
        assert_eq!(format!("{longest}a").parse::<AppId>(), Err(BadAppId));
    }
}
