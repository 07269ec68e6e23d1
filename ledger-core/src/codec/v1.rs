//! Events as their schema 1 stored them, frozen: fields in this order, these types. What came later is
//! filled in as it was then.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;

use crate::calendar::AnchorRule::{Clamp, EndOfMonthOffset};
use crate::calendar::{AnchorRule, Period, TermDuration};
use crate::catalogue as now_catalogue;
use crate::catalogue::{
    BelowAssigned, EndingRules, OnImmediateChange, Plan, ProductKind, Segment, TermRules,
    UpgradePaths, WindowRule,
};
use crate::customer as now;
use crate::customer::{ChargeBasis, LotUse, QuantityChange, RuleSet, TermPlan, UpgradeTarget};
use crate::ids::{OfferId, ProgrammeId, ResellerId, SubscriptionId, UserId};
use crate::money::{Currency, RoundingPolicy};

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
            basis: old.basis,
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
            credit: old.credit,
            charge: old.charge,
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
            basis: old.basis,
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

#[derive(Deserialize)]
pub(super) struct CatalogueImported {
    catalogue: Catalogue,
}

impl From<CatalogueImported> for now::CatalogueImported {
    fn from(old: CatalogueImported) -> Self {
        Self { catalogue: old.catalogue.into() }
    }
}

#[derive(Deserialize)]
pub(super) struct Catalogue {
    version: String,
    effective_from: DateTime<Utc>,
    offers: BTreeMap<OfferId, Offer>,
    programmes: BTreeMap<ProgrammeId, Programme>,
}

impl From<Catalogue> for now_catalogue::Catalogue {
    fn from(old: Catalogue) -> Self {
        Self {
            version: old.version,
            effective_from: old.effective_from,
            offers: old.offers.into_iter().map(|(id, offer)| (id, offer.into())).collect(),
            programmes: old.programmes.into_iter().map(|(id, old)| (id, old.into())).collect(),
            promotions: BTreeMap::new(),
            prices: std::sync::Arc::default(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Offer {
    title: String,
    kind: ProductKind,
    family: Option<String>,
    tier: Option<u32>,
    services: BTreeSet<String>,
    seats_min: u32,
    seats_max: Option<u32>,
    prerequisites: BTreeSet<OfferId>,
    conflicts: BTreeSet<OfferId>,
    plans: Vec<Plan>,
}

impl From<Offer> for now_catalogue::Offer {
    fn from(old: Offer) -> Self {
        Self {
            title: old.title,
            kind: old.kind,
            family: old.family,
            tier: old.tier,
            services: old.services,
            seats_min: old.seats_min,
            seats_max: old.seats_max,
            prerequisites: old.prerequisites,
            conflicts: old.conflicts,
            plans: old.plans,
            segments: BTreeSet::new(),
            markets: BTreeSet::new(),
            needs_attestation: false,
            base_percent: None,
            has_trial: false,
            upgrades: BTreeSet::new(),
            prohibited_locations: BTreeSet::new(),
            is_for_company: false,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Programme {
    title: String,
    source: String,
    windows: Vec<WindowRule>,
    rounding: RoundingPolicy,
    anchor: AnchorRule,
    upgrades: UpgradeRules,
    on_immediate_change: OnImmediateChange,
    updates_max: u32,
    below_assigned: BelowAssigned,
    partner_assigns: bool,
}

impl From<Programme> for now_catalogue::Programme {
    fn from(old: Programme) -> Self {
        Self {
            title: old.title,
            source: old.source,
            windows: old.windows,
            rounding: old.rounding,
            anchor: old.anchor,
            upgrades: old.upgrades.into(),
            on_immediate_change: old.on_immediate_change,
            updates_max: old.updates_max,
            below_assigned: old.below_assigned,
            partner_assigns: old.partner_assigns,
            needs_agreement: false,
            registration_number_markets: BTreeSet::new(),
            single_partner: false,
            delegated_days_max: None,
            resellers_max: BTreeMap::new(),
            customers_ask: false,
            suspension: None,
            ending: EndingRules::default(),
            trials: None,
            terms: TermRules::default(),
        }
    }
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as it was stored")]
pub(super) struct UpgradeRules {
    paths: UpgradePaths,
    partial: bool,
    into_existing: bool,
    needs_delegated_admin: bool,
    refuses_held_target: bool,
    refuses_held_services: bool,
    refuses_target_in_window: bool,
    full_keeps_id: bool,
}

impl From<UpgradeRules> for now_catalogue::UpgradeRules {
    fn from(old: UpgradeRules) -> Self {
        Self {
            paths: old.paths,
            partial: old.partial,
            into_existing: old.into_existing,
            needs_delegated_admin: old.needs_delegated_admin,
            refuses_held_target: old.refuses_held_target,
            refuses_held_services: old.refuses_held_services,
            refuses_target_in_window: old.refuses_target_in_window,
            full_keeps_id: old.full_keeps_id,
            refuses_add_ons: false,
            scheduled: false,
        }
    }
}
