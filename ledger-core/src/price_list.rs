//! Vendors' files: a licence price list or an offer matrix, as CSV, to what can be imported and a
//! report that names every row that was mended or left out. Source: domain, section 4.7.
//!
//! Bytes in, rows and report out; nothing is guessed where a price could be another one.

mod fields;
mod matrix;
mod report;
mod table;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use self::fields::{billing, currency, date, market, offer_id, price, segment, term, tier, title};
pub use self::matrix::{OfferMatrix, parse_matrix};
pub use self::report::{Note, Reason, Report, UnknownReason};
pub use self::table::Unreadable;
use self::table::{Line, Table};
use crate::calendar::{BillingCycle, TermDuration};
use crate::catalogue::{ListedOffer, PriceRow, ProductKind, Segment};
use crate::customer::ImportPriceList;
use crate::ids::OfferId;
use crate::money::Currency;

/// Code of the answer to a file of which rows would be lost.
pub const ROWS_LOST: &str = "ROWS_NOT_UNDERSTOOD";

/// Code of the answer to a file that cannot be read as a whole.
pub const FILE_UNREADABLE: &str = "FILE_UNREADABLE";

/// Columns without which a file is no price list.
const NEEDED: [&str; 9] = [
    "ProductId",
    "SkuId",
    "TermDuration",
    "BillingPlan",
    "Market",
    "Currency",
    "UnitPrice",
    "EffectiveStartDate",
    "EffectiveEndDate",
];

/// Columns that a price list may have besides.
const KNOWN: [&str; 13] = [
    "ProductTitle",
    "SkuTitle",
    "Publisher",
    "SkuDescription",
    "UnitOfMeasure",
    "PricingTierRangeMin",
    "PricingTierRangeMax",
    "EndOfSaleDate",
    "Tags",
    "ERP Price",
    "Segment",
    "ChangeIndicator",
    "PreviousValues",
];

/// A price list as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceList {
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// What is listed.
    pub offers: Vec<ListedOffer>,
    /// The prices that were understood.
    pub rows: Vec<PriceRow>,
    /// What was mended and what was left out.
    pub report: Report,
}

impl PriceList {
    /// The command that imports it under a name.
    #[must_use]
    pub fn into_command(self, name: String) -> ImportPriceList {
        ImportPriceList { name, sha256: self.sha256, offers: self.offers, rows: self.rows }
    }
}

/// What a price is of, and from when on.
type Key = (
    OfferId,
    (TermDuration, BillingCycle),
    Option<String>,
    Option<Segment>,
    Currency,
    Option<DateTime<Utc>>,
);

/// Reads a licence price list; `progress` hears how many bytes of how many are done.
///
/// # Errors
///
/// [`Unreadable`] when the file as a whole is no price list; single rows are in the report.
pub fn parse(bytes: &[u8], progress: &mut dyn FnMut(u64, u64)) -> Result<PriceList, Unreadable> {
    let table = Table::open(bytes, &NEEDED, &KNOWN)?;
    let mut list = PriceList {
        sha256: sha256(bytes),
        offers: Vec::new(),
        rows: Vec::new(),
        report: Report::new(&table),
    };
    let mut titles: BTreeMap<OfferId, String> = BTreeMap::new();
    let mut seen: BTreeMap<Key, (u64, Decimal, Option<DateTime<Utc>>)> = BTreeMap::new();
    table.each(&mut list.report, progress, |line, report| {
        let Some(row) = row(line, report) else { return };
        let key = (
            row.offer.clone(),
            (row.term, row.billing),
            row.market.clone(),
            row.segment,
            row.currency,
            row.from,
        );
        match seen.entry(key) {
            Entry::Occupied(first) => {
                let (number, price, until) = first.get();
                if (*price, *until) == (row.price, row.until) {
                    report.leave_out(line, Reason::Duplicate, format!("line {number} is the same"));
                } else {
                    let message = format!("line {number} has another price or end for the same");
                    report.leave_out(line, Reason::Contradiction, message);
                }
            }
            Entry::Vacant(place) => {
                place.insert((line.number(), row.price, row.until));
                titles.entry(row.offer.clone()).or_insert_with(|| title(line, &row.offer));
                report.understood(line);
                list.rows.push(row);
            }
        }
    });
    list.report.overlapping = overlapping(seen);
    list.offers = titles
        .into_iter()
        .map(|(offer, title)| ListedOffer { offer, title, kind: ProductKind::Licence })
        .collect();
    Ok(list)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a text does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// The price on a line, unless it is not understood or not for this ledger; every reason is noted.
fn row(line: &Line<'_>, report: &mut Report) -> Option<PriceRow> {
    if line.get("ChangeIndicator").eq_ignore_ascii_case("deleted") {
        let message = "the list says that it is deleted".to_owned();
        report.leave_out(line, Reason::Deleted, message);
        return None;
    }
    let offer = offer_id(line, report);
    let (term, billing) = (term(line, report), billing(line, report));
    let (market, segment) = (market(line, report), segment(line, report));
    let (currency, price) = (currency(line, report), price(line, report));
    let (from, until) = (
        date(line, report, "EffectiveStartDate", false),
        date(line, report, "EffectiveEndDate", true),
    );
    let is_first_tier = tier(line, report);
    let (offer, term, billing) = (offer?, term?, billing?);
    let (market, segment) = (market.ok()?, segment.ok()?);
    let (currency, price) = (currency?, price?);
    let (from, until) = (from.ok()?, until.ok()?);
    if !is_first_tier {
        return None;
    }
    if term.months() < billing.months() {
        let message = "the billing cycle is longer than the term".to_owned();
        report.leave_out(line, Reason::Billing, message);
        return None;
    }
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        report.leave_out(line, Reason::Dates, "it ends before it begins".to_owned());
        return None;
    }
    Some(PriceRow { offer, term, billing, market, segment, currency, price, from, until })
}

/// How many rows begin while another one for the same is in force: the transaction's instant settles
/// which of them holds.
fn overlapping(seen: BTreeMap<Key, (u64, Decimal, Option<DateTime<Utc>>)>) -> u64 {
    let mut overlapping: u64 = 0;
    let mut before = None;
    for ((offer, plan, market, segment, currency, from), (_, _, until)) in seen {
        let of = (offer, plan, market, segment, currency);
        let is_open = before.as_ref().is_some_and(|(known, end): &(_, Option<DateTime<Utc>>)| {
            *known == of && end.is_none_or(|end| from.is_none_or(|from| from < end))
        });
        overlapping = overlapping.saturating_add(u64::from(is_open));
        let end = match before {
            // The one that ends last stays open.
            Some((known, end)) if known == of => {
                end.and_then(|end| until.map(|until| end.max(until)))
            }
            Some(_) | None => until,
        };
        before = Some((of, end));
    }
    overlapping
}
