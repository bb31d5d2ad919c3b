//! Programs of others: found, started, stopped. Whatever runs is ended when it is dropped.

use std::{
    env,
    ffi::OsStr,
    fs::File,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for one of them to be ready. Reached only when something is broken.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(20);

/// How often is looked whether something is there.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where a program is: in the path, where Debian keeps servers, or where `peers.sh` has put it.
pub(crate) fn find(name: &str) -> Result<PathBuf, String> {
    let installed = env::var_os("PC2_PEERS").map(PathBuf::from);
    let own = installed.into_iter().flat_map(|peers| [peers.join("bin"), peers.join("venv/bin")]);
    let system =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    own.chain(system)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .ok_or_else(|| format!("{name} could not be installed here"))
}

/// Runs a program to its end.
pub(crate) fn run<S: AsRef<OsStr>>(words: &[S]) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{}: {}",
        program.as_ref().to_string_lossy(),
        said.trim().lines().next_back().unwrap_or("failed")
    ))
}

/// A program that runs until this is dropped.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts it in a folder; what it says goes to a file there.
    pub(crate) fn start(program: &Path, arguments: &[String], folder: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", program.display());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = File::create(folder.join(format!("{name}.log"))).map_err(told)?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(told)?)
            .stderr(log)
            .spawn()
            .map_err(told)?;
        Ok(Self { child })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it listens.
    pub(crate) fn listening(self, port: u16) -> Result<Self, String> {
        until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok()).map(|_| self)
    }

    /// Waits for its end, which must be a good one.
    pub(super) fn end(mut self) -> Result<(), String> {
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(status.to_string()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first: some have children who would stay. Fails only when it has ended already.
        let _ended_before = Command::new("kill").arg(self.pid().to_string()).stderr(Stdio::null()).status();
        let end = Instant::now() + Duration::from_secs(2);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ended_now = self.child.kill();
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// Looks until there is something.
pub(super) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> Result<T, String> {
    within(READY_WITHIN, what, look)
}

/// The same, with another patience.
pub(super) fn within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(format!("waited in vain until {what}"));
        }
        thread::sleep(LOOK_EVERY);
    }
}
