//! Events in sentences.

use ledger_core::customer::{
    DropCause, Event, Refund, RenewalSettings, SubscriptionUpgraded, TrialTarget, UpgradeTarget,
};
use ledger_core::ids::GroupId;

use super::{instant, plan, until, word};

/// What happened, in one line.
#[must_use]
#[expect(clippy::too_many_lines, reason = "a table, read as a whole")]
pub fn event(event: &Event) -> String {
    match event {
        Event::CustomerRegistered(e) => format!(
            "registered as {:?} under {}, reseller {}, market {}, {}",
            e.name, e.programme, e.reseller, e.market, e.currency
        ),
        Event::DelegatedAdminGranted(e) => format!(
            "delegated administration: no -> yes, for {}, {}",
            e.services.as_ref().map_or_else(|| "all services".to_owned(), |all| all.join(", ")),
            e.until.map_or_else(|| "until revoked".to_owned(), |_| until(e.until))
        ),
        Event::DelegatedAdminRevoked(_) => "delegated administration: yes -> no".to_owned(),
        Event::ExternalSubscriptionDeclared(e) => {
            format!("{}: {} seats held from elsewhere", e.offer, e.seats)
        }
        Event::ExternalSubscriptionWithdrawn(e) => {
            format!("{}: no longer held from elsewhere", e.offer)
        }
        Event::SubscriptionPurchased(e) => format!(
            "{}: seats 0 -> {}, bought {} {}, term {} to {}, removable {}",
            e.subscription,
            e.quantity,
            e.offer,
            plan(e.plan),
            e.term.start,
            e.term.end,
            until(e.reduce_until)
        ),
        Event::SeatsAdded(e) => format!(
            "{}: seats {} -> {}, lot {} removable {}",
            e.subscription,
            e.quantity.from,
            e.quantity.to,
            e.lot,
            until(e.reduce_until)
        ),
        Event::SeatsRemoved(e) => {
            let lots = e.lots.iter().map(|used| format!("{} of lot {}", used.seats, used.lot));
            let lots = lots.collect::<Vec<_>>().join(", ");
            let change = e.quantity;
            format!("{}: seats {} -> {}, taken {lots}", e.subscription, change.from, change.to)
        }
        Event::RenewalQuantityScheduled(e) => {
            format!("{}: {} seats planned from {}", e.subscription, e.quantity, e.due)
        }
        Event::ScheduledChangeDropped(e) => format!(
            "{}: planned {} seats dropped, because {}",
            e.subscription,
            e.quantity,
            cause(e.cause)
        ),
        Event::EndOfTermActionSet(e) => {
            format!("{}: {} at the end of the term", e.subscription, word(&e.action))
        }
        Event::SubscriptionCancelled(e) => {
            let refund = match e.refund {
                Refund::Full => "in full",
                Refund::Prorated => "by the day",
            };
            format!("{}: seats {} -> 0, cancelled, refunded {refund}", e.subscription, e.quantity)
        }
        Event::SubscriptionUpgraded(e) => upgraded(e),
        Event::LicenceAssigned(e) => {
            let through = through(e.through.as_ref());
            format!("{}: licence to user {} in {}{through}", e.offer, e.user, e.usage_location)
        }
        Event::LicenceUnassigned(e) => {
            format!(
                "{}: licence taken from user {}{}",
                e.offer,
                e.user,
                through(e.through.as_ref())
            )
        }
        Event::ShortfallRaised(e) => {
            format!(
                "{}: shortfall, {} licences assigned for {} seats",
                e.offer, e.assigned, e.valid
            )
        }
        Event::ShortfallCleared(e) => format!("{}: shortfall ended", e.offer),
        Event::SubscriptionRenewed(e) => format!(
            "{}: seats {} -> {}, renewed, term {} to {}, removable {}",
            e.subscription,
            e.quantity.from,
            e.quantity.to,
            e.term.start,
            e.term.end,
            until(e.reduce_until)
        ),
        Event::SubscriptionExpired(e) => {
            format!("{}: seats {} -> 0, term ended on {}", e.subscription, e.quantity, e.term_end)
        }
        Event::CustomerChanged(e) => {
            format!("now {:?}, reseller {}, segment {}", e.name, e.reseller, word(&e.segment))
        }
        Event::AgreementAccepted(e) => format!("agreement {:?} accepted", e.agreement),
        Event::DelegatedAdminEnded(_) => "delegated administration: its time is over".to_owned(),
        Event::PortalAccessGranted(e) => {
            format!("portal: user {} may {}", e.user, word(&e.access))
        }
        Event::PortalAccessRevoked(e) => format!("portal: user {} is shut out", e.user),
        Event::TrialStarted(e) => format!(
            "{}: trial of {}, seats 0 -> {}, {} to {}, then {}",
            e.subscription,
            e.offer,
            e.quantity,
            e.term.start,
            e.term.end,
            if e.converts { plan(e.converts_to) } else { "nothing".to_owned() }
        ),
        Event::TrialConverted(e) => match &e.into {
            TrialTarget::Itself(paid) => format!(
                "{}: trial paid now, seats {} -> {}, {}, term {} to {}",
                e.subscription,
                e.quantity.from,
                e.quantity.to,
                plan(paid.plan),
                paid.term.start,
                paid.term.end
            ),
            TrialTarget::Existing(grown) => format!(
                "{}: trial paid now, in {}: seats {} -> {}",
                e.subscription, grown.subscription, grown.quantity.from, grown.quantity.to
            ),
        },
        Event::TrialExtended(e) => {
            format!("{}: trial to {} -> {}", e.subscription, e.term_end.from, e.term_end.to)
        }
        Event::CreditGranted(e) => {
            format!("{}: {} credited", e.subscription, e.basis.unit_price)
        }
        Event::RenewalSettingsChanged(e) => {
            format!("{}: from {} {}", e.subscription, e.due, settings(&e.settings))
        }
        Event::TermChanged(e) => format!(
            "{}: {} of {} seats from now on, term {} to {}",
            e.subscription,
            plan(e.plan),
            e.quantity,
            e.term.start,
            e.term.end
        ),
        Event::BillingFrequencyChosen(e) => {
            format!("{}: charged {} from {}", e.subscription, word(&e.billing), e.from)
        }
        Event::BillingFrequencyChanged(e) => {
            format!("{}: charged as {} from {} on", e.subscription, plan(e.plan), e.from)
        }
        Event::SubscriptionSuspended(e) => {
            let billing = if e.billing_stops { "stops" } else { "continues" };
            let by = if e.vendor_reasons.is_empty() { "" } else { " by the vendor" };
            format!("{}: suspended{by}, billing {billing}", e.subscription)
        }
        Event::SubscriptionResumed(e) => format!("{}: resumed", e.subscription),
        Event::SubscriptionRenamed(e) => match &e.name {
            Some(name) => format!("{}: named {name:?}", e.subscription),
            None => format!("{}: named as its offer", e.subscription),
        },
        Event::QuantityRequested(e) => {
            format!("request {}: {:+} seats of {}", e.request, e.seats, e.offer)
        }
        Event::QuantityRequestFulfilled(e) => {
            format!("request {}: done with {}", e.request, e.subscription)
        }
        Event::QuantityRequestDeclined(e) => format!("request {}: declined", e.request),
        Event::UserAdded(e) => match &e.usage_location {
            Some(place) => format!("user {} in {place}", e.user),
            None => format!("user {}", e.user),
        },
        Event::UserNamed(e) => format!("user {}: name and e-mail address sealed", e.user),
        Event::CustomerErased(_) => "account closed, everything about people erased".to_owned(),
        Event::UserRemoved(e) => format!("user {} removed", e.user),
        Event::GroupMemberAdded(e) => format!("group {}: user {} in", e.group, e.user),
        Event::GroupMemberRemoved(e) => format!("group {}: user {} out", e.group, e.user),
        Event::GroupLicenceAssigned(e) => format!("group {}: gives {}", e.group, e.offer),
        Event::GroupLicenceUnassigned(e) => {
            format!("group {}: no longer gives {}", e.group, e.offer)
        }
        Event::GroupLicencesFailed(e) => {
            format!(
                "group {}: nothing for user {}, because of {}: {}",
                e.group, e.user, e.offer, e.code
            )
        }
        Event::GroupLicencesSettled(e) => format!("group {}: user {} settled", e.group, e.user),
        Event::ExtendedServiceTermStarted(e) => format!(
            "{}: {} seats extended at {} (+{} %), {} to {}",
            e.subscription,
            e.quantity,
            e.basis.unit_price,
            e.premium_percent,
            e.term.start,
            e.term.end
        ),
        Event::SubscriptionDisabled(e) => format!("{}: service gone", e.subscription),
        Event::SubscriptionDeleted(e) => format!("{}: deleted", e.subscription),
        Event::OpeningBalanceImported(e) => format!(
            "{}: taken over as {:?}, seats 0 -> {}, {} {}, term {} to {}",
            e.subscription,
            e.vendor_status,
            e.quantity,
            e.offer,
            plan(e.plan),
            e.term.start,
            e.term.end
        ),
        Event::CorrectionRecorded(e) => {
            let mut parts = Vec::new();
            parts.extend(e.quantity.map(|q| format!("seats {} -> {}", q.from, q.to)));
            parts.extend(e.term_end.map(|end| format!("term to {end}")));
            parts.extend(e.unit_price.map(|price| format!("price {price}")));
            parts.extend(e.end_of_term.map(|action| format!("{} at the end", word(&action))));
            format!("{}: corrected: {}", e.subscription, parts.join(", "))
        }
        Event::PriceListImported(e) => {
            format!("price list {} imported, {} prices", e.name, e.rows.len())
        }
        Event::OfferMatrixImported(e) => {
            format!("offer matrix {} imported, {} offers", e.name, e.offers.len())
        }
        Event::PolicySet(e) => format!(
            "rules {} of programme {} set, in force from {}",
            e.version,
            e.programme,
            instant(e.effective_from)
        ),
        Event::BillingTermsSet(e) => {
            format!(
                "billing terms {} set, from {} on, issued by {}",
                e.version, e.from, e.terms.issuer
            )
        }
        Event::ExchangeRatesImported(e) => {
            format!("exchange rates {} imported, from {} on, {} pairs", e.id, e.from, e.rates.len())
        }
        Event::PeriodClosed(e) => format!(
            "period {} closed through position {}, {} lines, {} statements",
            e.period,
            e.through,
            e.lines,
            e.statements.len()
        ),
        Event::ReconciliationRecorded(e) => {
            format!("{} compared with the ledger for period {}", e.file, e.period)
        }
        Event::CatalogueImported(e) => format!(
            "catalogue {} imported, in force from {}",
            e.catalogue.version,
            instant(e.catalogue.effective_from)
        ),
    }
}

fn through(group: Option<&GroupId>) -> String {
    group.map(|group| format!(" through group {group}")).unwrap_or_default()
}

/// What is planned for the next term, such as `12 seats, of office-365-e3, P3Y/annual`.
#[must_use]
pub fn settings(settings: &RenewalSettings) -> String {
    let mut parts = vec![format!("{} seats", settings.quantity)];
    parts.extend(settings.offer.as_ref().map(|offer| format!("of {offer}")));
    parts.extend(settings.plan.map(plan));
    parts.extend(settings.end_date.map(|end| format!("to {end}")));
    parts.extend(settings.promotion.as_ref().map(|promotion| format!("under {promotion}")));
    parts.join(", ")
}

fn upgraded(e: &SubscriptionUpgraded) -> String {
    let target = match &e.target {
        UpgradeTarget::InPlace => {
            let (id, seats) = (&e.subscription, e.moved);
            return format!("{id}: {seats} seats {} -> {}, in place", e.offer, e.target_offer);
        }
        UpgradeTarget::New(new) => {
            format!("into new {}, term to {}", new.subscription, new.term.end)
        }
        UpgradeTarget::Existing(grown) => format!(
            "into {}: seats {} -> {}",
            grown.subscription, grown.quantity.from, grown.quantity.to
        ),
    };
    let change = e.quantity;
    let seats = format!("{}: seats {} -> {}", e.subscription, change.from, change.to);
    format!("{seats}, {} upgraded {} -> {}, {target}", e.moved, e.offer, e.target_offer)
}

const fn cause(cause: DropCause) -> &'static str {
    match cause {
        DropCause::SeatsAdded => "seats were added",
        DropCause::SeatsRemoved => "seats were removed",
        DropCause::Upgraded => "seats were upgraded",
        DropCause::NotRenewed => "it will not be renewed",
        DropCause::Cancelled => "it was cancelled",
        DropCause::OutsideLimits => "the offer's limits no longer allow it",
        DropCause::Withdrawn => "it was withdrawn",
        DropCause::Suspended => "the subscription was suspended",
        DropCause::TermChanged => "a longer term began",
        DropCause::TrialConverted => "the trial became a paid subscription",
        DropCause::NotSold => "the offer is no longer sold so",
    }
}
