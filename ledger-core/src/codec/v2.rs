//! Events as their schema 2 stored them, frozen: fields in this order, these types. What came later is
//! filled in as it was then.

mod catalogue;

use chrono::{DateTime, Utc};

pub(super) use self::catalogue::*;
use super::frozen::{ChargeBasis, frozen};
use crate::calendar::{AnchorRule, Period};
use crate::customer::{
    AppliedPromotion, LotUse, QuantityChange, RenewalChange, RuleSet, TermPlan, UpgradeTarget,
};
use crate::ids::{OfferId, PromotionId, ResellerId, SubscriptionId, UserId};

frozen! {
    SubscriptionPurchased {
        subscription: SubscriptionId,
        offer: OfferId,
        offer_title: String,
        services: Vec<String>,
        plan: TermPlan,
        quantity: u32,
        term: Period,
        started_at: DateTime<Utc>,
        cancel_until: Option<DateTime<Utc>>,
        reduce_until: Option<DateTime<Utc>>,
        full_refund_before: Option<DateTime<Utc>>,
        basis: ChargeBasis,
        rules: RuleSet,
        price_list: Option<String>,
        promotion: Option<AppliedPromotion>,
        unused_promotion: Option<PromotionId>,
        attested: bool,
        resellers: Vec<ResellerId>,
        anchor: AnchorRule,
    }
    SubscriptionUpgraded {
        subscription: SubscriptionId,
        offer: OfferId,
        moved: u32,
        quantity: QuantityChange,
        lots: Vec<LotUse>,
        target_offer: OfferId,
        target_title: String,
        target_services: Vec<String>,
        target: UpgradeTarget,
        credit: ChargeBasis,
        charge: ChargeBasis,
        reassigned: Vec<UserId>,
        manual: Vec<UserId>,
        rules: RuleSet,
        lost_services: Vec<String>,
        price_list: Option<String>,
        promotion: Option<AppliedPromotion>,
        anchor: AnchorRule,
    }
    SubscriptionRenewed {
        subscription: SubscriptionId,
        offer: OfferId,
        quantity: QuantityChange,
        term: Period,
        renewed_at: DateTime<Utc>,
        lot: u32,
        cancel_until: Option<DateTime<Utc>>,
        reduce_until: Option<DateTime<Utc>>,
        full_refund_before: Option<DateTime<Utc>>,
        basis: ChargeBasis,
        rules: RuleSet,
        change: Option<RenewalChange>,
        price_list: Option<String>,
        promotion: Option<AppliedPromotion>,
        anchor: AnchorRule,
    }
}
