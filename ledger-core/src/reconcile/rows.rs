//! The records of a file, with the lines they begin on.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use csv::{ReaderBuilder, StringRecord};

use super::error::FileError;
use super::unpack::{LINE_BYTES_MAX, PIECE_BYTES, Stopped, Text};

/// The records of a text.
pub(super) struct Rows {
    reader: csv::Reader<Text>,
    /// Tells the text which of its bytes belong to lines that are done.
    done: Rc<Cell<u64>>,
}

impl Rows {
    pub(super) fn of(text: Text, delimiter: u8) -> Self {
        let done = text.done();
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).flexible(true).has_headers(false).buffer_capacity(PIECE_BYTES);
        Self { reader: builder.from_reader(text), done }
    }

    /// Reads the next record that is not empty; returns the number of the line on which it begins.
    pub(super) fn next(&mut self, record: &mut StringRecord) -> Result<Option<u64>, FileError> {
        loop {
            let before = self.reader.position().line();
            let is_read = self.reader.read_record(record);
            let is_read = is_read.map_err(|err| unread(before, err))?;
            if !is_read {
                return Ok(None);
            }
            self.done.set(self.reader.position().byte());
            // Every line is ended, so the reader stands on the next one, unless the file ended in quotes.
            let inner = record.as_slice().bytes().filter(|byte| *byte == b'\n').count();
            let inner = u64::try_from(inner).unwrap_or(u64::MAX);
            let line = self.reader.position().line().saturating_sub(inner).saturating_sub(1);
            let line = line.max(before);
            if record.iter().any(|field| !field.trim().is_empty()) {
                return Ok(Some(line));
            }
        }
    }
}

/// What an error says of the line after those that were read.
fn unread(next: u64, err: csv::Error) -> FileError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other kind comes from reading bytes")]
    match err.into_kind() {
        csv::ErrorKind::Utf8 { pos, .. } => {
            FileError::NotText { line: pos.map_or(next, |pos| pos.line()) }
        }
        csv::ErrorKind::Io(source) => {
            let stopped = source.get_ref().and_then(|inner| inner.downcast_ref::<Stopped>());
            match stopped {
                Some(Stopped::LineTooLong) => {
                    FileError::LineTooLong { line: next, bytes_max: LINE_BYTES_MAX }
                }
                Some(Stopped::NotUtf16) => FileError::NotText { line: next },
                None => FileError::Unread { line: next.saturating_sub(1), source },
            }
        }
        _ => FileError::NotText { line: next },
    }
}

/// The first line that is not blank, as far as it is needed to tell what divides its fields.
pub(super) fn first_line(text: Text) -> Result<String, FileError> {
    let mut first = Vec::new();
    let mut start = text.take(LINE_BYTES_MAX);
    let mut piece = [0; 4096];
    loop {
        let read = start.read(&mut piece).map_err(|source| unread(1, source.into()))?;
        first.extend_from_slice(piece.get(..read).unwrap_or_default());
        let begun = first.trim_ascii_start();
        if read == 0 || begun.contains(&b'\n') {
            let line = begun.split(|byte| *byte == b'\n').next().unwrap_or_default();
            if line.is_empty() {
                return Err(FileError::Empty);
            }
            if line.contains(&0) || line.starts_with(b"PK\x03\x04") {
                return Err(FileError::Binary);
            }
            return Ok(String::from_utf8_lossy(line).into_owned());
        }
    }
}

/// What divides the fields of the header.
pub(super) fn delimiter(header: &str) -> u8 {
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}
