//! Modules run on a real node by its real runner: over HTTP, by the command line, and by others than the owner.
//!
//! Not here: what a module can try from inside (`wasm_runner`).

use crate::support::{Node, PATIENCE, strike};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// `add` and `div` of two numbers, a loop without end, and what does not fit into JSON.
const CALCULATOR: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
    (func (export "loop") (loop (br 0)))
    (func (export "big") (result i64) (i64.const 9223372036854775807)))"#;

/// A WASI program that writes "hello" and a line's end to its output, "oops" to its errors, and ends with 3.
const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hello\n")
    (data (i32.const 32) "oops\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 6))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 0) (i32.const 32)) (i32.store (i32.const 4) (i32.const 5))
        (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $exit (i32.const 3))))"#;

/// A WASI program that copies its input to its output.
const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (loop $again
            (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1000))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (i32.store (i32.const 4) (i32.load (i32.const 8)))
            (if (i32.load (i32.const 8)) (then
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                (br $again))))))"#;

fn put(path: &Path, text: &str) -> PathBuf {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, wat::parse_str(text).expect("a module")).expect("written");
    path.to_owned()
}

/// A node with the calculator in the owner's home.
fn node(configuration: &str) -> Node {
    let mut node = Node::stopped("Ann", &[]);
    fs::write(node.data().join("config.toml"), configuration).expect("written");
    put(&node.data().join("users/owner/calculator.wasm"), CALCULATOR);
    node.run();
    node
}

/// Asks as the owner: status and answer.
fn ask(node: &Node, cookie: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let (status, _, answer) = node.browse(method, path, cookie, body).expect("an answer");
    (status, answer)
}

fn execute(node: &Node, cookie: &str, file: &str, function: &str, args: &Value) -> (u16, Value) {
    let body = json!({ "filePath": file, "functionName": function, "args": args });
    ask(node, cookie, "POST", "/api/wasm/execute-file", &body)
}

/// Begins the loop without end.
fn begin_loop(node: &Node, cookie: &str) -> String {
    let body = json!({ "path": "calculator.wasm", "function": "loop" });
    let (status, begun) = ask(node, cookie, "POST", "/api/wasm/runs", &body);
    assert_eq!(status, 202, "{begun}");
    begun["id"].as_str().expect("an id").to_owned()
}

/// A run as it is.
fn run(node: &Node, cookie: &str, id: &str) -> Value {
    ask(node, cookie, "GET", &format!("/api/wasm/runs/{id}"), &Value::Null).1
}

/// Processes that are children of this one.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut children: Vec<u32> = text.split_whitespace().filter_map(|one| one.parse().ok()).collect();
    // Those that other threads made.
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.extend(text.split_whitespace().filter_map(|one| one.parse::<u32>().ok()));
    }
    children.sort_unstable();
    children.dedup();
    children
}

fn is_there(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn a_function_of_a_module_in_the_home_is_called_over_http() {
    let node = node("[wasm.limits]\nfuel = 10_000_000\n");
    assert!(children(node.pid()).is_empty(), "a node that runs nothing has no runner");
    let cookie = node.sign_in();
    let (status, answer) = execute(&node, &cookie, "calculator.wasm", "add", &json!([5, 3]));
    assert_eq!((status, answer), (200, json!({ "success": true, "result": 8 })));
    assert_eq!(execute(&node, &cookie, "~/calculator.wasm", "add", &json!(["-5", 3])).1["result"], -2);
    assert_eq!(execute(&node, &cookie, "calculator.wasm", "loop", &json!([])).1["limit"], "fuel");
    assert_eq!(
        execute(&node, &cookie, "calculator.wasm", "big", &json!([])).1["result"],
        "9223372036854775807"
    );
    for (file, function, args, status, code) in [
        ("calculator.wasm", "add", json!([5]), 400, "wasm_wrong_arguments"),
        ("calculator.wasm", "add", json!([5, "x"]), 400, "wasm_wrong_arguments"),
        ("calculator.wasm", "nothing", json!([]), 400, "wasm_missing_export"),
        ("calculator.wasm", "div", json!([1, 0]), 422, "wasm_trap"),
        ("nothing.wasm", "add", json!([5, 3]), 404, "wasm_not_there"),
        ("../../identity.json", "add", json!([5, 3]), 404, "wasm_not_there"),
        ("/etc/passwd", "add", json!([5, 3]), 404, "wasm_not_there"),
    ] {
        let (got, answer) = execute(&node, &cookie, file, function, &args);
        assert_eq!((got, answer["code"].as_str()), (status, Some(code)), "{file} {function}: {answer}");
        assert!(!answer.to_string().contains(&node.data().display().to_string()), "{answer}");
    }
    fs::write(node.data().join("users/owner/text.wasm"), "no module").expect("written");
    let (status, answer) = execute(&node, &cookie, "text.wasm", "add", &json!([5, 3]));
    assert_eq!((status, answer["code"].as_str()), (400, Some("wasm_not_a_module")), "{answer}");
}

#[test]
fn a_module_is_compiled_once_and_a_changed_compiled_one_is_compiled_anew() {
    let mut node = node("");
    let compiled = |node: &Node| {
        let log = fs::read_to_string(node.data().join("test.log")).expect("a log");
        (log.matches("a module was compiled").count(), log.matches("is not what this node made").count())
    };
    let call = |node: &Node| {
        let cookie = node.sign_in();
        let (status, answer) = execute(node, &cookie, "calculator.wasm", "add", &json!([5, 3]));
        assert_eq!((status, &answer["result"]), (200, &json!(8)), "{answer}");
    };
    call(&node);
    call(&node);
    assert_eq!(compiled(&node), (1, 0));
    node.kill();
    node.run();
    call(&node);
    assert_eq!(compiled(&node), (1, 0), "a second start compiles nothing");
    node.kill();
    let cache = node.data().join("wasm/cache");
    let mut files = fs::read_dir(&cache).expect("a cache").map(|entry| entry.expect("listed").path());
    let artifact = files.find(|path| path.extension().is_none_or(|end| end != "mac")).expect("one");
    let mut bytes = fs::read(&artifact).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&artifact, bytes).expect("written");
    node.run();
    call(&node);
    assert_eq!(compiled(&node), (2, 1));
}

#[test]
fn the_node_answers_while_modules_loop_and_what_is_too_much_is_refused() {
    let configuration = "[wasm]\nruns = 2\nruns_per_wallet = 2\nwaiting_per_wallet = 1\n[wasm.limits]\nfuel = 10_000_000_000_000\ntime_ms = 8000\n";
    let mut node = node(configuration);
    let cookie = node.sign_in();
    let loops: Vec<String> = (0..3).map(|_| begin_loop(&node, &cookie)).collect();
    let states = || loops.iter().map(|id| run(&node, &cookie, id)["state"].clone()).collect::<Vec<_>>();
    let end = Instant::now() + PATIENCE;
    while states() != ["running", "running", "waiting"] {
        assert!(Instant::now() < end, "{:?}", states());
        std::thread::sleep(Duration::from_millis(10));
    }
    let (status, answer) = execute(&node, &cookie, "calculator.wasm", "add", &json!([5, 3]));
    assert_eq!((status, answer["limit"].as_str()), (429, Some("runs")), "{answer}");
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(node.get("/health").expect("an answer")["status"], "ok");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    for id in &loops {
        let end = node.eventually("it has ended", |node| {
            let run = run(node, &cookie, id);
            (run["state"] == "ended").then(|| run["end"].clone())
        });
        assert_eq!(
            (end["code"].as_str(), end["limit"].as_str()),
            (Some("wasm_limit"), Some("time")),
            "{end}"
        );
    }
    assert_eq!(execute(&node, &cookie, "calculator.wasm", "add", &json!([5, 3])).1["result"], 8);
}

#[test]
fn a_runner_that_is_killed_is_told_as_crashed_and_the_node_goes_on() {
    let mut node = node("[wasm.limits]\nfuel = 10_000_000_000_000\ntime_ms = 60_000\n");
    let cookie = node.sign_in();
    let looped = begin_loop(&node, &cookie);
    node.eventually("it runs", |node| (run(node, &cookie, &looped)["state"] == "running").then_some(()));
    children(node.pid()).into_iter().for_each(strike);
    let end = node.eventually("it has ended", |node| {
        let run = run(node, &cookie, &looped);
        (run["state"] == "ended").then(|| run["end"].clone())
    });
    assert_eq!(end["code"], "wasm_crashed", "{end}");
    assert_eq!(execute(&node, &cookie, "calculator.wasm", "add", &json!([5, 3])).1["result"], 8);
}

#[test]
fn ctrl_c_at_the_command_line_stops_the_run() {
    let node = node("[wasm.limits]\nfuel = 10_000_000_000_000\ntime_ms = 600_000\n");
    let cookie = node.sign_in();
    let file = node.data().join("users/owner/calculator.wasm");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pc2"));
    command.arg("--data").arg(node.data()).args(["wasm", "run"]).arg(&file).arg("loop");
    let running = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("pc2 runs");
    let end = Instant::now() + PATIENCE;
    let runs = || ask(&node, &cookie, "GET", "/api/wasm/runs", &Value::Null).1["runs"].clone();
    while runs()[0]["state"] != "running" {
        assert!(Instant::now() < end, "{}", runs());
        std::thread::sleep(Duration::from_millis(10));
    }
    let interrupt = Command::new("kill").args(["-2", &running.id().to_string()]).status();
    assert!(interrupt.expect("kill runs").success());
    let output = running.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.trim()), (Some(130), "pc2: interrupted; the run was stopped"));
    while runs()[0]["state"] != "ended" {
        assert!(Instant::now() < end, "{}", runs());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(runs()[0]["end"]["code"], "wasm_stopped");
}

#[test]
fn no_runner_outlives_its_node_however_that_ends() {
    for killed in [true, false] {
        let mut node = node("");
        let cookie = node.sign_in();
        execute(&node, &cookie, "calculator.wasm", "add", &json!([5, 3]));
        let runners = children(node.pid());
        assert!(!runners.is_empty());
        if killed {
            node.kill();
        } else {
            let pid = node.pid().to_string();
            assert!(Command::new("kill").args(["-15", &pid]).status().expect("kill runs").success());
        }
        node.eventually("every runner is gone", |_| {
            runners.iter().all(|runner| !is_there(*runner)).then_some(())
        });
    }
}

#[test]
fn the_command_line_prints_what_a_function_gives() {
    let node = node("");
    let file = put(&node.data().join("elsewhere/calculator.wasm"), CALCULATOR);
    let file = file.to_str().expect("text");
    let run = |arguments: &[&str]| {
        let output =
            node.begin(&[&["wasm", "run", file], arguments].concat()).wait_with_output().expect("ran");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(run(&["add", "5", "3"]), (Some(0), "8\n".to_owned(), String::new()));
    assert_eq!(run(&["add", "-5", "3"]).1, "-2\n");
    let (code, _, words) = run(&["div", "1", "0"]);
    assert_eq!(code, Some(1));
    assert!(words.starts_with("pc2: It crashed"), "{words}");
    assert_eq!(run(&["nothing"]).0, Some(5));
}

#[test]
fn the_command_line_runs_a_program_streams_what_it_writes_and_ends_with_its_code() {
    let node = node("");
    let file = put(&node.data().join("elsewhere/hello.wasm"), HELLO);
    let output = node.begin(&["wasm", "run", file.to_str().expect("text")]).wait_with_output().expect("ran");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(3), &b"hello\n"[..]), "{errors}");
    assert_eq!(errors, "oops\n");

    let file = put(&node.data().join("elsewhere/echo.wasm"), ECHO);
    let mut program = Command::new(env!("CARGO_BIN_EXE_pc2"))
        .arg("--data")
        .arg(node.data())
        .args(["wasm", "run", "--stdin"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pc2 starts");
    let said = "ä line\n".repeat(10_000);
    let mut input = program.stdin.take().expect("input");
    let to_say = said.clone();
    let says = std::thread::spawn(move || input.write_all(to_say.as_bytes()).expect("taken"));
    let output = program.wait_with_output().expect("ran");
    says.join().expect("no panic");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == said.as_bytes(), "{} of {} bytes came back", output.stdout.len(), said.len());
}

#[test]
fn apps_are_installed_granted_listed_and_removed_and_survive_a_restart() {
    let mut node = node("");
    let folder = node.data().join("elsewhere");
    put(&folder.join("hello.wasm"), HELLO);
    let manifest = "id = \"hello\"\nname = \"Hello\"\nversion = \"1\"\nmodule = \"hello.wasm\"\nkind = \"program\"\n[data]\naccess = \"read-write\"\n";
    fs::write(folder.join("app.toml"), manifest).expect("written");
    let path = folder.join("app.toml");
    let app = node.pc2_ok(&["wasm", "install", path.to_str().expect("text")]);
    assert_eq!((&app["id"], &app["grant"]), (&json!("hello"), &Value::Null));
    assert_eq!(app["asks"], json!({ "folder": "Apps/hello", "access": "read_write" }));
    fs::remove_dir_all(&folder).expect("the node has a copy");
    node.kill();
    node.run();
    let grants = json!({ "folder": { "folder": "Apps/hello", "access": "read_write" } });
    let granted = node.put("/api/wasm/apps/hello/grants", &grants).expect("granted");
    assert_eq!(granted["grant"]["folder"], "Apps/hello");
    let output = node.begin(&["wasm", "run", "--app", "hello"]).wait_with_output().expect("ran");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(3), &b"hello\n"[..]));
    assert!(node.data().join("users/owner/Apps/hello").is_dir());
    assert_eq!(node.pc2_ok(&["wasm", "list"])["apps"][0]["id"], "hello");
    node.pc2_ok(&["wasm", "remove", "hello"]);
    assert_eq!(node.pc2_ok(&["wasm", "list"])["apps"], json!([]));
    let kept = || fs::read_dir(node.data().join("wasm/modules")).expect("a folder").count();
    let end = Instant::now() + PATIENCE;
    while kept() > 0 {
        assert!(Instant::now() < end, "the module goes with its app");
        std::thread::sleep(Duration::from_millis(10));
    }
}
