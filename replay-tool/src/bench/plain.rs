//! What the disk can do by itself: write as many bytes in the same grouping, and sync.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use super::measure::{micros, per_second};

/// Writes `commits` times `commit_bytes`, syncs after every `group`, and returns commits per second.
/// Blocks; the file is gone afterwards.
///
/// # Errors
///
/// The system's answer.
pub fn commits_per_second(
    dir: &Path,
    commits: u64,
    commit_bytes: u64,
    group: u64,
) -> io::Result<u64> {
    let length = usize::try_from(commit_bytes.saturating_mul(group)).map_err(io::Error::other)?;
    let bytes = vec![0x5a; length];
    let path = dir.join("plain");
    let mut file = File::create_new(&path)?;
    let groups = commits.div_ceil(group);
    let begun = Instant::now();
    for _ in 0..groups {
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    let elapsed_us = micros(begun.elapsed());
    drop(file);
    fs::remove_file(&path)?;
    Ok(per_second(groups.saturating_mul(group), elapsed_us))
}
