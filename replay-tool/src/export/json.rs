//! One JSON object per line. Decimals are strings, so that no reader makes binary fractions of them;
//! what is empty is null.

use std::io::Write;

use serde_json::Value as Json;

use super::table::{Column, Value};
use super::{ExportError, Sink};

/// A file of JSON lines.
#[derive(Debug)]
pub struct JsonLines<W> {
    columns: Vec<Column>,
    target: W,
    line: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    /// Begins.
    pub const fn new(columns: Vec<Column>, target: W) -> Self {
        Self { columns, target, line: Vec::new() }
    }
}

impl<W: Write> Sink for JsonLines<W> {
    fn row(&mut self, row: Vec<Value>) -> Result<(), ExportError> {
        self.line.clear();
        for (index, (column, value)) in self.columns.iter().zip(row).enumerate() {
            self.line.push(if index == 0 { b'{' } else { b',' });
            write!(self.line, "\"{}\":{}", column.name, json(value))?;
        }
        self.line.extend_from_slice(b"}\n");
        Ok(self.target.write_all(&self.line)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), ExportError> {
        Ok(self.target.flush()?)
    }
}

fn json(value: Value) -> Json {
    match value {
        Value::Integer(number) => Json::from(number),
        Value::Flag(is_so) => Json::from(is_so),
        Value::Empty | Value::Text(_) | Value::Decimal(_) | Value::Date(_) | Value::Instant(_) => {
            value.text().map_or(Json::Null, Json::from)
        }
    }
}
