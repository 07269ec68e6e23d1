//! Damage to the views' files, in every way a disk and a power cut know: opening never panics, what
//! cannot be used is kept aside, and after catching up the views are those of a rebuild.

#![expect(clippy::unwrap_used, reason = "a failure is the end of the test")]

mod scenario;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ledger_core::store::memory::MemoryLog;
use projector::pump::{catch_up, rebuild};
use projector::view_store::{DumpEntry, ViewStore};
use scenario::Scenario;

/// Seed of the damage; another one must do as well.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// One-bit flips tried.
const FLIPS: u64 = 100;

struct XorShift(u64);

impl XorShift {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Views of a log, whole, and what they hold.
struct Whole {
    log: MemoryLog,
    dir: tempfile::TempDir,
    expected: Vec<DumpEntry>,
    digest: String,
}

impl Whole {
    async fn new() -> Self {
        let log = Scenario::full().await.log();
        let dir = tempfile::tempdir().unwrap();
        let store = rebuild(&log, &dir.path().join("whole"), &mut |_, _| {}).await.unwrap();
        let (expected, digest) = (store.dump().unwrap(), store.fingerprint().unwrap().1);
        store.close().unwrap();
        Self { log, dir, expected, digest }
    }

    /// A fresh copy of the views in a folder of its own.
    fn copy(&self, name: &str) -> PathBuf {
        let views = self.dir.path().join(name).join("views");
        fs::create_dir(self.dir.path().join(name)).unwrap();
        copy(&self.dir.path().join("whole"), &views);
        views
    }

    /// Opens, catches up, compares with a rebuild, and returns whether the folder was set aside.
    async fn recovers(&self, views: &Path, what: &str) -> bool {
        let store = ViewStore::open(views, &self.log).await.unwrap_or_else(|err| {
            panic!("{what}: {err}");
        });
        let kept = views.with_file_name("views.damaged-1");
        let is_aside = kept.exists();
        assert!(!is_aside || store.position() == 0, "{what}: set aside but not empty");
        catch_up(&self.log, &store, u64::MAX, &mut |_, _| {}).await.unwrap();
        assert_eq!(store.dump().unwrap(), self.expected, "{what}");
        assert_eq!(store.fingerprint().unwrap().1, self.digest, "{what}");
        store.close().unwrap();
        is_aside
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Every file of the views with its size, in order.
fn files(views: &Path) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(views).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut files: Vec<_> =
        files.map(|entry| (entry.path(), entry.metadata().unwrap().len())).collect();
    files.sort();
    files
}

/// Bytes of the data file that are not padding.
fn used(path: &Path) -> Vec<u64> {
    let bytes = fs::read(path).unwrap();
    (0..).zip(bytes).filter(|(_, byte)| *byte != 0).map(|(offset, _)| offset).collect()
}

fn flip(path: &Path, offset: u64, bit: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], offset).unwrap();
}

#[tokio::test]
async fn untouched_views_are_used_as_they_are() {
    let whole = Whole::new().await;
    assert!(!whole.recovers(&whole.copy("untouched"), "untouched").await);
}

#[tokio::test]
async fn flipped_bits_are_noticed_and_mended() {
    let whole = Whole::new().await;
    let mut random = XorShift(SEED);
    let data = whole.dir.path().join("whole").join("db");
    let used = used(&data);
    let count = u64::try_from(used.len()).unwrap();
    let mut aside = 0;
    for number in 0..FLIPS {
        let views = whole.copy(&format!("flip-{number}"));
        let index = usize::try_from(random.below(count)).unwrap();
        let (offset, bit) = (used[index], random.below(8));
        flip(&views.join("db"), offset, bit);
        if whole.recovers(&views, &format!("bit {bit} at {offset}")).await {
            aside += 1;
        }
    }
    assert!(FLIPS / 2 < aside, "only {aside} of {FLIPS} flips were noticed");
}

#[tokio::test]
async fn flips_in_every_other_file_are_harmless() {
    let whole = Whole::new().await;
    let mut random = XorShift(SEED);
    let others = files(&whole.dir.path().join("whole"));
    let others: Vec<_> =
        others.iter().filter(|(path, size)| !path.ends_with("db") && 0 < *size).collect();
    assert!(!others.is_empty());
    for (path, size) in others {
        let name = path.file_name().unwrap();
        for number in 0..10 {
            let views = whole.copy(&format!("{}-{number}", name.to_string_lossy()));
            let (offset, bit) = (random.below(*size), random.below(8));
            flip(&views.join(name), offset, bit);
            whole.recovers(&views, &format!("{name:?}: bit {bit} at {offset}")).await;
        }
    }
}

#[tokio::test]
async fn a_file_cut_short_or_gone_is_mended() {
    let whole = Whole::new().await;
    let all = files(&whole.dir.path().join("whole"));
    for (path, size) in &all {
        let name = path.file_name().unwrap();
        for (number, length) in
            [0, 1, size / 3, size / 2, size.saturating_sub(1)].iter().enumerate()
        {
            let views = whole.copy(&format!("cut-{}-{number}", name.to_string_lossy()));
            File::options().write(true).open(views.join(name)).unwrap().set_len(*length).unwrap();
            whole.recovers(&views, &format!("{name:?} cut to {length}")).await;
        }
        let views = whole.copy(&format!("gone-{}", name.to_string_lossy()));
        fs::remove_file(views.join(name)).unwrap();
        whole.recovers(&views, &format!("{name:?} gone")).await;
    }
}

#[tokio::test]
async fn garbage_is_set_aside() {
    let whole = Whole::new().await;
    let mut random = XorShift(SEED);
    for name in ["db", "flushed"] {
        let views = whole.copy(&format!("garbage-{name}"));
        let garbage: Vec<u8> =
            (0..70_000).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        fs::write(views.join(name), garbage).unwrap();
        assert!(whole.recovers(&views, name).await, "{name} was garbage");
        assert!(views.with_file_name("views.damaged-1").join(name).exists());
    }
}

#[tokio::test]
async fn a_file_in_place_of_the_folder_is_set_aside() {
    let whole = Whole::new().await;
    fs::create_dir(whole.dir.path().join("file")).unwrap();
    let views = whole.dir.path().join("file").join("views");
    fs::write(&views, b"this is no folder").unwrap();
    assert!(whole.recovers(&views, "a file").await);
}

#[tokio::test]
async fn foreign_files_and_an_unfinished_snapshot_do_no_harm() {
    let whole = Whole::new().await;
    let contents: [(&str, &[u8]); 4] = [
        ("snap.0000000000000FFF.generating", b"half a snapshot"),
        ("snap.0000000000000FFF", b"no snapshot at all"),
        ("snap.XYZ", b"no number"),
        ("README.txt", b"a foreign file"),
    ];
    for (number, (name, content)) in contents.iter().enumerate() {
        let views = whole.copy(&format!("foreign-{number}"));
        File::create(views.join(name)).unwrap().write_all(content).unwrap();
        whole.recovers(&views, name).await;
    }
}

#[tokio::test]
async fn damage_after_damage_is_kept_under_the_next_number() {
    let whole = Whole::new().await;
    let views = whole.copy("twice");
    for number in 1..=3 {
        fs::write(views.join("db"), b"garbage").unwrap();
        whole.recovers(&views, "db").await;
        assert!(views.with_file_name(format!("views.damaged-{number}")).is_dir());
    }
}
