//! Folding events into a customer. Total: it never fails and never decides.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::charged::{corrected, corrected_moves};
use super::command::EndOfTermAction;
use super::event::{
    AppliedPromotion, ChargeBasis, CorrectionRecorded, Event, ExtendedServiceTermStarted,
    GrownSubscription, LotUse, NewSubscription, OpeningBalanceImported, Refund, RenewalSettings,
    SubscriptionPurchased, SubscriptionRenewed, SubscriptionUpgraded, TermChanged, TermPlan,
    TrialConverted, TrialStarted, TrialTarget, UpgradeTarget,
};
use super::state::{
    Assignment, Charged, Customer, DelegatedAdmin, ExternalHolding, Lot, NextBilling, Person,
    Profile, QuantityRequest, Status, Subscription, TermKind,
};
use crate::calendar::{AnchorRule, Period};
use crate::ids::{GroupId, OfferId, PromotionId, SubscriptionId, UserId};
use crate::money::{Money, RoundingPolicy};

/// Folds one event into the state. Total: it never fails and never decides.
#[must_use]
pub fn evolve(state: Option<Customer>, event: &Event) -> Option<Customer> {
    if let Event::CustomerRegistered(e) = event {
        return Some(Customer {
            profile: Profile {
                name: e.name.clone(),
                programme: e.programme.clone(),
                reseller: e.reseller.clone(),
                market: e.market.clone(),
                currency: e.currency,
                segment: e.segment,
                registration_number: e.registration_number.clone(),
            },
            agreement: None,
            delegated_admin: None,
            external: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            assignments: BTreeMap::new(),
            shortfalls: BTreeSet::new(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            portal: BTreeMap::new(),
            requests: BTreeMap::new(),
            request_ids: BTreeSet::new(),
            redemptions: BTreeMap::new(),
            tried: BTreeSet::new(),
            bought: BTreeSet::new(),
            people: BTreeMap::new(),
            is_erased: false,
        });
    }
    let mut customer = state?;
    apply(&mut customer, event);
    Some(customer)
}

/// Folds a whole history.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Customer> {
    events.into_iter().fold(None, evolve)
}

#[expect(clippy::too_many_lines, reason = "a table, read as a whole")]
fn apply(customer: &mut Customer, event: &Event) {
    match event {
        Event::CustomerChanged(e) => {
            customer.profile.name.clone_from(&e.name);
            customer.profile.reseller = e.reseller.clone();
            customer.profile.segment = e.segment;
            customer.profile.registration_number.clone_from(&e.registration_number);
        }
        Event::CustomerErased(_) => erase(customer),
        Event::AgreementAccepted(e) => customer.agreement = Some(e.agreement.clone()),
        Event::DelegatedAdminGranted(e) => {
            let services = e.services.as_ref().map(|services| services.iter().cloned().collect());
            customer.delegated_admin = Some(DelegatedAdmin { services, until: e.until });
        }
        Event::DelegatedAdminRevoked(_) | Event::DelegatedAdminEnded(_) => {
            customer.delegated_admin = None;
        }
        Event::ExternalSubscriptionDeclared(e) => {
            let services = e.services.iter().cloned().collect();
            let holding = ExternalHolding { seats: e.seats, services };
            customer.external.insert(e.offer.clone(), holding);
        }
        Event::ExternalSubscriptionWithdrawn(e) => {
            customer.external.remove(&e.offer);
        }
        Event::PortalAccessGranted(e) => {
            customer.portal.insert(e.user.clone(), e.access);
        }
        Event::PortalAccessRevoked(e) => {
            customer.portal.remove(&e.user);
        }
        Event::SubscriptionPurchased(e) => {
            redeem(customer, e.promotion.as_ref());
            insert(customer, purchased(e));
        }
        Event::TrialStarted(e) => insert(customer, tried(e, customer.profile.currency)),
        Event::TrialConverted(e) => converted(customer, e),
        Event::TrialExtended(e) => {
            change(customer, &e.subscription, |s| s.term.end = e.term_end.to);
        }
        Event::SeatsAdded(e) => change(customer, &e.subscription, |s| {
            s.quantity = e.quantity.to;
            let seats = e.quantity.to.saturating_sub(e.quantity.from);
            s.add_lot(Lot {
                lot: e.lot,
                seats,
                charged_from: e.basis.billable.start,
                reduce_until: e.reduce_until,
            });
            s.charge_from(e.basis.billable.start, e.quantity.to);
            s.updates = s.updates.saturating_add(1);
        }),
        Event::SeatsRemoved(e) => change(customer, &e.subscription, |s| {
            s.quantity = e.quantity.to;
            s.take_from_lots(&e.lots);
            s.charge_from(e.basis.billable.start, e.quantity.to);
            s.updates = s.updates.saturating_add(1);
        }),
        Event::RenewalQuantityScheduled(e) => change(customer, &e.subscription, |s| {
            let planned = s.scheduled.take();
            s.scheduled = Some(RenewalSettings {
                quantity: e.quantity,
                ..planned.unwrap_or_else(|| unplanned(e.quantity))
            });
        }),
        Event::RenewalSettingsChanged(e) => {
            change(customer, &e.subscription, |s| s.scheduled = Some(e.settings.clone()));
        }
        Event::ScheduledChangeDropped(e) => {
            change(customer, &e.subscription, |s| s.scheduled = None);
        }
        Event::EndOfTermActionSet(e) => {
            change(customer, &e.subscription, |s| s.end_of_term = e.action);
        }
        Event::TermChanged(e) => change(customer, &e.subscription, |s| s.change_term(e)),
        Event::BillingFrequencyChosen(e) => change(customer, &e.subscription, |s| {
            let next = NextBilling { billing: e.billing, from: e.from };
            s.next_billing = (e.billing != s.plan.billing).then_some(next);
        }),
        Event::BillingFrequencyChanged(e) => change(customer, &e.subscription, |s| {
            s.plan = e.plan;
            s.unit_price = e.basis.unit_price;
            s.next_billing = None;
            s.promotion = None;
            s.by_months = e.basis.by_months;
            s.rounding = e.basis.rounding;
            s.begin_charging(&e.basis, if e.is_charged { e.quantity } else { 0 });
        }),
        Event::SubscriptionCancelled(e) => end(customer, &e.subscription, Status::Deleted),
        Event::SubscriptionSuspended(e) => change(customer, &e.subscription, |s| {
            s.status = Status::Suspended;
            s.vendor_reasons.clone_from(&e.vendor_reasons);
            s.billing_stopped = e.billing_stops;
            s.delete_at = e.delete_at;
            let credits = e.credit.iter().flat_map(|credit| &credit.credits);
            if let Some(from) = credits.map(|credit| credit.basis.billable.start).min() {
                s.stop_charging(from);
            }
            if e.credit.as_ref().is_some_and(|credit| credit.refund == Refund::Full) {
                s.moved.clear();
            }
        }),
        Event::SubscriptionResumed(e) => change(customer, &e.subscription, |s| {
            s.status = Status::Active;
            s.vendor_reasons.clear();
            s.billing_stopped = false;
            s.delete_at = None;
            if let Some(resumed) = &e.charge {
                s.charge_from(resumed.basis.billable.start, resumed.quantity);
            }
        }),
        Event::SubscriptionRenamed(e) => {
            change(customer, &e.subscription, |s| s.name.clone_from(&e.name));
        }
        Event::SubscriptionUpgraded(e) => upgraded(customer, e),
        Event::QuantityRequested(e) => {
            let request = QuantityRequest { offer: e.offer.clone(), seats: e.seats };
            customer.requests.insert(e.request.clone(), request);
            customer.request_ids.insert(e.request.clone());
        }
        Event::QuantityRequestFulfilled(e) => {
            customer.requests.remove(&e.request);
        }
        Event::QuantityRequestDeclined(e) => {
            customer.requests.remove(&e.request);
        }
        Event::UserAdded(e) => {
            customer.users.insert(e.user.clone(), e.usage_location.clone());
        }
        Event::UserNamed(e) if e.name.is_none() && e.email.is_none() => {
            customer.people.remove(&e.user);
        }
        Event::UserNamed(e) => {
            let person = Person { name: e.name.clone(), email: e.email.clone() };
            customer.people.insert(e.user.clone(), person);
        }
        Event::UserRemoved(e) => {
            customer.users.remove(&e.user);
            customer.people.remove(&e.user);
        }
        Event::LicenceAssigned(e) => {
            assign(customer, &e.offer, &e.user, &e.usage_location, e.through.as_ref());
        }
        Event::LicenceUnassigned(e) => {
            unassign(customer, &e.offer, &e.user, e.through.as_ref());
        }
        Event::GroupMemberAdded(e) => {
            let group = customer.groups.entry(e.group.clone()).or_default();
            group.members.insert(e.user.clone());
        }
        Event::GroupMemberRemoved(e) => {
            change_group(customer, &e.group, |group| {
                group.members.remove(&e.user);
                group.failed.remove(&e.user);
            });
        }
        Event::GroupLicenceAssigned(e) => {
            let group = customer.groups.entry(e.group.clone()).or_default();
            group.offers.insert(e.offer.clone());
        }
        Event::GroupLicenceUnassigned(e) => {
            change_group(customer, &e.group, |group| {
                group.offers.remove(&e.offer);
            });
        }
        Event::GroupLicencesFailed(e) => change_group(customer, &e.group, |group| {
            group.failed.insert(e.user.clone(), (e.offer.clone(), e.code.clone()));
        }),
        Event::GroupLicencesSettled(e) => change_group(customer, &e.group, |group| {
            group.failed.remove(&e.user);
        }),
        Event::ShortfallRaised(e) => {
            customer.shortfalls.insert(e.offer.clone());
        }
        Event::ShortfallCleared(e) => {
            customer.shortfalls.remove(&e.offer);
        }
        Event::SubscriptionRenewed(e) => {
            redeem(customer, e.promotion.as_ref());
            renewed(customer, e);
        }
        Event::SubscriptionExpired(e) => change(customer, &e.subscription, |s| {
            s.status = Status::Expired;
            s.disable_at = e.disable_at;
            s.next_billing = None;
        }),
        Event::ExtendedServiceTermStarted(e) => {
            change(customer, &e.subscription, |s| s.extend(e));
        }
        Event::SubscriptionDisabled(e) => change(customer, &e.subscription, |s| {
            s.status = Status::Disabled;
            s.disable_at = None;
            s.next_billing = None;
            s.delete_at = e.delete_at;
        }),
        Event::SubscriptionDeleted(e) => end(customer, &e.subscription, Status::Deleted),
        Event::OpeningBalanceImported(e) => insert(customer, taken_over(e)),
        Event::CorrectionRecorded(e) => change(customer, &e.subscription, |s| s.correct(e)),
        Event::CustomerRegistered(_)
        | Event::CreditGranted(_)
        | Event::CatalogueImported(_)
        | Event::PriceListImported(_)
        | Event::OfferMatrixImported(_)
        | Event::PolicySet(_)
        | Event::BillingTermsSet(_)
        | Event::ExchangeRatesImported(_)
        | Event::PeriodClosed(_)
        | Event::ReconciliationRecorded(_) => {}
    }
}

/// Nothing that is about people is left.
fn erase(customer: &mut Customer) {
    customer.is_erased = true;
    customer.delegated_admin = None;
    customer.users.clear();
    customer.people.clear();
    customer.groups.clear();
    customer.portal.clear();
    customer.assignments.clear();
    customer.shortfalls.clear();
    customer.requests.clear();
}

fn insert(customer: &mut Customer, subscription: Subscription) {
    let offers = if subscription.is_trial() { &mut customer.tried } else { &mut customer.bought };
    offers.insert(subscription.offer.clone());
    customer.subscriptions.insert(subscription.id.clone(), Box::new(subscription));
}

fn change(customer: &mut Customer, id: &SubscriptionId, update: impl FnOnce(&mut Subscription)) {
    if let Some(subscription) = customer.subscriptions.get_mut(id) {
        update(subscription);
    }
}

fn end(customer: &mut Customer, id: &SubscriptionId, status: Status) {
    change(customer, id, |s| {
        s.status = status;
        s.disable_at = None;
        s.delete_at = None;
        s.next_billing = None;
    });
}

fn change_group(
    customer: &mut Customer,
    id: &GroupId,
    update: impl FnOnce(&mut super::state::Group),
) {
    let Some(group) = customer.groups.get_mut(id) else { return };
    update(group);
    if group.members.is_empty() && group.offers.is_empty() {
        customer.groups.remove(id);
    }
}

fn redeem(customer: &mut Customer, promotion: Option<&AppliedPromotion>) {
    let Some(applied) = promotion else { return };
    let redeemed = customer.redemptions.entry(applied.promotion.clone()).or_default();
    *redeemed = redeemed.saturating_add(1);
}

fn assign(
    customer: &mut Customer,
    offer: &OfferId,
    user: &UserId,
    usage_location: &str,
    through: Option<&GroupId>,
) {
    let users = customer.assignments.entry(offer.clone()).or_default();
    let assignment = users.entry(user.clone()).or_insert_with(|| Assignment {
        usage_location: usage_location.to_owned(),
        direct: false,
        groups: BTreeSet::new(),
    });
    if let Some(group) = through {
        assignment.groups.insert(group.clone());
    } else {
        assignment.direct = true;
        usage_location.clone_into(&mut assignment.usage_location);
    }
}

/// Takes away what came directly, or through one group; the licence goes when nothing is left.
fn unassign(customer: &mut Customer, offer: &OfferId, user: &UserId, through: Option<&GroupId>) {
    let Some(users) = customer.assignments.get_mut(offer) else { return };
    let Some(assignment) = users.get_mut(user) else { return };
    match through {
        Some(group) => {
            assignment.groups.remove(group);
        }
        None => assignment.direct = false,
    }
    if !assignment.direct && assignment.groups.is_empty() {
        users.remove(user);
    }
    if users.is_empty() {
        customer.assignments.remove(offer);
    }
}

/// Moves the licences of `users` from one offer to another, as direct ones.
fn reassign(customer: &mut Customer, users: &[UserId], from: &OfferId, to: &OfferId) {
    for user in users {
        let held = customer.assignments.get_mut(from).and_then(|held| held.remove(user));
        let Some(held) = held else { continue };
        assign(customer, to, user, &held.usage_location, None);
    }
    if customer.assignments.get(from).is_some_and(BTreeMap::is_empty) {
        customer.assignments.remove(from);
    }
}

/// The next term as the present one, but for the quantity.
pub(super) const fn unplanned(quantity: u32) -> RenewalSettings {
    RenewalSettings { quantity, plan: None, offer: None, end_date: None, promotion: None }
}

/// What every subscription begins with, whatever makes it.
struct Begun<'a> {
    id: &'a SubscriptionId,
    offer: &'a OfferId,
    title: &'a str,
    services: &'a [String],
    plan: TermPlan,
    quantity: u32,
    unit_price: Money,
    term: Period,
    cycle_anchor: NaiveDate,
    anchor: AnchorRule,
    charged_from: NaiveDate,
    cancel_until: Option<DateTime<Utc>>,
    reduce_until: Option<DateTime<Utc>>,
    full_refund_before: Option<DateTime<Utc>>,
    bought_at: Option<DateTime<Utc>>,
    rounding: RoundingPolicy,
}

impl From<Begun<'_>> for Subscription {
    fn from(begun: Begun<'_>) -> Self {
        Self {
            id: begun.id.clone(),
            name: None,
            offer: begun.offer.clone(),
            offer_title: begun.title.to_owned(),
            services: begun.services.iter().cloned().collect(),
            status: Status::Active,
            plan: begun.plan,
            quantity: begun.quantity,
            unit_price: begun.unit_price,
            term: begun.term,
            cycle_anchor: begun.cycle_anchor,
            anchor: begun.anchor,
            cancel_until: begun.cancel_until,
            full_refund_before: begun.full_refund_before,
            lots: vec![Lot {
                lot: 1,
                seats: begun.quantity,
                charged_from: begun.charged_from,
                reduce_until: begun.reduce_until,
            }],
            last_lot: 1,
            end_of_term: EndOfTermAction::Renew,
            scheduled: None,
            next_billing: None,
            updates: 0,
            bought_at: begun.bought_at,
            kind: TermKind::Paid,
            vendor_reasons: Vec::new(),
            billing_stopped: false,
            disable_at: None,
            delete_at: None,
            promotion: None,
            rounding: begun.rounding,
            by_months: None,
            charged: vec![Charged {
                from: begun.charged_from,
                quantity: begun.quantity,
                unit_price: begun.unit_price,
            }],
            moved: Vec::new(),
        }
    }
}

fn promotion_of(applied: Option<&AppliedPromotion>) -> Option<PromotionId> {
    applied.map(|applied| applied.promotion.clone())
}

fn purchased(e: &SubscriptionPurchased) -> Subscription {
    let bought = Subscription::from(Begun {
        id: &e.subscription,
        offer: &e.offer,
        title: &e.offer_title,
        services: &e.services,
        plan: e.plan,
        quantity: e.quantity,
        unit_price: e.basis.unit_price,
        term: e.term,
        cycle_anchor: e.term.start,
        anchor: e.anchor,
        charged_from: e.basis.billable.start,
        cancel_until: e.cancel_until,
        reduce_until: e.reduce_until,
        full_refund_before: e.full_refund_before,
        bought_at: Some(e.started_at),
        rounding: e.basis.rounding,
    });
    Subscription { promotion: promotion_of(e.promotion.as_ref()), ..bought }
}

fn tried(e: &TrialStarted, currency: crate::money::Currency) -> Subscription {
    let trial = Subscription::from(Begun {
        id: &e.subscription,
        offer: &e.offer,
        title: &e.offer_title,
        services: &e.services,
        plan: e.converts_to,
        quantity: e.quantity,
        unit_price: Money { amount: rust_decimal::Decimal::ZERO, currency },
        term: e.term,
        cycle_anchor: e.term.start,
        anchor: AnchorRule::Clamp,
        charged_from: e.term.start,
        cancel_until: None,
        reduce_until: None,
        full_refund_before: None,
        bought_at: None,
        rounding: RoundingPolicy::default(),
    });
    let kind = TermKind::Trial { converts: e.converts };
    Subscription { kind, charged: Vec::new(), ..trial }
}

fn converted(customer: &mut Customer, e: &TrialConverted) {
    customer.bought.insert(e.offer.clone());
    match &e.into {
        TrialTarget::Itself(paid) => change(customer, &e.subscription, |s| {
            s.kind = TermKind::Paid;
            s.plan = paid.plan;
            s.quantity = e.quantity.to;
            s.begin_term(paid.term, paid.lot, &e.basis, paid.reduce_until);
            s.anchor = paid.anchor;
            s.cancel_until = paid.cancel_until;
            s.full_refund_before = paid.full_refund_before;
            s.bought_at = Some(paid.started_at);
        }),
        TrialTarget::Existing(target) => {
            end(customer, &e.subscription, Status::Deleted);
            grow(customer, target, e.basis.billable.start);
        }
    }
}

fn grow(customer: &mut Customer, target: &GrownSubscription, charged_from: NaiveDate) {
    change(customer, &target.subscription, |s| {
        s.quantity = target.quantity.to;
        s.add_lot(Lot {
            lot: target.lot,
            seats: target.quantity.to.saturating_sub(target.quantity.from),
            charged_from,
            reduce_until: None,
        });
        s.charge_moved(charged_from, (target.quantity.from, target.quantity.to));
        s.updates = s.updates.saturating_add(1);
    });
}

fn upgraded(customer: &mut Customer, e: &SubscriptionUpgraded) {
    match &e.target {
        UpgradeTarget::InPlace => change(customer, &e.subscription, |s| {
            s.offer = e.target_offer.clone();
            s.offer_title.clone_from(&e.target_title);
            s.services = e.target_services.iter().cloned().collect();
            s.unit_price = e.charge.unit_price;
            s.promotion = promotion_of(e.promotion.as_ref());
            for lot in &mut s.lots {
                lot.charged_from = e.charge.billable.start;
            }
            s.rounding = e.charge.rounding;
            s.by_months = e.charge.by_months;
            s.begin_charging(&e.charge, e.moved);
            s.updates = s.updates.saturating_add(1);
        }),
        UpgradeTarget::New(target) => {
            let bought_at = shrink(customer, e);
            insert(customer, made_by_upgrade(e, target, bought_at));
        }
        UpgradeTarget::Existing(target) => {
            shrink(customer, e);
            grow(customer, target, e.charge.billable.start);
        }
    }
    customer.bought.insert(e.target_offer.clone());
    redeem(customer, e.promotion.as_ref());
    reassign(customer, &e.reassigned, &e.offer, &e.target_offer);
}

/// Takes the seats that moved; returns when the subscription they come from was bought.
fn shrink(customer: &mut Customer, e: &SubscriptionUpgraded) -> Option<DateTime<Utc>> {
    let source = customer.subscriptions.get_mut(&e.subscription)?;
    source.quantity = e.quantity.to;
    source.take_from_lots(&e.lots);
    source.charge_moved(e.credit.billable.start, (e.quantity.from, e.quantity.to));
    source.updates = source.updates.saturating_add(1);
    if source.quantity == 0 {
        source.status = Status::Deleted;
        source.next_billing = None;
    }
    source.bought_at
}

fn made_by_upgrade(
    e: &SubscriptionUpgraded,
    target: &NewSubscription,
    bought_at: Option<DateTime<Utc>>,
) -> Subscription {
    let made = Subscription::from(Begun {
        id: &target.subscription,
        offer: &e.target_offer,
        title: &e.target_title,
        services: &e.target_services,
        plan: target.plan,
        quantity: e.moved,
        unit_price: e.charge.unit_price,
        term: target.term,
        cycle_anchor: target.cycle_anchor,
        anchor: e.anchor,
        charged_from: e.charge.billable.start,
        cancel_until: target.cancel_until,
        reduce_until: target.reduce_until,
        full_refund_before: target.full_refund_before,
        bought_at,
        rounding: e.charge.rounding,
    });
    Subscription { promotion: promotion_of(e.promotion.as_ref()), ..made }
}

fn renewed(customer: &mut Customer, e: &SubscriptionRenewed) {
    change(customer, &e.subscription, |s| {
        s.quantity = e.quantity.to;
        s.begin_term(e.term, e.lot, &e.basis, e.reduce_until);
        s.anchor = e.anchor;
        s.cancel_until = e.cancel_until;
        s.full_refund_before = e.full_refund_before;
        s.kind = TermKind::Paid;
        s.promotion = promotion_of(e.promotion.as_ref());
        let Some(change) = &e.change else { return };
        s.plan = change.plan;
        let Some(upgraded) = &change.offer else { return };
        s.offer = upgraded.offer.clone();
        s.offer_title.clone_from(&upgraded.title);
        s.services = upgraded.services.iter().cloned().collect();
    });
    let upgraded = e.change.as_ref().and_then(|change| change.offer.as_ref());
    if let Some(upgraded) = upgraded {
        customer.bought.insert(upgraded.offer.clone());
        reassign(customer, &upgraded.reassigned, &e.offer, &upgraded.offer);
    }
}

/// A subscription as it is taken over. When its service or data is to go is not known there, so that
/// time brings nothing about for one that has ended.
pub(super) fn taken_over(e: &OpeningBalanceImported) -> Subscription {
    let begun = Subscription::from(Begun {
        id: &e.subscription,
        offer: &e.offer,
        title: &e.offer_title,
        services: &e.services,
        plan: e.plan,
        quantity: e.quantity,
        unit_price: e.unit_price,
        term: e.term,
        cycle_anchor: e.term.start,
        anchor: e.anchor,
        charged_from: e.term.start,
        cancel_until: e.cancel_until,
        reduce_until: None,
        full_refund_before: None,
        bought_at: e.bought_at,
        rounding: e.rounding,
    });
    // What is free, stopped or over is charged nothing here.
    let is_over = !matches!(e.status, Status::Active | Status::Suspended);
    let is_charged = !e.trial && !e.billing_stopped && !is_over;
    let charged_from = e.charged_through.and_then(|day| day.succ_opt()).filter(|_| is_charged);
    let charged =
        charged_from.map(|from| Charged { from, quantity: e.quantity, unit_price: e.unit_price });
    let last_lot = e.lots.iter().map(|lot| lot.lot).max().unwrap_or(1);
    let converts = e.end_of_term == EndOfTermAction::Renew;
    let kind = if e.trial { TermKind::Trial { converts } } else { TermKind::Paid };
    Subscription {
        status: e.status,
        lots: e.lots.clone(),
        last_lot,
        end_of_term: e.end_of_term,
        kind,
        vendor_reasons: e.vendor_reasons.clone(),
        billing_stopped: e.billing_stopped,
        charged: Vec::from_iter(charged),
        ..begun
    }
}

impl Subscription {
    fn add_lot(&mut self, lot: Lot) {
        self.last_lot = lot.lot;
        self.lots.push(lot);
    }

    fn take_from_lots(&mut self, uses: &[LotUse]) {
        for lot in &mut self.lots {
            for used in uses.iter().filter(|used| used.lot == lot.lot) {
                lot.seats = lot.seats.saturating_sub(used.seats);
            }
        }
        self.lots.retain(|lot| lot.seats != 0);
    }

    /// A term begins with one lot of all seats, and nothing planned.
    fn begin_term(
        &mut self,
        term: Period,
        lot: u32,
        basis: &ChargeBasis,
        reduce_until: Option<DateTime<Utc>>,
    ) {
        let charged_from = basis.billable.start;
        self.unit_price = basis.unit_price;
        self.rounding = basis.rounding;
        self.by_months = None;
        self.begin_charging(basis, self.quantity);
        self.term = term;
        self.cycle_anchor = term.start;
        self.lots = vec![Lot { lot, seats: self.quantity, charged_from, reduce_until }];
        self.last_lot = lot;
        self.scheduled = None;
        self.next_billing = None;
        self.promotion = None;
    }

    fn change_term(&mut self, e: &TermChanged) {
        self.plan = e.plan;
        self.begin_term(e.term, e.lot, &e.basis, e.reduce_until);
        self.anchor = e.anchor;
        self.cancel_until = e.cancel_until;
        self.full_refund_before = e.full_refund_before;
        self.updates = self.updates.saturating_add(1);
    }

    fn extend(&mut self, e: &ExtendedServiceTermStarted) {
        self.plan = e.plan;
        self.begin_term(e.term, e.lot, &e.basis, None);
        self.anchor = AnchorRule::Clamp;
        self.cancel_until = None;
        self.full_refund_before = None;
        self.end_of_term = EndOfTermAction::ExtendedServiceTerm;
        self.kind = TermKind::Extended;
    }

    /// Nobody is credited for what was never charged.
    const fn close_windows(&mut self) {
        self.cancel_until = None;
        self.full_refund_before = None;
    }

    /// A changed quantity is one lot, which cannot be removed: nobody knows which seats were wrong.
    fn correct(&mut self, e: &CorrectionRecorded) {
        let quantity = e.quantity.map(|quantity| quantity.to);
        (self.charged, self.moved) = match e.from {
            Some(from) => (
                corrected(&self.charged, from, quantity, e.unit_price),
                corrected_moves(&self.moved, from, quantity, e.unit_price),
            ),
            None => (Vec::new(), Vec::new()),
        };
        if let Some(quantity) = e.quantity {
            self.quantity = quantity.to;
            let lot = self.last_lot.saturating_add(1);
            let charged_from = self.term.start;
            self.lots = vec![Lot { lot, seats: quantity.to, charged_from, reduce_until: None }];
            self.last_lot = lot;
            self.close_windows();
        }
        if let Some(term_end) = e.term_end {
            if term_end < self.term.end {
                self.end_charging_with(term_end);
            }
            self.term.end = term_end;
            // Another rhythm cannot begin after the term any more.
            self.next_billing = self.next_billing.filter(|next| next.from <= term_end);
        }
        if let Some(unit_price) = e.unit_price {
            self.unit_price = unit_price;
            self.close_windows();
        }
        if let Some(action) = e.end_of_term {
            self.end_of_term = action;
        }
    }
}
