//! Opening balances as CSV: columns by name, in any order.

use std::collections::BTreeSet;

use csv::{ReaderBuilder, StringRecord};

use super::draft::Draft;
use super::{File, FileError, Given};

/// The columns that are known.
const COLUMNS: [&str; 18] = [
    "customer",
    "subscription",
    "offer",
    "offer_title",
    "status",
    "suspension_reasons",
    "term",
    "billing",
    "quantity",
    "unit_price",
    "term_start",
    "term_end",
    "end_of_term",
    "auto_renew",
    "bought_at",
    "cancel_until",
    "trial",
    "refundable",
];

/// The columns without which no line can be read.
const REQUIRED: [&str; 8] =
    ["subscription", "offer", "status", "term", "billing", "quantity", "term_start", "term_end"];

/// What a column is.
enum Column {
    Known(&'static str),
    Unknown(String),
}

pub(super) fn read(text: &str, given: &Given) -> Result<File, FileError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let wrong = |err: csv::Error| FileError::NotCsv(err.to_string());
    let heading = records.next().ok_or(FileError::Empty)?.map_err(wrong)?;
    let columns = columns(&heading, given)?;
    let mut lines = Vec::new();
    for record in records {
        let record = record.map_err(wrong)?;
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let number = record.position().map_or(0, csv::Position::line);
        lines.push(draft(&columns, &record).line(number, given));
    }
    Ok(File { lines, notes: Vec::new() })
}

/// The character that divides the first line into the most parts; a comma when it is one part.
fn delimiter(text: &str) -> u8 {
    let heading = text.lines().next().unwrap_or("").as_bytes();
    let count = |byte: u8| heading.iter().filter(|b| **b == byte).count();
    [b'\t', b';', b','].into_iter().max_by_key(|byte| count(*byte)).unwrap_or(b',')
}

fn columns(heading: &StringRecord, given: &Given) -> Result<Vec<Column>, FileError> {
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for (name, number) in heading.iter().zip(1_u32..) {
        let plain = name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        if plain.is_empty() {
            columns.push(Column::Unknown(format!("column {number}")));
            continue;
        }
        if !seen.insert(plain.clone()) {
            return Err(FileError::ColumnTwice(plain));
        }
        let known = COLUMNS.into_iter().find(|column| *column == plain);
        columns.push(known.map_or_else(|| Column::Unknown(name.trim().to_owned()), Column::Known));
    }
    let customer = given.customer.is_none().then_some("customer");
    let required = customer.into_iter().chain(REQUIRED);
    let missing: Vec<_> = required.filter(|column| !seen.contains(*column)).collect();
    if missing.is_empty() { Ok(columns) } else { Err(FileError::ColumnsMissing(missing)) }
}

fn draft(columns: &[Column], record: &StringRecord) -> Draft {
    let mut draft = Draft::default();
    if columns.len() != record.len() {
        let (fields, named) = (record.len(), columns.len());
        draft.wrong.push(format!("it has {fields} fields, and the first line names {named}"));
    }
    for (column, text) in columns.iter().zip(record) {
        match column {
            _ if text.trim().is_empty() => {}
            Column::Known("suspension_reasons") => {
                let reasons = text.split(';').map(str::trim).filter(|reason| !reason.is_empty());
                draft.suspension_reasons = reasons.map(ToOwned::to_owned).collect();
            }
            Column::Known("refundable") => refundable(text, &mut draft),
            Column::Known(name) => {
                draft.fields.insert(name, text.to_owned());
            }
            Column::Unknown(name) => {
                draft.unknown.insert(name.clone(), text.to_owned());
            }
        }
    }
    draft
}

/// `3 until 2026-03-08T09:00:00Z;4 until 2026-03-10`.
fn refundable(text: &str, draft: &mut Draft) {
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once("until") {
            Some((quantity, until)) => draft.refundable.push((quantity.into(), until.into())),
            None => draft.wrong.push(format!(
                "refundable: {part:?} is not a quantity and an instant, such as 3 until 2026-03-08T09:00:00Z"
            )),
        }
    }
}
