//! Vendors' files: what is understood, what is mended, what is left out, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fmt::Write;

use ledger_core::catalogue::{Catalogues, PriceRow, SEEDS_TOML, Segment};
use ledger_core::customer::{Command, decide_catalogue, learn};
use ledger_core::ids::OfferId;
use ledger_core::price_list::{PriceList, Reason, Report, Unreadable, parse, parse_matrix};

const HEADER: &str = "ProductTitle,ProductId,SkuId,SkuTitle,Publisher,SkuDescription,UnitOfMeasure,\
    TermDuration,BillingPlan,Market,Currency,UnitPrice,PricingTierRangeMin,PricingTierRangeMax,\
    EffectiveStartDate,EffectiveEndDate,Tags,ERP Price,Segment";

/// A row of the vendor's with some fields changed.
fn row(changes: &[(&str, &str)]) -> String {
    let row = HEADER.split(',').map(|column| {
        let given = changes.iter().find(|(name, _)| *name == column);
        let field = given.map_or_else(|| usual(column), |(_, field)| field);
        if field.contains([',', '"', '\n']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_owned()
        }
    });
    row.collect::<Vec<_>>().join(",")
}

fn usual(column: &str) -> &str {
    match column {
        "ProductTitle" => "Microsoft 365 E3",
        "ProductId" => "CFQ7TTC0LFLX",
        "SkuId" => "0001",
        "SkuTitle" => "Microsoft 365 E3, per user",
        "TermDuration" => "P1Y",
        "BillingPlan" => "Annual",
        "Market" => "FR",
        "Currency" => "EUR",
        "UnitPrice" => "236.40",
        "EffectiveStartDate" => "2026-11-01T00:00:00.0000000Z",
        "EffectiveEndDate" => "9999-12-31T00:00:00.0000000Z",
        "Segment" => "Commercial",
        _ => "",
    }
}

fn file(rows: &[String]) -> String {
    let mut file = format!("{HEADER}\n");
    for row in rows {
        file += row;
        file.push('\n');
    }
    file
}

fn read(text: &str) -> PriceList {
    parse(text.as_bytes(), &mut |_, _| {}).unwrap()
}

fn read_row(changes: &[(&str, &str)]) -> PriceList {
    read(&file(&[row(changes)]))
}

fn only(list: &PriceList) -> &PriceRow {
    assert_eq!(list.report.left_out, 0, "{:?}", list.report.notes);
    let [row] = list.rows.as_slice() else { panic!("{} rows", list.rows.len()) };
    row
}

fn said(report: &Report) -> Vec<(u64, &'static str, bool)> {
    report.notes.iter().map(|note| (note.line, note.reason.word(), note.left_out)).collect()
}

#[test]
fn a_row_of_the_vendors_is_read_without_a_remark() {
    let list = read_row(&[]);
    let price = only(&list);
    assert_eq!(price.offer.as_str(), "CFQ7TTC0LFLX-0001");
    assert_eq!(price.price.to_string(), "236.40");
    assert_eq!(price.market.as_deref(), Some("FR"));
    assert_eq!(price.segment, Some(Segment::Commercial));
    assert_eq!(price.from, Some("2026-11-01T00:00:00Z".parse().unwrap()));
    assert_eq!(price.until, None, "9999 stands for no end");
    assert_eq!(list.offers.first().unwrap().title, "Microsoft 365 E3, per user");
    assert_eq!(list.report.notes, []);
    assert_eq!((list.report.rows, list.report.understood), (1, 1));
}

#[test]
fn columns_are_found_by_name_in_any_order_and_case() {
    let header = "unitprice,CURRENCY,market,Billing Plan,term_duration,skuid,Product Id,\
                  effective start date,EffectiveEndDate,Colour";
    let list = read(&format!("{header}\n9.5,EUR,DE,monthly,p1m,0002,ABC,,,blue\n"));
    assert_eq!(only(&list).offer.as_str(), "ABC-0002");
    assert_eq!(list.report.unknown_columns, ["Colour"]);
    assert_eq!(list.offers.first().unwrap().title, "ABC-0002", "no title is given");
}

#[test]
fn a_mark_line_ends_and_quotes_of_a_spreadsheet_change_nothing() {
    let quoted = row(&[("SkuDescription", "a \"fine\" thing,\nin two lines")]);
    let list = read(&format!("\u{feff}{}", file(&[quoted]).replace('\n', "\r\n")));
    assert_eq!(only(&list).price.to_string(), "236.40");
    let list = read(&format!("{}\n,,,,,,,,,,,,,,,,,,\n\n", file(&[row(&[])])));
    only(&list);
    assert_eq!((list.report.rows, list.report.empty_lines), (1, 3));
    let text = format!("\n{HEADER}\r\n\r\n{}\r\n\n\n{}\r\n", row(&[]), row(&[]));
    let list = read(&text);
    assert_eq!(said(&list.report), [(7, "duplicate", true)], "lines are those of the file");
    assert_eq!(list.report.empty_lines, 4);
}

#[test]
fn damage_that_leaves_no_doubt_is_mended_and_reported() {
    for (column, damaged, reason) in [
        ("SkuId", "1", "offer"),
        ("UnitPrice", "236,40", "price"),
        ("UnitPrice", "1,236.40", "price"),
        ("UnitPrice", "€ 236.40", "price"),
        ("Market", "fr", "market"),
        ("EffectiveStartDate", "11/1/2026 0:00", "dates"),
    ] {
        let list = read_row(&[(column, damaged)]);
        assert_eq!(said(&list.report), [(2, reason, false)], "{damaged}");
        assert_eq!(list.report.mended, 1, "{damaged}");
        let price = only(&list);
        assert_eq!(price.offer.as_str(), "CFQ7TTC0LFLX-0001", "{damaged}");
        assert_eq!(price.from, Some("2026-11-01T00:00:00Z".parse().unwrap()), "{damaged}");
        assert!(price.price.to_string().ends_with("236.40"), "{damaged}: {}", price.price);
    }
    for damaged in ["'0001", "=\"0001\""] {
        assert_eq!(only(&read_row(&[("SkuId", damaged)])).offer.as_str(), "CFQ7TTC0LFLX-0001");
    }
}

#[test]
fn a_file_that_a_spreadsheet_wrote_with_semicolons_is_read() {
    let text = file(&[row(&[])]).replace(',', ";").replace("236.40", "236,40");
    let list = read(&text.replace("E3; per user", "E3"));
    assert_eq!(only(&list).price.to_string(), "236.40");
    assert_eq!(said(&list.report), [(1, "delimiter", false), (2, "price", false)]);
}

#[test]
fn twenty_kinds_of_damage_are_each_left_out_by_line_and_reason() {
    let damages: [(&str, &str, Reason); 23] = [
        ("ProductId", "", Reason::Offer),
        ("ProductId", "#REF!", Reason::Offer),
        ("SkuId", "1.00E+00", Reason::Offer),
        ("SkuId", "", Reason::Offer),
        ("TermDuration", "P5Y", Reason::Term),
        ("TermDuration", "", Reason::Term),
        ("BillingPlan", "None", Reason::Billing),
        ("BillingPlan", "Triennial", Reason::Billing),
        ("Market", "France", Reason::Market),
        ("Segment", "Martian", Reason::Segment),
        ("Currency", "XYZ", Reason::Currency),
        ("UnitPrice", "", Reason::Price),
        ("UnitPrice", "2.36E+02", Reason::Price),
        ("UnitPrice", "1,236", Reason::Price),
        ("UnitPrice", "-236.40", Reason::Price),
        ("UnitPrice", "236.4012345", Reason::Price),
        ("UnitPrice", "on request", Reason::Price),
        ("EffectiveStartDate", "45231", Reason::Dates),
        ("EffectiveStartDate", "31/12/2026", Reason::Dates),
        ("EffectiveEndDate", "2026-10-01T00:00:00Z", Reason::Dates),
        ("PricingTierRangeMin", "100", Reason::Tier),
        ("PricingTierRangeMax", "99", Reason::Tier),
        ("ChangeIndicator", "", Reason::Fields),
    ];
    let mut rows: Vec<String> = damages.iter().map(|(c, f, _)| row(&[(*c, *f)])).collect();
    let too_few = rows.last_mut().unwrap();
    *too_few = too_few.trim_end_matches(",Commercial").to_owned();
    rows.push(row(&[]) + ",one more");
    rows.push(row(&[("SkuDescription", &"x".repeat(70_000))]));
    rows.push(row(&[("SkuId", "0009")]));
    rows.push(row(&[("SkuId", "0009"), ("UnitPrice", "240.00")]));
    let list = read(&file(&rows));

    let expected =
        damages.iter().map(|(_, _, reason)| *reason).chain([Reason::Fields, Reason::LineTooLong]);
    let mut expected: Vec<_> =
        (2..).zip(expected).map(|(line, r)| (line, r.word(), true)).collect();
    // The last but one row is fine; the last one says something else about the same.
    expected.push((28, "contradiction", true));
    let mut found = said(&list.report);
    found.dedup();
    assert_eq!(found, expected);
    assert_eq!((list.report.rows, list.report.left_out, list.rows.len()), (27, 26, 1));
}

#[test]
fn what_loses_a_price_is_accepted_by_name_only() {
    let rows = [
        row(&[]),
        row(&[("Currency", "XYZ")]),
        row(&[("SkuId", "2"), ("PricingTierRangeMin", "10")]),
    ];
    let report = read(&file(&rows)).report;
    let accepted = |words: &[&str]| {
        report.is_accepted(&words.iter().map(|word| word.parse().unwrap()).collect())
    };
    assert!(!accepted(&[]));
    assert!(!accepted(&["currency"]));
    assert!(accepted(&["currency", "tier"]));
    assert_eq!(report.loss(), "rows left out: 1 currency, 1 tier (skip=currency,tier)");
    assert!("colour".parse::<Reason>().is_err());
}

#[test]
fn what_is_there_twice_or_deleted_is_left_out_without_a_loss() {
    let rows = [row(&[]), row(&[]), HEADER.to_owned()];
    let report = read(&file(&rows)).report;
    assert_eq!(said(&report), [(3, "duplicate", true), (4, "header-again", true)]);
    assert!(report.is_accepted(&BTreeSet::new()));

    let text = format!("{HEADER},ChangeIndicator\n{},Unchanged\n{},Deleted\n", row(&[]), row(&[]));
    let list = read(&text);
    assert_eq!(said(&list.report), [(3, "deleted", true)]);
    assert!(list.report.is_accepted(&BTreeSet::new()));
}

#[test]
fn an_unclosed_quotation_mark_is_said_to_swallow_the_lines_after_it() {
    let rows = [
        row(&[]),
        row(&[("SkuId", "0002")]).replace("per user\"", "per user"),
        row(&[("SkuId", "0003")]),
    ];
    let list = read(&file(&rows));
    let note = list.report.notes.first().unwrap();
    assert_eq!((note.line, note.reason, note.left_out), (3, Reason::Fields, true));
    assert!(note.message.contains("perhaps a quotation mark is not closed"), "{}", note.message);
}

#[test]
fn rows_that_overlap_are_all_kept_and_counted() {
    let october = [
        ("EffectiveStartDate", "2021-10-01T00:00:00Z"),
        ("EffectiveEndDate", "2021-11-30T23:59:59.9999999Z"),
    ];
    let november = [("EffectiveStartDate", "2021-11-01T00:00:00Z"), ("UnitPrice", "240")];
    let december = [("EffectiveStartDate", "2021-12-01"), ("SkuId", "0002")];
    let list = read(&file(&[row(&october), row(&november), row(&december)]));
    assert_eq!((list.rows.len(), list.report.overlapping), (3, 1));
    let until = list.rows.first().unwrap().until;
    assert_eq!(until, Some("2021-12-01T00:00:00Z".parse().unwrap()), "the whole last day");
}

#[test]
fn placeholder_years_stand_for_always_and_for_no_end() {
    for (from, until) in [
        ("1753-01-01T00:00:00", "9999-12-31T23:59:59.9999999"),
        ("1/1/1753 12:00:00 AM", "12/31/9999 12:00:00 AM"),
        ("", ""),
    ] {
        let list = read_row(&[("EffectiveStartDate", from), ("EffectiveEndDate", until)]);
        assert_eq!((only(&list).from, only(&list).until), (None, None), "{from}");
    }
}

#[test]
fn a_file_that_is_no_price_list_is_refused_as_a_whole() {
    let refused = |bytes: &[u8]| parse(bytes, &mut |_, _| {}).unwrap_err();
    assert_eq!(refused(b""), Unreadable::Empty);
    assert_eq!(refused(b"\xEF\xBB\xBF \r\n\r\n"), Unreadable::Empty);
    assert_eq!(refused(b"PK\x03\x04\x00\x00"), Unreadable::Binary);
    assert_eq!(refused(b"\xFF\xFEP\x00r\x00"), Unreadable::Utf16);
    let latin = file(&[row(&[]), row(&[("SkuTitle", "caf?")])]);
    let latin: Vec<u8> = latin.bytes().map(|byte| if byte == b'?' { 0xE9 } else { byte }).collect();
    assert_eq!(refused(&latin), Unreadable::NotUtf8 { line: 3 });
    let missing = Unreadable::ColumnsMissing(vec!["SkuId".to_owned(), "UnitPrice".to_owned()]);
    let text = file(&[]).replace("SkuId,", "").replace("UnitPrice,", "");
    assert_eq!(refused(text.as_bytes()), missing);
    let twice = format!("{HEADER},Currency\n");
    assert_eq!(refused(twice.as_bytes()), Unreadable::ColumnTwice("Currency".to_owned()));
}

#[test]
fn a_matrix_says_limits_prerequisites_upgrades_and_markets() {
    let text = "ProductTitle,ProductId,SkuId,SkuTitle,MinLicenses,MaxLicenses,ProductSkuPreRequisites,\
                ProductSkuConversion,AllowedCountries\n\
                Audio,ABC,1,Audio add-on,1,300,\"DEF:0001;GHI:2\",JKL:0001,\"FR, de\"\n\
                Base,DEF,0001,,,,,,All\n\
                Bad,XYZ,0001,,10,5,,,\n\
                Worse,XYZ,0002,,many,,nothing,,Narnia\n";
    let matrix = parse_matrix(text.as_bytes(), &mut |_, _| {}).unwrap();
    let [audio, base] = matrix.offers.as_slice() else { panic!("{:?}", matrix.offers) };
    assert_eq!(
        (audio.offer.as_str(), audio.seats_min, audio.seats_max),
        ("ABC-0001", 1, Some(300))
    );
    let needs: Vec<&str> = audio.prerequisites.iter().map(OfferId::as_str).collect();
    assert_eq!(needs, ["DEF-0001", "GHI-0002"]);
    assert_eq!(audio.upgrades.first().unwrap().as_str(), "JKL-0001");
    assert_eq!(audio.markets.iter().collect::<Vec<_>>(), ["DE", "FR"]);
    assert_eq!((base.seats_min, base.seats_max, base.markets.len()), (1, None, 0));
    assert_eq!(base.title, "Base");
    let expected = [
        (2, "offer", false),
        (4, "limits", true),
        (5, "limits", true),
        (5, "references", true),
        (5, "references", true),
    ];
    assert_eq!(said(&matrix.report), expected);
    assert_eq!(matrix.report.left_out, 2);
}

/// A price list as large as vendors' are: `rows` prices of 40 plans in as many markets.
fn large(rows: usize) -> String {
    let mut text = format!("{HEADER}\n");
    for number in 0..rows {
        let (product, rest) = (number / 40, number % 40);
        let market = ["FR", "DE", "BE", "NL", "IT", "ES", "AT", "IE", "FI", "PT"][rest % 10];
        let (term, billing) =
            [("P1M", "Monthly"), ("P1Y", "Monthly"), ("P1Y", "Annual"), ("P3Y", "Triennial")]
                [rest / 10];
        writeln!(
            text,
            "Product {product},CFQ7TTC{product:05},0001,Product {product} (per user),Microsoft \
             Corporation,What it is for,Licence,{term},{billing},{market},EUR,{}.{:02},,,\
             2026-11-01T00:00:00.0000000Z,9999-12-31T00:00:00.0000000Z,,,Commercial",
            number % 900,
            number % 100,
        )
        .unwrap();
    }
    text
}

#[test]
fn fifty_thousand_rows_are_read_decided_and_found_again() {
    let mut heard = Vec::new();
    let text = large(50_000);
    let list = parse(text.as_bytes(), &mut |done, total| heard.push((done, total))).unwrap();
    assert_eq!((list.rows.len(), list.offers.len()), (50_000, 1_250));
    assert!(list.report.is_accepted(&BTreeSet::new()), "{:?}", list.report.notes.first());
    let bytes = u64::try_from(text.len()).unwrap();
    assert_eq!(heard.last(), Some(&(bytes, bytes)));
    assert!(heard.windows(2).all(|pair| pair[0] <= pair[1]), "progress goes forward");

    let known = Catalogues::default().with(toml::from_str(SEEDS_TOML).unwrap());
    let command = Command::ImportPriceList(list.clone().into_command("large".to_owned()));
    let events = decide_catalogue(&known, &command).unwrap();
    let known = events.iter().fold(known, learn);
    assert_eq!(decide_catalogue(&known, &command).unwrap(), [], "the same again changes nothing");
    let at = "2026-12-01T00:00:00Z".parse().unwrap();
    let catalogue = known.in_force(at).unwrap();
    assert_eq!(catalogue.version, "seeds-2 + large");
    for row in &list.rows {
        let buyer = (row.market.as_deref().unwrap(), Segment::Commercial, row.currency);
        let quote = catalogue.quote(&row.offer, (row.term, row.billing), buyer, at).unwrap();
        assert_eq!((quote.price.amount, quote.price_list.as_deref()), (row.price, Some("large")));
    }
}
