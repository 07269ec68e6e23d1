//! One flipped bit anywhere in the log: named by `verify`, refused by the server, repaired by nobody.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use ledger_tests::{Numbers, Server, replay_tool};

const PLACES: u32 = 200;

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    found.sort();
    found.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// A stopped demo folder: two years of three customers.
fn demo(data: &Path) {
    let _ = Server::start(data, &["--demo"]).stop();
}

#[test]
fn a_flipped_bit_is_named_and_nothing_is_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    demo(&data);
    let segment = data.join("log/00000000000000000001.seg");
    let whole = fs::read(&segment).unwrap();
    let mut numbers = Numbers::new(0x5eed_0002);
    for _ in 0..PLACES {
        let place = usize::try_from(numbers.below(u64::try_from(whole.len()).unwrap())).unwrap();
        let mut damaged = whole.clone();
        damaged[place] ^= 1 << numbers.below(8);
        fs::write(&segment, &damaged).unwrap();
        let before = files(&data.join("log"));

        let verified = replay_tool(&["verify", "--data", data.to_str().unwrap()]);
        let said = format!("{}{}", verified.stdout, verified.stderr);
        assert_ne!(verified.code, Some(0), "byte {place}: {said}");
        assert!(said.contains("00000000000000000001.seg"), "byte {place}: {said}");
        assert!(said.contains("offset"), "byte {place}: {said}");

        let refused = Server::try_start(&data, &["--demo"]).unwrap_err();
        assert!(refused.contains("00000000000000000001.seg"), "byte {place}: {refused}");
        assert!(refused.contains("offset"), "byte {place}: {refused}");
        assert_eq!(files(&data.join("log")), before, "byte {place}: nothing is rewritten");
    }
    fs::write(&segment, &whole).unwrap();
    let verified = replay_tool(&["verify", "--data", data.to_str().unwrap()]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn a_log_that_was_cut_short_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    demo(&data);
    let segment = data.join("log/00000000000000000001.seg");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() * 2 / 3]).unwrap();
    let refused = Server::try_start(&data, &["--demo"]).unwrap_err();
    assert!(refused.contains("00000000000000000001.seg"), "{refused}");
    assert!(refused.contains("ends"), "{refused}");
    let verified = replay_tool(&["verify", "--data", data.to_str().unwrap()]);
    assert_ne!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn damaged_or_missing_views_are_set_aside_and_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    demo(&data);
    let server = Server::start(&data, &["--demo"]);
    let expected = server.get("/v1/customers");
    let _ = server.stop();

    fs::remove_dir_all(data.join("views")).unwrap();
    let server = Server::start(&data, &["--demo"]);
    assert_eq!(server.get("/v1/customers"), expected, "missing views are rebuilt");
    let _ = server.stop();

    for (path, bytes) in files(&data.join("views")) {
        fs::write(&path, vec![0x5a; bytes.len() / 2]).unwrap();
    }
    let server = Server::start(&data, &["--demo"]);
    assert_eq!(server.get("/v1/customers"), expected, "damaged views are rebuilt");
    let said = server.stop();
    assert!(said.contains("set aside"), "{said}");
}
