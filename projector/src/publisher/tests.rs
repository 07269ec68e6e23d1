use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use futures::FutureExt;
use futures::future::ready;
use ledger_core::store::memory::MemoryLog;
use serde_json::{Value, json};

use super::*;

#[path = "../../tests/scenario/mod.rs"]
mod scenario;

use scenario::Scenario;

const SOURCE: &str = "/ledger/test";

/// When an operation fails: before it has an effect, or after, so that only its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fails {
    Before,
    After,
}

/// A server in memory whose n-th operation fails.
#[derive(Default)]
struct Server {
    held: Mutex<Held>,
    failure: Mutex<Option<(u32, Fails)>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    messages: Vec<Message>,
    documents: BTreeMap<Place, Document>,
    is_made: bool,
}

impl Server {
    fn failing(&self, after: u32, fails: Fails) {
        *self.failure.lock().unwrap() = Some((after, fails));
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    fn operate(&self, operation: impl FnOnce(&mut Held)) -> Result<(), PublishError> {
        let mut failure = self.failure.lock().unwrap();
        let fails = match failure.take() {
            Some((0, fails)) => Some(fails),
            later => {
                *failure = later.map(|(left, fails)| (left - 1, fails));
                None
            }
        };
        if fails != Some(Fails::Before) {
            operation(&mut self.held());
        }
        match fails {
            Some(_) => Err(PublishError::nats("failing")("on purpose")),
            None => Ok(()),
        }
    }
}

impl Server {
    fn make(&self) -> Result<Option<Known>, PublishError> {
        self.operate(|held| held.is_made = true)?;
        let held = self.held();
        let last = held.messages.last();
        Ok(last.map(|last| Known { position: last.position, id: last.id.clone() }))
    }

    fn put(&self, place: &Place, document: &Document) -> Result<(), PublishError> {
        self.operate(|held| {
            let is_newer =
                |stored: &Document| stored.json.is_some() && document.position < stored.position;
            if !held.documents.get(place).is_some_and(is_newer) {
                held.documents.insert(place.clone(), document.clone());
            }
        })
    }
}

impl Sink for &Server {
    fn is_complete(&mut self) -> BoxFuture<'_, Result<bool, PublishError>> {
        let held = self.held();
        ready(Ok(held.is_made && !held.messages.is_empty())).boxed()
    }

    fn prepare(&mut self) -> BoxFuture<'_, Result<Option<Known>, PublishError>> {
        ready(self.make()).boxed()
    }

    fn put_all<'a>(
        &'a self,
        documents: &'a BTreeMap<Place, Document>,
    ) -> BoxFuture<'a, Result<(), PublishError>> {
        let mut documents = documents.iter();
        ready(documents.try_for_each(|(place, document)| self.put(place, document))).boxed()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>> {
        ready(self.operate(|held| held.messages.push(message.clone()))).boxed()
    }
}

struct Bench {
    log: MemoryLog,
    dir: tempfile::TempDir,
    status: watch::Sender<PublisherStatus>,
}

impl Bench {
    async fn new() -> Self {
        let (log, dir) = (Scenario::full().await.log(), tempfile::tempdir().unwrap());
        Self { log, dir, status: watch::channel(PublisherStatus::default()).0 }
    }

    /// A store whose cursor is at zero: new, or rebuilt after damage.
    async fn store(&self, name: &str) -> ViewStore {
        ViewStore::open(&self.dir.path().join(name), &self.log).await.unwrap()
    }

    async fn publish(
        &self,
        store: &ViewStore,
        mut server: &Server,
        until: u64,
    ) -> Result<(), PublishError> {
        session(&self.log, store, &mut server, SOURCE, until, &self.status).await
    }

    async fn expected(&self) -> Held {
        let server = Server::default();
        let store = self.store("expected").await;
        self.publish(&store, &server, self.log.durable_position()).await.unwrap();
        server.held.into_inner().unwrap()
    }
}

#[tokio::test]
async fn a_failure_at_any_step_repeats_nothing_visible_and_skips_nothing() {
    let bench = Bench::new().await;
    let (expected, end) = (bench.expected().await, bench.log.durable_position());
    for fails in [Fails::Before, Fails::After] {
        for step in 0.. {
            let server = Server::default();
            let store = bench.store(&format!("{fails:?}-{step}")).await;
            bench.publish(&store, &server, end / 2).await.unwrap();
            server.failing(step, fails);
            let has_failed = bench.publish(&store, &server, end).await.is_err();
            if !has_failed {
                assert!(20 < step, "too few steps were tried");
                break;
            }
            bench.publish(&store, &server, end).await.unwrap();
            assert_eq!(*server.held(), expected, "{fails:?} at step {step}");
            assert_eq!(store.published().unwrap(), end);
        }
    }
}

#[tokio::test]
async fn a_lost_cursor_repeats_nothing_visible() {
    let bench = Bench::new().await;
    let (expected, end) = (bench.expected().await, bench.log.durable_position());
    let server = Server::default();
    bench.publish(&bench.store("one").await, &server, end / 3).await.unwrap();
    bench.publish(&bench.store("two").await, &server, end / 2).await.unwrap();
    bench.publish(&bench.store("three").await, &server, end).await.unwrap();
    assert_eq!(*server.held(), expected);
}

#[tokio::test]
async fn a_server_that_lost_everything_gets_everything_again() {
    let bench = Bench::new().await;
    let (expected, end) = (bench.expected().await, bench.log.durable_position());
    let store = bench.store("one").await;
    bench.publish(&store, &Server::default(), end).await.unwrap();
    let replaced = Server::default();
    bench.publish(&store, &replaced, end).await.unwrap();
    assert_eq!(*replaced.held(), expected);
}

#[tokio::test]
async fn a_server_that_lost_its_last_events_gets_them_again() {
    let bench = Bench::new().await;
    let (expected, end) = (bench.expected().await, bench.log.durable_position());
    let (store, server) = (bench.store("one").await, Server::default());
    bench.publish(&store, &server, end).await.unwrap();
    server.held().messages.truncate(5);
    bench.publish(&store, &server, end).await.unwrap();
    assert_eq!(*server.held(), expected);
}

#[tokio::test]
async fn a_server_ahead_of_the_log_gets_nothing() {
    let bench = Bench::new().await;
    let (store, server) = (bench.store("one").await, Server::default());
    let message =
        Message { subject: String::new(), id: "x/1.1".to_owned(), position: 9999, payload: vec![] };
    *server.held() = Held { messages: vec![message], is_made: true, ..Held::default() };
    let refused = bench.publish(&store, &server, u64::MAX).await.unwrap_err();
    assert!(matches!(refused, PublishError::AheadOfLog { known: 9999, .. }));
    assert!(server.held().documents.is_empty());
}

#[tokio::test]
async fn every_event_is_published_once_in_the_order_of_the_log() {
    let held = Bench::new().await.expected().await;
    let positions: Vec<u64> = held.messages.iter().map(|message| message.position).collect();
    assert!(positions.is_sorted());
    let ids: std::collections::BTreeSet<_> =
        held.messages.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids.len(), held.messages.len());
    let added = held.messages.iter().find(|message| message.subject.ends_with("seats-added"));
    let added = added.unwrap();
    assert_eq!(added.subject, "licence.evt.res-1.a.s-1.seats-added");
    let event: Value = serde_json::from_slice(&added.payload).unwrap();
    assert_eq!(event["type"], "com.subscription-ledger.seats-added.v1");
    assert_eq!(event["id"], added.id);
    assert_eq!(event["source"], SOURCE);
    assert_eq!(event["subject"], "customers/a/subscriptions/s-1");
    assert_eq!(event["time"], "2026-01-06T08:00:00.000Z");
    assert_eq!(event["ledgerposition"], format!("{:020}", added.position));
    assert_eq!((&event["data"]["from"], &event["data"]["to"]), (&json!(10), &json!(12)));
    assert_eq!(event["data"]["actor"], json!({ "id": "u-1", "role": "operator" }));
    assert_eq!(event.get("correlationid"), None);
    let names = event.as_object().unwrap().keys();
    assert!(names.into_iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase())));
}

#[tokio::test]
async fn a_catalogue_is_counted_and_not_sent() {
    let held = Bench::new().await.expected().await;
    let first = &held.messages[0];
    assert_eq!(first.subject, "licence.evt._._._.catalogue-imported");
    assert_eq!(first.id, "@catalogue/1.1");
    assert!(first.payload.len() < 1000);
    let event: Value = serde_json::from_slice(&first.payload).unwrap();
    assert_eq!(event["data"]["version"], "seeds-2");
    assert_eq!(event["data"].get("catalogue"), None);
}

#[tokio::test]
async fn documents_are_those_of_the_views_and_go_when_they_go() {
    let held = Bench::new().await.expected().await;
    let place = |bucket, key: &str| Place { bucket, key: key.to_owned() };
    let document = |bucket, key| {
        let json = held.documents[&place(bucket, key)].json.clone();
        json.map(|json| serde_json::from_slice::<Value>(&json).unwrap())
    };
    assert_eq!(document("rm_customers", "a").unwrap()["seats"], 12);
    assert_eq!(document("rm_subscriptions", "a-b.s-1").unwrap()["quantity"], 7);
    let premium = document("rm_licences", "a-b.office-365-business-premium").unwrap();
    assert_eq!((&premium["valid"], &premium["assigned"]), (&json!(8), &json!(2)));
    assert_eq!(document("rm_licences", "many.office-365-business"), None);
}

#[test]
fn a_name_that_cannot_be_in_a_source_is_refused() {
    for name in ["", "a b", "a/b"] {
        assert!(matches!(check_name(name), Err(PublishError::Name(_))), "{name:?}");
    }
}

#[tokio::test]
async fn a_publisher_that_is_to_stop_stops_in_a_task_of_its_own() {
    let bench = Bench::new().await;
    let store = bench.store("one").await;
    let options = PublisherOptions::new("nats://localhost".to_owned(), "test".to_owned());
    let (_stop, shutdown) = watch::channel(true);
    let running =
        tokio::spawn(run_publisher(bench.log.clone(), store, options, bench.status, shutdown));
    running.await.unwrap().unwrap();
}
