//! Commands to a running server, over connections that stay open: one per request, or in bulk.

use std::fmt::Write;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use ledger_core::customer::{Command, EndOfTermAction};
use ledger_core::ids::CustomerId;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::load::{self, Asked, Load, REASON};
use super::measure::{Amount, Caller, Measured, Tally, run};
use crate::exit::Failure;
use crate::output::Output;

/// Commands in one bulk request.
pub const BULK_LINES: u64 = 1_000;

/// Customers prepared by one bulk request.
const PREPARED_AT_ONCE: u64 = 500;

/// Connections that prepare customers.
const PREPARERS: u16 = 8;

/// A server that lets us in.
#[derive(Clone)]
pub struct Target {
    authority: String,
    bearer: HeaderValue,
}

impl std::fmt::Debug for Target {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Target {
    /// The server at `url`, asked with `token`.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for an address that is not `http://HOST:PORT`.
    pub fn new(url: &str, token: &str) -> Result<Self, Failure> {
        let wrong = || Failure::Usage(format!("{url:?} is no address: write http://HOST:PORT"));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if uri.scheme_str() != Some("http") || !is_bare {
            return Err(wrong());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            Failure::Usage("the token has a character that cannot be sent".to_owned())
        })?;
        bearer.set_sensitive(true);
        Ok(Self { authority, bearer })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(&self.authority).await.map_err(|err| {
            Failure::Source(format!("{} cannot be reached: {err}", self.authority))
        })?;
        stream.set_nodelay(true).map_err(|err| broken(&err))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|err| broken(&err))?;
        // Its failures reach the requests.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let host = HeaderValue::try_from(&self.authority).map_err(|err| broken(&err))?;
        Ok(Connection { sender, host, bearer: self.bearer.clone() })
    }

    async fn connections(&self, count: u16) -> Result<Vec<Connection>, Failure> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.connect().await?);
        }
        Ok(all)
    }

    /// Registers the load's customers and buys their subscriptions, unless that was done before.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the server cannot be reached or refuses.
    pub async fn prepare(
        &self,
        customers: NonZeroU32,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let customers = u64::from(customers.get());
        let callers = self.connections(PREPARERS).await?;
        let callers = callers.into_iter().map(|connection| Preparer { connection, customers });
        let next = Arc::new(AtomicU64::new(0));
        let amount = Amount::Commands(customers);
        run(callers.collect(), amount, next, "preparing customers", output).await?;
        Ok(())
    }

    /// Measures commands over so many connections.
    ///
    /// # Errors
    ///
    /// [`Failure`] when a command fails for another reason than a rule.
    pub async fn measure(
        &self,
        run_id: &str,
        load: &Arc<Load>,
        connections: u16,
        is_bulk: bool,
        amount: Amount,
        output: &mut Output<'_>,
    ) -> Result<Measured, Failure> {
        let next = Arc::new(AtomicU64::new(0));
        let callers = self.connections(connections).await?.into_iter().map(|connection| {
            let (load, run_id) = (Arc::clone(load), run_id.to_owned());
            Asker { connection, load, run_id, is_bulk }
        });
        let what = format!("{connections} connections");
        run(callers.collect(), amount, next, &what, output).await
    }
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    bearer: HeaderValue,
}

impl Connection {
    async fn post(
        &mut self,
        path: &str,
        media_type: &'static str,
        id: Option<&str>,
        body: String,
    ) -> Result<(u16, Bytes), Failure> {
        let mut request = Request::post(path)
            .header(HOST, self.host.clone())
            .header(AUTHORIZATION, self.bearer.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(id) = id {
            request = request.header("idempotency-key", id);
        }
        let request = request.body(Full::from(body)).map_err(|err| broken(&err))?;
        self.sender.ready().await.map_err(|err| broken(&err))?;
        let answer = self.sender.send_request(request).await.map_err(|err| broken(&err))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|err| broken(&err))?;
        Ok((status, body.to_bytes()))
    }

    async fn bulk(&mut self, lines: String) -> Result<Vec<BulkLine>, Failure> {
        let (status, body) = self.post("/v1/bulk", "application/x-ndjson", None, lines).await?;
        if status != 200 {
            return Err(unexpected(status, &body));
        }
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let read = |line: &[u8]| serde_json::from_slice(line).map_err(|_| unexpected(status, line));
        lines.map(read).collect()
    }
}

/// What a result of a bulk request tells.
#[derive(Deserialize)]
struct BulkLine {
    status: u16,
    #[serde(default)]
    done: Option<DoneLine>,
    #[serde(default)]
    problem: Option<ProblemLine>,
}

#[derive(Deserialize)]
struct DoneLine {
    unchanged: bool,
}

#[derive(Deserialize)]
struct ProblemLine {
    code: String,
    detail: String,
}

/// Prepares customers in bulk.
struct Preparer {
    connection: Connection,
    customers: u64,
}

impl Caller for Preparer {
    async fn ask(&mut self, first: u64) -> Result<Tally, Failure> {
        let last = first.saturating_add(PREPARED_AT_ONCE).min(self.customers);
        let mut lines = String::new();
        for index in first..last {
            let index = usize::try_from(index).map_err(|err| broken(&err))?;
            let customer = load::customer(index)?;
            for (id, command) in load::preparation()? {
                add_line(&mut lines, &customer, id, &command)?;
            }
        }
        let mut tally = Tally::default();
        for line in self.connection.bulk(lines).await? {
            if let Some(ProblemLine { code, detail }) = line.problem {
                return Err(Failure::Source(format!(
                    "a customer cannot be prepared: {code}: {detail} The server needs the \
                     catalogue ledger-core/catalogues/seeds.toml, and an operator's token."
                )));
            }
            tally.done += 1;
        }
        Ok(tally)
    }

    fn step(&self) -> u64 {
        PREPARED_AT_ONCE
    }
}

/// Asks for what the load says.
struct Asker {
    connection: Connection,
    load: Arc<Load>,
    run_id: String,
    is_bulk: bool,
}

impl Caller for Asker {
    async fn ask(&mut self, first: u64) -> Result<Tally, Failure> {
        if self.is_bulk { self.many(first).await } else { self.one(first).await }
    }

    fn step(&self) -> u64 {
        if self.is_bulk { BULK_LINES } else { 1 }
    }
}

impl Asker {
    async fn one(&mut self, number: u64) -> Result<Tally, Failure> {
        let (path, body) = address(&self.load.nth(number)?)?;
        let id = format!("bench-{}-{number}", self.run_id);
        let (status, body) =
            self.connection.post(&path, "application/json", Some(&id), body).await?;
        let read = || serde_json::from_slice::<DoneLine>(&body).ok();
        tally(status, read().is_some_and(|done| done.unchanged))
            .ok_or_else(|| unexpected(status, &body))
    }

    async fn many(&mut self, first: u64) -> Result<Tally, Failure> {
        let mut lines = String::new();
        for number in first..first.saturating_add(BULK_LINES) {
            let Asked { customer, command } = self.load.nth(number)?;
            let id = format!("bench-{}-{number}", self.run_id);
            add_line(&mut lines, &customer, &id, &command)?;
        }
        let mut all = Tally::default();
        for line in self.connection.bulk(lines).await? {
            let found = tally(line.status, line.done.is_some_and(|done| done.unchanged));
            all.add(found.ok_or_else(|| {
                let code = line.problem.map(|problem| problem.code).unwrap_or_default();
                unexpected(line.status, code.as_bytes())
            })?);
        }
        Ok(all)
    }
}

/// A rule's refusal is part of the load; every other failure ends it.
fn tally(status: u16, is_unchanged: bool) -> Option<Tally> {
    match status {
        200 | 201 if is_unchanged => Some(Tally { unchanged: 1, ..Tally::default() }),
        200 | 201 => Some(Tally { done: 1, ..Tally::default() }),
        404 | 409 | 422 => Some(Tally { refused: 1, ..Tally::default() }),
        _ => None,
    }
}

/// A line of a bulk request.
fn add_line(
    lines: &mut String,
    customer: &CustomerId,
    id: &str,
    command: &Command,
) -> Result<(), Failure> {
    let command = serde_json::to_string(command).map_err(|err| broken(&err))?;
    let fields = command.strip_prefix('{').unwrap_or_default();
    writeln!(
        lines,
        "{{\"customer\":\"{customer}\",\"reason\":\"{REASON}\",\"command_id\":\"{id}\",{fields}"
    )
    .map_err(|err| broken(&err))
}

/// Where a command goes, and its body.
fn address(asked: &Asked) -> Result<(String, String), Failure> {
    let customer = &asked.customer;
    let subscription = |id, what| format!("/v1/customers/{customer}/subscriptions/{id}/{what}");
    let licence = |offer, what| format!("/v1/customers/{customer}/licences/{offer}/{what}");
    #[expect(clippy::wildcard_enum_match_arm, reason = "the load has no others")]
    let (path, fields) = match &asked.command {
        Command::AddSeats(c) => {
            (subscription(&c.subscription, "add-seats"), format!("\"seats\":{}", c.seats))
        }
        Command::RemoveSeats(c) => {
            (subscription(&c.subscription, "remove-seats"), format!("\"seats\":{}", c.seats))
        }
        Command::ScheduleRenewalQuantity(c) => (
            subscription(&c.subscription, "renewal-quantity"),
            format!("\"quantity\":{}", c.quantity),
        ),
        Command::SetEndOfTermAction(c) => {
            let action = match c.action {
                EndOfTermAction::Renew => "renew",
                EndOfTermAction::Cancel => "cancel",
                EndOfTermAction::ExtendedServiceTerm => "extended-service-term",
                EndOfTermAction::Lapse => "lapse",
            };
            (subscription(&c.subscription, "end-of-term"), format!("\"action\":\"{action}\""))
        }
        Command::AssignLicence(c) => (
            licence(&c.offer, "assign"),
            format!(
                "\"user\":\"{}\",\"usage_location\":\"{}\"",
                c.user,
                c.usage_location.as_deref().unwrap_or_default()
            ),
        ),
        Command::UnassignLicence(c) => {
            (licence(&c.offer, "unassign"), format!("\"user\":\"{}\"", c.user))
        }
        other => return Err(Failure::Source(format!("the load has no {}", other.name()))),
    };
    Ok((path, format!("{{\"reason\":\"{REASON}\",{fields}}}")))
}

fn broken(err: &dyn std::error::Error) -> Failure {
    Failure::Source(format!("the server cannot be asked: {}", ledger_core::error::chain(err)))
}

fn unexpected(status: u16, body: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(body);
    Failure::Source(format!("the server answered {status}: {}", text.trim()))
}
