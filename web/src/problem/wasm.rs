//! What goes wrong with WASM: refusals of the machine, modules that are not there, and runs that ended as they should not.

use super::Problem;
use pc2_actors::api::{CallError, ModuleError, PlaceError, WasmError};
use pc2_protocols::wasm::{CommandError, end::End, limits::LimitKind, manifest::ManifestError};
use warp::http::StatusCode;

impl Problem {
    /// A call that did not return.
    pub(crate) fn wasm_end(end: &End) -> Self {
        let status = match end {
            End::NotAModule { .. }
            | End::Component
            | End::ImportRefused { .. }
            | End::MissingExport { .. }
            | End::WrongArguments { .. } => StatusCode::BAD_REQUEST,
            End::Limit { kind: LimitKind::ModuleSize } => StatusCode::PAYLOAD_TOO_LARGE,
            End::Limit { kind: LimitKind::Runs } => StatusCode::TOO_MANY_REQUESTS,
            End::Limit { .. } | End::Trap { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            End::Stopped => StatusCode::CONFLICT,
            End::NoFolder { .. } => StatusCode::NOT_FOUND,
            End::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            End::BadArtifact { .. }
            | End::NotLockedIn { .. }
            | End::NotPrepared { .. }
            | End::Crashed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            // A program that is called as if it were functions.
            End::Returned { .. } | End::Exited { .. } => StatusCode::BAD_REQUEST,
        };
        let code = end.code().unwrap_or("wasm_not_a_function");
        let limit = end.limit().map(LimitKind::name);
        let retry = end.limit() == Some(LimitKind::Runs);
        Self { limit, retry, ..Self::new(status, code, end.described()) }
    }

    /// No folder, file or module is named, or more than one.
    pub(crate) fn wasm_what(message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn wasm_bad_base64() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_base64", "the module is no base64")
    }

    /// A run whose output is not there any more.
    pub(crate) fn wasm_no_run() -> Self {
        CommandError::UnknownRun.into()
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        use CommandError as Error;
        let (status, code) = match &error {
            Error::UnknownApp => (StatusCode::NOT_FOUND, "unknown_app"),
            Error::UnknownRun => (StatusCode::NOT_FOUND, "unknown_run"),
            Error::Taken => (StatusCode::CONFLICT, "already_there"),
            Error::TooManyRuns { .. } => {
                let limit = Some(LimitKind::Runs.name());
                let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "wasm_limit", error);
                return Self { limit, retry: true, ..problem };
            }
            Error::TooManyApps { .. } => (StatusCode::CONFLICT, "limit_reached"),
            Error::BadJob(_) => (StatusCode::BAD_REQUEST, "wasm_wrong_arguments"),
            Error::BadLimit(_) => (StatusCode::BAD_REQUEST, "bad_limit"),
            Error::BadGrant(_) => (StatusCode::BAD_REQUEST, "bad_grant"),
        };
        Self::new(status, code, error)
    }
}

impl From<ModuleError> for Problem {
    fn from(error: ModuleError) -> Self {
        match error {
            ModuleError::Place(error) => error.into(),
            ModuleError::TooLarge { .. } => {
                let limit = Some(LimitKind::ModuleSize.name());
                Self { limit, ..Self::new(StatusCode::PAYLOAD_TOO_LARGE, "wasm_limit", error) }
            }
            ModuleError::LongText { .. } | ModuleError::NotText => {
                Self::new(StatusCode::BAD_REQUEST, "bad_manifest", error)
            }
            ModuleError::Changed => Self::new(StatusCode::CONFLICT, "wasm_changed", error),
            ModuleError::Io(error) => Self::not_written(&error),
            ModuleError::Stopped => CallError::<std::convert::Infallible>::Stopped.into(),
        }
    }
}

impl From<PlaceError> for Problem {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::NotThere { .. } => Self::new(StatusCode::NOT_FOUND, "wasm_not_there", error),
            PlaceError::Io(error) => Self::not_written(&error),
        }
    }
}

impl From<WasmError> for Problem {
    fn from(error: WasmError) -> Self {
        match error {
            WasmError::Call(error) => error.into(),
            WasmError::Module(error) => error.into(),
            WasmError::NoRunner => Self::new(StatusCode::SERVICE_UNAVAILABLE, "wasm_no_runner", error),
        }
    }
}

impl From<ManifestError> for Problem {
    fn from(error: ManifestError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_manifest", error)
    }
}
