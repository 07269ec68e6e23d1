//! What can be bought, as schema 1 stored it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::super::v2;
use crate::calendar::AnchorRule;
use crate::catalogue as now_catalogue;
use crate::catalogue::{
    BelowAssigned, EndingRules, OnImmediateChange, Plan, ProductKind, TermRules, UpgradePaths,
    WindowRule,
};
use crate::customer as now;
use crate::ids::{OfferId, ProgrammeId};
use crate::money::RoundingPolicy;

/// Rules that were set on their own had those that schema 2 of a catalogue had.
#[derive(Deserialize)]
pub(in crate::codec) struct PolicySet {
    version: String,
    effective_from: DateTime<Utc>,
    programme: ProgrammeId,
    policy: v2::Programme,
}

impl From<PolicySet> for now::PolicySet {
    fn from(old: PolicySet) -> Self {
        Self {
            version: old.version,
            effective_from: old.effective_from,
            programme: old.programme,
            policy: Box::new(old.policy.into()),
        }
    }
}

#[derive(Deserialize)]
pub(in crate::codec) struct CatalogueImported {
    catalogue: Catalogue,
}

impl From<CatalogueImported> for now::CatalogueImported {
    fn from(old: CatalogueImported) -> Self {
        Self { catalogue: old.catalogue.into() }
    }
}

#[derive(Deserialize)]
struct Catalogue {
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
struct Offer {
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
struct Programme {
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
struct UpgradeRules {
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
