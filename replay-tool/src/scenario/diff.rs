//! Compares what is with the parts of it that a scenario names.

use rust_decimal::Decimal;
use serde_json::Value;

use super::parse::instant;

/// Returns one line for every named part that differs; empty when all parts are as expected.
///
/// Mappings may have more keys than expected. Lists must be as long. Instants are compared as
/// instants and amounts as numbers, however they are written.
#[must_use]
pub fn differences(path: &str, expected: &Value, actual: Option<&Value>) -> Vec<String> {
    let Some(actual) = actual.filter(|actual| !actual.is_null()) else {
        if expected.is_null() {
            return Vec::new();
        }
        return vec![format!("{path}: expected {}, found nothing", short(expected))];
    };
    match (expected, actual) {
        (Value::Object(parts), Value::Object(whole)) => parts
            .iter()
            .flat_map(|(key, part)| differences(&format!("{path}.{key}"), part, whole.get(key)))
            .collect(),
        (Value::Array(parts), Value::Array(whole)) if parts.len() == whole.len() => parts
            .iter()
            .zip(whole)
            .zip(1_u32..)
            .flat_map(|((part, is), number)| {
                differences(&format!("{path}[{number}]"), part, Some(is))
            })
            .collect(),
        _ if is_same(expected, actual) => Vec::new(),
        _ => vec![format!("{path}: expected {}, found {}", short(expected), short(actual))],
    }
}

fn is_same(expected: &Value, actual: &Value) -> bool {
    if expected == actual {
        return true;
    }
    let (Some(expected), Some(actual)) = (expected.as_str(), actual.as_str()) else { return false };
    if let (Ok(expected), Ok(actual)) = (expected.parse::<Decimal>(), actual.parse::<Decimal>()) {
        return expected == actual;
    }
    match (instant(expected), instant(actual)) {
        (Some(expected), Some(actual)) => expected == actual,
        (Some(_) | None, _) => false,
    }
}

fn short(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
