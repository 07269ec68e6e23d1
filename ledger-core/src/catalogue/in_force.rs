//! What is in force when: everything ever imported, composed for an instant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Catalogue, ListedOffer, MatrixOffer, Offer, PriceBook, PriceRow, ProductKind, Programme,
};
use crate::ids::{OfferId, ProgrammeId};

/// Joins the names of what is in force together; no name contains it.
pub(crate) const JOINED_BY: char = '+';

/// Everything ever imported, in the order of import. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Catalogues {
    imports: Arc<Imports>,
}

#[derive(Clone, Debug, Default)]
struct Imports {
    versions: Vec<Arc<Catalogue>>,
    lists: Vec<Dated<()>>,
    listed: BTreeMap<OfferId, ListedOffer>,
    prices: Arc<PriceBook>,
    matrices: Vec<Dated<Arc<[MatrixOffer]>>>,
    policies: Vec<Dated<(ProgrammeId, Arc<Programme>)>>,
    /// What each name stands for.
    contents: BTreeMap<String, Content>,
    /// From when on what is in force, in order of time; composed when it is first asked for.
    timeline: Vec<(DateTime<Utc>, OnceLock<Arc<Catalogue>>)>,
}

/// Something with a name that holds from an instant on; `None`: it always did.
#[derive(Clone, Debug)]
struct Dated<T> {
    name: String,
    from: Option<DateTime<Utc>>,
    what: T,
}

/// SHA-256 of what was imported, as JSON.
type Content = [u8; 32];

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing was imported under it.
    New,
    /// This very content was.
    Same,
    /// Another content was.
    Other,
}

/// The kinds of imports, each with its content.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Import<'a> {
    /// A version of the catalogue.
    Catalogue(&'a Catalogue),
    /// A list of prices.
    PriceList(&'a [ListedOffer], &'a [PriceRow]),
    /// What a vendor says about its offers from an instant on.
    OfferMatrix(DateTime<Utc>, &'a [MatrixOffer]),
    /// The rules of a programme from an instant on.
    Policy(DateTime<Utc>, &'a ProgrammeId, &'a Programme),
}

impl Import<'_> {
    fn content(&self) -> Content {
        // What cannot be written down is never taken for the same: the name is new or taken.
        serde_json::to_vec(self).map_or([0; 32], |json| Sha256::digest(json).into())
    }
}

impl Catalogues {
    /// The catalogue in force at `at`: the version that began last (of two that began together, the one
    /// imported last), with the offers of all price lists, the offer matrices and policies that have
    /// begun laid over it, and the prices of all lists. Its version names what it is made of.
    #[must_use]
    pub fn in_force(&self, at: DateTime<Utc>) -> Option<&Arc<Catalogue>> {
        let imports = &self.imports;
        let begun = imports.timeline.partition_point(|(from, _)| *from <= at);
        let (from, composed) = imports.timeline.get(begun.checked_sub(1)?)?;
        let base = imports.base(*from)?;
        Some(composed.get_or_init(|| imports.compose(base, *from)))
    }

    /// Every version, in the order of import, as it was imported.
    pub fn iter(&self) -> impl Iterator<Item = &Catalogue> {
        self.imports.versions.iter().map(std::convert::AsRef::as_ref)
    }

    /// Adds an imported version.
    #[must_use]
    pub fn with(mut self, catalogue: Catalogue) -> Self {
        let imports = Arc::make_mut(&mut self.imports);
        imports.name(&catalogue.version, Import::Catalogue(&catalogue));
        imports.versions.push(Arc::new(catalogue));
        imports.date();
        self
    }

    /// Adds an import under a name.
    #[must_use]
    pub fn with_import(mut self, name: &str, import: Import<'_>) -> Self {
        Arc::make_mut(&mut self.imports).add(name, import);
        self
    }

    /// The same, with an import instead of those of its kind, as if it had always held: a version instead
    /// of all versions, matrices and policies; a policy instead of those of its programme. For questions
    /// of what would have been.
    #[must_use]
    pub fn instead(mut self, name: &str, import: Import<'_>) -> Self {
        let imports = Arc::make_mut(&mut self.imports);
        match import {
            Import::Catalogue(catalogue) => {
                imports.versions.clear();
                imports.matrices.clear();
                imports.policies.clear();
                let effective_from = DateTime::<Utc>::MIN_UTC;
                let catalogue = Catalogue { effective_from, ..catalogue.clone() };
                imports.add(name, Import::Catalogue(&catalogue));
            }
            Import::Policy(_, programme, policy) => {
                imports.policies.retain(|known| known.what.0 != *programme);
                let always = DateTime::<Utc>::MIN_UTC;
                imports.add(name, Import::Policy(always, programme, policy));
            }
            Import::PriceList(..) | Import::OfferMatrix(..) => imports.add(name, import),
        }
        self
    }

    /// What is known of `name` when `import` is to be imported under it.
    #[must_use]
    pub fn known(&self, name: &str, import: Import<'_>) -> Known {
        match self.imports.contents.get(name) {
            None => Known::New,
            Some(content) if *content == import.content() => Known::Same,
            Some(_) => Known::Other,
        }
    }

    /// Whether anything was ever imported about an offer.
    #[must_use]
    pub fn knows_offer(&self, id: &OfferId) -> bool {
        let imports = &self.imports;
        let in_matrix =
            |matrix: &Dated<Arc<[MatrixOffer]>>| matrix.what.iter().any(|offer| offer.offer == *id);
        imports.listed.contains_key(id)
            || imports.prices.lists(id)
            || imports.versions.iter().any(|version| version.offers.contains_key(id))
            || imports.matrices.iter().any(in_matrix)
    }
}

impl Imports {
    fn add(&mut self, name: &str, import: Import<'_>) {
        self.name(name, import);
        let name = name.to_owned();
        match import {
            Import::Catalogue(catalogue) => self.versions.push(Arc::new(catalogue.clone())),
            Import::PriceList(offers, rows) => {
                Arc::make_mut(&mut self.prices).add(&name, rows);
                let offers = offers.iter().map(|offer| (offer.offer.clone(), offer.clone()));
                self.listed.extend(offers);
                let from = rows.iter().map(|row| row.from).min().flatten();
                self.lists.push(Dated { name, from, what: () });
            }
            Import::OfferMatrix(from, offers) => {
                self.matrices.push(Dated { name, from: Some(from), what: offers.into() });
            }
            Import::Policy(from, programme, policy) => {
                let what = (programme.clone(), Arc::new(policy.clone()));
                self.policies.push(Dated { name, from: Some(from), what });
            }
        }
        self.date();
    }

    /// Remembers what a name stands for.
    fn name(&mut self, name: &str, import: Import<'_>) {
        self.contents.insert(name.to_owned(), import.content());
        // What is composed shares the prices: without it they are added to in place.
        self.timeline.clear();
    }

    /// Finds out when something begins.
    fn date(&mut self) {
        let begins: BTreeSet<DateTime<Utc>> = self
            .versions
            .iter()
            .map(|version| version.effective_from)
            .chain(self.lists.iter().filter_map(|list| list.from))
            .chain(self.matrices.iter().filter_map(|matrix| matrix.from))
            .chain(self.policies.iter().filter_map(|policy| policy.from))
            .collect();
        self.timeline = begins.into_iter().map(|from| (from, OnceLock::new())).collect();
    }

    fn base(&self, at: DateTime<Utc>) -> Option<&Arc<Catalogue>> {
        let begun = self.versions.iter().filter(|version| version.effective_from <= at);
        begun.max_by_key(|version| version.effective_from)
    }

    fn compose(&self, base: &Arc<Catalogue>, at: DateTime<Utc>) -> Arc<Catalogue> {
        let (matrices, policies) = (begun(&self.matrices, at), begun(&self.policies, at));
        if self.lists.is_empty() && matrices.is_empty() && policies.is_empty() {
            return Arc::clone(base);
        }
        let mut catalogue = Catalogue::clone(base);
        catalogue.prices = Arc::clone(&self.prices);
        for (id, listed) in &self.listed {
            let offer = || Offer::new(listed.title.clone(), listed.kind);
            catalogue.offers.entry(id.clone()).or_insert_with(offer);
        }
        for said in matrices.iter().flat_map(|matrix| matrix.what.iter()) {
            let offer = || Offer::new(said.title.clone(), ProductKind::Licence);
            let offer = catalogue.offers.entry(said.offer.clone()).or_insert_with(offer);
            said.lay_over(offer);
        }
        let mut rules = BTreeMap::new();
        for policy in &policies {
            let (programme, what) = &policy.what;
            catalogue.programmes.insert(programme.clone(), Programme::clone(what));
            rules.insert(programme, policy.name.as_str());
        }
        let list = begun(&self.lists, at).last().map(|list| list.name.as_str());
        let matrix = matrices.last().map(|matrix| matrix.name.as_str());
        let names = list.into_iter().chain(matrix).chain(rules.into_values());
        let joined = [base.version.as_str()].into_iter().chain(names).collect::<Vec<_>>();
        catalogue.version = joined.join(&format!(" {JOINED_BY} "));
        Arc::new(catalogue)
    }
}

/// What has begun, in the order in which it did; of what began together, in the order of import.
fn begun<T>(all: &[Dated<T>], at: DateTime<Utc>) -> Vec<&Dated<T>> {
    let mut begun: Vec<_> =
        all.iter().filter(|dated| dated.from.is_none_or(|from| from <= at)).collect();
    begun.sort_by_key(|dated| dated.from);
    begun
}

impl MatrixOffer {
    /// Lays what the vendor says over what the catalogue has.
    fn lay_over(&self, offer: &mut Offer) {
        offer.seats_min = self.seats_min;
        offer.seats_max = self.seats_max;
        offer.prerequisites.clone_from(&self.prerequisites);
        offer.upgrades.clone_from(&self.upgrades);
        offer.markets.clone_from(&self.markets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::SEEDS_TOML;

    fn seeds() -> Catalogue {
        toml::from_str(SEEDS_TOML).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn row(from: Option<&str>) -> PriceRow {
        serde_json::from_value(serde_json::json!({
            "offer": "listed", "term": "P1Y", "billing": "annual", "market": null, "segment": null,
            "currency": "EUR", "price": "10", "from": from, "until": null,
        }))
        .unwrap()
    }

    fn listed() -> ListedOffer {
        let (offer, title) = (OfferId::try_new("listed").unwrap(), "Listed".to_owned());
        ListedOffer { offer, title, kind: ProductKind::Software }
    }

    fn said(offer: &str, seats_max: u32) -> MatrixOffer {
        MatrixOffer {
            offer: OfferId::try_new(offer).unwrap(),
            title: "Said".to_owned(),
            seats_min: 2,
            seats_max: Some(seats_max),
            prerequisites: BTreeSet::new(),
            upgrades: BTreeSet::new(),
            markets: BTreeSet::new(),
        }
    }

    #[test]
    fn the_version_in_force_is_the_one_that_began_last() {
        let version = |name: &str, from: &str| Catalogue {
            version: name.to_owned(),
            effective_from: at(from),
            ..seeds()
        };
        let all = Catalogues::default()
            .with(version("b", "2025-01-01T00:00:00Z"))
            .with(version("a", "2024-01-01T00:00:00Z"))
            .with(version("b2", "2025-01-01T00:00:00Z"));
        let in_force = |text| all.in_force(at(text)).map(|catalogue| catalogue.version.as_str());
        assert_eq!(in_force("2023-12-31T23:59:59Z"), None);
        assert_eq!(in_force("2024-06-01T00:00:00Z"), Some("a"));
        assert_eq!(in_force("2025-01-01T00:00:00Z"), Some("b2"));
    }

    #[test]
    fn everything_that_has_begun_is_laid_over_the_version_and_named() {
        let id = ProgrammeId::try_new("nce").unwrap();
        let strict = Programme { updates_max: 3, ..seeds().programmes[&id].clone() };
        let all = Catalogues::default()
            .with(seeds())
            .with_import(
                "prices",
                Import::PriceList(&[listed()], &[row(Some("2026-01-01T00:00:00Z"))]),
            )
            .with_import(
                "matrix",
                Import::OfferMatrix(at("2026-02-01T00:00:00Z"), &[said("office-365-e3", 7)]),
            )
            .with_import("strict", Import::Policy(at("2026-03-01T00:00:00Z"), &id, &strict));
        let in_force = |text| all.in_force(at(text)).unwrap();
        let e3 = OfferId::try_new("office-365-e3").unwrap();

        assert_eq!(in_force("2025-12-31T00:00:00Z").version, "seeds-2");
        assert_eq!(in_force("2026-01-01T00:00:00Z").version, "seeds-2 + prices");
        assert_eq!(in_force("2026-01-01T00:00:00Z").offer(&e3).unwrap().seats_max, None);
        let february = in_force("2026-02-01T00:00:00Z");
        assert_eq!(february.version, "seeds-2 + prices + matrix");
        assert_eq!(february.offer(&e3).unwrap().seats_max, Some(7));
        assert_eq!(february.offer(&e3).unwrap().title, seeds().offer(&e3).unwrap().title);
        assert_eq!(february.offer(&listed().offer).unwrap().kind, ProductKind::Software);
        let march = in_force("2026-03-01T00:00:00Z");
        assert_eq!(march.version, "seeds-2 + prices + matrix + strict");
        assert_eq!(march.programme(&id), Some(&strict));
    }

    #[test]
    fn what_was_imported_last_does_not_change_what_a_clone_says() {
        let before = Catalogues::default().with(seeds());
        let clone = before.clone();
        let after = before.with_import("prices", Import::PriceList(&[listed()], &[row(None)]));
        let now = at("2026-01-01T00:00:00Z");
        assert!(clone.in_force(now).unwrap().offer(&listed().offer).is_none());
        assert!(after.in_force(now).unwrap().offer(&listed().offer).is_some());
        assert!(!clone.knows_offer(&listed().offer));
        assert!(after.knows_offer(&listed().offer));
    }

    #[test]
    fn a_name_stands_for_one_content_of_one_kind() {
        let (offers, rows) = ([listed()], [row(None)]);
        let all = Catalogues::default().with_import("a", Import::PriceList(&offers, &rows));
        assert_eq!(all.known("a", Import::PriceList(&offers, &rows)), Known::Same);
        assert_eq!(all.known("a", Import::PriceList(&offers, &[])), Known::Other);
        assert_eq!(all.known("b", Import::PriceList(&offers, &rows)), Known::New);
        assert_eq!(all.known("a", Import::Catalogue(&seeds())), Known::Other);
    }

    #[test]
    fn the_same_catalogue_is_composed_once() {
        let all = Catalogues::default()
            .with(seeds())
            .with_import("prices", Import::PriceList(&[listed()], &[row(None)]));
        let now = at("2026-01-01T00:00:00Z");
        assert!(Arc::ptr_eq(all.in_force(now).unwrap(), all.clone().in_force(now).unwrap()));
    }
}
