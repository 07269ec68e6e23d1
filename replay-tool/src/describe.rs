//! Events, charges and people in sentences.

mod events;

use chrono::{DateTime, Utc};
use ledger_core::charges::{ChargeLine, ChargeType};
use ledger_core::customer::{Event, TermPlan};
use ledger_core::ids::Role;
use serde::Serialize;
use serde_json::{Value, json};

pub use self::events::{event, settings};

/// An instant, in UTC, to the second when nothing is lost.
#[must_use]
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// The word that stands for a value in JSON, such as a role's or a billing cycle's.
#[must_use]
pub fn word(value: &impl Serialize) -> String {
    let value = json!(value);
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A role's name.
#[must_use]
pub fn role(role: Role) -> String {
    word(&role)
}

/// Until when something can be done.
#[must_use]
pub fn until(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("until {}", instant(at)))
}

/// A plan, such as `P1Y/annual`.
#[must_use]
pub fn plan(plan: TermPlan) -> String {
    format!("{}/{}", word(&plan.term), word(&plan.billing))
}

/// The rules that a priced event was decided under, such as `under nce, catalogue seeds-2`.
#[must_use]
pub fn rules(event: &Event) -> Option<String> {
    let rules = event.rules()?;
    Some(format!("under {}, catalogue {}", rules.programme, rules.catalogue))
}

/// A charge line, in one line.
#[must_use]
pub fn charge(line: &ChargeLine) -> String {
    format!(
        "{} {}: {} for {} to {} ({})",
        charge_type(line.charge_type),
        line.subscription,
        line.amount,
        line.period.start,
        line.period.end,
        line.formula
    )
}

fn charge_type(charge_type: ChargeType) -> String {
    word(&charge_type)
}

/// What was asked, in one line: the command's name and its fields that say something.
#[must_use]
pub fn command(request: &[u8]) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(request) else {
        return "a command that cannot be read".to_owned();
    };
    let name = fields.remove("command").map(|name| word(&name)).unwrap_or_default();
    if ["ImportCatalogue", "ImportPriceList", "ImportOfferMatrix", "SetPolicy"]
        .contains(&name.as_str())
    {
        return name;
    }
    if name == "Upgrade" && fields.get("quantity").is_none_or(Value::is_null) {
        fields.insert("quantity".to_owned(), json!("all"));
    }
    let fields = fields.iter().filter(|(_, value)| !value.is_null());
    let fields =
        fields.map(|(field, value)| format!(" {field}={}", word(&without_nulls(value.clone()))));
    format!("{name}{}", fields.collect::<String>())
}

fn without_nulls(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(fields.map(|(field, value)| (field, without_nulls(value))).collect())
}
