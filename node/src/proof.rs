//! `pc2 doctor --blobs`: reads every file that is offered or partly received, and says which are not what they were.
//!
//! A running node does it itself and is asked how far it is; the files of a stopped one are read here. Either way it takes as long as
//! reading them takes. Ctrl-C ends this command; a running node goes on looking, and tells what it found when it is asked again.

use crate::{
    cli::DoctorArgs,
    client::Client,
    doctor::{failed, passed},
    exit,
    home::Home,
    identity_file,
    meter::Meter,
    progress::Teller,
    show,
};
use pc2_storage::{
    Options, Storage,
    blobs::{BlobStore, Checked},
};
use pc2_web::dto::{BlobProof, BlobTrouble, Check};
use serde_json::json;
use std::{
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

/// How often a running node is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the checks are called.
const NAME: &str = "offered files";

/// Looks at everything; a check for all of it, and one for each file that is not what it was.
pub(crate) fn checks(home: &Home, arguments: &DoctorArgs, as_json: bool) -> Vec<Check> {
    let mut teller = Teller::new(as_json);
    let found = match Client::find(home).and_then(|client| by_node(&client, &mut teller)) {
        Err(error) if exit::code_of(&error) == exit::NOT_RUNNING => here(home, arguments, &mut teller),
        other => other,
    };
    teller.end();
    match found {
        Ok(proof) => told(&proof),
        Err(error) => vec![failed(NAME, &format!("{error:#}"), "see above; then look again")],
    }
}

fn by_node(client: &Client, teller: &mut Teller) -> anyhow::Result<BlobProof> {
    let mut proof: BlobProof = client.post("/api/doctor/blobs", &json!({}))?;
    let mut meter = Meter::default();
    while proof.running {
        tell(teller, &mut meter, proof.bytes);
        thread::sleep(LOOK_EVERY);
        proof = client.get("/api/doctor/blobs")?;
    }
    Ok(proof)
}

/// Reads the files of a node that does not run. Its directory is locked meanwhile: it cannot be started.
fn here(home: &Home, arguments: &DoctorArgs, teller: &mut Teller) -> anyhow::Result<BlobProof> {
    let file = identity_file::read_existing(home)?;
    let keys = identity_file::open(&file, arguments.passphrase_file.as_deref())?;
    let options = Options::default();
    let (storage, _report) = Storage::open(home.path(), &keys.storage_key(), &options)?;
    let store = BlobStore::open(&storage, &options)?;
    let (mut read, mut meter) = (0_u64, Meter::default());
    let found = store.check_blobs(&mut |bytes| {
        read = read.saturating_add(bytes);
        tell(teller, &mut meter, read);
        ControlFlow::Continue(())
    });
    drop(store);
    storage.close();
    Ok(shown(&found?))
}

fn tell(teller: &mut Teller, meter: &mut Meter, bytes: u64) {
    let now = Instant::now();
    meter.note(now, bytes);
    teller.tell_bytes(now, "Reading files", bytes, meter.rate());
}

/// As a running node tells it.
fn shown(checked: &Checked) -> BlobProof {
    let trouble = |trouble: &pc2_storage::blobs::Trouble| BlobTrouble {
        blob: trouble.id.hex(),
        path: trouble.path.to_string_lossy().into_owned(),
        what: trouble.what.to_string(),
        mended: trouble.what.is_mended(),
    };
    BlobProof {
        running: false,
        bytes: checked.bytes,
        blobs: checked.blobs,
        ended: Some(identity_file::now().0),
        troubles: checked.troubles.iter().map(trouble).collect(),
        more: checked.more,
        failed: None,
    }
}

fn told(proof: &BlobProof) -> Vec<Check> {
    if let Some(why) = &proof.failed {
        return vec![failed(NAME, why, "look again; if it stays so, look after the disk")];
    }
    let bad = proof.troubles.iter().filter(|trouble| !trouble.mended).count();
    let looked = format!("{} looked at, {} read", proof.blobs, show::amount(proof.bytes));
    let mut checks = vec![if bad == 0 && proof.more == 0 {
        passed(NAME, &format!("{looked}; all are what they were"))
    } else {
        let more = if proof.more == 0 { String::new() } else { format!(", and {} more", proof.more) };
        failed(
            NAME,
            &format!("{looked}; {bad} are not what they were{more}"),
            "each is named below, with what to do",
        )
    }];
    checks.extend(proof.troubles.iter().map(|trouble| {
        // The words say what to do: they depend on what is wrong.
        let detail = format!("{} {}", trouble.path, trouble.what);
        Check { name: "file".to_owned(), ok: trouble.mended, detail, advice: None }
    }));
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_that_is_not_what_it_was_is_named_and_what_is_mended_is_no_failure() {
        let trouble = |path: &str, mended| BlobTrouble {
            blob: String::new(),
            path: path.to_owned(),
            what: "was changed".to_owned(),
            mended,
        };
        let mut proof = BlobProof {
            running: false,
            bytes: 3 << 20,
            blobs: 3,
            ended: Some(1),
            troubles: vec![trouble("/a", false), trouble("/b", true)],
            more: 0,
            failed: None,
        };
        let checks = told(&proof);
        assert_eq!(checks.iter().map(|check| check.ok).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(checks[1].detail, "/a was changed");
        assert!(checks[0].detail.contains("3 MiB read; 1 are not"), "{}", checks[0].detail);
        proof.troubles.remove(0);
        assert!(told(&proof).iter().all(|check| check.ok));
    }
}
