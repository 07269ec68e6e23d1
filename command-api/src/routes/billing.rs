//! Taxes, margins, exchange rates, billing periods, and vendors' invoices compared.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use ledger_core::billing::{
    Books, Closed, Draw, Drawn, OpenPeriod, OpenPeriods, PeriodTotals, statement_number, sum_up,
};
use ledger_core::calendar::Month;
use ledger_core::customer::{
    BillingTermsSet, ExchangeRatesImported, Party, ReconciliationRecorded, Rejection,
    StatementDrawn, StatementTotals,
};
use ledger_core::ids::StreamId;
use ledger_core::money::MoneyError;
use ledger_core::record::Recorded;
use ledger_core::store::CommitLog;
use serde::Serialize;
use utoipa::ToSchema;

use super::{CommandAnswers, CommandHeaders, Problems, page};
use crate::auth::{Action, Principal};
use crate::command::{Ask, Envelope, run};
use crate::extract::{Asked, At, NoQuery, Sent};
use crate::problem::{Kind, Problem};
use crate::state::AppState;
use crate::wire::{
    Asks, BillingTermsBody, ClosePeriodBody, CommandQuery, ExchangeRatesBody, List, ListQuery,
    ReconciliationBody,
};

/// Sets how bills are made out from a month on: issuer, taxes, margins and currencies.
#[utoipa::path(post, path = "/v1/billing/terms", tag = "billing", request_body = BillingTermsBody,
    params(CommandQuery, CommandHeaders), responses(CommandAnswers))]
pub(crate) async fn set_terms(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    envelope: Envelope,
    Sent(body): Sent<BillingTermsBody>,
) -> Result<Response, Problem> {
    command(&state, principal, envelope, (), body).await
}

/// Imports exchange rates that hold from a day on.
#[utoipa::path(post, path = "/v1/billing/exchange-rates", tag = "billing",
    request_body = ExchangeRatesBody, params(CommandQuery, CommandHeaders),
    responses(CommandAnswers))]
pub(crate) async fn import_rates(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    envelope: Envelope,
    Sent(body): Sent<ExchangeRatesBody>,
) -> Result<Response, Problem> {
    command(&state, principal, envelope, (), body).await
}

/// Closes a billing period: draws and numbers every statement of it. Reads the whole log.
#[utoipa::path(post, path = "/v1/billing/periods/{period}/close", tag = "billing",
    request_body = ClosePeriodBody,
    params(("period" = String, Path), CommandQuery, CommandHeaders), responses(CommandAnswers))]
pub(crate) async fn close(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(period): At<Month>,
    envelope: Envelope,
    Sent(body): Sent<ClosePeriodBody>,
) -> Result<Response, Problem> {
    principal.may(Action::Bill)?;
    let _alone = state.full_reads.lock().await;
    command(&state, principal, envelope, (period,), body).await
}

/// Records what came of comparing a vendor's invoice file with the ledger.
#[utoipa::path(post, path = "/v1/billing/reconciliations", tag = "billing",
    request_body = ReconciliationBody, params(CommandQuery, CommandHeaders),
    responses(CommandAnswers))]
pub(crate) async fn record_reconciliation(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    envelope: Envelope,
    Sent(body): Sent<ReconciliationBody>,
) -> Result<Response, Problem> {
    command(&state, principal, envelope, (), body).await
}

async fn command<B: Asks>(
    state: &AppState,
    principal: Principal,
    envelope: Envelope,
    of: B::Of,
    body: B,
) -> Result<Response, Problem> {
    principal.may(Action::Bill)?;
    let (reason, command) = body.into_parts(of, &envelope.command_id);
    let ask = Ask { stream: StreamId::Billing, command, reason, actor: principal.actor };
    Ok(run(state, envelope, ask).await)
}

/// Lists all billing terms, by their first month.
#[utoipa::path(get, path = "/v1/billing/terms", tag = "billing", params(ListQuery),
    responses((status = 200, description = "Each with version, from and terms", body = Object),
        Problems))]
pub(crate) async fn terms(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<BillingTermsSet>>, Problem> {
    let books = readable(&state, &principal, &query)?;
    Ok(Json(page(books.all_terms().cloned(), &query, |set| set.from.to_string())?))
}

/// Lists all exchange rates, by the first day of charges they hold for.
#[utoipa::path(get, path = "/v1/billing/exchange-rates", tag = "billing", params(ListQuery),
    responses((status = 200, description = "Each with id, date, from and rates", body = Object),
        Problems))]
pub(crate) async fn rates(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<ExchangeRatesImported>>, Problem> {
    let books = readable(&state, &principal, &query)?;
    Ok(Json(page(books.all_rates().cloned(), &query, |set| set.from.to_string())?))
}

/// Lists what came of comparing vendors' invoices, in the order in which it was recorded.
#[utoipa::path(get, path = "/v1/billing/reconciliations", tag = "billing", params(ListQuery),
    responses((status = 200, description = "Each with file, sha256, period, through and totals",
        body = Object), Problems))]
pub(crate) async fn reconciliations(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<ReconciliationRecorded>>, Problem> {
    let books = readable(&state, &principal, &query)?;
    let all = books.reconciliations().iter().cloned().enumerate();
    let List { data, has_more, next } = page(all, &query, |(index, _)| format!("{index:020}"))?;
    let data = data.into_iter().map(|(_, recorded)| recorded).collect();
    Ok(Json(List { data, has_more, next }))
}

fn readable(
    state: &AppState,
    principal: &Principal,
    query: &ListQuery,
) -> Result<Arc<Books>, Problem> {
    principal.may(Action::ReadBilling)?;
    state.check_position(query.min_position)?;
    Ok(state.ledger.books())
}

/// A billing period.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PeriodDocument {
    /// The month, such as `2024-03`.
    #[schema(value_type = String)]
    pub period: Month,
    /// Whether its lines, totals and statements never change again.
    pub is_closed: bool,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Position of the last commit that counts.
    pub through: Option<u64>,
    /// RFC 6962 root over all commits up to there, in hexadecimal digits.
    pub root: Option<String>,
    /// The terms that bills are made out under.
    pub terms: Option<String>,
    /// Charge lines in it; of an open period, so far.
    pub lines: u64,
    /// What they come to, for customers and for resellers, by currency.
    #[schema(value_type = Vec<Object>)]
    pub totals: Vec<PeriodTotals>,
    /// Why it cannot be closed yet; lines that cannot be billed are not in the totals.
    pub problem: Option<String>,
}

impl PeriodDocument {
    fn closed(closed: &Closed) -> Result<Self, MoneyError> {
        let what = &closed.what;
        Ok(Self {
            period: what.period,
            is_closed: true,
            closed_at: Some(closed.closed_at),
            through: Some(what.through),
            root: Some(what.root.clone()),
            terms: what.terms.clone(),
            lines: what.lines,
            totals: sum_up(&what.statements)?,
            problem: None,
        })
    }

    fn open(books: &Books, open: OpenPeriod) -> Self {
        let OpenPeriod { period, lines, totals, problem } = open;
        let terms = books.terms(period).map(|set| set.version.clone());
        let untold = || terms.is_none().then(|| Rejection::NoBillingTerms { period }.to_string());
        let problem = problem.or_else(untold);
        Self {
            period,
            is_closed: false,
            closed_at: None,
            through: None,
            root: None,
            terms,
            lines,
            totals,
            problem,
        }
    }
}

/// A statement as its period lists it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatementRow {
    /// Its number; null while the period is open.
    pub number: Option<String>,
    /// Whose it is: `{"customer": ID}` or `{"reseller": ID}`.
    #[schema(value_type = Object)]
    pub party: Party,
    /// What it sums up to.
    #[schema(value_type = Object)]
    pub totals: StatementTotals,
    /// SHA-256 of its lines, in hexadecimal digits.
    pub sha256: String,
}

impl StatementRow {
    fn of(drawn: StatementDrawn, is_closed: bool) -> Self {
        let StatementDrawn { number, party, totals, sha256 } = drawn;
        let number = is_closed.then(|| statement_number(number));
        Self { number, party, totals, sha256 }
    }
}

/// A billing period with its statements.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PeriodWithStatements {
    /// The period.
    #[serde(flatten)]
    pub period: PeriodDocument,
    /// Its statements: those of customers, then those of resellers.
    pub statements: Vec<StatementRow>,
}

/// Lists the billing periods: the closed ones, and what the open ones come to so far.
///
/// Reads the whole log for the open ones.
#[utoipa::path(get, path = "/v1/billing/periods", tag = "billing", params(ListQuery),
    responses((status = 200, body = List<PeriodDocument>), Problems))]
pub(crate) async fn periods(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<PeriodDocument>>, Problem> {
    let books = readable(&state, &principal, &query)?;
    let today = state.now().date_naive();
    let mut open = OpenPeriods::new(&books);
    each_commit(&state, None, |recorded| open.add(recorded)).await?;
    let open = open.finish(today).map_err(|err| Problem::internal(&err))?;
    let closed = books.closed().map(PeriodDocument::closed).collect::<Result<Vec<_>, _>>();
    let mut all = closed.map_err(|err| Problem::internal(&err))?;
    all.extend(open.into_iter().map(|open| PeriodDocument::open(&books, open)));
    Ok(Json(page(all, &query, |it| it.period.to_string())?))
}

/// Returns a billing period with its statements; an open one with what they come to so far.
///
/// Reads the whole log for an open one.
#[utoipa::path(get, path = "/v1/billing/periods/{period}", tag = "billing",
    params(("period" = String, Path)),
    responses((status = 200, body = PeriodWithStatements), Problems))]
pub(crate) async fn period(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(period): At<Month>,
    _: NoQuery,
) -> Result<Json<PeriodWithStatements>, Problem> {
    principal.may(Action::ReadBilling)?;
    let books = state.ledger.books();
    if let Some(closed) = books.closed_period(period) {
        let document = PeriodDocument::closed(closed).map_err(|err| Problem::internal(&err))?;
        let rows = closed.what.statements.iter().cloned();
        let statements = rows.map(|drawn| StatementRow::of(drawn, true)).collect();
        return Ok(Json(PeriodWithStatements { period: document, statements }));
    }
    let until = begun(&state, period)?;
    let drawn = draw(&state, Draw::new(&books, period), None, until).await?;
    let problem = drawn.missing_rate.map(|(from, to, day)| {
        let missing = ledger_core::billing::BillError::RateMissing { from, to, day };
        missing.to_string()
    });
    let totals = sum_up(&drawn.statements).map_err(|err| Problem::internal(&err))?;
    let open = OpenPeriod { period, lines: drawn.lines, totals, problem };
    let document = PeriodDocument::open(&books, open);
    let rows = drawn.statements.into_iter();
    let statements = rows.map(|drawn| StatementRow::of(drawn, false)).collect();
    Ok(Json(PeriodWithStatements { period: document, statements }))
}

/// The last day of a period that has come; a problem when none has.
///
/// # Errors
///
/// [`Kind::PeriodUnknown`].
pub(crate) fn begun(state: &AppState, period: Month) -> Result<NaiveDate, Problem> {
    let today = state.now().date_naive();
    if today < period.first() {
        let detail = format!("The billing period {period} has not begun.");
        return Err(Problem::new(Kind::PeriodUnknown, detail));
    }
    Ok(period.last().min(today))
}

/// Draws a period from the log, up to the commit at `through` if one is given.
///
/// # Errors
///
/// The problem of a log that cannot be read.
pub(crate) async fn draw(
    state: &AppState,
    mut draw: Draw<'_>,
    through: Option<u64>,
    until: NaiveDate,
) -> Result<Drawn, Problem> {
    each_commit(state, through, |recorded| draw.add(recorded)).await?;
    draw.finish_on(until).map_err(|err| Problem::internal(&err))
}

/// Hands every commit of the log to `visit`, up to the one at `through` if it is given.
async fn each_commit(
    state: &AppState,
    through: Option<u64>,
    mut visit: impl FnMut(&Recorded) -> Result<(), MoneyError>,
) -> Result<(), Problem> {
    let _alone = state.full_reads.lock().await;
    let mut commits = state.ledger.log().read_from(1);
    while let Some(stored) = commits.try_next().await? {
        if through.is_some_and(|through| through < u64::from(stored.sequence_number())) {
            break;
        }
        let recorded = Recorded::read(stored).map_err(|err| Problem::internal(&err))?;
        visit(&recorded).map_err(|err| Problem::internal(&err))?;
    }
    Ok(())
}
