//! Files of opening balances: what every form says, what is mended, and what is refused.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{EndOfTermAction, ImportOpeningBalance};
use ledger_core::ids::CustomerId;
use ledger_core::opening::{File, FileError, Given, read};
use proptest::prelude::*;
use serde_json::{Value, json};

fn given(customer: Option<&str>) -> Given {
    let customer = customer.map(|customer| CustomerId::try_new(customer).unwrap());
    Given { customer, as_of: "2025-06-01T00:00:00Z".parse().unwrap() }
}

fn file(content: &str) -> File {
    read(content.as_bytes(), &given(Some("acme"))).unwrap()
}

/// The only line of a file, which must be fine.
fn only(content: &str) -> (ImportOpeningBalance, Vec<String>) {
    let mut lines = file(content).lines;
    let line = lines.pop().unwrap();
    assert!(lines.is_empty(), "{lines:?}");
    (line.balance.unwrap().command, line.mended)
}

fn wrong(content: &str) -> String {
    file(content).lines.pop().unwrap().balance.unwrap_err()
}

const HEADING: &str = "subscription,offer,status,term,billing,quantity,term_start,term_end";

#[test]
fn a_spreadsheet_is_read_whatever_its_order_divider_quotes_and_line_ends() {
    let text = "\u{feff}\"Term End\";Subscription;offer-title;Offer;STATUS;term;billing;quantity;Unit price;\
                term_start;auto_renew;bought_at;cancel_until;trial;refundable;Suspension Reasons;Owner\r\n\
                2026-01-31;s1;\"Visio; \"\"Plan 2\"\"\";visio;suspended;P1Y;Monthly;12;10.08;2025-02-01;no;\
                2025-02-01T10:00:00+02:00;2025-06-20;false;\"3 until 2025-06-14T12:00:00Z; 4 until 2025-06-15\";\
                Fraud;ann\r\n\r\n";
    let (command, mended) = only(text);
    let expected = json!({
        "subscription": "s1", "offer": "visio", "offer_title": "Visio; \"Plan 2\"",
        "status": "suspended", "suspension_reasons": ["Fraud"], "term": "P1Y",
        "billing": "monthly", "quantity": 12, "unit_price": "10.08", "term_start": "2025-02-01",
        "term_end": "2026-01-31", "end_of_term": "lapse", "bought_at": "2025-02-01T08:00:00Z",
        "cancel_until": "2025-06-20T23:59:59.999Z",
        "refundable": [
            { "quantity": 3, "until": "2025-06-14T12:00:00Z" },
            { "quantity": 4, "until": "2025-06-15T23:59:59.999Z" },
        ],
        "unknown": { "Owner": "ann" }, "effective_at": "2025-06-01T00:00:00Z",
    });
    assert_eq!(serde_json::to_value(&command).unwrap(), expected);
    assert_eq!(
        mended,
        [
            "cancel_until: 2025-06-20 was read as 2025-06-20T23:59:59.999+00:00",
            "refundable: 2025-06-15 was read as 2025-06-15T23:59:59.999+00:00",
        ]
    );
}

#[test]
fn a_line_keeps_its_number_behind_blank_lines_and_quoted_line_ends() {
    let row = |id: &str| format!("{id},e3,\"act\nive\",P1Y,annual,1,2025-02-01,2026-01-31\n");
    let text = format!("{HEADING}\n\n{}\n{}", row("a"), row("b"));
    let numbers: Vec<u64> = file(&text).lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [3, 6]);
}

#[test]
fn everything_that_is_wrong_with_a_line_is_said_at_once() {
    let text = format!(
        "{HEADING},end_of_term,auto_renew,refundable\n,e 3,,P2Y,weekly,-1,soon,,cancel,yes,3 seats\n"
    );
    assert_eq!(
        wrong(&text),
        "refundable: \"3 seats\" is not a quantity and an instant, such as 3 until 2026-03-08T09:00:00Z; \
         subscription is missing; \
         offer: it contains ' '; allowed are letters, digits, '-' and '_'; \
         status is missing; term: \"P2Y\" is not P1M, P1Y or P3Y; \
         billing: \"weekly\" is not monthly, annual or triennial; \
         quantity: \"-1\" is not a whole number from 0 to 4294967295; \
         term_start: \"soon\" is not a day such as 2025-03-01; term_end is missing; \
         end_of_term and auto_renew contradict each other"
    );
}

/// A subscription as the vendor documents it, in the current names.
fn vendor() -> Value {
    json!({
        "id": "3a7b5a0e-6d4f-4b7e-9c6e-0d9a3b8a1f22",
        "offerId": "CFQ7TTC0LH18:0001:CFQ7TTC0K5B3",
        "offerName": "Microsoft 365 Business Basic",
        "friendlyName": "Basic for sales",
        "quantity": 10,
        "creationDate": "2025-05-30T17:25:44.1234567Z",
        "effectiveStartDate": "2025-05-30T00:00:00Z",
        "commitmentEndDate": "2026-05-29T00:00:00Z",
        "cancellationAllowedUntilDate": "2025-06-06T17:25:44.123Z",
        "status": "active", "autoRenewEnabled": true, "isTrial": false,
        "termDuration": "P1Y", "billingCycle": "monthly",
        "suspensionReasons": null,
        "refundableQuantity": { "totalQuantity": 10, "details": [
            { "quantity": 10, "allowedUntilDateTime": "2025-06-06T17:25:44.123Z" } ] },
        "productType": { "id": "OnlineServicesNCE" }
    })
}

#[test]
fn the_vendors_subscription_is_read_and_the_rest_of_it_kept() {
    let (command, mended) = only(&vendor().to_string());
    let expected = json!({
        "subscription": "3a7b5a0e-6d4f-4b7e-9c6e-0d9a3b8a1f22", "offer": "CFQ7TTC0LH18-0001",
        "offer_title": "Microsoft 365 Business Basic", "status": "active", "term": "P1Y",
        "billing": "monthly", "quantity": 10, "term_start": "2025-05-30",
        "term_end": "2026-05-29", "end_of_term": "renew", "bought_at": "2025-05-30T17:25:44.123Z",
        "cancel_until": "2025-06-06T17:25:44.123Z",
        "refundable": [{ "quantity": 10, "until": "2025-06-06T17:25:44.123Z" }],
        "unknown": { "friendlyName": "\"Basic for sales\"", "productType": "{\"id\":\"OnlineServicesNCE\"}" },
        "effective_at": "2025-06-01T00:00:00Z",
    });
    assert_eq!(serde_json::to_value(&command).unwrap(), expected);
    assert_eq!(mended, Vec::<String>::new());
}

#[test]
fn capitals_do_not_matter_nor_whether_it_is_one_several_or_a_collection() {
    let one = vendor();
    let fields = one.as_object().unwrap().iter().map(|(name, value)| {
        let (first, rest) = name.split_at(1);
        (first.to_uppercase() + rest, value.clone())
    });
    let pascal = Value::Object(fields.collect());
    let line = |content: String| file(&content).lines.remove(0).balance.unwrap().command;
    let expected = ImportOpeningBalance { unknown: [].into(), ..line(one.to_string()) };
    for content in [
        pascal.to_string(),
        format!("[{one}]"),
        format!("{one}\n{one}\n"),
        json!({ "totalCount": 1, "items": [one], "links": {} }).to_string(),
        json!({ "TotalCount": 1, "Items": [one] }).to_string(),
    ] {
        assert_eq!(ImportOpeningBalance { unknown: [].into(), ..line(content) }, expected);
    }
}

#[test]
fn a_page_of_a_collection_says_that_it_is_not_all() {
    let page = json!({ "totalCount": 700, "items": [vendor()] });
    let said = file(&page.to_string()).notes;
    assert_eq!(said, ["a collection of 700 has 1 here: fetch its other pages, too"]);
}

#[test]
fn the_end_of_the_term_is_what_is_scheduled_or_what_automatic_renewal_says() {
    let action = |kind: &str| json!([{ "actionType": kind, "scheduleType": "TermEnd" }]);
    let est = "RenewToExtendedServiceTerm";
    for (renews, actions, expected) in [
        (json!(true), Value::Null, EndOfTermAction::Renew),
        (json!(false), Value::Null, EndOfTermAction::Lapse),
        (json!(false), action("Cancel"), EndOfTermAction::Cancel),
        (json!(true), action("cancel"), EndOfTermAction::Cancel),
        (json!(false), action(est), EndOfTermAction::ExtendedServiceTerm),
        (json!(true), action("RenewToNewTerm"), EndOfTermAction::Renew),
        (json!(true), action("Transition"), EndOfTermAction::Renew),
    ] {
        let mut subscription = vendor();
        subscription["autoRenewEnabled"] = renews;
        subscription["scheduledActions"] = actions.clone();
        let (command, _) = only(&subscription.to_string());
        assert_eq!(command.end_of_term, expected, "{actions}");
        let is_kept = command.unknown.contains_key("scheduledActions");
        assert_eq!(is_kept, actions == action("Transition"));
    }
}

#[test]
fn the_last_day_is_included_whichever_field_tells_it() {
    for (field, text) in [
        ("commitmentEndDate", "2026-05-29"),
        ("commitmentEndDate", "2026-05-29T00:00:00"),
        ("commitmentEndDateTime", "2026-05-29T23:59:59Z"),
    ] {
        let mut subscription = vendor();
        subscription[field] = json!(text);
        let (command, _) = only(&subscription.to_string());
        assert_eq!(command.term_end.to_string(), "2026-05-29", "{field} {text}");
    }
}

#[test]
fn a_start_years_ago_gives_way_to_the_start_of_the_current_term() {
    let mut subscription = vendor();
    subscription["effectiveStartDate"] = json!("2022-05-30T00:00:00Z");
    subscription["creationDate"] = Value::Null;
    let (command, mended) = only(&subscription.to_string());
    assert_eq!(command.term_start.to_string(), "2025-05-30");
    assert_eq!(command.bought_at.unwrap().to_rfc3339(), "2022-05-30T00:00:00+00:00");
    assert_eq!(
        mended,
        [
            "term_start: 2022-05-30 is more than one term before 2026-05-29, so the current one began on 2025-05-30"
        ]
    );
    // An end far in the future is what subscriptions have that are not renewable.
    subscription["commitmentEndDate"] = json!("2099-12-31");
    assert_eq!(only(&subscription.to_string()).0.term_start.to_string(), "2022-05-30");
}

#[test]
fn a_trial_is_read_with_the_plan_that_it_becomes() {
    let mut subscription = vendor();
    subscription["isTrial"] = json!(true);
    subscription["termDuration"] = json!("P1M");
    subscription["renewalTermDuration"] = json!("P1Y");
    subscription["billingCycle"] = json!("none");
    subscription["commitmentEndDate"] = json!("2025-06-28");
    let (command, _) = only(&subscription.to_string());
    assert!(command.trial);
    assert_eq!((command.term, command.billing), (TermDuration::P1Y, BillingCycle::Monthly));
}

#[test]
fn the_date_that_stands_for_none_is_none() {
    let mut subscription = vendor();
    subscription["cancellationAllowedUntilDate"] = json!("0001-01-01T00:00:00");
    let (command, mended) = only(&subscription.to_string());
    assert_eq!(command.cancel_until, None);
    assert_eq!(mended, ["cancel_until: 0001-01-01T00:00:00 was read as none"]);
}

#[test]
fn an_item_of_the_wrong_type_is_wrong_alone() {
    let mut odd = vendor();
    odd["quantity"] = json!(1.5);
    odd["status"] = json!({ "is": "active" });
    odd["refundableQuantity"] = json!({ "details": [7] });
    let lines = file(&json!([1, "two", odd, vendor()]).to_string()).lines;
    let why = |at: usize| lines[at].balance.clone().unwrap_err();
    assert!(why(0).starts_with("it is not an object, so not a subscription; "), "{}", why(0));
    assert!(why(1).starts_with("it is not an object, so not a subscription; "));
    assert_eq!(
        why(2),
        "refundableQuantity: 7 is not to be read; status is neither a text nor a number; \
         status is missing; quantity: \"1.5\" is not a whole number from 0 to 4294967295"
    );
    assert!(lines[3].balance.is_ok());
}

#[test]
fn the_id_of_a_line_is_the_same_for_the_same_line_only() {
    let id = |content: &Value| {
        let line = file(&content.to_string()).lines.remove(0);
        line.balance.unwrap().command_id().unwrap()
    };
    let mut other = vendor();
    other["quantity"] = json!(11);
    assert_eq!(id(&vendor()), id(&vendor()));
    assert_ne!(id(&vendor()), id(&other));
    let begin = "opening/acme/3a7b5a0e-6d4f-4b7e-9c6e-0d9a3b8a1f22/";
    assert!(id(&vendor()).as_str().starts_with(begin), "{}", id(&vendor()));
}

#[test]
fn a_customer_must_be_named_somewhere() {
    let text = format!("{HEADING}\ns1,e3,active,P1Y,annual,1,2025-02-01,2026-01-31\n");
    let refused = read(text.as_bytes(), &given(None)).unwrap_err();
    assert_eq!(refused, FileError::ColumnsMissing(vec!["customer"]));
    let lines = read(vendor().to_string().as_bytes(), &given(None)).unwrap().lines;
    assert_eq!(lines[0].balance, Err("customer is missing".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_whatever_stop_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, &given(Some("acme")));
    }

    #[test]
    fn no_fields_whatever_stop_the_reader(
        fields in prop::collection::vec("[ -~]{0,12}|[0-9]{4}-[0-9]{2}-[0-9]{2}|é€", 8..9),
    ) {
        let quoted: Vec<_> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
        let text = format!("{HEADING}\n{}\n", quoted.join(","));
        for line in file(&text).lines {
            let why = line.balance.err();
            prop_assert!(why.is_none_or(|why| !why.is_empty()));
        }
    }
}
