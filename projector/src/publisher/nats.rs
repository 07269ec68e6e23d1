//! The NATS end: one stream of events, three key-value buckets. Every acknowledgement is awaited.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use async_nats::jetstream::context::{ContextBuilder, GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::kv::{self, Operation};
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, ServerAddr};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::checkpoints::Checkpoint;
use super::message::{BUCKETS, Document, Message, Place};
use super::{Known, PublishError, PublisherOptions, Sink, pause_after};

/// The bucket of signed checkpoints; keys are `KEY ID.NUMBER`, the number in 20 digits.
const CHECKPOINTS: &str = "checkpoints";

/// The stream of events.
const STREAM: &str = "LICENCES";

/// Its subjects.
const SUBJECTS: &str = "licence.evt.>";

/// How long the server drops messages with an id it has seen.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(10);

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Documents written at the same time; their keys differ.
const PUTS_IN_FLIGHT: usize = 64;

/// Prefix of the inboxes, so that permissions can be narrow.
const INBOX: &str = "_INBOX_projector";

/// Whether to wait for a server that is away at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenAway {
    Wait,
    Fail,
}

/// A connection to a NATS server.
pub(super) struct Nats {
    context: Context,
    options: PublisherOptions,
    source: String,
    buckets: BTreeMap<&'static str, kv::Store>,
    /// Documents up to this position may already be there in a later state.
    perhaps_known: u64,
}

impl Nats {
    pub(super) async fn connect(
        options: PublisherOptions,
        when_away: WhenAway,
    ) -> Result<Self, PublishError> {
        let client = connect(&options, when_away).await?;
        let context =
            ContextBuilder::new().timeout(ANSWER_WITHIN).ack_timeout(ANSWER_WITHIN).build(client);
        let source = options.source();
        Ok(Self { context, options, source, buckets: BTreeMap::new(), perhaps_known: 0 })
    }

    /// The stream of events.
    async fn stream(&self) -> Result<Stream, PublishError> {
        if let Some(stream) = self.find(STREAM).await? {
            suitable(&stream.cached_info().config)?;
            return Ok(stream);
        }
        let config = Config {
            name: STREAM.to_owned(),
            description: Some("Licence events of the subscription ledger".to_owned()),
            subjects: vec![SUBJECTS.to_owned()],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            max_age: self.options.max_age,
            duplicate_window: DUPLICATE_WINDOW.min(self.options.max_age),
            num_replicas: self.options.replicas,
            allow_direct: true,
            ..Config::default()
        };
        let made = self.context.create_stream(config).await;
        made.map_err(PublishError::nats("creating the stream LICENCES"))
    }

    /// The bucket of checkpoints, made when it is missing.
    pub(super) async fn checkpoints(&self) -> Result<Checkpoints, PublishError> {
        let description = "Signed checkpoints of the subscription ledger's log";
        Ok(Checkpoints(self.bucket(CHECKPOINTS, description).await?))
    }

    async fn bucket(&self, bucket: &str, description: &str) -> Result<kv::Store, PublishError> {
        if self.find(&format!("KV_{bucket}")).await?.is_some() {
            let found = self.context.get_key_value(bucket).await;
            return found.map_err(PublishError::nats("opening a bucket"));
        }
        let config = kv::Config {
            bucket: bucket.to_owned(),
            description: description.to_owned(),
            history: 1,
            storage: StorageType::File,
            num_replicas: self.options.replicas,
            ..kv::Config::default()
        };
        let made = self.context.create_key_value(config).await;
        made.map_err(PublishError::nats("creating a bucket"))
    }

    async fn find(&self, stream: &str) -> Result<Option<Stream>, PublishError> {
        let err = match self.context.get_stream(stream).await {
            Ok(found) => return Ok(Some(found)),
            Err(err) => err,
        };
        match err.kind() {
            GetStreamErrorKind::JetStream(answer)
                if answer.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(None)
            }
            GetStreamErrorKind::JetStream(_)
            | GetStreamErrorKind::EmptyName
            | GetStreamErrorKind::Request
            | GetStreamErrorKind::InvalidStreamName => {
                Err(PublishError::nats("looking for a stream")(err))
            }
        }
    }

    /// The last event on the stream, if it has any.
    async fn last(&self, stream: &Stream) -> Result<Option<Known>, PublishError> {
        let state = &stream.cached_info().state;
        if state.messages == 0 {
            return Ok(None);
        }
        let last = stream.get_raw_message(state.last_sequence).await;
        let last = last.map_err(PublishError::nats("reading the last event"))?;
        let last: LastEvent = serde_json::from_slice(&last.payload)
            .map_err(|_| unsuitable("its last message is no event of a ledger"))?;
        check_source(&last.source, &self.source)?;
        let position = last.ledgerposition.parse();
        let position = position.map_err(|_| unsuitable("its last message has no position"))?;
        Ok(Some(Known { position, id: last.id }))
    }

    async fn has_all(&self) -> Result<bool, PublishError> {
        for (name, _, _) in BUCKETS {
            if self.find(&format!("KV_{name}")).await?.is_none() {
                return Ok(false);
            }
        }
        let stream = self.find(STREAM).await?;
        Ok(stream.is_some_and(|stream| 0 < stream.cached_info().state.last_sequence))
    }

    async fn make_all(&mut self) -> Result<Option<Known>, PublishError> {
        for (name, _, _) in BUCKETS {
            let bucket = self.bucket(name, "Read model of the subscription ledger").await?;
            self.buckets.insert(name, bucket);
        }
        let stream = self.stream().await?;
        let last = self.last(&stream).await?;
        self.perhaps_known = last.as_ref().map_or(u64::MAX, |known| known.position);
        Ok(last)
    }

    async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, message.id.as_str());
        headers.insert("Content-Type", "application/cloudevents+json");
        let (subject, payload) = (message.subject.clone(), message.payload.clone().into());
        let ack = match self.context.publish_with_headers(subject, headers, payload).await {
            Ok(ack) => ack.await,
            Err(err) => Err(err),
        };
        match ack {
            Ok(_) => Ok(()),
            Err(err) if err.kind() == PublishErrorKind::MaxPayloadExceeded => {
                let bytes = message.payload.len();
                Err(PublishError::TooLarge { id: message.id.clone(), bytes })
            }
            Err(err) => Err(PublishError::nats("publishing an event")(err)),
        }
    }

    async fn put(&self, place: &Place, document: &Document) -> Result<(), PublishError> {
        let bucket = self.buckets.get(place.bucket);
        let bucket = bucket.ok_or_else(|| unsuitable("a bucket is missing"))?;
        let may_be_newer = document.position <= self.perhaps_known;
        if may_be_newer && is_newer(bucket, place, document.position).await? {
            return Ok(());
        }
        match &document.json {
            Some(json) => {
                let put = bucket.put(&place.key, json.clone().into()).await;
                put.map(|_| ()).map_err(PublishError::nats("writing a document"))
            }
            None => {
                bucket.purge(&place.key).await.map_err(PublishError::nats("removing a document"))
            }
        }
    }
}

/// The bucket of checkpoints.
pub(super) struct Checkpoints(kv::Store);

impl Checkpoints {
    /// Writes a checkpoint unless it is there.
    pub(super) async fn put(&self, checkpoint: &Checkpoint) -> Result<(), PublishError> {
        let Checkpoint { key_id, number, note } = checkpoint;
        let key = format!("{key_id}.{number:020}");
        match self.0.create(&key, note.clone().into()).await {
            Ok(_) => Ok(()),
            Err(err) if err.kind() == kv::CreateErrorKind::AlreadyExists => {
                let known = self.0.get(key.as_str()).await;
                let known = known.map_err(PublishError::nats("reading a checkpoint"))?;
                if known.is_some_and(|known| known == note.as_bytes()) {
                    Ok(())
                } else {
                    Err(PublishError::OtherCheckpoint(key))
                }
            }
            Err(err) => Err(PublishError::nats("writing a checkpoint")(err)),
        }
    }
}

impl Sink for Nats {
    fn is_complete(&mut self) -> BoxFuture<'_, Result<bool, PublishError>> {
        self.has_all().boxed()
    }

    fn prepare(&mut self) -> BoxFuture<'_, Result<Option<Known>, PublishError>> {
        self.make_all().boxed()
    }

    fn put_all<'a>(
        &'a self,
        documents: &'a BTreeMap<Place, Document>,
    ) -> BoxFuture<'a, Result<(), PublishError>> {
        let puts = documents.iter().map(|(place, document)| self.put(place, document).boxed());
        let puts: Vec<_> = puts.collect();
        stream::iter(puts).buffer_unordered(PUTS_IN_FLIGHT).try_collect().boxed()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>> {
        self.publish(message).boxed()
    }
}

/// The part of a published event that tells how far the server is.
#[derive(Deserialize)]
struct LastEvent {
    id: String,
    source: String,
    ledgerposition: String,
}

/// The part of a document that tells how old it is.
#[derive(Deserialize)]
struct Dated {
    position: u64,
}

/// Whether the bucket holds the document of a later commit.
async fn is_newer(bucket: &kv::Store, place: &Place, position: u64) -> Result<bool, PublishError> {
    let entry = bucket.entry(place.key.as_str()).await;
    let entry = entry.map_err(PublishError::nats("reading a document"))?;
    let stored = entry.filter(|entry| entry.operation == Operation::Put);
    let stored = stored.and_then(|entry| serde_json::from_slice::<Dated>(&entry.value).ok());
    Ok(stored.is_some_and(|stored| position < stored.position))
}

async fn connect(options: &PublisherOptions, when_away: WhenAway) -> Result<Client, PublishError> {
    let servers = servers(&options.url)?;
    let mut connect = ConnectOptions::new()
        .name("subscription-ledger projector")
        .custom_inbox_prefix(INBOX)
        .connection_timeout(ANSWER_WITHIN)
        .request_timeout(Some(ANSWER_WITHIN))
        .reconnect_delay_callback(reconnect_pause)
        .event_callback(|event| async move { log_event(&event) });
    if when_away == WhenAway::Wait {
        connect = connect.retry_on_initial_connect();
    }
    if let Some(path) = &options.credentials {
        let io = |source| PublishError::Credentials { path: path.clone(), source };
        connect = connect.credentials(&fs::read_to_string(path).map_err(io)?).map_err(io)?;
    }
    // The client leaves what an address says about the user alone.
    if let Some((user, password)) = servers.iter().find_map(user) {
        connect = match password {
            Some(password) => connect.user_and_password(user, password),
            None => connect.token(user),
        };
    }
    connect.connect(servers).await.map_err(PublishError::nats("connecting"))
}

/// The addresses in `url`, separated by commas.
pub(super) fn servers(url: &str) -> Result<Vec<ServerAddr>, PublishError> {
    let servers = url.split(',').map(|server| server.trim().parse());
    servers.collect::<Result<_, _>>().map_err(PublishError::Address)
}

/// User and password in an address; a user alone is a token.
fn user(server: &ServerAddr) -> Option<(String, Option<String>)> {
    let user = server.username()?.to_owned();
    Some((user, server.password().map(ToOwned::to_owned)))
}

fn reconnect_pause(attempts: usize) -> Duration {
    pause_after(u32::try_from(attempts).unwrap_or(u32::MAX).saturating_sub(1))
}

/// Refused permissions are told here only.
fn log_event(event: &Event) {
    match event {
        Event::ServerError(_) | Event::ClientError(_) | Event::SlowConsumer(_) => {
            tracing::warn!(%event, "nats");
        }
        Event::Connected
        | Event::Disconnected
        | Event::LameDuckMode
        | Event::Draining
        | Event::Closed => tracing::debug!(%event, "nats"),
    }
}

/// Checks what the promises to consumers rest on.
fn suitable(config: &Config) -> Result<(), PublishError> {
    if !config.subjects.iter().any(|subjects| subjects == SUBJECTS) {
        return Err(unsuitable(&format!("its subjects are not {SUBJECTS}")));
    }
    if config.retention != RetentionPolicy::Limits {
        return Err(unsuitable("its retention is not \"limits\""));
    }
    if config.storage != StorageType::File {
        return Err(unsuitable("it is not stored in files"));
    }
    if config.no_ack {
        return Err(unsuitable("it acknowledges nothing"));
    }
    if config.duplicate_window < DUPLICATE_WINDOW {
        let seconds = config.duplicate_window.as_secs();
        tracing::warn!(seconds, "the duplicate window of LICENCES is short");
    }
    Ok(())
}

/// Two ledgers on one stream would be taken for one.
fn check_source(found: &str, ours: &str) -> Result<(), PublishError> {
    if found == ours {
        return Ok(());
    }
    Err(unsuitable(&format!(
        "it holds events of {found}, but this ledger is {ours}; give its name with --nats-name, or \
         another server with --nats"
    )))
}

fn unsuitable(reason: &str) -> PublishError {
    PublishError::Unsuitable(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_another_ledger_name_the_flag_that_decides() {
        assert!(check_source("/ledger/a", "/ledger/a").is_ok());
        let err = check_source("/ledger/a", "/ledger/b").unwrap_err().to_string();
        let expected = "the stream LICENCES cannot be used: it holds events of /ledger/a, but this \
                        ledger is /ledger/b; give its name with --nats-name, or another server with \
                        --nats";
        assert_eq!(err, expected);
    }
}
