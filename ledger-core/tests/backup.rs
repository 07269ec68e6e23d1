//! A backup of a whole folder while everything that it copies goes on.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ops::ControlFlow;
use std::path::Path;

use futures::executor::block_on;
use ledger_core::backup::{BackupError, backup};
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::proof::archive::Archive;
use ledger_core::store::CommitLog;
use ledger_core::store::contract::{customer, next_commit};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};

fn open(dir: &Path) -> SegmentLog {
    SegmentLog::open(dir, SegmentOptions::default()).unwrap()
}

fn append(log: &SegmentLog, name: &str) {
    block_on(log.append_commit(next_commit(&customer(name), None, "x"))).unwrap();
}

#[test]
fn the_parts_of_a_backup_fit_whatever_happens_while_it_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let folder = DataFolder::open_or_create(&dir.path().join("data"), ClockKind::Real).unwrap();
    let (log, journal) = (open(&folder.log()), open(&folder.journal()));
    let mut archive = block_on(Archive::open(&folder, &log.id(), &log)).unwrap();
    let into = dir.path().join("copy");
    append(&log, "early");
    block_on(archive.sign(&log)).unwrap_err();
    block_on(archive.follow(&log)).unwrap();
    block_on(archive.sign(&log)).unwrap();

    let mut names = 0..;
    backup(&folder, (&log, &journal), &into, &mut |_, _, _| {
        // A new customer, whose next command is refused, and a checkpoint over all that.
        let name = format!("late-{}", names.next().unwrap());
        append(&log, &name);
        append(&journal, &name);
        block_on(archive.follow(&log)).unwrap();
        block_on(archive.sign(&log)).unwrap();
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(2 < archive.size(), "something happened in between");

    let copy = DataFolder::open(&into).unwrap();
    let (log, journal) = (open(&copy.log()), open(&copy.journal()));
    for number in 0..journal.durable_position() {
        let known = log.head(&customer(&format!("late-{number}"))).version;
        assert_eq!(known, 1, "the customer of a refusal is missing");
    }
    let archive = block_on(Archive::open(&copy, &log.id(), &log)).unwrap();
    assert_eq!(archive.latest().unwrap().size, 1);
}

#[test]
fn a_backup_that_is_stopped_has_no_mark() {
    let dir = tempfile::tempdir().unwrap();
    let folder = DataFolder::open_or_create(&dir.path().join("data"), ClockKind::Real).unwrap();
    let (log, journal) = (open(&folder.log()), open(&folder.journal()));
    let into = dir.path().join("copy");
    let stopped = backup(&folder, (&log, &journal), &into, &mut |_, _, _| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    assert!(DataFolder::open(&into).is_err());
    assert!(DataFolder::open_or_create(&into, ClockKind::Real).is_err());
}
