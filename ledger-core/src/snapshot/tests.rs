//! What a restart, a kill, damage and a full disk leave of snapshots: the right one or none.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use tempfile::TempDir;

use super::*;
use crate::customer::{Event, evolve};
use crate::derived::EngineError;
use crate::ids::{CustomerId, OfferId, SubscriptionId, UserId};

const LOG: [u8; 16] = [7; 16];

/// Seed of the damage; another one must do as well.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// One-bit flips tried.
const FLIPS: u64 = 60;

struct XorShift(u64);

impl XorShift {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn stream(name: &str) -> StreamId {
    StreamId::Customer(CustomerId::try_new(name).unwrap())
}

fn example(name: &str) -> Event {
    let file = format!("{}/tests/golden/{name}.v1.json", env!("CARGO_MANIFEST_DIR"));
    let examples: Vec<Event> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    examples.into_iter().next().unwrap()
}

fn customer(subscriptions: usize, licences: usize) -> Customer {
    let mut customer = evolve(None, &example("CustomerRegistered"));
    let mut purchased = example("SubscriptionPurchased");
    for number in 0..subscriptions {
        if let Event::SubscriptionPurchased(e) = &mut purchased {
            e.subscription = SubscriptionId::try_new(format!("subscription-{number}")).unwrap();
        }
        customer = evolve(customer, &purchased);
    }
    let mut assigned = example("LicenceAssigned");
    for number in 0..licences {
        if let Event::LicenceAssigned(e) = &mut assigned {
            e.offer = OfferId::try_new(format!("offer-{}", number % 20)).unwrap();
            e.user = UserId::try_new(format!("9b2c5a3e-user-{number}")).unwrap();
        }
        customer = evolve(customer, &assigned);
    }
    customer.unwrap()
}

/// A snapshot that `version` tells from others; the size is that of a customer with licences.
fn snapshot(version: u64, licences: usize) -> Snapshot {
    Snapshot {
        version,
        hash: Hash::of(&version.to_be_bytes()),
        journal_version: version / 2,
        journal_hash: Hash::of(b"journal"),
        last_recorded_at: Some("2024-06-18T09:30:00.123Z".parse().unwrap()),
        customer: Some(customer(3, licences)),
        answers: (0..version).map(|number| (number.wrapping_mul(SEED), number)).collect(),
    }
}

async fn open(dir: &Path) -> Snapshots {
    Snapshots::open(dir, LOG).await
}

/// Keeps the snapshots in `dir` and closes.
async fn keep(dir: &Path, kept: &[(StreamId, Snapshot)]) {
    let snapshots = open(dir).await;
    for (stream, snapshot) in kept {
        snapshots.store(stream, snapshot);
    }
    snapshots.close();
    assert_eq!(snapshots.stats().stored, u64::try_from(kept.len()).unwrap());
}

fn is_aside(dir: &Path) -> bool {
    dir.with_extension("damaged-1").exists()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_stored_is_loaded_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("snapshots");
    let kept = [
        (stream("acme"), snapshot(5, 40)),
        (stream("acme-2"), snapshot(6, 0)),
        (StreamId::Catalogue, Snapshot { customer: None, ..snapshot(1, 0) }),
    ];
    keep(&dir, &kept).await;
    let snapshots = open(&dir).await;
    for (stream, snapshot) in &kept {
        assert_eq!(snapshots.load(stream).as_ref(), Some(snapshot));
    }
    assert_eq!(snapshots.load(&stream("acm")), None);
    let stats = snapshots.stats();
    assert_eq!((stats.hits, stats.misses, stats.is_usable), (3, 1, true));
}

#[tokio::test]
async fn a_huge_customer_is_kept_and_a_small_one_after_it_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("snapshots");
    let huge = Snapshot { customer: Some(customer(500, 20_000)), ..snapshot(20_500, 0) };
    assert!(1_000_000 < huge.to_bytes().unwrap().len());
    keep(&dir, &[(stream("huge"), huge.clone()), (stream("next"), snapshot(1, 1))]).await;
    assert_eq!(open(&dir).await.load(&stream("huge")), Some(huge));
    for small in [snapshot(20_501, 100), snapshot(2, 0)] {
        keep(&dir, &[(stream("huge"), small.clone())]).await;
        let snapshots = open(&dir).await;
        assert_eq!(snapshots.load(&stream("huge")), Some(small));
        assert_eq!(snapshots.load(&stream("next")), Some(snapshot(1, 1)));
    }
    assert!(!is_aside(&dir));
}

#[test]
fn a_customer_is_stored_without_a_copy_as_with_one() {
    let owned = snapshot(3, 5);
    let borrowed = Snapshot {
        version: owned.version,
        hash: owned.hash,
        journal_version: owned.journal_version,
        journal_hash: owned.journal_hash,
        last_recorded_at: owned.last_recorded_at,
        customer: owned.customer.as_ref(),
        answers: owned.answers.clone(),
    };
    assert_eq!(borrowed.to_bytes().unwrap(), owned.to_bytes().unwrap());
}

#[test]
fn bytes_that_are_no_snapshot_are_refused() {
    let bytes = snapshot(1, 1).to_bytes().unwrap();
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Snapshot::from_bytes(&longer), Err(SnapshotError::Trailing(1))));
    for length in 0..bytes.len() {
        let cut = Snapshot::from_bytes(&bytes[..length]);
        assert!(matches!(cut, Err(SnapshotError::Decode(_))), "cut to {length}");
    }
}

#[tokio::test]
async fn closing_twice_is_closing_once_and_nothing_is_kept_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = open(&dir.path().join("snapshots")).await;
    snapshots.close();
    snapshots.close();
    snapshots.store(&stream("acme"), &snapshot(1, 0));
    assert_eq!(snapshots.load(&stream("acme")), None);
    let expected = SnapshotStats { misses: 1, dropped: 1, ..SnapshotStats::default() };
    assert_eq!(snapshots.stats(), expected);
}

#[tokio::test]
async fn snapshots_of_another_log_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("snapshots");
    keep(&dir, &[(stream("acme"), snapshot(1, 0))]).await;
    let other = Snapshots::open(&dir, [8; 16]).await;
    assert_eq!(other.load(&stream("acme")), None);
    assert!(is_aside(&dir) && other.stats().is_usable);
}

#[tokio::test]
async fn a_second_process_goes_without_and_leaves_the_first_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("snapshots");
    keep(&dir, &[(stream("acme"), snapshot(1, 0))]).await;
    let first = open(&dir).await;
    let second = open(&dir).await;
    assert!(!second.stats().is_usable);
    assert_eq!(second.load(&stream("acme")), None);
    second.store(&stream("acme"), &snapshot(2, 0));
    second.close();
    assert_eq!(first.load(&stream("acme")), Some(snapshot(1, 0)));
    assert!(!is_aside(&dir));
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_gone_without() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let snapshots = open(&dir.path().join("file").join("snapshots")).await;
    snapshots.store(&stream("acme"), &snapshot(1, 0));
    assert_eq!(snapshots.load(&stream("acme")), None);
    assert!(!snapshots.stats().is_usable);
}

#[test]
fn too_many_snapshots_at_once_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody takes anything out of the queue.
    let shared = Shared::new(dir.path(), None);
    let queue = Queue::default();
    let snapshots = Snapshots { shared: Arc::new(Shared { queue, ..shared }) };
    let big = Snapshot { customer: Some(customer(500, 20_000)), ..snapshot(1, 0) };
    let fit = u64::try_from(queue::WAITING_BYTES_MAX / big.to_bytes().unwrap().len()).unwrap();
    for _ in 0..fit + 3 {
        snapshots.store(&stream("huge"), &big);
    }
    assert_eq!(snapshots.stats().dropped, 3);
    snapshots.shared.queue.finish();
}

#[tokio::test]
async fn a_kill_leaves_an_earlier_snapshot_or_the_last_but_no_mixture() {
    let dir = tempfile::tempdir().unwrap();
    let (live, acme) = (dir.path().join("live").join("snapshots"), stream("acme"));
    let pieces = Pieces::open(&live, LOG).await.unwrap();
    let mut written = vec![None];
    for version in 1..=12 {
        let licences = usize::try_from(version * 7919 % 13 * 300).unwrap();
        let snapshot = snapshot(version, licences);
        pieces.write(&acme, &snapshot.to_bytes().unwrap()).unwrap();
        written.push(Some(snapshot));
        if version % 4 == 0 {
            pieces.flush().unwrap();
        }
        let killed = dir.path().join(format!("killed-{version}")).join("snapshots");
        copy(&live, &killed);
        let found = open(&killed).await.load(&acme);
        assert!(written.contains(&found), "after version {version}");
        if version % 4 == 0 {
            assert_eq!(found.map(|found| found.version), Some(version), "it was flushed");
        }
    }
}

#[tokio::test]
async fn a_reader_beside_the_writer_sees_whole_snapshots_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let pieces = Pieces::open(&dir.path().join("snapshots"), LOG).await.unwrap();
    let acme = stream("acme");
    let versions: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![n; 9000 * usize::from(n)]).collect();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..20 {
                for bytes in &versions {
                    pieces.write(&acme, bytes).unwrap();
                }
            }
        });
        while !writer.is_finished() {
            if let Some(read) = pieces.read(&acme).unwrap() {
                assert!(versions.contains(&read));
            }
        }
    });
    assert_eq!(pieces.read(&acme).unwrap().as_ref(), versions.last());
}

#[tokio::test]
async fn after_a_failure_nothing_is_loaded_or_kept_until_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let acme = stream("acme");
    let full = Odd::Engine(EngineError::Sync(std::io::ErrorKind::StorageFull.into()));
    let broken = Odd::Engine(EngineError::Panicked("on purpose".to_owned()));
    for (name, odd, kept) in [("full", full, true), ("broken", broken, false)] {
        let folder = dir.path().join(name).join("snapshots");
        keep(&folder, &[(acme.clone(), snapshot(1, 0))]).await;
        let snapshots = open(&folder).await;
        assert_eq!(snapshots.load(&acme), Some(snapshot(1, 0)));
        snapshots.shared.fail(&odd);
        snapshots.store(&acme, &snapshot(2, 0));
        assert_eq!(snapshots.load(&acme), None);
        let stats = snapshots.stats();
        assert_eq!((stats.stored, stats.dropped, stats.is_usable), (0, 1, false));
        snapshots.close();
        assert_eq!(is_aside(&folder), !kept, "{name}");
        // This process still holds the lock of what failed, so another folder stands for a restart.
        let restarted = dir.path().join(name).join("restarted").join("snapshots");
        if kept {
            copy(&folder, &restarted);
        }
        assert_eq!(open(&restarted).await.load(&acme), kept.then(|| snapshot(1, 0)), "{name}");
    }
}

#[tokio::test]
async fn a_snapshot_that_this_version_cannot_read_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, acme) = (dir.path().join("snapshots"), stream("acme"));
    let pieces = Pieces::open(&dir, LOG).await.unwrap();
    pieces.write(&acme, b"whole, but no snapshot").unwrap();
    drop(pieces);
    assert_eq!(open(&dir).await.load(&acme), None);
    assert!(is_aside(&dir));
}

/// Opens damaged snapshots, and returns whether anything was missed or set aside.
async fn survives(dir: &Path, kept: &[(StreamId, Snapshot)], what: &str) -> bool {
    let snapshots = open(dir).await;
    let mut is_noticed = false;
    for (stream, snapshot) in kept {
        match snapshots.load(stream) {
            Some(loaded) => assert_eq!(&loaded, snapshot, "{what}"),
            None => is_noticed = true,
        }
    }
    drop(snapshots);
    // Whatever it was, the start after it keeps snapshots again.
    let again = open(dir).await;
    assert!(again.stats().is_usable, "{what}");
    is_noticed || is_aside(dir)
}

/// A folder with snapshots of one large and many small customers.
async fn whole() -> (TempDir, Vec<(StreamId, Snapshot)>) {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = vec![(stream("large"), snapshot(100, 2000))];
    kept.extend((0..30).map(|number| (stream(&format!("c{number}")), snapshot(number, 20))));
    keep(&dir.path().join("whole"), &kept).await;
    (dir, kept)
}

fn damaged(dir: &TempDir, name: &str) -> PathBuf {
    let damaged = dir.path().join(name).join("snapshots");
    copy(&dir.path().join("whole"), &damaged);
    damaged
}

fn files(dir: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
        .collect()
}

#[tokio::test]
async fn an_untouched_folder_is_used_as_it_is() {
    let (dir, kept) = whole().await;
    assert!(!survives(&damaged(&dir, "untouched"), &kept, "untouched").await);
}

#[tokio::test]
async fn flipped_bits_never_make_a_wrong_snapshot() {
    let (dir, kept) = whole().await;
    let mut random = XorShift(SEED);
    let bytes = fs::read(dir.path().join("whole").join("db")).unwrap();
    let used: Vec<u64> =
        (0..).zip(bytes).filter(|(_, byte)| *byte != 0).map(|(offset, _)| offset).collect();
    let mut noticed = 0;
    for number in 0..FLIPS {
        let folder = damaged(&dir, &format!("flip-{number}"));
        let index = random.below(u64::try_from(used.len()).unwrap());
        let (offset, bit) = (used[usize::try_from(index).unwrap()], random.below(8));
        let file = File::options().read(true).write(true).open(folder.join("db")).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ (1 << bit)], offset).unwrap();
        noticed += u64::from(survives(&folder, &kept, &format!("bit {bit} at {offset}")).await);
    }
    assert!(FLIPS / 2 < noticed, "only {noticed} of {FLIPS} flips were noticed");
}

#[tokio::test]
async fn a_file_cut_short_gone_or_garbage_never_makes_a_wrong_snapshot() {
    let (dir, kept) = whole().await;
    let mut random = XorShift(SEED);
    for (name, size) in files(&dir.path().join("whole")) {
        for length in [0, 1, size / 3, size / 2, size.saturating_sub(1)] {
            let folder = damaged(&dir, &format!("{name}-{length}"));
            File::options().write(true).open(folder.join(&name)).unwrap().set_len(length).unwrap();
            survives(&folder, &kept, &format!("{name} cut to {length}")).await;
        }
        let folder = damaged(&dir, &format!("{name}-gone"));
        fs::remove_file(folder.join(&name)).unwrap();
        survives(&folder, &kept, &format!("{name} gone")).await;
        let folder = damaged(&dir, &format!("{name}-garbage"));
        let garbage: Vec<u8> =
            (0..70_000).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        fs::write(folder.join(&name), garbage).unwrap();
        survives(&folder, &kept, &format!("{name} garbage")).await;
    }
}

#[tokio::test]
async fn foreign_files_do_no_harm() {
    let (dir, kept) = whole().await;
    for name in ["snap.0000000000000FFF.generating", "snap.0000000000000FFF", "README.txt"] {
        let folder = damaged(&dir, &format!("foreign-{name}"));
        fs::write(folder.join(name), b"not made by sled").unwrap();
        survives(&folder, &kept, name).await;
    }
    let folder = dir.path().join("file").join("snapshots");
    fs::create_dir(dir.path().join("file")).unwrap();
    fs::write(&folder, b"this is no folder").unwrap();
    assert!(survives(&folder, &kept, "a file").await);
}
