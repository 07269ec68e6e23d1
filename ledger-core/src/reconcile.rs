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
