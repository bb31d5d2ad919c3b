//! What the laboratory stands on: root, a kernel with namespaces and NAT, a few programs. And the leftovers of runs that were killed.

use crate::shell;
use std::{fs, path::Path};

/// Begins the name of every namespace of ours; the process id of the laboratory follows.
pub(crate) const PREFIX: &str = "pc2lab-";

/// Begins the name of the process, by which a living laboratory is told from a dead one.
const PROCESS: &str = "netlab";

/// What is run besides `pc2`, and the Debian package it comes with.
const TOOLS: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("tcpdump", "tcpdump"),
    ("ethtool", "ethtool"),
    ("python3", "python3-minimal"),
    ("miniupnpd", "miniupnpd-nftables"),
    ("setpriv", "util-linux"),
    ("kill", "procps"),
];

/// Why there can be no laboratory here, in words for whoever wanted one; `None` when there can.
pub(crate) fn missing() -> Option<String> {
    let user = shell::output(&["id", "-u"]);
    if String::from_utf8_lossy(&user.stdout).trim() != "0" {
        return Some("it makes network namespaces, which only root may: run it as root".to_owned());
    }
    let absent: Vec<&str> =
        TOOLS.iter().filter(|(tool, _)| !installed(tool)).map(|(_, package)| *package).collect();
    if !absent.is_empty() {
        return Some(format!("these packages are missing: apt-get install {}", absent.join(" ")));
    }
    kernel()
}

fn installed(tool: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).exists()))
}

/// Tries out what the kernel must be able to do, in a namespace that goes at once.
fn kernel() -> Option<String> {
    let namespace = format!("{PREFIX}{}-try", std::process::id());
    if !shell::succeeds(&["ip", "netns", "add", &namespace]) {
        return Some("this kernel, or the container around us, allows no network namespaces".to_owned());
    }
    let inside =
        |words: &[&str]| shell::succeeds(&[&["ip", "netns", "exec", namespace.as_str()], words].concat());
    let tries: &[(&str, bool)] = &[
        ("veth pairs", inside(&["ip", "link", "add", "name", "one", "type", "veth", "peer", "name", "two"])),
        ("nftables", inside(&["nft", "add table ip t"])),
        ("NAT", inside(&["nft", "add chain ip t c { type nat hook postrouting priority srcnat; }"])),
        ("masquerading", inside(&["nft", "add rule ip t c oifname one masquerade fully-random"])),
        ("connection tracking", inside(&["conntrack", "-L"])),
    ];
    let lacking: Vec<&str> = tries.iter().filter(|(_, works)| !works).map(|(what, _)| *what).collect();
    shell::run(&["ip", "netns", "del", &namespace]);
    (!lacking.is_empty()).then(|| format!("this kernel lacks {}", lacking.join(", ")))
}

/// Removes what laboratories left that were killed, and nothing of those that still run.
pub(crate) fn sweep() {
    namespaces().iter().filter(|name| is_left_over(name)).for_each(|name| remove(name));
    for folder in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let left = folder.file_name().to_str().is_some_and(is_left_over);
        if left && let Err(error) = fs::remove_dir_all(folder.path()) {
            eprintln!("could not remove {}: {error}", folder.path().display());
        }
    }
}

/// Whether a name is of a laboratory whose process has ended.
fn is_left_over(name: &str) -> bool {
    let Some(owner) = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()) else { return false };
    let process = fs::read_to_string(Path::new("/proc").join(owner).join("comm")).unwrap_or_default();
    !process.starts_with(PROCESS)
}

/// Removes a namespace of ours and whatever still runs in it.
pub(crate) fn remove(namespace: &str) {
    let inside = shell::output(&["ip", "netns", "pids", namespace]);
    for pid in String::from_utf8_lossy(&inside.stdout).split_whitespace() {
        shell::succeeds(&["kill", "-9", pid]);
    }
    shell::succeeds(&["ip", "netns", "del", namespace]);
}

fn namespaces() -> Vec<String> {
    let list = shell::output(&["ip", "netns", "list"]);
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}
