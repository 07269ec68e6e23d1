//! Documents of the views as pages show them: text and lengths, nothing computed that is not shown.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{EndOfTermAction, Status};
use projector::views::changes::{ChangeDocument, QuantityDocument};
use projector::views::customers::CustomerDocument;
use projector::views::due::DueDocument;
use projector::views::licences::LicenceDocument;
use projector::views::requests::RequestDocument;
use projector::views::subscriptions::{LotDocument, ScheduledDocument, SubscriptionDocument};

use crate::problem::capitalised;

/// A share of something, with the length of its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// In use.
    pub used: u64,
    /// There are.
    pub total: u64,
    /// Percent in use, rounded to the nearest; above 100 when there is a shortfall, zero when there is nothing.
    pub percent: u64,
    /// Percent in use, at most 100.
    pub width: u64,
}

impl Share {
    /// The share of `used` in `total`.
    #[must_use]
    pub fn of(used: u64, total: u64) -> Self {
        let half = total.checked_div(2).unwrap_or(0);
        let percent = used.saturating_mul(100).saturating_add(half).checked_div(total).unwrap_or(0);
        Self { used, total, percent, width: percent.min(100) }
    }

    /// Whether more is in use than there is.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.total < self.used
    }
}

/// An instant with how far it is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// For programs.
    pub machine: String,
    /// For people.
    pub instant: String,
    /// How far away, for example `in 2 days 3 h`.
    pub distance: String,
    /// Whether it has passed.
    pub is_past: bool,
    /// Whether it comes within three days.
    pub is_near: bool,
}

impl Deadline {
    /// An instant as seen from `now`.
    #[must_use]
    pub fn of(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let left = at.signed_duration_since(now);
        let is_past = left < TimeDelta::zero();
        let distance = if is_past {
            format!("{} ago", length(left.abs()))
        } else {
            format!("in {}", length(left))
        };
        let is_near = !is_past && left <= TimeDelta::days(3);
        Self { machine: at.to_rfc3339(), instant: instant(at), distance, is_past, is_near }
    }
}

/// An instant to the minute, as all pages show it.
#[must_use]
pub fn instant(at: DateTime<Utc>) -> String {
    at.format("%-d %b %Y, %H:%M").to_string()
}

/// A day, as all pages show it.
#[must_use]
pub fn day(day: NaiveDate) -> String {
    day.format("%-d %b %Y").to_string()
}

/// A length of time in its two largest units.
fn length(span: TimeDelta) -> String {
    let (days, hours, minutes) = (span.num_days(), span.num_hours() % 24, span.num_minutes() % 60);
    let plural = if days == 1 { "" } else { "s" };
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        (1..=6, 1..) => format!("{days} day{plural} {hours} h"),
        _ => format!("{days} day{plural}"),
    }
}

/// A row of the list of customers.
#[derive(Clone, Debug)]
pub struct CustomerRow {
    /// The document.
    pub of: CustomerDocument,
    /// Licences in use.
    pub licences: Share,
}

impl From<CustomerDocument> for CustomerRow {
    fn from(of: CustomerDocument) -> Self {
        Self { licences: Share::of(of.assigned, of.seats), of }
    }
}

/// A subscription on its customer's page.
#[derive(Clone, Debug)]
pub struct SubscriptionCard {
    /// The document.
    pub of: SubscriptionDocument,
    /// Length and billing in words.
    pub plan: String,
    /// Price of one seat in words.
    pub price: String,
    /// First and last day.
    pub term: String,
    /// When the term is over.
    pub due: Deadline,
    /// Until when it can be cancelled.
    pub cancel: Option<Deadline>,
    /// Seats bought together.
    pub lots: Vec<LotRow>,
    /// What it is called.
    pub title: String,
    /// Status in a word.
    pub status: &'static str,
    /// Class of the status' badge: `good`, `bad`, or none.
    pub tone: &'static str,
    /// More about its state, such as when its service stops.
    pub notes: Vec<String>,
    /// Whether it lives, or is in its time of grace.
    pub is_shown: bool,
    /// What happens at the end of its term.
    pub end: &'static str,
    /// Whether it is renewed at the end of its term.
    pub is_renewed: bool,
    /// What is planned for the renewal, in words.
    pub planned: String,
}

/// Seats bought together.
#[derive(Clone, Debug)]
pub struct LotRow {
    /// The document.
    pub of: LotDocument,
    /// Until when its seats can be removed.
    pub reduce: Option<Deadline>,
}

impl SubscriptionCard {
    /// A subscription as seen at `now`.
    #[must_use]
    pub fn of(of: SubscriptionDocument, now: DateTime<Utc>) -> Self {
        let lots = of.lots.iter().map(|lot| LotRow {
            of: *lot,
            reduce: lot.reduce_until.map(|until| Deadline::of(until, now)),
        });
        let (status, tone) = status(&of);
        Self {
            plan: format!("{}, charged {}", term(of.term), billing(of.billing)),
            price: format!("{} {} per seat and {}", of.unit_price, of.currency, cycle(of.billing)),
            term: format!("{} to {}", day(of.term_start), day(of.term_end)),
            due: Deadline::of(of.due_at, now),
            cancel: of.cancel_until.map(|until| Deadline::of(until, now)),
            lots: lots.collect(),
            title: of.name.clone().unwrap_or_else(|| of.offer_title.clone()),
            status,
            tone,
            notes: notes(&of),
            is_shown: of.in_service || of.status == Status::Suspended,
            end: end(&of),
            is_renewed: of.end_of_term == EndOfTermAction::Renew,
            planned: of.scheduled.as_ref().map(planned).unwrap_or_default(),
            of,
        }
    }
}

/// The status in a word, and the class of its badge.
fn status(of: &SubscriptionDocument) -> (&'static str, &'static str) {
    match of.status {
        Status::Active if of.kind == "trial" => ("trial", "near"),
        Status::Active if of.kind == "extended" => ("extended", "near"),
        Status::Active => ("active", "good"),
        Status::Suspended => ("suspended", "bad"),
        Status::Expired if of.in_service => ("expired, in grace", "bad"),
        Status::Expired => ("expired", "bad"),
        Status::Disabled => ("disabled", "bad"),
        Status::Deleted => ("ended", ""),
    }
}

/// What the status does not tell.
fn notes(of: &SubscriptionDocument) -> Vec<String> {
    let mut notes = Vec::new();
    if of.status == Status::Suspended {
        let charges = if of.billing_stopped { "it is not charged" } else { "charges go on" };
        notes.push(format!("Nobody can use it; {charges}."));
    }
    if !of.vendor_reasons.is_empty() {
        notes.push(format!("Suspended by the vendor: {}.", of.vendor_reasons.join(", ")));
    }
    if of.kind == "extended" {
        notes.push("Goes on by the month, at a premium.".to_owned());
    }
    notes.extend(of.disable_at.map(|at| format!("Service stops on {}.", instant(at))));
    notes.extend(of.delete_at.map(|at| format!("Its data goes on {}.", instant(at))));
    let next = of.next_billing.map(|next| (billing(next.billing), day(next.from)));
    notes.extend(next.map(|(how, from)| format!("Charged {how} from {from} on.")));
    notes
}

/// What happens at the end of the term.
fn end(of: &SubscriptionDocument) -> &'static str {
    match of.end_of_term {
        EndOfTermAction::Renew if of.kind == "trial" => "becomes paid",
        EndOfTermAction::Renew => "renews",
        EndOfTermAction::Cancel => "ends",
        EndOfTermAction::ExtendedServiceTerm => "goes on by the month",
        EndOfTermAction::Lapse => "is not renewed",
    }
}

/// What is planned for the renewal, in words.
fn planned(scheduled: &ScheduledDocument) -> String {
    let mut parts = vec![format!("{} seats", scheduled.quantity)];
    parts.extend(scheduled.offer.as_ref().map(|offer| format!("of {offer}")));
    parts.extend(scheduled.term.map(|length| term(length).to_owned()));
    parts.extend(scheduled.billing.map(|how| format!("charged {}", billing(how))));
    parts.extend(scheduled.end_date.map(|end| format!("to {}", day(end))));
    parts.extend(scheduled.promotion.as_ref().map(|promotion| format!("under {promotion}")));
    parts.join(", ")
}

const fn term(term: TermDuration) -> &'static str {
    match term {
        TermDuration::P1M => "1 month",
        TermDuration::P1Y => "1 year",
        TermDuration::P3Y => "3 years",
    }
}

const fn billing(billing: BillingCycle) -> &'static str {
    match billing {
        BillingCycle::Monthly => "monthly",
        BillingCycle::Annual => "yearly",
        BillingCycle::Triennial => "every 3 years",
    }
}

const fn cycle(billing: BillingCycle) -> &'static str {
    match billing {
        BillingCycle::Monthly => "month",
        BillingCycle::Annual => "year",
        BillingCycle::Triennial => "3 years",
    }
}

/// A request that waits for an answer.
#[derive(Clone, Debug)]
pub struct RequestRow {
    /// The document.
    pub of: RequestDocument,
    /// What is asked for, for example `5 more`.
    pub what: String,
    /// When it was asked.
    pub at: String,
    /// When it was asked, for programs.
    pub machine: String,
}

impl From<RequestDocument> for RequestRow {
    fn from(of: RequestDocument) -> Self {
        let which = if of.seats < 0 { "fewer" } else { "more" };
        Self {
            what: format!("{} {which}", of.seats.unsigned_abs()),
            at: instant(of.asked_at),
            machine: of.asked_at.to_rfc3339(),
            of,
        }
    }
}

/// Licences of one offer.
#[derive(Clone, Debug)]
pub struct LicenceRow {
    /// The document.
    pub of: LicenceDocument,
    /// Licences in use.
    pub share: Share,
}

impl From<LicenceDocument> for LicenceRow {
    fn from(of: LicenceDocument) -> Self {
        Self { share: Share::of(of.assigned.into(), of.valid.into()), of }
    }
}

/// A line of the renewal calendar.
#[derive(Clone, Debug)]
pub struct DueRow {
    /// The document.
    pub of: DueDocument,
    /// When, as a day: terms end at midnight.
    pub day: String,
    /// When.
    pub due: Deadline,
    /// What happens then.
    pub what: &'static str,
    /// Class of its badge: `good`, `bad`, or none.
    pub tone: &'static str,
    /// Whether it is renewed.
    pub is_renewed: bool,
}

impl DueRow {
    /// What is due as seen at `now`.
    #[must_use]
    pub fn of(of: DueDocument, now: DateTime<Utc>) -> Self {
        let is_renewed = of.action == "renew";
        let (what, tone) = match of.action.as_str() {
            "renew" => ("renews", "good"),
            "end-trial" => ("trial ends", "near"),
            "bill" => ("new billing", ""),
            "disable" => ("service stops", "bad"),
            "delete" => ("data goes", "bad"),
            "end-delegated-admin" => ("administration ends", "bad"),
            _ => ("ends", "bad"),
        };
        let day = day(of.due_at.date_naive());
        Self { day, due: Deadline::of(of.due_at, now), what, tone, is_renewed, of }
    }
}

/// A commit in the list of changes.
#[derive(Clone, Debug)]
pub struct ChangeRow {
    /// The document.
    pub of: ChangeDocument,
    /// When.
    pub at: String,
    /// When, for programs.
    pub machine: String,
    /// What, for example `Add seats`.
    pub what: String,
    /// What happened, for example `seats added`.
    pub events: String,
    /// Quantities before and after, for example `apps-studio 12 → 14`.
    pub quantities: Vec<String>,
}

impl From<ChangeDocument> for ChangeRow {
    fn from(of: ChangeDocument) -> Self {
        Self {
            at: instant(of.recorded_at),
            machine: of.recorded_at.to_rfc3339(),
            what: capitalised(&words(&of.command)),
            events: of.events.iter().map(|event| words(event)).collect::<Vec<_>>().join(", "),
            quantities: of.quantities.iter().map(|one| quantity(one, &of.quantities)).collect(),
            of,
        }
    }
}

/// One change of `all`; a subscription that changes its offer is there twice, and tells them apart.
fn quantity(changed: &QuantityDocument, all: &[QuantityDocument]) -> String {
    let QuantityDocument { subscription, offer, from, to } = changed;
    let same = all.iter().filter(|other| other.subscription == *subscription);
    if 1 < same.count() {
        return format!("{subscription} ({offer}) {from} → {to}");
    }
    format!("{subscription} {from} → {to}")
}

/// A name such as `AddSeats` as words.
fn words(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_says_how_far_away_it_is() {
        let now: DateTime<Utc> = "2026-01-10T12:00:00Z".parse().unwrap();
        let distance = |at: &str| Deadline::of(at.parse().unwrap(), now).distance;
        assert_eq!(distance("2026-01-10T12:05:00Z"), "in 5 min");
        assert_eq!(distance("2026-01-10T14:05:00Z"), "in 2 h 5 min");
        assert_eq!(distance("2026-01-12T15:00:00Z"), "in 2 days 3 h");
        assert_eq!(distance("2026-01-11T12:00:00Z"), "in 1 day");
        assert_eq!(distance("2026-03-10T15:00:00Z"), "in 59 days");
        assert_eq!(distance("2026-01-09T12:00:00Z"), "1 day ago");
    }

    #[test]
    fn a_share_of_nothing_is_zero_and_a_shortfall_is_more_than_all() {
        assert_eq!(Share::of(0, 0).percent, 0);
        assert_eq!((Share::of(2, 3).percent, Share::of(1, 3).percent), (67, 33));
        assert_eq!((Share::of(1, 200).percent, Share::of(1, 201).percent), (1, 0));
        assert_eq!((Share::of(3, 2).percent, Share::of(3, 2).width), (150, 100));
        assert!(Share::of(3, 2).is_over() && !Share::of(2, 2).is_over());
    }
}
