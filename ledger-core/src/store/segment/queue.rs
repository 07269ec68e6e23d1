//! What waits for the writer: bounded, with backpressure, taken in groups.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use eventually::store::Expected;
use tokio::sync::{Semaphore, oneshot};

use crate::commit::SealedCommit;
use crate::ids::StreamId;
use crate::store::{Appended, StoreError};

/// Requests that may wait; more must wait for a place.
const REQUESTS_MAX: usize = 4096;

/// A group is closed once it has this many bytes, so that a backlog needs little memory.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Where to send the outcome of an append.
pub(super) type Answer = oneshot::Sender<Result<Appended, StoreError>>;

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
}

impl Queue {
    pub(super) fn new(phase: Phase) -> Self {
        Self {
            waiting: Mutex::new(Waiting { requests: VecDeque::new(), phase }),
            filled: Condvar::new(),
            places: Semaphore::new(REQUESTS_MAX),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an append in the queue and waits for its outcome.
    pub(super) async fn append(
        &self,
        source: StreamId,
        expected: Expected,
        commits: Vec<SealedCommit>,
    ) -> Result<Appended, StoreError> {
        // Places are closed only after the phase has changed, so the phase says why there is none.
        if let Ok(place) = self.places.acquire().await {
            place.forget();
        }
        let (answer, outcome) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            waiting.phase.refusal()?;
            waiting.requests.push_back(Request { source, expected, commits, answer });
        }
        self.filled.notify_one();
        outcome.await.unwrap_or_else(|_| Err(StoreError::Unknown(io::Error::other("no answer"))))
    }

    /// Everything that waits, up to a group's size; blocks while there is nothing.
    ///
    /// `None` once the log is closed and nothing waits any more.
    pub(super) fn take(&self) -> Option<Vec<Request>> {
        let waiting = self.waiting();
        let mut waiting = self
            .filled
            .wait_while(waiting, |waiting| {
                waiting.requests.is_empty() && waiting.phase == Phase::Open
            })
            .unwrap_or_else(PoisonError::into_inner);
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
