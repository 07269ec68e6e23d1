//! The life of one customer, decided and folded without a ledger: fast enough for millions of commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ledger_core::catalogue::{Catalogue, Catalogues};
use ledger_core::customer::{Command, Context, Customer, Event, Rejection, decide, due, fold};
use ledger_core::ids::{Actor, ActorId, CustomerId, Role};
use ledger_core::store::segment::simulated::Random;

use super::charged::Charged;
use super::checks::{Broken, decision, ensure};
use super::worlds;
use crate::drafts::{Draft, KINDS, PROGRAMMES, command, registration};

/// Commands of one life.
pub(crate) const COMMANDS: u32 = 150;

/// What is due waits for a catalogue that sells it; nothing else stops time.
const WAITS_FOR: [&str; 2] = ["PLAN_UNKNOWN", "OFFER_UNKNOWN"];

/// Nobody plans further ahead than this.
const HORIZON: TimeDelta = TimeDelta::days(4_000);

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Commands that made something happen, by name.
    pub(crate) accepted: BTreeMap<&'static str, u64>,
    /// Commands after which all was already as asked, by name.
    pub(crate) unchanged: BTreeMap<&'static str, u64>,
    /// Commands refused, by the code of the rule.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// What happened, by name.
    pub(crate) events: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.accepted, &other.accepted),
            (&mut self.unchanged, &other.unchanged),
            (&mut self.refused, &other.refused),
            (&mut self.events, &other.events),
        ];
        for (sum, more) in pairs {
            for (name, count) in more {
                *sum.entry(name).or_default() += count;
            }
        }
    }

    /// Commands that were decided.
    pub(crate) fn commands(&self) -> u64 {
        [&self.accepted, &self.unchanged, &self.refused].iter().flat_map(|all| all.values()).sum()
    }
}

/// What happened, and what it is charged; what is only tried is not.
#[derive(Default)]
struct History {
    events: Vec<Event>,
    charged: Option<Charged>,
}

#[derive(Clone)]
pub(crate) struct Life {
    random: Random,
    id: CustomerId,
    catalogues: Catalogues,
    customer: Customer,
    now: DateTime<Utc>,
    /// What is being decided, for whoever reads of a law that was broken.
    pub(crate) last: String,
}

impl Life {
    /// Lives the life of a seed: registration, [`COMMANDS`] commands, and all that time brings.
    pub(crate) fn live(seed: u64, tally: &mut Tally) -> Result<(), Broken> {
        let mut random = Random::new(seed);
        let now: DateTime<Utc> = "2024-01-31T08:00:00Z".parse().unwrap();
        let from = now - TimeDelta::days(365);
        let catalogue = match random.below(4) {
            0 => worlds::seeds(),
            _ => worlds::catalogue(&mut random, 0, from),
        };
        let programme = PROGRAMMES[usize::try_from(random.below(4)).unwrap()];
        let (market, segment) = (number(&mut random), number(&mut random));
        let register = Command::RegisterCustomer(registration(programme, market, segment));
        let catalogues = Catalogues::default().with(catalogue);
        let id = CustomerId::try_new("acme").unwrap();
        let registered = {
            let catalogue = catalogues.in_force(now).map(Arc::as_ref);
            decide_at(&id, catalogue, None, &register, Role::Operator, now)
        };
        let registered = registered.map_err(|no| format!("nobody is registered: {no}"))?;
        let customer = fold(&registered).ok_or("nobody is registered")?;
        let mut charged = Charged::new(id.clone());
        charged.happen(&mut random, (now, &register), &registered)?;
        let mut history = History { events: registered, charged: Some(charged) };
        let last = String::new();
        let mut life = Self { random, id, catalogues, customer, now, last };
        for number in 0..COMMANDS {
            let step = life.step(number, tally, &mut history);
            step.map_err(|broken| format!("command {number}, {}: {broken}", life.last))?;
        }
        let replayed = fold(&history.events);
        let is_same = replayed.as_ref() == Some(&life.customer);
        ensure(is_same, || "a replay gives another state".into())?;
        history.charged.map_or(Ok(()), |charged| charged.check(&life.customer))
    }

    fn step(
        &mut self,
        number: u32,
        tally: &mut Tally,
        history: &mut History,
    ) -> Result<(), Broken> {
        let minutes = match self.random.below(100) {
            0..55 => 180,
            55..85 => 5 * 24 * 60,
            85..99 => 90 * 24 * 60,
            _ => 3 * 366 * 24 * 60,
        };
        let minutes = i64::try_from(self.random.below(minutes)).unwrap();
        let until = self.now + TimeDelta::minutes(minutes);
        // The scheduler is in time, or comes back after all that.
        let is_late = self.random.below(4) == 0;
        if is_late {
            self.now = until;
        }
        self.catch_up(until, Some(tally), history)?;
        self.now = until;
        if self.random.below(50) == 0 {
            let version = usize::try_from(number).unwrap() + 1;
            let catalogue = worlds::catalogue(&mut self.random, version, self.now);
            self.catalogues = std::mem::take(&mut self.catalogues).with(catalogue);
        }
        let kind = u16::try_from(self.random.below(u64::from(KINDS))).unwrap();
        let draft =
            Draft { kind, numbers: std::array::from_fn(|_| self::number(&mut self.random)) };
        let number = usize::try_from(number).unwrap();
        let command = command(&self.customer, &draft, number, self.now);
        let roles = [
            Role::CustomerAdmin,
            Role::ResellerAdmin,
            Role::Operator,
            Role::ResellerAdmin,
            Role::Operator,
            Role::Scheduler,
        ];
        let role = roles[usize::try_from(self.random.below(6)).unwrap()];
        self.last = format!("at {} by {role:?}: {command:?}", self.now);
        match self.decide(&command, role) {
            Ok(events) if events.is_empty() => {
                *tally.unchanged.entry(command.name()).or_default() += 1;
                Ok(())
            }
            Ok(events) => {
                *tally.accepted.entry(command.name()).or_default() += 1;
                self.happen(&command, events, Some(tally), history)
            }
            Err(rejection) => {
                let code = rejection.rule().code;
                *tally.refused.entry(code).or_default() += 1;
                ensure(code != "AMOUNT_NOT_EXACT", || format!("{rejection}"))?;
                if self.random.below(4) == 0 {
                    self.keeps_its_word(&command, role, &rejection)?;
                }
                Ok(())
            }
        }
    }

    /// Brings about what time has brought about by `until`, in order; each is brought about once.
    fn catch_up(
        &mut self,
        until: DateTime<Utc>,
        mut tally: Option<&mut Tally>,
        history: &mut History,
    ) -> Result<(), Broken> {
        let mut waiting = BTreeSet::new();
        loop {
            let mut first = due(&self.customer).into_iter();
            let first = first.find(|due| due.at <= until && !waiting.contains(&due.command_id()));
            let Some(due) = first else { return Ok(()) };
            self.now = self.now.max(due.at);
            self.last = format!("due {} at {}: {:?}", due.at, self.now, due.command);
            let events = match self.decide(&due.command, Role::Scheduler) {
                Ok(events) => events,
                Err(no) => {
                    let code = no.rule().code;
                    ensure(WAITS_FOR.contains(&code), || format!("{code}: {no}"))?;
                    waiting.insert(due.command_id());
                    continue;
                }
            };
            ensure(!events.is_empty(), || "it is due, but nothing comes of it".to_owned())?;
            if let Some(tally) = tally.as_deref_mut() {
                *tally.accepted.entry(due.command.name()).or_default() += 1;
            }
            self.happen(&due.command, events, tally.as_deref_mut(), history)?;
            let again = self.decide(&due.command, Role::Scheduler);
            let is_once = again.as_ref().is_ok_and(Vec::is_empty) || again.is_err();
            ensure(is_once, || format!("once more it leads to {again:?}"))?;
        }
    }

    fn happen(
        &mut self,
        command: &Command,
        events: Vec<Event>,
        tally: Option<&mut Tally>,
        history: &mut History,
    ) -> Result<(), Broken> {
        let programme = &self.customer.profile.programme;
        let catalogue = self.catalogues.in_force(self.now);
        let immediate =
            catalogue.and_then(|all| Some(all.programme(programme)?.on_immediate_change));
        self.customer = decision(&self.customer, &events, immediate, self.now)?;
        if let Some(tally) = tally {
            for event in &events {
                *tally.events.entry(event.name()).or_default() += 1;
            }
        }
        if let Some(charged) = &mut history.charged {
            charged.happen(&mut self.random, (self.now, command), &events)?;
        }
        history.events.extend(events);
        Ok(())
    }

    /// From the instant on that a rule has named, it does not say no to the same command.
    fn keeps_its_word(
        &self,
        command: &Command,
        role: Role,
        rejection: &Rejection,
    ) -> Result<(), Broken> {
        let Some(at) = rejection.succeeds_at() else { return Ok(()) };
        ensure(self.now < at, || format!("{rejection} until {at}, which is over"))?;
        if self.now + HORIZON < at {
            return Ok(());
        }
        let mut then = self.clone();
        then.catch_up(at, None, &mut History::default())?;
        then.now = at;
        match then.decide(command, role) {
            Err(again) if again.rule().code == rejection.rule().code => {
                let (was, is) = (&self.customer.subscriptions, &then.customer.subscriptions);
                let said = format!("{rejection}, it said, until {at}; then it says {again}");
                Err(format!("{said}: {was:?} became {is:?}"))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn decide(&self, command: &Command, role: Role) -> Result<Vec<Event>, Rejection> {
        let at = command.due_at().map_or(self.now, |due_at| due_at.min(self.now));
        let catalogue = self.catalogues.in_force(at).map(Arc::as_ref);
        decide_at(&self.id, catalogue, Some(&self.customer), command, role, self.now)
    }
}

fn decide_at(
    customer: &CustomerId,
    catalogue: Option<&Catalogue>,
    state: Option<&Customer>,
    command: &Command,
    role: Role,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Rejection> {
    let actor = Actor { id: ActorId::try_new("someone").unwrap(), role };
    let effective_at = command.due_at().map_or(now, |due_at| due_at.min(now));
    let context = Context { customer, now, effective_at, actor: &actor, catalogue };
    decide(&context, state, command)
}

fn number(random: &mut Random) -> u16 {
    u16::try_from(random.below(1 << 16)).unwrap()
}
