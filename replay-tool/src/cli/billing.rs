//! Flags of what explains, proves and forecasts bills.

use chrono::{DateTime, Utc};
use clap::Args;
use ledger_core::calendar::Month;
use ledger_core::ids::{CustomerId, ResellerId};

use super::{SourceArgs, UnderArgs, from_start};

/// What is to be explained.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Id of a charge line (acme/3.1/1, or acme/s1/2024-02-29 of a charge cycle), of an event (acme/3.1),
    /// or, with --customer, of a command.
    pub id: String,
    /// Whose command it is.
    #[arg(long, value_name = "ID")]
    pub customer: Option<CustomerId>,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Which statement.
#[derive(Args, Clone, Debug)]
pub struct StatementArgs {
    /// Its number.
    #[arg(conflicts_with_all = ["customer", "reseller"], required_unless_present_any = ["customer", "reseller"])]
    pub number: Option<u64>,
    /// The customer whose statement it is; a preview while the period is open.
    #[arg(long, value_name = "ID", requires = "period", conflicts_with = "reseller")]
    pub customer: Option<CustomerId>,
    /// The reseller whose statement it is.
    #[arg(long, value_name = "ID", requires = "period")]
    pub reseller: Option<ResellerId>,
    /// The billing period, such as 2024-03.
    #[arg(long, value_name = "MONTH", conflicts_with = "number")]
    pub period: Option<Month>,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// How far ahead, whose charges, and under what.
#[derive(Args, Clone, Debug)]
pub struct ForecastArgs {
    /// The customer; all when left out.
    pub customer: Option<CustomerId>,
    /// Months from now on, 1 to 120.
    #[arg(long, value_name = "N", default_value = "12", value_parser = clap::value_parser!(u32).range(1..=120))]
    pub months: u32,
    /// The instant up to which everything has happened: an instant, or a date for the start of that UTC
    /// day. Default: that of the last commit.
    #[arg(long, value_name = "INSTANT", value_parser = from_start)]
    pub from: Option<DateTime<Utc>>,
    /// Only sums and renewals, without the single charges.
    #[arg(long)]
    pub summary: bool,
    /// Under what.
    #[command(flatten)]
    pub under: UnderArgs,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}
