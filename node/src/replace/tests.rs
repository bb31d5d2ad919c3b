use super::*;
use crate::setup_file;
use pc2_protocols::{crypto::phrase::Phrase, time::UnixMillis};
use pc2_storage::Change;
use std::sync::mpsc;
use tempfile::TempDir;

const FRESH: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
const OTHER: &str = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";

fn phrase(words: &str) -> Phrase {
    words.parse().expect("a phrase")
}

fn setup(words: &str) -> SetupFile {
    let phrase = phrase(words);
    SetupFile::new(&phrase.keys(), &phrase, setup_file::beginning().expect("randomness")).expect("made")
}

/// A directory with a fresh identity that has run, and a wish for another one.
fn wished() -> (TempDir, Home) {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::find(Some(directory.path().to_owned())).expect("named");
    let keys = phrase(FRESH).keys();
    setup(FRESH).write(&home.setup()).expect("written");
    identity_file::write(&home, &IdentityFile::plain(&keys, UnixMillis(1))).expect("written");
    let (storage, _) =
        Storage::open(home.path(), &keys.storage_key(), &Options::default()).expect("a database");
    storage.close();
    let file = IdentityFile::plain(&phrase(OTHER).keys(), UnixMillis(2));
    wish(&home, keys.node(), &file, &setup(OTHER)).expect("wished");
    (directory, home)
}

fn here(home: &Home) -> Option<NodeId> {
    identity_file::read(home).expect("readable").map(|file| file.node().expect("whole"))
}

/// The other identity is here with its own setup and an empty database, and the fresh one is whole where it was put aside.
fn is_replaced(home: &Home) {
    let (fresh, other) = (phrase(FRESH).keys(), phrase(OTHER).keys());
    assert_eq!(here(home), Some(other.node()));
    let setup = SetupFile::read(&home.setup(), other.node()).expect("its own setup");
    assert!(setup.phrase(&other).is_some());
    Storage::open(home.path(), &other.storage_key(), &Options::default()).expect("a database of its own");
    let folders = fs::read_dir(home.path()).expect("listed").flatten();
    let aside = folders.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("replaced-"));
    let aside = Home::find(aside).expect("put aside");
    assert_eq!(here(&aside), Some(fresh.node()));
    assert!(
        SetupFile::read(&aside.setup(), fresh.node()).is_some_and(|setup| setup.phrase(&fresh).is_some())
    );
    Storage::open(aside.path(), &fresh.storage_key(), &Options::default()).expect("its database");
    assert!(!is_wished(home) && !home.path().join("next.new").exists());
}

#[test]
fn a_fresh_identity_gives_its_place_to_a_restored_one_and_is_kept_aside() {
    let (_directory, home) = wished();
    assert_eq!(here(&home), Some(phrase(FRESH).keys().node()), "a wish alone changes nothing");
    assert_eq!(decide(&home, &phrase(FRESH).keys()).expect("decided"), Outcome::Replaced);
    is_replaced(&home);
    go_on(&home).expect("nothing is left to do");
    is_replaced(&home);
    assert_eq!(decide(&home, &phrase(OTHER).keys()).expect("decided"), Outcome::NoWish);
}

#[test]
fn whatever_move_it_was_interrupted_after_the_next_start_goes_on() {
    let all = GOES_ASIDE.len() + COMES.len();
    for done in 0..=all {
        let (_directory, home) = wished();
        home::write_private(&wish_dir(&home).join("go"), b"").expect("decided");
        let plan = plan(&home).expect("a plan");
        if done > 0 {
            make(&aside(&home, &plan)).expect("made");
        }
        for step in moves(&home, &plan).take(done) {
            step.take().expect("moved");
        }
        // No command makes an identity of its own in between.
        if here(&home).is_none() {
            let another = IdentityKeys::from_seed(zeroize::Zeroizing::new([9; 64]));
            assert!(identity_file::create(&home, &another, None).is_err(), "after {done} moves");
        }
        go_on(&home).expect("goes on");
        is_replaced(&home);
    }
}

#[test]
fn an_identity_that_was_used_after_the_wish_stays_and_the_owner_is_told() {
    let (_directory, home) = wished();
    let keys = phrase(FRESH).keys();
    let (storage, _) =
        Storage::open(home.path(), &keys.storage_key(), &Options::default()).expect("a database");
    let row = pc2_storage::WalletRow {
        account: keys.node(),
        address: [1; 20],
        role: pc2_storage::WebRole::Owner,
        label: String::new(),
        added: UnixMillis(1),
        added_by: None,
    };
    let (done, written) = mpsc::channel();
    let change = Change::Access(pc2_storage::AccessChange::PutWallet(row));
    storage.writer().submit(vec![change], move |result| done.send(result).expect("we wait")).expect("room");
    written.recv().expect("an answer").expect("written");
    storage.close();
    assert_eq!(decide(&home, &keys).expect("decided"), Outcome::Stayed);
    assert_eq!(here(&home), Some(keys.node()));
    assert!(SetupFile::read(&home.setup(), keys.node()).expect("there").state().stayed);
    assert!(!is_wished(&home));
}

#[test]
fn a_wish_that_was_not_written_to_its_end_is_none_and_leaves_nothing_of_the_other_identity() {
    let (_directory, home) = wished();
    fs::rename(wish_dir(&home), home.path().join("next.new")).expect("as if killed before the rename");
    go_on(&home).expect("nothing to do");
    assert!(!home.path().join("next.new").exists());
    assert_eq!(decide(&home, &phrase(FRESH).keys()).expect("decided"), Outcome::NoWish);
}

#[test]
fn an_identity_that_is_neither_of_the_two_is_not_touched() {
    let (_directory, home) = wished();
    home::write_private(&wish_dir(&home).join("go"), b"").expect("decided");
    let stranger = IdentityKeys::from_seed(zeroize::Zeroizing::new([9; 64]));
    identity_file::write(&home, &IdentityFile::plain(&stranger, UnixMillis(3))).expect("written");
    assert!(go_on(&home).is_err());
    assert_eq!(here(&home), Some(stranger.node()));
}
