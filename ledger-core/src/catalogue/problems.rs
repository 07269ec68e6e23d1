//! What is wrong with imported data, one sentence each.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::{Catalogue, MatrixOffer, Offer, PriceRow, Programme, Promotion, UpgradePaths};
use crate::ids::{OfferId, ProgrammeId, PromotionId};

/// Most digits after the point of a price: what vendors' price lists have, and few enough to stay exact.
pub(crate) const PRICE_SCALE_MAX: u32 = 6;

/// Most sentences about one import; whoever has more mends these first.
const PROBLEMS_MAX: usize = 100;

/// Sentences, of which only the first are kept.
#[derive(Debug, Default)]
struct Problems {
    kept: Vec<String>,
    more: usize,
}

impl Problems {
    fn add(&mut self, problem: impl FnOnce() -> String) {
        if self.kept.len() < PROBLEMS_MAX {
            self.kept.push(problem());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn add_if(&mut self, is_wrong: bool, problem: impl FnOnce() -> String) {
        if is_wrong {
            self.add(problem);
        }
    }

    fn into_sentences(self) -> Vec<String> {
        let mut sentences = self.kept;
        if 0 < self.more {
            sentences.push(format!("and {} more", self.more));
        }
        sentences
    }
}

impl Catalogue {
    /// Lists everything that is wrong with the data, one sentence each; empty when it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.problems_beside(&|_| false)
    }

    /// The same, where offers that `is_known` elsewhere may be named, too.
    #[must_use]
    pub fn problems_beside(&self, is_known: &dyn Fn(&OfferId) -> bool) -> Vec<String> {
        let is_offer = |id: &OfferId| self.offers.contains_key(id) || is_known(id);
        let mut problems = Problems::default();
        problems.add_if(self.version.trim().is_empty(), || "version is empty".to_owned());
        problems.add_if(self.offers.is_empty(), || "there are no offers".to_owned());
        problems.add_if(self.programmes.is_empty(), || "there are no programmes".to_owned());
        for (id, offer) in &self.offers {
            of_offer(id, offer, &is_offer, &mut problems);
        }
        for (id, programme) in &self.programmes {
            of_programme(id, programme, &is_offer, &mut problems);
        }
        for (id, promotion) in &self.promotions {
            of_promotion(id, promotion, &is_offer, &mut problems);
        }
        problems.into_sentences()
    }

    /// Lists everything that is wrong with rules for a programme of this catalogue.
    #[must_use]
    pub fn problems_of_policy(&self, id: &ProgrammeId, policy: &Programme) -> Vec<String> {
        let mut problems = Problems::default();
        of_programme(id, policy, &|offer| self.offers.contains_key(offer), &mut problems);
        problems.into_sentences()
    }
}

/// Lists everything that is wrong with the rows of a price list.
#[must_use]
pub(crate) fn of_prices(rows: &[PriceRow]) -> Vec<String> {
    let mut problems = Problems::default();
    problems.add_if(rows.is_empty(), || "there are no prices".to_owned());
    let mut seen = BTreeMap::new();
    for (row, number) in rows.iter().zip(1_u64..) {
        let named = || format!("price {number}, of {}", row.offer);
        problems.add_if(row.price.is_sign_negative() && !row.price.is_zero(), || {
            format!("{}: it is negative", named())
        });
        problems.add_if(PRICE_SCALE_MAX < row.price.scale(), || {
            format!("{}: it has more than {PRICE_SCALE_MAX} digits after the point", named())
        });
        problems.add_if(row.term.months() < row.billing.months(), || {
            format!("{}: its billing cycle is longer than its term", named())
        });
        problems.add_if(row.from.zip(row.until).is_some_and(|(from, until)| until <= from), || {
            format!("{}: it ends before it begins", named())
        });
        problems.add_if(!row.market.as_deref().is_none_or(is_market), || {
            format!("{}: its market is not two capital letters, such as FR", named())
        });
        let market = row.market.as_deref();
        let key = (&row.offer, row.term, row.billing, market, row.segment, row.currency, row.from);
        if let Some((first, price)) = seen.insert(key, (number, row.price)) {
            problems.add_if(price != row.price, || {
                format!("{}: price {first} is another one for the same, from the same day", named())
            });
        }
    }
    problems.into_sentences()
}

/// Lists everything that is wrong with an offer matrix.
#[must_use]
pub(crate) fn of_matrix(offers: &[MatrixOffer]) -> Vec<String> {
    let mut problems = Problems::default();
    problems.add_if(offers.is_empty(), || "there are no offers".to_owned());
    let mut seen = BTreeSet::new();
    for offer in offers {
        let id = &offer.offer;
        problems.add_if(!seen.insert(id), || format!("offer {id}: it is there twice"));
        limits(id, offer.seats_min, offer.seats_max, &mut problems);
        problems.add_if(offer.prerequisites.contains(id) || offer.upgrades.contains(id), || {
            format!("offer {id}: it needs itself or is upgraded to itself")
        });
        markets(&format!("offer {id}"), &offer.markets, &mut problems);
    }
    problems.into_sentences()
}

/// Whether `text` can be a market.
pub(crate) fn is_market(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn markets<'a>(
    whose: &str,
    markets: impl IntoIterator<Item = &'a String>,
    problems: &mut Problems,
) {
    for market in markets.into_iter().filter(|market| !is_market(market)) {
        problems.add(|| format!("{whose}: {market:?} is not a market, such as FR"));
    }
}

fn limits(id: &OfferId, seats_min: u32, seats_max: Option<u32>, problems: &mut Problems) {
    problems.add_if(seats_min == 0, || format!("offer {id}: seats_min must be at least 1"));
    problems.add_if(seats_max.is_some_and(|seats_max| seats_max < seats_min), || {
        format!("offer {id}: seats_max is below seats_min")
    });
}

fn of_offer(
    id: &OfferId,
    offer: &Offer,
    is_offer: &dyn Fn(&OfferId) -> bool,
    problems: &mut Problems,
) {
    problems.add_if(offer.title.trim().is_empty(), || format!("offer {id}: title is empty"));
    limits(id, offer.seats_min, offer.seats_max, problems);
    problems.add_if(offer.family.is_some() != offer.tier.is_some(), || {
        format!("offer {id}: family and tier go together")
    });
    let itself = [&offer.prerequisites, &offer.conflicts, &offer.upgrades];
    problems.add_if(itself.iter().any(|others| others.contains(id)), || {
        format!("offer {id}: it needs, excludes or is upgraded to itself")
    });
    for other in itself.into_iter().flatten().filter(|other| !is_offer(other)) {
        problems.add(|| format!("offer {id}: it names {other}, which is not an offer"));
    }
    let places = offer.markets.iter().chain(&offer.prohibited_locations);
    markets(&format!("offer {id}"), places, problems);
    problems.add_if(offer.base_percent == Some(0), || {
        format!("offer {id}: base_percent must be at least 1")
    });
    plans(id, offer, problems);
}

fn plans(id: &OfferId, offer: &Offer, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for plan in &offer.plans {
        problems.add_if(!seen.insert((plan.term, plan.billing)), || {
            format!("offer {id}: plan {:?} {:?} is there twice", plan.term, plan.billing)
        });
        problems.add_if(plan.term.months() < plan.billing.months(), || {
            format!("offer {id}: a billing cycle is longer than its term")
        });
        problems.add_if(plan.prices.values().any(Decimal::is_sign_negative), || {
            format!("offer {id}: a price is negative")
        });
        problems.add_if(plan.prices.values().any(|price| PRICE_SCALE_MAX < price.scale()), || {
            format!("offer {id}: a price has more than {PRICE_SCALE_MAX} digits after the point")
        });
    }
}

fn of_promotion(
    id: &PromotionId,
    promotion: &Promotion,
    is_offer: &dyn Fn(&OfferId) -> bool,
    problems: &mut Problems,
) {
    let what = format!("promotion {id}");
    problems.add_if(promotion.title.trim().is_empty(), || format!("{what}: title is empty"));
    problems.add_if(promotion.offers.is_empty(), || format!("{what}: it is for no offer"));
    for offer in promotion.offers.iter().filter(|offer| !is_offer(offer)) {
        problems.add(|| format!("{what}: it is for {offer}, which is not an offer"));
    }
    problems.add_if(promotion.terms.is_empty(), || format!("{what}: it is for no term"));
    problems
        .add_if(promotion.until <= promotion.from, || format!("{what}: it ends before it begins"));
    let percent = promotion.percent;
    problems.add_if(percent <= Decimal::ZERO || Decimal::ONE_HUNDRED < percent, || {
        format!("{what}: percent must be above 0 and at most 100")
    });
    problems
        .add_if(promotion.seats_min == Some(0), || format!("{what}: seats_min must be at least 1"));
    let seats = promotion.seats_min.zip(promotion.seats_max);
    problems.add_if(seats.is_some_and(|(min, max)| max < min), || {
        format!("{what}: seats_max is below seats_min")
    });
    problems.add_if(promotion.redemptions_max == Some(0), || {
        format!("{what}: redemptions_max must be at least 1")
    });
}

fn of_programme(
    id: &ProgrammeId,
    programme: &Programme,
    is_offer: &dyn Fn(&OfferId) -> bool,
    problems: &mut Problems,
) {
    let what = format!("programme {id}");
    problems.add_if(programme.title.trim().is_empty(), || format!("{what}: title is empty"));
    problems.add_if(programme.source.trim().is_empty(), || format!("{what}: source is empty"));
    problems
        .add_if(programme.updates_max == 0, || format!("{what}: updates_max must be at least 1"));
    let mut seen = BTreeSet::new();
    for window in &programme.windows {
        problems.add_if(!seen.insert((window.kind, window.from)), || {
            format!("{what}: two windows for {:?} begin at {}", window.kind, window.from)
        });
        let refund = window.full_refund_hours.unwrap_or(0);
        problems
            .add_if(window.cancel_hours.is_none_or(|hours| hours < refund) && refund != 0, || {
                format!("{what}: full_refund_hours of {:?} are more than cancel_hours", window.kind)
            });
    }
    let named = programme.registration_number_markets.iter();
    markets(&what, named.chain(programme.resellers_max.keys()), problems);
    problems.add_if(programme.resellers_max.values().any(|most| *most == 0), || {
        format!("{what}: resellers_max must be at least 1")
    });
    of_endings(&what, programme, problems);
    let UpgradePaths::Listed(paths) = &programme.upgrades.paths else { return };
    let named = paths.iter().flat_map(|(from, to)| to.iter().chain([from]));
    for offer in named.filter(|offer| !is_offer(offer)) {
        problems.add(|| format!("{what}: an upgrade path names {offer}, which is not an offer"));
    }
}

fn of_endings(what: &str, programme: &Programme, problems: &mut Problems) {
    let suspended_days = programme.suspension.as_ref().and_then(|rules| rules.days_max);
    let ending = &programme.ending;
    let days = [suspended_days, ending.expired_days, ending.suspended_days, ending.disabled_days];
    problems.add_if(days.contains(&Some(0)), || {
        format!("{what}: days of suspension and ending must be at least 1, or left out")
    });
    if let Some(extended) = &ending.extended {
        let premiums = [extended.premium_percent, extended.premium_percent_without_monthly];
        problems.add_if(premiums.iter().any(Decimal::is_sign_negative), || {
            format!("{what}: a premium of the extended term is negative")
        });
    }
    if let Some(trials) = &programme.trials {
        problems.add_if(trials.days == 0 || trials.seats == 0, || {
            format!("{what}: a trial has days and seats")
        });
        problems.add_if(trials.term.months() < trials.billing.months(), || {
            format!("{what}: a trial's billing cycle is longer than its term")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Plan, SEEDS_TOML};

    fn seeds() -> Catalogue {
        toml::from_str(SEEDS_TOML).unwrap()
    }

    fn offer(id: &str) -> OfferId {
        OfferId::try_new(id).unwrap()
    }

    #[test]
    fn the_seed_catalogue_has_no_problems() {
        assert_eq!(seeds().problems(), Vec::<String>::new());
    }

    #[test]
    fn every_contradiction_is_named() {
        let mut catalogue = seeds();
        catalogue.version = " ".to_owned();
        let first = catalogue.offers.values_mut().next().unwrap();
        first.seats_min = 0;
        first.family = Some("lonely".to_owned());
        first.conflicts.insert(offer("nothing"));
        assert_eq!(catalogue.problems().len(), 4, "{:?}", catalogue.problems());
    }

    #[test]
    fn an_offer_without_plans_is_sold_by_price_lists_alone() {
        let mut catalogue = seeds();
        catalogue.offers.values_mut().next().unwrap().plans = Vec::<Plan>::new();
        assert_eq!(catalogue.problems(), Vec::<String>::new());
    }

    #[test]
    fn what_is_known_elsewhere_may_be_named() {
        let mut catalogue = seeds();
        let first = catalogue.offers.values_mut().next().unwrap();
        first.prerequisites.insert(offer("listed"));
        assert_eq!(catalogue.problems().len(), 1);
        assert_eq!(catalogue.problems_beside(&|id| id.as_str() == "listed").len(), 0);
    }

    #[test]
    fn every_contradiction_of_a_promotion_is_named() {
        let mut catalogue = seeds();
        let promotion: Promotion = toml::from_str(
            r#"title = ""
            offers = ["nothing"]
            terms = []
            from = "2026-01-01T00:00:00Z"
            until = "2026-01-01T00:00:00Z"
            percent = "100.01"
            seats_min = 5
            seats_max = 4
            redemptions_max = 0"#,
        )
        .unwrap();
        let id = PromotionId::try_new("promotion").unwrap();
        catalogue.promotions = BTreeMap::from([(id, promotion)]);
        assert_eq!(catalogue.problems().len(), 7, "{:?}", catalogue.problems());
    }

    #[test]
    fn only_the_first_hundred_sentences_are_kept() {
        let rows: Vec<PriceRow> = (0..250)
            .map(|number| {
                serde_json::from_value(serde_json::json!({
                    "offer": format!("offer-{number}"), "term": "P1M", "billing": "annual",
                    "market": null, "segment": null, "currency": "EUR", "price": "1.00",
                    "from": null, "until": null,
                }))
                .unwrap()
            })
            .collect();
        let problems = of_prices(&rows);
        assert_eq!(problems.len(), PROBLEMS_MAX + 1);
        assert_eq!(problems.last().unwrap(), "and 150 more");
    }
}
