//! Every form of a vendor's invoice file, what spreadsheets do to it, and damage.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

mod invoice;
mod support;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use invoice::{
    COLUMNS_2023, COLUMNS_LEGACY, LINES, Vendor, book, columns_2026, csv, exported, reconciled,
};
use replay_tool::exit::Exit;
use serde_json::Value;

fn agrees(name: &str, content: impl AsRef<[u8]>, more: &[&str]) {
    let answer = reconciled(name, content, more);
    assert_eq!(answer.exit, Exit::Fine, "{name}: {}{}", answer.out, answer.err);
    assert!(answer.out.contains(&format!("{} of {} lines agree", eur(), eur())), "{}", answer.out);
}

/// How many lines are in euros.
fn eur() -> usize {
    LINES.iter().filter(|line| line.currency.to_string() == "EUR").count()
}

fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

fn utf_16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Every field in quotation marks, so that any divider and any value goes.
fn divided(columns: &str, divider: &str, value: impl Fn(&Vendor, &str) -> String) -> String {
    let columns: Vec<&str> = columns.split(',').map(str::trim).collect();
    let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let header: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let mut text = header.join(divider) + "\r\n";
    for line in LINES.iter() {
        let fields = columns.iter().map(|column| quoted(&value(line, column)));
        text += &(fields.collect::<Vec<_>>().join(divider) + "\r\n");
    }
    text
}

#[test]
fn an_invoice_of_what_was_billed_agrees_in_every_form_of_the_file() {
    let plain = csv(COLUMNS_2023, &LINES);
    let mut backwards = LINES.clone();
    backwards.reverse();
    agrees("plain", &plain, &[]);
    agrees("backwards", csv(COLUMNS_2023, &backwards), &[]);
    agrees("2026", csv(&columns_2026(), &LINES), &[]);
    agrees("drift", csv(&COLUMNS_2023.replace("ReferenceID", "Reference Id"), &LINES), &[]);
    agrees(
        "upper",
        csv(&COLUMNS_2023.to_uppercase(), &[]).trim().to_owned()
            + "\n"
            + plain.split_once('\n').unwrap().1,
        &[],
    );
    agrees("marked", format!("\u{feff}{plain}"), &[]);
    agrees("windows", plain.replace('\n', "\r\n"), &[]);
    agrees("utf-16", utf_16(&plain), &[]);
    agrees("gzip", packed(&plain), &[]);
    let (head, tail) = plain.split_at(plain.len() / 2);
    agrees("members", [packed(head), packed(tail)].concat(), &[]);
    let header = plain.lines().next().unwrap();
    agrees("parts", [packed(&plain), packed(&format!("{header}\n"))].concat(), &[]);
    agrees("tabs", plain.replace(',', "\t"), &[]);
    agrees("semicolons", plain.replace(',', ";"), &[]);
}

#[test]
fn what_is_exported_in_the_vendors_columns_has_them_all_and_agrees() {
    let exported = exported();
    assert_eq!(exported.lines().next().unwrap(), COLUMNS_2023);
    agrees("exported", exported, &[]);
}

#[test]
fn an_invoice_agrees_through_all_that_spreadsheets_do_to_values() {
    let excel = divided(COLUMNS_2023, ";", |line, column| match column {
        "SubscriptionId" => format!("'{}", line.value(column)),
        "CustomerId" => format!("=\"{}\"", line.value(column).to_uppercase()),
        "SkuId" => "1".to_owned(),
        "ChargeType" => line.value(column).to_uppercase(),
        "ReferenceID" => format!(r#"{{"id":"{}","v":"2.0"}}"#, line.value(column)),
        "TaxTotal" if line.tax.is_zero() => "0E-20".to_owned(),
        "Subtotal" => format!("{:.18}", line.subtotal),
        "ChargeStartDate" | "ChargeEndDate" => {
            let day = line.value(column);
            format!("{}/{}/{} 12:00:00 AM", &day[5..7], &day[8..10], &day[..4])
        }
        _ => line.value(column),
    });
    agrees("excel", excel, &[]);
    let german = divided(COLUMNS_2023, ";", |line, column| match column {
        "Subtotal" | "TaxTotal" | "UnitPrice" | "PCToBCExchangeRate" => {
            grouped(&line.value(column))
        }
        "ChargeStartDate" | "ChargeEndDate" => {
            let day = line.value(column);
            format!("{}.{}.{}", &day[8..10], &day[5..7], &day[..4])
        }
        _ => line.value(column),
    });
    assert!(german.contains("\"2.127,60\"") || german.contains("\"2.553,12\""), "groups: {german}");
    agrees("german", german, &[]);
    let british = divided(COLUMNS_2023, ",", |line, column| match column {
        "ChargeStartDate" | "ChargeEndDate" => {
            let day = line.value(column);
            format!("{}/{}/{}", &day[8..10], &day[5..7], &day[..4])
        }
        _ => line.value(column),
    });
    agrees("british", british, &[]);
}

/// `2553.12` as `2.553,12`.
fn grouped(number: &str) -> String {
    let (whole, cents) = number.split_once('.').unwrap_or((number, "00"));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut groups = Vec::new();
    let mut rest = digits;
    while 3 < rest.len() {
        let (before, group) = rest.split_at(rest.len() - 3);
        groups.insert(0, group);
        rest = before;
    }
    groups.insert(0, rest);
    format!("{sign}{},{cents}", groups.join("."))
}

#[test]
fn a_legacy_file_agrees() {
    let euros: Vec<Vendor> = LINES.iter().filter(|line| line.rate.is_none()).cloned().collect();
    let legacy: Vec<Vendor> = euros
        .into_iter()
        .map(|line| Vendor {
            charge_type: match line.charge_type.as_str() {
                "new" => "Purchase fee".to_owned(),
                "cycleCharge" => "Cycle fee".to_owned(),
                "cancelImmediate" => "Cancel instance prorate".to_owned(),
                _ => "Cycle instance prorate".to_owned(),
            },
            ..line
        })
        .collect();
    let text = csv(COLUMNS_LEGACY, &legacy);
    agrees("legacy", text, &["--currency", "EUR"]);
}

#[test]
fn what_can_be_read_in_two_ways_is_asked_for() {
    let only = |column: &'static str, value: &'static str| {
        divided(COLUMNS_2023, ";", move |line, of| match of {
            of if of == column => value.to_owned(),
            "UnitPrice" | "Subtotal" | "TaxTotal" | "PCToBCExchangeRate" => "1".to_owned(),
            of => line.value(of),
        })
    };
    let answer = reconciled("number", only("UnitPrice", "9.408"), &[]);
    assert_eq!(answer.exit, Exit::Found);
    let told = "line 2, column UnitPrice: \"9.408\" is more than one number: say with --decimal";
    assert!(answer.err.contains(told), "{}", answer.err);
    let answer =
        reconciled("number", only("UnitPrice", "9.408"), &["--decimal", "comma", "--json"]);
    assert_eq!(answer.json()[0]["theirs"][0]["unit_price"], "9408");
    let day = only("ChargeStartDate", "03/04/2026");
    let answer = reconciled("day", &day, &[]);
    let told =
        "line 2, column ChargeStartDate: \"03/04/2026\" is more than one day: say with --dates";
    assert!(answer.err.contains(told), "{}", answer.err);
    let answer = reconciled("day", &day, &["--dates", "month-first", "--json"]);
    assert_eq!(answer.json()[0]["theirs"][0]["period"]["start"], "2026-03-04");
}

#[test]
fn a_damaged_file_is_refused_with_the_place_of_the_damage_and_nothing_is_recorded() {
    let plain = csv(COLUMNS_2023, &LINES);
    let whole = packed(&plain);
    let at = |number: usize, line: &str| {
        let mut lines: Vec<&str> = plain.lines().collect();
        lines[number - 1] = line;
        lines.join("\n").into_bytes()
    };
    let third = plain.lines().nth(2).unwrap();
    let huge = format!("{third}\"{}\n", "x".repeat(400_000));
    let open = format!("\"{third}");
    let swapped = third.replace("2026-03", "2026-13");
    let foreign = third.replace(",EUR,,", ",XAU,,").replace(",USD,,", ",XAU,,");
    let cases: [(&str, Vec<u8>, &str); 14] = [
        ("truncated", whole[..whole.len() / 2].to_vec(), "cannot be read after line "),
        ("trailing", [whole.clone(), b"rubbish".to_vec()].concat(), "cannot be read after line 77"),
        ("empty", Vec::new(), "the file is empty"),
        ("blank", b"\n \n".to_vec(), "the file is empty"),
        ("packed-empty", packed(""), "the file is empty"),
        ("header", plain.lines().next().unwrap().into(), "has a header and no lines"),
        ("workbook", b"PK\x03\x04\x00\x00workbook".to_vec(), "is not text"),
        (
            "latin",
            at(3, "").iter().copied().chain([0xE9, b',', 0xFF]).collect(),
            "is neither UTF-8",
        ),
        ("column", plain.replacen("Subtotal", "Sum", 1).into_bytes(), "the header lacks Subtotal"),
        ("twice", plain.replacen("SkuName", "skuid", 1).into_bytes(), "has skuid twice"),
        ("few", at(3, "a,b,c"), "line 3 has 3 fields, and the header 46"),
        ("huge", at(3, &huge), "line 3 has more than 262144 bytes"),
        ("date", at(3, &swapped), "line 3, column ChargeStartDate: \"2026-13-0"),
        ("currency", at(3, &foreign), "line 3, column Currency: \"XAU\" is no currency"),
    ];
    for (name, content, told) in cases {
        let more = ["--record", "--at", "2026-04-09"];
        let answer = reconciled(name, content, &more);
        assert_eq!((answer.exit, answer.out.as_str()), (Exit::Found, ""), "{name}: {}", answer.err);
        assert!(answer.err.contains(told), "{name}: {}", answer.err);
    }
    let unclosed = reconciled("unclosed", at(3, &open), &[]);
    assert_eq!(unclosed.exit, Exit::Found);
    assert!(unclosed.err.contains("line 3 "), "{}", unclosed.err);
    assert_eq!(book().reconciliations(), Vec::<Value>::new());
}

#[test]
fn unknown_columns_and_charge_types_are_kept_and_shown() {
    let mut lines = LINES.clone();
    let more = Vendor { charge_type: "loyaltyBonus".to_owned(), ..lines[0].clone() };
    lines.push(more);
    let content = csv(&format!("{COLUMNS_2023},Colour"), &lines).replace(",\n", ",teal\n");
    let answer = reconciled("unknown", content, &[]);
    assert_eq!(answer.exit, Exit::Found);
    for told in [
        "columns not known, kept: Colour",
        "charge type not known, kept: loyaltyBonus (1)",
        "Colour=teal",
        "only-theirs: 1 difference",
    ] {
        assert!(answer.out.contains(told), "{told}: {}", answer.out);
    }
}
