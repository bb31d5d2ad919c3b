//! The bot of the documentation, as it stands there: a program of 60 lines with a key of two scopes reads messages and answers them.

use crate::support::{Node, become_contacts};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bot.mjs")
}

/// Stopped when dropped.
struct Bot(Child);

impl Bot {
    fn start(node: &Node, key: &str, log: &Path) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let process = Command::new("node")
            .arg(script())
            .env("PC2_URL", node.origin())
            .env("PC2_KEY", key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("node starts");
        Self(process)
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // It may have ended by itself, which the test notices otherwise.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn has_node() -> bool {
    Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn the_bot_of_the_documentation_answers_each_message_once_whatever_is_restarted() {
    if !has_node() {
        println!("SKIPPED: there is no `node` on this machine to run docs/bot.mjs with");
        return;
    }
    let mut bots = Node::start("Bot", &[]);
    let bootstrap = bots.bootstrap_addresses();
    let mut alice = Node::start("Alice", &bootstrap);
    become_contacts(&mut bots, &mut alice);
    let (bots_did, alice_did) = (bots.did(), alice.did());
    let made = bots.pc2_ok(&["key", "new", "bot", "--scope", "chat:read", "--scope", "chat:write"]);
    let key = made["secret"].as_str().expect("a secret").to_owned();
    let log = bots.data().join("bot.log");
    let say = |alice: &Node, text: &str| {
        alice.pc2_ok(&["send", &bots_did, text]);
    };
    let answered = |alice: &mut Node, texts: &[&str]| {
        alice.eventually("the bot has answered", |alice| {
            let page = alice.conversation(&bots_did);
            let heard: Vec<String> =
                page.into_iter().filter(|(_, _, mine)| !mine).map(|(_, text, _)| text).collect();
            let wanted =
                texts.iter().map(|text| format!("You wrote {} word(s): {text}", text.split(' ').count()));
            assert!(heard.len() <= texts.len(), "answered twice: {heard:?}");
            (heard == wanted.collect::<Vec<_>>()).then_some(())
        });
    };

    // Said before there was a bot: it catches up.
    say(&alice, "are you there");
    bots.eventually("it has arrived", |node| {
        (node.get(&format!("/api/contacts/{alice_did}"))?["unread"] == 1).then_some(())
    });
    let bot = Bot::start(&bots, &key, &log);
    answered(&mut alice, &["are you there"]);
    // A long one, in a frame of another form.
    let long = ["word"; 700].join(" ");
    say(&alice, &long);
    answered(&mut alice, &["are you there", &long]);

    drop(bot);
    say(&alice, "while you slept");
    let _bot = Bot::start(&bots, &key, &log);
    answered(&mut alice, &["are you there", &long, "while you slept"]);

    // Its node is killed under it: it comes back by itself.
    bots.kill();
    say(&alice, "and now");
    bots.run();
    answered(&mut alice, &["are you there", &long, "while you slept", "and now"]);
    let page = bots.get(&format!("/api/conversations/{alice_did}/messages?limit=1")).expect("a page");
    assert!(page["items"][0]["reply_to"].is_string(), "an answer says to what");
    assert_eq!(bots.get("/api/contacts").expect("contacts")["items"][0]["unread"], json!(0));
}

#[test]
fn the_bot_has_sixty_lines_at_most_and_needs_nothing_but_node() {
    let text = fs::read_to_string(script()).expect("the script is there");
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    let imports = text.lines().filter(|line| line.starts_with("import "));
    assert!(imports.clone().count() > 0 && imports.clone().all(|line| line.contains("from 'node:")));
}
