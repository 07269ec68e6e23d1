//! `import`: what is known elsewhere, into a ledger.

use super::opening;
use crate::cli::ImportVerb;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Imports what was asked for.
///
/// # Errors
///
/// [`Failure`] when the file or the ledger cannot be used.
pub async fn import(
    verb: &ImportVerb,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match verb {
        ImportVerb::OpeningBalances(args) => opening::import(args, json, output).await,
    }
}
