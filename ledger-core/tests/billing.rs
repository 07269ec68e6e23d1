//! Charges over time and closed periods, through the ledger.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fixtures;
mod requests;

use ledger_core::billing::{BilledLine, Meter};
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{
    BillingTerms, ClosePeriod, Command, Event, ExchangeRate, ImportExchangeRates, Party, Purchase,
    SetBillingTerms,
};
use ledger_core::ids::{CustomerId, OfferId, RateId, ResellerId, StreamId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Outcome};
use ledger_core::money::Currency;
use ledger_core::store::memory::MemoryLog;

use crate::fixtures::{add_seats, import, register, s1};
use crate::requests::{morning, request};

/// A ledger whose commands have a day each.
struct Books {
    ledger: Ledger<MemoryLog>,
    commands: u32,
}

impl Books {
    async fn new() -> Self {
        let (log, journal) = (MemoryLog::default(), MemoryLog::default());
        let ledger = Ledger::open(log, journal, LedgerOptions::default()).await.unwrap();
        let mut books = Self { ledger, commands: 0 };
        books.does("2024-01-01", StreamId::Catalogue, import()).await.unwrap();
        books.does("2024-01-01", acme(), register()).await.unwrap();
        books
    }

    async fn does(
        &mut self,
        day: &str,
        stream: StreamId,
        command: Command,
    ) -> Result<Outcome, ExecuteError> {
        self.commands += 1;
        let request = request(stream, command, self.commands, morning(day));
        self.ledger.execute(request).await
    }

    async fn closes(&mut self, day: &str, period: &str) -> Result<Outcome, ExecuteError> {
        let period = period.parse().unwrap();
        self.does(day, StreamId::Billing, Command::ClosePeriod(ClosePeriod { period })).await
    }

    /// Every charge until a day: its period, its id and what it comes to.
    async fn lines(&self, until: &str) -> Vec<(String, String, String)> {
        let customer = acme().customer().unwrap().clone();
        let mut meter = Meter::new(customer);
        let mut charges = Vec::new();
        for recorded in self.ledger.history(&acme()).await.unwrap() {
            charges.extend(meter.add(&recorded).unwrap());
        }
        charges.extend(meter.advance(until.parse().unwrap()).unwrap());
        let books = self.ledger.books();
        let billed = charges.into_iter().map(|charge| BilledLine::of(charge, &books).unwrap());
        billed
            .map(|line| {
                (line.period.to_string(), line.charge.line.id, line.billed.amount.to_string())
            })
            .collect()
    }
}

fn acme() -> StreamId {
    StreamId::Customer(CustomerId::try_new("acme").unwrap())
}

/// Ten seats of E3 for a year, paid by the month.
fn by_the_month() -> Command {
    let offer = OfferId::try_new("office-365-e3").unwrap();
    Command::Purchase(Purchase::new(s1(), offer, TermDuration::P1Y, BillingCycle::Monthly, 10))
}

fn terms(from: &str) -> SetBillingTerms {
    let percent = |text: &str| text.parse().unwrap();
    SetBillingTerms {
        version: format!("terms-{from}"),
        from: from.parse().unwrap(),
        terms: BillingTerms {
            issuer: "Partner".to_owned(),
            taxes: [("FR".to_owned(), percent("20"))].into(),
            margin_percent: percent("10"),
            margins: [].into(),
            currencies: [].into(),
        },
    }
}

fn code(refused: Result<Outcome, ExecuteError>) -> String {
    match refused {
        Err(ExecuteError::Refused { refusal, .. }) => refusal.code,
        other => panic!("it is to be refused: {other:?}"),
    }
}

fn three(lines: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    lines.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

#[tokio::test]
async fn a_term_is_charged_by_the_cycle() {
    let mut books = Books::new().await;
    books.does("2024-01-31", acme(), by_the_month()).await.unwrap();
    books.does("2024-03-05", acme(), add_seats(2)).await.unwrap();
    // A seat costs 19.70 a month. 5 to 30 March are 26 of 31 days: 16.5225... is cut to 16.52.
    let lines = three(&[
        ("2024-01", "acme/2.1/1", "197.00"),
        ("2024-02", "acme/s1/2024-02-29", "197.00"),
        ("2024-03", "acme/3.1/1", "-165.20"),
        ("2024-03", "acme/3.1/2", "198.24"),
        ("2024-03", "acme/s1/2024-03-31", "236.40"),
    ]);
    assert_eq!(books.lines("2024-04-01").await, lines);
}

#[tokio::test]
async fn periods_are_closed_in_order_with_their_totals() {
    let mut books = Books::new().await;
    books.does("2024-01-31", acme(), by_the_month()).await.unwrap();
    assert_eq!(code(books.closes("2024-01-31", "2024-01").await), "PERIOD_NOT_OVER");
    assert_eq!(code(books.closes("2024-02-01", "2024-01").await), "NO_BILLING_TERMS");
    let set = Command::SetBillingTerms(terms("2024-01"));
    books.does("2024-02-01", StreamId::Billing, set).await.unwrap();
    assert_eq!(code(books.closes("2024-03-02", "2024-02").await), "PERIOD_NOT_NEXT");

    let closed = books.closes("2024-03-02", "2024-01").await.unwrap().recorded.unwrap();
    let Event::PeriodClosed(january) = &closed.events[0] else { panic!("it is closed") };
    assert_eq!((january.lines, january.through), (1, 4));
    let totals = |index: usize| {
        let drawn = &january.statements[index];
        let totals = drawn.totals;
        let amounts = [totals.net, totals.margin, totals.tax, totals.total];
        (drawn.number, drawn.party.clone(), amounts.map(|amount| amount.to_string()))
    };
    let acme = Party::Customer(CustomerId::try_new("acme").unwrap());
    // 20 % of 197.00; and 20 % of what is left of it without the reseller's tenth.
    assert_eq!(totals(0), (1, acme, ["197.00", "0", "39.40", "236.40"].map(str::to_owned)));
    let r1 = Party::Reseller(ResellerId::try_new("r1").unwrap());
    assert_eq!(totals(1), (2, r1, ["197.00", "19.70", "35.46", "212.76"].map(str::to_owned)));
    assert!(books.closes("2024-03-03", "2024-01").await.unwrap().recorded.is_none());

    // No terms can be set for what lies before a closed period.
    assert_eq!(code(books.closes("2024-03-03", "2023-12").await), "PERIOD_NOT_NEXT");

    let february = books.closes("2024-03-03", "2024-02").await.unwrap().recorded.unwrap();
    let Event::PeriodClosed(february) = &february.events[0] else { panic!("it is closed") };
    assert_eq!(february.statements[0].number, 3);
    let set = Command::SetBillingTerms(terms("2024-02"));
    let refused = books.does("2024-03-04", StreamId::Billing, set).await;
    assert_eq!(code(refused), "PERIOD_IS_CLOSED");
}

#[tokio::test]
async fn a_bill_in_another_currency_needs_a_rate_of_the_day_of_the_charge() {
    let mut books = Books::new().await;
    books.does("2024-01-31", acme(), by_the_month()).await.unwrap();
    let mut in_dollars = terms("2024-01");
    let r1 = ResellerId::try_new("r1").unwrap();
    in_dollars.terms.currencies.insert(r1, Currency::USD);
    let set = Command::SetBillingTerms(in_dollars);
    books.does("2024-02-01", StreamId::Billing, set).await.unwrap();
    assert_eq!(code(books.closes("2024-02-02", "2024-01").await), "EXCHANGE_RATE_MISSING");
    let rate = "1.0837".parse().unwrap();
    let rates = Command::ImportExchangeRates(ImportExchangeRates {
        id: RateId::try_new("fx-2023-12").unwrap(),
        date: "2023-12-28".parse().unwrap(),
        from: "2024-01-01".parse().unwrap(),
        rates: vec![ExchangeRate { from: Currency::EUR, to: Currency::USD, rate }],
    });
    books.does("2024-02-02", StreamId::Billing, rates).await.unwrap();
    // 19.70 x 1.0837 = 21.34889 is cut to 21.34 a seat.
    let january = three(&[("2024-01", "acme/2.1/1", "213.40")]);
    assert_eq!(books.lines("2024-02-01").await, january);
    books.closes("2024-02-02", "2024-01").await.unwrap();
}
