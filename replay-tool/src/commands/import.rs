//! `import`: catalogues, price lists, offer matrices and policies, whole or not at all.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use ledger_core::catalogue::Catalogue;
use ledger_core::customer::{Command, ImportCatalogue, ImportPriceList, SetPolicy};
use ledger_core::ids::{CommandId, Reason, StreamId};
use ledger_core::price_list::{self, Report, Unreadable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::opening;
use crate::cli::{ImportArgs, ImportFileArgs, ImportMatrixArgs, ImportPriceListArgs, ImportVerb};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::{self, Server};
use crate::target::{Answer, Target, Told};

/// Roles that may import what is for all customers.
const ROLES: &[&str] = &["operator"];

/// What became of an import.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is recorded.
    Imported,
    /// It was imported before.
    Unchanged,
    /// It would be recorded.
    WouldImport,
    /// It is not imported, and nothing of it is.
    Refused {
        /// Code of the rule or the problem.
        code: String,
        /// Why.
        message: String,
    },
}

/// What an import says about itself.
#[derive(Clone, Debug, Serialize)]
struct Printed<'a> {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a Report>,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// A command for the catalogue, and the same as a server takes it.
struct Asked<'a> {
    command: Command,
    path: String,
    query: Vec<(&'static str, String)>,
    media_type: &'static str,
    body: &'a [u8],
}

/// Imports a file.
///
/// # Errors
///
/// [`Failure`] when the file or the target cannot be used. What is refused is no failure.
pub async fn import(
    verb: &ImportVerb,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match verb {
        ImportVerb::Catalogue(args) => catalogue(args, json, output).await,
        ImportVerb::PriceList(args) => price_list(args, json, output).await,
        ImportVerb::OfferMatrix(args) => offer_matrix(args, json, output).await,
        ImportVerb::Policy(args) => policy(args, json, output).await,
        ImportVerb::OpeningBalances(args) => opening::import(args, json, output).await,
    }
}

async fn catalogue(
    args: &ImportFileArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let catalogue: Catalogue = read_data(&args.file)?;
    let reason = reason(&args.import, &args.file, None)?;
    let body = json!({ "reason": reason, "catalogue": catalogue }).to_string();
    let asked = Asked {
        command: Command::ImportCatalogue(ImportCatalogue { catalogue }),
        path: "/v1/catalogue".to_owned(),
        query: Vec::new(),
        media_type: "application/json",
        body: body.as_bytes(),
    };
    let outcome = send(asked, &args.import, reason).await?;
    print(&args.file, (None, None), None, &outcome, json, output)
}

async fn policy(
    args: &ImportFileArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let policy: SetPolicy = read_data(&args.file)?;
    let reason = reason(&args.import, &args.file, None)?;
    let body = json!({ "reason": reason, "version": policy.version,
        "effective_from": policy.effective_from, "policy": policy.policy })
    .to_string();
    let asked = Asked {
        path: format!("/v1/programmes/{}/policies", policy.programme),
        command: Command::SetPolicy(policy),
        query: Vec::new(),
        media_type: "application/json",
        body: body.as_bytes(),
    };
    let outcome = send(asked, &args.import, reason).await?;
    print(&args.file, (None, None), None, &outcome, json, output)
}

async fn price_list(
    args: &ImportPriceListArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let bytes = read_bytes(&args.file)?;
    let mut progress = |done, total| output.progress("reading", done, total);
    let list = price_list::parse(&bytes, &mut progress);
    output.progress_end();
    let list = match list {
        Ok(list) => list,
        Err(err) => return print_unreadable(&args.file, &err, json, output),
    };
    let (report, skip) = (list.report.clone(), args.skip.iter().copied().collect());
    let counts = (Some(list.rows.len()), Some(list.offers.len()));
    let outcome = if report.is_accepted(&skip) {
        let reason = reason(&args.import, &args.file, Some(&report))?;
        let mut query = vec![("name", args.name.clone()), ("reason", reason.to_string())];
        query.extend(skipped(&skip));
        let asked = Asked {
            command: Command::ImportPriceList(list.into_command(args.name.clone())),
            path: "/v1/price-lists".to_owned(),
            query,
            media_type: "text/csv",
            body: &bytes,
        };
        send(asked, &args.import, reason).await?
    } else {
        lossy(&report)
    };
    print(&args.file, counts, Some(&report), &outcome, json, output)
}

async fn offer_matrix(
    args: &ImportMatrixArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let bytes = read_bytes(&args.file)?;
    let mut progress = |done, total| output.progress("reading", done, total);
    let matrix = price_list::parse_matrix(&bytes, &mut progress);
    output.progress_end();
    let matrix = match matrix {
        Ok(matrix) => matrix,
        Err(err) => return print_unreadable(&args.file, &err, json, output),
    };
    let (report, skip) = (matrix.report.clone(), args.skip.iter().copied().collect());
    let counts = (None, Some(matrix.offers.len()));
    let outcome = if report.is_accepted(&skip) {
        let reason = reason(&args.import, &args.file, Some(&report))?;
        let mut query = vec![
            ("name", args.name.clone()),
            ("effective_from", args.from.to_rfc3339()),
            ("reason", reason.to_string()),
        ];
        query.extend(skipped(&skip));
        let command = matrix.into_command(args.name.clone(), args.from);
        let asked = Asked {
            command: Command::ImportOfferMatrix(command),
            path: "/v1/offer-matrices".to_owned(),
            query,
            media_type: "text/csv",
            body: &bytes,
        };
        send(asked, &args.import, reason).await?
    } else {
        lossy(&report)
    };
    print(&args.file, counts, Some(&report), &outcome, json, output)
}

fn skipped(skip: &BTreeSet<price_list::Reason>) -> Option<(&'static str, String)> {
    let words: Vec<&str> = skip.iter().map(|reason| reason.word()).collect();
    (!words.is_empty()).then(|| ("skip", words.join(",")))
}

/// The answer to a file of which rows would be lost.
fn lossy(report: &Report) -> Outcome {
    Outcome::Refused { code: price_list::ROWS_LOST.to_owned(), message: report.loss() }
}

/// Reads TOML, or JSON where the name ends in .json.
///
/// # Errors
///
/// [`Failure`] when the file cannot be read or is not of this form.
pub(super) fn read_data<T: DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let text = source::read(file)?;
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let read = if is_json {
        serde_json::from_str(&text).map_err(|err| err.to_string())
    } else {
        toml::from_str(&text).map_err(|err| err.to_string())
    };
    let wrong = |err: String| {
        Failure::Damage(format!("{} cannot be used: {}", file.display(), err.trim_end()))
    };
    read.map_err(wrong)
}

/// Reads a vendor's price list of which no row is lost.
///
/// # Errors
///
/// [`Failure`] when the file cannot be read, or a row of it cannot.
pub(super) fn read_prices(file: &Path) -> Result<ImportPriceList, Failure> {
    let unusable = |what: &dyn fmt::Display| {
        Failure::Damage(format!("{} cannot be used: {what}", file.display()))
    };
    let list =
        price_list::parse(&read_bytes(file)?, &mut |_, _| {}).map_err(|err| unusable(&err))?;
    if !list.report.is_accepted(&BTreeSet::new()) {
        return Err(unusable(&list.report.loss()));
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    Ok(list.into_command(name.into_owned()))
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file)
        .map_err(|err| Failure::Source(format!("{} cannot be read: {err}", file.display())))
}

/// Why, in the caller's words or in those of the report.
fn reason(args: &ImportArgs, file: &Path, report: Option<&Report>) -> Result<Reason, Failure> {
    if let Some(reason) = &args.reason {
        return Ok(reason.clone());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let lost = report.filter(|report| !report.losses().is_empty());
    let lost = lost.map(|report| format!(", {}", report.loss())).unwrap_or_default();
    let reason = Reason::try_new(format!("import of {name}{lost}"));
    reason.map_err(|err| Failure::Usage(format!("give a reason with --reason: {err}")))
}

async fn send(asked: Asked<'_>, args: &ImportArgs, reason: Reason) -> Result<Outcome, Failure> {
    let target = Target::open(&args.target, ROLES).await?;
    if let Target::Server(server) = &target {
        return post(server, asked, args.dry_run);
    }
    let told = Told {
        stream: StreamId::Catalogue,
        path: asked.path,
        command: asked.command,
        command_id: random_id()?,
        reason,
    };
    let answer = target.send(&told, args.dry_run).await;
    target.close()?;
    Ok(match answer? {
        Answer::Refused { code, message, .. } => Outcome::Refused { code, message },
        Answer::Done { events, .. } if events.is_empty() => Outcome::Unchanged,
        Answer::Done { .. } if args.dry_run => Outcome::WouldImport,
        Answer::Done { .. } => Outcome::Imported,
    })
}

/// An id that no other attempt has: what was refused before may be accepted now.
fn random_id() -> Result<CommandId, Failure> {
    let unusable = |err: &dyn std::fmt::Display| {
        Failure::Source(format!("the system gives no random numbers: {err}"))
    };
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|err| unusable(&err))?;
    let id = format!("import-{:032x}", u128::from_be_bytes(bytes));
    CommandId::try_new(id).map_err(|err| unusable(&err))
}

fn post(server: &Server, asked: Asked<'_>, dry_run: bool) -> Result<Outcome, Failure> {
    let Asked { path, mut query, media_type, body, .. } = asked;
    query.push(("dry_run", dry_run.to_string()));
    let (status, answer) = server.post_file(&path, &query, (media_type, body))?;
    let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default();
    if !matches!(status, 200 | 201) {
        let (code, message) = (text("code").to_owned(), text("detail").trim_end_matches('.'));
        return Ok(Outcome::Refused { code, message: message.to_owned() });
    }
    let is_unchanged = answer.get("unchanged") == Some(&Value::Bool(true));
    Ok(match (is_unchanged, dry_run) {
        (true, _) => Outcome::Unchanged,
        (false, true) => Outcome::WouldImport,
        (false, false) => Outcome::Imported,
    })
}

fn print_unreadable(
    file: &Path,
    err: &Unreadable,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let (code, message) = (price_list::FILE_UNREADABLE.to_owned(), err.to_string());
    print(file, (None, None), None, &Outcome::Refused { code, message }, json, output)
}

fn print(
    file: &Path,
    (prices, offers): (Option<usize>, Option<usize>),
    report: Option<&Report>,
    outcome: &Outcome,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let exit = match outcome {
        Outcome::Refused { .. } => Exit::Found,
        Outcome::Imported | Outcome::Unchanged | Outcome::WouldImport => Exit::Fine,
    };
    let file = file.display().to_string();
    if json {
        output.json(&Printed { file, prices, offers, report, outcome })?;
        return Ok(exit);
    }
    if let Some(report) = report {
        print_report(report, output)?;
    }
    output.line(match outcome {
        Outcome::Imported => format!("{file} is imported"),
        Outcome::Unchanged => format!("{file} was imported before; nothing to do"),
        Outcome::WouldImport => format!("{file} would be imported; nothing is recorded"),
        Outcome::Refused { code, message } => {
            format!("{file} is not imported, nothing of it: {message} ({code})")
        }
    })?;
    Ok(exit)
}

fn print_report(report: &Report, output: &mut Output<'_>) -> Result<(), Failure> {
    for note in &report.notes {
        let (line, reason, message) = (note.line, note.reason, &note.message);
        let what = if note.left_out { "left out" } else { "mended" };
        output.line(format!("line {line}: {what}, {reason}: {message}"))?;
    }
    if !report.unknown_columns.is_empty() {
        output.line(format!("columns not read: {}", report.unknown_columns.join(", ")))?;
    }
    let Report { rows, understood, mended, left_out, empty_lines, overlapping, .. } = report;
    output.line(format!(
        "{rows} rows: {understood} understood ({mended} of them mended), {left_out} left out; \
         {empty_lines} empty lines; {overlapping} overlap with an earlier row"
    ))?;
    Ok(())
}
