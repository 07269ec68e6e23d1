//! From which offer to which others an upgrade may go.

use std::collections::BTreeSet;

use super::super::{Context, Rejection};
use crate::catalogue::{Offer, Programme, UpgradePaths};
use crate::ids::OfferId;

/// The offers that `from` can be upgraded to: those of the programme's table; or, where the programme
/// upgrades within families, the higher tiers and what the vendor lists for the offer, which never leads
/// downward in its family. Source: SEED-2, IV; SEED-3; SEED-5; domain, section 3.3.
pub(in super::super) fn possible(
    context: &Context<'_>,
    programme: &Programme,
    from: &OfferId,
) -> Result<BTreeSet<OfferId>, Rejection> {
    match &programme.upgrades.paths {
        UpgradePaths::Listed(paths) => Ok(paths.get(from).cloned().unwrap_or_default()),
        UpgradePaths::FamilyUpward => {
            let source = context.offer(from)?;
            let reached = |(id, offer): &(&OfferId, &Offer)| {
                let listed = source.upgrades.contains(*id) && *id != from;
                if is_one_family(source, offer) { source.tier < offer.tier } else { listed }
            };
            let offers = context.catalogue()?.offers.iter();
            Ok(offers.filter(reached).map(|(id, _)| id.clone()).collect())
        }
    }
}

fn is_one_family(source: &Offer, target: &Offer) -> bool {
    source.family.is_some() && source.family == target.family
}
