//! The account itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::catalogue::Segment;
use crate::customer::command::PortalAccess;
use crate::ids::{OfferId, ProgrammeId, ResellerId, UserId};
use crate::money::Currency;

/// A customer's account was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRegistered {
    /// The company's name.
    pub name: String,
    /// Programme whose rules hold for the customer.
    pub programme: ProgrammeId,
    /// Reseller who serves the customer.
    pub reseller: ResellerId,
    /// Market (ISO 3166-1 alpha-2).
    pub market: String,
    /// Currency of all the customer's prices.
    pub currency: Currency,
    /// Segment that the customer belongs to.
    pub segment: Segment,
    /// Registration number of the company, where it has told one.
    pub registration_number: Option<String>,
}

/// A customer's particulars changed; these are all of them now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerChanged {
    /// The company's name.
    pub name: String,
    /// Reseller who serves the customer.
    pub reseller: ResellerId,
    /// Segment that the customer belongs to.
    pub segment: Segment,
    /// Registration number of the company, where it has told one.
    pub registration_number: Option<String>,
}

/// The customer accepted the agreement that its programme asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementAccepted {
    /// Version of the agreement, in its own words.
    pub agreement: String,
}

/// The partner was granted delegated administration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedAdminGranted {
    /// Services it covers; `None`: all.
    pub services: Option<Vec<String>>,
    /// When it ends by itself; `None`: only when revoked.
    pub until: Option<DateTime<Utc>>,
}

/// The delegated administration was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedAdminRevoked {}

/// The time of the delegated administration was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedAdminEnded {
    /// When it ended.
    pub until: DateTime<Utc>,
}

/// Seats held from elsewhere became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalSubscriptionDeclared {
    /// What is held.
    pub offer: OfferId,
    /// All seats held elsewhere.
    pub seats: u32,
    /// The services that come with it.
    pub services: Vec<String>,
}

/// Seats are no longer held from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalSubscriptionWithdrawn {
    /// What is no longer held.
    pub offer: OfferId,
}

/// A user was let into the portal, or may do something else there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalAccessGranted {
    /// The user.
    pub user: UserId,
    /// What the user may do.
    pub access: PortalAccess,
}

/// A user was shut out of the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalAccessRevoked {
    /// The user.
    pub user: UserId,
}

/// The account was closed for good; the key of everything about people in it is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerErased {}
