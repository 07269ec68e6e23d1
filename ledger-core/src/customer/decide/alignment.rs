//! On which days a term may end before its time: with another subscription, or with a month.
//!
//! Source: domain, section 2, no. 14.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use serde::Serialize;

use super::Rejection;
use crate::calendar::{Period, TermDuration, term};
use crate::catalogue::{ProductKind, Programme};
use crate::customer::state::{Customer, Subscription, TermKind};
use crate::ids::SubscriptionId;

/// A day on which a term may end, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EndDateChoice {
    /// Last day of the term, included.
    pub end_date: NaiveDate,
    /// What else ends then.
    pub kind: EndDateKind,
    /// Subscriptions that end on this day of the year; none for the end of a month.
    pub subscriptions: Vec<SubscriptionId>,
}

/// What a term may end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndDateKind {
    /// The last day of a month.
    CalendarMonth,
    /// The last day of another subscription's term, or an anniversary of it.
    Subscription,
}

/// The days on which a term that starts on `start` may end: the last end of a month in it, and the ends
/// of other subscriptions, the earliest first; none when the term would leave the calendar.
///
/// Any other end of a month within the term is accepted, too. Source: domain, section 2, no. 14.
#[must_use]
pub fn end_dates(customer: &Customer, start: NaiveDate, term: TermDuration) -> Vec<EndDateChoice> {
    choices(customer, None, start, term)
}

/// The term that starts on `start` and ends on `end_date` instead of its regular last day.
///
/// `own` is the subscription whose next term it is; it does not align with itself.
pub(super) fn aligned(
    programme: &Programme,
    customer: &Customer,
    own: Option<&SubscriptionId>,
    start: NaiveDate,
    duration: TermDuration,
    end_date: NaiveDate,
) -> Result<Period, Rejection> {
    if !programme.terms.alignment {
        return Err(Rejection::AlignmentNotOffered {
            programme: customer.profile.programme.clone(),
        });
    }
    let whole = term(start, duration)?;
    if end_date < start {
        return Err(Rejection::EndDateBeforeTerm { end_date, term_start: start });
    }
    if whole.end < end_date {
        return Err(Rejection::EndDateBeyondTerm { end_date, term_end: whole.end });
    }
    if is_refused_for_months(duration, end_date) {
        return Err(Rejection::EndDateNearMonthEnd { end_date });
    }
    let choices = choices(customer, own, start, duration);
    if !is_month_end(end_date) && !choices.iter().any(|choice| choice.end_date == end_date) {
        let possible = choices.into_iter().map(|choice| choice.end_date).collect();
        return Err(Rejection::EndDateNotAligned { end_date, possible });
    }
    Ok(Period { start, end: end_date })
}

/// Refuses a chosen end for what is not licensed by seat and term.
pub(super) fn alignable(customer: &Customer, kind: ProductKind) -> Result<(), Rejection> {
    if kind == ProductKind::Licence {
        return Ok(());
    }
    Err(Rejection::AlignmentNotOffered { programme: customer.profile.programme.clone() })
}

fn choices(
    customer: &Customer,
    own: Option<&SubscriptionId>,
    start: NaiveDate,
    duration: TermDuration,
) -> Vec<EndDateChoice> {
    let Ok(whole) = term(start, duration) else { return Vec::new() };
    let mut subscriptions: BTreeMap<NaiveDate, Vec<SubscriptionId>> = BTreeMap::new();
    for other in customer.active().filter(|other| own != Some(&other.id)) {
        for end_date in shared_ends(other, whole, duration) {
            subscriptions.entry(end_date).or_default().push(other.id.clone());
        }
    }
    let month = last_month_end(whole).map(|end_date| EndDateChoice {
        end_date,
        kind: EndDateKind::CalendarMonth,
        subscriptions: Vec::new(),
    });
    let shared = subscriptions.into_iter().map(|(end_date, subscriptions)| EndDateChoice {
        end_date,
        kind: EndDateKind::Subscription,
        subscriptions,
    });
    let mut all: Vec<EndDateChoice> = month.into_iter().chain(shared).collect();
    all.sort();
    all
}

/// The last day of `other` and its latest anniversary, as far as they lie within `whole`.
fn shared_ends(other: &Subscription, whole: Period, duration: TermDuration) -> Vec<NaiveDate> {
    let is_monthly = |term: TermDuration| term == TermDuration::P1M;
    let fits = is_monthly(duration) || !is_monthly(other.plan.term);
    if other.kind != TermKind::Paid || !fits {
        return Vec::new();
    }
    let end = other.term.end;
    let years = u32::try_from(whole.end.year().saturating_sub(end.year())).unwrap_or(0);
    let after = |years: u32| end.checked_add_months(Months::new(years.saturating_mul(12)));
    let latest = (1..=years).rev().filter_map(after).find(|day| whole.contains(*day));
    let own = whole.contains(end).then_some(end);
    let ends = own.into_iter().chain(latest);
    ends.filter(|day| !is_refused_for_months(duration, *day)).collect()
}

/// Whether a monthly term may not end on `day`: the 28th, 29th or 30th of a month that has more days.
fn is_refused_for_months(duration: TermDuration, day: NaiveDate) -> bool {
    duration == TermDuration::P1M && (28..=30).contains(&day.day()) && !is_month_end(day)
}

fn is_month_end(day: NaiveDate) -> bool {
    day.succ_opt().is_none_or(|next| next.day() == 1)
}

fn last_month_end(whole: Period) -> Option<NaiveDate> {
    let last = if is_month_end(whole.end) {
        Some(whole.end)
    } else {
        whole.end.with_day(1).and_then(|first| first.pred_opt())
    };
    last.filter(|day| whole.contains(*day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{AnchorRule, BillingCycle, charge_cycle, midnight};
    use crate::catalogue::{Catalogue, SEEDS_TOML, Segment};
    use crate::customer::event::{
        ChargeBasis, CustomerRegistered, Event, RuleSet, SubscriptionPurchased,
        SubscriptionSuspended, TermPlan,
    };
    use crate::customer::evolve::{evolve, fold};
    use crate::ids::{OfferId, ProgrammeId, ResellerId};
    use crate::money::{Currency, Money, RoundingPolicy};
    use TermDuration::{P1M, P1Y, P3Y};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn id(text: &str) -> SubscriptionId {
        SubscriptionId::try_new(text).unwrap()
    }

    fn rules() -> RuleSet {
        let programme = ProgrammeId::try_new("nce").unwrap();
        RuleSet { programme, catalogue: "seeds".to_owned() }
    }

    fn nobody() -> Customer {
        let registered = Event::CustomerRegistered(CustomerRegistered {
            name: "Acme".to_owned(),
            programme: ProgrammeId::try_new("nce").unwrap(),
            reseller: ResellerId::try_new("reseller").unwrap(),
            market: "FR".to_owned(),
            currency: Currency::EUR,
            segment: Segment::Commercial,
            registration_number: None,
        });
        fold([&registered]).unwrap()
    }

    /// The customer with one subscription more, whose term ends on `end`.
    fn with(customer: Customer, name: &str, duration: TermDuration, end: &str) -> Customer {
        let end = day(end);
        let start = end.checked_sub_months(Months::new(duration.months())).unwrap();
        let start = start.succ_opt().unwrap();
        let billing = BillingCycle::Monthly;
        let cycle = charge_cycle(start, billing, AnchorRule::Clamp, start).unwrap();
        let unit_price = Money { amount: 1.into(), currency: Currency::EUR };
        let rounding = RoundingPolicy::UnitTruncate;
        let event = Event::SubscriptionPurchased(SubscriptionPurchased {
            subscription: id(name),
            offer: OfferId::try_new("office-365-e3").unwrap(),
            offer_title: "E3".to_owned(),
            services: Vec::new(),
            plan: TermPlan { term: duration, billing },
            quantity: 1,
            term: Period { start, end },
            started_at: midnight(start),
            cancel_until: None,
            reduce_until: None,
            full_refund_before: None,
            basis: ChargeBasis { unit_price, cycle, billable: cycle, rounding, by_months: None },
            rules: rules(),
            price_list: None,
            promotion: None,
            unused_promotion: None,
            attested: false,
            resellers: Vec::new(),
            anchor: AnchorRule::Clamp,
        });
        evolve(Some(customer), &event).unwrap()
    }

    fn suspended(customer: Customer, name: &str) -> Customer {
        let event = Event::SubscriptionSuspended(SubscriptionSuspended {
            subscription: id(name),
            vendor_reasons: Vec::new(),
            billing_stops: false,
            delete_at: None,
            rules: rules(),
            credit: None,
        });
        evolve(Some(customer), &event).unwrap()
    }

    fn offered(customer: &Customer, start: &str, duration: TermDuration) -> Vec<String> {
        let choices = end_dates(customer, day(start), duration);
        choices.iter().map(|choice| format!("{} {:?}", choice.end_date, choice.kind)).collect()
    }

    fn ends(customer: &Customer, start: &str, duration: TermDuration, end: &str) -> String {
        let catalogue: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
        let programme = &catalogue.programmes[&customer.profile.programme];
        match aligned(programme, customer, None, day(start), duration, day(end)) {
            Ok(term) => term.end.to_string(),
            Err(rejection) => rejection.rule().code.to_owned(),
        }
    }

    #[test]
    fn the_last_month_end_within_the_term_is_offered() {
        for (start, duration, end) in [
            ("2022-07-15", P1Y, "2023-06-30"),
            ("2022-07-15", P3Y, "2025-06-30"),
            ("2022-07-15", P1M, "2022-07-31"),
            ("2022-07-01", P1M, "2022-07-31"),
            ("2023-03-01", P1Y, "2024-02-29"),
        ] {
            let expected = [format!("{end} CalendarMonth")];
            assert_eq!(offered(&nobody(), start, duration), expected, "{start} {duration:?}");
        }
    }

    #[test]
    fn any_month_end_within_the_term_is_accepted() {
        let acme = nobody();
        assert_eq!(ends(&acme, "2023-02-04", P1Y, "2024-01-31"), "2024-01-31");
        assert_eq!(ends(&acme, "2023-02-04", P1Y, "2023-02-28"), "2023-02-28");
        assert_eq!(ends(&acme, "2023-02-04", P1Y, "2024-02-03"), "END_DATE_NOT_ALIGNED");
        assert_eq!(ends(&acme, "2023-02-04", P1Y, "2024-02-29"), "END_DATE_BEYOND_TERM");
        assert_eq!(ends(&acme, "2023-02-04", P1Y, "2023-01-31"), "END_DATE_BEFORE_TERM");
    }

    #[test]
    fn a_term_may_end_with_another_subscription() {
        let acme = with(nobody(), "s1", P1Y, "2022-10-01");
        assert_eq!(
            offered(&acme, "2022-07-01", P1Y),
            ["2022-10-01 Subscription", "2023-06-30 CalendarMonth"]
        );
        assert_eq!(ends(&acme, "2022-07-01", P1Y, "2022-10-01"), "2022-10-01");
    }

    #[test]
    fn a_longer_term_may_end_on_the_latest_anniversary_within_it() {
        let acme = with(nobody(), "s1", P1Y, "2022-10-01");
        assert_eq!(ends(&acme, "2022-07-01", P3Y, "2024-10-01"), "2024-10-01");
        assert_eq!(ends(&acme, "2022-07-01", P3Y, "2023-10-01"), "END_DATE_NOT_ALIGNED");
    }

    #[test]
    fn an_anniversary_of_29_february_is_28_february_in_other_years() {
        let acme = with(nobody(), "s1", P1Y, "2024-02-29");
        assert_eq!(ends(&acme, "2024-02-10", P3Y, "2026-02-28"), "2026-02-28");
    }

    #[test]
    fn only_monthly_terms_end_with_a_monthly_one() {
        let acme = with(nobody(), "s1", P1M, "2022-07-20");
        assert_eq!(ends(&acme, "2022-07-15", P1Y, "2022-07-20"), "END_DATE_NOT_ALIGNED");
        assert_eq!(ends(&acme, "2022-07-15", P1M, "2022-07-20"), "2022-07-20");
        let acme = with(acme, "s2", P3Y, "2022-08-03");
        assert_eq!(ends(&acme, "2022-07-15", P1M, "2022-08-03"), "2022-08-03");
    }

    #[test]
    fn a_monthly_term_does_not_end_shortly_before_the_month() {
        let acme = with(nobody(), "s1", P1Y, "2022-07-28");
        assert_eq!(ends(&acme, "2022-07-15", P1M, "2022-07-28"), "END_DATE_NEAR_MONTH_END");
        assert_eq!(offered(&acme, "2022-07-15", P1M), ["2022-07-31 CalendarMonth"]);
        assert_eq!(ends(&acme, "2023-02-15", P1M, "2023-02-28"), "2023-02-28");
        assert_eq!(ends(&acme, "2023-04-15", P1M, "2023-04-30"), "2023-04-30");
    }

    #[test]
    fn a_suspended_subscription_is_no_reason_to_end() {
        let acme = suspended(with(nobody(), "s1", P1Y, "2022-10-01"), "s1");
        assert_eq!(ends(&acme, "2022-07-01", P1Y, "2022-10-01"), "END_DATE_NOT_ALIGNED");
    }

    #[test]
    fn a_subscription_does_not_align_with_itself() {
        let acme = with(with(nobody(), "s1", P1Y, "2022-10-01"), "s2", P1Y, "2022-10-01");
        let start = day("2022-07-01");
        let named = |own: Option<&SubscriptionId>| -> Vec<SubscriptionId> {
            let choices = choices(&acme, own, start, P1Y);
            choices.into_iter().flat_map(|choice| choice.subscriptions).collect()
        };
        assert_eq!(named(None), [id("s1"), id("s2")]);
        assert_eq!(named(Some(&id("s1"))), [id("s2")]);
    }

    #[test]
    fn where_alignment_is_not_offered_no_day_is() {
        let mut acme = nobody();
        acme.profile.programme = ProgrammeId::try_new("proximus").unwrap();
        assert_eq!(ends(&acme, "2023-02-04", P1Y, "2024-01-31"), "ALIGNMENT_NOT_OFFERED");
    }
}
