//! `export`: writes billed lines to a file, and checks such a file.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use ledger_core::billing::Books;
use ledger_core::calendar::Month;
use ledger_core::ids::StreamId;
use ledger_core::merkle::Tree;
use ledger_core::money::Currency;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::cli::ExportArgs;
use crate::exit::{Exit, Failure};
use crate::export::file::{self, Counted};
use crate::export::focus::Names;
use crate::export::manifest::{self, Log, Manifest};
use crate::export::{self, ExportError, Format, Layout, Range, Rows, reread};
use crate::output::Output;
use crate::source::{Book, Read, Source};

/// Exports, or checks an export.
///
/// # Errors
///
/// [`Failure`] when the source cannot be read or the file not be written; nothing is left behind then.
pub async fn export(
    args: &ExportArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    if let Some(manifest) = &args.check {
        return check(args, manifest, json, output).await;
    }
    let path = args.output.clone().unwrap_or_default();
    let is_piped = path == Path::new("-");
    refuse_nonsense(args, &path, is_piped)?;
    let source = Source::open(&args.source)?;
    let books = source.books().await?;
    let (end, commits) = source.end().await?;
    let until = args.until.unwrap_or(end);
    refuse_parts_of_statements(args, &books, until)?;
    let names = Names { issuer: args.issuer.clone(), publisher: args.publisher.clone() };
    let rows = Rows::new(args.layout, range(args), &books, names, until);
    let job = Job { args, source: &source, books: &books, until };
    if is_piped {
        let mut target = BufWriter::new(output.results());
        job.write(rows, &mut target, &mut |_| ()).await?;
        return Ok(target.flush().map(|()| Exit::Fine)?);
    }
    let file = file::begin(&path).map_err(|err| unwritable(&path, &err))?;
    let mut target = Counted::new(file);
    let mut progress = |done| {
        if let Some(total) = commits {
            output.progress("exporting", done, total);
        }
    };
    let written = job.write(rows, &mut target, &mut progress).await;
    output.progress_end();
    let manifest = job.manifest(&path, written?, &target)?;
    keep(&path, target.into_inner(), &manifest, args.force)?;
    if json {
        output.json(&manifest)?;
    } else {
        output.line(told(&manifest, &path))?;
    }
    Ok(Exit::Fine)
}

/// What the command line asks for is possible.
fn refuse_nonsense(args: &ExportArgs, path: &Path, is_piped: bool) -> Result<(), Failure> {
    let usage = |text: String| Err(Failure::Usage(text));
    if is_piped && args.format == Format::Parquet {
        return usage("a Parquet file cannot be piped: name a file with -o FILE".to_owned());
    }
    if args.layout == Layout::Focus && (args.from.is_some() || args.to.is_some()) {
        let text = "focus has whole billing periods: use --period instead of --from and --to";
        return usage(text.to_owned());
    }
    if args.layout != Layout::Focus && (args.issuer.is_some() || args.publisher.is_some()) {
        return usage("--issuer and --publisher are for --layout focus only".to_owned());
    }
    if let (Some(from), Some(to)) = (args.from, args.to)
        && to < from
    {
        return usage(format!("--from {from} is after --to {to}: exchange them"));
    }
    if is_piped || args.force {
        return Ok(());
    }
    for path in [path.to_owned(), beside(path)] {
        if path.exists() {
            let path = path.display();
            return usage(format!("{path} exists already: choose another name, or add --force"));
        }
    }
    Ok(())
}

/// Rows of FOCUS come to what the statements do, so that no statement may lack some of its lines.
fn refuse_parts_of_statements(
    args: &ExportArgs,
    books: &Books,
    until: NaiveDate,
) -> Result<(), Failure> {
    if args.layout != Layout::Focus {
        return Ok(());
    }
    let is_asked = |period: &Month| args.period.is_none_or(|asked| asked == *period);
    let closed = books.closed().map(|closed| closed.what.period).filter(is_asked).last();
    let Some(period) = closed else { return Ok(()) };
    let last = period.last();
    if until < last {
        let text = format!(
            "focus has whole statements, and {period} is closed: say --until {last} or later"
        );
        return Err(Failure::Usage(text));
    }
    Ok(())
}

fn range(args: &ExportArgs) -> Range {
    Range {
        period: args.period,
        from: args.from,
        to: args.to,
        customer: args.customer.clone(),
        reseller: args.reseller.clone(),
    }
}

/// `FILE.manifest.json`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest.json");
    PathBuf::from(name)
}

/// One export.
struct Job<'a> {
    args: &'a ExportArgs,
    source: &'a Source,
    books: &'a Books,
    until: NaiveDate,
}

/// What was written, and from what.
#[derive(Default)]
struct Written {
    rows: u64,
    sums: BTreeMap<Currency, Decimal>,
    position: u64,
    tree: Tree,
}

impl Job<'_> {
    async fn write(
        &self,
        mut rows: Rows,
        target: &mut (dyn Write + Send),
        progress: &mut dyn FnMut(u64),
    ) -> Result<Written, Failure> {
        let mut sink = export::sink(self.args.format, self.args.layout.columns(), target)
            .map_err(unexported)?;
        let mut written = Written::default();
        let (mut count, mut sums) = (0_u64, BTreeMap::new());
        let mut take = |row, currency: Currency, amount: Decimal| {
            count = count.saturating_add(1);
            let sum: &mut Decimal = sums.entry(currency).or_default();
            let over = || ExportError::Amount(format!("of the sum in {currency}"));
            *sum = sum.checked_add(amount).ok_or_else(over)?;
            sink.row(row)
        };
        let asked = self.args.customer.clone().map(StreamId::Customer);
        let mut is_known = asked.is_none();
        let mut visit = |read: Read<'_>| match read {
            Read::Commit(recorded) => {
                is_known |= asked.as_ref() == Some(&recorded.commit().stream);
                written.position = recorded.position;
                written.tree.push(recorded.sealed.hash());
                progress(recorded.position);
                Ok(())
            }
            Read::Line(line) => rows.add(*line, &mut take).map_err(unexported),
        };
        self.source.read_lines(self.books, self.until, &mut visit).await?;
        if let (false, Some(customer)) = (is_known, &self.args.customer) {
            let message =
                format!("customer {customer} is unknown here: check the id and the source");
            return Err(Failure::NotFound(message));
        }
        rows.finish(&mut take).map_err(unexported)?;
        sink.finish().map_err(unexported)?;
        Ok(Written { rows: count, sums, ..written })
    }

    fn manifest<W: Write>(
        &self,
        path: &Path,
        written: Written,
        target: &Counted<W>,
    ) -> Result<Manifest, Failure> {
        let (args, range) = (self.args, range(self.args));
        let Written { rows, sums, position, tree } = written;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let checkpoint = self.source.checkpoint()?;
        let (sha256, bytes) = target.so_far();
        Ok(Manifest {
            file: name,
            sha256,
            bytes,
            rows,
            sums,
            layout: args.layout,
            version: args.layout.version().to_owned(),
            format: args.format,
            closed: manifest::closed(self.books, &range),
            range,
            until: self.until,
            log: Log { position, root: tree.root().to_string(), checkpoint },
            terms: self.books.all_terms().map(|set| set.version.clone()).collect(),
        })
    }
}

/// Gives the file and its manifest their names; both or none.
fn keep(
    path: &Path,
    file: BufWriter<tempfile::NamedTempFile>,
    manifest: &Manifest,
    replace: bool,
) -> Result<(), Failure> {
    let beside = beside(path);
    let mut text = serde_json::to_vec_pretty(manifest).map_err(std::io::Error::from)?;
    text.push(b'\n');
    let mut note = file::begin(&beside).map_err(|err| unwritable(&beside, &err))?;
    note.write_all(&text).map_err(|err| unwritable(&beside, &err))?;
    file::finish(file, path, replace).map_err(|err| unwritable(path, &err))?;
    file::finish(note, &beside, replace).map_err(|err| {
        // Without its manifest nobody can check the file. What --force has replaced is gone in any case.
        let _ = std::fs::remove_file(path);
        unwritable(&beside, &err)
    })
}

fn told(manifest: &Manifest, path: &Path) -> String {
    let sums = manifest.sums.iter().map(|(currency, sum)| format!("{sum} {currency}"));
    let sums = sums.collect::<Vec<_>>().join(", ");
    let sums = if sums.is_empty() { sums } else { format!(", {sums},") };
    let (rows, position) = (manifest.rows, manifest.log.position);
    format!(
        "{rows} rows{sums} into {}, from {position} commits, until {}",
        path.display(),
        manifest.until
    )
}

fn unwritable(path: &Path, err: &std::io::Error) -> Failure {
    let path = path.display();
    Failure::Source(format!("{path} cannot be written: {err}; check the folder and its disk"))
}

fn unexported(err: ExportError) -> Failure {
    match err {
        ExportError::Io(err) => Failure::Output(err),
        ExportError::Parquet(err) => Failure::Output(std::io::Error::other(err)),
        ExportError::NoIssuer(_) => Failure::Usage(err.to_string()),
        ExportError::TooLong { .. } | ExportError::Amount(_) => Failure::Damage(err.to_string()),
    }
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Verdict {
    file: PathBuf,
    agrees: bool,
    rows: u64,
    /// The log was compared, too.
    with_log: bool,
    problems: Vec<String>,
}

async fn check(
    args: &ExportArgs,
    manifest: &Path,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let named = manifest.display();
    let manifest_text = crate::source::read(manifest)?;
    let known: Manifest = serde_json::from_str(&manifest_text)
        .map_err(|err| Failure::Source(format!("{named} is no manifest of an export: {err}")))?;
    let file = manifest.with_file_name(&known.file);
    let found = reread::reread(&file, known.layout, known.format)
        .map_err(|err| Failure::Source(format!("{} cannot be read: {err}", file.display())))?;
    let mut problems = found.differs(&known);
    if args.against_source {
        problems.extend(log_differs(&Source::open(&args.source)?, &known.log).await?);
    }
    let agrees = problems.is_empty();
    let rows = known.rows;
    let verdict = Verdict { file, agrees, rows, with_log: args.against_source, problems };
    if json {
        output.json(&verdict)?;
    } else {
        for problem in &verdict.problems {
            output.line(problem)?;
        }
        let log = if args.against_source { ", and the log has its root" } else { "" };
        let file = verdict.file.display();
        output.line(if agrees {
            format!("{file} is as it was exported: {rows} rows{log}")
        } else {
            format!("{file} IS NOT AS IT WAS EXPORTED: export it again")
        })?;
    }
    Ok(if agrees { Exit::Fine } else { Exit::Found })
}

async fn log_differs(source: &Source, known: &Log) -> Result<Option<String>, Failure> {
    let (mut tree, mut last) = (Tree::default(), 0);
    source
        .each(Book::Log, &mut |position, sealed| {
            if position <= known.position {
                tree.push(sealed.hash());
                last = position;
            }
            Ok(())
        })
        .await?;
    let Log { position, root, .. } = known;
    if last < *position {
        return Ok(Some(format!("the log ends at {last}, the export was made at {position}")));
    }
    let found = tree.root().to_string();
    let differs = || format!("at {position} the log's root is {found}, not {root}");
    Ok((found != *root).then(differs))
}
