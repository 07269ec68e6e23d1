//! What holds after every step of every scenario, whatever it says.

use ledger_core::charges::lines;
use ledger_core::codec::{CODEC, decode, encode};
use ledger_core::customer::{Customer, Event, faults, fold};

/// What is broken, one sentence each.
#[must_use]
pub fn broken(history: &[Event], state: Option<&Customer>) -> Vec<String> {
    let mut broken = Vec::new();
    if fold(history).as_ref() != state {
        broken.push("folding the history again gives another state".to_owned());
    }
    for event in history {
        let stored = encode(event).map(|stored| decode(CODEC, &stored));
        if !stored.is_ok_and(|read| read.is_ok_and(|read| read == *event)) {
            broken.push(format!("{} does not read back as it was stored", event.name()));
        }
        if let Err(err) = lines("acme/1.1", event) {
            broken.push(format!("{} cannot be charged: {err}", event.name()));
        }
    }
    broken.extend(state.into_iter().flat_map(faults));
    broken
}
