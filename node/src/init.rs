//! `pc2 init`, `pc2 restore`, `pc2 id`: making, bringing back and showing an identity. No node runs for these.
//!
//! `pc2 init` shows the phrase once, on standard output, and keeps it nowhere: the identity file holds the seed made from it. What `pc2 up` makes
//! keeps it sealed ([`crate::setup_file`]); `pc2 phrase` shows that.

use crate::{
    cli::InitArgs,
    exit::{self, Exit},
    home::Home,
    identity_file, phrase_io,
    setup_file::SetupFile,
};
use pc2_protocols::{
    crypto::{keys::IdentityKeys, keystore::IdentityFile, phrase::Phrase},
    id::NodeId,
    identity::{self, ProfileRow},
};
use pc2_storage::{Change, Options, Storage};
use serde_json::{Value, json};
use std::{path::Path, sync::mpsc};
use zeroize::Zeroizing;

/// `pc2 init`.
pub(crate) fn init(home: &Home, arguments: &InitArgs, as_json: bool) -> anyhow::Result<()> {
    check_name(arguments.name.as_deref())?;
    home.create()?;
    let (phrase, keys) = draw()?;
    keep(home, arguments, &keys)?;
    if as_json {
        let mut answer = identity_json(keys.node());
        answer["phrase"] = spoken(&phrase).as_str().into();
        println!("{answer:#}");
    } else {
        show_phrase(&phrase);
        println!("{}", keys.node().did());
    }
    Ok(())
}

/// Draws a new identity.
pub(crate) fn draw() -> anyhow::Result<(Phrase, IdentityKeys)> {
    let entropy = Zeroizing::new(identity_file::random()?);
    let phrase = Phrase::from_entropy(&entropy);
    let keys = phrase.keys();
    Ok((phrase, keys))
}

/// Writes an identity that is new here.
pub(crate) fn keep(home: &Home, arguments: &InitArgs, keys: &IdentityKeys) -> anyhow::Result<()> {
    identity_file::create(home, keys, arguments.passphrase_file.as_deref())?;
    if let Some(name) = &arguments.name {
        store_name(home, keys, name)?;
    }
    Ok(())
}

/// `pc2 restore`.
pub(crate) fn restore(home: &Home, arguments: &InitArgs, as_json: bool) -> anyhow::Result<()> {
    check_name(arguments.name.as_deref())?;
    let text = Zeroizing::new(phrase_io::recovery_phrase()?);
    let phrase: Phrase = text.parse()?;
    let keys = phrase.keys();
    home.create()?;
    keep(home, arguments, &keys)?;
    if as_json {
        println!("{:#}", identity_json(keys.node()));
    } else {
        println!("Restored {}", keys.node().did());
        println!(
            "Contacts and messages were on the old machine: they come back from its data directory, not from the phrase."
        );
    }
    Ok(())
}

/// `pc2 phrase`: shows the phrase again, where it is kept.
pub(crate) fn show_kept_phrase(
    home: &Home,
    passphrase_file: Option<&Path>,
    as_json: bool,
) -> anyhow::Result<()> {
    let file = identity_file::read_existing(home)?;
    let keys = identity_file::open(&file, passphrase_file)?;
    let phrase = SetupFile::read(&home.setup(), keys.node()).and_then(|setup| setup.phrase(&keys));
    let phrase = phrase.ok_or_else(|| {
        let message =
            "this node does not keep its recovery phrase: it was shown once, where the identity was made";
        Exit::error(exit::NOT_FOUND, message)
    })?;
    if as_json {
        println!("{:#}", json!({ "phrase": spoken(&phrase).as_str() }));
    } else {
        print_words(&phrase);
    }
    Ok(())
}

/// `pc2 id`.
pub(crate) fn show_id(home: &Home, as_json: bool) -> anyhow::Result<()> {
    let file = identity_file::read_existing(home)?;
    let node = file.node()?;
    if as_json {
        let mut answer = identity_json(node);
        answer["sealed"] = file.is_sealed().into();
        println!("{answer:#}");
    } else {
        println!(
            "DID      {}\nNodeId   {node}\nPeerId   {}\n{}",
            node.did(),
            node.peer_id_text(),
            sealed_note(&file)
        );
    }
    Ok(())
}

/// Whether the key lies open, said plainly.
fn sealed_note(file: &IdentityFile) -> &'static str {
    if file.is_sealed() {
        "The secret is sealed with a passphrase."
    } else {
        "The secret lies unsealed in identity.json: whoever can read that file is this identity."
    }
}

/// Shows a new phrase, once.
pub(crate) fn show_phrase(phrase: &Phrase) {
    println!("Your recovery phrase. Write it down now: it is the only way back if this machine is lost.\n");
    print_words(phrase);
}

fn print_words(phrase: &Phrase) {
    for (number, word) in phrase.words().enumerate() {
        print!("{:>4}. {word:<10}{}", number + 1, if (number + 1) % 4 == 0 { "\n" } else { "" });
    }
    println!();
}

/// Keeps the owner's name where the node will look for it.
fn store_name(home: &Home, keys: &IdentityKeys, name: &str) -> anyhow::Result<()> {
    let (storage, _report) = Storage::open(home.path(), &keys.storage_key(), &Options::default())?;
    let profile =
        ProfileRow { account: keys.node(), name: name.trim().to_owned(), since: identity_file::now() };
    let (done, durable) = mpsc::channel();
    storage.writer().submit(vec![Change::Profile(profile)], move |result| {
        // The receiver waits below.
        let _somebody_waits = done.send(result);
    })?;
    durable.recv()??;
    storage.close();
    Ok(())
}

fn spoken(phrase: &Phrase) -> Zeroizing<String> {
    Zeroizing::new(phrase.words().collect::<Vec<_>>().join(" "))
}

fn identity_json(node: NodeId) -> Value {
    json!({ "did": node.did().to_string(), "node_id": node.to_string(), "peer_id": node.peer_id_text() })
}

fn check_name(name: Option<&str>) -> anyhow::Result<()> {
    name.map_or(Ok(()), |name| Ok(identity::plain_name(name).map(|_| ())?))
}
