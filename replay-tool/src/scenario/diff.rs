//! Compares what is with the parts of it that a scenario names.

use rust_decimal::Decimal;
use serde_json::{Map, Value};

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
            .flat_map(|(key, part)| match whole.get(key) {
                None if !part.is_null() => vec![missing(path, key, part, whole)],
                found => differences(&format!("{path}.{key}"), part, found),
            })
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

fn missing(path: &str, key: &str, expected: &Value, whole: &Map<String, Value>) -> String {
    let there: Vec<&str> = whole.keys().map(String::as_str).collect();
    let there = if there.is_empty() { "nothing".to_owned() } else { there.join(", ") };
    format!("{path}.{key}: expected {}, but {path} has only {there}", short(expected))
}

/// Shows two lists that differ, one line each: what both have, what is missing (`-`) and what there is
/// besides (`+`).
#[must_use]
pub fn listed(what: &str, expected: &[String], found: &[String]) -> String {
    let mut text = format!("{what}: expected those with -, found those with +");
    let mut show = |sign: char, line: &String| {
        text.push_str("\n    ");
        text.push(sign);
        text.push(' ');
        text.push_str(line);
    };
    let mut left = found;
    for line in expected {
        match left.iter().position(|other| other == line) {
            Some(at) => {
                let (before, rest) = left.split_at(at);
                for other in before {
                    show('+', other);
                }
                show(' ', line);
                left = rest.get(1..).unwrap_or_default();
            }
            None => show('-', line),
        }
    }
    for other in left {
        show('+', other);
    }
    text
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
