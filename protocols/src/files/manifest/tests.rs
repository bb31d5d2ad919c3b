//! Lists that are too long, too deep, out of order or not what was offered are refused; large honest ones fit.

use super::*;
use proptest::prelude::*;

fn size(bytes: u64) -> BlobSize {
    BlobSize::try_from(bytes).expect("not too large")
}

fn member(path: &str, bytes: u64) -> Member {
    Member { path: path.to_owned(), blob: BlobId::from_bytes([7; 32]), size: size(bytes) }
}

fn offered(count: usize, total: u64) -> Offered {
    Offered::Collection {
        name: "folder".to_owned(),
        count: u32::try_from(count).expect("few"),
        total: size(total),
        manifest: BlobId::from_bytes([8; 32]),
        manifest_size: size(1),
    }
}

fn read(members: Vec<Member>) -> Result<Manifest, BadManifest> {
    let (count, total) = (members.len(), members.iter().map(|member| member.size.bytes()).sum());
    Manifest::decode(&Manifest { members, pieces: false }.encode(), &offered(count, total))
}

#[test]
fn a_hundred_thousand_small_files_fit() {
    let path =
        |n| format!("photographs of many years/{n:06} a picture with a name of a usual length, and more.jpg");
    let members: Vec<_> = (0..100_000).map(|n| member(&path(n), 100)).collect();
    let manifest = Manifest::new(members).expect("within bounds");
    let bytes = manifest.encode();
    assert!(bytes.len() < MAX_MANIFEST_BYTES / 2);
    assert_eq!(Manifest::decode(&bytes, &offered(100_000, 10_000_000)), Ok(manifest));
}

#[test]
fn a_bomb_of_files_is_dropped_while_it_is_read() {
    // A claim of four billion files in a few bytes, and one file too many in earnest.
    let claim = [0xa1, 0x00, 0x9a, 0xff, 0xff, 0xff, 0xff, 0xa3];
    assert!(matches!(Manifest::decode(&claim, &offered(1, 0)), Err(BadManifest::Decode(_))));
    let members = (0..=MAX_COLLECTION_FILES).map(|n| member(&format!("{n:06}"), 0)).collect();
    assert!(matches!(read(members), Err(BadManifest::Decode(DecodeError::Malformed { .. }))));
    let long = vec![0; MAX_MANIFEST_BYTES + 1];
    let refused = Manifest::decode(&long, &offered(1, 0));
    assert!(matches!(refused, Err(BadManifest::Decode(DecodeError::TooLarge { .. }))));
}

#[test]
fn paths_that_are_none_are_refused() {
    let deepest = "d/".repeat(MAX_FOLDER_DEPTH);
    assert!(read(vec![member(&format!("{deepest}x"), 1)]).is_ok());
    for path in ["", "/x", "x/", "a//b", &format!("{deepest}d/x"), &"x".repeat(MAX_FILE_PATH_BYTES + 1)] {
        assert_eq!(read(vec![member(path, 1)]), Err(BadManifest::Path { at: 0 }), "{path}");
    }
    assert!(read(vec![member("../x", 1)]).is_ok(), "what it means on a disk is the store's to say");
}

#[test]
fn a_path_twice_and_a_file_inside_of_a_file_are_refused() {
    let twice = vec![member("a", 1), member("a", 1)];
    assert_eq!(read(twice), Err(BadManifest::Order { at: 1 }));
    assert_eq!(read(vec![member("b", 1), member("a", 1)]), Err(BadManifest::Order { at: 1 }));
    let inside = vec![member("a", 1), member("a.b", 1), member("a/b", 1)];
    assert_eq!(read(inside), Err(BadManifest::InsideAFile { at: 2 }));
}

#[test]
fn a_list_that_is_not_what_was_offered_is_refused() {
    let bytes = Manifest { members: vec![member("a", 5)], pieces: false }.encode();
    for other in [offered(2, 5), offered(1, 4)] {
        assert_eq!(Manifest::decode(&bytes, &other), Err(BadManifest::NotAsOffered));
    }
    assert_eq!(read(vec![]), Err(BadManifest::Count { got: 0 }));
    let terabyte = crate::limits::MAX_BLOB_BYTES;
    let bytes = Manifest { members: vec![member("a", terabyte), member("b", 1)], pieces: false }.encode();
    assert_eq!(Manifest::decode(&bytes, &offered(2, terabyte)), Err(BadManifest::Total));
}

#[test]
fn stretches_of_a_collection_are_groups_of_its_files() {
    let members = vec![member("a", 16_384 * 2 + 1), member("b", 0), member("c", 1), member("d", 16_384)];
    let manifest = Manifest::new(members).expect("in order");
    assert_eq!(manifest.groups(), 5);
    let places = |stretch: Range<u64>| {
        manifest.places(&stretch).into_iter().map(|place| (place.member, place.groups)).collect::<Vec<_>>()
    };
    assert_eq!(places(0..5), [(0, 0..3), (2, 0..1), (3, 0..1)]);
    assert_eq!(places(2..4), [(0, 2..3), (2, 0..1)]);
    assert_eq!(places(5..9), []);
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ignored_result = Manifest::decode(&bytes, &offered(1, 0));
    }

    #[test]
    fn every_group_of_a_stretch_has_one_place(sizes in proptest::collection::vec(0_u64..100_000, 1..20), from in 0_u64..40, length in 0_u64..40) {
        let members = sizes.iter().enumerate().map(|(n, bytes)| member(&format!("{n:02}"), *bytes)).collect();
        let manifest = Manifest::new(members).expect("in order");
        let count: u64 = manifest.places(&(from..from + length)).iter().map(|place| u64::from(place.groups.end - place.groups.start)).sum();
        prop_assert_eq!(count, (from + length).min(manifest.groups()).saturating_sub(from));
    }
}
