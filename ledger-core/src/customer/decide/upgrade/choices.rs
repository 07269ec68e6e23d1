//! What a subscription could be upgraded to, and what stands against it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::super::{Context, Rejection, known, schedule};
use super::conditions::CONDITIONS;
use super::target::{EXISTING, NEW, NewTerm};
use super::{Asked, possible};
use crate::customer::by_hand::MoveByHand;
use crate::customer::command::{EndDate, ScheduleUpgrade, Transfer};
use crate::customer::event::{Event, SubscriptionUpgraded, UpgradeTarget};
use crate::customer::state::{Customer, Subscription};
use crate::customer::warning::Warning;
use crate::ids::{OfferId, SubscriptionId};

/// An offer that a subscription could be upgraded to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpgradeChoice {
    /// The offer.
    pub target_offer: OfferId,
    /// Its name.
    pub title: String,
    /// Seats that are upgraded when nothing else is said: all. Source: SEED-1, step 6.
    pub quantity: u32,
    /// Services that users get.
    pub added_services: Vec<String>,
    /// Services that users lose, so that what they keep there must be moved. Source: SEED-3, step 4.
    pub lost_services: Vec<String>,
    /// What stands against a new subscription that ends with this one, the first that would be answered
    /// first; empty: it is possible now.
    pub into_new: Vec<Obstacle>,
    /// The customer's subscriptions of the offer that the seats could go into.
    pub into_existing: Vec<UpgradeIntoExisting>,
    /// What stands against it at the next renewal; empty: it can be planned.
    pub at_renewal: Vec<Obstacle>,
    /// Users whose licence would have to be moved by hand.
    pub manual: Vec<MoveByHand>,
}

/// A subscription that upgraded seats could go into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpgradeIntoExisting {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// What stands against it, the first that would be answered first; empty: it is possible now.
    pub obstacles: Vec<Obstacle>,
}

/// A rule that forbids an upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Code of the rule.
    pub code: &'static str,
    /// What is wrong, in a sentence.
    pub message: String,
    /// From when on this rule no longer forbids it; `None`: waiting does not help.
    pub succeeds_at: Option<DateTime<Utc>>,
}

impl From<&Rejection> for Obstacle {
    fn from(rejection: &Rejection) -> Self {
        Self {
            code: rejection.rule().code,
            message: rejection.to_string(),
            succeeds_at: rejection.succeeds_at(),
        }
    }
}

/// What all seats of `subscription` could be upgraded to now, by offer, with everything that stands
/// against it. A choice without obstacles is accepted when it is asked for at the same instant.
///
/// # Errors
///
/// [`Rejection`] when there is no such subscription, or its offer or the customer's programme is not in
/// the catalogue.
pub fn upgrade_choices(
    context: &Context<'_>,
    customer: &Customer,
    subscription: &SubscriptionId,
) -> Result<Vec<UpgradeChoice>, Rejection> {
    let source = known(customer, subscription)?;
    let targets = possible(context, context.programme(customer)?, &source.offer)?;
    let choice = |target: &OfferId| {
        let transfer = Transfer::Automatic;
        Ok(choice(&Asked::new(context, customer, source, target, source.quantity, transfer)?))
    };
    targets.iter().map(choice).collect()
}

fn choice(asked: &Asked<'_>) -> UpgradeChoice {
    let (source, offer) = (asked.source, asked.offer);
    let existing = asked.of_target_offer();
    let plan = ScheduleUpgrade {
        subscription: source.id.clone(),
        target_offer: asked.target_offer.clone(),
        quantity: None,
        term: None,
        billing: None,
    };
    let planned = schedule::upgrade(asked.context, asked.customer, &plan);
    UpgradeChoice {
        target_offer: asked.target_offer.clone(),
        title: offer.title.clone(),
        quantity: asked.moved,
        added_services: offer.services.difference(&source.services).cloned().collect(),
        lost_services: asked.lost_services(),
        into_new: against_new(asked),
        into_existing: existing.map(|target| against_existing(asked, target)).collect(),
        at_renewal: planned.err().iter().map(Obstacle::from).collect(),
        manual: asked.users.manual.clone(),
    }
}

/// Against a new subscription, whatever free id it gets.
fn against_new(asked: &Asked<'_>) -> Vec<Obstacle> {
    let rejections = match NewTerm::new(asked, EndDate::Coterminous, None, None, None) {
        Ok(new) => NEW.iter().filter_map(|check| check(asked, &new).err()).collect(),
        Err(rejection) => vec![rejection],
    };
    obstacles(asked, rejections)
}

fn against_existing(asked: &Asked<'_>, target: &Subscription) -> UpgradeIntoExisting {
    let rejections = EXISTING.iter().filter_map(|check| check(asked, target).err()).collect();
    let subscription = target.id.clone();
    UpgradeIntoExisting { subscription, obstacles: obstacles(asked, rejections) }
}

/// What stands against every upgrade, and then what stands against this way of it.
fn obstacles(asked: &Asked<'_>, of_this_way: Vec<Rejection>) -> Vec<Obstacle> {
    let of_all = CONDITIONS.iter().filter_map(|condition| condition(asked).err());
    of_all.chain(of_this_way).map(|rejection| Obstacle::from(&rejection)).collect()
}

/// What a preview advises on the events of an upgrade: seats that went into a new subscription could
/// have gone into existing ones. Source: SEED-2, IV (do not multiply the lines).
#[must_use]
pub fn advice(context: &Context<'_>, before: Option<&Customer>, events: &[Event]) -> Vec<Warning> {
    let advise = |event: &Event| {
        if let Event::SubscriptionUpgraded(e) = event {
            grouping(context, before?, e)
        } else {
            None
        }
    };
    events.iter().filter_map(advise).collect()
}

fn grouping(
    context: &Context<'_>,
    customer: &Customer,
    e: &SubscriptionUpgraded,
) -> Option<Warning> {
    let UpgradeTarget::New(_) = &e.target else { return None };
    let source = known(customer, &e.subscription).ok()?;
    let transfer = Transfer::Automatic;
    let asked = Asked::new(context, customer, source, &e.target_offer, e.moved, transfer).ok()?;
    let fits = |target: &&Subscription| EXISTING.iter().all(|check| check(&asked, target).is_ok());
    let subscriptions: Vec<_> =
        asked.of_target_offer().filter(fits).map(|s| s.id.clone()).collect();
    if subscriptions.is_empty() {
        return None;
    }
    Some(Warning::ExistingSubscriptionsCouldGrow {
        target_offer: e.target_offer.clone(),
        subscriptions,
    })
}
