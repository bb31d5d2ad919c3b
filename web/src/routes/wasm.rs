//! Routes of WASM: modules called, apps installed, runs begun and looked at. All of it in the space of whoever asks.

use super::{Route, at, by};
use crate::{
    api::{wasm, wasm_stream},
    roles::{Access, Area, Deed, Scope},
};
use warp::http::Method;

const WASM_READ: Access = Access::Has(Scope(Area::Wasm, Deed::Read));
const WASM_WRITE: Access = Access::Has(Scope(Area::Wasm, Deed::Write));

pub(super) static ROUTES: &[Route] = &[
    at(
        Method::POST,
        "/api/wasm/execute-file",
        WASM_WRITE,
        "Call a function of a module in one's home",
        by!(wasm::execute_file),
    )
    .takes("ExecuteFile")
    .gives(200, "Executed"),
    at(
        Method::POST,
        "/api/wasm/execute",
        WASM_WRITE,
        "Call a function of a module that is sent along",
        by!(wasm::execute),
    )
    .takes("Execute")
    .up_to(wasm::MAX_SENT_BYTES)
    .gives(200, "Executed"),
    at(Method::GET, "/api/wasm/apps", WASM_READ, "Installed apps", by!(wasm::apps)).gives(200, "WasmAppList"),
    at(
        Method::POST,
        "/api/wasm/apps",
        WASM_WRITE,
        "Install an app, or another version of it; what it asks for is granted apart from that",
        by!(wasm::install),
    )
    .takes("InstallWasmApp")
    .up_to(wasm::MAX_SENT_BYTES)
    .gives(202, "WasmApp"),
    at(Method::GET, "/api/wasm/apps/{id}", WASM_READ, "One app", by!(wasm::app)).gives(200, "WasmApp"),
    at(
        Method::DELETE,
        "/api/wasm/apps/{id}",
        WASM_WRITE,
        "Remove an app; what it wrote stays",
        by!(wasm::remove),
    )
    .done(202),
    at(
        Method::PUT,
        "/api/wasm/apps/{id}/grants",
        WASM_WRITE,
        "Grant an app a folder, or take it back: what runs with another is stopped",
        by!(wasm::grant),
    )
    .may_take("SetWasmGrant")
    .gives(202, "WasmApp"),
    at(
        Method::GET,
        "/api/wasm/runs",
        WASM_READ,
        "Runs under way, and the last that ended",
        by!(wasm::runs),
    )
    .gives(200, "WasmRunList"),
    at(
        Method::POST,
        "/api/wasm/runs",
        WASM_WRITE,
        "Begin a run; how it goes is told by events and by its stream",
        by!(wasm::start),
    )
    .takes("StartWasmRun")
    .up_to(wasm::MAX_SENT_BYTES)
    .gives(202, "WasmRun"),
    at(Method::GET, "/api/wasm/runs/{id}", WASM_READ, "One run", by!(wasm::run)).gives(200, "WasmRun"),
    at(
        Method::DELETE,
        "/api/wasm/runs/{id}",
        WASM_WRITE,
        "Stop a run",
        by!(wasm::stop),
    )
    .gives(202, "WasmRun"),
    at(
        Method::GET,
        "/api/wasm/runs/{id}/stream",
        WASM_READ,
        "A WebSocket with what a run writes, from the oldest that is kept, and its end; it takes the run's input as `WasmInput`",
        by!(wasm_stream::follow),
    )
    .gives(101, "WasmFrame"),
];
