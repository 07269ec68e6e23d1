//! What the scenarios name in expectations that came true: nothing that can happen may be missing.

use std::collections::BTreeSet;

use ledger_core::customer::Event;
use serde_json::Value;

use super::parse::{Expected, Named};

/// What scenarios name in expectations that came true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Codes of rules that said no.
    pub rejections: BTreeSet<String>,
    /// Names of events.
    pub events: BTreeSet<String>,
    /// Why planned quantities were dropped.
    pub drop_causes: BTreeSet<String>,
    /// Types of charge lines.
    pub charge_types: BTreeSet<String>,
    /// Kinds of warnings.
    pub warnings: BTreeSet<String>,
    /// Upgrades that were accepted: programme, from, to.
    pub upgrades: BTreeSet<(String, String, String)>,
}

impl Coverage {
    /// Adds what another scenario covers.
    pub fn add(&mut self, other: Self) {
        self.rejections.extend(other.rejections);
        self.events.extend(other.events);
        self.drop_causes.extend(other.drop_causes);
        self.charge_types.extend(other.charge_types);
        self.warnings.extend(other.warnings);
        self.upgrades.extend(other.upgrades);
    }

    /// Adds what one step expected and got.
    pub fn note(&mut self, expected: &Expected, events: &[Event], programme: Option<&str>) {
        self.rejections.extend(expected.rejected.clone());
        for (named, event) in expected.events.iter().flatten().zip(events) {
            self.events.insert(named.name.clone());
            self.note_event(named, event, programme);
        }
        let text =
            |value: &Value, key| value.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let charges = expected.charges.iter().chain(&expected.billed).flatten();
        self.charge_types.extend(charges.filter_map(|charge| text(charge, "charge_type")));
        let warnings = expected.warnings.iter().flatten();
        self.warnings.extend(warnings.filter_map(|warning| text(warning, "warning")));
    }

    fn note_event(&mut self, named: &Named, event: &Event, programme: Option<&str>) {
        if let Some(cause) = named.fields.get("cause").and_then(Value::as_str) {
            self.drop_causes.insert(cause.to_owned());
        }
        if let (Event::SubscriptionUpgraded(e), Some(programme)) = (event, programme) {
            let (from, to) = (e.offer.to_string(), e.target_offer.to_string());
            self.upgrades.insert((programme.to_owned(), from, to));
        }
    }
}
