//! Apps and runs as the API shows them, and numbers as JSON has them.

use crate::dto;
use pc2_protocols::wasm::{
    Event, RunState, RunView,
    ask::LimitsAsk,
    end::{End, Usage},
    limits::{LimitKind, Limits},
    manifest::{Access, Kind},
    rows::{AppRow, Grant},
    values::Value,
};

/// Largest whole number that every reader of JSON keeps: 2^53 − 1.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// One number.
pub(crate) fn number(value: Value) -> dto::WasmNumber {
    let float = |number: f64| {
        let text = value.to_string();
        // A whole one is written as whole numbers are: 8, not 8.0. The sign of a zero stays.
        let whole = text.parse().ok().filter(|whole: &i64| whole.unsigned_abs() <= MAX_EXACT && text != "-0");
        let exact = whole.map(Into::into).or_else(|| serde_json::Number::from_f64(number));
        exact.map_or(dto::WasmNumber::Text(text), dto::WasmNumber::Number)
    };
    match value {
        Value::I32(number) => dto::WasmNumber::Number(number.into()),
        Value::I64(number) if number.unsigned_abs() <= MAX_EXACT => dto::WasmNumber::Number(number.into()),
        Value::I64(number) => dto::WasmNumber::Text(number.to_string()),
        // Read back from its shortest text, so that 0.1 is 0.1 and not what a double makes of it.
        Value::F32(bits) => float(f32::from_bits(bits).to_string().parse().unwrap_or(f64::NAN)),
        Value::F64(bits) => float(f64::from_bits(bits)),
    }
}

/// What a function gave.
pub(crate) fn result(values: &[Value]) -> dto::WasmResult {
    match values {
        [] => dto::WasmResult::One(None),
        [one] => dto::WasmResult::One(Some(number(*one))),
        several => dto::WasmResult::Several(several.iter().copied().map(number).collect()),
    }
}

/// Arguments as the runner reads them: by the types that the function takes.
pub(crate) fn arguments(args: Vec<dto::WasmNumber>) -> Vec<String> {
    let text = |arg| match arg {
        dto::WasmNumber::Number(number) => number.to_string(),
        dto::WasmNumber::Text(text) => text,
    };
    args.into_iter().map(text).collect()
}

/// An app. `node`: what the node gives a module at most.
pub(crate) fn app(row: &AppRow, node: &Limits) -> dto::WasmApp {
    let manifest = &row.manifest;
    let asked = manifest.data.as_ref().map(|data| data.access);
    dto::WasmApp {
        id: manifest.id.to_string(),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        about: manifest.about.clone(),
        kind: match manifest.kind {
            Kind::Functions => dto::WasmKind::Functions,
            Kind::Program => dto::WasmKind::Program,
        },
        module: row.module.hex(),
        bytes: row.bytes,
        asks: manifest
            .folder()
            .zip(asked)
            .map(|(folder, asked)| dto::WasmFolder { folder, access: access(asked) }),
        grant: row.grant.as_ref().map(folder),
        limits: limits(&manifest.limits.within(node)),
        installed: row.installed.0,
    }
}

/// A run.
pub(crate) fn run(view: &RunView) -> dto::WasmRun {
    let (state, end) = match &view.state {
        RunState::Waiting => (dto::WasmRunState::Waiting, None),
        RunState::Preparing => (dto::WasmRunState::Preparing, None),
        RunState::Running => (dto::WasmRunState::Running, None),
        RunState::Ended { end, at } => (dto::WasmRunState::Ended, Some(self::end(end, at.0))),
    };
    dto::WasmRun {
        id: view.id.to_string(),
        app: view.app.map(|app| app.to_string()),
        name: view.name.clone(),
        function: view.function.clone(),
        state,
        since: view.since.0,
        end,
        usage: usage(&view.usage),
        limits: limits(&view.limits),
        folder: view.grant.as_ref().map(folder),
    }
}

fn end(end: &End, at: u64) -> dto::WasmEnd {
    dto::WasmEnd {
        at,
        ordinary: matches!(end, End::Returned { .. } | End::Exited { .. }),
        code: end.code().map(str::to_owned),
        limit: end.limit().map(|kind: LimitKind| kind.name().to_owned()),
        exit_code: if let End::Exited { code } = end { Some(*code) } else { None },
        result: if let End::Returned { results } = end { Some(result(results)) } else { None },
        text: end.described(),
    }
}

/// What a run took.
fn usage(usage: &Usage) -> dto::WasmUsage {
    let Usage { fuel, time_us, memory_bytes, output_bytes, written_bytes, memory_refused: _ } = *usage;
    dto::WasmUsage { fuel, time_us, memory_bytes, output_bytes, written_bytes }
}

fn limits(limits: &Limits) -> dto::WasmLimits {
    let Limits { fuel, time_ms, memory_bytes, output_bytes, file_bytes, written_bytes, .. } = *limits;
    dto::WasmLimits { fuel, time_ms, memory_bytes, output_bytes, file_bytes, written_bytes }
}

/// The limits that somebody asks for.
pub(crate) fn ask(ask: dto::AskWasmLimits) -> LimitsAsk {
    let dto::AskWasmLimits { fuel, time_ms, memory_bytes, output_bytes, file_bytes, written_bytes } = ask;
    LimitsAsk { fuel, time_ms, memory_bytes, output_bytes, file_bytes, written_bytes, ..LimitsAsk::default() }
}

/// A folder that somebody grants.
pub(crate) fn grant(folder: dto::WasmFolder) -> Grant {
    let access = match folder.access {
        dto::WasmAccess::Read => Access::Read,
        dto::WasmAccess::ReadWrite => Access::ReadWrite,
    };
    let named = folder.folder.strip_prefix("~/").unwrap_or(&folder.folder);
    Grant { folder: named.trim_end_matches('/').to_owned(), access }
}

fn folder(grant: &Grant) -> dto::WasmFolder {
    dto::WasmFolder { folder: grant.folder.clone(), access: access(grant.access) }
}

const fn access(access: Access) -> dto::WasmAccess {
    match access {
        Access::Read => dto::WasmAccess::Read,
        Access::ReadWrite => dto::WasmAccess::ReadWrite,
    }
}

/// An event.
pub(crate) fn event(event: &Event) -> dto::Event {
    match event {
        Event::Run(view) => dto::Event::WasmRun(run(view)),
        Event::Forgotten { run, .. } => {
            dto::Event::WasmRunRemoved(dto::WasmRunRemoved { id: run.to_string() })
        }
        Event::Apps { .. } => dto::Event::WasmApps,
        Event::Reset => dto::Event::Resync,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: Value) -> String {
        serde_json::to_string(&number(value)).expect("JSON")
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_texts() {
        assert_eq!(json(Value::I32(-5)), "-5");
        assert_eq!(json(Value::I64(9_007_199_254_740_991)), "9007199254740991");
        assert_eq!(json(Value::I64(9_007_199_254_740_992)), "\"9007199254740992\"");
        assert_eq!(json(Value::I64(i64::MIN)), "\"-9223372036854775808\"");
        assert_eq!(json(Value::F64(0.5_f64.to_bits())), "0.5");
        assert_eq!(json(Value::F64(8_f64.to_bits())), "8");
        assert_eq!(json(Value::F64((-0_f64).to_bits())), "-0.0");
        assert_eq!(json(Value::F32(0.1_f32.to_bits())), "0.1");
        assert_eq!(json(Value::F64(f64::NAN.to_bits())), "\"NaN\"");
        assert_eq!(json(Value::F32(f32::NEG_INFINITY.to_bits())), "\"-inf\"");
    }

    #[test]
    fn nothing_is_null_one_is_itself_and_several_are_a_list() {
        let json = |values: &[Value]| serde_json::to_string(&result(values)).expect("JSON");
        assert_eq!(json(&[]), "null");
        assert_eq!(json(&[Value::I32(8)]), "8");
        assert_eq!(json(&[Value::I32(8), Value::I64(9)]), "[8,9]");
    }

    #[test]
    fn arguments_arrive_as_they_were_written() {
        let args: Vec<dto::WasmNumber> =
            serde_json::from_str("[5, -3, 18446744073709551615, 1.5, \"9223372036854775807\", \"NaN\"]")
                .expect("numbers");
        assert_eq!(arguments(args), ["5", "-3", "18446744073709551615", "1.5", "9223372036854775807", "NaN"]);
        assert!(serde_json::from_str::<Vec<dto::WasmNumber>>("[null]").is_err());
        assert!(serde_json::from_str::<Vec<dto::WasmNumber>>("[{}]").is_err());
    }
}
