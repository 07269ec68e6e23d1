//! Prices in lists, imported beside the catalogue: by market, currency, segment and time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

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

/// All listed prices, by what they are of. What a later list repeats is not stored again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook {
    /// Names of the lists, in the order of their import.
    lists: Vec<Arc<str>>,
    prices: BTreeMap<OfferId, BTreeMap<PriceOf, Vec<Listed>>>,
}

/// What an offer's price is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PriceOf {
    plan: (TermDuration, BillingCycle),
    currency: Currency,
    market: Option<SmolStr>,
    segment: Option<Segment>,
}

/// A price and when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    price: Decimal,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    /// The list that it was first read in, and the last one that has it, by their numbers.
    first: usize,
    last: usize,
}

impl Listed {
    fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

impl PriceBook {
    /// Adds the rows of a list.
    pub(super) fn add(&mut self, list: &str, rows: &[PriceRow]) {
        let number = self.lists.len();
        self.lists.push(list.into());
        for row in rows {
            let of = PriceOf {
                plan: (row.term, row.billing),
                currency: row.currency,
                market: row.market.as_deref().map(SmolStr::new),
                segment: row.segment,
            };
            let listed = self.prices.entry(row.offer.clone()).or_default().entry(of).or_default();
            // Of what began together, the one imported last holds: no earlier one need be compared.
            match listed.iter_mut().rfind(|known| known.from == row.from) {
                Some(known) if known.price == row.price && known.until == row.until => {
                    known.last = number;
                }
                Some(_) | None => {
                    let PriceRow { price, from, until, .. } = *row;
                    listed.push(Listed { price, from, until, first: number, last: number });
                }
            }
        }
    }

    /// Whether any list has the offer.
    #[must_use]
    pub fn lists(&self, offer: &OfferId) -> bool {
        self.prices.contains_key(offer)
    }

    /// The price in force at `at`: of rows that overlap, the one that began last; of two that began
    /// together, the one imported last, or else the one for this very market and segment. Source:
    /// domain, section 4.7 and section 10, no. 41.
    #[must_use]
    pub fn price(
        &self,
        offer: &OfferId,
        plan: (TermDuration, BillingCycle),
        (market, segment, currency): (&str, Segment, Currency),
        at: DateTime<Utc>,
    ) -> Option<Quote> {
        let held = self.held(offer, plan, (market, segment, currency), at);
        let (_, listed) = held.max_by_key(|(_, listed)| (listed.from, listed.last))?;
        let price = Money { amount: listed.price, currency };
        Some(Quote { price, price_list: self.lists.get(listed.first).map(ToString::to_string) })
    }

    /// The row of the list `list` that a price in force at `at` was read from, unless it has gone since.
    #[must_use]
    pub fn row(
        &self,
        list: &str,
        offer: &OfferId,
        plan: (TermDuration, BillingCycle),
        buyer: (&str, Segment, Currency),
        at: DateTime<Utc>,
    ) -> Option<PriceRow> {
        let is_it = |listed: &Listed| self.lists.get(listed.first).is_some_and(|it| **it == *list);
        let held = self.held(offer, plan, buyer, at).filter(|(_, listed)| is_it(listed));
        let (of, listed) = held.max_by_key(|(_, listed)| (listed.from, listed.last))?;
        Some(PriceRow {
            offer: offer.clone(),
            term: plan.0,
            billing: plan.1,
            market: of.market.map(Into::into),
            segment: of.segment,
            currency: of.currency,
            price: listed.price,
            from: listed.from,
            until: listed.until,
        })
    }

    /// The prices for this buyer that hold at `at`, those for every market and segment first.
    fn held(
        &self,
        offer: &OfferId,
        plan: (TermDuration, BillingCycle),
        (market, segment, currency): (&str, Segment, Currency),
        at: DateTime<Utc>,
    ) -> impl Iterator<Item = (PriceOf, &Listed)> {
        let market = SmolStr::new(market);
        let of = [None, Some(market)].into_iter().flat_map(move |market| {
            [None, Some(segment)].map(|segment| PriceOf {
                plan,
                currency,
                market: market.clone(),
                segment,
            })
        });
        let prices = self.prices.get(offer);
        of.flat_map(move |of| {
            let listed = prices.and_then(|prices| prices.get(&of)).into_iter().flatten();
            listed.filter(move |listed| listed.holds(at)).map(move |listed| (of.clone(), listed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(market: Option<&str>, price: &str, from: Option<&str>, until: Option<&str>) -> PriceRow {
        let at = |text: &str| text.parse().unwrap();
        PriceRow {
            offer: OfferId::try_new("o1").unwrap(),
            term: TermDuration::P1Y,
            billing: BillingCycle::Annual,
            market: market.map(ToOwned::to_owned),
            segment: None,
            currency: Currency::EUR,
            price: price.parse().unwrap(),
            from: from.map(at),
            until: until.map(at),
        }
    }

    fn quoted(book: &PriceBook, market: &str, at: &str) -> Option<(String, String)> {
        let plan = (TermDuration::P1Y, BillingCycle::Annual);
        let buyer = (market, Segment::Commercial, Currency::EUR);
        let quote = book.price(&OfferId::try_new("o1").unwrap(), plan, buyer, at.parse().unwrap());
        quote.map(|quote| (quote.price.amount.to_string(), quote.price_list.unwrap()))
    }

    fn said(price: &str, list: &str) -> (String, String) {
        (price.to_owned(), list.to_owned())
    }

    #[test]
    fn of_rows_that_overlap_the_one_that_began_last_holds_until_its_end() {
        let october = Some("2021-10-01T00:00:00Z");
        let (november, end) = (Some("2021-11-01T00:00:00Z"), Some("2021-12-01T00:00:00Z"));
        let mut book = PriceBook::default();
        book.add("a", &[row(None, "10", october, None), row(None, "12", november, end)]);
        assert_eq!(quoted(&book, "FR", "2021-09-30T23:59:59.999Z"), None);
        assert_eq!(quoted(&book, "FR", "2021-10-31T23:59:59.999Z"), Some(said("10", "a")));
        assert_eq!(quoted(&book, "FR", "2021-11-01T00:00:00Z"), Some(said("12", "a")));
        assert_eq!(quoted(&book, "FR", "2021-12-01T00:00:00Z"), Some(said("10", "a")));
    }

    #[test]
    fn of_rows_that_began_together_the_list_imported_last_wins_then_the_nearer_market() {
        let at = "2026-01-01T00:00:00Z";
        let mut book = PriceBook::default();
        book.add("a", &[row(Some("FR"), "9", None, None), row(None, "10", None, None)]);
        assert_eq!(quoted(&book, "FR", at), Some(said("9", "a")));
        assert_eq!(quoted(&book, "BE", at), Some(said("10", "a")));
        book.add("b", &[row(None, "11", None, None)]);
        assert_eq!(quoted(&book, "FR", at), Some(said("11", "b")));
    }

    #[test]
    fn a_row_that_a_later_list_repeats_is_stored_once_and_named_after_the_first() {
        let at = "2026-01-01T00:00:00Z";
        let mut book = PriceBook::default();
        for list in ["a", "b", "c"] {
            book.add(list, &[row(None, "10", None, None)]);
        }
        let stored: usize = book.prices.values().flat_map(BTreeMap::values).map(Vec::len).sum();
        assert_eq!(stored, 1);
        assert_eq!(quoted(&book, "FR", at), Some(said("10", "a")));
    }

    #[test]
    fn a_price_that_comes_back_after_another_holds_again() {
        let at = "2026-01-01T00:00:00Z";
        let mut book = PriceBook::default();
        for (list, price) in [("a", "10"), ("b", "11"), ("c", "10")] {
            book.add(list, &[row(None, price, None, None)]);
        }
        assert_eq!(quoted(&book, "FR", at), Some(said("10", "c")));
    }
}
