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
            effective_at: self.now,
            actor: &self.actor,
            catalogue: self.catalogue.as_deref(),
        };
        let events = decide(&context, state.as_ref(), &command);
        ready(events.map(|events| (!events.is_empty()).then_some(events))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use eventually::aggregate::AggregateRootBuilder;
    use futures::executor::block_on;

    use super::*;
    use crate::catalogue::SEEDS_TOML;
    use crate::customer::{GrantDelegatedAdmin, RegisterCustomer};
    use crate::ids::{ActorId, ProgrammeId, ResellerId, Role};
    use crate::money::Currency;

    #[test]
    fn an_aggregate_root_of_eventually_decides_and_folds_as_the_ledger_does() {
        let account = CustomerAccount {
            now: "2024-03-01T09:00:00Z".parse().unwrap(),
            actor: Actor { id: ActorId::try_new("someone").unwrap(), role: Role::Operator },
            catalogue: Some(Arc::new(toml::from_str(SEEDS_TOML).unwrap())),
        };
        let register = Command::RegisterCustomer(RegisterCustomer::new(
            "Acme".to_owned(),
            ProgrammeId::try_new("nce").unwrap(),
            ResellerId::try_new("r1").unwrap(),
            "FR".to_owned(),
            Currency::EUR,
        ));
        let grant =
            Command::GrantDelegatedAdmin(GrantDelegatedAdmin { services: None, days: None });
        let id = CustomerId::try_new("acme").unwrap();
        let mut root = AggregateRootBuilder::from(account).build(id.clone());

        let refused = block_on(root.handle(grant.clone())).unwrap_err();
        assert_eq!(refused, Rejection::CustomerUnknown { customer: id });
        block_on(root.handle(register)).unwrap();
        block_on(root.handle(grant)).unwrap();
        assert!(root.state().as_ref().is_some_and(|customer| customer.delegated_admin.is_some()));
    }
}
