//! `bench billing`: what a million charge lines take.

use std::time::Instant;

use chrono::NaiveDate;
use ledger_core::folder::DataFolder;
use serde::Serialize;

use crate::bench::billed::Billed;
use crate::bench::measure::{Memory, forget_peak, micros, per_second};
use crate::bench::world::Folder;
use crate::cli::BenchBillingArgs;
use crate::exit::Failure;
use crate::output::Output;
use crate::source::Source;

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
    print(&clock.took("projected", lines), json, output)
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
