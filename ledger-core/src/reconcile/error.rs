//! What is wrong with a vendor's invoice file, and where.

use std::io;

/// Why an invoice file cannot be compared. Nothing of it is used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is nothing in it.
    #[error("the file is empty: export it again")]
    Empty,
    /// It has a header and no line.
    #[error("the file has a header and no lines: export it again")]
    NoLines,
    /// It is a workbook, an archive or something else that is not text.
    #[error("the file is not text: export it as CSV, as it is or packed with gzip")]
    Binary,
    /// It cannot be read to its end.
    #[error("the file cannot be read after line {line}, fetch it once more")]
    Unread {
        /// The last line that was read, from 1.
        line: u64,
        /// What the system or the packer says.
        source: io::Error,
    },
    /// It is text of another encoding.
    #[error("line {line} is neither UTF-8 nor UTF-16 with a mark: save the file as CSV (UTF-8)")]
    NotText {
        /// Its number, from 1.
        line: u64,
    },
    /// A line is longer than any of a vendor.
    #[error(
        "line {line} has more than {bytes_max} bytes: perhaps a quotation mark is not closed there"
    )]
    LineTooLong {
        /// Its number, from 1.
        line: u64,
        /// Bytes allowed.
        bytes_max: u64,
    },
    /// There are more lines than fit.
    #[error("the file has more than {lines_max} lines: divide it, by customer for example")]
    TooManyLines {
        /// Lines allowed.
        lines_max: usize,
    },
    /// Columns that are needed are not there.
    #[error("the header lacks {}: name the columns as the vendor does", .0.join(", "))]
    ColumnsMissing(Vec<&'static str>),
    /// A column is there twice.
    #[error("the header has {0} twice: remove the wrong one")]
    ColumnTwice(String),
    /// A line has not as many fields as the header.
    #[error("line {line} has {found} fields, and the header {expected}: is the file whole?")]
    Fields {
        /// Its number, from 1.
        line: u64,
        /// Fields it has.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// A value is not what its column holds.
    #[error("line {line}, column {column}: {value:?} is {problem}")]
    Value {
        /// The number of the line, from 1.
        line: u64,
        /// The column's name in the file.
        column: String,
        /// What stands there, cut to its first 40 characters.
        value: String,
        /// What it is not, and what to do.
        problem: &'static str,
    },
}
