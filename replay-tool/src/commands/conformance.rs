//! `conformance`: computes published cases, and compares.

use std::fs;
use std::path::Path;

use ledger_core::billing::vectors::{VectorError, Verdict, proration, schedule};
use serde_json::json;

use crate::cli::ConformanceVerb;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Computes every case of a file.
///
/// # Errors
///
/// [`Failure::Source`] for a file that cannot be read or is none of cases.
pub fn conformance(
    verb: &ConformanceVerb,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let verdicts = match verb {
        ConformanceVerb::Proration(args) => run(&args.file, |text| proration(text, args.policy))?,
        ConformanceVerb::Schedule(args) => run(&args.file, schedule)?,
    };
    for verdict in &verdicts {
        if json {
            output.json(verdict)?;
        } else {
            output.line(in_words(verdict))?;
        }
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.ok).count();
    let passed = verdicts.len().saturating_sub(failed);
    if json {
        output.json(&json!({ "passed": passed, "failed": failed }))?;
    } else {
        output.line(format!("{passed} passed, {failed} failed"))?;
    }
    Ok(if failed == 0 { Exit::Fine } else { Exit::Found })
}

fn run(
    file: &Path,
    compute: impl FnOnce(&str) -> Result<Vec<Verdict>, VectorError>,
) -> Result<Vec<Verdict>, Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|err| Failure::Source(format!("{shown} cannot be read: {err}")))?;
    compute(&text).map_err(|err| Failure::Source(format!("{shown}: {err}")))
}

fn in_words(verdict: &Verdict) -> String {
    let Verdict { id, expected, found, formula, .. } = verdict;
    if verdict.ok {
        return format!("ok     {id}: {found}; {formula}");
    }
    format!("FAILED {id}: expected {expected}, found {found}; {formula}")
}
