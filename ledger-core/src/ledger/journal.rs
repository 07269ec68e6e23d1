//! What the journal holds: the commands that changed nothing, as JSON, since people read it and no
//! state depends on it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::commit::{Commit, EncodedEvent};
use crate::record::Refusal;

/// Name under which a refusal is stored.
const REFUSED: &str = "CommandRefused";

/// Name under which it is stored that everything was already as asked.
const ALREADY_SO: &str = "AlreadySo";

/// What is kept of a command that found everything as it asked.
#[derive(Serialize, Deserialize)]
struct AlreadySo {
    /// The stream's version then.
    version: u64,
}

/// The entry for a refusal.
pub(super) fn refused(refusal: &Refusal) -> Result<EncodedEvent, serde_json::Error> {
    entry(REFUSED, refusal)
}

/// The entry for a command that found everything as it asked at `version`.
pub(super) fn already_so(version: u64) -> Result<EncodedEvent, serde_json::Error> {
    entry(ALREADY_SO, &AlreadySo { version })
}

fn entry(name: &str, content: &impl Serialize) -> Result<EncodedEvent, serde_json::Error> {
    Ok(EncodedEvent { name: name.to_owned(), schema: 1, bytes: serde_json::to_vec(content)? })
}

/// The refusal that a commit of the journal holds; `None` when everything was already as asked.
///
/// # Errors
///
/// When the entry is not JSON.
pub fn refusal_of(commit: &Commit) -> Result<Option<Refusal>, serde_json::Error> {
    content(commit, REFUSED)
}

/// The stream's version at which everything was already as asked.
pub(super) fn version_of(commit: &Commit) -> Result<Option<u64>, serde_json::Error> {
    Ok(content::<AlreadySo>(commit, ALREADY_SO)?.map(|then| then.version))
}

fn content<T: DeserializeOwned>(
    commit: &Commit,
    name: &str,
) -> Result<Option<T>, serde_json::Error> {
    let entry = commit.events.iter().find(|event| event.name == name);
    entry.map(|event| serde_json::from_slice(&event.bytes)).transpose()
}
