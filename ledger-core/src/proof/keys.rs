//! The key files of a data folder: the secret key, the one that follows it while it is changed, and
//! the verifier keys of all there ever were.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::note::{SigningKey, VerifierKey};
use super::{ProofError, failed};
use crate::folder::{make_private_folder, write_durably, write_secret_durably};

/// The secret key.
const KEY: &str = "checkpoint.key";

/// The key that takes its place, until it does.
const NEXT: &str = "checkpoint.next";

/// The verifier keys, one per line, the oldest first.
pub(crate) const PUBLIC: &str = "checkpoint.pub";

/// The folder `keys` of a data folder.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    dir: PathBuf,
    /// The log whose keys they are.
    origin: String,
}

impl KeyFiles {
    /// The key files in `dir` of the log that is called `origin` in its checkpoints.
    #[must_use]
    pub const fn new(dir: PathBuf, origin: String) -> Self {
        Self { dir, origin }
    }

    /// The verifier keys, the oldest first; none before the first key is made.
    ///
    /// # Errors
    ///
    /// [`ProofError`] when the file cannot be read or is damaged.
    pub fn verifiers(&self) -> Result<Vec<VerifierKey>, ProofError> {
        let path = self.dir.join(PUBLIC);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(failed(&path, "read")(err)),
        };
        let key = |line: &str| line.parse();
        let keys = text.lines().map(key).collect::<Result<_, _>>();
        keys.map_err(|reason| ProofError::KeyDamaged { path, reason })
    }

    /// Whether there ever was a key, as far as the files tell.
    ///
    /// # Errors
    ///
    /// [`ProofError`] when the verifier keys cannot be read or are damaged.
    pub fn has_any(&self) -> Result<bool, ProofError> {
        Ok(self.dir.join(KEY).exists() || !self.verifiers()?.is_empty())
    }

    /// The secret key; made when there never was one.
    ///
    /// # Errors
    ///
    /// [`ProofError`] when it is lost, damaged, or can be read by others.
    pub fn signing(&self) -> Result<SigningKey, ProofError> {
        let path = self.dir.join(KEY);
        let key = match self.read(&path)? {
            Some(key) => key,
            None if self.verifiers()?.is_empty() => self.make(&path)?,
            None => return Err(ProofError::KeyMissing(path)),
        };
        self.make_known(key.verifier())?;
        Ok(key)
    }

    /// The key that is to follow; the one that an interrupted change has left, or a new one.
    ///
    /// # Errors
    ///
    /// [`ProofError`] when it cannot be made or is damaged.
    pub fn next(&self) -> Result<SigningKey, ProofError> {
        let path = self.dir.join(NEXT);
        match self.read(&path)? {
            Some(key) => Ok(key),
            None => self.make(&path),
        }
    }

    /// Puts the following key in the place of the secret one, which is gone then.
    ///
    /// # Errors
    ///
    /// [`ProofError`]; until it is done, the old key is the secret one.
    pub fn adopt(&self, next: &SigningKey) -> Result<(), ProofError> {
        self.make_known(next.verifier())?;
        let path = self.dir.join(KEY);
        fs::rename(self.dir.join(NEXT), &path).map_err(failed(&path, "replaced"))?;
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(failed(&self.dir, "synced"))
    }

    fn read(&self, path: &Path) -> Result<Option<SigningKey>, ProofError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(failed(path, "read")(err)),
        };
        let mode = fs::metadata(path).map_err(failed(path, "read"))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(ProofError::KeyReadable { path: path.to_owned(), mode });
        }
        let key: SigningKey = text
            .trim_end()
            .parse()
            .map_err(|reason| ProofError::KeyDamaged { path: path.to_owned(), reason })?;
        let (found, expected) = (key.verifier().name(), &self.origin);
        if found != expected {
            let (found, expected) = (found.to_owned(), expected.clone());
            return Err(ProofError::KeyForeign { path: path.to_owned(), found, expected });
        }
        Ok(Some(key))
    }

    fn make(&self, path: &Path) -> Result<SigningKey, ProofError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(ProofError::Random)?;
        let key = SigningKey::new(self.origin.clone(), &seed);
        make_private_folder(&self.dir).map_err(failed(&self.dir, "made"))?;
        let text = format!("{}\n", key.secret_text());
        write_secret_durably(path, text.as_bytes()).map_err(failed(path, "written"))?;
        Ok(key)
    }

    /// Adds a key to the verifier keys unless it is there.
    fn make_known(&self, key: &VerifierKey) -> Result<(), ProofError> {
        let mut keys = self.verifiers()?;
        if keys.contains(key) {
            return Ok(());
        }
        keys.push(key.clone());
        let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let text = lines.join("\n") + "\n";
        let path = self.dir.join(PUBLIC);
        write_durably(&path, text.as_bytes()).map_err(failed(&path, "written"))
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::proof::note::KeyError;

    fn files(dir: &TempDir) -> KeyFiles {
        KeyFiles::new(dir.path().join("keys"), "a-ledger".to_owned())
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let dir = TempDir::new().unwrap();
        assert!(files(&dir).verifiers().unwrap().is_empty());
        let made = files(&dir).signing().unwrap();
        let path = dir.path().join("keys/checkpoint.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = files(&dir).signing().unwrap();
        assert_eq!(again.secret_text(), made.secret_text());
        assert_eq!(files(&dir).verifiers().unwrap(), [made.verifier().clone()]);
        assert!(!format!("{made:?}").contains(&made.secret_text()));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_and_the_answer_says_what_to_do() {
        let dir = TempDir::new().unwrap();
        files(&dir).signing().unwrap();
        let path = dir.path().join("keys/checkpoint.key");
        for mode in [0o640, 0o604, 0o610, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = files(&dir).signing().unwrap_err().to_string();
            assert!(refused.ends_with(&format!("run chmod 600 {}", path.display())), "{refused}");
        }
    }

    #[test]
    fn a_damaged_foreign_or_lost_key_is_refused_and_never_replaced() {
        let dir = TempDir::new().unwrap();
        let key = files(&dir).signing().unwrap();
        let path = dir.path().join("keys/checkpoint.key");
        for damaged in ["", "PRIVATE+KEY+", &key.secret_text().replace('A', "B")] {
            write_secret_durably(&path, damaged.as_bytes()).unwrap();
            let refused = files(&dir).signing();
            assert!(matches!(refused, Err(ProofError::KeyDamaged { .. })), "{refused:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
        let foreign = SigningKey::new("another".to_owned(), &[1; 32]).secret_text();
        write_secret_durably(&path, foreign.as_bytes()).unwrap();
        assert!(matches!(files(&dir).signing(), Err(ProofError::KeyForeign { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(files(&dir).signing(), Err(ProofError::KeyMissing(lost)) if lost == path));
        let public = dir.path().join("keys/checkpoint.pub");
        fs::write(&public, "nonsense\n").unwrap();
        let refused = files(&dir).verifiers();
        let form = KeyError::Form;
        assert!(matches!(refused, Err(ProofError::KeyDamaged { reason, .. }) if reason == form));
    }

    #[test]
    fn a_crash_between_key_and_verifier_key_is_made_up_for() {
        let dir = TempDir::new().unwrap();
        let key = files(&dir).signing().unwrap();
        fs::remove_file(dir.path().join("keys/checkpoint.pub")).unwrap();
        assert_eq!(files(&dir).signing().unwrap().verifier(), key.verifier());
        assert_eq!(files(&dir).verifiers().unwrap(), [key.verifier().clone()]);
    }

    #[test]
    fn a_leftover_that_others_can_read_does_not_make_the_key_readable() {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("keys")).unwrap();
        let leftover = dir.path().join("keys/checkpoint.new");
        fs::write(&leftover, "half a file").unwrap();
        fs::set_permissions(&leftover, fs::Permissions::from_mode(0o666)).unwrap();
        files(&dir).signing().unwrap();
        files(&dir).signing().unwrap();
    }
}
