//! Names of things: validated, never empty, safe in a URL, a NATS subject and a file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Longest id accepted, in characters. Keeps a NATS subject of five tokens below 512 bytes.
pub const ID_CHARS_MAX: usize = 64;

/// Longest command id accepted, in characters; the limit users know from other payment APIs.
pub const COMMAND_ID_CHARS_MAX: usize = 255;

/// Longest reason accepted, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// Longest sealed text, in characters: what is sealed has at most 200 characters of up to four bytes.
pub const SEALED_CHARS_MAX: usize = 1100;

/// Why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty or only blanks.
    #[error("it must not be empty")]
    Empty,
    /// The text is too long.
    #[error("it has more than {chars_max} characters")]
    TooLong {
        /// Characters allowed.
        chars_max: usize,
    },
    /// A character is not allowed.
    #[error("it contains {character:?}; allowed are {allowed}")]
    Forbidden {
        /// The first offending character.
        character: char,
        /// What is allowed instead.
        allowed: &'static str,
    },
}

fn token(text: &str) -> Result<(), IdError> {
    check(text, ID_CHARS_MAX, "letters, digits, '-' and '_'", |c| {
        c.is_ascii_alphanumeric() || c == '-' || c == '_'
    })
}

fn visible(text: &str) -> Result<(), IdError> {
    check(text, COMMAND_ID_CHARS_MAX, "visible ASCII characters", |c| c.is_ascii_graphic())
}

fn sealed(text: &str) -> Result<(), IdError> {
    check(text, SEALED_CHARS_MAX, "letters, digits, '-' and '_'", |c| {
        c.is_ascii_alphanumeric() || c == '-' || c == '_'
    })
}

fn sentence(text: &str) -> Result<(), IdError> {
    if text.trim().is_empty() {
        return Err(IdError::Empty);
    }
    check(text, REASON_CHARS_MAX, "everything but control characters", |c| !c.is_control())
}

fn check(
    text: &str,
    chars_max: usize,
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if chars_max < text.len() && chars_max < text.chars().count() {
        return Err(IdError::TooLong { chars_max });
    }
    match text.chars().find(|c| !is_allowed(*c)) {
        Some(character) => Err(IdError::Forbidden { character, allowed }),
        None => Ok(()),
    }
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "SmolStr", into = "SmolStr")]
        pub struct $name(SmolStr);

        impl $name {
            /// Accepts `text` when it follows the rules of this type.
            ///
            /// # Errors
            ///
            /// [`IdError`] says what is wrong with the text.
            pub fn try_new(text: impl Into<SmolStr>) -> Result<Self, IdError> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<SmolStr> for $name {
            type Error = IdError;

            fn try_from(text: SmolStr) -> Result<Self, IdError> {
                Self::try_new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::try_new(text)
            }
        }

        impl From<$name> for SmolStr {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_new(text)
            }
        }
    };
}

text_type!(
    /// A customer: one tenant, one stream, one consistency boundary.
    CustomerId, token);
text_type!(
    /// A subscription, unique within its customer.
    SubscriptionId, token);
text_type!(
    /// An offer of the catalogue.
    OfferId, token);
text_type!(
    /// A programme: the set of rules a customer is sold under.
    ProgrammeId, token);
text_type!(
    /// A reseller who serves customers.
    ResellerId, token);
text_type!(
    /// A user of the customer, as an opaque id; never a name or an e-mail address.
    UserId, token);
text_type!(
    /// A group of users of the customer.
    GroupId, token);
text_type!(
    /// A promotion of the catalogue.
    PromotionId, token);
text_type!(
    /// A customer's request for more or fewer seats, unique within it.
    QuantityRequestId, token);
text_type!(
    /// Whoever issued a command: a person's opaque id, a service or the scheduler.
    ActorId, token);
text_type!(
    /// The id a caller gives to one command, kept across retries of it.
    CommandId, visible);
text_type!(
    /// The name of a set of exchange rates.
    RateId, token);
text_type!(
    /// The name of a backup: a folder in the folder of backups.
    BackupName, token);
text_type!(
    /// A text about a person, encrypted under a key of its customer; in base64 (URL form, no padding).
    SealedText, sealed);
text_type!(
    /// Why a command was issued, in the caller's words.
    Reason, sentence);

/// What an actor may be. Source: design, section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the ledger: every command, every view, catalogue and clock.
    Operator,
    /// Makes out bills, audits and exports: every view; sets terms and rates, closes periods and records
    /// reconciliations, and no other command.
    Billing,
    /// Replays histories: every view, no command.
    Support,
    /// Serves its own customers.
    ResellerAdmin,
    /// Manages one customer.
    CustomerAdmin,
    /// Looks at one customer.
    CustomerViewer,
    /// The ledger itself, when time brings a command about.
    Scheduler,
}

/// Who issued a command, and in which role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Opaque id.
    pub id: ActorId,
    /// Role the command was issued in.
    pub role: Role,
}

/// A sequence of commits with versions of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StreamId {
    /// Offers, plans, prices and programmes.
    Catalogue,
    /// Taxes, margins, exchange rates, closed billing periods and reconciliations.
    Billing,
    /// Everything that happened to one customer.
    Customer(CustomerId),
}

impl StreamId {
    /// What ids of its events begin with; no customer's id contains an @.
    #[must_use]
    pub fn owner(&self) -> &str {
        match self {
            Self::Catalogue => "@catalogue",
            Self::Billing => "@billing",
            Self::Customer(customer) => customer.as_str(),
        }
    }

    /// The customer whose stream it is, if it is one.
    #[must_use]
    pub fn customer(&self) -> Option<&CustomerId> {
        match self {
            Self::Catalogue | Self::Billing => None,
            Self::Customer(id) => Some(id),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalogue => f.write_str("catalogue"),
            Self::Billing => f.write_str("billing"),
            Self::Customer(id) => write!(f, "customer/{id}"),
        }
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.to_string()
    }
}

impl TryFrom<String> for StreamId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl FromStr for StreamId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.strip_prefix("customer/") {
            Some(id) => Ok(Self::Customer(CustomerId::try_new(id)?)),
            None if text == "catalogue" => Ok(Self::Catalogue),
            None if text == "billing" => Ok(Self::Billing),
            None => Err(IdError::Forbidden {
                character: text.chars().next().unwrap_or(' '),
                allowed: "\"catalogue\", \"billing\" and \"customer/ID\"",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_safe_in_a_url_and_a_subject() {
        for text in ["acme", "A-1_b", &"x".repeat(ID_CHARS_MAX)] {
            assert_eq!(CustomerId::try_new(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a.b", "a/b", "é", "a@b", "*", ">", &"x".repeat(65)] {
            assert!(CustomerId::try_new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_command_id_is_visible_ascii() {
        assert!(CommandId::try_new("renew/sub-1/2026-03-01").is_ok());
        for text in ["", "a b", "a\nb", "é", &"x".repeat(256)] {
            assert!(CommandId::try_new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_reason_says_something() {
        assert!(Reason::try_new("Trois arrivées à Lyon").is_ok());
        for text in ["", "   ", "a\u{0}b"] {
            assert!(Reason::try_new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_stream_is_named_by_its_text() {
        for stream in [
            StreamId::Catalogue,
            StreamId::Billing,
            StreamId::Customer(CustomerId::try_new("acme").unwrap()),
        ] {
            assert_eq!(StreamId::try_from(stream.to_string()), Ok(stream));
        }
        assert!(StreamId::try_from("nothing".to_owned()).is_err());
    }
}
