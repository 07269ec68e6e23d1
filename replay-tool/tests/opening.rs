//! Opening balances into a stopped folder: dry runs, interruptions, repetitions, and hostile files.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

mod support;

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use futures::executor::block_on;
use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::customer::{Command, Customer};
use ledger_core::folder::ClockKind;
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::ledger::{Ledger, Request};
use ledger_core::store::CommitLog;
use ledger_core::store::segment::SegmentLog;
use replay_tool::exit::Exit;
use serde_json::{Value, json};
use support::{Answer, run};
use tempfile::TempDir;

const HEADING: &str =
    "customer,subscription,offer,status,term,billing,quantity,term_start,term_end,end_of_term";

fn summary(answer: &Answer) -> &str {
    answer.out.lines().last().unwrap_or("")
}

/// A stopped ledger with the offers of the sources and some customers, and room for files beside it.
struct Data {
    dir: TempDir,
}

impl Data {
    fn new(customers: &[&str]) -> Self {
        let data = Self { dir: TempDir::new().unwrap() };
        let seeds: Value = toml::from_str(SEEDS_TOML).unwrap();
        data.tell(&[(None, json!({ "command": "ImportCatalogue", "catalogue": seeds }))]);
        data.register(customers);
        data
    }

    fn register(&self, customers: &[&str]) {
        let command = json!({ "command": "RegisterCustomer", "name": "Acme", "reseller": "r",
            "programme": "nce", "market": "FR", "currency": "EUR" });
        let story = customers.iter().map(|customer| (Some(*customer), command.clone()));
        self.tell(&story.collect::<Vec<_>>());
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn ledger<T>(&self, ask: impl FnOnce(&Ledger<SegmentLog>) -> T) -> T {
        let ledger = support::open(&self.root(), ClockKind::Real);
        let answer = ask(&ledger);
        support::close(&ledger);
        answer
    }

    fn tell(&self, story: &[(Option<&str>, Value)]) {
        self.ledger(|ledger| {
            for (customer, command) in story {
                let command: Command = serde_json::from_value(command.clone()).unwrap();
                let to = customer.unwrap_or("catalogue");
                let id = format!("{}-{to}-{}", command.name(), ledger.catalogues().iter().count());
                let stream = customer.map_or(StreamId::Catalogue, |customer| {
                    StreamId::Customer(CustomerId::try_new(customer).unwrap())
                });
                let request = Request {
                    stream,
                    command,
                    command_id: CommandId::try_new(id).unwrap(),
                    actor: Actor { id: ActorId::try_new("ada").unwrap(), role: Role::Operator },
                    reason: Reason::try_new("Setting up").unwrap(),
                    now: "2025-06-01T00:00:00Z".parse().unwrap(),
                    correlation_id: None,
                    causation_id: None,
                    expected_version: None,
                };
                block_on(ledger.execute(request)).unwrap();
            }
        });
    }

    fn customer(&self, id: &str) -> Option<Customer> {
        let id = CustomerId::try_new(id).unwrap();
        self.ledger(|ledger| block_on(ledger.customer(&id)).unwrap().map(|(known, _)| known))
    }

    fn commits(&self) -> u64 {
        self.ledger(|ledger| ledger.log().durable_position())
    }

    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join("balances");
        fs::write(&path, content).unwrap();
        path
    }

    fn args<'a>(file: &'a Path, root: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let text = |path: &'a Path| path.to_str().unwrap();
        let fixed = [
            "import",
            "opening-balances",
            text(file),
            "--data",
            text(root),
            "--as-of",
            "2025-06-01",
            "--at",
            "2025-06-10T09:00:00Z",
        ];
        [&fixed[..], more].concat()
    }

    fn import(&self, content: impl AsRef<[u8]>, more: &[&str]) -> Answer {
        let (file, root) = (self.file(content), self.root());
        run(&Self::args(&file, &root, more))
    }
}

fn line(customer: &str, subscription: &str, quantity: &str) -> String {
    format!(
        "{customer},{subscription},office-365-e3,active,P1Y,annual,{quantity},2025-02-01,2026-01-31,renew\n"
    )
}

/// A thousand lines over ten customers.
fn thousand() -> String {
    let mut text = format!("{HEADING}\n");
    for n in 0..1000 {
        write!(text, "{}", line(&format!("c{}", n % 10), &format!("s{n}"), "3")).unwrap();
    }
    text
}

fn ten() -> Vec<String> {
    (0..10).map(|n| format!("c{n}")).collect()
}

#[test]
fn a_file_that_was_killed_half_way_is_resumed_and_nothing_is_there_twice() {
    let customers = ten();
    let customers: Vec<&str> = customers.iter().map(String::as_str).collect();
    let data = Data::new(&customers);
    let before = data.commits();
    let (file, root) = (data.file(thousand()), data.root());
    let args = Data::args(&file, &root, &[]);
    let mut process = Process::new(env!("CARGO_BIN_EXE_replay-tool"))
        .args(&args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let said: Vec<String> = lines.take(500).map(Result::unwrap).collect();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(said.iter().all(|line| line.ends_with(": imported")), "{said:#?}");
    let done = data.commits() - before;
    assert!((500..1000).contains(&done), "{done} lines were imported before the kill");

    let resumed = run(&args);
    let (left, there) = (1000 - done, done);
    assert_eq!(
        summary(&resumed),
        format!(
            "1000 lines: {left} imported, {there} already there, 0 refused; 0 mended, 0 with warnings"
        )
    );
    assert_eq!(resumed.exit, Exit::Fine);
    let again = run(&args);
    assert!(summary(&again).starts_with("1000 lines: 0 imported, 1000 already there, 0 refused"));
    assert_eq!(data.commits() - before, 1000);
    for customer in customers {
        let known = data.customer(customer).unwrap();
        assert_eq!(known.subscriptions.len(), 100);
        assert!(known.subscriptions.values().all(|s| s.quantity == 3));
    }
}

#[test]
fn a_dry_run_says_what_would_become_of_every_line_and_records_nothing() {
    let data = Data::new(&["acme"]);
    let before = data.commits();
    let text = format!(
        "{HEADING}\n{}{}{}",
        line("acme", "s1", "3"),
        line("nobody", "s1", "3"),
        line("acme", "s2", "0")
    );
    let dry = data.import(&text, &["--dry-run", "--json"]);
    let lines: Vec<Value> = dry.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let said: Vec<_> = lines[..3].iter().map(|l| (&l["line"], &l["result"], &l["code"])).collect();
    assert_eq!(
        said,
        [
            (&json!(2), &json!("would-import"), &Value::Null),
            (&json!(3), &json!("refused"), &json!("CUSTOMER_UNKNOWN")),
            (&json!(4), &json!("refused"), &json!("QUANTITY_ZERO")),
        ]
    );
    assert_eq!(lines[3]["summary"]["would_import"], 1);
    assert_eq!((dry.exit, data.commits()), (Exit::Found, before));

    data.import(&text, &[]);
    let dry = data.import(&text, &["--dry-run"]);
    assert!(
        summary(&dry).starts_with("3 lines: 0 imported, 1 already there, 2 refused"),
        "{dry:?}"
    );
    assert_eq!(data.commits(), before + 1);
}

#[test]
fn a_line_that_was_refused_is_asked_again_when_its_customer_is_there() {
    let data = Data::new(&[]);
    let text = format!("{HEADING}\n{}", line("acme", "s1", "3"));
    for _ in 0..2 {
        let refused = data.import(&text, &[]);
        assert!(refused.out.contains("2 acme/s1: refused, CUSTOMER_UNKNOWN: "), "{refused:?}");
        assert_eq!(refused.exit, Exit::Found);
    }
    data.register(&["acme"]);
    assert_eq!(data.import(&text, &[]).exit, Exit::Fine);
    assert_eq!(data.customer("acme").unwrap().subscriptions.len(), 1);
}

#[test]
fn a_line_that_was_refused_for_its_price_is_asked_again_when_there_is_one() {
    let data = Data::new(&["acme"]);
    let text = format!("{HEADING},offer_title\n{}", line("acme", "s1", "3"));
    let text = text.replace("office-365-e3", "visio").replace("renew\n", "renew,Visio\n");
    for _ in 0..2 {
        let refused = data.import(&text, &[]);
        assert!(refused.out.contains("2 acme/s1: refused, PRICE_MISSING: "), "{refused:?}");
    }
    let mut listed: Value = toml::from_str(SEEDS_TOML).unwrap();
    let offers = listed["offers"].as_object_mut().unwrap();
    let plans = json!([{ "term": "P1Y", "billing": "annual", "prices": { "EUR": "150.00" } }]);
    offers.insert("visio".into(), json!({ "title": "V", "kind": "licence", "plans": plans }));
    listed["version"] = json!("with-visio");
    data.tell(&[(None, json!({ "command": "ImportCatalogue", "catalogue": listed }))]);
    let done = data.import(&text, &[]);
    assert_eq!((done.exit, done.out.lines().next().unwrap()), (Exit::Fine, "2 acme/s1: imported"));
}

#[test]
fn a_changed_line_is_reported_and_overwrites_nothing() {
    let data = Data::new(&["acme"]);
    data.import(format!("{HEADING}\n{}", line("acme", "s1", "3")), &[]);
    let changed = data.import(format!("{HEADING}\n{}", line("acme", "s1", "4")), &[]);
    assert!(
        changed.out.starts_with(
            "2 acme/s1: refused, SUBSCRIPTION_EXISTS: the customer has a subscription s1 already, \
             which differs in quantity, refundable: "
        ),
        "{}",
        changed.out
    );
    assert_eq!(changed.exit, Exit::Found);
    assert_eq!(data.customer("acme").unwrap().subscriptions.values().next().unwrap().quantity, 3);
}

#[test]
fn lines_about_the_same_subscription_count_once_and_must_agree() {
    let data = Data::new(&["acme"]);
    let text = format!(
        "{HEADING}\n{}{}{}",
        line("acme", "s1", "3"),
        line("acme", "s1", "3"),
        line("acme", "s1", "4")
    );
    let done = data.import(&text, &[]);
    let said: Vec<&str> = done.out.lines().filter(|line| line.contains("acme/s1")).collect();
    assert_eq!(
        said,
        [
            "2 acme/s1: imported",
            "3 acme/s1: already there: 2 says the same",
            "4 acme/s1: refused, LINE_UNREADABLE: 2 is about the same subscription and says something else",
        ]
    );
}

#[test]
fn hostile_lines_are_refused_one_by_one_and_the_others_are_imported() {
    let data = Data::new(&["acme"]);
    let text = format!(
        "{HEADING}\n{}{}{}{}{}{}{}",
        line("acme", "good", "3"),
        line("acme", "huge", "99999999999999999999"),
        line("acme", "bad id", "3"),
        line("../etc", "s1", "3"),
        line("acme", "worded", "many"),
        "acme,short,office-365-e3\n",
        "acme,dates,office-365-e3,active,P1Y,annual,3,01/02/2025,2026-01-31,renew\n",
    );
    let done = data.import(&text, &[]);
    for (line, why) in [
        (3, "quantity: \"99999999999999999999\" is not a whole number from 0 to 4294967295"),
        (4, "subscription: it contains ' '"),
        (5, "customer: it contains '.'"),
        (6, "quantity: \"many\" is not a whole number"),
        (7, "it has 3 fields, and the first line names 10; status is missing; term is missing"),
        (8, "term_start: \"01/02/2025\" is not a day such as 2025-03-01"),
    ] {
        let begin = format!("{line} ");
        let said = done.out.lines().find(|text| text.starts_with(&begin)).unwrap();
        assert!(said.contains("refused, LINE_UNREADABLE: ") && said.contains(why), "{said}");
    }
    assert!(summary(&done).starts_with("7 lines: 1 imported, 0 already there, 6 refused"));
    assert_eq!(data.customer("acme").unwrap().subscriptions.len(), 1);
}

#[test]
fn a_line_of_another_customer_is_refused() {
    let data = Data::new(&["acme", "globex"]);
    let text = format!("{HEADING}\n{}", line("globex", "s1", "3"));
    let done = data.import(&text, &["--customer", "acme"]);
    let why = "LINE_UNREADABLE: it belongs to customer globex, not to acme";
    assert!(done.out.contains(why), "{}", done.out);
    assert!(data.customer("globex").unwrap().subscriptions.is_empty());
}

#[test]
fn a_file_that_is_no_file_of_balances_is_refused_as_a_whole() {
    let data = Data::new(&["acme"]);
    let before = data.commits();
    for (content, why) in [
        (&b""[..], "the file is empty"),
        (b"\xef\xbb\xbf \n", "the file is empty"),
        (b"\x7fELF\x02\x01\x01\x00", "is not text in UTF-8 (byte 7)"),
        (b"\xff\xfec\0u\0s\0", "is not text in UTF-8 (byte 0)"),
        (
            b"a,b,c\n1,2,3\n",
            "lacks customer, subscription, offer, status, term, billing, quantity,",
        ),
        (b"{\"id\": \"s1\"", "the file is not whole JSON: EOF"),
        (b"customer,Customer\n", "names the column customer twice"),
    ] {
        let refused = data.import(content, &[]);
        assert!(refused.err.contains(why), "{refused:?}");
        assert_eq!((refused.exit, refused.out.as_str()), (Exit::Source, ""));
    }
    assert_eq!(data.commits(), before);
}

#[test]
fn the_vendors_json_is_imported_with_what_it_says_beyond_the_ledger() {
    let data = Data::new(&["acme"]);
    let subscription = json!({
        "id": "6C0A5F5E-22A5-4B1F-9A35-0D3D3F1F7A10", "offerId": "visio:plan-2:CFQ7TTC0K5B3",
        "offerName": "Office 365 E3", "quantity": 5, "status": "grace", "termDuration": "P1Y",
        "billingCycle": "annual", "effectiveStartDate": "2025-02-01T10:00:00Z",
        "commitmentEndDate": "2026-01-31T00:00:00Z", "autoRenewEnabled": true, "publisherName": "M"
    });
    let refused = data.import(subscription.to_string(), &["--customer", "acme"]);
    assert!(refused.out.contains("refused, PRICE_MISSING: "), "{refused:?}");
    let known = subscription.to_string().replace("visio:plan-2", "office-365:e3");
    let done = data.import(known, &["--customer", "acme"]);
    assert_eq!(
        done.out,
        "1 acme/6C0A5F5E-22A5-4B1F-9A35-0D3D3F1F7A10: imported\n    \
         warning: nobody knows the status \"grace\": it is taken over as suspended by its vendor\n    \
         warning: kept, but not known: publisherName\n\
         kept, but not known: publisherName (1)\n\
         1 line: 1 imported, 0 already there, 0 refused; 0 mended, 1 with warnings\n"
    );
    assert_eq!(done.exit, Exit::Fine);
}

#[test]
fn a_stopped_folder_must_be_told_the_time() {
    let data = Data::new(&["acme"]);
    let file = data.file(format!("{HEADING}\n"));
    let root = data.root();
    let answer = run(&[
        "import",
        "opening-balances",
        file.to_str().unwrap(),
        "--data",
        root.to_str().unwrap(),
        "--as-of",
        "2025-06-01",
    ]);
    assert_eq!(answer.exit, Exit::Usage);
    assert!(answer.err.contains("say with --at when this is recorded"), "{answer:?}");
}
