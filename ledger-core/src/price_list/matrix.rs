//! The offer matrix: what a vendor says about its offers. Source: domain, section 4.7.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::fields::{LeftOut, offer_id, sku_id, title};
use super::report::{Reason, Report};
use super::sha256;
use super::table::{Line, Table, Unreadable};
use crate::catalogue::{MatrixOffer, is_market};
use crate::customer::ImportOfferMatrix;
use crate::ids::OfferId;

/// Columns without which a file is no offer matrix.
const NEEDED: [&str; 4] = ["ProductId", "SkuId", "MinLicenses", "MaxLicenses"];

/// Columns that an offer matrix may have besides.
const KNOWN: [&str; 10] = [
    "ProductTitle",
    "SkuTitle",
    "ProvisioningId",
    "ProvisioningString",
    "AssetOwnershipLimit",
    "AssetOwnershipLimitType",
    "ProductSkuPreRequisites",
    "ProductSkuConversion",
    "Description",
    "AllowedCountries",
];

/// An offer matrix as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferMatrix {
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// The offers that were understood.
    pub offers: Vec<MatrixOffer>,
    /// What was mended and what was left out.
    pub report: Report,
}

impl OfferMatrix {
    /// The command that imports it under a name.
    #[must_use]
    pub fn into_command(self, name: String, effective_from: DateTime<Utc>) -> ImportOfferMatrix {
        ImportOfferMatrix { name, sha256: self.sha256, effective_from, offers: self.offers }
    }
}

/// Reads an offer matrix; `progress` hears how many bytes of how many are done.
///
/// # Errors
///
/// [`Unreadable`] when the file as a whole is no offer matrix; single rows are in the report.
pub fn parse_matrix(
    bytes: &[u8],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<OfferMatrix, Unreadable> {
    let table = Table::open(bytes, &NEEDED, &KNOWN)?;
    let mut report = Report::new(&table);
    let mut offers: BTreeMap<OfferId, (u64, MatrixOffer)> = BTreeMap::new();
    table.each(&mut report, progress, |line, report| {
        let Some(offer) = offer(line, report) else { return };
        match offers.entry(offer.offer.clone()) {
            Entry::Occupied(first) if first.get().1 == offer => {
                let message = format!("line {} is the same", first.get().0);
                report.leave_out(line, Reason::Duplicate, message);
            }
            Entry::Occupied(first) => {
                let message = format!("line {} says something else", first.get().0);
                report.leave_out(line, Reason::Contradiction, message);
            }
            Entry::Vacant(place) => {
                report.understood(line);
                place.insert((line.number(), offer));
            }
        }
    });
    let offers = offers.into_values().map(|(_, offer)| offer).collect();
    Ok(OfferMatrix { sha256: sha256(bytes), offers, report })
}

fn offer(line: &Line<'_>, report: &mut Report) -> Option<MatrixOffer> {
    let id = offer_id(line, report);
    let (seats_min, seats_max) =
        (seats(line, report, "MinLicenses"), seats(line, report, "MaxLicenses"));
    let prerequisites = offers(line, report, "ProductSkuPreRequisites");
    let upgrades = offers(line, report, "ProductSkuConversion");
    let markets = countries(line, report);
    let (offer, seats_max) = (id?, seats_max.ok()?);
    let (prerequisites, mut upgrades, markets) = (prerequisites?, upgrades?, markets?);
    // None and zero ask for nothing.
    let seats_min = seats_min.ok()?.unwrap_or(1).max(1);
    if seats_max.is_some_and(|seats_max| seats_max < seats_min) {
        let message = "MaxLicenses is below MinLicenses".to_owned();
        report.leave_out(line, Reason::Limits, message);
        return None;
    }
    if prerequisites.contains(&offer) {
        report.leave_out(line, Reason::References, "it needs itself".to_owned());
        return None;
    }
    upgrades.remove(&offer);
    let title = title(line, &offer);
    Some(MatrixOffer { offer, title, seats_min, seats_max, prerequisites, upgrades, markets })
}

/// A number of seats; `None` when the field is empty.
fn seats(line: &Line<'_>, report: &mut Report, column: &str) -> Result<Option<u32>, LeftOut> {
    let text = line.get(column);
    if text.is_empty() {
        return Ok(None);
    }
    let digits: String = text.chars().filter(|c| *c != ',' && !c.is_whitespace()).collect();
    let Ok(seats) = digits.parse::<u32>() else {
        let message = format!("{column} {text:?} is no number of licences");
        report.leave_out(line, Reason::Limits, message);
        return Err(LeftOut);
    };
    if digits != text {
        report.mend(line, Reason::Limits, format!("{column} {text} is taken for {seats}"));
    }
    Ok(Some(seats))
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    let items = text.split(|c: char| matches!(c, ',' | ';' | '|') || c.is_whitespace());
    items.filter(|item| !item.is_empty())
}

/// Offers such as `CFQ7TTC0LH18:0001`.
fn offers(line: &Line<'_>, report: &mut Report, column: &str) -> Option<BTreeSet<OfferId>> {
    let mut offers = BTreeSet::new();
    for item in items(line.get(column)) {
        let named = item.split_once([':', '/', '-']).and_then(|(product, sku)| {
            let is_id = !product.is_empty() && product.chars().all(|c| c.is_ascii_alphanumeric());
            let sku = sku_id(sku).filter(|_| is_id)?;
            OfferId::try_new(format!("{product}-{sku}")).ok()
        });
        let Some(offer) = named else {
            let message = format!("{column} names {item:?}, which is not PRODUCT:SKU");
            report.leave_out(line, Reason::References, message);
            return None;
        };
        offers.insert(offer);
    }
    Some(offers)
}

fn countries(line: &Line<'_>, report: &mut Report) -> Option<BTreeSet<String>> {
    let mut markets = BTreeSet::new();
    for item in items(line.get("AllowedCountries")) {
        let market = item.to_ascii_uppercase();
        if market == "ALL" {
            return Some(BTreeSet::new());
        }
        if !is_market(&market) {
            let message = format!("AllowedCountries has {item:?}, which is not two letters");
            report.leave_out(line, Reason::References, message);
            return None;
        }
        markets.insert(market);
    }
    Some(markets)
}
