//! The command path: one outcome per command, whatever happens between.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fixtures;

use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::customer::{
    Command, Customer, GrantDelegatedAdmin, ImportCatalogue, Purchase, Renew, RevokeDelegatedAdmin,
    ScheduleRenewalQuantity,
};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, OfferId, Reason, Role, StreamId, SubscriptionId,
};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Outcome, Request};
use ledger_core::snapshot::Snapshots;
use ledger_core::store::CommitLog;
use ledger_core::store::memory::MemoryLog;
use ledger_core::store::segment::{SegmentLog, SegmentOptions};

use crate::fixtures::{add_seats, import, purchase, register};

/// Keeps no customer in memory once nobody uses it.
const FORGETFUL: LedgerOptions =
    LedgerOptions { cache_bytes: 0, in_flight_max: 4096, snapshots: None };

fn acme() -> StreamId {
    StreamId::Customer(CustomerId::try_new("acme").unwrap())
}

fn request(id: &str, command: Command) -> Request {
    Request {
        stream: acme(),
        command,
        command_id: CommandId::try_new(id).unwrap(),
        actor: Actor { id: ActorId::try_new("someone").unwrap(), role: Role::Operator },
        reason: Reason::try_new("test").unwrap(),
        now: "2024-03-01T09:00:00.5Z".parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    }
}

/// A ledger with one customer that has ten seats of E3: two commits.
async fn with_ten_seats<L: CommitLog>(log: L, journal: L) -> Arc<Ledger<L>> {
    let ledger = Ledger::open(log, journal, FORGETFUL).await.unwrap();
    let import = request("import", import());
    previewed_then_executed(&ledger, Request { stream: StreamId::Catalogue, ..import }).await;
    previewed_then_executed(&ledger, request("register", register())).await;
    previewed_then_executed(&ledger, request("purchase", purchase(10))).await;
    Arc::new(ledger)
}

/// Carries a command out; what its preview said is what happens, in streams that are new, too.
async fn previewed_then_executed<L: CommitLog>(ledger: &Ledger<L>, request: Request) {
    let preview = ledger.preview(request.clone()).await.unwrap();
    let recorded = ledger.execute(request).await.unwrap().recorded.unwrap();
    assert_eq!(preview.events, recorded.events);
    assert_eq!(preview.charge_lines, recorded.charge_lines().unwrap());
}

async fn in_memory() -> Arc<Ledger<MemoryLog>> {
    with_ten_seats(MemoryLog::default(), MemoryLog::default()).await
}

async fn quantity<L: CommitLog>(ledger: &Ledger<L>) -> (u32, u64) {
    let customer = acme().customer().unwrap().clone();
    let (customer, version) = ledger.customer(&customer).await.unwrap().unwrap();
    (customer.subscriptions.values().next().unwrap().quantity, version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_twice_at_once_makes_one_event_and_one_answer() {
    let ledger = in_memory().await;
    let twice = join_all((0..2).map(|_| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move { ledger.execute(request("add", add_seats(5))).await.unwrap() })
    }));
    let outcomes: Vec<Outcome> = twice.await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes[0].recorded, outcomes[1].recorded);
    assert_ne!(outcomes[0].hit, outcomes[1].hit, "one of them is the repetition");
    assert_eq!(quantity(&ledger).await, (15, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_commands_at_once_are_carried_out_once_each() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name| SegmentLog::open(&dir.path().join(name), SegmentOptions::default()).unwrap();
    let ledger = with_ten_seats(open("log"), open("journal")).await;
    let all = join_all((0..64).map(|number| {
        let ledger = Arc::clone(&ledger);
        let request = request(&format!("add-{number}"), add_seats(1));
        tokio::spawn(async move { ledger.execute(request).await.unwrap().version })
    }));
    let mut versions: Vec<u64> = all.await.into_iter().map(Result::unwrap).collect();
    versions.sort_unstable();
    assert_eq!(versions, (3..67).collect::<Vec<u64>>());
    assert_eq!(quantity(&ledger).await, (74, 66));
}

/// Two ledgers on one log, as two processes have it on a clustered one.
#[tokio::test]
async fn another_writer_is_noticed_and_the_decision_made_again() {
    let (log, journal) = (MemoryLog::default(), MemoryLog::default());
    let one = with_ten_seats(log.clone(), journal.clone()).await;
    let other = Ledger::open(log, journal, FORGETFUL).await.unwrap();
    for round in 0..4_u32 {
        let ours = one.execute(request(&format!("one-{round}"), add_seats(1))).await.unwrap();
        let theirs = other.execute(request(&format!("other-{round}"), add_seats(1))).await.unwrap();
        assert_eq!(theirs.version, ours.version + 1);
    }
    assert_eq!(quantity(&one).await, (18, 10));
    let repeated = other.execute(request("one-0", add_seats(1))).await.unwrap();
    assert!(repeated.hit, "the other ledger's answer is found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_that_race_on_one_log_lose_and_double_nothing() {
    let (log, journal) = (MemoryLog::default(), MemoryLog::default());
    let one = with_ten_seats(log.clone(), journal.clone()).await;
    let other = Arc::new(Ledger::open(log, journal, FORGETFUL).await.unwrap());
    let racers = [("one", Arc::clone(&one)), ("other", other)].map(|(name, ledger)| {
        tokio::spawn(async move {
            for number in 0..200 {
                let request = request(&format!("{name}-{number}"), add_seats(1));
                // Busy means that nothing was written: the same command is sent again.
                while let Err(err) = ledger.execute(request.clone()).await {
                    assert!(matches!(err, ExecuteError::Busy), "{err:?}");
                }
                let refused = self::request(&format!("{name}-zero-{number}"), add_seats(0));
                let mut refusal = ledger.execute(refused.clone()).await;
                while matches!(refusal, Err(ExecuteError::Busy)) {
                    refusal = ledger.execute(refused.clone()).await;
                }
                assert!(matches!(refusal, Err(ExecuteError::Refused { .. })), "{refusal:?}");
            }
        })
    });
    join_all(racers).await.into_iter().for_each(Result::unwrap);
    assert_eq!(quantity(&one).await, (410, 402));
    assert_eq!(one.refusals(&acme()).await.unwrap().len(), 400, "each refusal once");
}

#[tokio::test]
async fn the_same_id_with_another_command_names_the_field_that_differs() {
    let ledger = in_memory().await;
    ledger.execute(request("add", add_seats(5))).await.unwrap();
    let reused = ledger.execute(request("add", add_seats(6))).await;
    assert!(
        matches!(&reused, Err(ExecuteError::CommandIdReused { field }) if field == "seats"),
        "{reused:?}"
    );
    assert_eq!(quantity(&ledger).await, (15, 3));
}

#[tokio::test]
async fn a_refusal_is_kept_and_answered_again_even_when_it_would_succeed_by_then() {
    let ledger = in_memory().await;
    let too_many = |now: &str| Request {
        now: now.parse().unwrap(),
        ..request(
            "schedule",
            Command::Purchase(Purchase::new(
                SubscriptionId::try_new("s1").unwrap(),
                OfferId::try_new("office-365-e3").unwrap(),
                TermDuration::P1Y,
                BillingCycle::Annual,
                1,
            )),
        )
    };
    let first = ledger.execute(too_many("2024-03-01T10:00:00Z")).await;
    assert!(matches!(&first, Err(ExecuteError::Refused { hit: false, .. })), "{first:?}");
    let again = ledger.execute(too_many("2024-03-02T10:00:00Z")).await;
    assert!(matches!(&again, Err(ExecuteError::Refused { hit: true, .. })), "{again:?}");
    let refusals = ledger.refusals(&acme()).await.unwrap();
    let codes: Vec<&str> =
        refusals.iter().map(|(_, r)| r.as_ref().unwrap().code.as_str()).collect();
    assert_eq!(codes, ["SUBSCRIPTION_EXISTS"]);
    assert_eq!(quantity(&ledger).await, (10, 2));
}

#[tokio::test]
async fn a_command_without_effect_is_answered_the_same_again() {
    let ledger = in_memory().await;
    let revoke = || request("revoke", Command::RevokeDelegatedAdmin(RevokeDelegatedAdmin {}));
    let first = ledger.execute(revoke()).await.unwrap();
    assert_eq!((first.version, first.recorded, first.hit), (2, None, false));
    let grant = request(
        "grant",
        Command::GrantDelegatedAdmin(GrantDelegatedAdmin { services: None, days: None }),
    );
    assert_eq!(ledger.execute(grant).await.unwrap().version, 3);
    let again = ledger.execute(revoke()).await.unwrap();
    assert_eq!((again.version, again.recorded, again.hit), (2, None, true));
    let customer = acme().customer().unwrap().clone();
    assert!(ledger.customer(&customer).await.unwrap().unwrap().0.delegated_admin.is_some());
}

#[tokio::test]
async fn a_renewal_that_was_refused_is_decided_anew() {
    let ledger = in_memory().await;
    let renew = |now: &str| {
        let renew = Renew {
            subscription: SubscriptionId::try_new("s1").unwrap(),
            term_end: "2025-02-28".parse().unwrap(),
        };
        let actor = Actor { id: ActorId::try_new("scheduler").unwrap(), role: Role::Scheduler };
        let now = now.parse().unwrap();
        Request { actor, now, ..request("renew/s1/2025-02-28", Command::Renew(renew)) }
    };
    let early = ledger.execute(renew("2025-02-28T23:59:59.999Z")).await;
    assert!(matches!(&early, Err(ExecuteError::Refused { hit: false, .. })), "{early:?}");
    assert!(!ledger.execute(renew("2025-03-01T00:00:00Z")).await.unwrap().hit);
    assert!(ledger.execute(renew("2025-03-02T00:00:00Z")).await.unwrap().hit);
}

#[tokio::test]
async fn a_catalogue_version_stands_for_one_content() {
    let ledger = in_memory().await;
    let import = |id, change: fn(&mut Catalogue)| {
        let mut catalogue: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
        change(&mut catalogue);
        let import = request(id, Command::ImportCatalogue(ImportCatalogue { catalogue }));
        ledger.execute(Request { stream: StreamId::Catalogue, ..import })
    };
    let same = import("again", |_| {}).await.unwrap();
    assert_eq!(same.recorded, None, "it is there already");
    let other = import("other", |catalogue| catalogue.programmes.clear()).await;
    let Err(ExecuteError::Refused { refusal, .. }) = other else { panic!("{other:?}") };
    assert_eq!(
        refusal.message,
        "the catalogue has 2 problem(s): there are no programmes; \
         version \"seeds-2\" was imported before as something else: choose another name"
    );
}

#[tokio::test]
async fn an_import_whose_caller_went_away_is_in_force() {
    let (log, journal) = (MemoryLog::default(), MemoryLog::default());
    let ledger = Ledger::open(log.clone(), journal.clone(), FORGETFUL).await.unwrap();
    // Another ledger on the same log stands for an append whose answer nobody waited for.
    drop(with_ten_seats(log, journal).await);
    let added = ledger.execute(request("add", add_seats(5))).await.unwrap();
    assert_eq!(added.version, 3);
    assert_eq!(ledger.catalogues().iter().count(), 1);
}

#[tokio::test]
async fn a_command_that_met_a_renewal_is_carried_out_when_it_is_sent_again() {
    let ledger = in_memory().await;
    let now = "2025-03-01T00:00:00Z".parse().unwrap();
    let add = || Request { now, ..request("add", add_seats(5)) };
    let pending = ledger.execute(add()).await;
    let Err(ExecuteError::Refused { refusal, .. }) = pending else { panic!("{pending:?}") };
    assert_eq!(refusal.code, "RENEWAL_PENDING");
    let renew = Command::Renew(Renew {
        subscription: SubscriptionId::try_new("s1").unwrap(),
        term_end: "2025-02-28".parse().unwrap(),
    });
    let actor = Actor { id: ActorId::try_new("scheduler").unwrap(), role: Role::Scheduler };
    ledger.execute(Request { actor, now, ..request("renew", renew) }).await.unwrap();
    assert!(!ledger.execute(add()).await.unwrap().hit);
    assert!(ledger.execute(add()).await.unwrap().hit);
    assert_eq!(ledger.refusals(&acme()).await.unwrap().len(), 1, "support sees it all the same");
}

#[tokio::test]
async fn what_was_refused_before_a_customer_existed_is_not_its_own() {
    let ledger = in_memory().await;
    let globex = StreamId::Customer(CustomerId::try_new("globex").unwrap());
    let early = Request { stream: globex.clone(), ..request("early", add_seats(5)) };
    assert!(ledger.execute(early).await.is_err());
    assert!(ledger.refusals(&globex).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_id_of_another_actor_is_another_command() {
    let ledger = in_memory().await;
    ledger.execute(request("add", add_seats(5))).await.unwrap();
    let actor = Actor { id: ActorId::try_new("other").unwrap(), role: Role::Operator };
    let reused = ledger.execute(Request { actor, ..request("add", add_seats(5)) }).await;
    assert!(
        matches!(&reused, Err(ExecuteError::CommandIdReused { field }) if field == "actor"),
        "{reused:?}"
    );
}

#[tokio::test]
async fn a_preview_of_what_was_done_under_the_same_id_does_nothing_more() {
    let ledger = in_memory().await;
    ledger.execute(request("add", add_seats(5))).await.unwrap();
    let again = ledger.preview(request("add", add_seats(5))).await.unwrap();
    assert_eq!(again.events, []);
    assert_eq!(again.customer.unwrap().subscriptions.values().next().unwrap().quantity, 15);
}

#[tokio::test]
async fn a_version_that_has_moved_on_is_refused_before_the_rules() {
    let ledger = in_memory().await;
    let stale = Request { expected_version: Some(1), ..request("add", add_seats(0)) };
    let stale = ledger.execute(stale).await;
    let differs = Err::<(), _>(ExecuteError::VersionDiffers { expected: 1, actual: 2 });
    assert_eq!(format!("{:?}", stale.map(|_| ())), format!("{differs:?}"));
    let seen = Request { expected_version: Some(2), ..request("add", add_seats(5)) };
    assert_eq!(ledger.execute(seen.clone()).await.unwrap().version, 3);
    assert!(ledger.execute(seen).await.unwrap().hit, "a repetition comes before the version");
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_reorder_a_history() {
    let ledger = in_memory().await;
    let earlier = "2023-01-01T00:00:00Z".parse().unwrap();
    let add = Request { now: earlier, ..request("add", add_seats(5)) };
    let outcome = ledger.execute(add).await.unwrap();
    let recorded_at = outcome.recorded.unwrap().commit().recorded_at;
    assert_eq!(recorded_at.to_rfc3339(), "2024-03-01T09:00:00.500+00:00");
}

#[tokio::test]
async fn time_does_not_run_behind_what_was_recorded_for_anybody() {
    let (log, journal) = (MemoryLog::default(), MemoryLog::default());
    drop(with_ten_seats(log.clone(), journal.clone()).await);
    let ledger = Ledger::open(log, journal, FORGETFUL).await.unwrap();
    let latest = ledger.latest().unwrap();
    assert_eq!(latest.to_rfc3339(), "2024-03-01T09:00:00.500+00:00");
    let earlier = "2023-01-01T00:00:00Z".parse().unwrap();
    let other = StreamId::Customer(CustomerId::try_new("other").unwrap());
    let register = Request { stream: other, now: earlier, ..request("other", register()) };
    let recorded = ledger.execute(register).await.unwrap().recorded.unwrap();
    assert_eq!(recorded.commit().recorded_at, latest);
}

#[tokio::test]
async fn the_same_id_with_another_reason_is_another_command() {
    let ledger = in_memory().await;
    ledger.execute(request("add", add_seats(5))).await.unwrap();
    let reason = Reason::try_new("another").unwrap();
    let reused = ledger.execute(Request { reason, ..request("add", add_seats(5)) }).await;
    assert!(
        matches!(&reused, Err(ExecuteError::CommandIdReused { field }) if field == "reason"),
        "{reused:?}"
    );
}

#[tokio::test]
async fn everything_is_there_after_the_log_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name| SegmentLog::open(&dir.path().join(name), SegmentOptions::default()).unwrap();
    let ledger = with_ten_seats(open("log"), open("journal")).await;
    let first = ledger.execute(request("add", add_seats(5))).await.unwrap();
    drop(ledger);
    let ledger = Ledger::open(open("log"), open("journal"), FORGETFUL).await.unwrap();
    assert_eq!(quantity(&ledger).await, (15, 3));
    let again = ledger.execute(request("add", add_seats(5))).await.unwrap();
    assert!(again.hit);
    assert_eq!(again.recorded, first.recorded);
}

/// A log in a folder, with snapshots beside it.
async fn with_snapshots(dir: &Path) -> (Arc<Ledger<SegmentLog>>, Arc<Snapshots>) {
    let open = |name| SegmentLog::open(&dir.join(name), SegmentOptions::default()).unwrap();
    let snapshots = Arc::new(Snapshots::open(&dir.join("snapshots"), [7; 16]).await);
    let options = LedgerOptions { snapshots: Some(Arc::clone(&snapshots)), ..FORGETFUL };
    let ledger = Ledger::open(open("log"), open("journal"), options).await.unwrap();
    (Arc::new(ledger), snapshots)
}

/// Changes a customer often enough to be worth a snapshot, with some refusals in between.
async fn with_a_long_history(dir: &Path, ids: &str) -> (Customer, u64) {
    let open = |name| SegmentLog::open(&dir.join(name), SegmentOptions::default()).unwrap();
    drop(with_ten_seats(open("log"), open("journal")).await);
    let (ledger, snapshots) = with_snapshots(dir).await;
    for number in 0..600 {
        let plan = Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity {
            subscription: SubscriptionId::try_new("s1").unwrap(),
            quantity: 11 + number % 2,
        });
        ledger.execute(request(&format!("{ids}-{number}"), plan)).await.unwrap();
        if number % 100 == 0 {
            let none = ledger.execute(request(&format!("none-{number}"), add_seats(0))).await;
            assert!(matches!(none, Err(ExecuteError::Refused { hit: false, .. })), "{none:?}");
        }
    }
    let customer = ledger.customer(acme().customer().unwrap()).await.unwrap().unwrap();
    drop(ledger);
    snapshots.close();
    assert_eq!(snapshots.stats().stored, 1);
    customer
}

#[tokio::test]
async fn a_customer_from_a_snapshot_is_the_one_from_its_whole_history() {
    let dir = tempfile::tempdir().unwrap();
    let before = with_a_long_history(dir.path(), "plan").await;
    let (ledger, snapshots) = with_snapshots(dir.path()).await;
    let after = ledger.customer(acme().customer().unwrap()).await.unwrap().unwrap();
    assert_eq!(after, before);
    assert_eq!((snapshots.stats().hits, snapshots.stats().misses), (1, 0));
    let first = ledger.execute(request("none-0", add_seats(0))).await;
    assert!(matches!(first, Err(ExecuteError::Refused { hit: true, .. })), "{first:?}");
    assert!(ledger.execute(request("add", add_seats(1))).await.unwrap().version == before.1 + 1);
    let reused = ledger.execute(request("plan-7", add_seats(1))).await;
    assert!(matches!(reused, Err(ExecuteError::CommandIdReused { .. })), "{reused:?}");
}

#[tokio::test]
async fn a_snapshot_of_another_history_is_not_used() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_a_long_history(dir.path(), "plan").await;
    let expected = with_a_long_history(other.path(), "other").await;
    for name in ["log", "journal"] {
        std::fs::remove_dir_all(dir.path().join(name)).unwrap();
        std::fs::rename(other.path().join(name), dir.path().join(name)).unwrap();
    }
    let (ledger, snapshots) = with_snapshots(dir.path()).await;
    let found = ledger.customer(acme().customer().unwrap()).await.unwrap().unwrap();
    assert_eq!(found, expected);
    assert_eq!(snapshots.stats().hits, 1, "there is one, but it does not fit");
    assert!(!ledger.execute(request("plan-7", add_seats(1))).await.unwrap().hit);
}
