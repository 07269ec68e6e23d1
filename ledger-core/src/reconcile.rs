//! A vendor's invoice file compared with the ledger, line by line, with the cause of every difference.
//! Pure: bytes and billed lines in, differences out. `docs/RECONCILIATION.md` tells the rules.

mod error;
mod file;
mod layout;
mod lines;
mod unpack;
mod values;

pub use self::error::FileError;
pub use self::file::{FileNotes, Forms, InvoiceFile, Reading};
pub use self::lines::{OurLine, TheirLine};
pub use self::values::{DateOrder, DecimalMark};
