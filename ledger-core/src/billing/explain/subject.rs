//! What is asked, and what is answered: the fields of explanations.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

use crate::billing::bill::AppliedRate;
use crate::billing::books::Books;
use crate::billing::meter::Charge;
use crate::calendar::{Month, Period};
use crate::catalogue::{Catalogues, PriceRow};
use crate::charges::ChargeType;
use crate::customer::AppliedPromotion;
use crate::ids::{Actor, CommandId, CustomerId, Reason, ResellerId, SubscriptionId};
use crate::money::Money;
use crate::record::{EventEntry, Recorded};

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A charge line.
    Line(String),
    /// An event.
    Event(String),
    /// A command.
    Command(CommandId),
}

impl Subject {
    /// Reads the id of a line (`acme/3.1/1`, or `acme/s1/2024-02-29` of a charge cycle) or of an event
    /// (`acme/3.1`) of a customer; `None` when it is neither.
    #[must_use]
    pub fn read(id: &str) -> Option<(CustomerId, Self)> {
        let parts: Vec<&str> = id.splitn(4, '/').collect();
        let (customer, is_line) = match *parts.as_slice() {
            [customer, event] if is_event(event) => (customer, false),
            [customer, event, line] if is_event(event) && is_number(line) => (customer, true),
            [customer, subscription, day]
                if SubscriptionId::try_new(subscription).is_ok() && is_day(day) =>
            {
                (customer, true)
            }
            _ => return None,
        };
        let customer = CustomerId::try_new(customer).ok()?;
        let id = id.to_owned();
        Some((customer, if is_line { Self::Line(id) } else { Self::Event(id) }))
    }
}

fn is_event(text: &str) -> bool {
    text.split_once('.').is_some_and(|(version, number)| is_number(version) && is_number(number))
}

fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| 0 < number && number.to_string() == text)
}

fn is_day(text: &str) -> bool {
    text.parse::<NaiveDate>().is_ok_and(|day| day.to_string() == text)
}

/// What is known when something is explained.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// All commits of the customer.
    pub history: &'a [Recorded],
    /// What was recorded about bills.
    pub books: &'a Books,
    /// What was imported into the catalogue.
    pub catalogues: &'a Catalogues,
    /// The last day whose charge cycles are charged.
    pub until: NaiveDate,
}

/// An explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "explains", rename_all = "kebab-case")]
pub enum Explanation {
    /// Of a line.
    Line(Box<Explained>),
    /// Of an event or a command.
    Cause(Box<Caused>),
}

impl Explanation {
    /// The same for somebody who may know what this reseller keeps, and of no other.
    #[must_use]
    pub fn with_margins_of(self, reseller: Option<&ResellerId>) -> Self {
        match self {
            Self::Line(mut line) => {
                line.bill.margin =
                    line.bill.margin.take().filter(|margin| reseller == Some(&margin.reseller));
                Self::Line(line)
            }
            Self::Cause(cause) => Self::Cause(cause),
        }
    }
}

/// A line, explained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// The line and the commit that caused it.
    #[serde(flatten)]
    pub charge: Charge,
    /// Whether it is a further charge cycle: time caused it, and `event` is the last one that changed what
    /// is charged.
    pub is_cycle: bool,
    /// The amount before it was rounded.
    pub exact: Decimal,
    /// How its rounding policy rounds.
    pub how_rounded: &'static str,
    /// The event that caused it.
    pub event: EventEntry,
    /// The command as it was issued.
    pub asked: Value,
    /// Where its price came from.
    pub price: Price,
    /// The other lines with the same reference id.
    pub siblings: Vec<CausedLine>,
    /// How it is billed.
    pub bill: Bill,
}

/// Where a price came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    /// The price of one seat for a whole charge cycle.
    pub unit_price: Money,
    /// The event that set it.
    pub event: EventEntry,
    /// When that was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Position of its commit in the log.
    pub position: u64,
    /// Where from.
    #[serde(flatten)]
    pub source: PriceSource,
    /// The price before a promotion or a premium changed it.
    pub list_price: Option<Money>,
    /// The promotion.
    pub promotion: Option<AppliedPromotion>,
    /// The premium of an extended service term, in hundredths.
    pub premium_percent: Option<Decimal>,
    /// Whether what it came from can be looked up now; if not, the event holds the price all the same.
    pub is_found: bool,
}

/// Where a price came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum PriceSource {
    /// A price list.
    PriceList {
        /// Its name.
        list: String,
        /// The row, if it can be found.
        row: Option<PriceRow>,
    },
    /// A plan of the catalogue.
    Catalogue {
        /// The version that was in force.
        version: Option<String>,
    },
    /// It was told with an opening balance.
    OpeningBalance,
    /// A correction told it.
    Correction,
    /// It is what was granted.
    Granted,
}

/// How a line is billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// The period.
    pub period: Month,
    /// Whether its own period was closed already.
    pub is_correction: bool,
    /// When the period was closed; `None`: it is open.
    pub closed_at: Option<DateTime<Utc>>,
    /// Number of the customer's statement; `None`: the period is open.
    pub statement: Option<String>,
    /// The amount in the currency of the bill; `None`: it cannot be billed yet.
    pub billed: Option<Money>,
    /// Why it cannot be billed.
    pub problem: Option<String>,
    /// The exchange rate; `None`: none was needed.
    pub rate: Option<AppliedRate>,
    /// Tax, in hundredths.
    pub tax_percent: Option<Decimal>,
    /// Tax of this line alone; `None`: tax is rounded once, on the statement's total.
    pub tax: Option<Money>,
    /// What the reseller keeps; not for the customer.
    pub margin: Option<Margin>,
}

/// What the reseller keeps of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Margin {
    /// The reseller.
    pub reseller: ResellerId,
    /// In hundredths.
    pub percent: Decimal,
    /// How much.
    pub amount: Money,
    /// Number of the reseller's statement.
    pub statement: Option<String>,
}

/// An event or a command, and everything it has cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Caused {
    /// Whose.
    pub customer: CustomerId,
    /// Position of the commit in the log.
    pub position: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Id of the command.
    pub command_id: CommandId,
    /// Who issued it.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The command as it was issued.
    pub asked: Value,
    /// The event, or all of the command's.
    pub events: Vec<EventEntry>,
    /// The lines that they caused, and the further charge cycles that rest on them.
    pub lines: Vec<CausedLine>,
    /// What these come to, by currency.
    pub totals: Vec<Money>,
    /// Other lines whose price was set here.
    pub priced: Vec<CausedLine>,
}

/// A line in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CausedLine {
    /// Its id.
    pub id: String,
    /// Why.
    pub charge_type: ChargeType,
    /// For which subscription.
    pub subscription: SubscriptionId,
    /// Seats; negative for a credit.
    pub quantity: i64,
    /// Days charged or credited, both included.
    pub days: Period,
    /// The amount.
    pub amount: Money,
    /// The period that it is billed in.
    pub period: Month,
    /// Number of the customer's statement; `None`: the period is open.
    pub statement: Option<String>,
}
