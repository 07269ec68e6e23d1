//! What became of every line of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::table::{Line, Table};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal $(, $harmless:ident)?;)*) => {
        /// Why a line was mended or left out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $word)] $name),*
        }

        impl Reason {
            /// All reasons, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name, in reports and flags.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// Whether a line that is left out for it loses nothing that could be sold.
            #[must_use]
            pub const fn is_harmless(self) -> bool {
                match self { $(Self::$name => reasons!(@ $($harmless)?)),* }
            }
        }
    };
    (@) => { false };
    (@ harmless) => { true };
}

reasons! {
    /// The line has more or fewer fields than the header.
    Fields = "fields";
    /// The line is longer than any line of a price list.
    LineTooLong = "line-too-long";
    /// The header stands there once more.
    HeaderAgain = "header-again", harmless;
    /// The product or the SKU is no id, or was damaged by a spreadsheet.
    Offer = "offer";
    /// The term is none that the ledger sells.
    Term = "term";
    /// The billing plan is none that the ledger sells, or longer than the term.
    Billing = "billing";
    /// The market is not two letters.
    Market = "market";
    /// The segment is unknown.
    Segment = "segment";
    /// The currency is none that the ledger charges in.
    Currency = "currency";
    /// The price is missing, no number, negative, ambiguous, or has lost digits.
    Price = "price";
    /// A date cannot be read, or the price ends before it begins.
    Dates = "dates";
    /// The price holds from a quantity on, or up to one.
    Tier = "tier";
    /// The same line stands there before.
    Duplicate = "duplicate", harmless;
    /// Another line says something else about the same.
    Contradiction = "contradiction";
    /// The vendor deleted it.
    Deleted = "deleted", harmless;
    /// A number of licences cannot be read, or the largest is below the smallest.
    Limits = "limits";
    /// A list of other offers or of countries cannot be read.
    References = "references";
    /// The delimiter is not a comma.
    Delimiter = "delimiter", harmless;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text is no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no reason; there are: {}", words())]
pub struct UnknownReason {
    text: String,
}

fn words() -> String {
    Reason::ALL.iter().map(|reason| reason.word()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let found = Self::ALL.iter().find(|reason| reason.word() == text.trim());
        found.copied().ok_or_else(|| UnknownReason { text: text.to_owned() })
    }
}

/// Something about one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The line of the file, from 1; the first one of a row that has several.
    pub line: u64,
    /// What kind of thing.
    pub reason: Reason,
    /// In words.
    pub message: String,
    /// Whether the row was left out; otherwise it was mended and kept.
    pub left_out: bool,
}

/// What became of every line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows, without the header and without empty lines.
    pub rows: u64,
    /// Rows that were understood, those that were mended included.
    pub understood: u64,
    /// Rows that were understood after mending.
    pub mended: u64,
    /// Rows that were left out.
    pub left_out: u64,
    /// Empty lines, and lines of nothing but delimiters.
    pub empty_lines: u64,
    /// Rows that begin while another one for the same is in force; the transaction's instant settles
    /// which of them holds.
    pub overlapping: u64,
    /// Columns that nobody knows here; they are not read.
    pub unknown_columns: Vec<String>,
    /// Everything mended and left out, in the order of the lines.
    pub notes: Vec<Note>,
}

impl Report {
    pub(super) fn new(table: &Table<'_>) -> Self {
        let mut report = Self { unknown_columns: table.unknown_columns(), ..Self::default() };
        report.notes.extend(table.delimiter_note());
        report
    }

    /// Rows that were left out although they may be prices that are needed, by reason.
    #[must_use]
    pub fn losses(&self) -> BTreeMap<Reason, u64> {
        let mut losses = BTreeMap::new();
        for note in self.notes.iter().filter(|note| note.left_out && !note.reason.is_harmless()) {
            let count: &mut u64 = losses.entry(note.reason).or_default();
            *count = count.saturating_add(1);
        }
        losses
    }

    /// What is lost, and how to accept it, in a sentence.
    #[must_use]
    pub fn loss(&self) -> String {
        let losses = self.losses();
        let words: Vec<&str> = losses.keys().map(|reason| reason.word()).collect();
        let counts: Vec<String> =
            losses.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        format!("rows left out: {} (skip={})", counts.join(", "), words.join(","))
    }

    /// Whether it can be imported: nothing is lost but for reasons that are `accepted`.
    #[must_use]
    pub fn is_accepted(&self, accepted: &BTreeSet<Reason>) -> bool {
        self.losses().keys().all(|reason| accepted.contains(reason))
    }

    pub(super) fn leave_out(&mut self, line: &Line<'_>, reason: Reason, message: String) {
        self.note(line.number(), reason, message, true);
    }

    pub(super) fn mend(&mut self, line: &Line<'_>, reason: Reason, message: String) {
        self.note(line.number(), reason, message, false);
    }

    /// Counts a row that was understood.
    pub(super) fn understood(&mut self, line: &Line<'_>) {
        self.understood = self.understood.saturating_add(1);
        let notes = self.notes.iter().rev().take_while(|note| note.line == line.number());
        if notes.count() != 0 {
            self.mended = self.mended.saturating_add(1);
        }
    }

    fn note(&mut self, line: u64, reason: Reason, message: String, left_out: bool) {
        // A line is left out once, for whatever number of reasons.
        let is_first = left_out
            && !self.notes.iter().rev().take_while(|note| note.line == line).any(|n| n.left_out);
        self.left_out = self.left_out.saturating_add(u64::from(is_first));
        self.notes.push(Note { line, reason, message, left_out });
    }
}
