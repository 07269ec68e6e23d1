//! Groups of users, and the licences they give. Source: domain, section 7.
//!
//! A group gives a member all that the member lacks of it, or nothing of that and a failure that says
//! why; the group goes on to mean it. What a member has stays when something else cannot be given. Members
//! come in the order of their ids until seats run out. Freed seats are given only when the group is
//! processed again: when that is asked for, or when what it gives changes.

use std::collections::{BTreeMap, BTreeSet};

use super::licences::{
    Seats, assignment, fits, freed, held, is_for_users, not_needed, partner_may, unassigned,
};
use super::{Context, Rejection};
use crate::catalogue::Catalogue;
use crate::customer::command::{
    AddGroupMember, AssignGroupLicence, RemoveGroupMember, ReprocessGroup, UnassignGroupLicence,
};
use crate::customer::event::{
    Event, GroupLicenceAssigned, GroupLicenceUnassigned, GroupLicencesFailed, GroupLicencesSettled,
    GroupMemberAdded, GroupMemberRemoved, LicenceAssigned,
};
use crate::customer::state::Customer;
use crate::ids::{GroupId, OfferId, UserId};

pub(super) fn add_member(
    context: &Context<'_>,
    customer: &Customer,
    c: &AddGroupMember,
) -> Result<Vec<Event>, Rejection> {
    let offers = offers(customer, &c.group);
    partner_may(context, customer, offers.iter().copied())?;
    if customer.groups.get(&c.group).is_some_and(|group| group.members.contains(&c.user)) {
        return Ok(Vec::new());
    }
    let mut giving = Giving::new(context, customer, &c.group, offers)?;

    let (group, user) = (c.group.clone(), c.user.clone());
    let mut events = vec![Event::GroupMemberAdded(GroupMemberAdded { group, user })];
    events.extend(giving.give(&c.user));
    Ok(events)
}

pub(super) fn remove_member(
    context: &Context<'_>,
    customer: &Customer,
    c: &RemoveGroupMember,
) -> Result<Vec<Event>, Rejection> {
    let offers = offers(customer, &c.group);
    partner_may(context, customer, offers.iter().copied())?;
    if !customer.groups.get(&c.group).is_some_and(|group| group.members.contains(&c.user)) {
        return Ok(Vec::new());
    }
    let given = |offer: &&&OfferId| is_given(customer, &c.group, offer, &c.user);
    let given: Vec<&OfferId> = offers.iter().filter(given).copied().collect();
    let goes = |offer: &&&OfferId| is_given_by_it_alone(customer, &c.group, offer, &c.user);
    let going: BTreeSet<&OfferId> = given.iter().filter(goes).copied().collect();
    not_needed(context, customer, &c.user, &going)?;

    let lost = given.iter().map(|offer| unassigned(offer, &c.user, Some(&c.group)));
    let mut events: Vec<Event> = lost.collect();
    let (group, user) = (c.group.clone(), c.user.clone());
    events.push(Event::GroupMemberRemoved(GroupMemberRemoved { group, user }));
    events.extend(going.into_iter().filter_map(|offer| freed(customer, offer, 1)));
    Ok(events)
}

pub(super) fn assign(
    context: &Context<'_>,
    customer: &Customer,
    c: &AssignGroupLicence,
) -> Result<Vec<Event>, Rejection> {
    let mut offers = offers(customer, &c.group);
    let is_new = offers.insert(&c.offer);
    partner_may(context, customer, offers.iter().copied())?;
    if !is_new {
        return Ok(Vec::new());
    }
    is_for_users(context, customer, &c.offer)?;
    let mut giving = Giving::new(context, customer, &c.group, offers)?;

    let (group, offer) = (c.group.clone(), c.offer.clone());
    let mut events = vec![Event::GroupLicenceAssigned(GroupLicenceAssigned { group, offer })];
    for user in members(customer, &c.group) {
        events.extend(giving.give(user));
    }
    Ok(events)
}

pub(super) fn unassign(
    context: &Context<'_>,
    customer: &Customer,
    c: &UnassignGroupLicence,
) -> Result<Vec<Event>, Rejection> {
    let mut offers = offers(customer, &c.group);
    partner_may(context, customer, offers.iter().copied())?;
    if !offers.remove(&c.offer) {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    let mut free: u32 = 0;
    for user in members(customer, &c.group) {
        if is_given_by_it_alone(customer, &c.group, &c.offer, user) {
            not_needed(context, customer, user, &BTreeSet::from([&c.offer]))?;
            free = free.saturating_add(1);
        }
        if is_given(customer, &c.group, &c.offer, user) {
            events.push(unassigned(&c.offer, user, Some(&c.group)));
        }
    }
    let mut giving = Giving::new(context, customer, &c.group, offers)?;
    giving.taken_away = Some(&c.offer);

    let (group, offer) = (c.group.clone(), c.offer.clone());
    events.push(Event::GroupLicenceUnassigned(GroupLicenceUnassigned { group, offer }));
    let failed = customer.groups.get(&c.group).into_iter().flat_map(|group| group.failed.keys());
    for user in failed {
        events.extend(giving.give(user));
    }
    events.extend(freed(customer, &c.offer, free));
    Ok(events)
}

pub(super) fn reprocess(
    context: &Context<'_>,
    customer: &Customer,
    c: &ReprocessGroup,
) -> Result<Vec<Event>, Rejection> {
    let offers = offers(customer, &c.group);
    partner_may(context, customer, offers.iter().copied())?;
    if !customer.groups.contains_key(&c.group) {
        return Err(Rejection::GroupUnknown { group: c.group.clone() });
    }
    let mut giving = Giving::new(context, customer, &c.group, offers)?;

    Ok(members(customer, &c.group).flat_map(|user| giving.give(user)).collect())
}

fn offers<'a>(customer: &'a Customer, group: &GroupId) -> BTreeSet<&'a OfferId> {
    customer.groups.get(group).into_iter().flat_map(|group| &group.offers).collect()
}

fn members<'a>(customer: &'a Customer, group: &GroupId) -> impl Iterator<Item = &'a UserId> {
    customer.groups.get(group).into_iter().flat_map(|group| &group.members)
}

/// Whether `user` has a licence of `offer` through `group`, perhaps among other ways.
fn is_given(customer: &Customer, group: &GroupId, offer: &OfferId, user: &UserId) -> bool {
    assignment(customer, offer, user).is_some_and(|had| had.groups.contains(group))
}

/// Whether `user` has a licence of `offer` through `group` and in no other way.
fn is_given_by_it_alone(
    customer: &Customer,
    group: &GroupId,
    offer: &OfferId,
    user: &UserId,
) -> bool {
    let had = assignment(customer, offer, user);
    had.is_some_and(|had| !had.direct && had.groups.len() == 1 && had.groups.contains(group))
}

/// A group that gives its members what they lack, one after the other.
struct Giving<'a> {
    customer: &'a Customer,
    catalogue: &'a Catalogue,
    group: &'a GroupId,
    /// What the group gives from now on, and the seats of it that the members before have left.
    offers: BTreeMap<&'a OfferId, Seats>,
    /// What it no longer gives, with this command.
    taken_away: Option<&'a OfferId>,
}

impl<'a> Giving<'a> {
    fn new(
        context: &Context<'a>,
        customer: &'a Customer,
        group: &'a GroupId,
        offers: BTreeSet<&'a OfferId>,
    ) -> Result<Self, Rejection> {
        let catalogue = context.catalogue()?;
        let offers = offers.into_iter().map(|offer| (offer, Seats::of(customer, offer))).collect();
        Ok(Self { customer, catalogue, group, offers, taken_away: None })
    }

    /// Gives `user` all that it lacks, or says why not, unless that is known.
    fn give(&mut self, user: &UserId) -> Vec<Event> {
        let lacks = |offer: &&&OfferId| !is_given(self.customer, self.group, offer, user);
        let lacking: Vec<&'a OfferId> = self.offers.keys().filter(lacks).copied().collect();
        let failed = self.customer.groups.get(self.group).and_then(|group| group.failed.get(user));
        if let Err((offer, code)) = self.possible(user, &lacking) {
            if failed.is_some_and(|failed| failed.0 == *offer && failed.1 == code) {
                return Vec::new();
            }
            return vec![self.failed(user, offer, code)];
        }
        let mut events = Vec::new();
        for offer in lacking {
            let seats = self.offers.get_mut(offer);
            if let (Some(seats), false) = (seats, self.customer.has_licence(offer, user)) {
                seats.take_one();
            }
            events.push(self.assigned(user, offer));
        }
        events.extend(failed.map(|_| self.settled(user)));
        events
    }

    /// Whether `user` may have all of `lacking` together; if not, the offer and the code of the rule.
    fn possible(
        &self,
        user: &UserId,
        lacking: &[&'a OfferId],
    ) -> Result<(), (&'a OfferId, &'static str)> {
        let mut beside = held(self.customer, user);
        if let Some(offer) = self.taken_away
            && is_given_by_it_alone(self.customer, self.group, offer, user)
        {
            beside.remove(offer);
        }
        beside.extend(lacking);
        for offer in lacking {
            self.is_possible(user, offer, &beside).map_err(|no| (*offer, no.rule().code))?;
        }
        Ok(())
    }

    fn is_possible(
        &self,
        user: &UserId,
        offer: &OfferId,
        beside: &BTreeSet<&OfferId>,
    ) -> Result<(), Rejection> {
        fits(self.catalogue, offer, user, self.location(user), beside)?;
        if self.customer.has_licence(offer, user) {
            return Ok(());
        }
        self.offers.get(offer).map_or(Ok(()), |seats| seats.one_is_free(offer))
    }

    /// Where `user` works; the customer's market if nobody has said. Source: domain, section 7.
    fn location(&self, user: &UserId) -> &'a str {
        let known = self.customer.users.get(user).and_then(Option::as_deref);
        known.unwrap_or(&self.customer.profile.market)
    }

    fn assigned(&self, user: &UserId, offer: &OfferId) -> Event {
        Event::LicenceAssigned(LicenceAssigned {
            offer: offer.clone(),
            user: user.clone(),
            usage_location: self.location(user).to_owned(),
            through: Some(self.group.clone()),
        })
    }

    fn failed(&self, user: &UserId, offer: &OfferId, code: &str) -> Event {
        Event::GroupLicencesFailed(GroupLicencesFailed {
            group: self.group.clone(),
            user: user.clone(),
            offer: offer.clone(),
            code: code.to_owned(),
        })
    }

    fn settled(&self, user: &UserId) -> Event {
        let (group, user) = (self.group.clone(), user.clone());
        Event::GroupLicencesSettled(GroupLicencesSettled { group, user })
    }
}
