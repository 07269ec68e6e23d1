//! Bodies about the account itself.

use std::collections::BTreeSet;

use ledger_core::catalogue::Segment;
use ledger_core::customer::{Command, PortalAccess, RegisterCustomer};
use ledger_core::ids::{CustomerId, OfferId, ProgrammeId, Reason, ResellerId, UserId};
use ledger_core::money::Currency;
use serde::Deserialize;
use utoipa::ToSchema;

use super::bodies;
use super::names::{CurrencyName, PortalAccessName, SegmentName};

/// Registers a customer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// Id of the new customer: letters, digits, `-` and `_`.
    #[schema(value_type = String, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub customer: CustomerId,
    /// The company's name.
    #[schema(max_length = 200)]
    pub name: String,
    /// Programme whose rules hold for the customer.
    #[schema(value_type = String)]
    pub programme: ProgrammeId,
    /// Reseller who serves the customer.
    #[schema(value_type = String)]
    pub reseller: ResellerId,
    /// Market, as two capital letters (ISO 3166-1).
    #[schema(example = "FR")]
    pub market: String,
    /// Currency of all the customer's prices.
    #[schema(value_type = CurrencyName)]
    pub currency: Currency,
    /// Segment that the customer belongs to; commercial when left out.
    #[schema(value_type = Option<SegmentName>)]
    pub segment: Option<Segment>,
    /// Registration number of the company, where the market asks for one.
    pub registration_number: Option<String>,
}

impl RegisterBody {
    /// Who, why and what.
    #[must_use]
    pub fn into_parts(self) -> (CustomerId, Reason, Command) {
        let Self { reason, customer, name, programme, reseller, market, currency, .. } = self;
        let (segment, registration_number) = (self.segment, self.registration_number);
        let command = RegisterCustomer {
            name,
            programme,
            reseller,
            market,
            currency,
            segment,
            registration_number,
        };
        (customer, reason, Command::RegisterCustomer(command))
    }
}

bodies! {
    /// Changes a customer's particulars; what is left out stays.
    ParticularsBody() -> ChangeCustomer {
        /// The company's name.
        #[schema(max_length = 200)]
        name: Option<String>,
        /// Reseller who serves the customer; only an operator can change it.
        #[schema(value_type = Option<String>)]
        reseller: Option<ResellerId>,
        /// Segment that the customer belongs to; a customer's own administrator cannot change it.
        #[schema(value_type = Option<SegmentName>)]
        segment: Option<Segment>,
        /// Registration number of the company.
        registration_number: Option<String>,
    }

    /// Closes an account for good, with everything about people in it.
    EraseBody() -> EraseCustomer {}

    /// Records that the customer accepted the agreement that its programme asks for.
    AgreementBody() -> AcceptAgreement {
        /// Version of the agreement, in its own words.
        agreement: String,
    }

    /// Records that the customer granted the partner delegated administration.
    GrantAdminBody() -> GrantDelegatedAdmin {
        /// Services it covers; all when left out.
        #[schema(value_type = Option<Vec<String>>)]
        services: Option<BTreeSet<String>>,
        /// Days it lasts, 1 to 730; until it is revoked when left out.
        days: Option<u32>,
    }

    /// Records that the delegated administration has ended.
    RevokeAdminBody() -> RevokeDelegatedAdmin {}

    /// Declares seats held from another partner or channel.
    DeclareBody() -> DeclareExternalSubscription {
        /// What is held.
        #[schema(value_type = String)]
        offer: OfferId,
        /// All seats held elsewhere; replaces what was declared before.
        seats: u32,
    }

    /// Records that an offer is no longer held from elsewhere.
    WithdrawExternalBody(offer: OfferId) -> WithdrawExternalSubscription {}

    /// Lets a user of the customer into the portal, or changes what the user may do there.
    PortalAccessBody() -> GrantPortalAccess {
        /// The user, as an opaque id.
        #[schema(value_type = String)]
        user: UserId,
        /// What the user may do.
        #[schema(value_type = PortalAccessName)]
        access: PortalAccess,
    }

    /// Shuts a user out of the portal.
    RevokePortalAccessBody(user: UserId) -> RevokePortalAccess {}
}
