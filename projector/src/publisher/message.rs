//! What is published of a commit: pure, and equal for equal commits.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use ledger_core::customer::Event;
use ledger_core::ids::CommandId;
use ledger_core::record::Recorded;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::pump::Step;
use crate::views::audit::quantity_changes;
use crate::views::customers::{self, Customers};
use crate::views::licences::{self, Licences};
use crate::views::subscriptions::{self, Subscriptions};
use crate::views::{Changes, View, ViewError};

/// First token of every subject.
const SUBJECT: &str = "licence.evt";

/// Stands in a subject for what an event does not have.
const NONE: &str = "_";

/// The buckets, each with its view's name and documents.
pub(super) const BUCKETS: [(&str, &str, &dyn View); 3] = [
    ("rm_customers", customers::NAME, &Customers),
    ("rm_subscriptions", subscriptions::NAME, &Subscriptions),
    ("rm_licences", licences::NAME, &Licences),
];

/// One event as published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) subject: String,
    /// Id of the event, and of the message.
    pub(super) id: String,
    pub(super) position: u64,
    pub(super) payload: Vec<u8>,
}

/// Where a document is in the key-value buckets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) bucket: &'static str,
    pub(super) key: String,
}

/// A document as of a position; removed when `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) position: u64,
    pub(super) json: Option<Vec<u8>>,
}

/// An event in a `CloudEvents` 1.0 envelope, structured mode.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: String,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    sequence: String,
    ledgerposition: String,
    recordedtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<&'a str>,
    commandid: &'a str,
    actor: &'a str,
    data: Value,
}

/// The events of `step`, in order.
pub(super) fn messages(source: &str, step: &Step) -> Result<Vec<Message>, ViewError> {
    let events = step.recorded.events.iter().enumerate();
    events.map(|(index, event)| message(source, step, index, event)).collect()
}

fn message(source: &str, step: &Step, index: usize, event: &Event) -> Result<Message, ViewError> {
    let recorded = &step.recorded;
    let commit = recorded.commit();
    let kind = kebab(event.name());
    let id = recorded.event_id(index);
    let envelope = CloudEvent {
        specversion: "1.0",
        id: &id,
        source,
        r#type: format!("com.subscription-ledger.{kind}.v1"),
        subject: about(recorded, event),
        time: instant(commit.effective_at),
        datacontenttype: "application/json",
        sequence: padded(commit.version),
        ledgerposition: padded(recorded.position),
        recordedtime: instant(commit.recorded_at),
        correlationid: commit.correlation_id.as_ref().map(CommandId::as_str),
        causationid: commit.causation_id.as_ref().map(CommandId::as_str),
        commandid: commit.command_id.as_str(),
        actor: commit.actor.id.as_str(),
        data: data(recorded, event)?,
    };
    let payload = serde_json::to_vec(&envelope)?;
    Ok(Message {
        subject: nats_subject(step, event, &kind),
        id,
        position: recorded.position,
        payload,
    })
}

fn nats_subject(step: &Step, event: &Event, kind: &str) -> String {
    let customer = step.recorded.commit().stream.customer().map_or(NONE, |id| id.as_str());
    let state = step.after.as_ref().or(step.before.as_ref());
    let reseller = state.map_or(NONE, |customer| customer.profile.reseller.as_str());
    let subscription = event.subscription().map_or(NONE, |id| id.as_str());
    format!("{SUBJECT}.{reseller}.{customer}.{subscription}.{kind}")
}

/// What the event is about, as a path.
fn about(recorded: &Recorded, event: &Event) -> String {
    let stream = &recorded.commit().stream;
    let Some(customer) = stream.customer() else { return stream.to_string() };
    match event.subscription() {
        Some(subscription) => format!("customers/{customer}/subscriptions/{subscription}"),
        None => format!("customers/{customer}"),
    }
}

/// The event, who and why, and the quantity before and after where it changed.
fn data(recorded: &Recorded, event: &Event) -> Result<Value, ViewError> {
    let commit = recorded.commit();
    let mut data = fields(event)?;
    if let Some(customer) = commit.stream.customer() {
        data.insert("customer".to_owned(), json!(customer));
    }
    if let Some(changed) = quantity_changes(event).first() {
        data.insert("from".to_owned(), json!(changed.quantity.from));
        data.insert("to".to_owned(), json!(changed.quantity.to));
    }
    data.insert("reason".to_owned(), json!(commit.reason));
    data.insert("actor".to_owned(), json!(commit.actor));
    Ok(Value::Object(data))
}

/// The event's own fields. A catalogue and statements are counted, not sent: messages stay small.
fn fields(event: &Event) -> Result<Map<String, Value>, ViewError> {
    let value = match event {
        Event::CatalogueImported(e) => json!({
            "event": event.name(),
            "version": e.catalogue.version,
            "effective_from": e.catalogue.effective_from,
            "offers": e.catalogue.offers.len(),
            "programmes": e.catalogue.programmes.len(),
        }),
        Event::PriceListImported(e) => json!({
            "event": event.name(),
            "name": e.name,
            "sha256": e.sha256,
            "offers": e.offers.len(),
            "rows": e.rows.len(),
        }),
        Event::OfferMatrixImported(e) => json!({
            "event": event.name(),
            "name": e.name,
            "sha256": e.sha256,
            "effective_from": e.effective_from,
            "offers": e.offers.len(),
        }),
        Event::PolicySet(e) => json!({
            "event": event.name(),
            "version": e.version,
            "effective_from": e.effective_from,
            "programme": e.programme,
        }),
        Event::PeriodClosed(e) => json!({
            "event": event.name(),
            "period": e.period,
            "through": e.through,
            "root": e.root,
            "lines": e.lines,
            "statements": e.statements.len(),
        }),
        Event::BillingTermsSet(_)
        | Event::ExchangeRatesImported(_)
        | Event::ReconciliationRecorded(_)
        | Event::CustomerRegistered(_)
        | Event::CustomerChanged(_)
        | Event::AgreementAccepted(_)
        | Event::DelegatedAdminGranted(_)
        | Event::DelegatedAdminRevoked(_)
        | Event::DelegatedAdminEnded(_)
        | Event::ExternalSubscriptionDeclared(_)
        | Event::ExternalSubscriptionWithdrawn(_)
        | Event::PortalAccessGranted(_)
        | Event::PortalAccessRevoked(_)
        | Event::SubscriptionPurchased(_)
        | Event::TrialStarted(_)
        | Event::TrialConverted(_)
        | Event::TrialExtended(_)
        | Event::SeatsAdded(_)
        | Event::SeatsRemoved(_)
        | Event::RenewalQuantityScheduled(_)
        | Event::RenewalSettingsChanged(_)
        | Event::ScheduledChangeDropped(_)
        | Event::EndOfTermActionSet(_)
        | Event::TermChanged(_)
        | Event::BillingFrequencyChosen(_)
        | Event::BillingFrequencyChanged(_)
        | Event::SubscriptionCancelled(_)
        | Event::SubscriptionSuspended(_)
        | Event::SubscriptionResumed(_)
        | Event::SubscriptionRenamed(_)
        | Event::CreditGranted(_)
        | Event::SubscriptionUpgraded(_)
        | Event::QuantityRequested(_)
        | Event::QuantityRequestFulfilled(_)
        | Event::QuantityRequestDeclined(_)
        | Event::UserAdded(_)
        | Event::UserNamed(_)
        | Event::CustomerErased(_)
        | Event::UserRemoved(_)
        | Event::LicenceAssigned(_)
        | Event::LicenceUnassigned(_)
        | Event::GroupMemberAdded(_)
        | Event::GroupMemberRemoved(_)
        | Event::GroupLicenceAssigned(_)
        | Event::GroupLicenceUnassigned(_)
        | Event::GroupLicencesFailed(_)
        | Event::GroupLicencesSettled(_)
        | Event::ShortfallRaised(_)
        | Event::ShortfallCleared(_)
        | Event::SubscriptionRenewed(_)
        | Event::SubscriptionExpired(_)
        | Event::ExtendedServiceTermStarted(_)
        | Event::SubscriptionDisabled(_)
        | Event::SubscriptionDeleted(_)
        | Event::OpeningBalanceImported(_)
        | Event::CorrectionRecorded(_) => serde_json::to_value(event)?,
    };
    match value {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Ok(Map::from_iter([("event".to_owned(), json!(event.name()))]))
        }
    }
}

/// The documents that `steps` leave behind: of each, the last.
pub(super) fn documents(steps: &[Step]) -> Result<BTreeMap<Place, Document>, ViewError> {
    let mut documents = BTreeMap::new();
    for step in steps {
        for (bucket, name, view) in BUCKETS {
            let mut changes = Changes::new();
            view.apply(
                &mut changes,
                &step.recorded,
                step.before.as_deref(),
                step.after.as_deref(),
            )?;
            for (key, json) in changes.iter() {
                let key = key.get(name.len().saturating_add(1)..).unwrap_or_default();
                let place = Place { bucket, key: key.replace('/', ".") };
                let position = step.recorded.position;
                let json = json.map(<[u8]>::to_vec);
                documents.insert(place, Document { position, json });
            }
        }
    }
    Ok(documents)
}

fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn padded(number: u64) -> String {
    format!("{number:020}")
}

/// `SeatsAdded` becomes `seats-added`.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_in_the_description_of_what_is_published() {
        let text = include_str!("../../../docs/EVENTS-OVER-NATS.md");
        let (_, events) = text.split_once("## Events").expect("there is a list of events");
        let (events, _) = events.split_once("## ").expect("more follows");
        for (name, _) in ledger_core::codec::EVENTS {
            assert!(events.contains(&format!("`{}`", kebab(name))), "{name} is missing");
        }
    }

    #[test]
    fn names_become_kebab_case() {
        assert_eq!(kebab("SeatsAdded"), "seats-added");
        assert_eq!(kebab("EndOfTermActionSet"), "end-of-term-action-set");
    }
}
