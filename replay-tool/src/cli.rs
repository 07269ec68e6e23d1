//! What can be typed, and nothing else.

mod billing;
mod conformance;
mod export;
mod import;
mod reconcile;

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::{Args, Parser, Subcommand};
use ledger_core::calendar::midnight;
use ledger_core::ids::{BackupName, CustomerId, Reason, SubscriptionId};
use ledger_core::proof::note::VerifierKey;

pub use self::billing::{ExplainArgs, ForecastArgs, StatementArgs};
pub use self::conformance::{ConformanceVerb, ProrationArgs, ScheduleArgs};
pub use self::export::ExportArgs;
pub use self::import::{
    ImportArgs, ImportFileArgs, ImportMatrixArgs, ImportPriceListArgs, ImportVerb, UnderArgs,
    WhatIfArgs,
};
pub use self::reconcile::{DatesArg, DecimalArg, ReconcileArgs};

const EXAMPLES: &str = "\
Examples:
  replay-tool verify --data ledger-data
  replay-tool verify --checkpoint kept-elsewhere.txt --key NAME+ID+BASE64
  replay-tool history acme --refused --from 2024-03-01 --to 2024-03-31
  replay-tool state acme --as-of 2024-03-04 --known-at 2024-03-10T09:00:00Z
  replay-tool history acme --url http://127.0.0.1:8080 --tokens ledger-data/tokens.toml
  replay-tool explain acme/3.1/1
  replay-tool explain ticket-4711 --customer acme
  replay-tool statement 42; replay-tool statement --customer acme --period 2024-03
  replay-tool scenario tests/scenarios
  replay-tool conformance proration docs/vectors/proration.csv
  replay-tool rebuild --data ledger-data
  replay-tool backup --data ledger-data --into /mnt/backups/2026-11-21
  replay-tool backup --url http://127.0.0.1:8080 --token-file operator.token --name 2026-11-21
  replay-tool prove 412 > proof.json; replay-tool check-proof proof.json --key NAME+ID+BASE64
  replay-tool import price-list 2026-11.csv --name prices-2026-11 --at 2026-11-02
  replay-tool reconcile invoice.csv --period 2026-10
  replay-tool what-if acme --policy nce-strict.toml
  replay-tool forecast acme --months 12 --price-list 2027-01.csv
  replay-tool bench commands --callers 1,256
  replay-tool export --layout focus --format parquet --period 2024-03 -o march.parquet";

const EXIT_CODES: &str = "\
Results go to the standard output, messages to the standard error.

Exit codes:
  0  everything is as it should be
  1  something wrong was found: damage, a log that is not the one that was signed, a proof that proves
     nothing, a scenario or a case that fails, or a file that is not imported
  2  the command line is wrong
  3  the source, or what it is to be compared with, cannot be opened, reached or believed
  4  what was asked for is not there";

/// Answers questions about the past of a subscription ledger.
#[derive(Debug, Parser)]
#[command(name = "replay-tool", version, before_help = EXAMPLES, after_help = EXIT_CODES)]
pub struct Cli {
    /// Print JSON, one value per line, instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check every stored commit: checksum, hash, link, position, and whether it can be read; and draw the
    /// bills of every closed period again.
    Verify(VerifyArgs),
    /// Tell what happened to a customer: who, when, why, what, and what it cost.
    History(HistoryArgs),
    /// Tell what a customer held at an instant.
    State(StateArgs),
    /// Tell why a charge line is what it is, or what an event or a command has cost.
    Explain(ExplainArgs),
    /// Show a statement, drawn again from the log and compared with what was recorded.
    Statement(StatementArgs),
    /// Run scenario files.
    Scenario(ScenarioArgs),
    /// Compute published cases of proration and of charge cycles, and compare.
    #[command(subcommand, after_help = conformance::NOTES)]
    Conformance(ConformanceVerb),
    /// Compute the views again from the log of a stopped folder.
    Rebuild(RebuildArgs),
    /// Copy a whole ledger, without its secrets, into a new folder that is a ledger itself.
    Backup(BackupArgs),
    /// Sign a checkpoint over all commits of a stopped folder, and print it.
    Checkpoint(FolderArgs),
    /// Prove that a commit is in the log: prints a file that can be checked anywhere.
    Prove(ProveArgs),
    /// Check what `prove` has printed. Needs nothing but that file and a key you trust.
    CheckProof(CheckProofArgs),
    /// Change the key of a stopped folder; prints the checkpoint in which the old one names the new.
    RotateKey(FolderArgs),
    /// Bring what is known elsewhere into a ledger; each part once, however often it is run.
    #[command(subcommand, before_help = import::EXAMPLES, after_help = import::NOTES)]
    Import(ImportVerb),
    /// Compare a vendor's invoice file with the ledger, and name the cause of every difference.
    #[command(before_help = reconcile::EXAMPLES, after_help = reconcile::NOTES)]
    Reconcile(ReconcileArgs),
    /// Decide a customer's history again under another catalogue or other rules, and compare.
    WhatIf(WhatIfArgs),
    /// Tell what will be charged, and which terms begin, if nobody changes anything.
    Forecast(ForecastArgs),
    /// Measure speed under a load that users have, in a new folder or on a running server.
    #[command(subcommand, before_help = BENCH_EXAMPLES, after_help = BENCH_NOTES)]
    Bench(BenchVerb),
    /// Write billed lines to a file, in a layout that billing teams load; or check such a file.
    #[command(before_help = export::EXAMPLES, after_help = export::NOTES)]
    Export(ExportArgs),
}

/// What to check, and against what.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Checkpoint that was kept elsewhere; the log must be the one that it was signed for.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub checkpoint: Option<PathBuf>,
    /// Verifier key you trust, as the ledger wrote it to keys/checkpoint.pub when you got it.
    #[arg(long, value_name = "KEY", requires = "checkpoint")]
    pub key: Option<VerifierKey>,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// A stopped folder.
#[derive(Args, Clone, Debug)]
pub struct FolderArgs {
    /// Data folder of a stopped ledger.
    #[arg(long, value_name = "DIR", default_value = "ledger-data")]
    pub data: PathBuf,
}

/// Which commit, and by which checkpoint.
#[derive(Args, Clone, Debug)]
pub struct ProveArgs {
    /// Position of the commit in the log.
    pub position: u64,
    /// Prove it by the checkpoint over so many commits; by the last one when left out.
    #[arg(long, value_name = "COMMITS")]
    pub size: Option<u64>,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Which proof, and who is trusted.
#[derive(Args, Clone, Debug)]
pub struct CheckProofArgs {
    /// What `prove` has printed.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Verifier key you trust.
    #[arg(long, value_name = "KEY")]
    pub key: VerifierKey,
}

const BENCH_EXAMPLES: &str = "\
Examples:
  replay-tool bench commands --folder /srv/ledger-disk/bench
  replay-tool bench http --server http://127.0.0.1:8080 --token-file operator.token
  replay-tool bench replay --commits 1000000";

const BENCH_NOTES: &str = "\
The load: 10,000 customers with one subscription each, of which the busiest tenth gets half of all
commands; of a hundred commands 30 add seats, 22 give some back, 26 plan a renewal, 4 choose the end of
the term, 9 assign a licence, 6 take one away, and 3 name a subscription that is not there. About 6 %
are refused, and about 7 % find everything as asked. The n-th command is the same in every run.

commands and replay work on a ledger of their own, in a temporary folder or an empty one. http changes
the server's ledger, but only customers whose id starts with bench-; they stay there, as all that is
recorded does.

With --json, one object per line. commands: callers, done, unchanged, refused, commands_per_second,
elapsed_us, p50_us, p90_us, p99_us, p999_us, max_us, commits, syncs (of log and journal), commit_bytes
(on disk), group (commits per sync), plain_commits_per_second (write and fdatasync of as many bytes in the same grouping),
percent_of_plain, resident_bytes, peak_resident_bytes, customers, folder. http: connections, bulk, done
to max_us as above, customers; with --bulk the latency is that of a request of 1,000 commands. replay:
what, commits, elapsed_us, commits_per_second.";

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchVerb {
    /// Commands per second and latency in process, beside what the disk can do by itself.
    Commands(BenchCommandsArgs),
    /// Commands per second and latency of a running server; makes customers bench-... there.
    Http(BenchHttpArgs),
    /// Replay of a whole log, and of one customer.
    Replay(BenchReplayArgs),
    /// Charge lines: projected, closed, exported and reconciled.
    Billing(BenchBillingArgs),
}

/// Customers of the load.
const CUSTOMERS: &str = "10000";

/// How long one measurement lasts; 10 seconds when left out.
#[derive(Args, Clone, Copy, Debug)]
pub struct AmountArgs {
    /// Seconds per measurement. Default: 10.
    #[arg(long, value_name = "N", conflicts_with = "commands")]
    pub seconds: Option<NonZeroU32>,
    /// Commands per measurement, instead of a time; with --bulk in whole requests.
    #[arg(long, value_name = "N")]
    pub commands: Option<NonZeroU64>,
}

/// How commands are measured in process.
#[derive(Args, Clone, Debug)]
pub struct BenchCommandsArgs {
    /// Callers at the same time; one measurement for each number.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,16,64,256,1024")]
    pub callers: Vec<NonZeroU16>,
    /// How long.
    #[command(flatten)]
    pub amount: AmountArgs,
    /// Customers.
    #[arg(long, value_name = "N", default_value = CUSTOMERS)]
    pub customers: NonZeroU32,
    /// Empty folder on the disk to be measured. Default: a temporary one, which may be in memory.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// Which server is measured, and how.
#[derive(Args, Clone, Debug)]
pub struct BenchHttpArgs {
    /// Address of a running server that has the offers of seeds.toml, such as <http://127.0.0.1:8080>.
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// File that holds nothing but an operator's token.
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Connections at the same time; each has one request under way.
    #[arg(long, value_name = "N", default_value = "256")]
    pub connections: NonZeroU16,
    /// Send 1,000 commands with every request, to /v1/bulk.
    #[arg(long)]
    pub bulk: bool,
    /// How long.
    #[command(flatten)]
    pub amount: AmountArgs,
    /// Customers.
    #[arg(long, value_name = "N", default_value = CUSTOMERS)]
    pub customers: NonZeroU32,
}

/// How much is replayed.
#[derive(Args, Clone, Debug)]
pub struct BenchReplayArgs {
    /// Commits in the log.
    #[arg(long, value_name = "N", default_value = "100000")]
    pub commits: NonZeroU64,
    /// Customers.
    #[arg(long, value_name = "N", default_value = CUSTOMERS)]
    pub customers: NonZeroU32,
    /// Empty folder on the disk to be measured. Default: a temporary one, which may be in memory.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// How many charge lines are measured.
#[derive(Args, Clone, Debug)]
pub struct BenchBillingArgs {
    /// Charge lines.
    #[arg(long, value_name = "N", default_value = "1000000")]
    pub lines: NonZeroU64,
    /// Empty folder on the disk to be measured. Default: a temporary one, which may be in memory.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// Where the commits come from: a stopped folder, or a running server.
#[derive(Args, Clone, Debug)]
pub struct SourceArgs {
    /// Data folder of a stopped ledger.
    #[arg(long, value_name = "DIR", default_value = "ledger-data", conflicts_with = "url")]
    pub data: PathBuf,
    /// Address of a running server, such as <http://127.0.0.1:8080>.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The server's tokens.toml; its first token of a role that may ask is used.
    #[arg(long, value_name = "FILE", requires = "url", conflicts_with = "token_file")]
    pub tokens: Option<PathBuf>,
    /// File that holds nothing but a token.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,
}

/// Whose history, and which part of it.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// The customer.
    pub customer: CustomerId,
    /// Only what was recorded from then on: an instant, or a date for the start of that UTC day.
    #[arg(long, value_name = "INSTANT", value_parser = from_start)]
    pub from: Option<DateTime<Utc>>,
    /// Only what was recorded until then: an instant, or a date for the end of that UTC day.
    #[arg(long, value_name = "INSTANT", value_parser = to_end)]
    pub to: Option<DateTime<Utc>>,
    /// Only what is about this subscription.
    #[arg(long, value_name = "ID")]
    pub subscription: Option<SubscriptionId>,
    /// Show also the commands that a rule refused.
    #[arg(long)]
    pub refused: bool,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Whose state, and when.
#[derive(Args, Clone, Debug)]
pub struct StateArgs {
    /// The customer.
    pub customer: CustomerId,
    /// Count what had taken effect by then: an instant, or a date for the end of that UTC day.
    #[arg(long, value_name = "INSTANT", value_parser = to_end)]
    pub as_of: DateTime<Utc>,
    /// Count only what had been recorded by then; everything when left out.
    #[arg(long, value_name = "INSTANT", value_parser = to_end)]
    pub known_at: Option<DateTime<Utc>>,
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Which scenarios.
#[derive(Args, Clone, Debug)]
pub struct ScenarioArgs {
    /// Scenario files, or folders that are searched for *.yaml.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only those whose rule has this text in it.
    #[arg(long, value_name = "TEXT")]
    pub rule: Option<String>,
}

/// Which views, and where to.
#[derive(Args, Clone, Debug)]
pub struct RebuildArgs {
    /// New folder for the views; without it they replace those of the data folder.
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Data folder of a stopped ledger.
    #[arg(long, value_name = "DIR", default_value = "ledger-data")]
    pub data: PathBuf,
}

/// What is copied, and where to.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// Empty or new folder for the backup of a stopped folder.
    #[arg(long, value_name = "DIR", required_unless_present = "url", conflicts_with = "url")]
    pub into: Option<PathBuf>,
    /// Name of the backup in the folder of backups of a running server.
    #[arg(long, value_name = "NAME", requires = "url", conflicts_with = "into")]
    pub name: Option<BackupName>,
    /// Where from; a server wants an operator's token.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Where commands go: a running server, or a stopped folder.
#[derive(Args, Clone, Debug)]
pub struct TargetArgs {
    /// Which one.
    #[command(flatten)]
    pub source: SourceArgs,
    /// When this is recorded in a stopped folder, which has no clock; never before what is there.
    #[arg(long, value_name = "INSTANT", value_parser = from_start, conflicts_with = "url")]
    pub at: Option<DateTime<Utc>>,
}

/// Which balances, and whose.
#[derive(Args, Clone, Debug)]
pub struct OpeningArgs {
    /// The file: CSV, or JSON as the vendor gives it. docs/OPENING-BALANCES.md describes both.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Whose subscriptions they are, where the file does not say it.
    #[arg(long, value_name = "ID")]
    pub customer: Option<CustomerId>,
    /// The instant as of which the file tells: an instant, or a date for the start of that UTC day.
    #[arg(long, value_name = "INSTANT", value_parser = from_start)]
    pub as_of: DateTime<Utc>,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT", default_value = "Opening balance")]
    pub reason: Reason,
    /// Say of every line what would become of it, and record nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Where to.
    #[command(flatten)]
    pub target: TargetArgs,
}

const EXPECTED: &str =
    "write a date such as 2024-03-01, or an instant such as 2024-03-01T09:00:00Z";

fn from_start(text: &str) -> Result<DateTime<Utc>, String> {
    instant(text, midnight)
}

fn to_end(text: &str) -> Result<DateTime<Utc>, String> {
    instant(text, |day| {
        let last = TimeDelta::days(1).checked_sub(&TimeDelta::milliseconds(1));
        last.and_then(|last| midnight(day).checked_add_signed(last))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    })
}

fn instant(text: &str, of_day: fn(NaiveDate) -> DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(of_day(day));
    }
    let instant = DateTime::parse_from_rfc3339(text).map_err(|_| EXPECTED.to_owned())?;
    Ok(instant.to_utc())
}
