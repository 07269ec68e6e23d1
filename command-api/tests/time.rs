//! The simulated clock and the scheduler: what time brings about, once, in order, however late.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Parser;
use command_api::config::Config;
use command_api::scheduler::catch_up;
use command_api::state::AppState;
use serde_json::{Value, json};
use support::{Server, seats};

async fn advance(server: &Server, span: &str) -> Value {
    server.post("/v1/clock", &json!({ "advance": span })).await.ok()
}

async fn monthly(server: &Server, id: &str) {
    let body = json!({
        "reason": "project", "subscription": id, "offer": "office-365-e1", "term": "P1M",
        "billing": "monthly", "quantity": 2
    });
    server.post("/v1/customers/acme/subscriptions", &body).await.ok();
}

#[tokio::test]
async fn the_clock_moves_forward_only_when_told_to_and_survives_a_restart() {
    let server = Server::empty().await;
    let now = server.get("/v1/clock").await.ok();
    assert_eq!(now, json!({ "now": "2026-03-01T09:00:00Z", "clock": "simulated" }));
    assert_eq!(advance(&server, "PT2H").await["now"], "2026-03-01T11:00:00Z");
    let to = json!({ "to": "2026-04-01T00:00:00Z" });
    assert_eq!(server.post("/v1/clock", &to).await.ok()["carried_out"], 0);
    let back = server.post("/v1/clock", &json!({ "to": "2026-03-31T00:00:00Z" })).await;
    back.problem(409, "CLOCK_BACKWARDS");
    for (body, code) in [
        (json!({}), "MISSING_FIELD"),
        (json!({ "to": "2026-05-01T00:00:00Z", "advance": "P1D" }), "VALUE_INVALID"),
        (json!({ "advance": "1 day" }), "VALUE_INVALID"),
        (json!({ "advance": "P9000Y" }), "VALUE_INVALID"),
        (json!({ "to": "soon" }), "VALUE_INVALID"),
        (json!({ "by": "P1D" }), "UNKNOWN_FIELD"),
    ] {
        server.post("/v1/clock", &body).await.problem(400, code);
    }
    let server = server.restart().await;
    assert_eq!(server.get("/v1/clock").await.ok()["now"], "2026-04-01T00:00:00Z");
}

#[tokio::test]
async fn a_year_passes_and_every_term_ends_at_its_own_instant() {
    let server = Server::with_acme().await;
    monthly(&server, "m1").await;
    let cancel = json!({ "reason": "project ends", "action": "cancel" });
    let moved = advance(&server, "P10M").await;
    assert_eq!(moved["carried_out"], 10);
    server.post("/v1/customers/acme/subscriptions/m1/end-of-term", &cancel).await.ok();
    let moved = advance(&server, "P1Y").await;
    let commands: Vec<_> = moved["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            (
                c["due_at"].as_str().unwrap(),
                c["subscription"].as_str().unwrap(),
                c["command"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        commands,
        [
            ("2027-02-01T00:00:00Z", "m1", "Expire"),
            ("2027-03-01T00:00:00Z", "s1", "Renew"),
            ("2027-05-02T00:00:00Z", "m1", "Delete"),
        ]
    );
    let history = server.get("/v1/customers/acme/history?limit=500").await.ok();
    let renewals: Vec<_> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["actor"]["role"] == "scheduler")
        .collect();
    assert_eq!(renewals.len(), 13);
    assert_eq!(renewals[0]["command_id"], "renew/m1/2026-03-31");
    assert_eq!(renewals[0]["recorded_at"], "2026-04-01T00:00:00Z");
    assert_eq!(renewals[0]["reason"], "its time has come");
}

/// Moves the clock of a stopped ledger, as if it had been down all the while.
fn sleep_until(server: &Server, now: &str) {
    let path = server.dir.path().join("data/clock.json");
    std::fs::write(path, json!({ "now": now }).to_string()).unwrap();
}

async fn commits_of_scheduler(server: &Server) -> Vec<String> {
    let history = server.get("/v1/customers/acme/history?limit=500").await.ok();
    let of_scheduler = |entry: &&Value| entry["actor"]["role"] == "scheduler";
    let all = history["data"].as_array().unwrap().iter().filter(of_scheduler);
    all.map(|entry| entry["command_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_in_order() {
    let server = Server::with_acme().await;
    monthly(&server, "m1").await;
    sleep_until(&server, "2026-06-15T00:00:00Z");
    let server = server.restart().await;
    let add = server.post("/v1/customers/acme/subscriptions/m1/add-seats", &seats(1)).await;
    assert!([200, 409].contains(&add.status.as_u16()), "renewed already, or RENEWAL_PENDING");
    catch_up(&server.state()).await.unwrap();
    let ids = ["renew/m1/2026-03-31", "renew/m1/2026-04-30", "renew/m1/2026-05-31"];
    assert_eq!(commits_of_scheduler(&server).await, ids);
}

#[tokio::test]
async fn a_subscription_whose_renewal_is_late_cannot_be_changed() {
    let server = Server::with_acme().await;
    let state = server.state();
    let command_api::clock::Clock::Simulated(clock) = &state.clock else { panic!("simulated") };
    clock.set("2027-03-01T00:00:00Z".parse().unwrap()).unwrap();
    let answer = server.post("/v1/customers/acme/subscriptions/s1/add-seats", &seats(1)).await;
    answer.problem(409, "RENEWAL_PENDING");
    assert_eq!(answer.header("retry-after"), "120");
}

/// Another scheduler on the same ledger.
fn second(server: &Server) -> Arc<AppState> {
    let first = server.state();
    let root = server.dir.path().join("data");
    let folder = ledger_core::folder::DataFolder::open(&root).unwrap();
    Arc::new(AppState {
        ledger: Arc::clone(&first.ledger),
        snapshots: Arc::clone(&first.snapshots),
        views: first.views.clone(),
        clock: command_api::clock::Clock::Simulated(
            command_api::clock::SimulatedClock::open(&root, None, None).unwrap(),
        ),
        tokens: first.tokens.clone(),
        proofs: Arc::new(command_api::proofs::Proofs::new(
            folder.clone(),
            first.ledger.log().clone(),
        )),
        people: Arc::clone(&first.people),
        backups: command_api::backups::Backups::new(folder, None),
        sessions: command_api::pages::session::Sessions::default(),
        metrics: command_api::metrics::Metrics::default(),
        publishing: first.publishing.clone(),
        stopping: tokio::sync::watch::Sender::new(false),
        full_reads: tokio::sync::Mutex::default(),
        settled: tokio::sync::Mutex::default(),
    })
}

#[tokio::test]
async fn two_schedulers_do_no_more_than_one() {
    let server = Server::with_acme().await;
    for id in ["m1", "m2", "m3"] {
        monthly(&server, id).await;
    }
    let first = server.state();
    let command_api::clock::Clock::Simulated(clock) = &first.clock else { panic!("simulated") };
    clock.set("2026-05-15T00:00:00Z".parse().unwrap()).unwrap();
    let second = second(&server);
    let (one, other) = tokio::join!(catch_up(&first), catch_up(&second));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.refused + other.refused, 0);
    assert_eq!(commits_of_scheduler(&server).await.len(), 6);
    assert_eq!(catch_up(&first).await.unwrap().carried_out, 0);
}

#[tokio::test]
async fn a_refused_renewal_blocks_no_other_and_is_tried_again_when_something_has_changed() {
    let server = Server::with_acme().await;
    monthly(&server, "m1").await;
    let keep = json!({
        "reason": "mail", "subscription": "m2", "offer": "exchange-online-plan-2", "term": "P1M",
        "billing": "monthly", "quantity": 1
    });
    server.post("/v1/customers/acme/subscriptions", &keep).await.ok();
    let seeds = ledger_core::catalogue::SEEDS_TOML;
    let mut catalogue: Value = toml::from_str(seeds).unwrap();
    catalogue["version"] = json!("without-e1");
    catalogue["offers"]["office-365-e1"]["plans"]
        .as_array_mut()
        .unwrap()
        .retain(|p| p["term"] != "P1M");
    let body = json!({ "reason": "withdrawn by mistake", "catalogue": catalogue });
    server.post("/v1/catalogue", &body).await.ok();

    let moved = advance(&server, "P32D").await;
    assert_eq!((&moved["refused"], &moved["carried_out"]), (&json!(1), &json!(1)));
    assert_eq!(moved["commands"][0]["subscription"], "m2");
    let again = advance(&server, "PT1H").await;
    assert_eq!(
        (&again["refused"], &again["carried_out"]),
        (&json!(0), &json!(0)),
        "not tried again"
    );
    let admin = json!({ "reason": "something else changed" });
    server.post("/v1/customers/acme/delegated-admin/grant", &admin).await.ok();
    let after_change = advance(&server, "PT1H").await;
    assert_eq!(after_change["refused"], 1, "tried again, since the rule may say yes now");
    let server = server.restart().await;
    let kept = server.get("/v1/customers/acme/refusals").await.ok();
    assert_eq!(kept["data"][0]["problem"]["code"], "PLAN_UNKNOWN");

    let mut catalogue: Value = toml::from_str(seeds).unwrap();
    catalogue["version"] = json!("with-e1-again");
    let body = json!({ "reason": "mended", "catalogue": catalogue });
    server.post("/v1/catalogue", &body).await.ok();
    // The restarted ledger's own scheduler may have been faster.
    advance(&server, "PT1H").await;
    server.settle().await;
    let kept = server.get("/v1/customers/acme/subscriptions/m1").await.ok();
    assert_eq!(kept["term_start"], "2026-04-01");
}

#[tokio::test]
async fn a_clock_that_was_lost_or_is_behind_goes_on_where_the_log_ends() {
    let server = Server::with_acme().await;
    monthly(&server, "m1").await;
    advance(&server, "P10D").await;
    server.post("/v1/customers/acme/subscriptions/s1/add-seats", &seats(1)).await.ok();
    let commits = server.log().await.len();
    std::fs::remove_file(server.dir.path().join("data/clock.json")).unwrap();
    let server = server.restart().await;
    assert_eq!(server.get("/v1/clock").await.ok()["now"], "2026-03-11T09:00:00Z");
    catch_up(&server.state()).await.unwrap();
    assert_eq!(server.log().await.len(), commits, "nothing is carried out that was not due");
    sleep_until(&server, "2026-03-02T00:00:00Z");
    let server = server.restart().await;
    assert_eq!(server.get("/v1/clock").await.ok()["now"], "2026-03-11T09:00:00Z");
    let kept = std::fs::read_to_string(server.dir.path().join("data/clock.json")).unwrap();
    assert!(kept.contains("2026-03-11T09:00:00Z"), "{kept}");
}

#[tokio::test]
async fn a_folder_with_records_is_not_given_another_start() {
    let server = Server::with_acme().await;
    let Server { running, dir } = server;
    running.stop().await.unwrap();
    let data = dir.path().join("data");
    std::fs::remove_file(data.join("clock.json")).unwrap();
    let args = ["command-api", "--data", data.to_str().unwrap(), "--clock", "simulated"];
    let start = ["--clock-start", "2026-01-01T00:00:00Z"];
    let config = Config::try_parse_from([&args[..], &start].concat()).unwrap();
    let refused = command_api::start::open(&config).await.unwrap_err();
    let text = ledger_core::error::chain(&refused);
    assert!(text.contains("leave --clock-start out"), "{text}");
}

#[tokio::test]
async fn a_folder_keeps_its_clock_when_none_is_named() {
    let server = Server::with_acme().await;
    let Server { running, dir } = server;
    running.stop().await.unwrap();
    let data = dir.path().join("data");
    let args = ["command-api", "--data", data.to_str().unwrap()];
    let running = command_api::start::open(&Config::try_parse_from(args).unwrap()).await.unwrap();
    let server = Server { running, dir };
    let clock = server.get("/v1/clock").await.ok();
    assert_eq!(clock, json!({ "now": "2026-03-01T09:00:00Z", "clock": "simulated" }));
}

#[tokio::test]
async fn a_long_move_ends_when_the_server_stops_and_stands_where_it_got_to() {
    let server = Server::with_acme().await;
    monthly(&server, "m1").await;
    let state = server.state();
    let long = server.by("operator", "POST", "/v1/clock").json(&json!({ "advance": "P50Y" }));
    let stop = async {
        while state.clock.now() < "2026-08-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() {
            tokio::task::yield_now().await;
        }
        state.stopping.send_replace(true);
    };
    let (answer, ()) = tokio::join!(long.send(), stop);
    let detail = answer.problem(503, "STOPPING")["detail"].clone();
    assert!(detail.as_str().unwrap().contains(&state.clock.now().to_string()), "{detail}");
    assert!(state.clock.now() < "2030-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
    let now = state.clock.now();
    drop(state);
    let server = server.restart().await;
    assert_eq!(server.state().clock.now(), now);
}

#[tokio::test]
async fn a_move_lists_its_first_commands_and_counts_all() {
    let server = Server::with_acme().await;
    monthly(&server, "m1").await;
    let moved = advance(&server, "P10Y").await;
    assert_eq!(moved["commands"].as_array().unwrap().len(), 100);
    assert_eq!(moved["carried_out"], 130);
}

/// Sells `customers` one monthly subscription each, on as many of the next 25 days as there are.
async fn sell_monthly(server: &Server, customers: usize) {
    let ids: Vec<String> = (0..customers).map(|number| format!("c{number:03}")).collect();
    for of_day in ids.chunks(customers.div_ceil(25)) {
        let lines = of_day.iter().flat_map(|id| {
            let register = json!({
                "customer": id, "reason": "contract signed", "command": "RegisterCustomer",
                "name": "Company", "programme": "cloud-cockpit", "reseller": "r", "market": "FR",
                "currency": "EUR"
            });
            let purchase = json!({
                "customer": id, "reason": "first order", "command": "Purchase",
                "subscription": "m", "offer": "office-365-e1", "term": "P1M",
                "billing": "monthly", "quantity": 3
            });
            [register.to_string() + "\n", purchase.to_string() + "\n"]
        });
        let bulk = server.by("operator", "POST", "/v1/bulk");
        let answer = bulk.raw("application/x-ndjson", lines.collect::<String>()).send().await;
        assert!(answer.lines().iter().all(|line| line["status"] == 201), "{}", answer.text);
        advance(server, "P1D").await;
    }
}

#[tokio::test]
async fn a_year_of_fifty_customers_passes_and_nobody_is_forgotten() {
    let server = Server::empty().await;
    server.import().await.ok();
    sell_monthly(&server, 50).await;
    let moved = server.post("/v1/clock", &json!({ "to": "2027-03-26T09:00:00Z" })).await.ok();
    assert_eq!((&moved["carried_out"], &moved["refused"]), (&json!(12 * 50), &json!(0)));
    server.settle().await;
    let all = server.get("/v1/due?limit=500").await.ok();
    let all = all["data"].as_array().unwrap();
    assert_eq!(all.len(), 50);
    assert!(all.iter().all(|due| "2027-03-26T09:00:00Z" < due["due_at"].as_str().unwrap()));
}

#[tokio::test]
async fn what_is_due_is_found_in_the_log_again_when_the_views_are_lost() {
    let server = Server::with_acme().await;
    monthly(&server, "m1").await;
    let suspend = json!({ "reason": "not paid" });
    server.post("/v1/customers/acme/subscriptions/s1/suspend", &suspend).await.ok();
    server.settle().await;
    let listed = server.get("/v1/due").await.ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let Server { running, dir } = server;
    running.stop().await.unwrap();
    std::fs::remove_dir_all(dir.path().join("data/views")).unwrap();
    let server = Server::start(dir, &[]).await;
    server.settle().await;
    assert_eq!(server.get("/v1/due").await.ok(), listed);
    assert_eq!(advance(&server, "P32D").await["commands"][0]["command"], "Renew");
}
