//! What can be typed after `conformance`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ledger_core::billing::vectors::policy_named;
use ledger_core::money::RoundingPolicy;

pub(super) const NOTES: &str = "\
docs/vectors/README.md describes the columns; files of others are run as well. With --json, one object
per case: id, line, ok, expected, found, formula; at the end passed and failed.";

/// Which kind of cases.
#[derive(Debug, Subcommand)]
pub enum ConformanceVerb {
    /// What part of a charge cycle costs.
    Proration(ProrationArgs),
    /// On which days charge cycles begin and end.
    Schedule(ScheduleArgs),
}

/// Which prorations.
#[derive(Args, Clone, Debug)]
pub struct ProrationArgs {
    /// The cases.
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,
    /// Round all of them so, whatever they say: unit-truncate, line-truncate, line-half-up or
    /// fee-then-tax.
    #[arg(long, value_name = "NAME", value_parser = policy)]
    pub policy: Option<RoundingPolicy>,
}

/// Which charge cycles.
#[derive(Args, Clone, Debug)]
pub struct ScheduleArgs {
    /// The cases.
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,
}

fn policy(name: &str) -> Result<RoundingPolicy, String> {
    let expected = "write unit-truncate, line-truncate, line-half-up or fee-then-tax";
    policy_named(name).ok_or_else(|| expected.to_owned())
}
