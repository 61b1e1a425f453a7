//! The endpoint with the fewest requests in flight per weight.

use crate::route::Candidates;

/// The least loaded of all; among equals by weighted chance, so that an idle list is served by weight.
pub(super) fn pick(candidates: &Candidates<'_>, dice: &mut fastrand::Rng) -> Option<usize> {
    let mut best = None;
    let mut weight_of_equals = 0;
    for index in candidates.eligible() {
        let weight = candidates.weight(index);
        match best {
            Some(held) if candidates.is_less_loaded(held, index) => {}
            Some(held) if !candidates.is_less_loaded(index, held) => {
                weight_of_equals += weight;
                if dice.u32(..weight_of_equals) < weight {
                    best = Some(index);
                }
            }
            _ => {
                best = Some(index);
                weight_of_equals = weight;
            }
        }
    }
    best
}
