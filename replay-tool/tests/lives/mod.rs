//! Random years of a few customers in a stopped folder, with bills in two currencies, corrections, and
//! names that no file format likes.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Days, Utc};
use futures::executor::block_on;
use ledger_core::calendar::Month;
use ledger_core::customer::{Party, due};
use ledger_core::folder::ClockKind;
use ledger_core::ids::{CustomerId, Reason, Role};
use ledger_core::ledger::Ledger;
use ledger_core::store::segment::SegmentLog;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{catalogue, close, open, request};

/// Their names begin a formula, hold quotes and commas, or come from right to left.
pub(crate) const CUSTOMERS: [(&str, &str, &str, &str, &str); 3] = [
    ("ada", "=HYPERLINK(\"http://example.test\",\"x\")", "nce", "r1", "FR"),
    ("bob", "O'Neil, \"Bob\" & Söhne; 株式会社", "cloud-cockpit", "r2", "DE"),
    ("eve", "@SUM(1+1)*cmd|' /C calc'!A0", "nce", "r2", "GB"),
];

/// What was billed, by number of the statement and currency.
pub(crate) type Billed = BTreeMap<(String, String), Decimal>;

/// Numbers that come again (xorshift).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len().try_into().unwrap())).unwrap()]
    }
}

struct Life {
    ledger: Ledger<SegmentLog>,
    now: DateTime<Utc>,
    commands: u32,
    numbers: Numbers,
}

/// Lives some years under a seed.
pub(crate) fn live(folder: &Path, seed: u64, steps: u32) -> Billed {
    let ledger = open(folder, ClockKind::Simulated);
    let now = "2024-01-01T08:00:00Z".parse().unwrap();
    let mut life = Life { ledger, now, commands: 0, numbers: Numbers(seed) };
    life.begin();
    for step in 0..steps {
        life.step(step);
    }
    let billed = life.billed();
    close(&life.ledger);
    billed
}

impl Life {
    fn begin(&mut self) {
        let mut import = catalogue();
        let catalogue = &mut import["catalogue"];
        catalogue["programmes"]["cloud-cockpit"]["rounding"] = json!("fee-then-tax");
        catalogue["promotions"] = json!({ "spring": {
            "title": "Spring", "offers": ["office-365-e3"], "terms": ["P1Y", "P3Y"],
            "from": "2023-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z", "percent": "12.5",
        }});
        let all = [
            ("catalogue", import),
            (
                "billing",
                json!({
                    "command": "SetBillingTerms", "version": "t1", "from": "2024-01",
                    "terms": {
                        "issuer": "Partner, Inc.", "taxes": { "FR": "20", "DE": "19" },
                        "margin_percent": "10", "currencies": { "r2": "USD" },
                    },
                }),
            ),
        ];
        for (stream, command) in all {
            assert!(self.does(stream, command), "the life begins");
        }
        for (from, rate) in
            [("2024-01-01", "1.0837"), ("2024-04-01", "1.07"), ("2024-09-01", "1.1123")]
        {
            let rates = json!([{ "from": "EUR", "to": "USD", "rate": rate }]);
            let command = json!({ "command": "ImportExchangeRates", "id": format!("fx-{from}"),
                "date": "2023-12-28", "from": from, "rates": rates });
            assert!(self.does("billing", command), "rates are imported");
        }
        for (id, name, programme, reseller, market) in CUSTOMERS {
            let command = json!({ "command": "RegisterCustomer", "name": name,
                "programme": programme, "reseller": reseller, "market": market, "currency": "EUR" });
            assert!(self.does(&format!("customer/{id}"), command), "{id} is registered");
        }
    }

    fn step(&mut self, step: u32) {
        self.now = self.now + Days::new(self.numbers.below(8)) + chrono::TimeDelta::hours(1);
        let (id, ..) = CUSTOMERS[usize::try_from(self.numbers.below(3)).unwrap()];
        if self.numbers.below(3) != 0 {
            self.carry_out(id);
        }
        let subscription = format!("s{}", self.numbers.below(4));
        let seats = 1 + self.numbers.below(30);
        let (term, billing) = [
            ("P1M", "monthly"),
            ("P1Y", "monthly"),
            ("P1Y", "annual"),
            ("P3Y", "triennial"),
            ("P3Y", "annual"),
        ][usize::try_from(self.numbers.below(5)).unwrap()];
        let command = match self.numbers.below(11) {
            0..=3 => {
                let offer =
                    self.numbers.one(&["office-365-e3", "office-365-e1", "office-365-business"]);
                let mut command = json!({ "command": "Purchase", "subscription": format!("s{step}"),
                    "offer": offer, "term": term, "billing": billing, "quantity": seats });
                if offer == "office-365-e3" && self.numbers.below(2) == 0 {
                    command["promotion"] = json!("spring");
                }
                command
            }
            4 | 5 => self.of_some(
                id,
                |s| json!({ "command": "AddSeats", "subscription": s, "seats": seats }),
            ),
            6 | 7 => self.of_some(
                id,
                |s| json!({ "command": "RemoveSeats", "subscription": s, "seats": 1 }),
            ),
            9 => self.of_some(
                id,
                |s| json!({ "command": "GrantCredit", "subscription": s, "amount": "12.34" }),
            ),
            8 => self.of_some(id, |s| json!({ "command": "Cancel", "subscription": s })),
            _ => self.of_some(id, |s| {
                json!({ "command": "Upgrade", "subscription": s,
                "target_offer": "office-365-e5",
                "into": { "new": { "subscription": subscription, "end_date": "coterminous" } } })
            }),
        };
        self.does(&format!("customer/{id}"), command);
        if self.numbers.below(4) == 0 {
            self.close();
        }
    }

    /// A command about one of the customer's subscriptions.
    fn of_some(&mut self, id: &str, command: impl FnOnce(String) -> Value) -> Value {
        let customer = self.customer(id);
        let count = u64::try_from(customer.subscriptions.len()).unwrap().max(1);
        let chosen = usize::try_from(self.numbers.below(count)).unwrap();
        command(
            customer
                .subscriptions
                .keys()
                .nth(chosen)
                .map_or("none".to_owned(), ToString::to_string),
        )
    }

    fn customer(&self, id: &str) -> ledger_core::customer::Customer {
        let id = CustomerId::try_new(id).unwrap();
        let known = block_on(self.ledger.customer(&id)).unwrap();
        known.unwrap().0
    }

    /// Carries out what is due, however late.
    fn carry_out(&mut self, id: &str) {
        for _ in 0..40 {
            let Some(due) = due(&self.customer(id)).into_iter().find(|due| due.at <= self.now)
            else {
                return;
            };
            let command = serde_json::to_value(&due.command).unwrap();
            if !self.does(&format!("customer/{id}"), command) {
                return;
            }
        }
    }

    fn close(&mut self) {
        let closed = self.ledger.books().closed().last().map(|closed| closed.what.period);
        let next =
            closed.map_or("2024-01".parse::<Month>().unwrap(), |closed| closed.next().unwrap());
        self.does("billing", json!({ "command": "ClosePeriod", "period": next }));
    }

    /// Whether something was recorded.
    fn does(&mut self, stream: &str, command: Value) -> bool {
        self.commands += 1;
        let role = match command["command"].as_str().unwrap() {
            "Renew" | "Expire" | "Disable" | "Delete" => Role::Scheduler,
            _ => Role::Operator,
        };
        let id = format!("c-{}", self.commands);
        let mut request = request(stream, command, &id, &self.now.to_rfc3339());
        request.actor.role = role;
        request.reason = Reason::try_new("-1 +2").unwrap();
        let outcome = block_on(self.ledger.execute(request));
        outcome.is_ok_and(|outcome| outcome.recorded.is_some())
    }

    fn billed(&self) -> Billed {
        let books = self.ledger.books();
        let drawn = books.closed().flat_map(|closed| &closed.what.statements);
        let theirs = drawn.filter(|drawn| matches!(drawn.party, Party::Customer(_)));
        let key = |number: u64, currency: String| (format!("{number:06}"), currency);
        theirs
            .map(|drawn| (key(drawn.number, drawn.totals.currency.to_string()), drawn.totals.total))
            .collect()
    }
}
