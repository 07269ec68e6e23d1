//! Apache Parquet: decimals, days and instants as what they are, in row groups of a bounded size.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::{Type, TypePtr};
use bytes::Bytes;
use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::table::{Column, Kind, Value};
use super::{ExportError, Sink};

/// Rows that are kept in memory before they are written.
const GROUP_ROWS: usize = 16_384;

/// Digits of a decimal column.
const PRECISION: i32 = 38;

/// A Parquet file.
pub struct Parquet<W: Write + Send> {
    columns: Vec<Column>,
    held: Vec<Vec<Value>>,
    writer: SerializedFileWriter<W>,
}

impl<W: Write + Send> fmt::Debug for Parquet<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parquet").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl<W: Write + Send> Parquet<W> {
    /// Begins.
    ///
    /// # Errors
    ///
    /// [`ExportError::Parquet`].
    pub fn new(columns: Vec<Column>, target: W) -> Result<Self, ExportError> {
        let fields = columns.iter().map(of_column).collect::<Result<Vec<_>, _>>()?;
        let schema = Type::group_type_builder("line").with_fields(fields).build()?;
        let properties = Arc::new(WriterProperties::builder().build());
        let writer = SerializedFileWriter::new(target, Arc::new(schema), properties)?;
        Ok(Self { columns, held: Vec::new(), writer })
    }

    fn write_group(&mut self) -> Result<(), ExportError> {
        let rows = std::mem::take(&mut self.held);
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (index, column) in self.columns.iter().enumerate() {
            let values = rows.iter().map(|row| row.get(index).unwrap_or(&Value::Empty));
            write_column(&mut group, *column, values)?;
        }
        group.close()?;
        Ok(())
    }
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn row(&mut self, row: Vec<Value>) -> Result<(), ExportError> {
        self.held.push(row);
        if self.held.len() < GROUP_ROWS { Ok(()) } else { self.write_group() }
    }

    fn finish(mut self: Box<Self>) -> Result<(), ExportError> {
        self.write_group()?;
        self.writer.finish()?;
        Ok(self.writer.inner_mut().flush()?)
    }
}

fn of_column(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Integer => (Physical::INT64, None),
        Kind::Decimal(scale) => {
            let scale = i32::try_from(scale).unwrap_or(PRECISION);
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::decimal(scale, PRECISION)))
        }
        Kind::Date => (Physical::INT32, Some(LogicalType::Date)),
        Kind::Instant => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        Kind::Flag => (Physical::BOOLEAN, None),
    };
    let mut column_type = Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if let Kind::Decimal(scale) = column.kind {
        let scale = i32::try_from(scale).unwrap_or(PRECISION);
        column_type = column_type.with_length(16).with_precision(PRECISION).with_scale(scale);
    }
    column_type.build().map(Arc::new)
}

fn write_column<'v, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: Column,
    values: impl Iterator<Item = &'v Value>,
) -> Result<(), ExportError> {
    match column.kind {
        Kind::Text => write_packed::<ByteArrayType, W>(group, column, values, text, |t| t),
        Kind::Integer => {
            write_typed::<Int64Type, W>(group, column, values, |value, _| match value {
                Value::Integer(number) => Some(*number),
                Value::Text(_)
                | Value::Decimal(_)
                | Value::Date(_)
                | Value::Instant(_)
                | Value::Flag(_)
                | Value::Empty => None,
            })
        }
        Kind::Decimal(_) => {
            write_packed::<FixedLenByteArrayType, W>(group, column, values, decimal, Into::into)
        }
        Kind::Date => write_typed::<Int32Type, W>(group, column, values, |value, _| match value {
            Value::Date(day) => i32::try_from(days(*day)).ok(),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Instant(_)
            | Value::Flag(_)
            | Value::Empty => None,
        }),
        Kind::Instant => {
            write_typed::<Int64Type, W>(group, column, values, |value, _| match value {
                Value::Instant(at) => Some(at.timestamp_micros()),
                Value::Text(_)
                | Value::Integer(_)
                | Value::Decimal(_)
                | Value::Date(_)
                | Value::Flag(_)
                | Value::Empty => None,
            })
        }
        Kind::Flag => write_typed::<BoolType, W>(group, column, values, |value, _| match value {
            Value::Flag(is_so) => Some(*is_so),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Date(_)
            | Value::Instant(_)
            | Value::Empty => None,
        }),
    }
}

fn write_typed<'v, T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: Column,
    values: impl Iterator<Item = &'v Value>,
    of: fn(&Value, Kind) -> Option<T::T>,
) -> Result<(), ExportError> {
    let (mut found, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        let stored = of(value, column.kind);
        levels.push(level(column, value, stored.is_some())?);
        found.extend(stored);
    }
    write_batch::<T, W>(group, column, &found, &levels)
}

/// The same for values of bytes, which share one buffer: an allocation for each takes longer than all
/// the rest.
fn write_packed<'v, T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: Column,
    values: impl Iterator<Item = &'v Value>,
    pack: fn(&Value, Kind, &mut Vec<u8>) -> Option<()>,
    of: fn(ByteArray) -> T::T,
) -> Result<(), ExportError> {
    let (mut packed, mut ends, mut levels) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        let stored = pack(value, column.kind, &mut packed);
        levels.push(level(column, value, stored.is_some())?);
        ends.extend(stored.map(|()| packed.len()));
    }
    let (packed, mut start) = (Bytes::from(packed), 0);
    let slice = |end| of(ByteArray::from(packed.slice(std::mem::replace(&mut start, end)..end)));
    let found: Vec<T::T> = ends.into_iter().map(slice).collect();
    write_batch::<T, W>(group, column, &found, &levels)
}

/// 1 for a value, 0 for none; an error for one that the column cannot hold.
fn level(column: Column, value: &Value, is_stored: bool) -> Result<i16, ExportError> {
    if is_stored || *value == Value::Empty {
        return Ok(i16::from(is_stored));
    }
    let value = value.clone().text().unwrap_or_default();
    Err(ExportError::TooLong { column: column.name, value })
}

fn write_batch<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: Column,
    found: &[T::T],
    levels: &[i16],
) -> Result<(), ExportError> {
    let missing = || ParquetError::General(format!("there is no column {}", column.name));
    let mut writer = group.next_column()?.ok_or_else(missing)?;
    writer.typed::<T>().write_batch(found, Some(levels), None)?;
    writer.close()?;
    Ok(())
}

/// Days since 1970-01-01.
fn days(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}

fn text(value: &Value, _: Kind, packed: &mut Vec<u8>) -> Option<()> {
    let Value::Text(text) = value else { return None };
    packed.extend_from_slice(text.as_bytes());
    Some(())
}

/// A decimal as a big-endian two's complement of 16 bytes, at the scale of its column.
fn decimal(value: &Value, kind: Kind, packed: &mut Vec<u8>) -> Option<()> {
    let (Value::Decimal(number), Kind::Decimal(scale)) = (value, kind) else { return None };
    let number: Decimal = number.normalize();
    let missing = scale.checked_sub(number.scale())?;
    let scaled = number.mantissa().checked_mul(10_i128.checked_pow(missing)?)?;
    let largest = 10_i128.checked_pow(PRECISION.unsigned_abs())?;
    if largest <= scaled.abs() {
        return None;
    }
    packed.extend_from_slice(&scaled.to_be_bytes());
    Some(())
}
