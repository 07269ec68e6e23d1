//! The account itself: registration, delegated administration, holdings from elsewhere.

use super::limits::not_zero;
use super::{Context, Rejection};
use crate::customer::command::{
    DeclareExternalSubscription, RegisterCustomer, WithdrawExternalSubscription,
};
use crate::customer::event::{
    CustomerRegistered, DelegatedAdminGranted, DelegatedAdminRevoked, Event,
    ExternalSubscriptionDeclared, ExternalSubscriptionWithdrawn,
};
use crate::customer::state::{Customer, Profile};

/// Longest name of a company, in characters.
const NAME_CHARS_MAX: usize = 200;

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
    let chars = c.name.chars().count();
    if c.name.trim().is_empty() || NAME_CHARS_MAX < chars || c.name.contains(char::is_control) {
        let expected = "1 to 200 characters, none of them a control character";
        return Err(Rejection::FieldInvalid { field: "name", expected });
    }
    country(&c.market, "market")?;
    if context.catalogue()?.programme(&c.programme).is_none() {
        return Err(Rejection::ProgrammeUnknown { programme: c.programme.clone() });
    }

    Ok(vec![Event::CustomerRegistered(CustomerRegistered {
        name: c.name.clone(),
        programme: c.programme.clone(),
        reseller: c.reseller.clone(),
        market: c.market.clone(),
        currency: c.currency,
    })])
}

fn is_same(profile: &Profile, c: &RegisterCustomer) -> bool {
    profile.name == c.name
        && profile.programme == c.programme
        && profile.reseller == c.reseller
        && profile.market == c.market
        && profile.currency == c.currency
}

/// Refuses what is not two capital letters.
pub(super) fn country(text: &str, field: &'static str) -> Result<(), Rejection> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    let expected = "two capital letters, such as FR (ISO 3166-1)";
    Err(Rejection::FieldInvalid { field, expected })
}

pub(super) fn grant(customer: &Customer) -> Vec<Event> {
    if customer.delegated_admin {
        return Vec::new();
    }
    vec![Event::DelegatedAdminGranted(DelegatedAdminGranted {})]
}

pub(super) fn revoke(customer: &Customer) -> Vec<Event> {
    if !customer.delegated_admin {
        return Vec::new();
    }
    vec![Event::DelegatedAdminRevoked(DelegatedAdminRevoked {})]
}

pub(super) fn declare(
    context: &Context<'_>,
    customer: &Customer,
    c: &DeclareExternalSubscription,
) -> Result<Vec<Event>, Rejection> {
    not_zero(c.seats)?;
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
