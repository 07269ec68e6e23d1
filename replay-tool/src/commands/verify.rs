//! `verify`: checks everything that is stored, and names everything that is wrong.

use std::collections::BTreeMap;

use ledger_core::billing::{Books, Redraw, Redrawn};
use ledger_core::commit::SealedCommit;
use ledger_core::customer::{Customer, evolve};
use ledger_core::folder::DataFolder;
use ledger_core::ids::StreamId;
use ledger_core::ledger::refusal_of;
use ledger_core::record::{Chain, Recorded};
use ledger_core::store::StoreError;
use ledger_core::store::segment::{self, Problem};
use serde::Serialize;

use crate::cli::VerifyArgs;
use crate::commands::compare;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::{self, Book, Source};

/// What was found in one book.
#[derive(Debug, Serialize)]
struct Findings {
    book: &'static str,
    commits: u64,
    streams: u64,
    events: u64,
    last_position: u64,
    segments: Option<u64>,
    bytes: Option<u64>,
    torn_tail_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    closed_periods: Vec<Redrawn>,
    problems: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    file: Option<String>,
    offset: Option<u64>,
    position: Option<u64>,
    stream: Option<StreamId>,
    version: Option<u64>,
}

/// Checks the log and the journal.
///
/// # Errors
///
/// [`Failure`] when the source cannot be opened or reached.
pub async fn verify(
    args: &VerifyArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let source = Source::open(&args.source)?;
    let trusted = compare::trusted(args, &source)?;
    let mut is_clean = true;
    for book in [Book::Log, Book::Journal] {
        let findings = match &source {
            Source::Folder(folder) => on_disk(&source, folder, book, output).await?,
            Source::Server(_) => read_through(&source, book, output).await?,
        };
        is_clean &= findings.problems.is_empty();
        if json {
            output.json(&findings)?;
        } else {
            show(&findings, output)?;
        }
    }
    if let Some(trusted) = &trusted {
        let compared = compare::compare(&source, trusted, output).await?;
        is_clean &= compared.agrees();
        if json {
            output.json(&compared)?;
        } else {
            output.line(&compared)?;
        }
    }
    if !json {
        output.line(if is_clean { "no damage found" } else { "DAMAGE FOUND: restore a backup" })?;
    }
    Ok(if is_clean { Exit::Fine } else { Exit::Found })
}

/// Checks files first; what they hold is read only when they are intact.
async fn on_disk(
    source: &Source,
    folder: &DataFolder,
    book: Book,
    output: &mut Output<'_>,
) -> Result<Findings, Failure> {
    let what = format!("checking the {}", book.name());
    let report = segment::verify(&source::dir(folder, book), &mut |done, total| {
        output.progress(&what, done, total);
    });
    output.progress_end();
    let report = report.map_err(|err| source::store(&err))?;
    let problems: Vec<Finding> = report.problems.iter().map(Finding::of).collect();
    let mut findings = if problems.is_empty() {
        read_through(source, book, output).await?
    } else {
        Findings { commits: report.commits, streams: report.streams, ..Findings::new(book) }
    };
    findings.last_position = report.last_position;
    findings.segments = Some(report.segments);
    findings.bytes = Some(report.bytes);
    findings.torn_tail_bytes = Some(report.torn_tail_bytes);
    findings.problems.extend(problems);
    Ok(findings)
}

/// One stream while its commits are read.
#[derive(Default)]
struct Stream {
    chain: Chain,
    customer: Option<Customer>,
}

/// Reads every commit: positions, links, events, charges, states; and draws closed periods again.
async fn read_through(
    source: &Source,
    book: Book,
    output: &mut Output<'_>,
) -> Result<Findings, Failure> {
    let mut findings = Findings::new(book);
    let mut streams: BTreeMap<StreamId, Stream> = BTreeMap::new();
    let books = match book {
        Book::Log => findings.books(source).await?,
        Book::Journal => None,
    };
    let mut redraw = books.as_ref().map(Redraw::new);
    let result = source
        .each(book, &mut |position, sealed| {
            let stream = streams.entry(sealed.commit().stream.clone()).or_default();
            findings.take(book, position, &sealed, (stream, &mut redraw));
            Ok(())
        })
        .await;
    findings.streams = u64::try_from(streams.len()).unwrap_or(u64::MAX);
    match result {
        Ok(()) => {}
        Err(Failure::Damage(what)) => findings.problems.push(Finding::from_text(what)),
        Err(err) => return Err(err),
    }
    for (id, stream) in &streams {
        if book == Book::Log && id.customer().is_some() && stream.customer.is_none() {
            let what = format!("{id} has commits, but none registers the customer");
            findings.problems.push(Finding::from_text(what));
        }
    }
    if findings.problems.is_empty() {
        findings.finish(redraw);
    }
    output.progress_end();
    Ok(findings)
}

impl Findings {
    const fn new(book: Book) -> Self {
        Self {
            book: book.name(),
            commits: 0,
            streams: 0,
            events: 0,
            last_position: 0,
            segments: None,
            bytes: None,
            torn_tail_bytes: None,
            closed_periods: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// What was recorded about bills, if a period was closed.
    async fn books(&mut self, source: &Source) -> Result<Option<Books>, Failure> {
        match source.books().await {
            Ok(books) => Ok(Some(books).filter(|books| books.closed().next().is_some())),
            Err(Failure::Damage(what)) => {
                self.problems.push(Finding::from_text(what));
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }

    /// Notes which closed periods are not as they were recorded.
    fn finish(&mut self, redraw: Option<Redraw<'_>>) {
        match redraw.map(Redraw::finish) {
            None => {}
            Some(Ok(drawn)) => {
                let wrong = drawn.iter().flat_map(|it| {
                    let said = |what: &String| format!("the bills of {}: {what}", it.period);
                    it.differences.iter().map(said)
                });
                self.problems.extend(wrong.map(Finding::from_text));
                self.closed_periods = drawn;
            }
            Some(Err(err)) => {
                let what = format!("the bills cannot be drawn again: {err}");
                self.problems.push(Finding::from_text(what));
            }
        }
    }

    fn take(
        &mut self,
        book: Book,
        position: u64,
        sealed: &SealedCommit,
        (stream, redraw): (&mut Stream, &mut Option<Redraw<'_>>),
    ) {
        let expected = self.last_position.saturating_add(1);
        if position != expected {
            self.note(
                position,
                sealed,
                format!("position {position} stands where {expected} should"),
            );
        }
        self.last_position = position;
        self.commits = self.commits.saturating_add(1);
        if let Err(what) = stream.chain.next(sealed) {
            self.note(position, sealed, what);
        }
        match book {
            Book::Log => self.decode(position, sealed, (stream, redraw)),
            Book::Journal => {
                if let Err(err) = refusal_of(sealed.commit()) {
                    self.note(position, sealed, format!("its refusal cannot be read: {err}"));
                }
            }
        }
    }

    fn decode(
        &mut self,
        position: u64,
        sealed: &SealedCommit,
        (stream, redraw): (&mut Stream, &mut Option<Redraw<'_>>),
    ) {
        let recorded = match Recorded::open(position, sealed.clone()) {
            Ok(recorded) => recorded,
            Err(err) => return self.note(position, sealed, err.to_string()),
        };
        let charged = recorded.charge_lines().map(|_| ());
        let drawn = redraw.as_mut().map_or(Ok(()), |redraw| redraw.add(&recorded));
        if let Err(err) = charged.and(drawn) {
            self.note(position, sealed, format!("its charges cannot be computed: {err}"));
        }
        let events = u64::try_from(recorded.events.len()).unwrap_or(u64::MAX);
        self.events = self.events.saturating_add(events);
        stream.customer = recorded.events.iter().fold(stream.customer.take(), evolve);
    }

    fn note(&mut self, position: u64, sealed: &SealedCommit, what: String) {
        self.problems.push(Finding {
            what,
            file: None,
            offset: None,
            position: Some(position),
            stream: Some(sealed.commit().stream.clone()),
            version: Some(sealed.commit().version),
        });
    }
}

impl Finding {
    fn from_text(what: String) -> Self {
        Self { what, file: None, offset: None, position: None, stream: None, version: None }
    }

    fn of(problem: &Problem) -> Self {
        let (stream, version) = (problem.stream.clone(), problem.version);
        let StoreError::Damaged { file, offset, position, reason } = &problem.error else {
            return Self { stream, version, ..Self::from_text(problem.error.to_string()) };
        };
        Self {
            what: reason.to_string(),
            file: Some(file.display().to_string()),
            offset: Some(*offset),
            position: Some(*position),
            stream,
            version,
        }
    }

    fn place(&self) -> String {
        let file = self.file.clone();
        let offset = self.offset.map(|offset| format!("offset {offset}"));
        let position = self.position.map(|position| format!("position {position}"));
        let stream = self.stream.as_ref().map(ToString::to_string);
        let version = self.version.map(|version| format!("version {version}"));
        let known = [file, offset, position, stream, version].into_iter().flatten();
        known.collect::<Vec<_>>().join(", ")
    }
}

fn show(findings: &Findings, output: &mut Output<'_>) -> Result<(), Failure> {
    let Findings { book, commits, streams, events, last_position, .. } = findings;
    let files = match (findings.segments, findings.bytes) {
        (Some(segments), Some(bytes)) => format!(", {segments} segment(s), {bytes} bytes"),
        _ => String::new(),
    };
    output.line(format!(
        "{book}: {commits} commits in {streams} streams, {events} events, last position {last_position}{files}"
    ))?;
    if let Some(bytes) = findings.torn_tail_bytes.filter(|bytes| 0 < *bytes) {
        output
            .line(format!("  {bytes} bytes of an append that was never acknowledged; harmless"))?;
    }
    if !findings.closed_periods.is_empty() {
        let periods = findings.closed_periods.len();
        let count = |of: fn(&Redrawn) -> u64| {
            findings.closed_periods.iter().fold(0, |sum, it| of(it).saturating_add(sum))
        };
        let (statements, lines) = (count(|it| it.statements), count(|it| it.lines));
        output.line(format!(
            "bills: {periods} closed period(s) drawn again, {statements} statements, {lines} lines"
        ))?;
    }
    for finding in &findings.problems {
        match finding.place() {
            place if place.is_empty() => output.line(format!("  {}", finding.what))?,
            place => output.line(format!("  {place}: {}", finding.what))?,
        }
    }
    Ok(())
}
