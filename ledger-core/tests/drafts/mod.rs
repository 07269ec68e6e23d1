//! Random commands as small numbers, so that the same ones can be drawn in more than one way.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{
    AddSeats, AssignLicence, Cancel, Command, Customer, DeclareExternalSubscription, EndDate,
    EndOfTermAction, ExistingTarget, GrantDelegatedAdmin, NewTarget, Purchase, RemoveSeats,
    RevokeDelegatedAdmin, ScheduleRenewalQuantity, SetEndOfTermAction, Transfer, UnassignLicence,
    Upgrade, UpgradeInto, WithdrawExternalSubscription,
};
use ledger_core::ids::{OfferId, SubscriptionId, UserId};

pub(crate) const PROGRAMMES: [&str; 4] =
    ["cloud-cockpit", "partner-center-2019", "21vianet-2018", "nce"];

pub(crate) const OFFERS: [&str; 8] = [
    "office-365-business-essentials",
    "office-365-business",
    "office-365-business-premium",
    "office-365-e1",
    "office-365-e3",
    "office-365-e5",
    "audio-conferencing",
    "windows-server-software",
];

/// A command still without its place in a history: small numbers that stand for names.
#[derive(Clone, Debug)]
pub(crate) enum Draft {
    Purchase { offer: usize, monthly: bool, quantity: u32 },
    Add { subscription: usize, seats: u32 },
    Remove { subscription: usize, seats: u32 },
    Schedule { subscription: usize, quantity: u32 },
    EndOfTerm { subscription: usize, renew: bool },
    Cancel { subscription: usize },
    UpgradeNew { subscription: usize, quantity: Option<u32>, offer: usize, new_term: bool },
    UpgradeExisting { subscription: usize, quantity: Option<u32>, offer: usize, target: usize },
    Assign { offer: usize, user: u8 },
    Unassign { offer: usize, user: u8 },
    DelegatedAdmin { granted: bool },
    External { offer: usize, seats: u32 },
}

fn offer(index: usize) -> OfferId {
    OfferId::try_new(OFFERS[index]).unwrap()
}

fn user(number: u8) -> UserId {
    UserId::try_new(format!("user-{number}")).unwrap()
}

/// The subscription that a small number stands for: one the customer has, if there is any.
fn pick(customer: &Customer, index: usize) -> SubscriptionId {
    let ids: Vec<&SubscriptionId> = customer.subscriptions.keys().collect();
    match ids.get(index % ids.len().max(1)) {
        Some(id) => (*id).clone(),
        None => SubscriptionId::try_new("nothing").unwrap(),
    }
}

/// The offer that a small number stands for: one the customer holds, if there is any.
fn held(customer: &Customer, index: usize) -> OfferId {
    let offers: BTreeSet<&OfferId> = customer.subscriptions.values().map(|s| &s.offer).collect();
    match offers.iter().nth(index % offers.len().max(1)) {
        Some(held) => (*held).clone(),
        None => offer(index),
    }
}

/// The command that a draft stands for; `number` names what it makes.
pub(crate) fn command(customer: &Customer, draft: &Draft, number: usize) -> Command {
    let new = SubscriptionId::try_new(format!("s{number}")).unwrap();
    match draft.clone() {
        Draft::Purchase { offer: index, monthly, quantity } => Command::Purchase(Purchase::new(
            new,
            offer(index),
            if monthly { TermDuration::P1M } else { TermDuration::P1Y },
            if monthly { BillingCycle::Monthly } else { BillingCycle::Annual },
            quantity,
        )),
        Draft::Add { subscription, seats } => {
            Command::AddSeats(AddSeats { subscription: pick(customer, subscription), seats })
        }
        Draft::Remove { subscription, seats } => {
            Command::RemoveSeats(RemoveSeats { subscription: pick(customer, subscription), seats })
        }
        Draft::Schedule { subscription, quantity } => {
            let subscription = pick(customer, subscription);
            Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity { subscription, quantity })
        }
        Draft::EndOfTerm { subscription, renew } => {
            Command::SetEndOfTermAction(SetEndOfTermAction {
                subscription: pick(customer, subscription),
                action: if renew { EndOfTermAction::Renew } else { EndOfTermAction::Cancel },
            })
        }
        Draft::Cancel { subscription } => {
            Command::Cancel(Cancel { subscription: pick(customer, subscription) })
        }
        Draft::UpgradeNew { subscription, quantity, offer: index, new_term } => {
            Command::Upgrade(Upgrade {
                subscription: pick(customer, subscription),
                quantity,
                target_offer: offer(index),
                into: UpgradeInto::New(NewTarget {
                    subscription: new,
                    end_date: if new_term { EndDate::NewTerm } else { EndDate::Coterminous },
                    term: None,
                    billing: None,
                    promotion: None,
                }),
                transfer: Transfer::Automatic,
            })
        }
        Draft::UpgradeExisting { subscription, quantity, offer: index, target } => {
            let target = pick(customer, target);
            Command::Upgrade(Upgrade {
                subscription: pick(customer, subscription),
                quantity,
                target_offer: offer(index),
                into: UpgradeInto::Existing(ExistingTarget { subscription: target }),
                transfer: Transfer::Automatic,
            })
        }
        Draft::Assign { offer: index, user: number } => Command::AssignLicence(AssignLicence {
            offer: held(customer, index),
            user: user(number),
            usage_location: Some("FR".to_owned()),
        }),
        Draft::Unassign { offer: index, user: number } => {
            let offer = held(customer, index);
            Command::UnassignLicence(UnassignLicence { offer, user: user(number) })
        }
        Draft::DelegatedAdmin { granted: true } => {
            Command::GrantDelegatedAdmin(GrantDelegatedAdmin { services: None, days: None })
        }
        Draft::DelegatedAdmin { granted: false } => {
            Command::RevokeDelegatedAdmin(RevokeDelegatedAdmin {})
        }
        Draft::External { offer: index, seats: 0 } => {
            let offer = offer(index);
            Command::WithdrawExternalSubscription(WithdrawExternalSubscription { offer })
        }
        Draft::External { offer: index, seats } => {
            let offer = offer(index);
            Command::DeclareExternalSubscription(DeclareExternalSubscription { offer, seats })
        }
    }
}
