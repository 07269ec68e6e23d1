//! The keys of everything about people: one per customer, outside the log, and destroyed to erase it.
//!
//! Names and e-mail addresses reach the log only sealed (AES-SIV, RFC 5297). Without the key nobody can read
//! them, wherever they were copied to; the log and its proofs stay as they are. Backups do not have the
//! keys: whoever keeps copies of `keys/people` must destroy them there, too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::folder::{make_private_folder, write_secret_durably};
use crate::ids::{CustomerId, SealedText, UserId};

/// Longest text about a person, in characters.
pub const TEXT_CHARS_MAX: usize = 200;

/// Bytes of a key.
const KEY_BYTES: usize = 64;

/// What a text says about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The name.
    Name,
    /// The e-mail address.
    Email,
}

impl Field {
    const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
        }
    }
}

/// Why a text about a person could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum PersonalError {
    /// The text is empty, too long, or has control characters.
    #[error("a {0} has 1 to {TEXT_CHARS_MAX} characters, none of them a control character")]
    Text(&'static str),
    /// A key file cannot be used.
    #[error("{path} cannot be {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, in the past participle.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The key of a customer of whom something is known is not there.
    #[error(
        "{0} is not there: put it back from a copy; without it nothing sealed can be read or added"
    )]
    Missing(PathBuf),
    /// A key file does not hold a key.
    #[error("{0} is damaged: put it back from a copy, or erase the customer")]
    Damaged(PathBuf),
    /// The text was not sealed under this key, for this user and field.
    #[error("the {0} was sealed under another key, or for another user")]
    Foreign(&'static str),
    /// There is no randomness for a new key.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
}

type Key = [u8; KEY_BYTES];

/// The keys of customers, in a folder of its own.
#[derive(Debug)]
pub struct PersonalKeys {
    dir: PathBuf,
    /// Serialises making and destroying keys.
    changing: Mutex<()>,
}

impl PersonalKeys {
    /// The keys in `dir`, which is made with the first key.
    #[must_use]
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir, changing: Mutex::new(()) }
    }

    /// Seals a text about a user. The same text for the same user gives the same bytes. A new key is made
    /// only for a customer of whom nothing is sealed yet. Blocks.
    ///
    /// # Errors
    ///
    /// See [`PersonalError`].
    pub fn seal(
        &self,
        customer: &CustomerId,
        user: &UserId,
        field: Field,
        text: &str,
        is_first: bool,
    ) -> Result<SealedText, PersonalError> {
        let chars = text.chars().count();
        if text.trim().is_empty() || TEXT_CHARS_MAX < chars || text.contains(char::is_control) {
            return Err(PersonalError::Text(field.word()));
        }
        let key = if is_first {
            self.key_or_new(customer)?
        } else {
            self.key(customer)?.ok_or_else(|| PersonalError::Missing(self.path(customer)))?
        };
        let sealed =
            Aes256Siv::new(&key.into()).encrypt(headers(customer, user, field), text.as_bytes());
        let sealed = sealed.map_err(|_| PersonalError::Text(field.word()))?;
        SealedText::try_new(URL_SAFE_NO_PAD.encode(sealed))
            .map_err(|_| PersonalError::Text(field.word()))
    }

    /// Opens a sealed text. Blocks.
    ///
    /// # Errors
    ///
    /// See [`PersonalError`].
    pub fn open(
        &self,
        customer: &CustomerId,
        user: &UserId,
        field: Field,
        sealed: &SealedText,
    ) -> Result<String, PersonalError> {
        let key = self.key(customer)?.ok_or_else(|| PersonalError::Missing(self.path(customer)))?;
        let foreign = || PersonalError::Foreign(field.word());
        let bytes = URL_SAFE_NO_PAD.decode(sealed.as_str()).map_err(|_| foreign())?;
        let text = Aes256Siv::new(&key.into()).decrypt(headers(customer, user, field), &bytes);
        let text = text.map_err(|_| foreign())?;
        String::from_utf8(text).map_err(|_| foreign())
    }

    /// Notes that a customer is about to be erased, so that a crash does not leave its key behind. Blocks.
    ///
    /// # Errors
    ///
    /// [`PersonalError::Io`].
    pub fn announce(&self, customer: &CustomerId) -> Result<(), PersonalError> {
        make_private_folder(&self.dir).map_err(failed(&self.dir, "made"))?;
        let path = self.mark(customer);
        write_secret_durably(&path, b"").map_err(failed(&path, "written"))
    }

    /// The customers that were about to be erased.
    ///
    /// # Errors
    ///
    /// [`PersonalError::Io`].
    pub fn announced(&self) -> Result<Vec<CustomerId>, PersonalError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed(&self.dir, "read"))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed(&self.dir, "read"))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".erase"));
            all.extend(id.and_then(|id| CustomerId::try_new(id).ok()));
        }
        all.sort();
        Ok(all)
    }

    /// Takes the note back: the customer was not erased. Blocks.
    ///
    /// # Errors
    ///
    /// [`PersonalError::Io`].
    pub fn withdraw(&self, customer: &CustomerId) -> Result<(), PersonalError> {
        remove(&self.mark(customer))
    }

    /// Destroys the key of a customer: overwritten, then removed. Blocks.
    ///
    /// # Errors
    ///
    /// [`PersonalError::Io`]; the key may be there still, and the note stays.
    pub fn destroy(&self, customer: &CustomerId) -> Result<(), PersonalError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(customer);
        match OpenOptions::new().write(true).open(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            file => {
                let mut file = file.map_err(failed(&path, "opened"))?;
                let zeros = [b'0'; KEY_BYTES * 2];
                let overwritten = file.write_all(&zeros).and_then(|()| file.sync_all());
                overwritten.map_err(failed(&path, "overwritten"))?;
                remove(&path)?;
            }
        }
        self.withdraw(customer)
    }

    fn key_or_new(&self, customer: &CustomerId) -> Result<Key, PersonalError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.key(customer)? {
            return Ok(key);
        }
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(PersonalError::Random)?;
        make_private_folder(&self.dir).map_err(failed(&self.dir, "made"))?;
        let path = self.path(customer);
        let text = to_hex(&key);
        write_secret_durably(&path, text.as_bytes()).map_err(failed(&path, "written"))?;
        Ok(key)
    }

    fn key(&self, customer: &CustomerId) -> Result<Option<Key>, PersonalError> {
        let path = self.path(customer);
        let text = match fs::read_to_string(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(failed(&path, "read"))?,
        };
        let key = from_hex(text.trim_end());
        key.map(Some).ok_or(PersonalError::Damaged(path))
    }

    fn path(&self, customer: &CustomerId) -> PathBuf {
        self.dir.join(format!("{customer}.key"))
    }

    fn mark(&self, customer: &CustomerId) -> PathBuf {
        self.dir.join(format!("{customer}.erase"))
    }
}

fn headers(customer: &CustomerId, user: &UserId, field: Field) -> [Vec<u8>; 3] {
    [customer.as_str(), user.as_str(), field.word()].map(|text| text.as_bytes().to_vec())
}

fn to_hex(key: &Key) -> String {
    let digits = key.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn from_hex(text: &str) -> Option<Key> {
    let mut key = [0; KEY_BYTES];
    if text.len() != KEY_BYTES * 2 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    // What was overwritten is no key.
    (key != [0; KEY_BYTES]).then_some(key)
}

fn remove(path: &Path) -> Result<(), PersonalError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => {
            return Err(failed(path, "removed")(err));
        }
        Ok(()) | Err(_) => {}
    }
    let Some(dir) = path.parent().filter(|dir| dir.exists()) else { return Ok(()) };
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(failed(dir, "synced"))
}

fn failed<'a>(
    path: &'a Path,
    action: &'static str,
) -> impl FnOnce(io::Error) -> PersonalError + 'a {
    move |source| PersonalError::Io { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn keys(dir: &TempDir) -> PersonalKeys {
        PersonalKeys::new(dir.path().join("keys/people"))
    }

    fn acme() -> CustomerId {
        CustomerId::try_new("acme").unwrap()
    }

    fn user(id: &str) -> UserId {
        UserId::try_new(id).unwrap()
    }

    #[test]
    fn a_sealed_text_is_opened_with_its_customers_key_alone() {
        let dir = TempDir::new().unwrap();
        let keys = keys(&dir);
        let seal = |customer: &CustomerId, who: &str, field, text: &str| {
            keys.seal(customer, &user(who), field, text, true).unwrap()
        };
        let sealed = seal(&acme(), "u-1", Field::Name, "Zoë Ångström");
        assert!(!sealed.as_str().contains("Zo"));
        let again = seal(&acme(), "u-1", Field::Name, "Zoë Ångström");
        assert_eq!(sealed, again, "a repeated command is the same command");
        let open = |customer: &CustomerId, who: &str, field| {
            PersonalKeys::new(dir.path().join("keys/people")).open(
                customer,
                &user(who),
                field,
                &sealed,
            )
        };
        assert_eq!(open(&acme(), "u-1", Field::Name).unwrap(), "Zoë Ångström");
        assert!(matches!(open(&acme(), "u-2", Field::Name), Err(PersonalError::Foreign("name"))));
        assert!(matches!(open(&acme(), "u-1", Field::Email), Err(PersonalError::Foreign("email"))));
        let other = CustomerId::try_new("other").unwrap();
        assert!(matches!(open(&other, "u-1", Field::Name), Err(PersonalError::Missing(_))));
        assert_ne!(seal(&other, "u-1", Field::Name, "Zoë Ångström"), sealed);
        assert!(matches!(open(&other, "u-1", Field::Name), Err(PersonalError::Foreign("name"))));
    }

    #[test]
    fn a_destroyed_key_opens_nothing_and_leaves_no_trace_on_the_disk() {
        let dir = TempDir::new().unwrap();
        let keys = keys(&dir);
        let sealed = keys.seal(&acme(), &user("u-1"), Field::Email, "u@example.org", true).unwrap();
        let path = dir.path().join("keys/people/acme.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        keys.announce(&acme()).unwrap();
        assert_eq!(keys.announced().unwrap(), [acme()]);
        keys.destroy(&acme()).unwrap();
        assert_eq!(keys.announced().unwrap(), []);
        assert_eq!(fs::read_dir(dir.path().join("keys/people")).unwrap().count(), 0);
        let opened = keys.open(&acme(), &user("u-1"), Field::Email, &sealed);
        assert!(matches!(opened, Err(PersonalError::Missing(_))));
        keys.destroy(&acme()).unwrap();
    }

    #[test]
    fn a_key_overwritten_but_not_removed_is_no_key() {
        let dir = TempDir::new().unwrap();
        let keys = keys(&dir);
        let sealed = keys.seal(&acme(), &user("u-1"), Field::Name, "somebody", true).unwrap();
        let path = dir.path().join("keys/people/acme.key");
        fs::write(&path, "0".repeat(128)).unwrap();
        let opened = keys.open(&acme(), &user("u-1"), Field::Name, &sealed);
        assert!(matches!(opened, Err(PersonalError::Damaged(damaged)) if damaged == path));
        keys.destroy(&acme()).unwrap();
        let opened = keys.open(&acme(), &user("u-1"), Field::Name, &sealed);
        assert!(matches!(opened, Err(PersonalError::Missing(_))));
    }

    #[test]
    fn texts_that_are_no_names_are_refused_before_a_key_is_made() {
        let dir = TempDir::new().unwrap();
        let keys = keys(&dir);
        for text in ["", "  ", "a\nb", &"x".repeat(201)] {
            let refused = keys.seal(&acme(), &user("u-1"), Field::Name, text, true);
            assert!(matches!(refused, Err(PersonalError::Text("name"))), "{text:?}");
        }
        assert!(!dir.path().join("keys").exists());
        keys.seal(&acme(), &user("u-1"), Field::Name, &"\u{1F600}".repeat(200), true).unwrap();
    }

    #[test]
    fn a_lost_key_is_not_replaced_while_something_is_sealed_under_it() {
        let dir = TempDir::new().unwrap();
        let keys = keys(&dir);
        keys.seal(&acme(), &user("u-1"), Field::Name, "somebody", true).unwrap();
        let path = dir.path().join("keys/people/acme.key");
        fs::remove_file(&path).unwrap();
        let refused = keys.seal(&acme(), &user("u-2"), Field::Name, "somebody", false);
        assert!(matches!(refused, Err(PersonalError::Missing(lost)) if lost == path));
        assert!(!path.exists());
    }

    #[test]
    fn the_withdrawn_note_of_an_erasure_is_gone() {
        let dir = TempDir::new().unwrap();
        let keys = keys(&dir);
        assert_eq!(keys.announced().unwrap(), []);
        keys.announce(&acme()).unwrap();
        keys.withdraw(&acme()).unwrap();
        keys.withdraw(&acme()).unwrap();
        assert_eq!(keys.announced().unwrap(), []);
    }
}
