use super::*;
use crate::crypto::vectors;
use proptest::prelude::*;
use serde_json::{Value, json};

const PLAIN: &str = include_str!("../../../testdata/identity/identity-plain.json");
const SEALED: &str = include_str!("../../../testdata/identity/identity-sealed.json");

/// The passphrase of [`SEALED`], as a keyboard gives it that composes letters.
const PASSPHRASE: &str = "Gr\u{fc}\u{df}e aus K\u{f6}ln";

const CREATED: UnixMillis = UnixMillis(1_767_225_600_000);

/// Cheap, so that tests are quick; never in a file of a person.
const CHEAP: KdfCost = KdfCost { memory_kib: 64, passes: 2, lanes: 1 };

fn keys() -> IdentityKeys {
    let vector = &vectors::read(include_str!("../../../testdata/identity/identity.txt"))[0];
    IdentityKeys::from_seed(Zeroizing::new(vector.array("seed")))
}

fn sealed(passphrase: &str, cost: KdfCost) -> Result<IdentityFile, SealError> {
    let salt = std::array::from_fn(|index| u8::try_from(index).expect("16 is small"));
    let nonce = std::array::from_fn(|index| u8::try_from(100 + index).expect("124 is small"));
    IdentityFile::sealed(&keys(), CREATED, passphrase, cost, &salt, &nonce)
}

/// Reads a file after one field, given as a JSON pointer, was replaced.
fn changed(file: &str, pointer: &str, value: Value) -> IdentityFile {
    let mut json: Value = serde_json::from_str(file).expect("JSON");
    *json.pointer_mut(pointer).expect("the field exists") = value;
    serde_json::from_value(json).expect("still the shape of an identity file")
}

fn opened(file: &IdentityFile) -> Result<NodeId, OpenFileError> {
    file.open(Some(PASSPHRASE)).map(|keys| keys.node())
}

fn damaged(file: &IdentityFile) -> &'static str {
    match opened(file) {
        Err(OpenFileError::Damaged { field, .. }) => field,
        other => panic!("not seen as damaged: {other:?}"),
    }
}

#[test]
fn the_files_of_another_implementation_open() {
    let plain: IdentityFile = serde_json::from_str(PLAIN).expect("an identity file");
    assert_eq!(opened(&plain), Ok(keys().node()));
    let sealed: IdentityFile = serde_json::from_str(SEALED).expect("an identity file");
    assert_eq!(opened(&sealed), Ok(keys().node()));
    assert_eq!((plain.is_sealed(), sealed.is_sealed()), (false, true));
    assert_eq!((plain.created(), plain.node()), (CREATED, Ok(keys().node())));
}

#[test]
fn what_is_written_is_what_the_other_implementation_wrote() {
    let json = |file: &IdentityFile| serde_json::to_value(file).expect("JSON");
    let expected = |file| serde_json::from_str::<Value>(file).expect("JSON");
    assert_eq!(json(&IdentityFile::plain(&keys(), CREATED)), expected(PLAIN));
    assert_eq!(json(&sealed(PASSPHRASE, CHEAP).expect("sealed")), expected(SEALED));
}

#[test]
fn a_passphrase_opens_however_the_keyboard_composes_its_letters() {
    let file = sealed("Gru\u{308}\u{df}e aus Ko\u{308}ln", CHEAP).expect("sealed");
    assert_eq!(opened(&file), Ok(keys().node()));
}

#[test]
fn a_sealed_file_asks_for_its_passphrase_and_refuses_another() {
    let file = sealed(PASSPHRASE, CHEAP).expect("sealed");
    assert_eq!(file.open(None).map(|keys| keys.node()), Err(OpenFileError::PassphraseNeeded));
    let wrong = file.open(Some("Gruesse")).map(|keys| keys.node());
    assert_eq!(wrong, Err(OpenFileError::WrongPassphrase));
}

#[test]
fn an_empty_passphrase_seals_nothing() {
    assert_eq!(sealed("", CHEAP).map(drop), Err(SealError::EmptyPassphrase));
}

#[test]
fn an_absurd_cost_is_refused_before_memory_is_taken() {
    let absurd = [
        KdfCost { memory_kib: u32::MAX, ..CHEAP },
        KdfCost { memory_kib: KdfCost::MAX.memory_kib + 1, ..CHEAP },
        KdfCost { memory_kib: 0, ..CHEAP },
        KdfCost { passes: 17, ..CHEAP },
        KdfCost { passes: 0, ..CHEAP },
        KdfCost { lanes: 17, ..CHEAP },
        KdfCost { lanes: 0, ..CHEAP },
        // Argon2 wants 8 KiB for every lane.
        KdfCost { memory_kib: 64, passes: 1, lanes: 9 },
    ];
    for cost in absurd {
        assert_eq!(sealed(PASSPHRASE, cost).map(drop), Err(SealError::Cost(CostError { cost })));
        let value = serde_json::to_value(cost).expect("JSON");
        let file = changed(SEALED, "/secret/sealed/cost", value);
        assert_eq!(opened(&file), Err(OpenFileError::Cost(CostError { cost })));
    }
}

#[test]
fn the_default_cost_is_accepted() {
    assert!(KdfCost::DEFAULT.params().is_ok());
    assert!(KdfCost::MAX.params().is_ok());
}

#[test]
fn a_newer_file_is_not_called_damaged() {
    let newer = r#"{"version": 2, "identities": []}"#;
    let version: FileVersion = serde_json::from_str(newer).expect("every version keeps this field");
    assert_eq!(version.check(), Err(OpenFileError::NewerVersion { got: 2 }));
    assert_eq!(opened(&changed(PLAIN, "/version", json!(3))), Err(OpenFileError::NewerVersion { got: 3 }));
    assert_eq!(damaged(&changed(PLAIN, "/version", json!(0))), "version");
}

#[test]
fn a_damaged_field_is_named() {
    for (file, pointer, value, field) in [
        (PLAIN, "/node_id", json!("hello 0"), "node_id"),
        (PLAIN, "/did", json!("did:boson:other"), "did"),
        (PLAIN, "/public_key", json!("00"), "public_key"),
        (PLAIN, "/secret/plain/seed", json!("3i9GZve"), "seed"),
        (PLAIN, "/secret/plain/seed", json!("l0l"), "seed"),
        (PLAIN, "/secret/plain/seed", json!("2".repeat(100_000)), "seed"),
        (SEALED, "/secret/sealed/salt", json!(""), "salt"),
        (SEALED, "/secret/sealed/sealed_seed", json!("2222"), "sealed_seed"),
    ] {
        assert_eq!(damaged(&changed(file, pointer, value)), field);
    }
}

#[test]
fn a_secret_of_another_identity_is_noticed() {
    let other = IdentityKeys::from_seed(Zeroizing::new([1; SEED_BYTES]));
    let seed = bs58::encode(other.seed()).into_string();
    let file = changed(PLAIN, "/secret/plain/seed", json!(seed));
    let error = OpenFileError::OtherIdentity { file: keys().node(), secret: other.node() };
    assert_eq!(opened(&file), Err(error));
}

#[test]
fn a_sealed_seed_cannot_be_moved_into_another_file() {
    assert_eq!(opened(&changed(SEALED, "/created", json!(1))), Err(OpenFileError::WrongPassphrase));
}

#[test]
fn an_unknown_field_or_derivation_is_not_skipped() {
    let mut json: Value = serde_json::from_str(SEALED).expect("JSON");
    json["secret"]["sealed"]["kdf"] = json!("scrypt");
    assert!(serde_json::from_value::<IdentityFile>(json).is_err());
    let mut json: Value = serde_json::from_str(PLAIN).expect("JSON");
    json["keys"] = json!([]);
    assert!(serde_json::from_value::<IdentityFile>(json).is_err());
}

#[test]
fn no_secret_is_in_the_debug_output() {
    let debug = format!("{:?}", IdentityFile::plain(&keys(), CREATED));
    assert!(debug.contains(&keys().node().to_string()));
    assert!(!debug.contains("3i9GZve"));
}

proptest! {
    #[test]
    fn garbage_in_any_field_never_panics(text: String, index in 0..5usize) {
        const FIELDS: [(&str, &str); 5] = [
            (PLAIN, "/node_id"),
            (PLAIN, "/did"),
            (PLAIN, "/secret/plain/seed"),
            (SEALED, "/secret/sealed/salt"),
            (SEALED, "/secret/sealed/sealed_seed"),
        ];
        let (file, pointer) = FIELDS[index];
        prop_assert!(opened(&changed(file, pointer, json!(text))).is_err());
    }
}
