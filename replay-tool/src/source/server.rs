//! A running server, which is not trusted: what it answers is opened and checked as a file would be.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::commit::SealedCommit;
use ledger_core::ids::{BackupName, CommandId, StreamId};
use ledger_core::proof::Proof;
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Book, read};
use crate::cli::SourceArgs;
use crate::exit::Failure;

/// Commits asked of a server at once.
const PAGE_COMMITS: u32 = 500;

/// How much of a book a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Position of the last commit.
    pub position: u64,
    /// Size of the segments, in bytes.
    pub bytes: u64,
}

/// What a finished backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Of what happened.
    pub log: Copied,
    /// Of what changed nothing.
    pub journal: Copied,
}

/// A running server.
pub struct Server {
    url: String,
    token: String,
    /// Roles that may ask.
    roles: &'static [&'static str],
    agent: ureq::Agent,
}

impl fmt::Debug for Server {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url).finish_non_exhaustive()
    }
}

/// One line of an answer.
#[derive(Deserialize)]
struct Line {
    position: u64,
    commit: String,
}

impl Server {
    /// The server at `url`, asked in one of `roles`, the first preferred.
    ///
    /// # Errors
    ///
    /// [`Failure`] when no token can be read.
    pub(crate) fn new(
        url: &str,
        args: &SourceArgs,
        roles: &'static [&'static str],
    ) -> Result<Self, Failure> {
        let token = match (&args.tokens, &args.token_file) {
            (Some(file), _) => token_among(file, roles)?,
            (None, Some(file)) => bare_token(file, "give the file with --tokens")?,
            (None, None) => {
                let message = "a server wants a token: add --tokens FILE or --token-file FILE";
                return Err(Failure::Usage(message.to_owned()));
            }
        };
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Ok(Self { url: url.trim_end_matches('/').to_owned(), token, roles, agent: config.into() })
    }

    pub(super) fn history(&self, stream: &StreamId) -> Result<Vec<Recorded>, Failure> {
        let mut all = Vec::new();
        self.each(Book::Log, Some(stream), &mut |position, sealed| {
            if sealed.commit().stream != *stream {
                return Err(garbled(&std::io::Error::other("it holds another customer's commit")));
            }
            all.push(Recorded::open(position, sealed).map_err(|err| garbled(&err))?);
            Ok(())
        })?;
        Ok(all)
    }

    pub(super) fn each(
        &self,
        book: Book,
        stream: Option<&StreamId>,
        visit: &mut dyn FnMut(u64, SealedCommit) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut after = 0;
        loop {
            let page = self.page(book, stream, after)?;
            let mut lines = page.lines().filter(|line| !line.trim().is_empty()).peekable();
            if lines.peek().is_none() {
                return Ok(());
            }
            for line in lines {
                let line: Line = serde_json::from_str(line).map_err(|err| garbled(&err))?;
                if line.position <= after {
                    let message = format!("position {} follows {after}", line.position);
                    return Err(garbled(&std::io::Error::other(message)));
                }
                after = line.position;
                let bytes = STANDARD.decode(&line.commit).map_err(|err| garbled(&err))?;
                visit(after, SealedCommit::open(&bytes).map_err(|err| garbled(&err))?)?;
            }
        }
    }

    fn page(&self, book: Book, stream: Option<&StreamId>, after: u64) -> Result<String, Failure> {
        let mut query = vec![("after", after.to_string()), ("limit", PAGE_COMMITS.to_string())];
        query.extend(stream.map(|stream| ("stream", stream.to_string())));
        self.get(&format!("/v1/{}", book.name()), query)
    }

    /// How many commits its views have seen; only for showing how far long work is.
    pub(super) fn commits(&self) -> Option<u64> {
        let views: Value = serde_json::from_str(&self.get("/v1/views", []).ok()?).ok()?;
        views.get("position")?.as_u64()
    }

    /// The day on its clock.
    pub(super) fn today(&self) -> Result<NaiveDate, Failure> {
        let clock = self.get("/v1/clock", [])?;
        let Clock { now } = serde_json::from_str(&clock).map_err(|err| garbled(&err))?;
        Ok(now.date_naive())
    }

    /// The proof that the server gives for the commit at `position`. It is not checked.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`] when it has none; else what is wrong with the source.
    pub fn proof(&self, position: u64, size: Option<u64>) -> Result<Proof, Failure> {
        let query = size.map(|size| ("size", size.to_string()));
        let answer = self.get(&format!("/v1/log/{position}/proof"), query)?;
        serde_json::from_str(&answer).map_err(|err| garbled(&err))
    }

    pub(super) fn get(
        &self,
        path: &str,
        query: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<String, Failure> {
        let address = format!("{}{path}", self.url);
        let bearer = format!("Bearer {}", self.token);
        let request = self.agent.get(&address).header("Authorization", bearer);
        let request =
            query.into_iter().fold(request, |request, (name, value)| request.query(name, value));
        let mut answer = request.call().map_err(|err| self.unreachable(&err))?;
        match answer.status().as_u16() {
            200 => answer
                .body_mut()
                .with_config()
                .limit(u64::MAX)
                .read_to_string()
                .map_err(|err| self.unreachable(&err)),
            401 | 403 => Err(self.refused()),
            404 => Err(Failure::NotFound(detail(answer.body_mut()))),
            status => Err(unexpected(&address, status)),
        }
    }

    /// Sends a command to the route at `path`; returns the status, whether it is the answer of an
    /// earlier request, and the answer.
    ///
    /// # Errors
    ///
    /// [`Failure::Source`] when the server cannot be reached or does not answer in JSON.
    pub(crate) fn post(
        &self,
        path: &str,
        id: &CommandId,
        body: &serde_json::Map<String, Value>,
        is_preview: bool,
    ) -> Result<(u16, bool, Value), Failure> {
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Idempotency-Key", id.as_str());
        let request = if is_preview { request.query("dry_run", "true") } else { request };
        let mut answer = request.send_json(body).map_err(|err| self.unreachable(&err))?;
        let hit = answer.headers().contains_key("Idempotency-Hit");
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_json().map_err(|err| garbled(&err))?;
        Ok((status, hit, body))
    }

    /// Sends a file to be imported; returns the status and the answer, be it a problem or not.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the server cannot be reached, refuses the token, or answers something else.
    pub(crate) fn post_file(
        &self,
        path: &str,
        query: &[(&'static str, String)],
        (media_type, body): (&str, &[u8]),
    ) -> Result<(u16, Value), Failure> {
        let address = format!("{}{path}", self.url);
        let bearer = format!("Bearer {}", self.token);
        let request = self.agent.post(&address).header("Authorization", bearer);
        let request = request.content_type(media_type);
        let add = |request: ureq::RequestBuilder<_>, (name, value): &(&'static str, String)| {
            request.query(*name, value)
        };
        let request = query.iter().fold(request, add);
        let mut answer = request.send(body).map_err(|err| self.unreachable(&err))?;
        let status = answer.status().as_u16();
        if matches!(status, 401 | 403) {
            return Err(self.refused());
        }
        let body = answer.body_mut().with_config().limit(u64::MAX).read_json();
        Ok((status, body.map_err(|_| unexpected(&address, status))?))
    }

    /// Has the server make a backup called `name`, and waits until it is finished.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for a name that is taken, [`Failure::Damage`] for a damaged log; else what is
    /// wrong with the source or the target.
    pub fn backup(&self, name: &BackupName) -> Result<BackedUp, Failure> {
        let address = format!("{}/v1/backups", self.url);
        let request =
            self.agent.post(&address).header("Authorization", format!("Bearer {}", self.token));
        let sent = request.send_json(serde_json::json!({ "name": name }));
        let mut answer = sent.map_err(|err| self.unreachable(&err))?;
        match answer.status().as_u16() {
            201 => answer.body_mut().read_json().map_err(|err| garbled(&err)),
            401 | 403 => Err(self.refused()),
            status => {
                let problem = answer.body_mut().read_json::<Problem>();
                let Problem { code, detail } = problem.map_err(|_| unexpected(&address, status))?;
                Err(match code.as_str() {
                    "BACKUP_EXISTS" => Failure::Usage(detail),
                    "LOG_DAMAGED" => Failure::Damage(detail),
                    _ => Failure::Source(detail),
                })
            }
        }
    }

    fn unreachable(&self, err: &ureq::Error) -> Failure {
        Failure::Source(format!("{} cannot be reached: {err}; check that it runs there", self.url))
    }

    pub(crate) fn refused(&self) -> Failure {
        let (url, roles) = (&self.url, any_of(self.roles));
        Failure::Source(format!("{url} refuses the token: use {roles} token of that server"))
    }
}

pub(crate) fn unexpected(address: &str, status: u16) -> Failure {
    Failure::Source(format!(
        "{address} answers with status {status}: check --url and the server's log"
    ))
}

/// What a problem says.
fn detail(body: &mut ureq::Body) -> String {
    let problem = body.read_json::<Problem>().map(|problem| problem.detail);
    problem.unwrap_or_else(|_| "there is nothing at this address: check --url".to_owned())
}

/// Where a server's clock stands.
#[derive(Deserialize)]
struct Clock {
    now: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    token: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    role: String,
    token: String,
}

/// The first token of the first of `roles` that has one.
fn token_among(file: &Path, roles: &[&str]) -> Result<String, Failure> {
    let tokens: Tokens = toml::from_str(&read(file)?).map_err(|_| {
        Failure::Source(format!(
            "{} is no list of tokens: name a server's tokens.toml",
            file.display()
        ))
    })?;
    let of_role = |role: &&str| tokens.token.iter().find(|token| token.role == *role);
    let found = roles.iter().find_map(of_role);
    found.map(|token| token.token.clone()).ok_or_else(|| {
        Failure::Source(format!("{} holds no {} token", file.display(), listed(roles)))
    })
}

/// `a support, operator or billing`.
fn any_of(roles: &[&str]) -> String {
    let article = if roles.first().is_some_and(|role| role.starts_with('o')) { "an" } else { "a" };
    format!("{article} {}", listed(roles))
}

/// `support, operator or billing`.
fn listed(roles: &[&str]) -> String {
    match roles.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

/// The token that `file` holds; `instead` says what to do with a whole tokens.toml.
pub(crate) fn bare_token(file: &Path, instead: &str) -> Result<String, Failure> {
    let text = read(file)?;
    let token = text.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(Failure::Source(format!(
            "{} is not a bare token: if it is a server's tokens.toml, {instead}",
            file.display()
        )));
    }
    Ok(token.to_owned())
}

pub(crate) fn garbled(err: &dyn std::error::Error) -> Failure {
    Failure::Damage(format!("the server's answer is not a ledger's: {err}; check --url"))
}
