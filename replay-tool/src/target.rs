//! Where commands go: a running server, or the ledger of a stopped folder.

use chrono::{DateTime, Utc};
use ledger_core::customer::{Command, Warning};
use ledger_core::error::chain;
use ledger_core::ids::{Actor, ActorId, CommandId, Reason, Role, StreamId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Request};
use ledger_core::record::Refusal;
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::TargetArgs;
use crate::exit::Failure;
use crate::source::{self, Server};

/// Who commands the ledger of a stopped folder: whoever has the folder.
const FOLDER_ACTOR: &str = "replay-tool";

/// A command with everything that is sent along.
#[derive(Clone, Debug)]
pub struct Told {
    /// The customer's stream, or the catalogue's.
    pub stream: StreamId,
    /// Address of the server's route for it, such as `/v1/catalogue`.
    pub path: String,
    /// What is asked.
    pub command: Command,
    /// Its id, kept across repetitions.
    pub command_id: CommandId,
    /// Why.
    pub reason: Reason,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No rule refused it.
    Done {
        /// The names of the events; none when everything was already as asked.
        events: Vec<String>,
        /// What a person might overlook, as the ledger words it.
        warnings: Vec<Value>,
        /// Whether this is the answer that an earlier command with the same id got.
        hit: bool,
    },
    /// It was refused, and nothing happened.
    Refused {
        /// The rule's stable code, or that of what else was wrong with it.
        code: String,
        /// Why, in one sentence.
        message: String,
        /// Whether this is the answer that an earlier command with the same id got.
        hit: bool,
    },
}

/// A ledger that takes commands.
#[derive(Debug)]
pub enum Target {
    /// A running server.
    Server(Server),
    /// A stopped folder, whose commands are dated by the caller: it has no clock.
    Folder {
        /// Its ledger.
        ledger: Box<Ledger<SegmentLog>>,
        /// When the commands are given.
        now: DateTime<Utc>,
    },
}

impl Target {
    /// Finds out what was meant, and opens it.
    ///
    /// # Errors
    ///
    /// [`Failure`] for a folder in use or damaged, and when no token can be read.
    pub async fn open(args: &TargetArgs, roles: &'static [&'static str]) -> Result<Self, Failure> {
        if let Some(url) = &args.source.url {
            return Ok(Self::Server(Server::new(url, &args.source, roles)?));
        }
        let Some(now) = args.at else {
            let message = "a stopped folder has no clock: say with --at when this is recorded";
            return Err(Failure::Usage(message.to_owned()));
        };
        let folder = source::open_folder(&args.source.data)?;
        let open = |dir: &std::path::Path| {
            SegmentLog::open(dir, SegmentOptions::default()).map_err(|err| source::store(&err))
        };
        let (log, journal) = (open(&folder.log())?, open(&folder.journal())?);
        let ledger = Ledger::open(log, journal, LedgerOptions::default()).await;
        let ledger = ledger.map_err(|err| unable(&err))?;
        Ok(Self::Folder { ledger: Box::new(ledger), now })
    }

    /// Has the command carried out, once however often it is sent; or, as a preview, says what it
    /// would do.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the ledger cannot be reached or cannot work. Sent again with the same id, the
    /// command is carried out if it was not.
    pub async fn send(&self, told: &Told, is_preview: bool) -> Result<Answer, Failure> {
        match self {
            Self::Server(server) => post(server, told, is_preview),
            Self::Folder { ledger, now } => {
                let request = request(told, *now)?;
                let answer = if is_preview {
                    ledger.preview(request).await.map(|preview| Answer::Done {
                        events: preview.events.iter().map(|e| e.name().to_owned()).collect(),
                        warnings: words(&preview.warnings),
                        hit: false,
                    })
                } else {
                    ledger.execute(request).await.map(|outcome| {
                        let recorded = outcome.recorded.map(|recorded| recorded.events);
                        let events = recorded.unwrap_or_default();
                        Answer::Done {
                            warnings: words(&ledger_core::customer::warnings(&events)),
                            events: events.iter().map(|e| e.name().to_owned()).collect(),
                            hit: outcome.hit,
                        }
                    })
                };
                answer.or_else(|err| refused(&err))
            }
        }
    }

    /// Ends the work on a folder; what was answered is durable anyway.
    ///
    /// # Errors
    ///
    /// [`Failure`] when a log cannot be closed.
    pub fn close(self) -> Result<(), Failure> {
        let Self::Folder { ledger, .. } = self else { return Ok(()) };
        ledger.log().close().map_err(|err| source::store(&err))?;
        ledger.journal().close().map_err(|err| source::store(&err))
    }
}

fn request(told: &Told, now: DateTime<Utc>) -> Result<Request, Failure> {
    let id = ActorId::try_new(FOLDER_ACTOR).map_err(|err| Failure::Usage(err.to_string()))?;
    Ok(Request {
        stream: told.stream.clone(),
        command: told.command.clone(),
        command_id: told.command_id.clone(),
        actor: Actor { id, role: Role::Operator },
        reason: told.reason.clone(),
        now,
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    })
}

fn words(warnings: &[Warning]) -> Vec<Value> {
    warnings.iter().map(|warning| json!(warning)).collect()
}

fn refused(err: &ExecuteError) -> Result<Answer, Failure> {
    match err {
        ExecuteError::Refused { refusal, hit } => {
            let Refusal { code, message, .. } = &**refusal;
            Ok(Answer::Refused { code: code.clone(), message: message.clone(), hit: *hit })
        }
        ExecuteError::CommandIdReused { .. } => Ok(Answer::Refused {
            code: "COMMAND_ID_REUSED".to_owned(),
            message: err.to_string(),
            hit: false,
        }),
        ExecuteError::VersionDiffers { .. }
        | ExecuteError::Busy
        | ExecuteError::Store(_)
        | ExecuteError::Codec(_)
        | ExecuteError::Commit(_)
        | ExecuteError::Json(_)
        | ExecuteError::Amount(_) => Err(unable(err)),
    }
}

fn unable(err: &ExecuteError) -> Failure {
    if let ExecuteError::Store(err) = err {
        return source::store(err);
    }
    Failure::Source(format!("the ledger cannot do it: {}", chain(err)))
}

/// What a server answers to a command that it carried out.
#[derive(Deserialize)]
struct Done {
    events: Vec<Happened>,
    warnings: Vec<Value>,
}

#[derive(Deserialize)]
struct Happened {
    event: String,
}

fn post(server: &Server, told: &Told, is_preview: bool) -> Result<Answer, Failure> {
    let body = body(told)?;
    let (status, hit, answer) = server.post(&told.path, &told.command_id, &body, is_preview)?;
    if matches!(status, 200 | 201) {
        let Done { events, warnings } =
            serde_json::from_value(answer).map_err(|err| source::garbled(&err))?;
        let events = events.into_iter().map(|happened| happened.event).collect();
        return Ok(Answer::Done { events, warnings, hit });
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    match (status, text("code"), text("detail")) {
        (401, _, _) => Err(server.refused()),
        (400..=428 | 431, Some(code), Some(message)) => Ok(Answer::Refused { code, message, hit }),
        (_, Some(_), Some(message)) => Err(Failure::Source(message)),
        _ => Err(source::unexpected(&told.path, status)),
    }
}

/// The command as its route wants it: its fields, with the reason.
fn body(told: &Told) -> Result<Map<String, Value>, Failure> {
    let wrong = || Failure::Usage("the command cannot be written as JSON".to_owned());
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&told.command) else {
        return Err(wrong());
    };
    fields.remove("command");
    fields.insert("reason".to_owned(), json!(told.reason));
    Ok(fields)
}
