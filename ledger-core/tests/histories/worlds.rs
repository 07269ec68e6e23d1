//! Random catalogues: the offers and programmes of the sources with other numbers and other rules.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use ledger_core::calendar::{AnchorRule, BillingCycle, TermDuration};
use ledger_core::catalogue::{
    BelowAssigned, Catalogue, EndingRules, ExtendedTermRules, Offer, OnImmediateChange, Plan,
    ProductKind, Programme, Promotion, ProrationUnit, SEEDS_TOML, Segment, SuspensionRules,
    TermRules, TrialRules, UpgradePaths,
};
use ledger_core::ids::{OfferId, PromotionId};
use ledger_core::money::RoundingPolicy;
use ledger_core::store::segment::simulated::Random;
use rust_decimal::Decimal;

use crate::drafts::PROMOTIONS;

const YEARLY: (TermDuration, BillingCycle) = (TermDuration::P1Y, BillingCycle::Monthly);

pub(crate) fn seeds() -> Catalogue {
    toml::from_str(SEEDS_TOML).unwrap()
}

fn below(random: &mut Random, limit: u32) -> u32 {
    u32::try_from(random.below(u64::from(limit))).unwrap()
}

fn one_in(random: &mut Random, times: u64) -> bool {
    random.below(times) == 0
}

fn one<T: Copy>(random: &mut Random, from: &[T]) -> T {
    let length = u64::try_from(from.len()).unwrap();
    from[usize::try_from(random.below(length)).unwrap()]
}

fn maybe(random: &mut Random, limit: u32) -> Option<u32> {
    if one_in(random, 4) { None } else { Some(1 + below(random, limit)) }
}

/// A catalogue that begins at `from`; `version` names it.
pub(crate) fn catalogue(random: &mut Random, version: usize, from: DateTime<Utc>) -> Catalogue {
    let mut catalogue = seeds();
    catalogue.version = format!("version-{version}");
    catalogue.effective_from = from;
    for offer in catalogue.offers.values_mut() {
        change_offer(random, offer);
    }
    let offers: BTreeSet<OfferId> = catalogue.offers.keys().cloned().collect();
    for programme in catalogue.programmes.values_mut() {
        change_programme(random, programme);
    }
    catalogue.promotions = promotions(random, &offers, from);
    assert_eq!(catalogue.problems(), Vec::<String>::new());
    catalogue
}

fn change_offer(random: &mut Random, offer: &mut Offer) {
    let monthly = offer.plans.iter().find(|p| (p.term, p.billing) == YEARLY).cloned();
    offer.plans.extend(monthly.map(|plan| Plan { term: TermDuration::P3Y, ..plan }));
    for plan in &mut offer.plans {
        for price in plan.prices.values_mut() {
            *price *= Decimal::new(i64::from(50 + below(random, 150)), 2);
        }
    }
    if one_in(random, 10) {
        offer.seats_min = 1 + below(random, 4);
    }
    if one_in(random, 10) {
        offer.seats_max = Some(30 + below(random, 40));
    }
    if one_in(random, 20) {
        offer.plans.pop();
    }
    if one_in(random, 6) {
        offer.prohibited_locations.insert("KP".to_owned());
    }
    offer.has_trial = offer.has_trial || one_in(random, 3);
}

fn change_programme(random: &mut Random, programme: &mut Programme) {
    for window in &mut programme.windows {
        if one_in(random, 3) {
            window.cancel_hours = maybe(random, 400);
        }
        if one_in(random, 3) && window.kind != ProductKind::Software {
            window.reduce_hours = maybe(random, 400);
        }
        let hours_max = window.cancel_hours;
        window.full_refund_hours = hours_max.and_then(|most| maybe(random, most));
    }
    let roundings =
        [RoundingPolicy::UnitTruncate, RoundingPolicy::LineTruncate, RoundingPolicy::LineHalfUp];
    programme.rounding = one(random, &roundings);
    programme.anchor = one(random, &[AnchorRule::Clamp, AnchorRule::EndOfMonthOffset]);
    let immediate =
        [OnImmediateChange::Invalidate, OnImmediateChange::Block, OnImmediateChange::Keep];
    programme.on_immediate_change = one(random, &immediate);
    programme.below_assigned = one(random, &[BelowAssigned::Shortfall, BelowAssigned::Refuse]);
    programme.partner_assigns = !one_in(random, 5);
    programme.needs_agreement = one_in(random, 8);
    if one_in(random, 6) {
        programme.updates_max = 1 + below(random, 8);
    }
    programme.suspension = suspension(random);
    programme.ending = ending(random);
    programme.trials = trials(random);
    programme.terms = TermRules {
        alignment: !one_in(random, 3),
        longer_at_once: !one_in(random, 3),
        billing_changes: [TermDuration::P1Y, TermDuration::P3Y]
            .into_iter()
            .filter(|_| !one_in(random, 3))
            .collect(),
        billing_change_by: one(random, &[ProrationUnit::Months, ProrationUnit::Days]),
    };
    let upgrades = &mut programme.upgrades;
    if one_in(random, 3) {
        upgrades.paths = UpgradePaths::FamilyUpward;
    }
    upgrades.partial = !one_in(random, 4);
    upgrades.into_existing = !one_in(random, 4);
    upgrades.needs_delegated_admin = one_in(random, 6);
    upgrades.refuses_held_target = one_in(random, 6);
    upgrades.refuses_held_services = one_in(random, 6);
    upgrades.refuses_target_in_window = one_in(random, 3);
    upgrades.full_keeps_id = random.flip();
    upgrades.scheduled = !one_in(random, 4);
}

fn suspension(random: &mut Random) -> Option<SuspensionRules> {
    if one_in(random, 6) {
        return None;
    }
    let (billing_stops, turns_renewal_off) = (random.flip(), random.flip());
    let days_max = if random.flip() { None } else { Some(1 + below(random, 120)) };
    let full_credit_days = maybe(random, 40);
    Some(SuspensionRules { billing_stops, turns_renewal_off, days_max, full_credit_days })
}

fn ending(random: &mut Random) -> EndingRules {
    let extended = random.flip().then(|| ExtendedTermRules {
        bought_from: "2024-06-01T00:00:00Z".parse().unwrap(),
        ends_from: NaiveDate::from_ymd_opt(2025, 1, 1).unwrap(),
        kinds: BTreeSet::from([ProductKind::Licence]),
        premium_percent: Decimal::new(3, 0),
        premium_percent_without_monthly: Decimal::new(23, 0),
    });
    EndingRules {
        expired_days: maybe(random, 40),
        suspended_days: maybe(random, 40),
        disabled_days: maybe(random, 100),
        extended,
    }
}

fn trials(random: &mut Random) -> Option<TrialRules> {
    if one_in(random, 6) {
        return None;
    }
    let (term, billing) = one(random, &[YEARLY, (TermDuration::P1M, BillingCycle::Monthly)]);
    Some(TrialRules {
        days: 1 + below(random, 60),
        seats: 1 + below(random, 30),
        converts: random.flip(),
        conversion_seats_min: 1 + below(random, 30),
        term,
        billing,
        refused_segments: BTreeSet::from([Segment::Education]),
    })
}

fn promotions(
    random: &mut Random,
    offers: &BTreeSet<OfferId>,
    from: DateTime<Utc>,
) -> BTreeMap<PromotionId, Promotion> {
    let promotion = |id: &str| Promotion {
        title: id.to_owned(),
        offers: offers.clone(),
        terms: BTreeSet::from([TermDuration::P1Y, TermDuration::P1M]),
        from,
        until: from + TimeDelta::days(700),
        percent: Decimal::new(i64::from(1 + below(random, 1_000)), 1),
        seats_min: maybe(random, 4),
        seats_max: if random.flip() { None } else { Some(5 + below(random, 60)) },
        redemptions_max: if random.flip() { None } else { Some(1 + below(random, 3)) },
        first_purchase_only: id == "first",
    };
    let ids = PROMOTIONS.map(|id| PromotionId::try_new(id).unwrap());
    ids.into_iter().zip(PROMOTIONS.map(promotion)).collect()
}
