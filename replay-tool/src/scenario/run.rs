//! Runs scenarios in memory: decide, evolve, compare, and check the laws that always hold.

use std::fmt;

use chrono::{DateTime, Utc};
use ledger_core::billing::decide_billing;
use ledger_core::catalogue::Catalogues;
use ledger_core::customer::{
    Command, Context, Customer, Event, Rejection, Warning, advice, decide, decide_catalogue, due,
    evolve, learn, warnings,
};
use ledger_core::ids::{Actor, ActorId, CustomerId, Role};
use serde::Serialize;
use serde_json::{Value, json};

use super::account::Account;
use super::coverage::Coverage;
use super::diff::{differences, listed};
use super::laws::broken;
use super::parse::{Expected, Named, Scenario, Step, To};
use super::view::{billed, charges, view};

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
    pub problems: Vec<Problem>,
    /// What it names in its expectations.
    #[serde(skip)]
    pub coverage: Coverage,
}

/// One thing that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The step it came up in: its kind and number, its command and its instant.
    pub step: String,
    /// What differs, on one or more lines.
    pub differs: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.differs)
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
#[derive(Clone)]
struct World {
    customer_id: CustomerId,
    catalogues: Catalogues,
    clock_runs: bool,
    /// The instant of the last command: what became due before it is issued then.
    now: DateTime<Utc>,
    state: Option<Customer>,
    history: Vec<Event>,
    account: Account,
    advice: Vec<Warning>,
    problems: Vec<Problem>,
    coverage: Coverage,
}

impl World {
    fn new(scenario: &Scenario) -> Self {
        let customer_id = CustomerId::try_new(CUSTOMER).expect("it is a valid id");
        Self {
            account: Account::new(customer_id.clone()),
            customer_id,
            catalogues: Catalogues::default().with(scenario.catalogue.clone()),
            clock_runs: scenario.clock_runs,
            now: DateTime::<Utc>::MIN_UTC,
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
                actor: actor(Role::Operator),
                command: Some(command),
                to: To::Customer,
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
            && let Err(rejection) = self.issue(step.at, &step.actor, step.to, command)
        {
            self.problem(title, &format!("it must be accepted, but {}", said_no(&rejection)));
        }
        self.charge(title, step.at);
        self.law(title);
    }

    /// A step under test.
    fn tried(&mut self, title: &str, step: &Step, expected: &Expected) {
        let problems_before = self.problems.len();
        self.advice.clear();
        self.account.begin_step();
        let passed = self.let_time_pass(step.at);
        let result = match &step.command {
            Some(command) => self.issue(step.at, &step.actor, step.to, command),
            None => Ok(passed),
        };
        self.charge(title, step.at);
        match &result {
            Ok(events) => self.compare_accepted(title, events, expected),
            Err(rejection) => {
                self.compare_rejected(title, rejection, expected);
                self.keeps_its_word(title, step, rejection);
            }
        }
        if let Some(expected) = &expected.billed {
            self.compare_billed(title, expected);
        }
        if let Some(expected) = &expected.state {
            let context = self.context(step.at, step.at, &step.actor);
            let books = self.account.books();
            let state = view(&context, self.state.as_ref(), &self.catalogues, books);
            self.problems_at(title, differences("state", expected, Some(&state)));
        }
        self.law(title);
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
        actor: &Actor,
        to: To,
        command: &Command,
    ) -> Result<Vec<Event>, Rejection> {
        self.now = self.now.max(now);
        match to {
            To::Customer => self.issue_to_customer(now, actor, command),
            To::Catalogue => {
                let events = decide_catalogue(&self.catalogues, command)?;
                let known = std::mem::take(&mut self.catalogues);
                self.catalogues = events.iter().fold(known, learn);
                if !events.is_empty() {
                    self.account.count();
                }
                Ok(events)
            }
            To::Billing => {
                let drawn = if let Command::ClosePeriod(close) = command {
                    Some(self.account.draw(close.period)?)
                } else {
                    None
                };
                let books = self.account.books();
                let events = decide_billing(books, drawn.as_ref(), now, command)?;
                self.account.learn(now, &events);
                Ok(events)
            }
        }
    }

    fn issue_to_customer(
        &mut self,
        now: DateTime<Utc>,
        actor: &Actor,
        command: &Command,
    ) -> Result<Vec<Event>, Rejection> {
        let effective_at = command.due_at().map_or(now, |due_at| due_at.min(now));
        let context = self.context(now, effective_at, actor);
        let preview = decide(&context, self.state.as_ref(), command);
        let events = decide(&context, self.state.as_ref(), command);
        let before = self.state.as_ref();
        let advised =
            events.as_ref().map(|events| advice(&context, before, events)).unwrap_or_default();
        let differs = preview != events;
        if differs {
            self.problem(command.name(), "its preview differs from its commit");
        }
        let events = events?;
        self.advice.extend(advised);
        let empty = Account::new(self.customer_id.clone());
        let mut account = std::mem::replace(&mut self.account, empty);
        let charged = account.happen(&self.context(now, effective_at, actor), command, &events);
        self.account = account;
        charged?;
        self.state = events.iter().fold(self.state.take(), evolve);
        self.history.extend(events.iter().cloned());
        Ok(events)
    }

    fn context<'a>(
        &'a self,
        now: DateTime<Utc>,
        effective_at: DateTime<Utc>,
        actor: &'a Actor,
    ) -> Context<'a> {
        let catalogue = self.catalogues.in_force(effective_at).map(|catalogue| &**catalogue);
        Context { customer: &self.customer_id, now, effective_at, actor, catalogue }
    }

    /// Issues, in order, all that is due by `until`; returns what came of it.
    fn let_time_pass(&mut self, until: DateTime<Utc>) -> Vec<Event> {
        let mut passed = Vec::new();
        let scheduler = actor(Role::Scheduler);
        while self.clock_runs {
            let Some((due_at, command)) = self.state.as_ref().and_then(|c| next_due(c, until))
            else {
                break;
            };
            let now = due_at.max(self.now);
            match self.issue(now, &scheduler, To::Customer, &command) {
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
        self.problems.push(Problem { step: title.to_owned(), differs: problem.to_owned() });
    }

    fn problems_at(&mut self, title: &str, problems: Vec<String>) {
        let step = title.to_owned();
        let problem = |differs| Problem { step: step.clone(), differs };
        self.problems.extend(problems.into_iter().map(problem));
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

    fn compare_billed(&mut self, title: &str, expected: &[Value]) {
        match self.account.billed() {
            Ok(lines) => {
                let lines: Vec<Value> = lines.iter().map(billed).collect();
                self.problems_at(title, compare_list("billed", expected, &lines));
            }
            Err(err) => self.problem(title, &format!("billed: {err}")),
        }
    }

    /// Charges what has begun by `at`.
    fn charge(&mut self, title: &str, at: DateTime<Utc>) {
        if let Err(err) = self.account.pass(at.date_naive()) {
            self.problem(title, &format!("it cannot be charged: {err}"));
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
    fn law(&mut self, title: &str) {
        let mut broken = broken(&self.history, self.state.as_ref());
        broken.extend(self.account.broken(self.state.as_ref()));
        self.problems_at(title, broken);
    }

    /// A rule that says when the same command will succeed does not say no to it then.
    fn keeps_its_word(&mut self, title: &str, step: &Step, rejection: &Rejection) {
        let (Some(at), Some(command)) = (rejection.succeeds_at(), &step.command) else { return };
        let mut then = Self { clock_runs: true, ..self.clone() };
        then.let_time_pass(at);
        let Err(again) = then.issue(at, &step.actor, step.to, command) else { return };
        let code = again.rule().code;
        if code == rejection.rule().code {
            self.problem(title, &format!("{code} said that it succeeds at {at}, and says no then"));
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
    let wanted: Vec<String> = expected.iter().map(|named| named.name.clone()).collect();
    let found: Vec<String> = events.iter().map(|event| event.name().to_owned()).collect();
    if wanted != found {
        return vec![listed("events", &wanted, &found)];
    }
    let pairs = expected.iter().zip(events);
    let compare = |(named, event): (&Named, &Event)| {
        differences(&named.name, &named.fields, Some(&json!(event)))
    };
    pairs.flat_map(compare).collect()
}

fn compare_list(what: &str, expected: &[Value], found: &[Value]) -> Vec<String> {
    if expected.len() != found.len() {
        let keys = named_in(expected);
        let shown = |all: &[Value]| all.iter().map(|one| brief(one, &keys)).collect::<Vec<_>>();
        return vec![listed(what, &shown(expected), &shown(found))];
    }
    let compare = |((expected, found), number): ((&Value, &Value), u32)| {
        differences(&format!("{what}[{number}]"), expected, Some(found))
    };
    expected.iter().zip(found).zip(1_u32..).flat_map(compare).collect()
}

/// What says most about a charge line or a warning when an expectation names nothing of it.
const TELLING: [&str; 6] =
    ["warning", "charge_type", "subscription", "quantity", "billable_days", "amount"];

fn named_in(expected: &[Value]) -> Vec<String> {
    let named = expected.iter().filter_map(Value::as_object).flat_map(|fields| fields.keys());
    let mut keys: Vec<String> = Vec::new();
    for key in named {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    if keys.is_empty() {
        return TELLING.map(ToOwned::to_owned).to_vec();
    }
    keys
}

fn brief(value: &Value, keys: &[String]) -> String {
    let named = keys.iter().filter_map(|key| Some((key, value.get(key)?)));
    let fields: Vec<String> = named.map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{ {} }}", fields.join(", "))
}
