//! A vendor's invoice file, a line at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

use chrono::NaiveDate;
use csv::StringRecord;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use smol_str::{SmolStr, format_smolstr};

use super::error::FileError;
use super::layout::Layout;
use super::lines::{Family, TheirLine};
use super::rows::{Rows, delimiter, first_line};
use super::unpack::{PIECE_BYTES, text};
use super::values::{self, DateOrder, DecimalMark, Unclear};
use crate::calendar::Period;
use crate::commit::Hash;
use crate::money::Currency;

/// Lines accepted, unless others are asked for.
const LINES_MAX: u64 = 20_000_000;

/// Characters of a SKU's id. Source: domain, section 4.7.
const SKU_CHARS: usize = 4;

/// Characters that an error shows of a value.
const SHOWN_CHARS: usize = 40;

/// How values are written, where the file itself does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// What stands before the cents.
    pub decimal: Option<DecimalMark>,
    /// What comes first in a day.
    pub dates: Option<DateOrder>,
}

/// What is read of a file, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How values are written.
    pub forms: Forms,
    /// Only lines in this currency; all when left out.
    pub currency: Option<Currency>,
    /// Lines accepted, so that a small archive of endless lines is given up in time.
    pub lines_max: u64,
}

impl Default for Reading {
    fn default() -> Self {
        Self { forms: Forms::default(), currency: None, lines_max: LINES_MAX }
    }
}

/// What is known of a file besides its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FileNotes {
    /// Lines read, without the header.
    pub lines: u64,
    /// Columns that are not known here, as the header names them.
    pub unknown_columns: Vec<SmolStr>,
    /// Charge types that are not known here, and how many lines have them.
    pub unknown_charge_types: BTreeMap<SmolStr, u64>,
}

/// SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
///
/// What the reader answers.
pub fn sha256_of(mut file: impl Read) -> io::Result<String> {
    let (mut sum, mut piece) = (Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => sum.update(piece.get(..read).unwrap_or_default()),
        }
    }
    Ok(Hash::from(sum).to_string())
}

type Open<'a> = Box<dyn Fn() -> io::Result<Box<dyn Read>> + 'a>;

/// A vendor's invoice file: an iterator over its lines, in the order of the file.
pub struct InvoiceFile<'a> {
    open: Open<'a>,
    table: Table,
    reading: Reading,
    /// Kept from line to line for its memory.
    record: Option<StringRecord>,
    notes: FileNotes,
    is_over: bool,
}

impl fmt::Debug for InvoiceFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvoiceFile").field("notes", &self.notes).finish_non_exhaustive()
    }
}

impl<'a> InvoiceFile<'a> {
    /// Reads the header. `open` gives the file from its beginning: it is read once more when a value can
    /// be read in two ways, until another one of the file decides.
    ///
    /// # Errors
    ///
    /// [`FileError`] when it is no invoice file.
    pub fn open(
        open: impl Fn() -> io::Result<Box<dyn Read>> + 'a,
        reading: Reading,
    ) -> Result<Self, FileError> {
        let open: Open<'a> = Box::new(open);
        let table = Table::open(&open)?;
        let unknown = table.layout.unknown.iter().map(|column| table.layout.name(*column));
        let notes = FileNotes { unknown_columns: unknown.collect(), ..FileNotes::default() };
        Ok(Self { open, table, reading, record: None, notes, is_over: false })
    }

    /// What is known of the lines read so far.
    #[must_use]
    pub const fn notes(&self) -> &FileNotes {
        &self.notes
    }

    fn read(&mut self) -> Result<Option<TheirLine>, FileError> {
        loop {
            let mut record = self.record.take().unwrap_or_default();
            let Some(line) = self.table.next(&mut record)? else {
                return if self.notes.lines == 0 { Err(FileError::NoLines) } else { Ok(None) };
            };
            self.notes.lines = self.notes.lines.saturating_add(1);
            let lines_max = self.reading.lines_max;
            if lines_max < self.notes.lines {
                return Err(FileError::TooManyLines { lines_max });
            }
            let read = self.line(line, &record)?;
            self.record = Some(record);
            let Some(read) = read else { continue };
            if read.family() == Family::Unknown {
                let known = &mut self.notes.unknown_charge_types;
                let count = known.entry(read.charge_type.clone()).or_default();
                *count = count.saturating_add(1);
            }
            return Ok(Some(read));
        }
    }

    /// Understands a line; `None` when it is in another currency than asked for.
    fn line(&mut self, line: u64, record: &StringRecord) -> Result<Option<TheirLine>, FileError> {
        let layout = Rc::clone(&self.table.layout);
        let get = |column: usize| values::plain(record.get(column).unwrap_or_default());
        let given = |column: Option<usize>| column.map(get).filter(|text| !text.is_empty());
        let name = |column: usize| {
            let text = get(column);
            let missing = || self.wrong(line, column, text, "empty: every line needs it");
            if text.is_empty() { Err(missing()) } else { Ok(SmolStr::new(text)) }
        };
        let currency = get(layout.currency).to_ascii_uppercase().parse::<Currency>();
        if self.reading.currency.is_some_and(|only| currency.as_ref() != Ok(&only)) {
            return Ok(None);
        }
        let currency = currency.map_err(|_| {
            let problem =
                "no currency that the ledger bills in: leave such lines out with --currency";
            self.wrong(line, layout.currency, get(layout.currency), problem)
        })?;
        let customer = name(layout.customer)?;
        let subscription = match given(layout.legacy_subscription) {
            Some(subscription) => SmolStr::new(subscription),
            None => name(layout.subscription)?,
        };
        let charge_type = name(layout.charge_type)?;
        let (start, end) =
            (self.day(line, layout.start, record)?, self.day(line, layout.end, record)?);
        if end < start {
            let problem = "before the first day of the charge: the file is damaged there, or \
                           --dates is wrong";
            return Err(self.wrong(line, layout.end, get(layout.end), problem));
        }
        let unit_price = self.number(line, layout.unit_price, record)?;
        let subtotal = self.number(line, layout.subtotal, record)?;
        let billable = layout.billable_quantity.filter(|column| given(Some(*column)).is_some());
        let seats = self.number(line, billable.unwrap_or(layout.quantity), record)?;
        let is_credit = subtotal.is_sign_negative() && !subtotal.is_zero();
        let tax = match layout.tax.filter(|column| given(Some(*column)).is_some()) {
            Some(column) => self.number(line, column, record)?,
            None => Decimal::ZERO,
        };
        let rate = match layout.rate.filter(|column| given(Some(*column)).is_some()) {
            Some(column) => Some(self.number(line, column, record)?),
            None => None,
        };
        let sku = given(layout.sku);
        let offer = given(layout.product).zip(sku);
        let reference = given(layout.reference).and_then(values::reference);
        let unknown = layout
            .unknown
            .iter()
            .filter_map(|column| Some((layout.name(*column), SmolStr::new(given(Some(*column))?))));
        Ok(Some(TheirLine {
            line,
            customer,
            subscription,
            offer: offer.map(|(product, sku)| format_smolstr!("{product}-{sku:0>SKU_CHARS$}")),
            charge_type,
            reference: reference.map(SmolStr::from),
            period: Period { start, end },
            // Some exports give a credit's seats without their sign.
            quantity: if is_credit { -seats.abs() } else { seats },
            unit_price,
            rate,
            subtotal,
            tax,
            currency,
            other: unknown.collect(),
        }))
    }

    fn number(
        &mut self,
        line: u64,
        column: usize,
        record: &StringRecord,
    ) -> Result<Decimal, FileError> {
        let text = values::plain(record.get(column).unwrap_or_default());
        if self.reading.forms.decimal.is_none() {
            self.reading.forms.decimal = values::mark_of(text);
        }
        let mut read = values::number(text, self.reading.forms.decimal);
        if read == Err(Unclear::Ambiguous) {
            let columns: Vec<usize> = self.table.layout.numbers().collect();
            self.reading.forms.decimal = self.first_to_say(&columns, values::mark_of)?;
            read = values::number(text, self.reading.forms.decimal);
        }
        read.map_err(|unclear| {
            let problem = match (unclear, self.reading.forms.decimal) {
                (Unclear::Ambiguous, _) => {
                    "more than one number: say with --decimal point or comma what it is"
                }
                (Unclear::Wrong, Some(DecimalMark::Point)) => "no number with a decimal point",
                (Unclear::Wrong, Some(DecimalMark::Comma)) => "no number with a decimal comma",
                (Unclear::Wrong, None) => "no number",
            };
            self.wrong(line, column, text, problem)
        })
    }

    fn day(
        &mut self,
        line: u64,
        column: usize,
        record: &StringRecord,
    ) -> Result<NaiveDate, FileError> {
        let text = values::plain(record.get(column).unwrap_or_default());
        if self.reading.forms.dates.is_none() {
            self.reading.forms.dates = values::order_of(text);
        }
        let mut read = values::day(text, self.reading.forms.dates);
        if read == Err(Unclear::Ambiguous) {
            let columns = [self.table.layout.start, self.table.layout.end];
            self.reading.forms.dates = self.first_to_say(&columns, values::order_of)?;
            read = values::day(text, self.reading.forms.dates);
        }
        read.map_err(|unclear| {
            let problem = match (unclear, self.reading.forms.dates) {
                (Unclear::Ambiguous, _) => {
                    "more than one day: say with --dates day-first or month-first what it is"
                }
                (Unclear::Wrong, Some(DateOrder::DayFirst)) => "no day, with the day first",
                (Unclear::Wrong, Some(DateOrder::MonthFirst)) => "no day, with the month first",
                (Unclear::Wrong, None) => "no day such as 2024-03-01",
            };
            self.wrong(line, column, text, problem)
        })
    }

    /// The first value of these columns in the whole file that says by itself how it is to be read.
    fn first_to_say<T>(
        &self,
        columns: &[usize],
        says: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, FileError> {
        let mut table = Table::open(&self.open)?;
        let mut record = StringRecord::new();
        while table.next(&mut record)?.is_some() {
            let mut fields = columns.iter().filter_map(|column| record.get(*column));
            if let Some(said) = fields.find_map(|field| says(values::plain(field))) {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    fn wrong(&self, line: u64, column: usize, text: &str, problem: &'static str) -> FileError {
        let value = text.chars().take(SHOWN_CHARS).collect();
        FileError::Value {
            line,
            column: self.table.layout.name(column).to_string(),
            value,
            problem,
        }
    }
}

impl Iterator for InvoiceFile<'_> {
    type Item = Result<TheirLine, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read().transpose();
        self.is_over = !matches!(read, Some(Ok(_)));
        read
    }
}

/// A file's records, and the header that was understood.
struct Table {
    rows: Rows,
    header: StringRecord,
    layout: Rc<Layout>,
}

impl Table {
    fn open(open: &Open<'_>) -> Result<Self, FileError> {
        let again = || text(open().map_err(|source| FileError::Unread { line: 0, source })?);
        // The first line tells what divides the fields of all.
        let delimiter = delimiter(&first_line(again()?)?);
        let mut rows = Rows::of(again()?, delimiter);
        let mut header = StringRecord::new();
        if rows.next(&mut header)?.is_none() {
            return Err(FileError::Empty);
        }
        let layout = Rc::new(Layout::of(&header)?);
        Ok(Self { rows, header, layout })
    }

    /// Reads the next line that is not the header once more; returns its number.
    fn next(&mut self, record: &mut StringRecord) -> Result<Option<u64>, FileError> {
        while let Some(line) = self.rows.next(record)? {
            // A file of several parts repeats it.
            if *record == self.header {
                continue;
            }
            let (found, expected) = (record.len(), self.layout.columns());
            if found != expected {
                return Err(FileError::Fields { line, found, expected });
            }
            return Ok(Some(line));
        }
        Ok(None)
    }
}
