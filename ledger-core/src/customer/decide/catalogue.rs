//! What can be bought: importing versions of the catalogue, prices, and rules.

use super::Rejection;
use crate::catalogue::Catalogues;
use crate::customer::command::{
    Command, ImportCatalogue, ImportOfferMatrix, ImportPriceList, SetPolicy,
};
use crate::customer::event::{CatalogueImported, Event};

/// Returns the events that `command` leads to in the catalogue's stream; none when this very version
/// was imported already. A version's name stands for one content, because decisions are recorded
/// under it.
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

fn import(known: &Catalogues, c: &ImportCatalogue) -> Result<Vec<Event>, Rejection> {
    let namesake = known.iter().find(|known| known.version == c.catalogue.version);
    if namesake == Some(&c.catalogue) {
        return Ok(Vec::new());
    }
    let mut problems = c.catalogue.problems();
    if namesake.is_some() {
        let version = &c.catalogue.version;
        problems.push(format!("version {version:?} was imported before with another content"));
    }
    if !problems.is_empty() {
        return Err(Rejection::CatalogueInvalid { problems });
    }

    let catalogue = c.catalogue.clone();
    Ok(vec![Event::CatalogueImported(CatalogueImported { catalogue })])
}

fn import_prices(known: &Catalogues, c: &ImportPriceList) -> Result<Vec<Event>, Rejection> {
    todo!("{known:?} {c:?}")
}

fn import_matrix(known: &Catalogues, c: &ImportOfferMatrix) -> Result<Vec<Event>, Rejection> {
    todo!("{known:?} {c:?}")
}

fn set_policy(known: &Catalogues, c: &SetPolicy) -> Result<Vec<Event>, Rejection> {
    todo!("{known:?} {c:?}")
}
