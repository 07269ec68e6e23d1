//! A CSV file as rows with named fields, whatever a spreadsheet did to it.

use std::collections::BTreeMap;

use csv::{ByteRecord, ReaderBuilder, Trim};

use super::report::{Note, Reason, Report};

/// Longest row accepted, in bytes: a description of several pages fits.
const ROW_BYTES_MAX: usize = 64 * 1024;

/// Rows between two reports of progress.
const ROWS_PER_PROGRESS: u64 = 512;

/// Why a file as a whole cannot be read. Nothing of it is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is a workbook, an archive or something else that is not text.
    #[error("the file is not text: export it as CSV (UTF-8), and unpack it if it is packed")]
    Binary,
    /// It is text of another encoding.
    #[error("line {line} is not UTF-8: save the file as CSV (UTF-8)")]
    NotUtf8 {
        /// The first such line, from 1.
        line: u64,
    },
    /// It is UTF-16.
    #[error("the file is UTF-16: save it as CSV (UTF-8)")]
    Utf16,
    /// Columns that are needed are not there.
    #[error("the header lacks {}: name the columns as the vendor does", .0.join(", "))]
    ColumnsMissing(Vec<String>),
    /// A column is there twice.
    #[error("the header has {0} twice: remove the wrong one")]
    ColumnTwice(String),
}

/// A file whose header was understood.
pub(super) struct Table<'a> {
    text: &'a str,
    delimiter: u8,
    /// The header as it stands there.
    header: ByteRecord,
    header_line: u64,
    /// Where the columns are that are known here, by simplified name.
    columns: BTreeMap<String, usize>,
    known: Vec<&'static str>,
}

/// One row.
pub(super) struct Line<'a> {
    number: u64,
    record: &'a ByteRecord,
    columns: &'a BTreeMap<String, usize>,
}

impl Line<'_> {
    /// The line of the file that it starts on, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// A field by its column, without blanks around it; empty when there is no such column.
    pub(super) fn get(&self, column: &str) -> &str {
        let field = self.columns.get(&simple(column)).and_then(|index| self.record.get(*index));
        let field = field.and_then(|field| std::str::from_utf8(field).ok()).unwrap_or_default();
        let field = field.trim();
        // A spreadsheet's ways to keep a text a text: '0001 and ="0001".
        let formula = field.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
        formula.or_else(|| field.strip_prefix('\'')).unwrap_or(field).trim()
    }

    fn is_empty(&self) -> bool {
        self.record.iter().all(|field| field.trim_ascii().is_empty())
    }
}

impl<'a> Table<'a> {
    /// Reads the header; names are compared without case, blanks and punctuation, in any order.
    pub(super) fn open(
        bytes: &'a [u8],
        needed: &[&'static str],
        known: &[&'static str],
    ) -> Result<Self, Unreadable> {
        let text = decoded(bytes)?;
        let delimiter = delimiter(text);
        let mut table = Self {
            text,
            delimiter,
            header: ByteRecord::new(),
            header_line: 1,
            columns: BTreeMap::new(),
            known: needed.iter().chain(known).copied().collect(),
        };
        let mut reader = table.reader();
        let mut header = ByteRecord::new();
        if !matches!(reader.read_byte_record(&mut header), Ok(true)) {
            return Err(Unreadable::Empty);
        }
        table.header_line = table.start(header.position()).1;
        for (index, name) in header.iter().enumerate() {
            let name = String::from_utf8_lossy(name);
            let simple = simple(&name);
            if table.columns.insert(simple, index).is_some() && !name.trim().is_empty() {
                return Err(Unreadable::ColumnTwice(name.trim().to_owned()));
            }
        }
        let missing = needed.iter().filter(|name| !table.columns.contains_key(&simple(name)));
        let missing: Vec<String> = missing.map(|name| (*name).to_owned()).collect();
        if !missing.is_empty() {
            return Err(Unreadable::ColumnsMissing(missing));
        }
        table.header = header;
        Ok(table)
    }

    pub(super) fn unknown_columns(&self) -> Vec<String> {
        let known: Vec<String> = self.known.iter().map(|name| simple(name)).collect();
        let names = self.header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned());
        names.filter(|name| !name.is_empty() && !known.contains(&simple(name))).collect()
    }

    pub(super) fn delimiter_note(&self) -> Option<Note> {
        let name = match self.delimiter {
            b';' => "semicolons",
            b'\t' => "tabs",
            _ => return None,
        };
        let message = format!("fields are divided by {name}, not by commas");
        let (line, reason) = (self.header_line, Reason::Delimiter);
        Some(Note { line, reason, message, left_out: false })
    }

    /// Hands every row that has the header's number of fields to `visit`, and counts the others.
    pub(super) fn each(
        &self,
        report: &mut Report,
        progress: &mut dyn FnMut(u64, u64),
        mut visit: impl FnMut(&Line<'_>, &mut Report),
    ) {
        let total = u64::try_from(self.text.len()).unwrap_or(u64::MAX);
        let mut reader = self.reader();
        let mut record = ByteRecord::new();
        let mut is_header = true;
        let mut end = reader.position().clone();
        // Reading from memory as bytes never fails: every text is some CSV.
        while matches!(reader.read_byte_record(&mut record), Ok(true)) {
            let (empty_lines, number) = self.start(record.position());
            report.empty_lines = report.empty_lines.saturating_add(empty_lines);
            end.clone_from(reader.position());
            if std::mem::take(&mut is_header) {
                continue;
            }
            let line = Line { number, record: &record, columns: &self.columns };
            if line.is_empty() {
                report.empty_lines = report.empty_lines.saturating_add(1);
                continue;
            }
            report.rows = report.rows.saturating_add(1);
            if report.rows.is_multiple_of(ROWS_PER_PROGRESS) {
                progress(reader.position().byte(), total);
            }
            self.judge(&line, reader.position().line(), report, &mut visit);
        }
        let (empty_lines, _) = self.start(Some(&end));
        report.empty_lines = report.empty_lines.saturating_add(empty_lines);
        progress(total, total);
    }

    /// How many empty lines there are before what is read from a position on, and on which line it starts.
    fn start(&self, position: Option<&csv::Position>) -> (u64, u64) {
        let Some(position) = position else { return (0, 1) };
        let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
        let (before, rest) = self.text.as_bytes().split_at_checked(from).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let ends = blank.filter(|byte| **byte == b'\n').fold(0_u64, |n, _| n.saturating_add(1));
        // Of a line's end in two bytes, the reader leaves the second one.
        let is_split = before.ends_with(b"\r") && rest.starts_with(b"\n");
        (ends.saturating_sub(u64::from(is_split)), position.line().saturating_add(ends))
    }

    fn judge(
        &self,
        line: &Line<'_>,
        next_line: u64,
        report: &mut Report,
        visit: &mut impl FnMut(&Line<'_>, &mut Report),
    ) {
        let (found, expected) = (line.record.len(), self.header.len());
        let lines = next_line.saturating_sub(line.number);
        let until = if 1 < lines {
            format!(", up to line {}: perhaps a quotation mark is not closed", next_line - 1)
        } else {
            String::new()
        };
        if ROW_BYTES_MAX < line.record.as_slice().len() {
            let message = format!("it has more than {ROW_BYTES_MAX} bytes{until}");
            report.leave_out(line, Reason::LineTooLong, message);
        } else if *line.record == self.header {
            let message = "it is the header once more".to_owned();
            report.leave_out(line, Reason::HeaderAgain, message);
        } else if found != expected {
            let message = format!("it has {found} fields, and the header {expected}{until}");
            report.leave_out(line, Reason::Fields, message);
        } else {
            visit(line, report);
        }
    }

    fn reader(&self) -> csv::Reader<&'a [u8]> {
        ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .trim(Trim::None)
            .from_reader(self.text.as_bytes())
    }
}

/// The text of a file: UTF-8, with or without a mark that says so.
fn decoded(bytes: &[u8]) -> Result<&str, Unreadable> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Unreadable::Utf16);
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    if bytes.contains(&0) {
        return Err(Unreadable::Binary);
    }
    let text = std::str::from_utf8(bytes).map_err(|err| {
        let before = bytes.get(..err.valid_up_to()).unwrap_or_default();
        let lines =
            before.iter().filter(|byte| **byte == b'\n').fold(1_u64, |n, _| n.saturating_add(1));
        Unreadable::NotUtf8 { line: lines }
    })?;
    if text.trim().is_empty() {
        return Err(Unreadable::Empty);
    }
    Ok(text)
}

/// What divides the fields of the header.
fn delimiter(text: &str) -> u8 {
    let header = text.trim_start().lines().next().unwrap_or_default();
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    let most = [b'\t', b';', b','].into_iter().max_by_key(count);
    most.unwrap_or(b',')
}

/// A column's name without case, blanks and punctuation.
fn simple(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
