//! The handlers of `/v1`: one file per resource, no rules.

pub mod backups;
pub mod billing;
pub mod bulk;
pub mod catalogue;
pub mod choices;
pub mod clock;
pub mod customers;
pub mod due;
pub mod explain;
pub mod forecast;
pub mod groups;
pub mod health;
pub mod history;
pub mod licences;
pub mod log;
pub mod metrics;
pub mod opening;
pub mod people;
pub mod portal;
pub mod prices;
pub mod proofs;
pub mod renewals;
pub mod requests;
pub mod statements;
pub mod subscriptions;
pub mod users;
pub mod views;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ledger_core::customer::Customer;
use ledger_core::ids::{CustomerId, StreamId};
use ledger_core::record::Recorded;
use projector::view_store::ViewStoreError;
use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::auth::Principal;
use crate::config::{LIMIT_DEFAULT, LIMIT_MAX};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::AppState;
use crate::wire::{Done, List, ListQuery, Previewed};

/// Declares handlers, each as `handler: Body, "tag", "address", what it names besides the customer`: it
/// carries out the command that the address and the body make.
macro_rules! commands {
    ($(
        $(#[$doc:meta])*
        $handler:ident: $Body:ident, $tag:literal, $address:literal
        $(, $id:ident: $Id:ident = $name:literal)*;
    )*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $address, tag = $tag, request_body = $Body,
            params(("customer" = String, Path), $(($name = String, Path),)* crate::wire::CommandQuery,
                crate::routes::CommandHeaders),
            responses(crate::routes::CommandAnswers))]
        pub(crate) async fn $handler(
            axum::extract::State(state): axum::extract::State<std::sync::Arc<crate::state::AppState>>,
            principal: crate::auth::Principal,
            crate::extract::At((customer, $($id,)*)): crate::extract::At<(
                ledger_core::ids::CustomerId,
                $($Id,)*
            )>,
            envelope: crate::command::Envelope,
            crate::extract::Sent(body): crate::extract::Sent<$Body>,
        ) -> Result<axum::response::Response, crate::problem::Problem> {
            let asked = crate::wire::Asks::into_parts(body, ($($id,)*), &envelope.command_id);
            crate::command::for_customer(&state, principal, envelope, customer, asked).await
        }
    )*};
}
pub(crate) use commands;

/// Headers of a command.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described, for the OpenAPI document")]
pub struct CommandHeaders {
    /// The caller's id of this command, kept across retries of it: visible ASCII, at most 255
    /// characters. A random one is made, and given in the answer, when it is left out.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
    /// The `ETag` of an earlier answer: the command is carried out only if nothing has changed since.
    #[param(rename = "If-Match", example = "\"7\"")]
    if_match: Option<String>,
    /// Ties together what one business transaction causes.
    #[param(rename = "X-Correlation-Id")]
    correlation_id: Option<String>,
}

/// What a command is answered with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum CommandAnswer {
    /// It was carried out.
    #[schema(title = "Done")]
    Done(Done),
    /// With `dry_run=true`: what would happen.
    #[schema(title = "Previewed")]
    Previewed(Previewed),
}

/// Answers of a command.
#[derive(Debug, IntoResponses)]
pub enum CommandAnswers {
    /// It was carried out, or was done before, or with `dry_run=true` what would happen.
    #[response(
        status = 200,
        headers(
            ("ETag", description = "The stream's version"),
            ("Idempotency-Key", description = "The command's id"),
            ("Idempotency-Hit", description = "true when this is the answer of an earlier request")
        )
    )]
    Done(#[to_schema] CommandAnswer),
    /// Something new was made.
    #[response(status = 201)]
    Made(#[to_schema] Done),
    /// It was not carried out; the code says why.
    #[response(status = "default", content_type = "application/problem+json")]
    Problem(#[to_schema] ProblemBody),
}

/// Answers of a failed read.
#[derive(Debug, IntoResponses)]
pub enum Problems {
    /// It cannot be read; the code says why.
    #[response(status = "default", content_type = "application/problem+json")]
    Problem(#[to_schema] ProblemBody),
}

/// The customer as the ledger has it now, if the caller sees it.
///
/// # Errors
///
/// The problem of an unknown customer, also for a customer of others.
pub(crate) async fn seen(
    state: &AppState,
    principal: &Principal,
    customer: &CustomerId,
) -> Result<Customer, Problem> {
    principal.sees(state, customer).await?;
    let known = state.ledger.customer(customer).await?;
    known.map(|(known, _)| known).ok_or_else(|| Problem::customer_unknown(customer))
}

/// Everything that happened to a customer.
async fn history_of(state: &AppState, customer: &CustomerId) -> Result<Vec<Recorded>, Problem> {
    let history = state.ledger.history(&StreamId::Customer(customer.clone())).await?;
    if history.is_empty() {
        return Err(Problem::customer_unknown(customer));
    }
    Ok(history)
}

/// The limit of a list.
///
/// # Errors
///
/// [`Kind::QueryInvalid`].
pub(crate) fn limit(query: &ListQuery) -> Result<usize, Problem> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || LIMIT_MAX < limit {
        let detail = format!("The limit must be from 1 to {LIMIT_MAX}.");
        return Err(Problem::new(Kind::QueryInvalid, detail));
    }
    usize::try_from(limit).map_err(|err| Problem::internal(&err))
}

/// The cursor of a key: its checksum, so that no other text passes for one, and the key.
pub(crate) fn cursor(key: &str) -> String {
    format!("{:08x}-{}", crc32c::crc32c(key.as_bytes()), URL_SAFE_NO_PAD.encode(key))
}

/// The key after which `query` goes on; none from the start.
///
/// # Errors
///
/// [`Kind::QueryInvalid`] for a cursor that was never handed out.
pub(crate) fn after(query: &ListQuery) -> Result<Option<String>, Problem> {
    let Some(text) = &query.cursor else { return Ok(None) };
    let key = text.split_once('-').and_then(|(_, key)| URL_SAFE_NO_PAD.decode(key).ok());
    let key = key.and_then(|key| String::from_utf8(key).ok());
    match key.filter(|key| cursor(key) == *text) {
        Some(key) => Ok(Some(key)),
        None => Err(ViewStoreError::NotACursor(text.clone()).into()),
    }
}

/// The part of `items`, which are in the order of their keys, that `query` asks for.
///
/// # Errors
///
/// [`Kind::QueryInvalid`].
pub(crate) fn page<T>(
    items: impl IntoIterator<Item = T>,
    query: &ListQuery,
    key: impl Fn(&T) -> String,
) -> Result<List<T>, Problem> {
    let limit = limit(query)?;
    let after = after(query)?;
    let follows = |item: &T| after.as_ref().is_none_or(|after| *after < key(item));
    let mut rest = items.into_iter().filter(follows);
    let data: Vec<T> = rest.by_ref().take(limit).collect();
    let has_more = rest.next().is_some();
    let next = if has_more { data.last().map(|last| cursor(&key(last))) } else { None };
    Ok(List { data, has_more, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(limit: u32, cursor: Option<&str>) -> ListQuery {
        ListQuery { limit: Some(limit), cursor: cursor.map(str::to_owned), min_position: None }
    }

    #[test]
    fn a_list_is_read_page_by_page() {
        let letters = || ["a", "b", "c"];
        let key = |letter: &&str| (*letter).to_owned();
        let first = page(letters(), &ask(2, None), key).unwrap();
        assert_eq!((first.data, first.has_more), (vec!["a", "b"], true));
        let second = page(letters(), &ask(2, first.next.as_deref()), key).unwrap();
        assert_eq!((second.data, second.has_more, second.next), (vec!["c"], false, None));
        for garbage in ["", "a", "-", "00000000-YQ", "zz", "c1d04330-YR"] {
            let refused = page(letters(), &ask(2, Some(garbage)), key).unwrap_err();
            assert_eq!(refused.body.code, "QUERY_INVALID", "{garbage}");
        }
        assert_eq!(page(letters(), &ask(0, None), key).unwrap_err().body.code, "QUERY_INVALID");
        assert_eq!(page(letters(), &ask(501, None), key).unwrap_err().body.code, "QUERY_INVALID");
    }
}
