//! `forecast` as a billing team uses it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;

use ledger_core::folder::ClockKind;
use replay_tool::exit::Exit;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{by_the_month, catalogue, record, register, run};

/// A folder with one customer that pays ten seats by the month, and six from its renewal on.
fn data() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let plan = json!({ "command": "ScheduleRenewalQuantity", "subscription": "s1", "quantity": 6 });
    record(
        &dir.path().join("data"),
        ClockKind::Simulated,
        &[
            ("2024-01-31", "catalogue", catalogue()),
            ("2024-01-31", "customer/acme", register()),
            ("2024-01-31", "customer/acme", by_the_month(10)),
            ("2024-11-15", "customer/acme", plan),
        ],
    );
    dir
}

fn forecast(dir: &TempDir, args: &[&str]) -> support::Answer {
    let folder = dir.path().join("data");
    run(&[&["forecast", "--data", folder.to_str().unwrap()], args].concat())
}

#[test]
fn the_coming_months_are_told_with_what_they_rest_on() {
    let dir = data();
    let told = forecast(&dir, &["acme", "--months", "3"]);
    let expected = "\
2024-11-30 acme/s1 cycleCharge 197.00 EUR  (10 seats, as now; price locked until 2025-01-30)
2024-12-31 acme/s1 cycleCharge 197.00 EUR  (10 seats, as now; price locked until 2025-01-30)
2025-01-31 acme/s1 renew 118.20 EUR  (renews by itself; 6 seats, as planned; price of catalogue seeds-2)
2025-01-31 acme/s1 begins a term until 2026-01-30: 10 -> 6 seats of office-365-e3, 19.70 EUR -> 19.70 EUR a seat
2024-11: 197.00 EUR in 1 line(s), before tax  (10 seats, as now; price locked until 2025-01-30)
2024-12: 197.00 EUR in 1 line(s), before tax  (10 seats, as now; price locked until 2025-01-30)
2025-01: 118.20 EUR in 1 line(s), before tax  (renews by itself; 6 seats, as planned; price of catalogue seeds-2)
";
    assert_eq!((told.exit, told.out.as_str(), told.err.as_str()), (Exit::Fine, expected, ""));
}

#[test]
fn another_price_list_changes_what_begins_after_it_and_nothing_that_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let offer = "CFQ7TTC0LFLX-0001";
    let row = json!({
        "offer": offer, "term": "P1Y", "billing": "monthly", "market": null, "segment": null,
        "currency": "EUR", "price": "20.00", "from": null, "until": null,
    });
    let list = json!({
        "command": "ImportPriceList", "name": "today", "sha256": "0".repeat(64),
        "offers": [{ "offer": offer, "title": "Listed", "kind": "licence" }], "rows": [row],
    });
    let mut bought = by_the_month(10);
    bought["offer"] = json!(offer);
    record(
        &dir.path().join("data"),
        ClockKind::Simulated,
        &[
            ("2024-01-31", "catalogue", catalogue()),
            ("2024-01-31", "catalogue", list),
            ("2024-01-31", "customer/acme", register()),
            ("2024-01-31", "customer/acme", bought),
        ],
    );
    let list = dir.path().join("dearer.csv");
    fs::write(
        &list,
        "ProductTitle,ProductId,SkuId,SkuTitle,TermDuration,BillingPlan,Market,Currency,UnitPrice,\
         EffectiveStartDate,EffectiveEndDate\n\
         Listed,CFQ7TTC0LFLX,1,Listed,P1Y,Monthly,FR,EUR,25.00,2025-01-01,9999-12-31\n",
    )
    .unwrap();
    let list = list.to_str().unwrap();
    let from = ["--from", "2024-11-15T08:00:00Z"];
    let args = [&["acme", "--months", "3", "--json", "--price-list", list], &from[..]].concat();
    let told = forecast(&dir, &args);
    let billed: Vec<Value> = told
        .json()
        .iter()
        .filter_map(|line| Some(line.get("charge")?["billed"]["amount"].clone()))
        .collect();
    assert_eq!(billed, ["200.00", "200.00", "250.00"], "{told:?}");
}

#[test]
fn all_customers_together_are_told_in_sums() {
    let dir = data();
    let told = forecast(&dir, &["--months", "2", "--summary"]);
    assert_eq!(told.out.lines().filter(|line| line.contains("before tax")).count(), 2);
    assert!(!told.out.contains("cycleCharge"), "{}", told.out);
}

#[test]
fn what_is_not_there_or_no_length_of_time_is_refused() {
    let dir = data();
    assert_eq!(forecast(&dir, &["nobody"]).exit, Exit::NotFound);
    for months in ["0", "121", "-1", "many"] {
        assert_eq!(forecast(&dir, &["acme", "--months", months]).exit, Exit::Usage, "{months}");
    }
}
