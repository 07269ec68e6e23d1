//! Every problem that a caller can provoke: status, code, and a detail that is a sentence.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Server, registration, seats};

const ADD: &str = "/v1/customers/acme/subscriptions/s1/add-seats";

#[tokio::test]
async fn a_body_that_is_not_as_documented_is_refused_and_nothing_happens() {
    let server = Server::with_acme().await;
    let commits = server.log().await.len();
    for (body, code) in [
        ("", "BODY_MALFORMED"),
        ("{", "BODY_MALFORMED"),
        ("{\"reason\":\"a\",\"seats\":1} x", "BODY_MALFORMED"),
        ("\u{0}", "BODY_MALFORMED"),
        ("{\"reason\":\"a\u{0}b\",\"seats\":1}", "BODY_MALFORMED"),
        ("{\"reason\":\"a\\u0000b\",\"seats\":1}", "VALUE_INVALID"),
        ("{\"reason\":\"\",\"seats\":1}", "VALUE_INVALID"),
        ("{\"reason\":\"  \",\"seats\":1}", "VALUE_INVALID"),
        ("{\"reason\":\"a\",\"seats\":-1}", "VALUE_INVALID"),
        ("{\"reason\":\"a\",\"seats\":4294967296}", "VALUE_INVALID"),
        ("{\"reason\":\"a\",\"seats\":1e400}", "VALUE_INVALID"),
        ("{\"reason\":\"a\",\"seats\":1.5}", "WRONG_TYPE"),
        ("{\"reason\":\"a\",\"seats\":\"1\"}", "WRONG_TYPE"),
        ("{\"reason\":\"a\",\"seats\":null}", "WRONG_TYPE"),
        ("{\"reason\":1,\"seats\":1}", "WRONG_TYPE"),
        ("[\"a\",1]", "WRONG_TYPE"),
        ("null", "WRONG_TYPE"),
        ("{\"reason\":\"a\"}", "MISSING_FIELD"),
        ("{\"seats\":1}", "MISSING_FIELD"),
        ("{\"reason\":\"a\",\"seats\":1,\"seats\":2}", "DUPLICATE_FIELD"),
        ("{\"reason\":\"a\",\"seats\":1,\"Seats\":2}", "UNKNOWN_FIELD"),
    ] {
        let answer = server.by("operator", "POST", ADD).raw("application/json", body).send().await;
        answer.problem(400, code);
    }
    let deep = "[".repeat(60_000);
    let nested = format!("{{\"reason\":{deep}");
    let answer = server.by("operator", "POST", ADD).raw("application/json", nested).send().await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(server.log().await.len(), commits);
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let server = Server::with_acme().await;
    let body = json!({
        "reason": "audit", "target_offer": "office-365-e3",
        "into": { "new": { "end_date": "someday" } }
    });
    let answer = server.post("/v1/customers/acme/subscriptions/s1/upgrade", &body).await;
    let detail = answer.problem(400, "VALUE_INVALID")["detail"].clone();
    assert!(
        detail.as_str().unwrap().contains("in into.new.end_date: unknown variant `someday`"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_body_of_another_kind_or_size_is_refused() {
    let server = Server::with_acme().await;
    let send = |media_type: &'static str, body: String| {
        server.by("operator", "POST", ADD).raw(media_type, body).send()
    };
    send("text/plain", seats(1).to_string()).await.problem(415, "MEDIA_TYPE_UNSUPPORTED");
    send("application/x-www-form-urlencoded", "seats=1".into())
        .await
        .problem(415, "MEDIA_TYPE_UNSUPPORTED");
    let huge = format!("{{\"reason\":\"{}\"}}", "x".repeat(64 * 1024));
    send("application/json", huge).await.problem(413, "BODY_TOO_LARGE");
    send("application/json; charset=utf-8", seats(1).to_string()).await.ok();
    let nothing = server.by("operator", "POST", ADD).send().await;
    nothing.problem(415, "MEDIA_TYPE_UNSUPPORTED");
    let bulk = server.post("/v1/bulk", &json!({})).await;
    bulk.problem(415, "MEDIA_TYPE_UNSUPPORTED");
    let catalogue =
        server.by("operator", "POST", "/v1/catalogue").raw("text/csv", "a,b").send().await;
    catalogue.problem(415, "MEDIA_TYPE_UNSUPPORTED");
}

#[tokio::test]
async fn ids_that_are_none_never_reach_a_file_or_a_stream() {
    let server = Server::with_acme().await;
    let long = "x".repeat(65);
    for id in ["a%00b", "..%2F..%2Fetc", "%2e%2e", "a%20b", "a.b", "*", "%3E", "%FF", long.as_str()]
    {
        server.get(&format!("/v1/customers/{id}")).await.problem(400, "ID_INVALID");
        let path = format!("/v1/customers/acme/subscriptions/{id}/add-seats");
        server.post(&path, &seats(1)).await.problem(400, "ID_INVALID");
    }
    server.get("/v1/customers/../../etc/passwd").await.problem(404, "ROUTE_UNKNOWN");
    let mut body = registration("../../etc", "r");
    server.post("/v1/customers", &body).await.problem(400, "VALUE_INVALID");
    body["customer"] = json!(null);
    server.post("/v1/customers", &body).await.problem(400, "WRONG_TYPE");
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let server = Server::with_acme().await;
    server.get("/v2/customers").await.problem(404, "ROUTE_UNKNOWN");
    server.ask("GET", "/nothing/here").send().await.problem(404, "ROUTE_UNKNOWN");
    let answer = server.by("operator", "DELETE", "/v1/customers").send().await;
    answer.problem(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    for path in ["", "/subscriptions", "/licences", "/audit", "/charges", "/history", "/state"] {
        server.get(&format!("/v1/customers/nobody{path}")).await.problem(404, "CUSTOMER_UNKNOWN");
    }
    let nobody = "/v1/customers/nobody/subscriptions/s1/add-seats";
    server.post(nobody, &seats(1)).await.problem(404, "CUSTOMER_UNKNOWN");
    server.get("/v1/customers/acme/subscriptions/s9").await.problem(404, "SUBSCRIPTION_UNKNOWN");
    let s9 = "/v1/customers/acme/subscriptions/s9/add-seats";
    server.post(s9, &seats(1)).await.problem(404, "SUBSCRIPTION_UNKNOWN");
}

#[tokio::test]
async fn a_query_with_a_slip_changes_nothing() {
    let server = Server::with_acme().await;
    let commits = server.log().await.len();
    for query in ["dryrun=true", "dry_run=yes", "dry_run=true&dry_run=false", "dry_run"] {
        server.post(&format!("{ADD}?{query}"), &seats(1)).await.problem(400, "QUERY_INVALID");
    }
    assert_eq!(server.log().await.len(), commits);
    for query in ["limit=0", "limit=501", "limit=-1", "limit=x", "offset=1", "min_position=99"] {
        server.get(&format!("/v1/customers?{query}")).await.problem(400, "QUERY_INVALID");
    }
    let audit = "/v1/customers/acme/audit";
    server.get(&format!("{audit}?cursor=../..")).await.problem(400, "QUERY_INVALID");
    server.get("/v1/log?stream=nothing").await.problem(400, "QUERY_INVALID");
    server.get("/v1/customers/acme/state?as_of=yesterday").await.problem(400, "QUERY_INVALID");
}

#[tokio::test]
async fn headers_that_cannot_be_are_refused() {
    let server = Server::with_acme().await;
    let long = "x".repeat(256);
    for key in ["", "a b", "renew/s1/2027-02-28", "expire/s1/2027-02-28", long.as_str()] {
        let ask = server.by("operator", "POST", ADD).header("idempotency-key", key);
        ask.json(&seats(1)).send().await.problem(400, "HEADER_INVALID");
    }
    let ask = server.by("operator", "POST", ADD).header("x-correlation-id", "a b");
    ask.json(&seats(1)).send().await.problem(400, "HEADER_INVALID");
}

#[tokio::test]
async fn a_rule_that_says_no_has_its_status() {
    let server = Server::empty().await;
    let none = server.register("acme", "r").await;
    none.problem(422, "NO_CATALOGUE");
    server.get("/v1/catalogue").await.problem(422, "NO_CATALOGUE");
    server.import().await.ok();
    server.register("acme", "r").await.ok();
    server.register("acme", "q").await.problem(409, "CUSTOMER_EXISTS");
    server.purchase("acme", "s1").await.ok();
    server.purchase("acme", "s1").await.problem(409, "SUBSCRIPTION_EXISTS");
    server.post(ADD, &seats(0)).await.problem(422, "QUANTITY_ZERO");
    let wrong: Value = json!({ "reason": "arrival", "user": "u1", "usage_location": "France" });
    let assign = "/v1/customers/acme/licences/office-365-e1/assign";
    server.post(assign, &wrong).await.problem(422, "FIELD_INVALID");
}

#[tokio::test]
async fn a_catalogue_that_cannot_be_used_is_refused_whole() {
    let server = Server::empty().await;
    let send = |query: &str, body: &str| {
        let path = format!("/v1/catalogue{query}");
        server.by("operator", "POST", &path).raw("application/toml", body.to_owned()).send_owned()
    };
    let seeds = ledger_core::catalogue::SEEDS_TOML;
    send("", seeds).await.problem(400, "MISSING_FIELD");
    send("?reason=r", "version = ").await.problem(400, "BODY_MALFORMED");
    send("?reason=r", "surprise = 1").await.problem(400, "BODY_MALFORMED");
    let broken = seeds.replacen("seats_max = 300", "seats_max = 0", 1);
    send("?reason=r", &broken).await.problem(422, "CATALOGUE_INVALID");
    assert_eq!(server.log().await.len(), 0);
    assert_eq!(send("?reason=r&dry_run=true", seeds).await.ok()["customer"], Value::Null);
    send("?reason=r", seeds).await.ok();
    assert_eq!(server.get("/v1/catalogue").await.ok()["version"], "seeds-2");
    let catalogue: Value = toml::from_str(seeds).unwrap();
    let json = json!({ "reason": "the same in JSON", "catalogue": catalogue });
    assert_eq!(server.post("/v1/catalogue", &json).await.ok()["unchanged"], true);
}

#[tokio::test]
async fn a_real_clock_is_not_moved() {
    use clap::Parser;
    let dir = tempfile::TempDir::new().unwrap();
    let data = dir.path().join("data");
    let args = ["command-api", "--data", data.to_str().unwrap()];
    let config = command_api::config::Config::try_parse_from(args).unwrap();
    let running = command_api::start::open(&config).await.unwrap();
    let tokens = std::fs::read_to_string(data.join("tokens.toml")).unwrap();
    let operator = tokens.split('"').find(|text| text.len() == 64).unwrap().to_owned();
    let server = Server { running, dir };
    let ask =
        server.ask("POST", "/v1/clock").header("authorization", &format!("Bearer {operator}"));
    ask.json(&json!({ "advance": "P1D" })).send().await.problem(409, "CLOCK_IS_REAL");
    let Server { running, dir } = server;
    running.stop().await.unwrap();
    drop(dir);
}

#[tokio::test]
async fn a_ledger_that_is_stopping_says_so_and_reads_go_on() {
    let server = Server::with_acme().await;
    assert_eq!(server.ask("GET", "/readyz").send().await.status, 200);
    server.state().ledger.log().close().unwrap();
    server.post(ADD, &seats(1)).await.problem(503, "STOPPING");
    assert_eq!(server.get("/v1/customers/acme").await.status, 200);
    let ready = server.ask("GET", "/readyz").send().await;
    assert_eq!((ready.status.as_u16(), &ready.json()["ready"]), (503, &json!(false)));
    assert_eq!(ready.json()["reasons"][0], "The log is closed.");
    assert_eq!(server.ask("GET", "/healthz").send().await.status, 200);
    server.state().views.close().unwrap();
    server.get("/v1/customers").await.problem(503, "VIEWS_STOPPED");
}

#[test]
fn what_the_store_reports_has_a_status_and_hides_its_text() {
    use command_api::problem::Problem;
    use ledger_core::store::StoreError;
    let io = || std::io::Error::other("/secret/path");
    for (err, status, code) in [
        (StoreError::Unknown(io()), 503, "OUTCOME_UNKNOWN"),
        (StoreError::Full(io()), 507, "DISK_FULL"),
        (StoreError::Poisoned, 503, "LOG_STOPPED"),
        (StoreError::Overloaded, 503, "OVERLOADED"),
        (StoreError::Closed, 503, "STOPPING"),
        (StoreError::Exhausted(1), 507, "LOG_USED_UP"),
        (StoreError::Locked("/secret/path".into()), 500, "INTERNAL"),
    ] {
        let problem = Problem::from(err);
        assert_eq!((problem.body.status, problem.body.code.as_str()), (status, code));
        assert!(!problem.body.detail.contains("secret"), "{}", problem.body.detail);
    }
    let busy = Problem::from(ledger_core::ledger::ExecuteError::Busy);
    assert_eq!((busy.body.status, busy.body.code.as_str()), (409, "BUSY"));
}

/// The address with ids that exist.
fn filled(path: &str) -> String {
    path.replace("{customer}", "acme")
        .replace("{subscription}", "s1")
        .replace("{offer}", "office-365-e1")
        .replace("{position}", "1")
        .replace("{user}", "u1")
        .replace("{group}", "g1")
        .replace("{request}", "q1")
        .replace("{programme}", "nce")
        .replace("{period}", "2026-03")
        .replace("{number}", "1")
        .replace("{reseller}", "r")
}

#[tokio::test]
async fn no_address_takes_a_query_parameter_that_it_does_not_know() {
    let server = Server::with_acme().await;
    let commits = server.log().await.len();
    let document = serde_json::to_value(command_api::router::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut asked = 0;
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let path = format!("{}?foo=1", filled(path));
            let answer = server.by("operator", &method.to_uppercase(), &path).send().await;
            answer.problem(400, "QUERY_INVALID");
            asked += 1;
        }
    }
    assert!(70 < asked, "{asked} addresses");
    server.get("/v1/openapi.json?foo=1").await.problem(400, "QUERY_INVALID");
    server.get("/v1/catalogue?").await.ok();
    assert_eq!(server.log().await.len(), commits);
}

#[tokio::test]
async fn what_cannot_be_tried_without_doing_it_says_so() {
    let server = Server::with_acme().await;
    let commits = server.log().await.len();
    let line = json!({
        "customer": "acme", "reason": "r", "command": "AddSeats", "subscription": "s1", "seats": 1
    });
    let bulk = |path: &str| {
        let ask = server.by("operator", "POST", path);
        ask.raw("application/x-ndjson", line.to_string())
    };
    let dry = bulk("/v1/bulk?dry_run=true").send().await.problem(400, "QUERY_INVALID");
    assert_eq!(
        dry["detail"],
        "This address knows no query parameters, and the request has \"dry_run=true\"; nothing was \
         done."
    );
    let advance = json!({ "advance": "P1D" });
    server.post("/v1/clock?dry_run=true", &advance).await.problem(400, "QUERY_INVALID");
    assert_eq!(server.get("/v1/clock").await.ok()["now"], "2026-03-01T09:00:00Z");
    for (header, value, field) in
        [("idempotency-key", "k-1", "command_id"), ("if-match", "\"2\"", "expected_version")]
    {
        let answer = bulk("/v1/bulk").header(header, value).send().await;
        let detail = answer.problem(400, "HEADER_INVALID")["detail"].clone();
        assert!(detail.as_str().unwrap().contains(field), "{detail}");
    }
    assert_eq!(server.log().await.len(), commits);
}

#[tokio::test]
async fn a_header_that_is_there_twice_is_refused() {
    let server = Server::with_acme().await;
    let commits = server.log().await.len();
    for (header, values) in [
        ("idempotency-key", ["k-1", "k-2"]),
        ("if-match", ["\"2\"", "\"2\""]),
        ("x-correlation-id", ["a", "b"]),
    ] {
        let ask = server.by("operator", "POST", ADD);
        let ask = ask.header(header, values[0]).header(header, values[1]);
        ask.json(&seats(1)).send().await.problem(400, "HEADER_INVALID");
    }
    assert_eq!(server.log().await.len(), commits);
}

#[tokio::test]
async fn a_problem_speaks_of_the_request_and_not_of_the_program() {
    let server = Server::with_acme().await;
    let send = |path: &'static str, body: &'static str| {
        server.by("operator", "POST", path).raw("application/json", body).send()
    };
    let detail = |problem: Value| problem["detail"].as_str().unwrap().to_owned();
    let empty = send(ADD, "").await.problem(400, "BODY_MALFORMED");
    assert_eq!(detail(empty), "The body is empty.");
    let empty = server.by("operator", "POST", "/v1/catalogue?reason=r");
    let empty = empty.raw("application/toml", " \n").send().await.problem(400, "BODY_MALFORMED");
    assert_eq!(detail(empty), "The body is empty.");
    let null = send(ADD, "null").await.problem(400, "WRONG_TYPE");
    assert_eq!(
        detail(null),
        "The body is not as documented: invalid type: null, expected an object."
    );
    let both = "{\"reason\":\"r\",\"target_offer\":\"office-365-e3\",\"into\":{\"new\":\
                {\"end_date\":\"coterminous\"},\"existing\":{\"subscription\":\"s2\"}}}";
    let both = send("/v1/customers/acme/subscriptions/s1/upgrade", both).await;
    let both = detail(both.problem(400, "VALUE_INVALID"));
    assert!(both.starts_with("The body is JSON but not as documented, in into"), "{both}");
    for path in ["/v1/customers/acme/state?as_of=2025-01-01", "/v1/due?until=2025-01-01"] {
        let detail = detail(server.get(path).await.problem(400, "QUERY_INVALID"));
        assert!(detail.contains("an instant such as 2025-01-01T00:00:00Z"), "{detail}");
    }
    let unknown = server.get("/v1/customers/nobody").await.problem(404, "CUSTOMER_UNKNOWN");
    assert_eq!(unknown["title"], "There is no such customer");
}
