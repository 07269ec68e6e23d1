//! Imports into a stopped folder: what is reported, what is recorded, and that nothing is by halves.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

mod support;

use std::fs;
use std::path::Path;

use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use replay_tool::exit::Exit;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Answer, run};

const HEADER: &str = "ProductTitle,ProductId,SkuId,TermDuration,BillingPlan,Market,Currency,UnitPrice,\
    EffectiveStartDate,EffectiveEndDate\n";

const ROW: &str = "Microsoft 365 E3,CFQ7TTC0LFLX,1,P1Y,Annual,FR,EUR,240.00,2026-11-01,\n";

/// A stopped ledger with the offers of the sources, and room for files beside it.
struct Data {
    dir: TempDir,
}

impl Data {
    fn new() -> Self {
        let data = Self { dir: TempDir::new().unwrap() };
        let root = data.dir.path().join("data");
        let folder = DataFolder::open_or_create(&root, ClockKind::Real).unwrap();
        for dir in [folder.log(), folder.journal()] {
            SegmentLog::open(&dir, SegmentOptions::default()).unwrap().close().unwrap();
        }
        let answer = data.import("catalogue", "seeds.toml", SEEDS_TOML, &[]);
        assert_eq!(answer.exit, Exit::Fine, "{answer:?}");
        data
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path)
    }

    fn import(&self, what: &str, name: &str, content: &str, more: &[&str]) -> Answer {
        let file = self.write(name, content);
        let data = text(&self.dir.path().join("data"));
        let at = "2026-11-02T09:00:00Z";
        run(&[&["import", what, &file, "--data", &data, "--at", at], more].concat())
    }

    fn prices(&self, rows: &str, more: &[&str]) -> Answer {
        let more = [&["--name", "november"], more].concat();
        self.import("price-list", "november.csv", &format!("{HEADER}{rows}"), &more)
    }

    /// Commits in the log.
    fn commits(&self) -> u64 {
        let log = SegmentLog::open_read_only(&self.dir.path().join("data/log")).unwrap();
        ledger_core::store::CommitLog::durable_position(&log)
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_price_list_is_imported_once_and_what_was_mended_is_said() {
    let data = Data::new();
    let would = data.prices(ROW, &["--dry-run"]);
    assert_eq!((would.exit, data.commits()), (Exit::Fine, 1), "{would:?}");
    assert!(would.out.ends_with("would be imported; nothing is recorded\n"), "{}", would.out);

    let done = data.prices(ROW, &[]);
    assert_eq!((done.exit, data.commits()), (Exit::Fine, 2), "{done:?}");
    assert!(
        done.out.starts_with("line 2: mended, offer: SkuId 1 is taken for 0001\n"),
        "{}",
        done.out
    );
    assert!(
        done.out.contains("1 rows: 1 understood (1 of them mended), 0 left out"),
        "{}",
        done.out
    );
    let again = data.prices(ROW, &["--json"]);
    assert_eq!((again.exit, data.commits()), (Exit::Fine, 2));
    assert_eq!(again.json()[0]["outcome"], "unchanged");
    assert_eq!(again.json()[0]["prices"], 1);
}

#[test]
fn a_row_that_would_be_lost_refuses_the_file_unless_its_reason_is_accepted() {
    let data = Data::new();
    let rows = ROW.to_owned() + &ROW.replace("EUR", "XYZ") + &ROW.replace("240.00", "free");
    let refused = data.prices(&rows, &[]);
    assert_eq!((refused.exit, data.commits()), (Exit::Found, 1));
    assert!(refused.out.contains("line 3: left out, currency:"), "{}", refused.out);
    assert!(refused.out.contains("line 4: left out, price:"), "{}", refused.out);
    assert!(refused.out.contains("rows left out: 1 currency, 1 price (skip=currency,price)"));
    assert_eq!(data.prices(&rows, &["--skip", "currency"]).exit, Exit::Found);
    let done = data.prices(&rows, &["--skip", "currency,price"]);
    assert_eq!((done.exit, data.commits()), (Exit::Fine, 2), "{done:?}");
    assert_eq!(data.prices(&rows, &["--skip", "colour"]).exit, Exit::Usage);
}

#[test]
fn what_is_no_price_list_or_not_there_changes_nothing() {
    let data = Data::new();
    for (content, why) in [("", "the file is empty"), ("a,b\n1,2\n", "the header lacks ProductId")]
    {
        let refused = data.import("price-list", "x.csv", content, &["--name", "x", "--json"]);
        assert_eq!(refused.exit, Exit::Found, "{refused:?}");
        let message = refused.json()[0]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(why), "{message}");
    }
    let broken = data.import("catalogue", "broken.toml", "version = ", &[]);
    assert_eq!(broken.exit, Exit::Found, "{broken:?}");
    let missing = run(&["import", "policy", "nowhere.toml", "--at", "2026-11-02"]);
    assert_eq!(missing.exit, Exit::Source, "{missing:?}");
    let undated = run(&["import", "catalogue", &data.write("seeds.toml", SEEDS_TOML)]);
    assert_eq!(undated.exit, Exit::Usage, "a stopped folder has no clock: {undated:?}");
    assert_eq!(data.commits(), 1);
}

#[test]
fn matrices_and_policies_are_imported_from_files() {
    let data = Data::new();
    let matrix = "ProductId,SkuId,MinLicenses,MaxLicenses\nCFQ7TTC0LFLX,0001,1,300\n";
    let more = ["--name", "matrix", "--from", "2026-11-01"];
    let done = data.import("offer-matrix", "matrix.csv", matrix, &more);
    assert_eq!((done.exit, data.commits()), (Exit::Fine, 2), "{done:?}");

    let seeds: serde_json::Value = toml::from_str(SEEDS_TOML).unwrap();
    let mut policy = json!({ "version": "strict", "effective_from": "2026-11-01T00:00:00Z",
        "programme": "nce", "policy": seeds["programmes"]["nce"] });
    let json = policy.to_string();
    let done = data.import("policy", "strict.json", &json, &["--reason", "Contract 7"]);
    assert_eq!((done.exit, data.commits()), (Exit::Fine, 3), "{done:?}");
    policy["version"] = json!("wrong");
    policy["policy"]["updates_max"] = json!(0);
    let refused = data.import("policy", "wrong.json", &policy.to_string(), &[]);
    assert_eq!((refused.exit, data.commits()), (Exit::Found, 3), "{refused:?}");
    assert!(refused.out.contains("updates_max must be at least 1 (CATALOGUE_INVALID)"));
}
