//! Values as the `OpenAPI` document lists them; the ledger's own types read them.

use serde::Serialize;
use utoipa::ToSchema;

/// Length of a commitment.
#[derive(Clone, Copy, Debug, ToSchema)]
pub enum TermName {
    /// One month.
    P1M,
    /// One year.
    P1Y,
    /// Three years.
    P3Y,
}

/// How often something is charged.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BillingName {
    /// Every month.
    Monthly,
    /// Every year.
    Annual,
    /// Every three years.
    Triennial,
}

/// What happens at the end of a term.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndOfTermName {
    /// A new term begins.
    Renew,
    /// The subscription ends.
    Cancel,
    /// The service goes on by the month, at a premium.
    ExtendedServiceTerm,
    /// Automatic renewal is off: the programme decides.
    Lapse,
}

/// When the term of a subscription made by an upgrade ends.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndDateName {
    /// With the source's term.
    Coterminous,
    /// After a whole new term that begins today.
    NewTerm,
}

/// Currencies in which offers are sold (ISO 4217).
#[derive(Clone, Copy, Debug, ToSchema)]
pub enum CurrencyName {
    /// Swiss franc.
    CHF,
    /// Renminbi.
    CNY,
    /// Euro.
    EUR,
    /// Pound sterling.
    GBP,
    /// Indian rupee.
    INR,
    /// Yen.
    JPY,
    /// United States dollar.
    USD,
}

/// What a user of the customer may do in the portal.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PortalAccessName {
    /// Look at everything.
    View,
    /// Look at everything and change it.
    Manage,
}

/// Segment that a customer belongs to.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentName {
    /// Companies.
    Commercial,
    /// Schools and universities.
    Education,
    /// Authorities.
    Government,
    /// Charities.
    NonProfit,
}

/// Whether users' licences move along with upgraded seats.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TransferName {
    /// Where every seat of the offer moves; the others are listed for moving by hand.
    Automatic,
    /// They must: refused when a user's licence cannot move along.
    Required,
}
