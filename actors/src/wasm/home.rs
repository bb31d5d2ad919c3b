//! Files of a space: `users/owner` or `users/0x…` under the data directory, reached from an open folder and never by joining paths.
//!
//! In: whose, and a path from their home on, as anybody may have written it. Out: an open regular file, or an open folder. The system resolves each path beneath the
//! home (`openat2`, `RESOLVE_BENEATH`): no `..`, absolute path or link leads out, not even one that is put there while we look. What leads out is not there, and no answer
//! says where the home is. The home itself is opened by its path, links included: that is the word of whoever runs the machine.
//!
//! Not here: what a program does in its folder (the runner), names of received files (`files::home`).

use pc2_protocols::wasm::{
    manifest::{Access, is_inside},
    rows::{Grant, Space},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// No way out of the home, and none into the system's own pseudo-links.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// Why a path leads to nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is nothing of that name, it is of another kind, or it leads out.
    #[error("there is no such {what} in this home: {path}")]
    NotThere {
        /// A file or a folder.
        what: &'static str,
        /// As it was asked for, shortened.
        path: String,
    },
    /// The system refuses.
    #[error("the home cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// The homes of all spaces.
#[derive(Debug, Clone)]
pub(crate) struct Homes {
    users: PathBuf,
}

impl Homes {
    /// Under a data directory. Nothing is made yet.
    pub(crate) fn under(data: &Path) -> Self {
        Self { users: data.join("users") }
    }

    /// Opens a regular file for reading. Blocks.
    pub(crate) fn file(&self, space: Space, path: &str) -> Result<File, PlaceError> {
        let not_there = || not_there("file", path);
        let inside = inside(path).filter(|inside| !inside.is_empty()).ok_or_else(not_there)?;
        // Not blocking: a pipe of that name would wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let home = self.home(space)?;
        let opened = rustix::fs::openat2(&home, inside, flags, Mode::empty(), BENEATH);
        let file = File::from(opened.map_err(|error| refused(error, not_there))?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(not_there()) }
    }

    /// Opens the folder of a grant. One for writing, and one of those that apps have for themselves, is made if it is not there. Blocks.
    pub(crate) fn folder(&self, space: Space, grant: &Grant) -> Result<OwnedFd, PlaceError> {
        let not_there = || not_there("folder", &grant.folder);
        let inside = inside(&grant.folder).ok_or_else(not_there)?;
        let home = self.home(space)?;
        if inside.is_empty() {
            return Ok(home);
        }
        match enter(&home, inside) {
            Err(Errno::NOENT) if grant.access == Access::ReadWrite || is_of_an_app(inside) => {
                let mut folder = home;
                for name in inside.split('/') {
                    match rustix::fs::mkdirat(&folder, name, Mode::RWXU) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(refused(error, not_there)),
                    }
                    folder = enter(&folder, name).map_err(|error| refused(error, not_there))?;
                }
                Ok(folder)
            }
            entered => entered.map_err(|error| refused(error, not_there)),
        }
    }

    /// The home, made if it is not there: for its owner alone, as everything in the data directory.
    fn home(&self, space: Space) -> io::Result<OwnedFd> {
        let path = self.users.join(space.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&path, flags, Mode::empty())?)
    }
}

/// A path from the home on; `~/` is the home, as shells have it. `None` for what does not even look like one.
fn inside(path: &str) -> Option<&str> {
    let path = path.strip_prefix("~/").unwrap_or(path);
    (path.is_empty() || is_inside(path)).then_some(path)
}

/// Whether it is a folder that an app asks for when it names none.
fn is_of_an_app(path: &str) -> bool {
    path.strip_prefix("Apps/").is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
}

fn enter(folder: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let entered = rustix::fs::openat2(folder, path, flags, Mode::empty(), BENEATH)?;
    // The flag asks for the same; this does not depend on how a file system takes it.
    match FileType::from_raw_mode(rustix::fs::fstat(&entered)?.st_mode) {
        FileType::Directory => Ok(entered),
        _ => Err(Errno::NOTDIR),
    }
}

/// What the system says of what is not there, leads out or is of another kind is one answer: nobody learns what lies outside.
fn refused(error: Errno, not_there: impl Fn() -> PlaceError) -> PlaceError {
    match error {
        Errno::NOENT
        | Errno::XDEV
        | Errno::LOOP
        | Errno::NOTDIR
        | Errno::ACCESS
        | Errno::PERM
        | Errno::NXIO
        | Errno::NODEV
        | Errno::NAMETOOLONG => not_there(),
        other => PlaceError::Io(other.into()),
    }
}

fn not_there(what: &'static str, path: &str) -> PlaceError {
    let path = path.chars().filter(|c| !c.is_control()).take(100).collect();
    PlaceError::NotThere { what, path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Read as _, os::unix::fs::symlink};

    const OTHER: Space = Space::Wallet([0xab; 20]);

    fn homes() -> (tempfile::TempDir, Homes, PathBuf) {
        let data = tempfile::tempdir().expect("a directory");
        let home = data.path().join("users/owner");
        fs::create_dir_all(home.join("in/deep")).expect("made");
        fs::write(home.join("in/a.wasm"), "inside").expect("written");
        fs::write(data.path().join("secret"), "outside").expect("written");
        let other = data.path().join(format!("users/{OTHER}"));
        fs::create_dir_all(&other).expect("made");
        fs::write(other.join("b.wasm"), "theirs").expect("written");
        let homes = Homes::under(data.path());
        (data, homes, home)
    }

    fn text(homes: &Homes, space: Space, path: &str) -> Option<String> {
        let mut text = String::new();
        match homes.file(space, path) {
            Ok(mut file) => {
                file.read_to_string(&mut text).expect("read");
                Some(text)
            }
            Err(PlaceError::NotThere { .. }) => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    fn grant(folder: &str, access: Access) -> Grant {
        Grant { folder: folder.to_owned(), access }
    }

    #[test]
    fn a_file_is_opened_by_its_path_from_the_home_on() {
        let (_data, homes, _) = homes();
        for path in ["in/a.wasm", "~/in/a.wasm"] {
            assert_eq!(text(&homes, Space::Owner, path).as_deref(), Some("inside"));
        }
        assert_eq!(text(&homes, OTHER, "b.wasm").as_deref(), Some("theirs"));
    }

    #[test]
    fn what_leads_out_of_the_home_is_not_there() {
        let (data, homes, home) = homes();
        symlink("../../secret", home.join("relative")).expect("linked");
        symlink(data.path().join("secret"), home.join("absolute")).expect("linked");
        symlink(data.path(), home.join("folder")).expect("linked");
        symlink("/proc/self/root", home.join("root")).expect("linked");
        symlink("loop", home.join("loop")).expect("linked");
        let outside = data.path().join("secret").display().to_string();
        let theirs = format!("../{OTHER}/b.wasm");
        for path in [
            "../../secret",
            "in/../../../secret",
            outside.as_str(),
            "/etc/passwd",
            "~/../../secret",
            "~root/secret",
            "relative",
            "absolute",
            "folder/secret",
            "root/etc/passwd",
            "loop",
            theirs.as_str(),
            "b.wasm",
            "in",
            "in/a.wasm/x",
            "in//a.wasm",
            "",
            "~/",
            ".",
            "in/a.wasm\0",
            "\0",
        ] {
            assert_eq!(text(&homes, Space::Owner, path), None, "{path:?}");
        }
        assert_eq!(text(&homes, Space::Owner, &"a/".repeat(5_000)), None);
        for folder in ["..", "/", "folder", "root", "in/a.wasm", "in/../.."] {
            let opened = homes.folder(Space::Owner, &grant(folder, Access::ReadWrite));
            assert!(matches!(opened, Err(PlaceError::NotThere { .. })), "{folder}");
        }
    }

    #[test]
    fn a_link_that_stays_inside_is_followed_and_a_pipe_is_no_file() {
        let (_data, homes, home) = homes();
        symlink("in/a.wasm", home.join("link")).expect("linked");
        assert_eq!(text(&homes, Space::Owner, "link").as_deref(), Some("inside"));
        rustix::fs::mknodat(rustix::fs::CWD, home.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .expect("made");
        assert_eq!(text(&homes, Space::Owner, "pipe"), None);
    }

    #[test]
    fn an_answer_never_says_where_the_home_is() {
        let (data, homes, _) = homes();
        let error = homes.file(Space::Owner, "nothing").expect_err("not there").to_string();
        assert!(!error.contains(&data.path().display().to_string()), "{error}");
    }

    #[test]
    fn a_folder_for_writing_is_made_and_so_is_an_apps_own_but_no_other_for_reading() {
        let (_data, homes, home) = homes();
        assert!(homes.folder(Space::Owner, &grant("Documents", Access::Read)).is_err());
        assert!(homes.folder(Space::Owner, &grant("Apps/x/y", Access::Read)).is_err());
        assert!(homes.folder(Space::Owner, &grant("Apps/x", Access::ReadWrite)).is_ok());
        assert!(home.join("Apps/x").is_dir());
        assert!(homes.folder(Space::Owner, &grant("Apps/own", Access::Read)).is_ok());
        assert!(home.join("Apps/own").is_dir());
        assert!(homes.folder(Space::Owner, &grant("", Access::Read)).is_ok());
        assert!(homes.folder(Space::Owner, &grant("in/deep", Access::Read)).is_ok());
    }
}
