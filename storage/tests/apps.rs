//! Installed WASM apps: kept with their grants, replaced, removed, and in no export.

mod common;

use common::*;
use pc2_protocols::{
    id::{BlobId, NodeId},
    time::UnixMillis,
    wasm::{
        manifest::{Access, Manifest},
        rows::{AppRow, Change as Wasm, Grant, Space},
    },
};
use pc2_storage::{Change, Storage};

fn app(account: NodeId, space: Space, version: &str, grant: Option<Grant>) -> AppRow {
    let manifest = format!(
        "id = \"a\"\nname = \"A\"\nversion = \"{version}\"\nmodule = \"a.wasm\"\nkind = \"program\"\n[data]\naccess = \"read\"\n[limits]\nfuel = 7\n"
    );
    let manifest = Manifest::parse(&manifest).expect("a manifest");
    let module = BlobId::from_bytes([3; 32]);
    AppRow { account, space, manifest, module, bytes: 5, grant, installed: UnixMillis(1) }
}

fn put(row: &AppRow) -> Change {
    Change::Wasm(Wasm::PutApp(Box::new(row.clone())))
}

fn apps(storage: &Storage) -> Vec<AppRow> {
    storage.reader().wasm_snapshot(ME).expect("read").apps.into_values().collect()
}

#[test]
fn apps_survive_a_restart_with_what_they_were_granted_and_each_space_has_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let theirs = Space::Wallet([9; 20]);
    let granted = Some(Grant { folder: "Documents".to_owned(), access: Access::Read });
    let rows = [app(ME, Space::Owner, "1", granted), app(ME, theirs, "1", None)];
    let of_another = app(PEER, Space::Owner, "1", None);
    write(&storage, rows.iter().chain([&of_another]).map(put).collect()).expect("written");
    storage.close();

    let (storage, _) = open(dir.path());
    assert_eq!(apps(&storage), rows);
    let second = app(ME, Space::Owner, "2", None);
    let removed = Change::Wasm(Wasm::RemoveApp { account: ME, key: rows[1].key() });
    write(&storage, vec![put(&second), removed]).expect("written");
    storage.close();
    assert_eq!(apps(&open(dir.path()).0), [second]);
}
