//! Exports of the demo's two years, read by a database that knows nothing of the ledger.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ledger_tests::{Server, python, replay_tool, run};
use serde_json::Value;

const LAYOUTS: [&str; 3] = ["ledger", "vendor", "focus"];
const FORMATS: [&str; 3] = ["csv", "jsonl", "parquet"];

/// Tells the demo's story, and leaves the stopped folder.
fn told(data: &Path) {
    let server = Server::start(data, &["--demo"]);
    let _ = server.stop();
}

fn export(source: &[&str], layout: &str, format: &str, folder: &Path) -> PathBuf {
    let path = folder.join(format!("{layout}.{format}"));
    let to = path.to_str().unwrap();
    let asked = ["export", "--layout", layout, "--format", format, "-o", to];
    let ran = replay_tool(&[&asked, source].concat());
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    path
}

fn manifest(of: &Path) -> Value {
    let text = std::fs::read(format!("{}.manifest.json", of.display())).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Period, currency and amount, as SQL or a manifest tells them.
fn triples(value: &Value) -> Vec<[String; 3]> {
    serde_json::from_value(value.clone()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Cents, of `39168.63`.
fn cents(amount: &str) -> i64 {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "00"));
    assert_eq!(part.len(), 2, "{amount}");
    format!("{whole}{part}").parse().unwrap()
}

fn by_currency(triples: &[[String; 3]]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for [_, currency, amount] in triples {
        *sums.entry(currency.clone()).or_default() += cents(amount);
    }
    sums
}

#[test]
fn the_vendors_file_of_every_closed_month_agrees_and_comes_to_the_statements() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    told(&data);
    let source = ["--data", data.to_str().unwrap()];
    let closed = manifest(&export(&source, "ledger", "csv", dir.path()));
    let mut lines = 0;
    for period in closed["closed"].as_array().unwrap() {
        let month = text(&period["period"]);
        let folder = dir.path().join(month);
        std::fs::create_dir(&folder).unwrap();
        let asked = [&source[..], &["--period", month]].concat();
        let file = export(&asked, "vendor", "csv", &folder);
        let asked = ["--json", "reconcile", file.to_str().unwrap(), "--period", month];
        let found = replay_tool(&[&asked, &source[..]].concat());
        assert_eq!(found.code, Some(0), "{month}: {}\n{}", found.stdout, found.stderr);
        let found: Value = serde_json::from_str(&found.stdout).unwrap();
        for total in found["summary"]["totals"].as_array().unwrap() {
            let net = &period["statements"][text(&total["currency"])]["net"];
            assert_eq!(total["ours"], *net, "{month}");
            assert_eq!((&total["theirs"], &total["matched"]), (&total["ours"], &total["lines"]));
            lines += total["lines"].as_u64().unwrap();
        }
    }
    assert!(50 < lines, "{lines} lines were compared");
}

#[test]
fn sql_over_every_file_comes_to_the_statements_to_the_cent() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    told(&data);
    let source = ["--data", data.to_str().unwrap()];
    for (layout, format) in LAYOUTS.iter().flat_map(|l| FORMATS.iter().map(move |f| (l, f))) {
        let path = export(&source, layout, format, dir.path());
        let checked = replay_tool(
            &[
                &["export", "--against-source", "--check"][..],
                &[&format!("{}.manifest.json", path.display())],
                &source,
            ]
            .concat(),
        );
        assert_eq!(checked.code, Some(0), "{}\n{}", checked.stdout, checked.stderr);
    }

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("exports/query.py");
    let ran = run(Command::new(python()).arg(script).arg(dir.path()));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();

    // What was billed, by the statements of the closed periods.
    let told = manifest(&dir.path().join("focus.parquet"));
    let closed = told["closed"].as_array().unwrap();
    let mut nets = Vec::new();
    let mut totals = Vec::new();
    for period in closed {
        for (currency, sums) in period["statements"].as_object().unwrap() {
            let triple = |amount: &str| {
                let texts = [&period["period"], &Value::from(currency.as_str()), &sums[amount]];
                texts.map(|text| text.as_str().unwrap().to_owned())
            };
            nets.push(triple("net"));
            totals.push(triple("total"));
        }
    }
    assert!(12 < nets.len(), "{told:#}");
    assert_ne!(nets, totals, "there is tax");
    assert_eq!(triples(&found["invoiced"]), totals);

    let ledger = triples(&found["sums"]["ledger.parquet"]);
    let is_closed = |[period, ..]: &&[String; 3]| closed.iter().any(|c| c["period"] == **period);
    let billed: Vec<_> = ledger.iter().filter(is_closed).cloned().collect();
    let nets: Vec<_> = nets.into_iter().filter(|[_, _, net]| cents(net) != 0).collect();
    assert_eq!(billed, nets);
    for format in FORMATS {
        let sums = |layout: &str| triples(&found["sums"][format!("{layout}.{format}")]);
        assert_eq!(sums("ledger"), ledger, "{format}");
        assert_eq!(sums("focus"), ledger, "{format}");
        assert_eq!(by_currency(&sums("vendor")), by_currency(&ledger), "{format}");
        for layout in LAYOUTS {
            let rows = &manifest(&dir.path().join(format!("{layout}.{format}")))["rows"];
            assert_eq!(&found["rows"][format!("{layout}.{format}")], rows, "{layout}.{format}");
        }
    }
    assert_eq!(found["not_the_product"], 0, "price x quantity = cost");
    for names in found["names"].as_object().unwrap().values() {
        assert_eq!(names[0], names[2], "csv and parquet");
        assert_eq!(names[1], names[2], "jsonl and parquet");
        assert!(names[0].as_array().unwrap().contains(&Value::from("Atelier Lumière")), "{names}");
    }
    let types = |layout: &str, columns: &[&str]| {
        columns.iter().map(|c| found["types"][layout][*c].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        types(
            "ledger",
            &[
                "amount",
                "unit_price",
                "charged_on",
                "recorded_at",
                "quantity",
                "is_correction",
                "line"
            ]
        ),
        [
            "\"DECIMAL(38,2)\"",
            "\"DECIMAL(38,28)\"",
            "\"DATE\"",
            "\"TIMESTAMP WITH TIME ZONE\"",
            "\"BIGINT\"",
            "\"BOOLEAN\"",
            "\"VARCHAR\""
        ],
    );
    assert_eq!(
        types("focus", &["BilledCost", "PricingQuantity", "BillingPeriodEnd", "InvoiceId"]),
        ["\"DECIMAL(38,2)\"", "\"DECIMAL(38,8)\"", "\"TIMESTAMP WITH TIME ZONE\"", "\"VARCHAR\""],
    );
    assert_eq!(types("vendor", &["Subtotal", "ChargeEndDate"]), ["\"DECIMAL(38,2)\"", "\"DATE\""]);
}

#[test]
fn a_running_server_its_stopped_folder_and_a_backup_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &["--demo"]);
    let (url, tokens) = (server.url().to_owned(), server.tokens());
    assert_eq!(server.send("POST", "/v1/checkpoints", &[], "").status, 200);
    let running = ["--url", &url, "--tokens", tokens.to_str().unwrap(), "--until", "2026-01-13"];
    let into = dir.path().join("running");
    std::fs::create_dir(&into).unwrap();
    let from_server = export(&running, "focus", "parquet", &into);
    // The server's own statements are those that the manifest tells.
    let told = manifest(&from_server);
    let closed = told["closed"].as_array().unwrap();
    let march = closed.iter().find(|closed| closed["period"] == "2025-03").unwrap();
    let drawn = server.get("/v1/billing/periods/2025-03");
    let drawn = drawn["statements"].as_array().unwrap();
    let theirs = drawn.iter().filter(|drawn| drawn["party"]["customer"].is_string());
    let totals: Vec<_> = theirs.map(|drawn| cents(text(&drawn["totals"]["total"]))).collect();
    let sums = &march["statements"]["EUR"];
    assert_eq!(sums["count"], totals.len());
    assert_eq!(totals.iter().sum::<i64>(), cents(text(&sums["total"])));
    let _ = server.stop();
    let stopped = ["--data", data.to_str().unwrap(), "--until", "2026-01-13"];
    let from_folder = export(&stopped, "focus", "parquet", dir.path());
    assert!(std::fs::read(&from_server).unwrap() == std::fs::read(&from_folder).unwrap());
    assert_eq!(manifest(&from_server), manifest(&from_folder));

    let backup = dir.path().join("backup");
    let (backup, data) = (backup.to_str().unwrap(), data.to_str().unwrap());
    let made = replay_tool(&["backup", "--data", data, "--into", backup]);
    assert_eq!(made.code, Some(0), "{}\n{}", made.stdout, made.stderr);
    let into = dir.path().join("from-backup");
    std::fs::create_dir(&into).unwrap();
    let of_backup = ["--data", backup, "--until", "2026-01-13"];
    let from_backup = export(&of_backup, "focus", "parquet", &into);
    assert!(std::fs::read(&from_backup).unwrap() == std::fs::read(&from_folder).unwrap());
    assert_eq!(manifest(&from_backup), manifest(&from_folder));
}
