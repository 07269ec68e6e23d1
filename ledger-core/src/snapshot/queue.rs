//! Snapshots that wait to be written: bounded in number and bytes, and nobody waits to hand one over.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ids::StreamId;

/// Most snapshots that wait.
const WAITING_MAX: usize = 1024;

/// Most bytes that wait.
pub(super) const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long nothing must have come before what was written is flushed.
const IDLE: Duration = Duration::from_secs(1);

/// What the background thread is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Write(StreamId, Vec<u8>),
    Flush,
    End,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(StreamId, Vec<u8>)>,
    /// Sum over what waits.
    bytes: usize,
    is_closed: bool,
    /// Whether the background thread has ended.
    is_finished: bool,
}

impl State {
    fn has_room(&self, bytes: usize) -> bool {
        !self.is_closed
            && self.waiting.len() < WAITING_MAX
            && self.bytes.saturating_add(bytes) <= WAITING_BYTES_MAX
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything at all would be taken.
    pub(super) fn has_room(&self) -> bool {
        self.state().has_room(1)
    }

    /// Takes the bytes of a snapshot; false when there is no room.
    pub(super) fn push(&self, stream: StreamId, bytes: Vec<u8>) -> bool {
        let mut state = self.state();
        if !state.has_room(bytes.len()) {
            return false;
        }
        state.bytes = state.bytes.saturating_add(bytes.len());
        state.waiting.push_back((stream, bytes));
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Waits for the next thing to do.
    pub(super) fn next(&self, is_flushed: bool) -> Next {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.is_closed {
            if is_flushed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.changed.wait_timeout(state, IDLE);
            let (waited, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if timeout.timed_out() {
                return Next::Flush;
            }
        }
        match state.waiting.pop_front() {
            Some((stream, bytes)) => {
                state.bytes = state.bytes.saturating_sub(bytes.len());
                Next::Write(stream, bytes)
            }
            None => Next::End,
        }
    }

    /// Takes nothing more; what waits is still handed out.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Tells that nobody takes anything out any more.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        *state = State { is_closed: true, is_finished: true, ..State::default() };
        drop(state);
        self.changed.notify_all();
    }

    /// Waits at most `limit` for [`finish`](Self::finish), and returns whether it came.
    pub(super) fn wait_until_finished(&self, limit: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), limit, |s| !s.is_finished);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue, bytes: usize) -> bool {
        queue.push(StreamId::Catalogue, vec![0; bytes])
    }

    #[test]
    fn a_full_queue_takes_no_more_bytes() {
        let queue = Queue::default();
        let (half, rest) = (WAITING_BYTES_MAX / 2, WAITING_BYTES_MAX - WAITING_BYTES_MAX / 2);
        assert!(push(&queue, half));
        assert!(!push(&queue, rest + 1));
        assert!(push(&queue, rest));
        assert!(!queue.has_room());
        assert_eq!(queue.next(true), Next::Write(StreamId::Catalogue, vec![0; half]));
        assert!(push(&queue, half));
    }

    #[test]
    fn a_full_queue_takes_no_more_snapshots() {
        let queue = Queue::default();
        assert!((0..WAITING_MAX).all(|_| push(&queue, 1)));
        assert!(!push(&queue, 1));
    }

    #[test]
    fn what_waits_is_handed_out_after_closing_and_nothing_is_taken() {
        let queue = Queue::default();
        assert!(push(&queue, 1));
        queue.close();
        assert!(!push(&queue, 1));
        assert_eq!(queue.next(false), Next::Write(StreamId::Catalogue, vec![0]));
        assert_eq!(queue.next(false), Next::End);
    }

    #[test]
    fn what_was_written_is_flushed_when_nothing_comes() {
        assert_eq!(Queue::default().next(false), Next::Flush);
    }

    #[test]
    fn nobody_waits_for_ever_for_a_thread_that_hangs() {
        let queue = Queue::default();
        assert!(!queue.wait_until_finished(Duration::from_millis(1)));
        queue.finish();
        assert!(queue.wait_until_finished(Duration::from_millis(1)));
    }
}
