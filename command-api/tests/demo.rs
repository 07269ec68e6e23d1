//! The demo's story: it is told without a hitch, and it uses everything there is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use clap::Parser;
use command_api::config::Config;
use command_api::start::open;
use ledger_core::codec::EVENTS;
use ledger_core::store::CommitLog;
use serde_json::Value;

/// Every command of `ledger_core::customer::Command`.
const COMMANDS: [&str; 17] = [
    "AddSeats",
    "AssignLicence",
    "Cancel",
    "DeclareExternalSubscription",
    "Expire",
    "GrantDelegatedAdmin",
    "ImportCatalogue",
    "Purchase",
    "RegisterCustomer",
    "RemoveSeats",
    "Renew",
    "RevokeDelegatedAdmin",
    "ScheduleRenewalQuantity",
    "SetEndOfTermAction",
    "UnassignLicence",
    "Upgrade",
    "WithdrawExternalSubscription",
];

#[tokio::test]
async fn the_story_uses_every_command_and_makes_every_event() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("demo");
    let args = ["command-api", "--demo", "--data", data.to_str().unwrap()];
    let config = Config::try_parse_from(args).unwrap();
    let running = open(&config).await.unwrap();
    let state = &running.state;
    let end = state.ledger.log().durable_position();
    let (mut commands, mut events) = (BTreeSet::new(), BTreeSet::new());
    let mut streams = vec![ledger_core::ids::StreamId::Catalogue];
    state.views.wait_for(end).await.unwrap();
    for customer in state.views.customers().unwrap() {
        streams.push(ledger_core::ids::StreamId::Customer(customer.customer));
    }
    for stream in &streams {
        for recorded in state.ledger.history(stream).await.unwrap() {
            let request: Value = serde_json::from_slice(&recorded.commit().request).unwrap();
            commands.insert(request["command"].as_str().unwrap().to_owned());
            events.extend(recorded.events.iter().map(|event| event.name().to_owned()));
        }
    }
    assert_eq!(streams.len(), 4);
    assert_eq!(commands, COMMANDS.map(str::to_owned).into());
    assert_eq!(events, EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect());
    running.stop().await.unwrap();

    let again = open(&config).await.unwrap();
    assert_eq!(again.state.ledger.log().durable_position(), end, "a second start goes on");
    again.stop().await.unwrap();
}

#[tokio::test]
async fn the_demo_leaves_other_data_alone() {
    let server = support::Server::with_acme().await;
    let support::Server { running, dir } = server;
    running.stop().await.unwrap();
    let data = dir.path().join("data");
    let args = ["command-api", "--demo", "--data", data.to_str().unwrap()];
    let refused = open(&Config::try_parse_from(args).unwrap()).await.unwrap_err();
    let text = ledger_core::error::chain(&refused);
    assert!(
        text.ends_with("the data folder holds other data: choose a new folder for --demo"),
        "{text}"
    );
}
