//! `bench`: measures a ledger made for it, a running server, or a replay.

mod billing;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use ledger_core::commit::Hash;
use ledger_core::customer::{Customer, evolve};
use ledger_core::ids::StreamId;
use ledger_core::record::Recorded;
use ledger_core::store::CommitLog;
use serde::Serialize;

use crate::bench::client::Target;
use crate::bench::load::{self, Load};
use crate::bench::measure::{Amount, Measured, Memory, micros, per_second};
use crate::bench::plain;
use crate::bench::world::{Folder, World, unusable};
use crate::cli::{AmountArgs, BenchCommandsArgs, BenchHttpArgs, BenchReplayArgs, BenchVerb};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::{bare_token, store};

/// How long one measurement lasts when nobody says.
const LASTS: Duration = Duration::from_secs(10);

/// Measures.
///
/// # Errors
///
/// [`Failure`] when the folder or the server cannot be used, or a command fails for another reason
/// than a rule.
pub async fn bench(verb: &BenchVerb, json: bool, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match verb {
        BenchVerb::Commands(args) => commands(args, json, output).await?,
        BenchVerb::Http(args) => http(args, json, output).await?,
        BenchVerb::Replay(args) => replay(args, json, output).await?,
        BenchVerb::Billing(args) => billing::billing(args, json, output).await?,
    }
    Ok(Exit::Fine)
}

/// Commands of so many callers.
#[derive(Debug, Serialize)]
struct Level {
    callers: usize,
    #[serde(flatten)]
    measured: Measured,
    commits: u64,
    syncs: u64,
    commit_bytes: u64,
    group: u64,
    plain_commits_per_second: u64,
    percent_of_plain: u64,
    #[serde(flatten)]
    memory: Memory,
    customers: NonZeroU32,
    folder: PathBuf,
}

async fn commands(
    args: &BenchCommandsArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let folder = Folder::open(args.folder.as_deref())?;
    let world = World::open(&folder, args.customers, output).await?;
    if !json {
        let place = folder.path().display();
        output.line(format!("{} customers, log and journal in {place}\n", args.customers))?;
        output.line(COMMANDS_HEAD)?;
    }
    for callers in &args.callers {
        let level = level(args, &folder, &world, callers.get().into(), output).await?;
        if json {
            output.json(&level)?;
        } else {
            output.line(&level)?;
        }
    }
    if !json {
        let Memory { resident_bytes, peak_resident_bytes } = Memory::now();
        let (now, peak) = (mib(resident_bytes), mib(peak_resident_bytes));
        output.line(format!("\nmemory {now} MiB, at most {peak} MiB"))?;
    }
    world.close()
}

async fn level(
    args: &BenchCommandsArgs,
    folder: &Folder,
    world: &World,
    callers: usize,
    output: &mut Output<'_>,
) -> Result<Level, Failure> {
    let before = (world.commits(), world.bytes()?, world.syncs());
    let measured = world.run(callers, amount(&args.amount), output).await?;
    let after = (world.commits(), world.bytes()?, world.syncs());
    let commits = (after.0.0 - before.0.0) + (after.0.1 - before.0.1);
    let commit_bytes = (after.1 - before.1) / commits.max(1);
    let syncs = after.2 - before.2;
    let group = (commits / syncs.max(1)).max(1);
    let dir = folder.path().to_owned();
    let plain = tokio::task::spawn_blocking(move || {
        plain::commits_per_second(&dir, commits, commit_bytes, group)
    });
    let plain = plain.await.map_err(|err| Failure::Source(err.to_string()))?;
    let plain = plain.map_err(|err| unusable(folder.path(), &err))?;
    Ok(Level {
        callers,
        measured,
        commits,
        syncs,
        commit_bytes,
        group,
        plain_commits_per_second: plain,
        percent_of_plain: measured.commands_per_second.saturating_mul(100) / plain.max(1),
        memory: Memory::now(),
        customers: args.customers,
        folder: folder.path().to_owned(),
    })
}

const COMMANDS_HEAD: &str = "callers commands/s   p50 us   p90 us   p99 us p99.9 us   max us \
                             refused  group bytes/commit plain/s  of plain";

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measured: Measured { latency, tally, commands_per_second, .. }, .. } = self;
        write!(
            f,
            "{:>7} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>5} % {:>6} {:>12} {:>7} {:>7} %",
            self.callers,
            commands_per_second,
            latency.p50_us,
            latency.p90_us,
            latency.p99_us,
            latency.p999_us,
            latency.max_us,
            tally.refused * 100 / tally.commands().max(1),
            self.group,
            self.commit_bytes,
            self.plain_commits_per_second,
            self.percent_of_plain,
        )
    }
}

/// Commands to a server.
#[derive(Debug, Serialize)]
struct Served {
    connections: u16,
    bulk: bool,
    #[serde(flatten)]
    measured: Measured,
    customers: NonZeroU32,
}

async fn http(args: &BenchHttpArgs, json: bool, output: &mut Output<'_>) -> Result<(), Failure> {
    let target =
        Target::new(&args.server, &bare_token(&args.token_file, "copy one of its tokens out")?)?;
    target.prepare(args.customers, output).await?;
    let load = Arc::new(Load::new(args.customers));
    let amount = amount(&args.amount);
    let (connections, bulk) = (args.connections.get(), args.bulk);
    let measured = target.measure(&run_id()?, &load, connections, bulk, amount, output).await?;
    if json {
        output.json(&Served { connections, bulk, measured, customers: args.customers })?;
        return Ok(());
    }
    let Measured { tally, commands_per_second, latency, .. } = measured;
    output.line(
        "connections commands/s   p50 us   p90 us   p99 us p99.9 us   max us     done unchanged  refused",
    )?;
    output.line(format!(
        "{connections:>11} {commands_per_second:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}",
        latency.p50_us,
        latency.p90_us,
        latency.p99_us,
        latency.p999_us,
        latency.max_us,
        tally.done,
        tally.unchanged,
        tally.refused,
    ))?;
    Ok(())
}

/// What sets the command ids of one run apart from those of all others.
fn run_id() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|err| Failure::Source(format!("the system gives no random number: {err}")))?;
    Ok(Hash::from_bytes(bytes).to_string().chars().take(16).collect())
}

/// A replay of commits.
#[derive(Debug, Serialize)]
struct Replayed {
    what: &'static str,
    commits: u64,
    elapsed_us: u64,
    commits_per_second: u64,
}

async fn replay(
    args: &BenchReplayArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let folder = Folder::open(args.folder.as_deref())?;
    let world = World::open(&folder, args.customers, output).await?;
    world.fill(args.commits.get(), output).await?;
    let busiest = StreamId::Customer(load::customer(0)?);
    for replayed in [replay_all(&world).await?, replay_one(&world, &busiest).await?] {
        if json {
            output.json(&replayed)?;
        } else {
            let Replayed { what, commits, elapsed_us, commits_per_second } = replayed;
            let (ms, rest) = (elapsed_us / 1000, elapsed_us % 1000);
            output.line(format!(
                "{what}: {commits} commits in {ms}.{rest:03} ms, {commits_per_second} commits/s"
            ))?;
        }
    }
    world.close()
}

async fn replay_all(world: &World) -> Result<Replayed, Failure> {
    let begun = Instant::now();
    let mut customers: BTreeMap<StreamId, Option<Customer>> = BTreeMap::new();
    let mut commits = world.ledger.log().read_from(1);
    let mut count = 0;
    while let Some(stored) = commits.try_next().await.map_err(|err| store(&err))? {
        let recorded = read(Recorded::read(stored))?;
        let customer = customers.entry(recorded.commit().stream.clone()).or_default();
        *customer = recorded.events.iter().fold(customer.take(), evolve);
        count += 1;
    }
    Ok(replayed("everything", count, begun.elapsed()))
}

async fn replay_one(world: &World, stream: &StreamId) -> Result<Replayed, Failure> {
    let begun = Instant::now();
    let history = world.ledger.history(stream).await;
    let history = history.map_err(|err| Failure::Source(ledger_core::error::chain(&err)))?;
    let customer = history.iter().flat_map(|recorded| &recorded.events).fold(None, evolve);
    std::hint::black_box(customer);
    let count = u64::try_from(history.len()).unwrap_or(u64::MAX);
    Ok(replayed("the busiest customer", count, begun.elapsed()))
}

fn replayed(what: &'static str, commits: u64, elapsed: Duration) -> Replayed {
    let elapsed_us = micros(elapsed);
    Replayed { what, commits, elapsed_us, commits_per_second: per_second(commits, elapsed_us) }
}

fn read<T, E: std::error::Error>(recorded: Result<T, E>) -> Result<T, Failure> {
    recorded.map_err(|err| Failure::Damage(format!("a commit cannot be read: {err}")))
}

fn amount(args: &AmountArgs) -> Amount {
    match (args.commands, args.seconds) {
        (Some(commands), _) => Amount::Commands(commands.get()),
        (None, Some(seconds)) => Amount::Time(Duration::from_secs(seconds.get().into())),
        (None, None) => Amount::Time(LASTS),
    }
}

const fn mib(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}
