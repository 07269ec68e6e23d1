//! Bodies of requests and answers. What comes in becomes a command here; nothing is decided.

mod account;
mod answers;
mod billing;
mod licences;
mod names;
mod queries;
mod renewals;
mod requests;
mod subscriptions;
mod upgrades;

use ledger_core::catalogue::Catalogue;
use ledger_core::commit::Hash;
use ledger_core::customer::{Command, ImportCatalogue};
use ledger_core::ids::{CommandId, Reason};
use serde::Deserialize;
use utoipa::ToSchema;

pub use self::account::*;
pub use self::answers::*;
pub use self::billing::*;
pub use self::licences::*;
pub use self::names::*;
pub use self::queries::*;
pub use self::renewals::*;
pub use self::requests::*;
pub use self::subscriptions::*;
pub use self::upgrades::*;

/// Declares bodies, each as `Body(what the address names) -> Command { what the body says }`. A body
/// has a `reason` besides; after `new`, the id of what the command makes, and how one begins that is
/// made from the Idempotency-Key.
macro_rules! bodies {
    ($(
        $(#[$doc:meta])*
        $Body:ident($($id:ident: $Id:ident),*) -> $Command:ident
        $(new $made:ident: $Made:ident = $begins:literal)?
        { $($(#[$meta:meta])* $field:ident: $Type:ty,)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $Body {
            /// Why.
            #[schema(value_type = String, max_length = 500)]
            pub reason: ledger_core::ids::Reason,
            $(
                /// Id of what is new; made from the Idempotency-Key when left out.
                #[serde(default)]
                #[schema(value_type = Option<String>, max_length = 64)]
                pub $made: Option<$Made>,
            )?
            $($(#[$meta])* pub $field: $Type,)*
        }

        impl crate::wire::Asks for $Body {
            type Of = ($($Id,)*);

            fn into_parts(
                self,
                ($($id,)*): Self::Of,
                key: &ledger_core::ids::CommandId,
            ) -> (ledger_core::ids::Reason, ledger_core::customer::Command) {
                let Self { reason, $($made,)? $($field),* } = self;
                $(
                    let made = || $Made::try_new(crate::wire::named_after($begins, key));
                    let $made = $made.unwrap_or_else(|| {
                        made().expect("letters and hexadecimal digits make an id")
                    });
                )?
                let _ = key;
                let command =
                    ledger_core::customer::$Command { $($id,)* $($made,)? $($field),* };
                (reason, ledger_core::customer::Command::$Command(command))
            }
        }
    )*};
}
pub(crate) use bodies;

/// The body of a command.
pub trait Asks {
    /// What the address names besides the customer.
    type Of;

    /// Why and what; `key` names what is new when the body does not.
    fn into_parts(self, of: Self::Of, key: &CommandId) -> (Reason, Command);
}

/// An id for what was made without one: the same for the same command id.
fn named_after(begins: &str, key: &CommandId) -> String {
    let hash = Hash::of(key.as_str().as_bytes()).to_string();
    let digits: String = hash.chars().take(16).collect();
    format!("{begins}-{digits}")
}

/// Imports a version of the catalogue.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogueBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// The whole version.
    #[schema(value_type = Object)]
    pub catalogue: Catalogue,
}

impl CatalogueBody {
    /// Why and what.
    #[must_use]
    pub fn into_parts(self) -> (Reason, Command) {
        let Self { reason, catalogue } = self;
        (reason, Command::ImportCatalogue(ImportCatalogue { catalogue }))
    }
}
