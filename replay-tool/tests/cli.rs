//! Every verb of the built program: its whole output, its exit codes, a folder and a server.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::customer::Command;
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::ledger::{Ledger, LedgerOptions, Request};
use ledger_core::store::CommitLog;
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Shared by those who open a log in this process, and exclusive for starting another: until it runs
/// its program, it has a copy of every open file, and so keeps the log locked.
static LOCKING: RwLock<()> = RwLock::new(());

fn opening() -> RwLockReadGuard<'static, ()> {
    LOCKING.read().unwrap_or_else(PoisonError::into_inner)
}

/// A data folder with one customer's story in it.
struct Data {
    dir: TempDir,
}

/// What the program answered.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Data {
    fn new() -> Self {
        Self::of(story())
    }

    fn of(story: Vec<Told>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = Self { dir };
        let _opening = opening();
        let ledger = data.ledger();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (at, role, why, command) in story {
            let done = runtime.block_on(ledger.execute(request(at, role, why, command)));
            let is_refused = done.is_err();
            assert_eq!(is_refused, why == "Too late", "{done:?}");
        }
        ledger.log().close().unwrap();
        ledger.journal().close().unwrap();
        data
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn ledger(&self) -> Ledger<SegmentLog> {
        let folder = DataFolder::open_or_create(&self.root(), ClockKind::Simulated).unwrap();
        let open = |dir: &Path| SegmentLog::open(dir, SegmentOptions::default()).unwrap();
        let ledger =
            Ledger::open(open(&folder.log()), open(&folder.journal()), LedgerOptions::default());
        futures::executor::block_on(ledger).unwrap()
    }

    /// Runs the program beside the folder, which it finds as `data`.
    fn run(&self, args: &[&str]) -> Answer {
        run_in(self.dir.path(), args)
    }

    fn ask(&self, verb: &[&str]) -> Answer {
        self.run(&[verb, &["--data", "data"]].concat())
    }

    fn segment(&self) -> PathBuf {
        self.root().join("log/00000000000000000001.seg")
    }
}

fn run_in(dir: &Path, args: &[&str]) -> Answer {
    let mut process = Process::new(env!("CARGO_BIN_EXE_replay-tool"));
    process.current_dir(dir).args(args).stdin(Stdio::null());
    process.stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = {
        let _starting = LOCKING.write().unwrap_or_else(PoisonError::into_inner);
        process.spawn().unwrap()
    };
    let output = started.wait_with_output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// When, in which role, why and what.
type Told = (&'static str, Role, &'static str, Value);

fn story() -> Vec<Told> {
    let seeds: Value = toml::from_str(SEEDS_TOML).unwrap();
    let s1 = "s1";
    vec![
        (
            "2024-01-01T00:00:00Z",
            Role::Operator,
            "First prices",
            json!({ "command": "ImportCatalogue", "catalogue": seeds }),
        ),
        (
            "2024-03-01T08:00:00Z",
            Role::Operator,
            "New customer",
            json!({ "command": "RegisterCustomer", "name": "Acme", "programme": "cloud-cockpit",
                "reseller": "contoso", "market": "FR", "currency": "EUR" }),
        ),
        (
            "2024-03-01T09:00:00Z",
            Role::ResellerAdmin,
            "Order 7",
            json!({ "command": "Purchase", "subscription": s1, "offer": "office-365-e3",
                "term": "P1Y", "billing": "annual", "quantity": 10 }),
        ),
        (
            "2024-03-04T09:00:00Z",
            Role::CustomerAdmin,
            "Two people left",
            json!({ "command": "RemoveSeats", "subscription": s1, "seats": 2 }),
        ),
        (
            "2024-03-04T09:00:00.001Z",
            Role::CustomerAdmin,
            "Too late",
            json!({ "command": "RemoveSeats", "subscription": s1, "seats": 1 }),
        ),
        (
            "2024-10-01T00:00:00Z",
            Role::CustomerAdmin,
            "Plan",
            json!({ "command": "ScheduleRenewalQuantity", "subscription": s1, "quantity": 6 }),
        ),
        (
            "2025-03-01T00:05:00Z",
            Role::Scheduler,
            "The term is over",
            json!({ "command": "Renew", "subscription": s1, "term_end": "2025-02-28" }),
        ),
    ]
}

fn request(at: &str, role: Role, why: &str, command: Value) -> Request {
    let command: Command = serde_json::from_value(command).unwrap();
    let stream = if matches!(command, Command::ImportCatalogue(_)) {
        StreamId::Catalogue
    } else {
        StreamId::Customer(CustomerId::try_new("acme").unwrap())
    };
    Request {
        stream,
        command_id: CommandId::try_new(format!("{}/{at}", command.name())).unwrap(),
        command,
        actor: Actor { id: ActorId::try_new("u-1").unwrap(), role },
        reason: Reason::try_new(why).unwrap(),
        now: at.parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    }
}

fn lines_of_json(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const HISTORY: &str = "\
#1 2024-03-01T08:00:00Z u-1 (operator): New customer
    asked RegisterCustomer currency=EUR market=FR name=Acme programme=cloud-cockpit reseller=contoso [RegisterCustomer/2024-03-01T08:00:00Z]
    CustomerRegistered registered as \"Acme\" under cloud-cockpit, reseller contoso, market FR, EUR
#2 2024-03-01T09:00:00Z u-1 (reseller-admin): Order 7
    asked Purchase billing=annual offer=office-365-e3 quantity=10 subscription=s1 term=P1Y [Purchase/2024-03-01T09:00:00Z]
    SubscriptionPurchased s1: seats 0 -> 10, bought office-365-e3 P1Y/annual, term 2024-03-01 to 2025-02-28, removable until 2024-03-04T09:00:00Z, under cloud-cockpit, catalogue seeds-2
    charge new s1: 2364.00 EUR for 2024-03-01 to 2025-02-28 (236.40 x 365/365 days x 10 seats = 2364.00, unit-truncate)
#3 2024-03-04T09:00:00Z u-1 (customer-admin): Two people left
    asked RemoveSeats seats=2 subscription=s1 [RemoveSeats/2024-03-04T09:00:00Z]
    SeatsRemoved s1: seats 10 -> 8, taken 2 of lot 1, under cloud-cockpit, catalogue seeds-2
    charge removeQuantity s1: -2344.50 EUR for 2024-03-04 to 2025-02-28 (236.40 x 362/365 days x -10 seats = -2344.50, unit-truncate)
    charge removeQuantity s1: 1875.60 EUR for 2024-03-04 to 2025-02-28 (236.40 x 362/365 days x 8 seats = 1875.60, unit-truncate)
";

const REFUSED: &str = "\
refused 2024-03-04T09:00:00.001Z u-1 (customer-admin): Too late
    asked RemoveSeats seats=1 subscription=s1 [RemoveSeats/2024-03-04T09:00:00.001Z]
    SEATS_NOT_REFUNDABLE of subscription s1 only 0 seats can still be removed; plan fewer seats for its renewal (SEED-2, II.2; domain, section 1.7 (800090))
    the same command succeeds from 2025-03-01T00:00:00Z
";

const LATER: &str = "\
#4 2024-10-01T00:00:00Z u-1 (customer-admin): Plan
    asked ScheduleRenewalQuantity quantity=6 subscription=s1 [ScheduleRenewalQuantity/2024-10-01T00:00:00Z]
    RenewalQuantityScheduled s1: 6 seats planned from 2025-03-01
#5 2025-03-01T00:05:00Z (effective 2025-03-01T00:00:00Z) u-1 (scheduler): The term is over
    asked Renew subscription=s1 term_end=2025-02-28 [Renew/2025-03-01T00:05:00Z]
    SubscriptionRenewed s1: seats 8 -> 6, renewed, term 2025-03-01 to 2026-02-28, removable until 2025-03-04T00:05:00Z, under cloud-cockpit, catalogue seeds-2
    charge renew s1: 1418.40 EUR for 2025-03-01 to 2026-02-28 (236.40 x 365/365 days x 6 seats = 1418.40, unit-truncate)
";

fn fine(out: impl Into<String>) -> Answer {
    Answer { code: 0, out: out.into(), err: String::new() }
}

fn failed(code: i32, err: &str) -> Answer {
    Answer { code, out: String::new(), err: format!("replay-tool: {err}\n") }
}

#[test]
fn history_tells_who_when_why_what_and_what_it_cost() {
    let data = Data::new();
    assert_eq!(data.ask(&["history", "acme"]), fine(format!("{HISTORY}{LATER}")));
    let all = data.ask(&["history", "acme", "--refused"]);
    assert_eq!(all, fine(format!("{HISTORY}{REFUSED}{LATER}")));
}

#[test]
fn history_can_be_narrowed() {
    let data = Data::new();
    let april = ["history", "acme", "--from", "2024-04-01", "--to", "2024-09-30"];
    let nothing = "nothing was recorded in that range\n".to_owned();
    assert_eq!(data.ask(&april), Answer { code: 0, out: String::new(), err: nothing });
    let later = ["history", "acme", "--from", "2024-10-01", "--to", "2025-03-01"];
    assert_eq!(data.ask(&later), fine(LATER));
    let of = |id| data.ask(&["history", "acme", "--refused", "--subscription", id]).out;
    let (_, without_registration) = HISTORY.split_at(HISTORY.find("#2").unwrap());
    assert_eq!(of("s1"), format!("{without_registration}{REFUSED}{LATER}"));
}

#[test]
fn history_of_nothing_is_not_found_or_a_mistake() {
    let data = Data::new();
    let said = "customer acme has no subscription s2: check the id";
    for more in [&[][..], &["--refused"], &["--from", "2030-01-01"]] {
        let of_s2 = [&["history", "acme", "--subscription", "s2"], more].concat();
        assert_eq!(data.ask(&of_s2), failed(4, said));
    }
    let swapped = ["history", "acme", "--from", "2024-03-02", "--to", "2024-03-01"];
    let said = "--from 2024-03-02T00:00:00Z is after --to 2024-03-01T23:59:59.999Z: swap them";
    assert_eq!(data.ask(&swapped), failed(2, said));
    let one_day = ["history", "acme", "--from", "2024-03-01", "--to", "2024-03-01"];
    assert_eq!(data.ask(&one_day).code, 0);
}

#[test]
fn an_upgrade_in_place_loses_no_seats() {
    let mut told = story();
    told.truncate(2);
    told[1].3["programme"] = json!("partner-center-2019");
    let command = |at, command| (at, Role::Operator, "Order", command);
    told.push(command("2024-03-01T09:00:00Z", json!({ "command": "GrantDelegatedAdmin" })));
    let purchase = json!({ "command": "Purchase", "subscription": "s1", "quantity": 10,
        "offer": "office-365-business", "term": "P1Y", "billing": "monthly" });
    told.push(command("2024-03-01T10:00:00Z", purchase));
    let upgrade = json!({ "command": "Upgrade", "subscription": "s1",
        "target_offer": "office-365-business-premium",
        "into": { "new": { "subscription": "s2", "end_date": "coterminous" } } });
    told.push(command("2024-05-10T08:00:00Z", upgrade));
    let history = Data::of(told).ask(&["history", "acme", "--from", "2024-05-10"]).out;
    let asked = history.lines().nth(1).unwrap();
    assert!(asked.contains(" quantity=all ") && !asked.contains("null"), "{asked}");
    let expected = "    SubscriptionUpgraded s1: 10 seats office-365-business -> \
                    office-365-business-premium, in place, under partner-center-2019, catalogue \
                    seeds-2";
    assert_eq!(history.lines().nth(2), Some(expected), "{history}");
}

#[test]
fn what_was_asked_leaves_out_what_was_not_said() {
    let asked = json!({ "command": "Upgrade", "subscription": "s1", "quantity": null,
        "target_offer": "office-365-e3", "into": { "existing": { "subscription": "s2", "x": null } } });
    let line = |asked: &Value| replay_tool::describe::command(asked.to_string().as_bytes());
    let expected = "Upgrade into={\"existing\":{\"subscription\":\"s2\"}} quantity=all \
                    subscription=s1 target_offer=office-365-e3";
    assert_eq!(line(&asked), expected);
    let asked = json!({ "command": "AddSeats", "subscription": "s1", "seats": 1, "note": null });
    assert_eq!(line(&asked), "AddSeats seats=1 subscription=s1");
}

#[test]
fn history_is_json_on_request() {
    let data = Data::new();
    let answer = data.ask(&["history", "acme", "--refused", "--json"]);
    let lines = lines_of_json(&answer.out);
    assert_eq!((answer.code, lines.len()), (0, 6));
    assert_eq!(lines[2]["events"][0]["quantity"], json!({ "from": 10, "to": 8 }));
    assert_eq!(lines[2]["charge_lines"][0]["amount"]["amount"], "-2344.50");
    assert_eq!(lines[3]["refused"]["code"], "SEATS_NOT_REFUNDABLE");
}

#[test]
fn state_is_that_of_the_end_of_the_day() {
    let data = Data::new();
    let expected = "\
acme as of 2024-03-04T23:59:59.999Z
version 3, Acme, programme cloud-cockpit, delegated administration no
s1 office-365-e3 active: 8 seats, P1Y/annual, term 2024-03-01 to 2025-02-28, 236.40 EUR a seat
    lot 1: 8 seats, removable until 2024-03-04T09:00:00Z, closed
    can be cancelled until 2024-03-04T09:00:00Z
    after the term it renews with 8 seats
licences office-365-e3: valid 8, assigned 0, available 8
";
    assert_eq!(data.ask(&["state", "acme", "--as-of", "2024-03-04"]), fine(expected));
}

#[test]
fn state_can_be_asked_as_it_was_known_before() {
    let data = Data::new();
    let seats = |args: &[&str]| {
        let out = data.ask(&[&["state", "acme"], args].concat()).out;
        out.lines()
            .nth(2)
            .unwrap()
            .split(": ")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(seats(&["--as-of", "2024-03-04T08:59:59Z"]), "10 seats");
    assert_eq!(seats(&["--as-of", "2024-03-04T09:00:00Z"]), "8 seats");
    assert_eq!(seats(&["--as-of", "2025-03-01T00:00:00Z"]), "6 seats");
    let before = ["--as-of", "2025-03-01T00:00:00Z", "--known-at", "2025-03-01T00:04:59Z"];
    assert_eq!(seats(&before), "8 seats");
    let planned = data.ask(&["state", "acme", "--as-of", "2024-12-31"]).out;
    assert!(
        planned.contains("    after the term it renews with 6 seats, as planned\n"),
        "{planned}"
    );
}

#[test]
fn state_is_json_on_request() {
    let data = Data::new();
    let answer = data.ask(&["state", "acme", "--as-of", "2024-03-04T09:00:00Z", "--json"]);
    let state = &lines_of_json(&answer.out)[0];
    assert_eq!((answer.code, &state["version"]), (0, &json!(3)));
    assert_eq!(state["refundable"], json!({ "s1": 8 }));
    assert_eq!(state["licences"][0]["available"], 8);
    assert_eq!(state["customer"]["subscriptions"]["s1"]["quantity"], 8);
}

#[test]
fn an_intact_folder_is_verified() {
    let data = Data::new();
    let answer = data.ask(&["verify"]);
    let (log, journal) =
        (size(&data.segment()), size(&data.root().join("journal/00000000000000000001.seg")));
    let expected = format!(
        "log: 6 commits in 2 streams, 6 events, last position 6, 1 segment(s), {log} bytes\n\
         journal: 1 commits in 1 streams, 0 events, last position 1, 1 segment(s), {journal} bytes\n\
         no damage found\n"
    );
    assert_eq!(answer, fine(expected));
    let lines = lines_of_json(&data.ask(&["verify", "--json"]).out);
    assert_eq!(
        (lines.len(), &lines[0]["commits"], &lines[0]["problems"]),
        (2, &json!(6), &json!([]))
    );
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// Changes one byte of the third customer commit's reason.
fn damage(data: &Data) -> usize {
    let mut bytes = fs::read(data.segment()).unwrap();
    let reason = b"Two people left";
    let at = bytes.windows(reason.len()).position(|window| window == reason).unwrap();
    bytes[at] = b'X';
    fs::write(data.segment(), bytes).unwrap();
    at
}

#[test]
fn damage_is_named_with_its_place() {
    let data = Data::new();
    let at = damage(&data);
    let answer = data.ask(&["verify"]);
    assert_eq!((answer.code, answer.err.as_str()), (1, ""));
    let found = answer.out.lines().nth(1).unwrap();
    assert!(found.starts_with("  data/log/00000000000000000001.seg, offset "), "{found}");
    assert!(found.ends_with(", position 4: its checksum does not match"), "{found}");
    assert!(answer.out.ends_with("DAMAGE FOUND: restore a backup\n"), "{}", answer.out);
    let problem = &lines_of_json(&data.ask(&["verify", "--json"]).out)[0]["problems"][0];
    assert_eq!(problem["position"], 4);
    assert!(usize::try_from(problem["offset"].as_u64().unwrap()).unwrap() < at);

    let answer = data.ask(&["history", "acme"]);
    assert_eq!((answer.code, answer.out.as_str()), (1, ""));
    assert!(answer.err.contains("position 4: its checksum does not match"), "{}", answer.err);
    assert!(answer.err.ends_with("; run replay-tool verify to see all damage\n"), "{}", answer.err);
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let data = Data::new();
    let _ledger = data.ledger();
    let said = "data/log is in use by a running server: stop it first";
    assert_eq!(data.ask(&["rebuild"]), failed(3, said));
    for verb in [&["verify"][..], &["history", "acme"]] {
        let said = "data/log is in use by a running server: ask it with --url, or stop it first";
        assert_eq!(data.ask(verb), failed(3, said));
    }
}

#[test]
fn a_folder_that_is_none_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let said = "ledger-data has no ledger.json: it is no ledger's data folder, or a backup that was \
                not finished; name one with --data DIR";
    assert_eq!(run_in(dir.path(), &["verify"]), failed(3, said));
}

#[test]
fn an_unknown_customer_is_not_found() {
    let data = Data::new();
    let said = "customer nobody is unknown here: check the id and the source";
    assert_eq!(data.ask(&["history", "nobody"]), failed(4, said));
    let said =
        "customer acme was not registered by 2024-02-01T23:59:59.999Z: ask for a later instant";
    assert_eq!(data.ask(&["state", "acme", "--as-of", "2024-02-01"]), failed(4, said));
    let early = ["state", "acme", "--as-of", "2024-04-01", "--known-at", "2024-02-01T00:00:00Z"];
    let said = "customer acme: nothing was known of it by 2024-02-01T00:00:00Z: ask with a later \
                --known-at";
    assert_eq!(data.ask(&early), failed(4, said));
}

#[test]
fn a_wrong_command_line_says_what_to_write() {
    let data = Data::new();
    let wrong = |args: &[&str]| {
        let answer = data.run(args);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{args:?}");
        answer.err
    };
    assert!(wrong(&[]).contains("Usage: replay-tool"));
    assert!(wrong(&["forget"]).contains("unrecognized subcommand 'forget'"));
    assert!(wrong(&["history"]).contains("<CUSTOMER>"));
    assert!(wrong(&["history", "a.b"]).contains("allowed are letters, digits, '-' and '_'"));
    assert!(wrong(&["state", "acme"]).contains("--as-of"));
    assert!(
        wrong(&["state", "acme", "--as-of", "noon"]).contains(
            "write a date such as 2024-03-01, or an instant such as 2024-03-01T09:00:00Z"
        )
    );
    assert!(wrong(&["verify", "--tokens", "t"]).contains("--url"));
    assert!(
        wrong(&["verify", "--url", "http://localhost", "--data", "d"]).contains("cannot be used")
    );
    let said = "replay-tool: a server wants a token: add --tokens FILE or --token-file FILE\n";
    assert_eq!(wrong(&["verify", "--url", "http://localhost"]), said);
}

#[test]
fn help_opens_with_examples_and_lists_the_exit_codes() {
    let answer = run_in(Path::new("."), &["--help"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.starts_with("Examples:\n  replay-tool verify"), "{}", answer.out);
    let codes = "  4  what was asked for is not there\n";
    assert!(answer.out.ends_with(codes), "{}", answer.out);
}

const SCENARIO: &str = "\
rule: Delegated administration is granted
source: SEED-2
programme: nce
when: { at: 2024-03-01, GrantDelegatedAdmin: {} }
then: { events: [ DelegatedAdminGranted ] }
";

#[test]
fn scenarios_pass_or_fail_with_a_difference() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("all")).unwrap();
    fs::write(dir.path().join("all/good.yaml"), SCENARIO).unwrap();
    assert_eq!(run_in(dir.path(), &["scenario", "all"]), fine("1 passed, 0 failed\n"));
    let bad = SCENARIO.replace("DelegatedAdminGranted", "DelegatedAdminRevoked");
    fs::write(dir.path().join("all/bad.yaml"), bad).unwrap();
    let expected = "\
FAILED all/bad.yaml:1 Delegated administration is granted
  source: SEED-2
  when 1, GrantDelegatedAdmin at 2024-03-01T00:00:00Z
    events: expected those with -, found those with +
        - DelegatedAdminRevoked
        + DelegatedAdminGranted
1 passed, 1 failed
";
    let answer = run_in(dir.path(), &["scenario", "all"]);
    assert_eq!(answer, Answer { code: 1, out: expected.to_owned(), err: String::new() });
    let lines = lines_of_json(&run_in(dir.path(), &["--json", "scenario", "all"]).out);
    assert_eq!(lines[2], json!({ "passed": 1, "failed": 1 }));
    let step = "when 1, GrantDelegatedAdmin at 2024-03-01T00:00:00Z";
    assert_eq!(lines[0]["problems"][0]["step"], step);
    assert_eq!(lines[0]["problems"].as_array().unwrap().len(), 1);
    let one = run_in(dir.path(), &["scenario", "all", "--rule", "no such rule"]);
    assert_eq!(one, fine("0 passed, 0 failed\n"));
}

#[test]
fn a_scenario_file_that_cannot_be_used_is_a_wrong_command_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), SCENARIO.replace("rule", "ruel")).unwrap();
    let said = "a.yaml: a scenario needs `rule:`, a text";
    assert_eq!(run_in(dir.path(), &["scenario", "a.yaml"]), failed(2, said));
    let gone = run_in(dir.path(), &["scenario", "gone.yaml"]);
    assert_eq!(gone.code, 3);
    assert!(gone.err.starts_with("replay-tool: gone.yaml cannot be read: "), "{}", gone.err);
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert_eq!(run_in(dir.path(), &["scenario", "empty"]), failed(3, "empty holds no *.yaml file"));
}

#[test]
fn views_are_rebuilt_into_a_new_folder_or_in_place() {
    let data = Data::new();
    let into = data.ask(&["rebuild", "--into", "fresh", "--json"]);
    assert_eq!((into.code, into.err.as_str()), (0, ""));
    let first = &lines_of_json(&into.out)[0];
    assert_eq!((&first["commits"], &first["views"]), (&json!(6), &json!("fresh")));
    let again = data.ask(&["rebuild", "--into", "fresh"]);
    assert_eq!(again, failed(2, "fresh exists already: name a new folder with --into"));
    for _ in 0..2 {
        let in_place = data.ask(&["rebuild"]);
        assert_eq!(in_place.code, 0, "{in_place:?}");
        let digest = format!("digest {}", first["digest"].as_str().unwrap());
        assert_eq!(in_place.out.lines().nth(1), Some(digest.as_str()));
    }
    let mut left: Vec<_> = fs::read_dir(data.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["journal", "ledger.json", "log", "views"]);
}

/// A server that answers the two routes from a stopped folder, and only to one token.
struct Server {
    url: String,
}

impl Server {
    fn start(data: &Data, change: fn(&mut Vec<u8>)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let books = Arc::new([book(data, "log", change), book(data, "journal", |_| {})]);
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&stream.unwrap(), &books);
            }
        });
        Self { url }
    }

    fn ask(&self, data: &Data, verb: &[&str]) -> Answer {
        data.run(&[verb, &["--url", &self.url, "--tokens", "tokens.toml"]].concat())
    }
}

type Book = Vec<(u64, String, String)>;

fn book(data: &Data, name: &str, change: fn(&mut Vec<u8>)) -> Book {
    let _opening = opening();
    let log = SegmentLog::open_read_only(&data.root().join(name)).unwrap();
    let stored: Vec<_> = futures::executor::block_on(log.read_from(1).try_collect()).unwrap();
    stored
        .into_iter()
        .map(|stored| {
            let position = u64::from(stored.sequence_number());
            let sealed = stored.take();
            let mut bytes = sealed.bytes().to_vec();
            change(&mut bytes);
            (position, sealed.commit().stream.to_string(), STANDARD.encode(bytes))
        })
        .collect()
}

/// Two lines a page, so that paging is used.
fn answer(mut stream: &TcpStream, books: &[Book; 2]) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let headers: Vec<String> =
        lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    let is_known = headers.contains(&"authorization: bearer s3cret".to_owned());
    let target = first.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let value = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
        pair.map(|value| value.replace("%2F", "/"))
    };
    let after: u64 = value("after=").and_then(|after| after.parse().ok()).unwrap_or(0);
    let wanted = value("stream=");
    let book = match (path, is_known) {
        (_, false) => None,
        ("/v1/log", true) => Some(&books[0]),
        _ => Some(&books[1]),
    };
    let page = book
        .into_iter()
        .flatten()
        .filter(|(position, stream, _)| {
            after < *position && wanted.as_ref().is_none_or(|wanted| wanted == stream)
        })
        .take(2);
    let mut body = String::new();
    for (position, _, commit) in page {
        body.push_str(&json!({ "position": position, "commit": commit }).to_string());
        body.push('\n');
    }
    let status = if is_known { "200 OK" } else { "401 Unauthorized" };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A client that has gone away has its answer already.
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

fn write_tokens(data: &Data) {
    let tokens = "[[token]]\nname = \"b\"\nrole = \"billing\"\ntoken = \"other\"\n\n\
                  [[token]]\nname = \"s\"\nrole = \"support\"\ntoken = \"s3cret\"\n";
    fs::write(data.dir.path().join("tokens.toml"), tokens).unwrap();
}

#[test]
fn a_server_is_asked_for_the_same_answers() {
    let data = Data::new();
    write_tokens(&data);
    let server = Server::start(&data, |_| {});
    let history = server.ask(&data, &["history", "acme", "--refused"]);
    assert_eq!(history, fine(format!("{HISTORY}{REFUSED}{LATER}")));
    let state = ["state", "acme", "--as-of", "2024-03-04"];
    assert_eq!(server.ask(&data, &state), data.ask(&state));
    let expected = "\
log: 6 commits in 2 streams, 6 events, last position 6
journal: 1 commits in 1 streams, 0 events, last position 1
no damage found
";
    assert_eq!(server.ask(&data, &["verify"]), fine(expected));
    let nobody = server.ask(&data, &["history", "nobody"]);
    assert_eq!(nobody.code, 4);
    let rebuild = server.ask(&data, &["rebuild"]);
    assert_eq!(rebuild.code, 2, "{rebuild:?}");
    let help = data.run(&["rebuild", "--help"]).out;
    assert!(!help.contains("--url") && !help.contains("--token"), "{help}");
}

#[test]
fn a_server_is_not_trusted() {
    let data = Data::new();
    write_tokens(&data);
    let server = Server::start(&data, |bytes| {
        let reason = b"Two people left";
        if let Some(at) = bytes.windows(reason.len()).position(|window| window == reason) {
            bytes[at] = b'X';
        }
    });
    let verify = server.ask(&data, &["verify"]);
    let found =
        "  position 5, customer/acme, version 4: version 4 does not link to the commit before";
    assert_eq!((verify.code, verify.out.lines().nth(1)), (1, Some(found)));
    let history = server.ask(&data, &["history", "acme"]);
    let said = "customer/acme is damaged: version 4 does not link to the commit before; run verify";
    assert_eq!(history, failed(1, said));
}

#[test]
fn a_server_that_refuses_or_is_away_is_said_so() {
    let data = Data::new();
    write_tokens(&data);
    let server = Server::start(&data, |_| {});
    fs::write(data.dir.path().join("wrong"), "guess\n").unwrap();
    let refused = data.run(&["verify", "--url", &server.url, "--token-file", "wrong"]);
    let said = format!(
        "{} refuses the token: use a support, operator or billing token of that server",
        server.url
    );
    assert_eq!(refused, failed(3, &said));
    let list = data.run(&["verify", "--url", &server.url, "--token-file", "tokens.toml"]);
    let said = "tokens.toml is not a bare token: if it is a server's tokens.toml, give the file \
                with --tokens";
    assert_eq!(list, failed(3, said));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let away = data.run(&["verify", "--url", &url, "--tokens", "tokens.toml"]);
    assert_eq!((away.code, away.out.as_str()), (3, ""));
    assert!(
        away.err.starts_with(&format!("replay-tool: {url} cannot be reached: ")),
        "{}",
        away.err
    );
    let no_tokens = data.run(&["verify", "--url", &url, "--tokens", "gone.toml"]);
    assert!(
        no_tokens.err.starts_with("replay-tool: gone.toml cannot be read: "),
        "{}",
        no_tokens.err
    );
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    use std::io;

    use replay_tool::output::Output;

    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let data = Data::new();
    let root = data.root();
    let _opening = opening();
    let (mut out, mut err) = (Gone, Vec::new());
    let args = ["replay-tool", "history", "acme", "--data", root.to_str().unwrap()];
    let exit = {
        let mut output = Output::new(&mut out, &mut err, false);
        replay_tool::run(args.iter().map(Into::into), &mut output)
    };
    assert_eq!((exit.code(), err.as_slice()), (0, &b""[..]));
}

/// Arguments that make a measurement as short as one can be.
const SHORT: [&str; 5] = ["--customers", "3", "--commands", "20", "--json"];

fn has_fields(line: &Value, fields: &[&str]) {
    for field in fields {
        assert!(line.get(field).is_some(), "{field} is missing: {line}");
    }
}

#[test]
fn a_measurement_of_commands_tells_speed_latency_disk_and_memory() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["bench", "commands", "--callers", "1,4", "--folder", "new"];
    let answer = run_in(dir.path(), &[&args[..], &SHORT].concat());
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{}", answer.out);
    let lines = lines_of_json(&answer.out);
    assert_eq!((&lines[0]["callers"], &lines[1]["callers"]), (&json!(1), &json!(4)));
    for line in &lines {
        let count = |name: &str| line[name].as_u64().unwrap();
        assert_eq!(count("done") + count("unchanged") + count("refused"), 20, "{line}");
        assert_eq!(count("commits"), 20, "what changes nothing is kept, too: {line}");
        assert!(100 < count("commit_bytes") && count("p50_us") <= count("max_us"), "{line}");
        let latency = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us", "elapsed_us"];
        has_fields(line, &latency);
        let plain = ["commands_per_second", "syncs", "group", "plain_commits_per_second"];
        has_fields(line, &plain);
        let rest =
            ["percent_of_plain", "resident_bytes", "peak_resident_bytes", "customers", "folder"];
        has_fields(line, &rest);
    }
    let table = run_in(dir.path(), &["bench", "commands", "--callers", "2", "--commands", "9"]);
    assert!(table.out.contains("callers commands/s"), "{}", table.out);
}

#[test]
fn a_measurement_of_replay_tells_both_replays() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["bench", "replay", "--commits", "30", "--customers", "3", "--json"];
    let answer = run_in(dir.path(), &args);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{}", answer.out);
    let lines = lines_of_json(&answer.out);
    assert_eq!(lines[0]["what"], "everything");
    assert!(30 <= lines[0]["commits"].as_u64().unwrap(), "{}", lines[0]);
    assert!(lines[1]["commits"].as_u64() < lines[0]["commits"].as_u64(), "{}", lines[1]);
    for line in &lines {
        has_fields(line, &["elapsed_us", "commits_per_second"]);
    }
}

#[test]
fn a_measurement_never_touches_a_folder_that_holds_something() {
    let data = Data::new();
    let before = fs::read(data.segment()).unwrap();
    for verb in ["commands", "replay"] {
        let answer = data.run(&["bench", verb, "--folder", "data"]);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""));
        let expected = "replay-tool: data is not empty: name a new folder with --folder\n";
        assert_eq!(answer.err, expected);
    }
    assert_eq!(fs::read(data.segment()).unwrap(), before);
}

#[test]
fn a_measurement_that_makes_no_sense_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "t".repeat(40)).unwrap();
    let code = |args: &[&str]| run_in(dir.path(), &[&["bench"], args].concat()).code;
    assert_eq!(code(&["commands", "--callers", "0"]), 2);
    assert_eq!(code(&["commands", "--seconds", "1", "--commands", "1"]), 2);
    assert_eq!(code(&["http", "--server", "http://127.0.0.1:1"]), 2);
    for wrong in ["127.0.0.1:8080", "https://host", "http://host/v1"] {
        let answer =
            run_in(dir.path(), &["bench", "http", "--token-file", "token", "--server", wrong]);
        assert_eq!(answer.code, 2, "{wrong}");
        assert!(answer.err.contains("write http://HOST:PORT"), "{}", answer.err);
    }
    let nobody = ["http", "--token-file", "token", "--server", "http://127.0.0.1:1"];
    assert_eq!(code(&nobody), 3);
}
