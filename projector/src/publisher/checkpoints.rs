//! Signed checkpoints to NATS, where the ledger's machine cannot take them back.

use ledger_core::error::chain;
use tokio::sync::{mpsc, watch};

use super::nats::{Nats, WhenAway};
use super::{PublishError, PublisherOptions, check_name, pause_after};
use crate::pump::stopped;

/// A signed checkpoint and its place among those that were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Id of the key that has signed it, 8 hexadecimal digits.
    pub key_id: String,
    /// Its number, from 1.
    pub number: u64,
    /// The note with its signatures.
    pub note: String,
}

/// Publishes checkpoints in the order of their numbers until `shutdown` becomes true or their sender
/// is gone.
///
/// Those that are there already are compared and left alone; so all that were ever signed may be sent
/// after each start. Tries again for ever when NATS fails, with pauses of 1 to 30 s; `failure` tells
/// why nothing is published, and that it is over.
///
/// # Errors
///
/// [`PublishError::OtherCheckpoint`] when another past is published already, and whatever else trying
/// again cannot help.
pub async fn run_checkpoints(
    options: PublisherOptions,
    signed: mpsc::UnboundedReceiver<Checkpoint>,
    failure: watch::Sender<Option<String>>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), PublishError> {
    tokio::select! {
        biased;
        () = stopped(&mut shutdown) => Ok(()),
        ended = run(options, signed, &failure) => {
            if let Err(err) = &ended {
                tracing::error!(failure = %chain(err), "publishing checkpoints has stopped");
                failure.send_replace(Some(chain(err)));
            }
            ended
        }
    }
}

async fn run(
    options: PublisherOptions,
    mut signed: mpsc::UnboundedReceiver<Checkpoint>,
    failure: &watch::Sender<Option<String>>,
) -> Result<(), PublishError> {
    check_name(&options.name)?;
    let (mut next, mut failures) = (None, 0_u32);
    loop {
        let published = &mut false;
        let err = match session(&options, &mut signed, &mut next, published, failure).await {
            Ok(()) => return Ok(()),
            Err(err) if err.is_worth_repeating() => err,
            Err(err) => return Err(err),
        };
        failures = if *published { 0 } else { failures };
        let pause = pause_after(failures);
        tracing::warn!(failure = %chain(&err), pause_s = pause.as_secs(), "checkpoints are tried again");
        failure.send_replace(Some(chain(&err)));
        tokio::time::sleep(pause).await;
        failures = failures.saturating_add(1);
    }
}

/// Publishes until no more can come or something fails; `next` is what was taken but not published.
async fn session(
    options: &PublisherOptions,
    signed: &mut mpsc::UnboundedReceiver<Checkpoint>,
    next: &mut Option<Checkpoint>,
    published: &mut bool,
    failure: &watch::Sender<Option<String>>,
) -> Result<(), PublishError> {
    let nats = Nats::connect(options.clone(), WhenAway::Wait).await?;
    let bucket = nats.checkpoints().await?;
    failure.send_replace(None);
    loop {
        if next.is_none() {
            *next = signed.recv().await;
        }
        let Some(checkpoint) = next else { return Ok(()) };
        bucket.put(checkpoint).await?;
        (*next, *published) = (None, true);
    }
}
