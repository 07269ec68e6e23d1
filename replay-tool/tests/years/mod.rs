//! Random years in a stopped folder, exported, and the rows of such a file.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic, and not every test uses all")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use replay_tool::exit::Exit;
use rust_decimal::Decimal;
use serde_json::Value;
use tempfile::TempDir;

use crate::lives::{Billed, live};
use crate::support::{Answer, run};

/// A folder with some years in it, and room for files beside it.
pub(crate) struct Years {
    dir: TempDir,
    pub(crate) billed: Billed,
    /// A stopped folder is opened by one at a time.
    asked: Mutex<()>,
}

impl Years {
    pub(crate) fn of(seed: u64, steps: u32) -> Self {
        let dir = TempDir::new().unwrap();
        let billed = live(&dir.path().join("data"), seed, steps);
        Self { dir, billed, asked: Mutex::new(()) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn ask(&self, args: &[&str]) -> Answer {
        let _asked = self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let data = self.path("data");
        run(&[&["export", "--data", data.to_str().unwrap()], args].concat())
    }

    /// Exports, and returns the file and its manifest.
    pub(crate) fn export(&self, name: &str, args: &[&str]) -> (PathBuf, Value) {
        let path = self.path(name);
        let answer = self.ask(&[&["-o", path.to_str().unwrap()], args].concat());
        assert_eq!(answer.exit, Exit::Fine, "{}{}", answer.out, answer.err);
        let manifest = fs::read(self.path(&format!("{name}.manifest.json"))).unwrap();
        (path, serde_json::from_slice(&manifest).unwrap())
    }
}

/// The same years for all tests that only read.
pub(crate) fn years() -> &'static Years {
    static YEARS: OnceLock<Years> = OnceLock::new();
    YEARS.get_or_init(|| Years::of(4711, 250))
}

/// The rows of a CSV file, by column.
pub(crate) fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

pub(crate) fn sum<'a>(
    rows: impl IntoIterator<Item = &'a BTreeMap<String, String>>,
    (currency, amount): (&str, &str),
) -> BTreeMap<String, Decimal> {
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for row in rows {
        *sums.entry(row[currency].clone()).or_default() += row[amount].parse::<Decimal>().unwrap();
    }
    sums
}
