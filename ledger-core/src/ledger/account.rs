//! One stream as the command path keeps it: its state, the answers already given, and the commits on
//! their way to the disk.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::ExecuteError;
use super::journal::refusal_of;
use crate::commit::{Commit, Hash, SealedCommit};
use crate::customer::{Customer, Event, evolve};
use crate::ids::{CommandId, Role};
use crate::snapshot::Snapshot;
use crate::store::Head;

/// What an account takes up with nothing in it, in bytes.
const EMPTY_BYTES: usize = 1024;

/// What the answer to one command takes up, in bytes.
const ANSWER_BYTES: usize = 32;

/// A snapshot is written once for so many bytes of memory per commit, or rarer.
const BYTES_PER_COMMIT: usize = 1024;

/// Answers after which the size of an account is estimated again.
const ANSWERS_PER_ESTIMATE: usize = 16;

/// Where the answer to a command is kept: in the log or in the journal, at this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    Log(u64),
    Journal(u64),
}

/// Where to look for the answers to all command ids of a stream, by a fingerprint of the id.
///
/// Two ids may share a fingerprint, so what is found must be compared with the id itself.
#[derive(Debug, Default)]
pub(super) struct Answers(BTreeSet<(u64, Kept)>);

impl Answers {
    fn insert(&mut self, id: &CommandId, kept: Kept) {
        self.0.insert((fingerprint(id), kept));
    }

    /// Where the answer to `id` may be; nowhere else.
    pub(super) fn find(&self, id: &CommandId) -> Vec<Kept> {
        let print = fingerprint(id);
        let range = (print, Kept::Log(0))..=(print, Kept::Journal(u64::MAX));
        self.0.range(range).map(|(_, kept)| *kept).collect()
    }
}

impl Answers {
    /// As numbers: twice the version, and one more for the journal.
    fn to_stored(&self) -> Vec<(u64, u64)> {
        let stored = self.0.iter().map(|(print, kept)| match kept {
            Kept::Log(version) => (*print, version << 1),
            Kept::Journal(version) => (*print, version << 1 | 1),
        });
        stored.collect()
    }

    fn from_stored(stored: Vec<(u64, u64)>) -> Self {
        let answers = stored.into_iter().map(|(print, number)| {
            let version = number >> 1;
            let kept = if number & 1 == 0 { Kept::Log(version) } else { Kept::Journal(version) };
            (print, kept)
        });
        Self(answers.collect())
    }
}

fn fingerprint(id: &CommandId) -> u64 {
    let hash = Hash::of(id.as_str().as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// One stream as loaded, with what was decided since, whether that is durable yet or not.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) is_loaded: bool,
    pub(super) head: Head,
    pub(super) journal_head: Head,
    pub(super) last_recorded_at: Option<DateTime<Utc>>,
    pub(super) customer: Option<Customer>,
    pub(super) answers: Answers,
    pub(super) pipeline: Arc<Pipeline>,
    /// Roughly the memory it takes up, in bytes, and with how many answers that was estimated.
    bytes: usize,
    estimated_with: usize,
    /// The version of the last snapshot.
    snapshot_version: u64,
}

impl Account {
    pub(super) fn new() -> Self {
        Self {
            is_loaded: false,
            head: Head::EMPTY,
            journal_head: Head::EMPTY,
            last_recorded_at: None,
            customer: None,
            answers: Answers::default(),
            pipeline: Arc::default(),
            bytes: 0,
            estimated_with: 0,
            snapshot_version: 0,
        }
    }

    /// An account of which something may still be written that nobody waits for.
    pub(super) fn in_doubt() -> Self {
        let account = Self::new();
        drop(account.pipeline.enter(None));
        account
    }

    /// Starts from a snapshot.
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        let Snapshot { version, hash, journal_version, journal_hash, .. } = snapshot;
        self.head = Head { version, hash };
        self.journal_head = Head { version: journal_version, hash: journal_hash };
        self.last_recorded_at = snapshot.last_recorded_at;
        self.customer = snapshot.customer;
        self.answers = Answers::from_stored(snapshot.answers);
        self.snapshot_version = version;
    }

    /// Whether folding it again would take long enough, and writing it down is worth its size.
    pub(super) fn is_worth_a_snapshot(&self, commits: u64) -> bool {
        let since = self.head.version.saturating_sub(self.snapshot_version);
        commits <= since
            && self.bytes / BYTES_PER_COMMIT <= usize::try_from(since).unwrap_or(usize::MAX)
    }

    /// What it is now, to be kept.
    pub(super) fn take_snapshot(&mut self) -> Snapshot<&Customer> {
        self.snapshot_version = self.head.version;
        Snapshot {
            version: self.head.version,
            hash: self.head.hash,
            journal_version: self.journal_head.version,
            journal_hash: self.journal_head.hash,
            last_recorded_at: self.last_recorded_at,
            customer: self.customer.as_ref(),
            answers: self.answers.to_stored(),
        }
    }

    /// Adds a commit of the log and what happened in it.
    pub(super) fn add(&mut self, sealed: &SealedCommit, events: &[Event]) {
        let commit = sealed.commit();
        self.customer = events.iter().fold(self.customer.take(), evolve);
        self.head = Head { version: commit.version, hash: sealed.hash() };
        self.last_recorded_at = self.last_recorded_at.max(Some(commit.recorded_at));
        self.answers.insert(&commit.command_id, Kept::Log(commit.version));
    }

    /// Adds a commit that is on its way to the disk.
    pub(super) fn add_pending(&mut self, sealed: &SealedCommit, events: &[Event]) -> Ticket {
        self.add(sealed, events);
        self.pipeline.enter(Some(self.head.version))
    }

    /// What time brings about is decided anew until it succeeds: its id is the same every time, and
    /// nobody is there to send it with another one.
    ///
    /// Nor is a refusal final whose rule tells the caller to send the same command again.
    pub(super) fn add_journal(&mut self, sealed: &SealedCommit) -> Result<(), ExecuteError> {
        let commit = sealed.commit();
        self.journal_head = Head { version: commit.version, hash: sealed.hash() };
        if !is_final(commit)? {
            return Ok(());
        }
        self.answers.insert(&commit.command_id, Kept::Journal(commit.version));
        Ok(())
    }

    /// The instant of a decision: never before what another process recorded last in this stream.
    pub(super) fn now(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.last_recorded_at.map_or(now, |last| last.max(now))
    }

    /// Whether another process has taken the place of what was decided here; `stored` is where the stream
    /// ends in the log.
    pub(super) fn has_lost(&self, stored: Head) -> bool {
        let may_have_lost = !self.pipeline.is_settled() && self.head.version <= stored.version;
        may_have_lost && self.head != stored
    }

    /// Whether all that was decided is durable.
    pub(super) fn is_settled(&self) -> bool {
        self.pipeline.is_settled() && !self.pipeline.is_broken()
    }

    /// Waits until all that was decided is durable; false when some of it never will be.
    pub(super) async fn settled(&self) -> bool {
        self.pipeline.settled().await
    }

    /// Roughly the memory it takes up, in bytes, if that is worth estimating again.
    pub(super) fn estimate(&mut self) -> Option<usize> {
        let answers = self.answers.0.len();
        let is_due = self.estimated_with.saturating_add(ANSWERS_PER_ESTIMATE) <= answers;
        (self.bytes == 0 || is_due).then(|| {
            self.estimated_with = answers;
            let answers = answers.saturating_mul(ANSWER_BYTES);
            let customer = self.customer.as_ref().map_or(0, Customer::memory_bytes);
            self.bytes = EMPTY_BYTES.saturating_add(answers).saturating_add(customer);
            self.bytes
        })
    }
}

fn is_final(commit: &Commit) -> Result<bool, ExecuteError> {
    let is_transient = refusal_of(commit)?.is_some_and(|refusal| refusal.is_transient);
    Ok(commit.actor.role != Role::Scheduler && !is_transient)
}

/// The commits of one account that are on their way to the disk.
///
/// Each is decided on the state that those before it will have made. So the first that fails takes
/// all after it along, and the account is loaded again.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    entered: AtomicU64,
    settled: AtomicU64,
    is_broken: AtomicBool,
    changed: Notify,
}

impl Pipeline {
    /// Enters what is on its way: a commit of the log by its version, or an entry of the journal.
    pub(super) fn enter(self: &Arc<Self>, version: Option<u64>) -> Ticket {
        if let Some(version) = version {
            self.entered.fetch_max(version, Ordering::AcqRel);
        }
        Ticket { pipeline: Arc::clone(self), version, is_settled: false }
    }

    /// Whether the state that was decided on may not be what the log will hold.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    fn is_settled(&self) -> bool {
        self.entered.load(Ordering::Acquire) <= self.settled.load(Ordering::Acquire)
    }

    async fn settled(&self) -> bool {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_broken() {
                return false;
            }
            if self.is_settled() {
                return true;
            }
            changed.await;
        }
    }
}

/// Something on its way to the disk. Dropped before its outcome is known, it breaks its pipeline.
#[derive(Debug)]
pub(super) struct Ticket {
    pipeline: Arc<Pipeline>,
    version: Option<u64>,
    is_settled: bool,
}

impl Ticket {
    /// It is durable, and so is everything before it.
    pub(super) fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_settled {
            self.pipeline.is_broken.store(true, Ordering::Release);
        } else if let Some(version) = self.version {
            self.pipeline.settled.fetch_max(version, Ordering::AcqRel);
        }
        self.pipeline.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::super::journal;
    use super::*;
    use crate::ids::{Actor, ActorId, Reason, StreamId};
    use crate::record::Refusal;

    #[test]
    fn a_pipeline_is_settled_when_all_that_entered_is_durable() {
        let pipeline = Arc::new(Pipeline::default());
        assert_eq!(pipeline.settled().now_or_never(), Some(true));
        let (first, second) = (pipeline.enter(Some(4)), pipeline.enter(Some(5)));
        let mut settled = Box::pin(pipeline.settled());
        assert_eq!((&mut settled).now_or_never(), None);
        first.settle();
        assert_eq!((&mut settled).now_or_never(), None);
        second.settle();
        assert_eq!((&mut settled).now_or_never(), Some(true));
    }

    #[test]
    fn a_commit_whose_outcome_nobody_heard_breaks_the_pipeline() {
        let pipeline = Arc::new(Pipeline::default());
        let (first, second) = (pipeline.enter(Some(4)), pipeline.enter(None));
        first.settle();
        assert_eq!(pipeline.settled().now_or_never(), Some(true));
        drop(second);
        assert_eq!(pipeline.settled().now_or_never(), Some(false));
    }

    /// Snapshots keep these numbers: when they change, raise `FOLD_VERSION` in `customer/state.rs`, or
    /// commands whose answers are in older snapshots would be carried out twice.
    #[test]
    fn answers_are_kept_in_snapshots_as_they_always_were() {
        let entry = |id: &str, role, version, event| {
            let commit = Commit {
                stream: StreamId::Catalogue,
                version,
                previous: Hash::ZERO,
                recorded_at: DateTime::UNIX_EPOCH,
                effective_at: DateTime::UNIX_EPOCH,
                actor: Actor { id: ActorId::try_new("u-1").unwrap(), role },
                command_id: CommandId::try_new(id).unwrap(),
                request_hash: Hash::ZERO,
                request: Vec::new(),
                reason: Reason::try_new("test").unwrap(),
                correlation_id: None,
                causation_id: None,
                codec: String::new(),
                events: Vec::from_iter(event),
            };
            SealedCommit::seal(commit).unwrap()
        };
        let refusal = |is_transient| {
            let text = || "x".to_owned();
            let (code, rule, source, message, facts) = (text(), text(), text(), text(), text());
            let succeeds_at = None;
            let refusal = Refusal { code, rule, source, message, facts, succeeds_at, is_transient };
            Some(journal::refused(&refusal).unwrap())
        };
        let mut account = Account::new();
        account.add(&entry("in-the-log", Role::Operator, 7, None), &[]);
        for (id, role, version, event) in [
            ("refused", Role::Operator, 1, refusal(false)),
            ("transient", Role::Operator, 2, refusal(true)),
            ("scheduled", Role::Scheduler, 3, refusal(false)),
            ("already-so", Role::Operator, 4, Some(journal::already_so(7).unwrap())),
        ] {
            account.add_journal(&entry(id, role, version, event)).unwrap();
        }
        let stored = account.take_snapshot().answers;
        let expected = [
            (4_828_534_973_414_224_288, 9),
            (9_495_968_264_946_974_579, 3),
            (13_079_727_584_934_588_429, 14),
        ];
        assert_eq!(stored, expected, "already-so, refused and in-the-log");
        assert_eq!(Answers::from_stored(stored).0, account.answers.0);
    }

    #[test]
    fn ids_with_the_same_fingerprint_are_all_found() {
        let id = CommandId::try_new("one").unwrap();
        let mut answers = Answers::default();
        answers.insert(&id, Kept::Log(3));
        answers.0.insert((fingerprint(&id), Kept::Journal(1)));
        answers.insert(&CommandId::try_new("other").unwrap(), Kept::Log(4));
        assert_eq!(answers.find(&id), [Kept::Log(3), Kept::Journal(1)]);
    }
}
