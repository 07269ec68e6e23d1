//! What every request can reach.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ledger_core::ledger::{ExecuteError, Ledger, Outcome, Request};
use ledger_core::personal::PersonalKeys;
use ledger_core::snapshot::Snapshots;
use ledger_core::store::CommitLog;
use ledger_core::store::segment::SegmentLog;
use projector::view_store::{ViewStore, ViewStoreError};

use tokio::sync::watch;

use crate::backups::Backups;
use crate::clock::{Clock, stopwatch};
use crate::config::VIEWS_WAIT;
use crate::metrics::Metrics;
use crate::pages::session::Sessions;
use crate::problem::{Kind, Problem};
use crate::proofs::Proofs;
use crate::scheduler::Settled;
use crate::start::Publishing;
use crate::tokens::Tokens;

/// What every request can reach.
#[derive(Debug)]
pub struct AppState {
    /// Carries commands out.
    pub ledger: Arc<Ledger<SegmentLog>>,
    /// Customers with long histories, as the ledger keeps them for the next time.
    pub snapshots: Arc<Snapshots>,
    /// What lists and pages are read from.
    pub views: ViewStore,
    /// Dates commands.
    pub clock: Clock,
    /// Who may come in.
    pub tokens: Tokens,
    /// Signed checkpoints of the log.
    pub proofs: Arc<Proofs>,
    /// The keys of everything about people.
    pub people: Arc<PersonalKeys>,
    /// Makes backups while the ledger works.
    pub backups: Backups,
    /// Who is signed in to the dashboard.
    pub sessions: Sessions,
    /// What has happened so far, for operators.
    pub metrics: Metrics,
    /// Whether and how well events are published.
    pub publishing: Publishing,
    /// Becomes true when the server is to stop; what takes long then ends early.
    pub stopping: watch::Sender<bool>,
    /// Whoever holds it reads the whole log for a bill: one at a time, so that commands keep their pace.
    pub full_reads: tokio::sync::Mutex<()>,
    /// What the scheduler has tried in vain; whoever holds it is the one that schedules.
    pub settled: tokio::sync::Mutex<Settled>,
}

impl AppState {
    /// The instant now: the clock's, but never before what was recorded, as decisions are dated.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        self.ledger.latest().map_or(now, |latest| latest.max(now))
    }

    /// Carries a command out, and counts it.
    ///
    /// # Errors
    ///
    /// See [`ExecuteError`].
    pub async fn execute(&self, request: Request) -> Result<Outcome, ExecuteError> {
        let begun = stopwatch();
        let answer = self.ledger.execute(request).await;
        self.metrics.command(&answer, begun.elapsed());
        answer
    }

    /// The same, but waits while too many commands are under way, and drops `turn` as soon as the
    /// customer's next command may follow.
    ///
    /// # Errors
    ///
    /// See [`ExecuteError`].
    pub async fn execute_in_turn<T: Send>(
        &self,
        request: Request,
        turn: T,
    ) -> Result<Outcome, ExecuteError> {
        let begun = stopwatch();
        let answer = self.ledger.execute_in_turn(request, turn).await;
        self.metrics.command(&answer, begun.elapsed());
        answer
    }

    /// Checks that the log has the position. What is read from the log itself needs no waiting.
    ///
    /// # Errors
    ///
    /// [`Kind::QueryInvalid`].
    pub fn check_position(&self, min_position: Option<u64>) -> Result<(), Problem> {
        let log_end = self.ledger.log().durable_position();
        match min_position.filter(|position| log_end < *position) {
            None => Ok(()),
            Some(position) => {
                let detail = format!("The log ends at position {log_end}, before {position}.");
                Err(Problem::new(Kind::QueryInvalid, detail))
            }
        }
    }

    /// Waits until the views have reached `min_position`, but not for long.
    ///
    /// # Errors
    ///
    /// [`Kind::ViewsBehind`], [`Kind::ViewsStopped`], or [`Kind::QueryInvalid`] for a position that the
    /// log does not have.
    pub async fn views_at(&self, min_position: Option<u64>) -> Result<&ViewStore, Problem> {
        let Some(position) = min_position else { return Ok(&self.views) };
        self.check_position(min_position)?;
        let reached = tokio::time::timeout(VIEWS_WAIT, self.views.wait_for(position)).await;
        reached.map_err(|_| {
            let reached = self.views.position();
            let detail =
                format!("The views are at position {reached}, before {position}: ask again.");
            Problem::new(Kind::ViewsBehind, detail)
        })??;
        Ok(&self.views)
    }
}

impl From<ViewStoreError> for Problem {
    fn from(err: ViewStoreError) -> Self {
        match err {
            ViewStoreError::NotACursor(cursor) => Self::new(
                Kind::QueryInvalid,
                format!("The cursor {cursor:?} is none that was handed out: start without one."),
            ),
            ViewStoreError::Stopped(_) | ViewStoreError::Closed | ViewStoreError::Engine(_) => {
                tracing::error!(error = %ledger_core::error::chain(&err), "the views cannot be read");
                Self::new(
                    Kind::ViewsStopped,
                    "The views no longer follow the log; commands are still carried out, and the \
                     operator must restart the ledger to get the views back.",
                )
            }
            ViewStoreError::Locked(_)
            | ViewStoreError::Io { .. }
            | ViewStoreError::NotMade { .. }
            | ViewStoreError::Log(_)
            | ViewStoreError::Undecodable { .. }
            | ViewStoreError::History { .. }
            | ViewStoreError::Document { .. } => Self::internal(&err),
        }
    }
}
