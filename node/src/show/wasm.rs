//! WASM apps and results as text.

use super::files::amount;
use pc2_web::dto;

/// `pc2 wasm list`.
pub(crate) fn apps(list: &dto::WasmAppList) -> String {
    if list.apps.is_empty() {
        return "No app is installed. Install one with `pc2 wasm install app.toml`.".to_owned();
    }
    list.apps.iter().map(app).collect::<Vec<_>>().join("\n")
}

/// One app, in a line or two.
pub(crate) fn app(app: &dto::WasmApp) -> String {
    let dto::WasmApp { id, name, version, .. } = app;
    let may = match (&app.grant, &app.asks) {
        (Some(grant), _) => format!("may {}", in_folder(grant)),
        (None, Some(ask)) => format!("asks to {}, which is not granted", in_folder(ask)),
        (None, None) => "reaches no files".to_owned(),
    };
    format!("{id}  {name} {version}, {}; {may}", amount(app.bytes))
}

fn in_folder(folder: &dto::WasmFolder) -> String {
    let what = match folder.access {
        dto::WasmAccess::Read => "read",
        dto::WasmAccess::ReadWrite => "read and write",
    };
    let place = if folder.folder.is_empty() { "your whole home" } else { &folder.folder };
    format!("{what} in {place}")
}

/// What a function gave.
pub(crate) fn result(result: &dto::WasmResult) -> String {
    let number = |number: &dto::WasmNumber| match number {
        dto::WasmNumber::Number(number) => number.to_string(),
        dto::WasmNumber::Text(text) => text.clone(),
    };
    match result {
        dto::WasmResult::One(None) => String::new(),
        dto::WasmResult::One(Some(one)) => number(one),
        dto::WasmResult::Several(several) => several.iter().map(number).collect::<Vec<_>>().join("\n"),
    }
}
