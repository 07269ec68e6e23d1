//! Columns, and what stands in them.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use rust_decimal::Decimal;
use smol_str::SmolStr;

/// What a column holds. Every column may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64 bits, with a sign.
    Integer,
    /// Exact, at most 38 digits, of which so many after the point.
    Decimal(u32),
    /// A day.
    Date,
    /// An instant, UTC.
    Instant,
    /// Yes or no.
    Flag,
}

impl Kind {
    /// Its name in documents.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Integer => "integer".to_owned(),
            Self::Decimal(scale) => format!("decimal(38, {scale})"),
            Self::Date => "date".to_owned(),
            Self::Instant => "instant".to_owned(),
            Self::Flag => "yes or no".to_owned(),
        }
    }
}

/// Amounts of money on a bill: no currency has more digits after the point.
pub const AMOUNT: Kind = Kind::Decimal(2);

/// Prices and other numbers, with every digit that a decimal can have.
pub const EXACT: Kind = Kind::Decimal(28);

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means.
    pub about: &'static str,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Empty,
    /// Text. Most are short: a group of rows would be full of small allocations otherwise.
    Text(SmolStr),
    /// A whole number.
    Integer(i64),
    /// A decimal.
    Decimal(Decimal),
    /// A day.
    Date(NaiveDate),
    /// An instant.
    Instant(DateTime<Utc>),
    /// Yes or no.
    Flag(bool),
}

impl Value {
    /// The value as text; `None` for nothing.
    #[must_use]
    pub fn text(self) -> Option<String> {
        match self {
            Self::Empty => None,
            Self::Text(text) => Some(text.into()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Decimal(number) => Some(number.to_string()),
            Self::Date(day) => Some(day.to_string()),
            Self::Instant(at) => Some(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Flag(is_so) => Some(is_so.to_string()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Decimal> for Value {
    fn from(number: Decimal) -> Self {
        Self::Decimal(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<NaiveDate> for Value {
    fn from(day: NaiveDate) -> Self {
        Self::Date(day)
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Instant(at)
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Flag(is_so)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// A column of a layout, and how its value is read from `T`.
#[derive(Clone, Copy, Debug)]
pub struct Field<T> {
    /// The column.
    pub column: Column,
    /// Its value.
    pub of: fn(&T) -> Value,
}

/// A field; for tables of them.
#[must_use]
pub const fn field<T>(
    name: &'static str,
    kind: Kind,
    about: &'static str,
    of: fn(&T) -> Value,
) -> Field<T> {
    Field { column: Column { name, kind, about }, of }
}

/// The columns of `fields`.
#[must_use]
pub fn columns<T>(fields: &[Field<T>]) -> Vec<Column> {
    fields.iter().map(|field| field.column).collect()
}

/// The row that `fields` make of `from`.
#[must_use]
pub fn values<T>(fields: &[Field<T>], from: &T) -> Vec<Value> {
    fields.iter().map(|field| (field.of)(from)).collect()
}

/// Words of a value that is written as text in JSON, such as `camelCase` of an enum.
#[must_use]
pub fn word(value: &impl serde::Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Value::Text(text.into()),
        Ok(_) | Err(_) => Value::Empty,
    }
}
