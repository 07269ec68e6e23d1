//! Bodies of requests and answers. What comes in becomes a command here; nothing is decided.

use chrono::{DateTime, Utc};
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::catalogue::Catalogue;
use ledger_core::charges::ChargeLine;
use ledger_core::commit::Hash;
use ledger_core::customer::{
    AddSeats, AssignLicence, Cancel, Command, Customer, DeclareExternalSubscription, EndDate,
    EndOfTermAction, ExistingTarget, ImportCatalogue, NewTarget, Purchase, RegisterCustomer,
    RemoveSeats, ScheduleRenewalQuantity, SetEndOfTermAction, UnassignLicence, Upgrade,
    UpgradeInto, Warning,
};
use ledger_core::ids::{
    CommandId, CustomerId, OfferId, ProgrammeId, Reason, ResellerId, SubscriptionId, UserId,
};
use ledger_core::ledger::Outcome;
use ledger_core::money::{Currency, MoneyError};
use ledger_core::record::EventEntry;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Registers a customer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// Id of the new customer: letters, digits, `-` and `_`.
    #[schema(value_type = String, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub customer: CustomerId,
    /// The company's name.
    #[schema(max_length = 200)]
    pub name: String,
    /// Programme whose rules hold for the customer.
    #[schema(value_type = String)]
    pub programme: ProgrammeId,
    /// Reseller who serves the customer.
    #[schema(value_type = String)]
    pub reseller: ResellerId,
    /// Market, as two capital letters (ISO 3166-1).
    #[schema(example = "FR")]
    pub market: String,
    /// Currency of all the customer's prices.
    #[schema(value_type = CurrencyName)]
    pub currency: Currency,
}

impl RegisterBody {
    /// Who, why and what.
    #[must_use]
    pub fn into_parts(self) -> (CustomerId, Reason, Command) {
        let Self { reason, customer, name, programme, reseller, market, currency } = self;
        let (segment, registration_number) = (None, None);
        let command = RegisterCustomer {
            name,
            programme,
            reseller,
            market,
            currency,
            segment,
            registration_number,
        };
        (customer, reason, Command::RegisterCustomer(command))
    }
}

/// A command that needs nothing but a reason.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
}

impl ReasonBody {
    /// Cancels `subscription` at once.
    #[must_use]
    pub fn cancel(self, subscription: SubscriptionId) -> (Reason, Command) {
        (self.reason, Command::Cancel(Cancel { subscription }))
    }
}

/// Declares seats held from another partner or channel.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// What is held.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// All seats held elsewhere; replaces what was declared before.
    pub seats: u32,
}

impl DeclareBody {
    /// Why and what.
    #[must_use]
    pub fn into_parts(self) -> (Reason, Command) {
        let Self { reason, offer, seats } = self;
        let command = DeclareExternalSubscription { offer, seats };
        (reason, Command::DeclareExternalSubscription(command))
    }
}

/// Buys a subscription.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// Id of the new subscription; made from the Idempotency-Key when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    pub subscription: Option<SubscriptionId>,
    /// What is bought.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Length of the commitment.
    #[schema(value_type = TermName)]
    pub term: TermDuration,
    /// How often it is charged.
    #[schema(value_type = BillingName)]
    pub billing: BillingCycle,
    /// Seats bought.
    pub quantity: u32,
}

impl PurchaseBody {
    /// Why and what; `id` names the subscription when the body does not.
    #[must_use]
    pub fn into_parts(self, id: &CommandId) -> (Reason, Command) {
        let Self { reason, subscription, offer, term, billing, quantity } = self;
        let subscription = subscription.unwrap_or_else(|| named_after(id));
        let (end_date, promotion, attested, resellers) = (None, None, false, Vec::new());
        let command = Purchase {
            subscription,
            offer,
            term,
            billing,
            quantity,
            end_date,
            promotion,
            attested,
            resellers,
        };
        (reason, Command::Purchase(command))
    }
}

/// The id of a subscription that was made without one: the same for the same command id.
fn named_after(id: &CommandId) -> SubscriptionId {
    let hash = Hash::of(id.as_str().as_bytes()).to_string();
    let digits: String = hash.chars().take(16).collect();
    SubscriptionId::try_new(format!("sub-{digits}")).expect("hexadecimal digits make an id")
}

/// Adds seats or gives them back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeatsBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// Seats added to, or taken from, those there are.
    pub seats: u32,
}

impl SeatsBody {
    /// Adds the seats to `subscription`.
    #[must_use]
    pub fn added_to(self, subscription: SubscriptionId) -> (Reason, Command) {
        (self.reason, Command::AddSeats(AddSeats { subscription, seats: self.seats }))
    }

    /// Takes the seats from `subscription`.
    #[must_use]
    pub fn taken_from(self, subscription: SubscriptionId) -> (Reason, Command) {
        (self.reason, Command::RemoveSeats(RemoveSeats { subscription, seats: self.seats }))
    }
}

/// Plans the quantity of the next term.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewalQuantityBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// All seats from the renewal on.
    pub quantity: u32,
}

impl RenewalQuantityBody {
    /// Why and what.
    #[must_use]
    pub fn into_parts(self, subscription: SubscriptionId) -> (Reason, Command) {
        let command = ScheduleRenewalQuantity { subscription, quantity: self.quantity };
        (self.reason, Command::ScheduleRenewalQuantity(command))
    }
}

/// Chooses what happens at the end of the term.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndOfTermBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// What is to happen.
    #[schema(value_type = EndOfTermName)]
    pub action: EndOfTermAction,
}

impl EndOfTermBody {
    /// Why and what.
    #[must_use]
    pub fn into_parts(self, subscription: SubscriptionId) -> (Reason, Command) {
        let command = SetEndOfTermAction { subscription, action: self.action };
        (self.reason, Command::SetEndOfTermAction(command))
    }
}

/// Moves seats to a higher offer; cannot be undone.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// Seats that move; all of them when left out.
    #[serde(default)]
    pub quantity: Option<u32>,
    /// Offer they move to.
    #[schema(value_type = String)]
    pub target_offer: OfferId,
    /// Where they go.
    pub into: UpgradeIntoBody,
}

/// Where upgraded seats go.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum UpgradeIntoBody {
    /// A new subscription.
    New(NewTargetBody),
    /// A subscription the customer has.
    Existing(ExistingTargetBody),
}

/// A new subscription that upgraded seats go into.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTargetBody {
    /// Its id; made from the Idempotency-Key when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    pub subscription: Option<SubscriptionId>,
    /// When its term ends.
    #[schema(value_type = EndDateName)]
    pub end_date: EndDate,
    /// Length of its commitment; the source's when left out.
    #[serde(default)]
    #[schema(value_type = Option<TermName>)]
    pub term: Option<TermDuration>,
    /// How often it is charged; as the source when left out.
    #[serde(default)]
    #[schema(value_type = Option<BillingName>)]
    pub billing: Option<BillingCycle>,
}

/// A subscription the customer has, into which upgraded seats go.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExistingTargetBody {
    /// Its id.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
}

impl UpgradeBody {
    /// Why and what; `id` names a new subscription when the body does not.
    #[must_use]
    pub fn into_parts(self, subscription: SubscriptionId, id: &CommandId) -> (Reason, Command) {
        let into = match self.into {
            UpgradeIntoBody::New(target) => UpgradeInto::New(NewTarget {
                subscription: target.subscription.unwrap_or_else(|| named_after(id)),
                end_date: target.end_date,
                term: target.term,
                billing: target.billing,
                promotion: None,
            }),
            UpgradeIntoBody::Existing(target) => {
                UpgradeInto::Existing(ExistingTarget { subscription: target.subscription })
            }
        };
        let Self { reason, quantity, target_offer, into: _ } = self;
        (reason, {
            let transfer = ledger_core::customer::Transfer::default();
            Command::Upgrade(Upgrade { subscription, quantity, target_offer, into, transfer })
        })
    }
}

/// Gives a user a licence.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// User who gets it, as an opaque id.
    #[schema(value_type = String)]
    pub user: UserId,
    /// Where the user works, as two capital letters (ISO 3166-1).
    #[schema(example = "FR")]
    pub usage_location: String,
}

impl AssignBody {
    /// Why and what.
    #[must_use]
    pub fn into_parts(self, offer: OfferId) -> (Reason, Command) {
        let Self { reason, user, usage_location } = self;
        let usage_location = Some(usage_location);
        (reason, Command::AssignLicence(AssignLicence { offer, user, usage_location }))
    }
}

/// Takes a user's licence away.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnassignBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// User who loses it.
    #[schema(value_type = String)]
    pub user: UserId,
}

impl UnassignBody {
    /// Why and what.
    #[must_use]
    pub fn into_parts(self, offer: OfferId) -> (Reason, Command) {
        (self.reason, Command::UnassignLicence(UnassignLicence { offer, user: self.user }))
    }
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

/// A part of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
    /// What to send as `cursor` to get them.
    pub next: Option<String>,
}

/// What became of a command.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Done {
    /// Whose stream it is; null for the catalogue.
    #[schema(value_type = Option<String>)]
    pub customer: Option<CustomerId>,
    /// The stream's version after the command.
    pub version: u64,
    /// Position in the log, for `min_position`; null when everything was already as asked.
    pub position: Option<u64>,
    /// When it was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
    /// What happened, in order; each with its `id`, its `event` and its fields.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<EventEntry>,
    /// What it cost or saved.
    #[schema(value_type = Vec<Object>)]
    pub charge_lines: Vec<ChargeLine>,
    /// What a person might overlook.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Warning>,
    /// Whether everything was already as asked, so that nothing was recorded.
    pub unchanged: bool,
}

impl Done {
    /// What was recorded, or that nothing had to be.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when a charge cannot be computed; no recorded event has such a charge.
    pub fn of(customer: Option<CustomerId>, outcome: Outcome) -> Result<Self, MoneyError> {
        let version = outcome.version;
        let Some(recorded) = outcome.recorded else {
            return Ok(Self {
                customer,
                version,
                position: None,
                recorded_at: None,
                events: Vec::new(),
                charge_lines: Vec::new(),
                warnings: Vec::new(),
                unchanged: true,
            });
        };
        let charge_lines = recorded.charge_lines()?;
        let warnings = ledger_core::customer::warnings(&recorded.events);
        let ids: Vec<_> = (0..recorded.events.len()).map(|at| recorded.event_id(at)).collect();
        Ok(Self {
            customer,
            version,
            position: Some(recorded.position),
            recorded_at: Some(recorded.commit().recorded_at),
            events: ids
                .into_iter()
                .zip(recorded.events)
                .map(|(id, event)| EventEntry { id, event })
                .collect(),
            charge_lines,
            warnings,
            unchanged: false,
        })
    }
}

/// What a command would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Previewed {
    /// Always true.
    pub dry_run: bool,
    /// Whose stream it is; null for the catalogue.
    #[schema(value_type = Option<String>)]
    pub customer: Option<CustomerId>,
    /// The stream's version before the command; send it back in If-Match to get exactly this.
    pub version: u64,
    /// What would happen, in order, with the ids it would get.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<EventEntry>,
    /// What it would cost or save.
    #[schema(value_type = Vec<Object>)]
    pub charge_lines: Vec<ChargeLine>,
    /// What a person might overlook.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Warning>,
    /// The customer afterwards; null for the catalogue.
    #[schema(value_type = Option<Object>)]
    pub state: Option<Customer>,
    /// Whether everything is already as asked.
    pub unchanged: bool,
}

/// A customer as the ledger has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CustomerState {
    /// Who it is.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Version of its stream; also the `ETag`.
    pub version: u64,
    /// Everything it holds; null before its registration.
    #[schema(value_type = Option<Object>)]
    pub state: Option<Customer>,
}

/// Length of a commitment.
#[derive(Clone, Copy, Debug, ToSchema)]
pub enum TermName {
    /// One month.
    P1M,
    /// One year.
    P1Y,
    /// Three years.
    P3Y,
}

/// How often something is charged.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BillingName {
    /// Every month.
    Monthly,
    /// Every year.
    Annual,
    /// Every three years.
    Triennial,
}

/// What happens at the end of a term.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndOfTermName {
    /// A new term begins.
    Renew,
    /// The subscription ends.
    Cancel,
    /// The service goes on by the month, at a premium.
    ExtendedServiceTerm,
    /// Automatic renewal is off, and nothing else was chosen.
    Lapse,
}

/// When the term of a subscription made by an upgrade ends.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndDateName {
    /// With the source's term.
    Coterminous,
    /// After a whole new term that begins today.
    NewTerm,
}

/// Currencies in which offers are sold (ISO 4217).
#[derive(Clone, Copy, Debug, ToSchema)]
pub enum CurrencyName {
    /// Swiss franc.
    CHF,
    /// Renminbi.
    CNY,
    /// Euro.
    EUR,
    /// Pound sterling.
    GBP,
    /// Indian rupee.
    INR,
    /// Yen.
    JPY,
    /// United States dollar.
    USD,
}
