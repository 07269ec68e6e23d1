//! The customer as an aggregate of `eventually`: a thin wrap of `decide` and `evolve`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use eventually::aggregate::Aggregate;
use futures::future::{BoxFuture, FutureExt, ready};

use super::{Command, Context, Customer, Event, Rejection, decide, evolve};
use crate::catalogue::Catalogue;
use crate::ids::{Actor, CustomerId};

/// A customer's account together with what its decisions look at.
#[derive(Clone, Debug)]
pub struct CustomerAccount {
    /// The instant of the decision, in whole milliseconds.
    pub now: DateTime<Utc>,
    /// Who asks.
    pub actor: Actor,
    /// The catalogue in force when the command takes effect, if there is one.
    pub catalogue: Option<Arc<Catalogue>>,
}

impl Aggregate for CustomerAccount {
    type Id = CustomerId;
    type State = Option<Customer>;
    type Event = Event;
    type Command = Command;
    type Error = Rejection;

    fn apply(state: Self::State, event: Event) -> Result<Self::State, Rejection> {
        Ok(evolve(state, &event))
    }

    fn handle<'a, 's: 'a>(
        &'a self,
        id: &'s CustomerId,
        state: &'s Self::State,
        command: Command,
    ) -> BoxFuture<'a, Result<Option<Vec<Event>>, Rejection>> {
        let context = Context {
            customer: id,
            now: self.now,
            actor: &self.actor,
            catalogue: self.catalogue.as_deref(),
        };
        let events = decide(&context, state.as_ref(), &command);
        ready(events.map(|events| (!events.is_empty()).then_some(events))).boxed()
    }
}
