//! Statements: drawn again from the log whenever they are read, and compared with what was recorded.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger_core::billing::{
    BillError, Books, Closed, Draw, Statement, StatementError, StatementSummary, statement_number,
};
use ledger_core::calendar::Month;
use ledger_core::customer::{Party, Rejection, StatementDrawn};
use ledger_core::ids::{CustomerId, ResellerId};
use ledger_core::record::{Recorded, Refusal};
use serde::Deserialize;
use utoipa::IntoParams;

use super::billing::{begun, draw};
use super::{Problems, history_of, page};
use crate::auth::{Principal, Scope};
use crate::extract::{Asked, At, NoQuery};
use crate::problem::{Kind, Problem};
use crate::state::AppState;
use crate::wire::{List, ListQuery};

/// Query of a preview.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// The billing period, such as `2024-03`.
    #[param(value_type = String)]
    pub period: Month,
}

/// Lists the statements of a customer, by number.
#[utoipa::path(get, path = "/v1/customers/{customer}/statements", tag = "billing",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, description = "Each with number, period, totals and sha256",
        body = Object), Problems))]
pub(crate) async fn of_customer(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<StatementSummary>>, Problem> {
    known(&state, &principal, &customer).await?;
    list(&state, &query, &Party::Customer(customer))
}

/// Lists the statements of a reseller, by number.
#[utoipa::path(get, path = "/v1/resellers/{reseller}/statements", tag = "billing",
    params(("reseller" = String, Path), ListQuery),
    responses((status = 200, description = "Each with number, period, totals and sha256",
        body = Object), Problems))]
pub(crate) async fn of_reseller(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(reseller): At<ResellerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<StatementSummary>>, Problem> {
    if !is_theirs(&principal, &reseller) {
        let detail = "Your role may read no statements of this reseller.";
        return Err(Problem::new(Kind::RoleNotAllowed, detail));
    }
    list(&state, &query, &Party::Reseller(reseller))
}

fn list(
    state: &AppState,
    query: &ListQuery,
    party: &Party,
) -> Result<Json<List<StatementSummary>>, Problem> {
    state.check_position(query.min_position)?;
    let books = state.ledger.books();
    let all = books.closed().flat_map(|closed| {
        let theirs = closed.what.statements.iter().filter(|drawn| drawn.party == *party);
        theirs.map(|drawn| (drawn.number, StatementSummary::of(closed, drawn)))
    });
    let List { data, has_more, next } = page(all, query, |(number, _)| format!("{number:020}"))?;
    let data = data.into_iter().map(|(_, summary)| summary).collect();
    Ok(Json(List { data, has_more, next }))
}

/// Returns what the statements of a customer would be if nothing else happened until the end of the period;
/// of a closed period, what they are.
///
/// One for each currency.
#[utoipa::path(get, path = "/v1/customers/{customer}/statements/preview", tag = "billing",
    params(("customer" = String, Path), PreviewQuery),
    responses((status = 200, description = "As data: statements as /v1/statements/{number} returns them, \
        without a number", body = Object), Problems))]
pub(crate) async fn preview(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(PreviewQuery { period }): Asked<PreviewQuery>,
) -> Result<Json<List<Statement>>, Problem> {
    let history = known(&state, &principal, &customer).await?;
    begun(&state, period)?;
    let books = state.ledger.books();
    let data = match books.closed_period(period) {
        None => Statement::preview(&books, period, &customer, &history),
        Some(closed) => {
            let theirs = closed
                .what
                .statements
                .iter()
                .filter(|drawn| matches!(&drawn.party, Party::Customer(it) if *it == customer));
            let again = |drawn| Statement::of_customer(&books, closed, drawn, &customer, &history);
            theirs.map(again).collect()
        }
    };
    Ok(Json(List { data: data.map_err(|err| unbilled(&err))?, has_more: false, next: None }))
}

/// Returns a statement with its lines, drawn again from the log and compared with what was recorded.
///
/// A reseller's statement reads the whole log.
#[utoipa::path(get, path = "/v1/statements/{number}", tag = "billing",
    params(("number" = String, Path, example = "000042")),
    responses((status = 200, description = "Header, lines, taxes, totals, and with what it can be proved",
        body = Object), Problems))]
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(number): At<String>,
    _: NoQuery,
) -> Result<Json<Statement>, Problem> {
    let is_number = number.len() <= 20 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<u64>().ok().filter(|_| is_number).ok_or_else(|| {
        let detail =
            "An id in the address is not valid: the number of a statement has digits only.";
        Problem::new(Kind::IdInvalid, detail)
    })?;
    let books = state.ledger.books();
    let (closed, drawn) = books.statement(number).ok_or_else(|| unknown(number))?;
    match &drawn.party {
        Party::Customer(customer) => {
            let seen = principal.sees(&state, customer).await;
            seen.map_err(|err| if err.body.status == 404 { unknown(number) } else { err })?;
            let history = history_of(&state, customer).await?;
            let again = Statement::of_customer(&books, closed, drawn, customer, &history);
            again.map(Json).map_err(|err| unbilled(&err))
        }
        Party::Reseller(reseller) => {
            if !is_theirs(&principal, reseller) {
                return Err(unknown(number));
            }
            of_all_customers(&state, &books, closed, drawn).await.map(Json)
        }
    }
}

/// Whether the caller may read a reseller's statements.
fn is_theirs(principal: &Principal, reseller: &ResellerId) -> bool {
    match &principal.scope {
        Scope::All => true,
        Scope::Reseller(own) => own == reseller,
        Scope::Customer(_) => false,
    }
}

async fn of_all_customers(
    state: &AppState,
    books: &Books,
    closed: &Closed,
    drawn: &StatementDrawn,
) -> Result<Statement, Problem> {
    let period = closed.what.period;
    let keeping = Draw::new(books, period).keeping(drawn.party.clone());
    let again = draw(state, keeping, Some(closed.what.through), period.last()).await?;
    Statement::of_reseller(books, closed, drawn, &again).map_err(|err| unbilled(&err))
}

/// Everything that happened to a customer that the caller sees.
async fn known(
    state: &AppState,
    principal: &Principal,
    customer: &CustomerId,
) -> Result<Vec<Recorded>, Problem> {
    principal.sees(state, customer).await?;
    history_of(state, customer).await
}

fn unknown(number: u64) -> Problem {
    let detail = format!("There is no statement {}, or it is not yours.", statement_number(number));
    Problem::new(Kind::StatementUnknown, detail)
}

pub(super) fn unbilled(err: &StatementError) -> Problem {
    match err {
        StatementError::Bill(BillError::RateMissing { from, to, day }) => {
            let (from, to, day) = (*from, *to, *day);
            let rejection = Rejection::ExchangeRateMissing { from, to, day };
            Problem::refused(&Refusal::from(&rejection))
        }
        StatementError::Bill(BillError::Money(err)) => Problem::internal(err),
        StatementError::Differs(what) => {
            tracing::error!(
                what,
                "a statement is not what was recorded when its period was closed"
            );
            let detail = format!(
                "The ledger shows nothing of it: {what}. Run replay-tool verify, and do not send it."
            );
            Problem::new(Kind::StatementDiffers, detail)
        }
    }
}
