//! What the stream of billing says: terms, exchange rates, closed periods and reconciliations.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use super::draw::Drawn;
use crate::calendar::{Month, midnight};
use crate::catalogue::is_market;
use crate::customer::{
    BillingTerms, BillingTermsSet, ClosePeriod, Command, Event, ExchangeRate,
    ExchangeRatesImported, ImportExchangeRates, PeriodClosed, ReconciliationRecorded,
    RecordReconciliation, Rejection, SetBillingTerms, StatementDrawn,
};
use crate::money::{Currency, MoneyError};

/// Digits after the point of an exchange rate, at most.
const RATE_SCALE_MAX: u32 = 10;

/// Everything that was recorded about bills.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    terms: BTreeMap<Month, BillingTermsSet>,
    rates: BTreeMap<NaiveDate, ExchangeRatesImported>,
    closed: BTreeMap<Month, Closed>,
    reconciliations: Vec<ReconciliationRecorded>,
}

/// A closed period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// When it was closed.
    pub closed_at: DateTime<Utc>,
    /// What was billed.
    #[serde(flatten)]
    pub what: PeriodClosed,
}

impl Books {
    /// The terms that hold in `period`.
    #[must_use]
    pub fn terms(&self, period: Month) -> Option<&BillingTermsSet> {
        self.terms.range(..=period).next_back().map(|(_, terms)| terms)
    }

    /// All terms, by their first month.
    pub fn all_terms(&self) -> impl Iterator<Item = &BillingTermsSet> {
        self.terms.values()
    }

    /// The rate from one currency to another for a charge of `day`, and the set it is from.
    #[must_use]
    pub fn rate(
        &self,
        from: Currency,
        to: Currency,
        day: NaiveDate,
    ) -> Option<(&ExchangeRatesImported, Decimal)> {
        let sets = self.rates.range(..=day).rev().map(|(_, set)| set);
        let mut found = sets.flat_map(|set| set.rates.iter().map(move |rate| (set, rate)));
        found
            .find(|(_, rate)| (rate.from, rate.to) == (from, to))
            .map(|(set, rate)| (set, rate.rate))
    }

    /// All exchange rates, by the day from which they hold.
    pub fn all_rates(&self) -> impl Iterator<Item = &ExchangeRatesImported> {
        self.rates.values()
    }

    /// The closed periods, in order.
    pub fn closed(&self) -> impl Iterator<Item = &Closed> {
        self.closed.values()
    }

    /// A closed period.
    #[must_use]
    pub fn closed_period(&self, period: Month) -> Option<&Closed> {
        self.closed.get(&period)
    }

    /// The statement of this number, and the closed period that has it.
    #[must_use]
    pub fn statement(&self, number: u64) -> Option<(&Closed, &StatementDrawn)> {
        self.closed.values().find_map(|closed| {
            let drawn = closed.what.statements.iter().find(|drawn| drawn.number == number)?;
            Some((closed, drawn))
        })
    }

    /// The reconciliations, in the order in which they were recorded.
    #[must_use]
    pub fn reconciliations(&self) -> &[ReconciliationRecorded] {
        &self.reconciliations
    }

    /// The period that a charge of `day`, known from the commit at `position`, is billed in: its own, or
    /// the first one after it that was open when it became known.
    #[must_use]
    pub fn period_of(&self, day: NaiveDate, position: u64) -> Month {
        let own = Month::of(day);
        // What is told of the time before the first closed period is late for that one, too.
        let mut period = self.closed.keys().next().map_or(own, |first| own.max(*first));
        while let Some(closed) = self.closed.get(&period)
            && closed.what.through < position
            && let Ok(next) = period.next()
        {
            period = next;
        }
        period
    }

    /// The number of the next statement.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        let numbers = self.closed.values().flat_map(|closed| &closed.what.statements);
        numbers.map(|statement| statement.number).max().unwrap_or(0).saturating_add(1)
    }

    fn last_closed(&self) -> Option<Month> {
        self.closed.keys().next_back().copied()
    }
}

/// Returns the events that `command` leads to in the stream of billing; none when everything is as asked.
///
/// `drawn` is what there is to bill, for closing a period.
///
/// # Errors
///
/// A [`Rejection`] when a rule forbids the command or it is for another stream.
pub fn decide_billing(
    books: &Books,
    drawn: Option<&Drawn>,
    now: DateTime<Utc>,
    command: &Command,
) -> Result<Vec<Event>, Rejection> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others go to other streams")]
    match command {
        Command::SetBillingTerms(c) => set_terms(books, c),
        Command::ImportExchangeRates(c) => import_rates(books, c),
        Command::ClosePeriod(c) => close(books, drawn, now, *c),
        Command::RecordReconciliation(c) => reconcile(books, now, c),
        other => {
            let belongs_to = "a customer or the catalogue";
            Err(Rejection::WrongStream { command: other.name(), belongs_to })
        }
    }
}

/// Adds what an event of the stream of billing, recorded at `at`, brought.
#[must_use]
pub fn learn_billing(mut books: Books, at: DateTime<Utc>, event: &Event) -> Books {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are of other streams")]
    match event {
        Event::BillingTermsSet(e) => {
            books.terms.insert(e.from, e.clone());
        }
        Event::ExchangeRatesImported(e) => {
            books.rates.insert(e.from, e.clone());
        }
        Event::PeriodClosed(e) => {
            books.closed.insert(e.period, Closed { closed_at: at, what: e.clone() });
        }
        Event::ReconciliationRecorded(e) => books.reconciliations.push(e.clone()),
        _ => {}
    }
    books
}

fn set_terms(books: &Books, c: &SetBillingTerms) -> Result<Vec<Event>, Rejection> {
    let SetBillingTerms { version, from, terms } = c.clone();
    let set = BillingTermsSet { version, from, terms };
    if books.terms.values().any(|known| *known == set) {
        return Ok(Vec::new());
    }
    let mut problems = of_terms(&set.terms);
    problems.extend(of_name(&set.version, books.terms.values().map(|t| t.version.as_str())));
    if let Some(known) = books.terms.get(&set.from) {
        problems.push(format!("from {} on the terms {:?} hold already", set.from, known.version));
    }
    refuse_any(problems)?;
    not_closed(books, set.from.first())?;
    Ok(vec![Event::BillingTermsSet(set)])
}

fn import_rates(books: &Books, c: &ImportExchangeRates) -> Result<Vec<Event>, Rejection> {
    let ImportExchangeRates { id, date, from, rates } = c.clone();
    let set = ExchangeRatesImported { id, date, from, rates };
    if books.rates.values().any(|known| *known == set) {
        return Ok(Vec::new());
    }
    let mut problems = of_rates(&set.rates);
    problems.extend(of_name(set.id.as_str(), books.rates.values().map(|r| r.id.as_str())));
    if let Some(known) = books.rates.get(&set.from) {
        problems.push(format!("from {} on the rates {} hold already", set.from, known.id));
    }
    if set.from < set.date {
        problems.push(format!("rates fixed on {} cannot hold from {} on", set.date, set.from));
    }
    refuse_any(problems)?;
    // Where there was no rate, nothing was converted yet; what is corrected there now needs one.
    let mut pairs = set.rates.iter().map(|rate| (rate.from, rate.to));
    if pairs.any(|(from, to)| books.rate(from, to, set.from).is_some()) {
        not_closed(books, set.from)?;
    }
    Ok(vec![Event::ExchangeRatesImported(set)])
}

fn of_terms(terms: &BillingTerms) -> Vec<String> {
    let mut problems = Vec::new();
    if terms.issuer.trim().is_empty() || 200 < terms.issuer.chars().count() {
        problems.push("the issuer's name is empty or has more than 200 characters".to_owned());
    }
    for (market, percent) in &terms.taxes {
        if !is_market(market) {
            problems.push(format!("{market:?} is no market: write two capital letters"));
        }
        problems.extend(of_percent(&format!("the tax of {market}"), *percent));
    }
    problems.extend(of_percent("the margin", terms.margin_percent));
    for (reseller, percent) in &terms.margins {
        problems.extend(of_percent(&format!("the margin of {reseller}"), *percent));
    }
    problems
}

fn of_percent(what: &str, percent: Decimal) -> Option<String> {
    let is_right = !percent.is_sign_negative() && percent <= Decimal::ONE_HUNDRED;
    (!is_right || 4 < percent.scale()).then(|| {
        format!("{what} is {percent}: write 0 to 100, with at most 4 digits after the point")
    })
}

fn of_rates(rates: &[ExchangeRate]) -> Vec<String> {
    let mut problems = Vec::new();
    if rates.is_empty() {
        problems.push("there is no rate".to_owned());
    }
    let mut pairs = BTreeSet::new();
    for ExchangeRate { from, to, rate } in rates {
        let pair = format!("{from} to {to}");
        if from == to {
            problems.push(format!("{pair} needs no rate"));
        }
        if *rate <= Decimal::ZERO
            || RATE_SCALE_MAX < rate.scale()
            || Decimal::from(1_000_000) < *rate
        {
            problems.push(format!(
                "the rate from {pair} is {rate}: write more than 0 and at most 1000000, with at most \
                 {RATE_SCALE_MAX} digits after the point"
            ));
        }
        if !pairs.insert((*from, *to)) {
            problems.push(format!("{pair} has two rates"));
        }
    }
    problems
}

fn of_name<'a>(name: &str, mut known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut problems = Vec::new();
    if name.trim().is_empty() || 200 < name.chars().count() || name.contains(char::is_control) {
        problems.push("the name is empty, has more than 200 characters, or odd ones".to_owned());
    }
    if known.any(|known| known == name) {
        problems.push(format!("{name:?} was used before for something else: choose another name"));
    }
    problems
}

fn refuse_any(problems: Vec<String>) -> Result<(), Rejection> {
    if problems.is_empty() { Ok(()) } else { Err(Rejection::BillingDataInvalid { problems }) }
}

fn not_closed(books: &Books, from: NaiveDate) -> Result<(), Rejection> {
    let Some(closed) = books.last_closed() else { return Ok(()) };
    let open_from = closed.next()?.first();
    if from < open_from { Err(Rejection::PeriodIsClosed { closed, open_from }) } else { Ok(()) }
}

fn close(
    books: &Books,
    drawn: Option<&Drawn>,
    now: DateTime<Utc>,
    c: ClosePeriod,
) -> Result<Vec<Event>, Rejection> {
    let period = c.period;
    if books.closed.contains_key(&period) {
        return Ok(Vec::new());
    }
    let over_at = midnight(period.next()?.first());
    if now < over_at {
        return Err(Rejection::PeriodNotOver { period, over_at });
    }
    let next = match books.last_closed() {
        Some(closed) => closed.next()?,
        None => drawn.and_then(|drawn| drawn.first_open).unwrap_or(period).min(period),
    };
    if next != period {
        return Err(Rejection::PeriodNotNext { period, next });
    }
    let terms = books.terms(period).ok_or(Rejection::NoBillingTerms { period })?;
    // Whoever closes a period has drawn its bills.
    let Some(drawn) = drawn.filter(|drawn| drawn.period == period) else { return Ok(Vec::new()) };
    if let Some((from, to, day)) = drawn.missing_rate {
        return Err(Rejection::ExchangeRateMissing { from, to, day });
    }
    Ok(vec![Event::PeriodClosed(PeriodClosed {
        period,
        through: drawn.through,
        root: drawn.root.clone(),
        terms: Some(terms.version.clone()),
        lines: drawn.lines,
        statements: drawn.statements.clone(),
    })])
}

fn reconcile(
    books: &Books,
    now: DateTime<Utc>,
    c: &RecordReconciliation,
) -> Result<Vec<Event>, Rejection> {
    let RecordReconciliation { file, sha256, period, through, totals } = c.clone();
    let recorded = ReconciliationRecorded { file, sha256, period, through, totals };
    if books.reconciliations.contains(&recorded) {
        return Ok(Vec::new());
    }
    let mut problems = of_name(&recorded.file, std::iter::empty());
    let is_hex = recorded.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    if recorded.sha256.len() != 64 || !is_hex {
        problems.push("sha256 has not 64 hexadecimal digits".to_owned());
    }
    if now < midnight(recorded.period.first()) {
        let period = recorded.period;
        problems.push(format!("period {period} has not begun: name the month of the invoice"));
    }
    if recorded.totals.is_empty() {
        problems.push("there are no totals: nothing was compared".to_owned());
    }
    let mut currencies = BTreeSet::new();
    for total in &recorded.totals {
        let currency = total.currency;
        if !currencies.insert(currency) {
            problems.push(format!("{currency} has two totals"));
        }
        if total.lines < total.matched {
            problems.push(format!("more lines agree in {currency} than there are"));
        }
    }
    refuse_any(problems)?;
    for total in &recorded.totals {
        let causes = total.causes.values();
        let explained =
            causes.map(|cause| cause.amount).try_fold(Decimal::ZERO, Decimal::checked_add);
        let difference = total.theirs.checked_sub(total.ours);
        let (Some(explained), Some(difference)) = (explained, difference) else {
            return Err(Rejection::Amount(MoneyError::Overflow));
        };
        if explained != difference {
            let currency = total.currency;
            return Err(Rejection::ReconciliationUnbalanced { currency, difference, explained });
        }
    }
    Ok(vec![Event::ReconciliationRecorded(recorded)])
}
