//! What frozen events share: parts of them as they were stored, and how an event is frozen that differs in
//! such parts alone.

use serde::Deserialize;

use crate::calendar::Period;
use crate::customer as now;
use crate::money::{Money, RoundingPolicy};

/// Before charge cycles could be charged by months.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct ChargeBasis {
    unit_price: Money,
    pub(super) cycle: Period,
    billable: Period,
    rounding: RoundingPolicy,
}

impl From<ChargeBasis> for now::ChargeBasis {
    fn from(old: ChargeBasis) -> Self {
        let ChargeBasis { unit_price, cycle, billable, rounding } = old;
        Self { unit_price, cycle, billable, rounding, by_months: None }
    }
}

/// Freezes events: their fields in this order, these types `=>` what came later.
macro_rules! frozen {
    ($(
        $name:ident { $($field:ident: $Type:ty,)* }
        $(=> { $($later:ident: $value:expr,)* })?
    )*) => {$(
        #[derive(serde::Deserialize)]
        pub(in crate::codec) struct $name { $($field: $Type,)* }

        impl From<$name> for crate::customer::$name {
            fn from(old: $name) -> Self {
                Self { $($field: old.$field.into(),)* $($($later: $value,)*)? }
            }
        }
    )*};
}
pub(super) use frozen;
