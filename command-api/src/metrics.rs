//! Figures for Prometheus: what has happened since the start, and how things stand. No label names a
//! customer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use ledger_core::ledger::{CacheStats, ExecuteError, Outcome};
use ledger_core::store::CommitLog;
use ledger_core::store::segment::LogStats;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::problem::Kind;
use crate::start::Publishing;
use crate::state::AppState;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The shortest duration told apart, in seconds: less than a sync of any disk.
const SHORTEST: f64 = 0.000_1;

/// Durations told apart, each twice the one before: up to six seconds.
const DURATIONS: u16 = 17;

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What was asked for, as a template, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

type Level = Gauge<u64, AtomicU64>;

/// How things stand when somebody looks.
#[derive(Debug)]
struct Levels {
    log: Level,
    journal: Level,
    views: Level,
    views_lag: Level,
    published: Level,
    backlog: Level,
    resident: Level,
    resident_max: Level,
}

/// What the ledger and its logs count themselves.
#[derive(Debug)]
struct Counted {
    hits: Counter,
    misses: Counter,
    evictions: Counter,
    accounts: Level,
    bytes: Level,
    snapshot_hits: Counter,
    snapshot_misses: Counter,
    snapshots_stored: Counter,
    snapshots_dropped: Counter,
    log: CountedLog,
    journal: CountedLog,
}

/// What a log counts itself. Its commits are its position.
#[derive(Debug)]
struct CountedLog {
    syncs: Counter,
    waiting: Level,
}

/// All figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    commands: Family<OutcomeLabel, Counter>,
    command_duration: Histogram,
    requests: Family<RequestLabels, Counter>,
    levels: Levels,
    counted: Counted,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut root = Registry::default();
        let ledger = root.sub_registry_with_prefix("ledger");
        let commands = Family::default();
        ledger.register("commands", "Commands by what became of them", commands.clone());
        let command_duration = Histogram::new(exponential_buckets(SHORTEST, 2.0, DURATIONS));
        let help = "Time from a command to its durable answer";
        let duration = command_duration.clone();
        ledger.register_with_unit("command_duration", help, Unit::Seconds, duration);
        let requests = Family::default();
        ledger.register("http_requests", "Requests by route and status", requests.clone());
        let counted = Counted {
            hits: counter(ledger, "cache_hits", "Customers found in memory"),
            misses: counter(ledger, "cache_misses", "Customers loaded from the log"),
            evictions: counter(ledger, "cache_evictions", "Customers that had to leave memory"),
            accounts: level(ledger, "cache_customers", "Customers in memory"),
            bytes: memory(ledger, "cache", "What the customers in memory take up, roughly"),
            snapshot_hits: counter(ledger, "snapshot_hits", "Customers loaded from a snapshot"),
            snapshot_misses: counter(
                ledger,
                "snapshot_misses",
                "Customers loaded from the log alone",
            ),
            snapshots_stored: counter(ledger, "snapshots_stored", "Snapshots written"),
            snapshots_dropped: counter(ledger, "snapshots_dropped", "Snapshots not kept"),
            log: CountedLog {
                syncs: counter(ledger, "log_syncs", "Groups of commits synced in the log"),
                waiting: level(ledger, "log_waiting", "Appends to the log that wait for the disk"),
            },
            journal: CountedLog {
                syncs: counter(ledger, "journal_syncs", "Groups of commits synced in the journal"),
                waiting: level(
                    ledger,
                    "journal_waiting",
                    "Appends to the journal that wait for the disk",
                ),
            },
        };
        let levels = Levels {
            log: level(ledger, "log_position", "Last durable position of the log"),
            journal: level(ledger, "journal_position", "Last durable position of the journal"),
            views: level(ledger, "views_position", "Position that the views have reached"),
            views_lag: level(ledger, "views_lag_commits", "Commits that the views have to come"),
            published: level(
                ledger,
                "published_position",
                "Position up to which everything is published; 0 without --nats",
            ),
            backlog: level(
                ledger,
                "publisher_backlog_commits",
                "Commits still to be published; 0 without --nats",
            ),
            resident: memory(&mut root, "process_resident_memory", "Memory occupied now"),
            resident_max: memory(
                &mut root,
                "process_resident_memory_max",
                "The most memory occupied since the start",
            ),
        };
        Self { registry: root, commands, command_duration, requests, levels, counted }
    }
}

fn level(registry: &mut Registry, name: &str, help: &str) -> Level {
    let level = Level::default();
    registry.register(name, help, level.clone());
    level
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn memory(registry: &mut Registry, name: &str, help: &str) -> Level {
    let level = Level::default();
    registry.register_with_unit(name, help, Unit::Bytes, level.clone());
    level
}

impl Metrics {
    /// Counts a command and how long its answer took.
    pub fn command(&self, answer: &Result<Outcome, ExecuteError>, took: Duration) {
        self.commands.get_or_create(&OutcomeLabel { outcome: outcome(answer) }).inc();
        self.command_duration.observe(took.as_secs_f64());
    }

    fn request(&self, route: Option<&MatchedPath>, status: u16) {
        let route = route.map_or("none", MatchedPath::as_str).to_owned();
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
    }

    /// All figures as text, with how things stand now.
    ///
    /// # Errors
    ///
    /// Never, as a text takes any figure.
    pub fn text(&self, state: &AppState) -> Result<String, std::fmt::Error> {
        self.levels.set(state);
        self.counted.set(state);
        let mut encoded = String::new();
        text::encode(&mut encoded, &self.registry)?;
        Ok(encoded)
    }
}

impl Levels {
    fn set(&self, state: &AppState) {
        // What follows the log is read first: it never seems to be ahead.
        let views = state.views.position();
        let published = match &state.publishing {
            Publishing::On(status) => Some(status.borrow().published),
            Publishing::Off => None,
        };
        let log = state.ledger.log().durable_position();
        self.log.set(log);
        self.journal.set(state.ledger.journal().durable_position());
        self.views.set(views);
        self.views_lag.set(log.saturating_sub(views));
        self.published.set(published.unwrap_or_default());
        self.backlog.set(published.map_or(0, |published| log.saturating_sub(published)));
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        self.resident.set(status_bytes(&status, "VmRSS:"));
        self.resident_max.set(status_bytes(&status, "VmHWM:"));
    }
}

impl Counted {
    fn set(&self, state: &AppState) {
        let CacheStats { hits, misses, evictions, accounts, bytes } = state.ledger.cache_stats();
        let snapshots = state.snapshots.stats();
        for (counter, count) in [
            (&self.hits, hits),
            (&self.misses, misses),
            (&self.evictions, evictions),
            (&self.snapshot_hits, snapshots.hits),
            (&self.snapshot_misses, snapshots.misses),
            (&self.snapshots_stored, snapshots.stored),
            (&self.snapshots_dropped, snapshots.dropped),
        ] {
            counter.inner().store(count, Ordering::Relaxed);
        }
        self.accounts.set(wide(accounts));
        self.bytes.set(wide(bytes));
        self.log.set(&state.ledger.log().stats());
        self.journal.set(&state.ledger.journal().stats());
    }
}

impl CountedLog {
    fn set(&self, stats: &LogStats) {
        self.syncs.inner().store(stats.syncs, Ordering::Relaxed);
        self.waiting.set(wide(stats.waiting));
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A field of `/proc/self/status`, in bytes; zero where there is none.
fn status_bytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}

/// The label of an answer: what became of the command, or the code of the problem.
fn outcome(answer: &Result<Outcome, ExecuteError>) -> &'static str {
    match answer {
        Ok(Outcome { hit: true, .. }) | Err(ExecuteError::Refused { hit: true, .. }) => "hit",
        Ok(Outcome { recorded: Some(_), .. }) => "done",
        Ok(Outcome { recorded: None, .. }) => "unchanged",
        Err(ExecuteError::Refused { .. }) => "refused",
        Err(err) => Kind::of(err).row().code,
    }
}

/// Counts every request; the address as a template, so that no id becomes a label.
pub(crate) async fn count(
    State(state): State<Arc<AppState>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let answer = next.run(request).await;
    state.metrics.request(route.as_ref(), answer.status().as_u16());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "VmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(status_bytes(status, "VmRSS:"), 1024 * 1024);
        assert_eq!(status_bytes(status, "VmHWM:"), 2048 * 1024);
        assert_eq!(status_bytes("", "VmRSS:"), 0);
    }
}
