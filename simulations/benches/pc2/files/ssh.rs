//! An OpenSSH server of our own, with keys that are thrown away, and the words to reach it. Default ciphers, as people have them.
//!
//! Nothing of the machine's own SSH is used or changed. The NAT laboratory shares this file. Not here: who runs the words.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Debian keeps it where only root's path leads.
pub(crate) const SERVER: &str = "/usr/sbin/sshd";

/// Keys and settings of one server and its one client.
pub(crate) struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// Makes them in this folder.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        for key in ["host", "client"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "benchmark", "-f"])
                .arg(folder.join(key))
                .status()?;
            if !made.success() {
                return Err(io::Error::other("ssh-keygen made no key"));
            }
        }
        // The server insists on it when root runs it: its unprivileged half has its root there.
        fs::create_dir_all("/run/sshd").or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(error),
        })?;
        let keys = Self { folder: folder.to_owned() };
        let settings = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             AllowTcpForwarding yes\nGatewayPorts yes\nLogLevel ERROR\nSubsystem sftp internal-sftp\n",
            keys.path("host"),
            keys.path("client.pub"),
        );
        fs::write(folder.join("sshd_config"), settings)?;
        Ok(keys)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Runs the server in the foreground.
    pub(crate) fn server(&self, address: &str, port: u16) -> Vec<String> {
        let mut words: Vec<String> = [SERVER, "-D", "-e", "-f"].map(str::to_owned).into();
        words.extend([self.path("sshd_config"), "-o".to_owned(), format!("ListenAddress={address}:{port}")]);
        words
    }

    /// Options of `ssh` and `scp`, but for the port.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut words: Vec<String> = ["-F", "none", "-i"].map(str::to_owned).into();
        words.push(self.path("client"));
        let settings = [
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
        ];
        words.extend(settings.iter().flat_map(|setting| ["-o".to_owned(), (*setting).to_owned()]));
        words
    }

    /// `scp` of a file or folder into a folder.
    pub(crate) fn scp(&self, host: &str, port: u16, source: &Path, into: &Path) -> Vec<String> {
        let mut words =
            vec!["scp".to_owned(), "-q".to_owned(), "-r".to_owned(), "-P".to_owned(), port.to_string()];
        words.extend(self.options());
        words.extend([source.display().to_string(), format!("{host}:{}/", into.display())]);
        words
    }

    /// `rsync --archive` over `ssh`.
    pub(crate) fn rsync(&self, host: &str, port: u16, source: &Path, into: &Path) -> Vec<String> {
        let shell = format!("ssh -p {port} {}", self.options().join(" "));
        let mut words: Vec<String> = ["rsync", "--archive", "--rsh"].map(str::to_owned).into();
        words.extend([shell, source.display().to_string(), format!("{host}:{}/", into.display())]);
        words
    }
}
