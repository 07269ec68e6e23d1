//! Queries of several addresses.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

/// Query of a command.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CommandQuery {
    /// Says what would happen and records nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Reads an instant, and says what one looks like when it is none.
///
/// # Errors
///
/// When the text is no instant.
pub(crate) fn instant<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(input)? else { return Ok(None) };
    let instant = text.parse().map_err(|_| {
        let wrong = format_args!("{text:?} is not an instant such as 2025-01-01T00:00:00Z");
        serde::de::Error::custom(wrong)
    });
    instant.map(Some)
}

/// Query of a read that may wait for the views.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadQuery {
    /// Waits until the views have reached this position, as a command's answer gave it.
    #[serde(default)]
    pub min_position: Option<u64>,
}

/// Query of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Most entries; 50 when left out, at most 500.
    #[serde(default)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Waits until the views have reached this position, as a command's answer gave it.
    #[serde(default)]
    pub min_position: Option<u64>,
}
