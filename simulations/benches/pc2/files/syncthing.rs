//! syncthing as a peer: two instances that know each other's address and nothing else, told when to look at a folder.
//!
//! In: a file that has been put beside (a link, no copy). Out: until the other instance has it under its final name. Discovery, relays, UPnP and telemetry are off; everything
//! else is as it comes.

use super::{
    cost::Carrier,
    ground::{Ground, forget},
    programs::{Running, find, run, until, within},
};
use crate::process::free_port;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The one folder that both share.
const FOLDER: &str = "bench";

/// Nothing measured here takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(180);

/// One instance.
struct Instance {
    process: Running,
    api: String,
    key: String,
    id: String,
    listens: String,
    shared: PathBuf,
    agent: ureq::Agent,
}

impl Instance {
    fn start(program: &Path, folder: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| error.to_string();
        let (home, shared) = (folder.join("home"), folder.join("shared"));
        fs::create_dir_all(&shared).map_err(told)?;
        let (home_text, port) = (home.display().to_string(), free_port());
        run(&[&program.display().to_string(), "generate", "--no-default-folder", "--home", &home_text])?;
        let key = "benchmark".to_owned();
        let words = [
            "serve".to_owned(),
            "--home".to_owned(),
            home_text,
            "--no-browser".to_owned(),
            "--no-restart".to_owned(),
            "--no-upgrade".to_owned(),
            "--no-default-folder".to_owned(),
            format!("--gui-address=http://127.0.0.1:{port}"),
            format!("--gui-apikey={key}"),
        ];
        let process = Running::start(program, &words, folder)?.listening(port)?;
        let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        let listens = format!("tcp://127.0.0.1:{}", free_port());
        let mut instance = Self {
            process,
            api: format!("http://127.0.0.1:{port}/rest"),
            key,
            id: String::new(),
            listens,
            shared,
            agent,
        };
        let status = until("syncthing answers", || instance.get("/system/status"))?;
        instance.id = status["myID"].as_str().ok_or("syncthing has an id")?.to_owned();
        let options = json!({
            "listenAddresses": [instance.listens], "globalAnnounceEnabled": false, "localAnnounceEnabled": false,
            "relaysEnabled": false, "natEnabled": false, "urAccepted": -1, "crashReportingEnabled": false,
            "autoUpgradeIntervalH": 0, "startBrowser": false,
        });
        instance.change("PATCH", "/config/options", &options)?;
        Ok(instance)
    }

    /// Shares the folder with the other one.
    fn meet(&self, other: &Self, kind: &str) -> Result<(), String> {
        let device = json!({ "deviceID": other.id, "addresses": [other.listens] });
        self.change("PUT", &format!("/config/devices/{}", other.id), &device)?;
        let folder = json!({
            "id": FOLDER, "path": self.shared, "type": kind, "fsWatcherEnabled": false, "rescanIntervalS": 0,
            "devices": [{ "deviceID": self.id }, { "deviceID": other.id }],
        });
        self.change("PUT", &format!("/config/folders/{FOLDER}"), &folder)
    }

    fn get(&self, path: &str) -> Option<Value> {
        let asked = self.agent.get(format!("{}{path}", self.api)).header("x-api-key", &self.key);
        asked.call().ok()?.body_mut().read_json().ok()
    }

    fn change(&self, method: &str, path: &str, body: &Value) -> Result<(), String> {
        let url = format!("{}{path}", self.api);
        let asked = match method {
            "PUT" => self.agent.put(url),
            "PATCH" => self.agent.patch(url),
            _ => self.agent.post(url),
        };
        let sent = asked.header("x-api-key", &self.key).send_json(body);
        sent.map(drop).map_err(|error| format!("syncthing, {path}: {error}"))
    }

    fn scan(&self) -> Result<(), String> {
        self.change("POST", &format!("/db/scan?folder={FOLDER}"), &json!({}))
    }
}

/// Two of them.
pub(super) struct Syncthing {
    from: Instance,
    into: Instance,
}

impl Syncthing {
    /// Started and connected.
    pub(super) fn start(ground: &Ground) -> Result<Self, String> {
        let program = find("syncthing")?;
        let folder = |name: &str| ground.folder(name).map_err(|error| error.to_string());
        let from = Instance::start(&program, &folder("syncthing-from")?)?;
        let into = Instance::start(&program, &folder("syncthing-into")?)?;
        into.meet(&from, "receiveonly")?;
        from.meet(&into, "sendonly")?;
        let connected = |one: &Instance, other: &Instance| {
            let connections = one.get("/system/connections")?;
            (connections["connections"][&other.id]["connected"] == true).then_some(())
        };
        until("the two instances are connected", || connected(&into, &from))?;
        Ok(Self { from, into })
    }

    fn arrives(&self, source: &Path) -> PathBuf {
        self.into.shared.join(source.file_name().unwrap_or_default())
    }
}

impl Carrier for Syncthing {
    fn name(&self) -> &'static str {
        "syncthing"
    }

    fn servers(&self) -> Vec<u32> {
        vec![self.from.process.pid(), self.into.process.pid()]
    }

    fn prepare(&mut self, source: &Path) -> Result<(), String> {
        let beside = self.from.shared.join(source.file_name().unwrap_or_default());
        forget(&beside).and_then(|()| fs::hard_link(source, &beside)).map_err(|error| error.to_string())
    }

    fn carry(&mut self, source: &Path) -> Result<PathBuf, String> {
        self.from.scan()?;
        let arrives = self.arrives(source);
        within(PATIENCE, "syncthing has brought it", || arrives.exists().then_some(()))?;
        Ok(arrives)
    }

    fn clear(&mut self) {
        // Both forget the file, and with it its blocks: the next one must be fetched as a whole.
        for entry in fs::read_dir(&self.from.shared).into_iter().flatten().flatten() {
            if entry.file_name() != ".stfolder" {
                let _gone = forget(&entry.path());
            }
        }
        for instance in [&self.into, &self.from] {
            if let Err(error) = instance.scan() {
                println!("{error}");
            }
        }
        let idle = |instance: &Instance| {
            let status = instance.get(&format!("/db/status?folder={FOLDER}"))?;
            (status["state"] == "idle" && status["needTotalItems"] == 0).then_some(())
        };
        if let Err(error) = until("syncthing is idle", || idle(&self.from).and(idle(&self.into))) {
            println!("{error}");
        }
    }
}
