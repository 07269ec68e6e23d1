//! `statement`: a bill with its lines, drawn again from the log and compared with what was recorded.

use ledger_core::billing::{
    Books, Closed, Draw, Statement, StatementError, StatementLine, statement_number,
};
use ledger_core::calendar::Month;
use ledger_core::customer::{Party, StatementDrawn};
use ledger_core::ids::CustomerId;

use crate::cli::StatementArgs;
use crate::describe;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::Source;

/// Shows a statement, or what it would be.
///
/// # Errors
///
/// [`Failure::Damage`] when it is not what was recorded; [`Failure`] when the source cannot be read or does
/// not have it.
pub async fn statement(
    args: &StatementArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let source = Source::open(&args.source)?;
    let books = source.books().await?;
    let statements = match (args.number, &args.customer, &args.reseller, args.period) {
        (Some(number), _, _, _) => {
            let (closed, drawn) = numbered(&books, number)?;
            vec![again(&source, &books, closed, drawn).await?]
        }
        (None, Some(customer), _, Some(period)) => {
            of_customer(&source, &books, customer, period).await?
        }
        (None, None, Some(reseller), Some(period)) => {
            of_party(&source, &books, &Party::Reseller(reseller.clone()), period).await?
        }
        (None, _, _, _) => {
            let message = "name a statement's number, or a customer or reseller and --period";
            return Err(Failure::Usage(message.to_owned()));
        }
    };
    if statements.is_empty() {
        return Err(Failure::NotFound("nothing is billed to it in that period".to_owned()));
    }
    for statement in &statements {
        if json {
            output.json(statement)?;
        } else {
            show(statement, output)?;
        }
    }
    Ok(Exit::Fine)
}

fn numbered(books: &Books, number: u64) -> Result<(&Closed, &StatementDrawn), Failure> {
    books.statement(number).ok_or_else(|| {
        let number = statement_number(number);
        Failure::NotFound(format!(
            "there is no statement {number}: check the number and the source"
        ))
    })
}

async fn of_customer(
    source: &Source,
    books: &Books,
    customer: &CustomerId,
    period: Month,
) -> Result<Vec<Statement>, Failure> {
    if books.closed_period(period).is_some() {
        return of_party(source, books, &Party::Customer(customer.clone()), period).await;
    }
    let history = source.history(customer).await?;
    Statement::preview(books, period, customer, &history).map_err(|err| wrong(&err))
}

async fn of_party(
    source: &Source,
    books: &Books,
    party: &Party,
    period: Month,
) -> Result<Vec<Statement>, Failure> {
    let closed = books.closed_period(period).ok_or_else(|| {
        Failure::NotFound(format!(
            "{period} is open: the {party} gets a statement when it is closed"
        ))
    })?;
    let mut statements = Vec::new();
    for drawn in closed.what.statements.iter().filter(|drawn| drawn.party == *party) {
        statements.push(again(source, books, closed, drawn).await?);
    }
    Ok(statements)
}

/// Draws a statement of a closed period again.
async fn again(
    source: &Source,
    books: &Books,
    closed: &Closed,
    drawn: &StatementDrawn,
) -> Result<Statement, Failure> {
    let statement = match &drawn.party {
        Party::Customer(customer) => {
            let history = source.history(customer).await?;
            Statement::of_customer(books, closed, drawn, customer, &history)
        }
        Party::Reseller(_) => {
            let through = closed.what.through;
            let mut draw = Draw::new(books, closed.what.period).keeping(drawn.party.clone());
            source
                .each_recorded(&mut |recorded| {
                    if recorded.position <= through {
                        draw.add(&recorded).map_err(|err| wrong(&err.into()))?;
                    }
                    Ok(())
                })
                .await?;
            let drawn_again = draw.finish().map_err(|err| wrong(&err.into()))?;
            Statement::of_reseller(books, closed, drawn, &drawn_again)
        }
    };
    statement.map_err(|err| wrong(&err))
}

fn wrong(err: &StatementError) -> Failure {
    match err {
        StatementError::Bill(ledger_core::billing::BillError::RateMissing { .. }) => {
            Failure::Source(err.to_string())
        }
        StatementError::Bill(_) | StatementError::Differs(_) => {
            Failure::Damage(format!("{err}; run verify"))
        }
    }
}

fn show(it: &Statement, output: &mut Output<'_>) -> Result<(), Failure> {
    let what = it.number.as_ref().map_or_else(
        || "Preview of a statement".to_owned(),
        |number| format!("Statement {number}"),
    );
    let name = it.name.as_ref().map_or_else(String::new, |name| format!(", {name}"));
    output.line(format!("{what} for {}, {}{name}", it.period, it.party))?;
    let issuer = it.issuer.as_deref().unwrap_or("nobody yet: no billing terms hold");
    let terms = it.terms.as_ref().map_or_else(String::new, |terms| format!(", terms {terms}"));
    output.line(format!("issued by {issuer}{terms}"))?;
    output.line("")?;
    let rows: Vec<_> = it.lines.iter().map(row).collect();
    let id = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
    let about = rows.iter().map(|row| row.1.chars().count()).max().unwrap_or(0);
    for (line_id, said, amount) in rows {
        output.line(format!("{line_id:id$}  {said:about$}  {amount:>12}"))?;
    }
    let totals = it.totals;
    let width = id.saturating_add(about).saturating_add(2);
    let mut sum =
        |label: String, amount: String| output.line(format!("{label:>width$}  {amount:>12}"));
    sum("net".to_owned(), totals.net.to_string())?;
    if matches!(it.party, Party::Reseller(_)) {
        sum("kept by the reseller".to_owned(), format!("-{}", totals.margin))?;
    }
    for tax in &it.taxes {
        let by_line = if tax.is_by_line { ", rounded by line" } else { "" };
        sum(format!("tax {} % of {}{by_line}", tax.percent, tax.base), tax.amount.to_string())?;
    }
    sum(format!("total in {}", totals.currency), totals.total.to_string())?;
    output.line("")?;
    let proof = &it.verification;
    output.line(format!("SHA-256 of the lines {}", proof.sha256))?;
    if let (Some(position), Some(root)) = (proof.position, &proof.root) {
        output.line(format!("drawn from positions 1 to {position}, root {root}; as recorded"))?;
    }
    Ok(())
}

/// Id, what it is, and the amount.
fn row(line: &StatementLine) -> (String, String, String) {
    let correction = if line.is_correction { ", correction" } else { "" };
    let rate = line.rate.as_ref().map_or_else(String::new, |rate| {
        format!(", {} at {} ({})", line.amount, rate.rate, rate.id)
    });
    let said = format!(
        "{} {} {}, {} to {}{correction}{rate}",
        line.quantity,
        line.offer_title,
        describe::word(&line.charge_type),
        line.days.start,
        line.days.end
    );
    (line.id.clone(), said, line.billed.to_string())
}
