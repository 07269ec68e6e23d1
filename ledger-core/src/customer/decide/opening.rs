//! What is told about the time before the ledger, and what is put right.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::account::text;
use super::lifecycle::by_operator;
use super::limits::{not_above_maximum, not_zero, shortfall, shortfall_after, sum};
use super::renewal::may_be_extended;
use super::settlement::{charged_through, lines_between, longer};
use super::{Context, Rejection, anchor_rule, drop_in_any_case, known};
use crate::calendar::{AnchorRule, Period, charge_cycle, midnight, renewal_due, to_millis};
use crate::catalogue::{Offer, PRICE_SCALE_MAX};
use crate::customer::charged::{corrected, corrected_moves, end_charging};
use crate::customer::command::{EndOfTermAction, ImportOpeningBalance, RecordCorrection};
use crate::customer::event::{
    CorrectionRecorded, DropCause, Event, OpeningBalanceImported, QuantityChange, Settled, TermPlan,
};
use crate::customer::evolve::taken_over;
use crate::customer::state::{Customer, Lot, Status, Subscription};
use crate::ids::Role;
use crate::money::Money;

pub(super) fn import(
    context: &Context<'_>,
    customer: &Customer,
    c: &ImportOpeningBalance,
) -> Result<Vec<Event>, Rejection> {
    by_partner(context, "ImportOpeningBalance")?;
    let status = status(&c.status)?;
    dated(context, c)?;
    let plan = TermPlan { term: c.term, billing: c.billing };
    if plan.term.months() < plan.billing.months() {
        return Err(invalid("billing", "a billing cycle is no longer than the term"));
    }
    if matches!(status, Status::Active | Status::Suspended) {
        not_zero(c.quantity)?;
    }
    let lots = lots(c)?;
    let offer = context.catalogue.and_then(|catalogue| catalogue.offer(&c.offer));
    let programme = context.programme(customer).ok();
    let anchor = programme.map_or(AnchorRule::Clamp, |programme| anchor_rule(programme, plan));
    let imported = OpeningBalanceImported {
        subscription: c.subscription.clone(),
        offer: c.offer.clone(),
        offer_title: title(c, offer)?,
        services: offer.map(|offer| offer.services.iter().cloned().collect()).unwrap_or_default(),
        status,
        vendor_status: c.status.clone(),
        vendor_reasons: vendor_reasons(c, status),
        plan,
        quantity: c.quantity,
        unit_price: price(context, customer, c, status)?,
        term: Period { start: c.term_start, end: c.term_end },
        bought_at: c.bought_at.map(to_millis),
        end_of_term: c.end_of_term,
        cancel_until: c.cancel_until.map(to_millis),
        lots,
        trial: c.trial,
        above_maximum: above_maximum(customer, c, status, offer),
        unknown: c.unknown.clone(),
        rules: context.catalogue.and_then(|_| context.rules(customer).ok()),
        anchor,
        rounding: programme.map(|programme| programme.rounding).unwrap_or_default(),
        charged_through: Some(charged_elsewhere(c, anchor)?),
        billing_stopped: status == Status::Suspended
            && programme.and_then(|of| of.suspension.as_ref()).is_some_and(|of| of.billing_stops),
    };
    if let Some(known) = customer.subscriptions.get(&c.subscription) {
        let differs = differences(known, &taken_over(&imported));
        if differs.is_empty() {
            return Ok(Vec::new());
        }
        let subscription = c.subscription.clone();
        return Err(Rejection::SubscriptionDiffers { subscription, differs });
    }

    let mut events = vec![Event::OpeningBalanceImported(imported)];
    if status == Status::Active {
        events.extend(shortfall_after(customer, &c.offer, c.quantity, 0));
    }
    Ok(events)
}

/// Refuses whoever is neither the operator nor the reseller.
fn by_partner(context: &Context<'_>, command: &'static str) -> Result<(), Rejection> {
    match context.actor.role {
        Role::Operator | Role::ResellerAdmin => Ok(()),
        Role::Billing
        | Role::Support
        | Role::CustomerAdmin
        | Role::CustomerViewer
        | Role::Scheduler => Err(Rejection::PartnerOnly { command }),
    }
}

/// What a status of elsewhere means here. One that nobody knows is no reason to lose the subscription:
/// it is taken over as suspended by its vendor, which neither renews it nor lets anybody change it.
/// Source: domain, section 1.1.
fn status(told: &str) -> Result<Status, Rejection> {
    text(told, "status")?;
    Ok(match told.trim().to_ascii_lowercase().as_str() {
        "active" | "pending" => Status::Active,
        "expired" => Status::Expired,
        "disabled" => Status::Disabled,
        "deleted" => Status::Deleted,
        _ => Status::Suspended,
    })
}

fn vendor_reasons(c: &ImportOpeningBalance, status: Status) -> Vec<String> {
    let is_unknown =
        status == Status::Suspended && !c.status.trim().eq_ignore_ascii_case("suspended");
    let unknown = is_unknown.then(|| c.status.clone());
    c.suspension_reasons.iter().cloned().chain(unknown).collect()
}

const fn invalid(field: &'static str, expected: &'static str) -> Rejection {
    Rejection::FieldInvalid { field, expected }
}

fn dated(context: &Context<'_>, c: &ImportOpeningBalance) -> Result<(), Rejection> {
    if context.now < c.effective_at {
        return Err(invalid("effective_at", "an instant that is not in the future"));
    }
    if c.term_end < c.term_start {
        return Err(invalid("term_end", "a day that is not before term_start"));
    }
    if c.effective_at < midnight(c.term_start) {
        return Err(invalid("term_start", "a day that is not after effective_at"));
    }
    if c.bought_at.is_some_and(|bought_at| c.effective_at < bought_at) {
        return Err(invalid("bought_at", "an instant that is not after effective_at"));
    }
    renewal_due(c.term_end)?;
    let until = c.refundable.iter().map(|seats| seats.until);
    let instants = until.chain(c.bought_at).chain(c.cancel_until);
    for day in instants.map(|instant| instant.date_naive()).chain([c.term_start]) {
        renewal_due(day)?;
    }
    Ok(())
}

/// The last day that was charged before: where it stood until then, the charge cycle of the instant as of
/// which is told was charged, for whatever seats it had.
fn charged_elsewhere(c: &ImportOpeningBalance, anchor: AnchorRule) -> Result<NaiveDate, Rejection> {
    let day = c.effective_at.date_naive();
    Ok(charge_cycle(c.term_start, c.billing, anchor, day)?.end)
}

/// The seats that can be removed, by the day until which they can, behind those that cannot.
fn lots(c: &ImportOpeningBalance) -> Result<Vec<Lot>, Rejection> {
    let wrong = || invalid("refundable", "no more seats than the subscription has");
    let mut refundable: Vec<_> = c.refundable.iter().filter(|seats| seats.quantity != 0).collect();
    refundable.sort_by_key(|seats| seats.until);
    let all = refundable.iter().try_fold(0_u32, |all, seats| all.checked_add(seats.quantity));
    let closed = all.and_then(|all| c.quantity.checked_sub(all)).ok_or_else(wrong)?;
    let closed = (closed != 0).then_some((closed, None));
    let open = refundable.iter().map(|seats| (seats.quantity, Some(to_millis(seats.until))));
    let numbered = closed.into_iter().chain(open).zip(1..);
    Ok(numbered
        .map(|((seats, reduce_until), lot)| Lot {
            lot,
            seats,
            charged_from: c.term_start,
            reduce_until,
        })
        .collect())
}

fn title(c: &ImportOpeningBalance, offer: Option<&Offer>) -> Result<String, Rejection> {
    if let Some(offer) = offer {
        return Ok(offer.title.clone());
    }
    let expected = "the offer's name, because the catalogue in force does not have the offer";
    let title = c.offer_title.as_ref().ok_or_else(|| invalid("offer_title", expected))?;
    text(title, "offer_title")?;
    Ok(title.clone())
}

/// The price that was told; else that of the catalogue when the term began. A trial costs nothing, and
/// nothing will be charged for what has ended.
fn price(
    context: &Context<'_>,
    customer: &Customer,
    c: &ImportOpeningBalance,
    status: Status,
) -> Result<Money, Rejection> {
    let profile = &customer.profile;
    let (plan, currency) = ((c.term, c.billing), profile.currency);
    if let Some(amount) = c.unit_price {
        not_wrong(amount)?;
        return Ok(Money { amount, currency });
    }
    if c.trial {
        return Ok(Money { amount: Decimal::ZERO, currency });
    }
    let buyer = (profile.market.as_str(), profile.segment, currency);
    let at = midnight(c.term_start);
    let listed = context
        .catalogue
        .and_then(|catalogue| catalogue.quote(&c.offer, plan, buyer, at).map(|quote| quote.price));
    match (listed, status) {
        (Some(price), _) => Ok(price),
        (None, Status::Active | Status::Suspended) => {
            let (offer, (term, billing)) = (c.offer.clone(), plan);
            Err(Rejection::PriceMissing { offer, term, billing, currency })
        }
        (None, Status::Expired | Status::Disabled | Status::Deleted) => {
            Ok(Money { amount: Decimal::ZERO, currency })
        }
    }
}

fn not_wrong(amount: Decimal) -> Result<(), Rejection> {
    if amount.is_sign_negative() || PRICE_SCALE_MAX < amount.scale() {
        let expected = "an amount that is not negative, with at most 6 digits after the point";
        return Err(invalid("unit_price", expected));
    }
    Ok(())
}

/// Seats above the most that the offer allows: what is so elsewhere is a fact, not a wish.
fn above_maximum(
    customer: &Customer,
    c: &ImportOpeningBalance,
    status: Status,
    offer: Option<&Offer>,
) -> u32 {
    let Some(offer) = offer.filter(|_| matches!(status, Status::Active | Status::Suspended)) else {
        return 0;
    };
    match not_above_maximum(customer, &c.offer, offer, c.quantity) {
        Err(Rejection::AboveMaximum { remaining, .. }) => c.quantity.saturating_sub(remaining),
        Ok(()) | Err(_) => 0,
    }
}

/// The fields in which what the ledger has differs from what is told. How it is charged is not told: it
/// follows from the rules and from the instant as of which is told.
fn differences(known: &Subscription, told: &Subscription) -> Vec<&'static str> {
    let (charged, rounding) = (known.charged.clone(), known.rounding);
    let (billing_stopped, moved) = (known.billing_stopped, known.moved.clone());
    let told = &Subscription { billing_stopped, rounding, charged, moved, ..told.clone() };
    if known == told {
        return Vec::new();
    }
    let fields = [
        ("offer", known.offer == told.offer),
        ("status", known.status == told.status),
        ("term", known.plan.term == told.plan.term),
        ("billing", known.plan.billing == told.plan.billing),
        ("quantity", known.quantity == told.quantity),
        ("unit_price", known.unit_price == told.unit_price),
        ("term_start", known.term.start == told.term.start),
        ("term_end", known.term.end == told.term.end),
        ("end_of_term", known.end_of_term == told.end_of_term),
        ("bought_at", known.bought_at == told.bought_at),
        ("cancel_until", known.cancel_until == told.cancel_until),
        ("refundable", known.lots == told.lots),
        ("trial", known.kind == told.kind),
        ("suspension_reasons", known.vendor_reasons == told.vendor_reasons),
    ];
    let named: Vec<_> =
        fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect();
    // A change that leaves all these as they were, such as a name of its own.
    if named.is_empty() { vec!["history"] } else { named }
}

pub(super) fn correct(
    context: &Context<'_>,
    customer: &Customer,
    c: &RecordCorrection,
) -> Result<Vec<Event>, Rejection> {
    by_operator(context, "RecordCorrection", "what was recorded")?;
    let s = known(customer, &c.subscription)?;
    if s.status == Status::Deleted {
        return Err(Rejection::SubscriptionEnded { subscription: s.id.clone() });
    }
    if context.now < c.effective_at {
        return Err(invalid("effective_at", "an instant that is not in the future"));
    }
    if c.effective_at < s.bought_at.unwrap_or_else(|| midnight(s.term.start)) {
        return Err(invalid("effective_at", "an instant at which the subscription had begun"));
    }
    if c.end_of_term == Some(EndOfTermAction::ExtendedServiceTerm) {
        may_be_extended(context, customer, s)?;
    }
    let mut corrected = CorrectionRecorded {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: corrected_quantity(s, c)?,
        term_end: corrected_end(context.today(), s, c)?,
        unit_price: corrected_price(s, c)?,
        end_of_term: c.end_of_term.filter(|action| *action != s.end_of_term),
        rules: Some(context.rules_if_any(customer)),
        from: Some(c.effective_at.date_naive()),
        settled: Vec::new(),
    };
    corrected.settled = settled(context, s, &corrected)?;
    let CorrectionRecorded { quantity, term_end, unit_price, end_of_term, .. } = &corrected;
    let is_right = quantity.is_none() && term_end.is_none() && unit_price.is_none();
    if is_right && end_of_term.is_none() {
        return Ok(Vec::new());
    }

    let (quantity, end_of_term) = (*quantity, *end_of_term);
    let mut events = vec![Event::CorrectionRecorded(corrected)];
    if end_of_term.is_some_and(|action| action != EndOfTermAction::Renew) {
        events.extend(drop_in_any_case(s, DropCause::NotRenewed));
    }
    if let Some(QuantityChange { from, to }) = quantity.filter(|_| s.is_in_service()) {
        let valid = customer.valid(&s.offer).saturating_sub(from).saturating_add(to);
        events.extend(shortfall(customer, &s.offer, valid, customer.assigned(&s.offer)));
    }
    Ok(events)
}

/// What was charged wrongly, credited and charged again: in the charge cycles of the term that have begun,
/// from the day on from which the correction is right, and beyond an end that was too late. What was charged
/// elsewhere, or for another offer or in another rhythm, is not touched.
fn settled(
    context: &Context<'_>,
    s: &Subscription,
    correction: &CorrectionRecorded,
) -> Result<Vec<Settled>, Rejection> {
    let today = context.today();
    let from = correction.from.unwrap_or(today);
    let quantity = correction.quantity.map(|quantity| quantity.to);
    let mut right = corrected(&s.charged, from, quantity, correction.unit_price);
    let mut moved = corrected_moves(&s.moved, from, quantity, correction.unit_price);
    let Some(end) = correction.term_end else {
        return lines_between(s, charged_through(s, today)?, (&right, &moved));
    };
    let longer = longer(s, end, today, &right)?;
    if end < s.term.end {
        end_charging(&mut right, renewal_due(end)?.date_naive());
        moved.retain(|moved| moved.on <= end);
    }
    let mut settled = lines_between(s, charged_through(s, today)?, (&right, &moved))?;
    settled.extend(longer);
    Ok(settled)
}

fn corrected_quantity(
    s: &Subscription,
    c: &RecordCorrection,
) -> Result<Option<QuantityChange>, Rejection> {
    let Some(to) = c.quantity.filter(|to| *to != s.quantity) else { return Ok(None) };
    not_zero(to)?;
    // The corrected seats form a lot of their own.
    sum(s.last_lot, 1)?;
    Ok(Some(QuantityChange { from: s.quantity, to }))
}

/// What has ended does not go on: it would be charged for without being there.
fn corrected_end(
    today: NaiveDate,
    s: &Subscription,
    c: &RecordCorrection,
) -> Result<Option<NaiveDate>, Rejection> {
    let Some(end) = c.term_end.filter(|end| *end != s.term.end) else { return Ok(None) };
    if !s.is_living() && s.term.end.max(today) <= end {
        return Err(invalid("term_end", "a day that is over, as the subscription has ended"));
    }
    if end < s.term.start {
        return Err(invalid("term_end", "a day that is not before the term's first day"));
    }
    renewal_due(end)?;
    Ok(Some(end))
}

fn corrected_price(s: &Subscription, c: &RecordCorrection) -> Result<Option<Money>, Rejection> {
    let Some(amount) = c.unit_price.filter(|amount| *amount != s.unit_price.amount) else {
        return Ok(None);
    };
    if s.is_trial() && s.is_living() && !amount.is_zero() {
        return Err(invalid("unit_price", "nothing: a trial is free until it is converted"));
    }
    not_wrong(amount)?;
    Ok(Some(Money { amount, currency: s.unit_price.currency }))
}
