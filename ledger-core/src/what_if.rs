//! A history decided again under another catalogue or other rules: what would have come of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::catalogue::Catalogues;
use crate::charges::lines;
use crate::customer::{Command, Context, Customer, Event, decide, due, evolve};
use crate::ids::{Actor, ActorId, CustomerId, Role};
use crate::money::{Currency, MoneyError};
use crate::record::Refusal;

/// Most commands that time brings about between two of the history: what never ends is cut there.
const DUE_MAX: usize = 10_000;

/// A command of a customer's history, and what came of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The customer's version that it led to; `None` when it was refused.
    pub version: Option<u64>,
    /// The instant of its decision.
    pub at: DateTime<Utc>,
    /// Who asked.
    pub actor: Actor,
    /// What.
    pub command: Command,
    /// What happened, or why not.
    pub result: Result<Vec<Event>, Refusal>,
}

/// What comes of a command now, compared with what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The same.
    Same,
    /// Other events, or the same ones with other facts: what was and what is, by event and field.
    Other {
        /// The differences.
        differences: Vec<Difference>,
    },
    /// It was accepted, and is refused now.
    NowRefused {
        /// Code of the rule.
        code: String,
        /// What the caller would be told.
        message: String,
    },
    /// It was refused, and is accepted now.
    NowAccepted {
        /// Code of the rule that said no.
        code: String,
        /// What happens now.
        events: Vec<String>,
    },
    /// It is refused by another rule.
    OtherRefusal {
        /// Code of the rule that said no.
        was: String,
        /// Code of the rule that says no now.
        now: String,
    },
    /// Time brings it about now, and did not then.
    NowDue {
        /// What happens.
        events: Vec<String>,
    },
}

/// A fact that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The event, and the path to the field in it.
    pub fact: String,
    /// What it was; `None`: it was not there.
    pub was: Option<Value>,
    /// What it is now; `None`: it is no longer there.
    pub now: Option<Value>,
}

/// One command of the history, or one that time brings about now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Redecided {
    /// The customer's version that the command led to; `None` when it led to none.
    pub version: Option<u64>,
    /// The instant of the decision.
    pub at: DateTime<Utc>,
    /// The command's name.
    pub command: &'static str,
    /// What comes of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All charges in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Charged {
    /// What was charged.
    pub was: Decimal,
    /// What is charged now.
    pub now: Decimal,
}

/// A history decided again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WhatIf {
    /// Every command, in order.
    pub commands: Vec<Redecided>,
    /// What was charged and what is now, by currency.
    pub charged: BTreeMap<Currency, Charged>,
}

/// Decides every command again, in order, at its own instant, on the state that those before it make
/// now. The names of catalogues and price lists are not compared: only what they say is.
///
/// # Errors
///
/// [`MoneyError`] when an amount cannot be computed; no decided event has such an amount.
pub fn what_if(
    customer: &CustomerId,
    history: &[Attempt],
    catalogues: &Catalogues,
) -> Result<WhatIf, MoneyError> {
    let mut world = World { customer, catalogues, state: None, result: WhatIf::default() };
    for (index, attempt) in history.iter().enumerate() {
        if attempt.actor.role != Role::Scheduler {
            let later = history.get(index..).unwrap_or_default();
            world.let_time_pass(attempt.at, later)?;
        }
        world.again(attempt)?;
    }
    if let Some(last) = history.last() {
        world.let_time_pass(last.at, &[])?;
    }
    Ok(world.result)
}

struct World<'a> {
    customer: &'a CustomerId,
    catalogues: &'a Catalogues,
    state: Option<Customer>,
    result: WhatIf,
}

impl World<'_> {
    fn decide(
        &mut self,
        now: DateTime<Utc>,
        actor: &Actor,
        command: &Command,
    ) -> Result<Vec<Event>, Box<Refusal>> {
        let effective_at = command.due_at().map_or(now, |due_at| due_at.min(now));
        let catalogue = self.catalogues.in_force(effective_at).map(|catalogue| &**catalogue);
        let customer = self.customer;
        let context = Context { customer, now, effective_at, actor, catalogue };
        let events = decide(&context, self.state.as_ref(), command)
            .map_err(|rejection| Box::new(Refusal::from(&rejection)))?;
        self.state = events.iter().fold(self.state.take(), evolve);
        Ok(events)
    }

    fn again(&mut self, attempt: &Attempt) -> Result<(), MoneyError> {
        let now = self.decide(attempt.at, &attempt.actor, &attempt.command);
        self.charge(attempt.result.as_deref().unwrap_or_default(), |charged| &mut charged.was)?;
        self.charge(now.as_deref().unwrap_or_default(), |charged| &mut charged.now)?;
        let outcome = match (&attempt.result, &now) {
            (Ok(was), Ok(now)) => {
                let differences = differences(was, now);
                if differences.is_empty() { Outcome::Same } else { Outcome::Other { differences } }
            }
            (Ok(_), Err(refusal)) => {
                Outcome::NowRefused { code: refusal.code.clone(), message: refusal.message.clone() }
            }
            (Err(was), Ok(events)) => {
                Outcome::NowAccepted { code: was.code.clone(), events: names(events) }
            }
            (Err(was), Err(now)) if was.code == now.code => Outcome::Same,
            (Err(was), Err(now)) => {
                Outcome::OtherRefusal { was: was.code.clone(), now: now.code.clone() }
            }
        };
        self.result.commands.push(Redecided {
            version: attempt.version,
            at: attempt.at,
            command: attempt.command.name(),
            outcome,
        });
        Ok(())
    }

    /// Issues what is due by `until` now, unless the history has it later.
    fn let_time_pass(&mut self, until: DateTime<Utc>, later: &[Attempt]) -> Result<(), MoneyError> {
        let Ok(id) = ActorId::try_new("scheduler") else { return Ok(()) };
        let actor = Actor { id, role: Role::Scheduler };
        for _ in 0..DUE_MAX {
            let is_later = |command: &Command| later.iter().any(|l| l.command == *command);
            let next = self.state.as_ref().and_then(|customer| {
                let mut due = due(customer).into_iter();
                due.find(|due| due.at <= until && !is_later(&due.command))
            });
            let Some(next) = next else { break };
            let events = self.decide(next.at, &actor, &next.command).unwrap_or_default();
            if events.is_empty() {
                break;
            }
            self.charge(&events, |charged| &mut charged.now)?;
            self.result.commands.push(Redecided {
                version: None,
                at: next.at,
                command: next.command.name(),
                outcome: Outcome::NowDue { events: names(&events) },
            });
        }
        Ok(())
    }

    fn charge(
        &mut self,
        events: &[Event],
        side: fn(&mut Charged) -> &mut Decimal,
    ) -> Result<(), MoneyError> {
        for event in events {
            for line in lines("", event)? {
                let charged = self.result.charged.entry(line.amount.currency).or_default();
                let sum = side(charged);
                *sum = sum.checked_add(line.amount.amount).ok_or(MoneyError::Overflow)?;
            }
        }
        Ok(())
    }
}

fn names(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.name().to_owned()).collect()
}

fn differences(was: &[Event], now: &[Event]) -> Vec<Difference> {
    let mut differences = Vec::new();
    for index in 0..was.len().max(now.len()) {
        match (was.get(index), now.get(index)) {
            (Some(was), Some(now)) if was.name() == now.name() => {
                compare(was.name(), &comparable(was), &comparable(now), &mut differences);
            }
            (was, now) => {
                let name = |event: &Event| json!(event.name());
                let fact = format!("event {}", index.saturating_add(1));
                differences.push(Difference { fact, was: was.map(name), now: now.map(name) });
            }
        }
    }
    differences
}

/// An event without the names of what it was decided under.
fn comparable(event: &Event) -> Value {
    let mut value = json!(event);
    if let Some(rules) = value.get_mut("rules").and_then(Value::as_object_mut) {
        rules.remove("catalogue");
    }
    if let Some(fields) = value.as_object_mut() {
        fields.remove("price_list");
    }
    value
}

fn compare(path: &str, was: &Value, now: &Value, differences: &mut Vec<Difference>) {
    if was == now {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (was, now) else {
        let fact = path.to_owned();
        differences.push(Difference { fact, was: Some(was.clone()), now: Some(now.clone()) });
        return;
    };
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let path = format!("{path}.{key}");
        let field = |fields: &Map<String, Value>| fields.get(key).cloned();
        match (field(old), field(new)) {
            (Some(was), Some(now)) => compare(&path, &was, &now, differences),
            (was, now) => differences.push(Difference { fact: path, was, now }),
        }
    }
}
