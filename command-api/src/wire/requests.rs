//! Bodies about what customers ask their reseller for.

use ledger_core::ids::{OfferId, QuantityRequestId, SubscriptionId};

use super::bodies;

bodies! {
    /// Asks the reseller for more or fewer seats of an offer.
    RequestBody() -> RequestQuantity new request: QuantityRequestId = "req" {
        /// Offer whose seats are asked for.
        #[schema(value_type = String)]
        offer: OfferId,
        /// Seats to be added, or given back when negative.
        seats: i64,
    }

    /// Answers a request by changing a subscription by what was asked.
    FulfilBody(request: QuantityRequestId) -> FulfilRequest {
        /// Subscription of the offer that grows or shrinks.
        #[schema(value_type = String)]
        subscription: SubscriptionId,
    }

    /// Answers a request with no.
    DeclineBody(request: QuantityRequestId) -> DeclineRequest {}
}
