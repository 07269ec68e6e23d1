//! What can be bought, at which price and under which rules.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, ListedOffer, MatrixOffer, PriceRow, Programme};
use crate::ids::ProgrammeId;

/// Imports a version of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportCatalogue {
    /// The whole version.
    pub catalogue: Catalogue,
}

/// Imports a list of prices, beside the ones there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportPriceList {
    /// Name of the list; it stands for one content.
    pub name: String,
    /// SHA-256 of the file it was read from, in hexadecimal digits.
    pub sha256: String,
    /// What is listed.
    pub offers: Vec<ListedOffer>,
    /// The prices.
    pub rows: Vec<PriceRow>,
}

/// Imports what a vendor says about its offers, over what the catalogue says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOfferMatrix {
    /// Name of the matrix; it stands for one content.
    pub name: String,
    /// SHA-256 of the file it was read from, in hexadecimal digits.
    pub sha256: String,
    /// From when on it holds.
    pub effective_from: DateTime<Utc>,
    /// The offers.
    pub offers: Vec<MatrixOffer>,
}

/// Sets the rules of one programme from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPolicy {
    /// Name of this set of rules; it stands for one content.
    pub version: String,
    /// From when on it holds.
    pub effective_from: DateTime<Utc>,
    /// The programme; a new one when the catalogue has none of that id.
    pub programme: ProgrammeId,
    /// Its rules.
    pub policy: Box<Programme>,
}
