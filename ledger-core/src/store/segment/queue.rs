//! What waits to be written: bounded, in the order of arrival, taken in groups.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use eventually::store::Expected;
use tokio::sync::{Semaphore, TryAcquireError, oneshot};

use crate::commit::SealedCommit;
use crate::ids::StreamId;
use crate::store::{Appended, StoreError};

/// Appends that may wait; more must wait for a place or are refused.
const REQUESTS_MAX: usize = 8192;

/// A group is closed once it has this many bytes, so that a backlog needs little memory.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Where to send the outcome of an append.
pub(super) type Answer = oneshot::Sender<Result<Appended, StoreError>>;

/// An append that was put in the queue.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where its outcome arrives.
    pub(super) outcome: oneshot::Receiver<Result<Appended, StoreError>>,
    /// Whether nothing else waited.
    pub(super) is_alone: bool,
}

/// One append.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) source: StreamId,
    pub(super) expected: Expected,
    pub(super) commits: Vec<SealedCommit>,
    pub(super) answer: Answer,
}

/// Whether the log can still grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Closed,
    Poisoned,
}

impl Phase {
    /// What to answer when the log cannot grow.
    pub(super) fn refusal(self) -> Result<(), StoreError> {
        match self {
            Self::Open => Ok(()),
            Self::Closed => Err(StoreError::Closed),
            Self::Poisoned => Err(StoreError::Poisoned),
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    places: Semaphore,
}

#[derive(Debug)]
struct Waiting {
    requests: VecDeque<Request>,
    phase: Phase,
    /// Whether the writer's thread sleeps until it is woken.
    is_asleep: bool,
}

impl Queue {
    pub(super) fn new(phase: Phase) -> Self {
        Self {
            waiting: Mutex::new(Waiting { requests: VecDeque::new(), phase, is_asleep: false }),
            filled: Condvar::new(),
            places: Semaphore::new(REQUESTS_MAX),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place and puts an append there.
    pub(super) async fn enter(
        &self,
        source: StreamId,
        expected: Expected,
        commits: Vec<SealedCommit>,
    ) -> Result<Entry, StoreError> {
        // Places are closed only after the phase has changed, so the phase says why there is none.
        if let Ok(place) = self.places.acquire().await {
            place.forget();
        }
        self.push(source, expected, commits)
    }

    /// Puts an append in the queue if there is a place.
    pub(super) fn try_enter(
        &self,
        source: StreamId,
        expected: Expected,
        commits: Vec<SealedCommit>,
    ) -> Result<Entry, StoreError> {
        match self.places.try_acquire() {
            Ok(place) => place.forget(),
            Err(TryAcquireError::NoPermits) => return Err(StoreError::Overloaded),
            Err(TryAcquireError::Closed) => {}
        }
        self.push(source, expected, commits)
    }

    fn push(
        &self,
        source: StreamId,
        expected: Expected,
        commits: Vec<SealedCommit>,
    ) -> Result<Entry, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.phase.refusal()?;
        let is_alone = waiting.requests.is_empty();
        waiting.requests.push_back(Request { source, expected, commits, answer });
        Ok(Entry { outcome, is_alone })
    }

    /// Appends that wait now.
    pub(super) fn len(&self) -> usize {
        self.waiting().requests.len()
    }

    /// Wakes the writer's thread if it sleeps although something waits.
    pub(super) fn wake(&self) {
        let waiting = self.waiting();
        if waiting.is_asleep && !waiting.requests.is_empty() {
            self.filled.notify_one();
        }
    }

    /// Sleeps until something waits and somebody wakes the thread.
    ///
    /// False once the log is closed and nothing waits any more.
    pub(super) fn sleep(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.is_asleep = true;
        let mut waiting = self
            .filled
            .wait_while(waiting, |waiting| {
                waiting.requests.is_empty() && waiting.phase == Phase::Open
            })
            .unwrap_or_else(PoisonError::into_inner);
        waiting.is_asleep = false;
        !waiting.requests.is_empty()
    }

    /// Everything that waits, up to a group's size; `None` when nothing does.
    pub(super) fn take(&self) -> Option<Vec<Request>> {
        let mut waiting = self.waiting();
        let mut bytes = 0;
        let mut group = Vec::new();
        while bytes < GROUP_BYTES
            && let Some(request) = waiting.requests.pop_front()
        {
            bytes += request.commits.iter().map(|commit| commit.bytes().len()).sum::<usize>();
            group.push(request);
        }
        drop(waiting);
        self.places.add_permits(group.len());
        (!group.is_empty()).then_some(group)
    }

    /// Whether anything can still be put in the queue.
    pub(super) fn can_grow(&self) -> Result<(), StoreError> {
        self.waiting().phase.refusal()
    }

    /// Whether a write has failed.
    pub(super) fn is_poisoned(&self) -> bool {
        self.waiting().phase == Phase::Poisoned
    }

    /// Accepts nothing more; what waits is still written.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        if waiting.phase == Phase::Open {
            waiting.phase = Phase::Closed;
        }
        drop(waiting);
        self.places.close();
        self.filled.notify_one();
    }

    /// Accepts nothing more and refuses what waits.
    pub(super) fn poison(&self) {
        let mut waiting = self.waiting();
        waiting.phase = Phase::Poisoned;
        let refused = std::mem::take(&mut waiting.requests);
        drop(waiting);
        self.places.close();
        for request in refused {
            respond(request.answer, Err(StoreError::Poisoned));
        }
    }
}

/// Answers an append. Its caller may have gone away, and then nobody needs the answer.
pub(super) fn respond(answer: Answer, outcome: Result<Appended, StoreError>) {
    drop(answer.send(outcome));
}
