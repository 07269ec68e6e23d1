//! Events to bytes and back: the event's name, its schema version, and bincode inside.
//!
//! A stored event is found by name and schema, never by a number that depends on the order of code.
//! To change an event's fields, raise its schema in [`EVENTS`], freeze the old struct in
//! `codec/vN.rs` and decode it into the new one here. Golden files keep every version readable.

mod frozen;
mod v1;
mod v2;

use bincode::config::{Configuration, standard};
use serde::{Deserialize, Serialize};

use crate::commit::{EncodedEvent, EventRef};
use crate::customer::Event;

/// Codec of all commits written by this version.
pub const CODEC: &str = "bincode-2";

/// Bytes that are not the event they are said to be.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The codec is unknown, most likely newer than this program.
    #[error("codec {0} is unknown to this version")]
    UnknownCodec(String),
    /// The event or its schema is unknown, most likely newer than this program.
    #[error("event {name} with schema {schema} is unknown to this version")]
    UnknownEvent {
        /// The event's name.
        name: String,
        /// Its schema.
        schema: u16,
    },
    /// The bytes cannot be decoded.
    #[error("event {name} cannot be decoded")]
    Decode {
        /// The event's name.
        name: String,
        /// What the decoder says.
        source: bincode::error::DecodeError,
    },
    /// Bytes follow the event.
    #[error("event {name} is followed by {bytes} more bytes")]
    Trailing {
        /// The event's name.
        name: String,
        /// How many follow.
        bytes: usize,
    },
    /// The event cannot be encoded.
    #[error("event {name} cannot be encoded")]
    Encode {
        /// The event's name.
        name: &'static str,
        /// What the encoder says.
        source: bincode::error::EncodeError,
    },
}

macro_rules! events {
    ($($name:ident = $schema:literal $(, was $old:literal in $module:ident)*;)*) => {
        /// Name and current schema of every event.
        pub const EVENTS: &[(&str, u16)] = &[$((stringify!($name), $schema)),*];

        /// Encodes `event` in its current schema.
        ///
        /// # Errors
        ///
        /// [`CodecError::Encode`] when the encoder refuses.
        pub fn encode(event: &Event) -> Result<EncodedEvent, CodecError> {
            match event {
                $(Event::$name(e) => to_bytes(stringify!($name), $schema, e),)*
            }
        }

        /// Decodes a stored event.
        ///
        /// # Errors
        ///
        /// [`CodecError`] when the codec, the event or its schema is unknown or the bytes are not it.
        pub fn decode<'a>(
            codec: &str,
            stored: impl Into<EventRef<'a>>,
        ) -> Result<Event, CodecError> {
            let stored = stored.into();
            if codec != CODEC {
                return Err(CodecError::UnknownCodec(codec.to_owned()));
            }
            match (stored.name, stored.schema) {
                $(
                    (stringify!($name), $schema) => Ok(Event::$name(from_bytes(stored)?)),
                    $((stringify!($name), $old) => {
                        Ok(Event::$name(from_bytes::<$module::$name>(stored)?.into()))
                    })*
                )*
                _ => Err(CodecError::UnknownEvent {
                    name: stored.name.to_owned(),
                    schema: stored.schema,
                }),
            }
        }
    };
}

events! {
    CustomerRegistered = 2, was 1 in v1;
    CustomerChanged = 1;
    AgreementAccepted = 1;
    DelegatedAdminGranted = 2, was 1 in v1;
    DelegatedAdminRevoked = 1;
    DelegatedAdminEnded = 1;
    ExternalSubscriptionDeclared = 1;
    ExternalSubscriptionWithdrawn = 1;
    PortalAccessGranted = 1;
    PortalAccessRevoked = 1;
    CustomerErased = 1;
    SubscriptionPurchased = 3, was 1 in v1, was 2 in v2;
    TrialStarted = 1;
    TrialConverted = 2, was 1 in v1;
    TrialExtended = 1;
    SeatsAdded = 2, was 1 in v1;
    SeatsRemoved = 2, was 1 in v1;
    RenewalQuantityScheduled = 1;
    RenewalSettingsChanged = 1;
    ScheduledChangeDropped = 1;
    EndOfTermActionSet = 1;
    TermChanged = 2, was 1 in v1;
    BillingFrequencyChosen = 1;
    BillingFrequencyChanged = 2, was 1 in v1;
    SubscriptionCancelled = 2, was 1 in v1;
    SubscriptionSuspended = 2, was 1 in v1;
    SubscriptionResumed = 2, was 1 in v1;
    SubscriptionRenamed = 1;
    CreditGranted = 1;
    SubscriptionUpgraded = 3, was 1 in v1, was 2 in v2;
    QuantityRequested = 1;
    QuantityRequestFulfilled = 1;
    QuantityRequestDeclined = 1;
    UserAdded = 1;
    UserNamed = 1;
    UserRemoved = 1;
    LicenceAssigned = 2, was 1 in v1;
    LicenceUnassigned = 2, was 1 in v1;
    GroupMemberAdded = 1;
    GroupMemberRemoved = 1;
    GroupLicenceAssigned = 1;
    GroupLicenceUnassigned = 1;
    GroupLicencesFailed = 1;
    GroupLicencesSettled = 1;
    ShortfallRaised = 1;
    ShortfallCleared = 1;
    SubscriptionRenewed = 3, was 1 in v1, was 2 in v2;
    SubscriptionExpired = 2, was 1 in v1;
    ExtendedServiceTermStarted = 2, was 1 in v1;
    SubscriptionDisabled = 1;
    SubscriptionDeleted = 1;
    OpeningBalanceImported = 2, was 1 in v1;
    CorrectionRecorded = 2, was 1 in v1;
    CatalogueImported = 3, was 1 in v1, was 2 in v2;
    PriceListImported = 1;
    OfferMatrixImported = 1;
    PolicySet = 2, was 1 in v1;
    BillingTermsSet = 1;
    ExchangeRatesImported = 1;
    PeriodClosed = 1;
    ReconciliationRecorded = 1;
}

/// The layout inside: big-endian, fixed width, so that it can be read without this crate.
pub(crate) fn layout() -> Configuration<bincode::config::BigEndian, bincode::config::Fixint> {
    standard().with_big_endian().with_fixed_int_encoding()
}

fn to_bytes(
    name: &'static str,
    schema: u16,
    event: &impl Serialize,
) -> Result<EncodedEvent, CodecError> {
    let bytes = bincode::serde::encode_to_vec(event, layout())
        .map_err(|source| CodecError::Encode { name, source })?;
    Ok(EncodedEvent { name: name.to_owned(), schema, bytes })
}

fn from_bytes<'a, T: Deserialize<'a>>(stored: EventRef<'a>) -> Result<T, CodecError> {
    let name = || stored.name.to_owned();
    let (event, length) = bincode::serde::borrow_decode_from_slice(stored.bytes, layout())
        .map_err(|source| CodecError::Decode { name: name(), source })?;
    match stored.bytes.len().saturating_sub(length) {
        0 => Ok(event),
        bytes => Err(CodecError::Trailing { name: name(), bytes }),
    }
}
