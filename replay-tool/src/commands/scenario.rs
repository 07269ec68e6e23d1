//! `scenario`: runs scenario files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::ScenarioArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::scenario::parse::parse;
use crate::scenario::run::{Report, run};

/// Runs every scenario of the files and folders named.
///
/// # Errors
///
/// [`Failure::Usage`] for a file that is no scenario file, [`Failure::Source`] for one that cannot be
/// read.
pub fn scenario(args: &ScenarioArgs, json: bool, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let wanted = args.rule.as_deref().unwrap_or_default().to_lowercase();
    let mut reports = run_all(&args.files)?;
    reports.retain(|report| report.rule.to_lowercase().contains(&wanted));
    let failed = reports.iter().filter(|report| !report.problems.is_empty()).count();
    let passed = reports.len().saturating_sub(failed);
    if json {
        for report in &reports {
            output.json(report)?;
        }
        output.json(&json!({ "passed": passed, "failed": failed }))?;
    } else {
        for report in &reports {
            show(report, output)?;
        }
        output.line(format!("{passed} passed, {failed} failed"))?;
    }
    Ok(if failed == 0 { Exit::Fine } else { Exit::Found })
}

fn show(report: &Report, output: &mut Output<'_>) -> Result<(), Failure> {
    if report.problems.is_empty() {
        return Ok(());
    }
    output.line(format!("FAILED {}:{} {}", report.file, report.line, report.rule))?;
    output.line(format!("  source: {}", report.source))?;
    let mut step = "";
    for problem in &report.problems {
        if problem.step != step {
            step = &problem.step;
            output.line(format!("  {step}"))?;
        }
        output.line(format!("    {}", problem.differs.replace('\n', "\n    ")))?;
    }
    Ok(())
}

/// Runs every scenario of the files and folders, in the order of their names.
///
/// # Errors
///
/// See [`scenario`].
pub fn run_all(paths: &[PathBuf]) -> Result<Vec<Report>, Failure> {
    let mut reports = Vec::new();
    for file in files(paths)? {
        let text = fs::read_to_string(&file).map_err(|err| unread(&file, &err))?;
        let scenarios = parse(&file.display().to_string(), &text);
        let scenarios = scenarios.map_err(|err| Failure::Usage(err.to_string()))?;
        reports.extend(scenarios.iter().map(run));
    }
    Ok(reports)
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = all.len();
            search(path, &mut all)?;
            if all.len() == before {
                let message = format!("{} holds no *.yaml file", path.display());
                return Err(Failure::Source(message));
            }
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

fn search(folder: &Path, all: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|err| unread(folder, &err))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(|err| unread(folder, &err))?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            search(&path, all)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            all.push(path);
        }
    }
    Ok(())
}

fn unread(path: &Path, err: &std::io::Error) -> Failure {
    Failure::Source(format!("{} cannot be read: {err}", path.display()))
}
