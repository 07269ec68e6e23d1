//! A vendor's invoice file compared with the ledger, line by line, with the cause of every difference.
//! Pure: bytes and billed lines in, differences out. `docs/RECONCILIATION.md` tells the rules.

mod cause;
mod error;
mod file;
mod groups;
mod layout;
mod lines;
mod matching;
mod pairs;
mod report;
mod rows;
mod settle;
#[cfg(test)]
mod tests;
mod unpack;
mod values;

pub use self::error::FileError;
pub use self::file::{FileNotes, Forms, InvoiceFile, Reading, sha256_of};
pub use self::lines::{OurLine, TheirLine};
pub use self::matching::Reconciler;
pub use self::report::{Difference, Reconciliation, Uncompared};
pub use self::values::{DateOrder, DecimalMark};

/// Compares lines of theirs with lines of ours, both in any order.
///
/// # Errors
///
/// Whatever a line of theirs fails with, and [`Uncompared`].
pub fn reconcile<E: From<Uncompared>>(
    theirs: impl IntoIterator<Item = Result<TheirLine, E>>,
    ours: Vec<OurLine>,
) -> Result<Reconciliation, E> {
    let mut reconciler = Reconciler::new(ours).map_err(Uncompared::from)?;
    for their in theirs {
        reconciler.add(their?).map_err(Uncompared::from)?;
    }
    Ok(reconciler.finish()?)
}
