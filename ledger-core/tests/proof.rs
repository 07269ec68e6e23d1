//! Signed checkpoints of a data folder: what is signed, what is refused, and what crashes leave.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use futures::TryStreamExt;
use futures::executor::block_on;
use ledger_core::commit::{Commit, Hash, SealedCommit};
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::merkle;
use ledger_core::proof::archive::{Archive, Signed, commit_at};
use ledger_core::proof::checkpoint::{Checkpoint, follow_keys, origin};
use ledger_core::proof::note::{SigningKey, VerifierKey};
use ledger_core::proof::{NotProved, Proof, ProofError};
use ledger_core::store::CommitLog;
use ledger_core::store::memory::MemoryLog;
use tempfile::TempDir;

const LOG_ID: [u8; 16] = [0xab; 16];

/// A data folder, and a log whose records can be anything.
struct Data {
    dir: TempDir,
    log: MemoryLog,
}

impl Data {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), log: MemoryLog::default() }
    }

    fn of(texts: &[&str]) -> Self {
        let data = Self::new();
        data.record_all(texts);
        data
    }

    /// The same folder with another log.
    fn with_log(self, texts: &[&str]) -> Self {
        Self { dir: self.dir, ..Self::of(texts) }
    }

    fn record_all(&self, texts: &[&str]) {
        for text in texts {
            self.record(text);
        }
    }

    /// A commit in a stream of its own.
    fn record(&self, text: &str) {
        block_on(self.log.append_commit(commit(text))).unwrap();
    }

    fn folder(&self) -> DataFolder {
        let root = self.dir.path().join("data");
        if !root.exists() {
            let folder = DataFolder::open_or_create(&root, ClockKind::Real).unwrap();
            for dir in [folder.log(), folder.journal()] {
                fs::create_dir(&dir).unwrap();
                fs::write(dir.join("anchor"), "").unwrap();
            }
        }
        DataFolder::open(&root).unwrap()
    }

    fn open(&self) -> Result<Archive, ProofError> {
        block_on(Archive::open(&self.folder(), &LOG_ID, &self.log))
    }

    fn sign(&self) -> Signed {
        block_on(self.open().unwrap().sign(&self.log)).unwrap().clone()
    }

    fn rotate(&self) -> (VerifierKey, Signed) {
        let mut archive = self.open().unwrap();
        let (key, signed) = block_on(archive.rotate(&self.log)).unwrap();
        (key, signed.clone())
    }

    /// The root over all that was recorded, from the log alone.
    fn root(&self) -> Hash {
        let mut tree = merkle::Tree::default();
        let commits: Vec<_> = block_on(self.log.read_from(1).try_collect()).unwrap();
        for stored in commits {
            tree.push(stored.hash());
        }
        tree.root()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("data").join(name)
    }

    fn prove(&self, position: u64) -> Proof {
        let commit = block_on(commit_at(&self.log, position)).unwrap().unwrap();
        block_on(self.open().unwrap().prove(&self.log, position, &commit, None)).unwrap()
    }

    fn verifiers(&self) -> Vec<VerifierKey> {
        self.open().unwrap().verifiers().unwrap()
    }

    fn verifier(&self) -> VerifierKey {
        self.verifiers().first().unwrap().clone()
    }
}

fn commit(text: &str) -> SealedCommit {
    let at = DateTime::from_timestamp_millis(0).unwrap();
    SealedCommit::seal(Commit {
        stream: StreamId::Customer(CustomerId::try_new(text).unwrap()),
        version: 1,
        previous: Hash::ZERO,
        recorded_at: at,
        effective_at: at,
        actor: Actor { id: ActorId::try_new("u-1").unwrap(), role: Role::Operator },
        command_id: CommandId::try_new("c-1").unwrap(),
        request_hash: Hash::of(b"{}"),
        request: b"{}".to_vec(),
        reason: Reason::try_new("because").unwrap(),
        correlation_id: None,
        causation_id: None,
        codec: "bincode-2".to_owned(),
        events: Vec::new(),
    })
    .unwrap()
}

#[test]
fn a_checkpoint_covers_every_commit_and_is_signed_once() {
    let data = Data::of(&["a", "b", "c"]);
    let signed = data.sign();
    let mut tree = merkle::Tree::default();
    for text in ["a", "b", "c"] {
        tree.push(commit(text).hash());
    }
    assert_eq!((signed.size, signed.root), (3, tree.root()));
    let read = Checkpoint::open(&signed.note, &data.verifiers()).unwrap();
    assert_eq!((read.origin, read.root), (origin(&LOG_ID), tree.root()));
    assert_eq!(data.sign(), signed, "nothing was recorded since");
    data.record("d");
    assert_eq!(data.sign().size, 4);
    let sizes: Vec<u64> = data.open().unwrap().signed().iter().map(|signed| signed.size).collect();
    assert_eq!(sizes, [3, 4]);
}

#[test]
fn an_empty_log_gets_no_checkpoint_and_no_files() {
    let data = Data::new();
    let mut archive = data.open().unwrap();
    assert!(matches!(archive.latest(), Err(ProofError::NoCheckpoint)));
    assert!(matches!(block_on(archive.sign(&data.log)), Err(ProofError::Empty)));
    assert!(matches!(block_on(archive.rotate(&data.log)), Err(ProofError::Empty)));
    assert!(!data.file("proofs").exists() && !data.file("keys").exists());
}

#[test]
fn what_is_opened_only_to_be_read_writes_nothing() {
    let data = Data::of(&["a"]);
    assert_eq!(data.open().unwrap().size(), 1);
    assert!(!data.file("proofs").exists() && !data.file("keys").exists());
}

#[test]
fn a_proof_proves_its_own_commit_only() {
    let data = Data::of(&["a", "b", "c", "d", "e"]);
    data.sign();
    for (position, text) in (1..).zip(["a", "b", "c", "d", "e"]) {
        let proof = data.prove(position);
        assert_eq!(proof.check(&data.verifier()), Ok(commit(text)), "{position}");
    }
    let key = data.verifier();
    let proof = data.prove(2);
    let of_c = data.prove(3);
    let check = |proof: Proof| proof.check(&key).unwrap_err();
    let moved = Proof { position: 3, ..proof.clone() };
    assert_eq!(check(moved), NotProved::Path(3));
    assert_eq!(check(Proof { position: 0, ..proof.clone() }), NotProved::Path(0));
    let other = Proof { commit: of_c.commit.clone(), ..proof.clone() };
    assert_eq!(check(other), NotProved::Hash(commit("c").hash()));
    let (commit_hash, commit) = (of_c.commit_hash, of_c.commit);
    assert_eq!(check(Proof { commit_hash, commit, ..proof.clone() }), NotProved::Path(2));
    let smaller = Proof { size: 4, ..proof.clone() };
    assert_eq!(check(smaller), NotProved::Size { proof: 4, checkpoint: 5 });
    let stranger = SigningKey::new(origin(&LOG_ID), &[9; 32]).verifier().clone();
    assert!(matches!(proof.check(&stranger), Err(NotProved::Checkpoint(_))));
}

#[test]
fn a_proof_needs_a_checkpoint_that_covers_the_commit() {
    let data = Data::of(&["a", "b"]);
    let prove = |position, text, size| {
        block_on(data.open().unwrap().prove(&data.log, position, &commit(text), size))
    };
    assert!(matches!(prove(1, "a", None), Err(ProofError::NoCheckpoint)));
    data.sign();
    data.record("c");
    let late = prove(3, "c", None);
    assert!(matches!(late, Err(ProofError::NotCovered { position: 3, size: 2 })));
    assert!(matches!(prove(0, "a", None), Err(ProofError::NotCovered { .. })));
    let unknown = prove(1, "a", Some(1));
    assert!(matches!(unknown, Err(ProofError::NoSuchCheckpoint(1))));
}

#[test]
fn later_checkpoints_continue_earlier_ones() {
    let data = Data::of(&["a", "b", "c"]);
    let old = data.sign();
    data.record_all(&["d", "e", "f", "g"]);
    let new = data.sign();
    let consistency = |from, to| block_on(data.open().unwrap().consistency(&data.log, from, to));
    let path = consistency(3, 7).unwrap();
    assert!(merkle::is_consistent((3, old.root), (7, new.root), &path));
    assert!(matches!(consistency(7, 3), Err(ProofError::Order { from: 7, to: 3 })));
    assert!(matches!(consistency(2, 7), Err(ProofError::NoSuchCheckpoint(2))));
}

#[test]
fn a_log_that_is_not_the_one_that_was_signed_gets_no_further_checkpoint() {
    let cases: [(&[&str], bool, &str); 5] = [
        (&["a", "b"], true, "it ends at position 2, but 3 commits were signed"),
        (&["a", "b", "x", "d"], true, "another commit was signed at position 3"),
        (&["a", "c", "b"], true, "another commit was signed at position 3"),
        (&["a", "x", "c"], false, "a commit from position 2 to 3 was changed"),
        (&["x", "b", "c"], false, "a commit from position 1 to 1 was changed"),
    ];
    for (texts, has_hashes, expected) in cases {
        let data = Data::of(&["a"]);
        data.sign();
        let data = data.with_log(&["a", "b", "c"]);
        data.sign();
        let before = fs::read(data.file("proofs/checkpoints")).unwrap();
        let data = data.with_log(texts);
        if !has_hashes {
            fs::remove_file(data.file("proofs/hashes")).unwrap();
        }
        match data.open() {
            Err(ProofError::Contradicted(what)) => assert_eq!(what, expected),
            other => panic!("{texts:?}: {other:?}"),
        }
        assert_eq!(fs::read(data.file("proofs/checkpoints")).unwrap(), before);
        assert!(!data.file("proofs/hashes.new").exists());
    }
}

#[test]
fn a_changed_commit_is_noticed_when_it_is_to_be_proved() {
    let data = Data::of(&["a", "b", "c"]);
    data.sign();
    let data = data.with_log(&["a", "x", "c"]);
    let refused = block_on(data.open().unwrap().prove(&data.log, 2, &commit("x"), None));
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("a commit from position 1 to 3 was changed"), "{text}");
}

#[test]
fn hashes_that_are_lost_torn_or_changed_are_made_again() {
    let data = Data::of(&["a", "b", "c"]);
    let signed = data.sign();
    let path = data.file("proofs/hashes");
    let whole = fs::read(&path).unwrap();
    let changed: Vec<u8> = whole.iter().map(|byte| byte ^ 1).collect();
    let spoiled = [None, Some(Vec::new()), Some(whole[..70].to_vec()), Some(changed)];
    for spoiled in spoiled {
        match spoiled {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        assert_eq!(data.sign(), signed);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    fs::write(&path, [&whole[..], &[0; 45]].concat()).unwrap();
    data.record("d");
    assert_eq!(data.sign().size, 4);
    assert_eq!(fs::read(&path).unwrap()[96..], *commit("d").hash().as_bytes());
}

#[test]
fn a_checkpoint_torn_by_a_crash_is_signed_again() {
    let data = Data::of(&["a"]);
    data.sign();
    let path = data.file("proofs/checkpoints");
    let one = fs::read(&path).unwrap();
    data.record("b");
    data.sign();
    let two = fs::read(&path).unwrap();
    for length in (one.len()..two.len()).step_by(7) {
        fs::write(&path, &two[..length]).unwrap();
        assert_eq!(data.open().unwrap().signed().len(), 1, "{length}");
        data.sign();
        assert_eq!(fs::read(&path).unwrap(), two, "{length}");
    }
}

#[test]
fn changed_checkpoints_are_refused() {
    let data = Data::of(&["a"]);
    data.sign();
    data.record("b");
    data.sign();
    let path = data.file("proofs/checkpoints");
    let whole = fs::read_to_string(&path).unwrap();
    for (from, to) in [("\n2\n", "\n3\n"), ("\n1\n", "\n9\n"), ("ledger/ab", "ledger/00")] {
        fs::write(&path, whole.replace(from, to)).unwrap();
        let refused = data.open();
        assert!(matches!(refused, Err(ProofError::Damaged { .. })), "{from:?}: {refused:?}");
    }
    fs::write(&path, whole).unwrap();
    fs::remove_file(data.file("keys/checkpoint.pub")).unwrap();
    let refused = data.open().unwrap_err().to_string();
    assert!(refused.contains("checkpoint 2: it is not signed with a trusted key"), "{refused}");
}

/// Flips a bit of every hash in the file from index `first` to before `end`.
fn flip(path: &Path, first: usize, end: usize) {
    let mut bytes = fs::read(path).unwrap();
    (first..end).for_each(|index| bytes[index * 32] ^= 1);
    fs::write(path, bytes).unwrap();
}

#[test]
fn hashes_that_change_while_they_are_in_use_are_made_again_before_anything_is_signed_or_proved() {
    let data = Data::of(&["a", "b", "c"]);
    let old = data.sign();
    data.record("d");
    let new = data.sign();
    let (path, key) = (data.file("proofs/hashes"), data.verifier());
    let whole = fs::read(&path).unwrap();
    for index in 0..4 {
        let mut archive = data.open().unwrap();
        for (position, text) in (1..).zip(["a", "b", "c", "d"]) {
            flip(&path, index, index + 1);
            let proof = block_on(archive.prove(&data.log, position, &commit(text), None));
            assert_eq!(proof.unwrap().check(&key), Ok(commit(text)), "{index} {position}");
            fs::write(&path, &whole).unwrap();
        }
        flip(&path, index, index + 1);
        let path = block_on(archive.consistency(&data.log, 3, 4)).unwrap();
        assert!(merkle::is_consistent((3, old.root), (4, new.root), &path), "{index}");
    }
    for spoil in [|path: &Path| flip(path, 0, 4), |path: &Path| fs::remove_file(path).unwrap()] {
        let mut archive = data.open().unwrap();
        data.record(&format!("e{}", archive.size()));
        block_on(archive.follow(&data.log)).unwrap();
        spoil(&path);
        let signed = block_on(archive.sign(&data.log)).unwrap().clone();
        assert_eq!(data.open().unwrap().latest().unwrap(), &signed);
        assert_eq!(data.root(), signed.root);
    }
}

#[test]
fn hashes_that_change_before_they_are_signed_do_not_decide_what_is_signed() {
    let data = Data::of(&["a"]);
    data.sign();
    data.record_all(&["b", "c"]);
    let mut archive = data.open().unwrap();
    // The hashes are written, but the note cannot be.
    let (path, kept) = (data.file("proofs/checkpoints"), data.file("kept"));
    fs::rename(&path, &kept).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(block_on(archive.sign(&data.log)), Err(ProofError::Io { .. })));
    fs::remove_dir(&path).unwrap();
    fs::rename(&kept, &path).unwrap();
    flip(&data.file("proofs/hashes"), 1, 3);
    assert_eq!(block_on(archive.sign(&data.log)).unwrap().root, data.root());
}

#[test]
fn a_log_that_is_changed_while_it_is_in_use_gets_no_checkpoint_and_no_proof() {
    let data = Data::of(&["a", "b"]);
    data.sign();
    let mut archive = data.open().unwrap();
    let data = data.with_log(&["a", "x", "c"]);
    block_on(archive.follow(&data.log)).unwrap();
    flip(&data.file("proofs/hashes"), 0, 1);
    let before = fs::read(data.file("proofs/checkpoints")).unwrap();
    let signed = block_on(archive.sign(&data.log));
    assert!(matches!(signed, Err(ProofError::Contradicted(_))), "{signed:?}");
    let proved = block_on(archive.prove(&data.log, 2, &commit("x"), None));
    assert!(matches!(proved, Err(ProofError::Contradicted(_))), "{proved:?}");
    assert_eq!(fs::read(data.file("proofs/checkpoints")).unwrap(), before);
}

#[test]
fn lost_checkpoints_are_missed_as_long_as_there_is_a_key() {
    let data = Data::of(&["a", "b"]);
    data.sign();
    let (checkpoints, kept) = (data.file("proofs/checkpoints"), data.file("kept"));
    fs::rename(&checkpoints, &kept).unwrap();
    for key in ["keys/checkpoint.pub", "keys/checkpoint.key"] {
        let text = data.open().unwrap_err().to_string();
        assert!(
            text.contains("proofs/checkpoints: it is missing, although there is a key"),
            "{text}"
        );
        assert!(text.contains("restore it from a backup"), "{text}");
        let away = data.file("keys/away");
        fs::rename(data.file(key), &away).unwrap();
        assert!(matches!(data.open(), Err(ProofError::Damaged { .. })), "without {key}");
        fs::rename(&away, data.file(key)).unwrap();
    }
    assert!(!checkpoints.exists());
    fs::rename(&kept, &checkpoints).unwrap();
    assert_eq!(data.sign().size, 2);
}

#[test]
fn moving_keys_and_checkpoints_away_begins_with_a_new_key() {
    let data = Data::of(&["a", "b"]);
    let old = data.sign();
    for folder in ["keys", "proofs"] {
        fs::remove_dir_all(data.file(folder)).unwrap();
    }
    let new = data.sign();
    assert_eq!((new.size, new.root), (old.size, old.root));
    assert_ne!(new.key_id, old.key_id);
}

#[test]
fn a_crash_after_the_first_key_was_made_is_not_taken_for_a_loss() {
    let data = Data::of(&["a"]);
    let mut archive = data.open().unwrap();
    // The hashes cannot be written, so it goes no further than the key.
    let hashes = data.file("proofs/hashes");
    fs::create_dir_all(&hashes).unwrap();
    assert!(matches!(block_on(archive.sign(&data.log)), Err(ProofError::Io { .. })));
    assert!(data.file("keys/checkpoint.key").exists());
    fs::remove_dir(&hashes).unwrap();
    assert_eq!(data.sign().size, 1);
}

#[test]
fn a_restored_folder_without_the_secret_key_proves_but_signs_nothing() {
    let data = Data::of(&["a"]);
    data.sign();
    fs::remove_file(data.file("keys/checkpoint.key")).unwrap();
    fs::remove_file(data.file("proofs/hashes")).unwrap();
    assert_eq!(data.prove(1).check(&data.verifier()), Ok(commit("a")));
    data.record("b");
    let refused = block_on(data.open().unwrap().sign(&data.log)).unwrap_err().to_string();
    assert!(refused.contains("keys/checkpoint.key is missing"), "{refused}");
    assert!(refused.ends_with("restore it from a backup"), "{refused}");
}

#[test]
fn a_changed_key_is_vouched_for_by_the_old_one() {
    let data = Data::of(&["a", "b"]);
    data.sign();
    let old = data.verifier();
    let (new, rotation) = data.rotate();
    assert_eq!(data.verifiers(), [old.clone(), new.clone()]);
    for key in [&old, &new] {
        let read = Checkpoint::open(&rotation.note, std::slice::from_ref(key)).unwrap();
        assert_eq!(read.new_key.as_ref(), Some(&new));
    }
    data.record("c");
    let later = data.sign();
    assert!(Checkpoint::open(&later.note, std::slice::from_ref(&old)).is_err());
    let archive = data.open().unwrap();
    let notes = archive.signed().iter().map(|signed| signed.note.as_str());
    assert_eq!(follow_keys(old, notes), [data.verifier(), new.clone()]);
    assert_eq!(data.prove(1).check(&new), Ok(commit("a")));
}

#[test]
fn a_change_of_the_key_survives_a_crash_after_every_step() {
    let steps: [&[&str]; 4] = [
        &["keys/checkpoint.next"],
        &["keys/checkpoint.next", "proofs/checkpoints"],
        &["keys/checkpoint.next", "proofs/checkpoints", "keys/checkpoint.pub"],
        &["keys/checkpoint.key", "proofs/checkpoints", "keys/checkpoint.pub"],
    ];
    for (step, written) in (1..).zip(steps) {
        let data = Data::of(&["a", "b"]);
        data.sign();
        let files = ["keys/checkpoint.key", "keys/checkpoint.pub", "proofs/checkpoints"];
        let before = files.map(|name| fs::read(data.file(name)).unwrap());
        let (new, _) = data.rotate();
        if written.contains(&"keys/checkpoint.next") {
            fs::rename(data.file("keys/checkpoint.key"), data.file("keys/checkpoint.next"))
                .unwrap();
        }
        for (name, content) in files.iter().zip(&before) {
            if !written.contains(name) {
                fs::write(data.file(name), content).unwrap();
            }
        }
        let key = data.file("keys/checkpoint.key");
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

        data.record("c");
        assert_eq!(data.sign().size, 3, "the ledger goes on after step {step}");
        let (key, note) = data.rotate();
        assert_eq!(key == new, step < 4, "an interrupted change goes on with its key");
        assert!(!data.file("keys/checkpoint.next").exists());
        let latest = Checkpoint::open(&note.note, &[key]).unwrap();
        assert_eq!(latest.size, 3);
    }
}
