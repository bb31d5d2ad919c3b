//! How the program is linked, where that is known to work: relocations in their packed form, and functions that run in every node side by side.
//!
//! The program is loaded anywhere in memory, so the loader reads a table of every address in it first: 1.1 MiB of resident memory in the plain form,
//! 20 KiB in the packed one (DT_RELR). glibc knows that form since 2.36.
//!
//! Of 36,000 functions a node runs a quarter, scattered over the whole program; and the system maps the neighbours of whatever is touched, so that nearly all
//! of it was resident. `order.txt` names those that run, and the linker puts them together (docs/decisions/0016). It is a list of symbols, and the compiler makes a crate's
//! symbols from its version and those of all that it needs. Of a symbol that does not exist any more nothing follows: with an old list it is the same program with more
//! memory. `make order` writes it anew; the first line says for what it was written, and whoever builds a release with an old one is told.
//!
//! Not here: the page (`web/build.rs`).

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

/// The first glibc that loads packed relocations. Source: its release notes.
const KNOWN_SINCE: (u32, u32) = (2, 36);

/// Where rustup's compiler for 64-bit Linux on Intel keeps the linker that it takes unless told otherwise, seen from its own folder.
const OWN_LINKER: &str = "lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=order.txt");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    let at_home = env::var("HOST").ok() == env::var("TARGET").ok();
    let usual = is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    if !at_home || !usual {
        return;
    }
    // GNU's linker packs on few machines; Rust's own is the usual one on this.
    if glibc().is_some_and(|version| version >= KNOWN_SINCE) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Other linkers do not know such lists. The symbols are those of release builds.
    if is("PROFILE", "release") && links_with_its_own() {
        let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
        let order = here.join("order.txt");
        println!("cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={}", order.display());
        println!("cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
        println!("cargo:rerun-if-changed=../Cargo.lock");
        let now = stamp(&here.join("../Cargo.lock"));
        let written = fs::read_to_string(&order).unwrap_or_default();
        if written.lines().next() != Some(&now) {
            println!(
                "cargo:warning=node/order.txt is older than Cargo.lock or the compiler: `make order` saves 5 MiB of memory ({now})"
            );
        }
    }
}

/// What symbols are made of: the compiler, and all versions.
fn stamp(lock: &Path) -> String {
    let compiler = output(&["-V"]).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    fs::read(lock).unwrap_or_default().hash(&mut hasher);
    format!("# {}, Cargo.lock {:016x}", compiler.trim(), hasher.finish())
}

/// Whether the compiler links with the linker that it brought, and nobody chose another.
fn links_with_its_own() -> bool {
    let chosen = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    !chosen && sysroot().is_some_and(|root| root.join(OWN_LINKER).exists())
}

/// The folder of the compiler.
fn sysroot() -> Option<PathBuf> {
    Some(PathBuf::from(output(&["--print", "sysroot"])?.trim()))
}

/// What the compiler says.
fn output(arguments: &[&str]) -> Option<String> {
    let said = Command::new(env::var_os("RUSTC")?).args(arguments).output().ok()?;
    String::from_utf8(said.stdout).ok()
}

/// The version of the system's glibc.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
