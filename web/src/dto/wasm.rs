//! WASM: apps, grants, runs, and what is called.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number, or a text where JSON has no such number: beyond ±(2^53 − 1), `NaN`, `inf`, `-inf`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(untagged)]
pub enum WasmNumber {
    /// As JSON has it.
    Number(serde_json::Number),
    /// As text.
    Text(String),
}

/// What a function gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(untagged)]
pub enum WasmResult {
    /// One number, as most do; `null` for nothing.
    One(Option<WasmNumber>),
    /// Several.
    Several(Vec<WasmNumber>),
}

incoming! {
    /// A function of a module in one's home, to be called.
    pub struct ExecuteFile {
        /// The module, from one's home on.
        #[serde(rename = "filePath")]
        pub file_path: String,
        /// The exported function.
        #[serde(rename = "functionName")]
        pub function_name: String,
        /// Its arguments, as numbers or texts.
        #[serde(default)]
        pub args: Vec<WasmNumber>,
    }

    /// A function of a module that is sent along, to be called.
    pub struct Execute {
        /// The module, as base64; `module` is another name for it.
        #[serde(rename = "wasmBinary", alias = "module")]
        pub wasm_binary: String,
        /// The exported function.
        #[serde(rename = "functionName")]
        pub function_name: String,
        /// Its arguments, as numbers or texts.
        #[serde(default)]
        pub args: Vec<WasmNumber>,
    }

    /// An app to be installed: from one's home, or sent along.
    #[derive(Default)]
    pub struct InstallWasmApp {
        /// Its `app.toml`, from one's home on; its module is beside it.
        #[serde(default)]
        pub path: Option<String>,
        /// Otherwise: the text of `app.toml`.
        #[serde(default)]
        pub manifest: Option<String>,
        /// And the module, as base64.
        #[serde(default)]
        pub module: Option<String>,
    }

    /// What an app is granted from now on.
    #[derive(Default)]
    pub struct SetWasmGrant {
        /// The folder that it finds as `/data`; `null`: none. A key needs `files:read` to name one, and `files:write` to have it written to.
        #[serde(default)]
        pub folder: Option<WasmFolder>,
    }

    /// What is to be run: an app, a module in one's home, or one that is sent along.
    #[derive(Default)]
    pub struct StartWasmRun {
        /// An installed app.
        #[serde(default)]
        pub app: Option<String>,
        /// Or a module, from one's home on.
        #[serde(default)]
        pub path: Option<String>,
        /// Or a module, as base64.
        #[serde(default)]
        pub module: Option<String>,
        /// What to call a module that is sent along.
        #[serde(default)]
        pub name: Option<String>,
        /// The exported function to be called; left out: it is run as a program.
        #[serde(default)]
        pub function: Option<String>,
        /// Arguments: of the function, or of the program.
        #[serde(default)]
        pub args: Vec<WasmNumber>,
        /// Environment of the program, each as `NAME=value`.
        #[serde(default)]
        pub env: Vec<String>,
        /// Its stream will be followed: who says something there first gives the run input, and what the run writes waits for who looks first. Otherwise there is no input, and the last of what it writes is kept.
        #[serde(default)]
        pub stdin: bool,
        /// A folder for a module that is no app; an app has what it was granted. A key needs `files:read` to name one, and `files:write` to have it written to.
        #[serde(default)]
        pub folder: Option<WasmFolder>,
        /// Lower limits than it has anyway.
        #[serde(default)]
        pub limits: AskWasmLimits,
    }

    /// Limits by name; what is left out is what it is anyway. Nothing can be more.
    #[derive(Copy, Default)]
    pub struct AskWasmLimits {
        /// Operators executed.
        #[serde(default)]
        pub fuel: Option<u64>,
        /// Milliseconds on the clock.
        #[serde(default)]
        pub time_ms: Option<u64>,
        /// Bytes of memory.
        #[serde(default)]
        pub memory_bytes: Option<u64>,
        /// Bytes printed.
        #[serde(default)]
        pub output_bytes: Option<u64>,
        /// Bytes of one file.
        #[serde(default)]
        pub file_bytes: Option<u64>,
        /// Bytes written to files, in all.
        #[serde(default)]
        pub written_bytes: Option<u64>,
    }

    /// What is said on the stream of a run: a piece of its input, or its end.
    #[derive(Default)]
    pub struct WasmInput {
        /// A text.
        #[serde(default)]
        pub text: Option<String>,
        /// Or bytes, as base64.
        #[serde(default)]
        pub base64: Option<String>,
        /// Nothing more follows.
        #[serde(default)]
        pub end: bool,
    }
}

out! {
    /// What a call gave.
    pub struct Executed {
        /// It returned.
        pub success: bool,
        /// A number; `null` when the function gives nothing, a list when it gives several.
        pub result: WasmResult,
    }

    /// Installed apps, by id.
    pub struct WasmAppList {
        /// At most 100.
        pub apps: Vec<WasmApp>,
    }

    /// An installed app.
    pub struct WasmApp {
        /// Its id.
        pub id: String,
        /// What people call it.
        pub name: String,
        /// Its version.
        pub version: String,
        /// What it is for; may be empty.
        pub about: String,
        /// How it is run.
        pub kind: WasmKind,
        /// The BLAKE3 hash of its module.
        pub module: String,
        /// Bytes of its module.
        pub bytes: u64,
        /// The folder it asks for.
        pub asks: Option<WasmFolder>,
        /// The folder it was granted.
        pub grant: Option<WasmFolder>,
        /// What it may take.
        pub limits: WasmLimits,
        /// Since when it is installed in this version.
        pub installed: u64,
    }

    /// How an app is run.
    #[derive(Copy)]
    pub enum WasmKind {
        /// Its exported functions are called one by one.
        Functions,
        /// As a WASI program.
        Program,
    }

    /// A folder of one's home, and what may be done in it.
    pub struct WasmFolder {
        /// From the home on; empty: the home itself.
        pub folder: String,
        /// What may be done.
        pub access: WasmAccess,
    }

    /// What may be done in a folder.
    #[derive(Copy)]
    pub enum WasmAccess {
        /// Reading.
        Read,
        /// Reading and writing.
        ReadWrite,
    }

    /// What one run may take.
    #[derive(Copy)]
    pub struct WasmLimits {
        /// Operators executed.
        pub fuel: u64,
        /// Milliseconds on the clock.
        pub time_ms: u64,
        /// Bytes of memory.
        pub memory_bytes: u64,
        /// Bytes printed.
        pub output_bytes: u64,
        /// Bytes of one file.
        pub file_bytes: u64,
        /// Bytes written to files, in all.
        pub written_bytes: u64,
    }

    /// Runs under way and the last that ended, the newest first.
    pub struct WasmRunList {
        /// Sixteen that ended, at most.
        pub runs: Vec<WasmRun>,
    }

    /// A run.
    pub struct WasmRun {
        /// Its id.
        pub id: String,
        /// The app, if it is one.
        pub app: Option<String>,
        /// What the app or module is called.
        pub name: String,
        /// The function that is called; `null` for a program.
        pub function: Option<String>,
        /// How far it is.
        pub state: WasmRunState,
        /// Since when it is known.
        pub since: u64,
        /// How it ended.
        pub end: Option<WasmEnd>,
        /// What it took, as far as is known.
        pub usage: WasmUsage,
        /// What it may take.
        pub limits: WasmLimits,
        /// The folder it has.
        pub folder: Option<WasmFolder>,
    }

    /// How far a run is.
    #[derive(Copy)]
    pub enum WasmRunState {
        /// It waits for its turn.
        Waiting,
        /// Its module is looked at, and compiled if that was not done before.
        Preparing,
        /// It runs.
        Running,
        /// It has ended.
        Ended,
    }

    /// How a run ended.
    pub struct WasmEnd {
        /// When.
        pub at: u64,
        /// By itself; a program's exit code says more.
        pub ordinary: bool,
        /// Otherwise: as problems have it, `wasm_limit` for one.
        pub code: Option<String>,
        /// Which limit it was.
        pub limit: Option<String>,
        /// Of a program.
        pub exit_code: Option<u32>,
        /// Of a function.
        pub result: Option<WasmResult>,
        /// For people.
        pub text: String,
    }

    /// What a run took.
    #[derive(Copy)]
    pub struct WasmUsage {
        /// Operators executed; of a module that trapped, up to its last call.
        pub fuel: u64,
        /// Microseconds on the clock.
        pub time_us: u64,
        /// Bytes of memory, at its largest.
        pub memory_bytes: u64,
        /// Bytes printed.
        pub output_bytes: u64,
        /// Bytes written to files.
        pub written_bytes: u64,
    }

    /// Which run is gone.
    pub struct WasmRunRemoved {
        /// Its id.
        pub id: String,
    }

    /// What a program wrote.
    pub struct WasmOutput {
        /// Where to.
        pub stream: WasmStream,
        /// As text, when it is UTF-8.
        pub text: Option<String>,
        /// Otherwise as base64.
        pub base64: Option<String>,
        /// So many bytes before this are not kept any more.
        pub skipped: u64,
    }

    /// Which output of a program.
    #[derive(Copy)]
    pub enum WasmStream {
        /// Standard output.
        Out,
        /// Standard error.
        Err,
    }
}

/// A frame of the stream of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum WasmFrame {
    /// It wrote something.
    Output(WasmOutput),
    /// It is over: the run as it is now. Nothing follows.
    End(Box<WasmRun>),
}
