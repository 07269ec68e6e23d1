//! The account itself: particulars, agreement, delegated administration, the portal, holdings from elsewhere.

use chrono::TimeDelta;

use super::limits::not_zero;
use super::{Context, Rejection, by_scheduler, not_before};
use crate::calendar::DateOutOfRange;
use crate::customer::command::{
    AcceptAgreement, ChangeCustomer, DeclareExternalSubscription, EndDelegatedAdmin,
    GrantDelegatedAdmin, GrantPortalAccess, RegisterCustomer, RevokePortalAccess,
    WithdrawExternalSubscription,
};
use crate::customer::event::{
    AgreementAccepted, CustomerChanged, CustomerRegistered, DelegatedAdminEnded,
    DelegatedAdminGranted, DelegatedAdminRevoked, Event, ExternalSubscriptionDeclared,
    ExternalSubscriptionWithdrawn, PortalAccessGranted, PortalAccessRevoked,
};
use crate::customer::state::{Customer, Profile};
use crate::ids::Role;

/// Longest text, in characters.
const TEXT_CHARS_MAX: usize = 200;

pub(super) fn register(
    context: &Context<'_>,
    state: Option<&Customer>,
    c: &RegisterCustomer,
) -> Result<Vec<Event>, Rejection> {
    if let Some(customer) = state {
        if is_same(&customer.profile, c) {
            return Ok(Vec::new());
        }
        return Err(Rejection::CustomerExists { customer: context.customer.clone() });
    }
    text(&c.name, "name")?;
    country(&c.market, "market")?;
    let programme = context.catalogue()?.programme(&c.programme);
    let programme =
        programme.ok_or_else(|| Rejection::ProgrammeUnknown { programme: c.programme.clone() })?;
    if let Some(number) = &c.registration_number {
        text(number, "registration_number")?;
    } else if programme.registration_number_markets.contains(&c.market) {
        return Err(Rejection::RegistrationNumberMissing { market: c.market.clone() });
    }

    Ok(vec![Event::CustomerRegistered(CustomerRegistered {
        name: c.name.clone(),
        programme: c.programme.clone(),
        reseller: c.reseller.clone(),
        market: c.market.clone(),
        currency: c.currency,
        segment: c.segment.unwrap_or_default(),
        registration_number: c.registration_number.clone(),
    })])
}

fn is_same(profile: &Profile, c: &RegisterCustomer) -> bool {
    profile.name == c.name
        && profile.programme == c.programme
        && profile.reseller == c.reseller
        && profile.market == c.market
        && profile.currency == c.currency
        && profile.segment == c.segment.unwrap_or_default()
        && profile.registration_number == c.registration_number
}

/// Refuses an empty text, a very long one, and one with control characters.
pub(super) fn text(text: &str, field: &'static str) -> Result<(), Rejection> {
    let chars = text.chars().count();
    if text.trim().is_empty() || TEXT_CHARS_MAX < chars || text.contains(char::is_control) {
        let expected = "1 to 200 characters, none of them a control character";
        return Err(Rejection::FieldInvalid { field, expected });
    }
    Ok(())
}

/// Refuses what is not two capital letters.
pub(super) fn country(text: &str, field: &'static str) -> Result<(), Rejection> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    let expected = "two capital letters, such as FR (ISO 3166-1)";
    Err(Rejection::FieldInvalid { field, expected })
}

pub(super) fn change(
    context: &Context<'_>,
    customer: &Customer,
    c: &ChangeCustomer,
) -> Result<Vec<Event>, Rejection> {
    let profile = &customer.profile;
    for (given, field) in [(&c.name, "name"), (&c.registration_number, "registration_number")] {
        given.as_deref().map_or(Ok(()), |given| text(given, field))?;
    }
    let changed = CustomerChanged {
        name: c.name.clone().unwrap_or_else(|| profile.name.clone()),
        reseller: c.reseller.clone().unwrap_or_else(|| profile.reseller.clone()),
        segment: c.segment.unwrap_or(profile.segment),
        registration_number: c
            .registration_number
            .clone()
            .or_else(|| profile.registration_number.clone()),
    };
    let operators = [
        (changed.reseller != profile.reseller, "the reseller"),
        (changed.segment != profile.segment, "the segment"),
    ];
    for (_, what) in operators.into_iter().filter(|(differs, _)| *differs) {
        if context.actor.role != Role::Operator {
            return Err(Rejection::OperatorOnly { command: "ChangeCustomer", what });
        }
    }
    let same = changed.name == profile.name
        && changed.reseller == profile.reseller
        && changed.segment == profile.segment
        && changed.registration_number == profile.registration_number;
    if same {
        return Ok(Vec::new());
    }

    Ok(vec![Event::CustomerChanged(changed)])
}

pub(super) fn accept(customer: &Customer, c: &AcceptAgreement) -> Result<Vec<Event>, Rejection> {
    text(&c.agreement, "agreement")?;
    if customer.agreement.as_ref() == Some(&c.agreement) {
        return Ok(Vec::new());
    }

    let agreement = c.agreement.clone();
    Ok(vec![Event::AgreementAccepted(AgreementAccepted { agreement })])
}

pub(super) fn grant(
    context: &Context<'_>,
    customer: &Customer,
    c: &GrantDelegatedAdmin,
) -> Result<Vec<Event>, Rejection> {
    if let Some(days) = c.days {
        lasts(context, customer, days)?;
    }
    for service in c.services.iter().flatten() {
        text(service, "services")?;
    }
    if c.services.as_ref().is_some_and(std::collections::BTreeSet::is_empty) {
        let expected = "at least one service, or none named at all for all of them";
        return Err(Rejection::FieldInvalid { field: "services", expected });
    }
    let end = |days: u32| {
        let end = context.now.checked_add_signed(TimeDelta::days(i64::from(days)));
        end.ok_or(DateOutOfRange)
    };
    let until = c.days.map(end).transpose()?;
    let known = customer.delegated_admin.as_ref();
    if known.is_some_and(|known| known.services == c.services && known.until == until) {
        return Ok(Vec::new());
    }

    let services = c.services.as_ref().map(|services| services.iter().cloned().collect());
    Ok(vec![Event::DelegatedAdminGranted(DelegatedAdminGranted { services, until })])
}

/// Refuses a delegated administration of no day, or of more than the programme allows.
fn lasts(context: &Context<'_>, customer: &Customer, days: u32) -> Result<(), Rejection> {
    if days == 0 {
        return Err(Rejection::FieldInvalid { field: "days", expected: "at least one day" });
    }
    match context.programme(customer)?.delegated_days_max {
        Some(days_max) if days_max < days => Err(Rejection::DelegationTooLong { days, days_max }),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn revoke(customer: &Customer) -> Vec<Event> {
    if customer.delegated_admin.is_none() {
        return Vec::new();
    }
    vec![Event::DelegatedAdminRevoked(DelegatedAdminRevoked {})]
}

pub(super) fn end_delegated_admin(
    context: &Context<'_>,
    customer: &Customer,
    c: &EndDelegatedAdmin,
) -> Result<Vec<Event>, Rejection> {
    by_scheduler(context, "EndDelegatedAdmin")?;
    let until = customer.delegated_admin.as_ref().and_then(|admin| admin.until);
    if until != Some(c.due_at) {
        return Ok(Vec::new());
    }
    not_before(context, c.due_at)?;

    Ok(vec![Event::DelegatedAdminEnded(DelegatedAdminEnded { until: c.due_at })])
}

pub(super) fn grant_portal(customer: &Customer, c: &GrantPortalAccess) -> Vec<Event> {
    if customer.portal.get(&c.user) == Some(&c.access) {
        return Vec::new();
    }
    let (user, access) = (c.user.clone(), c.access);
    vec![Event::PortalAccessGranted(PortalAccessGranted { user, access })]
}

pub(super) fn revoke_portal(customer: &Customer, c: &RevokePortalAccess) -> Vec<Event> {
    if !customer.portal.contains_key(&c.user) {
        return Vec::new();
    }
    vec![Event::PortalAccessRevoked(PortalAccessRevoked { user: c.user.clone() })]
}

pub(super) fn declare(
    context: &Context<'_>,
    customer: &Customer,
    c: &DeclareExternalSubscription,
) -> Result<Vec<Event>, Rejection> {
    not_zero(c.seats)?;
    if context.programme(customer)?.single_partner {
        let programme = customer.profile.programme.clone();
        return Err(Rejection::SinglePartner { programme });
    }
    let offer = context.offer(&c.offer)?;
    let known = customer.external.get(&c.offer);
    if known.is_some_and(|known| known.seats == c.seats && known.services == offer.services) {
        return Ok(Vec::new());
    }

    Ok(vec![Event::ExternalSubscriptionDeclared(ExternalSubscriptionDeclared {
        offer: c.offer.clone(),
        seats: c.seats,
        services: offer.services.iter().cloned().collect(),
    })])
}

pub(super) fn withdraw(customer: &Customer, c: &WithdrawExternalSubscription) -> Vec<Event> {
    if !customer.external.contains_key(&c.offer) {
        return Vec::new();
    }
    let offer = c.offer.clone();
    vec![Event::ExternalSubscriptionWithdrawn(ExternalSubscriptionWithdrawn { offer })]
}
