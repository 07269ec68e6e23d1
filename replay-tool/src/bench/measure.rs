//! Callers that ask one thing after the other, and how long the answers take.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::exit::Failure;
use crate::output::Output;

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);

/// Anything slower counts as this: an hour, in microseconds.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// When a measurement ends.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// After so many commands.
    Commands(u64),
    /// After so long; what was begun is finished.
    Time(Duration),
}

/// What became of commands.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Tally {
    /// Carried out, and durable.
    pub done: u64,
    /// Everything was already as asked; kept in the journal, durably.
    pub unchanged: u64,
    /// A rule said no; kept in the journal, durably.
    pub refused: u64,
}

impl Tally {
    /// All of them.
    #[must_use]
    pub const fn commands(self) -> u64 {
        self.done + self.unchanged + self.refused
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.done += other.done;
        self.unchanged += other.unchanged;
        self.refused += other.refused;
    }
}

/// How long answers took, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50_us: u64,
    /// 90 % took no longer.
    pub p90_us: u64,
    /// 99 % took no longer.
    pub p99_us: u64,
    /// 99.9 % took no longer.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// What was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Measured {
    /// What became of the commands.
    #[serde(flatten)]
    pub tally: Tally,
    /// All commands per second.
    pub commands_per_second: u64,
    /// From the first command to the last answer, in microseconds.
    pub elapsed_us: u64,
    /// Per answer: of one command, or of one bulk request.
    #[serde(flatten)]
    pub latency: Latency,
}

/// Somebody who asks one thing after the other.
pub trait Caller: Send + 'static {
    /// Asks for the commands from `first` on, [`step`](Self::step) of them.
    fn ask(&mut self, first: u64) -> impl Future<Output = Result<Tally, Failure>> + Send;

    /// How many commands it asks for at once.
    fn step(&self) -> u64;
}

struct Shared {
    next: Arc<AtomicU64>,
    first: u64,
    amount: Amount,
    begun: Instant,
    latencies: Mutex<Histogram<u64>>,
}

impl Shared {
    /// The first number of the next `step` commands; `None` when enough were asked for.
    fn take(&self, step: u64) -> Option<u64> {
        let number = self.next.fetch_add(step, Ordering::Relaxed);
        let is_over = match self.amount {
            Amount::Commands(most) => most <= number.saturating_sub(self.first),
            Amount::Time(most) => most <= self.begun.elapsed(),
        };
        (!is_over).then_some(number)
    }

    fn progress(&self) -> (u64, u64) {
        match self.amount {
            Amount::Commands(most) => {
                let asked = self.next.load(Ordering::Relaxed).saturating_sub(self.first);
                (asked.min(most), most)
            }
            Amount::Time(most) => (micros(self.begun.elapsed().min(most)), micros(most)),
        }
    }
}

/// Lets the callers ask until `amount` is reached; `next` numbers what they ask for.
///
/// # Errors
///
/// The first failure of a caller.
pub async fn run<C: Caller>(
    callers: Vec<C>,
    amount: Amount,
    next: Arc<AtomicU64>,
    what: &str,
    output: &mut Output<'_>,
) -> Result<Measured, Failure> {
    let latencies = Histogram::new_with_max(LATENCY_MAX_US, DIGITS)
        .map_err(|err| Failure::Source(err.to_string()))?;
    let first = next.load(Ordering::Relaxed);
    let latencies = Mutex::new(latencies);
    let shared = Arc::new(Shared { next, first, amount, begun: Instant::now(), latencies });
    let mut running = JoinSet::new();
    for caller in callers {
        running.spawn(call(caller, Arc::clone(&shared)));
    }
    let mut tally = Tally::default();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                None => break,
                Some(Ok(asked)) => tally.add(asked?),
                Some(Err(err)) => return Err(Failure::Source(err.to_string())),
            },
            _ = ticks.tick() => {
                let (done, total) = shared.progress();
                output.progress(what, done, total);
            }
        }
    }
    output.progress_end();
    let elapsed_us = micros(shared.begun.elapsed());
    let latencies = shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Measured {
        tally,
        commands_per_second: per_second(tally.commands(), elapsed_us),
        elapsed_us,
        latency: Latency {
            p50_us: latencies.value_at_quantile(0.5),
            p90_us: latencies.value_at_quantile(0.9),
            p99_us: latencies.value_at_quantile(0.99),
            p999_us: latencies.value_at_quantile(0.999),
            max_us: latencies.max(),
        },
    })
}

async fn call<C: Caller>(mut caller: C, shared: Arc<Shared>) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    while let Some(number) = shared.take(caller.step()) {
        let begun = Instant::now();
        tally.add(caller.ask(number).await?);
        let took = micros(begun.elapsed());
        let mut latencies = shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.saturating_record(took);
    }
    Ok(tally)
}

/// Microseconds, as many as fit.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// How many a second, if there were so many in so many microseconds.
#[must_use]
pub fn per_second(count: u64, elapsed_us: u64) -> u64 {
    let second = u128::from(count) * 1_000_000;
    u64::try_from(second / u128::from(elapsed_us.max(1))).unwrap_or(u64::MAX)
}

/// Memory of this process, in bytes; zero where the system does not tell.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// What it occupies now (`VmRSS`).
    pub resident_bytes: u64,
    /// The most it has occupied (`VmHWM`).
    pub peak_resident_bytes: u64,
}

impl Memory {
    /// What the system says of this process now.
    #[must_use]
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kib.unwrap_or_default() * 1024
        };
        Self { resident_bytes: field("VmRSS:"), peak_resident_bytes: field("VmHWM:") }
    }
}

/// Lets the system measure the most memory anew from here on.
pub fn forget_peak() {
    // Where the system refuses, the peak is that of the whole run.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes of the files in a folder.
///
/// # Errors
///
/// The system's answer.
pub fn bytes_in(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
