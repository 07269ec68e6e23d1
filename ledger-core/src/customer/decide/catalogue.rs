//! What can be bought: importing versions of the catalogue, prices, and rules.
//!
//! A name stands for one content, because decisions are recorded under it: what was imported already
//! changes nothing, and another content under the same name is refused.

use super::account::text;
use crate::catalogue::{Catalogues, Import, JOINED_BY, Known, of_matrix, of_prices};
use crate::customer::command::{
    Command, ImportCatalogue, ImportOfferMatrix, ImportPriceList, SetPolicy,
};
use crate::customer::event::{
    CatalogueImported, Event, OfferMatrixImported, PolicySet, PriceListImported,
};
use crate::customer::rejection::Rejection;

/// Returns the events that `command` leads to in the catalogue's stream; none when this very content
/// was imported already.
///
/// # Errors
///
/// A [`Rejection`] when the data contradicts itself or the command is for a customer.
pub fn decide_catalogue(known: &Catalogues, command: &Command) -> Result<Vec<Event>, Rejection> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others go to customers")]
    match command {
        Command::ImportCatalogue(c) => import(known, c),
        Command::ImportPriceList(c) => import_prices(known, c),
        Command::ImportOfferMatrix(c) => import_matrix(known, c),
        Command::SetPolicy(c) => set_policy(known, c),
        other => {
            let belongs_to = "a customer";
            Err(Rejection::WrongStream { command: other.name(), belongs_to })
        }
    }
}

/// Adds what an event of the catalogue's stream brought.
#[must_use]
pub fn learn(known: Catalogues, event: &Event) -> Catalogues {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are of customers")]
    match event {
        Event::CatalogueImported(e) => known.with(e.catalogue.clone()),
        Event::PriceListImported(e) => {
            known.with_import(&e.name, Import::PriceList(&e.offers, &e.rows))
        }
        Event::OfferMatrixImported(e) => {
            known.with_import(&e.name, Import::OfferMatrix(e.effective_from, &e.offers))
        }
        Event::PolicySet(e) => {
            known.with_import(&e.version, Import::Policy(e.effective_from, &e.programme, &e.policy))
        }
        _ => known,
    }
}

fn import(known: &Catalogues, c: &ImportCatalogue) -> Result<Vec<Event>, Rejection> {
    let catalogue = &c.catalogue;
    let is_known = known.known(&catalogue.version, Import::Catalogue(catalogue));
    if is_known == Known::Same {
        return Ok(Vec::new());
    }
    let mut problems = catalogue.problems_beside(&|offer| known.knows_offer(offer));
    problems.extend(of_name("version", &catalogue.version, is_known));
    refuse_any(problems)?;

    Ok(vec![Event::CatalogueImported(CatalogueImported { catalogue: catalogue.clone() })])
}

fn import_prices(known: &Catalogues, c: &ImportPriceList) -> Result<Vec<Event>, Rejection> {
    text(&c.name, "name")?;
    sha256(&c.sha256)?;
    let is_known = known.known(&c.name, Import::PriceList(&c.offers, &c.rows));
    if is_known == Known::Same {
        return Ok(Vec::new());
    }
    let mut problems = of_prices(&c.rows);
    problems.extend(of_name("price list", &c.name, is_known));
    let untitled = c.offers.iter().filter(|offer| offer.title.trim().is_empty());
    problems.extend(untitled.map(|offer| format!("offer {}: title is empty", offer.offer)).take(1));
    refuse_any(problems)?;

    let ImportPriceList { name, sha256, offers, rows } = c.clone();
    Ok(vec![Event::PriceListImported(PriceListImported { name, sha256, offers, rows })])
}

fn import_matrix(known: &Catalogues, c: &ImportOfferMatrix) -> Result<Vec<Event>, Rejection> {
    text(&c.name, "name")?;
    sha256(&c.sha256)?;
    let is_known = known.known(&c.name, Import::OfferMatrix(c.effective_from, &c.offers));
    if is_known == Known::Same {
        return Ok(Vec::new());
    }
    let mut problems = of_matrix(&c.offers);
    problems.extend(of_name("offer matrix", &c.name, is_known));
    refuse_any(problems)?;

    let ImportOfferMatrix { name, sha256, effective_from, offers } = c.clone();
    let imported = OfferMatrixImported { name, sha256, effective_from, offers };
    Ok(vec![Event::OfferMatrixImported(imported)])
}

fn set_policy(known: &Catalogues, c: &SetPolicy) -> Result<Vec<Event>, Rejection> {
    text(&c.version, "version")?;
    let policy = Import::Policy(c.effective_from, &c.programme, &c.policy);
    let is_known = known.known(&c.version, policy);
    if is_known == Known::Same {
        return Ok(Vec::new());
    }
    let at = c.effective_from;
    let catalogue = known.in_force(at).ok_or(Rejection::NoCatalogue { at })?;
    let mut problems = catalogue.problems_of_policy(&c.programme, &c.policy);
    problems.extend(of_name("policy", &c.version, is_known));
    refuse_any(problems)?;

    let SetPolicy { version, effective_from, programme, policy } = c.clone();
    Ok(vec![Event::PolicySet(PolicySet { version, effective_from, programme, policy })])
}

fn of_name(what: &str, name: &str, known: Known) -> Vec<String> {
    let mut problems = Vec::new();
    if name.contains(JOINED_BY) {
        problems.push(format!("{what} {name:?} has a {JOINED_BY} in its name, which joins names"));
    }
    if known == Known::Other {
        problems.push(format!(
            "{what} {name:?} was imported before as something else: choose another name"
        ));
    }
    problems
}

fn refuse_any(problems: Vec<String>) -> Result<(), Rejection> {
    if problems.is_empty() { Ok(()) } else { Err(Rejection::CatalogueInvalid { problems }) }
}

fn sha256(text: &str) -> Result<(), Rejection> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Rejection::FieldInvalid { field: "sha256", expected: "64 hexadecimal digits" })
}
