//! What is told about the time before the ledger, and what is put right.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{
    Command, EndOfTermAction, ImportOpeningBalance, RecordCorrection, RefundableSeats,
};
use ledger_core::ids::{CustomerId, OfferId, Reason, SubscriptionId};
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{CommandAnswers, CommandHeaders};
use crate::auth::Principal;
use crate::command::{Envelope, for_customer};
use crate::extract::{At, Sent};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{BillingName, CommandQuery, EndOfTermName, TermName};

/// Takes over a subscription as it stands elsewhere.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpeningBalanceBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// Id of the subscription, as it has it elsewhere.
    #[schema(value_type = String, max_length = 64)]
    pub subscription: SubscriptionId,
    /// Its offer; it need not be in the catalogue.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// The offer's name, where the catalogue has none.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub offer_title: Option<String>,
    /// Status there, such as `active` or `suspended`; one that the ledger does not know is kept.
    #[schema(max_length = 200)]
    pub status: String,
    /// The vendor's reasons, where the vendor suspended it.
    #[serde(default)]
    pub suspension_reasons: Vec<String>,
    /// Length of the commitment.
    #[schema(value_type = TermName)]
    pub term: TermDuration,
    /// How often it is charged.
    #[schema(value_type = BillingName)]
    pub billing: BillingCycle,
    /// Seats.
    pub quantity: u32,
    /// Price of one seat for one billing cycle, locked for the term; as listed when left out.
    #[serde(default)]
    pub unit_price: Option<Decimal>,
    /// First day of the current term.
    pub term_start: NaiveDate,
    /// Last day of the current term, included.
    pub term_end: NaiveDate,
    /// What happens at the end of the term.
    #[schema(value_type = EndOfTermName)]
    pub end_of_term: EndOfTermAction,
    /// When it was bought; not known when left out, and then it is never extended at a premium.
    #[serde(default)]
    pub bought_at: Option<DateTime<Utc>>,
    /// Until when, included, it can be cancelled.
    #[serde(default)]
    pub cancel_until: Option<DateTime<Utc>>,
    /// Seats that can still be removed, and until when.
    #[serde(default)]
    #[schema(value_type = Vec<RefundableBody>)]
    pub refundable: Vec<RefundableSeats>,
    /// Whether it is a trial.
    #[serde(default)]
    pub trial: bool,
    /// Fields that the ledger does not know, as they were found, by name.
    #[serde(default)]
    pub unknown: BTreeMap<String, String>,
    /// The instant as of which all this is told; not in the future.
    pub effective_at: DateTime<Utc>,
}

/// Seats that can be removed until one instant.
#[derive(Clone, Debug, ToSchema)]
#[expect(dead_code, reason = "only described, for the OpenAPI document")]
pub struct RefundableBody {
    /// How many.
    quantity: u32,
    /// Until when, included.
    until: DateTime<Utc>,
}

impl OpeningBalanceBody {
    /// Why and what.
    #[must_use]
    pub fn into_parts(self) -> (Reason, Command) {
        let command = ImportOpeningBalance {
            subscription: self.subscription,
            offer: self.offer,
            offer_title: self.offer_title,
            status: self.status,
            suspension_reasons: self.suspension_reasons,
            term: self.term,
            billing: self.billing,
            quantity: self.quantity,
            unit_price: self.unit_price,
            term_start: self.term_start,
            term_end: self.term_end,
            end_of_term: self.end_of_term,
            bought_at: self.bought_at,
            cancel_until: self.cancel_until,
            refundable: self.refundable,
            trial: self.trial,
            unknown: self.unknown,
            effective_at: self.effective_at,
        };
        (self.reason, Command::ImportOpeningBalance(command))
    }
}

/// Puts right what the ledger has wrong about a subscription; what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// All its seats.
    #[serde(default)]
    pub quantity: Option<u32>,
    /// Last day of its term, included.
    #[serde(default)]
    pub term_end: Option<NaiveDate>,
    /// Price of one seat for one billing cycle.
    #[serde(default)]
    pub unit_price: Option<Decimal>,
    /// What happens at the end of its term.
    #[serde(default)]
    #[schema(value_type = Option<EndOfTermName>)]
    pub end_of_term: Option<EndOfTermAction>,
    /// From when on it is right; not in the future.
    pub effective_at: DateTime<Utc>,
}

impl CorrectionBody {
    /// Why and what.
    #[must_use]
    pub fn into_parts(self, subscription: SubscriptionId) -> (Reason, Command) {
        let Self { reason, quantity, term_end, unit_price, end_of_term, effective_at } = self;
        let command = RecordCorrection {
            subscription,
            quantity,
            term_end,
            unit_price,
            end_of_term,
            effective_at,
        };
        (reason, Command::RecordCorrection(command))
    }
}

/// Takes over a subscription as it stands elsewhere: for the operator and the reseller.
#[utoipa::path(post, path = "/v1/customers/{customer}/opening-balances", tag = "opening",
    request_body = OpeningBalanceBody, responses(CommandAnswers),
    params(("customer" = String, Path), CommandQuery, CommandHeaders))]
pub(crate) async fn import(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    envelope: Envelope,
    Sent(body): Sent<OpeningBalanceBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.into_parts()).await
}

/// Puts right what the ledger has wrong about a subscription: for the operator. What was charged wrongly in
/// the current term is credited and charged again.
#[utoipa::path(post,
    path = "/v1/customers/{customer}/subscriptions/{subscription}/corrections",
    tag = "opening", request_body = CorrectionBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("subscription" = String, Path), CommandQuery,
        CommandHeaders))]
pub(crate) async fn correct(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    envelope: Envelope,
    Sent(body): Sent<CorrectionBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.into_parts(subscription)).await
}
