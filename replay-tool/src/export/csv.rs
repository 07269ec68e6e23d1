//! Comma-separated values as RFC 4180 has them: UTF-8 without a mark, lines end with CR LF, and what
//! holds a comma, a quote or a line break is quoted. Nothing else is changed: see docs/EXPORTS.md for
//! text that a spreadsheet takes for a formula.

use std::io::Write;

use csv::{Terminator, Writer, WriterBuilder};

use super::table::{Column, Value};
use super::{ExportError, Sink};

/// A file of comma-separated values.
#[derive(Debug)]
pub struct Csv<W: Write>(Writer<W>);

impl<W: Write> Csv<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// [`ExportError::Io`].
    pub fn new(columns: &[Column], target: W) -> Result<Self, ExportError> {
        let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(target);
        writer.write_record(columns.iter().map(|column| column.name)).map_err(io)?;
        Ok(Self(writer))
    }
}

impl<W: Write> Sink for Csv<W> {
    fn row(&mut self, row: Vec<Value>) -> Result<(), ExportError> {
        let texts = row.into_iter().map(|value| value.text().unwrap_or_default());
        self.0.write_record(texts).map_err(io)
    }

    fn finish(mut self: Box<Self>) -> Result<(), ExportError> {
        Ok(self.0.flush()?)
    }
}

fn io(err: csv::Error) -> ExportError {
    ExportError::Io(err.into())
}
