//! Who asks for what: skewed access to many customers, mixed commands, some of them refused. The same
//! number always gives the same command.

use std::num::NonZeroU32;

use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{
    AddSeats, AssignLicence, Command, EndOfTermAction, Purchase, RegisterCustomer, RemoveSeats,
    ScheduleRenewalQuantity, SetEndOfTermAction, UnassignLicence,
};
use ledger_core::ids::{
    CustomerId, IdError, OfferId, ProgrammeId, ResellerId, SubscriptionId, UserId,
};
use ledger_core::money::Currency;

use crate::exit::Failure;

/// How every customer's id starts, so that no other customer is ever touched.
pub const PREFIX: &str = "bench-";

/// The reason recorded with every command.
pub const REASON: &str = "benchmark";

const OFFER: &str = "office-365-e3";
const SUBSCRIPTION: &str = "s1";

/// Seats that every customer has at first.
const SEATS: u32 = 100;

/// Users of every customer who get and lose licences.
const USERS: u64 = 64;

/// The customer of rank r is asked for in proportion to 1 / (r + this): of 10,000 customers, the
/// busiest gets 0.2 % of all commands, and the busiest tenth half of them.
const FLATNESS: u64 = 100;

/// A weight of one.
const ONE: u64 = 1 << 32;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Add,
    Remove,
    Schedule,
    EndOfTerm,
    Assign,
    Unassign,
    Mistake,
}

/// Of a hundred commands so many are of each kind. Some of the others are refused, too: a renewal
/// that was cancelled cannot be planned. A licence may be assigned already, which changes nothing.
const MIX: [(u64, Kind); 7] = [
    (30, Kind::Add),
    (22, Kind::Remove),
    (26, Kind::Schedule),
    (4, Kind::EndOfTerm),
    (9, Kind::Assign),
    (6, Kind::Unassign),
    (3, Kind::Mistake),
];

/// A command and the customer it is for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The customer.
    pub customer: CustomerId,
    /// What is asked of it.
    pub command: Command,
}

/// Everything that is asked, by number.
#[derive(Clone, Debug)]
pub struct Load {
    /// Sum of the weights of each customer and all those before it.
    sums: Vec<u64>,
}

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Draws(u64);

impl Draws {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(below).unwrap_or_default()
    }

    fn small(&mut self, below: u32) -> u32 {
        u32::try_from(self.next(below.into())).unwrap_or_default()
    }
}

impl Load {
    /// A load on so many customers.
    #[must_use]
    pub fn new(customers: NonZeroU32) -> Self {
        let weights = (0..u64::from(customers.get())).map(|rank| ONE / (rank + FLATNESS));
        let sums = weights.scan(0, |sum: &mut u64, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// How many customers there are.
    #[must_use]
    pub fn customers(&self) -> usize {
        self.sums.len()
    }

    /// What is asked as the `number`th.
    ///
    /// # Errors
    ///
    /// Never, as the ids made here are valid.
    pub fn nth(&self, number: u64) -> Result<Asked, Failure> {
        let mut draws = Draws(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let at = draws.next(self.sums.last().copied().unwrap_or(1));
        let customer = customer(self.sums.partition_point(|sum| *sum <= at))?;
        Ok(Asked { customer, command: command(&mut draws).map_err(|err| defect(&err))? })
    }
}

/// The id of the customer with this index.
///
/// # Errors
///
/// Never, as it is a valid one.
pub fn customer(index: usize) -> Result<CustomerId, Failure> {
    CustomerId::try_new(format!("{PREFIX}{index:05}")).map_err(|err| defect(&err))
}

/// What makes a customer one of the load's: its commands and their ids, the same every time.
///
/// # Errors
///
/// Never, as the ids made here are valid.
pub fn preparation() -> Result<[(&'static str, Command); 2], Failure> {
    prepared().map_err(|err| defect(&err))
}

fn prepared() -> Result<[(&'static str, Command); 2], IdError> {
    let register = Command::RegisterCustomer(RegisterCustomer::new(
        "Benchmark".to_owned(),
        ProgrammeId::try_new("nce")?,
        ResellerId::try_new("bench")?,
        "FR".to_owned(),
        Currency::EUR,
    ));
    let purchase = Command::Purchase(Purchase::new(
        SubscriptionId::try_new(SUBSCRIPTION)?,
        OfferId::try_new(OFFER)?,
        TermDuration::P1Y,
        BillingCycle::Annual,
        SEATS,
    ));
    Ok([("bench-register", register), ("bench-purchase", purchase)])
}

fn command(draws: &mut Draws) -> Result<Command, IdError> {
    let subscription = SubscriptionId::try_new(SUBSCRIPTION)?;
    let user = |draws: &mut Draws| UserId::try_new(format!("user-{}", draws.next(USERS)));
    let offer = || OfferId::try_new(OFFER);
    Ok(match kind(draws) {
        Kind::Add => Command::AddSeats(AddSeats { subscription, seats: 1 + draws.small(3) }),
        Kind::Remove => {
            Command::RemoveSeats(RemoveSeats { subscription, seats: 1 + draws.small(3) })
        }
        Kind::Schedule => Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity {
            subscription,
            quantity: SEATS + draws.small(SEATS),
        }),
        Kind::EndOfTerm => {
            let is_end = draws.next(8) == 0;
            let action = if is_end { EndOfTermAction::Cancel } else { EndOfTermAction::Renew };
            Command::SetEndOfTermAction(SetEndOfTermAction { subscription, action })
        }
        Kind::Assign => Command::AssignLicence(AssignLicence {
            offer: offer()?,
            user: user(draws)?,
            usage_location: Some("FR".to_owned()),
        }),
        Kind::Unassign => {
            Command::UnassignLicence(UnassignLicence { offer: offer()?, user: user(draws)? })
        }
        Kind::Mistake => Command::AddSeats(AddSeats {
            subscription: SubscriptionId::try_new("mistyped")?,
            seats: 1,
        }),
    })
}

fn kind(draws: &mut Draws) -> Kind {
    let mut left = draws.next(MIX.iter().map(|(share, _)| share).sum());
    for (share, kind) in MIX {
        match left.checked_sub(share) {
            None => return kind,
            Some(rest) => left = rest,
        }
    }
    Kind::Mistake
}

fn defect(err: &IdError) -> Failure {
    Failure::Source(format!("the load cannot be made: {err}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn load() -> Load {
        Load::new(NonZeroU32::new(10_000).unwrap())
    }

    #[test]
    fn the_same_number_asks_for_the_same() {
        let asked = load().nth(7).unwrap();
        let again = load().nth(7).unwrap();
        assert_eq!((asked.customer, asked.command), (again.customer, again.command));
    }

    #[test]
    fn the_busiest_tenth_of_the_customers_gets_half_of_the_commands() {
        let (load, all) = (load(), 100_000_u32);
        let mut counts = BTreeMap::new();
        for number in 0..u64::from(all) {
            *counts.entry(load.nth(number).unwrap().customer).or_insert(0_u32) += 1;
        }
        let mut counts: Vec<u32> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let busiest: u32 = counts.iter().take(1_000).sum();
        assert!((all / 2..all * 3 / 5).contains(&busiest), "{busiest}");
        assert!(counts[0] < all / 250, "{}", counts[0]);
    }

    #[test]
    fn commands_are_mixed_as_documented() {
        let load = load();
        let mut names = BTreeMap::new();
        for number in 0..100_000 {
            *names.entry(load.nth(number).unwrap().command.name()).or_insert(0) += 1;
        }
        for (name, percent) in [
            ("AddSeats", 33),
            ("RemoveSeats", 22),
            ("ScheduleRenewalQuantity", 26),
            ("SetEndOfTermAction", 4),
            ("AssignLicence", 9),
            ("UnassignLicence", 6),
        ] {
            let found = names[name];
            assert!((percent * 1_000 - 500..percent * 1_000 + 500).contains(&found), "{name}");
        }
    }
}
