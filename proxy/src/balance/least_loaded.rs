//! The endpoint with the fewest requests in flight per weight.

use std::cmp::Ordering;

use crate::route::Candidates;

/// The least loaded of all; among equals by weighted chance, so that an idle list is served by weight.
pub(super) fn pick(candidates: &Candidates<'_>, dice: &mut fastrand::Rng) -> Option<usize> {
    let mut eligible = candidates.eligible();
    let mut best = eligible.next()?;
    let mut weight_of_equals = candidates.weight(best);
    for index in eligible {
        let weight = candidates.weight(index);
        match candidates.compare_load(index, best) {
            Ordering::Greater => {}
            Ordering::Less => (best, weight_of_equals) = (index, weight),
            Ordering::Equal => {
                weight_of_equals += weight;
                if dice.u32(..weight_of_equals) < weight {
                    best = index;
                }
            }
        }
    }
    Some(best)
}
