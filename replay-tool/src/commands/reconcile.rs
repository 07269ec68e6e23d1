//! `reconcile`: a vendor's invoice file compared with the ledger, with the cause of every difference.

mod show;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use ledger_core::billing::BilledLine;
use ledger_core::customer::{Command, RecordReconciliation};
use ledger_core::error::chain;
use ledger_core::ids::{CommandId, Reason, StreamId};
use ledger_core::money::MoneyError;
use ledger_core::reconcile::{
    DateOrder, DecimalMark, FileNotes, Forms, InvoiceFile, OurLine, Reading, Reconciler,
    Reconciliation, TheirLine, Uncompared, sha256_of,
};

use self::show::{Form, Shown};
use crate::cli::{DatesArg, DecimalArg, ReconcileArgs};
use crate::exit::{Exit, Failure};
use crate::export::file;
use crate::output::Output;
use crate::source::Source;
use crate::target::{Answer, Target, Told};

/// Roles that may record a comparison, the preferred first.
const ROLES: &[&str] = &["billing", "operator"];

/// Lines between two reports of progress.
const LINES_PER_PROGRESS: u64 = 4096;

/// Compares a file with a period.
///
/// # Errors
///
/// [`Failure`] when the file or the ledger cannot be used; nothing is recorded then.
pub async fn reconcile(
    args: &ReconcileArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    if let Some(path) = args.output.as_deref().filter(|path| path.exists() && !args.force) {
        let path = path.display();
        let message = format!("{path} exists already: choose another name, or add --force");
        return Err(Failure::Usage(message));
    }
    if args.record && args.target.source.url.is_none() && args.target.at.is_none() {
        let message = "a stopped folder has no clock: say with --at when this is recorded";
        return Err(Failure::Usage(message.to_owned()));
    }
    let sha256 = sha256_of(open(&args.file)?).map_err(|err| unreadable(&args.file, &err))?;
    let (ours, through) = billed(args, output).await?;
    let (found, notes) = compare(args, ours, output)?;
    if found.totals.is_empty() {
        return Err(Failure::NotFound(format!(
            "neither {} nor the ledger has such a line: check --customer and --currency",
            args.file.display()
        )));
    }
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let shown =
        Shown { file: &name, sha256: &sha256, period: args.period, notes: &notes, found: &found };
    let form = match (json, args.csv) {
        (true, _) => Form::Json,
        (false, true) => Form::Csv,
        (false, false) => Form::Text,
    };
    match &args.output {
        Some(path) => {
            let unwritten = |err: io::Error| {
                Failure::Source(format!("{} cannot be written: {err}", path.display()))
            };
            let mut out = file::begin(path).map_err(unwritten)?;
            let written = shown.write(form, &mut out);
            written.and_then(|()| file::finish(out, path, args.force)).map_err(unwritten)?;
        }
        None => shown.write(form, &mut output.results())?,
    }
    if args.record {
        let totals = found.totals.clone();
        let (file, period) = (name, args.period);
        let command = RecordReconciliation { file, sha256, period, through, totals };
        output.message(record(args, command).await?);
    }
    Ok(if found.differences.is_empty() { Exit::Fine } else { Exit::Found })
}

/// The lines of the ledger in the period, and the position of the last commit that counts.
async fn billed(
    args: &ReconcileArgs,
    output: &mut Output<'_>,
) -> Result<(Vec<OurLine>, u64), Failure> {
    let source = Source::open_as(&args.target.source, &["billing", "operator", "support"])?;
    let (today, _) = source.end().await?;
    if today < args.period.first() {
        output.message(format!("{} has not begun on {today}: check --period", args.period));
    }
    let mut ours = Vec::new();
    let mut keep = |line: BilledLine| {
        let is_asked = args.customer.is_empty() || args.customer.contains(&line.charge.customer);
        let is_currency = args.currency.is_none_or(|only| only == line.billed.currency);
        if line.period == args.period && is_asked && is_currency {
            ours.push(OurLine::of(&line).map_err(too_large)?);
        }
        Ok(())
    };
    let through = source.each_line_through(args.period.last(), &mut keep).await?;
    Ok((ours, through))
}

fn compare(
    args: &ReconcileArgs,
    ours: Vec<OurLine>,
    output: &mut Output<'_>,
) -> Result<(Reconciliation, FileNotes), Failure> {
    let wrong = |err: &dyn std::error::Error| {
        Failure::Damage(format!("{} cannot be compared: {}", args.file.display(), chain(err)))
    };
    let forms = Forms {
        decimal: args.decimal.map(|mark| match mark {
            DecimalArg::Point => DecimalMark::Point,
            DecimalArg::Comma => DecimalMark::Comma,
        }),
        dates: args.dates.map(|order| match order {
            DatesArg::DayFirst => DateOrder::DayFirst,
            DatesArg::MonthFirst => DateOrder::MonthFirst,
        }),
    };
    let subscriptions: BTreeSet<String> = if args.customer.is_empty() {
        BTreeSet::new()
    } else {
        ours.iter().map(|our| our.subscription.as_str().to_ascii_lowercase()).collect()
    };
    let is_asked = |their: &TheirLine| {
        let is_customer = |asked: &ledger_core::ids::CustomerId| {
            asked.as_str().eq_ignore_ascii_case(&their.customer)
        };
        args.customer.is_empty()
            || args.customer.iter().any(is_customer)
            || subscriptions.contains(&their.subscription.to_ascii_lowercase())
    };
    let (read, total) = (Rc::new(Cell::new(0)), size(&args.file)?);
    let again = || -> io::Result<Box<dyn Read>> {
        read.set(0);
        Ok(Box::new(Counted { file: File::open(&args.file)?, read: Rc::clone(&read) }))
    };
    let reading = Reading { forms, currency: args.currency, ..Reading::default() };
    let mut file = InvoiceFile::open(again, reading).map_err(|err| wrong(&err))?;
    let mut reconciler = Reconciler::new(ours).map_err(too_large)?;
    while let Some(their) = file.next() {
        let their = their.map_err(|err| wrong(&err))?;
        if is_asked(&their) {
            reconciler.add(their).map_err(too_large)?;
        }
        if file.notes().lines.is_multiple_of(LINES_PER_PROGRESS) {
            output.progress("comparing", read.get(), total);
        }
    }
    output.progress_end();
    let found = reconciler.finish().map_err(|err| match err {
        Uncompared::Money(err) => too_large(err),
        Uncompared::Unbalanced { .. } => Failure::Damage(err.to_string()),
    })?;
    Ok((found, file.notes().clone()))
}

/// Records the result; says what became of that.
async fn record(args: &ReconcileArgs, command: RecordReconciliation) -> Result<String, Failure> {
    let reason = match &args.reason {
        Some(reason) => reason.clone(),
        None => Reason::try_new(format!("Comparison with {}", command.file))
            .map_err(|err| Failure::Usage(format!("give a reason with --reason: {err}")))?,
    };
    let command_id = command_id(&command)?;
    let told = Told {
        stream: StreamId::Billing,
        path: "/v1/billing/reconciliations".to_owned(),
        command: Command::RecordReconciliation(command),
        command_id,
        reason,
    };
    let target = Target::open(&args.target, ROLES).await?;
    let answer = target.send(&told, false).await;
    target.close()?;
    match answer? {
        Answer::Done { events, hit, .. } if hit || events.is_empty() => {
            Ok("this result was recorded before; nothing to do".to_owned())
        }
        Answer::Done { .. } => Ok("the result is recorded".to_owned()),
        Answer::Refused { code, message, .. } => {
            Err(Failure::Damage(format!("the result is not recorded: {message} ({code})")))
        }
    }
}

/// The same for the same result, so that it is recorded once however often it is sent.
fn command_id(command: &RecordReconciliation) -> Result<CommandId, Failure> {
    let unusable = |err: &dyn std::fmt::Display| {
        Failure::Source(format!("no id can be made of the result: {err}"))
    };
    let bytes = serde_json::to_vec(command).map_err(|err| unusable(&err))?;
    let digits = sha256_of(bytes.as_slice()).map_err(|err| unusable(&err))?;
    CommandId::try_new(format!("reconciliation-{digits}")).map_err(|err| unusable(&err))
}

/// A file that tells how much of it was read.
struct Counted {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.read.set(self.read.get().saturating_add(u64::try_from(read).unwrap_or(u64::MAX)));
        Ok(read)
    }
}

fn open(file: &Path) -> Result<File, Failure> {
    File::open(file).map_err(|err| unreadable(file, &err))
}

fn size(file: &Path) -> Result<u64, Failure> {
    let about = file.metadata().map_err(|err| unreadable(file, &err))?;
    Ok(about.len())
}

fn unreadable(file: &Path, err: &io::Error) -> Failure {
    Failure::Source(format!("{} cannot be read: {err}", file.display()))
}

fn too_large(err: MoneyError) -> Failure {
    Failure::Damage(err.to_string())
}
