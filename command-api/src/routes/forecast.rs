//! What a customer will be charged if nobody changes anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Months, NaiveDate, Utc};
use ledger_core::billing::{
    Assumption, ForecastLine, Meter, MonthSum, Outlook, RefusedDue, Renewal, forecast,
};
use ledger_core::calendar::Month;
use ledger_core::charges::ChargeType;
use ledger_core::ids::{CustomerId, OfferId, SubscriptionId};
use ledger_core::money::Currency;
use ledger_core::store::CommitLog;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::statements::unbilled;
use super::{Problems, history_of};
use crate::auth::Principal;
use crate::extract::{Asked, At};
use crate::problem::{Kind, Problem};
use crate::state::AppState;

/// Most months that are forecast.
const MONTHS_MAX: u32 = 120;

/// Query of a forecast.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ForecastQuery {
    /// Months from now on, 1 to 120; 12 when left out.
    #[serde(default)]
    pub months: Option<u32>,
}

/// What a customer will be charged.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ForecastDocument {
    /// Everything until then has happened.
    pub now: DateTime<Utc>,
    /// The last day that is forecast.
    pub until: NaiveDate,
    /// Sums by month and currency.
    pub months: Vec<ForecastMonth>,
    /// Every charge, in order.
    pub charges: Vec<ForecastCharge>,
    /// Every term that begins.
    #[schema(value_type = Vec<Object>)]
    pub renewals: Vec<Renewal>,
    /// What is due and a rule will refuse: nothing is charged for it.
    #[schema(value_type = Vec<Object>)]
    pub refused: Vec<RefusedDue>,
}

/// The charges of one month in one currency.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ForecastMonth {
    /// The month, such as `2024-03`.
    #[schema(value_type = String)]
    pub month: Month,
    /// Currency of the bill (ISO 4217).
    #[schema(value_type = String)]
    pub currency: Currency,
    /// Charge lines.
    pub lines: u64,
    /// Their sum, before tax.
    #[schema(value_type = String)]
    pub net: Decimal,
    /// What they rest on, besides that nobody changes anything.
    #[schema(value_type = Vec<Object>)]
    pub assumptions: Vec<Assumption>,
}

/// One charge that is forecast.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ForecastCharge {
    /// The day of the charge.
    pub charged_on: NaiveDate,
    /// For which subscription.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
    /// Of which offer.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Why, in the vendor's words.
    #[schema(value_type = String)]
    pub charge_type: ChargeType,
    /// Seats; negative for a credit.
    pub quantity: i64,
    /// First day charged.
    pub period_start: NaiveDate,
    /// Last day charged, included.
    pub period_end: NaiveDate,
    /// The amount in the currency of the bill, before tax.
    #[schema(value_type = String)]
    pub billed: Decimal,
    /// Currency of the bill (ISO 4217).
    #[schema(value_type = String)]
    pub currency: Currency,
    /// The computation with its numbers, in the currency of the price.
    pub formula: String,
    /// What it rests on, besides that nobody changes anything.
    #[schema(value_type = Vec<Object>)]
    pub assumptions: Vec<Assumption>,
}

impl From<ForecastLine> for ForecastCharge {
    fn from(forecast: ForecastLine) -> Self {
        let ForecastLine { line, assumptions } = forecast;
        let (charged_on, billed) = (line.charge.charged_on, line.billed);
        let of = line.charge.line;
        Self {
            charged_on,
            subscription: of.subscription,
            offer: of.offer,
            charge_type: of.charge_type,
            quantity: of.quantity,
            period_start: of.period.start,
            period_end: of.period.end,
            billed: billed.amount,
            currency: billed.currency,
            formula: of.formula,
            assumptions,
        }
    }
}

/// Tells what will be charged, and which terms begin, if nobody changes anything.
#[utoipa::path(get, path = "/v1/customers/{customer}/forecast", tag = "billing",
    params(("customer" = String, Path), ForecastQuery),
    responses((status = 200, body = ForecastDocument), Problems))]
pub(crate) async fn of_customer(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ForecastQuery>,
) -> Result<Json<ForecastDocument>, Problem> {
    principal.sees(&state, &customer).await?;
    let months = query.months.unwrap_or(12);
    if !(1..=MONTHS_MAX).contains(&months) {
        let detail = format!("months is {months}: write 1 to {MONTHS_MAX}.");
        return Err(Problem::new(Kind::QueryInvalid, detail));
    }
    let history = history_of(&state, &customer).await?;
    let mut meter = Meter::new(customer);
    for recorded in &history {
        meter.add(recorded).map_err(|err| Problem::internal(&err))?;
    }
    let now = state.now();
    let until = now.date_naive().checked_add_months(Months::new(months)).unwrap_or(NaiveDate::MAX);
    let (catalogues, books) = (state.ledger.catalogues(), state.ledger.books());
    let position = state.ledger.log().durable_position();
    let outlook = Outlook { catalogues: &catalogues, books: &books, now, until, position };
    let forecast = forecast(meter, &outlook).map_err(|err| unbilled(&err.into()))?;

    let sums = forecast.months().map_err(|err| Problem::internal(&err))?;
    let of_month = |(month, sums): (Month, BTreeMap<Currency, MonthSum>)| {
        sums.into_iter().map(move |(currency, sum)| {
            let assumptions = sum.assumptions.into_iter().collect();
            ForecastMonth { month, currency, lines: sum.lines, net: sum.net, assumptions }
        })
    };
    Ok(Json(ForecastDocument {
        now,
        until,
        months: sums.into_iter().flat_map(of_month).collect(),
        charges: forecast.lines.into_iter().map(ForecastCharge::from).collect(),
        renewals: forecast.renewals,
        refused: forecast.refused,
    }))
}
