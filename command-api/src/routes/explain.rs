//! Why a line of a bill is what it is, and what an event or a command has cost.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger_core::billing::{Explanation, Known, Subject, explain};
use ledger_core::ids::{CommandId, CustomerId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Problems, history_of};
use crate::auth::{Principal, Scope};
use crate::extract::Asked;
use crate::problem::{Kind, Problem};
use crate::state::AppState;

/// Query of an explanation.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// Id of a charge line (`acme/3.1/1`, or `acme/s1/2024-02-29` of a charge cycle) or of an event
    /// (`acme/3.1`); with `customer`, of a command.
    pub id: String,
    /// Whose command it is.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub customer: Option<CustomerId>,
}

/// Explains a charge line, or tells what an event or a command has cost until now.
#[utoipa::path(get, path = "/v1/explain", tag = "billing", params(ExplainQuery),
    responses((status = 200, description = "With explains: line or cause", body = Object),
        Problems))]
pub(crate) async fn explain_id(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ExplainQuery>,
) -> Result<Json<Explanation>, Problem> {
    let (customer, subject) = subject(query)?;
    principal.sees(&state, &customer).await?;
    let history = history_of(&state, &customer).await?;
    let (books, catalogues) = (state.ledger.books(), state.ledger.catalogues());
    let until = state.now().date_naive();
    let known = Known { history: &history, books: &books, catalogues: &catalogues, until };
    let explanation = explain(known, &customer, &subject).map_err(|err| Problem::internal(&err))?;
    let explanation = explanation.ok_or_else(|| {
        let detail = format!("Nothing of this id has been charged or recorded for {customer}.");
        Problem::new(Kind::SubjectUnknown, detail)
    })?;
    Ok(Json(match &principal.scope {
        Scope::All => explanation,
        Scope::Reseller(own) => explanation.with_margins_of(Some(own)),
        Scope::Customer(_) => explanation.with_margins_of(None),
    }))
}

fn subject(query: ExplainQuery) -> Result<(CustomerId, Subject), Problem> {
    let ExplainQuery { id, customer } = query;
    let invalid =
        |what: &str| Problem::new(Kind::QueryInvalid, format!("The query is not valid: {what}."));
    match customer {
        Some(customer) => {
            let id = CommandId::try_new(id).map_err(|err| invalid(&format!("id: {err}")))?;
            Ok((customer, Subject::Command(id)))
        }
        None => Subject::read(&id).ok_or_else(|| {
            invalid(
                "the id is neither that of a line, such as acme/3.1/1 or acme/s1/2024-02-29, nor that \
                 of an event, such as acme/3.1; for a command, name the customer, too",
            )
        }),
    }
}
