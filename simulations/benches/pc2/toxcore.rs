//! The peer for chat latency: toxcore, if it can be built here. Its program is `simulations/peers/toxcore.c`.

use std::{path::Path, process::Command};

/// Messages it sends one at a time. Each takes about a second.
const ROUNDS: &str = "20";

/// What toxcore needs.
pub(crate) struct Toxcore {
    /// From start until the first message is acknowledged, in milliseconds.
    pub(crate) first_ms: f64,
    /// Median from sending to acknowledgement, in milliseconds.
    pub(crate) latency_ms: f64,
}

/// Builds and runs it; `None` when it cannot be built here.
pub(crate) fn measure() -> Option<Toxcore> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/toxcore.c");
    let directory = tempfile::tempdir().ok()?;
    let program = directory.path().join("toxcore");
    let built =
        Command::new("cc").arg("-O2").arg(source).arg("-o").arg(&program).arg("-ltoxcore").output().ok()?;
    if !built.status.success() {
        println!(
            "toxcore cannot be built here (Debian: apt-get install libtoxcore-dev gcc); its column stays empty\n"
        );
        return None;
    }
    let output = Command::new(program).arg(ROUNDS).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse);
    let (Some(Ok(first_ms)), Some(Ok(latency_ms))) = (numbers.next(), numbers.next()) else {
        println!("toxcore found no connection within its two minutes; its column stays empty\n");
        return None;
    };
    Some(Toxcore { first_ms, latency_ms })
}
