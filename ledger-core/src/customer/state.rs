//! A customer as its events made it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::command::{EndOfTermAction, PortalAccess};
use super::event::{ByMonths, RenewalSettings, TermPlan};
use crate::calendar::{AnchorRule, BillingCycle, Period};
use crate::catalogue::Segment;
use crate::ids::{
    GroupId, OfferId, ProgrammeId, PromotionId, QuantityRequestId, ResellerId, SealedText,
    SubscriptionId, UserId,
};
use crate::money::{Currency, Money, RoundingPolicy};

/// Version of what folding makes of events, and of the bytes in which a snapshot keeps it. Raise it with
/// every change of either; `tests/golden.rs` notices.
pub const FOLD_VERSION: u32 = 4;

/// A customer with everything it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Who it is.
    pub profile: Profile,
    /// The agreement it accepted last.
    pub agreement: Option<String>,
    /// The delegated administration that the partner has.
    pub delegated_admin: Option<DelegatedAdmin>,
    /// What it holds from elsewhere, by offer.
    pub external: BTreeMap<OfferId, ExternalHolding>,
    /// Every subscription it ever had. Boxed: a map sets room aside for eleven, and most have one.
    pub subscriptions: BTreeMap<SubscriptionId, Box<Subscription>>,
    /// Who has a licence of which offer.
    pub assignments: BTreeMap<OfferId, BTreeMap<UserId, Assignment>>,
    /// Offers with more licences assigned than seats, as last raised.
    pub shortfalls: BTreeSet<OfferId>,
    /// Users that were added, with where they work (ISO 3166-1 alpha-2).
    pub users: BTreeMap<UserId, Option<String>>,
    /// Offers that it ever tried.
    pub tried: BTreeSet<OfferId>,
    /// Offers that it ever bought, or upgraded to.
    pub bought: BTreeSet<OfferId>,
    /// Names and e-mail addresses of users, sealed.
    pub people: BTreeMap<UserId, Person>,
    /// Groups of users, and the licences they give.
    pub groups: BTreeMap<GroupId, Group>,
    /// Who may use the portal.
    pub portal: BTreeMap<UserId, PortalAccess>,
    /// Requests for more or fewer seats that wait for an answer.
    pub requests: BTreeMap<QuantityRequestId, QuantityRequest>,
    /// Every request there ever was, so that no id is used twice.
    pub request_ids: BTreeSet<QuantityRequestId>,
    /// How often it bought under a promotion.
    pub redemptions: BTreeMap<PromotionId, u32>,
    /// Whether the account is closed for good.
    pub is_erased: bool,
}

/// What is known of a user besides the id, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The user's name.
    pub name: Option<SealedText>,
    /// The user's e-mail address.
    pub email: Option<SealedText>,
}

/// The delegated administration that a partner has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedAdmin {
    /// Services it covers; `None`: all.
    pub services: Option<BTreeSet<String>>,
    /// When it ends by itself; `None`: only when revoked.
    pub until: Option<DateTime<Utc>>,
}

/// A group of users, and the licences it gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its members.
    pub members: BTreeSet<UserId>,
    /// Offers whose licences it gives.
    pub offers: BTreeSet<OfferId>,
    /// Members that lack some, with the offer that was not possible and the rule's code.
    pub failed: BTreeMap<UserId, (OfferId, String)>,
}

impl Group {
    /// Texts and structs in its maps, itself included.
    fn entries(&self) -> usize {
        let failed = self.failed.len().saturating_mul(2);
        self.members
            .len()
            .saturating_add(self.offers.len())
            .saturating_add(failed)
            .saturating_add(1)
    }
}

/// A request for more or fewer seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantityRequest {
    /// Offer whose seats are asked for.
    pub offer: OfferId,
    /// Seats to be added, or given back when negative.
    pub seats: i64,
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
    /// Segment it belongs to.
    pub segment: Segment,
    /// Its registration number, where it has told one.
    pub registration_number: Option<String>,
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
    /// Where the user worked when it was assigned (ISO 3166-1 alpha-2).
    pub usage_location: String,
    /// Whether it was assigned to the user directly.
    pub direct: bool,
    /// Groups that it came through.
    pub groups: BTreeSet<GroupId>,
}

/// Whether a subscription lives. Source: domain, section 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is in use.
    Active,
    /// Its service was stopped; it can be started again until the end of the term.
    Suspended,
    /// Its last term is over; its service may go on for a time of grace.
    Expired,
    /// Its service is gone; its data is kept for a time.
    Disabled,
    /// It was cancelled, all its seats were upgraded away, or its time was over.
    Deleted,
}

/// One line of what a customer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The name it was given, if it was given one.
    pub name: Option<String>,
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
    /// How its charge cycles treat month ends, locked for the term.
    pub anchor: AnchorRule,
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
    /// What is planned for the next term.
    pub scheduled: Option<RenewalSettings>,
    /// How it is to be charged from its next charge cycle on.
    pub next_billing: Option<NextBilling>,
    /// Changes of quantity so far.
    pub updates: u32,
    /// When it was bought; `None`: not known.
    pub bought_at: Option<DateTime<Utc>>,
    /// What kind of term it is in.
    pub kind: TermKind,
    /// The vendor's reasons for its suspension; empty when the vendor did not do it.
    pub vendor_reasons: Vec<String>,
    /// Whether it is charged while it is suspended.
    pub billing_stopped: bool,
    /// When its service stops; set while it is in its time of grace.
    pub disable_at: Option<DateTime<Utc>>,
    /// When its data goes; set while it is suspended for a limited time, or disabled.
    pub delete_at: Option<DateTime<Utc>>,
    /// The promotion that lowered the price of the current term.
    pub promotion: Option<PromotionId>,
    /// How its charges are rounded, locked for the term.
    pub rounding: RoundingPolicy,
    /// The part of a charge cycle that is charged by months, where another rhythm of charging began in it.
    pub by_months: Option<ByMonths>,
    /// What has been charged since the term, the offer or the rhythm of charging began: from each of these
    /// days to the next. Nothing where it costs nothing.
    pub charged: Vec<Charged>,
    /// Changes among these that were charged by their difference alone.
    pub moved: Vec<Moved>,
}

/// Seats and their price, as charged from one day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// First day.
    pub from: NaiveDate,
    /// Seats; none while billing is stopped.
    pub quantity: u32,
    /// Price of one seat for one billing cycle.
    pub unit_price: Money,
}

/// Seats that came from another subscription or went to one: only these were charged or credited, and not
/// all seats credited and charged again. Rounded line by line, that is not the same to the cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The day.
    pub on: NaiveDate,
    /// Seats before.
    pub from: u32,
    /// Seats after.
    pub to: u32,
    /// Price of one seat for one billing cycle.
    pub unit_price: Money,
}

/// How a subscription is to be charged from its next charge cycle on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextBilling {
    /// How often.
    pub billing: BillingCycle,
    /// First day of that charge cycle.
    pub from: NaiveDate,
}

/// What kind of term a subscription is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TermKind {
    /// A paid one.
    Paid,
    /// A trial, which becomes a paid one by itself if so marked and its renewal is not turned off.
    Trial {
        /// Whether it does.
        converts: bool,
    },
    /// An extended service term.
    Extended,
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

impl Subscription {
    /// Seats that can still be removed at `now`.
    #[must_use]
    pub fn refundable(&self, now: DateTime<Utc>) -> u32 {
        self.lots
            .iter()
            .filter(|lot| lot.is_open(now))
            .fold(0, |sum, lot| sum.saturating_add(lot.seats))
    }

    /// Whether its users have its service: active, or in its time of grace.
    #[must_use]
    pub const fn is_in_service(&self) -> bool {
        match self.status {
            Status::Active => true,
            Status::Expired => self.disable_at.is_some(),
            Status::Suspended | Status::Disabled | Status::Deleted => false,
        }
    }

    /// Its seats that users can have licences of.
    #[must_use]
    pub const fn seats_in_service(&self) -> u32 {
        if self.is_in_service() { self.quantity } else { 0 }
    }

    /// Whether it is within a term: active or suspended.
    #[must_use]
    pub const fn is_living(&self) -> bool {
        matches!(self.status, Status::Active | Status::Suspended)
    }

    /// Whether it is a trial.
    #[must_use]
    pub const fn is_trial(&self) -> bool {
        matches!(self.kind, TermKind::Trial { .. })
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
            let charged = subscription.charged.len().saturating_mul(size_of::<Charged>());
            let moved = subscription.moved.len().saturating_mul(size_of::<Moved>());
            let parts = [texts, lots, charged, moved].into_iter();
            parts.fold(size_of::<Subscription>(), usize::saturating_add)
        });
        let licences = self.assignments.values().flat_map(BTreeMap::values);
        let licences = licences.map(|licence| licence.groups.len().saturating_add(1));
        let external = self.external.values().map(|held| held.services.len().saturating_add(2));
        let groups = self.groups.values().map(Group::entries);
        let others = [
            self.users.len(),
            self.portal.len(),
            self.requests.len(),
            self.request_ids.len(),
            self.redemptions.len(),
            self.shortfalls.len(),
        ];
        let entries = licences.chain(external).chain(groups).chain(others);
        let entries = entries.fold(0, usize::saturating_add);
        subscriptions.fold(entries.saturating_mul(ENTRY_BYTES), usize::saturating_add)
    }

    /// Seats of `offer` over all subscriptions in service. Source: domain, section 7.
    #[must_use]
    pub fn valid(&self, offer: &OfferId) -> u32 {
        let all = self.subscriptions.values().filter(|s| s.offer == *offer && s.is_in_service());
        all.fold(0, |sum, subscription| sum.saturating_add(subscription.quantity))
    }

    /// Seats of `offer` that are paid for, in service or suspended.
    #[must_use]
    pub fn seats(&self, offer: &OfferId) -> u32 {
        let all = self.living().filter(|s| s.offer == *offer);
        all.fold(0, |sum, subscription| sum.saturating_add(subscription.quantity))
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

    /// The active subscriptions.
    pub fn active(&self) -> impl Iterator<Item = &Subscription> {
        let all = self.subscriptions.values().map(|subscription| &**subscription);
        all.filter(|subscription| subscription.status == Status::Active)
    }

    /// The subscriptions within a term: active or suspended.
    pub fn living(&self) -> impl Iterator<Item = &Subscription> {
        let all = self.subscriptions.values().map(|subscription| &**subscription);
        all.filter(|subscription| subscription.is_living())
    }

    /// Whether `user` was added, has a licence, is in a group, or may use the portal.
    #[must_use]
    pub fn knows(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
            || self.portal.contains_key(user)
            || self.groups.values().any(|group| group.members.contains(user))
            || self.assignments.values().any(|users| users.contains_key(user))
    }

    /// Whether the customer holds `offer`, from whomever.
    #[must_use]
    pub fn holds(&self, offer: &OfferId) -> bool {
        self.external.contains_key(offer) || self.living().any(|s| s.offer == *offer)
    }

    /// Whether the partner has delegated administration for all of `services` at `now`.
    #[must_use]
    pub fn is_administered<'a>(
        &self,
        mut services: impl Iterator<Item = &'a String>,
        now: DateTime<Utc>,
    ) -> bool {
        let Some(admin) = &self.delegated_admin else { return false };
        admin.until.is_none_or(|until| now < until)
            && admin
                .services
                .as_ref()
                .is_none_or(|covered| services.all(|service| covered.contains(service)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::customer::{Event, fold};

    fn bytes_after(events: &[Value]) -> usize {
        let events = events.iter().map(|event| serde_json::from_value(event.clone()).unwrap());
        fold(&events.collect::<Vec<Event>>()).unwrap().memory_bytes()
    }

    #[test]
    fn users_groups_and_requests_take_up_memory() {
        let mut events = vec![json!({
            "event": "CustomerRegistered", "name": "Acme", "programme": "nce", "reseller": "r",
            "market": "FR", "currency": "EUR", "segment": "commercial", "registration_number": null,
        })];
        for event in [
            json!({ "event": "UserAdded", "user": "u-1", "usage_location": null }),
            json!({ "event": "PortalAccessGranted", "user": "u-1", "access": "view" }),
            json!({ "event": "GroupMemberAdded", "group": "g", "user": "u-1" }),
            json!({ "event": "GroupLicenceAssigned", "group": "g", "offer": "e3" }),
            json!({
                "event": "GroupLicencesFailed", "group": "g", "user": "u-1", "offer": "e3",
                "code": "NO_LICENCE_FREE",
            }),
            json!({
                "event": "LicenceAssigned", "offer": "e3", "user": "u-1", "usage_location": "FR",
                "through": null,
            }),
            json!({
                "event": "LicenceAssigned", "offer": "e3", "user": "u-1", "usage_location": "FR",
                "through": "g",
            }),
            json!({ "event": "QuantityRequested", "request": "r-1", "offer": "e3", "seats": 1 }),
        ] {
            let before = bytes_after(&events);
            events.push(event.clone());
            assert!(before < bytes_after(&events), "{event}");
        }
    }
}
