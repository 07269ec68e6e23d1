//! The published vectors pass, and a file that cannot be used says where and why.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn published(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors").join(name)
}

/// Exit code, results and messages.
fn asked(arguments: &[&str], file: &Path) -> (i32, String, String) {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_replay-tool"));
    let done = tool.arg("conformance").args(arguments).arg(file).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

fn asked_of(arguments: &[&str], content: &[u8]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.csv");
    std::fs::write(&file, content).unwrap();
    asked(arguments, &file)
}

const HEADER: &str = "id,price,qty,start,end_excl,days,denom,rounding,expected\n";

#[test]
fn every_published_proration_comes_out_to_the_cent() {
    let (code, out, err) = asked(&["proration"], &published("proration.csv"));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.ends_with("\n96 passed, 0 failed\n"), "{out}");
    let first = "ok     MS01: -94.08; 10.08 x 28/30 days x -10 seats = -94.08, line-truncate\n";
    assert!(out.starts_with(first), "{out}");
    let taxed =
        "ok     LG07: 8.06; 10.00 x 20/31 days x 1 seats = 6.45, fee-then-tax, and 25 % tax 1.61";
    assert!(out.contains(taxed), "{out}");
}

#[test]
fn every_published_cycle_begins_and_ends_on_its_days() {
    let (code, out, err) = asked(&["schedule"], &published("schedule.csv"));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.ends_with("\n80 passed, 0 failed\n"), "{out}");
    let last = "S2-12: 2021-12-31 to 2022-01-30; cycle 12 from 2021-01-31, monthly, end-of-month-offset, 31 days";
    assert!(out.contains(last), "{out}");
}

#[test]
fn a_case_that_differs_is_shown_with_the_computation_and_fails() {
    let cases = format!("{HEADER}A,10.08,12,2021-06-20,2021-07-18,28,30,line:trunc,112.90\n");
    let (code, out, _) = asked_of(&["proration"], cases.as_bytes());
    let shown = "FAILED A: expected 112.90, found 112.89; 10.08 x 28/30 days x 12 seats = 112.89, line-truncate\n\
                 0 passed, 1 failed\n";
    assert_eq!((code, out.as_str()), (1, shown));

    let (code, out, _) = asked_of(&["proration", "--policy", "line-half-up"], cases.as_bytes());
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = asked_of(&["proration", "--json"], cases.as_bytes());
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, 1);
    assert_eq!((&lines[0]["ok"], &lines[0]["line"]), (&Value::Bool(false), &Value::from(2)));
    assert_eq!((&lines[1]["passed"], &lines[1]["failed"]), (&Value::from(0), &Value::from(1)));

    let cases = "id,anchor,billing,rule,cycle,until,start,end_incl\n\
                 B,2021-01-30,monthly,clamp,2,,2021-02-27,2021-03-29\n";
    let (code, out, _) = asked_of(&["schedule"], cases.as_bytes());
    let shown = "FAILED B: expected 2021-02-27 to 2021-03-29, found 2021-02-28 to 2021-03-29; ";
    assert!(code == 1 && out.starts_with(shown), "{out}");
}

#[test]
fn a_file_that_cannot_be_used_names_its_line_and_column() {
    let good = "A,10.08,12,2021-06-20,2021-07-18,28,30,line:trunc,112.89";
    let changed = |from: &str, to: &str| format!("{HEADER}{}\n", good.replacen(from, to, 1));
    for (content, said) in [
        (String::new(), "line 1, column id: it is missing; the header needs id, price, qty"),
        (HEADER.to_owned(), "line 1, column id: there is no case in it"),
        (
            HEADER.replace("denom,", "") + good,
            "line 1, column denom: it is missing; the header needs",
        ),
        (
            changed("10.08", "ten"),
            "line 2, column price: \"ten\" cannot be used: write a number such",
        ),
        (changed("12", "1.5"), "line 2, column qty: \"1.5\" cannot be used: write a whole number"),
        (
            changed("2021-06-20", "20.6.2021"),
            "line 2, column start: \"20.6.2021\" cannot be used: write a day",
        ),
        (
            changed("28,", "27,"),
            "line 2, column days: \"27\" cannot be used: 2021-06-20 to 2021-07-18, the end not included, are 28 days",
        ),
        (
            changed(",30,", ",0,"),
            "line 2, column denom: \"0\" cannot be used: a cycle has at least one day",
        ),
        (
            changed("line:trunc", "bankers"),
            "line 2, column rounding: \"bankers\" cannot be used: write unit-truncate",
        ),
        (changed("112.89", ""), "line 2, column expected: \"\" cannot be used: write a number"),
        (
            changed("10.08", "79228162514264337593543950335"),
            "line 2, column price: \"79228162514264337593543950335\" cannot be used: the amount is too large",
        ),
        (
            format!("{HEADER}{good}\n{good}\n"),
            "line 3, column id: \"A\" cannot be used: another case has this name",
        ),
        (format!("{HEADER}A,1\n"), "line 2, column id: the file is no CSV with a header: "),
    ] {
        let (code, out, err) = asked_of(&["proration"], content.as_bytes());
        assert_eq!((code, out.as_str()), (3, ""), "{content}: {err}");
        assert!(err.contains(&format!("cases.csv: {said}")), "expected {said:?}, found {err:?}");
    }
    let (code, _, err) = asked_of(&["proration"], b"id,price\n\xff\xfe");
    assert!(code == 3 && err.contains("cases.csv cannot be read: "), "{err}");
    let cycles = "id,anchor,billing,rule,cycle,until,start,end_incl\n";
    for (row, said) in [
        ("A,2021-01-30,weekly,clamp,1,,2021-01-30,2021-02-27", "column billing: \"weekly\""),
        ("A,2021-01-30,monthly,sticky,1,,2021-01-30,2021-02-27", "column rule: \"sticky\""),
        ("A,2021-01-30,monthly,clamp,0,,2021-01-30,2021-02-27", "column cycle: \"0\""),
        (
            "A,2021-01-30,monthly,clamp,4000000000,,2021-01-30,2021-02-27",
            "column cycle: \"4000000000\"",
        ),
        ("A,2021-01-30,monthly,clamp,1,soon,2021-01-30,2021-02-27", "column until: \"soon\""),
        ("A,9999-12-30,monthly,clamp,1,,9999-12-30,9999-12-31", "column anchor: \"9999-12-30\""),
    ] {
        let (code, _, err) = asked_of(&["schedule"], format!("{cycles}{row}\n").as_bytes());
        assert!(code == 3 && err.contains(&format!("line 2, {said} cannot be used: ")), "{err}");
    }
    let (code, _, err) = asked_of(&["proration", "--policy", "bankers"], HEADER.as_bytes());
    assert!(code == 2 && err.contains("write unit-truncate, line-truncate"), "{err}");
}
