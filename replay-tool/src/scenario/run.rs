//! Runs scenarios in memory: decide, evolve, compare, and check the laws that always hold.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ledger_core::catalogue::Catalogues;
use ledger_core::charges::lines;
use ledger_core::codec::{CODEC, decode, encode};
use ledger_core::customer::{
    Command, Context, Customer, Event, Rejection, Subscription, Warning, advice, decide,
    decide_catalogue, due, evolve, fold, upgrade_choices, warnings,
};
use ledger_core::ids::{Actor, ActorId, CustomerId, OfferId, Role};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::diff::differences;
use super::parse::{Expected, Named, Scenario, Step};

/// The one customer of every scenario.
const CUSTOMER: &str = "acme";

/// What became of one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file it was read from.
    pub file: String,
    /// The line it starts on.
    pub line: usize,
    /// The rule it shows.
    pub rule: String,
    /// Where the rule comes from.
    pub source: String,
    /// What was not as expected; empty when it passed.
    pub problems: Vec<String>,
    /// What it names in its expectations.
    #[serde(skip)]
    pub coverage: Coverage,
}

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
}

/// Runs one scenario.
#[must_use]
pub fn run(scenario: &Scenario) -> Report {
    let mut world = World::new(scenario);
    world.play(scenario);
    Report {
        file: scenario.file.clone(),
        line: scenario.line,
        rule: scenario.rule.clone(),
        source: scenario.source.clone(),
        problems: world.problems,
        coverage: world.coverage,
    }
}

/// The customer and the catalogue as the steps have made them.
struct World {
    customer_id: CustomerId,
    catalogues: Catalogues,
    clock_runs: bool,
    state: Option<Customer>,
    history: Vec<Event>,
    advice: Vec<Warning>,
    problems: Vec<String>,
    coverage: Coverage,
}

impl World {
    fn new(scenario: &Scenario) -> Self {
        Self {
            customer_id: CustomerId::try_new(CUSTOMER).expect("it is a valid id"),
            catalogues: Catalogues::default().with(scenario.catalogue.clone()),
            clock_runs: scenario.clock_runs,
            state: None,
            history: Vec::new(),
            advice: Vec::new(),
            problems: Vec::new(),
            coverage: Coverage::default(),
        }
    }

    fn play(&mut self, scenario: &Scenario) {
        let steps = scenario.given.iter().chain(scenario.steps.iter().map(|(step, _)| step));
        let Some(first) = steps.map(|step| step.at).next() else { return };
        if let Some(customer) = &scenario.customer {
            let command = Command::RegisterCustomer(customer.clone());
            let step = Step {
                at: first,
                role: Role::Operator,
                command: Some(command),
                to_catalogue: false,
            };
            self.happened("registration", &step);
        }
        for (step, number) in scenario.given.iter().zip(1_u32..) {
            self.happened(&title("given", number, step), step);
            if !self.problems.is_empty() {
                return;
            }
        }
        for ((step, expected), number) in scenario.steps.iter().zip(1_u32..) {
            self.tried(&title("when", number, step), step, expected);
        }
    }

    /// A step of the past: it must be accepted.
    fn happened(&mut self, title: &str, step: &Step) {
        self.let_time_pass(step.at);
        if let Some(command) = &step.command
            && let Err(rejection) = self.issue(step.at, step.role, step.to_catalogue, command)
        {
            self.problem(title, &format!("it must be accepted, but {}", said_no(&rejection)));
        }
        self.law(title, step.at);
    }

    /// A step under test.
    fn tried(&mut self, title: &str, step: &Step, expected: &Expected) {
        let problems_before = self.problems.len();
        self.advice.clear();
        let passed = self.let_time_pass(step.at);
        let result = match &step.command {
            Some(command) => self.issue(step.at, step.role, step.to_catalogue, command),
            None => Ok(passed),
        };
        match &result {
            Ok(events) => self.compare_accepted(title, events, expected),
            Err(rejection) => self.compare_rejected(title, rejection, expected),
        }
        if let Some(expected) = &expected.state {
            let mut state = self.state.as_ref().map(|customer| self.view(customer, step.at));
            if expected.get("upgrade_choices").is_some()
                && let (Some(Value::Object(state)), Some(customer)) = (&mut state, &self.state)
            {
                let choices = self.upgrade_choices(customer, step);
                state.insert("upgrade_choices".to_owned(), choices);
            }
            self.problems_at(title, differences("state", expected, state.as_ref()));
        }
        self.law(title, step.at);
        if self.problems.len() == problems_before {
            let programme =
                self.state.as_ref().map(|customer| customer.profile.programme.to_string());
            self.coverage.note(
                expected,
                result.as_deref().unwrap_or_default(),
                programme.as_deref(),
            );
        }
    }

    fn issue(
        &mut self,
        now: DateTime<Utc>,
        role: Role,
        to_catalogue: bool,
        command: &Command,
    ) -> Result<Vec<Event>, Rejection> {
        if to_catalogue {
            let events = decide_catalogue(&self.catalogues, command)?;
            for event in &events {
                self.import(event);
            }
            return Ok(events);
        }
        let actor = actor(role);
        let effective_at = command.due_at().map_or(now, |due_at| due_at.min(now));
        let catalogue = self.catalogues.in_force(effective_at).cloned();
        let customer = &self.customer_id;
        let catalogue = catalogue.as_deref();
        let context = Context { customer, now, effective_at, actor: &actor, catalogue };
        let preview = decide(&context, self.state.as_ref(), command);
        let events = decide(&context, self.state.as_ref(), command);
        let before = self.state.as_ref();
        let advised =
            events.as_ref().map(|events| advice(&context, before, events)).unwrap_or_default();
        if preview != events {
            self.problem(command.name(), "its preview differs from its commit");
        }
        let events = events?;
        self.advice.extend(advised);
        self.state = events.iter().fold(self.state.take(), evolve);
        self.history.extend(events.iter().cloned());
        Ok(events)
    }

    fn import(&mut self, event: &Event) {
        if let Event::CatalogueImported(e) = event {
            self.catalogues = std::mem::take(&mut self.catalogues).with(e.catalogue.clone());
        }
    }

    /// Issues, in order, all that is due by `until`; returns what came of it.
    fn let_time_pass(&mut self, until: DateTime<Utc>) -> Vec<Event> {
        let mut passed = Vec::new();
        while self.clock_runs {
            let Some((due_at, command)) = self.state.as_ref().and_then(|c| next_due(c, until))
            else {
                break;
            };
            match self.issue(due_at, Role::Scheduler, false, &command) {
                Ok(events) => passed.extend(events),
                Err(rejection) => {
                    let title = format!("{} at {due_at}", command.name());
                    self.problem(&title, &said_no(&rejection));
                    break;
                }
            }
        }
        passed
    }

    fn problem(&mut self, title: &str, problem: &str) {
        self.problems.push(format!("{title}: {problem}"));
    }

    fn problems_at(&mut self, title: &str, problems: Vec<String>) {
        self.problems.extend(problems.into_iter().map(|problem| format!("{title}: {problem}")));
    }

    fn compare_accepted(&mut self, title: &str, events: &[Event], expected: &Expected) {
        if let Some(code) = &expected.rejected {
            let happened = names(events);
            self.problem(
                title,
                &format!("expected to be rejected with {code}, but it led to {happened}"),
            );
            return;
        }
        if expected.unchanged && !events.is_empty() {
            self.problem(
                title,
                &format!("expected to change nothing, but it led to {}", names(events)),
            );
        }
        if let Some(expected) = &expected.events {
            self.problems_at(title, compare_events(expected, events));
        }
        if let Some(expected) = &expected.charges {
            let charges = charges(events);
            self.problems_at(title, compare_list("charges", expected, &charges));
        }
        if let Some(expected) = &expected.warnings {
            let warnings = warnings(events);
            let warnings: Vec<Value> =
                warnings.iter().chain(&self.advice).map(|w| json!(w)).collect();
            self.problems_at(title, compare_list("warnings", expected, &warnings));
        }
    }

    fn compare_rejected(&mut self, title: &str, rejection: &Rejection, expected: &Expected) {
        let code = rejection.rule().code;
        if expected.rejected.as_deref() != Some(code) {
            let expected = expected.rejected.as_deref().unwrap_or("to be accepted");
            self.problem(title, &format!("expected {expected}, but {}", said_no(rejection)));
            return;
        }
        if let Some(expected) = &expected.facts {
            self.problems_at(title, differences("facts", expected, Some(&json!(rejection))));
        }
        if let Some(expected) = &expected.succeeds_at {
            let found = json!({ "succeeds_at": rejection.succeeds_at() });
            let expected = json!(expected);
            let differ = match (&expected, found.get("succeeds_at")) {
                (Value::Null, Some(found)) if !found.is_null() => {
                    vec![format!("succeeds_at: expected none, found {found}")]
                }
                (_, found) => differences("succeeds_at", &expected, found),
            };
            self.problems_at(title, differ);
        }
    }

    /// What holds after every step, whatever the scenario says.
    fn law(&mut self, title: &str, now: DateTime<Utc>) {
        let mut broken = Vec::new();
        if fold(&self.history) != self.state {
            broken.push("folding the history again gives another state".to_owned());
        }
        for event in &self.history {
            let stored = encode(event).map(|stored| decode(CODEC, &stored));
            if !stored.is_ok_and(|read| read.is_ok_and(|read| read == *event)) {
                broken.push(format!("{} does not read back as it was stored", event.name()));
            }
            if let Err(err) = lines("acme/1.1", event) {
                broken.push(format!("{} cannot be charged: {err}", event.name()));
            }
        }
        if let Some(customer) = &self.state {
            broken.extend(customer.active().flat_map(|s| broken_seats(s, now)));
            broken.extend(customer.assignments.keys().filter_map(|o| broken_licences(customer, o)));
            broken.extend(customer.shortfalls.iter().filter_map(|o| broken_licences(customer, o)));
        }
        self.problems_at(title, broken);
    }

    /// What each subscription could be upgraded to.
    fn upgrade_choices(&self, customer: &Customer, step: &Step) -> Value {
        let (actor, now) = (actor(step.role), step.at);
        let catalogue = self.catalogues.in_force(now).map(|catalogue| &**catalogue);
        let (id, actor) = (&self.customer_id, &actor);
        let context = Context { customer: id, now, effective_at: now, actor, catalogue };
        let choices = customer.subscriptions.keys().map(|subscription| {
            let choices = upgrade_choices(&context, customer, subscription);
            (subscription.to_string(), json!(choices.unwrap_or_default()))
        });
        Value::Object(choices.collect())
    }

    fn view(&self, customer: &Customer, now: DateTime<Utc>) -> Value {
        let offers = self.catalogues.iter().flat_map(|catalogue| catalogue.offers.keys());
        let licences: Map<String, Value> = offers
            .chain(customer.assignments.keys())
            .map(|offer| (offer.to_string(), licences(customer, offer)))
            .collect();
        let subscriptions: Map<String, Value> = customer
            .subscriptions
            .values()
            .map(|subscription| (subscription.id.to_string(), view(subscription, now)))
            .collect();
        json!({
            "profile": customer.profile,
            "agreement": customer.agreement,
            "delegated_admin": customer.delegated_admin.is_some(),
            "delegation": customer.delegated_admin,
            "external": customer.external,
            "subscriptions": subscriptions,
            "licences": licences,
            "assignments": customer.assignments,
            "shortfalls": customer.shortfalls,
            "users": customer.users,
            "groups": customer.groups,
            "portal": customer.portal,
            "requests": customer.requests,
            "redemptions": customer.redemptions,
        })
    }
}

impl Coverage {
    fn note(&mut self, expected: &Expected, events: &[Event], programme: Option<&str>) {
        self.rejections.extend(expected.rejected.clone());
        for (named, event) in expected.events.iter().flatten().zip(events) {
            self.events.insert(named.name.clone());
            self.note_event(named, event, programme);
        }
        let text =
            |value: &Value, key| value.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let charges = expected.charges.iter().flatten();
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

fn title(kind: &str, number: u32, step: &Step) -> String {
    let command = step.command.as_ref().map_or("time passes", Command::name);
    format!("{kind} {number}, {command} at {}", step.at.format("%Y-%m-%dT%H:%M:%S%.fZ"))
}

fn said_no(rejection: &Rejection) -> String {
    format!("it was rejected with {}: {rejection}", rejection.rule().code)
}

fn actor(role: Role) -> Actor {
    Actor { id: ActorId::try_new("scenario").expect("it is a valid id"), role }
}

fn names(events: &[Event]) -> String {
    if events.is_empty() {
        return "no event".to_owned();
    }
    events.iter().map(Event::name).collect::<Vec<_>>().join(", ")
}

/// What is due first, if it is due by `until`.
fn next_due(customer: &Customer, until: DateTime<Utc>) -> Option<(DateTime<Utc>, Command)> {
    let first = due(customer).into_iter().next().filter(|due| due.at <= until)?;
    Some((first.at, first.command))
}

fn compare_events(expected: &[Named], events: &[Event]) -> Vec<String> {
    let wanted: Vec<&str> = expected.iter().map(|named| named.name.as_str()).collect();
    let found: Vec<&str> = events.iter().map(Event::name).collect();
    if wanted != found {
        let wanted = if wanted.is_empty() { "no event".to_owned() } else { wanted.join(", ") };
        return vec![format!("events: expected {wanted}, found {}", names(events))];
    }
    let pairs = expected.iter().zip(events);
    let compare = |(named, event): (&Named, &Event)| {
        differences(&named.name, &named.fields, Some(&json!(event)))
    };
    pairs.flat_map(compare).collect()
}

fn compare_list(what: &str, expected: &[Value], found: &[Value]) -> Vec<String> {
    if expected.len() != found.len() {
        let found = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n      ");
        return vec![format!("{what}: expected {}, found\n      {found}", expected.len())];
    }
    let compare = |((expected, found), number): ((&Value, &Value), u32)| {
        differences(&format!("{what}[{number}]"), expected, Some(found))
    };
    expected.iter().zip(found).zip(1_u32..).flat_map(compare).collect()
}

/// Charge lines with their amount and currency side by side.
fn charges(events: &[Event]) -> Vec<Value> {
    let lines = events.iter().flat_map(|event| lines("acme/1.1", event).unwrap_or_default());
    lines
        .map(|line| {
            let mut value = json!(line);
            value["currency"] = json!(line.amount.currency);
            value["amount"] = json!(line.amount.amount);
            value
        })
        .collect()
}

fn view(subscription: &Subscription, now: DateTime<Utc>) -> Value {
    let mut value = json!(subscription);
    value["refundable"] = json!(subscription.refundable(now));
    value["cancellable"] = json!(subscription.is_cancellable(now));
    value
}

fn licences(customer: &Customer, offer: &OfferId) -> Value {
    let (valid, assigned) = (customer.valid(offer), customer.assigned(offer));
    json!({ "valid": valid, "assigned": assigned, "available": valid.saturating_sub(assigned) })
}

fn broken_seats(s: &Subscription, now: DateTime<Utc>) -> Vec<String> {
    let seats = s.lots.iter().fold(0_u32, |sum, lot| sum.saturating_add(lot.seats));
    let open = s.lots.iter().filter(|lot| lot.reduce_until.is_some_and(|until| now <= until));
    let open = open.fold(0_u32, |sum, lot| sum.saturating_add(lot.seats));
    let mut broken = Vec::new();
    if seats != s.quantity {
        broken.push(format!("{}: its lots hold {seats} seats, not {}", s.id, s.quantity));
    }
    if open != s.refundable(now) {
        broken.push(format!("{}: {open} seats are in open lots, not {}", s.id, s.refundable(now)));
    }
    broken
}

fn broken_licences(customer: &Customer, offer: &OfferId) -> Option<String> {
    let is_short = customer.valid(offer) < customer.assigned(offer);
    let is_raised = customer.shortfalls.contains(offer);
    (is_short != is_raised).then(|| {
        let (valid, assigned) = (customer.valid(offer), customer.assigned(offer));
        format!(
            "{offer}: {assigned} of {valid} licences are assigned, but shortfall is {is_raised}"
        )
    })
}
