//! Reads scenario files. Every mistake names its file, its line where it is known, and the key.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::calendar::midnight;
use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::customer::{Command, RegisterCustomer};
use ledger_core::ids::{Actor, ActorId, Role};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::asked::Known;
use super::examples::fill;
use super::overlay::merge;

/// A scenario file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", place(.file, *.line))]
pub struct ParseError {
    /// The file.
    pub file: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what to write instead.
    pub message: String,
}

fn place(file: &str, line: Option<usize>) -> String {
    line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

/// One scenario: a rule, where it comes from, and a story that shows it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file it was read from.
    pub file: String,
    /// The line it starts on.
    pub line: usize,
    /// The rule in one sentence.
    pub rule: String,
    /// Where the rule comes from.
    pub source: String,
    /// The customer to register before all else, if any.
    pub customer: Option<RegisterCustomer>,
    /// The catalogue in force.
    pub catalogue: Catalogue,
    /// Whether renewals and expiries happen by themselves.
    pub clock_runs: bool,
    /// What happened before; every command must be accepted.
    pub given: Vec<Step>,
    /// What is tried, and what is expected of it.
    pub steps: Vec<(Step, Expected)>,
}

/// One command at one instant.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub at: DateTime<Utc>,
    /// Who asks, and in which role.
    pub actor: Actor,
    /// What is asked; nothing when time merely passes.
    pub command: Option<Command>,
    /// Where it goes.
    pub to: To,
}

/// Where a command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To the customer.
    Customer,
    /// To the catalogue.
    Catalogue,
    /// To what is said about bills.
    Billing,
}

impl To {
    /// Where `command` belongs.
    const fn usual(command: Option<&Command>) -> Self {
        match command {
            Some(
                Command::ImportCatalogue(_)
                | Command::ImportPriceList(_)
                | Command::ImportOfferMatrix(_)
                | Command::SetPolicy(_),
            ) => Self::Catalogue,
            Some(
                Command::SetBillingTerms(_)
                | Command::ImportExchangeRates(_)
                | Command::ClosePeriod(_)
                | Command::RecordReconciliation(_),
            ) => Self::Billing,
            Some(_) | None => Self::Customer,
        }
    }
}

/// What is expected of a step. What is not named is not checked.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The complete list of events, each a name or a name with some of its fields.
    pub events: Option<Vec<Named>>,
    /// The complete list of charge lines, each with some of its fields.
    pub charges: Option<Vec<Value>>,
    /// The complete list of what was charged since the step before, each with some of its fields.
    pub billed: Option<Vec<Value>>,
    /// The complete list of warnings, each with some of its fields.
    pub warnings: Option<Vec<Value>>,
    /// Parts of the state afterwards.
    pub state: Option<Value>,
    /// Code of the rule that says no.
    pub rejected: Option<String>,
    /// Some of the facts that failed.
    pub facts: Option<Value>,
    /// From when on the same command will succeed; `Some(None)`: waiting does not help.
    pub succeeds_at: Option<Option<DateTime<Utc>>>,
    /// Everything was already as asked.
    pub unchanged: bool,
}

/// A name with some fields.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Fields that must be as given.
    pub fields: Value,
}

/// Reads all scenarios of one file. Documents are divided by lines of three dashes.
///
/// # Errors
///
/// [`ParseError`] for the first mistake.
pub fn parse(file: &str, text: &str) -> Result<Vec<Scenario>, ParseError> {
    let mut scenarios = Vec::new();
    for (first_line, document) in documents(text) {
        let reader = Reader { file, document: &document, first_line };
        scenarios.extend(reader.scenarios()?);
    }
    if scenarios.is_empty() {
        let message = "there is no scenario in it: write `rule:`, `when:` and `then:`".to_owned();
        return Err(ParseError { file: file.to_owned(), line: None, message });
    }
    Ok(scenarios)
}

/// The documents with something in them, each with the line it starts on.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut all = vec![(1, String::new())];
    for (number, line) in (1_usize..).zip(text.lines()) {
        if line.trim_end() == "---" {
            all.push((number.saturating_add(1), String::new()));
            continue;
        }
        if let Some((_, document)) = all.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    all.retain(|(_, document)| document.lines().any(says_something));
    all
}

/// One document and where it stands.
struct Reader<'a> {
    file: &'a str,
    document: &'a str,
    first_line: usize,
}

/// The keys of one mapping; whatever is not taken is an error.
struct Fields<'a> {
    reader: &'a Reader<'a>,
    within: &'static str,
    left: Map<String, Value>,
    known: BTreeSet<&'static str>,
}

impl Fields<'_> {
    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.insert(key);
        self.left.remove(key)
    }

    fn text(&mut self, key: &'static str) -> Result<String, ParseError> {
        let value = self.take(key);
        let text = value.as_ref().and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let missing = || self.reader.wrong(key, format!("{} needs `{key}:`, a text", self.within));
        text.map(ToOwned::to_owned).ok_or_else(missing)
    }

    fn list(&mut self, key: &'static str) -> Result<Option<Vec<Value>>, ParseError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(self.reader.wrong(key, format!("`{key}:` must be a list"))),
        }
    }

    fn flag(&mut self, key: &'static str) -> Result<bool, ParseError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.reader.wrong(key, format!("`{key}:` must be true or false"))),
        }
    }

    fn finish(self) -> Result<(), ParseError> {
        let Some(key) = self.left.keys().next() else { return Ok(()) };
        let known = likely(key, &self.known);
        let message = format!("{} has no key `{key}`; it has {}", self.within, known.join(", "));
        Err(self.reader.wrong(key, message))
    }
}

impl<'a> Reader<'a> {
    fn wrong(&self, key: &str, message: String) -> ParseError {
        ParseError { file: self.file.to_owned(), line: self.line_of(key), message }
    }

    /// The line on which `key` stands, if there is exactly one.
    fn line_of(&self, key: &str) -> Option<usize> {
        let written = format!("{key}:");
        let stands_in = |line: &str| {
            line.match_indices(&written).any(|(at, _)| {
                let before = line.get(..at).and_then(|before| before.chars().next_back());
                before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-')
            })
        };
        let mut lines = (self.first_line..).zip(self.document.lines());
        let (found, _) = lines.find(|(_, line)| stands_in(line))?;
        lines.all(|(_, line)| !stands_in(line)).then_some(found)
    }

    fn fields(&'a self, within: &'static str, value: Value) -> Result<Fields<'a>, ParseError> {
        let Value::Object(left) = value else {
            let message = format!("{within} must be a mapping of keys to values");
            return Err(self.wrong(within, message));
        };
        Ok(Fields { reader: self, within, left, known: BTreeSet::new() })
    }

    fn scenarios(&self) -> Result<Vec<Scenario>, ParseError> {
        let mut value = self.yaml()?;
        let examples = value.as_object_mut().and_then(|fields| fields.remove("examples"));
        let Some(examples) = examples else { return Ok(vec![self.scenario(value)?]) };
        let Value::Array(examples) = examples else {
            return Err(self.wrong("examples", "`examples:` must be a list".to_owned()));
        };
        if examples.is_empty() {
            return Err(self.wrong("examples", "`examples:` must not be empty".to_owned()));
        }
        examples.iter().map(|example| self.scenario(self.filled(&value, example)?)).collect()
    }

    fn yaml(&self) -> Result<Value, ParseError> {
        let parsed: Result<serde_norway::Value, _> = serde_norway::from_str(self.document);
        let value = parsed.map_err(|err| {
            let line = err.location().map(|at| at.line().saturating_add(self.first_line));
            let line = line.map(|line| line.saturating_sub(1));
            ParseError { file: self.file.to_owned(), line, message: err.to_string() }
        })?;
        let value = serde_json::to_value(value)
            .map_err(|err| self.wrong("", format!("every key must be a text: {err}")))?;
        if let Some(number) = fraction(&value) {
            let message = format!("write {number} in quotes, \"{number}\": amounts are exact");
            return Err(self.wrong("", message));
        }
        Ok(value)
    }

    /// `value` with `<name>` replaced by what the example says for it.
    fn filled(&self, value: &Value, example: &Value) -> Result<Value, ParseError> {
        let Value::Object(example) = example else {
            let message = "every example must be a mapping of names to values".to_owned();
            return Err(self.wrong("examples", message));
        };
        for name in example.keys() {
            if !self.document.contains(&format!("<{name}>")) {
                let message = format!("`<{name}>` of the examples stands nowhere in the scenario");
                return Err(self.wrong("examples", message));
            }
        }
        Ok(fill(value, example))
    }

    fn scenario(&self, value: Value) -> Result<Scenario, ParseError> {
        let mut fields = self.fields("a scenario", value)?;
        let rule = fields.text("rule")?;
        let source = fields.text("source")?;
        let programme = fields.take("programme");
        let overlays = Overlays {
            catalogue: fields.take("catalogue"),
            policy: fields.take("policy"),
            promotions: fields.take("promotions"),
        };
        let catalogue = self.catalogue(programme.as_ref(), overlays)?;
        let customer = self.customer(programme, fields.take("customer"))?;
        let clock_runs = self.clock(fields.take("clock").as_ref())?;
        let given = fields.list("given")?.unwrap_or_default();
        let (when, then) = (fields.take("when"), fields.take("then"));
        let steps = fields.list("steps")?;
        fields.finish()?;
        let pairs = self.pairs(when, then, steps)?;

        let (mut before, mut known) = (None, Known::new(&catalogue));
        let given = given.into_iter().map(|step| self.step("given", step, &mut known, &mut before));
        let given = given.collect::<Result<Vec<_>, _>>()?;
        let mut steps = Vec::new();
        for (when, then) in pairs {
            let step = self.step("when", when, &mut known, &mut before)?;
            steps.push((step, self.expected(then)?));
        }
        let mut all = given.iter().chain(steps.iter().map(|(step, _)| step));
        if !clock_runs && all.any(|step| step.command.is_none()) {
            let message = "a step names no command; add one, or `clock: runs` to the scenario";
            return Err(self.wrong("when", message.to_owned()));
        }
        let (file, line) = (self.file.to_owned(), self.first_line);
        Ok(Scenario { file, line, rule, source, customer, catalogue, clock_runs, given, steps })
    }

    fn pairs(
        &self,
        when: Option<Value>,
        then: Option<Value>,
        steps: Option<Vec<Value>>,
    ) -> Result<Vec<(Value, Value)>, ParseError> {
        match (when, then, steps) {
            (Some(when), Some(then), None) => Ok(vec![(when, then)]),
            (None, None, Some(steps)) if !steps.is_empty() => {
                steps.into_iter().map(|step| self.pair(step)).collect()
            }
            _ => {
                let message = "a scenario needs `when:` and `then:`, or `steps:` with both in each";
                Err(self.wrong("steps", message.to_owned()))
            }
        }
    }

    fn pair(&self, step: Value) -> Result<(Value, Value), ParseError> {
        let mut fields = self.fields("a step", step)?;
        let (when, then) = (fields.take("when"), fields.take("then"));
        fields.finish()?;
        let (Some(when), Some(then)) = (when, then) else {
            let message = "a step needs `when:` and `then:`".to_owned();
            return Err(self.wrong("steps", message));
        };
        Ok((when, then))
    }

    fn clock(&self, value: Option<&Value>) -> Result<bool, ParseError> {
        match value.map(Value::as_str) {
            None => Ok(false),
            Some(Some("runs")) => Ok(true),
            Some(_) => {
                let message =
                    "`clock:` can only be `runs`; leave it out to issue by hand what is due";
                Err(self.wrong("clock", message.to_owned()))
            }
        }
    }

    fn catalogue(
        &self,
        programme: Option<&Value>,
        overlays: Overlays,
    ) -> Result<Catalogue, ParseError> {
        let seeds: toml::Value = toml::from_str(SEEDS_TOML).expect("the seeds are valid TOML");
        let mut merged = serde_json::to_value(seeds).expect("TOML without dates is JSON");
        merged = merge(merged, overlays.catalogue.unwrap_or_else(|| json!({})));
        if let Some(promotions) = overlays.promotions {
            merged = merge(merged, json!({ "promotions": promotions }));
        }
        if let Some(policy) = overlays.policy {
            let Some(programme) = programme.and_then(Value::as_str) else {
                let message = "`policy:` changes the rules of `programme:`; name it".to_owned();
                return Err(self.wrong("policy", message));
            };
            merged = merge(merged, json!({ "programmes": { programme: policy } }));
        }
        let catalogue: Catalogue = self.typed("catalogue", "catalogue", merged)?;
        match catalogue.problems().first() {
            None => Ok(catalogue),
            Some(problem) => {
                Err(self.wrong("catalogue", format!("the catalogue is wrong: {problem}")))
            }
        }
    }

    fn customer(
        &self,
        programme: Option<Value>,
        particulars: Option<Value>,
    ) -> Result<Option<RegisterCustomer>, ParseError> {
        let Some(programme) = programme else {
            if particulars.is_none() {
                return Ok(None);
            }
            let message = "`customer:` needs `programme:` beside it".to_owned();
            return Err(self.wrong("customer", message));
        };
        let acme = json!({
            "name": "Acme", "programme": programme, "reseller": "reseller",
            "market": "FR", "currency": "EUR",
        });
        let merged = particulars.map_or(acme.clone(), |particulars| merge(acme, particulars));
        self.typed("customer", "programme", merged).map(Some)
    }

    fn step(
        &self,
        within: &'static str,
        value: Value,
        known: &mut Known,
        before: &mut Option<DateTime<Utc>>,
    ) -> Result<Step, ParseError> {
        let mut fields = self.fields(within, value)?;
        let at = self.instant_or(fields.take("at"), *before, within)?;
        if before.is_some_and(|before| at < before) {
            return Err(self.wrong("at", format!("{within} at {at} lies before the step above it")));
        }
        *before = Some(at);
        let by = fields.take("by");
        let to = fields.take("to");
        let mut named = Vec::new();
        for name in Command::NAMES {
            named.extend(fields.take(name).map(|asked| (*name, asked)));
        }
        fields.finish()?;
        if 1 < named.len() {
            return Err(self.wrong(within, format!("{within} names two commands; use two steps")));
        }
        let command = named.pop().map(|(name, asked)| self.command(name, asked, known));
        let command = command.transpose()?;
        let actor = self.actor(by, command.as_ref())?;
        let to = self.to(to.as_ref(), command.as_ref())?;
        Ok(Step { at, actor, command, to })
    }

    fn instant_or(
        &self,
        value: Option<Value>,
        before: Option<DateTime<Utc>>,
        within: &str,
    ) -> Result<DateTime<Utc>, ParseError> {
        match (value, before) {
            (None, Some(before)) => Ok(before),
            (None, None) => Err(self.wrong("at", format!("{within} needs `at:`, an instant"))),
            (Some(value), _) => self.instant("at", &value),
        }
    }

    fn instant(&self, key: &str, value: &Value) -> Result<DateTime<Utc>, ParseError> {
        let instant = value.as_str().and_then(instant);
        instant.ok_or_else(|| {
            let expected = "2024-03-01 or 2024-03-01T09:00:00Z";
            self.wrong(key, format!("`{key}: {value}` is no instant; write for example {expected}"))
        })
    }

    fn command(
        &self,
        name: &'static str,
        asked: Value,
        known: &mut Known,
    ) -> Result<Command, ParseError> {
        let asked = if asked.is_null() { json!({}) } else { asked };
        if !asked.is_object() {
            return Err(self.wrong(name, format!("`{name}:` must be a mapping of its fields")));
        }
        let mut whole = known.completed(name, asked);
        whole["command"] = json!(name);
        let command = self.typed(name, name, whole)?;
        known.learn(&command);
        Ok(command)
    }

    /// Who asks: a role, or a mapping of `role` and `id`.
    fn actor(&self, by: Option<Value>, command: Option<&Command>) -> Result<Actor, ParseError> {
        let (role, id) = match by {
            Some(Value::Object(both)) => {
                let mut fields = self.fields("by", Value::Object(both))?;
                let both = (fields.take("role"), fields.take("id"));
                fields.finish()?;
                both
            }
            by => (by, None),
        };
        let role = role.map(|role| self.typed("by", "by", role)).transpose()?;
        let id = id.map(|id| self.typed("by", "by", id)).transpose()?;
        Ok(Actor {
            id: id.unwrap_or_else(|| ActorId::try_new("scenario").expect("it is a valid id")),
            role: role.unwrap_or_else(|| usual_role(command)),
        })
    }

    fn to(&self, to: Option<&Value>, command: Option<&Command>) -> Result<To, ParseError> {
        match to.map(Value::as_str) {
            None => Ok(To::usual(command)),
            Some(Some("catalogue")) => Ok(To::Catalogue),
            Some(Some("customer")) => Ok(To::Customer),
            Some(Some("billing")) => Ok(To::Billing),
            Some(_) => {
                let message = "`to:` is `billing`, `catalogue` or `customer`".to_owned();
                Err(self.wrong("to", message))
            }
        }
    }

    fn expected(&self, value: Value) -> Result<Expected, ParseError> {
        let mut fields = self.fields("then", value)?;
        let events = fields.list("events")?.map(|events| self.named_all(events)).transpose()?;
        let expected = Expected {
            events,
            charges: fields.list("charges")?,
            billed: fields.list("billed")?,
            warnings: fields.list("warnings")?,
            state: fields.take("state"),
            rejected: fields
                .take("rejected")
                .map(|code| self.typed("rejected", "rejected", code))
                .transpose()?,
            facts: fields.take("facts"),
            succeeds_at: match fields.take("succeeds_at") {
                None => None,
                Some(Value::Null) => Some(None),
                Some(value) => Some(Some(self.instant("succeeds_at", &value)?)),
            },
            unchanged: fields.flag("unchanged")?,
        };
        fields.finish()?;
        self.sensible(expected)
    }

    fn sensible(&self, expected: Expected) -> Result<Expected, ParseError> {
        let says_happened =
            expected.events.is_some() || expected.charges.is_some() || expected.warnings.is_some();
        let says_no = expected.rejected.is_some();
        let says_why = expected.facts.is_some() || expected.succeeds_at.is_some();
        if says_why && !says_no {
            let message = "`facts:` and `succeeds_at:` go with `rejected:`".to_owned();
            return Err(self.wrong("then", message));
        }
        if (says_no && (says_happened || expected.unchanged))
            || (expected.unchanged && says_happened)
        {
            let message = "a command is accepted, rejected or leaves all unchanged: choose one";
            return Err(self.wrong("then", message.to_owned()));
        }
        let says_after = expected.state.is_some() || expected.billed.is_some();
        if !says_happened && !says_no && !expected.unchanged && !says_after {
            return Err(self.wrong("then", "then expects nothing: name `events:`".to_owned()));
        }
        Ok(expected)
    }

    fn named_all(&self, events: Vec<Value>) -> Result<Vec<Named>, ParseError> {
        events.into_iter().map(|event| self.named(event)).collect()
    }

    fn named(&self, event: Value) -> Result<Named, ParseError> {
        match event {
            Value::String(name) => Ok(Named { name, fields: json!({}) }),
            Value::Object(map) if map.len() == 1 => {
                let (name, fields) = map.into_iter().next().expect("it has one entry");
                Ok(Named { name, fields: if fields.is_null() { json!({}) } else { fields } })
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {
                let message = "an event is its name, or its name with some of its fields";
                Err(self.wrong("events", message.to_owned()))
            }
        }
    }

    /// Reads `value` as `T`; a mistake names the key it is about.
    fn typed<T: DeserializeOwned>(
        &self,
        what: &str,
        key: &str,
        value: Value,
    ) -> Result<T, ParseError> {
        serde_json::from_value(value).map_err(|err| {
            let said = err.to_string();
            let named = said.split('`').nth(1).filter(|_| said.starts_with("unknown field"));
            let named = named.filter(|named| self.line_of(named).is_some());
            self.wrong(named.unwrap_or(key), format!("{what}: {said}"))
        })
    }
}

/// Of many names those that begin most like `key`; of a few all.
fn likely<'a>(key: &str, known: &BTreeSet<&'a str>) -> Vec<&'a str> {
    const FEW: usize = 16;
    let alike = |name: &&str| name.chars().zip(key.chars()).take_while(|(a, b)| a == b).count();
    let most = known.iter().map(alike).max().unwrap_or(0);
    let is_listed = |name: &&&str| known.len() <= FEW || alike(name) == most;
    known.iter().filter(is_listed).copied().collect()
}

/// What a scenario changes of the catalogue of the sources.
struct Overlays {
    catalogue: Option<Value>,
    policy: Option<Value>,
    promotions: Option<Value>,
}

/// Who issues a command when nothing is said: the scheduler what time brings about, the reseller the rest.
const fn usual_role(command: Option<&Command>) -> Role {
    match command {
        None
        | Some(
            Command::Renew(_)
            | Command::Expire(_)
            | Command::EndTrial(_)
            | Command::ApplyBillingFrequency(_)
            | Command::Disable(_)
            | Command::Delete(_)
            | Command::EndDelegatedAdmin(_),
        ) => Role::Scheduler,
        Some(_) => Role::ResellerAdmin,
    }
}

/// Reads an instant: RFC 3339, or a date alone for its first instant in UTC.
#[must_use]
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Some(midnight(day));
    }
    let instant = DateTime::parse_from_rfc3339(text).ok()?;
    Some(instant.to_utc())
}

/// The first number with a fraction, which could not be exact.
fn fraction(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => Some(number.to_string()),
        Value::Array(list) => list.iter().find_map(fraction),
        Value::Object(fields) => fields.values().find_map(fraction),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
