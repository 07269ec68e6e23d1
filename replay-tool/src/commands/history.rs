//! `history`: what happened to a customer, who did it, when, why, and what it cost.

use chrono::{DateTime, Utc};
use ledger_core::charges::ChargeLine;
use ledger_core::commit::Commit;
use ledger_core::customer::{Event, UpgradeTarget};
use ledger_core::ids::SubscriptionId;
use ledger_core::record::{Entry, Recorded};
use serde_json::{Value, json};

use crate::cli::HistoryArgs;
use crate::describe;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::{Kept, Source};

/// Something of the history, in the order it was recorded.
enum Item {
    Happened(Box<Recorded>),
    Refused(Kept),
}

impl Item {
    fn commit(&self) -> &Commit {
        match self {
            Self::Happened(recorded) => recorded.commit(),
            Self::Refused(kept) => kept.sealed.commit(),
        }
    }
}

/// Tells a customer's history.
///
/// # Errors
///
/// [`Failure`] when the source cannot be read or does not know the customer or the subscription.
pub async fn history(
    args: &HistoryArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let items = items(args).await?;
    if items.is_empty() {
        output.message("nothing was recorded in that range");
    }
    for item in &items {
        match (item, json) {
            (Item::Happened(recorded), true) => output.json(&entry(recorded)?)?,
            (Item::Refused(kept), true) => output.json(&refused_json(kept))?,
            (Item::Happened(recorded), false) => show(recorded, output)?,
            (Item::Refused(kept), false) => show_refused(kept, output)?,
        }
    }
    Ok(Exit::Fine)
}

async fn items(args: &HistoryArgs) -> Result<Vec<Item>, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && to < from
    {
        let (from, to) = (describe::instant(from), describe::instant(to));
        let message = format!("--from {from} is after --to {to}: swap them");
        return Err(Failure::Usage(message));
    }
    let source = Source::open(&args.source)?;
    let history = source.history(&args.customer).await?;
    let mut items: Vec<Item> =
        history.into_iter().map(|recorded| Item::Happened(Box::new(recorded))).collect();
    if args.refused {
        let kept = source.kept(&args.customer).await?;
        items.extend(kept.into_iter().filter(|kept| kept.refusal.is_some()).map(Item::Refused));
        items.sort_by_key(|item| item.commit().recorded_at);
    }
    if let Some(id) = &args.subscription
        && !items.iter().any(|item| is_about(item, id))
    {
        let message = format!("customer {} has no subscription {id}: check the id", args.customer);
        return Err(Failure::NotFound(message));
    }
    items.retain(|item| {
        within(args.from, args.to, item.commit().recorded_at)
            && args.subscription.as_ref().is_none_or(|id| is_about(item, id))
    });
    Ok(items)
}

fn within(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>, at: DateTime<Utc>) -> bool {
    from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to)
}

fn is_about(item: &Item, id: &SubscriptionId) -> bool {
    match item {
        Item::Happened(recorded) => recorded.events.iter().any(|event| names(event, id)),
        Item::Refused(kept) => {
            let asked: Value =
                serde_json::from_slice(&kept.sealed.commit().request).unwrap_or_default();
            mentions(&asked, id.as_str())
        }
    }
}

fn names(event: &Event, id: &SubscriptionId) -> bool {
    if event.subscription() == Some(id) {
        return true;
    }
    let Event::SubscriptionUpgraded(e) = event else { return false };
    match &e.target {
        UpgradeTarget::InPlace => false,
        UpgradeTarget::New(new) => new.subscription == *id,
        UpgradeTarget::Existing(grown) => grown.subscription == *id,
    }
}

/// Whether a field named `subscription` holds `id`, at any depth.
fn mentions(asked: &Value, id: &str) -> bool {
    let Value::Object(fields) = asked else { return false };
    fields.iter().any(|(field, value)| {
        (field == "subscription" && value.as_str() == Some(id)) || mentions(value, id)
    })
}

fn entry(recorded: &Recorded) -> Result<Entry, Failure> {
    Entry::of(recorded).map_err(|err| cannot_charge(recorded, &err))
}

fn charges(recorded: &Recorded) -> Result<Vec<ChargeLine>, Failure> {
    recorded.charge_lines().map_err(|err| cannot_charge(recorded, &err))
}

fn cannot_charge(recorded: &Recorded, err: &dyn std::error::Error) -> Failure {
    let (stream, version) = (&recorded.commit().stream, recorded.commit().version);
    Failure::Damage(format!("{stream} version {version} cannot be charged: {err}; run verify"))
}

fn refused_json(kept: &Kept) -> Value {
    let commit = kept.sealed.commit();
    json!({
        "refused": kept.refusal,
        "recorded_at": commit.recorded_at,
        "actor": commit.actor,
        "reason": commit.reason,
        "command_id": commit.command_id,
        "command": serde_json::from_slice::<Value>(&commit.request).unwrap_or_default(),
    })
}

fn show(recorded: &Recorded, output: &mut Output<'_>) -> Result<(), Failure> {
    let commit = recorded.commit();
    output.line(head(commit, &format!("#{}", commit.version)))?;
    for event in &recorded.events {
        let rules = describe::rules(event).map_or_else(String::new, |rules| format!(", {rules}"));
        output.line(format!("    {} {}{rules}", event.name(), describe::event(event)))?;
    }
    for charge in charges(recorded)? {
        output.line(format!("    charge {}", describe::charge(&charge)))?;
    }
    Ok(())
}

fn show_refused(kept: &Kept, output: &mut Output<'_>) -> Result<(), Failure> {
    let Some(refusal) = &kept.refusal else { return Ok(()) };
    output.line(head(kept.sealed.commit(), "refused"))?;
    output.line(format!("    {} {} ({})", refusal.code, refusal.message, refusal.source))?;
    if let Some(at) = refusal.succeeds_at {
        output.line(format!("    the same command succeeds from {}", describe::instant(at)))?;
    }
    Ok(())
}

/// Who, when, why and what was asked, in two lines.
fn head(commit: &Commit, mark: &str) -> String {
    let at = describe::instant(commit.recorded_at);
    let effective = if commit.effective_at == commit.recorded_at {
        String::new()
    } else {
        format!(" (effective {})", describe::instant(commit.effective_at))
    };
    let (actor, role) = (&commit.actor.id, describe::role(commit.actor.role));
    let (reason, id) = (&commit.reason, &commit.command_id);
    let asked = describe::command(&commit.request);
    format!("{mark} {at}{effective} {actor} ({role}): {reason}\n    asked {asked} [{id}]")
}
