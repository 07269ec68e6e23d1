//! What can be typed after `reconcile`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ledger_core::calendar::Month;
use ledger_core::ids::{CustomerId, Reason};
use ledger_core::money::Currency;

use super::TargetArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  replay-tool reconcile invoice.csv.gz --period 2024-03 --data ledger-data
  replay-tool reconcile invoice.csv --period 2024-03 --customer acme --csv -o differences.csv
  replay-tool reconcile invoice.csv --period 2024-03 --record --at 2024-04-09
  replay-tool reconcile invoice.csv --period 2024-03 --url http://127.0.0.1:8080 --token-file t --record";

pub(super) const NOTES: &str = "\
Exit code 0: all lines agree; 1: there are differences, or the file cannot be read.
docs/RECONCILIATION.md tells which files are read, what the causes are, and how they are found.";

/// Which file, and what it is compared with.
#[derive(Args, Clone, Debug)]
pub struct ReconcileArgs {
    /// The vendor's invoice file: CSV, also packed with gzip.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The period whose lines it is compared with, such as 2024-03.
    #[arg(long, value_name = "MONTH")]
    pub period: Month,
    /// Only these customers.
    #[arg(long, value_name = "ID,...", value_delimiter = ',', conflicts_with = "record")]
    pub customer: Vec<CustomerId>,
    /// Only lines in this currency.
    #[arg(long, value_name = "CODE")]
    pub currency: Option<Currency>,
    /// What stands before the cents, where the file does not show it.
    #[arg(long, value_name = "MARK")]
    pub decimal: Option<DecimalArg>,
    /// What comes first in a date such as 03/01/2024, where the file does not show it.
    #[arg(long, value_name = "ORDER")]
    pub dates: Option<DatesArg>,
    /// Print the differences as CSV.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Write the result to a file.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace that file.
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Record the result in the ledger, with the SHA-256 of the file.
    #[arg(long)]
    pub record: bool,
    /// Why, for the history. Default: the file's name.
    #[arg(long, value_name = "TEXT", requires = "record")]
    pub reason: Option<Reason>,
    /// Which ledger.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// What stands before the cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecimalArg {
    /// 1,234.56
    Point,
    /// 1.234,56
    Comma,
}

/// What comes first in a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DatesArg {
    /// 31/03/2024
    DayFirst,
    /// 03/31/2024
    MonthFirst,
}
