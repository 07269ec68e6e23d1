//! Money over time: every charge of a customer, the bills that they make, and what is billed in a
//! period. Pure: commits in, charges and totals out.

mod bill;
mod books;
mod draw;
mod forecast;
mod meter;

pub use self::bill::{AppliedRate, BillError, BilledLine};
pub use self::books::{Books, Closed, decide_billing, learn_billing};
pub use self::draw::{Draw, Drawn};
pub use self::forecast::{
    Assumption, Forecast, ForecastLine, MonthSum, Outlook, RefusedDue, Renewal, forecast,
};
pub use self::meter::{Cause, Charge, Meter, Meters};
