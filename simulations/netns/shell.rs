//! Other programs (`ip`, `nft`, `tcpdump`): run to their end, or kept running until dropped.
//!
//! Whatever is kept running dies with the laboratory, even when that is killed: `setpriv --pdeathsig`. All of it is started by the main
//! thread, because that signal follows the thread. Not here: `pc2` itself (`node`).

use std::{
    fs::File,
    io::Write,
    process::{Child, Command, Output, Stdio},
};

/// Runs a program, which must succeed; panics with what it said otherwise. A scenario that panics is reported as broken.
pub(crate) fn run(words: &[&str]) -> String {
    let output = output(words);
    assert!(
        output.status.success(),
        "`{}` failed: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a program; whether it succeeded.
pub(crate) fn succeeds(words: &[&str]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a program and takes what it says.
pub(crate) fn output(words: &[&str]) -> Output {
    let (program, arguments) = words.split_first().expect("a command has a first word");
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"))
}

/// Runs a program in a namespace, which must succeed.
pub(crate) fn run_in(namespace: &str, words: &[&str]) -> String {
    run(&[&["ip", "netns", "exec", namespace], words].concat())
}

/// Loads rules into a namespace. What they replace must be deleted by themselves.
pub(crate) fn rules(namespace: &str, text: &str) {
    let mut process = Command::new("ip")
        .args(["netns", "exec", namespace, "nft", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ip can be run: the ground was checked");
    let mut input = process.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("nft reads its input");
    drop(input);
    let output = process.wait_with_output().expect("our own child can be awaited");
    assert!(
        output.status.success(),
        "nft refused the rules of {namespace}: {}\n{text}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A program that runs in a namespace until this is dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it. What it says goes to `log`.
    pub(crate) fn start(namespace: &str, words: &[&str], log: &File) -> Self {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "ip", "netns", "exec", namespace])
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file has a second handle"))
            .stderr(log.try_clone().expect("a file has a second handle"))
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", words.join(" ")));
        Self(child)
    }

    /// Its process id: `setpriv` and `ip netns exec` become the program, they do not stay above it.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.0.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        run(&["kill", "-s", name, &self.pid().to_string()]);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ended_before = self.0.kill();
        let _reaped = self.0.wait();
    }
}
