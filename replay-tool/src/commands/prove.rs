//! `prove` and `check-proof`: evidence that a commit is in the log, made here and checked anywhere.

use chrono::{DateTime, Utc};
use ledger_core::commit::Hash;
use ledger_core::ids::StreamId;
use ledger_core::proof::Proof;
use ledger_core::proof::archive::{Archive, commit_at};
use serde::Serialize;

use crate::cli::{CheckProofArgs, ProveArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::{self, Source};

/// Prints the proof of a commit, as JSON in any case.
///
/// # Errors
///
/// [`Failure::NotFound`] for a commit that the checkpoint does not cover; else what is wrong with the
/// source.
pub async fn prove(args: &ProveArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let (position, size) = (args.position, args.size);
    let proof = match Source::open(&args.source)? {
        Source::Server(server) => server.proof(position, size)?,
        Source::Folder(folder) => {
            let log = source::open_log(&folder.log())?;
            let commit = commit_at(&log, position).await.map_err(|err| source::store(&err))?;
            let commit = commit.ok_or_else(|| {
                Failure::NotFound(format!("the log has no position {position}: choose one it has"))
            })?;
            let archive = Archive::open(&folder, &log.id(), &log).await;
            let mut archive = archive.map_err(|err| source::proofs(&err))?;
            let proof = archive.prove(&log, position, &commit, size).await;
            proof.map_err(|err| source::proofs(&err))?
        }
    };
    output.json(&proof)?;
    Ok(Exit::Fine)
}

/// What a proof proves.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Verdict {
    Proved {
        proved: bool,
        position: u64,
        size: u64,
        stream: StreamId,
        version: u64,
        recorded_at: DateTime<Utc>,
        hash: Hash,
    },
    NotProved {
        proved: bool,
        why: String,
    },
}

/// Checks a proof against a trusted key, and says what it proves.
///
/// # Errors
///
/// [`Failure::Source`] when the file cannot be read or holds no proof.
pub fn check(args: &CheckProofArgs, json: bool, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let proof: Proof = serde_json::from_str(&source::read(&args.file)?)
        .map_err(|err| Failure::Source(format!("{} holds no proof: {err}", args.file.display())))?;
    let (position, size) = (proof.position, proof.size);
    let verdict = match proof.check(&args.key) {
        Ok(sealed) => {
            let commit = sealed.commit();
            Verdict::Proved {
                proved: true,
                position,
                size,
                stream: commit.stream.clone(),
                version: commit.version,
                recorded_at: commit.recorded_at,
                hash: sealed.hash(),
            }
        }
        Err(err) => Verdict::NotProved { proved: false, why: err.to_string() },
    };
    if json {
        output.json(&verdict)?;
    }
    match &verdict {
        Verdict::Proved { stream, version, recorded_at, .. } => {
            if !json {
                let at = recorded_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
                output.line(format!(
                    "proved: {stream} version {version}, recorded at {at}, is at position {position} \
                     of the {size} commits that {} has signed",
                    args.key.name()
                ))?;
            }
            Ok(Exit::Fine)
        }
        Verdict::NotProved { why, .. } => {
            if !json {
                output.line(format!("NOT PROVED: {why}"))?;
            }
            Ok(Exit::Found)
        }
    }
}
