//! How the program is linked: relocations in their packed form, where the system that builds it can also run that.
//!
//! The program is loaded anywhere in memory, so the loader reads a table of every address in it first: 1.1 MiB of resident memory in the plain form,
//! 20 KiB in the packed one (DT_RELR). glibc knows that form since 2.36. Not here: the page (`web/build.rs`).

use std::{env, process::Command};

/// The first glibc that loads packed relocations. Source: its release notes.
const KNOWN_SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    let at_home = env::var("HOST").ok() == env::var("TARGET").ok();
    // GNU's linker packs on few machines; Rust's own is the usual one on this.
    let usual = is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    if at_home && usual && glibc().is_some_and(|version| version >= KNOWN_SINCE) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of the system's glibc.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
