//! Opening balances into a running server, by the tool.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ledger_tests::{Server, replay_tool};
use serde_json::json;

const BALANCES: &str = "\
subscription,offer,status,term,billing,quantity,term_start,term_end,auto_renew,owner
s1,office-365-e3,active,P1Y,annual,5,2025-02-01,2126-01-31,yes,ann
s2,office-365-e3,warned,P1Y,annual,5,2025-02-01,2126-01-31,yes,
s3,visio,active,P1Y,annual,5,2025-02-01,2126-01-31,yes,
";

#[test]
fn a_server_takes_over_a_file_once_after_a_dry_run_that_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with_offers(&dir.path().join("data"));
    let acme = json!({ "reason": "New", "customer": "acme", "name": "Acme", "programme": "nce",
        "reseller": "r", "market": "FR", "currency": "EUR" });
    assert_eq!(server.post("/v1/customers", &acme).status, 201);
    let file = dir.path().join("balances.csv");
    std::fs::write(&file, BALANCES).unwrap();
    let tokens = server.tokens();
    let asked = [
        "import",
        "opening-balances",
        file.to_str().unwrap(),
        "--customer",
        "acme",
        "--as-of",
        "2025-06-01",
        "--url",
        server.url(),
        "--tokens",
        tokens.to_str().unwrap(),
    ];
    let of = |first: &str, fate: &str| {
        format!(
            "2 acme/s1: {first}\n    warning: kept, but not known: owner\n\
             3 acme/s2: {first}\n    \
             warning: nobody knows the status \"warned\": it is taken over as suspended by its vendor\n\
             4 acme/s3: refused, FIELD_INVALID: offer_title is not valid: the offer's name, because \
             the catalogue in force does not have the offer\n\
             kept, but not known: owner (1)\n\
             3 lines: 2 {fate}, 0 already there, 1 refused; 0 mended, 2 with warnings\n"
        )
    };
    let again = "2 acme/s1: already there\n    warning: kept, but not known: owner\n";
    for (more, expected) in [
        (&["--dry-run"][..], of("would be imported", "would be imported")),
        (&[], of("imported", "imported")),
    ] {
        let ran = replay_tool(&[&asked[..], more].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), expected.as_str()), "{}", ran.stderr);
    }
    let ran = replay_tool(&asked);
    assert!(ran.stdout.starts_with(again), "{}", ran.stdout);
    assert!(ran.stdout.contains("3 lines: 0 imported, 2 already there, 1 refused;"));
    let state = server.get("/v1/customers/acme");
    assert_eq!(state["version"], 3, "{state}");
}
