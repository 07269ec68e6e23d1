//! Opening balances in files: what a line says, what had to be mended to read it, and what is wrong
//! with it. Pure: bytes in, lines out. The forms are described in `docs/OPENING-BALANCES.md`.

mod csv;
mod draft;
mod values;
mod vendor;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::calendar::to_millis;
use crate::commit::Hash;
use crate::customer::ImportOpeningBalance;
use crate::ids::{CommandId, CustomerId, IdError, SubscriptionId};

/// What a file is read with.
#[derive(Clone, Debug)]
pub struct Given {
    /// Whose subscriptions they are, where the file does not say it.
    pub customer: Option<CustomerId>,
    /// The instant as of which the file tells.
    pub as_of: DateTime<Utc>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its lines, in order.
    pub lines: Vec<Line>,
    /// What should be known about the file as a whole, in sentences.
    pub notes: Vec<String>,
}

/// A line of a CSV file, or an item of a JSON file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1: of the line, or of the item.
    pub number: u64,
    /// Whose it is, as written.
    pub customer: String,
    /// Which subscription it is about, as written.
    pub subscription: String,
    /// What it tells, or all that is wrong with it.
    pub balance: Result<Balance, String>,
    /// What was read otherwise than it is written, in sentences.
    pub mended: Vec<String>,
    /// An earlier line that says the same.
    pub repeats: Option<u64>,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Whose subscription it is.
    pub customer: CustomerId,
    /// What is to be taken over.
    pub command: ImportOpeningBalance,
}

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is no text.
    #[error("the file is not text in UTF-8 (byte {0}); export it as CSV in UTF-8, or as JSON")]
    NotText(usize),
    /// It begins like JSON and is none.
    #[error("the file is not whole JSON: {0}")]
    NotJson(String),
    /// It has no heading that could be used.
    #[error("the first line must name the columns; it lacks {}", .0.join(", "))]
    ColumnsMissing(Vec<&'static str>),
    /// The heading names a column twice.
    #[error("the first line names the column {0} twice")]
    ColumnTwice(String),
    /// A record cannot be told from the next.
    #[error("the file is not CSV: {0}")]
    NotCsv(String),
}

impl Balance {
    /// The id of the command that takes it over: the same for the same line, so that a file can be
    /// imported again after an interruption.
    ///
    /// # Errors
    ///
    /// [`IdError`] never: two ids and a hash make an id.
    pub fn command_id(&self) -> Result<CommandId, IdError> {
        let content = serde_json::to_vec(&self.command).unwrap_or_default();
        let hash = Hash::of(&content).to_string();
        let hash: String = hash.chars().take(16).collect();
        let Self { customer, command } = self;
        CommandId::try_new(format!("opening/{customer}/{}/{hash}", command.subscription))
    }
}

/// Reads a file: CSV, or JSON when it begins with a bracket.
///
/// # Errors
///
/// [`FileError`] when nothing of it can be used. What is wrong with single lines is in the lines.
pub fn read(bytes: &[u8], given: &Given) -> Result<File, FileError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|err| FileError::NotText(err.valid_up_to()))?;
    if let Some(at) = text.find('\0') {
        return Err(FileError::NotText(at));
    }
    let given = Given { customer: given.customer.clone(), as_of: to_millis(given.as_of) };
    let mut file = match text.trim_start().chars().next() {
        None => return Err(FileError::Empty),
        Some('{' | '[') => vendor::read(text, &given)?,
        Some(_) => csv::read(text, &given)?,
    };
    compare(&mut file.lines);
    Ok(file)
}

/// A line that says again what an earlier one says is marked; one that says something else is wrong.
fn compare(lines: &mut [Line]) {
    let mut seen: BTreeMap<(CustomerId, SubscriptionId), (u64, ImportOpeningBalance)> =
        BTreeMap::new();
    for line in lines {
        let Ok(balance) = &line.balance else { continue };
        let key = (balance.customer.clone(), balance.command.subscription.clone());
        match seen.get(&key) {
            None => {
                seen.insert(key, (line.number, balance.command.clone()));
            }
            Some((first, command)) if *command == balance.command => line.repeats = Some(*first),
            Some((first, _)) => {
                line.balance =
                    Err(format!("{first} is about the same subscription and says something else"));
            }
        }
    }
}
