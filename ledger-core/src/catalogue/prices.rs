//! Prices in lists, imported beside the catalogue: by market, currency, segment and time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{ProductKind, Segment};
use crate::calendar::{BillingCycle, TermDuration};
use crate::ids::OfferId;
use crate::money::{Currency, Money};

/// An offer as a price list names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedOffer {
    /// The offer.
    pub offer: OfferId,
    /// Name for people.
    pub title: String,
    /// Kind of product.
    pub kind: ProductKind,
}

/// One price: of one seat for one billing cycle, before tax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRow {
    /// Of what.
    pub offer: OfferId,
    /// Length of the commitment.
    pub term: TermDuration,
    /// How often it is charged.
    pub billing: BillingCycle,
    /// Market it holds in (ISO 3166-1 alpha-2); `None`: everywhere.
    pub market: Option<String>,
    /// Segment it holds for; `None`: for all.
    pub segment: Option<Segment>,
    /// Currency.
    pub currency: Currency,
    /// The price.
    pub price: Decimal,
    /// From when on it holds; `None`: it always did.
    pub from: Option<DateTime<Utc>>,
    /// Until when it holds, not included; `None`: without end.
    pub until: Option<DateTime<Utc>>,
}

/// What a vendor says about an offer. Source: domain, section 4.7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixOffer {
    /// The offer.
    pub offer: OfferId,
    /// Name for people.
    pub title: String,
    /// Fewest seats of one subscription.
    pub seats_min: u32,
    /// Most seats in all; `None`: no limit.
    pub seats_max: Option<u32>,
    /// Offers of which the customer must hold one before.
    pub prerequisites: BTreeSet<OfferId>,
    /// Offers it can be upgraded to.
    pub upgrades: BTreeSet<OfferId>,
    /// Markets it is sold in (ISO 3166-1 alpha-2); all when empty.
    pub markets: BTreeSet<String>,
}

/// A price and where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Price of one seat for one billing cycle.
    pub price: Money,
    /// The price list; `None`: a plan of the catalogue.
    pub price_list: Option<String>,
}

/// All listed prices, by offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook {
    rows: BTreeMap<OfferId, Vec<(Arc<str>, PriceRow)>>,
}

impl PriceBook {
    /// Adds the rows of a list.
    #[must_use]
    pub fn with(mut self, list: &str, rows: &[PriceRow]) -> Self {
        let list: Arc<str> = list.into();
        for row in rows {
            self.rows.entry(row.offer.clone()).or_default().push((Arc::clone(&list), row.clone()));
        }
        self
    }

    /// The price in force at `at`: of rows that overlap, the one that began last; of two that began
    /// together, the one imported last. Source: domain, section 4.7 and section 10, no. 41.
    #[must_use]
    pub fn price(
        &self,
        offer: &OfferId,
        plan: (TermDuration, BillingCycle),
        (market, segment, currency): (&str, Segment, Currency),
        at: DateTime<Utc>,
    ) -> Option<Quote> {
        let holds = |row: &PriceRow| {
            (row.term, row.billing) == plan
                && row.currency == currency
                && row.market.as_deref().is_none_or(|listed| listed == market)
                && row.segment.is_none_or(|listed| listed == segment)
                && row.from.is_none_or(|from| from <= at)
                && row.until.is_none_or(|until| at < until)
        };
        let rows = self.rows.get(offer)?.iter().filter(|(_, row)| holds(row));
        let (list, row) = rows.max_by_key(|(_, row)| row.from)?;
        let price = Money { amount: row.price, currency };
        Some(Quote { price, price_list: Some(list.to_string()) })
    }
}
