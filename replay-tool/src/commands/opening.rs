//! `import opening-balances`: takes over, line by line, what stands elsewhere.

use std::collections::BTreeMap;
use std::fs;

use ledger_core::ids::{CommandId, StreamId};
use ledger_core::opening::{self, Balance, File, Given, Line};
use serde::Serialize;
use serde_json::Value;

use crate::cli::OpeningArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::target::{Answer, Target, Told};

/// Roles that may import, the preferred first.
const ROLES: &[&str] = &["operator", "reseller-admin"];

/// Code of a line that cannot be read.
const UNREADABLE: &str = "LINE_UNREADABLE";

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Fate {
    /// It was taken over now.
    Imported,
    /// It would be taken over.
    WouldImport,
    /// It was taken over before.
    AlreadyThere,
    /// It was not taken over.
    Refused,
}

impl Fate {
    const fn text(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::WouldImport => "would be imported",
            Self::AlreadyThere => "already there",
            Self::Refused => "refused",
        }
    }
}

/// The report of a line.
#[derive(Debug, Serialize)]
struct Report<'a> {
    line: u64,
    customer: &'a str,
    subscription: &'a str,
    result: Fate,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    mended: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Value>,
}

/// The report of the whole run.
#[derive(Debug, Default, Serialize)]
struct Summary {
    lines: u64,
    imported: u64,
    would_import: u64,
    already_there: u64,
    refused: u64,
    /// Lines of which something was read otherwise than it is written.
    mended: u64,
    /// Lines that a person should look at.
    with_warnings: u64,
    /// How often each field occurs that the ledger does not know.
    unknown_fields: BTreeMap<String, u64>,
    /// What should be known about the file.
    notes: Vec<String>,
}

/// Imports a file. Every line is a command of its own, whose id is made of what the line says: run
/// again, it goes on where it was interrupted, and repeats nothing.
///
/// # Errors
///
/// [`Failure`] when the file or the ledger cannot be used. What is done then stays done.
pub async fn import(
    args: &OpeningArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let path = args.file.display();
    let unusable = |why: &dyn std::fmt::Display| Failure::Source(format!("{path}: {why}"));
    let bytes = fs::read(&args.file).map_err(|err| unusable(&err))?;
    let given = Given { customer: args.customer.clone(), as_of: args.as_of };
    let file = opening::read(&bytes, &given).map_err(|err| unusable(&err))?;
    let target = Target::open(&args.target, ROLES).await?;
    let summary = each(&target, args, &file, json, output).await;
    output.progress_end();
    let summary = summary?;
    target.close()?;
    tell(&summary, json, output)?;
    Ok(if summary.refused == 0 { Exit::Fine } else { Exit::Found })
}

async fn each(
    target: &Target,
    args: &OpeningArgs,
    file: &File,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Summary, Failure> {
    let mut summary = Summary { notes: file.notes.clone(), ..Summary::default() };
    let total = u64::try_from(file.lines.len()).unwrap_or(u64::MAX);
    for line in &file.lines {
        let report = report(target, args, line).await?;
        summary.add(&report, line);
        if json {
            output.json(&report)?;
            output.progress("importing", summary.lines, total);
        } else {
            output.line(sentence(&report))?;
        }
    }
    Ok(summary)
}

async fn report<'a>(
    target: &Target,
    args: &OpeningArgs,
    line: &'a Line,
) -> Result<Report<'a>, Failure> {
    let report = |result, code, message, warnings| Report {
        line: line.number,
        customer: &line.customer,
        subscription: &line.subscription,
        result,
        code,
        message,
        mended: &line.mended,
        warnings,
    };
    let balance = match &line.balance {
        Ok(balance) => balance,
        Err(wrong) => {
            let code = Some(UNREADABLE.to_owned());
            return Ok(report(Fate::Refused, code, Some(wrong.clone()), Vec::new()));
        }
    };
    if let Some(first) = line.repeats {
        let message = format!("{first} says the same");
        return Ok(report(Fate::AlreadyThere, None, Some(message), Vec::new()));
    }
    let answer = send(target, args, balance).await?;
    Ok(match answer {
        Answer::Refused { code, message, .. } => {
            report(Fate::Refused, Some(code), Some(message), Vec::new())
        }
        Answer::Done { events, warnings, hit } => {
            let result = match (hit || events.is_empty(), args.dry_run) {
                (true, _) => Fate::AlreadyThere,
                (false, true) => Fate::WouldImport,
                (false, false) => Fate::Imported,
            };
            report(result, None, None, warnings)
        }
    })
}

/// Sends a line. A refusal of an earlier run may have become pointless since, for example because the
/// customer is registered now: the line is then asked again, under an id of its own.
async fn send(target: &Target, args: &OpeningArgs, balance: &Balance) -> Result<Answer, Failure> {
    let Balance { customer, command } = balance;
    let no_id = |err: &dyn std::fmt::Display| Failure::Source(format!("no id can be made: {err}"));
    let told = Told {
        stream: StreamId::Customer(customer.clone()),
        path: format!("/v1/customers/{customer}/opening-balances"),
        command: ledger_core::customer::Command::ImportOpeningBalance(command.clone()),
        command_id: balance.command_id().map_err(|err| no_id(&err))?,
        reason: args.reason.clone(),
    };
    let answer = target.send(&told, args.dry_run).await?;
    let Answer::Refused { hit: true, .. } = answer else { return Ok(answer) };
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|err| no_id(&err))?;
    let id = format!("{}/{:016x}", told.command_id, u64::from_be_bytes(random));
    let command_id = CommandId::try_new(id).map_err(|err| no_id(&err))?;
    target.send(&Told { command_id, ..told }, args.dry_run).await
}

impl Summary {
    fn add(&mut self, report: &Report<'_>, line: &Line) {
        let count = match report.result {
            Fate::Imported => &mut self.imported,
            Fate::WouldImport => &mut self.would_import,
            Fate::AlreadyThere => &mut self.already_there,
            Fate::Refused => &mut self.refused,
        };
        for count in [count, &mut self.lines] {
            *count = count.saturating_add(1);
        }
        self.mended = self.mended.saturating_add(u64::from(!report.mended.is_empty()));
        let has_warnings = u64::from(!report.warnings.is_empty());
        self.with_warnings = self.with_warnings.saturating_add(has_warnings);
        let Ok(balance) = &line.balance else { return };
        for field in balance.command.unknown.keys() {
            let count = self.unknown_fields.entry(field.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }
}

fn sentence(report: &Report<'_>) -> String {
    let Report { line, customer, subscription, result, code, message, mended, warnings } = report;
    let why = match (code, message) {
        (Some(code), Some(message)) => format!(", {code}: {message}"),
        (None, Some(message)) => format!(": {message}"),
        (_, None) => String::new(),
    };
    let mut text = format!("{line} {customer}/{subscription}: {}{why}", result.text());
    for mended in *mended {
        text.push_str("\n    mended: ");
        text.push_str(mended);
    }
    for warning in warnings {
        text.push_str("\n    warning: ");
        text.push_str(&in_words(warning));
    }
    text
}

fn in_words(warning: &Value) -> String {
    let text = |name: &str| warning.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    match text("warning").as_str() {
        "status-not-known" => format!(
            "nobody knows the status {:?}: it is taken over as suspended by its vendor",
            text("status")
        ),
        "fields-not-known" => {
            let fields = warning.get("fields").and_then(Value::as_array);
            let fields: Vec<_> = fields.into_iter().flatten().filter_map(Value::as_str).collect();
            format!("kept, but not known: {}", fields.join(", "))
        }
        _ => warning.to_string(),
    }
}

fn tell(summary: &Summary, json: bool, output: &mut Output<'_>) -> Result<(), Failure> {
    if json {
        return Ok(output.json(&serde_json::json!({ "summary": summary }))?);
    }
    for note in &summary.notes {
        output.line(format!("note: {note}"))?;
    }
    if !summary.unknown_fields.is_empty() {
        let fields = summary.unknown_fields.iter();
        let fields: Vec<_> = fields.map(|(name, count)| format!("{name} ({count})")).collect();
        output.line(format!("kept, but not known: {}", fields.join(", ")))?;
    }
    let Summary { lines, imported, would_import, already_there, refused, .. } = summary;
    let Summary { mended, with_warnings, .. } = summary;
    let done = if *would_import == 0 {
        format!("{imported} imported")
    } else {
        format!("{would_import} would be imported")
    };
    output.line(format!(
        "{lines} lines: {done}, {already_there} already there, {refused} refused; \
         {mended} mended, {with_warnings} with warnings"
    ))?;
    Ok(())
}
