//! A ledger in memory with a history of every kind of event, the same every time.

#![allow(clippy::unwrap_used, reason = "a history that cannot be made is the end of its test")]

use chrono::{DateTime, Utc};
use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::customer::Command;
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Outcome, Request};
use ledger_core::store::CommitLog;
use ledger_core::store::memory::MemoryLog;
use serde_json::{Value, json};

/// A ledger whose clock is an argument.
pub(crate) struct Scenario {
    ledger: Ledger<MemoryLog>,
    commands: u32,
}

pub(crate) fn customer(id: &str) -> CustomerId {
    CustomerId::try_new(id).unwrap()
}

fn stream(id: &str) -> StreamId {
    StreamId::Customer(customer(id))
}

impl Scenario {
    /// An empty ledger with the seed catalogue.
    pub(crate) async fn new() -> Self {
        let options = LedgerOptions::default();
        let ledger = Ledger::open(MemoryLog::new(), MemoryLog::new(), options).await.unwrap();
        let mut scenario = Self { ledger, commands: 0 };
        let mut catalogue: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
        // The story upgrades into what was bought the same week.
        for programme in catalogue.programmes.values_mut() {
            programme.upgrades.refuses_target_in_window = false;
        }
        let import = json!({ "command": "ImportCatalogue", "catalogue": catalogue });
        scenario.execute(StreamId::Catalogue, "2026-01-01T08:00:00Z", import).await.unwrap();
        scenario
    }

    pub(crate) fn log(&self) -> MemoryLog {
        self.ledger.log().clone()
    }

    /// Position of the last commit.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn end(&self) -> u64 {
        self.log().durable_position()
    }

    /// Executes a command that is given as JSON and must not be refused.
    pub(crate) async fn run(&mut self, id: &str, now: &str, command: Value) {
        let outcome = self.execute(stream(id), now, command.clone()).await;
        let outcome = outcome.unwrap_or_else(|err| panic!("{command}: {err}"));
        assert!(outcome.recorded.is_some(), "{command} changed nothing");
    }

    async fn execute(
        &mut self,
        stream: StreamId,
        now: &str,
        command: Value,
    ) -> Result<Outcome, ExecuteError> {
        self.commands += 1;
        let command: Command = serde_json::from_value(command).unwrap();
        let role = match command.due_at() {
            Some(_) => Role::Scheduler,
            None => Role::Operator,
        };
        let request = Request {
            stream,
            command,
            command_id: CommandId::try_new(format!("cmd-{}", self.commands)).unwrap(),
            actor: Actor { id: ActorId::try_new("u-1").unwrap(), role },
            reason: Reason::try_new("Arrivée d'une équipe").unwrap(),
            now: now.parse::<DateTime<Utc>>().unwrap(),
            correlation_id: None,
            causation_id: None,
            expected_version: None,
        };
        self.ledger.execute(request).await
    }

    pub(crate) async fn register(&mut self, id: &str, programme: &str) {
        let command = json!({
            "command": "RegisterCustomer", "name": format!("Company {id}"), "programme": programme,
            "reseller": "res-1", "market": "FR", "currency": "EUR",
        });
        self.run(id, "2026-01-05T08:00:00Z", command).await;
    }

    pub(crate) async fn purchase(
        &mut self,
        id: &str,
        subscription: &str,
        offer: &str,
        quantity: u32,
    ) {
        let command = json!({
            "command": "Purchase", "subscription": subscription, "offer": offer,
            "term": "P1Y", "billing": "monthly", "quantity": quantity,
        });
        self.run(id, "2026-01-05T09:00:00Z", command).await;
    }

    pub(crate) async fn add_seats(&mut self, id: &str, now: &str, subscription: &str, seats: u32) {
        let command =
            json!({ "command": "AddSeats", "subscription": subscription, "seats": seats });
        self.run(id, now, command).await;
    }

    /// A history of three customers: `a`, `a-b` and `many`, with every kind of quantity change.
    pub(crate) async fn full() -> Self {
        let mut s = Self::new().await;
        let business = "office-365-business";
        let premium = "office-365-business-premium";
        s.register("a", "partner-center-2019").await;
        s.register("a-b", "cloud-cockpit").await;
        s.purchase("a", "s-1", business, 10).await;
        s.purchase("a-b", "s-1", premium, 5).await;
        s.purchase("a-b", "s-2", business, 3).await;
        let admin = json!({ "command": "GrantDelegatedAdmin" });
        s.run("a", "2026-01-05T10:00:00Z", admin.clone()).await;
        s.run("a-b", "2026-01-05T10:00:00Z", admin).await;
        for user in ["u-1", "u-2", "u-3"] {
            let assign = json!({
                "command": "AssignLicence", "offer": premium, "user": user, "usage_location": "FR",
            });
            s.run("a-b", "2026-01-05T10:00:00Z", assign).await;
        }
        s.add_seats("a", "2026-01-06T08:00:00Z", "s-1", 2).await;
        let remove = json!({ "command": "RemoveSeats", "subscription": "s-1", "seats": 4 });
        s.run("a-b", "2026-01-06T09:00:00Z", remove).await;
        let back = json!({ "command": "UnassignLicence", "offer": premium, "user": "u-3" });
        s.run("a-b", "2026-01-06T10:00:00Z", back).await;
        let existing = json!({ "existing": { "subscription": "s-1" } });
        let new = json!({ "new": { "subscription": "s-3", "end_date": "coterminous" } });
        for into in [existing, new] {
            let upgrade = json!({
                "command": "Upgrade", "subscription": "s-2", "quantity": 1,
                "target_offer": premium, "into": into,
            });
            s.run("a-b", "2026-01-06T12:00:00Z", upgrade).await;
        }
        let cancel = json!({ "command": "Cancel", "subscription": "s-2" });
        s.run("a-b", "2026-01-07T08:00:00Z", cancel).await;
        let upgrade = json!({
            "command": "Upgrade", "subscription": "s-1", "target_offer": premium,
            "into": { "new": { "subscription": "s-2", "end_date": "coterminous" } },
        });
        s.run("a", "2026-03-10T08:00:00Z", upgrade).await;
        let plan =
            json!({ "command": "ScheduleRenewalQuantity", "subscription": "s-1", "quantity": 7 });
        s.run("a-b", "2026-04-01T08:00:00Z", plan).await;
        s.register("many", "nce").await;
        s.purchase_at("many", "2026-04-02T08:00:00Z", "s-1", business, 1).await;
        for hour in 0..20 {
            s.add_seats("many", &format!("2026-04-03T{hour:02}:00:00Z"), "s-1", 1).await;
        }
        let end = json!({
            "command": "SetEndOfTermAction", "subscription": "s-1", "action": "cancel",
        });
        s.run("many", "2026-04-04T08:00:00Z", end).await;
        let renew = json!({ "command": "Renew", "subscription": "s-1", "term_end": "2027-01-04" });
        s.run("a-b", "2027-01-05T00:00:10Z", renew).await;
        let expire =
            json!({ "command": "Expire", "subscription": "s-1", "term_end": "2027-04-01" });
        s.run("many", "2027-04-02T00:00:10Z", expire).await;
        s
    }

    async fn purchase_at(&mut self, id: &str, now: &str, sub: &str, offer: &str, quantity: u32) {
        let command = json!({
            "command": "Purchase", "subscription": sub, "offer": offer,
            "term": "P1Y", "billing": "monthly", "quantity": quantity,
        });
        self.run(id, now, command).await;
    }
}
