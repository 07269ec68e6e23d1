//! Opens the data folder and starts everything; stops it in the opposite order.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use chrono::{DateTime, Utc};
use ledger_core::catalogue::Catalogue;
use ledger_core::commit::Hash;
use ledger_core::customer::{Command, ImportCatalogue};
use ledger_core::folder::{ClockKind, DataFolder, FolderError};
use ledger_core::ids::{Actor, ActorId, CommandId, Reason, Role, StreamId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Request};
use ledger_core::personal::PersonalKeys;
use ledger_core::snapshot::Snapshots;
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use ledger_core::store::{CommitLog, StoreError};
use projector::publisher::checkpoints::run_checkpoints;
use projector::publisher::{PublisherOptions, PublisherStatus, run_publisher};
use projector::pump::run_views;
use projector::view_store::{ViewStore, ViewStoreError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::backups::Backups;
use crate::clock::{Clock, ClockError, SimulatedClock};
use crate::config::Config;
use crate::demo::{self, DemoError};
use crate::metrics::Metrics;
use crate::output::{quoted, say};
use crate::pages::session::Sessions;
use crate::proofs::{self, Proofs};
use crate::routes::people::finish_erasures;
use crate::scheduler;
use crate::state::AppState;
use crate::tokens::{self, Tokens, TokensError};

/// How long requests may take to finish when the ledger stops.
const GRACE: Duration = Duration::from_secs(20);

/// Why the ledger could not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("the data folder cannot be used")]
    Folder(#[from] FolderError),
    /// The log or the journal cannot be used.
    #[error("the log cannot be used")]
    Log(#[from] StoreError),
    /// The catalogue's stream cannot be read.
    #[error("the ledger cannot be opened")]
    Ledger(#[source] ExecuteError),
    /// The views cannot be used.
    #[error("the views cannot be used")]
    Views(#[from] ViewStoreError),
    /// Requests to stop cannot be listened for.
    #[error("SIGINT and SIGTERM cannot be listened for")]
    Signals(#[source] io::Error),
    /// The clock cannot be used.
    #[error("the simulated clock cannot be used")]
    Clock(#[from] ClockError),
    /// The tokens file cannot be used.
    #[error("the tokens file cannot be used")]
    Tokens(#[from] TokensError),
    /// The catalogue file cannot be read.
    #[error("the catalogue {path} cannot be read: {reason}")]
    CatalogueFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The catalogue cannot be imported.
    #[error("the catalogue {path} cannot be imported")]
    Catalogue {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ExecuteError,
    },
    /// The demo's story cannot be told.
    #[error("the demo cannot be loaded")]
    Demo(#[from] DemoError),
    /// Nobody can listen there.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The server failed.
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
    /// A task ended without an answer.
    #[error("a worker thread was lost")]
    Worker,
}

/// Whether events are published, and how it goes.
#[derive(Clone, Debug)]
pub enum Publishing {
    /// Nobody asked for it.
    Off,
    /// It runs; this tells how far.
    On(watch::Receiver<PublisherStatus>),
}

impl Publishing {
    /// A sentence when publishing is behind; it is made up for later.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        match self {
            Self::Off => None,
            Self::On(status) => status.borrow().last_error.as_ref().map(|_| {
                "Nothing is published over NATS at the moment; it will be made up for.".to_owned()
            }),
        }
    }
}

/// A ledger at work.
#[derive(Debug)]
pub struct Running {
    /// What requests reach.
    pub state: Arc<AppState>,
    shutdown: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the data folder and starts views, publisher and scheduler.
///
/// # Errors
///
/// See [`StartError`].
pub async fn open(config: &Config) -> Result<Running, StartError> {
    let folder = open_folder(config)?;
    let log = open_log(folder.log()).await?;
    let journal = open_log(folder.journal()).await?;
    let story = if config.demo { Some(demo::story()?) } else { None };
    let tokens = Tokens::open_or_create(folder.root(), story.as_ref().map(|story| &story.tokens))?;
    let snapshots = Arc::new(Snapshots::open(&folder.snapshots(), log.id()).await);
    let options =
        LedgerOptions { snapshots: Some(Arc::clone(&snapshots)), ..LedgerOptions::default() };
    let ledger = Ledger::open(log.clone(), journal, options).await;
    let ledger = ledger.map_err(StartError::Ledger)?;
    let clock = open_clock(&folder, config, story.as_ref(), ledger.latest())?;
    let views = ViewStore::open(&folder.views(), &log).await?;

    let (shutdown, stop) = watch::channel(false);
    let (publishing, publisher) = publisher(config, &log, &views, &stop);
    let (to_publish, checkpoints) = checkpoints(config, &stop);
    let backups = Backups::new(folder.clone(), config.backups.clone());
    let people = Arc::new(PersonalKeys::new(folder.people()));
    let proofs = Arc::new(Proofs::new(folder, log.clone()).published_by(to_publish));
    let mut tasks = vec![spawn_views(log, views.clone(), stop.clone())];
    tasks.extend(checkpoints);
    tasks.extend(publisher);
    let state = Arc::new(AppState {
        ledger: Arc::new(ledger),
        snapshots,
        views,
        clock,
        tokens,
        proofs,
        people,
        backups,
        sessions: Sessions::default(),
        metrics: Metrics::default(),
        publishing,
        stopping: watch::Sender::new(false),
        full_reads: tokio::sync::Mutex::default(),
        settled: tokio::sync::Mutex::default(),
    });
    let mut running = Running { state, shutdown, tasks };
    if let Err(err) = prepare(&running.state, config, story.as_ref()).await {
        // What went wrong first is what the caller needs to know.
        let _ = running.stop().await;
        return Err(err);
    }
    let state = || Arc::clone(&running.state);
    let every = Duration::from_mins(config.checkpoint_every.into());
    let signing = tokio::spawn(proofs::run(state(), every, stop.clone()));
    let scheduler = tokio::spawn(scheduler::run(state(), stop));
    running.tasks.extend([signing, scheduler]);
    Ok(running)
}

async fn prepare(
    state: &AppState,
    config: &Config,
    story: Option<&demo::Story>,
) -> Result<(), StartError> {
    if let Some(story) = story {
        demo::load(state, story).await?;
    }
    if let Some(path) = &config.catalogue {
        import(state, path).await?;
    }
    if let Err(problem) = finish_erasures(state).await {
        tracing::error!(?problem, "an erasure is not finished; the next start tries again");
    }
    // Reads are complete from the first request on. Views that have stopped say so at /readyz, and
    // commands go on without them.
    let _ = state.views.wait_for(state.ledger.log().durable_position()).await;
    Ok(())
}

/// Opens the folder, whose clock stays what it is; a new one gets the clock asked for.
fn open_folder(config: &Config) -> Result<DataFolder, FolderError> {
    let root = config.data();
    if config.clock_kind().is_none() {
        match DataFolder::open(&root) {
            Err(FolderError::NotAFolder(_)) => {}
            found => return found,
        }
    }
    DataFolder::open_or_create(&root, config.clock_kind().unwrap_or(ClockKind::Real))
}

/// Opens the clock. Only that of a new folder starts where the story does.
fn open_clock(
    folder: &DataFolder,
    config: &Config,
    story: Option<&demo::Story>,
    latest: Option<DateTime<Utc>>,
) -> Result<Clock, ClockError> {
    if folder.clock() == ClockKind::Real {
        return Ok(Clock::Real);
    }
    let is_new = latest.is_none() && !SimulatedClock::is_kept(folder.root());
    let start = story.filter(|_| is_new).map(|story| story.start);
    let start = config.clock_start.or(start);
    Ok(Clock::Simulated(SimulatedClock::open(folder.root(), start, latest)?))
}

async fn open_log(dir: PathBuf) -> Result<SegmentLog, StartError> {
    let open = move || SegmentLog::open(&dir, SegmentOptions::default());
    Ok(spawn_blocking(open).await.map_err(|_| StartError::Worker)??)
}

fn spawn_views(log: SegmentLog, views: ViewStore, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        // The views say themselves why they stopped; /readyz repeats it.
        let _ = run_views(log, views, stop).await;
    })
}

fn publisher(
    config: &Config,
    log: &SegmentLog,
    views: &ViewStore,
    stop: &watch::Receiver<bool>,
) -> (Publishing, Option<JoinHandle<()>>) {
    let Some(options) = publisher_options(config) else { return (Publishing::Off, None) };
    let (sender, status) = watch::channel(PublisherStatus::default());
    let task = run_publisher(log.clone(), views.clone(), options, sender, stop.clone());
    let task = tokio::spawn(async move {
        // The publisher says itself why it stopped; /readyz repeats it.
        let _ = task.await;
    });
    (Publishing::On(status), Some(task))
}

/// Where checkpoints are handed over to be published, and the task that does it.
fn checkpoints(
    config: &Config,
    stop: &watch::Receiver<bool>,
) -> (Option<proofs::Publishing>, Option<JoinHandle<()>>) {
    let Some(options) = publisher_options(config) else { return (None, None) };
    let (signed, to_publish) = mpsc::unbounded_channel();
    let (status, failure) = watch::channel(None);
    let task = run_checkpoints(options, to_publish, status, stop.clone());
    let task = tokio::spawn(async move {
        // The publisher says itself why it stopped; /readyz repeats it.
        let _ = task.await;
    });
    (Some(proofs::Publishing { signed, failure }), Some(task))
}

fn publisher_options(config: &Config) -> Option<PublisherOptions> {
    let credentials = config.nats_credentials.clone();
    let options = PublisherOptions::new(config.nats.clone()?, config.nats_name.clone());
    Some(PublisherOptions { credentials, ..options })
}

/// Imports the catalogue in `path` unless it is the last one imported.
async fn import(state: &AppState, path: &Path) -> Result<(), StartError> {
    let catalogue = read_catalogue(path)?;
    if state.ledger.catalogues().iter().last() == Some(&catalogue) {
        return Ok(());
    }
    let failed = |source| StartError::Catalogue { path: path.to_owned(), source };
    // The same content has the same id, so that it is imported once, however often it is tried.
    let json = serde_json::to_vec(&catalogue).map_err(|err| failed(err.into()))?;
    let id = format!("import/{}", Hash::of(&json));
    let request = Request {
        stream: StreamId::Catalogue,
        command: Command::ImportCatalogue(ImportCatalogue { catalogue }),
        command_id: CommandId::try_new(id).expect("a word and a hash make an id"),
        actor: Actor { id: ActorId::try_new("operator").expect("a word"), role: Role::Operator },
        reason: Reason::try_new("imported at start with --catalogue").expect("words"),
        now: state.clock.now(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    };
    state.ledger.execute(request).await.map_err(failed)?;
    Ok(())
}

fn read_catalogue(path: &Path) -> Result<Catalogue, StartError> {
    let failed = |reason: String| StartError::CatalogueFile { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|err| failed(err.to_string()))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml::from_str(&text).map_err(|err| failed(err.to_string())),
        Some("json") => serde_json::from_str(&text).map_err(|err| failed(err.to_string())),
        _ => Err(failed("its name must end in .toml or .json".to_owned())),
    }
}

impl Running {
    /// Stops the tasks, signs a last checkpoint, then closes views and logs. What fails keeps nothing
    /// else from being stopped.
    ///
    /// # Errors
    ///
    /// The first [`StartError`] when something cannot be closed; all that was acknowledged is safe.
    pub async fn stop(self) -> Result<(), StartError> {
        self.state.stopping.send_replace(true);
        self.shutdown.send_replace(true);
        let mut ended = Ok(());
        for task in self.tasks {
            ended = ended.and(task.await.map_err(|_| StartError::Worker));
        }
        let state = self.state;
        state.proofs.keep_up().await;
        let close = move || -> Result<(), StartError> {
            state.snapshots.close();
            let views = state.views.close().map_err(StartError::from);
            let log = state.ledger.log().close();
            let journal = state.ledger.journal().close();
            views.and(log.and(journal).map_err(StartError::from))
        };
        let closed = spawn_blocking(close).await.map_err(|_| StartError::Worker);
        ended.and(closed.flatten())
    }
}

/// Opens, serves until a signal comes, and stops.
///
/// # Errors
///
/// See [`StartError`].
pub async fn serve(config: &Config) -> Result<(), StartError> {
    let address = config.listen;
    let listen = |source| StartError::Listen { address, source };
    let stop_request = stop_requests().map_err(StartError::Signals)?;
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let running = open(config).await?;
    welcome(config, &running.state, address);
    let app = crate::app(Arc::clone(&running.state));
    // An answer is written at once and whole, so there is nothing to wait for.
    let listener = listener.tap_io(|stream| {
        if let Err(err) = stream.set_nodelay(true) {
            tracing::debug!(%err, "a connection goes on with delays");
        }
    });
    let stopping = running.state.stopping.clone();
    let mut stopped = stopping.subscribe();
    let graceful = async move {
        stop_request.await;
        tracing::info!("stopping");
        stopping.send_replace(true);
    };
    let late = async {
        let _ = stopped.wait_for(|stopped| *stopped).await;
        tokio::time::sleep(GRACE).await;
    };
    let served = tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(graceful) => served,
        () = late => {
            tracing::warn!("requests that took too long were cut off");
            Ok(())
        }
    };
    running.stop().await?;
    served.map_err(StartError::Serve)
}

/// Listens for a request to stop from now on; the answer waits for one.
fn stop_requests() -> io::Result<impl Future<Output = ()>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// Says where everything is, and what to try first.
fn welcome(config: &Config, state: &AppState, address: SocketAddr) {
    let url = url(address);
    let data = config.data();
    let tokens = data.join(tokens::FILE);
    let clock = match state.clock.kind() {
        ClockKind::Real => "the machine's clock".to_owned(),
        ClockKind::Simulated => format!("a simulated clock, at {}", state.clock.now()),
    };
    say(&format!("data        {}, on {clock}", data.display()));
    say(&format!("tokens      {}", tokens.display()));
    match (&state.publishing, &config.nats) {
        (Publishing::On(_), Some(nats)) => say(&format!("publishing  on, to {nats}")),
        _ => say("publishing  off; start with --nats URL to publish events"),
    }
    if config.demo {
        say(&format!("dashboard   {url}/ , with a token of that file"));
        say(
            "\nTry in another terminal: what a customer has, what five seats more would cost, and who \
             changed what:\n",
        );
        say(&lines_to_try(&url, &tokens));
    }
    say(&format!("ready       {url}"));
}

/// Command lines that can be pasted into a shell as they are.
fn lines_to_try(url: &str, tokens: &Path) -> String {
    let (customer, seats) = (demo::SHOWN_CUSTOMER, demo::SHOWN_SUBSCRIPTION);
    let tokens = quoted(&tokens.to_string_lossy());
    let token = format!(
        "$(awk -F'\"' '/^role = \"operator\"/{{found=1}} found&&/^token/{{print $2; exit}}' {tokens})"
    );
    let curl = format!("  curl -s -H \"Authorization: Bearer {token}\"");
    let subscriptions = format!("{url}/v1/customers/{customer}/subscriptions");
    format!(
        "{curl} {subscriptions}\n\
         {curl} -H 'Content-Type: application/json' -d '{{\"seats\": 5, \"reason\": \"New hires\"}}' \
         '{subscriptions}/{seats}/add-seats?dry_run=true'\n  \
         cargo run --release --bin replay-tool -- history {customer} --url {url} --tokens {tokens}\n"
    )
}

/// The address as a browser on this machine reaches it.
fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("http://127.0.0.1:{}", address.port());
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[tokio::test]
    async fn a_lost_task_keeps_nothing_else_from_being_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let args = ["command-api", "--demo", "--data", data.to_str().unwrap()];
        let mut running = open(&Config::try_parse_from(args).unwrap()).await.unwrap();
        let state = Arc::clone(&running.state);
        running.tasks.insert(0, tokio::spawn(async { panic!("as planned") }));
        assert!(matches!(running.stop().await, Err(StartError::Worker)));
        let signed = std::fs::read_to_string(data.join("proofs/checkpoints")).unwrap();
        assert!(signed.contains(&format!("\n{}\n", state.ledger.log().durable_position())));
        for log in [state.ledger.log(), state.ledger.journal()] {
            let waited = log.wait_beyond(log.durable_position()).await;
            assert!(matches!(waited, Err(StoreError::Closed)), "{waited:?}");
        }
    }

    #[test]
    fn the_lines_to_try_name_any_folder() {
        let lines = lines_to_try("http://host:1", Path::new("/my data/it's/tokens.toml"));
        let named = r"'/my data/it'\''s/tokens.toml'";
        assert_eq!(lines.matches(named).count(), 3, "{lines}");
        assert_eq!(lines.matches("/my data").count(), 3, "{lines}");
        assert!(
            lines_to_try("u", Path::new("a/tokens.toml")).ends_with("--tokens a/tokens.toml\n")
        );
    }
}
