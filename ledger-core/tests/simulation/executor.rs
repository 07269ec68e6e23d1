//! Calls that run one at a time, when they are told to: no thread, no runtime, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use futures::future::{BoxFuture, Future};

/// Calls under way, each with what the caller remembers of it.
pub(crate) struct Calls<T, A> {
    started: u64,
    running: BTreeMap<u64, (T, BoxFuture<'static, A>)>,
    woken: Arc<Mutex<BTreeSet<u64>>>,
}

struct Bell {
    number: u64,
    woken: Arc<Mutex<BTreeSet<u64>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).insert(self.number);
    }
}

impl<T, A> Calls<T, A> {
    pub(crate) fn new() -> Self {
        Self { started: 0, running: BTreeMap::new(), woken: Arc::default() }
    }

    /// Adds a call, which does nothing before it is polled.
    pub(crate) fn start(
        &mut self,
        about: T,
        call: impl Future<Output = A> + Send + 'static,
    ) -> u64 {
        self.started += 1;
        self.running.insert(self.started, (about, call.boxed()));
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).insert(self.started);
        self.started
    }

    /// The calls that have something to do, in the order of their numbers.
    pub(crate) fn ready(&self) -> Vec<u64> {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.iter().copied().filter(|number| self.running.contains_key(number)).collect()
    }

    /// All calls under way.
    pub(crate) fn running(&self) -> Vec<u64> {
        self.running.keys().copied().collect()
    }

    /// What is remembered of all calls under way.
    pub(crate) fn about(&self) -> impl Iterator<Item = &T> {
        self.running.values().map(|(about, _)| about)
    }

    /// Lets a call go on; its answer once it has one.
    pub(crate) fn poll(&mut self, number: u64) -> Option<(T, A)> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        let bell = Waker::from(Arc::new(Bell { number, woken: Arc::clone(&self.woken) }));
        let (_, call) = self.running.get_mut(&number)?;
        match call.as_mut().poll(&mut Context::from_waker(&bell)) {
            Poll::Pending => None,
            Poll::Ready(answer) => self.running.remove(&number).map(|(about, _)| (about, answer)),
        }
    }

    /// Ends a call whose caller goes away.
    pub(crate) fn forget(&mut self, number: u64) -> Option<T> {
        self.running.remove(&number).map(|(about, _)| about)
    }
}
