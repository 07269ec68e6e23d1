//! Body of an upgrade.

use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{
    Command, EndDate, ExistingTarget, NewTarget, Transfer, Upgrade, UpgradeInto,
};
use ledger_core::ids::{CommandId, OfferId, PromotionId, Reason, SubscriptionId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::names::{BillingName, EndDateName, TermName, TransferName};
use super::{Asks, named_after};

/// Moves seats to a higher offer; cannot be undone.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// Seats that move; all of them when left out.
    pub quantity: Option<u32>,
    /// Offer they move to.
    #[schema(value_type = String)]
    pub target_offer: OfferId,
    /// Where they go.
    pub into: UpgradeIntoBody,
    /// Whether licences move along; where they can when left out.
    #[serde(default)]
    #[schema(value_type = Option<TransferName>)]
    pub transfer: Transfer,
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
    #[schema(value_type = Option<String>, max_length = 64)]
    pub subscription: Option<SubscriptionId>,
    /// When its term ends.
    #[schema(value_type = EndDateName)]
    pub end_date: EndDate,
    /// Length of its commitment; the source's when left out.
    #[schema(value_type = Option<TermName>)]
    pub term: Option<TermDuration>,
    /// How often it is charged; as the source when left out.
    #[schema(value_type = Option<BillingName>)]
    pub billing: Option<BillingCycle>,
    /// Promotion to buy the target under.
    #[schema(value_type = Option<String>)]
    pub promotion: Option<PromotionId>,
}

/// A subscription the customer has, into which upgraded seats go.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExistingTargetBody {
    /// Its id.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
}

impl Asks for UpgradeBody {
    type Of = (SubscriptionId,);

    fn into_parts(self, (subscription,): Self::Of, key: &CommandId) -> (Reason, Command) {
        let Self { reason, quantity, target_offer, into, transfer } = self;
        let into = match into {
            UpgradeIntoBody::New(target) => UpgradeInto::New(NewTarget {
                subscription: target.subscription.unwrap_or_else(|| {
                    SubscriptionId::try_new(named_after("sub", key))
                        .expect("letters and hexadecimal digits make an id")
                }),
                end_date: target.end_date,
                term: target.term,
                billing: target.billing,
                promotion: target.promotion,
            }),
            UpgradeIntoBody::Existing(target) => {
                UpgradeInto::Existing(ExistingTarget { subscription: target.subscription })
            }
        };
        let command = Upgrade { subscription, quantity, target_offer, into, transfer };
        (reason, Command::Upgrade(command))
    }
}
