//! `bench billing`: what a million charge lines take.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use chrono::NaiveDate;
use clap::Parser;
use ledger_core::folder::DataFolder;
use serde::Serialize;

use crate::bench::billed::Billed;
use crate::bench::measure::{Memory, forget_peak, micros, per_second};
use crate::bench::world::{Folder, unusable};
use crate::cli::{BenchBillingArgs, Cli, Verb};
use crate::commands::{export, reconcile};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::Source;

/// Every layout in every format.
const EXPORTS: [(&str, &str); 9] = [
    ("ledger", "csv"),
    ("ledger", "jsonl"),
    ("ledger", "parquet"),
    ("vendor", "csv"),
    ("vendor", "jsonl"),
    ("vendor", "parquet"),
    ("focus", "csv"),
    ("focus", "jsonl"),
    ("focus", "parquet"),
];

/// The month that is reconciled.
const MONTH: &str = "2026-03";

/// What one thing took that was done with all lines.
#[derive(Debug, Serialize)]
struct Took {
    what: String,
    lines: u64,
    elapsed_us: u64,
    lines_per_second: u64,
    peak_resident_bytes: u64,
}

pub(super) async fn billing(
    args: &BenchBillingArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let folder = Folder::open(args.folder.as_deref())?;
    let data = folder.path().join("ledger");
    let billed = Billed::make(&data, args.lines, output).await?;
    if !json {
        output.line(format!("{} customers in {}\n", billed.customers, folder.path().display()))?;
    }

    let clock = Clock::start();
    billed.close_period().await?;
    print(&clock.took("a period closed", billed.lines), json, output)?;
    billed.close()?;
    drop(billed);

    let source = Source::Folder(
        DataFolder::open(&data).map_err(|err| Failure::Source(ledger_core::error::chain(&err)))?,
    );
    let clock = Clock::start();
    let mut lines = 0_u64;
    source
        .each_line(NaiveDate::MAX, &mut |line| {
            std::hint::black_box(line);
            lines = lines.saturating_add(1);
            Ok(())
        })
        .await?;
    print(&clock.took("projected", lines), json, output)?;

    let text = |path: &Path| path.display().to_string();
    let (data, until) = (text(&data), "2026-12-31".to_owned());
    for (layout, format) in EXPORTS {
        let file = text(&folder.path().join(format!("{layout}.{format}")));
        let typed = ["export", "--layout", layout, "--format", format, "-o", &file];
        let typed = [&typed[..], &["--until", &until, "--data", &data]].concat();
        let clock = Clock::start();
        obey(&typed).await?;
        print(&clock.took(&format!("exported, {layout} {format}"), lines), json, output)?;
    }

    let file = text(&folder.path().join("month.csv"));
    let typed = ["export", "--layout", "vendor", "--period", MONTH, "-o", &file];
    obey(&[&typed[..], &["--until", &until, "--data", &data]].concat()).await?;
    let lines = fs::read_to_string(&file).map_err(|err| unusable(Path::new(&file), &err))?;
    let lines = u64::try_from(lines.lines().count().saturating_sub(1)).unwrap_or(u64::MAX);
    let clock = Clock::start();
    obey(&["reconcile", &file, "--period", MONTH, "--data", &data]).await?;
    print(&clock.took("reconciled, one month", lines), json, output)
}

/// Does what could be typed, and drops what it says.
async fn obey(typed: &[&str]) -> Result<(), Failure> {
    let typed = [&["replay-tool"], typed].concat();
    let cli = Cli::try_parse_from(typed).map_err(|err| Failure::Usage(err.to_string()))?;
    let (mut results, mut messages) = (io::sink(), io::sink());
    let mut unheard = Output::new(&mut results, &mut messages, false);
    let exit = if let Verb::Export(args) = &cli.verb {
        export::export(args, false, &mut unheard).await?
    } else if let Verb::Reconcile(args) = &cli.verb {
        reconcile::reconcile(args, false, &mut unheard).await?
    } else {
        Exit::Usage
    };
    if exit == Exit::Fine {
        return Ok(());
    }
    Err(Failure::Damage(format!("it ended with {exit:?}")))
}

/// Time and memory of one thing.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        forget_peak();
        Self(Instant::now())
    }

    fn took(&self, what: &str, lines: u64) -> Took {
        let elapsed_us = micros(self.0.elapsed());
        Took {
            what: what.to_owned(),
            lines,
            elapsed_us,
            lines_per_second: per_second(lines, elapsed_us),
            peak_resident_bytes: Memory::now().peak_resident_bytes,
        }
    }
}

fn print(took: &Took, json: bool, output: &mut Output<'_>) -> Result<(), Failure> {
    if json {
        return Ok(output.json(took)?);
    }
    let Took { what, lines, elapsed_us, lines_per_second, peak_resident_bytes } = took;
    let (ms, mib) = (elapsed_us / 1000, super::mib(*peak_resident_bytes));
    Ok(output.line(format!(
        "{what:<28} {lines:>9} lines {ms:>7} ms {lines_per_second:>9} lines/s, at most {mib} MiB"
    ))?)
}
