//! What time brings about: renewals and expiries, in order, once, however late and however often.
//!
//! The views say what is due; the ledger decides. Command ids follow from what is due alone, so that a
//! second scheduler, or the same one after a crash, changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId, SubscriptionId,
};
use ledger_core::ledger::{ExecuteError, Request};
use ledger_core::record::{Recorded, Refusal};
use ledger_core::store::{CommitLog, StoreError};
use projector::view_store::ViewStoreError;
use projector::views::due::DueDocument;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::clock::{Clock, ClockError, SimulatedClock};
use crate::problem::{Kind, Problem};
use crate::state::AppState;
use ledger_core::error::chain;

/// Longest sleep: the machine's clock may be set, and a sleep would not notice.
const SLEEP_MAX: Duration = Duration::from_hours(1);

/// Pause after a failure of the store or the views.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Customers whose commands are under way together.
const UNDER_WAY_MAX: usize = 64;

/// Commands listed in the answer to a move of the clock; the count is complete in any case.
const LISTED_MAX: usize = 100;

/// What is listed as due but needs no further attempt as long as nothing changes: refused, impossible,
/// or done by another scheduler; per command id, what it was decided on. Tried again after the next
/// import, because a catalogue in force at the due instant may change the answer, after the customer's
/// next change, and after a restart.
pub type Settled = BTreeMap<CommandId, DecidedOn>;

/// What a command was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecidedOn {
    /// How many catalogues there were.
    catalogues: usize,
    /// Version of the customer's stream.
    version: u64,
}

/// A command that the scheduler carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CarriedOut {
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// Whose subscription.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Which subscription; absent: the customer as a whole.
    #[schema(value_type = Option<String>)]
    pub subscription: Option<SubscriptionId>,
    /// The command, such as `Renew` or `Expire`.
    pub command: String,
    /// Version of the customer's stream.
    pub version: u64,
    /// Position in the log.
    pub position: u64,
}

/// Where the clock stands after a move, and what happened on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Moved {
    /// The instant now.
    pub now: DateTime<Utc>,
    /// Commands carried out on the way.
    pub carried_out: u64,
    /// The first 100 of them, in order.
    pub commands: Vec<CarriedOut>,
    /// Commands that a rule refused on the way; the log and the journal say why.
    pub refused: u64,
}

/// Why the scheduler could not go on. What it did is done; the rest is done on the next attempt.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The views cannot say what is due.
    #[error("what is due cannot be read")]
    Views(#[from] ViewStoreError),
    /// The ledger could not carry a command out.
    #[error("what is due cannot be carried out")]
    Execute(#[from] ExecuteError),
    /// The clock cannot be moved.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Only a simulated clock can be moved.
    #[error("the clock is real and cannot be moved")]
    RealClock,
    /// The server is stopping; the clock stands at the last instant that was carried out.
    #[error("the server is stopping, and the clock stands at {now}")]
    Stopping {
        /// Where it stands.
        now: DateTime<Utc>,
    },
}

impl From<SchedulerError> for Problem {
    fn from(err: SchedulerError) -> Self {
        match err {
            SchedulerError::Views(err) => err.into(),
            SchedulerError::Execute(err) => err.into(),
            SchedulerError::Clock(err) => err.into(),
            SchedulerError::RealClock => Self::new(
                Kind::ClockIsReal,
                "This ledger runs on the machine's clock; only one started with --clock simulated \
                 can be moved.",
            ),
            SchedulerError::Stopping { now } => Self::new(
                Kind::Stopping,
                format!(
                    "The server is stopping: the clock stands at {now}, what was due until then is \
                     done, and the rest of the way can be asked for once the server is back."
                ),
            ),
        }
    }
}

/// Carries out everything that is due now.
///
/// # Errors
///
/// See [`SchedulerError`]. A refusal is no error: it is logged once, and the others go on.
pub async fn catch_up(state: &AppState) -> Result<Moved, SchedulerError> {
    let mut settled = state.settled.lock().await;
    let mut round = Round::new(state, &mut settled);
    round.carry_out(state.now()).await?;
    Ok(round.moved)
}

/// Moves the simulated clock to `to` and stops at every due instant on the way.
///
/// # Errors
///
/// See [`SchedulerError`]; the clock then stands where it got to.
pub async fn advance(state: &AppState, to: DateTime<Utc>) -> Result<Moved, SchedulerError> {
    let Clock::Simulated(clock) = &state.clock else { return Err(SchedulerError::RealClock) };
    let mut settled = state.settled.lock().await;
    let now = clock.now();
    if to < now {
        return Err(ClockError::Backwards { now, asked: to }.into());
    }
    let mut round = Round::new(state, &mut settled);
    round.go_on()?;
    round.carry_out(now).await?;
    while let Some(due_at) = round.next_due()?.filter(|due_at| *due_at <= to) {
        round.go_on()?;
        move_to(clock, due_at)?;
        round.carry_out(clock.now()).await?;
    }
    round.go_on()?;
    move_to(clock, to)?;
    Ok(Moved { now: clock.now(), ..round.moved })
}

/// A stop at an instant that was due before the clock stood where it stands needs no move.
fn move_to(clock: &SimulatedClock, to: DateTime<Utc>) -> Result<(), ClockError> {
    if clock.now() < to { clock.set(to) } else { Ok(()) }
}

/// Keeps carrying out what is due until `shutdown` becomes true or the log takes no more.
///
/// On a simulated clock it catches up once: afterwards time passes only where it is moved.
pub async fn run(state: Arc<AppState>, mut shutdown: watch::Receiver<bool>) {
    loop {
        let position = state.ledger.log().durable_position();
        let caught_up = tokio::select! {
            caught_up = catch_up(&state) => caught_up,
            _ = shutdown.wait_for(|stop| *stop) => return,
        };
        let is_done = matches!(state.clock, Clock::Simulated(_)) && caught_up.is_ok();
        let sleep = match caught_up {
            Err(SchedulerError::Stopping { .. }) => return,
            Ok(_) => until_next_due(&state).await,
            Err(err) => {
                tracing::error!(error = %chain(&err), "the scheduler pauses");
                PAUSE_AFTER_FAILURE
            }
        };
        if is_done {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            grown = state.ledger.log().wait_beyond(position) => if grown.is_err() { return },
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
    }
}

async fn until_next_due(state: &AppState) -> Duration {
    let mut settled = state.settled.lock().await;
    match Round::new(state, &mut settled).next_due() {
        Ok(Some(due_at)) => {
            let left = due_at.signed_duration_since(state.now());
            left.to_std().unwrap_or(Duration::ZERO).min(SLEEP_MAX)
        }
        Ok(None) => SLEEP_MAX,
        Err(_) => PAUSE_AFTER_FAILURE,
    }
}

/// What became of one due command.
enum Fate {
    Done(Box<Recorded>),
    DoneBefore,
    Refused(Box<Refusal>),
    /// It failed, but only for this customer.
    Impossible(ExecuteError),
}

/// A due command that was tried.
struct Fired<'d> {
    due: &'d DueDocument,
    on: DecidedOn,
    fate: Fate,
}

/// One pass of the scheduler over what is due.
struct Round<'a> {
    state: &'a AppState,
    settled: &'a mut Settled,
    /// Commands that a rule refused in this pass; one may be refused again after its customer changed.
    refused: BTreeSet<CommandId>,
    catalogues: usize,
    moved: Moved,
}

impl<'a> Round<'a> {
    fn new(state: &'a AppState, settled: &'a mut Settled) -> Self {
        let catalogues = state.ledger.catalogues().iter().count();
        settled.retain(|_, on| on.catalogues == catalogues);
        let moved =
            Moved { now: state.clock.now(), carried_out: 0, commands: Vec::new(), refused: 0 };
        Self { state, settled, refused: BTreeSet::new(), catalogues, moved }
    }

    /// Carries out what is due at `now`, in order; what that makes due, too.
    async fn carry_out(&mut self, now: DateTime<Utc>) -> Result<(), SchedulerError> {
        loop {
            self.state.views.wait_for(self.state.ledger.log().durable_position()).await?;
            let due = self.state.views.due(now)?;
            let mut open = Vec::new();
            for due in due {
                if self.is_open(&due)? {
                    open.push(due);
                }
            }
            if open.is_empty() {
                return Ok(());
            }
            let instants: Vec<&[DueDocument]> =
                open.chunk_by(|one, other| one.due_at == other.due_at).collect();
            for at_once in instants {
                self.go_on()?;
                self.fire_all(at_once).await?;
            }
        }
    }

    /// Ends the pass when the server is to stop, so that nobody waits for the rest of it.
    fn go_on(&self) -> Result<(), SchedulerError> {
        if *self.state.stopping.borrow() {
            return Err(SchedulerError::Stopping { now: self.state.clock.now() });
        }
        Ok(())
    }

    fn is_open(&self, due: &DueDocument) -> Result<bool, SchedulerError> {
        match self.settled.get(&due.command_id) {
            None => Ok(true),
            Some(on) => Ok(*on != self.now_on(due)?),
        }
    }

    /// What a command would be decided on now.
    fn now_on(&self, due: &DueDocument) -> Result<DecidedOn, SchedulerError> {
        let customer = self.state.views.customer(&due.customer)?;
        let version = customer.map_or(0, |customer| customer.version);
        Ok(DecidedOn { catalogues: self.catalogues, version })
    }

    /// The first instant at which something is due that has not been tried.
    fn next_due(&self) -> Result<Option<DateTime<Utc>>, SchedulerError> {
        // What was carried out is no longer due, so what is listed all the same is in `settled`.
        let first = self.state.views.all_due(self.settled.len().saturating_add(1))?;
        for due in &first {
            if self.is_open(due)? {
                return Ok(Some(due.due_at));
            }
        }
        Ok(None)
    }

    /// Carries out what is due at one instant: a customer's commands in order, those of different
    /// customers together, so that they share the waits for the disk.
    async fn fire_all(&mut self, due: &[DueDocument]) -> Result<(), SchedulerError> {
        let of_customers: Vec<&[DueDocument]> =
            due.chunk_by(|one, other| one.customer == other.customer).collect();
        for together in of_customers.chunks(UNDER_WAY_MAX) {
            let mut under_way = Vec::new();
            for due in together {
                under_way.push(self.fire_in_order(due));
            }
            for fired in join_all(under_way).await.into_iter().flatten() {
                self.settle(fired?);
            }
        }
        Ok(())
    }

    async fn fire_in_order<'d>(
        &self,
        due: &'d [DueDocument],
    ) -> Vec<Result<Fired<'d>, SchedulerError>> {
        let mut fired = Vec::new();
        for due in due {
            fired.push(self.fire(due).await);
        }
        fired
    }

    async fn fire<'d>(&self, due: &'d DueDocument) -> Result<Fired<'d>, SchedulerError> {
        // Read before, so that a change in between is a reason to try again.
        let on = self.now_on(due)?;
        let fate = match self.execute(due).await {
            Err(SchedulerError::Execute(err)) if concerns_one_customer(&err) => {
                Fate::Impossible(err)
            }
            fate => fate?,
        };
        Ok(Fired { due, on, fate })
    }

    fn settle(&mut self, Fired { due, on, fate }: Fired<'_>) {
        let (customer, subscription, id) = (&due.customer, subscription(due), &due.command_id);
        match fate {
            Fate::Done(recorded) => return self.note(due, &recorded),
            Fate::DoneBefore => {}
            Fate::Refused(refusal) => {
                let reason = &refusal.message;
                tracing::warn!(%customer, ?subscription, %id, %reason, "due, but refused");
                if self.refused.insert(id.clone()) {
                    self.moved.refused = self.moved.refused.saturating_add(1);
                }
            }
            Fate::Impossible(err) => {
                let error = chain(&err);
                tracing::error!(%customer, ?subscription, %id, %error, "due, but impossible");
            }
        }
        self.settled.insert(id.clone(), on);
    }

    async fn execute(&self, due: &DueDocument) -> Result<Fate, SchedulerError> {
        let request = Request {
            stream: StreamId::Customer(due.customer.clone()),
            command: due.command.clone(),
            command_id: due.command_id.clone(),
            actor: Actor {
                id: ActorId::try_new("scheduler").expect("a word is an id"),
                role: Role::Scheduler,
            },
            reason: Reason::try_new("its time has come").expect("words are a reason"),
            now: self.state.now(),
            correlation_id: None,
            causation_id: None,
            expected_version: None,
        };
        match self.state.execute_in_turn(request, ()).await {
            Ok(outcome) => Ok(match outcome.recorded {
                Some(recorded) if !outcome.hit => Fate::Done(Box::new(recorded)),
                Some(_) | None => Fate::DoneBefore,
            }),
            Err(ExecuteError::Refused { refusal, .. }) => Ok(Fate::Refused(refusal)),
            Err(err) => Err(err.into()),
        }
    }

    fn note(&mut self, due: &DueDocument, recorded: &Recorded) {
        let command = due.command.name();
        let (customer, subscription) = (due.customer.clone(), subscription(due).cloned());
        tracing::info!(%customer, ?subscription, command, "its time has come");
        self.moved.carried_out = self.moved.carried_out.saturating_add(1);
        if self.moved.commands.len() < LISTED_MAX {
            self.moved.commands.push(CarriedOut {
                due_at: due.due_at,
                customer,
                subscription,
                command: command.to_owned(),
                version: recorded.commit().version,
                position: recorded.position,
            });
        }
    }
}

fn subscription(due: &DueDocument) -> Option<&SubscriptionId> {
    due.subscription.as_ref().map(|of| &of.subscription)
}

/// Whether a failure says nothing about other customers, so that theirs can go on.
fn concerns_one_customer(err: &ExecuteError) -> bool {
    match err {
        ExecuteError::CommandIdReused { .. }
        | ExecuteError::VersionDiffers { .. }
        | ExecuteError::Busy
        | ExecuteError::Codec(_)
        | ExecuteError::Commit(_)
        | ExecuteError::Json(_)
        | ExecuteError::Amount(_)
        | ExecuteError::Store(StoreError::Damaged { .. }) => true,
        ExecuteError::Refused { .. } | ExecuteError::Store(_) => false,
    }
}
