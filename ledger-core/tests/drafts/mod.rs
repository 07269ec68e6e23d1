//! Random commands as small numbers, so that the same ones can be drawn in more than one way.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "not every test draws all of it")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, Utc};
use ledger_core::calendar::{BillingCycle, Period, TermDuration, midnight};
use ledger_core::catalogue::Segment;
use ledger_core::customer::*;
use ledger_core::ids::{
    GroupId, OfferId, ProgrammeId, PromotionId, QuantityRequestId, ResellerId, SealedText,
    SubscriptionId, UserId,
};
use ledger_core::money::Currency;
use rust_decimal::Decimal;

pub(crate) const PROGRAMMES: [&str; 4] =
    ["cloud-cockpit", "partner-center-2019", "21vianet-2018", "nce"];

pub(crate) const OFFERS: [&str; 16] = [
    "office-365-business-essentials",
    "office-365-business",
    "office-365-business-premium",
    "office-365-e1",
    "office-365-e3",
    "office-365-e5",
    "audio-conferencing",
    "windows-server-software",
    "microsoft-365-apps-for-business",
    "exchange-online-plan-1",
    "exchange-online-plan-2",
    "multi-geo",
    "windows-365-hybrid-benefit",
    "office-365-a3",
    "microsoft-defender-for-office",
    "backup-service",
];

/// The promotions of [`crate::histories::worlds`].
pub(crate) const PROMOTIONS: [&str; 2] = ["spring", "first"];

const PLANS: [(TermDuration, BillingCycle); 6] = [
    (TermDuration::P1Y, BillingCycle::Annual),
    (TermDuration::P1M, BillingCycle::Monthly),
    (TermDuration::P1Y, BillingCycle::Monthly),
    (TermDuration::P3Y, BillingCycle::Annual),
    (TermDuration::P3Y, BillingCycle::Triennial),
    (TermDuration::P3Y, BillingCycle::Monthly),
];

/// Offers in ascending order: an upgrade mostly goes from one to a later one of the same row.
const LADDERS: [&[&str]; 4] = [
    &[
        "office-365-business-essentials",
        "office-365-business",
        "office-365-business-premium",
        "office-365-e3",
        "office-365-e5",
    ],
    &["office-365-e1", "office-365-e3", "office-365-e5"],
    &["exchange-online-plan-1", "exchange-online-plan-2"],
    &["microsoft-365-apps-for-business", "office-365-proplus"],
];

const ACTIONS: [EndOfTermAction; 4] = [
    EndOfTermAction::Renew,
    EndOfTermAction::Cancel,
    EndOfTermAction::Lapse,
    EndOfTermAction::ExtendedServiceTerm,
];

/// A command still without its place in a history: small numbers that stand for names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) kind: u16,
    pub(crate) numbers: [u16; 8],
}

/// What a draft becomes: the state it is about, the numbers left to be used, and what is new.
struct Dice<'a> {
    customer: &'a Customer,
    numbers: std::slice::Iter<'a, u16>,
    /// Names what the command makes.
    number: usize,
    now: DateTime<Utc>,
}

type Make = fn(&mut Dice<'_>) -> Command;

/// Every command of a customer, with how often it is drawn.
const COMMANDS: &[(u16, Make)] = &[
    (14, purchase),
    (8, |d| Command::AddSeats(AddSeats { subscription: d.pick(), seats: d.seats() })),
    (10, |d| Command::RemoveSeats(RemoveSeats { subscription: d.pick(), seats: d.seats() })),
    (4, |d| {
        let (subscription, quantity) = (d.pick(), d.seats());
        Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity { subscription, quantity })
    }),
    (4, renewal_settings),
    (3, |d| {
        let (subscription, end_date) = (d.pick(), d.end_date());
        Command::AlignEndDate(AlignEndDate { subscription, end_date })
    }),
    (4, schedule_upgrade),
    (2, |d| Command::WithdrawScheduledChange(WithdrawScheduledChange { subscription: d.pick() })),
    (5, |d| {
        let (subscription, action) = (d.pick(), d.one(&ACTIONS));
        Command::SetEndOfTermAction(SetEndOfTermAction { subscription, action })
    }),
    (3, |d| {
        let (subscription, (term, billing)) = (d.pick(), d.one(&PLANS));
        Command::ChangeTerm(ChangeTerm { subscription, term, billing })
    }),
    (4, |d| {
        let (subscription, (_, billing)) = (d.pick(), d.one(&PLANS));
        Command::ChangeBillingFrequency(ChangeBillingFrequency { subscription, billing })
    }),
    (3, |d| Command::Cancel(Cancel { subscription: d.pick() })),
    (4, |d| {
        let reasons = if d.one_in(6) { vec!["non-payment".to_owned()] } else { Vec::new() };
        Command::Suspend(Suspend { subscription: d.pick(), vendor_reasons: reasons })
    }),
    (8, |d| Command::Resume(Resume { subscription: d.pick() })),
    (1, |d| {
        let name = if d.flip() { Some(format!("name {}", d.below(3))) } else { None };
        Command::Rename(Rename { subscription: d.pick(), name })
    }),
    (9, upgrade_new),
    (9, upgrade_existing),
    (4, |d| {
        let (subscription, offer) = (d.new_subscription(), d.offer());
        Command::StartTrial(StartTrial { subscription, offer })
    }),
    (4, convert_trial),
    (2, request_quantity),
    (3, |d| {
        let (request, subscription) = (d.request(), d.pick());
        Command::FulfilRequest(FulfilRequest { request, subscription })
    }),
    (1, |d| Command::DeclineRequest(DeclineRequest { request: d.request() })),
    (2, |d| Command::AddUser(AddUser { user: d.user(), usage_location: d.location() })),
    (4, name_or_erase),
    (1, |d| Command::RemoveUser(RemoveUser { user: d.user() })),
    (10, |d| {
        let (offer, user, usage_location) = (d.held(), d.user(), d.location());
        Command::AssignLicence(AssignLicence { offer, user, usage_location })
    }),
    (4, |d| {
        let (offer, user) = (d.held(), d.user());
        Command::UnassignLicence(UnassignLicence { offer, user })
    }),
    (4, |d| {
        let (group, user) = (d.group(), d.user());
        Command::AddGroupMember(AddGroupMember { group, user })
    }),
    (2, |d| {
        let (group, user) = (d.group(), d.user());
        Command::RemoveGroupMember(RemoveGroupMember { group, user })
    }),
    (4, |d| {
        let (group, offer) = (d.group(), d.held());
        Command::AssignGroupLicence(AssignGroupLicence { group, offer })
    }),
    (2, |d| {
        let (group, offer) = (d.group(), d.held());
        Command::UnassignGroupLicence(UnassignGroupLicence { group, offer })
    }),
    (2, |d| Command::ReprocessGroup(ReprocessGroup { group: d.group() })),
    (2, opening_balance),
    (2, correction),
    (1, |d| {
        let (subscription, amount) = (d.pick(), Decimal::new(i64::from(d.below(5_000)), 2));
        Command::GrantCredit(GrantCredit { subscription, amount })
    }),
    (2, |d| {
        let trials = d.customer.living().filter(|s| s.is_trial()).map(|s| s.id.clone()).collect();
        let subscription = d.one_of(trials).unwrap_or_else(|| d.pick());
        let ends = d.customer.subscriptions.get(&subscription).map(|s| s.term.end);
        let term_end = ends.unwrap_or_else(|| d.now.date_naive());
        let term_end = term_end + Days::new(u64::from(d.below(40)));
        Command::ExtendTrial(ExtendTrial { subscription, term_end })
    }),
    (1, change_customer),
    (1, |d| Command::AcceptAgreement(AcceptAgreement { agreement: format!("v{}", d.below(2)) })),
    (3, grant),
    (1, |_| Command::RevokeDelegatedAdmin(RevokeDelegatedAdmin {})),
    (2, |d| {
        let (offer, seats) = (d.offer(), d.seats());
        Command::DeclareExternalSubscription(DeclareExternalSubscription { offer, seats })
    }),
    (2, |d| {
        let held: Vec<OfferId> = d.customer.external.keys().cloned().collect();
        let offer = d.one_of(held).unwrap_or_else(|| d.offer());
        Command::WithdrawExternalSubscription(WithdrawExternalSubscription { offer })
    }),
    (1, |d| {
        let access = if d.flip() { PortalAccess::View } else { PortalAccess::Manage };
        Command::GrantPortalAccess(GrantPortalAccess { user: d.user(), access })
    }),
    (1, |d| Command::RevokePortalAccess(RevokePortalAccess { user: d.user() })),
    (2, out_of_turn),
];

/// Mostly a name: nothing happens to an account that was erased.
fn name_or_erase(d: &mut Dice<'_>) -> Command {
    let is_over = !d.customer.subscriptions.is_empty() && d.customer.living().next().is_none();
    if is_over || d.one_in(20) {
        return Command::EraseCustomer(EraseCustomer {});
    }
    let name = d.flip().then(|| SealedText::try_new("c2VhbGVk").unwrap());
    Command::NameUser(NameUser { user: d.user(), name, email: None })
}

/// How many kinds of drafts there are, each as often as it is drawn.
pub(crate) const KINDS: u16 = kinds();

const fn kinds() -> u16 {
    let (mut sum, mut index) = (0, 0);
    while index < COMMANDS.len() {
        sum += COMMANDS[index].0;
        index += 1;
    }
    sum
}

/// The command that a draft stands for; `number` names what it makes.
pub(crate) fn command(
    customer: &Customer,
    draft: &Draft,
    number: usize,
    now: DateTime<Utc>,
) -> Command {
    let mut left = draft.kind % KINDS;
    let has_nothing = customer.living().next().is_none();
    let mut dice = Dice { customer, numbers: draft.numbers.iter(), number, now };
    // Whoever has nothing mostly buys something first.
    if has_nothing && !draft.kind.is_multiple_of(4) {
        return purchase(&mut dice);
    }
    for (times, make) in COMMANDS {
        if left < *times {
            return make(&mut dice);
        }
        left -= times;
    }
    unreachable!("it is below the sum")
}

/// A draft that grants or revokes delegated administration: what changes something again and again.
pub(crate) fn delegated_admin(granted: bool) -> Command {
    if granted {
        return Command::GrantDelegatedAdmin(GrantDelegatedAdmin { services: None, days: None });
    }
    Command::RevokeDelegatedAdmin(RevokeDelegatedAdmin {})
}

/// The registration of somebody, in a market and a segment that numbers stand for.
pub(crate) fn registration(programme: &str, market: u16, segment: u16) -> RegisterCustomer {
    let market = ["FR", "DE", "US", "CN", "TR"][usize::from(market % 5)];
    let register = RegisterCustomer::new(
        "Acme".to_owned(),
        ProgrammeId::try_new(programme).unwrap(),
        ResellerId::try_new("r1").unwrap(),
        market.to_owned(),
        Currency::EUR,
    );
    RegisterCustomer {
        segment: Some(segment_of(segment)),
        registration_number: Some("123 456 789".to_owned()),
        ..register
    }
}

const fn segment_of(number: u16) -> Segment {
    match number % 8 {
        0 => Segment::Education,
        1 => Segment::Government,
        2 => Segment::NonProfit,
        _ => Segment::Commercial,
    }
}

impl Dice<'_> {
    fn below(&mut self, limit: u16) -> u16 {
        self.numbers.next().copied().unwrap_or(0) % limit
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 1
    }

    fn one_in(&mut self, times: u16) -> bool {
        self.below(times) == times - 1
    }

    fn one<T: Copy>(&mut self, from: &[T]) -> T {
        let length = u16::try_from(from.len()).unwrap();
        from[usize::from(self.below(length))]
    }

    fn one_of<T>(&mut self, from: Vec<T>) -> Option<T> {
        let length = u16::try_from(from.len()).unwrap();
        if length == 0 {
            return None;
        }
        let index = usize::from(self.below(length));
        from.into_iter().nth(index)
    }

    fn seats(&mut self) -> u32 {
        match self.below(40) {
            39 => 400,
            38 => 90,
            few => u32::from(few % 13),
        }
    }

    fn some<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.flip() { Some(value(self)) } else { None }
    }

    fn offer(&mut self) -> OfferId {
        OfferId::try_new(self.one(&OFFERS)).unwrap()
    }

    /// An offer that the customer has a subscription of, if there is any.
    fn held(&mut self) -> OfferId {
        let held: BTreeSet<&OfferId> =
            self.customer.subscriptions.values().map(|s| &s.offer).collect();
        let held: Vec<OfferId> = held.into_iter().cloned().collect();
        self.one_of(held).unwrap_or_else(|| OfferId::try_new(OFFERS[0]).unwrap())
    }

    fn new_subscription(&self) -> SubscriptionId {
        SubscriptionId::try_new(format!("s{}", self.number)).unwrap()
    }

    /// An offer above the one that a subscription has; now and then any.
    fn higher(&mut self, subscription: &SubscriptionId) -> OfferId {
        let has = self.customer.subscriptions.get(subscription).map(|s| s.offer.to_string());
        let above = LADDERS.iter().filter_map(|ladder| {
            let at = ladder.iter().position(|offer| Some(*offer) == has.as_deref())?;
            ladder.get(at + 1..)
        });
        let above: Vec<&str> = above.flatten().copied().collect();
        if self.one_in(8) || above.is_empty() {
            return self.offer();
        }
        OfferId::try_new(self.one(&above)).unwrap()
    }

    /// A subscription that the customer has, more often one that lives, if there is any.
    fn pick(&mut self) -> SubscriptionId {
        let all = self.customer.subscriptions.values();
        let living: Vec<SubscriptionId> =
            all.filter(|s| s.is_living()).map(|s| s.id.clone()).collect();
        let any: Vec<SubscriptionId> = self.customer.subscriptions.keys().cloned().collect();
        let from = if self.one_in(12) || living.is_empty() { any } else { living };
        self.one_of(from).unwrap_or_else(|| SubscriptionId::try_new("nothing").unwrap())
    }

    fn user(&mut self) -> UserId {
        UserId::try_new(format!("user-{}", self.below(6))).unwrap()
    }

    fn group(&mut self) -> GroupId {
        GroupId::try_new(format!("group-{}", self.below(2))).unwrap()
    }

    fn location(&mut self) -> Option<String> {
        match self.below(8) {
            7 => None,
            6 => Some("KP".to_owned()),
            _ => Some("FR".to_owned()),
        }
    }

    fn request(&mut self) -> QuantityRequestId {
        let waiting: Vec<QuantityRequestId> = self.customer.requests.keys().cloned().collect();
        self.one_of(waiting).unwrap_or_else(|| QuantityRequestId::try_new("nothing").unwrap())
    }

    fn promotion(&mut self) -> Option<PromotionId> {
        if !self.one_in(3) {
            return None;
        }
        Some(PromotionId::try_new(self.one(&PROMOTIONS)).unwrap())
    }

    /// A day on which a term may well end: with another subscription, with a month, or any.
    fn end_date(&mut self) -> NaiveDate {
        let today = self.now.date_naive();
        match self.below(3) {
            0 => {
                let ends = self.customer.living().map(|s| s.term.end).collect();
                self.one_of(ends).unwrap_or(today)
            }
            1 => {
                let months = u32::from(self.below(14));
                let first = today.checked_add_months(Months::new(months + 1)).unwrap();
                let first = NaiveDate::from_ymd_opt(
                    chrono::Datelike::year(&first),
                    chrono::Datelike::month(&first),
                    1,
                );
                first.unwrap().pred_opt().unwrap()
            }
            _ => today + Days::new(u64::from(self.below(400))),
        }
    }
}

fn purchase(d: &mut Dice<'_>) -> Command {
    let (term, billing) = d.one(&PLANS);
    let bought = Purchase::new(d.new_subscription(), d.offer(), term, billing, d.seats());
    let end_date = if d.one_in(4) { Some(d.end_date()) } else { None };
    let reseller = |number| ResellerId::try_new(format!("r{number}")).unwrap();
    let resellers = if d.one_in(8) { vec![reseller(1), reseller(2)] } else { Vec::new() };
    let promotion = d.promotion();
    Command::Purchase(Purchase { end_date, promotion, attested: !d.one_in(4), resellers, ..bought })
}

fn renewal_settings(d: &mut Dice<'_>) -> Command {
    let subscription = d.pick();
    let quantity = d.some(Dice::seats);
    let plan = if d.flip() { Some(d.one(&PLANS)) } else { None };
    let end_date = if d.one_in(5) { Some(d.end_date()) } else { None };
    Command::ChangeRenewalSettings(ChangeRenewalSettings {
        subscription,
        quantity,
        term: plan.map(|(term, _)| term),
        billing: plan.map(|(_, billing)| billing),
        end_date,
        promotion: d.promotion(),
    })
}

fn schedule_upgrade(d: &mut Dice<'_>) -> Command {
    let subscription = d.pick();
    let target_offer = d.higher(&subscription);
    let quantity = if d.one_in(3) { Some(d.seats()) } else { None };
    let plan = if d.one_in(4) { Some(d.one(&PLANS)) } else { None };
    Command::ScheduleUpgrade(ScheduleUpgrade {
        subscription,
        target_offer,
        quantity,
        term: plan.map(|(term, _)| term),
        billing: plan.map(|(_, billing)| billing),
    })
}

fn transfer(d: &mut Dice<'_>) -> Transfer {
    if d.one_in(3) { Transfer::Required } else { Transfer::Automatic }
}

fn upgrade_new(d: &mut Dice<'_>) -> Command {
    let subscription = d.pick();
    let target_offer = d.higher(&subscription);
    let quantity = if d.one_in(3) { Some(d.seats()) } else { None };
    let end_date = if d.flip() { EndDate::NewTerm } else { EndDate::Coterminous };
    let plan = if d.one_in(3) { Some(d.one(&PLANS)) } else { None };
    let target = NewTarget {
        subscription: d.new_subscription(),
        end_date,
        term: plan.map(|(term, _)| term),
        billing: plan.map(|(_, billing)| billing),
        promotion: d.promotion(),
    };
    let (into, transfer) = (UpgradeInto::New(target), transfer(d));
    Command::Upgrade(Upgrade { subscription, quantity, target_offer, into, transfer })
}

fn upgrade_existing(d: &mut Dice<'_>) -> Command {
    let subscription = d.pick();
    let mut target_offer = d.higher(&subscription);
    let held = d.customer.living().filter(|s| s.offer == target_offer);
    let target = d.one_of(held.map(|s| s.id.clone()).collect()).unwrap_or_else(|| d.pick());
    if d.flip()
        && let Some(target) = d.customer.subscriptions.get(&target)
    {
        target_offer = target.offer.clone();
    }
    let quantity = if d.one_in(3) { Some(d.seats()) } else { None };
    let into = UpgradeInto::Existing(ExistingTarget { subscription: target });
    Command::Upgrade(Upgrade { subscription, quantity, target_offer, into, transfer: transfer(d) })
}

fn convert_trial(d: &mut Dice<'_>) -> Command {
    let trials: Vec<SubscriptionId> =
        d.customer.living().filter(|s| s.is_trial()).map(|s| s.id.clone()).collect();
    let subscription = d.one_of(trials).unwrap_or_else(|| d.pick());
    let quantity = if d.flip() { Some(25 + d.seats()) } else { None };
    let plan = if d.one_in(3) { Some(d.one(&PLANS)) } else { None };
    let offer = d.customer.subscriptions.get(&subscription).map(|s| s.offer.clone());
    let same = d.customer.living().filter(|s| Some(&s.offer) == offer.as_ref());
    let same = same.filter(|s| s.id != subscription).map(|s| s.id.clone()).collect();
    let into = if d.flip() { d.one_of(same) } else { None };
    Command::ConvertTrial(ConvertTrial {
        subscription,
        quantity,
        term: plan.map(|(term, _)| term),
        billing: plan.map(|(_, billing)| billing),
        into,
    })
}

fn request_quantity(d: &mut Dice<'_>) -> Command {
    let request = QuantityRequestId::try_new(format!("q{}", d.number)).unwrap();
    let (offer, seats) = (d.held(), i64::from(d.below(7)) - 2);
    Command::RequestQuantity(RequestQuantity { request, offer, seats })
}

fn opening_balance(d: &mut Dice<'_>) -> Command {
    let (term, billing) = d.one(&PLANS);
    let today = d.now.date_naive();
    let term_start = today - Days::new(u64::from(d.below(40)));
    let Period { end: term_end, .. } = ledger_core::calendar::term(term_start, term).unwrap();
    let status =
        d.one(&["active", "active", "active", "suspended", "warning", "expired", "deleted"]);
    let quantity = 1 + d.seats();
    let open = d.now + TimeDelta::days(2);
    let refundable = vec![RefundableSeats { quantity: 1, until: open }];
    Command::ImportOpeningBalance(ImportOpeningBalance {
        subscription: SubscriptionId::try_new(format!("o{}", d.number)).unwrap(),
        offer: d.offer(),
        offer_title: Some("Taken over".to_owned()),
        status: status.to_owned(),
        term,
        billing,
        quantity,
        unit_price: Some(Decimal::new(1_000, 2)),
        term_start,
        term_end,
        end_of_term: d.one(&ACTIONS),
        bought_at: None,
        cancel_until: if d.flip() { Some(open) } else { None },
        refundable: if d.flip() { refundable } else { Vec::new() },
        trial: false,
        suspension_reasons: Vec::new(),
        unknown: BTreeMap::new(),
        effective_at: midnight(today),
    })
}

fn correction(d: &mut Dice<'_>) -> Command {
    let subscription = d.pick();
    let quantity = if d.flip() { Some(d.seats()) } else { None };
    let term_end = if d.one_in(4) { Some(d.end_date()) } else { None };
    let unit_price =
        if d.one_in(3) { Some(Decimal::new(i64::from(d.below(5_000)), 2)) } else { None };
    let end_of_term = if d.one_in(3) { Some(d.one(&ACTIONS)) } else { None };
    let effective_at = d.now - TimeDelta::hours(i64::from(d.below(20)));
    Command::RecordCorrection(RecordCorrection {
        subscription,
        quantity,
        term_end,
        unit_price,
        end_of_term,
        effective_at,
    })
}

fn change_customer(d: &mut Dice<'_>) -> Command {
    let segment = if d.one_in(4) { Some(segment_of(d.below(8))) } else { None };
    Command::ChangeCustomer(ChangeCustomer {
        name: Some(format!("Acme {}", d.below(3))),
        reseller: None,
        segment,
        registration_number: None,
    })
}

fn grant(d: &mut Dice<'_>) -> Command {
    let services = ["exchange", "teams", "desktop-apps", "sharepoint", "enterprise-controls"];
    let services = services.into_iter().map(ToOwned::to_owned).collect();
    let services = if d.one_in(4) { Some(services) } else { None };
    let days = d.some(|d| 1 + u32::from(d.below(730)));
    Command::GrantDelegatedAdmin(GrantDelegatedAdmin { services, days })
}

/// What only time may bring about, now: too early, too late, or for the wrong subscription.
fn out_of_turn(d: &mut Dice<'_>) -> Command {
    let subscription = d.pick();
    let s = d.customer.subscriptions.get(&subscription);
    let term_end = s.map_or(d.now.date_naive(), |s| s.term.end);
    match d.below(7) {
        0 => Command::Renew(Renew { subscription, term_end }),
        1 => Command::Expire(Expire { subscription, term_end }),
        2 => Command::EndTrial(EndTrial { subscription, term_end }),
        3 => Command::ApplyBillingFrequency(ApplyBillingFrequency { subscription, from: term_end }),
        4 => Command::Disable(Disable { subscription, due_at: midnight(term_end) }),
        5 => Command::Delete(Delete { subscription, due_at: midnight(term_end) }),
        _ => Command::EndDelegatedAdmin(EndDelegatedAdmin { due_at: d.now }),
    }
}
