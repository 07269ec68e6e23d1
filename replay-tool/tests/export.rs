//! Exports of random years: sums, columns, manifests, and what happens when something is wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod lives;
mod support;
mod years;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ledger_core::folder::ClockKind;
use replay_tool::exit::Exit;
use replay_tool::export::{Format, Layout, sink, table};
use rust_decimal::Decimal;
use serde_json::Value;
use support::run;
use tempfile::TempDir;
use years::{Years, rows, sum, years};

#[test]
fn every_layout_and_format_has_the_same_sums_and_the_same_bytes_twice() {
    let years = years();
    let mut sums: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for layout in ["ledger", "vendor", "focus"] {
        for format in ["csv", "jsonl", "parquet"] {
            let args = ["--layout", layout, "--format", format];
            let (first, manifest) = years.export(&format!("1-{layout}.{format}"), &args);
            let (second, again) = years.export(&format!("2-{layout}.{format}"), &args);
            assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap(), "{layout} {format}");
            assert_eq!(manifest["sha256"], again["sha256"]);
            sums.entry(layout.to_owned()).or_default().insert(manifest["sums"].to_string());
            let beside = format!("{}.manifest.json", first.display());
            let checked = years.ask(&["--check", &beside, "--against-source"]);
            assert_eq!(checked.exit, Exit::Fine, "{}{}", checked.out, checked.err);
        }
    }
    assert!(sums.values().all(|sums| sums.len() == 1), "{sums:?}");
    assert_eq!(sums["ledger"], sums["vendor"]);
    let net = sum(&rows(&years.path("1-ledger.csv")), ("currency", "amount"));
    let focus = rows(&years.path("1-focus.csv"));
    let not_tax = focus.iter().filter(|row| row["ChargeCategory"] != "Tax");
    assert_eq!(sum(not_tax, ("BillingCurrency", "BilledCost")), net);
}

#[test]
fn periods_days_customers_and_resellers_divide_what_is_exported() {
    let years = years();
    let all = rows(&years.export("all.csv", &[]).0);
    let count = |name: &str, args: &[&str]| rows(&years.export(name, args).0).len();
    let periods: BTreeSet<_> = all.iter().map(|row| row["period"].clone()).collect();
    let by_period = periods.iter().map(|period| {
        let rows = rows(&years.export(&format!("p-{period}.csv"), &["--period", period]).0);
        assert!(rows.iter().all(|row| row["period"] == *period));
        rows.len()
    });
    assert_eq!(by_period.sum::<usize>(), all.len());
    let early = count("early.csv", &["--to", "2024-06-30"]);
    assert_eq!(early + count("late.csv", &["--from", "2024-07-01"]), all.len());
    let ada = count("ada.csv", &["--customer", "ada"]);
    assert_eq!(ada, count("r1.csv", &["--reseller", "r1"]));
    assert_eq!(ada + count("r2.csv", &["--reseller", "r2"]), all.len());
    let answer = years.ask(&["--layout", "focus", "--from", "2024-06-01", "-o", "-"]);
    assert_eq!(answer.exit, Exit::Usage);
    assert!(answer.err.contains("--period"), "{}", answer.err);
}

#[test]
fn a_range_that_holds_nothing_and_a_customer_that_is_not_there_are_told() {
    let years = years();
    let answer = years.ask(&["--from", "2024-07-01", "--to", "2024-06-30", "-o", "-"]);
    assert_eq!(answer.exit, Exit::Usage);
    assert!(answer.err.contains("exchange them"), "{}", answer.err);
    let file = years.path("nobody.csv");
    let answer = years.ask(&["--customer", "nobody", "-o", file.to_str().unwrap()]);
    assert_eq!(answer.exit, Exit::NotFound, "{}", answer.err);
    assert!(answer.err.contains("customer nobody is unknown"), "{}", answer.err);
    assert!(!file.exists());
}

#[test]
fn focus_never_has_a_part_of_a_statement() {
    let years = years();
    let (_, manifest) = years.export("whole.csv", &["--layout", "focus"]);
    let closed = manifest["closed"].as_array().unwrap().last().unwrap()["period"].clone();
    let closed = closed.as_str().unwrap();
    let day = format!("{closed}-02");
    let answer = years.ask(&["--layout", "focus", "--until", &day, "-o", "-"]);
    assert_eq!((answer.exit, answer.out.as_str()), (Exit::Usage, ""));
    assert!(answer.err.contains(&format!("{closed} is closed: say --until")), "{}", answer.err);
}

#[test]
fn the_vendors_columns_are_its_46_in_its_order_and_with_its_conventions() {
    let (path, _) = years().export("vendor-columns.csv", &["--layout", "vendor"]);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.starts_with('\u{feff}'), "no mark in front");
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    assert_eq!(header.len(), 46);
    assert_eq!((header[0], header[15], header[45]), ("PartnerId", "ChargeType", "PromotionID"));
    for row in rows(&path) {
        assert_eq!(row["Quantity"], row["BillableQuantity"]);
        assert!(row["ChargeStartDate"] <= row["ChargeEndDate"], "{row:?}");
        let number = |column: &str| row[column].parse::<Decimal>().unwrap();
        assert_eq!(number("Subtotal") + number("TaxTotal"), number("Total"));
        assert_eq!(
            row["PCToBCExchangeRateDate"].is_empty(),
            row["PricingCurrency"] == row["Currency"]
        );
        assert_eq!(row["PartnerId"], "");
    }
}

/// An offer as price lists call it: the vendor's file has product and SKU in two columns.
#[test]
fn an_offer_of_a_price_list_is_shown_as_product_and_sku() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let mut catalogue = support::catalogue();
    let offers = catalogue["catalogue"]["offers"].as_object_mut().unwrap();
    let offer = offers["office-365-e3"].clone();
    offers.insert("CFQ7TTC0LH18-0001".to_owned(), offer);
    let mut purchase = support::by_the_month(3);
    purchase["offer"] = "CFQ7TTC0LH18-0001".into();
    support::record(
        &data,
        ClockKind::Simulated,
        &[
            ("2024-01-01", "catalogue", catalogue),
            ("2024-01-01", "customer/acme", support::register()),
            ("2024-01-15", "customer/acme", purchase),
        ],
    );
    let path = dir.path().join("vendor.csv");
    let (data, to) = (data.to_str().unwrap(), path.to_str().unwrap());
    let answer = run(&["export", "--layout", "vendor", "--data", data, "-o", to]);
    assert_eq!(answer.exit, Exit::Fine, "{}", answer.err);
    let row = &rows(&path)[0];
    let shown = ["ProductId", "SkuId", "TermAndBillingCycle"].map(|column| row[column].as_str());
    assert_eq!(shown, ["CFQ7TTC0LH18", "0001", "1 Year, Monthly"]);
}

#[test]
fn names_that_look_like_formulas_are_kept_as_they_are() {
    let (csv, _) = years().export("names.csv", &[]);
    let (json, _) = years().export("names.jsonl", &["--format", "jsonl"]);
    let of_csv: BTreeSet<String> =
        rows(&csv).into_iter().map(|row| row["customer_name"].clone()).collect();
    let told = lives::CUSTOMERS.map(|(_, name, ..)| name.to_owned());
    assert_eq!(of_csv, BTreeSet::from(told.clone()));
    let text = fs::read_to_string(json).unwrap();
    let of_json = text.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["customer_name"].as_str().unwrap().to_owned()
    });
    assert_eq!(of_json.collect::<BTreeSet<_>>(), BTreeSet::from(told));
}

#[test]
fn line_breaks_and_quotes_are_quoted_as_rfc_4180_has_it() {
    let columns = Layout::Ledger.columns().into_iter().take(3).collect();
    let mut bytes = Vec::new();
    let mut file = sink(Format::Csv, columns, &mut bytes).unwrap();
    let text = |text: &str| table::Value::from(text);
    file.row(vec![text("a\r\nb"), text("say \"x\", twice"), table::Value::Empty]).unwrap();
    file.finish().unwrap();
    let expected = "line,reference,period\r\n\"a\r\nb\",\"say \"\"x\"\", twice\",\r\n";
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn a_number_that_does_not_fit_is_an_error_that_names_its_column() {
    let columns = Layout::Vendor.columns();
    let amount = columns.iter().position(|column| column.name == "Subtotal").unwrap();
    let mut row = vec![table::Value::Empty; columns.len()];
    row[amount] = table::Value::Decimal("0.001".parse().unwrap());
    let mut file = sink(Format::Parquet, columns, Vec::new()).unwrap();
    file.row(row).unwrap();
    let err = file.finish().unwrap_err().to_string();
    assert_eq!(err, "0.001 has more digits than the column Subtotal holds");
}

#[test]
fn an_export_of_nothing_is_a_file_with_no_rows() {
    let years = years();
    for format in ["csv", "jsonl", "parquet"] {
        for layout in ["ledger", "vendor", "focus"] {
            let name = format!("none-{layout}.{format}");
            let args = ["--layout", layout, "--format", format, "--period", "2019-01"];
            let (path, manifest) = years.export(&name, &args);
            assert_eq!(
                (manifest["rows"].as_u64(), manifest["sums"].to_string()),
                (Some(0), "{}".to_owned())
            );
            let beside = format!("{}.manifest.json", path.display());
            assert_eq!(years.ask(&["--check", &beside]).exit, Exit::Fine);
        }
    }
    assert!(
        fs::read_to_string(years.path("none-ledger.csv")).unwrap().starts_with("line,reference,")
    );
    assert_eq!(fs::read(years.path("none-ledger.jsonl")).unwrap(), b"");
}

#[test]
fn a_file_is_not_replaced_unless_told_so() {
    let years = years();
    let (path, _) = years.export("kept.csv", &["--period", "2024-01"]);
    let before = fs::read(&path).unwrap();
    let path = path.to_str().unwrap();
    let answer = years.ask(&["-o", path]);
    assert_eq!(answer.exit, Exit::Usage);
    assert!(
        answer.err.contains("exists already") && answer.err.contains("--force"),
        "{}",
        answer.err
    );
    assert_eq!(fs::read(path).unwrap(), before);
    assert_eq!(years.ask(&["-o", path, "--force"]).exit, Exit::Fine);
    assert!(fs::read(path).unwrap().len() > before.len());
    let beside = format!("{path}.manifest.json");
    assert_eq!(years.ask(&["--check", &beside]).exit, Exit::Fine);
}

#[test]
fn a_changed_file_or_another_log_is_found_out() {
    let years = years();
    let (path, _) = years.export("changed.csv", &["--layout", "vendor"]);
    let beside = format!("{}.manifest.json", path.display());
    let text = fs::read_to_string(&path).unwrap();
    let place = text.find(".00").unwrap();
    let mut changed = text.clone();
    changed.replace_range(place..place + 3, ".01");
    fs::write(&path, &changed).unwrap();
    let answer = years.ask(&["--check", &beside]);
    assert_eq!(answer.exit, Exit::Found);
    assert!(answer.out.contains("SHA-256: ") && answer.out.contains("sums: "), "{}", answer.out);
    let without_last = &text[..text.trim_end().rfind('\n').unwrap()];
    fs::write(&path, without_last).unwrap();
    assert!(years.ask(&["--check", &beside]).out.contains("rows: "));
    fs::write(&path, &text).unwrap();
    assert_eq!(years.ask(&["--check", &beside]).exit, Exit::Fine);

    let other = Years::of(99, 40);
    let answer = other.ask(&["--check", &beside, "--against-source"]);
    assert_eq!(answer.exit, Exit::Found);
    assert!(answer.out.contains("the log ends at"), "{}", answer.out);
    fs::remove_file(&path).unwrap();
    assert_eq!(years.ask(&["--check", &beside]).exit, Exit::Source);
}

#[test]
fn an_export_that_fails_leaves_nothing_behind() {
    let years = Years::of(5, 60);
    let into = years.path("into");
    fs::create_dir(&into).unwrap();
    let file = into.join("lines.csv");
    // Files of at most 4 blocks: what a full disk does, in the middle of the file.
    for format in ["csv", "jsonl", "parquet"] {
        let script = format!(
            "trap '' XFSZ; ulimit -f 4; exec {} export --format {format} --data {} -o {}",
            env!("CARGO_BIN_EXE_replay-tool"),
            years.path("data").display(),
            file.display(),
        );
        let ran = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(ran.status.code(), Some(3), "{ran:?}");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(said.contains("cannot be written"), "{said}");
        assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "{format}");
    }
    let nowhere = years.ask(&["-o", into.join("no/folder/x.csv").to_str().unwrap()]);
    assert_eq!(nowhere.exit, Exit::Source);
    assert!(nowhere.err.contains("cannot be written"), "{}", nowhere.err);
    let missing = run(&["export", "--data", into.to_str().unwrap(), "-o", file.to_str().unwrap()]);
    assert_eq!(missing.exit, Exit::Source);
    assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
}

#[test]
fn the_standard_output_gets_the_same_bytes_as_a_file() {
    let years = years();
    let (path, _) = years.export("piped.jsonl", &["--format", "jsonl", "--customer", "bob"]);
    let piped = years.ask(&["--format", "jsonl", "--customer", "bob", "-o", "-"]);
    assert_eq!(piped.exit, Exit::Fine);
    assert_eq!(piped.out, fs::read_to_string(path).unwrap());
    assert_eq!(years.ask(&["--format", "parquet", "-o", "-"]).exit, Exit::Usage);
}

/// The columns of a layout as a table.
fn told(layout: Layout) -> String {
    let rows = layout.columns().into_iter().map(|column| {
        format!("| `{}` | {} | {} |\n", column.name, column.kind.name(), column.about)
    });
    let rows: String = rows.collect();
    format!("\n\n| Column | Type | What it is |\n| --- | --- | --- |\n{rows}\n")
}

#[test]
fn the_document_tells_every_column_of_every_layout() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/EXPORTS.md");
    let mut text = fs::read_to_string(&path).unwrap();
    let before = text.clone();
    for layout in [Layout::Ledger, Layout::Vendor, Layout::Focus] {
        let begin = format!("<!-- columns of {} -->", layout.version());
        let start = text.find(&begin).unwrap() + begin.len();
        let end = start + text[start..].find("<!-- end -->").unwrap();
        text.replace_range(start..end, &told(layout));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    } else {
        assert!(
            text == before,
            "run UPDATE_DOCS=1 cargo test -p replay-tool --test export document"
        );
    }
}
