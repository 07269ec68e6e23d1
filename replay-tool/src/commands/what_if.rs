//! `what-if`: a customer's history decided again under another catalogue or other rules.

use ledger_core::catalogue::{Catalogue, Catalogues, Import};
use ledger_core::commit::Commit;
use ledger_core::customer::{Command, SetPolicy};
use ledger_core::what_if::{self, Attempt, Difference, Outcome, Redecided};
use serde_json::{Value, json};

use super::import::{read_data, read_prices};
use crate::cli::{UnderArgs, WhatIfArgs};
use crate::describe;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::Source;

/// Decides a history again and tells what differs.
///
/// # Errors
///
/// [`Failure`] when the source or the file cannot be used.
pub async fn what_if(
    args: &WhatIfArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let source = Source::open(&args.source)?;
    let catalogues = under(&args.under, source.catalogues().await?)?;
    let history = history(args, &source).await?;
    let result = what_if::what_if(&args.customer, &history, &catalogues)
        .map_err(|err| Failure::Damage(format!("a charge cannot be computed: {err}")))?;
    for redecided in &result.commands {
        if json {
            output.json(redecided)?;
        } else {
            show(redecided, output)?;
        }
    }
    if json {
        output.json(&json!({ "charged": result.charged }))?;
        return Ok(Exit::Fine);
    }
    let differ = result.commands.iter().filter(|c| c.outcome != Outcome::Same).count();
    output.line(format!("{} commands, {differ} of them differ", result.commands.len()))?;
    for (currency, charged) in &result.charged {
        let by = charged.now.saturating_sub(charged.was);
        let (was, now) = (charged.was, charged.now);
        output.line(format!("charged {was} -> {now} {currency}, {by} more"))?;
    }
    Ok(Exit::Fine)
}

/// The catalogues that were imported, with those of the files instead.
///
/// # Errors
///
/// [`Failure`] when a file cannot be used.
pub(super) fn under(args: &UnderArgs, mut known: Catalogues) -> Result<Catalogues, Failure> {
    let refused = |problems: Vec<String>| match problems.first() {
        Some(first) => Err(Failure::Damage(format!("it cannot be used: {first}"))),
        None => Ok(()),
    };
    if let Some(file) = &args.catalogue {
        let catalogue: Catalogue = read_data(file)?;
        refused(catalogue.problems_beside(&|offer| known.knows_offer(offer)))?;
        known = known.instead(&catalogue.version, Import::Catalogue(&catalogue));
    }
    if let Some(file) = &args.price_list {
        let list = read_prices(file)?;
        known = known.instead(&list.name, Import::PriceList(&list.offers, &list.rows));
    }
    let Some(file) = &args.policy else { return Ok(known) };
    let SetPolicy { version, effective_from, programme, policy } = read_data(file)?;
    let programme = args.programme.clone().unwrap_or(programme);
    if !known.iter().any(|catalogue| catalogue.programmes.contains_key(&programme)) {
        let message =
            format!("no catalogue has a programme {programme}: name one with --programme");
        return Err(Failure::Usage(message));
    }
    Ok(known.instead(&version, Import::Policy(effective_from, &programme, &policy)))
}

/// What was asked and what came of it, in order.
async fn history(args: &WhatIfArgs, source: &Source) -> Result<Vec<Attempt>, Failure> {
    let mut history = Vec::new();
    for recorded in source.history(&args.customer).await? {
        let commit = recorded.commit();
        let version = Some(commit.version);
        history.push(attempt(commit, version, Ok(recorded.events.clone()))?);
    }
    if args.refused {
        for kept in source.kept(&args.customer).await? {
            if let Some(refusal) = kept.refusal {
                history.push(attempt(kept.sealed.commit(), None, Err(refusal))?);
            }
        }
        history.sort_by_key(|attempt| attempt.at);
    }
    Ok(history)
}

fn attempt(
    commit: &Commit,
    version: Option<u64>,
    result: Result<Vec<ledger_core::customer::Event>, ledger_core::record::Refusal>,
) -> Result<Attempt, Failure> {
    let command: Command = serde_json::from_slice(&commit.request).map_err(|err| {
        let (stream, version) = (&commit.stream, commit.version);
        Failure::Damage(format!("the command of {stream} version {version} is unknown: {err}"))
    })?;
    Ok(Attempt { version, at: commit.recorded_at, actor: commit.actor.clone(), command, result })
}

fn show(redecided: &Redecided, output: &mut Output<'_>) -> Result<(), Failure> {
    let Redecided { version, at, command, outcome } = redecided;
    let mark = match (version, outcome) {
        (Some(version), _) => format!("#{version}"),
        (None, Outcome::NowDue { .. }) => "new".to_owned(),
        (None, _) => "refused".to_owned(),
    };
    let what = match outcome {
        Outcome::Same => "same".to_owned(),
        Outcome::Other { .. } => "differs".to_owned(),
        Outcome::NowRefused { code, message } => format!("now refused, {code}: {message}"),
        Outcome::NowAccepted { code, events } => {
            format!("now accepted, was {code}: {}", events.join(", "))
        }
        Outcome::OtherRefusal { was, now } => format!("now refused with {now}, was {was}"),
        Outcome::NowDue { events } => format!("now due: {}", events.join(", ")),
    };
    output.line(format!("{mark} {} {command}: {what}", describe::instant(*at)))?;
    if let Outcome::Other { differences } = outcome {
        for Difference { fact, was, now } in differences {
            output.line(format!("    {fact}: {} -> {}", word(was.as_ref()), word(now.as_ref())))?;
        }
    }
    Ok(())
}

fn word(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), describe::word)
}
