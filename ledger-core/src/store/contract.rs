//! What every store must do, executable. A store passes [`suite`] or is not one.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use eventually::store::{Expected, Select};
use futures::future::{self, BoxFuture};
use futures::{FutureExt, StreamExt, TryStreamExt};

use super::{CommitLog, Head, StoreError, StoredCommit};
use crate::commit::{Commit, EncodedEvent, Hash, SealedCommit};
use crate::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};

/// A check that has not ended after this time hangs.
const CHECK_TIMEOUT: Duration = Duration::from_mins(2);

const WRITERS: u64 = 8;

const ROUNDS: u64 = 40;

/// Runs every check, each on an empty log of its own.
///
/// # Panics
///
/// With the name of the check that failed.
pub async fn suite<L: CommitLog>(make: impl Fn() -> L) {
    for (name, check) in checks() {
        let checked = AssertUnwindSafe(check(make())).catch_unwind();
        let checked = tokio::time::timeout(CHECK_TIMEOUT, checked).await;
        assert!(
            matches!(checked, Ok(Ok(()))),
            "the store breaks its contract: {name}: {checked:?}"
        );
    }
}

type Check<L> = fn(L) -> BoxFuture<'static, ()>;

fn checks<L: CommitLog>() -> Vec<(&'static str, Check<L>)> {
    macro_rules! named {
        ($($check:ident,)+) => { vec![$((stringify!($check), |log| $check(log).boxed())),+] };
    }
    named![
        an_empty_log_has_nothing_to_read,
        the_first_commit_has_version_and_position_one,
        a_conflict_says_the_version_and_leaves_nothing,
        any_version_is_no_reason_for_a_gap,
        a_commit_that_does_not_continue_its_stream_is_refused,
        a_stream_reads_in_order_from_a_version_on,
        the_log_reads_in_order_from_a_position_on,
        commits_take_their_places_in_the_order_of_the_calls,
        a_commit_is_appended_although_nobody_waits_for_it,
        the_head_of_a_stream_is_its_last_commit,
        streams_are_independent,
        several_commits_are_appended_as_one_or_not_at_all,
        an_append_of_nothing_answers_the_version,
        nothing_can_be_removed,
        what_was_read_is_what_was_appended,
        one_writer_wins_each_version,
        no_reader_skips_what_many_writers_append,
        a_subscriber_sees_what_comes_after_it,
        catching_up_goes_live_without_a_gap,
        waiting_ends_with_the_next_commit,
    ]
}

/// The commit that follows `before` in `stream`, with `label` in its payload.
///
/// # Panics
///
/// If the fixture is no valid commit.
#[must_use]
pub fn next_commit(
    stream: &StreamId,
    before: Option<&SealedCommit>,
    label: impl AsRef<[u8]>,
) -> SealedCommit {
    let version = before.map_or(1, |before| before.commit().version + 1);
    let started_at = DateTime::from_timestamp_millis(1_767_225_600_000).expect("is in range");
    let millis = i64::try_from(version).expect("a test has few commits");
    let recorded_at = started_at + TimeDelta::milliseconds(millis);
    let commit = Commit {
        stream: stream.clone(),
        version,
        previous: before.map_or(Hash::ZERO, SealedCommit::hash),
        recorded_at,
        effective_at: started_at,
        actor: Actor { id: ActorId::try_new("u-1").expect("is valid"), role: Role::Operator },
        command_id: CommandId::try_new(format!("{stream}/{version}")).expect("is valid"),
        request_hash: Hash::of(b"{}"),
        request: b"{}".to_vec(),
        reason: Reason::try_new("contract").expect("is valid"),
        correlation_id: None,
        causation_id: None,
        codec: "bincode-2".to_owned(),
        events: vec![EncodedEvent {
            name: "Noted".to_owned(),
            schema: 1,
            bytes: label.as_ref().to_vec(),
        }],
    };
    SealedCommit::seal(commit).expect("the fixture is small and its instants are whole")
}

/// The first `count` commits of `stream`.
///
/// # Panics
///
/// If the fixture is no valid commit.
#[must_use]
pub fn history(stream: &StreamId, count: usize) -> Vec<SealedCommit> {
    let mut commits: Vec<SealedCommit> = Vec::with_capacity(count);
    for _ in 0..count {
        commits.push(next_commit(stream, commits.last(), "history"));
    }
    commits
}

/// The stream of the customer called `name`.
///
/// # Panics
///
/// If `name` is no id.
#[must_use]
pub fn customer(name: &str) -> StreamId {
    StreamId::Customer(CustomerId::try_new(name).expect("is an id"))
}

async fn append_all(log: &impl CommitLog, commits: &[SealedCommit]) {
    for commit in commits {
        log.append_commit(commit.clone()).await.expect("the commit is the next one");
    }
}

async fn read_stream(log: &impl CommitLog, stream: &StreamId, select: Select) -> Vec<StoredCommit> {
    let commits = log.stream(stream.clone(), select).await.expect("the log can be read");
    commits.try_collect().await.expect("the log can be read")
}

async fn read_all(log: &impl CommitLog, select: Select) -> Vec<StoredCommit> {
    let commits = log.stream_all(select).await.expect("the log can be read");
    commits.try_collect().await.expect("the log can be read")
}

fn versions(commits: &[StoredCommit]) -> Vec<u64> {
    commits.iter().map(|commit| commit.commit().version).collect()
}

fn positions(commits: &[StoredCommit]) -> Vec<u64> {
    commits.iter().map(position).collect()
}

fn position(commit: &StoredCommit) -> u64 {
    commit.sequence_number().into()
}

async fn an_empty_log_has_nothing_to_read(log: impl CommitLog) {
    assert_eq!(log.durable_position(), 0);
    assert_eq!(read_all(&log, Select::All).await, []);
    assert_eq!(read_stream(&log, &StreamId::Catalogue, Select::All).await, []);
    assert_eq!(log.read_from(0).count().await, 0);
}

async fn the_first_commit_has_version_and_position_one(mut log: impl CommitLog) {
    let (acme, apex) = (customer("acme"), customer("apex"));
    let first = next_commit(&acme, None, "");
    let appended = log.append_commit(first).await.expect("the stream is empty");
    assert_eq!((appended.position, appended.version), (1, 1));
    let other = next_commit(&apex, None, "");
    let version = log.append(apex, Expected::Exact(0), vec![other]).await;
    assert_eq!(version.expect("the stream is empty"), 1);
    assert_eq!(log.durable_position(), 2);
}

async fn a_conflict_says_the_version_and_leaves_nothing(mut log: impl CommitLog) {
    let acme = customer("acme");
    let commits = history(&acme, 3);
    append_all(&log, &commits[..2]).await;
    let late = next_commit(&acme, Some(&commits[0]), "late");
    let early = next_commit(&acme, Some(&commits[2]), "early");
    for (commit, expected) in [(late, 1), (early, 3)] {
        let single = log.append_commit(commit.clone()).await;
        let exact = Expected::Exact(u32::try_from(expected).expect("is small"));
        let several = log.append(acme.clone(), exact, vec![commit]).await;
        for conflict in [single.map(drop), several.map(drop)] {
            let conflict = conflict.expect_err("the stream is at version 2");
            assert!(
                matches!(conflict, StoreError::Conflict { expected: e, actual: 2 } if e == expected),
                "{conflict:?}"
            );
        }
    }
    assert_eq!(versions(&read_stream(&log, &acme, Select::All).await), [1, 2]);
    assert_eq!(log.durable_position(), 2);
}

async fn commits_take_their_places_in_the_order_of_the_calls(log: impl CommitLog) {
    let commits = history(&customer("acme"), 5);
    let mut appends: Vec<_> = commits.into_iter().map(|commit| log.append_commit(commit)).collect();
    // Awaited backwards: the order of the calls counts.
    while let Some(append) = appends.pop() {
        let appended = append.await.expect("each continues the one before");
        assert_eq!(appended.version, u64::try_from(appends.len()).expect("is small") + 1);
    }
}

async fn a_commit_is_appended_although_nobody_waits_for_it(log: impl CommitLog) {
    let commits = history(&customer("acme"), 3);
    for commit in commits {
        drop(log.append_commit(commit));
    }
    let mut end = 0;
    while end < 3 {
        end = log.wait_beyond(end).await.expect("the log is open");
    }
    assert_eq!(log.durable_position(), 3);
}

async fn the_head_of_a_stream_is_its_last_commit(log: impl CommitLog) {
    let acme = customer("acme");
    assert_eq!(log.head(&acme), Head::EMPTY);
    for commit in history(&acme, 3) {
        let (version, hash) = (commit.commit().version, commit.hash());
        log.append_commit(commit).await.expect("it is the next one");
        assert_eq!(log.head(&acme), Head { version, hash });
    }
    assert_eq!(log.head(&customer("apex")), Head::EMPTY);
}

async fn any_version_is_no_reason_for_a_gap(mut log: impl CommitLog) {
    let acme = customer("acme");
    let commits = history(&acme, 2);
    let skipped = log.append(acme.clone(), Expected::Any, commits[1..].to_vec()).await;
    assert!(matches!(skipped, Err(StoreError::Conflict { expected: 1, actual: 0 })));
    for (commit, version) in commits.iter().zip(1..) {
        let appended = log.append(acme.clone(), Expected::Any, vec![commit.clone()]).await;
        assert_eq!(appended.expect("the commit is the next one"), version);
    }
    let repeated = log.append(acme, Expected::Any, commits[..1].to_vec()).await;
    assert!(matches!(repeated, Err(StoreError::Conflict { expected: 0, actual: 2 })));
}

async fn a_commit_that_does_not_continue_its_stream_is_refused(mut log: impl CommitLog) {
    let (acme, apex) = (customer("acme"), customer("apex"));
    let first = next_commit(&acme, None, "first");
    append_all(&log, std::slice::from_ref(&first)).await;
    let forked = next_commit(&acme, Some(&next_commit(&acme, None, "other")), "forked");
    let unlinked = log.append_commit(forked).await;
    assert!(matches!(unlinked, Err(StoreError::NotNext(_))), "{unlinked:?}");
    let second = next_commit(&acme, Some(&first), "second");
    let third = next_commit(&acme, Some(&second), "third");
    let misnumbered = log.append(acme.clone(), Expected::Exact(1), vec![third]).await;
    assert!(matches!(misnumbered, Err(StoreError::NotNext(_))), "{misnumbered:?}");
    let misplaced = log.append(apex, Expected::Exact(0), vec![first]).await;
    assert!(matches!(misplaced, Err(StoreError::NotNext(_))), "{misplaced:?}");
    assert_eq!(log.durable_position(), 1);
}

async fn a_stream_reads_in_order_from_a_version_on(log: impl CommitLog) {
    let (acme, apex) = (customer("acme"), customer("apex"));
    for (one, other) in history(&acme, 5).iter().zip(&history(&apex, 5)) {
        append_all(&log, &[one.clone(), other.clone()]).await;
    }
    let everything = read_stream(&log, &apex, Select::All).await;
    assert_eq!(versions(&everything), [1, 2, 3, 4, 5]);
    assert_eq!(positions(&everything), [2, 4, 6, 8, 10]);
    assert_eq!(everything, read_stream(&log, &apex, Select::From(0)).await);
    assert_eq!(everything[2..], read_stream(&log, &apex, Select::From(3)).await);
    assert_eq!(everything[4..], read_stream(&log, &apex, Select::From(5)).await);
    assert_eq!(read_stream(&log, &apex, Select::From(6)).await, []);
    assert_eq!(read_stream(&log, &customer("nobody"), Select::From(1)).await, []);
}

async fn the_log_reads_in_order_from_a_position_on(log: impl CommitLog) {
    append_all(&log, &history(&customer("acme"), 3)).await;
    append_all(&log, &history(&StreamId::Catalogue, 2)).await;
    let everything = read_all(&log, Select::All).await;
    assert_eq!(positions(&everything), [1, 2, 3, 4, 5]);
    assert_eq!(versions(&everything), [1, 2, 3, 1, 2]);
    assert_eq!(everything, read_all(&log, Select::From(0)).await);
    assert_eq!(everything[3..], read_all(&log, Select::From(4)).await);
    assert_eq!(read_all(&log, Select::From(6)).await, []);
    let owned: Vec<_> = log.read_from(2).try_collect().await.expect("the log can be read");
    assert_eq!(owned, everything[1..]);
}

async fn streams_are_independent(log: impl CommitLog) {
    let (acme, apex) = (customer("acme"), customer("apex"));
    append_all(&log, &history(&acme, 2)).await;
    append_all(&log, &history(&apex, 1)).await;
    assert_eq!(versions(&read_stream(&log, &acme, Select::All).await), [1, 2]);
    assert_eq!(versions(&read_stream(&log, &apex, Select::All).await), [1]);
}

async fn several_commits_are_appended_as_one_or_not_at_all(mut log: impl CommitLog) {
    let acme = customer("acme");
    let mut commits = history(&acme, 4);
    let whole = log.append(acme.clone(), Expected::Exact(0), commits[..2].to_vec()).await;
    assert_eq!(whole.expect("the stream is empty"), 2);
    commits[3] = next_commit(&acme, Some(&commits[1]), "does not follow the third");
    let broken = log.append(acme.clone(), Expected::Exact(2), commits[2..].to_vec()).await;
    assert!(matches!(broken, Err(StoreError::NotNext(_))), "{broken:?}");
    let read = read_all(&log, Select::All).await;
    assert_eq!((versions(&read), positions(&read)), (vec![1, 2], vec![1, 2]));
    let appended = log.append_commit(commits[2].clone()).await.expect("it is still the next one");
    assert_eq!((appended.position, appended.version), (3, 3));
}

async fn an_append_of_nothing_answers_the_version(mut log: impl CommitLog) {
    let acme = customer("acme");
    append_all(&log, &history(&acme, 2)).await;
    let version = log.append(acme.clone(), Expected::Any, Vec::new()).await;
    assert_eq!(version.expect("anything goes"), 2);
    let conflict = log.append(acme, Expected::Exact(1), Vec::new()).await;
    assert!(matches!(conflict, Err(StoreError::Conflict { expected: 1, actual: 2 })));
    let nothing = log.append(customer("apex"), Expected::Exact(0), Vec::new()).await;
    assert_eq!(nothing.expect("the stream is empty"), 0);
    assert_eq!(log.durable_position(), 2);
}

async fn nothing_can_be_removed(mut log: impl CommitLog) {
    let acme = customer("acme");
    append_all(&log, &history(&acme, 1)).await;
    assert!(matches!(log.remove(acme.clone()).await, Err(StoreError::AppendOnly)));
    assert_eq!(versions(&read_stream(&log, &acme, Select::All).await), [1]);
}

async fn what_was_read_is_what_was_appended(log: impl CommitLog) {
    let acme = customer("acme");
    let mut appended = Vec::new();
    // From nothing to far more than a store reads at once.
    for size in [0, 1, 4096, 300_000, 1_000_000, 10] {
        appended.push(next_commit(&acme, appended.last(), vec![0xA5; size]));
    }
    append_all(&log, &appended).await;
    let read = read_stream(&log, &acme, Select::All).await;
    assert!(read.iter().all(|stored| *stored.source_id() == acme));
    let read: Vec<_> = read.into_iter().map(StoredCommit::take).collect();
    assert!(read == appended, "the bytes differ");
    let read: Vec<_> = log.read_from(1).map_ok(StoredCommit::take).try_collect().await.expect("ok");
    assert!(read == appended, "the bytes differ");
}

async fn one_writer_wins_each_version(log: impl CommitLog) {
    let acme = customer("acme");
    let mut before = None;
    for version in 1..=ROUNDS {
        let rivals: Vec<_> = (0..WRITERS)
            .map(|writer| next_commit(&acme, before.as_ref(), writer.to_string()))
            .collect();
        let outcomes = rivals.iter().map(|rival| tokio::spawn(log.append_commit(rival.clone())));
        let mut winner = None;
        for (rival, outcome) in rivals.iter().zip(future::join_all(outcomes).await) {
            match outcome.expect("no append panics") {
                Ok(appended) => {
                    assert_eq!((appended.position, appended.version), (version, version));
                    assert!(winner.replace(rival.clone()).is_none(), "two won version {version}");
                }
                Err(err) => assert!(
                    matches!(err, StoreError::Conflict { actual, .. } if actual == version),
                    "{err:?}"
                ),
            }
        }
        assert!(winner.is_some(), "nobody won version {version}");
        before = winner;
    }
    let read = read_stream(&log, &acme, Select::All).await;
    assert_eq!(versions(&read), (1..=ROUNDS).collect::<Vec<_>>());
    assert_eq!(read.last().map(|last| last.hash()), before.map(|last| last.hash()));
}

async fn no_reader_skips_what_many_writers_append(log: impl CommitLog) {
    let total = WRITERS * ROUNDS;
    let live = tokio::spawn(first_live(log.clone(), total).await);
    let polling = tokio::spawn(first_polled(log.clone(), total));
    let writers = (0..WRITERS).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            let stream = customer(&format!("customer-{writer}"));
            for commit in history(&stream, usize::try_from(ROUNDS).expect("is small")) {
                let appended = log.append_commit(commit.clone()).await.expect("it is the next one");
                assert_eq!(appended.version, commit.commit().version);
                assert!(appended.position <= log.durable_position());
                acknowledged.push((appended.position, commit.hash()));
            }
            acknowledged
        })
    });
    let writers = future::join_all(writers).await;
    let mut acknowledged: Vec<_> = writers.into_iter().flat_map(|w| w.expect("ends")).collect();
    acknowledged.sort_unstable();
    let gapless: Vec<_> = acknowledged.iter().map(|(position, _)| *position).collect();
    assert_eq!(gapless, (1..=total).collect::<Vec<_>>());
    for seen in [live.await.expect("ends"), polling.await.expect("ends")] {
        let seen: Vec<_> = seen.iter().map(|stored| (position(stored), stored.hash())).collect();
        assert_eq!(seen, acknowledged);
    }
}

/// Subscribes, and then returns what takes the first `count` commits.
async fn first_live(
    log: impl CommitLog,
    count: u64,
) -> impl Future<Output = Vec<StoredCommit>> + Send {
    let (subscribed, is_subscribed) = tokio::sync::oneshot::channel();
    let taken = tokio::spawn(async move {
        let commits = log.subscribe_all().await.expect("can be subscribed to");
        subscribed.send(()).expect("somebody waits");
        let taken = commits.take(usize::try_from(count).expect("is small"));
        taken.try_collect().await.expect("the log can be read")
    });
    is_subscribed.await.expect("the subscriber runs");
    async move { taken.await.expect("the subscriber ends") }
}

/// Takes the first `count` commits as a projector does: waits, then reads from its cursor.
async fn first_polled(log: impl CommitLog, count: u64) -> Vec<StoredCommit> {
    let mut seen: Vec<StoredCommit> = Vec::new();
    let mut cursor = 0;
    while cursor < count {
        let durable = log.wait_beyond(cursor).await.expect("the log grows");
        assert!(cursor < durable);
        let mut commits = log.read_from(cursor + 1);
        while let Some(commit) = commits.try_next().await.expect("the log can be read") {
            cursor = position(&commit);
            seen.push(commit);
        }
        assert!(durable <= cursor, "{durable} was durable, but reading ended at {cursor}");
    }
    seen
}

async fn a_subscriber_sees_what_comes_after_it(log: impl CommitLog) {
    let commits = history(&customer("acme"), 5);
    append_all(&log, &commits[..2]).await;
    let mut live = log.subscribe_all().await.expect("can be subscribed to");
    assert!(live.next().now_or_never().is_none(), "nothing is new yet");
    append_all(&log, &commits[2..]).await;
    let seen: Vec<_> = live.take(3).try_collect().await.expect("the log can be read");
    assert_eq!(positions(&seen), [3, 4, 5]);
}

async fn catching_up_goes_live_without_a_gap(log: impl CommitLog) {
    let commits = history(&customer("acme"), 6);
    append_all(&log, &commits[..2]).await;
    let mut live = log.subscribe_all().await.expect("can be subscribed to");
    append_all(&log, &commits[2..4]).await;
    let past = read_all(&log, Select::All).await;
    append_all(&log, &commits[4..]).await;
    let mut seen = positions(&past);
    while seen.len() < commits.len() {
        let commit = live.try_next().await.expect("the log can be read").expect("never ends");
        if past.len() < usize::try_from(position(&commit)).expect("is small") {
            seen.push(position(&commit));
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

async fn waiting_ends_with_the_next_commit(log: impl CommitLog) {
    let commits = history(&customer("acme"), 2);
    let mut first = log.wait_beyond(0);
    assert!((&mut first).now_or_never().is_none(), "there is nothing yet");
    append_all(&log, &commits[..1]).await;
    assert_eq!(first.await.expect("the log has grown"), 1);
    assert_eq!(log.wait_beyond(0).await.expect("the log has grown before"), 1);
    let mut second = log.wait_beyond(1);
    assert!((&mut second).now_or_never().is_none(), "there is only one");
    append_all(&log, &commits[1..]).await;
    assert_eq!(second.await.expect("the log has grown"), 2);
}
