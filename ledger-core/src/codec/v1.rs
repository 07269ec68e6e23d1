//! Events as their schema 1 stored them, frozen: fields in this order, these types. What came later is
//! filled in as it was then.

mod catalogue;
mod charged;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;

pub(super) use self::catalogue::*;
pub(super) use self::charged::*;
use super::frozen::ChargeBasis;
use crate::calendar::AnchorRule::{Clamp, EndOfMonthOffset};
use crate::calendar::{AnchorRule, Period, TermDuration};
use crate::catalogue::Segment;
use crate::customer as now;
use crate::customer::{LotUse, QuantityChange, RuleSet, TermPlan, UpgradeTarget};
use crate::ids::{OfferId, ProgrammeId, ResellerId, SubscriptionId, UserId};
use crate::money::Currency;

/// How charge cycles treated month ends under every programme of that time.
const fn anchor(term: TermDuration) -> AnchorRule {
    match term {
        TermDuration::P1M => Clamp,
        TermDuration::P1Y | TermDuration::P3Y => EndOfMonthOffset,
    }
}

#[derive(Deserialize)]
pub(super) struct CustomerRegistered {
    name: String,
    programme: ProgrammeId,
    reseller: ResellerId,
    market: String,
    currency: Currency,
}

impl From<CustomerRegistered> for now::CustomerRegistered {
    fn from(old: CustomerRegistered) -> Self {
        Self {
            name: old.name,
            programme: old.programme,
            reseller: old.reseller,
            market: old.market,
            currency: old.currency,
            segment: Segment::Commercial,
            registration_number: None,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct DelegatedAdminGranted {}

impl From<DelegatedAdminGranted> for now::DelegatedAdminGranted {
    fn from(_: DelegatedAdminGranted) -> Self {
        Self { services: None, until: None }
    }
}

#[derive(Deserialize)]
pub(super) struct SubscriptionPurchased {
    subscription: SubscriptionId,
    offer: OfferId,
    offer_title: String,
    services: Vec<String>,
    plan: TermPlan,
    quantity: u32,
    term: Period,
    started_at: DateTime<Utc>,
    cancel_until: Option<DateTime<Utc>>,
    reduce_until: Option<DateTime<Utc>>,
    full_refund_before: Option<DateTime<Utc>>,
    basis: ChargeBasis,
    rules: RuleSet,
}

impl From<SubscriptionPurchased> for now::SubscriptionPurchased {
    fn from(old: SubscriptionPurchased) -> Self {
        Self {
            subscription: old.subscription,
            offer: old.offer,
            offer_title: old.offer_title,
            services: old.services,
            plan: old.plan,
            quantity: old.quantity,
            term: old.term,
            started_at: old.started_at,
            cancel_until: old.cancel_until,
            reduce_until: old.reduce_until,
            full_refund_before: old.full_refund_before,
            basis: old.basis.into(),
            rules: old.rules,
            price_list: None,
            promotion: None,
            unused_promotion: None,
            anchor: anchor(old.plan.term),
            attested: false,
            resellers: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct SubscriptionUpgraded {
    subscription: SubscriptionId,
    offer: OfferId,
    moved: u32,
    quantity: QuantityChange,
    lots: Vec<LotUse>,
    target_offer: OfferId,
    target_title: String,
    target_services: Vec<String>,
    target: UpgradeTarget,
    credit: ChargeBasis,
    charge: ChargeBasis,
    reassigned: Vec<UserId>,
    manual: Vec<UserId>,
    rules: RuleSet,
}

impl From<SubscriptionUpgraded> for now::SubscriptionUpgraded {
    fn from(old: SubscriptionUpgraded) -> Self {
        let made = match &old.target {
            UpgradeTarget::New(target) => anchor(target.plan.term),
            UpgradeTarget::InPlace | UpgradeTarget::Existing(_) => EndOfMonthOffset,
        };
        Self {
            subscription: old.subscription,
            offer: old.offer,
            moved: old.moved,
            quantity: old.quantity,
            lots: old.lots,
            target_offer: old.target_offer,
            target_title: old.target_title,
            target_services: old.target_services,
            target: old.target,
            credit: old.credit.into(),
            charge: old.charge.into(),
            reassigned: old.reassigned,
            manual: old.manual,
            rules: old.rules,
            lost_services: Vec::new(),
            price_list: None,
            promotion: None,
            anchor: made,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct LicenceAssigned {
    offer: OfferId,
    user: UserId,
    usage_location: String,
}

impl From<LicenceAssigned> for now::LicenceAssigned {
    fn from(old: LicenceAssigned) -> Self {
        Self { offer: old.offer, user: old.user, usage_location: old.usage_location, through: None }
    }
}

#[derive(Deserialize)]
pub(super) struct LicenceUnassigned {
    offer: OfferId,
    user: UserId,
}

impl From<LicenceUnassigned> for now::LicenceUnassigned {
    fn from(old: LicenceUnassigned) -> Self {
        Self { offer: old.offer, user: old.user, through: None }
    }
}

#[derive(Deserialize)]
pub(super) struct SubscriptionRenewed {
    subscription: SubscriptionId,
    offer: OfferId,
    quantity: QuantityChange,
    term: Period,
    renewed_at: DateTime<Utc>,
    lot: u32,
    cancel_until: Option<DateTime<Utc>>,
    reduce_until: Option<DateTime<Utc>>,
    full_refund_before: Option<DateTime<Utc>>,
    basis: ChargeBasis,
    rules: RuleSet,
}

impl From<SubscriptionRenewed> for now::SubscriptionRenewed {
    fn from(old: SubscriptionRenewed) -> Self {
        Self {
            subscription: old.subscription,
            offer: old.offer,
            quantity: old.quantity,
            term: old.term,
            renewed_at: old.renewed_at,
            lot: old.lot,
            cancel_until: old.cancel_until,
            reduce_until: old.reduce_until,
            full_refund_before: old.full_refund_before,
            basis: old.basis.into(),
            rules: old.rules,
            change: None,
            price_list: None,
            promotion: None,
            anchor: if old.basis.cycle == old.term { Clamp } else { EndOfMonthOffset },
        }
    }
}

#[derive(Deserialize)]
pub(super) struct SubscriptionExpired {
    subscription: SubscriptionId,
    offer: OfferId,
    quantity: u32,
    term_end: NaiveDate,
}

impl From<SubscriptionExpired> for now::SubscriptionExpired {
    fn from(old: SubscriptionExpired) -> Self {
        Self {
            subscription: old.subscription,
            offer: old.offer,
            quantity: old.quantity,
            term_end: old.term_end,
            disable_at: None,
        }
    }
}
