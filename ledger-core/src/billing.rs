//! Money over time: every charge of a customer, the bills that they make, and what is billed in a
//! period. Pure: commits in, charges and totals out.

mod bill;
mod books;
mod draw;
mod explain;
mod forecast;
mod meter;
mod open;
mod redraw;
mod statement;
mod sums;
pub mod vectors;

pub use self::bill::{AppliedRate, BillError, BilledLine};
pub use self::books::{Books, Closed, decide_billing, learn_billing};
pub use self::draw::{Draw, Drawn};
pub use self::explain::{
    Bill, Caused, CausedLine, Explained, Explanation, Known, Margin, Price, PriceSource, Subject,
    explain,
};
pub use self::forecast::{
    Assumption, Forecast, ForecastLine, MonthSum, Outlook, RefusedDue, Renewal, forecast,
};
pub use self::meter::{Cause, Charge, Meter, Meters};
pub use self::open::{OpenPeriod, OpenPeriods};
pub use self::redraw::{Redraw, Redrawn};
pub use self::statement::{
    Statement, StatementError, StatementLine, StatementSummary, Verification, statement_number,
};
pub use self::sums::{PeriodTotals, TaxTotal, sum_up};
