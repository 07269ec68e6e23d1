//! The demo's story: it is told without a hitch, and it shows what a visitor comes for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use clap::Parser;
use command_api::config::Config;
use command_api::demo::SHOWN_CUSTOMER;
use command_api::start::open;
use ledger_core::store::CommitLog;
use serde_json::Value;

/// The commands that the story shows.
const COMMANDS: [&str; 36] = [
    "AcceptAgreement",
    "AddGroupMember",
    "AddSeats",
    "AddUser",
    "AssignGroupLicence",
    "AssignLicence",
    "Cancel",
    "ClosePeriod",
    "DeclareExternalSubscription",
    "Delete",
    "Disable",
    "EndTrial",
    "Expire",
    "FulfilRequest",
    "GrantCredit",
    "GrantDelegatedAdmin",
    "GrantPortalAccess",
    "ImportCatalogue",
    "Purchase",
    "RecordCorrection",
    "RegisterCustomer",
    "RemoveSeats",
    "Rename",
    "Renew",
    "RequestQuantity",
    "Resume",
    "RevokeDelegatedAdmin",
    "ScheduleRenewalQuantity",
    "ScheduleUpgrade",
    "SetBillingTerms",
    "SetEndOfTermAction",
    "StartTrial",
    "Suspend",
    "UnassignLicence",
    "Upgrade",
    "WithdrawExternalSubscription",
];

#[tokio::test]
async fn the_story_shows_what_it_says_and_leaves_something_of_everything() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("demo");
    let args = ["command-api", "--demo", "--data", data.to_str().unwrap()];
    let config = Config::try_parse_from(args).unwrap();
    let running = open(&config).await.unwrap();
    let state = &running.state;
    let end = state.ledger.log().durable_position();
    let mut commands = BTreeSet::new();
    let mut streams =
        vec![ledger_core::ids::StreamId::Catalogue, ledger_core::ids::StreamId::Billing];
    state.views.wait_for(end).await.unwrap();
    for customer in state.views.customers().unwrap() {
        streams.push(ledger_core::ids::StreamId::Customer(customer.customer));
    }
    for stream in &streams {
        for recorded in state.ledger.history(stream).await.unwrap() {
            let request: Value = serde_json::from_slice(&recorded.commit().request).unwrap();
            commands.insert(request["command"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(streams.len(), 5);
    assert_eq!(commands, COMMANDS.map(str::to_owned).into());
    let shown = SHOWN_CUSTOMER.parse().unwrap();
    let shown = state.views.customer(&shown).unwrap().unwrap();
    assert_eq!((shown.trials, shown.suspended_subscriptions, shown.requests_open), (1, 1, 1));
    let planned = ("fjord-analytics".parse().unwrap(), "collab".parse().unwrap());
    let planned = state.views.subscription(&planned.0, &planned.1).unwrap().unwrap();
    assert_eq!(planned.scheduled.unwrap().offer.unwrap().as_str(), "office-365-e5");
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
