//! Commands of one customer that follow each other while the disk is busy.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fixtures;

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, join};
use ledger_core::customer::{Cancel, Command};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId, SubscriptionId,
};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Outcome, Request};
use ledger_core::store::StoreError;
use ledger_core::store::segment::simulated::{Faults, SimulatedDisk};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};

use crate::fixtures::{add_seats, import, purchase, register};

type Answer = BoxFuture<'static, Result<Outcome, ExecuteError>>;

/// A ledger on a disk that writes only when told to, with a customer that has ten seats: two commits.
struct World {
    disk: SimulatedDisk,
    ledger: &'static Ledger<SegmentLog>,
}

impl World {
    fn new(options: LedgerOptions) -> Self {
        let disk = SimulatedDisk::new(1);
        let open = |dir| disk.open_stepped_log(Path::new(dir), SegmentOptions::default()).unwrap();
        let ledger = Ledger::open(open("/log"), open("/journal"), options);
        let ledger = ledger.now_or_never().unwrap().unwrap();
        let world = Self { disk, ledger: Box::leak(Box::new(ledger)) };
        for request in [
            Request { stream: StreamId::Catalogue, ..request("import", import()) },
            request("register", register()),
            request("purchase", purchase(10)),
        ] {
            let mut answer = world.send(request);
            world.write();
            answer.as_mut().now_or_never().unwrap().unwrap();
        }
        world
    }

    /// Sends a command and lets it go as far as it gets without the disk.
    fn send(&self, request: Request) -> Answer {
        let mut answer = self.ledger.execute(request).boxed();
        if let Some(answered) = answer.as_mut().now_or_never() {
            return futures::future::ready(answered).boxed();
        }
        answer
    }

    fn add(&self, id: &str, seats: u32) -> Answer {
        self.send(request(id, add_seats(seats)))
    }

    /// Writes the group that waits in the log.
    fn write(&self) {
        assert!(self.ledger.log().step(), "something waits for the disk");
    }

    fn write_journal(&self) {
        assert!(self.ledger.journal().step(), "something waits for the disk");
    }

    /// Writes whatever waits until there is an answer.
    fn finish<T>(&self, mut answer: BoxFuture<'_, T>) -> T {
        loop {
            if let Some(answer) = (&mut answer).now_or_never() {
                return answer;
            }
            let (log, journal) = (self.ledger.log().step(), self.ledger.journal().step());
            assert!(log || journal, "something waits for the disk");
        }
    }

    fn quantity(&self) -> u32 {
        let acme = CustomerId::try_new("acme").unwrap();
        let (customer, _) = self.finish(self.ledger.customer(&acme).boxed()).unwrap().unwrap();
        customer.subscriptions.values().next().unwrap().quantity
    }
}

fn request(id: &str, command: Command) -> Request {
    Request {
        stream: StreamId::Customer(CustomerId::try_new("acme").unwrap()),
        command,
        command_id: CommandId::try_new(id).unwrap(),
        actor: Actor { id: ActorId::try_new("someone").unwrap(), role: Role::Operator },
        reason: Reason::try_new("test").unwrap(),
        now: "2024-03-01T09:00:00Z".parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    }
}

fn version(answer: &mut Answer) -> Option<u64> {
    answer.now_or_never().map(|outcome| outcome.unwrap().version)
}

#[test]
fn commands_of_one_customer_share_a_sync_and_wait_for_it() {
    let world = World::new(LedgerOptions::default());
    let syncs = world.ledger.log().stats().syncs;
    let mut answers: Vec<Answer> =
        (0..20).map(|number| world.add(&format!("add-{number}"), 1)).collect();
    assert!(answers.iter_mut().all(|answer| version(answer).is_none()), "nothing is durable yet");
    world.write();
    let versions: Vec<_> = answers.iter_mut().map(version).collect();
    assert_eq!(versions, (3..23).map(Some).collect::<Vec<_>>());
    assert_eq!(world.ledger.log().stats().syncs, syncs + 1);
    assert_eq!(world.quantity(), 30);
}

#[test]
fn a_read_waits_for_what_it_shows() {
    let world = World::new(LedgerOptions::default());
    let mut add = world.add("add", 5);
    let acme = CustomerId::try_new("acme").unwrap();
    let mut read = world.ledger.customer(&acme).boxed();
    assert!((&mut read).now_or_never().is_none());
    let mut preview = world.ledger.preview(request("next", add_seats(1))).boxed();
    assert!((&mut preview).now_or_never().is_none());
    world.write();
    assert_eq!(version(&mut add), Some(3));
    assert_eq!(read.now_or_never().unwrap().unwrap().unwrap().1, 3);
    assert_eq!(preview.now_or_never().unwrap().unwrap().version, 3);
}

#[test]
fn a_refusal_waits_for_what_it_was_decided_on() {
    let world = World::new(LedgerOptions::default());
    let mut add = world.add("add", 5);
    let mut refused = world.add("none", 0);
    assert!(!world.ledger.journal().step(), "the refusal is not even written yet");
    world.write();
    assert_eq!(version(&mut add), Some(3));
    assert!((&mut refused).now_or_never().is_none());
    world.write_journal();
    let refused = refused.now_or_never().unwrap();
    assert!(matches!(refused, Err(ExecuteError::Refused { hit: false, .. })), "{refused:?}");
}

#[test]
fn a_repetition_waits_for_the_first() {
    let world = World::new(LedgerOptions::default());
    let (mut first, mut second) = (world.add("add", 5), world.add("add", 5));
    world.write();
    let first = (&mut first).now_or_never().unwrap().unwrap();
    let second = (&mut second).now_or_never().unwrap().unwrap();
    assert_eq!((first.hit, second.hit), (false, true));
    assert_eq!(first.recorded, second.recorded);
}

#[test]
fn what_was_decided_on_a_commit_that_failed_is_decided_again() {
    let world = World::new(LedgerOptions::default());
    let mut first = world.add("first", 5);
    world.disk.fail(Faults {
        names: ".seg",
        write: Some((0, io::ErrorKind::StorageFull)),
        ..Faults::default()
    });
    world.write();
    // The first has failed, but the second is decided before anybody heard of it.
    let second = world.add("second", 1);
    world.disk.fail(Faults::default());
    let first = (&mut first).now_or_never().unwrap();
    assert!(matches!(first, Err(ExecuteError::Store(StoreError::Full(_)))), "{first:?}");
    assert_eq!(world.finish(second).unwrap().version, 3);
    assert_eq!(world.quantity(), 11);
}

#[test]
fn a_command_whose_caller_went_away_is_settled_before_the_next_is_decided() {
    let world = World::new(LedgerOptions::default());
    drop(world.add("add", 5));
    let again = world.finish(world.add("add", 5)).unwrap();
    assert_eq!((again.version, again.hit), (3, true));
    assert_eq!(world.quantity(), 15);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_reading_goes_on() {
    let world = World::new(LedgerOptions::default());
    let mut answers: Vec<Answer> =
        (0..3).map(|number| world.add(&format!("add-{number}"), 1)).collect();
    world.disk.fail(Faults {
        names: ".seg",
        syncs_fail_from: Some(world.disk.syncs_begun() + 1),
        ..Faults::default()
    });
    world.write();
    world.disk.fail(Faults::default());
    for answer in &mut answers {
        let answer = answer.now_or_never().unwrap();
        assert!(matches!(answer, Err(ExecuteError::Store(StoreError::Unknown(_)))), "{answer:?}");
    }
    let later = world.finish(world.add("later", 1));
    assert!(matches!(later, Err(ExecuteError::Store(StoreError::Poisoned))), "{later:?}");
    assert_eq!(world.quantity(), 10);
}

#[test]
fn too_many_commands_under_way_are_refused_and_nothing_is_lost() {
    let options = LedgerOptions { in_flight_max: 2, ..LedgerOptions::default() };
    let world = World::new(options);
    let mut answers = [world.add("one", 1), world.add("two", 1)];
    let refused = world.add("three", 1).now_or_never().unwrap();
    assert!(matches!(refused, Err(ExecuteError::Store(StoreError::Overloaded))), "{refused:?}");
    world.write();
    assert_eq!(answers.each_mut().map(version), [Some(3), Some(4)]);
    assert_eq!(world.finish(world.add("three", 1)).unwrap().version, 5);
    assert_eq!(world.quantity(), 13);
}

#[test]
fn a_command_that_may_have_been_carried_out_is_not_refused_before_a_restart() {
    let world = World::new(LedgerOptions::default());
    let cancel = |now: &str| {
        let subscription = SubscriptionId::try_new("s1").unwrap();
        let cancel = Command::Cancel(Cancel { subscription });
        world.send(Request { now: now.parse().unwrap(), ..request("cancel", cancel) })
    };
    let mut first = cancel("2024-03-01T09:00:00Z");
    let syncs_fail_from = Some(world.disk.syncs_begun() + 1);
    world.disk.fail(Faults { syncs_fail_from, ..Faults::default() });
    world.write();
    world.disk.fail(Faults::default());
    let first = (&mut first).now_or_never().unwrap();
    assert!(matches!(first, Err(ExecuteError::Store(StoreError::Unknown(_)))), "{first:?}");
    // By now it is too late to cancel, but the restart may bring the cancellation back.
    let again = world.finish(cancel("2024-06-01T09:00:00Z"));
    assert!(matches!(again, Err(ExecuteError::Store(StoreError::Poisoned))), "{again:?}");
}

#[test]
fn a_turn_ends_when_the_command_has_its_place() {
    let world = World::new(LedgerOptions::default());
    let turn = Arc::new(());
    let request = |id| request(id, add_seats(1));
    let mut first = world.ledger.execute_in_turn(request("one"), Arc::clone(&turn)).boxed();
    assert!((&mut first).now_or_never().is_none());
    assert_eq!(Arc::strong_count(&turn), 1, "the next one can follow before the disk has this one");
    let none = self::request("none", add_seats(0));
    let mut refused = pin!(world.ledger.execute_in_turn(none, Arc::clone(&turn)));
    assert!(refused.as_mut().now_or_never().is_none());
    assert_eq!(Arc::strong_count(&turn), 2, "a refusal is decided once the first is durable");
    world.write();
    assert_eq!(version(&mut first), Some(3));
    assert!(refused.as_mut().now_or_never().is_none());
    world.write_journal();
    assert!(refused.now_or_never().unwrap().is_err());
    assert_eq!(Arc::strong_count(&turn), 1);
}

#[test]
fn callers_who_wait_their_turn_leave_room_for_the_others() {
    let options = LedgerOptions { in_flight_max: 2, ..LedgerOptions::default() };
    let world = World::new(options);
    let mut bulk: Vec<Answer> = (0..8)
        .map(|number| request(&format!("bulk-{number}"), add_seats(1)))
        .map(|request| world.ledger.execute_in_turn(request, ()).boxed())
        .collect();
    assert!(bulk.iter_mut().all(|line| line.now_or_never().is_none()));
    let mut single = world.add("single", 1);
    world.write();
    assert_eq!(version(&mut single), Some(5), "after the two lines that had a place");
}

#[test]
fn what_refusals_take_up_in_memory_is_counted() {
    let world = World::new(LedgerOptions::default());
    let before = world.ledger.cache_stats().bytes;
    for number in 0..500 {
        let refused = world.finish(world.add(&format!("none-{number}"), 0));
        assert!(matches!(refused, Err(ExecuteError::Refused { hit: false, .. })), "{refused:?}");
    }
    let grown = world.ledger.cache_stats().bytes - before;
    assert!(500 * 16 < grown, "{grown} bytes");
}

/// Two ledgers on one log, as two processes have it on a clustered one.
#[test]
fn a_commit_whose_place_another_process_took_is_not_decided_on() {
    let world = World::new(LedgerOptions::default());
    let (log, journal) = (world.ledger.log().clone(), world.ledger.journal().clone());
    let theirs = Ledger::open(log, journal, LedgerOptions::default()).now_or_never().unwrap();
    let theirs: &'static Ledger<_> = Box::leak(Box::new(theirs.unwrap()));
    let done = world.finish(theirs.execute(request("theirs-1", add_seats(1))).boxed());
    assert_eq!(done.unwrap().version, 3);

    let mut first = theirs.execute(request("theirs-2", add_seats(2))).boxed();
    assert!((&mut first).now_or_never().is_none());
    let mut lost = world.add("ours", 10);
    assert!((&mut lost).now_or_never().is_none());
    world.write();
    let next = world.add("ours-next", 1);
    assert_eq!(version(&mut first), Some(4));
    let (lost, next) = world.finish(join(lost, next).boxed());
    let mut versions = [lost.unwrap().version, next.unwrap().version];
    versions.sort_unstable();
    assert_eq!(versions, [5, 6]);
    assert_eq!(world.quantity(), 10 + 1 + 2 + 10 + 1);
    let customer = CustomerId::try_new("acme").unwrap();
    let folded = world.finish(theirs.customer(&customer).boxed()).unwrap().unwrap();
    let ours = world.finish(world.ledger.customer(&customer).boxed()).unwrap().unwrap();
    assert_eq!(folded, ours);
}
