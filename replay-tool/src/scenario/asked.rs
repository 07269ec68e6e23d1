//! What the language fills in where a command leaves something out that a file need not say.

use ledger_core::catalogue::{Catalogue, Programme};
use ledger_core::commit::Hash;
use ledger_core::customer::Command;
use ledger_core::ids::ProgrammeId;
use serde_json::{Map, Value, json};

use super::overlay::merge;

/// What the steps so far have made of the catalogue; the next ones write only the difference.
#[derive(Debug)]
pub struct Known {
    catalogue: Value,
    programmes: Map<String, Value>,
}

impl Known {
    /// The catalogue that the scenario begins with.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut known = Self { catalogue: json!(catalogue), programmes: Map::new() };
        known.note_all(catalogue);
        known
    }

    /// The fields of a command, with those filled in that were left out.
    #[must_use]
    pub fn completed(&self, name: &str, asked: Value) -> Value {
        match name {
            "ImportCatalogue" => json!({ "catalogue": merge(self.catalogue.clone(), asked) }),
            "SetPolicy" => self.policy(asked),
            "ImportPriceList" => listed(asked, &json!({})),
            "ImportOfferMatrix" => listed(
                asked,
                &json!({ "seats_min": 1, "prerequisites": [], "upgrades": [], "markets": [] }),
            ),
            _ => asked,
        }
    }

    /// Remembers the rules that a command sets, for the next one that changes them.
    pub fn learn(&mut self, command: &Command) {
        if let Command::ImportCatalogue(c) = command {
            self.note_all(&c.catalogue);
        }
        if let Command::SetPolicy(c) = command {
            self.note(&c.programme, &c.policy);
        }
    }

    fn note_all(&mut self, catalogue: &Catalogue) {
        for (id, programme) in &catalogue.programmes {
            self.note(id, programme);
        }
    }

    fn note(&mut self, id: &ProgrammeId, programme: &Programme) {
        self.programmes.insert(id.to_string(), json!(programme));
    }

    /// A policy is laid over the rules that the programme has.
    fn policy(&self, mut asked: Value) -> Value {
        let programme = asked.get("programme").and_then(Value::as_str);
        let base = programme.and_then(|id| self.programmes.get(id)).cloned();
        if let (Some(base), Some(policy)) = (base, asked.get_mut("policy")) {
            *policy = merge(base, policy.take());
        }
        asked
    }
}

/// A list as if it had been read from a file: its offers with what every offer has, and a digest.
fn listed(asked: Value, offer: &Value) -> Value {
    let digest = Hash::of(asked.to_string().as_bytes()).to_string();
    let mut whole = merge(json!({ "sha256": digest, "offers": [] }), asked);
    if let Some(offers) = whole.get_mut("offers").and_then(Value::as_array_mut) {
        for listed in offers {
            *listed = merge(offer.clone(), listed.take());
        }
    }
    whole
}
