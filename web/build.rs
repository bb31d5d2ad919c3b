//! Builds the web page and puts it where `src/assets.rs` embeds it from: `OUT_DIR/page`.
//!
//! The sources in `ui/` are copied to `OUT_DIR/ui` and built there, so the source tree stays as it is and builds
//! of several targets do not meet. Packages are installed only when what decides about them has changed.
//! Beside them stand the modules of the apps that run as WebAssembly on the node (`wasm/`): Calculator always, File processor where clang and wasi-libc are.
//! Two ways round it: `PC2_UI=off` embeds a page that says there is none, `PC2_UI_DIST=<dir>` embeds a bundle that exists.

use std::{
    env,
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, exit},
};

/// What the page is made from, in `ui/`. Named one by one: watching the folder itself would include `node_modules`,
/// which a developer's `npm ci` touches all the time.
const INPUTS: [&str; 9] = [
    "index.html",
    "package.json",
    "package-lock.json",
    ".npmrc",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
    "public",
    "src",
];

/// The oldest Node.js that the bundler runs on.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// What `wasm/build.sh` ends with when something is to be installed first.
const NO_TOOL: i32 = 3;

/// What is embedded with `PC2_UI=off`.
const NO_PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>PC2</title>\
    <p>This PC2 was built without its web page (PC2_UI=off). Its API and command line work.</p>";

fn main() {
    for name in ["PC2_UI", "PC2_UI_DIST"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=build.rs");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let page = out.join("page");
    // Anew each time: a file that is gone from the bundle must not live on in the binary.
    remove(&page);
    if env::var_os("PC2_UI").is_some_and(|value| value == "off") || env::var_os("DOCS_RS").is_some() {
        must(
            "the placeholder",
            fs::create_dir_all(&page).and_then(|()| fs::write(page.join("index.html"), NO_PAGE)),
        );
    } else if let Some(dist) = env::var_os("PC2_UI_DIST") {
        take_bundle(Path::new(&dist), &page);
    } else {
        build_page(&out.join("ui"), &page);
    }
}

/// Embeds a bundle that somebody else built.
fn take_bundle(dist: &Path, page: &Path) {
    if !dist.join("index.html").is_file() {
        give_up(format_args!("PC2_UI_DIST={} holds no index.html", dist.display()));
    }
    println!("cargo:rerun-if-changed={}", dist.display());
    must("the bundle of PC2_UI_DIST", copy(dist, page));
}

/// Copies the sources to `work`, installs what they need, and bundles them into `page`.
fn build_page(work: &Path, page: &Path) {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let source = Path::new(&manifest).join("ui");
    let node = node_version();
    must("the work folder", fs::create_dir_all(work));
    for input in INPUTS {
        println!("cargo:rerun-if-changed=ui/{input}");
        remove(&work.join(input));
        must(input, copy(&source.join(input), &work.join(input)));
    }
    must("the modules of apps", modules(&Path::new(&manifest).join("../wasm"), &work.join("src/modules")));
    install_packages(work, &node);
    run(
        "vite build",
        Command::new("node")
            .current_dir(work)
            .env("NODE_ENV", "production")
            .args([
                "node_modules/vite/bin/vite.js",
                "build",
                "--logLevel",
                "warn",
                "--emptyOutDir",
                "--outDir",
            ])
            .arg(page),
    );
}

/// Builds the modules that the page brings along, each as `<name>/<name>.wasm`. The page offers those that are there (`lib/own-modules.ts`), so that one which
/// cannot be built here fails nothing.
fn modules(source: &Path, to: &Path) -> io::Result<()> {
    let [calculator, counter] = ["calculator/calculator.wat", "file-processor/file-processor.c"];
    for file in [calculator, counter, "build.sh"] {
        println!("cargo:rerun-if-changed=../wasm/{file}");
    }
    // A clang that comes later is noticed with the next change of a source, or of this variable.
    println!("cargo:rerun-if-env-changed=WASI_SYSROOT");
    remove(to);
    fs::create_dir_all(to.join("calculator"))?;
    let module = wat::parse_file(source.join(calculator)).map_err(io::Error::other)?;
    fs::write(to.join("calculator/calculator.wasm"), module)?;
    let without = |why: &str| println!("cargo:warning=The page comes without File processor. {why}");
    match Command::new("bash").arg(source.join("build.sh")).arg(to).arg("file-processor").output() {
        Ok(output) if output.status.success() => {}
        Ok(Output { status, stderr, .. }) if status.code() == Some(NO_TOOL) => {
            without(String::from_utf8_lossy(&stderr).lines().last().unwrap_or_default());
        }
        Ok(output) => {
            give_up(format_args!("wasm/build.sh failed:\n{}", String::from_utf8_lossy(&output.stderr)))
        }
        Err(error) => without(&format!("To build it, install bash ({error}).")),
    }
    Ok(())
}

/// `npm ci`, unless the lock file, the manifest and Node.js are those of the last time.
fn install_packages(work: &Path, node: &str) {
    let read = |name: &str| must(name, fs::read_to_string(work.join(name)));
    let wanted = [node, &read("package.json"), &read("package-lock.json")].join("\n");
    // Inside what it vouches for: when somebody deletes the packages, the stamp goes with them.
    let stamp = work.join("node_modules/.pc2-stamp");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return;
    }
    // --ignore-scripts: nothing that is downloaded runs at installation. --omit=dev: the bundler only, no checkers.
    run(
        "npm ci",
        Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" }).current_dir(work).args([
            "ci",
            "--omit=dev",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefer-offline",
        ]),
    );
    must("the stamp", fs::write(stamp, wanted));
}

/// The version of the Node.js on the path, once it is new enough.
fn node_version() -> String {
    let output = match Command::new("node").arg("--version").output() {
        Ok(output) => output,
        Err(error) => give_up(format_args!("Node.js was not found: running `node` failed ({error})")),
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST_NODE {
        give_up(format_args!("Node.js {version} is too old"));
    }
    version
}

/// Runs a command to its end; its output is shown only when it fails.
fn run(what: &str, command: &mut Command) {
    let output = must(what, command.output());
    if !output.status.success() {
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        give_up(format_args!("`{what}` failed ({}):\n{said}{complained}", output.status));
    }
}

/// Copies a file, or a folder with everything in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Removes a file or folder, if it is there.
fn remove(path: &Path) {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            give_up(format_args!("{} could not be removed: {error}", path.display()))
        }
        _ => {}
    }
}

fn must<T>(what: &str, result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| give_up(format_args!("{what}: {error}")))
}

/// Ends the build with the reason and the three ways on.
fn give_up(reason: impl Display) -> ! {
    let (major, minor) = OLDEST_NODE;
    eprintln!(
        "\nThe web page could not be built.\n\n{reason}\n\nThree ways on:\n  \
         1. install Node.js {major}.{minor} or newer with npm, and build again;\n  \
         2. PC2_UI_DIST=<dir>  takes a bundle that was built elsewhere (`npm run build` in web/ui);\n  \
         3. PC2_UI=off         builds PC2 without its web page.\n"
    );
    exit(1)
}
