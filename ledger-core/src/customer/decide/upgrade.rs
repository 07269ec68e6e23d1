//! Upgrades: seats move to a higher offer, and never back.

mod choices;
mod conditions;
mod paths;
mod target;
mod users;

pub use self::choices::{Obstacle, UpgradeChoice, UpgradeIntoExisting, advice, upgrade_choices};
use self::conditions::CONDITIONS;
pub(super) use self::paths::possible;
use self::target::{Landing, into_existing, into_new};
pub(super) use self::users::{UsersMoved, users_moved};
use super::limits::{shortfall, take};
use super::{Context, Rejection, basis, drop_in_any_case, drop_scheduled, known};
use crate::catalogue::{Catalogue, Offer, Programme};
use crate::customer::command::{Transfer, Upgrade, UpgradeInto};
use crate::customer::event::{
    ChargeBasis, DropCause, Event, QuantityChange, SubscriptionUpgraded, UpgradeTarget,
};
use crate::customer::state::{Customer, Subscription};
use crate::ids::OfferId;

/// What all parts of one upgrade look at.
struct Asked<'a> {
    context: &'a Context<'a>,
    customer: &'a Customer,
    catalogue: &'a Catalogue,
    programme: &'a Programme,
    source: &'a Subscription,
    target_offer: &'a OfferId,
    offer: &'a Offer,
    moved: u32,
    transfer: Transfer,
    users: UsersMoved,
}

impl<'a> Asked<'a> {
    fn new(
        context: &'a Context<'a>,
        customer: &'a Customer,
        source: &'a Subscription,
        target_offer: &'a OfferId,
        moved: u32,
        transfer: Transfer,
    ) -> Result<Self, Rejection> {
        let catalogue = context.catalogue()?;
        let programme = context.programme(customer)?;
        let offer = context.offer(target_offer)?;
        let users = users_moved(catalogue, customer, source, target_offer, moved);
        Ok(Self {
            context,
            customer,
            catalogue,
            programme,
            source,
            target_offer,
            offer,
            moved,
            transfer,
            users,
        })
    }

    const fn is_full(&self) -> bool {
        self.moved == self.source.quantity
    }

    fn of_target_offer(&self) -> impl Iterator<Item = &'a Subscription> {
        let target_offer = self.target_offer;
        self.customer.living().filter(move |s| s.offer == *target_offer)
    }

    fn credit(&self) -> Result<ChargeBasis, Rejection> {
        basis(self.source, self.context.today(), self.moved)
    }

    fn lost_services(&self) -> Vec<String> {
        self.source.services.difference(&self.offer.services).cloned().collect()
    }

    /// Seats and licences of the old offer afterwards.
    fn left_behind(&self) -> (u32, u32) {
        let offer = &self.source.offer;
        let valid = self.customer.valid(offer).saturating_sub(self.moved);
        let reassigned = count(self.users.reassigned.len());
        (valid, self.customer.assigned(offer).saturating_sub(reassigned))
    }
}

pub(super) fn upgrade(
    context: &Context<'_>,
    customer: &Customer,
    c: &Upgrade,
) -> Result<Vec<Event>, Rejection> {
    let source = known(customer, &c.subscription)?;
    let moved = c.quantity.unwrap_or(source.quantity);
    let asked = Asked::new(context, customer, source, &c.target_offer, moved, c.transfer)?;
    for condition in CONDITIONS {
        condition(&asked)?;
    }
    let landing = match &c.into {
        UpgradeInto::New(target) => into_new(&asked, target)?,
        UpgradeInto::Existing(target) => into_existing(&asked, &target.subscription)?,
    };
    events(&asked, landing)
}

fn events(asked: &Asked<'_>, landing: Landing) -> Result<Vec<Event>, Rejection> {
    let (source, offer, moved) = (asked.source, asked.offer, asked.moved);
    let left = match landing.target {
        UpgradeTarget::InPlace => source.quantity,
        UpgradeTarget::New(_) | UpgradeTarget::Existing(_) => source.quantity.saturating_sub(moved),
    };
    let mut events = vec![Event::SubscriptionUpgraded(SubscriptionUpgraded {
        subscription: source.id.clone(),
        offer: source.offer.clone(),
        moved,
        quantity: QuantityChange { from: source.quantity, to: left },
        lots: take(source.lots.iter(), moved),
        target_offer: asked.target_offer.clone(),
        target_title: offer.title.clone(),
        target_services: offer.services.iter().cloned().collect(),
        target: landing.target,
        credit: asked.credit()?,
        charge: landing.charge,
        reassigned: asked.users.reassigned.clone(),
        manual: asked.users.manual.iter().map(|by_hand| by_hand.user.clone()).collect(),
        rules: asked.context.rules(asked.customer)?,
        anchor: landing.anchor,
        lost_services: asked.lost_services(),
        price_list: landing.price_list,
        promotion: landing.promotion,
    })];
    events.extend(dropped(asked)?);
    events.extend(landing.dropped);
    events.extend(shortfalls(asked));
    Ok(events)
}

/// What was planned for the source: nothing is left to plan for when all its seats move.
fn dropped(asked: &Asked<'_>) -> Result<Option<Event>, Rejection> {
    if !asked.is_full() {
        drop_scheduled(asked.programme, asked.source, DropCause::Upgraded)?;
    }
    // A planned quantity would bring back the seats that moved.
    Ok(drop_in_any_case(asked.source, DropCause::Upgraded))
}

fn shortfalls(asked: &Asked<'_>) -> impl Iterator<Item = Event> {
    let (customer, reassigned) = (asked.customer, &asked.users.reassigned);
    let (valid, assigned) = asked.left_behind();
    let source = shortfall(customer, &asked.source.offer, valid, assigned);

    let target = asked.target_offer;
    let arriving = reassigned.iter().filter(|user| !customer.has_licence(target, user)).count();
    let valid = customer.valid(target).saturating_add(asked.moved);
    let assigned = customer.assigned(target).saturating_add(count(arriving));
    source.into_iter().chain(shortfall(customer, target, valid, assigned))
}

fn count(users: usize) -> u32 {
    u32::try_from(users).unwrap_or(u32::MAX)
}
