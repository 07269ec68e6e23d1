//! What changes the log: checks, writes and syncs in groups, then answers. One at a time has it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::anchor::AnchorFile;
use super::disk::{Disk, NamedFile};
use super::folder;
use super::footer::{Sealed, Sums};
use super::format::{Anchor, HEADER_BYTES, Header, Record, count};
use super::queue::{Answer, Phase, Queue, Request, respond};
use super::reader::Durable;
use crate::commit::Hash;
use crate::ids::StreamId;
use crate::store::{Appended, Head, StoreError, head_after, numbered};

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) queue: Arc<Queue>,
    pub(super) durable: Arc<Durable>,
    pub(super) anchor_file: AnchorFile,
    /// The last durable commit.
    pub(super) anchor: Anchor,
    /// The last segment, its durable length, what its footer will say, and whether it has one already.
    pub(super) segment: Arc<NamedFile>,
    pub(super) length: u64,
    pub(super) sums: Sums,
    pub(super) is_sealed: bool,
    /// How long the last sync of a group took.
    pub(super) last_sync: Option<Duration>,
}

/// Appends that become durable together.
#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    commits: Vec<Added>,
    /// Heads of the streams that the group moves.
    heads: BTreeMap<StreamId, Head>,
    accepted: Vec<(Answer, Appended)>,
    /// Refused because of an append in this group, so true only once the group is durable.
    refused: Vec<(Answer, StoreError)>,
}

/// A commit of a group.
#[derive(Debug)]
struct Added {
    source: StreamId,
    hash: Hash,
    /// Size of its record.
    size: usize,
    recorded_at: i64,
}

/// Why a group is not durable.
enum Failure {
    /// It was cut off again: nothing has happened.
    Full(io::Error),
    /// Nobody knows what the disk holds now.
    Broken(io::Error),
}

impl Writer {
    /// Makes a group durable and answers it. After an error nothing may be written any more.
    pub(super) fn write(&mut self, requests: Vec<Request>) -> Result<(), StoreError> {
        let group = self.admit(requests);
        match self.store(&group) {
            Ok(()) => self.publish(group),
            Err(Failure::Full(err)) => {
                tracing::warn!(%err, "the disk is full; appends are refused until it has space");
                fail(group, || StoreError::Full(again(&err)), || StoreError::Full(again(&err)));
            }
            Err(Failure::Broken(err)) => {
                tracing::error!(%err, "a write failed; the log takes no more until a restart");
                self.queue.poison();
                self.durable.end(Phase::Poisoned);
                fail(group, || StoreError::Unknown(again(&err)), || StoreError::Poisoned);
                return Err(StoreError::Poisoned);
            }
        }
        Ok(())
    }

    /// Ends the log after its last group.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.durable.end(Phase::Closed);
        let settled = self.anchor_file.settle(self.anchor);
        settled.map_err(folder::failed(self.anchor_file.path(), "synced"))
    }

    /// Whether the next group starts a new segment, which takes longer.
    pub(super) fn is_full(&self) -> bool {
        self.is_sealed || (self.segment_bytes <= self.length && HEADER_BYTES < self.length)
    }

    /// Checks the requests, one after the other, each against what those before it will have done.
    fn admit(&self, requests: Vec<Request>) -> Group {
        let mut group = Group::default();
        for request in requests {
            let moved = group.heads.get(&request.source).copied();
            match self.check(&group, moved, &request) {
                Ok(head) => group.accept(request, head, self.anchor.position),
                Err(err) if moved.is_some() => group.refused.push((request.answer, err)),
                Err(err) => respond(request.answer, Err(err)),
            }
        }
        group
    }

    fn check(
        &self,
        group: &Group,
        moved: Option<Head>,
        request: &Request,
    ) -> Result<Head, StoreError> {
        let head = moved.unwrap_or_else(|| {
            let index = self.durable.index.read().unwrap_or_else(PoisonError::into_inner);
            index.head(&request.source)
        });
        let head = head_after(head, &request.source, request.expected, &request.commits)?;
        let added = count(group.commits.len() + request.commits.len());
        numbered(self.anchor.position + added)?;
        Ok(head)
    }

    fn store(&mut self, group: &Group) -> Result<(), Failure> {
        if group.bytes.is_empty() {
            return Ok(());
        }
        if self.is_full() {
            self.roll()?;
        }
        if let Err(err) = self.segment.write_all_at(&group.bytes, self.length) {
            return Err(self.cut_back(err));
        }
        let began = Instant::now();
        self.segment.sync_data().map_err(Failure::Broken)?;
        self.last_sync = Some(began.elapsed());
        self.durable.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Starts a new segment. All before it is durable, and its header is before it gets a record.
    fn roll(&mut self) -> Result<(), Failure> {
        if !self.is_sealed {
            self.seal()?;
        }
        let header = Header { log_id: self.anchor.log_id, first: self.anchor.position + 1 };
        let created = folder::create_segment(&*self.disk, &self.dir, header);
        let segment = created
            .map_err(|err| if is_full(&err) { Failure::Full(err) } else { Failure::Broken(err) })?;
        self.segment = Arc::new(segment);
        self.length = HEADER_BYTES;
        self.sums = Sums::new(&header.to_bytes());
        self.is_sealed = false;
        let mut index = self.durable.index.write().unwrap_or_else(PoisonError::into_inner);
        index.push_segment(Arc::clone(&self.segment));
        Ok(())
    }

    /// Gives the segment its footer, durably. From then on it never changes.
    fn seal(&mut self) -> Result<(), Failure> {
        self.settle_anchor();
        let footer = {
            let index = self.durable.index.read().unwrap_or_else(PoisonError::into_inner);
            index.footer(self.anchor.log_id, &self.sums)
        };
        if let Err(err) = self.segment.write_all_at(&footer, self.length) {
            return Err(self.cut_back(err));
        }
        self.segment.sync_data().map_err(Failure::Broken)?;
        let sealed = Sealed::open(Arc::clone(&self.segment)).map_err(Failure::Broken)?;
        let unread = || Failure::Broken(io::Error::other("the footer cannot be read back"));
        let sealed = Arc::new(sealed.ok_or_else(unread)?);
        self.is_sealed = true;
        self.durable.index.write().unwrap_or_else(PoisonError::into_inner).seal(sealed);
        Ok(())
    }

    /// Cuts off what a failed write has left. Synced, or a power cut could bring it back.
    fn cut_back(&self, err: io::Error) -> Failure {
        if !is_full(&err) {
            return Failure::Broken(err);
        }
        let cut = self.segment.truncate(self.length);
        match cut.and_then(|()| self.segment.sync_data()) {
            Ok(()) => Failure::Full(err),
            Err(err) => Failure::Broken(err),
        }
    }

    /// Shows a durable group to readers, then answers its callers.
    fn publish(&mut self, group: Group) {
        if let Some(last) = group.commits.last() {
            self.anchor.hash = last.hash;
            self.anchor.position += count(group.commits.len());
            self.length += count(group.bytes.len());
            self.move_anchor();
            self.extend_sums(&group);
            self.extend_index(&group);
            self.durable.tip.send_modify(|tip| tip.position = self.anchor.position);
        }
        for (answer, appended) in group.accepted {
            respond(answer, Ok(appended));
        }
        for (answer, err) in group.refused {
            respond(answer, Err(err));
        }
    }

    fn extend_sums(&mut self, group: &Group) {
        let mut rest = group.bytes.as_slice();
        for added in &group.commits {
            let (record, after) = rest.split_at(added.size);
            self.sums.push(record, added.hash, added.recorded_at);
            rest = after;
        }
    }

    fn extend_index(&self, group: &Group) {
        let mut index = self.durable.index.write().unwrap_or_else(PoisonError::into_inner);
        for Added { source, hash, size, .. } in &group.commits {
            let pushed = index.push(source, *hash, count(*size));
            pushed.expect("the position was checked at admission");
        }
    }

    // The commits are durable without it: a lagging anchor only proves less after a power cut.
    fn move_anchor(&mut self) {
        if let Err(err) = self.anchor_file.write(self.anchor) {
            tracing::warn!(%err, "the anchor could not be written");
        }
    }

    fn settle_anchor(&mut self) {
        if let Err(err) = self.anchor_file.settle(self.anchor) {
            tracing::warn!(%err, "the anchor could not be synced");
        }
    }
}

impl Group {
    fn accept(&mut self, request: Request, head: Head, durable: u64) {
        for sealed in &request.commits {
            let start = self.bytes.len();
            let position = durable + count(self.commits.len()) + 1;
            let record = Record { position, durable, hash: sealed.hash(), commit: sealed.bytes() };
            record.write(&mut self.bytes);
            self.commits.push(Added {
                source: request.source.clone(),
                hash: sealed.hash(),
                size: self.bytes.len() - start,
                recorded_at: sealed.commit().recorded_at.timestamp_millis(),
            });
        }
        let position = durable + count(self.commits.len());
        self.heads.insert(request.source, head);
        self.accepted.push((request.answer, Appended { position, version: head.version }));
    }
}

/// Answers a group that is not durable.
fn fail(group: Group, accepted: impl Fn() -> StoreError, refused: impl Fn() -> StoreError) {
    for (answer, _) in group.accepted {
        respond(answer, Err(accepted()));
    }
    for (answer, _) in group.refused {
        respond(answer, Err(refused()));
    }
}

fn is_full(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero
    )
}

/// The same error once more, for another caller.
fn again(err: &io::Error) -> io::Error {
    match err.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(err.kind(), err.to_string()),
    }
}
