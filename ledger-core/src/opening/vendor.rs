//! Opening balances as the vendor's JSON: one subscription, several, or a collection. Names are compared
//! without regard to capitals, because older samples have others. Source: domain, section 5.2.

use serde_json::{Deserializer, Map, Value};

use super::draft::Draft;
use super::{File, FileError, Given};

/// Fields that mean the same as a column, in small letters.
const SAME: [(&str, &str); 13] = [
    ("id", "subscription"),
    ("customerid", "customer"),
    ("offerid", "offer"),
    ("offername", "offer_title"),
    ("status", "status"),
    ("termduration", "term"),
    ("billingcycle", "billing"),
    ("quantity", "quantity"),
    ("effectivestartdate", "term_start"),
    ("commitmentenddate", "term_end"),
    ("autorenewenabled", "auto_renew"),
    ("creationdate", "bought_at"),
    ("cancellationalloweduntildate", "cancel_until"),
];

pub(super) fn read(text: &str, given: &Given) -> Result<File, FileError> {
    let mut items = Vec::new();
    let mut notes = Vec::new();
    for value in Deserializer::from_str(text).into_iter::<Value>() {
        collect(value.map_err(|err| FileError::NotJson(err.to_string()))?, &mut items, &mut notes);
    }
    let drafts = items.into_iter().zip(1..);
    let lines = drafts.map(|(item, number)| draft(item).line(number, given)).collect();
    Ok(File { lines, notes })
}

/// Takes the subscriptions out of an array or a collection.
fn collect(value: Value, items: &mut Vec<Value>, notes: &mut Vec<String>) {
    match value {
        Value::Array(all) => items.extend(all),
        Value::Object(fields) => match part(&fields, "items") {
            Some(Value::Array(all)) => {
                let total = part(&fields, "totalcount").and_then(Value::as_u64);
                let here = u64::try_from(all.len()).unwrap_or(u64::MAX);
                notes.extend(total.filter(|total| here < *total).map(|total| {
                    format!("a collection of {total} has {here} here: fetch its other pages, too")
                }));
                items.extend(all.iter().cloned());
            }
            _ => items.push(Value::Object(fields)),
        },
        other => items.push(other),
    }
}

/// A field by its name in small letters.
fn part<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn draft(item: Value) -> Draft {
    let mut draft = Draft::default();
    let Value::Object(fields) = item else {
        draft.wrong.push("it is not an object, so not a subscription".to_owned());
        return draft;
    };
    for (key, value) in &fields {
        if !value.is_null() && !take(&mut draft, &key.to_ascii_lowercase(), value) {
            draft.unknown.insert(key.clone(), value.to_string());
        }
    }
    if let Some(end) = part(&fields, "commitmentenddatetime").and_then(scalar) {
        draft.fields.insert("term_end", end);
    }
    if !draft.fields.contains_key("offer_title")
        && let Some(name) = part(&fields, "friendlyname").and_then(scalar)
    {
        draft.fields.insert("offer_title", name);
    }
    // What is scheduled counts, as it does for the vendor.
    if draft.fields.contains_key("end_of_term") {
        draft.fields.remove("auto_renew");
    }
    of_trial(&mut draft, &fields);
    draft
}

/// Takes a field over; `false` when the ledger does not know it.
fn take(draft: &mut Draft, name: &str, value: &Value) -> bool {
    if let Some((_, column)) = SAME.iter().find(|(known, _)| *known == name) {
        match scalar(value) {
            Some(text) => {
                draft.fields.insert(column, text);
            }
            None => draft.wrong.push(format!("{name} is neither a text nor a number")),
        }
        return true;
    }
    match name {
        "commitmentenddatetime" => true,
        "istrial" => {
            draft.fields.insert("trial", scalar(value).unwrap_or_else(|| value.to_string()));
            true
        }
        "suspensionreasons" => match value.as_array() {
            Some(reasons) => {
                let reasons = reasons.iter().map(|r| scalar(r).unwrap_or_else(|| r.to_string()));
                draft.suspension_reasons = reasons.collect();
                true
            }
            None => false,
        },
        "refundablequantity" => refundable(draft, value),
        "scheduledactions" => scheduled(draft, value),
        _ => false,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn refundable(draft: &mut Draft, value: &Value) -> bool {
    let Some(fields) = value.as_object() else { return false };
    let Some(details) = part(fields, "details") else { return true };
    let Some(details) = details.as_array() else { return details.is_null() };
    for detail in details {
        let text = |name| detail.as_object().and_then(|d| part(d, name)).and_then(scalar);
        match (text("quantity"), text("alloweduntildatetime")) {
            (Some(quantity), Some(until)) => draft.refundable.push((quantity, until)),
            _ => draft.wrong.push(format!("refundableQuantity: {detail} is not to be read")),
        }
    }
    true
}

/// What is to happen at the end of the term. Whatever else is planned is not known here and kept.
fn scheduled(draft: &mut Draft, value: &Value) -> bool {
    let Some(actions) = value.as_array() else { return false };
    let mut is_all_known = true;
    for action in actions {
        let fields = action.as_object();
        let kind = fields.and_then(|fields| part(fields, "actiontype")).and_then(Value::as_str);
        let end = match kind.unwrap_or("").to_ascii_lowercase().as_str() {
            "cancel" => Some("cancel"),
            "renewtoextendedserviceterm" => Some("extended-service-term"),
            "renewtonewterm" => Some("renew"),
            _ => None,
        };
        let has_more = |name| fields.and_then(|f| part(f, name)).is_some_and(|v| !v.is_null());
        is_all_known &= end.is_some() && !has_more("instructions") && !has_more("effectivedate");
        if let Some(end) = end {
            draft.fields.insert("end_of_term", end.to_owned());
        }
    }
    is_all_known
}

/// A trial is not charged: what it becomes is what its plan says, or by the year and the month.
/// Source: domain, section 1.9.
fn of_trial(draft: &mut Draft, fields: &Map<String, Value>) {
    let is_trial = draft.fields.get("trial").is_some_and(|yes| yes.eq_ignore_ascii_case("true"));
    if !is_trial {
        return;
    }
    let becomes = part(fields, "renewaltermduration").and_then(scalar);
    if let Some(term) = becomes {
        draft.fields.insert("term", term);
    }
    let billing = draft.fields.get("billing").map(|billing| billing.to_ascii_lowercase());
    if billing.is_none_or(|billing| matches!(billing.as_str(), "none" | "unknown")) {
        draft.fields.insert("billing", "monthly".to_owned());
        draft.mended.push("billing: a trial that is not charged becomes one by the month".into());
    }
}
