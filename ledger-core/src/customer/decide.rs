//! The rules: one `match`, one function per command, guards first.

mod account;
mod alignment;
mod catalogue;
mod credit;
mod ending;
mod erasure;
mod groups;
mod licences;
mod lifecycle;
mod limits;
mod next_term;
mod opening;
mod promotions;
mod purchase;
mod renewal;
mod requests;
mod schedule;
mod seats;
mod settlement;
mod terms;
mod trials;
mod upgrade;
mod users;

use chrono::{DateTime, NaiveDate, Utc};

pub use self::alignment::{EndDateChoice, EndDateKind, end_dates};
pub use self::catalogue::{decide_catalogue, learn};
pub use self::upgrade::{Obstacle, UpgradeChoice, UpgradeIntoExisting, advice, upgrade_choices};
use super::command::Command;
use super::event::{ChargeBasis, DropCause, Event, RuleSet, ScheduledChangeDropped, TermPlan};
use super::rejection::Rejection;
use super::state::{Customer, Status, Subscription, TermKind};
use crate::calendar::{AnchorRule, Period, TermDuration, charge_cycle, midnight, renewal_due};
use crate::catalogue::{
    Catalogue, Offer, OnImmediateChange, ProductKind, Programme, Quote, WindowRule,
};
use crate::ids::{Actor, CustomerId, OfferId, Role, SubscriptionId};
use crate::money::{Fraction, prorate};

/// Everything a decision may look at besides the customer itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Whose account it is.
    pub customer: &'a CustomerId,
    /// The instant of the decision, in whole milliseconds.
    pub now: DateTime<Utc>,
    /// When the command takes effect: then, or earlier for what was due or is told about the past.
    pub effective_at: DateTime<Utc>,
    /// Who asks.
    pub actor: &'a Actor,
    /// The catalogue in force when the command takes effect, if there is one.
    pub catalogue: Option<&'a Catalogue>,
}

/// Returns the events that `command` leads to; none when everything is already as asked.
///
/// # Errors
///
/// A [`Rejection`] when a rule forbids the command; nothing has happened then. Rules are checked in
/// the order written.
pub fn decide(
    context: &Context<'_>,
    state: Option<&Customer>,
    command: &Command,
) -> Result<Vec<Event>, Rejection> {
    let registered =
        || state.ok_or_else(|| Rejection::CustomerUnknown { customer: context.customer.clone() });
    if state.is_some_and(|customer| customer.is_erased) {
        return erasure::after(context, command);
    }
    if let Some(customer) = state {
        may_order(context, customer, command)?;
    }
    match command {
        Command::RegisterCustomer(c) => account::register(context, state, c),
        Command::ChangeCustomer(c) => account::change(context, registered()?, c),
        Command::AcceptAgreement(c) => account::accept(registered()?, c),
        Command::GrantDelegatedAdmin(c) => account::grant(context, registered()?, c),
        Command::RevokeDelegatedAdmin(_) => Ok(account::revoke(registered()?)),
        Command::EndDelegatedAdmin(c) => account::end_delegated_admin(context, registered()?, c),
        Command::DeclareExternalSubscription(c) => account::declare(context, registered()?, c),
        Command::WithdrawExternalSubscription(c) => Ok(account::withdraw(registered()?, c)),
        Command::GrantPortalAccess(c) => Ok(account::grant_portal(registered()?, c)),
        Command::RevokePortalAccess(c) => Ok(account::revoke_portal(registered()?, c)),
        Command::EraseCustomer(_) => erasure::erase(context, registered()?),
        Command::Purchase(c) => purchase::purchase(context, registered()?, c),
        Command::StartTrial(c) => trials::start(context, registered()?, c),
        Command::ConvertTrial(c) => trials::convert(context, registered()?, c),
        Command::ExtendTrial(c) => trials::extend(context, registered()?, c),
        Command::EndTrial(c) => trials::end(context, registered()?, c),
        Command::AddSeats(c) => seats::add(context, registered()?, c),
        Command::RemoveSeats(c) => seats::remove(context, registered()?, c),
        Command::ScheduleRenewalQuantity(c) => schedule::quantity(context, registered()?, c),
        Command::ChangeRenewalSettings(c) => schedule::settings(context, registered()?, c),
        Command::AlignEndDate(c) => schedule::align(context, registered()?, c),
        Command::ScheduleUpgrade(c) => schedule::upgrade(context, registered()?, c),
        Command::WithdrawScheduledChange(c) => schedule::withdraw(context, registered()?, c),
        Command::SetEndOfTermAction(c) => renewal::set_action(context, registered()?, c),
        Command::ChangeTerm(c) => terms::change(context, registered()?, c),
        Command::ChangeBillingFrequency(c) => terms::choose_billing(context, registered()?, c),
        Command::ApplyBillingFrequency(c) => terms::apply_billing(context, registered()?, c),
        Command::Cancel(c) => seats::cancel(context, registered()?, c),
        Command::Suspend(c) => lifecycle::suspend(context, registered()?, c),
        Command::Resume(c) => lifecycle::resume(context, registered()?, c),
        Command::Disable(c) => lifecycle::disable(context, registered()?, c),
        Command::Delete(c) => lifecycle::delete(context, registered()?, c),
        Command::Rename(c) => lifecycle::rename(registered()?, c),
        Command::GrantCredit(c) => credit::grant(context, registered()?, c),
        Command::Upgrade(c) => upgrade::upgrade(context, registered()?, c),
        Command::RequestQuantity(c) => requests::request(context, registered()?, c),
        Command::FulfilRequest(c) => requests::fulfil(context, registered()?, c),
        Command::DeclineRequest(c) => requests::decline(registered()?, c),
        Command::AddUser(c) => users::add(context, registered()?, c),
        Command::NameUser(c) => erasure::name(context, registered()?, c),
        Command::RemoveUser(c) => users::remove(context, registered()?, c),
        Command::AssignLicence(c) => licences::assign(context, registered()?, c),
        Command::UnassignLicence(c) => licences::unassign(context, registered()?, c),
        Command::AddGroupMember(c) => groups::add_member(context, registered()?, c),
        Command::RemoveGroupMember(c) => groups::remove_member(context, registered()?, c),
        Command::AssignGroupLicence(c) => groups::assign(context, registered()?, c),
        Command::UnassignGroupLicence(c) => groups::unassign(context, registered()?, c),
        Command::ReprocessGroup(c) => groups::reprocess(context, registered()?, c),
        Command::ImportOpeningBalance(c) => opening::import(context, registered()?, c),
        Command::RecordCorrection(c) => opening::correct(context, registered()?, c),
        Command::Renew(c) => renewal::renew(context, registered()?, c),
        Command::Expire(c) => ending::expire(context, registered()?, c),
        Command::ImportCatalogue(_)
        | Command::ImportPriceList(_)
        | Command::ImportOfferMatrix(_)
        | Command::SetPolicy(_) => {
            Err(Rejection::WrongStream { command: command.name(), belongs_to: "the catalogue" })
        }
        Command::SetBillingTerms(_)
        | Command::ImportExchangeRates(_)
        | Command::ClosePeriod(_)
        | Command::RecordReconciliation(_) => {
            Err(Rejection::WrongStream { command: command.name(), belongs_to: "billing" })
        }
    }
}

impl<'a> Context<'a> {
    /// The UTC day of the decision; the day of a change belongs to the new quantity. Source: domain,
    /// section 11, no. 3.
    fn today(&self) -> NaiveDate {
        self.now.date_naive()
    }

    fn catalogue(&self) -> Result<&'a Catalogue, Rejection> {
        self.catalogue.ok_or(Rejection::NoCatalogue { at: self.now })
    }

    fn offer(&self, id: &OfferId) -> Result<&'a Offer, Rejection> {
        let offer = self.catalogue()?.offer(id);
        offer.ok_or_else(|| Rejection::OfferUnknown { offer: id.clone() })
    }

    fn programme(&self, customer: &Customer) -> Result<&'a Programme, Rejection> {
        let id = &customer.profile.programme;
        let programme = self.catalogue()?.programme(id);
        programme.ok_or_else(|| Rejection::ProgrammeUnknown { programme: id.clone() })
    }

    /// What one seat of an offer costs the customer now, for one billing cycle.
    fn quote(
        &self,
        customer: &Customer,
        offer: &OfferId,
        plan: TermPlan,
    ) -> Result<Quote, Rejection> {
        let profile = &customer.profile;
        let (term, billing, currency) = (plan.term, plan.billing, profile.currency);
        let buyer = (profile.market.as_str(), profile.segment, currency);
        let quote = self.catalogue()?.quote(offer, (term, billing), buyer, self.effective_at);
        let offer = offer.clone();
        quote.ok_or(Rejection::PlanUnknown { offer, term, billing, currency })
    }

    fn rules(&self, customer: &Customer) -> Result<RuleSet, Rejection> {
        Ok(RuleSet {
            programme: customer.profile.programme.clone(),
            catalogue: self.catalogue()?.version.clone(),
        })
    }

    /// The rules in force, of no catalogue where there is none.
    fn rules_if_any(&self, customer: &Customer) -> RuleSet {
        let catalogue = self.catalogue.map(|catalogue| catalogue.version.clone());
        RuleSet {
            programme: customer.profile.programme.clone(),
            catalogue: catalogue.unwrap_or_default(),
        }
    }
}

/// Refuses a customer's own administrator where customers ask for seats. Source: SEED-4.
fn may_order(
    context: &Context<'_>,
    customer: &Customer,
    command: &Command,
) -> Result<(), Rejection> {
    let by_customer = context.actor.role == Role::CustomerAdmin && is_order(command);
    if !by_customer || !context.programme(customer)?.customers_ask {
        return Ok(());
    }
    Err(Rejection::AskForSeats { programme: customer.profile.programme.clone() })
}

/// Whether a command buys seats, gives them back, or decides for later whether they go on.
const fn is_order(command: &Command) -> bool {
    matches!(
        command,
        Command::Purchase(_)
            | Command::StartTrial(_)
            | Command::ConvertTrial(_)
            | Command::AddSeats(_)
            | Command::RemoveSeats(_)
            | Command::Cancel(_)
            | Command::Upgrade(_)
            | Command::ScheduleUpgrade(_)
            | Command::ScheduleRenewalQuantity(_)
            | Command::ChangeRenewalSettings(_)
            | Command::AlignEndDate(_)
            | Command::WithdrawScheduledChange(_)
            | Command::SetEndOfTermAction(_)
            | Command::ChangeTerm(_)
            | Command::ChangeBillingFrequency(_)
            | Command::Suspend(_)
            | Command::Resume(_)
    )
}

/// Refuses what only the scheduler issues.
fn by_scheduler(context: &Context<'_>, command: &'static str) -> Result<(), Rejection> {
    if context.actor.role == Role::Scheduler {
        return Ok(());
    }
    Err(Rejection::SchedulerOnly { command })
}

/// Refuses what is not due yet.
fn not_before(context: &Context<'_>, due_at: DateTime<Utc>) -> Result<(), Rejection> {
    if context.now < due_at {
        return Err(Rejection::NotDueYet { due_at });
    }
    Ok(())
}

/// The subscription, if it is active and not waiting for its renewal.
fn changeable<'a>(
    context: &Context<'_>,
    customer: &'a Customer,
    id: &SubscriptionId,
) -> Result<&'a Subscription, Rejection> {
    let subscription = living(customer, id)?;
    not_at_its_end(context, subscription)?;
    Ok(subscription)
}

/// The subscription, if it is active or suspended, and time is not about to change it.
fn changeable_or_suspended<'a>(
    context: &Context<'_>,
    customer: &'a Customer,
    id: &SubscriptionId,
) -> Result<&'a Subscription, Rejection> {
    let subscription = within_term(customer, id)?;
    not_at_its_end(context, subscription)?;
    if subscription.delete_at.is_some_and(|delete_at| delete_at <= context.now) {
        return Err(Rejection::SubscriptionEnded { subscription: id.clone() });
    }
    Ok(subscription)
}

fn not_at_its_end(context: &Context<'_>, subscription: &Subscription) -> Result<(), Rejection> {
    let term_end = subscription.term.end;
    if renewal_due(term_end)? <= context.now {
        let subscription = subscription.id.clone();
        return Err(Rejection::RenewalPending { subscription, term_end });
    }
    let next = subscription.next_billing.filter(|next| midnight(next.from) <= context.now);
    if let Some(next) = next {
        let (subscription, from) = (subscription.id.clone(), next.from);
        return Err(Rejection::BillingChangePending { subscription, from });
    }
    Ok(())
}

/// The subscription, if it is active.
fn living<'a>(customer: &'a Customer, id: &SubscriptionId) -> Result<&'a Subscription, Rejection> {
    let subscription = within_term(customer, id)?;
    if subscription.status == Status::Suspended {
        return Err(Rejection::SubscriptionSuspended { subscription: id.clone() });
    }
    Ok(subscription)
}

/// The subscription, if it is active or suspended.
fn within_term<'a>(
    customer: &'a Customer,
    id: &SubscriptionId,
) -> Result<&'a Subscription, Rejection> {
    let subscription = known(customer, id)?;
    if subscription.is_living() {
        return Ok(subscription);
    }
    Err(Rejection::SubscriptionEnded { subscription: id.clone() })
}

fn known<'a>(customer: &'a Customer, id: &SubscriptionId) -> Result<&'a Subscription, Rejection> {
    let subscription = customer.subscriptions.get(id).map(|subscription| &**subscription);
    subscription.ok_or_else(|| Rejection::SubscriptionUnknown { subscription: id.clone() })
}

/// When the subscription's next term begins, if there will be one.
fn next_term_at(subscription: &Subscription) -> Option<DateTime<Utc>> {
    let ends = subscription.kind == TermKind::Trial { converts: false };
    if subscription.status != Status::Active || ends {
        return None;
    }
    match subscription.end_of_term {
        super::EndOfTermAction::Renew => renewal_due(subscription.term.end).ok(),
        super::EndOfTermAction::Cancel
        | super::EndOfTermAction::ExtendedServiceTerm
        | super::EndOfTermAction::Lapse => None,
    }
}

/// When the subscription's next term begins, if there will be one and `programme` has a window of
/// these `hours` for products of `kind` then: waiting helps only where something opens.
fn reopens_at(
    subscription: &Subscription,
    programme: &Programme,
    kind: ProductKind,
    hours: fn(&WindowRule) -> Option<u32>,
) -> Option<DateTime<Utc>> {
    next_term_at(subscription).filter(|at| programme.window(kind, *at).and_then(hours).is_some())
}

/// How the charge cycles of a plan treat month ends: a monthly term is anchored anew each time by
/// clamping, so that its one cycle is its term. Source: domain, section 11, no. 7.
const fn anchor_rule(programme: &Programme, plan: TermPlan) -> AnchorRule {
    match plan.term {
        TermDuration::P1M => AnchorRule::Clamp,
        TermDuration::P1Y | TermDuration::P3Y => programme.anchor,
    }
}

/// What the days from `from` to the end of its charge cycle cost, rounded as everything else in the term;
/// refused when not exact for `quantity` seats.
fn basis(
    subscription: &Subscription,
    from: NaiveDate,
    quantity: u32,
) -> Result<ChargeBasis, Rejection> {
    let (anchor, billing) = (subscription.cycle_anchor, subscription.plan.billing);
    let cycle = charge_cycle(anchor, billing, subscription.anchor, from)?;
    let billable = Period { start: from, end: cycle.end.min(subscription.term.end) };
    exact(
        ChargeBasis {
            unit_price: subscription.unit_price,
            cycle,
            billable,
            rounding: subscription.rounding,
            by_months: settlement::by_months(subscription, from),
        },
        quantity,
    )
}

/// Returns `basis` if the amount for `quantity` seats can be computed exactly.
fn exact(basis: ChargeBasis, quantity: u32) -> Result<ChargeBasis, Rejection> {
    let Fraction { part, whole } = basis.fraction();
    prorate(basis.unit_price, i64::from(quantity), part, whole, basis.rounding)?;
    Ok(basis)
}

/// What an immediate change does to a scheduled quantity.
fn drop_scheduled(
    programme: &Programme,
    subscription: &Subscription,
    cause: DropCause,
) -> Result<Option<Event>, Rejection> {
    let Some(scheduled) = &subscription.scheduled else { return Ok(None) };
    match programme.on_immediate_change {
        OnImmediateChange::Invalidate => Ok(Some(dropped(subscription, scheduled.quantity, cause))),
        OnImmediateChange::Keep => Ok(None),
        OnImmediateChange::Block => Err(Rejection::ChangeScheduled {
            subscription: subscription.id.clone(),
            quantity: scheduled.quantity,
        }),
    }
}

/// The scheduled quantity goes, whatever the programme says, because nothing is left to schedule.
fn drop_in_any_case(subscription: &Subscription, cause: DropCause) -> Option<Event> {
    let scheduled = subscription.scheduled.as_ref()?;
    Some(dropped(subscription, scheduled.quantity, cause))
}

fn dropped(subscription: &Subscription, quantity: u32, cause: DropCause) -> Event {
    Event::ScheduledChangeDropped(ScheduledChangeDropped {
        subscription: subscription.id.clone(),
        quantity,
        cause,
    })
}
