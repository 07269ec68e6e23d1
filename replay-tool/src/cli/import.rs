//! What can be typed after `import` and `what-if`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, Subcommand};
use ledger_core::ids::{CustomerId, ProgrammeId, Reason};
use ledger_core::price_list::Reason as SkipReason;

use super::{OpeningArgs, SourceArgs, TargetArgs, from_start};

pub(super) const EXAMPLES: &str = "\
Examples:
  replay-tool import catalogue catalogue.toml --url http://127.0.0.1:8080 --token-file operator.token
  replay-tool import price-list 2026-11.csv --name prices-2026-11 --dry-run --at 2026-11-02
  replay-tool import price-list 2026-11.csv --name prices-2026-11 --skip currency,tier --at 2026-11-02
  replay-tool import offer-matrix matrix.csv --name matrix-2026-11 --from 2026-11-01 --at 2026-11-02
  replay-tool import policy nce-strict.toml --at 2026-11-02";

pub(super) const NOTES: &str = "\
A catalogue, a list, a matrix or a policy is imported whole or not at all. Every row that was mended or left out is reported. A row that is left
out may be a price that somebody needs: the file is refused then, unless --skip names the reason.
docs/PRICE-LISTS.md lists the reasons and what is mended.";

/// What to bring in.
#[derive(Debug, Subcommand)]
pub enum ImportVerb {
    /// Import a version of the catalogue (.toml or .json).
    Catalogue(ImportFileArgs),
    /// Import a vendor's licence price list (CSV).
    PriceList(ImportPriceListArgs),
    /// Import a vendor's offer matrix (CSV).
    OfferMatrix(ImportMatrixArgs),
    /// Set the rules of one programme from an instant on (.toml or .json).
    Policy(ImportFileArgs),
    /// Take over subscriptions as they stand elsewhere, from CSV or from the vendor's JSON.
    OpeningBalances(OpeningArgs),
}

/// How something is brought in, and where to.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// Say what would happen, and record nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Why; kept with what is recorded. Default: the file's name.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Reason>,
    /// Where to; a server wants an operator's token.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Which file.
#[derive(Args, Clone, Debug)]
pub struct ImportFileArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How, and where to.
    #[command(flatten)]
    pub import: ImportArgs,
}

/// Which price list.
#[derive(Args, Clone, Debug)]
pub struct ImportPriceListArgs {
    /// The file, as the vendor has it.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name of the list; it stands for one content.
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Reasons for which rows may be left out.
    #[arg(long, value_name = "REASON,...", value_delimiter = ',')]
    pub skip: Vec<SkipReason>,
    /// How, and where to.
    #[command(flatten)]
    pub import: ImportArgs,
}

/// Which offer matrix.
#[derive(Args, Clone, Debug)]
pub struct ImportMatrixArgs {
    /// The file, as the vendor has it.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name of the matrix; it stands for one content.
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// From when on it holds: an instant, or a date for the start of that UTC day.
    #[arg(long, value_name = "INSTANT", value_parser = from_start)]
    pub from: DateTime<Utc>,
    /// Reasons for which rows may be left out.
    #[arg(long, value_name = "REASON,...", value_delimiter = ',')]
    pub skip: Vec<SkipReason>,
    /// How, and where to.
    #[command(flatten)]
    pub import: ImportArgs,
}

/// Whose history, and under what.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("under").required(true).multiple(true).args(["catalogue", "policy", "price_list"])))]
pub struct WhatIfArgs {
    /// The customer.
    pub customer: CustomerId,
    /// Under what.
    #[command(flatten)]
    pub under: UnderArgs,
    /// Decide again also what a rule refused.
    #[arg(long)]
    pub refused: bool,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Catalogues, rules and prices to decide under, instead of those that were imported.
#[derive(Args, Clone, Debug)]
pub struct UnderArgs {
    /// Catalogue instead of all that were imported (.toml or .json); price lists stay.
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
    /// Rules instead of those of the programme, as `import policy` takes them.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Programme that the rules are for, if not the one the file names.
    #[arg(long, value_name = "ID", requires = "policy")]
    pub programme: Option<ProgrammeId>,
    /// A vendor's price list (CSV) over those that were imported.
    #[arg(long, value_name = "FILE")]
    pub price_list: Option<PathBuf>,
}
