//! The rules of a programme. No vendor's number is in code: they are all here, as data.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{ProductKind, Segment};
use crate::calendar::{AnchorRule, BillingCycle, TermDuration};
use crate::ids::OfferId;
use crate::money::RoundingPolicy;

/// The rules of one way of selling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own, named in data")]
pub struct Programme {
    /// Name for people.
    pub title: String,
    /// The document that the rules come from.
    pub source: String,
    /// Windows in which seats can be given back, dated.
    pub windows: Vec<WindowRule>,
    /// How charges are rounded.
    pub rounding: RoundingPolicy,
    /// How charge cycles treat month ends.
    pub anchor: AnchorRule,
    /// Which upgrades are possible.
    pub upgrades: UpgradeRules,
    /// What an immediate change does to a scheduled one.
    pub on_immediate_change: OnImmediateChange,
    /// Changes of quantity allowed in the life of a subscription. Source: domain, section 2, no. 8.
    pub updates_max: u32,
    /// Whether seats may be reduced below the assigned licences.
    pub below_assigned: BelowAssigned,
    /// Whether the partner may assign licences for the customer. Source: domain, section 6.
    pub partner_assigns: bool,
    /// Whether the customer must accept an agreement before it buys. Source: domain, section 6 (13605).
    #[serde(default)]
    pub needs_agreement: bool,
    /// Markets in which a customer tells its registration number. Source: domain, section 6 (600049).
    #[serde(default)]
    pub registration_number_markets: BTreeSet<String>,
    /// Whether nobody else may sell to the customer. Source: domain, section 6 (US Government).
    #[serde(default)]
    pub single_partner: bool,
    /// Most days of a delegated administration that ends by itself; any number when left out. Source:
    /// domain, section 6 (GDAP).
    #[serde(default)]
    pub delegated_days_max: Option<u32>,
    /// Most resellers of record of one purchase, by market; one where the market is not listed. Source:
    /// domain, section 6.
    #[serde(default)]
    pub resellers_max: BTreeMap<String, u32>,
    /// Whether a customer's own administrators ask for seats instead of buying or giving them back
    /// themselves. Source: SEED-4.
    #[serde(default)]
    pub customers_ask: bool,
    /// What suspending does; `None`: nothing can be suspended.
    #[serde(default)]
    pub suspension: Option<SuspensionRules>,
    /// What follows a term that is not renewed.
    #[serde(default)]
    pub ending: EndingRules,
    /// How offers are tried; `None`: they cannot be.
    #[serde(default)]
    pub trials: Option<TrialRules>,
    /// Which terms can be changed, and how they can be aligned.
    #[serde(default)]
    pub terms: TermRules,
}

/// What suspending a subscription does. Source: domain, sections 1.2 and 1.3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspensionRules {
    /// Whether billing stops, too.
    pub billing_stops: bool,
    /// Whether automatic renewal is turned off, and stays off.
    pub turns_renewal_off: bool,
    /// Days after which a suspended subscription is deleted; `None`: only its term's end matters.
    #[serde(default)]
    pub days_max: Option<u32>,
    /// Days from the first one of the term in which suspending, where billing stops, credits
    /// everything charged in it; later, or when left out, the remaining days are credited. Source: domain,
    /// section 1.3 and section 4.4 (legacy).
    #[serde(default)]
    pub full_credit_days: Option<u32>,
}

/// What follows a term that is not renewed, and for how many days. Source: domain, sections 1.2 and
/// 1.8, and section 11, no. 5.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndingRules {
    /// Days of grace with service after the end of the term; `None`: the service stops with it.
    #[serde(default)]
    pub expired_days: Option<u32>,
    /// Days without service after the end of a term that was suspended, before those that follow.
    #[serde(default)]
    pub suspended_days: Option<u32>,
    /// Days for which the data is kept without service; `None`: for ever.
    #[serde(default)]
    pub disabled_days: Option<u32>,
    /// The extended service term; `None`: there is none.
    #[serde(default)]
    pub extended: Option<ExtendedTermRules>,
}

/// The extended service term. Source: domain, section 1.8 and section 11, no. 13.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendedTermRules {
    /// Purchases from this instant on are extended.
    pub bought_from: DateTime<Utc>,
    /// Terms whose last day is this one or a later one are extended.
    pub ends_from: NaiveDate,
    /// Kinds of products that are extended.
    pub kinds: BTreeSet<ProductKind>,
    /// Premium on the monthly price, in hundredths.
    pub premium_percent: Decimal,
    /// Premium where the offer has no monthly term, in hundredths, on a twelfth of the annual price.
    pub premium_percent_without_monthly: Decimal,
}

/// How offers are tried. Source: domain, section 1.9.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialRules {
    /// Days of a trial.
    pub days: u32,
    /// Seats of a trial.
    pub seats: u32,
    /// Whether a trial becomes a paid subscription at its end, unless that is turned off.
    pub converts: bool,
    /// Fewest seats of a conversion before the end.
    pub conversion_seats_min: u32,
    /// Term of the paid subscription.
    pub term: TermDuration,
    /// How often the paid subscription is charged.
    pub billing: BillingCycle,
    /// Segments whose customers cannot try anything.
    #[serde(default)]
    pub refused_segments: BTreeSet<Segment>,
}

/// Which terms can be changed, and how they can be aligned. Source: domain, section 2, no. 12 to 14.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermRules {
    /// Whether a term may end with another subscription or with a month.
    #[serde(default)]
    pub alignment: bool,
    /// Whether a longer term may begin in the middle of one.
    #[serde(default)]
    pub longer_at_once: bool,
    /// Terms within which the rhythm of charging may change.
    #[serde(default)]
    pub billing_changes: BTreeSet<TermDuration>,
    /// How the rest of a charge cycle is charged in which another rhythm begins.
    #[serde(default)]
    pub billing_change_by: ProrationUnit,
}

/// What a part of a charge cycle is counted in. Source: domain, section 4.3, last row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProrationUnit {
    /// Whole months, as Microsoft publishes it; days where what is left is no whole months.
    #[default]
    Months,
    /// Days.
    Days,
}

/// How long seats can be given back, for subscriptions that start from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowRule {
    /// Kind of product it holds for.
    pub kind: ProductKind,
    /// From when on it holds; the latest one that has begun wins.
    pub from: DateTime<Utc>,
    /// Hours in which the whole subscription can be cancelled; `None`: never.
    #[serde(default)]
    pub cancel_hours: Option<u32>,
    /// Hours in which seats can be removed; `None`: never.
    #[serde(default)]
    pub reduce_hours: Option<u32>,
    /// Hours in which a cancellation is refunded in full; `None`: by the day from the start. Source:
    /// domain, section 11, no. 2.
    #[serde(default)]
    pub full_refund_hours: Option<u32>,
}

/// Which upgrades are possible, and on which conditions. Source: domain, section 3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own, named in data")]
pub struct UpgradeRules {
    /// From where to where.
    pub paths: UpgradePaths,
    /// Whether some of the seats may be upgraded; otherwise all or none.
    pub partial: bool,
    /// Whether seats may move onto an existing subscription.
    pub into_existing: bool,
    /// Whether the partner needs delegated administration.
    pub needs_delegated_admin: bool,
    /// Whether holding the target already, from whomever, forbids the upgrade.
    pub refuses_held_target: bool,
    /// Whether holding a service that the target adds, from whomever, forbids the upgrade.
    pub refuses_held_services: bool,
    /// Whether add-ons that build on the subscription alone forbid the upgrade. Source: domain, section
    /// 3.1, code 6.
    #[serde(default)]
    pub refuses_add_ons: bool,
    /// Whether an existing target still in its cancellation window forbids the upgrade.
    pub refuses_target_in_window: bool,
    /// Whether upgrading all seats keeps the subscription and its id; otherwise a new one is made.
    pub full_keeps_id: bool,
    /// Whether an upgrade can be planned for the renewal.
    #[serde(default)]
    pub scheduled: bool,
}

/// From which offer to which others an upgrade may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum UpgradePaths {
    /// Those listed, per source offer.
    Listed(BTreeMap<OfferId, BTreeSet<OfferId>>),
    /// Within one family, to a higher tier.
    FamilyUpward,
}

/// What an immediate change does to a scheduled one. Source: domain, section 11, no. 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnImmediateChange {
    /// The scheduled change is dropped, with an event that names the cause.
    Invalidate,
    /// The immediate change is refused.
    Block,
    /// Both stand.
    Keep,
}

/// Whether seats may be reduced below the assigned licences. Source: domain, section 11, no. 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BelowAssigned {
    /// Yes, and a shortfall is raised.
    Shortfall,
    /// No: licences must be unassigned first.
    Refuse,
}

impl Programme {
    /// The window rule for a product that starts at `at`; none when nothing can be given back.
    #[must_use]
    pub fn window(&self, kind: ProductKind, at: DateTime<Utc>) -> Option<&WindowRule> {
        let begun = |rule: &&WindowRule| rule.kind == kind && rule.from <= at;
        self.windows.iter().filter(begun).max_by_key(|rule| rule.from)
    }
}
