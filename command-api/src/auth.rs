//! Who asks, and what they may do. Every request but health and sign-in comes through here.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use ledger_core::customer::{Command, Rejection};
use ledger_core::ids::{Actor, CustomerId, ResellerId, Role};
use ledger_core::record::Refusal;

use crate::problem::{Kind, Problem};
use crate::state::AppState;

/// Whose data somebody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// That of one reseller's customers.
    Reseller(ResellerId),
    /// That of one customer.
    Customer(CustomerId),
}

impl Scope {
    /// Whether a customer of `reseller` is in it.
    #[must_use]
    pub fn includes(&self, customer: &CustomerId, reseller: &ResellerId) -> bool {
        match self {
            Self::All => true,
            Self::Reseller(own) => own == reseller,
            Self::Customer(own) => own == customer,
        }
    }
}

/// Somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub actor: Actor,
    /// Whose data they see.
    pub scope: Scope,
}

/// What a role may or may not do. Source: design, sections 1 and 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Change a customer.
    Command,
    /// Register a customer.
    Register,
    /// Import a catalogue.
    ImportCatalogue,
    /// Move a simulated clock.
    MoveClock,
    /// Make out bills: terms, rates, periods and reconciliations.
    Bill,
    /// Read terms, rates, periods and reconciliations.
    ReadBilling,
    /// Read the whole log.
    ReadLog,
    /// Sign a checkpoint of the log.
    SignCheckpoint,
    /// Make a backup.
    BackUp,
    /// Read the figures for Prometheus.
    ReadMetrics,
}

impl Action {
    const fn is_allowed(self, role: Role) -> bool {
        match self {
            Self::Command => {
                matches!(role, Role::Operator | Role::ResellerAdmin | Role::CustomerAdmin)
            }
            Self::Register => matches!(role, Role::Operator | Role::ResellerAdmin),
            Self::ImportCatalogue | Self::MoveClock | Self::SignCheckpoint | Self::BackUp => {
                matches!(role, Role::Operator)
            }
            Self::Bill => matches!(role, Role::Operator | Role::Billing),
            Self::ReadLog | Self::ReadBilling => {
                matches!(role, Role::Operator | Role::Billing | Role::Support)
            }
            Self::ReadMetrics => matches!(role, Role::Operator | Role::Support),
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Command => "change a customer",
            Self::Register => "register a customer",
            Self::ImportCatalogue => "import a catalogue",
            Self::MoveClock => "move the clock",
            Self::Bill => "make out bills",
            Self::ReadBilling => "read terms, rates and periods",
            Self::ReadLog => "read the whole log",
            Self::SignCheckpoint => "sign a checkpoint",
            Self::BackUp => "make a backup",
            Self::ReadMetrics => "read the metrics",
        }
    }
}

impl Principal {
    /// Checks that the role may do `action` at all.
    ///
    /// # Errors
    ///
    /// [`Kind::RoleNotAllowed`].
    pub fn may(&self, action: Action) -> Result<(), Problem> {
        if action.is_allowed(self.actor.role) {
            return Ok(());
        }
        let detail = format!("Your role may not {}.", action.text());
        Err(Problem::new(Kind::RoleNotAllowed, detail))
    }

    /// Checks that the customer is one whose data they see.
    ///
    /// # Errors
    ///
    /// For a customer of others the very problem that an unknown one gives.
    pub async fn sees(&self, state: &AppState, customer: &CustomerId) -> Result<(), Problem> {
        let is_seen = match &self.scope {
            Scope::All => true,
            Scope::Customer(own) => own == customer,
            Scope::Reseller(own) => {
                let known = state.ledger.profile(customer).await?;
                known.is_some_and(|known| known.reseller == *own)
            }
        };
        if is_seen { Ok(()) } else { Err(Problem::customer_unknown(customer)) }
    }
}

/// Checks that `principal` may send `command` to `customer`.
///
/// # Errors
///
/// [`Kind::RoleNotAllowed`], or what an unknown customer gives for a customer of others.
pub async fn authorize(
    state: &AppState,
    principal: &Principal,
    customer: &CustomerId,
    command: &Command,
) -> Result<(), Problem> {
    let Command::RegisterCustomer(asked) = command else {
        principal.may(Action::Command)?;
        return principal.sees(state, customer).await;
    };
    principal.may(Action::Register)?;
    let Scope::Reseller(own) = &principal.scope else { return Ok(()) };
    if asked.reseller != *own {
        let detail = "You may register customers only under your own reseller.";
        return Err(Problem::new(Kind::RoleNotAllowed, detail));
    }
    // An id that others have taken is refused here, so that their journal does not tell who asked.
    let known = state.ledger.customer(customer).await?;
    if known.is_some_and(|(known, _)| known.profile.reseller != *own) {
        let rejection = Rejection::CustomerExists { customer: customer.clone() };
        return Err(Problem::refused(&Refusal::from(&rejection)));
    }
    Ok(())
}

impl FromRequestParts<Arc<AppState>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Problem> {
        let Some(given) = parts.headers.get(header::AUTHORIZATION) else {
            let detail = "Send a token in the header Authorization: Bearer TOKEN.";
            return Err(Problem::new(Kind::TokenMissing, detail));
        };
        let given = given.to_str().ok().and_then(|text| text.split_once(' '));
        let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let found = token.and_then(|(_, token)| state.tokens.find(token.trim()));
        found.cloned().ok_or_else(|| {
            let detail = "The token in the header Authorization is not one of this ledger's.";
            Problem::new(Kind::TokenUnknown, detail)
        })
    }
}
