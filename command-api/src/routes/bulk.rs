//! Bulk: one command per line in, one result per line out, in order. A slow reader slows it down.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures::{StreamExt, stream};
use ledger_core::customer::Command;
use ledger_core::ids::{CommandId, CustomerId, Reason, StreamId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::oneshot::{self, error::TryRecvError};
use utoipa::ToSchema;

use super::Problems;
use crate::auth::{Action, Principal, authorize};
use crate::command::{
    Ask, Envelope, IDEMPOTENCY_KEY, makes_something, own_id, random_id, request, status,
};
use crate::config::BULK_LINE_BYTES_MAX;
use crate::extract::{NoQuery, StrictObject, media_type, read_json, read_value};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::AppState;
use crate::wire::Done;

/// Lines of one request that are under way together.
const UNDER_WAY_MAX: usize = 256;

/// What became of one line.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkResult {
    /// Number of the line, from 1.
    pub line: u64,
    /// HTTP status that the command would have had by itself.
    pub status: u16,
    /// Id of the command, if the line could be read so far.
    #[schema(value_type = Option<String>)]
    pub command_id: Option<CommandId>,
    /// Whether this is the answer of an earlier request with the same id.
    pub hit: bool,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemBody>)]
    pub problem: Option<Problem>,
}

/// The fields of a line that are not the command's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    customer: CustomerId,
    reason: Reason,
    #[serde(default)]
    command_id: Option<CommandId>,
    #[serde(default)]
    expected_version: Option<u64>,
    #[serde(default)]
    correlation_id: Option<CommandId>,
}

const ADDRESS_FIELDS: [&str; 5] =
    ["customer", "reason", "command_id", "expected_version", "correlation_id"];

/// Carries out one command per line. A line that cannot be read or is refused gets a problem in its
/// place, and the rest goes on.
#[utoipa::path(post, path = "/v1/bulk", tag = "operation",
    request_body(content = String, content_type = "application/x-ndjson", description =
        "Lines such as {\"customer\": \"acme\", \"reason\": \"...\", \"command\": \"AddSeats\", \
         \"subscription\": \"s1\", \"seats\": 2}; also command_id, expected_version and correlation_id"),
    responses((status = 200, body = BulkResult, content_type = "application/x-ndjson"), Problems))]
pub(crate) async fn bulk(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    _: NoQuery,
    request: Request,
) -> Result<Response, Problem> {
    refuse_headers(request.headers())?;
    principal.may(Action::Command)?;
    let media_type = media_type(request.headers());
    if media_type != "application/x-ndjson" && media_type != "application/ndjson" {
        let detail = format!(
            "The body must be application/x-ndjson, and this one is said to be {media_type}."
        );
        return Err(Problem::new(Kind::MediaTypeUnsupported, detail));
    }
    let lines = stream::unfold(Lines::of(request.into_body()), |mut lines| async {
        Some((lines.next().await?, lines))
    });
    let caller = Arc::new((state, principal));
    let mut turns = Turns::default();
    let results = lines.map(move |(number, line)| {
        let asked = line.and_then(|line| read(&line));
        let mut turn = turns.next(asked.as_ref().ok().map(|(address, _)| &address.customer));
        let caller = Arc::clone(&caller);
        async move {
            // A task of its own: a caller who does not read the answers holds nobody else up.
            let line = tokio::spawn(async move {
                turn.come().await;
                let (state, principal) = &*caller;
                result(state, principal, number, asked, turn).await
            });
            let result = line.await.unwrap_or_else(|err| {
                let problem = Problem::internal(&err);
                BulkResult::of_problem(number, None, problem)
            });
            serde_json::to_string(&result).map(|json| json + "\n")
        }
    });
    // What is ready is sent together: a piece of its own for every line would cost more than the line.
    let results = results.buffered(UNDER_WAY_MAX).ready_chunks(UNDER_WAY_MAX);
    let results = results.map(|lines| lines.into_iter().collect::<Result<String, _>>());
    let media_type = HeaderValue::from_static("application/x-ndjson");
    Ok(([(header::CONTENT_TYPE, media_type)], Body::from_stream(results)).into_response())
}

/// Refuses headers that would have to hold for one command only.
fn refuse_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let fields = [(IDEMPOTENCY_KEY, "command_id"), (header::IF_MATCH, "expected_version")];
    match fields.iter().find(|(name, _)| headers.contains_key(name)) {
        None => Ok(()),
        Some((name, field)) => {
            let detail = format!(
                "The header {name} does not hold for many commands; put the field {field} into each \
                 line instead."
            );
            Err(Problem::new(Kind::HeaderInvalid, detail))
        }
    }
}

async fn result(
    state: &AppState,
    principal: &Principal,
    line: u64,
    asked: Result<(Address, Command), Problem>,
    turn: Turn,
) -> BulkResult {
    let mut command_id = None;
    match carry_out(state, principal, asked, &mut command_id, turn).await {
        Ok((done, status, hit)) => BulkResult {
            line,
            status: status.as_u16(),
            command_id,
            hit,
            done: Some(done),
            problem: None,
        },
        Err(problem) => BulkResult::of_problem(line, command_id, problem),
    }
}

impl BulkResult {
    fn of_problem(line: u64, command_id: Option<CommandId>, problem: Problem) -> Self {
        let (status, hit) = (problem.body.status, problem.is_hit());
        Self { line, status, command_id, hit, done: None, problem: Some(problem) }
    }
}

async fn carry_out(
    state: &AppState,
    principal: &Principal,
    asked: Result<(Address, Command), Problem>,
    command_id: &mut Option<CommandId>,
    turn: Turn,
) -> Result<(Done, StatusCode, bool), Problem> {
    let (address, command) = asked?;
    let id = match address.command_id {
        Some(id) => own_id(id)?,
        None => random_id()?,
    };
    *command_id = Some(id.clone());
    authorize(state, principal, &address.customer, &command).await?;
    let envelope = Envelope {
        command_id: id,
        expected_version: address.expected_version,
        correlation_id: address.correlation_id,
        dry_run: false,
    };
    let is_new = makes_something(&command);
    let stream = StreamId::Customer(address.customer.clone());
    let (reason, actor) = (address.reason, principal.actor.clone());
    let request = request(state, envelope, Ask { stream, command, reason, actor });
    let outcome = state.execute_in_turn(request, turn).await?;
    let (status, hit) = (status(is_new, &outcome), outcome.hit);
    let done = Done::of(Some(address.customer), outcome);
    Ok((done.map_err(|err| Problem::internal(&err))?, status, hit))
}

fn read(line: &[u8]) -> Result<(Address, Command), Problem> {
    let StrictObject(fields) = read_json(line)?;
    let is_address = |name: &String| ADDRESS_FIELDS.contains(&name.as_str());
    let (address, command): (Map<_, _>, Map<_, _>) =
        fields.into_iter().partition(|(name, _)| is_address(name));
    let address = read_value(Value::Object(address))?;
    let command = read_value(Value::Object(command))?;
    if matches!(command, Command::NameUser(_) | Command::EraseCustomer(_)) {
        let detail = format!("{} has an address of its own, because of keys.", command.name());
        return Err(Problem::new(Kind::ValueInvalid, detail));
    }
    Ok((address, command))
}

/// Who comes after whom: a customer's lines follow each other, those of others do not wait.
#[derive(Default)]
struct Turns {
    /// The end of the turn of each customer's last line.
    last: BTreeMap<CustomerId, oneshot::Receiver<Infallible>>,
}

/// A line's turn; it ends when this is dropped, once the line's command has its place.
struct Turn {
    before: Option<oneshot::Receiver<Infallible>>,
    _end: Option<oneshot::Sender<Infallible>>,
}

impl Turns {
    /// The turn of the next line, which comes after all earlier ones of the same customer.
    fn next(&mut self, customer: Option<&CustomerId>) -> Turn {
        let Some(customer) = customer else { return Turn { before: None, _end: None } };
        if 2 * UNDER_WAY_MAX <= self.last.len() {
            self.last.retain(|_, end| end.try_recv() == Err(TryRecvError::Empty));
        }
        let (end, ended) = oneshot::channel();
        Turn { before: self.last.insert(customer.clone(), ended), _end: Some(end) }
    }
}

impl Turn {
    /// Waits for the turn.
    async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent: it ends with the line before.
            let _ = before.await;
        }
    }
}

/// The lines of a body, read no faster than they are asked for.
struct Lines {
    body: BodyDataStream,
    buffer: BytesMut,
    /// How much of `buffer` has been searched for the end of a line.
    searched: usize,
    number: u64,
    is_skipping: bool,
    is_ended: bool,
}

impl Lines {
    fn of(body: Body) -> Self {
        Self {
            body: body.into_data_stream(),
            buffer: BytesMut::new(),
            searched: 0,
            number: 0,
            is_skipping: false,
            is_ended: false,
        }
    }

    /// The next line that is not blank, with its number.
    async fn next(&mut self) -> Option<(u64, Result<Vec<u8>, Problem>)> {
        loop {
            while let Some(line) = self.cut() {
                // A body may be nothing but blank lines; others have their turn all the same.
                tokio::task::consume_budget().await;
                self.number = self.number.saturating_add(1);
                if std::mem::take(&mut self.is_skipping) {
                    continue;
                }
                if BULK_LINE_BYTES_MAX < line.len() {
                    return Some((self.number, Err(too_long())));
                }
                if !line.iter().all(u8::is_ascii_whitespace) {
                    return Some((self.number, Ok(line)));
                }
            }
            if self.is_skipping {
                self.clear();
            } else if BULK_LINE_BYTES_MAX < self.buffer.len() {
                self.clear();
                self.is_skipping = true;
                return Some((self.number.saturating_add(1), Err(too_long())));
            }
            if self.is_ended {
                return self.rest();
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend(bytes),
                Some(Err(_)) => {
                    self.clear();
                    self.is_ended = true;
                    let detail = "The body ended before it was complete; what came before is done.";
                    let broken = Problem::new(Kind::BodyMalformed, detail);
                    return Some((self.number.saturating_add(1), Err(broken)));
                }
                None => self.is_ended = true,
            }
        }
    }

    /// A whole line off the front of the buffer.
    fn cut(&mut self) -> Option<Vec<u8>> {
        let tail = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(found) = tail.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched.saturating_add(found);
        let mut line = self.buffer.split_to(end.saturating_add(1));
        line.truncate(end);
        self.searched = 0;
        Some(line.to_vec())
    }

    /// The last line when it has no end.
    fn rest(&mut self) -> Option<(u64, Result<Vec<u8>, Problem>)> {
        let line = std::mem::take(&mut self.buffer).to_vec();
        self.searched = 0;
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        self.number = self.number.saturating_add(1);
        Some((self.number, Ok(line)))
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.searched = 0;
    }
}

fn too_long() -> Problem {
    let detail = format!("The line has more than the {BULK_LINE_BYTES_MAX} bytes allowed.");
    Problem::new(Kind::LineTooLong, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(chunks: &[&str]) -> Vec<(u64, Result<String, String>)> {
        let chunks = chunks.iter().map(|chunk| Ok::<_, std::io::Error>((*chunk).to_owned()));
        let chunks: Vec<_> = chunks.collect();
        let mut lines = Lines::of(Body::from_stream(stream::iter(chunks)));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().await {
            let line = line.map(|bytes| String::from_utf8(bytes).unwrap());
            all.push((number, line.map_err(|problem| problem.body.code)));
        }
        all
    }

    #[tokio::test]
    async fn lines_do_not_depend_on_how_they_arrive() {
        let expected = vec![(1, Ok("ab".to_owned())), (3, Ok("c".to_owned()))];
        assert_eq!(lines(&["ab\n\nc"]).await, expected);
        assert_eq!(lines(&["a", "b\n", "\n", "c\n"]).await, expected);
        assert_eq!(lines(&[]).await, vec![]);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_does_not_take_the_next_one_with_it() {
        let long = "x".repeat(BULK_LINE_BYTES_MAX + 1);
        let expected = vec![(1, Err("LINE_TOO_LONG".to_owned())), (2, Ok("b".to_owned()))];
        assert_eq!(lines(&[&long, "xx", "\nb"]).await, expected);
    }
}
