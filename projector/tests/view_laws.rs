//! The laws of views: equal commits, equal bytes, wherever they stop and go on.

#![expect(clippy::unwrap_used, reason = "a failure is the end of the test")]

mod scenario;

use std::fs;
use std::path::Path;

use ledger_core::billing::Books;
use ledger_core::charges::ChargeType;
use ledger_core::commit::{Commit, EncodedEvent, Hash, SealedCommit};
use ledger_core::ids::{Actor, ActorId, CommandId, Reason, Role, StreamId};
use ledger_core::store::CommitLog;
use ledger_core::store::memory::MemoryLog;
use projector::pump::{PumpError, catch_up, rebuild, run_views};
use projector::view_store::{
    AuditFilter, DumpEntry, Paging, ViewStore, ViewStoreError, ViewsStatus,
};
use scenario::{Scenario, customer};
use tempfile::TempDir;
use tokio::sync::watch;

const ALL: Paging = Paging { after: None, limit: usize::MAX };

async fn rebuilt(log: &MemoryLog) -> (TempDir, ViewStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = rebuild(log, &dir.path().join("views"), &mut |_, _| {}).await.unwrap();
    (dir, store)
}

async fn expected(log: &MemoryLog) -> Vec<DumpEntry> {
    let (_dir, store) = rebuilt(log).await;
    store.dump().unwrap()
}

async fn catch_up_to(log: &MemoryLog, store: &ViewStore, until: u64) -> u64 {
    catch_up(log, store, until, &mut |_, _| {}).await.unwrap()
}

#[tokio::test]
async fn stopping_anywhere_and_going_on_gives_the_same_bytes() {
    let log = Scenario::full().await.log();
    let expected = expected(&log).await;
    let dir = tempfile::tempdir().unwrap();
    let views = dir.path().join("views");
    for position in 1..=log.durable_position() {
        let store = ViewStore::open(&views, &log).await.unwrap();
        assert_eq!(store.position(), position - 1);
        assert_eq!(catch_up_to(&log, &store, position).await, position);
        store.close().unwrap();
    }
    let store = ViewStore::open(&views, &log).await.unwrap();
    assert_eq!(store.dump().unwrap(), expected);
    assert!(!dir.path().join("views.damaged-1").exists());
}

#[tokio::test]
async fn a_kill_at_any_position_repeats_and_never_skips() {
    let log = Scenario::full().await.log();
    let expected = expected(&log).await;
    let dir = tempfile::tempdir().unwrap();
    let live = ViewStore::open(&dir.path().join("live"), &log).await.unwrap();
    for position in 1..=log.durable_position() {
        catch_up_to(&log, &live, position).await;
        let killed = dir.path().join(format!("killed-{position}"));
        copy(&dir.path().join("live"), &killed);
        let store = ViewStore::open(&killed, &log).await.unwrap();
        assert!(store.position() <= position);
        catch_up_to(&log, &store, u64::MAX).await;
        assert_eq!(store.dump().unwrap(), expected, "killed at {position}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn live_views_follow_the_log_and_can_be_waited_for() {
    let mut scenario = Scenario::new().await;
    let dir = tempfile::tempdir().unwrap();
    let store = ViewStore::open(&dir.path().join("views"), &scenario.log()).await.unwrap();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(run_views(scenario.log(), store.clone(), shutdown));
    scenario.register("a", "nce").await;
    scenario.purchase("a", "s-1", "office-365-business", 4).await;
    store.wait_for(scenario.end()).await.unwrap();
    assert_eq!(store.customer(&customer("a")).unwrap().unwrap().seats, 4);
    scenario.add_seats("a", "2026-01-06T08:00:00Z", "s-1", 3).await;
    store.wait_for(scenario.end()).await.unwrap();
    assert_eq!(store.customer(&customer("a")).unwrap().unwrap().seats, 7);
    assert_eq!(store.dump().unwrap(), expected(&scenario.log()).await);
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
    let late = store.wait_for(scenario.end() + 1).await;
    assert!(matches!(late, Err(ViewStoreError::Stopped(_))));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_the_views_after_what_came_before() {
    let scenario = Scenario::full().await;
    let (log, end) = (scenario.log(), scenario.end());
    log.append_commit(unreadable()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = ViewStore::open(&dir.path().join("views"), &log).await.unwrap();
    let (_stop, shutdown) = watch::channel(false);
    let err = run_views(log, store.clone(), shutdown).await.unwrap_err();
    assert!(matches!(&err, PumpError::Undecodable { position, .. } if *position == end + 1));
    let failure = format!(
        "position {} (customer/odd version 1) holds an event that cannot be read: \
         event Teleported with schema 1 is unknown to this version",
        end + 1
    );
    assert_eq!(*store.status().borrow(), ViewsStatus { position: end, failure: Some(failure) });
    assert!(matches!(store.wait_for(end + 1).await, Err(ViewStoreError::Stopped(_))));
}

fn unreadable() -> SealedCommit {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    SealedCommit::seal(Commit {
        stream: StreamId::Customer(customer("odd")),
        version: 1,
        previous: Hash::ZERO,
        recorded_at: at,
        effective_at: at,
        actor: Actor { id: ActorId::try_new("u-1").unwrap(), role: Role::Operator },
        command_id: CommandId::try_new("cmd").unwrap(),
        request_hash: Hash::of(b"{}"),
        request: b"{}".to_vec(),
        reason: Reason::try_new("none").unwrap(),
        correlation_id: None,
        causation_id: None,
        codec: ledger_core::codec::CODEC.to_owned(),
        events: vec![EncodedEvent { name: "Teleported".to_owned(), schema: 1, bytes: vec![] }],
    })
    .unwrap()
}

#[tokio::test]
async fn a_new_folder_is_demanded_for_a_rebuild() {
    let log = MemoryLog::new();
    let dir = tempfile::tempdir().unwrap();
    let err = rebuild(&log, dir.path(), &mut |_, _| {}).await.unwrap_err();
    assert!(matches!(err, PumpError::NotNew(_)));
}

#[tokio::test]
async fn every_quantity_change_is_audited() {
    let log = Scenario::full().await.log();
    let (_dir, store) = rebuilt(&log).await;
    let audit = async |id: &str| {
        let page = store.audit(&log, &customer(id), &AuditFilter::default(), &ALL).await.unwrap();
        let lines = page.items.into_iter().map(|line| {
            (line.cause, line.subscription.to_string(), line.from, line.to, line.delta)
        });
        lines.collect::<Vec<_>>()
    };
    let line = |cause: &str, subscription: &str, from, to, delta| {
        (cause.to_owned(), subscription.to_owned(), from, to, delta)
    };
    assert_eq!(
        audit("a").await,
        [
            line("SubscriptionPurchased", "s-1", 0, 10, 10),
            line("SeatsAdded", "s-1", 10, 12, 2),
            line("SubscriptionUpgraded", "s-1", 12, 0, -12),
            line("SubscriptionUpgraded", "s-1", 0, 12, 12),
        ]
    );
    assert_eq!(
        audit("a-b").await,
        [
            line("SubscriptionPurchased", "s-1", 0, 5, 5),
            line("SubscriptionPurchased", "s-2", 0, 3, 3),
            line("SeatsRemoved", "s-1", 5, 1, -4),
            line("SubscriptionUpgraded", "s-2", 3, 2, -1),
            line("SubscriptionUpgraded", "s-1", 1, 2, 1),
            line("SubscriptionUpgraded", "s-2", 2, 1, -1),
            line("SubscriptionUpgraded", "s-3", 0, 1, 1),
            line("SubscriptionCancelled", "s-2", 1, 0, -1),
            line("SubscriptionRenewed", "s-1", 2, 7, 5),
        ]
    );
    assert_eq!(audit("many").await.last(), Some(&line("SubscriptionDisabled", "s-1", 21, 0, -21)));
}

#[tokio::test]
async fn pages_join_to_the_whole_list() {
    let log = Scenario::full().await.log();
    let (_dir, store) = rebuilt(&log).await;
    let many = customer("many");
    let books = Books::default();
    let today = "2099-01-01".parse().unwrap();
    let whole = store.charges(&log, &many, (&books, today), &ALL).await.unwrap();
    // 41 by events, and the 11 further charge cycles of a year that is paid by the month.
    let cycles = whole.items.iter().filter(|line| line.charge_type == ChargeType::CycleCharge);
    assert_eq!((cycles.count(), whole.items.len(), whole.next), (11, 52, None));
    let (mut joined, mut after) = (Vec::new(), None);
    loop {
        let paging = Paging { after, limit: 10 };
        let page = store.charges(&log, &many, (&books, today), &paging).await.unwrap();
        joined.extend(page.items);
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(joined, whole.items);
    let wrong = Paging { after: Some("a/b".to_owned()), limit: 1 };
    let refused = store.charges(&log, &many, (&books, today), &wrong).await;
    assert!(matches!(refused, Err(ViewStoreError::NotACursor(_))));
    let of_none = AuditFilter { subscription: Some("s-9".parse().unwrap()) };
    assert_eq!(store.audit(&log, &many, &of_none, &ALL).await.unwrap().items, []);
}

#[tokio::test]
async fn what_happened_after_the_last_commit_in_the_views_is_not_told() {
    let log = Scenario::full().await.log();
    let dir = tempfile::tempdir().unwrap();
    let store = ViewStore::open(&dir.path().join("views"), &log).await.unwrap();
    let ids = ["a", "a-b", "many"].map(customer);
    let (books, today) = (Books::default(), "2099-01-01".parse().unwrap());
    for position in 0..=log.durable_position() {
        catch_up_to(&log, &store, position).await;
        let all = store.last_changes(&log, None, usize::MAX).await.unwrap();
        assert!(all.iter().all(|change| change.position <= position));
        for id in &ids {
            let of: Vec<_> = all.iter().filter(|change| change.customer == *id).cloned().collect();
            assert_eq!(store.last_changes(&log, Some(id), usize::MAX).await.unwrap(), of);
            let audit = store.audit(&log, id, &AuditFilter::default(), &ALL).await.unwrap().items;
            let changed = of.iter().map(|change| change.quantities.len()).sum::<usize>();
            assert_eq!(audit.len(), changed, "{id} at {position}");
            let billed = (&books, today);
            let charges = store.charges(&log, id, billed, &ALL).await.unwrap().items;
            assert!(charges.iter().all(|charge| charge.position <= position));
        }
    }
    assert!(!store.last_changes(&log, Some(&ids[0]), 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn licences_show_seats_use_and_shortfall() {
    let log = Scenario::full().await.log();
    let (dir, store) = rebuilt(&log).await;
    let licences = |store: &ViewStore, id: &str| {
        let counts = store.licences(&customer(id)).unwrap().into_iter().map(|licence| {
            let counts = (licence.valid, licence.assigned, licence.available, licence.shortfall);
            (licence.offer.to_string(), counts)
        });
        counts.collect::<Vec<_>>()
    };
    let premium = "office-365-business-premium".to_owned();
    assert_eq!(licences(&store, "a"), [(premium.clone(), (12, 0, 12, 0))]);
    assert_eq!(licences(&store, "a-b"), [(premium.clone(), (8, 2, 6, 0))]);
    assert_eq!(licences(&store, "many"), []);

    let changes = store.last_changes(&log, None, usize::MAX).await.unwrap();
    let unassigned = changes.iter().find(|change| change.command == "UnassignLicence").unwrap();
    let earlier = ViewStore::open(&dir.path().join("earlier"), &log).await.unwrap();
    catch_up_to(&log, &earlier, unassigned.position).await;
    let business = ("office-365-business".to_owned(), (3, 0, 3, 0));
    assert_eq!(licences(&earlier, "a-b"), [business, (premium, (1, 2, 0, 1))]);
}

#[tokio::test]
async fn what_is_due_comes_in_the_order_of_time() {
    let log = Scenario::full().await.log();
    let dir = tempfile::tempdir().unwrap();
    let store = ViewStore::open(&dir.path().join("views"), &log).await.unwrap();
    catch_up_to(&log, &store, log.durable_position() - 2).await;
    let due = |until: &str| {
        let due = store
            .due(until.parse().unwrap())
            .unwrap()
            .into_iter()
            .map(|due| format!("{} {}", due.customer, due.command_id));
        due.collect::<Vec<_>>()
    };
    let (of_a, s_3) = ("a renew/s-1/2027-01-04", "a-b renew/s-3/2027-01-04");
    let first = ["a-b renew/s-1/2027-01-04", s_3, of_a];
    assert_eq!(due("2027-01-04T23:59:59.999Z"), [""; 0]);
    assert_eq!(due("2027-01-05T00:00:00Z"), first);
    assert_eq!(due("2030-01-01T00:00:00Z"), [&first[..], &["many expire/s-1/2027-04-01"]].concat());
    assert_eq!(store.all_due(1).unwrap()[0].due_at.to_rfc3339(), "2027-01-05T00:00:00+00:00");
    catch_up_to(&log, &store, u64::MAX).await;
    let deleted = "many delete/s-1/2027-07-01T00:00:00Z";
    let left = [s_3, of_a, deleted, "a-b renew/s-1/2028-01-04"];
    assert_eq!(due("2030-01-01T00:00:00Z"), left);
    assert_eq!(store.all_due(1).unwrap().len(), 1);
}

#[tokio::test]
async fn last_changes_are_newest_first() {
    let scenario = Scenario::full().await;
    let log = scenario.log();
    let (_dir, store) = rebuilt(&log).await;
    let commands = async |id: Option<&str>, limit| {
        let id = id.map(customer);
        let changes = store.last_changes(&log, id.as_ref(), limit).await.unwrap();
        changes.into_iter().map(|change| change.command).collect::<Vec<_>>()
    };
    assert_eq!(commands(None, 3).await, ["Expire", "Renew", "SetEndOfTermAction"]);
    assert_eq!(commands(Some("a"), 2).await, ["Upgrade", "AddSeats"]);
    let all = store.last_changes(&log, None, usize::MAX).await.unwrap();
    let of_customers = usize::try_from(scenario.end() - 1).unwrap();
    assert_eq!(all.len(), of_customers, "all but the catalogue's");
    assert!(all.iter().rev().map(|change| change.position).is_sorted());
}

#[tokio::test]
async fn a_last_change_tells_every_quantity_before_and_after() {
    let log = Scenario::full().await.log();
    let (_dir, store) = rebuilt(&log).await;
    let quantities = async |id: &str| {
        let id = customer(id);
        let changes = store.last_changes(&log, Some(&id), usize::MAX).await.unwrap();
        let lines = changes.into_iter().rev().filter(|change| !change.quantities.is_empty());
        let lines = lines.map(|change| {
            let quantities = change.quantities.iter();
            let lines =
                quantities.map(|q| format!("{} {} {}-{}", q.subscription, q.offer, q.from, q.to));
            format!("{}: {}", change.command, lines.collect::<Vec<_>>().join(", "))
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(
        quantities("a").await,
        [
            "Purchase: s-1 office-365-business 0-10",
            "AddSeats: s-1 office-365-business 10-12",
            "Upgrade: s-1 office-365-business 12-0, s-1 office-365-business-premium 0-12",
        ]
    );
    assert_eq!(
        quantities("a-b").await.last().unwrap(),
        "Renew: s-1 office-365-business-premium 2-7"
    );
}

#[tokio::test]
async fn a_customer_is_not_mixed_with_one_whose_id_begins_like_it() {
    let (_dir, store) = rebuilt(&Scenario::full().await.log()).await;
    let subscriptions = store.subscriptions(&customer("a")).unwrap();
    assert!(subscriptions.iter().all(|document| document.customer == customer("a")));
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(store.subscriptions(&customer("a-b")).unwrap().len(), 3);
    assert_eq!(store.customers().unwrap().len(), 3);
    let s_1 = store.subscription(&customer("a-b"), &"s-1".parse().unwrap()).unwrap().unwrap();
    assert_eq!((s_1.quantity, &s_1.scheduled), (7, &None));
    assert_eq!(store.subscription(&customer("a"), &"s-9".parse().unwrap()).unwrap(), None);
}

#[tokio::test]
async fn views_of_another_log_are_set_aside() {
    let (log, mut other) = (Scenario::full().await.log(), Scenario::new().await);
    let dir = tempfile::tempdir().unwrap();
    let views = dir.path().join("views");
    let store = ViewStore::open(&views, &log).await.unwrap();
    catch_up_to(&log, &store, u64::MAX).await;
    drop(store);

    // Shorter than the views' cursor.
    other.register("x", "nce").await;
    let store = ViewStore::open(&views, &other.log()).await.unwrap();
    assert_eq!(store.position(), 0);
    assert!(dir.path().join("views.damaged-1").is_dir());
    catch_up_to(&other.log(), &store, u64::MAX).await;
    drop(store);

    // As long, but another commit at the cursor.
    let store = ViewStore::open(&views, &log).await.unwrap();
    assert_eq!(store.position(), 0);
    assert!(dir.path().join("views.damaged-2").is_dir());
}

#[tokio::test]
async fn views_in_use_are_refused_and_left_alone() {
    let log = Scenario::new().await.log();
    let dir = tempfile::tempdir().unwrap();
    let views = dir.path().join("views");
    let store = ViewStore::open(&views, &log).await.unwrap();
    assert!(matches!(ViewStore::open(&views, &log).await, Err(ViewStoreError::Locked(_))));
    catch_up_to(&log, &store, u64::MAX).await;
    store.close().unwrap();
    assert!(matches!(store.customers(), Err(ViewStoreError::Closed)));
    assert!(!dir.path().join("views.damaged-1").exists());
}
