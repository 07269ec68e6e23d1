//! What can be bought, at which price and under which rules.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, ListedOffer, MatrixOffer, PriceRow, Programme};
use crate::ids::ProgrammeId;

/// A version of the catalogue was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueImported {
    /// The whole version.
    pub catalogue: Catalogue,
}

/// A list of prices was imported, beside the ones there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceListImported {
    /// Name of the list.
    pub name: String,
    /// SHA-256 of the file it was read from, in hexadecimal digits.
    pub sha256: String,
    /// What is listed.
    pub offers: Vec<ListedOffer>,
    /// The prices.
    pub rows: Vec<PriceRow>,
}

/// What a vendor says about its offers was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferMatrixImported {
    /// Name of the matrix.
    pub name: String,
    /// SHA-256 of the file it was read from, in hexadecimal digits.
    pub sha256: String,
    /// From when on it holds.
    pub effective_from: DateTime<Utc>,
    /// The offers.
    pub offers: Vec<MatrixOffer>,
}

/// The rules of one programme were set from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// Name of this set of rules.
    pub version: String,
    /// From when on it holds.
    pub effective_from: DateTime<Utc>,
    /// The programme.
    pub programme: ProgrammeId,
    /// Its rules.
    pub policy: Box<Programme>,
}
