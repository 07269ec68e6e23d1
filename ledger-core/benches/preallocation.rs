//! What pre-allocating a segment would save: one `write` and `fdatasync` of a small group.
//!
//! `cargo bench -p ledger-core --bench preallocation`. Read the ratios within one run.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fs::File;
use std::os::unix::fs::FileExt;

use divan::Bencher;
use divan::counter::ItemsCount;
use rustix::fs::{FallocateFlags, fallocate};

/// Commits in a group.
const GROUPS: [usize; 3] = [1, 64, 512];

const COMMIT_BYTES: usize = 300;

const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Groups written in one sample, one after the other.
const ROUNDS: usize = 20;

fn main() {
    divan::main();
}

fn append(bencher: Bencher, commits: usize, prepare: impl Fn(&File)) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = File::create(dir.path().join("segment")).unwrap();
    prepare(&file);
    file.sync_all().unwrap();
    let group = vec![0x5a_u8; COMMIT_BYTES * commits];
    let mut offset = 0;
    bencher.counter(ItemsCount::new(commits * ROUNDS)).bench_local(|| {
        for _ in 0..ROUNDS {
            file.write_all_at(&group, offset).unwrap();
            file.sync_data().unwrap();
            offset = (offset + u64::try_from(group.len()).unwrap()) % (SEGMENT_BYTES / 2);
        }
    });
}

#[divan::bench(args = GROUPS, sample_count = 15, sample_size = 1)]
fn plain(bencher: Bencher, commits: usize) {
    append(bencher, commits, |_| {});
}

#[divan::bench(args = GROUPS, sample_count = 15, sample_size = 1)]
fn fallocated(bencher: Bencher, commits: usize) {
    append(bencher, commits, |file| {
        fallocate(file, FallocateFlags::empty(), 0, SEGMENT_BYTES).unwrap();
    });
}

#[divan::bench(args = GROUPS, sample_count = 15, sample_size = 1)]
fn fallocated_keeping_the_size(bencher: Bencher, commits: usize) {
    append(bencher, commits, |file| {
        fallocate(file, FallocateFlags::KEEP_SIZE, 0, SEGMENT_BYTES).unwrap();
    });
}

#[divan::bench(args = GROUPS, sample_count = 15, sample_size = 1)]
fn filled_with_zeros(bencher: Bencher, commits: usize) {
    append(bencher, commits, |file| {
        let zeros = vec![0; 1 << 20];
        for offset in (0..SEGMENT_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, offset).unwrap();
        }
    });
}
