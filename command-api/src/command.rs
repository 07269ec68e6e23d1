//! The way of every command: headers to request, ledger, answer. Preview and commit differ in one call.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger_core::customer::{Command, SCHEDULED};
use ledger_core::ids::{Actor, CommandId, CustomerId, Reason, StreamId};
use ledger_core::ledger::{Outcome, Preview, Request};
use ledger_core::record::EventEntry;

use crate::auth::{Principal, authorize};
use crate::extract::Asked;
use crate::problem::{IDEMPOTENCY_HIT, Kind, Problem};
use crate::state::AppState;
use crate::tokens::random_hex;
use crate::wire::{CommandQuery, Done, Previewed};

/// Request and answer header with the caller's id of a command.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Request header that ties together what one business transaction causes.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// What the headers and the query say about a command.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The caller's id of the command, or a random one.
    pub command_id: CommandId,
    /// The version the caller has seen.
    pub expected_version: Option<u64>,
    /// Ties together what one business transaction causes.
    pub correlation_id: Option<CommandId>,
    /// Whether nothing is to be recorded.
    pub dry_run: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Envelope {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Asked(CommandQuery { dry_run }) = Asked::from_request_parts(parts, state).await?;
        Self::read(&parts.headers, dry_run)
    }
}

impl Envelope {
    /// Reads the headers of a command.
    ///
    /// # Errors
    ///
    /// [`Kind::HeaderInvalid`].
    pub fn read(headers: &HeaderMap, dry_run: bool) -> Result<Self, Problem> {
        let command_id = match id_header(headers, &IDEMPOTENCY_KEY)? {
            Some(id) => own_id(id)?,
            None => random_id()?,
        };
        let correlation_id = id_header(headers, &CORRELATION_ID)?;
        Ok(Self { command_id, expected_version: if_match(headers)?, correlation_id, dry_run })
    }
}

/// Refuses an id that only the scheduler uses.
///
/// # Errors
///
/// [`Kind::HeaderInvalid`].
pub fn own_id(id: CommandId) -> Result<CommandId, Problem> {
    let begins = id.as_str().split_once('/').map(|(word, _)| word);
    if let Some((_, word)) = SCHEDULED.iter().find(|(_, word)| Some(*word) == begins) {
        let detail = format!(
            "An Idempotency-Key must not start with {word}/: whoever used up an id of the \
             scheduler would stop it."
        );
        return Err(Problem::new(Kind::HeaderInvalid, detail));
    }
    Ok(id)
}

/// A command id that nobody has used.
///
/// # Errors
///
/// A defect when the system gives no random numbers.
pub fn random_id() -> Result<CommandId, Problem> {
    let id = random_hex().map_err(|err| Problem::internal(&err))?;
    CommandId::try_new(id).map_err(|err| Problem::internal(&err))
}

/// The header's value; two of them may contradict each other.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        let detail = format!("The header {name} is there more than once.");
        return Err(Problem::new(Kind::HeaderInvalid, detail));
    }
    Ok(value)
}

fn id_header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<CommandId>, Problem> {
    let Some(value) = single(headers, name)? else { return Ok(None) };
    let id = value.to_str().map_err(|_| "it is not ASCII text".to_owned());
    let id = id.and_then(|text| CommandId::try_new(text).map_err(|err| err.to_string()));
    let id = id.map_err(|reason| {
        Problem::new(Kind::HeaderInvalid, format!("The header {name} is not valid: {reason}."))
    })?;
    Ok(Some(id))
}

fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = single(headers, &header::IF_MATCH)? else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| {
        let digits = text.trim().strip_prefix('"')?.strip_suffix('"')?;
        digits.chars().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    });
    version.map(Some).ok_or_else(|| {
        let detail = "The header If-Match must be the ETag of an earlier answer, such as \"7\".";
        Problem::new(Kind::HeaderInvalid, detail)
    })
}

/// The `ETag` of a version.
pub(crate) fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits and quotes make a header")
}

/// A command with who asks and why.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Whose stream.
    pub stream: StreamId,
    /// What.
    pub command: Command,
    /// Why.
    pub reason: Reason,
    /// Who.
    pub actor: Actor,
}

/// Carries a customer's command out if the caller may send it.
///
/// # Errors
///
/// The problem of a caller who may not; all others are in the answer.
pub async fn for_customer(
    state: &AppState,
    principal: Principal,
    envelope: Envelope,
    customer: CustomerId,
    (reason, command): (Reason, Command),
) -> Result<Response, Problem> {
    authorize(state, &principal, &customer, &command).await?;
    let stream = StreamId::Customer(customer);
    Ok(run(state, envelope, Ask { stream, command, reason, actor: principal.actor }).await)
}

/// Carries a command out, or says what it would do. Every answer names the command's id.
pub async fn run(state: &AppState, envelope: Envelope, ask: Ask) -> Response {
    let key = HeaderValue::try_from(envelope.command_id.as_str());
    let answer = answer(state, envelope, ask).await;
    let mut answer = answer.unwrap_or_else(IntoResponse::into_response);
    if let Ok(key) = key {
        answer.headers_mut().insert(IDEMPOTENCY_KEY, key);
    }
    answer
}

async fn answer(state: &AppState, envelope: Envelope, ask: Ask) -> Result<Response, Problem> {
    let stream = ask.stream.clone();
    let dry_run = envelope.dry_run;
    let is_new = makes_something(&ask.command);
    let request = request(state, envelope, ask);
    if dry_run {
        return Ok(previewed(&stream, state.ledger.preview(request).await?));
    }
    done(stream.customer().cloned(), state.execute(request).await?, is_new)
}

/// The request for the ledger, dated by the clock.
#[must_use]
pub fn request(state: &AppState, envelope: Envelope, ask: Ask) -> Request {
    let Envelope { command_id, expected_version, correlation_id, dry_run: _ } = envelope;
    let Ask { stream, command, reason, actor } = ask;
    Request {
        stream,
        command,
        command_id,
        actor,
        reason,
        now: state.now(),
        correlation_id,
        causation_id: None,
        expected_version,
    }
}

/// Whether what a command leads to is answered with 201.
pub(crate) const fn makes_something(command: &Command) -> bool {
    matches!(
        command,
        Command::RegisterCustomer(_)
            | Command::Purchase(_)
            | Command::StartTrial(_)
            | Command::RequestQuantity(_)
            | Command::ImportOpeningBalance(_)
    )
}

/// The status of a command that was carried out.
pub(crate) const fn status(is_new: bool, outcome: &Outcome) -> StatusCode {
    if is_new && outcome.recorded.is_some() { StatusCode::CREATED } else { StatusCode::OK }
}

fn done(customer: Option<CustomerId>, outcome: Outcome, is_new: bool) -> Result<Response, Problem> {
    let (status, version, hit) = (status(is_new, &outcome), outcome.version, outcome.hit);
    let body = Done::of(customer, outcome).map_err(|err| Problem::internal(&err))?;
    let mut answer = (status, axum::Json(body)).into_response();
    answer.headers_mut().insert(header::ETAG, etag(version));
    if hit {
        answer.headers_mut().insert(IDEMPOTENCY_HIT, HeaderValue::from_static("true"));
    }
    Ok(answer)
}

fn previewed(stream: &StreamId, preview: Preview) -> Response {
    let next = preview.version.saturating_add(1);
    let unchanged = preview.events.is_empty();
    let events = preview.events.into_iter().enumerate().map(|(index, event)| EventEntry {
        id: format!("{}/{next}.{}", stream.owner(), index.saturating_add(1)),
        event,
    });
    let body = Previewed {
        dry_run: true,
        customer: stream.customer().cloned(),
        version: preview.version,
        events: events.collect(),
        charge_lines: preview.charge_lines,
        warnings: preview.warnings,
        state: preview.customer.map(Box::new),
        unchanged,
    };
    let mut answer = axum::Json(body).into_response();
    answer.headers_mut().insert(header::ETAG, etag(preview.version));
    answer
}
