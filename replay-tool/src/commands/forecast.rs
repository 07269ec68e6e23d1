//! `forecast`: what will be charged if nobody changes anything, and what that rests on.

use std::collections::BTreeMap;

use chrono::{DateTime, Months, Utc};
use ledger_core::billing::{
    Assumption, BillError, Forecast, ForecastLine, Meter, Meters, MonthSum, Outlook, Renewal,
    forecast as of_customer,
};
use ledger_core::calendar::{Month, midnight};
use ledger_core::ids::CustomerId;
use ledger_core::money::Currency;
use serde_json::json;

use super::what_if::under;
use crate::cli::ForecastArgs;
use crate::describe;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::{Source, unbilled};

/// Sums by month and currency.
type Sums = BTreeMap<Month, BTreeMap<Currency, MonthSum>>;

/// Tells what will be charged.
///
/// # Errors
///
/// [`Failure`] when the source or a file cannot be used.
pub async fn forecast(
    args: &ForecastArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let source = Source::open(&args.source)?;
    let catalogues = under(&args.under, source.catalogues().await?)?;
    let books = source.books().await?;
    let past = Past::read(&source, args.customer.as_ref()).await?;
    let (today, _) = source.end().await?;
    let now = args.from.unwrap_or_else(|| midnight(today)).max(past.last);
    let until = now
        .date_naive()
        .checked_add_months(Months::new(args.months))
        .ok_or_else(|| Failure::Usage("--months goes beyond the calendar".to_owned()))?;
    let position = past.position;
    let outlook = Outlook { catalogues: &catalogues, books: &books, now, until, position };

    let mut sums = Sums::new();
    let mut meters = past.meters;
    while let Some(meter) = meters.take_next() {
        let forecast = of_customer(meter, &outlook).map_err(unbilled)?;
        add(&mut sums, &forecast).map_err(unbilled)?;
        print(&forecast, args.summary, json, output)?;
    }
    print_sums(&sums, json, output)?;
    Ok(Exit::Fine)
}

/// What has happened, read once.
struct Past {
    meters: Meters,
    last: DateTime<Utc>,
    position: u64,
}

impl Past {
    async fn read(source: &Source, customer: Option<&CustomerId>) -> Result<Self, Failure> {
        let uncharged =
            |err: ledger_core::money::MoneyError| Failure::Damage(format!("a charge: {err}"));
        if let Some(customer) = customer {
            let mut meter = Meter::new(customer.clone());
            let (mut last, mut position) = (DateTime::<Utc>::MIN_UTC, 0);
            for recorded in source.history(customer).await? {
                (last, position) = (recorded.commit().recorded_at, recorded.position);
                meter.add(&recorded).map_err(uncharged)?;
            }
            return Ok(Self { meters: Meters::from(meter), last, position });
        }
        let mut meters = Meters::default();
        let (mut last, mut position) = (DateTime::<Utc>::MIN_UTC, 0);
        source
            .each_recorded(&mut |recorded| {
                (last, position) = (recorded.commit().recorded_at, recorded.position);
                meters.add(&recorded).map(drop).map_err(uncharged)
            })
            .await?;
        Ok(Self { meters, last, position })
    }
}

fn add(sums: &mut Sums, forecast: &Forecast) -> Result<(), BillError> {
    for (month, of_month) in forecast.months()? {
        for (currency, sum) in of_month {
            sums.entry(month).or_default().entry(currency).or_default().try_add(sum)?;
        }
    }
    Ok(())
}

fn print(
    forecast: &Forecast,
    is_summary: bool,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let lines = forecast.lines.iter().filter(|_| !is_summary);
    for line in lines {
        if json {
            output.json(&json!({ "charge": line }))?;
        } else {
            output.line(charge(line))?;
        }
    }
    for renewal in &forecast.renewals {
        if json {
            output.json(&json!({ "renewal": renewal }))?;
        } else {
            output.line(renews(renewal))?;
        }
    }
    for refused in &forecast.refused {
        if json {
            output.json(&json!({ "refused": refused }))?;
        } else {
            let subscription = refused.subscription.as_ref().map(|id| format!("/{id}"));
            output.line(format!(
                "{} {}{} {} will be refused, {}: {}",
                describe::instant(refused.at),
                refused.customer,
                subscription.unwrap_or_default(),
                refused.command,
                refused.code,
                refused.message
            ))?;
        }
    }
    Ok(())
}

fn charge(ForecastLine { line, assumptions }: &ForecastLine) -> String {
    format!(
        "{} {}/{} {} {}  ({})",
        line.charge.charged_on,
        line.charge.customer,
        line.charge.line.subscription,
        describe::word(&line.charge.line.charge_type),
        line.billed,
        words(assumptions)
    )
}

fn renews(renewal: &Renewal) -> String {
    let before = renewal.price_before.map_or_else(|| "free".to_owned(), |price| price.to_string());
    format!(
        "{} {}/{} begins a term until {}: {} -> {} seats of {}, {before} -> {} a seat",
        renewal.term.start,
        renewal.customer,
        renewal.subscription,
        renewal.term.end,
        renewal.quantity.from,
        renewal.quantity.to,
        renewal.offer,
        renewal.price
    )
}

fn print_sums(sums: &Sums, json: bool, output: &mut Output<'_>) -> Result<(), Failure> {
    for (month, of_month) in sums {
        for (currency, sum) in of_month {
            if json {
                output.json(&json!({ "month": month, "currency": currency, "sum": sum }))?;
            } else {
                let assumptions: Vec<Assumption> = sum.assumptions.iter().cloned().collect();
                output.line(format!(
                    "{month}: {} {currency} in {} line(s), before tax  ({})",
                    sum.net,
                    sum.lines,
                    words(&assumptions)
                ))?;
            }
        }
    }
    Ok(())
}

fn words(assumptions: &[Assumption]) -> String {
    assumptions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
