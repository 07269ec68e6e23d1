//! Bodies of commands about bills.

use chrono::NaiveDate;
use ledger_core::calendar::Month;
use ledger_core::customer::{BillingTerms, ExchangeRate, ReconciliationTotal};
use ledger_core::ids::RateId;

use super::bodies;

bodies! {
    /// Sets how bills are made out from a month on.
    BillingTermsBody() -> SetBillingTerms {
        /// Name of these terms; it stands for one content.
        version: String,
        /// The first month they hold for, such as `2024-03`.
        #[schema(value_type = String)]
        from: Month,
        /// `issuer`; `taxes` by market, `margin_percent` and `margins` by reseller, in hundredths;
        /// `currencies` of bills by reseller. docs/BILLING.md describes them.
        #[schema(value_type = Object)]
        terms: BillingTerms,
    }

    /// Imports exchange rates that hold from a day on.
    ExchangeRatesBody() -> ImportExchangeRates {
        /// Name of this set; it stands for one content.
        #[schema(value_type = String, max_length = 64)]
        id: RateId,
        /// The day on which the rates were fixed.
        date: NaiveDate,
        /// The first day of charges they hold for.
        from: NaiveDate,
        /// Each with `from`, `to` and `rate`: units of `to` per unit of `from`.
        #[schema(value_type = Vec<Object>)]
        rates: Vec<ExchangeRate>,
    }

    /// Closes a billing period.
    ClosePeriodBody(period: Month) -> ClosePeriod {}

    /// Records what came of comparing a vendor's invoice file with the ledger.
    ReconciliationBody() -> RecordReconciliation {
        /// The file's name, for people.
        file: String,
        /// SHA-256 of the file, in hexadecimal digits.
        sha256: String,
        /// The period it was compared for.
        #[schema(value_type = String)]
        period: Month,
        /// Position of the last commit that it was compared with.
        through: u64,
        /// What was found, by currency; theirs less ours is the sum of all causes.
        #[schema(value_type = Vec<Object>)]
        totals: Vec<ReconciliationTotal>,
    }
}
