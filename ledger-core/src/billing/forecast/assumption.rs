//! What a forecast rests on.

use std::fmt;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::customer::Event;
use crate::ids::{PromotionId, RateId};

/// What a forecast charge rests on, besides that nobody changes anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "assumption", rename_all = "kebab-case")]
pub enum Assumption {
    /// The quantity stays.
    QuantityStays {
        /// Seats.
        quantity: u32,
    },
    /// The price is locked for the term.
    PriceLocked {
        /// Last day of the term.
        until: NaiveDate,
    },
    /// The term is followed by another, as its end-of-term action says.
    Renews,
    /// The next term is as planned.
    AsPlanned {
        /// Its seats.
        quantity: u32,
    },
    /// The price is the one that is known today for that day.
    PriceAsListed {
        /// Version of the catalogue.
        catalogue: String,
        /// The price list; `None`: a plan of the catalogue.
        price_list: Option<String>,
    },
    /// A promotion lowers the price.
    Promoted {
        /// The promotion.
        promotion: PromotionId,
    },
    /// The trial becomes a paid subscription by itself.
    TrialConverts,
    /// The service goes on by the month, at a premium.
    ServiceExtended {
        /// The premium, in hundredths.
        premium_percent: Decimal,
    },
    /// Another rhythm of charging begins, as chosen.
    BillingAsChosen,
    /// The exchange rate stays.
    RateStays {
        /// The set it is from.
        id: RateId,
    },
    /// The billing terms stay.
    TermsStay {
        /// Their name.
        version: String,
    },
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QuantityStays { quantity } => write!(f, "{quantity} seats, as now"),
            Self::PriceLocked { until } => write!(f, "price locked until {until}"),
            Self::Renews => f.write_str("renews by itself"),
            Self::AsPlanned { quantity } => write!(f, "{quantity} seats, as planned"),
            Self::PriceAsListed { catalogue, price_list: None } => {
                write!(f, "price of catalogue {catalogue}")
            }
            Self::PriceAsListed { price_list: Some(list), .. } => {
                write!(f, "price of list {list}")
            }
            Self::Promoted { promotion } => write!(f, "promotion {promotion}"),
            Self::TrialConverts => f.write_str("the trial becomes paid by itself"),
            Self::ServiceExtended { premium_percent } => {
                write!(f, "extended by the month, {} % premium", premium_percent.normalize())
            }
            Self::BillingAsChosen => f.write_str("charged in the rhythm that was chosen"),
            Self::RateStays { id } => write!(f, "exchange rate of {id}"),
            Self::TermsStay { version } => write!(f, "billing terms {version}"),
        }
    }
}

/// What the charges of an event rest on that time brings about.
pub(super) fn assumed(event: &Event, planned: Option<u32>) -> Vec<Assumption> {
    let listed = |catalogue: &str, price_list: &Option<String>| Assumption::PriceAsListed {
        catalogue: catalogue.to_owned(),
        price_list: price_list.clone(),
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others charge nothing by themselves")]
    match event {
        Event::SubscriptionRenewed(e) => {
            let quantity = match planned {
                Some(quantity) if quantity == e.quantity.to => Assumption::AsPlanned { quantity },
                Some(_) | None => Assumption::QuantityStays { quantity: e.quantity.to },
            };
            let mut all = vec![Assumption::Renews, quantity];
            all.push(listed(&e.rules.catalogue, &e.price_list));
            let promotion = e.promotion.as_ref().map(|applied| applied.promotion.clone());
            all.extend(promotion.map(|promotion| Assumption::Promoted { promotion }));
            all
        }
        Event::ExtendedServiceTermStarted(e) => vec![
            Assumption::ServiceExtended { premium_percent: e.premium_percent },
            Assumption::QuantityStays { quantity: e.quantity },
            listed(&e.rules.catalogue, &e.price_list),
        ],
        Event::TrialConverted(e) => vec![
            Assumption::TrialConverts,
            Assumption::QuantityStays { quantity: e.quantity.to },
            listed(&e.rules.catalogue, &e.price_list),
        ],
        Event::BillingFrequencyChanged(e) => vec![
            Assumption::BillingAsChosen,
            Assumption::QuantityStays { quantity: e.quantity },
            listed(&e.rules.catalogue, &e.price_list),
        ],
        _ => Vec::new(),
    }
}
