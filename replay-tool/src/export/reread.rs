//! Reads an exported file again: hash, rows, and what they come to.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field as Stored;
use ::parquet::schema::types::Type;
use ledger_core::money::Currency;
use rust_decimal::Decimal;

use super::file::Counted;
use super::manifest::Manifest;
use super::{Format, Layout};

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    sha256: String,
    bytes: u64,
    content: Result<Content, String>,
}

/// Rows and sums; an unreadable file has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    rows: u64,
    sums: BTreeMap<Currency, Decimal>,
}

impl Content {
    fn add(&mut self, currency: &str, amount: &str) -> Result<(), String> {
        let currency: Currency = currency.parse().map_err(|_| format!("currency {currency:?}"))?;
        let amount: Decimal = amount.parse().map_err(|_| format!("amount {amount:?}"))?;
        let sum = self.sums.entry(currency).or_default();
        *sum = sum.checked_add(amount).ok_or("a sum that is too large")?;
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }
}

impl Found {
    /// What is not as the manifest says.
    #[must_use]
    pub fn differs(&self, known: &Manifest) -> Vec<String> {
        let mut problems = Vec::new();
        let mut compare = |what: &str, found: String, known: String| {
            if found != known {
                problems.push(format!("{what}: {found} found, {known} in the manifest"));
            }
        };
        compare("bytes", self.bytes.to_string(), known.bytes.to_string());
        compare("SHA-256", self.sha256.clone(), known.sha256.clone());
        let version = known.layout.version();
        compare("version of the layout", version.to_owned(), known.version.clone());
        match &self.content {
            Ok(content) => {
                compare("rows", content.rows.to_string(), known.rows.to_string());
                compare("sums", shown(&content.sums), shown(&known.sums));
            }
            Err(what) => problems.push(format!("the file cannot be understood: {what}")),
        }
        problems
    }
}

fn shown(sums: &BTreeMap<Currency, Decimal>) -> String {
    let sums = sums.iter().map(|(currency, sum)| format!("{} {currency}", sum.normalize()));
    sums.collect::<Vec<_>>().join(", ")
}

/// Reads the file at `path`.
///
/// # Errors
///
/// The system's answer.
pub fn reread(path: &Path, layout: Layout, format: Format) -> io::Result<Found> {
    let mut counted = Counted::new(io::sink());
    io::copy(&mut File::open(path)?, &mut counted)?;
    let (sha256, bytes) = counted.so_far();
    let file = File::open(path)?;
    let columns = summed(layout);
    let content = match format {
        Format::Csv => of_csv(BufReader::new(file), columns),
        Format::Jsonl => of_json(BufReader::new(file), columns),
        Format::Parquet => of_parquet(file, columns),
    };
    Ok(Found { sha256, bytes, content })
}

/// The columns of the currency and of what a row adds to the sum.
const fn summed(layout: Layout) -> [&'static str; 2] {
    match layout {
        Layout::Ledger => ["currency", "amount"],
        Layout::Vendor => ["Currency", "Subtotal"],
        Layout::Focus => ["BillingCurrency", "BilledCost"],
    }
}

fn of_csv(file: impl Read, columns: [&str; 2]) -> Result<Content, String> {
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().map_err(|err| err.to_string())?.clone();
    let place = |name: &str| {
        let found = header.iter().position(|column| column == name);
        found.ok_or_else(|| format!("there is no column {name}"))
    };
    let [currency, amount] = columns;
    let (currency, amount) = (place(currency)?, place(amount)?);
    let (mut content, mut record) = (Content::default(), csv::StringRecord::new());
    while reader.read_record(&mut record).map_err(|err| err.to_string())? {
        let value = |place: usize| record.get(place).unwrap_or_default();
        content.add(value(currency), value(amount))?;
    }
    Ok(content)
}

fn of_json(file: impl BufRead, [currency, amount]: [&str; 2]) -> Result<Content, String> {
    let mut content = Content::default();
    for line in file.lines() {
        let line = line.map_err(|err| err.to_string())?;
        let row: serde_json::Value = serde_json::from_str(&line).map_err(|err| err.to_string())?;
        let value = |name: &str| row.get(name).and_then(serde_json::Value::as_str);
        content.add(value(currency).unwrap_or_default(), value(amount).unwrap_or_default())?;
    }
    Ok(content)
}

fn of_parquet(file: File, columns: [&str; 2]) -> Result<Content, String> {
    let reader = SerializedFileReader::new(file).map_err(|err| err.to_string())?;
    let schema = reader.metadata().file_metadata().schema();
    let wanted = schema.get_fields().iter().filter(|field| columns.contains(&field.name()));
    let fields = wanted.cloned().collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
    let projection = projection.map_err(|err| err.to_string())?;
    let rows = reader.get_row_iter(Some(projection)).map_err(|err| err.to_string())?;
    let mut content = Content::default();
    for row in rows {
        let row = row.map_err(|err| err.to_string())?;
        let (mut currency, mut amount) = (String::new(), String::new());
        for (_, value) in row.get_column_iter() {
            #[expect(clippy::wildcard_enum_match_arm, reason = "two kinds are looked for")]
            match value {
                Stored::Str(text) => currency.clone_from(text),
                Stored::Decimal(number) => amount = decimal(number.data(), number.scale())?,
                _ => return Err("a column of another type".to_owned()),
            }
        }
        content.add(&currency, &amount)?;
    }
    Ok(content)
}

fn decimal(bytes: &[u8], scale: i32) -> Result<String, String> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| "a decimal of another width")?;
    let scale = u32::try_from(scale).map_err(|_| "a decimal of a negative scale")?;
    let number = Decimal::try_from_i128_with_scale(i128::from_be_bytes(bytes), scale);
    Ok(number.map_err(|err| err.to_string())?.to_string())
}
