//! `explain`: why a charge line is what it is, or what an event or a command has cost.

use ledger_core::billing::{
    Bill, Caused, CausedLine, Explained, Explanation, Known, Price, PriceSource, Subject,
};
use ledger_core::catalogue::PriceRow;
use ledger_core::ids::{CommandId, CustomerId};
use ledger_core::record::EventEntry;
use serde_json::Value;

use crate::cli::ExplainArgs;
use crate::describe;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::Source;

/// Explains a line, an event or a command.
///
/// # Errors
///
/// [`Failure`] when the source cannot be read or does not have it.
pub async fn explain(
    args: &ExplainArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let (customer, subject) = subject(args)?;
    let source = Source::open(&args.source)?;
    let history = source.history(&customer).await?;
    let (books, catalogues) = (source.books().await?, source.catalogues().await?);
    let (until, _) = source.end().await?;
    let known = Known { history: &history, books: &books, catalogues: &catalogues, until };
    let explanation = ledger_core::billing::explain(known, &customer, &subject);
    let explanation = explanation.map_err(|err| Failure::Damage(format!("{err}; run verify")))?;
    let explanation = explanation.ok_or_else(|| {
        Failure::NotFound(format!(
            "nothing of the id {:?} was charged or recorded for {customer} until {until}: check the id",
            args.id
        ))
    })?;
    if json {
        output.json(&explanation)?;
        return Ok(Exit::Fine);
    }
    let lines = match &explanation {
        Explanation::Line(line) => of_line(line),
        Explanation::Cause(caused) => of_cause(caused),
    };
    for line in lines {
        output.line(line)?;
    }
    Ok(Exit::Fine)
}

fn subject(args: &ExplainArgs) -> Result<(CustomerId, Subject), Failure> {
    match &args.customer {
        Some(customer) => {
            let id = CommandId::try_new(&args.id)
                .map_err(|err| Failure::Usage(format!("this is no command's id: {err}")))?;
            Ok((customer.clone(), Subject::Command(id)))
        }
        None => Subject::read(&args.id).ok_or_else(|| {
            let message = "this is the id of neither a line (acme/3.1/1, acme/s1/2024-02-29) nor an \
                 event (acme/3.1); for a command, add --customer";
            Failure::Usage(message.to_owned())
        }),
    }
}

fn of_line(it: &Explained) -> Vec<String> {
    let (charge, line, cause) = (&it.charge, &it.charge.line, &it.charge.cause);
    let mut text = vec![format!(
        "{}: {} of {} ({}), {} to {}: {}",
        line.id,
        describe::word(&line.charge_type),
        line.subscription,
        charge.offer_title,
        line.period.start,
        line.period.end,
        line.amount
    )];
    text.push(format!("  computed  {}", line.formula));
    text.push(format!(
        "  rounded   from {}: {}",
        it.exact.trunc_with_scale(8).normalize(),
        it.how_rounded
    ));
    if it.is_cycle {
        text.push(format!(
            "  because   a further charge cycle of the term {} to {} began on {}; no event, but this one \
             is the last that changed what is charged:",
            charge.term.start, charge.term.end, charge.charged_on
        ));
    }
    text.push(format!("  event     {}", event(&it.event)));
    text.push(format!("  asked     {} [{}]", asked(&it.asked), cause.command_id));
    text.push(format!(
        "  by        {} ({}): {}",
        cause.actor.id,
        describe::role(cause.actor.role),
        cause.reason
    ));
    text.push(format!(
        "  recorded  {} at position {}, effective {}",
        describe::instant(cause.recorded_at),
        cause.position,
        describe::instant(cause.effective_at)
    ));
    text.push(format!("  rules     {}, catalogue {}", line.rules.programme, line.rules.catalogue));
    text.extend(of_price(&it.price));
    text.extend(it.siblings.iter().map(|line| format!("  with      {}", in_short(line))));
    text.extend(of_bill(&it.bill));
    text
}

fn of_price(it: &Price) -> Vec<String> {
    let mut text = vec![format!(
        "  price     {} a seat and charge cycle, set by {}",
        it.unit_price,
        event(&it.event)
    )];
    let gone = if it.is_found { "" } else { "; it is no longer found there, the event holds it" };
    text.push(match &it.source {
        PriceSource::PriceList { list, row: Some(row) } => {
            format!("            from the price list {list}: {}", of_row(row))
        }
        PriceSource::PriceList { list, row: None } => {
            format!("            from the price list {list}{gone}")
        }
        PriceSource::Catalogue { version } => {
            let version = version.as_deref().unwrap_or("of then");
            format!("            from a plan of the catalogue {version}{gone}")
        }
        PriceSource::OpeningBalance => "            told with the opening balance".to_owned(),
        PriceSource::Correction => "            told by a correction".to_owned(),
        PriceSource::Granted => "            granted by hand".to_owned(),
    });
    if let Some(promotion) = &it.promotion {
        text.push(format!(
            "            {} less {} % by the promotion {}",
            promotion.list_price, promotion.percent, promotion.promotion
        ));
    } else if let (Some(list_price), Some(percent)) = (it.list_price, it.premium_percent) {
        text.push(format!(
            "            {list_price} and {percent} % for the extended service term"
        ));
    }
    text
}

fn of_row(row: &PriceRow) -> String {
    let market = row.market.as_deref().unwrap_or("all markets");
    let segment =
        row.segment.map_or_else(|| "all segments".to_owned(), |segment| describe::word(&segment));
    let from = row.from.map_or_else(|| "always".to_owned(), describe::instant);
    let until = row.until.map_or_else(|| "without end".to_owned(), describe::instant);
    format!(
        "{} {}/{}, {market}, {segment}, {} {}, from {from} until {until}",
        row.offer,
        describe::word(&row.term),
        describe::word(&row.billing),
        row.price,
        row.currency
    )
}

fn of_bill(it: &Bill) -> Vec<String> {
    let state = match (&it.statement, it.closed_at) {
        (Some(number), _) => format!("statement {number}"),
        (None, Some(_)) => "closed".to_owned(),
        (None, None) => "open".to_owned(),
    };
    let correction =
        if it.is_correction { ", a correction: its own period was closed" } else { "" };
    let mut text = vec![format!("  billed    in {} ({state}{correction})", it.period)];
    text.extend(it.problem.iter().map(|problem| format!("            not yet: {problem}")));
    if let Some(billed) = it.billed {
        let rate = it.rate.as_ref().map_or_else(String::new, |rate| {
            format!(" at {} of {} ({})", rate.rate, rate.date, rate.id)
        });
        let tax = match (it.tax, it.tax_percent) {
            (Some(tax), Some(percent)) => format!(", tax {tax} ({percent} %)"),
            (None, Some(percent)) => format!(", tax of {percent} % on the statement's total"),
            (_, None) => String::new(),
        };
        text.push(format!("            {billed}{rate}{tax}"));
    }
    text.extend(it.margin.iter().map(|margin| {
        let (reseller, amount, percent) = (&margin.reseller, margin.amount, margin.percent);
        format!("            {reseller} keeps {amount} ({percent} %)")
    }));
    text
}

fn of_cause(it: &Caused) -> Vec<String> {
    let mut text = vec![format!(
        "{} position {}, {} {} ({}): {}",
        it.customer,
        it.position,
        describe::instant(it.recorded_at),
        it.actor.id,
        describe::role(it.actor.role),
        it.reason
    )];
    text.push(format!("  asked     {} [{}]", asked(&it.asked), it.command_id));
    text.extend(it.events.iter().map(|entry| format!("  event     {}", event(entry))));
    text.extend(it.lines.iter().map(|line| format!("  charged   {}", in_short(line))));
    text.extend(it.totals.iter().map(|total| format!("  in all    {total}")));
    if it.lines.is_empty() {
        text.push("  charged   nothing".to_owned());
    }
    text.extend(it.priced.iter().map(|line| format!("  priced    {}", in_short(line))));
    text
}

fn in_short(line: &CausedLine) -> String {
    let state = line
        .statement
        .as_ref()
        .map_or_else(|| "open".to_owned(), |number| format!("statement {number}"));
    format!(
        "{} {} {}: {} seats, {} to {}: {}, {} ({state})",
        line.id,
        describe::word(&line.charge_type),
        line.subscription,
        line.quantity,
        line.days.start,
        line.days.end,
        line.amount,
        line.period
    )
}

fn event(entry: &EventEntry) -> String {
    format!("{} {} {}", entry.id, entry.event.name(), describe::event(&entry.event))
}

fn asked(asked: &Value) -> String {
    describe::command(asked.to_string().as_bytes())
}
