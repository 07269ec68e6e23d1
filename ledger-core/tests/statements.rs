//! Statements drawn again: every closed period in one pass, and what is wrong with a forged one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fixtures;
mod requests;

use ledger_core::billing::{Books, Redraw, Redrawn, Statement, StatementError, learn_billing};
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{
    BillingTerms, ClosePeriod, Command, Event, PeriodClosed, Purchase, SetBillingTerms,
};
use ledger_core::ids::{CustomerId, OfferId, StreamId};
use ledger_core::ledger::{Ledger, LedgerOptions};
use ledger_core::record::Recorded;
use ledger_core::store::CommitLog;
use ledger_core::store::memory::MemoryLog;

use crate::fixtures::{add_seats, import, register, s1};
use crate::requests::{morning, request};

fn customer(id: &str) -> StreamId {
    StreamId::Customer(CustomerId::try_new(id).unwrap())
}

fn by_the_month() -> Command {
    let offer = OfferId::try_new("office-365-e3").unwrap();
    Command::Purchase(Purchase::new(s1(), offer, TermDuration::P1Y, BillingCycle::Monthly, 10))
}

fn closing(period: &str) -> Command {
    Command::ClosePeriod(ClosePeriod { period: period.parse().unwrap() })
}

fn terms() -> Command {
    Command::SetBillingTerms(SetBillingTerms {
        version: "t".to_owned(),
        from: "2024-01".parse().unwrap(),
        terms: BillingTerms {
            issuer: "Partner".to_owned(),
            taxes: [("FR".to_owned(), "20".parse().unwrap())].into(),
            margin_percent: "10".parse().unwrap(),
            margins: [].into(),
            currencies: [].into(),
        },
    })
}

/// A log in which three periods were closed, with changes of two customers before, between and after.
async fn log() -> Vec<Recorded> {
    let options = LedgerOptions::default();
    let ledger = Ledger::open(MemoryLog::default(), MemoryLog::default(), options).await.unwrap();
    let billing = StreamId::Billing;
    let story = [
        ("2024-01-02", StreamId::Catalogue, import()),
        ("2024-01-02", customer("acme"), register()),
        ("2024-01-02", customer("bolt"), register()),
        ("2024-01-10", customer("acme"), by_the_month()),
        ("2024-01-31", customer("bolt"), by_the_month()),
        ("2024-02-01", billing.clone(), terms()),
        ("2024-02-05", customer("acme"), add_seats(3)),
        ("2024-02-06", billing.clone(), closing("2024-01")),
        ("2024-03-12", customer("bolt"), add_seats(1)),
        ("2024-04-02", billing.clone(), closing("2024-02")),
        ("2024-04-02", billing, closing("2024-03")),
        ("2024-04-20", customer("acme"), add_seats(1)),
    ];
    for (number, (day, stream, command)) in (0..).zip(story) {
        let request = request(stream, command, number, morning(day));
        ledger.execute(request).await.unwrap();
    }
    let stored: Vec<_> =
        futures::TryStreamExt::try_collect(ledger.log().read_from(1)).await.unwrap();
    stored.into_iter().map(|stored| Recorded::read(stored).unwrap()).collect()
}

/// What the log says about bills, with `change` made to every closed period.
fn books(log: &[Recorded], change: impl Fn(&mut PeriodClosed)) -> Books {
    let mut books = Books::default();
    for recorded in log {
        for event in &recorded.events {
            let mut event = event.clone();
            if let Event::PeriodClosed(closed) = &mut event {
                change(closed);
            }
            books = learn_billing(books, recorded.commit().recorded_at, &event);
        }
    }
    books
}

fn redrawn(log: &[Recorded], books: &Books) -> Vec<Redrawn> {
    let mut redraw = Redraw::new(books);
    for recorded in log {
        redraw.add(recorded).unwrap();
    }
    redraw.finish().unwrap()
}

#[tokio::test]
async fn every_closed_period_is_drawn_again_as_it_was() {
    let log = log().await;
    let drawn = redrawn(&log, &books(&log, |_| {}));
    let told: Vec<_> = drawn
        .iter()
        .map(|it| (it.period.to_string(), it.lines, it.statements, it.differences.len()))
        .collect();
    // January: two purchases. February and March: a cycle of each, and a credit and a charge.
    let right = [("2024-01", 2, 3, 0), ("2024-02", 4, 3, 0), ("2024-03", 4, 3, 0)];
    assert_eq!(told, right.map(|(a, b, c, d)| (a.to_owned(), b, c, d)));
}

#[tokio::test]
async fn a_period_that_was_recorded_otherwise_is_named() {
    type Change = fn(&mut PeriodClosed);
    let log = log().await;
    let changes: [(&str, Change); 6] = [
        ("SHA-256", |closed| closed.statements[1].sha256 = "0".repeat(64)),
        ("with tax", |closed| closed.statements[0].totals.total += rust_decimal::Decimal::ONE),
        ("number 7", |closed| closed.statements[0].number = 7),
        ("the root", |closed| closed.root = "0".repeat(64)),
        ("recorded were 99", |closed| closed.lines = 99),
        ("something else", |closed| closed.terms = None),
    ];
    for (said, change) in changes {
        let february = |closed: &mut PeriodClosed| {
            if closed.period.to_string() == "2024-02" {
                change(closed);
            }
        };
        let drawn = redrawn(&log, &books(&log, february));
        let differences = drawn.iter().flat_map(|it| &it.differences).cloned();
        let all = differences.collect::<Vec<_>>().join("; ");
        assert!(all.contains(said), "{said}: {all}");
    }
}

#[tokio::test]
async fn a_closing_that_was_not_told_before_is_named() {
    let log = log().await;
    let all = books(&log[..10], |_| {});
    let drawn = redrawn(&log, &all);
    let march = drawn.iter().find(|it| it.period.to_string() == "2024-03").unwrap();
    assert!(march.differences[0].contains("check again"), "{march:?}");
}

#[tokio::test]
async fn a_statement_that_differs_is_an_error_and_never_shown() {
    let log = log().await;
    let acme = CustomerId::try_new("acme").unwrap();
    let is_acmes = |recorded: &&Recorded| recorded.commit().stream == customer("acme");
    let history: Vec<_> = log.iter().filter(is_acmes).cloned().collect();
    let right = books(&log, |_| {});
    let (closed, drawn) = right.statement(1).unwrap();
    let statement = Statement::of_customer(&right, closed, drawn, &acme, &history).unwrap();
    assert_eq!(statement.number.as_deref(), Some("000001"));
    let mut forged = drawn.clone();
    forged.sha256 = "0".repeat(64);
    let refused = Statement::of_customer(&right, closed, &forged, &acme, &history);
    assert!(matches!(refused, Err(StatementError::Differs(_))), "{refused:?}");
    let shorter = Statement::of_customer(&right, closed, drawn, &acme, &history[..1]);
    assert!(matches!(shorter, Err(StatementError::Differs(_))), "{shorter:?}");
}
