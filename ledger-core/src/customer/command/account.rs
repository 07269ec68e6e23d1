//! The account itself: particulars, agreement, delegated administration, the portal, holdings from elsewhere.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalogue::Segment;
use crate::ids::{OfferId, ProgrammeId, ResellerId, UserId};
use crate::money::Currency;

/// Opens a customer's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterCustomer {
    /// The company's name.
    pub name: String,
    /// Programme whose rules hold for the customer.
    pub programme: ProgrammeId,
    /// Reseller who serves the customer.
    pub reseller: ResellerId,
    /// Market, as two capital letters (ISO 3166-1).
    pub market: String,
    /// Currency of all the customer's prices.
    pub currency: Currency,
    /// Segment that the customer belongs to; commercial when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Segment>,
    /// Registration number of the company, where the market asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_number: Option<String>,
}

impl RegisterCustomer {
    /// A registration without anything that may be left out.
    #[must_use]
    pub const fn new(
        name: String,
        programme: ProgrammeId,
        reseller: ResellerId,
        market: String,
        currency: Currency,
    ) -> Self {
        let (segment, registration_number) = (None, None);
        Self { name, programme, reseller, market, currency, segment, registration_number }
    }
}

/// Changes a customer's particulars; what is left out stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeCustomer {
    /// The company's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Reseller who serves the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reseller: Option<ResellerId>,
    /// Segment that the customer belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Segment>,
    /// Registration number of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_number: Option<String>,
}

/// Records that the customer accepted the agreement that its programme asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptAgreement {
    /// Version of the agreement, in its own words.
    pub agreement: String,
}

/// Records that the customer granted the partner delegated administration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantDelegatedAdmin {
    /// Services it covers; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<BTreeSet<String>>,
    /// Days it lasts, at least one; until it is revoked when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// Records that the delegated administration has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeDelegatedAdmin {}

/// Records seats that the customer holds from another partner or channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclareExternalSubscription {
    /// What is held.
    pub offer: OfferId,
    /// All seats held elsewhere; replaces what was declared before.
    pub seats: u32,
}

/// Records that the customer no longer holds an offer from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawExternalSubscription {
    /// What is no longer held.
    pub offer: OfferId,
}

/// Lets a user of the customer into the portal, or changes what the user may do there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantPortalAccess {
    /// The user.
    pub user: UserId,
    /// What the user may do.
    pub access: PortalAccess,
}

/// What a user of the customer may do in the portal. Source: SEED-2, II.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortalAccess {
    /// Look at everything.
    View,
    /// Look at everything and change it.
    Manage,
}

/// Shuts a user of the customer out of the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokePortalAccess {
    /// The user.
    pub user: UserId,
}
