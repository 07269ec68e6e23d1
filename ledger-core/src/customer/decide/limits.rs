//! Limits on quantities: smallest, largest, number of changes, and the shortfall of licences.

use crate::catalogue::{BelowAssigned, Offer, Programme};
use crate::customer::event::{Event, LotUse, QuantityChange, ShortfallCleared, ShortfallRaised};
use crate::customer::rejection::Rejection;
use crate::customer::state::{Customer, Lot, Subscription};
use crate::ids::{OfferId, UserId};

/// Refuses a quantity of zero.
pub(super) fn not_zero(quantity: u32) -> Result<(), Rejection> {
    if quantity == 0 {
        return Err(Rejection::QuantityZero);
    }
    Ok(())
}

/// Refuses fewer seats in one subscription than its offer needs.
pub(super) fn not_below_minimum(
    id: &OfferId,
    seats_min: u32,
    quantity: u32,
) -> Result<(), Rejection> {
    if quantity < seats_min {
        return Err(Rejection::BelowMinimum { offer: id.clone(), quantity, seats_min });
    }
    Ok(())
}

/// Refuses more seats, over all subscriptions and partners, than the offer allows; those of suspended
/// subscriptions count. Source: domain, section 2, no. 2.
pub(super) fn not_above_maximum(
    customer: &Customer,
    id: &OfferId,
    offer: &Offer,
    added: u32,
) -> Result<(), Rejection> {
    sum(customer.seats(id), added)?;
    let Some(seats_max) = offer.seats_max else { return Ok(()) };
    let elsewhere = customer.external.get(id).map_or(0, |holding| holding.seats);
    let held = customer.seats(id).saturating_add(elsewhere);
    let remaining = seats_max.saturating_sub(held);
    if remaining < added {
        return Err(Rejection::AboveMaximum { offer: id.clone(), seats_max, remaining });
    }
    Ok(())
}

/// The sum of two quantities.
pub(super) fn sum(quantity: u32, added: u32) -> Result<u32, Rejection> {
    let expected = "all seats together must be fewer than 4294967296";
    quantity.checked_add(added).ok_or(Rejection::FieldInvalid { field: "seats", expected })
}

/// Refuses one more change of a subscription that has had the most allowed.
pub(super) fn not_too_many_updates(
    programme: &Programme,
    subscription: &Subscription,
) -> Result<(), Rejection> {
    let updates_max = programme.updates_max;
    if updates_max <= subscription.updates {
        let subscription = subscription.id.clone();
        return Err(Rejection::TooManyUpdates { subscription, updates_max });
    }
    Ok(())
}

/// Refuses fewer seats than assigned licences, where the programme does.
pub(super) fn not_below_assigned(
    programme: &Programme,
    customer: &Customer,
    offer: &OfferId,
    removed: u32,
) -> Result<(), Rejection> {
    match programme.below_assigned {
        BelowAssigned::Shortfall => Ok(()),
        BelowAssigned::Refuse if removed == 0 => Ok(()),
        BelowAssigned::Refuse => {
            let valid = customer.valid(offer).saturating_sub(removed);
            let assigned = customer.assigned(offer);
            let excess = assigned.saturating_sub(valid);
            if excess == 0 {
                return Ok(());
            }
            Err(Rejection::LicencesAssigned { offer: offer.clone(), assigned, excess })
        }
    }
}

/// Takes `seats` from `lots`, the first to close first; closed ones before all. Source: domain,
/// section 11, no. 15.
pub(super) fn take<'a>(lots: impl Iterator<Item = &'a Lot>, seats: u32) -> Vec<LotUse> {
    let mut lots: Vec<&Lot> = lots.collect();
    lots.sort_by_key(|lot| (lot.reduce_until, lot.lot));
    let mut left = seats;
    let mut uses = Vec::new();
    for lot in lots {
        let taken = lot.seats.min(left);
        if taken != 0 {
            uses.push(LotUse { lot: lot.lot, seats: taken });
            left = left.saturating_sub(taken);
        }
    }
    uses
}

/// The event that raises or clears a shortfall when `offer` will have `valid` seats and `assigned`
/// licences in use. Source: domain, section 11, no. 16.
pub(super) fn shortfall(
    customer: &Customer,
    offer: &OfferId,
    valid: u32,
    assigned: u32,
) -> Option<Event> {
    let raised = customer.shortfalls.contains(offer);
    let unchanged = customer.valid(offer) == valid && customer.assigned(offer) == assigned;
    if valid < assigned && !(raised && unchanged) {
        return Some(Event::ShortfallRaised(ShortfallRaised {
            offer: offer.clone(),
            valid,
            assigned,
        }));
    }
    if raised && assigned <= valid {
        return Some(Event::ShortfallCleared(ShortfallCleared { offer: offer.clone() }));
    }
    None
}

/// The same when only the seats change, from what they are by `added` and `removed`.
pub(super) fn shortfall_after(
    customer: &Customer,
    offer: &OfferId,
    added: u32,
    removed: u32,
) -> Option<Event> {
    let valid = customer.valid(offer).saturating_add(added).saturating_sub(removed);
    shortfall(customer, offer, valid, customer.assigned(offer))
}

/// The same when all seats of a subscription change their offer, from one to the other, and the licences
/// of `reassigned` with them.
pub(super) fn shortfalls_between(
    customer: &Customer,
    (from, to): (&OfferId, &OfferId),
    seats: QuantityChange,
    reassigned: &[UserId],
) -> Vec<Event> {
    let count = |users: usize| u32::try_from(users).unwrap_or(u32::MAX);
    let valid = customer.valid(from).saturating_sub(seats.from);
    let assigned = customer.assigned(from).saturating_sub(count(reassigned.len()));
    let left = shortfall(customer, from, valid, assigned);

    let arriving = reassigned.iter().filter(|user| !customer.has_licence(to, user)).count();
    let valid = customer.valid(to).saturating_add(seats.to);
    let assigned = customer.assigned(to).saturating_add(count(arriving));
    left.into_iter().chain(shortfall(customer, to, valid, assigned)).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use crate::calendar::{BillingCycle, TermDuration};
    use crate::catalogue::{Catalogue, SEEDS_TOML, Segment};
    use crate::customer::command::{AddSeats, Command, Purchase, RegisterCustomer};
    use crate::customer::decide::{Context, decide};
    use crate::customer::evolve::evolve;
    use crate::customer::rejection::Rejection;
    use crate::customer::state::Customer;
    use crate::ids::{
        Actor, ActorId, CustomerId, OfferId, ProgrammeId, ResellerId, Role, SubscriptionId,
    };
    use crate::money::Currency;

    /// One customer, asked at one instant under the catalogue of the sources.
    struct Acme {
        catalogue: Catalogue,
        state: Option<Customer>,
    }

    impl Acme {
        fn ask(&mut self, command: &Command) -> Result<(), Rejection> {
            let now: DateTime<Utc> = "2024-03-01T09:00:00Z".parse().unwrap();
            let actor = Actor { id: ActorId::try_new("admin").unwrap(), role: Role::ResellerAdmin };
            let customer = CustomerId::try_new("acme").unwrap();
            let context = Context {
                customer: &customer,
                now,
                effective_at: now,
                actor: &actor,
                catalogue: Some(&self.catalogue),
            };
            let events = decide(&context, self.state.as_ref(), command)?;
            self.state = events.iter().fold(self.state.take(), evolve);
            Ok(())
        }
    }

    #[test]
    fn a_subscription_is_changed_1200_times_and_not_once_more() {
        let catalogue = toml::from_str(SEEDS_TOML).unwrap();
        let mut acme = Acme { catalogue, state: None };
        let registered = Command::RegisterCustomer(RegisterCustomer {
            name: "Acme".to_owned(),
            programme: ProgrammeId::try_new("nce").unwrap(),
            reseller: ResellerId::try_new("reseller").unwrap(),
            market: "FR".to_owned(),
            currency: Currency::EUR,
            segment: Some(Segment::Commercial),
            registration_number: None,
        });
        let subscription = SubscriptionId::try_new("s1").unwrap();
        let bought = Command::Purchase(Purchase::new(
            subscription.clone(),
            OfferId::try_new("office-365-e3").unwrap(),
            TermDuration::P1Y,
            BillingCycle::Annual,
            1,
        ));
        let added = Command::AddSeats(AddSeats { subscription: subscription.clone(), seats: 1 });

        acme.ask(&registered).unwrap();
        acme.ask(&bought).unwrap();
        for _ in 0..1_200 {
            acme.ask(&added).unwrap();
        }
        let refused = Rejection::TooManyUpdates { subscription, updates_max: 1_200 };
        assert_eq!(acme.ask(&added), Err(refused));
    }
}
