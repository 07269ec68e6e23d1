//! Fills the values of an example into a scenario.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// `value` with every `<name>` replaced by what the example says for it.
#[must_use]
pub fn fill(value: &Value, example: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => fill_text(text, example),
        Value::Array(list) => list.iter().map(|value| fill(value, example)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let key = fill_text(key, example).as_str().map_or(key.clone(), ToOwned::to_owned);
                (key, fill(value, example))
            })
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect::<Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A text that is one placeholder becomes the example's value; placeholders within are replaced.
fn fill_text(text: &str, example: &Map<String, Value>) -> Value {
    let mut filled = text.to_owned();
    for (name, value) in example {
        let placeholder = format!("<{name}>");
        if text == placeholder {
            return value.clone();
        }
        let written = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        filled = filled.replace(&placeholder, &written);
    }
    Value::String(filled)
}
