//! Events, charges and people in sentences.

use chrono::{DateTime, Utc};
use ledger_core::charges::{ChargeLine, ChargeType};
use ledger_core::customer::{
    DropCause, EndOfTermAction, Event, Refund, SubscriptionUpgraded, TermPlan, UpgradeTarget,
};
use ledger_core::ids::Role;
use serde::Serialize;
use serde_json::{Value, json};

/// An instant, in UTC, to the second when nothing is lost.
#[must_use]
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// The word that stands for a value in JSON, such as a role's or a billing cycle's.
#[must_use]
pub fn word(value: &impl Serialize) -> String {
    let value = json!(value);
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A role's name.
#[must_use]
pub fn role(role: Role) -> String {
    word(&role)
}

/// Until when something can be done.
#[must_use]
pub fn until(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("until {}", instant(at)))
}

/// A plan, such as `P1Y/annual`.
#[must_use]
pub fn plan(plan: TermPlan) -> String {
    format!("{}/{}", word(&plan.term), word(&plan.billing))
}

/// What happened, in one line.
#[must_use]
pub fn event(event: &Event) -> String {
    match event {
        Event::CustomerRegistered(e) => format!(
            "registered as {:?} under {}, reseller {}, market {}, {}",
            e.name, e.programme, e.reseller, e.market, e.currency
        ),
        Event::DelegatedAdminGranted(_) => "delegated administration: no -> yes".to_owned(),
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
        Event::EndOfTermActionSet(e) => match e.action {
            EndOfTermAction::Renew => {
                format!("{}: at the end of the term cancel -> renew", e.subscription)
            }
            EndOfTermAction::Cancel => {
                format!("{}: at the end of the term renew -> cancel", e.subscription)
            }
        },
        Event::SubscriptionCancelled(e) => {
            let refund = match e.refund {
                Refund::Full => "in full",
                Refund::Prorated => "by the day",
            };
            format!("{}: seats {} -> 0, cancelled, refunded {refund}", e.subscription, e.quantity)
        }
        Event::SubscriptionUpgraded(e) => upgraded(e),
        Event::LicenceAssigned(e) => {
            format!("{}: licence to user {} in {}", e.offer, e.user, e.usage_location)
        }
        Event::LicenceUnassigned(e) => format!("{}: licence taken from user {}", e.offer, e.user),
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
        Event::CatalogueImported(e) => format!(
            "catalogue {} imported, in force from {}",
            e.catalogue.version,
            instant(e.catalogue.effective_from)
        ),
    }
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

/// The rules that a priced event was decided under, such as `under nce, catalogue seeds-1`.
#[must_use]
pub fn rules(event: &Event) -> Option<String> {
    let rules = match event {
        Event::SubscriptionPurchased(e) => &e.rules,
        Event::SeatsAdded(e) => &e.rules,
        Event::SeatsRemoved(e) => &e.rules,
        Event::SubscriptionCancelled(e) => &e.rules,
        Event::SubscriptionUpgraded(e) => &e.rules,
        Event::SubscriptionRenewed(e) => &e.rules,
        Event::CustomerRegistered(_)
        | Event::DelegatedAdminGranted(_)
        | Event::DelegatedAdminRevoked(_)
        | Event::ExternalSubscriptionDeclared(_)
        | Event::ExternalSubscriptionWithdrawn(_)
        | Event::RenewalQuantityScheduled(_)
        | Event::ScheduledChangeDropped(_)
        | Event::EndOfTermActionSet(_)
        | Event::LicenceAssigned(_)
        | Event::LicenceUnassigned(_)
        | Event::ShortfallRaised(_)
        | Event::ShortfallCleared(_)
        | Event::SubscriptionExpired(_)
        | Event::CatalogueImported(_) => return None,
    };
    Some(format!("under {}, catalogue {}", rules.programme, rules.catalogue))
}

const fn cause(cause: DropCause) -> &'static str {
    match cause {
        DropCause::SeatsAdded => "seats were added",
        DropCause::SeatsRemoved => "seats were removed",
        DropCause::Upgraded => "seats were upgraded",
        DropCause::NotRenewed => "it will not be renewed",
        DropCause::Cancelled => "it was cancelled",
        DropCause::OutsideLimits => "the offer's limits no longer allow it",
    }
}

/// A charge line, in one line.
#[must_use]
pub fn charge(line: &ChargeLine) -> String {
    format!(
        "{} {}: {} for {} to {} ({})",
        charge_type(line.charge_type),
        line.subscription,
        line.amount,
        line.period.start,
        line.period.end,
        line.formula
    )
}

fn charge_type(charge_type: ChargeType) -> String {
    word(&charge_type)
}

/// What was asked, in one line: the command's name and its fields that say something.
#[must_use]
pub fn command(request: &[u8]) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(request) else {
        return "a command that cannot be read".to_owned();
    };
    let name = fields.remove("command").map(|name| word(&name)).unwrap_or_default();
    if name == "ImportCatalogue" {
        return name;
    }
    if name == "Upgrade" && fields.get("quantity").is_none_or(Value::is_null) {
        fields.insert("quantity".to_owned(), json!("all"));
    }
    let fields = fields.iter().filter(|(_, value)| !value.is_null());
    let fields =
        fields.map(|(field, value)| format!(" {field}={}", word(&without_nulls(value.clone()))));
    format!("{name}{}", fields.collect::<String>())
}

fn without_nulls(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(fields.map(|(field, value)| (field, without_nulls(value))).collect())
}
