//! From the log to NATS: documents to key-value buckets, events to a stream.
//!
//! Order within a batch: documents, acknowledged; events one after the other, each acknowledged; then
//! the cursor. A crash repeats and skips nothing. What is repeated changes nothing: the last event on
//! the stream tells which events are there, and a document tells how old it is. NATS being away stops
//! nothing else.
//! What consumers are promised is in `docs/EVENTS-OVER-NATS.md`.

pub mod checkpoints;
mod message;
mod nats;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use ledger_core::error::chain;
use ledger_core::store::{CommitLog, StoreError};
use tokio::sync::watch;

use self::message::{Document, Message, Place, documents, messages};
use self::nats::{Nats, WhenAway};
use crate::pump::{PumpError, Step, Steps, stopped};
use crate::view_store::{ViewStore, ViewStoreError};
use crate::views::ViewError;

/// Commits published between two moves of the cursor.
const BATCH_COMMITS_MAX: usize = 256;

/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long events stay on the stream if nothing else is said.
const MAX_AGE: Duration = Duration::from_hours(90 * 24);

/// Where and how to publish.
#[derive(Clone, PartialEq, Eq)]
pub struct PublisherOptions {
    /// Address of the server, for example `nats://localhost:4222`, or several of one cluster,
    /// separated by commas; may hold user and password, or a token.
    pub url: String,
    /// Name of this ledger, unique among those that consumers see: letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// File with the credentials of a NATS user.
    pub credentials: Option<PathBuf>,
    /// How long events stay on the stream; only used when the stream is created.
    pub max_age: Duration,
    /// Copies of stream and buckets; only used when they are created.
    pub replicas: usize,
}

impl PublisherOptions {
    /// Publishes to `url` under `name`: events stay for 90 days, one copy, no credentials.
    #[must_use]
    pub fn new(url: String, name: String) -> Self {
        Self { url, name, credentials: None, max_age: MAX_AGE, replicas: 1 }
    }

    /// The source of all events.
    fn source(&self) -> String {
        format!("/ledger/{}", self.name)
    }
}

/// Checks the name of a ledger in published events.
///
/// # Errors
///
/// [`PublishError::Name`] when it is empty or holds more than letters, digits, `-`, `_` and `.`.
pub fn check_name(name: &str) -> Result<(), PublishError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(is_allowed) {
        return Err(PublishError::Name(name.to_owned()));
    }
    Ok(())
}

/// Checks scheme and form of a server's address, or of several separated by commas.
///
/// # Errors
///
/// [`PublishError::Address`] when the client does not understand it.
pub fn check_address(url: &str) -> Result<(), PublishError> {
    nats::servers(url).map(drop)
}

impl std::fmt::Debug for PublisherOptions {
    /// Leaves out the address: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublisherOptions").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How far the publisher is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherStatus {
    /// Position of the last commit of which everything is acknowledged.
    pub published: u64,
    /// Why it is not further; `None` when the last attempt succeeded.
    pub last_error: Option<String>,
}

/// Why something was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The server did not do what it was asked; the publisher tries again.
    #[error("{action} over NATS failed")]
    Nats {
        /// What was tried.
        action: &'static str,
        /// The client's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stream is not as promised to consumers; an operator mends it, the publisher tries again.
    #[error("the stream LICENCES cannot be used: {0}")]
    Unsuitable(String),
    /// The stream is ahead of the log. Nothing is published, so that consumers are not misled.
    #[error("the stream LICENCES is at position {known}, beyond the log's end {log_end}")]
    AheadOfLog {
        /// Position of the stream's last event.
        known: u64,
        /// The log's end.
        log_end: u64,
    },
    /// An event is larger than the server accepts. It is never skipped: raise `max_payload`.
    #[error("event {id} has {bytes} bytes, more than the server's max_payload accepts")]
    TooLarge {
        /// Id of the event.
        id: String,
        /// Size of the message.
        bytes: usize,
    },
    /// Another past is published already. Nothing more is, so that it can be told apart.
    #[error("checkpoint {0} in the bucket checkpoints is not the one of this ledger")]
    OtherCheckpoint(String),
    /// The name of the ledger cannot be part of an event's source.
    #[error("{0:?} is no name for a ledger: use letters, digits, '-', '_' and '.'")]
    Name(String),
    /// The address of the server cannot be understood.
    #[error("the address of the NATS server cannot be understood")]
    Address(#[source] std::io::Error),
    /// The credentials cannot be read.
    #[error("{path}: the credentials cannot be read")]
    Credentials {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A commit cannot be read. It is never skipped.
    #[error(transparent)]
    Step(#[from] PumpError),
    /// A document cannot be computed. It is never skipped.
    #[error("position {position} cannot be published")]
    View {
        /// Position of the first commit of the batch.
        position: u64,
        /// What is wrong.
        source: ViewError,
    },
    /// The cursor cannot be read or written.
    #[error(transparent)]
    Views(#[from] ViewStoreError),
    /// The log will not grow any more.
    #[error("the log cannot be followed")]
    Log(#[from] StoreError),
}

impl PublishError {
    fn nats<E>(action: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Nats { action, source: source.into() }
    }

    /// Whether another attempt may succeed without a restart.
    const fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Nats { .. }
            | Self::Unsuitable(_)
            | Self::AheadOfLog { .. }
            | Self::TooLarge { .. } => true,
            Self::OtherCheckpoint(_)
            | Self::Name(_)
            | Self::Address(_)
            | Self::Credentials { .. }
            | Self::Step(_)
            | Self::View { .. }
            | Self::Views(_)
            | Self::Log(_) => false,
        }
    }
}

/// Where documents and events go. Its answers come once everything is acknowledged.
trait Sink: Send + Sync {
    /// Whether all that is published to is there and has been used.
    fn is_complete(&mut self) -> BoxFuture<'_, Result<bool, PublishError>>;

    /// Makes what is missing, and returns the last event, if there still is one.
    fn prepare(&mut self) -> BoxFuture<'_, Result<Option<Known>, PublishError>>;

    /// Writes documents, in any order; leaves those of later commits alone.
    fn put_all<'a>(
        &'a self,
        documents: &'a BTreeMap<Place, Document>,
    ) -> BoxFuture<'a, Result<(), PublishError>>;

    /// Publishes one event.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>>;
}

/// An event that a sink has. It has all events before it, too.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    position: u64,
    id: String,
}

/// Publishes commits until `shutdown` becomes true, its sender is gone, or the log is closed.
///
/// Tries again for ever when NATS fails, with pauses of 1 to 30 s; `status` tells how far it is and
/// why it is not further.
///
/// # Errors
///
/// [`PublishError`] when trying again cannot help.
pub async fn run_publisher<L: CommitLog>(
    log: L,
    store: ViewStore,
    options: PublisherOptions,
    status: watch::Sender<PublisherStatus>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), PublishError> {
    tokio::select! {
        biased;
        () = stopped(&mut shutdown) => Ok(()),
        ended = run(log, store, options, &status) => {
            if let Err(err) = &ended {
                let failure = chain(err);
                tracing::error!(%failure, "publishing over NATS has stopped");
                status.send_modify(|status| status.last_error = Some(failure));
            }
            ended
        }
    }
}

async fn run<L: CommitLog>(
    log: L,
    store: ViewStore,
    options: PublisherOptions,
    status: &watch::Sender<PublisherStatus>,
) -> Result<(), PublishError> {
    check_name(&options.name)?;
    let source = options.source();
    let mut sink = loop {
        match Nats::connect(options.clone(), WhenAway::Wait).await {
            Ok(sink) => break sink,
            Err(err) if err.is_worth_repeating() => pause(0, &err, status).await,
            Err(err) => return Err(err),
        }
    };
    let mut failures = 0;
    loop {
        let before = store.published()?;
        let err = match session(&log, &store, &mut sink, &source, u64::MAX, status).await {
            Ok(()) | Err(PublishError::Log(StoreError::Closed)) => return Ok(()),
            Err(err) if err.is_worth_repeating() => err,
            Err(err) => return Err(err),
        };
        if store.published()? != before {
            failures = 0;
        }
        pause(failures, &err, status).await;
        failures = failures.saturating_add(1);
    }
}

async fn pause(failures: u32, err: &PublishError, status: &watch::Sender<PublisherStatus>) {
    let pause = pause_after(failures);
    let failure = chain(err);
    tracing::warn!(%failure, pause_s = pause.as_secs(), "publishing is tried again");
    status.send_modify(|status| status.last_error = Some(failure));
    tokio::time::sleep(pause).await;
}

/// 1, 2, 4, ... 30 s.
fn pause_after(failures: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(failures)).min(PAUSE_MAX)
}

/// Publishes the commits up to `until` that are not published yet, and returns the cursor.
///
/// Does not wait for a server that is away.
///
/// # Errors
///
/// See [`PublishError`]; what is acknowledged stays published, and another call goes on from there.
pub async fn publish_backlog<L: CommitLog>(
    log: &L,
    store: &ViewStore,
    options: PublisherOptions,
    until: u64,
) -> Result<u64, PublishError> {
    check_name(&options.name)?;
    let source = options.source();
    let mut sink = Nats::connect(options, WhenAway::Fail).await?;
    let (status, _) = watch::channel(PublisherStatus::default());
    let until = until.min(log.durable_position());
    session(log, store, &mut sink, &source, until, &status).await?;
    Ok(store.published()?)
}

/// Publishes until everything up to `until` is acknowledged or something fails.
async fn session<L: CommitLog, S: Sink>(
    log: &L,
    store: &ViewStore,
    sink: &mut S,
    source: &str,
    until: u64,
    status: &watch::Sender<PublisherStatus>,
) -> Result<(), PublishError> {
    if !sink.is_complete().await? {
        // Durable before anything is made, so that a crash in between cannot leave it empty.
        store.set_published(0)?;
        store.flush()?;
    }
    let last = sink.prepare().await?;
    let log_end = log.durable_position();
    if let Some(known) = last.as_ref().filter(|known| log_end < known.position) {
        return Err(PublishError::AheadOfLog { known: known.position, log_end });
    }
    let cursor = store.published()?;
    let start = last.as_ref().map_or(cursor, |known| cursor.min(known.position.saturating_sub(1)));
    status.send_replace(PublisherStatus { published: start, last_error: None });
    let mut steps = Steps::after(log.clone(), start);
    loop {
        let batch = steps.batch(BATCH_COMMITS_MAX, until).await?;
        if !batch.is_empty() {
            publish(sink, source, &batch, last.as_ref()).await?;
            store.set_published(steps.position())?;
            let published = steps.position();
            status.send_replace(PublisherStatus { published, last_error: None });
        } else if until <= steps.position() {
            return Ok(());
        } else {
            steps.wait().await?;
        }
    }
}

async fn publish<S: Sink>(
    sink: &S,
    source: &str,
    batch: &[Step],
    last: Option<&Known>,
) -> Result<(), PublishError> {
    let position = batch.first().map_or(0, |step| step.recorded.position);
    let view = |source| PublishError::View { position, source };
    sink.put_all(&documents(batch).map_err(view)?).await?;
    for step in batch {
        for message in unknown(&messages(source, step).map_err(view)?, last) {
            sink.send(message).await?;
        }
    }
    Ok(())
}

/// The events of a commit that the sink does not have.
fn unknown<'a>(messages: &'a [Message], last: Option<&Known>) -> &'a [Message] {
    let (Some(first), Some(last)) = (messages.first(), last) else { return messages };
    if last.position < first.position {
        return messages;
    }
    if first.position < last.position {
        return &[];
    }
    let index = messages.iter().position(|message| message.id == last.id);
    index.and_then(|index| messages.get(index.saturating_add(1)..)).unwrap_or(messages)
}

#[cfg(test)]
mod tests;
