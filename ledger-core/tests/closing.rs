//! What holds for closed periods, whatever a customer does meanwhile and afterwards.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod drafts;
mod fixtures;
mod requests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use ledger_core::billing::{BilledLine, Books, Closed, Draw, Meter};
use ledger_core::calendar::{BillingCycle, Month, TermDuration};
use ledger_core::customer::{
    BillingTerms, ClosePeriod, Command, ExchangeRate, ImportExchangeRates, Party, Purchase,
    RecordCorrection, SetBillingTerms, StatementDrawn, due,
};
use ledger_core::ids::{CustomerId, OfferId, RateId, ResellerId, StreamId, SubscriptionId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Outcome};
use ledger_core::money::Currency;
use ledger_core::record::Recorded;
use ledger_core::store::memory::MemoryLog;
use ledger_core::store::segment::simulated::Random;
use rust_decimal::Decimal;

use crate::drafts::{Draft, KINDS, command};
use crate::fixtures::{import, register};
use crate::requests::request;

const LIVES: u64 = 12;
const MONTHS: u32 = 14;
const COMMANDS_A_MONTH: u64 = 30;

struct World {
    ledger: Ledger<MemoryLog>,
    random: Random,
    now: DateTime<Utc>,
    commands: u32,
}

impl World {
    async fn new(seed: u64) -> Self {
        let (log, journal) = (MemoryLog::default(), MemoryLog::default());
        let ledger = Ledger::open(log, journal, LedgerOptions::default()).await.unwrap();
        let now = "2024-01-01T00:00:00Z".parse().unwrap();
        let mut world = Self { ledger, random: Random::new(seed), now, commands: 0 };
        world.does(StreamId::Catalogue, import()).await.unwrap();
        world.does(acme(), register()).await.unwrap();
        for (id, term) in [("by-month", TermDuration::P1M), ("by-year", TermDuration::P1Y)] {
            let offer = OfferId::try_new("office-365-e3").unwrap();
            let bought = Purchase::new(subscription(id), offer, term, BillingCycle::Monthly, 10);
            world.does(acme(), Command::Purchase(bought)).await.unwrap();
        }
        let terms = BillingTerms {
            issuer: "Partner".to_owned(),
            taxes: [("FR".to_owned(), Decimal::new(20, 0))].into(),
            margin_percent: Decimal::new(125, 1),
            margins: BTreeMap::new(),
            currencies: if world.random.flip() {
                [(ResellerId::try_new("r1").unwrap(), Currency::USD)].into()
            } else {
                BTreeMap::new()
            },
        };
        let (version, from) = ("terms-1".to_owned(), "2023-01".parse().unwrap());
        let set = Command::SetBillingTerms(SetBillingTerms { version, from, terms });
        world.does(StreamId::Billing, set).await.unwrap();
        for (month, rate) in [("2023-01", 10_837), ("2024-05", 10_911), ("2024-09", 10_642)] {
            let from = month.parse::<Month>().unwrap().first();
            let rate = Decimal::new(rate, 4);
            let rates = Command::ImportExchangeRates(ImportExchangeRates {
                id: RateId::try_new(format!("fx-{month}")).unwrap(),
                date: from,
                from,
                rates: vec![ExchangeRate { from: Currency::EUR, to: Currency::USD, rate }],
            });
            world.does(StreamId::Billing, rates).await.unwrap();
        }
        world
    }

    async fn does(&mut self, stream: StreamId, command: Command) -> Result<Outcome, ExecuteError> {
        self.commands += 1;
        let request = request(stream, command, self.commands, self.now);
        self.ledger.execute(request).await
    }

    async fn lives_a_month(&mut self) {
        // In some months the scheduler does not run: what was due comes after the period was closed.
        let is_late = self.random.flip();
        for _ in 0..COMMANDS_A_MONTH {
            let minutes = i64::try_from(self.random.below(2 * 31 * 24 * 60 / COMMANDS_A_MONTH));
            self.now += TimeDelta::minutes(minutes.unwrap());
            let customer = self.ledger.customer(acme().customer().unwrap()).await.unwrap();
            let customer = customer.unwrap().0;
            if !is_late && self.random.below(4) == 0 {
                let now = self.now;
                for due in due(&customer).into_iter().filter(|due| due.at <= now) {
                    let _ = self.does(acme(), due.command).await;
                }
                continue;
            }
            if self.random.below(10) == 0 {
                // The ledger was told late, or wrong.
                let days = i64::try_from(self.random.below(60)).unwrap();
                let correct = Command::RecordCorrection(RecordCorrection {
                    subscription: subscription("by-year"),
                    quantity: Some(1 + u32::try_from(self.random.below(20)).unwrap()),
                    term_end: None,
                    unit_price: None,
                    end_of_term: None,
                    effective_at: self.now - TimeDelta::days(days),
                });
                let _ = self.does(acme(), correct).await;
            }
            let kind = u16::try_from(self.random.below(u64::from(KINDS))).unwrap();
            let numbers =
                std::array::from_fn(|_| u16::try_from(self.random.below(1 << 16)).unwrap());
            let number = usize::try_from(self.commands).unwrap();
            let command = command(&customer, &Draft { kind, numbers }, number, self.now);
            let _ = self.does(acme(), command).await;
        }
    }

    /// All commits of the log, in order.
    async fn log(&self) -> Vec<Recorded> {
        let mut all = Vec::new();
        for stream in [StreamId::Catalogue, StreamId::Billing, acme()] {
            all.extend(self.ledger.history(&stream).await.unwrap());
        }
        all.sort_by_key(|recorded| recorded.position);
        all
    }
}

fn subscription(id: &str) -> SubscriptionId {
    SubscriptionId::try_new(id).unwrap()
}

fn acme() -> StreamId {
    StreamId::Customer(CustomerId::try_new("acme").unwrap())
}

/// What a period's statements say, but for their numbers, which later ones have taken.
fn contents(statements: &[StatementDrawn]) -> Vec<StatementDrawn> {
    statements.iter().map(|drawn| StatementDrawn { number: 0, ..drawn.clone() }).collect()
}

fn is_drawn_again(books: &Books, closed: &Closed, log: &[Recorded]) {
    let what = &closed.what;
    let mut draw = Draw::new(books, what.period);
    for recorded in log.iter().take_while(|recorded| recorded.position <= what.through) {
        draw.add(recorded).unwrap();
    }
    let again = draw.finish().unwrap();
    assert_eq!((again.lines, &again.root), (what.lines, &what.root), "{}", what.period);
    assert_eq!(contents(&again.statements), contents(&what.statements), "{}", what.period);
}

/// The customer's statements sum its lines up, by currency.
fn sums_up(closed: &Closed, lines: &[BilledLine]) {
    let mut sums: BTreeMap<Currency, (u64, Decimal)> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.period == closed.what.period) {
        let (count, net) = sums.entry(line.billed.currency).or_default();
        *count += 1;
        *net += line.billed.amount;
    }
    let of_customer = closed.what.statements.iter();
    let of_customer = of_customer.filter(|drawn| matches!(drawn.party, Party::Customer(_)));
    let drawn: BTreeMap<Currency, (u64, Decimal)> = of_customer
        .map(|drawn| (drawn.totals.currency, (drawn.totals.lines, drawn.totals.net)))
        .collect();
    assert_eq!(drawn, sums, "{}", closed.what.period);
}

#[tokio::test]
async fn a_closed_period_is_the_same_whenever_it_is_drawn_and_every_line_is_billed_once() {
    let (mut lines_count, mut corrections_count) = (0, 0);
    for seed in 0..LIVES {
        let mut world = World::new(seed).await;
        let mut period: Month = "2024-01".parse().unwrap();
        for _ in 0..MONTHS {
            world.lives_a_month().await;
            while Month::of(world.now.date_naive()) > period {
                let close = Command::ClosePeriod(ClosePeriod { period });
                let closed = world.does(StreamId::Billing, close).await;
                assert!(closed.is_ok(), "seed {seed}, {period}: {closed:?}");
                period = period.next().unwrap();
            }
        }

        let (log, books) = (world.log().await, world.ledger.books());
        let mut meter = Meter::new(CustomerId::try_new("acme").unwrap());
        let mut charges = Vec::new();
        for recorded in world.ledger.history(&acme()).await.unwrap() {
            charges.extend(meter.add(&recorded).unwrap());
        }
        let last = books.closed().last().unwrap().what.period;
        charges.extend(meter.advance(last.last()).unwrap());
        let bill = |charge| BilledLine::of(charge, &books).unwrap();
        let lines: Vec<BilledLine> = charges.into_iter().map(bill).collect();
        let ids: BTreeSet<&str> = lines.iter().map(|line| line.charge.line.id.as_str()).collect();
        assert_eq!(ids.len(), lines.len(), "seed {seed}: every line has its own id");

        let mut billed = 0;
        for closed in books.closed() {
            is_drawn_again(&books, closed, &log);
            sums_up(closed, &lines);
            billed += closed.what.lines;
        }
        let of_closed = lines.iter().filter(|line| line.period <= last).count();
        assert_eq!(usize::try_from(billed).unwrap(), of_closed, "seed {seed}");
        lines_count += of_closed;
        corrections_count += lines.iter().filter(|line| line.is_correction).count();
    }
    assert!(500 < lines_count && 20 < corrections_count, "{lines_count}, {corrections_count}");
}
