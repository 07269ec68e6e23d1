//! Flags of what explains and proves bills.

use clap::Args;
use ledger_core::calendar::Month;
use ledger_core::ids::{CustomerId, ResellerId};

use super::SourceArgs;

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
