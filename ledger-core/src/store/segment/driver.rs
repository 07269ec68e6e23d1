//! Who writes when: the caller alone while the log is idle and its disk fast, else the writer's thread.
//!
//! Handing a commit to another thread and its answer back costs more than a fast sync. So an append
//! that finds the log idle is written where it is awaited, after all others that are ready to append
//! had their turn. Whatever arrives meanwhile is left to the thread, which writes it as one group. On a slow disk the thread writes everything, so that no
//! caller's thread is held up.

use std::future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Poll;
use std::time::Duration;

use super::queue::{Entry, Phase, Queue};
use super::reader::Durable;
use super::writer::Writer;
use crate::store::{Appended, StoreError};

/// A caller's own thread is held up by a sync only if the last one took no longer than this.
const SYNC_ALONE_MAX: Duration = Duration::from_micros(200);

/// Who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drive {
    /// The writer's thread, and a caller when the log is idle.
    ThreadAndCallers,
    /// The writer's thread only.
    #[cfg(any(test, feature = "testing"))]
    Thread,
    /// Whoever asks for the next step; there is no thread.
    #[cfg(any(test, feature = "testing"))]
    Steps,
}

impl Drive {
    pub(super) fn has_thread(self) -> bool {
        match self {
            Self::ThreadAndCallers => true,
            #[cfg(any(test, feature = "testing"))]
            Self::Thread => true,
            #[cfg(any(test, feature = "testing"))]
            Self::Steps => false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Driver {
    pub(super) queue: Arc<Queue>,
    durable: Arc<Durable>,
    /// `None` when the log is closed or poisoned.
    writer: Mutex<Option<Writer>>,
    drive: Drive,
}

impl Driver {
    /// Drives `writer`, if the log can grow.
    pub(super) fn new(
        queue: Arc<Queue>,
        durable: Arc<Durable>,
        writer: Option<Writer>,
        drive: Drive,
    ) -> Self {
        Self { queue, durable, writer: Mutex::new(writer), drive }
    }

    /// Writes until the log is closed, or until the disk fails. The work of the writer's thread.
    pub(super) fn run(&self) -> Result<(), StoreError> {
        while self.queue.sleep() {
            while self.step(&mut self.writer())? {}
        }
        self.finish()
    }

    /// Writes the next group, for a log without a thread; false when nothing waits.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn step_once(&self) -> bool {
        // A failure has poisoned the queue, which answers everybody.
        self.step(&mut self.writer()).unwrap_or(true)
    }

    /// Writes the next group; false when nothing waits.
    fn step(&self, writer: &mut Option<Writer>) -> Result<bool, StoreError> {
        let Some(requests) = self.queue.take() else { return Ok(false) };
        let on_panic = PoisonOnPanic(self);
        let written = writer.as_mut().ok_or(StoreError::Poisoned)?.write(requests);
        drop(on_panic);
        if written.is_err() {
            *writer = None;
        }
        written.map(|()| true)
    }

    /// Ends the log once everything that waited is written; a log that never grew has ended.
    fn finish(&self) -> Result<(), StoreError> {
        if self.queue.is_poisoned() {
            return Err(StoreError::Poisoned);
        }
        self.writer().take().map_or(Ok(()), Writer::finish)
    }

    /// Writes what waits and ends a log without a thread.
    pub(super) fn end(&self) -> Result<(), StoreError> {
        while self.step(&mut self.writer())? {}
        self.finish()
    }

    /// Writes in place of the thread what an append found alone in the queue, if it still is.
    fn start_alone(&self) {
        match self.writer.try_lock() {
            Ok(mut writer) if self.queue.len() == 1 && writer.as_ref().is_some_and(is_quick) => {
                // A failure has poisoned the queue, which answers everybody.
                drop(self.step(&mut writer));
            }
            Ok(_) | Err(TryLockError::Poisoned(_)) => {}
            // Whoever writes looks again afterwards.
            Err(TryLockError::WouldBlock) => return,
        }
        self.queue.wake();
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether writing now holds nobody up for long.
fn is_quick(writer: &Writer) -> bool {
    !writer.is_full() && writer.last_sync.is_some_and(|last| last <= SYNC_ALONE_MAX)
}

/// Answers everybody after a panic of the writer.
struct PoisonOnPanic<'a>(&'a Driver);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue.poison();
            self.0.durable.end(Phase::Poisoned);
        }
    }
}

/// An append that was put in the queue and found itself alone there.
///
/// Dropped before it was awaited, it is left to the thread.
struct Alone(Option<Arc<Driver>>);

/// Waits for the outcome of an append, having seen to it that there will be one.
pub(super) fn outcome(
    driver: &Arc<Driver>,
    entry: Entry,
) -> impl Future<Output = Result<Appended, StoreError>> + Send + 'static {
    let Entry { outcome, is_alone } = entry;
    let alone = if is_alone && driver.drive == Drive::ThreadAndCallers {
        Alone(Some(Arc::clone(driver)))
    } else {
        driver.queue.wake();
        Alone(None)
    };
    async move {
        if alone.0.is_some() {
            yield_once().await;
        }
        alone.start();
        outcome.await.unwrap_or_else(|_| Err(StoreError::Unknown(io::Error::other("no answer"))))
    }
}

impl Alone {
    fn start(mut self) {
        if let Some(driver) = self.0.take() {
            driver.start_alone();
        }
    }
}

/// Lets the other tasks of this thread go first.
async fn yield_once() {
    let mut has_yielded = false;
    future::poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(driver) = self.0.take() {
            driver.queue.wake();
        }
    }
}
