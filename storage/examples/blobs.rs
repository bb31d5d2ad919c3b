//! Measures the blob store on this machine's disk: `cargo run --release -p pc2-storage --example blobs [DIR] [MIB]`.
//!
//! Prints, for one file of so many MiB (1,024): hashing and offering it, reading it with its proof, proving and writing that on the other side,
//! putting it in its place, checking it; the memory of all that; then 100,000 small files offered; then folders of 10,000 and of 131,072 files of
//! 4 KiB received.

use pc2_protocols::{
    blob::{BlobSize, Groups},
    crypto::seal::StorageKey,
    files::manifest::Member,
    id::BlobId,
};
use pc2_storage::{
    Options, Storage,
    blobs::{After, Begun, BlobStore, Gathered, Holder, Proof, Target, clean_name},
};
use std::{
    error::Error,
    fs::{self, File},
    io::{BufWriter, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

const ME: Holder = Holder([1; 16]);

/// Groups in one answer: 8 MiB.
const PIECE: u32 = 512;

const SMALL_FILES: u32 = 100_000;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mib: u64 = arguments.next().map_or(Ok(1_024), |mib| mib.parse())?;
    let dir = base.join(format!("pc2-blobs-{}", std::process::id()));
    let measured = large(&dir, mib).and_then(|()| small(&dir)).and_then(|()| folders(&dir));
    fs::remove_dir_all(&dir)?;
    measured
}

fn open(dir: &Path) -> Result<(Storage, BlobStore), Box<dyn Error>> {
    let options = Options::default();
    let (storage, _) = Storage::open(dir, &StorageKey::new(Zeroizing::new([1; 32])), &options)?;
    let store = BlobStore::open(&storage, &options)?;
    Ok((storage, store))
}

fn on(_bytes: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn large(dir: &Path, mib: u64) -> Outcome {
    let (_from_storage, from) = open(&dir.join("from"))?;
    let (_to_storage, to) = open(&dir.join("to"))?;
    let path = dir.join("file");
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut file = BufWriter::new(File::create(&path)?);
    let mut block = vec![0; 1 << 20];
    for _ in 0..mib {
        noise.fill(&mut block);
        file.write_all(&block)?;
    }
    file.into_inner()?.sync_all()?;
    let rate = |what: &str, took: Spent| {
        let per = |time: Duration| mib as f64 * 1.048_576 / time.as_secs_f64();
        println!(
            "{what:<44} {:>6.0} MB/s, {:>6.0} MB for a second of processor",
            per(took.wall),
            per(took.cpu)
        );
    };

    let begun = Spent::now()?;
    let offered = from.import(&path, ME, &mut on)?;
    rate("hash and offer, file in the system's cache", begun.since()?);

    let reader = from.reader(offered.id())?;
    let Begun::Partial(partial) = to.begin(offered.id(), offered.size(), ME)? else {
        return Err("it is here already".into());
    };
    let mut read = Spent::default();
    let mut answer = Vec::new();
    let all = Spent::now()?;
    loop {
        let groups = partial.missing(0, PIECE);
        if groups.is_empty() {
            break;
        }
        answer.clear();
        let begun = Spent::now()?;
        reader.encode(&groups, &mut answer)?;
        let spent = begun.since()?;
        read = Spent { wall: read.wall + spent.wall, cpu: read.cpu + spent.cpu };
        partial.accept(&groups, &answer[..])?;
    }
    partial.checkpoint()?;
    let all = all.since()?;
    rate("read with proof", read);
    rate(
        "prove, write and sync",
        Spent { wall: all.wall - read.wall, cpu: all.cpu.saturating_sub(read.cpu) },
    );
    let target = Target::open(dir)?;
    let begun = Instant::now();
    partial.finish(&target, &clean_name("received"), After::Offer)?;
    println!("{:<44} {:?}", "put in its place", begun.elapsed());
    let begun = Spent::now()?;
    let checked = to.check_blobs(&mut on)?;
    rate("check", begun.since()?);
    assert!(checked.is_fine() && offered.size() == BlobSize::try_from(mib << 20)?);
    println!("{:<44} {}", "memory at most, two databases included", peak()?);
    Ok(())
}

fn small(dir: &Path) -> Outcome {
    let (_storage, store) = open(&dir.join("small"))?;
    let folder = dir.join("folder");
    fs::create_dir_all(&folder)?;
    for number in 0..SMALL_FILES {
        fs::write(folder.join(number.to_string()), number.to_le_bytes().repeat(500))?;
    }
    let begun = Instant::now();
    let mut imported = Vec::new();
    for number in 0..SMALL_FILES {
        imported.push(store.hash_file(&folder.join(number.to_string()), &mut on)?);
        if imported.len() == 1_000 {
            store.offer(ME, &imported)?;
            imported.clear();
        }
    }
    println!("{:<44} {:?}", "hash and offer 100,000 files of 2 kB", begun.elapsed());
    let begun = Instant::now();
    let mut last = None;
    let mut sent = 0;
    while let Some(id) = store.list(false, last, 1)?.pop() {
        let reader = store.reader(id)?;
        sent += reader.encode(&Groups::whole(reader.size()), std::io::sink())?;
        last = Some(id);
    }
    println!("{:<44} {:?} ({sent} bytes)", "read them with proof", begun.elapsed());
    println!("{:<44} {}", "memory at most", peak()?);
    Ok(())
}

/// Receiving folders of small files: what comes is made up, so this is the receiving side alone.
fn folders(dir: &Path) -> Outcome {
    let (_storage, store) = open(&dir.join("folders"))?;
    let target = Target::open(dir)?;
    for count in [10_000_u32, 131_072] {
        let bytes = |number: u32| number.to_le_bytes().repeat(1_024);
        let member = |number: u32| -> Result<Member, Box<dyn Error>> {
            let bytes = bytes(number);
            let blob = BlobId::from_bytes(*blake3::hash(&bytes).as_bytes());
            let size = BlobSize::try_from(bytes.len() as u64)?;
            Ok(Member { path: format!("{:03}/{number:06}.bin", number / 500), blob, size })
        };
        let members = (0..count).map(member).collect::<Result<Vec<_>, _>>()?;
        let told = |what: &str, begun: Instant| {
            println!("{:<44} {:?}", format!("{count} files of 4 KiB: {what}"), begun.elapsed());
        };
        let gather = || match store.gather(ME, &members, Proof::Whole)? {
            Gathered::Open(gathering) => Ok::<_, Box<dyn Error>>(gathering),
            Gathered::Placed(_) => Err("it is here already".into()),
        };
        let begun = Instant::now();
        let gathering = gather()?;
        told("begin", begun);
        let begun = Instant::now();
        for (number, at) in (0..count).zip(0..) {
            let groups = gathering.wanted(at, 0..1)?;
            gathering.accept(at, None, &groups, &bytes(number)[..])?;
        }
        told("prove and write", begun);
        drop(gathering);
        let begun = Instant::now();
        let gathering = gather()?;
        told("begin again, hashing all", begun);
        let begun = Instant::now();
        gathering.finish(&target, &clean_name("many"))?;
        told("sync and put in its place", begun);
        drop(gathering);
        store.abandon_gathering(ME, &members, Proof::Whole)?;
    }
    println!("{:<44} {}", "memory at most", peak()?);
    Ok(())
}

/// Time on the wall and of the processor. On a machine that others use, too, the second is what a figure can be repeated by.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

impl Spent {
    /// Since some beginning. The system counts a process's time in hundredths of a second.
    fn now() -> Result<Self, Box<dyn Error>> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let stat = fs::read_to_string("/proc/self/stat")?;
        // After the name, which may hold anything: the 12th and 13th field.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Self { wall: since, cpu: Duration::from_millis(ticks * 10) })
    }

    fn since(self) -> Result<Self, Box<dyn Error>> {
        let now = Self::now()?;
        Ok(Self { wall: now.wall - self.wall, cpu: now.cpu - self.cpu })
    }
}

/// The most memory that this process had.
fn peak() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.unwrap_or("unknown").trim().to_owned())
}
