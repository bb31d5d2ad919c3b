//! What web and command line ask of the node about WASM: modules opened and installed, runs begun, looked at and fed.
//!
//! In: whose space, and what. Out: the machine's answers. Files are opened on threads that may wait, before the machine hears of a run. Who may ask for which
//! space is decided before anybody gets here (`pc2-web`).

use super::{
    cache::nameless,
    desk::Entry,
    log::Reader,
    modules::{Module, ModuleError},
};
use crate::{
    api::{NodeHandle, call},
    callers::CallError,
};
use pc2_protocols::wasm::{
    Command, CommandError, Job, Reply, RunId, What,
    ask::LimitsAsk,
    limits::Limits,
    manifest::Manifest,
    rows::{Grant, Space},
};
use std::io::Write as _;
use tokio::sync::mpsc;

/// What is to be run.
#[derive(Debug)]
pub enum Runnable {
    /// An installed app.
    App(pc2_protocols::wasm::manifest::AppId),
    /// A module, under a name, with a folder that whoever starts it gives it.
    Module(Module, String, Option<Grant>),
}

/// A run to be begun.
#[derive(Debug)]
pub struct Wanted {
    /// Whose.
    pub space: Space,
    /// What.
    pub what: Runnable,
    /// What is done with it.
    pub job: Job,
    /// Lower limits.
    pub ask: LimitsAsk,
    /// Answer when it has ended, and do not remember it.
    pub wait: bool,
    /// Somebody will give it input ([`NodeHandle::wasm_input`]).
    pub fed: bool,
}

/// Why something about WASM was not done.
#[derive(Debug, thiserror::Error)]
pub enum WasmError {
    /// The machine, or the node, says why.
    #[error(transparent)]
    Call(#[from] CallError<CommandError>),
    /// The module.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// This program has no runner.
    #[error("this program cannot run modules")]
    NoRunner,
}

impl NodeHandle {
    /// Asks the WASM machine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn wasm(&self, command: Command) -> Result<Reply, CallError<CommandError>> {
        call(&self.inner.wasm, &self.inner.wasm_vitals, command).await
    }

    /// What one module may take on this node, at most.
    #[must_use]
    pub fn wasm_limits(&self) -> &Limits {
        &self.inner.wasm_yard.config.limits
    }

    /// Opens a module in the home of a space.
    ///
    /// # Errors
    /// [`ModuleError`].
    pub async fn wasm_module(&self, space: Space, path: String) -> Result<Module, ModuleError> {
        self.with_yard(move |yard| {
            let file = yard.homes.file(space, &path)?;
            yard.modules.look(file, yard.config.limits.module_bytes)
        })
        .await
    }

    /// Reads a small text file in the home of a space, if it is there.
    ///
    /// # Errors
    /// [`ModuleError`], also when it is larger than `most` or no UTF-8.
    pub async fn wasm_text(&self, space: Space, path: String, most: u64) -> Result<String, ModuleError> {
        self.with_yard(move |yard| {
            let file = yard.homes.file(space, &path)?;
            let bytes = file.metadata()?.len();
            if bytes > most {
                return Err(ModuleError::LongText { bytes, most });
            }
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut std::io::Read::take(file, most), &mut text)?;
            String::from_utf8(text).map_err(|_| ModuleError::NotText)
        })
        .await
    }

    /// Takes a module in that somebody sends. It is gone when it was run.
    ///
    /// # Errors
    /// [`ModuleError`].
    pub async fn wasm_sent(&self, bytes: Vec<u8>) -> Result<Module, ModuleError> {
        self.with_yard(move |yard| {
            let mut file = nameless(&yard.cache)?;
            file.write_all(&bytes)?;
            yard.modules.look(file, yard.config.limits.module_bytes)
        })
        .await
    }

    /// Begins a run, when it is its turn.
    ///
    /// # Errors
    /// [`WasmError`]. How a run ended is no error.
    pub async fn run_wasm(&self, wanted: Wanted) -> Result<Reply, WasmError> {
        let yard = &self.inner.wasm_yard;
        if yard.config.runner.is_none() {
            return Err(WasmError::NoRunner);
        }
        let Wanted { space, what, job, ask, wait, fed } = wanted;
        let mut name = [0; RunId::LEN];
        getrandom::fill(&mut name)
            .map_err(|error| ModuleError::Io(std::io::Error::other(error.to_string())))?;
        let run = RunId::from_bytes(name);
        let (what, file) = match what {
            Runnable::App(id) => (What::App { id }, None),
            Runnable::Module(Module { file, hash, .. }, name, grant) => {
                (What::Module { module: hash, name, grant }, Some(file))
            }
        };
        yard.desk.put(run, Entry::new(file, fed));
        let result = self.wasm(Command::Run { run, space, what, job, ask: Box::new(ask), wait }).await;
        if result.is_err() {
            yard.desk.forget(run);
        }
        Ok(result?)
    }

    /// Installs an app, or another version of it.
    ///
    /// # Errors
    /// [`WasmError`].
    pub async fn install_wasm(
        &self,
        space: Space,
        manifest: Manifest,
        module: Module,
    ) -> Result<Reply, WasmError> {
        let node = self.clone();
        // Whoever asked may go away meanwhile: the module stays wanted until its row is there.
        let installed = self.inner.io.spawn(async move {
            let (hash, bytes) = (module.hash, module.bytes);
            let wanted = node.inner.wasm_yard.modules.want(hash);
            let manifest = Box::new(manifest);
            let installed = match node.with_yard(move |yard| yard.modules.keep(&module)).await {
                Ok(()) => {
                    let install = Command::Install { space, manifest, module: hash, bytes };
                    node.wasm(install).await.map_err(WasmError::from)
                }
                Err(error) => Err(error.into()),
            };
            drop(wanted);
            if installed.is_err() {
                // When this fails, too, the next start removes it.
                drop(node.wasm(Command::Discard { module: hash }).await);
            }
            installed
        });
        installed.await.unwrap_or(Err(ModuleError::Stopped.into()))
    }

    /// What a run writes, from the oldest kept on. The machine must have said whose it is.
    #[must_use]
    pub fn wasm_output(&self, run: RunId) -> Option<Reader> {
        Some(self.inner.wasm_yard.desk.find(run)?.log.read())
    }

    /// Somebody may not have a space here any more: what runs for them is stopped, and when they are `gone` for good, their apps go, too. Their files stay.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn end_wasm_space(&self, space: Space, gone: bool) -> Result<(), CallError<CommandError>> {
        self.wasm(Command::EndSpace { space, apps: gone }).await.map(drop)
    }

    /// Where a run's input goes: given to the first who asks. It ends when this is dropped. The machine must have said whose run it is.
    #[must_use]
    pub fn wasm_input(&self, run: RunId) -> Option<mpsc::Sender<Vec<u8>>> {
        self.inner.wasm_yard.desk.find(run)?.take_giver()
    }

    async fn with_yard<T: Send + 'static>(
        &self,
        work: impl FnOnce(&super::Yard) -> Result<T, ModuleError> + Send + 'static,
    ) -> Result<T, ModuleError> {
        let yard = std::sync::Arc::clone(&self.inner.wasm_yard);
        self.inner.io.spawn_blocking(move || work(&yard)).await.unwrap_or(Err(ModuleError::Stopped))
    }
}
