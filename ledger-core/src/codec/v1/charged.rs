//! What was charged, as schema 1 stored it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::super::frozen::{ChargeBasis, frozen};
use crate::calendar::{AnchorRule, Period};
use crate::customer as now;
use crate::customer::{
    EndOfTermAction, Lot, LotUse, QuantityChange, Refund, RuleSet, Settled, Status, TermPlan,
    TrialTarget,
};
use crate::ids::{OfferId, SubscriptionId};
use crate::money::{Money, RoundingPolicy};

frozen! {
    TrialConverted {
        subscription: SubscriptionId,
        offer: OfferId,
        quantity: QuantityChange,
        into: TrialTarget,
        basis: ChargeBasis,
        price_list: Option<String>,
        rules: RuleSet,
    }
    SeatsAdded {
        subscription: SubscriptionId,
        offer: OfferId,
        quantity: QuantityChange,
        lot: u32,
        reduce_until: Option<DateTime<Utc>>,
        basis: ChargeBasis,
        rules: RuleSet,
    }
    SeatsRemoved {
        subscription: SubscriptionId,
        offer: OfferId,
        quantity: QuantityChange,
        lots: Vec<LotUse>,
        basis: ChargeBasis,
        rules: RuleSet,
    }
    TermChanged {
        subscription: SubscriptionId,
        offer: OfferId,
        quantity: u32,
        plan: TermPlan,
        term: Period,
        started_at: DateTime<Utc>,
        lot: u32,
        cancel_until: Option<DateTime<Utc>>,
        reduce_until: Option<DateTime<Utc>>,
        full_refund_before: Option<DateTime<Utc>>,
        credit: ChargeBasis,
        basis: ChargeBasis,
        price_list: Option<String>,
        rules: RuleSet,
        anchor: AnchorRule,
    }
    ExtendedServiceTermStarted {
        subscription: SubscriptionId,
        offer: OfferId,
        quantity: u32,
        plan: TermPlan,
        term: Period,
        list_price: Money,
        premium_percent: Decimal,
        lot: u32,
        basis: ChargeBasis,
        price_list: Option<String>,
        rules: RuleSet,
    }
    BillingFrequencyChanged {
        subscription: SubscriptionId,
        offer: OfferId,
        quantity: u32,
        plan: TermPlan,
        from: NaiveDate,
        basis: ChargeBasis,
        price_list: Option<String>,
        rules: RuleSet,
    } => { is_charged: true, }
    SubscriptionSuspended {
        subscription: SubscriptionId,
        vendor_reasons: Vec<String>,
        billing_stops: bool,
        delete_at: Option<DateTime<Utc>>,
        rules: RuleSet,
    } => { credit: None, }
    SubscriptionResumed {
        subscription: SubscriptionId,
        end_of_term: EndOfTermAction,
    } => { charge: None, }
    OpeningBalanceImported {
        subscription: SubscriptionId,
        offer: OfferId,
        offer_title: String,
        services: Vec<String>,
        status: Status,
        vendor_status: String,
        vendor_reasons: Vec<String>,
        plan: TermPlan,
        quantity: u32,
        unit_price: Money,
        term: Period,
        bought_at: Option<DateTime<Utc>>,
        end_of_term: EndOfTermAction,
        cancel_until: Option<DateTime<Utc>>,
        lots: Vec<Lot>,
        trial: bool,
        above_maximum: u32,
        unknown: BTreeMap<String, String>,
        rules: Option<RuleSet>,
        anchor: AnchorRule,
    } => { rounding: RoundingPolicy::UnitTruncate, charged_through: None, billing_stopped: false, }
    CorrectionRecorded {
        subscription: SubscriptionId,
        offer: OfferId,
        quantity: Option<QuantityChange>,
        term_end: Option<NaiveDate>,
        unit_price: Option<Money>,
        end_of_term: Option<EndOfTermAction>,
        rules: Option<RuleSet>,
    } => { from: None, settled: Vec::new(), }
}

#[derive(Deserialize)]
pub(in crate::codec) struct SubscriptionCancelled {
    subscription: SubscriptionId,
    offer: OfferId,
    quantity: u32,
    refund: Refund,
    credits: Vec<Credit>,
    rules: RuleSet,
}

#[derive(Deserialize)]
struct Credit {
    seats: u32,
    basis: ChargeBasis,
}

impl From<SubscriptionCancelled> for now::SubscriptionCancelled {
    fn from(old: SubscriptionCancelled) -> Self {
        let credited = |credit: Credit| Settled {
            seats: i64::from(credit.seats).saturating_neg(),
            basis: credit.basis.into(),
        };
        Self {
            subscription: old.subscription,
            offer: old.offer,
            quantity: old.quantity,
            refund: old.refund,
            credits: old.credits.into_iter().map(credited).collect(),
            rules: old.rules,
        }
    }
}
