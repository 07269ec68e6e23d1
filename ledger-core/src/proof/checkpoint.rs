//! A checkpoint: how many commits a log has and the root over them, in the text of C2SP
//! `tlog-checkpoint`.
//!
//! ```text
//! subscription-ledger/LOG ID
//! SIZE
//! BASE64(root)
//! ```
//!
//! A checkpoint that changes the key has a fourth line, `new-key KEY`, and is signed with both: who
//! trusts the old key reads the new one from what the old one has signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::note::{self, NoteError, SigningKey, VerifierKey};
use crate::commit::Hash;

const NEW_KEY: &str = "new-key ";

/// How many commits a log had, and the root of the Merkle tree over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log; see [`origin`].
    pub origin: String,
    /// Number of commits, which is the position of the last one.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The key that signs later checkpoints, when this one changes it.
    pub new_key: Option<VerifierKey>,
}

/// The name of a log in its checkpoints, and of its keys.
#[must_use]
pub fn origin(log_id: &[u8; 16]) -> String {
    format!("subscription-ledger/{:032x}", u128::from_be_bytes(*log_id))
}

impl Checkpoint {
    /// The note that says so, signed with every one of `keys`.
    #[must_use]
    pub fn sign(&self, keys: &[&SigningKey]) -> String {
        let Self { origin, size, root, new_key } = self;
        let new_key = new_key.as_ref().map(|key| format!("{NEW_KEY}{key}\n")).unwrap_or_default();
        let root = STANDARD.encode(root.as_bytes());
        note::sign(&format!("{origin}\n{size}\n{root}\n{new_key}"), keys)
    }

    /// Reads a note that at least one of `keys` has signed.
    ///
    /// # Errors
    ///
    /// [`NoteError`] when it is not to be believed, or no checkpoint.
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, NoteError> {
        let (text, _) = note::open(note, keys)?;
        Self::read(text).ok_or(NoteError::Form)
    }

    /// Reads the text of a note whose signatures have been or need not be verified.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
        let digits = lines.next()?;
        let size: u64 = digits.parse().ok().filter(|size: &u64| size.to_string() == digits)?;
        let root: [u8; 32] = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        let new_key = match lines.next() {
            Some(line) => Some(line.strip_prefix(NEW_KEY)?.parse().ok()?),
            None => None,
        };
        let checkpoint = Self { origin, size, root: Hash::from_bytes(root), new_key };
        lines.next().is_none().then_some(checkpoint)
    }
}

/// The keys that `trusted` vouches for, itself included: every new key of a checkpoint that one of
/// them has signed is one, too.
pub fn follow_keys<'a>(
    trusted: VerifierKey,
    notes: impl IntoIterator<Item = &'a str>,
) -> Vec<VerifierKey> {
    let mut keys = vec![trusted];
    for note in notes {
        let changed = Checkpoint::open(note, &keys).ok().and_then(|checkpoint| checkpoint.new_key);
        keys.extend(changed.filter(|key| !keys.contains(key)));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::new(origin(&[1; 16]), &[seed; 32])
    }

    fn checkpoint() -> Checkpoint {
        let (origin, root) = (origin(&[1; 16]), Hash::of(b"root"));
        Checkpoint { origin, size: 42, root, new_key: None }
    }

    #[test]
    fn a_checkpoint_reads_back() {
        let note = checkpoint().sign(&[&key(1)]);
        let head = "subscription-ledger/01010101010101010101010101010101\n42\n";
        assert!(note.starts_with(head), "{note}");
        assert_eq!(Checkpoint::open(&note, &[key(1).verifier().clone()]), Ok(checkpoint()));
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let text = "example.com/behind-the-sofa\n20852163\n\
                    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let read = Checkpoint::read(text).unwrap();
        assert_eq!((read.origin.as_str(), read.size), ("example.com/behind-the-sofa", 20_852_163));
        for wrong in [
            text.replace("2085", "02085"),
            text.replace("20852163", "-1"),
            text.replace("CsUY", "Cs"),
            text.replace("example.com/behind-the-sofa", ""),
            text.trim_end().to_owned(),
            format!("{text}more\n"),
        ] {
            assert_eq!(Checkpoint::read(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_trusts_the_old_key_follows_to_the_new_one_and_to_no_other() {
        let (old, new, newest, forged) = (key(1), key(2), key(3), key(4));
        let change =
            |to: &SigningKey| Checkpoint { new_key: Some(to.verifier().clone()), ..checkpoint() };
        let first = change(&new).sign(&[&old, &new]);
        let second = change(&newest).sign(&[&new, &newest]);
        // A signature can be added to any note, but not a line to its text.
        let added = checkpoint().sign(&[&old, &forged]);
        let claimed = change(&forged).sign(&[&forged]);
        let notes = [added, claimed, first, second];
        let trusted = follow_keys(old.verifier().clone(), notes.iter().map(String::as_str));
        assert_eq!(trusted, [old, new, newest].map(|key| key.verifier().clone()));
    }
}
