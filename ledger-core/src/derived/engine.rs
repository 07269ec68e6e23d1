//! The only place that calls sled. Every value carries a checksum; a panic in sled becomes an error.

use std::any::Any;
use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sled::{Batch, Db};

/// The file that holds sled's data; its flush does not reach the disk by itself.
const DATA_FILE: &str = "db";

/// How often, and after which pauses, opening is tried while sled's threads of an earlier use end.
const LOCK_ATTEMPTS: u32 = 1000;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It reported an error.
    #[error("the database failed")]
    Failed(#[from] sled::Error),
    /// It panicked.
    #[error("the database panicked: {0}")]
    Panicked(String),
    /// A stored value does not match its checksum.
    #[error("the value of {0} does not match its checksum")]
    Checksum(String),
    /// It failed before and is not asked again.
    #[error(
        "the database failed before: restart to check it and, if need be, rebuild what it held"
    )]
    Broken,
    /// Its file cannot be synced.
    #[error("the database's file cannot be synced")]
    Sync(#[source] std::io::Error),
}

impl EngineError {
    /// Whether only space on the disk was missing.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let kind = match self {
            Self::Failed(sled::Error::Io(err)) | Self::Sync(err) => err.kind(),
            Self::Failed(_) | Self::Panicked(_) | Self::Checksum(_) | Self::Broken => return false,
        };
        matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }
}

/// A sled database that is left alone after its first failure.
pub struct Engine {
    /// Always there; taken when dropped.
    db: Option<Db>,
    data_file: PathBuf,
    is_broken: AtomicBool,
}

impl Engine {
    /// Opens or creates the database in `dir`, of which the caller holds the lock beside it.
    ///
    /// `cache_bytes` is what it keeps of its pages as they are on disk; in memory they take many times
    /// as much.
    ///
    /// Blocks, perhaps for ever if the files are damaged.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when it cannot be opened.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .print_profile_on_drop(false);
        let db = open_unlocked(|| caught(|| Ok(config.open()?)))?;
        let data_file = dir.join(DATA_FILE);
        Ok(Self { db: Some(db), data_file, is_broken: AtomicBool::new(false) })
    }

    /// The value of `key`, checked.
    ///
    /// # Errors
    ///
    /// [`EngineError`]; nothing can be asked afterwards.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.run(|db| {
            let framed = db.get(key)?;
            framed.map(|framed| unframe(key, &framed)).transpose()
        })
    }

    /// Calls `visit` for the entries whose key starts with `prefix` and is at least `from`, in order,
    /// until it returns false.
    ///
    /// # Errors
    ///
    /// [`EngineError`]; nothing can be asked afterwards.
    pub fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(&[u8], Vec<u8>) -> bool,
    ) -> Result<(), EngineError> {
        self.run(|db| {
            for entry in db.range(from.max(prefix)..) {
                let (key, framed) = entry?;
                if !key.starts_with(prefix) || !visit(&key, unframe(&key, &framed)?) {
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    /// As [`scan`](Self::scan), but all that starts with `prefix`, the last first.
    ///
    /// # Errors
    ///
    /// [`EngineError`]; nothing can be asked afterwards.
    pub fn scan_back(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], Vec<u8>) -> bool,
    ) -> Result<(), EngineError> {
        self.run(|db| {
            for entry in db.scan_prefix(prefix).rev() {
                let (key, framed) = entry?;
                if !visit(&key, unframe(&key, &framed)?) {
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    /// Writes all entries or, after a crash, none; `None` removes.
    ///
    /// # Errors
    ///
    /// [`EngineError`]; nothing can be asked afterwards.
    pub fn write<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        for (key, value) in entries {
            match value {
                Some(value) => batch.insert(key, frame(key, value)),
                None => batch.remove(key),
            }
        }
        self.run(|db| Ok(db.apply_batch(batch)?))
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    ///
    /// [`EngineError`]; nothing can be asked afterwards.
    pub fn flush(&self) -> Result<(), EngineError> {
        self.run(|db| {
            db.flush()?;
            // sled only asks the system to start writing.
            File::open(&self.data_file).and_then(|file| file.sync_data()).map_err(EngineError::Sync)
        })
    }

    /// Leaves the database alone from now on, because what it answered cannot be right.
    pub fn condemn(&self) {
        self.is_broken.store(true, Ordering::Release);
    }

    fn run<T>(&self, work: impl FnOnce(&Db) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let Some(db) = &self.db else { return Err(EngineError::Broken) };
        if self.is_broken.load(Ordering::Acquire) {
            return Err(EngineError::Broken);
        }
        let result = caught(|| work(db));
        if result.is_err() {
            self.condemn();
        }
        result
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some(db) = self.db.take() else { return };
        if self.is_broken.load(Ordering::Acquire) {
            // Closing writes; what is broken must not, and might never return.
            std::mem::forget(db);
            return;
        }
        let closed = caught(|| {
            drop(db);
            Ok(())
        });
        if let Err(err) = closed {
            tracing::warn!(file = %self.data_file.display(), %err, "a database was not closed cleanly");
        }
    }
}

/// Tries again while the database is locked: sled ends its threads, and so its lock, after closing.
fn open_unlocked(open: impl Fn() -> Result<Db, EngineError>) -> Result<Db, EngineError> {
    for _ in 1..LOCK_ATTEMPTS {
        match open() {
            Err(EngineError::Failed(sled::Error::Io(err))) if is_locked(&err) => {
                thread::sleep(LOCK_PAUSE);
            }
            opened => return opened,
        }
    }
    open()
}

/// sled tells this case by its text only.
fn is_locked(err: &std::io::Error) -> bool {
    err.to_string().starts_with("could not acquire lock")
}

/// Runs `work` and turns a panic into an error. sled keeps no state of ours that a panic could break.
fn caught<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(EngineError::Panicked(text_of(&*panic))))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// CRC32C of key and value, then the value.
fn frame(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&checksum(key, value), value].concat()
}

fn unframe(key: &[u8], framed: &[u8]) -> Result<Vec<u8>, EngineError> {
    match framed.split_first_chunk() {
        Some((stored, value)) if *stored == checksum(key, value) => Ok(value.to_vec()),
        Some(_) | None => Err(EngineError::Checksum(String::from_utf8_lossy(key).into_owned())),
    }
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c::crc32c(key), value).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_value_or_one_under_another_key_is_refused() {
        let framed = frame(b"key", b"value");
        assert_eq!(unframe(b"key", &framed).unwrap(), b"value");
        assert!(matches!(unframe(b"kez", &framed), Err(EngineError::Checksum(_))));
        for index in 0..framed.len() {
            let mut flipped = framed.clone();
            flipped[index] ^= 1;
            assert!(matches!(unframe(b"key", &flipped), Err(EngineError::Checksum(_))));
        }
        assert!(matches!(unframe(b"key", b"abc"), Err(EngineError::Checksum(_))));
    }

    #[test]
    fn a_panic_is_an_error_and_nothing_is_asked_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path(), 1024 * 1024).unwrap();
        let panicked = engine.run(|_| -> Result<(), EngineError> { panic!("on purpose") });
        assert!(matches!(panicked, Err(EngineError::Panicked(text)) if text == "on purpose"));
        assert!(matches!(engine.get(b"key"), Err(EngineError::Broken)));
    }
}
