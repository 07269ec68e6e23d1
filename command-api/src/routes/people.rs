//! What is known of people: kept sealed, read with the customer's key, erased with it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use ledger_core::customer::{Command, EraseCustomer, NameUser, Person, Rejection};
use ledger_core::ids::{CustomerId, Reason, SealedText, UserId};
use ledger_core::personal::{Field, PersonalError, PersonalKeys};
use ledger_core::record::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CommandAnswers, CommandHeaders, Problems};
use crate::auth::Principal;
use crate::command::{Envelope, for_customer};
use crate::extract::{At, NoQuery, Sent};
use crate::problem::{Kind, Problem};
use crate::state::AppState;
use crate::wire::{CommandQuery, EraseBody};

/// Keeps a user's name and e-mail address; what is left out is removed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameBody {
    /// Why. It is kept as it is: it must not name anybody.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// The user's name; sealed before it is recorded.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// The user's e-mail address; sealed before it is recorded.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub email: Option<String>,
}

/// What is known of a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnownUser {
    /// The user.
    #[schema(value_type = String)]
    pub user: UserId,
    /// The name; null when none is known.
    pub name: Option<String>,
    /// The e-mail address; null when none is known.
    pub email: Option<String>,
}

/// Keeps a user's name and e-mail address. They are encrypted under the customer's own key before anything
/// is recorded.
#[utoipa::path(post, path = "/v1/customers/{customer}/users/{user}/name", tag = "people",
    request_body = NameBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("user" = String, Path), CommandQuery, CommandHeaders))]
pub(crate) async fn name(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, user)): At<(CustomerId, UserId)>,
    envelope: Envelope,
    Sent(body): Sent<NameBody>,
) -> Result<Response, Problem> {
    principal.sees(&state, &customer).await?;
    let known = state.ledger.customer(&customer).await?;
    let is_first = known.as_ref().is_none_or(|(known, _)| known.people.is_empty());
    if known.is_some_and(|(known, _)| known.is_erased) {
        // No new key for what cannot be kept any more.
        let rejection = Rejection::CustomerErased { customer };
        return Err(Problem::refused(&Refusal::from(&rejection)));
    }
    let NameBody { reason, name, email } = body;
    let keys = Arc::clone(&state.people);
    let (of, who) = (customer.clone(), user.clone());
    let seal = move |field, text: Option<String>| {
        text.map(|text| keys.seal(&of, &who, field, &text, is_first)).transpose()
    };
    let sealed = blocking(move || Ok((seal(Field::Name, name)?, seal(Field::Email, email)?)));
    let (name, email) = sealed.await?;
    let command = Command::NameUser(NameUser { user, name, email });
    for_customer(&state, principal, envelope, customer, (reason, command)).await
}

/// Returns a user's name and e-mail address.
#[utoipa::path(get, path = "/v1/customers/{customer}/users/{user}/name", tag = "people",
    params(("customer" = String, Path), ("user" = String, Path)),
    responses((status = 200, body = KnownUser), Problems))]
pub(crate) async fn known(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, user)): At<(CustomerId, UserId)>,
    _: NoQuery,
) -> Result<Json<KnownUser>, Problem> {
    principal.sees(&state, &customer).await?;
    let known = state.ledger.customer(&customer).await?;
    let (mut known, _) = known.ok_or_else(|| Problem::customer_unknown(&customer))?;
    let nothing = Person { name: None, email: None };
    let person = known.people.remove(&user).unwrap_or(nothing);
    let keys = Arc::clone(&state.people);
    let who = user.clone();
    let open = move |field, sealed: Option<SealedText>| {
        sealed.map(|sealed| keys.open(&customer, &who, field, &sealed)).transpose()
    };
    let opened =
        blocking(move || Ok((open(Field::Name, person.name)?, open(Field::Email, person.email)?)));
    let (name, email) = opened.await?;
    Ok(Json(KnownUser { user, name, email }))
}

/// Closes an account for good and destroys the key of everything about people in it. Nothing in it may run
/// any more. The history stays, and its proofs hold; names and e-mail addresses can never be read again.
#[utoipa::path(post, path = "/v1/customers/{customer}/erase", tag = "people",
    request_body = EraseBody, responses(CommandAnswers),
    params(("customer" = String, Path), CommandQuery, CommandHeaders))]
pub(crate) async fn erase(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    envelope: Envelope,
    Sent(body): Sent<EraseBody>,
) -> Result<Response, Problem> {
    let asked = (body.reason, Command::EraseCustomer(EraseCustomer {}));
    if envelope.dry_run {
        return for_customer(&state, principal, envelope, customer, asked).await;
    }
    principal.sees(&state, &customer).await?;
    let (keys, of) = (Arc::clone(&state.people), customer.clone());
    blocking(move || keys.announce(&of)).await?;
    let answer = for_customer(&state, principal, envelope, customer.clone(), asked).await;
    settle(&state, customer).await?;
    answer
}

/// Destroys the keys of the customers that were erased before the server stopped in the middle of it.
///
/// # Errors
///
/// A defect of the disk, or a customer that cannot be read.
pub async fn finish_erasures(state: &AppState) -> Result<(), Problem> {
    let keys = Arc::clone(&state.people);
    for customer in blocking(move || keys.announced()).await? {
        settle(state, customer).await?;
    }
    Ok(())
}

/// What was announced is done or is taken back, as the ledger has it.
async fn settle(state: &AppState, customer: CustomerId) -> Result<(), Problem> {
    let known = state.ledger.customer(&customer).await?;
    let is_erased = known.is_some_and(|(known, _)| known.is_erased);
    let keys: Arc<PersonalKeys> = Arc::clone(&state.people);
    blocking(move || if is_erased { keys.destroy(&customer) } else { keys.withdraw(&customer) })
        .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PersonalError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|err| Problem::internal(&err))?.map_err(|err| match err {
        PersonalError::Text(_) => Problem::new(Kind::ValueInvalid, format!("{err}.")),
        PersonalError::Missing(_) | PersonalError::Damaged(_) | PersonalError::Foreign(_) => {
            Problem::new(Kind::PersonalKeyLost, format!("{err}."))
        }
        PersonalError::Io { .. } | PersonalError::Random(_) => Problem::internal(&err),
    })
}
