//! WASM: functions called, apps installed and granted, runs begun and stopped.
//!
//! Everything is asked for the space of whoever asks: the owner's, or that of their own wallet. Another's is not there. Paths are from the home on and are resolved
//! by the node (`pc2-actors`), never joined here.
//!
//! Not here: what a run writes ([`super::wasm_stream`]), limits and turns ([`pc2_protocols::wasm`]).

use crate::{
    answer,
    app::App,
    convert::wasm as convert,
    dto,
    problem::Problem,
    request::Call,
    roles::{Area, Deed, Scope},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pc2_actors::api::{Module, Runnable, Wanted};
use pc2_protocols::wasm::{
    Command, CommandError, Job, Reply, RunId, RunView,
    ask::LimitsAsk,
    manifest::{AppId, MAX_MANIFEST_BYTES, Manifest},
    rows::{AppRow, Space},
};
use warp::{http::StatusCode, reply::Response};

/// Longest body with a module in it, in bytes: one of 8 MiB as base64, and room beside it. A larger one is put into the home.
pub(crate) const MAX_SENT_BYTES: usize = 12 * 1024 * 1024;

/// Longest name of a module that is sent along, in characters.
const MAX_NAME_CHARS: usize = 100;

/// `POST /api/wasm/execute-file`.
pub(crate) async fn execute_file(app: &App, call: Call) -> Result<Response, Problem> {
    let space = space(&call)?;
    let dto::ExecuteFile { file_path, function_name, args } = call.json()?;
    let module = app.node.wasm_module(space, file_path.clone()).await?;
    called(app, space, module, file_path, function_name, args).await
}

/// `POST /api/wasm/execute`.
pub(crate) async fn execute(app: &App, call: Call) -> Result<Response, Problem> {
    let space = space(&call)?;
    let dto::Execute { wasm_binary, function_name, args } = call.json()?;
    let module = sent(app, wasm_binary).await?;
    // The room for its body is another's while this one runs.
    drop(call);
    called(app, space, module, String::new(), function_name, args).await
}

/// `GET /api/wasm/apps`.
pub(crate) async fn apps(app: &App, call: Call) -> Result<Response, Problem> {
    match app.node.wasm(Command::Apps { space: space(&call)? }).await? {
        Reply::Apps(rows) => {
            let limits = app.node.wasm_limits();
            let apps = rows.iter().map(|row| convert::app(row, limits)).collect();
            Ok(answer::json(StatusCode::OK, &dto::WasmAppList { apps }))
        }
        _ => Err(off_script()),
    }
}

/// `GET /api/wasm/apps/{id}`.
pub(crate) async fn app(app: &App, call: Call) -> Result<Response, Problem> {
    let row = known_app(app, space(&call)?, call.param(0)).await?;
    Ok(answer::json(StatusCode::OK, &convert::app(&row, app.node.wasm_limits())))
}

/// `POST /api/wasm/apps`.
pub(crate) async fn install(app: &App, call: Call) -> Result<Response, Problem> {
    let space = space(&call)?;
    let dto::InstallWasmApp { path, manifest, module } = call.json()?;
    let most = u64::try_from(MAX_MANIFEST_BYTES).unwrap_or(u64::MAX);
    let (manifest, module) = match (path, manifest, module) {
        (Some(path), None, None) => {
            let manifest = Manifest::parse(&app.node.wasm_text(space, path.clone(), most).await?)?;
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let beside = if folder.is_empty() {
                manifest.module.clone()
            } else {
                format!("{folder}/{}", manifest.module)
            };
            (manifest, app.node.wasm_module(space, beside).await?)
        }
        (None, Some(manifest), Some(module)) => (Manifest::parse(&manifest)?, sent(app, module).await?),
        _ => return Err(Problem::wasm_what("name the app.toml in your home, or send manifest and module")),
    };
    match app.node.install_wasm(space, manifest, module).await? {
        Reply::App(row) => {
            Ok(answer::json(StatusCode::ACCEPTED, &convert::app(&row, app.node.wasm_limits())))
        }
        _ => Err(off_script()),
    }
}

/// `DELETE /api/wasm/apps/{id}`.
pub(crate) async fn remove(app: &App, call: Call) -> Result<Response, Problem> {
    let (space, id) = (space(&call)?, app_id(call.param(0))?);
    app.node.wasm(Command::Remove { space, id }).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// `PUT /api/wasm/apps/{id}/grants`.
pub(crate) async fn grant(app: &App, call: Call) -> Result<Response, Problem> {
    let space = space(&call)?;
    // Before the body is looked at: what is another's is not there, whatever is asked of it.
    let id = known_app(app, space, call.param(0)).await?.manifest.id;
    let dto::SetWasmGrant { folder } = call.optional_json()?;
    may_reach(&call, folder.as_ref())?;
    let grant = folder.map(convert::grant);
    match app.node.wasm(Command::Grant { space, id, grant }).await? {
        Reply::App(row) => {
            Ok(answer::json(StatusCode::ACCEPTED, &convert::app(&row, app.node.wasm_limits())))
        }
        _ => Err(off_script()),
    }
}

/// `GET /api/wasm/runs`.
pub(crate) async fn runs(app: &App, call: Call) -> Result<Response, Problem> {
    match app.node.wasm(Command::Runs { space: space(&call)? }).await? {
        Reply::Runs(views) => {
            let runs = views.iter().map(convert::run).collect();
            Ok(answer::json(StatusCode::OK, &dto::WasmRunList { runs }))
        }
        _ => Err(off_script()),
    }
}

/// `GET /api/wasm/runs/{id}`.
pub(crate) async fn run(app: &App, call: Call) -> Result<Response, Problem> {
    let view = known_run(app, space(&call)?, call.param(0)).await?;
    Ok(answer::json(StatusCode::OK, &convert::run(&view)))
}

/// `DELETE /api/wasm/runs/{id}`.
pub(crate) async fn stop(app: &App, call: Call) -> Result<Response, Problem> {
    let (space, run) = (space(&call)?, run_id(call.param(0))?);
    match app.node.wasm(Command::Stop { space, run }).await? {
        Reply::Run(view) => Ok(answer::json(StatusCode::ACCEPTED, &convert::run(&view))),
        // A call that somebody else waits for: they are told.
        Reply::Removed => Ok(answer::empty(StatusCode::ACCEPTED)),
        _ => Err(off_script()),
    }
}

/// `POST /api/wasm/runs`.
pub(crate) async fn start(app: &App, call: Call) -> Result<Response, Problem> {
    let space = space(&call)?;
    let asked: dto::StartWasmRun = call.json()?;
    may_reach(&call, asked.folder.as_ref())?;
    let grant = asked.folder.map(convert::grant);
    let what = match (asked.app, asked.path, asked.module) {
        (Some(id), None, None) if grant.is_none() => Runnable::App(app_id(&id)?),
        (None, Some(path), None) => {
            let module = app.node.wasm_module(space, path.clone()).await?;
            Runnable::Module(module, last_part(&path), grant)
        }
        (None, None, Some(module)) => {
            let name: String = asked.name.unwrap_or_default().chars().take(MAX_NAME_CHARS).collect();
            Runnable::Module(sent(app, module).await?, last_part(&name), grant)
        }
        _ => {
            return Err(Problem::wasm_what(
                "name an app, or a module in your home, or send one; an app has the folder it was granted",
            ));
        }
    };
    let arguments = convert::arguments(asked.args);
    let job = match asked.function {
        Some(function) => Job::Call { function, arguments },
        None => Job::Program { arguments, environment: environment(asked.env)? },
    };
    drop(call);
    let ask = convert::ask(asked.limits);
    let wanted = Wanted { space, what, job, ask, wait: false, fed: asked.stdin };
    match app.node.run_wasm(wanted).await? {
        Reply::Run(view) => Ok(answer::json(StatusCode::ACCEPTED, &convert::run(&view))),
        _ => Err(off_script()),
    }
}

/// Calls a function, and waits.
async fn called(
    app: &App,
    space: Space,
    module: Module,
    name: String,
    function: String,
    args: Vec<dto::WasmNumber>,
) -> Result<Response, Problem> {
    let job = Job::Call { function, arguments: convert::arguments(args) };
    let what = Runnable::Module(module, last_part(&name), None);
    let wanted = Wanted { space, what, job, ask: LimitsAsk::default(), wait: true, fed: false };
    match app.node.run_wasm(wanted).await? {
        Reply::Ended { end: pc2_protocols::wasm::end::End::Returned { results }, .. } => {
            let result = convert::result(&results);
            Ok(answer::json(StatusCode::OK, &dto::Executed { success: true, result }))
        }
        Reply::Ended { end, .. } => Err(Problem::wasm_end(&end)),
        _ => Err(off_script()),
    }
}

/// Whose space it is.
pub(super) fn space(call: &Call) -> Result<Space, Problem> {
    call.caller.space().ok_or_else(Problem::not_for_role)
}

/// Whoever names a folder must be one who may do there by themselves what they have a module do.
fn may_reach(call: &Call, folder: Option<&dto::WasmFolder>) -> Result<(), Problem> {
    let Some(folder) = folder else { return Ok(()) };
    let deeds: &[Deed] = match folder.access {
        dto::WasmAccess::Read => &[Deed::Read],
        dto::WasmAccess::ReadWrite => &[Deed::Read, Deed::Write],
    };
    let missing = deeds.iter().map(|deed| Scope(Area::Files, *deed)).find(|scope| !call.caller.has(*scope));
    match missing {
        Some(scope) => Err(Problem::not_for_key(Some(scope.name()))),
        None => Ok(()),
    }
}

/// A run of a space.
pub(super) async fn known_run(app: &App, space: Space, named: &str) -> Result<RunView, Problem> {
    match app.node.wasm(Command::Show { space, run: run_id(named)? }).await? {
        Reply::Run(view) => Ok(*view),
        _ => Err(off_script()),
    }
}

async fn known_app(app: &App, space: Space, named: &str) -> Result<AppRow, Problem> {
    match app.node.wasm(Command::App { space, id: app_id(named)? }).await? {
        Reply::App(row) => Ok(*row),
        _ => Err(off_script()),
    }
}

/// What has no id of that form is not there.
fn app_id(text: &str) -> Result<AppId, Problem> {
    text.parse().map_err(|_| CommandError::UnknownApp.into())
}

fn run_id(text: &str) -> Result<RunId, Problem> {
    RunId::parse(text).ok_or_else(Problem::wasm_no_run)
}

async fn sent(app: &App, module: String) -> Result<Module, Problem> {
    let bytes = STANDARD.decode(module).map_err(|_| Problem::wasm_bad_base64())?;
    Ok(app.node.wasm_sent(bytes).await?)
}

fn environment(variables: Vec<String>) -> Result<Vec<(String, String)>, Problem> {
    let pair = |variable: String| {
        let (name, value) = variable.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.to_owned()))
    };
    let pairs = variables.into_iter().map(pair).collect::<Option<_>>();
    pairs.ok_or_else(|| Problem::wasm_what("a variable is written NAME=value"))
}

fn last_part(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !super::content::misleads(*c)).take(MAX_NAME_CHARS).collect();
    if name.is_empty() { "module.wasm".to_owned() } else { name }
}

fn off_script() -> Problem {
    Problem::internal(&"the WASM machine answered with something else than it was asked")
}
