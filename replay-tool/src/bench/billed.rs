//! A ledger with many charge lines: customers whose seats change often, charged by the month.

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, TimeDelta, Utc};
use ledger_core::calendar::{BillingCycle, Month, TermDuration};
use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::customer::{
    AddSeats, BillingTerms, ClosePeriod, Command, ImportCatalogue, Purchase, RegisterCustomer,
    SetBillingTerms,
};
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::ids::{IdError, OfferId, ProgrammeId, ResellerId, StreamId, SubscriptionId};
use ledger_core::ledger::{Ledger, LedgerOptions};
use ledger_core::money::Currency;
use ledger_core::store::segment::SegmentLog;
use rust_decimal::Decimal;

use super::load;
use super::measure::{self, Amount, Caller, Tally};
use super::world::{execute, failed, open_log, request_at, unusable};
use crate::exit::Failure;
use crate::output::Output;
use crate::source::store;

/// Changes of the seats of each customer.
const CHANGES: u64 = 19;

/// Lines of each customer in its year: one at the start, eleven further cycles, two per change.
const LINES: u64 = 50;

/// Days between two changes.
const DAYS: i64 = 18;

/// Callers that fill the ledger.
const FILLERS: usize = 1024;

/// The year that everything happens in begins here, in days since 1970.
const FIRST_DAY: i64 = 20_454;

/// A ledger in a data folder of its own.
#[derive(Debug)]
pub struct Billed {
    /// Customers.
    pub customers: u64,
    /// Charge lines that they will have in their year.
    pub lines: u64,
    ledger: Arc<Ledger<SegmentLog>>,
}

impl Billed {
    /// Makes a data folder whose customers have at least `lines` lines in all.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the disk does not do its part.
    pub async fn make(
        dir: &Path,
        lines: NonZeroU64,
        output: &mut Output<'_>,
    ) -> Result<Self, Failure> {
        let folder = DataFolder::open_or_create(dir, ClockKind::Simulated)
            .map_err(|err| Failure::Source(ledger_core::error::chain(&err)))?;
        for dir in [folder.log(), folder.journal()] {
            std::fs::create_dir_all(&dir).map_err(|err| unusable(&dir, &err))?;
        }
        let (log, journal) = (open_log(&folder.log()).await?, open_log(&folder.journal()).await?);
        let ledger = Ledger::open(log, journal, LedgerOptions::default());
        let ledger = Arc::new(ledger.await.map_err(|err| failed(&err))?);
        let customers = lines.get().div_ceil(LINES);
        let billed = Self { customers, lines: customers.saturating_mul(LINES), ledger };
        billed.prepare().await?;
        for round in 0..=CHANGES {
            let caller = || Changer { ledger: Arc::clone(&billed.ledger), round };
            let callers: Vec<_> = std::iter::repeat_with(caller).take(FILLERS).collect();
            let what = format!("change {round} of {CHANGES}");
            let (amount, next) = (Amount::Commands(customers), Arc::new(AtomicU64::new(0)));
            measure::run(callers, amount, next, &what, output).await?;
        }
        Ok(billed)
    }

    async fn prepare(&self) -> Result<(), Failure> {
        let catalogue = toml::from_str(SEEDS_TOML)
            .map_err(|err| Failure::Source(format!("the catalogue cannot be read: {err}")))?;
        let import = Command::ImportCatalogue(ImportCatalogue { catalogue });
        self.does(StreamId::Catalogue, import, "bench-import", at(0)).await?;
        let set = Command::SetBillingTerms(SetBillingTerms {
            version: "bench".to_owned(),
            from: Month::of(at(0).date_naive()),
            terms: BillingTerms {
                issuer: "Benchmark".to_owned(),
                taxes: [("FR".to_owned(), Decimal::from(20))].into(),
                margin_percent: Decimal::TEN,
                margins: [].into(),
                currencies: [].into(),
            },
        });
        self.does(StreamId::Billing, set, "bench-terms", at(0)).await
    }

    /// Closes the first period: reads everything, and draws a statement for every customer.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it is refused.
    pub async fn close_period(&self) -> Result<(), Failure> {
        let period = Month::of(at(0).date_naive());
        let close = Command::ClosePeriod(ClosePeriod { period });
        self.does(StreamId::Billing, close, "bench-close", at(CHANGES)).await
    }

    async fn does(
        &self,
        stream: StreamId,
        command: Command,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let tally = execute(&self.ledger, request_at(stream, command, id.to_owned(), now)?).await?;
        if tally.done == 1 {
            return Ok(());
        }
        Err(Failure::Source(format!("{id} was refused, or changed nothing")))
    }

    /// Closes log and journal.
    ///
    /// # Errors
    ///
    /// [`Failure`] when they cannot be closed.
    pub fn close(&self) -> Result<(), Failure> {
        self.ledger.log().close().map_err(|err| store(&err))?;
        self.ledger.journal().close().map_err(|err| store(&err))
    }
}

fn at(round: u64) -> DateTime<Utc> {
    let days = i64::try_from(round).unwrap_or(0).saturating_mul(DAYS);
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(FIRST_DAY.saturating_add(days))
}

/// Buys in the first round, and adds a seat in every other.
struct Changer {
    ledger: Arc<Ledger<SegmentLog>>,
    round: u64,
}

impl Caller for Changer {
    async fn ask(&mut self, first: u64) -> Result<Tally, Failure> {
        let index = usize::try_from(first).map_err(|err| Failure::Source(err.to_string()))?;
        let customer = load::customer(index)?;
        let mut tally = Tally::default();
        let asked = commands(self.round);
        let asked =
            asked.map_err(|err| Failure::Source(format!("the load cannot be made: {err}")))?;
        for (number, command) in asked.into_iter().enumerate() {
            let stream = StreamId::Customer(customer.clone());
            let id = format!("bench-{}-{number}", self.round);
            let request = request_at(stream, command, id, at(self.round))?;
            tally.done += execute(&self.ledger, request).await?.done;
        }
        Ok(tally)
    }

    fn step(&self) -> u64 {
        1
    }
}

fn commands(round: u64) -> Result<Vec<Command>, IdError> {
    let subscription = SubscriptionId::try_new("s1")?;
    if 0 < round {
        return Ok(vec![Command::AddSeats(AddSeats { subscription, seats: 1 })]);
    }
    let register = RegisterCustomer::new(
        "Benchmark".to_owned(),
        ProgrammeId::try_new("nce")?,
        ResellerId::try_new("bench")?,
        "FR".to_owned(),
        Currency::EUR,
    );
    let offer = OfferId::try_new("office-365-e3")?;
    let bought = Purchase::new(subscription, offer, TermDuration::P1Y, BillingCycle::Monthly, 10);
    Ok(vec![Command::RegisterCustomer(register), Command::Purchase(bought)])
}
