//! The demo's history decided again: under its own rules all is the same, under others it tells what.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use ledger_tests::{Server, replay_tool};
use serde_json::{Value, json};

const CUSTOMER: &str = "atelier-lumiere";

fn seeds() -> Value {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let seeds = fs::read_to_string(workspace.join("ledger-core/catalogues/seeds.toml")).unwrap();
    toml::from_str(&seeds).unwrap()
}

#[test]
fn what_would_have_been_is_told_command_by_command_and_as_a_sum() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &["--demo"]);
    let (url, tokens) = (server.url().to_owned(), server.tokens());
    let tokens = tokens.to_str().unwrap();
    let file = |name: &str, content: &Value| {
        let path = dir.path().join(name);
        fs::write(&path, content.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ask = |under: &[&str], source: &[&str]| -> Vec<Value> {
        let ran =
            replay_tool(&[&["what-if", CUSTOMER, "--json", "--refused"], under, source].concat());
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let running = ["--url", &url, "--tokens", tokens];

    let same = file("same.json", &seeds());
    let mut lines = ask(&["--catalogue", &same], &running);
    let charged = lines.pop().unwrap();
    assert!(10 < lines.len());
    assert!(lines.iter().all(|line| line["outcome"] == "same"), "{lines:#?}");
    let eur = &charged["charged"]["EUR"];
    assert_eq!(eur["was"], eur["now"]);
    assert_ne!(eur["was"], "0");

    let mut dearer = seeds();
    let offers = dearer["offers"].as_object_mut().unwrap();
    for plan in offers.values_mut().flat_map(|offer| offer["plans"].as_array_mut().unwrap()) {
        for price in plan["prices"].as_object_mut().unwrap().values_mut() {
            *price = json!(format!("1{}", price.as_str().unwrap()));
        }
    }
    let dearer = file("dearer.json", &dearer);
    let mut lines = ask(&["--catalogue", &dearer], &running);
    let charged = lines.pop().unwrap();
    let purchase = lines.iter().find(|line| line["command"] == "Purchase").unwrap();
    assert_eq!(purchase["outcome"], "other");
    let price =
        purchase["differences"].as_array().unwrap().iter().find(|difference| {
            difference["fact"] == "SubscriptionPurchased.basis.unit_price.amount"
        });
    assert_eq!(price.unwrap()["now"], "1105.60");
    assert_ne!(charged["charged"]["EUR"]["was"], charged["charged"]["EUR"]["now"]);

    // Nothing may be given back, and no change is allowed but one.
    let mut policy = seeds()["programmes"]["cloud-cockpit"].clone();
    policy["windows"] = json!([]);
    policy["updates_max"] = json!(1);
    let policy = json!({ "version": "strict", "effective_from": "2024-01-01T00:00:00Z",
        "programme": "cloud-cockpit", "policy": policy });
    let policy = file("strict.json", &policy);
    let lines = ask(&["--policy", &policy], &running);
    let refused = lines.iter().filter(|line| line["outcome"] == "now-refused");
    let codes: Vec<&str> = refused.map(|line| line["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"TOO_MANY_UPDATES"), "{codes:?}");

    let _ = server.stop();
    let stopped = ["--data", data.to_str().unwrap()];
    assert_eq!(ask(&["--policy", &policy], &stopped), lines, "the folder answers as the server");
}

#[test]
fn a_file_goes_to_a_running_server_and_comes_back_as_a_price() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &["--demo"]);
    let file = dir.path().join("prices.csv");
    let rows = "ProductTitle,ProductId,SkuId,TermDuration,BillingPlan,Market,Currency,UnitPrice,\
                EffectiveStartDate,EffectiveEndDate\n\
                E3,CFQ7TTC0LFLX,0001,P1Y,Annual,FR,EUR,240.00,2026-01-01,\n\
                E3,CFQ7TTC0LFLX,0001,P1Y,Annual,FR,NOK,2400.00,2026-01-01,\n";
    fs::write(&file, rows).unwrap();
    let tokens = server.tokens();
    let import = |more: &[&str]| {
        let target = ["--url", server.url(), "--tokens", tokens.to_str().unwrap()];
        let verb = ["import", "price-list", file.to_str().unwrap(), "--name", "january"];
        replay_tool(&[&verb, &target[..], more].concat())
    };
    assert_eq!(import(&[]).code, Some(1));
    let done = import(&["--skip", "currency"]);
    assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("line 3: left out, currency"), "{}", done.stdout);
    assert_eq!(server.get("/v1/catalogue")["version"], "seeds-2 + january");
    assert!(import(&["--skip", "currency"]).stdout.contains("was imported before"));
}
