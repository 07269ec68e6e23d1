//! Signed notes and their Ed25519 keys, in the text forms of C2SP `signed-note`.
//!
//! A note is a text, a blank line, and signatures: `— NAME BASE64(key id | signature)`. Keys are written
//! as Go's `sumdb/note` writes them: `NAME+ID+BASE64(1 | public key)` is given to whoever verifies, and
//! `PRIVATE+KEY+NAME+ID+BASE64(1 | seed)` stays with the ledger.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer};

use crate::commit::Hash;

/// Type of an Ed25519 signature in a key.
const ED25519: u8 = 1;

const PRIVATE: &str = "PRIVATE+KEY+";

const SIGNATURE_MARK: &str = "\u{2014} ";

/// Most signatures of a note that are looked at.
const SIGNATURES_MAX: usize = 100;

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not have the form of a key.
    #[error("it is not of the form NAME+ID+BASE64")]
    Form,
    /// The id is not that of the name and the key.
    #[error("its id does not fit its name and its key")]
    Id,
    /// The key is of another type.
    #[error("it is no Ed25519 key")]
    Type,
}

/// Why a note is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed note.
    #[error("it is no signed note")]
    Form,
    /// None of its signatures is one of the keys'.
    #[error("it is not signed with a trusted key")]
    Unsigned,
    /// A signature with a trusted key's name and id is not that key's.
    #[error("its signature is forged, or its text was changed")]
    Forged,
}

/// Verifies signatures; safe to give away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: ed25519_dalek::VerifyingKey,
}

impl VerifierKey {
    fn new(name: String, key: ed25519_dalek::VerifyingKey) -> Self {
        let hashed = [name.as_bytes(), b"\n", &[ED25519], key.as_bytes()].concat();
        let [a, b, c, d, ..] = *Hash::of(&hashed).as_bytes();
        Self { name, id: [a, b, c, d], key }
    }

    /// Whose key it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, id) = (&self.name, u32::from_be_bytes(self.id));
        write!(f, "{name}+{id:08x}+{}", encoded(self.key.as_bytes()))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, bytes) = parts(text)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Type)?;
        let key = Self::new(name, key);
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// Signs notes. It is wiped from memory when it is dropped, and not shown by `Debug`.
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key of `name` with a secret seed.
    #[must_use]
    pub fn new(name: String, seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, key.verifying_key());
        Self { key, verifier }
    }

    /// What verifies its signatures.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The key itself, in the form in which it is kept.
    #[must_use]
    pub fn secret_text(&self) -> String {
        let VerifierKey { name, id, .. } = &self.verifier;
        let id = u32::from_be_bytes(*id);
        format!("{PRIVATE}{name}+{id:08x}+{}", encoded(self.key.as_bytes()))
    }

    fn sign(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let signature = STANDARD.encode([self.verifier.id.as_slice(), &signature].concat());
        format!("{SIGNATURE_MARK}{} {signature}\n", self.verifier.name)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl FromStr for SigningKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, seed) = parts(text.strip_prefix(PRIVATE).ok_or(KeyError::Form)?)?;
        let key = Self::new(name, &seed);
        if key.verifier.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

fn encoded(key: &[u8; 32]) -> String {
    STANDARD.encode([&[ED25519], key.as_slice()].concat())
}

/// Name, id and bytes of a key.
fn parts(text: &str) -> Result<(String, [u8; 4], [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    let is_id = id.len() == 8 && id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if name.is_empty() || name.chars().any(char::is_whitespace) || !is_id {
        return Err(KeyError::Form);
    }
    let id = u32::from_str_radix(id, 16).map_err(|_| KeyError::Form)?;
    let bytes = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
    let (kind, key) = bytes.split_first().ok_or(KeyError::Form)?;
    if *kind != ED25519 {
        return Err(KeyError::Type);
    }
    let key = key.try_into().map_err(|_| KeyError::Form)?;
    Ok((name.to_owned(), id.to_be_bytes(), key))
}

/// Signs a text, which ends with a newline, with every one of the keys.
#[must_use]
pub fn sign(text: &str, keys: &[&SigningKey]) -> String {
    let signatures: String = keys.iter().map(|key| key.sign(text)).collect();
    format!("{text}\n{signatures}")
}

/// The text of a note that at least one of `keys` has signed, and which of them have.
///
/// Signatures of other keys are ignored.
///
/// # Errors
///
/// [`NoteError`]; the text must not be believed then.
pub fn open<'a, 'k>(
    note: &'a str,
    keys: &'k [VerifierKey],
) -> Result<(&'a str, Vec<&'k VerifierKey>), NoteError> {
    let (text, signatures) = split(note)?;
    let mut signers = Vec::new();
    for (name, id, signature) in signatures {
        let Some(key) = keys.iter().find(|key| key.name == name && key.id == id) else { continue };
        let signature = Signature::from_slice(&signature).map_err(|_| NoteError::Forged)?;
        let verified = key.key.verify_strict(text.as_bytes(), &signature);
        verified.map_err(|_| NoteError::Forged)?;
        if !signers.contains(&key) {
            signers.push(key);
        }
    }
    if signers.is_empty() { Err(NoteError::Unsigned) } else { Ok((text, signers)) }
}

/// Id of the key that has signed a note first, 8 hexadecimal digits. Its signature is not verified.
///
/// # Errors
///
/// [`NoteError::Form`].
pub fn first_signer(note: &str) -> Result<String, NoteError> {
    let (_, signatures) = split(note)?;
    let (_, id, _) = signatures.first().ok_or(NoteError::Form)?;
    Ok(format!("{:08x}", u32::from_be_bytes(*id)))
}

/// Name, key id and signature.
type NamedSignature<'a> = (&'a str, [u8; 4], Vec<u8>);

fn split(note: &str) -> Result<(&str, Vec<NamedSignature<'_>>), NoteError> {
    let is_allowed = |c: char| c == '\n' || ' ' <= c;
    let end = note.rfind("\n\n").ok_or(NoteError::Form)? + 1;
    let (text, rest) = note.split_at(end);
    let lines = rest.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n'));
    let lines = lines.ok_or(NoteError::Form)?;
    if !note.chars().all(is_allowed) || SIGNATURES_MAX < lines.lines().count() {
        return Err(NoteError::Form);
    }
    let signatures = lines.split('\n').map(|line| signature(line).ok_or(NoteError::Form));
    Ok((text, signatures.collect::<Result<_, _>>()?))
}

fn signature(line: &str) -> Option<NamedSignature<'_>> {
    let (name, signature) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
        return None;
    }
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    Some((name, *id, signature.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and note that the tests of Go's `sumdb/note` have published.
    const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SECRET: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n";
    const SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn verifier() -> VerifierKey {
        VERIFIER.parse().unwrap()
    }

    #[test]
    fn a_note_is_signed_as_others_sign_it() {
        let key: SigningKey = SECRET.parse().unwrap();
        assert_eq!(sign(TEXT, &[&key]), format!("{TEXT}\n{SIGNATURE}"));
        assert_eq!((key.secret_text().as_str(), key.verifier()), (SECRET, &verifier()));
        assert_eq!(verifier().to_string(), VERIFIER);
        assert_eq!(first_signer(&format!("{TEXT}\n{SIGNATURE}")), Ok("c74f20a3".to_owned()));
    }

    #[test]
    fn a_note_is_believed_only_with_a_signature_of_a_trusted_key() {
        let trusted = [verifier()];
        let other = SigningKey::new("other".to_owned(), &[7; 32]);
        let note = format!("{TEXT}\n{SIGNATURE}");
        assert_eq!(open(&note, &trusted), Ok((TEXT, vec![&trusted[0]])));
        let both = format!("{TEXT}\n{}{SIGNATURE}", other.sign(TEXT));
        assert_eq!(open(&both, &trusted), Ok((TEXT, vec![&trusted[0]])));
        let changed = note.replace("cryptography", "a ledger");
        assert_eq!(open(&changed, &trusted), Err(NoteError::Forged));
        assert_eq!(open(&sign(TEXT, &[&other]), &trusted), Err(NoteError::Unsigned));
        let namesake = SigningKey::new("PeterNeumann".to_owned(), &[7; 32]);
        assert_eq!(open(&sign(TEXT, &[&namesake]), &trusted), Err(NoteError::Unsigned));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let key = [verifier()];
        let note = format!("{TEXT}\n{SIGNATURE}");
        for wrong in [
            String::new(),
            TEXT.to_owned(),
            SIGNATURE.to_owned(),
            note.trim_end().to_owned(),
            note.replace('\u{2014}', "-"),
            note.replace("x08g", "x08*"),
            note.replace("think", "think\t"),
            format!("{note}and more\n"),
            format!("{note}{}", SIGNATURE.repeat(SIGNATURES_MAX)),
        ] {
            assert_eq!(open(&wrong, &key), Err(NoteError::Form), "{wrong:?}");
        }
    }

    #[test]
    fn a_damaged_key_is_refused() {
        for at in 0..VERIFIER.len() {
            let cut = VERIFIER.get(..at).unwrap();
            assert!(cut.parse::<VerifierKey>().is_err(), "{cut}");
            let mut changed = VERIFIER.as_bytes().to_vec();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
        }
        for at in 0..SECRET.len() {
            assert!(SECRET.get(..at).unwrap().parse::<SigningKey>().is_err());
        }
        assert_eq!(
            SECRET.replace("AYEK", "BYEK").parse::<SigningKey>().unwrap_err(),
            KeyError::Type
        );
        assert_eq!(VERIFIER.replace("c7", "c8").parse::<VerifierKey>(), Err(KeyError::Id));
    }
}
