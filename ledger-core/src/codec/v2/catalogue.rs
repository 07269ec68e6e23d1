//! What can be bought, as schema 2 stored it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::calendar::{AnchorRule, TermDuration};
use crate::catalogue as now_catalogue;
use crate::catalogue::{
    BelowAssigned, EndingRules, Offer, OnImmediateChange, Promotion, ProrationUnit, TrialRules,
    UpgradeRules, WindowRule,
};
use crate::customer as now;
use crate::ids::{OfferId, ProgrammeId, PromotionId};
use crate::money::RoundingPolicy;

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
    promotions: BTreeMap<PromotionId, Promotion>,
}

impl From<Catalogue> for now_catalogue::Catalogue {
    fn from(old: Catalogue) -> Self {
        Self {
            version: old.version,
            effective_from: old.effective_from,
            offers: old.offers,
            programmes: old.programmes.into_iter().map(|(id, old)| (id, old.into())).collect(),
            promotions: old.promotions,
            prices: std::sync::Arc::default(),
        }
    }
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as it was stored")]
pub(in crate::codec) struct Programme {
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
    needs_agreement: bool,
    registration_number_markets: BTreeSet<String>,
    single_partner: bool,
    delegated_days_max: Option<u32>,
    resellers_max: BTreeMap<String, u32>,
    customers_ask: bool,
    suspension: Option<SuspensionRules>,
    ending: EndingRules,
    trials: Option<TrialRules>,
    terms: TermRules,
}

impl From<Programme> for now_catalogue::Programme {
    fn from(old: Programme) -> Self {
        Self {
            title: old.title,
            source: old.source,
            windows: old.windows,
            rounding: old.rounding,
            anchor: old.anchor,
            upgrades: old.upgrades,
            on_immediate_change: old.on_immediate_change,
            updates_max: old.updates_max,
            below_assigned: old.below_assigned,
            partner_assigns: old.partner_assigns,
            needs_agreement: old.needs_agreement,
            registration_number_markets: old.registration_number_markets,
            single_partner: old.single_partner,
            delegated_days_max: old.delegated_days_max,
            resellers_max: old.resellers_max,
            customers_ask: old.customers_ask,
            suspension: old.suspension.map(Into::into),
            ending: old.ending,
            trials: old.trials,
            terms: old.terms.into(),
        }
    }
}

#[derive(Deserialize)]
struct SuspensionRules {
    billing_stops: bool,
    turns_renewal_off: bool,
    days_max: Option<u32>,
}

impl From<SuspensionRules> for now_catalogue::SuspensionRules {
    fn from(old: SuspensionRules) -> Self {
        let SuspensionRules { billing_stops, turns_renewal_off, days_max } = old;
        Self { billing_stops, turns_renewal_off, days_max, full_credit_days: None }
    }
}

#[derive(Deserialize)]
struct TermRules {
    alignment: bool,
    longer_at_once: bool,
    billing_changes: BTreeSet<TermDuration>,
}

/// What nobody had said was as it is now when nobody says anything: a catalogue of a file stays the same.
impl From<TermRules> for now_catalogue::TermRules {
    fn from(old: TermRules) -> Self {
        let TermRules { alignment, longer_at_once, billing_changes } = old;
        let billing_change_by = ProrationUnit::default();
        Self { alignment, longer_at_once, billing_changes, billing_change_by }
    }
}
