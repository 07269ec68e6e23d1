//! A customer as its events made it. Folding is total: it never fails and never decides.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::command::EndOfTermAction;
use super::event::{
    Event, LotUse, NewSubscription, SubscriptionPurchased, SubscriptionRenewed,
    SubscriptionUpgraded, TermPlan, UpgradeTarget,
};
use crate::calendar::Period;
use crate::ids::{OfferId, ProgrammeId, ResellerId, SubscriptionId, UserId};
use crate::money::{Currency, Money};

/// Version of what folding makes of events, and of the bytes in which a snapshot keeps it. Raise it with
/// every change of either; `tests/golden.rs` notices.
pub const FOLD_VERSION: u32 = 1;

/// A customer with everything it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Who it is.
    pub profile: Profile,
    /// Whether the partner has delegated administration.
    pub delegated_admin: bool,
    /// What it holds from elsewhere, by offer.
    pub external: BTreeMap<OfferId, ExternalHolding>,
    /// Every subscription it ever had. Boxed: a map sets room aside for eleven, and most have one.
    pub subscriptions: BTreeMap<SubscriptionId, Box<Subscription>>,
    /// Who has a licence of which offer.
    pub assignments: BTreeMap<OfferId, BTreeMap<UserId, Assignment>>,
    /// Offers with more licences assigned than seats, as last raised.
    pub shortfalls: BTreeSet<OfferId>,
}

/// Who a customer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The company's name.
    pub name: String,
    /// Programme whose rules hold for it.
    pub programme: ProgrammeId,
    /// Reseller who serves it.
    pub reseller: ResellerId,
    /// Market (ISO 3166-1 alpha-2).
    pub market: String,
    /// Currency of all its prices.
    pub currency: Currency,
}

/// What a customer holds from another partner or channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalHolding {
    /// Seats held.
    pub seats: u32,
    /// Services that come with it.
    pub services: BTreeSet<String>,
}

/// A licence in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Where the user works (ISO 3166-1 alpha-2).
    pub usage_location: String,
}

/// Whether a subscription lives. Source: domain, section 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is in use.
    Active,
    /// It was cancelled, or all its seats were upgraded away.
    Deleted,
    /// Its last term is over.
    Expired,
}

/// One line of what a customer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// What it is of.
    pub offer: OfferId,
    /// The offer's name.
    pub offer_title: String,
    /// Services it includes.
    pub services: BTreeSet<String>,
    /// Whether it lives.
    pub status: Status,
    /// Length and billing.
    pub plan: TermPlan,
    /// Seats.
    pub quantity: u32,
    /// Price of one seat for one billing cycle, locked for the term.
    pub unit_price: Money,
    /// First and last day of the current term.
    pub term: Period,
    /// Day its charge cycles are counted from.
    pub cycle_anchor: NaiveDate,
    /// Until when, included, it can be cancelled; `None`: it cannot.
    pub cancel_until: Option<DateTime<Utc>>,
    /// Before when a cancellation is refunded in full; `None`: by the day.
    pub full_refund_before: Option<DateTime<Utc>>,
    /// Seats bought together, by number.
    pub lots: Vec<Lot>,
    /// Number of the last lot ever made.
    pub last_lot: u32,
    /// What happens at the end of the term.
    pub end_of_term: EndOfTermAction,
    /// Planned quantity of the next term.
    pub scheduled: Option<Scheduled>,
    /// Changes of quantity so far.
    pub updates: u32,
}

/// Seats bought together, with a window of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// Its number in the subscription.
    pub lot: u32,
    /// Seats left in it.
    pub seats: u32,
    /// First day charged for them.
    pub charged_from: NaiveDate,
    /// Until when, included, they can be removed; `None`: they cannot.
    pub reduce_until: Option<DateTime<Utc>>,
}

impl Lot {
    /// Whether its seats can be removed at `now`. Source: domain, section 11, no. 1 (inclusive).
    #[must_use]
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.reduce_until.is_some_and(|until| now <= until)
    }
}

/// A planned quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// All seats from the renewal on.
    pub quantity: u32,
}

impl Subscription {
    /// Seats that can still be removed at `now`.
    #[must_use]
    pub fn refundable(&self, now: DateTime<Utc>) -> u32 {
        self.lots
            .iter()
            .filter(|lot| lot.is_open(now))
            .fold(0, |sum, lot| sum.saturating_add(lot.seats))
    }

    /// Whether the whole subscription can be cancelled at `now`.
    #[must_use]
    pub fn is_cancellable(&self, now: DateTime<Utc>) -> bool {
        self.cancel_until.is_some_and(|until| now <= until)
    }
}

/// What a text, a small struct and their place in a map take up, in bytes; measured.
const ENTRY_BYTES: usize = 160;

impl Customer {
    /// The memory it takes up, roughly, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let subscriptions = self.subscriptions.values().map(|subscription| {
            let texts = subscription.services.len().saturating_add(4).saturating_mul(ENTRY_BYTES);
            let lots = subscription.lots.len().saturating_mul(size_of::<Lot>());
            size_of::<Subscription>().saturating_add(texts).saturating_add(lots)
        });
        let users = self.assignments.values().map(BTreeMap::len);
        let external = self.external.values().map(|held| held.services.len().saturating_add(2));
        let entries = users.chain(external).fold(0, usize::saturating_add);
        subscriptions.fold(entries.saturating_mul(ENTRY_BYTES), usize::saturating_add)
    }

    /// Seats of `offer` over all living subscriptions. Source: domain, section 7.
    #[must_use]
    pub fn valid(&self, offer: &OfferId) -> u32 {
        self.active()
            .filter(|subscription| subscription.offer == *offer)
            .fold(0, |sum, subscription| sum.saturating_add(subscription.quantity))
    }

    /// Licences of `offer` in use.
    #[must_use]
    pub fn assigned(&self, offer: &OfferId) -> u32 {
        let users = self.assignments.get(offer).map_or(0, BTreeMap::len);
        u32::try_from(users).unwrap_or(u32::MAX)
    }

    /// Whether `user` has a licence of `offer`.
    #[must_use]
    pub fn has_licence(&self, offer: &OfferId, user: &UserId) -> bool {
        self.assignments.get(offer).is_some_and(|users| users.contains_key(user))
    }

    /// The living subscriptions.
    pub fn active(&self) -> impl Iterator<Item = &Subscription> {
        let all = self.subscriptions.values().map(|subscription| &**subscription);
        all.filter(|subscription| subscription.status == Status::Active)
    }

    /// Whether the customer holds `offer`, from whomever.
    #[must_use]
    pub fn holds(&self, offer: &OfferId) -> bool {
        self.external.contains_key(offer) || self.active().any(|s| s.offer == *offer)
    }
}

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
            },
            delegated_admin: false,
            external: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            assignments: BTreeMap::new(),
            shortfalls: BTreeSet::new(),
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

fn apply(customer: &mut Customer, event: &Event) {
    match event {
        Event::DelegatedAdminGranted(_) => customer.delegated_admin = true,
        Event::DelegatedAdminRevoked(_) => customer.delegated_admin = false,
        Event::ExternalSubscriptionDeclared(e) => {
            let services = e.services.iter().cloned().collect();
            let holding = ExternalHolding { seats: e.seats, services };
            customer.external.insert(e.offer.clone(), holding);
        }
        Event::ExternalSubscriptionWithdrawn(e) => {
            customer.external.remove(&e.offer);
        }
        Event::SubscriptionPurchased(e) => {
            customer.subscriptions.insert(e.subscription.clone(), Box::new(purchased(e)));
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
            s.updates = s.updates.saturating_add(1);
        }),
        Event::SeatsRemoved(e) => change(customer, &e.subscription, |s| {
            s.quantity = e.quantity.to;
            s.take_from_lots(&e.lots);
            s.updates = s.updates.saturating_add(1);
        }),
        Event::RenewalQuantityScheduled(e) => change(customer, &e.subscription, |s| {
            s.scheduled = Some(Scheduled { quantity: e.quantity });
        }),
        Event::ScheduledChangeDropped(e) => {
            change(customer, &e.subscription, |s| s.scheduled = None);
        }
        Event::EndOfTermActionSet(e) => {
            change(customer, &e.subscription, |s| s.end_of_term = e.action);
        }
        Event::SubscriptionCancelled(e) => {
            change(customer, &e.subscription, |s| s.status = Status::Deleted);
        }
        Event::SubscriptionUpgraded(e) => upgraded(customer, e),
        Event::LicenceAssigned(e) => {
            let assignment = Assignment { usage_location: e.usage_location.clone() };
            let users = customer.assignments.entry(e.offer.clone()).or_default();
            users.insert(e.user.clone(), assignment);
        }
        Event::LicenceUnassigned(e) => {
            unassign(customer, &e.offer, &e.user);
        }
        Event::ShortfallRaised(e) => {
            customer.shortfalls.insert(e.offer.clone());
        }
        Event::ShortfallCleared(e) => {
            customer.shortfalls.remove(&e.offer);
        }
        Event::SubscriptionRenewed(e) => change(customer, &e.subscription, |s| s.renew(e)),
        Event::SubscriptionExpired(e) => {
            change(customer, &e.subscription, |s| s.status = Status::Expired);
        }
        Event::CustomerRegistered(_) | Event::CatalogueImported(_) => {}
    }
}

fn change(customer: &mut Customer, id: &SubscriptionId, update: impl FnOnce(&mut Subscription)) {
    if let Some(subscription) = customer.subscriptions.get_mut(id) {
        update(subscription);
    }
}

fn unassign(customer: &mut Customer, offer: &OfferId, user: &UserId) -> Option<Assignment> {
    let users = customer.assignments.get_mut(offer)?;
    let assignment = users.remove(user);
    if users.is_empty() {
        customer.assignments.remove(offer);
    }
    assignment
}

fn purchased(e: &SubscriptionPurchased) -> Subscription {
    Subscription {
        id: e.subscription.clone(),
        offer: e.offer.clone(),
        offer_title: e.offer_title.clone(),
        services: e.services.iter().cloned().collect(),
        status: Status::Active,
        plan: e.plan,
        quantity: e.quantity,
        unit_price: e.basis.unit_price,
        term: e.term,
        cycle_anchor: e.term.start,
        cancel_until: e.cancel_until,
        full_refund_before: e.full_refund_before,
        lots: vec![Lot {
            lot: 1,
            seats: e.quantity,
            charged_from: e.basis.billable.start,
            reduce_until: e.reduce_until,
        }],
        last_lot: 1,
        end_of_term: EndOfTermAction::Renew,
        scheduled: None,
        updates: 0,
    }
}

fn upgraded(customer: &mut Customer, e: &SubscriptionUpgraded) {
    match &e.target {
        UpgradeTarget::InPlace => change(customer, &e.subscription, |s| {
            s.offer = e.target_offer.clone();
            s.offer_title.clone_from(&e.target_title);
            s.services = e.target_services.iter().cloned().collect();
            s.unit_price = e.charge.unit_price;
            for lot in &mut s.lots {
                lot.charged_from = e.charge.billable.start;
            }
            s.updates = s.updates.saturating_add(1);
        }),
        UpgradeTarget::New(target) => {
            shrink(customer, e);
            let made = made_by_upgrade(e, target);
            customer.subscriptions.insert(target.subscription.clone(), Box::new(made));
        }
        UpgradeTarget::Existing(target) => {
            shrink(customer, e);
            change(customer, &target.subscription, |s| {
                s.quantity = target.quantity.to;
                s.add_lot(Lot {
                    lot: target.lot,
                    seats: e.moved,
                    charged_from: e.charge.billable.start,
                    reduce_until: None,
                });
                s.updates = s.updates.saturating_add(1);
            });
        }
    }
    for user in &e.reassigned {
        if let Some(assignment) = unassign(customer, &e.offer, user) {
            let users = customer.assignments.entry(e.target_offer.clone()).or_default();
            users.entry(user.clone()).or_insert(assignment);
        }
    }
}

fn shrink(customer: &mut Customer, e: &SubscriptionUpgraded) {
    change(customer, &e.subscription, |s| {
        s.quantity = e.quantity.to;
        s.take_from_lots(&e.lots);
        s.updates = s.updates.saturating_add(1);
        if s.quantity == 0 {
            s.status = Status::Deleted;
        }
    });
}

fn made_by_upgrade(e: &SubscriptionUpgraded, target: &NewSubscription) -> Subscription {
    Subscription {
        id: target.subscription.clone(),
        offer: e.target_offer.clone(),
        offer_title: e.target_title.clone(),
        services: e.target_services.iter().cloned().collect(),
        status: Status::Active,
        plan: target.plan,
        quantity: e.moved,
        unit_price: e.charge.unit_price,
        term: target.term,
        cycle_anchor: target.cycle_anchor,
        cancel_until: target.cancel_until,
        full_refund_before: target.full_refund_before,
        lots: vec![Lot {
            lot: 1,
            seats: e.moved,
            charged_from: e.charge.billable.start,
            reduce_until: target.reduce_until,
        }],
        last_lot: 1,
        end_of_term: EndOfTermAction::Renew,
        scheduled: None,
        updates: 0,
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

    fn renew(&mut self, e: &SubscriptionRenewed) {
        self.quantity = e.quantity.to;
        self.unit_price = e.basis.unit_price;
        self.term = e.term;
        self.cycle_anchor = e.term.start;
        self.cancel_until = e.cancel_until;
        self.full_refund_before = e.full_refund_before;
        self.lots = vec![Lot {
            lot: e.lot,
            seats: e.quantity.to,
            charged_from: e.basis.billable.start,
            reduce_until: e.reduce_until,
        }];
        self.last_lot = e.lot;
        self.scheduled = None;
    }
}
