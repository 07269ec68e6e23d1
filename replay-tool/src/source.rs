//! Where commits come from: a stopped folder, or a running server that is not trusted.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use ledger_core::billing::{BillError, BilledLine, Books, Charge, Meters, learn_billing};
use ledger_core::catalogue::Catalogues;
use ledger_core::commit::SealedCommit;
use ledger_core::customer::learn;
use ledger_core::error::chain;
use ledger_core::folder::{DataFolder, FolderError};
use ledger_core::ids::{BackupName, CommandId, CustomerId, StreamId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, refusal_of};
use ledger_core::money::MoneyError;
use ledger_core::proof::archive::{checkpoints, commit_at};
use ledger_core::proof::checkpoint::origin;
use ledger_core::proof::{Proof, ProofError};
use ledger_core::record::{Chain, Recorded, Refusal};
use ledger_core::store::segment::SegmentLog;
use ledger_core::store::{CommitLog, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::SourceArgs;
use crate::exit::Failure;

/// Commits asked of a server at once.
const PAGE_COMMITS: u32 = 500;

/// A log, or the journal of the commands that changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Book {
    /// What happened.
    Log,
    /// What changed nothing.
    Journal,
}

impl Book {
    /// Its name for people, in paths and in addresses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Journal => "journal",
        }
    }
}

/// A command of the journal: who asked for what, and the rule that said no, if one did.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The entry as sealed.
    pub sealed: SealedCommit,
    /// The refusal; `None` when everything was already as asked.
    pub refusal: Option<Refusal>,
}

/// What is read on the way to the lines.
#[derive(Debug)]
pub enum Read<'a> {
    /// The next commit of the log, at its position.
    Commit(u64, &'a SealedCommit),
    /// The next billed line.
    Line(Box<BilledLine>),
}

/// What was meant by the source flags.
#[derive(Debug)]
pub enum Source {
    /// A stopped folder.
    Folder(DataFolder),
    /// A running server.
    Server(Server),
}

impl Source {
    /// Finds out what was meant; opens no log yet.
    ///
    /// # Errors
    ///
    /// [`Failure`] when there is no such folder or no token can be read.
    pub fn open(args: &SourceArgs) -> Result<Self, Failure> {
        Self::open_as(args, &["support", "operator", "billing"])
    }

    /// The same, but asks a server in one of `roles` only, the first preferred.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_as(args: &SourceArgs, roles: &'static [&'static str]) -> Result<Self, Failure> {
        match &args.url {
            Some(url) => Ok(Self::Server(Server::new(url, args, roles)?)),
            None => Ok(Self::Folder(open_folder(&args.data)?)),
        }
    }

    /// Everything that happened to a customer, in order, its chain checked.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`] when the customer is unknown; else what is wrong with the source.
    pub async fn history(&self, customer: &CustomerId) -> Result<Vec<Recorded>, Failure> {
        let stream = StreamId::Customer(customer.clone());
        let history = match self {
            Self::Folder(folder) => {
                open_ledger(folder).await?.history(&stream).await.map_err(|err| unread(&err))?
            }
            Self::Server(server) => server.history(&stream)?,
        };
        if history.is_empty() {
            let message =
                format!("customer {customer} is unknown here: check the id and the source");
            return Err(Failure::NotFound(message));
        }
        let mut chain = Chain::default();
        for recorded in &history {
            let linked = chain.next(&recorded.sealed);
            linked.map_err(|err| {
                Failure::Damage(format!("{stream} is damaged: {err}; run verify"))
            })?;
        }
        Ok(history)
    }

    /// The commands of a customer that changed nothing, in order.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the journal cannot be read.
    pub async fn kept(&self, customer: &CustomerId) -> Result<Vec<Kept>, Failure> {
        let stream = StreamId::Customer(customer.clone());
        match self {
            Self::Folder(folder) => {
                let kept = open_ledger(folder)
                    .await?
                    .refusals(&stream)
                    .await
                    .map_err(|err| unread(&err))?;
                Ok(kept.into_iter().map(|(sealed, refusal)| Kept { sealed, refusal }).collect())
            }
            Self::Server(server) => {
                let mut all = Vec::new();
                server.each(Book::Journal, Some(&stream), &mut |_, sealed| {
                    let refusal = refusal_of(sealed.commit()).map_err(|err| garbled(&err))?;
                    all.push(Kept { sealed, refusal });
                    Ok(())
                })?;
                Ok(all)
            }
        }
    }

    /// Everything that was ever imported into the catalogue.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it cannot be read.
    pub async fn catalogues(&self) -> Result<Catalogues, Failure> {
        match self {
            Self::Folder(folder) => Ok(open_ledger(folder).await?.catalogues()),
            Self::Server(server) => {
                let imported = server.history(&StreamId::Catalogue)?;
                let events = imported.iter().flat_map(|recorded| &recorded.events);
                Ok(events.fold(Catalogues::default(), learn))
            }
        }
    }

    /// Everything that was recorded about bills.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it cannot be read.
    pub async fn books(&self) -> Result<Books, Failure> {
        match self {
            Self::Folder(folder) => Ok((*open_ledger(folder).await?.books()).clone()),
            Self::Server(server) => {
                let recorded = server.history(&StreamId::Billing)?;
                let events = recorded.iter().flat_map(|recorded| {
                    let at = recorded.commit().recorded_at;
                    recorded.events.iter().map(move |event| (at, event))
                });
                let learn = |books, (at, event)| learn_billing(books, at, event);
                Ok(events.fold(Books::default(), learn))
            }
        }
    }

    /// Hands every charge of `until` or earlier to `visit`, as it is billed: in the order of the log, and
    /// then, by customer, the charge cycles that have begun since.
    ///
    /// # Errors
    ///
    /// [`Failure`] when a commit cannot be read or a charge not be billed, and whatever `visit` answers.
    pub async fn each_line(
        &self,
        until: NaiveDate,
        visit: &mut dyn FnMut(BilledLine) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.each_line_through(until, visit).await.map(|_| ())
    }

    /// The same; returns the position of the last commit that could charge something.
    ///
    /// # Errors
    ///
    /// As [`each_line`](Self::each_line).
    pub async fn each_line_through(
        &self,
        until: NaiveDate,
        visit: &mut dyn FnMut(BilledLine) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let books = self.books().await?;
        let mut through = 0;
        self.read_lines(&books, until, &mut |read| match read {
            Read::Line(line) => visit(*line),
            Read::Commit(position, sealed) => {
                let events = &sealed.commit().events;
                if !events.iter().all(|event| event.name == "ReconciliationRecorded") {
                    through = position;
                }
                Ok(())
            }
        })
        .await?;
        Ok(through)
    }

    /// The same as [`each_line`](Self::each_line) with `books` that were read before; shows every commit
    /// as well, before its lines.
    ///
    /// # Errors
    ///
    /// As [`each_line`](Self::each_line); [`Failure::Source`] when the books have changed meanwhile.
    pub async fn read_lines(
        &self,
        books: &Books,
        until: NaiveDate,
        visit: &mut dyn FnMut(Read<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut meters, mut found) = (Meters::default(), Books::default());
        let bill = |charges: Result<Vec<Charge>, MoneyError>,
                    visit: &mut dyn FnMut(Read<'_>) -> Result<(), Failure>| {
            let charges = charges.map_err(|err| Failure::Damage(err.to_string()))?;
            for charge in charges.into_iter().filter(|charge| charge.charged_on <= until) {
                let line = BilledLine::of(charge, books).map_err(unbilled)?;
                visit(Read::Line(Box::new(line)))?;
            }
            Ok::<_, Failure>(())
        };
        self.each(Book::Log, &mut |position, sealed| {
            visit(Read::Commit(position, &sealed))?;
            let recorded = Recorded::open(position, sealed).map_err(|err| garbled(&err))?;
            if recorded.commit().stream == StreamId::Billing {
                let at = recorded.commit().recorded_at;
                let learn = |books, event| learn_billing(books, at, event);
                found = recorded.events.iter().fold(std::mem::take(&mut found), learn);
            }
            bill(meters.add(&recorded), visit)
        })
        .await?;
        while let Some(charges) = meters.settle_next(until) {
            bill(charges, visit)?;
        }
        if found == *books {
            return Ok(());
        }
        let message =
            "bills were closed, or rates or terms changed, while they were read: run it again";
        Err(Failure::Source(message.to_owned()))
    }

    /// The day to which charge cycles have been charged, and the number of commits if it is known: the
    /// last recorded day of a stopped folder, the day on the clock of a server.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`] when nothing was recorded; else what is wrong with the source.
    pub async fn end(&self) -> Result<(NaiveDate, Option<u64>), Failure> {
        match self {
            Self::Folder(folder) => {
                let log = open_log(&folder.log())?;
                let position = log.durable_position();
                let last = commit_at(&log, position).await.map_err(|err| store(&err))?;
                let last = last.ok_or_else(|| {
                    Failure::NotFound("nothing was recorded here: check the source".to_owned())
                })?;
                Ok((last.commit().recorded_at.date_naive(), Some(position)))
            }
            Self::Server(server) => Ok((server.today()?, server.commits())),
        }
    }

    /// The last signed checkpoint; its signature is not looked at.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it cannot be read.
    pub fn checkpoint(&self) -> Result<Option<String>, Failure> {
        match self {
            Self::Folder(folder) => {
                let origin = origin(&open_log(&folder.log())?.id());
                let signed = checkpoints(folder, &origin).map_err(|err| proofs(&err))?;
                Ok(signed.last().map(|signed| signed.note.clone()))
            }
            Self::Server(server) => match server.get("/v1/checkpoints/latest", []) {
                Ok(note) => Ok(Some(note)),
                Err(Failure::NotFound(_)) => Ok(None),
                Err(err) => Err(err),
            },
        }
    }

    /// Hands every commit of a book to `visit`, in order of position.
    ///
    /// # Errors
    ///
    /// [`Failure`] when a commit cannot be read, and whatever `visit` answers.
    pub async fn each(
        &self,
        book: Book,
        visit: &mut dyn FnMut(u64, SealedCommit) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::Folder(folder) => {
                let log = open_log(&dir(folder, book))?;
                let mut commits = log.read_from(1);
                while let Some(stored) = commits.try_next().await.map_err(|err| store(&err))? {
                    visit(u64::from(stored.sequence_number()), stored.take())?;
                }
                Ok(())
            }
            Self::Server(server) => server.each(book, None, visit),
        }
    }
}

/// Opens the data folder of a stopped ledger; opens no log yet.
///
/// # Errors
///
/// [`Failure`] when there is no such folder.
pub fn open_folder(dir: &Path) -> Result<DataFolder, Failure> {
    DataFolder::open(dir).map_err(|err| no_folder(&err))
}

/// Where a book lies in a folder.
#[must_use]
pub fn dir(folder: &DataFolder, book: Book) -> PathBuf {
    match book {
        Book::Log => folder.log(),
        Book::Journal => folder.journal(),
    }
}

pub(crate) fn open_log(dir: &Path) -> Result<SegmentLog, Failure> {
    SegmentLog::open_read_only(dir).map_err(|err| store(&err))
}

async fn open_ledger(folder: &DataFolder) -> Result<Ledger<SegmentLog>, Failure> {
    let (log, journal) = (open_log(&folder.log())?, open_log(&folder.journal())?);
    Ledger::open(log, journal, LedgerOptions::default()).await.map_err(|err| unread(&err))
}

fn no_folder(err: &FolderError) -> Failure {
    match err {
        FolderError::NotAFolder(_) => Failure::Source(format!("{err}; name one with --data DIR")),
        FolderError::Damaged(_) | FolderError::LogMissing(_) => Failure::Damage(err.to_string()),
        FolderError::NotEmpty(_)
        | FolderError::Newer { .. }
        | FolderError::OtherClock { .. }
        | FolderError::Io { .. } => Failure::Source(chain(err)),
    }
}

/// What a store's error means for a run.
#[must_use]
pub fn store(err: &StoreError) -> Failure {
    match err {
        StoreError::Locked(dir) => Failure::Source(format!(
            "{} is in use by a running server: ask it with --url, or stop it first",
            dir.display()
        )),
        StoreError::Damaged { .. } | StoreError::Shortened { .. } => {
            Failure::Damage(format!("{err}; run replay-tool verify to see all damage"))
        }
        StoreError::Conflict { .. }
        | StoreError::Unknown(_)
        | StoreError::Full(_)
        | StoreError::Overloaded
        | StoreError::Poisoned
        | StoreError::Closed
        | StoreError::Exhausted(_)
        | StoreError::AppendOnly
        | StoreError::NotNext(_)
        | StoreError::Foreign { .. }
        | StoreError::Io { .. } => Failure::Source(chain(err)),
    }
}

/// What an error about proofs means for a run.
#[must_use]
pub fn proofs(err: &ProofError) -> Failure {
    match err {
        ProofError::Log(err) => store(err),
        ProofError::Contradicted(_)
        | ProofError::Damaged { .. }
        | ProofError::KeyDamaged { .. }
        | ProofError::KeyForeign { .. } => Failure::Damage(err.to_string()),
        ProofError::Empty
        | ProofError::NoCheckpoint
        | ProofError::NoSuchCheckpoint(_)
        | ProofError::NotCovered { .. }
        | ProofError::Order { .. } => Failure::NotFound(err.to_string()),
        ProofError::Io { .. }
        | ProofError::KeyReadable { .. }
        | ProofError::KeyMissing(_)
        | ProofError::Random(_) => Failure::Source(chain(err)),
    }
}

fn unread(err: &ExecuteError) -> Failure {
    if let ExecuteError::Store(err) = err {
        return store(err);
    }
    Failure::Damage(format!("a stored commit cannot be read: {}", chain(err)))
}

pub(crate) fn unbilled(err: BillError) -> Failure {
    match err {
        BillError::RateMissing { .. } => Failure::Source(err.to_string()),
        BillError::Money(_) => Failure::Damage(err.to_string()),
    }
}

pub(crate) fn garbled(err: &dyn std::error::Error) -> Failure {
    Failure::Damage(format!("the server's answer is not a ledger's: {err}; check --url"))
}

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

    fn history(&self, stream: &StreamId) -> Result<Vec<Recorded>, Failure> {
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

    fn each(
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
    fn commits(&self) -> Option<u64> {
        let views: Value = serde_json::from_str(&self.get("/v1/views", []).ok()?).ok()?;
        views.get("position")?.as_u64()
    }

    /// The day on its clock.
    fn today(&self) -> Result<NaiveDate, Failure> {
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

    fn get(
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

/// The token that is all a file holds.
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

/// The text of a file.
///
/// # Errors
///
/// [`Failure::Source`].
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file)
        .map_err(|err| Failure::Source(format!("{} cannot be read: {err}", file.display())))
}
