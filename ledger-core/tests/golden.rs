//! Every stored version of every event stays readable, and the current one is written as it always was.
//!
//! `golden/NAME.vN.json` holds examples of the event, `golden/NAME.vN.hex` their stored bytes, one line
//! each; `golden/NAME.vN.more.json` and `.hex` hold what a schema could say only later. Stored bytes are
//! added, never changed. A missing `.hex` is written by `GOLDEN=write cargo test`.
//!
//! `golden/fold.vN.sha256` is what fold version N makes of these examples.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use ledger_core::codec::{CODEC, CodecError, EVENTS, decode, encode};
use ledger_core::commit::{EncodedEvent, Hash};
use ledger_core::customer::{Event, FOLD_VERSION, evolve};
use ledger_core::ids::SubscriptionId;
use ledger_core::snapshot::Snapshot;

/// The files of a version: the first ones, and the ones added later.
const PARTS: [&str; 2] = ["", "more."];

fn golden(name: &str, schema: u16, kind: &str) -> PathBuf {
    let file = format!("tests/golden/{name}.v{schema}.{kind}");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// The parts that there are; the first one must be there.
fn parts(name: &str, schema: u16) -> impl Iterator<Item = &'static str> {
    let is_there =
        move |part: &&str| part.is_empty() || golden(name, schema, &format!("{part}json")).exists();
    PARTS.into_iter().filter(is_there).collect::<Vec<_>>().into_iter()
}

fn examples_of(name: &str, schema: u16, part: &str) -> Vec<Event> {
    let path = golden(name, schema, &format!("{part}json"));
    let text = fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

fn examples(name: &str, schema: u16) -> Vec<Event> {
    parts(name, schema).flat_map(|part| examples_of(name, schema, part)).collect()
}

fn stored(name: &str, schema: u16) -> Vec<EncodedEvent> {
    let lines = parts(name, schema).flat_map(|part| {
        let path = golden(name, schema, &format!("{part}hex"));
        let text = fs::read_to_string(&path).unwrap_or_else(|err| {
            let write = "write it with GOLDEN=write cargo test -p ledger-core";
            panic!("{}: {err}; {write}", path.display())
        });
        text.lines().map(bytes).collect::<Vec<_>>()
    });
    lines.map(|bytes| EncodedEvent { name: name.to_owned(), schema, bytes }).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn write_missing(name: &str, schema: u16) {
    if std::env::var_os("GOLDEN").is_none() {
        return;
    }
    let hex = |byte: &u8| format!("{byte:02x}");
    let line = |event: &Event| encode(event).unwrap().bytes.iter().map(hex).collect::<String>();
    for part in parts(name, schema) {
        let path = golden(name, schema, &format!("{part}hex"));
        if !path.exists() {
            let lines: Vec<String> = examples_of(name, schema, part).iter().map(line).collect();
            fs::write(path, lines.join("\n") + "\n").unwrap();
        }
    }
}

#[test]
fn every_version_of_every_event_stays_readable() {
    for (name, current) in EVENTS {
        for schema in 1..=*current {
            let expected = examples(name, schema);
            assert!(!expected.is_empty(), "{name} has no example");
            write_missing(name, schema);
            let read: Vec<Event> =
                stored(name, schema).iter().map(|event| decode(CODEC, event).unwrap()).collect();
            assert_eq!(read, expected, "{name} schema {schema}");
        }
    }
}

#[test]
fn the_current_version_is_written_as_it_always_was() {
    for (name, schema) in EVENTS {
        let written: Vec<EncodedEvent> =
            examples(name, *schema).iter().map(|event| encode(event).unwrap()).collect();
        assert_eq!(written, stored(name, *schema), "{name}");
    }
}

#[test]
fn what_is_unknown_or_damaged_is_an_error_that_says_what() {
    let event = stored("SeatsAdded", 1).remove(0);
    let newer = EncodedEvent { schema: 9, ..event.clone() };
    let unknown = decode(CODEC, &newer).unwrap_err().to_string();
    assert_eq!(unknown, "event SeatsAdded with schema 9 is unknown to this version");
    let codec = decode("postcard-1", &event).unwrap_err().to_string();
    assert_eq!(codec, "codec postcard-1 is unknown to this version");
    let longer = EncodedEvent { bytes: [&event.bytes[..], &[0]].concat(), ..event.clone() };
    assert!(matches!(decode(CODEC, &longer), Err(CodecError::Trailing { bytes: 1, .. })));
    for length in 0..event.bytes.len() {
        let cut = EncodedEvent { bytes: event.bytes[..length].to_vec(), ..event.clone() };
        assert!(matches!(decode(CODEC, &cut), Err(CodecError::Decode { .. })), "cut at {length}");
    }
}

/// The events of a customer, in an order in which every kind changes something.
const FOLDED: &[&str] = &[
    "CustomerChanged",
    "AgreementAccepted",
    "DelegatedAdminGranted",
    "DelegatedAdminEnded",
    "DelegatedAdminGranted",
    "ExternalSubscriptionDeclared",
    "PortalAccessGranted",
    "PortalAccessRevoked",
    "UserAdded",
    "UserNamed",
    "SubscriptionPurchased",
    "SubscriptionRenamed",
    "LicenceAssigned",
    "ShortfallRaised",
    "LicenceUnassigned",
    "ShortfallCleared",
    "GroupMemberAdded",
    "GroupLicenceAssigned",
    "GroupLicencesFailed",
    "GroupLicencesSettled",
    "LicenceAssigned",
    "QuantityRequested",
    "QuantityRequestFulfilled",
    "QuantityRequestDeclined",
    "UserRemoved",
    "RenewalQuantityScheduled",
    "SeatsAdded",
    "SeatsRemoved",
    "ScheduledChangeDropped",
    "SubscriptionUpgraded",
    "GroupLicenceUnassigned",
    "GroupMemberRemoved",
    "RenewalSettingsChanged",
    "RenewalQuantityScheduled",
    "SubscriptionRenewed",
    "BillingFrequencyChosen",
    "BillingFrequencyChanged",
    "TermChanged",
    "SubscriptionSuspended",
    "SubscriptionResumed",
    "EndOfTermActionSet",
    "CorrectionRecorded",
    "TrialStarted",
    "TrialExtended",
    "TrialConverted",
    "OpeningBalanceImported",
    "ExtendedServiceTermStarted",
    "SubscriptionExpired",
    "SubscriptionDisabled",
    "SubscriptionDeleted",
    "SubscriptionPurchased",
    "SubscriptionCancelled",
    "ExternalSubscriptionWithdrawn",
    "DelegatedAdminRevoked",
    "ShortfallRaised",
    "CustomerErased",
];

fn latest(name: &str) -> Vec<Event> {
    let schema = EVENTS.iter().find(|(event, _)| *event == name).unwrap().1;
    examples(name, schema)
}

/// The examples as one history; `s3` is what upgrades and trials move seats to.
fn folded_history() -> Vec<Event> {
    let mut history = latest("CustomerRegistered");
    for mut event in latest("SubscriptionPurchased") {
        if let Event::SubscriptionPurchased(e) = &mut event {
            e.subscription = SubscriptionId::try_new("s3").unwrap();
        }
        history.push(event);
    }
    history.extend(FOLDED.iter().flat_map(|name| latest(name)));
    history
}

/// What belongs to other streams than customers', and is folded nowhere here.
const OF_OTHER_STREAMS: [&str; 8] = [
    "CatalogueImported",
    "PriceListImported",
    "OfferMatrixImported",
    "PolicySet",
    "BillingTermsSet",
    "ExchangeRatesImported",
    "PeriodClosed",
    "ReconciliationRecorded",
];

/// What changes nothing of a customer, and only its bill.
const BILLED_ONLY: [&str; 1] = ["CreditGranted"];

#[test]
fn folding_makes_of_events_what_its_version_always_made() {
    let (mut customer, mut bytes, mut effective) = (None, Vec::new(), BTreeSet::new());
    for (version, event) in (1..).zip(folded_history()) {
        let before = customer.clone();
        customer = evolve(customer, &event);
        if customer != before {
            effective.insert(event.name());
        }
        let snapshot = Snapshot {
            version,
            hash: Hash::of(b"log"),
            journal_version: 1,
            journal_hash: Hash::of(b"journal"),
            last_recorded_at: "2024-06-18T09:30:00.123Z".parse().ok(),
            customer: customer.as_ref(),
            answers: vec![(1, version)],
        };
        bytes.extend(snapshot.to_bytes().unwrap());
    }
    let folds = |name: &&str| !OF_OTHER_STREAMS.contains(name) && !BILLED_ONLY.contains(name);
    for name in EVENTS.iter().map(|(name, _)| *name).filter(folds) {
        assert!(effective.contains(name), "{name} changes nothing here");
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/golden/fold.v{FOLD_VERSION}.sha256"));
    let digest = format!("{}\n", Hash::of(&bytes));
    if std::env::var_os("GOLDEN").is_some() && !path.exists() {
        fs::write(&path, &digest).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        digest,
        "what is folded, or the bytes of a snapshot, have changed: raise FOLD_VERSION in \
         src/customer/state.rs and write its digest with GOLDEN=write cargo test -p ledger-core"
    );
}
