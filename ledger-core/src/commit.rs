//! The commit: all events of one decision, sealed by a hash over canonical bytes.
//!
//! Canonical bytes are written field by field, big-endian, length before content, in the order of
//! [`Commit`]'s fields. They are what is stored, hashed, exported and verified; JSON never is.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{Actor, ActorId, CommandId, IdError, Reason, Role, StreamId};

/// Version of the canonical layout; the first byte of every commit.
const LAYOUT: u8 = 1;

/// Largest sealed commit accepted, in bytes. A catalogue of some ten thousand offers fits.
pub const COMMIT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A SHA-256 digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first commit of a stream links to.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest computed earlier.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl From<Sha256> for Hash {
    fn from(digest: Sha256) -> Self {
        Self(digest.finalize().into())
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits")]
pub struct NotAHash;

impl TryFrom<String> for Hash {
    type Error = NotAHash;

    fn try_from(text: String) -> Result<Self, NotAHash> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(NotAHash);
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(index * 2..index * 2 + 2).ok_or(NotAHash)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotAHash)?;
        }
        Ok(Self(bytes))
    }
}

/// One event as stored: its name and schema tell how to read its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Name of the event type, for example `SeatsAdded`.
    pub name: String,
    /// Version of the event type's layout, from 1.
    pub schema: u16,
    /// Payload in the commit's codec.
    pub bytes: Vec<u8>,
}

/// All events of one decision and who asked for them, when, why and under which id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Stream the commit belongs to.
    pub stream: StreamId,
    /// Number in the stream, from 1, without gaps.
    pub version: u64,
    /// Hash of the stream's previous commit; [`Hash::ZERO`] for the first.
    pub previous: Hash,
    /// When the ledger recorded it: milliseconds, UTC, never earlier than the commit before.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect for the business: milliseconds, UTC.
    pub effective_at: DateTime<Utc>,
    /// Who issued the command.
    pub actor: Actor,
    /// Id of the command.
    pub command_id: CommandId,
    /// SHA-256 of `request`.
    pub request_hash: Hash,
    /// The command as JSON, exactly as it was decided.
    pub request: Vec<u8>,
    /// Why the command was issued.
    pub reason: Reason,
    /// Ties together what one business transaction caused, if the caller named one.
    pub correlation_id: Option<CommandId>,
    /// The command or event that caused this one, if there is one.
    pub causation_id: Option<CommandId>,
    /// Codec of the events' bytes, for example `bincode-2`.
    pub codec: String,
    /// What happened, in order.
    pub events: Vec<EncodedEvent>,
}

/// One event as it stands in a commit's canonical bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Name of the event type.
    pub name: &'a str,
    /// Version of the event type's layout, from 1.
    pub schema: u16,
    /// Payload in the commit's codec.
    pub bytes: &'a [u8],
}

impl<'a> From<&'a EncodedEvent> for EventRef<'a> {
    fn from(event: &'a EncodedEvent) -> Self {
        Self { name: &event.name, schema: event.schema, bytes: &event.bytes }
    }
}

/// A commit as it stands in its canonical bytes: nothing is copied. See [`Commit`] for the fields.
///
/// The layout is checked, texts are texts, instants are instants. Whether ids are ids is checked when
/// they are made: by [`stream`](Self::stream) and [`to_commit`](Self::to_commit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitRef<'a> {
    stream: &'a str,
    /// Number in the stream, from 1, without gaps.
    pub version: u64,
    /// Hash of the stream's previous commit.
    pub previous: Hash,
    /// When the ledger recorded it.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect for the business.
    pub effective_at: DateTime<Utc>,
    actor: &'a str,
    role: Role,
    command_id: &'a str,
    request_hash: Hash,
    /// The command as JSON, exactly as it was decided.
    pub request: &'a [u8],
    reason: &'a str,
    correlation_id: &'a str,
    causation_id: &'a str,
    /// Codec of the events' bytes.
    pub codec: &'a str,
    /// How many events there are, and their bytes.
    events: (usize, &'a [u8]),
}

impl<'a> CommitRef<'a> {
    /// Reads a commit from its canonical bytes.
    ///
    /// # Errors
    ///
    /// [`CommitError`] when the bytes are not exactly one commit.
    pub fn read(bytes: &'a [u8]) -> Result<Self, CommitError> {
        if COMMIT_BYTES_MAX < bytes.len() {
            return Err(CommitError::TooLarge(bytes.len()));
        }
        let mut input = Input { bytes, at: 0 };
        let [layout] = input.take()?;
        if layout != LAYOUT {
            return Err(CommitError::UnknownLayout(layout));
        }
        let stream = input.text("stream")?;
        let version = u64::from_be_bytes(input.take()?);
        let previous = Hash(input.take()?);
        let recorded_at = input.instant("recorded_at")?;
        let effective_at = input.instant("effective_at")?;
        let actor = input.text("actor")?;
        let [role] = input.take()?;
        let role = role_of(role).ok_or(CommitError::Field("role"))?;
        let command_id = input.text("command_id")?;
        let request_hash = Hash(input.take()?);
        let request = input.slice()?;
        let reason = input.text("reason")?;
        let correlation_id = input.text("correlation_id")?;
        let causation_id = input.text("causation_id")?;
        let codec = input.text("codec")?;
        let count = input.length()?;
        let events = bytes.get(input.at..).unwrap_or_default();
        for _ in 0..count {
            input.event()?;
        }
        if input.at < bytes.len() {
            return Err(CommitError::Trailing(bytes.len() - input.at));
        }
        Ok(Self {
            stream,
            version,
            previous,
            recorded_at,
            effective_at,
            actor,
            role,
            command_id,
            request_hash,
            request,
            reason,
            correlation_id,
            causation_id,
            codec,
            events: (count, events),
        })
    }

    /// Stream the commit belongs to.
    ///
    /// # Errors
    ///
    /// [`CommitError::Id`] when it is none.
    pub fn stream(&self) -> Result<StreamId, CommitError> {
        self.stream.parse().map_err(|source| CommitError::Id { field: "stream", source })
    }

    /// What happened, in order.
    pub fn events(&self) -> impl Iterator<Item = EventRef<'a>> {
        let (count, bytes) = self.events;
        let mut input = Input { bytes, at: 0 };
        (0..count).map_while(move |_| input.event().ok())
    }

    /// The commit with fields of its own.
    ///
    /// # Errors
    ///
    /// [`CommitError`] when an id is none.
    pub fn to_commit(&self) -> Result<Commit, CommitError> {
        let id = |field| move |source| CommitError::Id { field, source };
        let command_id = |field, text| match text {
            "" => Ok(None),
            text => CommandId::try_new(text).map(Some).map_err(id(field)),
        };
        let events = self.events().map(|event| EncodedEvent {
            name: event.name.to_owned(),
            schema: event.schema,
            bytes: event.bytes.to_vec(),
        });
        Ok(Commit {
            stream: self.stream()?,
            version: self.version,
            previous: self.previous,
            recorded_at: self.recorded_at,
            effective_at: self.effective_at,
            actor: Actor {
                id: ActorId::try_new(self.actor).map_err(id("actor"))?,
                role: self.role,
            },
            command_id: command_id("command_id", self.command_id)?
                .ok_or(CommitError::Field("command_id"))?,
            request_hash: self.request_hash,
            request: self.request.to_vec(),
            reason: Reason::try_new(self.reason).map_err(id("reason"))?,
            correlation_id: command_id("correlation_id", self.correlation_id)?,
            causation_id: command_id("causation_id", self.causation_id)?,
            codec: self.codec.to_owned(),
            events: events.collect(),
        })
    }
}

/// Canonical bytes that do not form a commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The bytes end too early.
    #[error("the commit ends after {0} bytes")]
    Truncated(usize),
    /// Bytes follow the end.
    #[error("{0} bytes follow the end of the commit")]
    Trailing(usize),
    /// The layout is unknown, most likely newer than this program.
    #[error("commit layout {0} is unknown to this version")]
    UnknownLayout(u8),
    /// A field holds something that no commit may hold.
    #[error("field {0} is not valid")]
    Field(&'static str),
    /// An id is not valid.
    #[error("field {field} is not valid")]
    Id {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        source: IdError,
    },
    /// The commit is larger than [`COMMIT_BYTES_MAX`].
    #[error("the commit has {0} bytes, more than {COMMIT_BYTES_MAX}")]
    TooLarge(usize),
}

/// A commit with its canonical bytes and their hash. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCommit {
    commit: Arc<Commit>,
    bytes: Arc<[u8]>,
    hash: Hash,
}

impl SealedCommit {
    /// Seals `commit`.
    ///
    /// # Errors
    ///
    /// [`CommitError::TooLarge`], or [`CommitError::Field`] for instants finer than a millisecond.
    pub fn seal(commit: Commit) -> Result<Self, CommitError> {
        let bytes = write(&commit)?;
        let hash = Hash::of(&bytes);
        Ok(Self { commit: Arc::new(commit), bytes: bytes.into(), hash })
    }

    /// Reads a commit from its canonical bytes.
    ///
    /// # Errors
    ///
    /// [`CommitError`] when the bytes are not exactly one commit.
    pub fn open(bytes: &[u8]) -> Result<Self, CommitError> {
        Self::open_hashed(bytes, Hash::of(bytes))
    }

    /// Reads a commit from canonical bytes whose hash has just been computed.
    pub(crate) fn open_hashed(bytes: &[u8], hash: Hash) -> Result<Self, CommitError> {
        let commit = CommitRef::read(bytes)?.to_commit()?;
        Ok(Self { commit: Arc::new(commit), bytes: bytes.into(), hash })
    }

    /// The commit's fields.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the canonical bytes; what the stream's next commit links to.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

fn write(commit: &Commit) -> Result<Vec<u8>, CommitError> {
    let events = commit.events.iter().map(|event| event.name.len() + event.bytes.len() + 16);
    let variable = commit.request.len() + commit.reason.as_str().len() + events.sum::<usize>();
    // Rarely exceeded by the rest: ids, hashes and lengths.
    let mut out = Vec::with_capacity(variable + 512);
    out.push(LAYOUT);
    put_bytes(&mut out, commit.stream.to_string().as_bytes())?;
    out.extend(commit.version.to_be_bytes());
    out.extend(commit.previous.as_bytes());
    put_instant(&mut out, commit.recorded_at, "recorded_at")?;
    put_instant(&mut out, commit.effective_at, "effective_at")?;
    put_bytes(&mut out, commit.actor.id.as_str().as_bytes())?;
    out.push(role_tag(commit.actor.role));
    put_bytes(&mut out, commit.command_id.as_str().as_bytes())?;
    out.extend(commit.request_hash.as_bytes());
    put_bytes(&mut out, &commit.request)?;
    put_bytes(&mut out, commit.reason.as_str().as_bytes())?;
    put_optional(&mut out, commit.correlation_id.as_ref())?;
    put_optional(&mut out, commit.causation_id.as_ref())?;
    put_bytes(&mut out, commit.codec.as_bytes())?;
    put_length(&mut out, commit.events.len())?;
    for event in &commit.events {
        put_bytes(&mut out, event.name.as_bytes())?;
        out.extend(event.schema.to_be_bytes());
        put_bytes(&mut out, &event.bytes)?;
    }
    if COMMIT_BYTES_MAX < out.len() {
        return Err(CommitError::TooLarge(out.len()));
    }
    Ok(out)
}

fn put_length(out: &mut Vec<u8>, length: usize) -> Result<(), CommitError> {
    let length = u32::try_from(length).map_err(|_| CommitError::TooLarge(length))?;
    out.extend(length.to_be_bytes());
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), CommitError> {
    put_length(out, bytes.len())?;
    out.extend(bytes);
    Ok(())
}

fn put_optional(out: &mut Vec<u8>, id: Option<&CommandId>) -> Result<(), CommitError> {
    put_bytes(out, id.map_or("", CommandId::as_str).as_bytes())
}

fn put_instant(
    out: &mut Vec<u8>,
    instant: DateTime<Utc>,
    field: &'static str,
) -> Result<(), CommitError> {
    if crate::calendar::to_millis(instant) != instant {
        return Err(CommitError::Field(field));
    }
    out.extend(instant.timestamp_millis().to_be_bytes());
    Ok(())
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn advance(&mut self, length: usize) -> Result<&'a [u8], CommitError> {
        let end = self.at.checked_add(length);
        let slice = end.and_then(|end| self.bytes.get(self.at..end));
        let slice = slice.ok_or(CommitError::Truncated(self.bytes.len()))?;
        self.at += length;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], CommitError> {
        let slice = self.advance(N)?;
        slice.try_into().map_err(|_| CommitError::Truncated(self.bytes.len()))
    }

    fn length(&mut self) -> Result<usize, CommitError> {
        let length = u32::from_be_bytes(self.take()?);
        usize::try_from(length).map_err(|_| CommitError::Truncated(self.bytes.len()))
    }

    fn slice(&mut self) -> Result<&'a [u8], CommitError> {
        let length = self.length()?;
        self.advance(length)
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str, CommitError> {
        std::str::from_utf8(self.slice()?).map_err(|_| CommitError::Field(field))
    }

    fn instant(&mut self, field: &'static str) -> Result<DateTime<Utc>, CommitError> {
        let millis = i64::from_be_bytes(self.take()?);
        DateTime::from_timestamp_millis(millis).ok_or(CommitError::Field(field))
    }

    fn event(&mut self) -> Result<EventRef<'a>, CommitError> {
        let name = self.text("event name")?;
        let schema = u16::from_be_bytes(self.take()?);
        Ok(EventRef { name, schema, bytes: self.slice()? })
    }
}

const ROLES: [(Role, u8); 7] = [
    (Role::Operator, 1),
    (Role::Billing, 2),
    (Role::Support, 3),
    (Role::ResellerAdmin, 4),
    (Role::CustomerAdmin, 5),
    (Role::CustomerViewer, 6),
    (Role::Scheduler, 7),
];

fn role_tag(role: Role) -> u8 {
    ROLES.iter().find(|(known, _)| *known == role).map_or(0, |(_, tag)| *tag)
}

fn role_of(tag: u8) -> Option<Role> {
    ROLES.iter().find(|(_, known)| *known == tag).map(|(role, _)| *role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CustomerId;

    fn sample() -> Commit {
        Commit {
            stream: StreamId::Customer(CustomerId::try_new("acme").unwrap()),
            version: 7,
            previous: Hash::of(b"before"),
            recorded_at: DateTime::from_timestamp_millis(1_767_225_600_123).unwrap(),
            effective_at: DateTime::from_timestamp_millis(1_767_225_600_000).unwrap(),
            actor: Actor { id: ActorId::try_new("u-1").unwrap(), role: Role::Support },
            command_id: CommandId::try_new("cmd-1").unwrap(),
            request_hash: Hash::of(b"{}"),
            request: b"{}".to_vec(),
            reason: Reason::try_new("Arrivée à Lyon").unwrap(),
            correlation_id: None,
            causation_id: Some(CommandId::try_new("cmd-0").unwrap()),
            codec: "bincode-2".to_owned(),
            events: vec![EncodedEvent {
                name: "SeatsAdded".to_owned(),
                schema: 1,
                bytes: vec![1, 2, 3],
            }],
        }
    }

    #[test]
    fn a_sealed_commit_reads_back() {
        let sealed = SealedCommit::seal(sample()).unwrap();
        assert_eq!(SealedCommit::open(sealed.bytes()).unwrap(), sealed);
        assert_eq!(Hash::try_from(sealed.hash().to_string()), Ok(sealed.hash()));
    }

    #[test]
    fn the_canonical_layout_does_not_change() {
        let hash = SealedCommit::seal(sample()).unwrap().hash().to_string();
        assert_eq!(hash, "744bb57b915667c1825e5a2c96d4c10a8c73dc548b702c08c9f63db5d8e043c6");
    }

    #[test]
    fn every_role_has_a_tag_of_its_own() {
        for (role, tag) in ROLES {
            assert_eq!((role_tag(role), role_of(tag)), (tag, Some(role)));
        }
        assert_eq!(role_of(0), None);
    }

    #[test]
    fn bytes_that_are_no_commit_are_refused() {
        let bytes = SealedCommit::seal(sample()).unwrap().bytes().to_vec();
        for length in 0..bytes.len() {
            assert!(SealedCommit::open(&bytes[..length]).is_err(), "cut at {length}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(SealedCommit::open(&longer), Err(CommitError::Trailing(1)));
        let newer = [&[2], &bytes[1..]].concat();
        assert_eq!(SealedCommit::open(&newer), Err(CommitError::UnknownLayout(2)));
    }

    #[test]
    fn a_commit_with_an_id_that_is_none_is_refused() {
        let bytes = SealedCommit::seal(sample()).unwrap().bytes().to_vec();
        for (field, id) in [("stream", "customer/acme"), ("actor", "u-1"), ("command_id", "cmd-1")]
        {
            let mut bytes = bytes.clone();
            let at = bytes.windows(id.len()).position(|part| part == id.as_bytes()).unwrap();
            bytes[at + id.len() - 2] = b' ';
            let refused = SealedCommit::open(&bytes).unwrap_err();
            assert!(
                matches!(refused, CommitError::Id { field: found, .. } if found == field),
                "{refused}"
            );
        }
    }

    #[test]
    fn events_are_read_in_place() {
        let sealed = SealedCommit::seal(sample()).unwrap();
        let read = CommitRef::read(sealed.bytes()).unwrap();
        let events: Vec<_> = sealed.commit().events.iter().map(EventRef::from).collect();
        assert_eq!(read.events().collect::<Vec<_>>(), events);
        assert_eq!(read.to_commit().as_ref(), Ok(sealed.commit()));
    }

    #[test]
    fn instants_finer_than_a_millisecond_are_refused() {
        let finer = DateTime::from_timestamp_nanos(1);
        let commit = Commit { recorded_at: finer, ..sample() };
        assert_eq!(SealedCommit::seal(commit), Err(CommitError::Field("recorded_at")));
    }
}
