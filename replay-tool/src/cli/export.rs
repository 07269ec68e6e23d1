//! `export`: what can be typed.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;
use ledger_core::calendar::Month;
use ledger_core::ids::{CustomerId, ResellerId};

use super::SourceArgs;
use crate::export::{Format, Layout};

pub(super) const EXAMPLES: &str = "\
Examples:
  replay-tool export -o lines.csv
  replay-tool export --layout vendor --period 2024-03 -o march.csv
  replay-tool export --layout focus --format parquet --period 2024-03 -o march.parquet
  replay-tool export --format jsonl --customer acme -o - | jq .amount
  replay-tool export --check march.parquet.manifest.json --against-source --data ledger-data";

pub(super) const NOTES: &str = "\
Beside FILE lies FILE.manifest.json: hash, rows, sums, range, and position and root of the log. The same
log gives the same bytes. docs/EXPORTS.md tells every column.";

/// What is exported, and where to; or which export is checked.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Which columns.
    #[arg(long, value_enum, default_value = "ledger")]
    pub layout: Layout,
    /// How values are written.
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,
    /// The file; `-` writes csv or jsonl to the standard output, without a manifest.
    #[arg(short, long, value_name = "FILE", required_unless_present = "check")]
    pub output: Option<PathBuf>,
    /// Replace the file and its manifest.
    #[arg(long)]
    pub force: bool,
    /// Only what is billed in this period, such as 2024-03.
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["from", "to"])]
    pub period: Option<Month>,
    /// Only what is charged on this day or later; not for focus, which has whole periods.
    #[arg(long, value_name = "DAY")]
    pub from: Option<NaiveDate>,
    /// Only what is charged on this day or earlier; not for focus, which has whole periods.
    #[arg(long, value_name = "DAY")]
    pub to: Option<NaiveDate>,
    /// Only what this customer is charged.
    #[arg(long, value_name = "ID")]
    pub customer: Option<CustomerId>,
    /// Only what customers of this reseller are charged.
    #[arg(long, value_name = "ID")]
    pub reseller: Option<ResellerId>,
    /// The last day of charges; charge cycles until then are charged. Default: the last recorded day of a
    /// stopped folder, today on a server's clock.
    #[arg(long, value_name = "DAY")]
    pub until: Option<NaiveDate>,
    /// For focus: who issues invoices, where no billing terms say it.
    #[arg(long, value_name = "NAME")]
    pub issuer: Option<String>,
    /// For focus: who made what is sold. Default: the issuer.
    #[arg(long, value_name = "NAME")]
    pub publisher: Option<String>,
    /// Export nothing: read the file again that lies beside this manifest, and compare.
    #[arg(long, value_name = "MANIFEST", conflicts_with = "output")]
    pub check: Option<PathBuf>,
    /// With --check: read the log, too; it must have the manifest's root at the manifest's position.
    #[arg(long, requires = "check")]
    pub against_source: bool,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}
