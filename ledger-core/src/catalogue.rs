//! Offers, plans, prices and programmes: versioned, dated data. No vendor's number is in code.

mod in_force;
mod policy;
mod prices;
mod problems;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub(crate) use self::in_force::JOINED_BY;
pub use self::in_force::{Catalogues, Import, Known};
pub use self::policy::*;
pub use self::prices::{ListedOffer, MatrixOffer, PriceBook, PriceRow, Quote};
pub(crate) use self::problems::{PRICE_SCALE_MAX, is_market, of_matrix, of_prices};
use crate::calendar::{BillingCycle, TermDuration};
use crate::ids::{OfferId, ProgrammeId, PromotionId};
use crate::money::{Currency, Money};

/// The offers and rules of the five source documents, as TOML in the form of [`Catalogue`].
pub const SEEDS_TOML: &str = include_str!("../catalogues/seeds.toml");

/// Everything that can be bought, and under which rules, from one instant on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Name of this version, for people; stored with every decision made under it.
    pub version: String,
    /// From when on it is in force.
    pub effective_from: DateTime<Utc>,
    /// What can be bought.
    pub offers: BTreeMap<OfferId, Offer>,
    /// The rules that customers are sold under.
    pub programmes: BTreeMap<ProgrammeId, Programme>,
    /// What lowers prices.
    #[serde(default)]
    pub promotions: BTreeMap<PromotionId, Promotion>,
    /// The prices listed beside the offers' plans; imported on their own.
    #[serde(skip)]
    pub prices: Arc<PriceBook>,
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commercial => "commercial",
            Self::Education => "education",
            Self::Government => "government",
            Self::NonProfit => "non-profit",
        })
    }
}

/// Whom an offer is for. Source: domain, section 6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Segment {
    /// Companies.
    #[default]
    Commercial,
    /// Schools and universities.
    Education,
    /// Authorities.
    Government,
    /// Charities.
    NonProfit,
}

/// A lower price for one term. Source: domain, section 1.10.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// Name for people.
    pub title: String,
    /// Offers it is for.
    pub offers: BTreeSet<OfferId>,
    /// Terms it is for; at any other the full price is charged.
    pub terms: BTreeSet<TermDuration>,
    /// From when on it can be bought under.
    pub from: DateTime<Utc>,
    /// Until when, included.
    pub until: DateTime<Utc>,
    /// By how much it lowers the price, in hundredths.
    pub percent: Decimal,
    /// Fewest seats of the offer at the customer, those it has included.
    #[serde(default)]
    pub seats_min: Option<u32>,
    /// Most seats of the offer at the customer, over all partners.
    #[serde(default)]
    pub seats_max: Option<u32>,
    /// How often a customer may buy under it; any number of times when left out.
    #[serde(default)]
    pub redemptions_max: Option<u32>,
    /// Whether a customer that has ever had the offer is excluded.
    #[serde(default)]
    pub first_purchase_only: bool,
}

/// What kind of product an offer is; windows differ by it. Source: domain, section 1.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProductKind {
    /// Licence-based online service.
    Licence,
    /// Software subscription: its seats can never be reduced.
    Software,
    /// Software bought once for all.
    Perpetual,
    /// Marketplace service.
    Marketplace,
}

/// One thing that can be bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Name for people.
    pub title: String,
    /// Kind of product.
    pub kind: ProductKind,
    /// Family within which upgrades go upward, where the programme has that rule.
    #[serde(default)]
    pub family: Option<String>,
    /// Place in the family; an upgrade goes to a higher one.
    #[serde(default)]
    pub tier: Option<u32>,
    /// Services the offer includes.
    #[serde(default)]
    pub services: BTreeSet<String>,
    /// Fewest seats of one subscription.
    #[serde(default = "one")]
    pub seats_min: u32,
    /// Most seats, over all the customer's subscriptions of the offer and other partners' together.
    #[serde(default)]
    pub seats_max: Option<u32>,
    /// Offers of which the customer must hold one before buying this add-on, and a user must have
    /// one before being assigned it. Source: domain, section 2, no. 15 and section 7.
    #[serde(default)]
    pub prerequisites: BTreeSet<OfferId>,
    /// Offers that no user can have together with this one. Source: domain, section 7.
    #[serde(default)]
    pub conflicts: BTreeSet<OfferId>,
    /// How it is sold, besides what price lists say.
    #[serde(default)]
    pub plans: Vec<Plan>,
    /// Segments it is for; all when empty.
    #[serde(default)]
    pub segments: BTreeSet<Segment>,
    /// Markets it is sold in (ISO 3166-1 alpha-2); all when empty.
    #[serde(default)]
    pub markets: BTreeSet<String>,
    /// Whether the buyer must attest to be entitled. Source: domain, section 2, no. 16.
    #[serde(default)]
    pub needs_attestation: bool,
    /// Fewest seats of this add-on, in hundredths of the seats of its prerequisites, rounded up. Source:
    /// domain, section 2, no. 15.
    #[serde(default)]
    pub base_percent: Option<u32>,
    /// Whether it can be tried.
    #[serde(default)]
    pub has_trial: bool,
    /// Offers that its vendor lets it be upgraded to, besides the programme's paths.
    #[serde(default)]
    pub upgrades: BTreeSet<OfferId>,
    /// Where no user may have it (ISO 3166-1 alpha-2). Source: domain, section 7.
    #[serde(default)]
    pub prohibited_locations: BTreeSet<String>,
    /// Whether its licences are for the whole company, so that no user is assigned one. Source: domain,
    /// section 7.
    #[serde(default)]
    pub is_for_company: bool,
}

const fn one() -> u32 {
    1
}

/// A term, a billing cycle and what one seat costs per billing cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Length of the commitment.
    pub term: TermDuration,
    /// How often it is charged.
    pub billing: BillingCycle,
    /// Price of one seat for one billing cycle, before tax.
    pub prices: BTreeMap<Currency, Decimal>,
}

impl Catalogue {
    /// The offer with this id.
    #[must_use]
    pub fn offer(&self, id: &OfferId) -> Option<&Offer> {
        self.offers.get(id)
    }

    /// Price of one seat of an offer for one billing cycle at `at`, if it is sold so: as listed, or else
    /// as a plan of the offer has it.
    #[must_use]
    pub fn quote(
        &self,
        id: &OfferId,
        (term, billing): (TermDuration, BillingCycle),
        buyer: (&str, Segment, Currency),
        at: DateTime<Utc>,
    ) -> Option<Quote> {
        let listed = self.prices.price(id, (term, billing), buyer, at);
        listed.or_else(|| {
            let (_, _, currency) = buyer;
            let price = self.offer(id)?.price(term, billing, currency)?;
            Some(Quote { price, price_list: None })
        })
    }

    /// The programme with this id.
    #[must_use]
    pub fn programme(&self, id: &ProgrammeId) -> Option<&Programme> {
        self.programmes.get(id)
    }
}

impl Offer {
    /// An offer of which no more is known than what it is.
    pub(crate) fn new(title: String, kind: ProductKind) -> Self {
        Self {
            title,
            kind,
            family: None,
            tier: None,
            services: BTreeSet::new(),
            seats_min: one(),
            seats_max: None,
            prerequisites: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            plans: Vec::new(),
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

    /// Price of one seat for one billing cycle, if the offer is sold so.
    #[must_use]
    pub fn price(
        &self,
        term: TermDuration,
        billing: BillingCycle,
        currency: Currency,
    ) -> Option<Money> {
        let plan = self.plans.iter().find(|plan| plan.term == term && plan.billing == billing)?;
        let amount = *plan.prices.get(&currency)?;
        Some(Money { amount, currency })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds() -> Catalogue {
        toml::from_str(SEEDS_TOML).unwrap()
    }

    fn paths(programme: &str, from: &str) -> Vec<String> {
        let id = ProgrammeId::try_new(programme).unwrap();
        let catalogue = seeds();
        let UpgradePaths::Listed(paths) = &catalogue.programmes[&id].upgrades.paths else {
            panic!("{programme} lists its paths");
        };
        paths[&OfferId::try_new(from).unwrap()].iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_world_table_is_the_one_of_the_source() {
        let business = ["office-365-business-premium", "office-365-e3", "office-365-e5"];
        let from_business = paths("partner-center-2019", "office-365-business");
        assert_eq!(from_business, [&business[..], &["office-365-proplus"]].concat());
        let from_premium = paths("partner-center-2019", "office-365-business-premium");
        assert_eq!(from_premium, ["office-365-e3", "office-365-e5"]);
        let from_essentials = paths("partner-center-2019", "office-365-business-essentials");
        let essentials =
            ["office-365-business-premium", "office-365-e1", "office-365-e3", "office-365-e5"];
        assert_eq!(from_essentials, essentials);
    }

    #[test]
    fn the_chinese_table_is_the_world_table_without_e5() {
        for from in ["", "-premium", "-essentials"] {
            let from = format!("office-365-business{from}");
            let mut world = paths("partner-center-2019", &from);
            world.retain(|offer| offer != "office-365-e5");
            assert_eq!(paths("21vianet-2018", &from), world);
        }
    }

    #[test]
    fn india_never_reaches_plain_business_premium() {
        for from in ["office-365-business-india", "office-365-business-essentials-india"] {
            let to = paths("partner-center-2019", from);
            assert!(to.contains(&"office-365-business-premium-india".to_owned()));
            assert!(!to.contains(&"office-365-business-premium".to_owned()));
        }
    }
}
